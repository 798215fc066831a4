package com.example.cafe.local;

import static com.example.cafe.local.StatesBench.json;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The functions of both query languages, one by one. */
class StatesFunctionsTest {
  private static final StatesBench BENCH = new StatesBench();

  @AfterAll
  static void close() {
    BENCH.close();
  }

  private static StatesBench.Outcome intrinsic(String call, String input) {
    var definition = json("{StartAt:'S',States:{S:{Type:'Pass',Parameters:{},End:true}}}");
    ((com.fasterxml.jackson.databind.node.ObjectNode) definition.at("/States/S/Parameters")).put("r.$", call);
    return BENCH.run(definition.toString(), input);
  }

  private static StatesBench.Outcome expression(String expression, String input) {
    var definition = json("{QueryLanguage:'JSONata',StartAt:'S',States:{S:{Type:'Pass',End:true}}}");
    ((com.fasterxml.jackson.databind.node.ObjectNode) definition.at("/States/S")).put("Output", "{% " + expression + " %}");
    return BENCH.run(definition.toString(), input);
  }

  @DisplayName("An intrinsic function gives")
  @ParameterizedTest(name = "{0} of {1} is {2}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      States.Format('Hi {}, you are {}', $.n, $.a)           | {n:'Al',a:3}      | 'Hi Al, you are 3'
      States.Format('{} {} {}', $.n, true, 1.5)              | {n:null}          | 'null true 1.5'
      States.Format('no placeholder')                        | {}                | 'no placeholder'
      States.Format('{}', $.o)                               | {o:{a:[1]}}       | '{"a":[1]}'
      States.Format('it\\'s \\{{}\\}', 'x')                  | {}                | "it's {x}"
      States.Format('{}', States.Format('<{}>', $.n))        | {n:'in'}          | '<in>'
      States.Format($.t, 1)                                  | {t:'no. {}'}      | 'no. 1'
      States.StringToJson($.s)                               | {s:'{"a":[1,null]}'} | {a:[1,null]}
      States.StringToJson('"x"')                             | {}                | 'x'
      States.JsonToString($.o)                               | {o:{a:[1,'b']}}   | '{"a":[1,"b"]}'
      States.JsonToString('x')                               | {}                | '"x"'
      States.Array('a', 1, null, $.x, States.Array())        | {x:{y:2}}         | ['a',1,null,{y:2},[]]
      States.Array()                                         | {}                | []
      States.ArrayPartition($.a, 4)                          | {a:[1,2,3,4,5,6,7,8,9]} | [[1,2,3,4],[5,6,7,8],[9]]
      States.ArrayPartition($.a, 1.6)                        | {a:[1,2,3]}       | [[1,2],[3]]
      States.ArrayContains($.a, $.v)                         | {a:[1,2],v:2}     | true
      States.ArrayContains($.a, '2')                         | {a:[1,2]}         | false
      States.ArrayContains($.a, $.v)                         | {a:[{x:1}],v:{x:1}} | true
      States.ArrayRange(1, 9, 2)                             | {}                | [1,3,5,7,9]
      States.ArrayRange(3, 1, -1)                            | {}                | [3,2,1]
      States.ArrayRange(1, 2, 5)                             | {}                | [1]
      States.ArrayGetItem($.a, $.i)                          | {a:['x','y'],i:1} | 'y'
      States.ArrayLength($.a)                                | {a:[1,[2,3]]}     | 2
      States.ArrayUnique($.a)                                | {a:[1,2,1,'1',{a:1},{a:1}]} | [1,2,'1',{a:1}]
      States.Base64Encode($.s)                               | {s:'Data to encode é'} | 'RGF0YSB0byBlbmNvZGUgw6k='
      States.Base64Decode($.s)                               | {s:'RGVjb2RlZCBkYXRh'} | 'Decoded data'
      States.Hash($.d, 'SHA-1')                              | {d:'input data'}  | 'aaff4a450a104cd177d28d18d74485e8cae074b7'
      States.Hash('', 'MD5')                                 | {}                | 'd41d8cd98f00b204e9800998ecf8427e'
      States.JsonMerge($.a, $.b, false)                      | {a:{x:1,y:{p:1}},b:{y:{q:2},z:3}} | {x:1,y:{q:2},z:3}
      States.MathAdd($.a, -1)                                | {a:111}           | 110
      States.MathAdd($.a, 4.3)                               | {a:59}            | 63
      States.MathAdd(1.5, -2.5)                              | {}                | 0
      States.StringSplit($.s, ',')                           | {s:'1,2,3'}       | ['1','2','3']
      States.StringSplit($.s, '.+,=')                        | {s:'This.is+a,test=string'} | ['This','is','a','test','string']
      States.MathRandom(5, 6)                                | {}                | 5
      States.ArrayLength(States.StringSplit(States.Base64Decode('YSBi'), ' ')) | {} | 2
      States.Format('{}', $.a[?(@.n == 'x, (y)')].v)         | {a:[{n:'x, (y)',v:1}]} | '[1]'
      States.Format('{}', $['a b'])                          | {'a b':1}         | '1'
      """)
  void intrinsics(String call, String input, String result) {
    assertThat(intrinsic(call, input).output().get("r")).isEqualTo(json(result));
  }

  @DisplayName("An intrinsic function that cannot, fails with States.IntrinsicFailure and its call in the cause")
  @ParameterizedTest(name = "{0} of {1}: {2}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      States.Format('{} {}', 1)            | {}             | there are more placeholders in the template than arguments
      States.Format('{}', 1, 2)            | {}             | there are fewer placeholders in the template than arguments
      States.Format('{', 1)                | {}             | matching '}' not found for '{' in the template
      States.Format($.t)                   | {t:1}          | argument 1 must be a string, but is 1
      States.StringToJson('{')             | {}             | Unexpected end-of-input
      States.StringToJson($.t)             | {t:{}}         | argument 1 must be a string, but is {}
      States.ArrayPartition($.t, 0)        | {t:[1]}        | the chunk size must be a positive integer, but is 0
      States.ArrayPartition($.t, 2)        | {t:1}          | argument 1 must be an array, but is 1
      States.ArrayRange(1, 2, 0)           | {}             | the step must not be 0
      States.ArrayRange(1, 5000, 1)        | {}             | the range has more than 1000 elements
      States.ArrayRange(1, 'x', 1)         | {}             | argument 2 must be a number, but is "x"
      States.ArrayGetItem($.t, 2)          | {t:[1]}        | the index 2 is out of range: the array has 1 elements
      States.ArrayGetItem($.t, -1)         | {t:[1]}        | the index -1 is out of range: the array has 1 elements
      States.ArrayLength($.t)              | {t:'abc'}      | argument 1 must be an array, but is "abc"
      States.Base64Decode('!')             | {}             | the argument is not Base64
      States.Hash('x', 'CRC')              | {}             | the hash algorithm must be one of MD5, SHA-1, SHA-256, SHA-384, SHA-512, but is CRC
      States.JsonMerge($.t, $.t, true)     | {t:{}}         | only the shallow merge is supported: the third argument must be false
      States.JsonMerge($.t, 1, false)      | {t:{}}         | argument 2 must be an object, but is 1
      States.MathAdd(1, 99999999999)       | {}             | argument 2 must be between -2147483648 and 2147483647, but is 99999999999
      States.MathAdd(1)                    | {}             | States.MathAdd takes 2 arguments, but there are 1
      States.MathRandom(5, 5)              | {}             | the end of the range must be greater than its start
      """)
  void intrinsicFailures(String call, String input, String why) {
    var outcome = intrinsic(call, input);
    assertThat(outcome.error()).isEqualTo("States.IntrinsicFailure");
    assertThat(outcome.cause()).startsWith("An error occurred while executing the state 'S' (entered at the event id #2). "
        + "The function '" + call + "' had the following error: " + why);
  }

  @Test
  void theRandomFunctionsStayInTheirRangesAndRepeatWithASeed() {
    for (var i = 0; i < 20; i++) {
      assertThat(intrinsic("States.MathRandom(1, 4)", "{}").output().get("r").asInt()).isBetween(1, 3);
    }
    var first = intrinsic("States.MathRandom(1, 1000000, 7)", "{}").output();
    assertThat(intrinsic("States.MathRandom(1, 1000000, 7)", "{}").output()).isEqualTo(first);
    var uuid = intrinsic("States.UUID()", "{}").output().get("r").asText();
    assertThat(uuid).matches("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
    assertThat(expression("$uuid()", "{}").output().asText()).matches("[0-9a-f-]{36}").isNotEqualTo(uuid);
    assertThat(expression("$random()", "{}").output().asDouble()).isBetween(0.0, 1.0);
  }

  @DisplayName("A JSONata expression gives")
  @ParameterizedTest(name = "{0} of {1} is {2}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      $partition([1,2,3,4], 2)                 | {}            | [[1,2],[3,4]]
      $partition([1,2,3], 2)                   | {}            | [[1,2],[3]]
      $partition($states.input, 9)             | [1]           | [[1]]
      $range(0, 6, 2)                          | {}            | [0,2,4,6]
      $range(-1.7, 2, 1)                       | {}            | [-1,0,1,2]
      $range(3, 0, -2)                         | {}            | [3,1]
      $range(3, 0, 2)                          | {}            | []
      $hash("input", "SHA-1")                  | {}            | '140f86aae51ab9e1cda9b4254fe98a74eb54c1a1'
      $random(42)                              | {}            | 0.7275636800328681
      $parse("{\\"a\\":[1,null]}").a           | {}            | [1,null]
      $parse("null")                           | {}            | null
      $string($states.input)                   | {a:1}         | '{"a":1}'
      $merge([$states.input, {"b": 2}])        | {a:1}         | {a:1,b:2}
      $sum($states.input.i.(p * q))            | {i:[{p:2,q:3},{p:1,q:1}]} | 7
      $map($states.input, function($v, $i) {$v & $i}) | ['a','b'] | ['a0','b1']
      $filter($states.input, function($v) {$v > 1}) | [1,2,3]  | [2,3]
      $reduce($states.input, function($a, $b) {$a + $b}) | [1,2,3] | 6
      $states.input.a ? "yes" : "no"           | {a:[]}        | 'no'
      $exists($states.input.a)                 | {}            | false
      $count($states.input.a)                  | {a:[1,null,2]} | 3
      $type($states.input.a)                   | {a:null}      | 'null'
      $states.input.a = null                   | {a:null}      | true
      $sort($states.input)                     | [3,1,2]       | [1,2,3]
      $states.input^(>p).p                     | [{p:1},{p:3}] | [3,1]
      $states.input{n: $sum(v)}                | [{n:'a',v:1},{n:'a',v:2},{n:'b',v:3}] | {a:3,b:3}
      $toMillis("2020-01-01T00:00:00Z")        | {}            | 1577836800000
      $fromMillis(0)                           | {}            | '1970-01-01T00:00:00.000Z'
      $now() > "2020"                          | {}            | true
      ($x := 2; $f := function($n) {$n * $x}; $f(21)) | {}     | 42
      $states.input ~> $sum                    | [1,2]         | 3
      "a" & 1 & true                           | {}            | 'a1true'
      $formatNumber(1234.5, "#,##0.00")        | {}            | '1,234.50'
      $contains("abc", /B/i)                   | {}            | true
      1e20                                     | {}            | 100000000000000000000
      0.1 + 0.2                                | {}            | 0.30000000000000004
      $states.input.big                        | {big:9007199254740993} | 9007199254740993
      $states.context.StateMachine.Name ~> $substring(0, 5) | {} | 'bench'
      """)
  void expressions(String expression, String input, String result) {
    assertThat(expression(expression, input).output()).isEqualTo(json(result));
  }

  @DisplayName("A JSONata expression that fails, fails with States.QueryEvaluationError")
  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      $partition([1], -1)          | threw an error during evaluation. T0410: Argument 2 of function "partition" does not match function signature
      $hash("x", "CRC")            | threw an error during evaluation. T0410: Argument 2 of function "hash" does not match function signature
      $hash(1, "MD5")              | threw an error during evaluation. T0410: Argument 1 of function "hash" does not match function signature
      $range(1, 5, 0)              | threw an error during evaluation. T0410: Argument 3 of function "range" does not match function signature
      $range(1, 90000000, 1)       | threw an error during evaluation: Memory limit exceeded
      $parse("{")                  | threw an error during evaluation: Unable to parse the text as JSON
      $range(1, 5)                 | returned nothing (undefined).
      $nope(1)                     | threw an error during evaluation. T1006: Attempted to invoke a non-function
      1 + "a"                      | threw an error during evaluation. T2002: The right side of the "+" operator must evaluate to a number
      ($f := function($n) {$f($n + 1) + 1}; $f(1)) | threw an error during evaluation: S
      $sum                         | returned an unsupported result type.
      """)
  void expressionFailures(String expression, String why) {
    var outcome = expression(expression, "{}");
    assertThat(outcome.error()).isEqualTo("States.QueryEvaluationError");
    assertThat(outcome.cause()).contains("The JSONata expression '" + expression + "' specified for the field 'Output' " + why);
  }
}
