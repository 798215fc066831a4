package com.example.cafe.local;

import static com.example.cafe.local.StatesBench.json;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What each state, field and rule of the States Language makes of its input. */
class StatesLanguageTest {
  private static final StatesBench BENCH = new StatesBench()
      .on("lambda", "echo", input -> input.get("payload"))
      .on("lambda", "fault", input -> json("{errorType:'Broken',errorMessage:'it broke'}"))
      .on("lambda", "late", input -> json("{errorMessage:'Task timed out'}"));

  @AfterAll
  static void close() {
    BENCH.close();
  }

  private static final String ECHO = "arn:aws:lambda:eu-central-1:000000000000:function:echo";
  private static final String FAULT = "arn:aws:lambda:eu-central-1:000000000000:function:fault";

  private static String expand(String definition) {
    return definition.replace("ECHO", ECHO).replace("FAULT", FAULT);
  }

  /** A machine of one state. */
  private static String single(String state, String language) {
    var end = state.matches("(?s)Type:'(Succeed|Fail|Choice)'.*") ? "" : ",End:true";
    return expand("{QueryLanguage:'" + language + "',StartAt:'S',States:{S:{" + state + end + "}"
        + (state.contains("'Done'") ? ",Done:{Type:'Pass',End:true}" : "")
        + (state.contains("'Other'") ? ",Other:{Type:'Pass',End:true}" : "") + "}}");
  }

  @DisplayName("A JSONPath state turns its input into its output")
  @ParameterizedTest(name = "{0} | {1} | {2}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      Type:'Pass'                                                          | {a:1}              | {a:1}
      Type:'Pass'                                                          | 'text'             | 'text'
      Type:'Pass'                                                          | null               | null
      Type:'Pass',Result:{b:2}                                             | {a:1}              | {b:2}
      Type:'Pass',Result:{'b.$':'$.a'}                                     | {a:1}              | {'b.$':'$.a'}
      Type:'Pass',Result:null                                              | {a:1}              | null
      Type:'Pass',Result:{b:2},ResultPath:'$.x'                            | {a:1}              | {a:1,x:{b:2}}
      Type:'Pass',Result:2,ResultPath:'$.x.y.z'                            | {a:1}              | {a:1,x:{y:{z:2}}}
      Type:'Pass',Result:2,ResultPath:'$.a[1]'                             | {a:[1,1,1]}        | {a:[1,2,1]}
      Type:'Pass',Result:2,ResultPath:"$['a b']"                           | {a:1}              | {a:1,'a b':2}
      Type:'Pass',Result:2,ResultPath:null                                 | {a:1}              | {a:1}
      Type:'Pass',Result:2,ResultPath:'$'                                  | {a:1}              | 2
      Type:'Pass',InputPath:'$.a'                                          | {a:{b:1}}          | {b:1}
      Type:'Pass',InputPath:null                                           | {a:1}              | {}
      Type:'Pass',InputPath:'$$.Execution.Name'                            | {a:1}              | 'run'
      Type:'Pass',OutputPath:'$.a'                                         | {a:[1]}            | [1]
      Type:'Pass',OutputPath:null                                          | {a:1}              | {}
      Type:'Pass',OutputPath:'$..b'                                        | {a:{b:1},c:{b:2}}  | [1,2]
      Type:'Pass',Parameters:{'x.$':'$.a',y:[{'z.$':'$.b'}],w:'$.a'}       | {a:1,b:null}       | {x:1,y:[{z:null}],w:'$.a'}
      Type:'Pass',Parameters:{'x.$':'$.a[?(@.p > 1)].n'}                   | {a:[{p:1,n:'i'},{p:2,n:'j'}]} | {x:['j']}
      Type:'Pass',Parameters:{'x.$':'$.a[0:2]','y.$':'$.a[-1:]'}           | {a:[1,2,3]}        | {x:[1,2],y:[3]}
      Type:'Pass',Parameters:{'x.$':'$.a.length()','y.$':'$.a.sum()'}       | {a:[1,2,3]}        | {x:3,y:6.0}
      Type:'Pass',Parameters:{'x.$':'$$.State.Name','r.$':'$$.Execution.Input.a'} | {a:7}       | {x:'S',r:7}
      Type:'Pass',InputPath:'$.a',Parameters:{'x.$':'$.b'},ResultPath:'$.r' | {a:{b:1}}         | {a:{b:1},r:{x:1}}
      Type:'Succeed'                                                       | {a:1}              | {a:1}
      Type:'Succeed',InputPath:'$.a',OutputPath:'$.b'                      | {a:{b:1}}          | 1
      Type:'Wait',Seconds:1                                                | {a:1}              | {a:1}
      Type:'Wait',Seconds:0,OutputPath:'$.a'                               | {a:1}              | 1
      Type:'Wait',SecondsPath:'$.a'                                        | {a:2}              | {a:2}
      Type:'Wait',Timestamp:'2020-01-01T00:00:00Z'                         | {a:1}              | {a:1}
      Type:'Wait',TimestampPath:'$.t'                                      | {t:'2020-01-01T00:00:00.5+02:00'} | {t:'2020-01-01T00:00:00.5+02:00'}
      Type:'Task',Resource:'ECHO'                                          | {a:1}              | {a:1}
      Type:'Task',Resource:'ECHO',Parameters:{'b.$':'$.a'},ResultPath:'$.r' | {a:1}             | {a:1,r:{b:1}}
      Type:'Task',Resource:'ECHO',ResultSelector:{'c.$':'$.a'}             | {a:1}              | {c:1}
      Type:'Task',Resource:'ECHO',ResultPath:null                          | {a:1}              | {a:1}
      Type:'Task',Resource:'ECHO',ResultSelector:{'c.$':'$.a'},ResultPath:'$.r',OutputPath:'$.r.c' | {a:1} | 1
      Type:'Parallel',Branches:[{StartAt:'A',States:{A:{Type:'Pass',Result:1,End:true}}},{StartAt:'B',States:{B:{Type:'Succeed'}}}] | {a:1} | [1,{a:1}]
      Type:'Parallel',ResultSelector:{'x.$':'$[0]'},ResultPath:'$.r',Branches:[{StartAt:'A',States:{A:{Type:'Pass',End:true}}}] | {a:1} | {a:1,r:{x:{a:1}}}
      Type:'Parallel',Parameters:{'p.$':'$.a'},Branches:[{StartAt:'A',States:{A:{Type:'Pass',End:true}}}] | {a:1} | [{p:1}]
      Type:'Map',ItemProcessor:{StartAt:'A',States:{A:{Type:'Pass',End:true}}}                    | [1,2,3]   | [1,2,3]
      Type:'Map',ItemProcessor:{StartAt:'A',States:{A:{Type:'Pass',End:true}}}                    | []        | []
      Type:'Map',ItemsPath:'$.i',Iterator:{StartAt:'A',States:{A:{Type:'Pass',Result:0,End:true}}} | {i:[1,2]} | [0,0]
      Type:'Map',ItemsPath:'$.i',MaxConcurrency:1,ItemSelector:{'v.$':'$$.Map.Item.Value','n.$':'$$.Map.Item.Index','o.$':'$.o'},ItemProcessor:{StartAt:'A',States:{A:{Type:'Pass',End:true}}} | {i:['x','y'],o:9} | [{v:'x',n:0,o:9},{v:'y',n:1,o:9}]
      Type:'Map',ItemsPath:'$.i',MaxConcurrencyPath:'$.c',Parameters:{'v.$':'$$.Map.Item.Value'},Iterator:{StartAt:'A',States:{A:{Type:'Pass',OutputPath:'$.v',End:true}}} | {i:[1,2,3],c:2} | [1,2,3]
      Type:'Map',ItemsPath:'$.i',ToleratedFailureCount:1,ItemProcessor:{StartAt:'A',States:{A:{Type:'Choice',Choices:[{Variable:'$',NumericEquals:2,Next:'F'}],Default:'G'},F:{Type:'Fail'},G:{Type:'Succeed'}}} | {i:[1,2,3]} | [1,3]
      """)
  void jsonPath(String state, String input, String output) {
    assertThat(BENCH.run(single(state, "JSONPath"), input).output()).isEqualTo(json(output));
  }

  @DisplayName("A JSONata state turns its input into its output")
  @ParameterizedTest(name = "{0} | {1} | {2}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      Type:'Pass'                                                            | {a:1}          | {a:1}
      Type:'Pass',Output:{x:'{% $states.input.a + 1 %}',y:'a',z:[1,'{%$states.input.a%}']} | {a:1} | {x:2,y:'a',z:[1,1]}
      Type:'Pass',Output:'{% $states.input %}'                               | [1,null]       | [1,null]
      Type:'Pass',Output:' {% 1 %}'                                          | {}             | ' {% 1 %}'
      Type:'Pass',Output:null                                                | {}             | null
      Type:'Pass',Output:{'x.$':'$.a',f:"States.UUID()"}                     | {a:1}          | {'x.$':'$.a',f:'States.UUID()'}
      Type:'Pass',Output:'{% $states.context.State.Name & $states.context.Execution.Name %}' | {} | 'Srun'
      Type:'Pass',Output:'{% 10 / 4 %}'                                      | {}             | 2.5
      Type:'Pass',Output:'{% 10 / 5 %}'                                      | {}             | 2
      Type:'Pass',Output:'{% {"n": null} %}'                                 | {}             | {n:null}
      Type:'Pass',Output:'{% $states.input.a %}'                             | {a:null}       | null
      Type:'Pass',Output:'{% $states.input.i[$ > 1] %}'                      | {i:[1,2,3]}    | [2,3]
      Type:'Pass',Output:'{% [$states.input.i[$ > 2]] %}'                    | {i:[1,2,3]}    | [3]
      Type:'Succeed',Output:{r:'{% $states.input.a %}'}                      | {a:1}          | {r:1}
      Type:'Wait',Seconds:'{% $states.input.a %}'                            | {a:1}          | {a:1}
      Type:'Wait',Timestamp:'{% $states.input.t %}',Output:'done'            | {t:'2020-01-01T00:00:00Z'} | 'done'
      Type:'Task',Resource:'ECHO'                                            | {a:1}          | {a:1}
      Type:'Task',Resource:'ECHO',Arguments:{b:'{% $states.input.a %}'},Output:{r:'{% $states.result.b %}',i:'{% $states.input %}'} | {a:1} | {r:1,i:{a:1}}
      Type:'Task',Resource:'ECHO',TimeoutSeconds:'{% 1000 * 1000 %}'         | {a:1}          | {a:1}
      Type:'Parallel',Arguments:{p:1},Branches:[{StartAt:'A',States:{A:{Type:'Pass',End:true}}}],Output:'{% $states.result[0].p %}' | {} | 1
      Type:'Parallel',Branches:[{StartAt:'A',States:{A:{Type:'Pass',Output:1,End:true}}},{StartAt:'B',States:{B:{Type:'Pass',Output:2,End:true}}}] | {} | [1,2]
      Type:'Map',ItemProcessor:{StartAt:'A',States:{A:{Type:'Pass',Output:'{% $states.input * 2 %}',End:true}}} | [1,2] | [2,4]
      Type:'Map',Items:'{% $states.input.i %}',ItemSelector:{v:'{% $states.context.Map.Item.Value %}',n:'{% $states.context.Map.Item.Index %}'},ItemProcessor:{StartAt:'A',States:{A:{Type:'Pass',End:true}}} | {i:['x']} | [{v:'x',n:0}]
      Type:'Map',Items:[1,'{% 1+1 %}'],MaxConcurrency:'{% 1 %}',ItemProcessor:{StartAt:'A',States:{A:{Type:'Pass',End:true}}},Output:'{% $sum($states.result) %}' | {} | 3
      Type:'Choice',Choices:[{Condition:'{% $states.input.a > 1 %}',Next:'Done',Output:'big'}],Default:'Other',Output:'small' | {a:2} | 'big'
      Type:'Choice',Choices:[{Condition:'{% $states.input.a > 1 %}',Next:'Done',Output:'big'}],Default:'Other',Output:'small' | {a:1} | 'small'
      Type:'Choice',Choices:[{Condition:true,Next:'Done'}]                   | {a:1}          | {a:1}
      """)
  void jsonata(String state, String input, String output) {
    assertThat(BENCH.run(single(state, "JSONata"), input).output()).isEqualTo(json(output));
  }

  @DisplayName("A state fails with the error and the cause that the service gives")
  @ParameterizedTest(name = "{0} | {1} | {2} | {3}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      JSONPath | Type:'Fail',Error:'E',Cause:'C'                         | {} | E | C
      JSONPath | Type:'Fail'                                             | {} | `` | ``
      JSONPath | Type:'Fail',ErrorPath:'$.e',CausePath:"States.Format('why: {}', $.c)" | {e:'E',c:1} | E | why: 1
      JSONPath | Type:'Fail',ErrorPath:'$.nope'                          | {e:'E'} | States.Runtime | An error occurred while executing the state 'S' (entered at the event id #2). The JSONPath '$.nope' specified for the field 'ErrorPath' could not be found in the input '{"e":"E"}'
      JSONata  | Type:'Fail',Error:'{% $states.input.e %}',Cause:'{% "c" & 1 %}' | {e:'E'} | E | c1
      JSONata  | Type:'Fail',Error:'{% 1 %}'                             | {} | States.QueryEvaluationError | An error occurred while executing the state 'S' (entered at the event id #2). The JSONata expression '1' specified for the field 'Error' returned an unexpected result type. Expected 'string', but was 'number' for value: 1
      JSONPath | Type:'Pass',Parameters:{'m.$':'$.nope.deep'}            | {other:1} | States.Runtime | An error occurred while executing the state 'S' (entered at the event id #2). The JSONPath '$.nope.deep' specified for the field 'm.$' could not be found in the input '{"other":1}'
      JSONPath | Type:'Pass',InputPath:'$.x'                             | {} | States.Runtime | An error occurred while executing the state 'S' (entered at the event id #2). The JSONPath '$.x' specified for the field 'InputPath' could not be found in the input '{}'
      JSONPath | Type:'Pass',Result:1,ResultPath:'$.a.b'                 | {a:1} | States.ResultPathMatchFailure | An error occurred while executing the state 'S' (entered at the event id #2). Unable to apply ReferencePath $.a.b to input {"a":1}
      JSONPath | Type:'Pass',Result:1,ResultPath:'$.a[3]'                | {a:[]} | States.ResultPathMatchFailure | An error occurred while executing the state 'S' (entered at the event id #2). Unable to apply ReferencePath $.a[3] to input {"a":[]}
      JSONPath | Type:'Wait',TimestampPath:'$.t'                         | {t:'2016-12-05 21:29:29Z'} | States.Runtime | An error occurred while executing the state 'S' (entered at the event id #2). The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: $.t == 2016-12-05 21:29:29Z
      JSONPath | Type:'Wait',SecondsPath:'$.t'                           | {t:'x'} | States.Runtime | An error occurred while executing the state 'S' (entered at the event id #2). The SecondsPath parameter does not reference an integer value: $.t == "x"
      JSONPath | Type:'Choice',Choices:[{Variable:'$.a',NumericEquals:1,Next:'Done'}] | {a:2} | States.NoChoiceMatched | An error occurred while executing the state 'S' (entered at the event id #2). Failed to transition out of the state. The state does not point to a next state.
      JSONPath | Type:'Choice',Choices:[{Variable:'$.b',NumericEquals:1,Next:'Done'}] | {a:2} | States.Runtime | An error occurred while executing the state 'S' (entered at the event id #2). Invalid path '$.b': The choice state's condition path references an invalid value.
      JSONata  | Type:'Choice',Choices:[{Condition:'{% false %}',Next:'Done'}] | {} | States.NoChoiceMatched | An error occurred while executing the state 'S' (entered at the event id #2). Failed to transition out of the state. The state does not point to a next state.
      JSONata  | Type:'Choice',Choices:[{Condition:'{% 1 %}',Next:'Done'}] | {} | States.QueryEvaluationError | An error occurred while executing the state 'S' (entered at the event id #2). The JSONata expression '1' specified for the field 'Choices[0]/Condition' returned an unexpected result type. Expected 'boolean', but was 'number' for value: 1
      JSONPath | Type:'Map',ItemsPath:'$.i',ItemProcessor:{StartAt:'A',States:{A:{Type:'Pass',End:true}}} | {i:1} | States.Runtime | An error occurred while executing the state 'S' (entered at the event id #2). Reference path "$.i" must point to array.
      JSONata  | Type:'Map',Items:'{% $states.input.i %}',ItemProcessor:{StartAt:'A',States:{A:{Type:'Pass',End:true}}} | {i:'x'} | States.QueryEvaluationError | An error occurred while executing the state 'S' (entered at the event id #2). The JSONata expression '$states.input.i' specified for the field 'Items' returned an unexpected result type. Expected 'array', but was 'string' for value: "x"
      JSONata  | Type:'Map',Items:'{% $f := function($x){$x} %}',ItemProcessor:{StartAt:'A',States:{A:{Type:'Pass',End:true}}} | {} | States.QueryEvaluationError | An error occurred while executing the state 'S' (entered at the event id #2). The JSONata expression '$f := function($x){$x}' specified for the field 'Items' returned an unsupported result type.
      JSONPath | Type:'Map',ItemsPath:'$.i',ToleratedFailurePercentage:50,ItemProcessor:{StartAt:'A',States:{A:{Type:'Fail',Error:'E'}}} | {i:[1,2,3]} | States.ExceedToleratedFailureThreshold | The specified tolerated failure threshold was exceeded
      JSONata  | Type:'Pass',Output:{v:'{% $states.input.missing %}'}    | {} | States.QueryEvaluationError | An error occurred while executing the state 'S' (entered at the event id #2). The JSONata expression '$states.input.missing' specified for the field 'Output/v' returned nothing (undefined).
      JSONata  | Type:'Pass',Output:{v:[1,'{% $nope %}']}                | {} | States.QueryEvaluationError | An error occurred while executing the state 'S' (entered at the event id #2). The JSONata expression '$nope' specified for the field 'Output/v[1]' returned nothing (undefined).
      JSONata  | Type:'Pass',Output:'{% $sum(["a"]) %}'                  | {} | States.QueryEvaluationError | An error occurred while executing the state 'S' (entered at the event id #2). The JSONata expression '$sum(["a"])' specified for the field 'Output' threw an error during evaluation. T0412: Argument 1 of function "sum" must be an array of "numbers"
      JSONata  | Type:'Pass',Output:'{% $abs("x") %}'                    | {} | States.QueryEvaluationError | An error occurred while executing the state 'S' (entered at the event id #2). The JSONata expression '$abs("x")' specified for the field 'Output' threw an error during evaluation. T0410: Argument 1 of function "abs" does not match function signature
      JSONata  | Type:'Pass',Output:'{% $eval("1+1") %}'                 | {} | States.QueryEvaluationError | An error occurred while executing the state 'S' (entered at the event id #2). The JSONata expression '$eval("1+1")' specified for the field 'Output' threw an error during evaluation. T1006: Attempted to invoke a non-function
      JSONata  | Type:'Pass',Output:'{% $number("z") %}'                 | {} | States.QueryEvaluationError | An error occurred while executing the state 'S' (entered at the event id #2). The JSONata expression '$number("z")' specified for the field 'Output' threw an error during evaluation. D3030: Unable to cast value to a number: "z"
      JSONata  | Type:'Pass',Output:'{% $error("boom") %}'               | {} | States.QueryEvaluationError | An error occurred while executing the state 'S' (entered at the event id #2). The JSONata expression '$error("boom")' specified for the field 'Output' threw an error during evaluation. D3137: boom
      JSONPath | Type:'Task',Resource:'FAULT'                            | {} | Broken | {"errorType":"Broken","errorMessage":"it broke"}
      """)
  void errors(String language, String state, String input, String error, String cause) {
    var outcome = BENCH.run(single(state, language), input);
    assertThat(outcome.status()).isEqualTo("FAILED");
    assertThat(outcome.error()).isEqualTo(error);
    assertThat(outcome.cause()).isEqualTo(cause);
  }

  @DisplayName("A choice rule holds or not")
  @ParameterizedTest(name = "{0} | {1} | {2}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      Variable:'$.v',StringEquals:'a'                       | {v:'a'}  | true
      Variable:'$.v',StringEquals:'a'                       | {v:1}    | false
      Variable:'$.v',StringLessThan:'b'                     | {v:'a'}  | true
      Variable:'$.v',StringGreaterThan:'b'                  | {v:'a'}  | false
      Variable:'$.v',StringLessThanEquals:'a'               | {v:'a'}  | true
      Variable:'$.v',StringGreaterThanEquals:'b'            | {v:'a'}  | false
      Variable:'$.v',StringEqualsPath:'$.w'                 | {v:'a',w:'a'} | true
      Variable:'$.v',StringLessThanPath:'$.w'               | {v:'a',w:'b'} | true
      Variable:'$.v',StringGreaterThanPath:'$.w'            | {v:'a',w:'b'} | false
      Variable:'$.v',StringLessThanEqualsPath:'$.w'         | {v:'b',w:'b'} | true
      Variable:'$.v',StringGreaterThanEqualsPath:'$.w'      | {v:'a',w:'b'} | false
      Variable:'$.v',StringMatches:'log-*.txt'              | {v:'log-1.txt'} | true
      Variable:'$.v',StringMatches:'*log*'                  | {v:'catalog'} | true
      Variable:'$.v',StringMatches:'log'                    | {v:'logs'} | false
      Variable:'$.v',StringMatches:'a\\\\*b'                | {v:'a*b'} | true
      Variable:'$.v',StringMatches:'a\\\\*b'                | {v:'axb'} | false
      Variable:'$.v',StringMatches:'a.c'                    | {v:'abc'} | false
      Variable:'$.v',NumericEquals:1                        | {v:1.0}  | true
      Variable:'$.v',NumericEquals:1                        | {v:'1'}  | false
      Variable:'$.v',NumericLessThan:1.5                    | {v:1}    | true
      Variable:'$.v',NumericGreaterThan:1                   | {v:1}    | false
      Variable:'$.v',NumericLessThanEquals:1                | {v:1}    | true
      Variable:'$.v',NumericGreaterThanEquals:2             | {v:1}    | false
      Variable:'$.v',NumericEqualsPath:'$.w'                | {v:1,w:1} | true
      Variable:'$.v',NumericLessThanPath:'$.w'              | {v:1,w:2} | true
      Variable:'$.v',NumericGreaterThanPath:'$.w'           | {v:1,w:2} | false
      Variable:'$.v',NumericLessThanEqualsPath:'$.w'        | {v:2,w:2} | true
      Variable:'$.v',NumericGreaterThanEqualsPath:'$.w'     | {v:1,w:2} | false
      Variable:'$.v',BooleanEquals:true                     | {v:true} | true
      Variable:'$.v',BooleanEquals:true                     | {v:'true'} | false
      Variable:'$.v',BooleanEqualsPath:'$.w'                | {v:false,w:false} | true
      Variable:'$.v',TimestampEquals:'2020-01-01T00:00:00Z' | {v:'2020-01-01T01:00:00+01:00'} | true
      Variable:'$.v',TimestampLessThan:'2020-01-01T00:00:00Z' | {v:'2019-12-31T23:59:59.9Z'} | true
      Variable:'$.v',TimestampGreaterThan:'2020-01-01T00:00:00Z' | {v:'2020-01-01T00:00:00Z'} | false
      Variable:'$.v',TimestampLessThanEquals:'2020-01-01T00:00:00Z' | {v:'2020-01-01T00:00:00Z'} | true
      Variable:'$.v',TimestampGreaterThanEquals:'2020-01-01T00:00:00Z' | {v:'2020-01-01'} | false
      Variable:'$.v',TimestampEqualsPath:'$.w'              | {v:'2020-01-01T00:00:00Z',w:'2020-01-01T00:00:00.000Z'} | true
      Variable:'$.v',TimestampLessThanPath:'$.w'            | {v:'2020-01-01T00:00:00Z',w:'2021-01-01T00:00:00Z'} | true
      Variable:'$.v',TimestampGreaterThanPath:'$.w'         | {v:'2020-01-01T00:00:00Z',w:'2021-01-01T00:00:00Z'} | false
      Variable:'$.v',TimestampLessThanEqualsPath:'$.w'      | {v:'2020-01-01T00:00:00Z',w:'2020-01-01T00:00:00Z'} | true
      Variable:'$.v',TimestampGreaterThanEqualsPath:'$.w'   | {v:'2020-01-01T00:00:00Z',w:'2020-01-01T00:00:00Z'} | true
      Variable:'$.v',IsPresent:true                         | {v:null} | true
      Variable:'$.v',IsPresent:true                         | {}       | false
      Variable:'$.v',IsPresent:false                        | {}       | true
      Variable:'$.v',IsNull:true                            | {v:null} | true
      Variable:'$.v',IsNull:false                           | {v:null} | false
      Variable:'$.v',IsNumeric:true                         | {v:1.5}  | true
      Variable:'$.v',IsNumeric:true                         | {v:'1'}  | false
      Variable:'$.v',IsString:true                          | {v:''}   | true
      Variable:'$.v',IsBoolean:true                         | {v:false} | true
      Variable:'$.v',IsBoolean:false                        | {v:0}    | true
      Variable:'$.v',IsTimestamp:true                       | {v:'2020-01-01T00:00:00Z'} | true
      Variable:'$.v',IsTimestamp:true                       | {v:'2012-10-09T19:00:55'} | false
      Variable:'$.v',IsTimestamp:true                       | {v:'2023-02-24'} | false
      Variable:'$.v',IsTimestamp:true                       | {v:'2020-13-01T00:00:00Z'} | false
      And:[{Variable:'$.v',NumericGreaterThan:0},{Variable:'$.v',NumericLessThan:2}] | {v:1} | true
      And:[{Variable:'$.v',NumericGreaterThan:0},{Variable:'$.v',NumericLessThan:2}] | {v:2} | false
      Or:[{Variable:'$.v',NumericEquals:0},{Variable:'$.v',NumericEquals:2}]         | {v:2} | true
      Or:[{Variable:'$.v',NumericEquals:0},{Variable:'$.v',NumericEquals:2}]         | {v:1} | false
      Not:{Variable:'$.v',IsPresent:true}                   | {}       | true
      Not:{And:[{Variable:'$.v',IsPresent:true},{Or:[{Variable:'$.v',NumericEquals:1}]}]} | {v:1} | false
      And:[{Variable:'$.v',IsPresent:true},{Variable:'$.v',NumericEquals:1}]         | {} | false
      """)
  void choices(String rule, String input, boolean holds) {
    var state = "Type:'Choice',Choices:[{" + rule + ",Next:'Done'}],Default:'Other'";
    var outcome = BENCH.run(single(state, "JSONPath"), input);
    outcome.output();
    assertThat(outcome.details("PassStateEntered").get("name").asText()).isEqualTo(holds ? "Done" : "Other");
  }

  @DisplayName("Variables live in their scope and are assigned at once")
  @ParameterizedTest(name = "{0} | {1} | {2}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      {StartAt:'A',States:{A:{Type:'Pass',Assign:{x:1,'y.$':'$.a','z.$':"States.Format('{}!', $.a)"},Next:'B'},B:{Type:'Pass',Parameters:{'x.$':'$x','y.$':'$y','z.$':'$z'},End:true}}} | {a:2} | {x:1,y:2,z:'2!'}
      {StartAt:'A',States:{A:{Type:'Pass',Assign:{o:{p:[5,6]}},Next:'B'},B:{Type:'Pass',Parameters:{'x.$':'$o.p[1]'},End:true}}} | {} | {x:6}
      {StartAt:'A',States:{A:{Type:'Pass',Assign:{x:1},Next:'B'},B:{Type:'Pass',Assign:{x:2,'y.$':'$x'},Next:'C'},C:{Type:'Pass',Parameters:{'x.$':'$x','y.$':'$y'},End:true}}} | {} | {x:2,y:1}
      {QueryLanguage:'JSONata',StartAt:'A',States:{A:{Type:'Pass',Assign:{x:1},Next:'B'},B:{Type:'Pass',Assign:{x:2,y:'{% $x %}'},Output:'{% $x %}',Next:'C'},C:{Type:'Pass',Output:['{% $states.input %}','{% $x %}','{% $y %}'],End:true}}} | {} | [1,2,1]
      {StartAt:'A',States:{A:{Type:'Pass',QueryLanguage:'JSONata',Assign:{x:'{% 42 %}'},Next:'B'},B:{Type:'Pass',Parameters:{'x.$':'$x'},End:true}}} | {} | {x:42}
      {StartAt:'A',States:{A:{Type:'Task',Resource:'ECHO',Assign:{'r.$':'$.a'},ResultPath:null,Next:'B'},B:{Type:'Pass',Parameters:{'r.$':'$r'},End:true}}} | {a:3} | {r:3}
      {QueryLanguage:'JSONata',StartAt:'A',States:{A:{Type:'Task',Resource:'ECHO',Assign:{r:'{% $states.result.a %}'},Output:0,Next:'B'},B:{Type:'Pass',Output:'{% $r %}',End:true}}} | {a:3} | 3
      {QueryLanguage:'JSONata',StartAt:'A',States:{A:{Type:'Pass',Assign:{x:1},Next:'P'},P:{Type:'Parallel',Branches:[{StartAt:'B',States:{B:{Type:'Pass',Assign:{i:'{% $x + 1 %}'},Next:'C'},C:{Type:'Pass',Output:'{% $i %}',End:true}}}],Next:'D'},D:{Type:'Pass',Output:'{% [$states.input, $exists($i)] %}',End:true}}} | {} | [2,false]
      {QueryLanguage:'JSONata',StartAt:'M',States:{M:{Type:'Map',Items:[1,2],ItemProcessor:{StartAt:'B',States:{B:{Type:'Pass',Assign:{i:'{% $states.input %}'},Next:'C'},C:{Type:'Pass',Output:'{% $i * 10 %}',End:true}}},End:true}}} | {} | [10,20]
      {StartAt:'C',States:{C:{Type:'Choice',Choices:[{Variable:'$.a',NumericEquals:1,Assign:{x:'rule'},Next:'B'}],Default:'B',Assign:{x:'default'}},B:{Type:'Pass',Parameters:{'x.$':'$x'},End:true}}} | {a:1} | {x:'rule'}
      {StartAt:'C',States:{C:{Type:'Choice',Choices:[{Variable:'$.a',NumericEquals:1,Assign:{x:'rule'},Next:'B'}],Default:'B',Assign:{x:'default'}},B:{Type:'Pass',Parameters:{'x.$':'$x'},End:true}}} | {a:2} | {x:'default'}
      {StartAt:'A',States:{A:{Type:'Pass',Assign:{guess:'a',answer:'b'},Next:'C'},C:{Type:'Choice',Choices:[{Variable:'$guess',StringEqualsPath:'$answer',Next:'Y'}],Default:'N'},N:{Type:'Pass',Assign:{'guess.$':'$answer'},Next:'C'},Y:{Type:'Pass',Result:'yes',End:true}}} | {} | 'yes'
      {StartAt:'A',States:{A:{Type:'Task',Resource:'FAULT',Catch:[{ErrorEquals:['States.ALL'],Assign:{'e.$':'$.Error'},Next:'B'}],End:true},B:{Type:'Pass',Parameters:{'e.$':'$e'},End:true}}} | {} | {e:'Broken'}
      {QueryLanguage:'JSONata',StartAt:'A',States:{A:{Type:'Task',Resource:'FAULT',Catch:[{ErrorEquals:['Broken'],Assign:{e:'{% $states.errorOutput.Error %}'},Output:{i:'{% $states.input %}'},Next:'B'}],End:true},B:{Type:'Pass',Output:{e:'{% $e %}',i:'{% $states.input.i %}'},End:true}}} | 5 | {e:'Broken',i:5}
      """)
  void variables(String definition, String input, String output) {
    assertThat(BENCH.run(expand(definition), input).output()).isEqualTo(json(output));
  }

  @DisplayName("A catcher takes what its names match, and hands on what its fields say")
  @ParameterizedTest(name = "{0} | {1}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      ErrorEquals:['Broken']                                  | {Error:'Broken',Cause:'{"errorType":"Broken","errorMessage":"it broke"}'}
      ErrorEquals:['States.ALL']                              | {Error:'Broken',Cause:'{"errorType":"Broken","errorMessage":"it broke"}'}
      ErrorEquals:['States.TaskFailed']                       | {Error:'Broken',Cause:'{"errorType":"Broken","errorMessage":"it broke"}'}
      ErrorEquals:['Other','Broken'],ResultPath:'$.e'         | {a:1,e:{Error:'Broken',Cause:'{"errorType":"Broken","errorMessage":"it broke"}'}}
      ErrorEquals:['States.ALL'],ResultPath:null              | {a:1}
      """)
  void catchers(String catcher, String output) {
    var definition = "{StartAt:'S',States:{S:{Type:'Task',Resource:'FAULT',OutputPath:'$.nope',Catch:[{ErrorEquals:['States.Timeout'],Next:'X'},{"
        + catcher + ",Next:'D'}],Next:'X'},D:{Type:'Pass',End:true},X:{Type:'Fail',Error:'not caught'}}}";
    assertThat(BENCH.run(expand(definition), "{a:1}").output()).isEqualTo(json(output));
  }

  @DisplayName("Wildcards leave the errors alone that the language names")
  @ParameterizedTest(name = "{0} | {1} | {2}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      States.ALL        | Type:'Task',Resource:'ECHO',Parameters:{'x.$':'$.nope'} | States.Runtime
      States.TaskFailed | Type:'Task',Resource:'ECHO',Parameters:{'x.$':'$.nope'} | States.Runtime
      States.Runtime    | Type:'Task',Resource:'ECHO',Parameters:{'x.$':'$.nope'} | caught
      States.ALL        | Type:'Task',Resource:'ECHO',Parameters:{'x.$':"States.ArrayGetItem($.i, 9)"} | caught
      States.ALL        | Type:'Task',Resource:'ECHO',ResultPath:'$.i.x'          | caught
      States.ALL        | Type:'Task',Resource:'BIG'                              | States.DataLimitExceeded
      States.TaskFailed | Type:'Task',Resource:'BIG'                              | States.DataLimitExceeded
      States.DataLimitExceeded | Type:'Task',Resource:'BIG'                       | caught
      States.ALL        | Type:'Task',Resource:'SLOW',TimeoutSeconds:1            | caught
      States.Timeout    | Type:'Task',Resource:'SLOW',TimeoutSeconds:1            | caught
      States.TaskFailed | Type:'Task',Resource:'SLOW',TimeoutSeconds:1            | States.Timeout
      States.HeartbeatTimeout | Type:'Task',Resource:'SLOW',TimeoutSeconds:1      | States.Timeout
      E                 | Type:'Parallel',Branches:[{StartAt:'F',States:{F:{Type:'Fail',Error:'E'}}}] | caught
      States.BranchFailed | Type:'Parallel',Branches:[{StartAt:'F',States:{F:{Type:'Fail',Error:'E'}}}] | E
      States.ALL        | Type:'Map',ItemsPath:'$.i',ItemProcessor:{StartAt:'F',States:{F:{Type:'Fail',Error:'E'}}} | caught
      States.ALL        | Type:'Parallel',Branches:[{StartAt:'F',States:{F:{Type:'Pass',InputPath:'$.no',End:true}}}] | States.Runtime
      """)
  void wildcards(String name, String state, String ending) {
    BENCH.on("lambda", "big", input -> json("'" + "x".repeat(300_000) + "'"));
    BENCH.on("lambda", "slow", input -> {
      Thread.sleep(5_000);
      return json("1");
    });
    var definition = expand("{StartAt:'S',States:{S:{" + state + ",Catch:[{ErrorEquals:['" + name
        + "'],Next:'D'}],Next:'D'},D:{Type:'Pass',Result:'caught',End:true}}}")
        .replace("BIG", ECHO.replace("echo", "big")).replace("SLOW", ECHO.replace("echo", "slow"));
    var outcome = BENCH.run(definition, "{i:[1]}");
    if (ending.equals("caught")) {
      assertThat(outcome.output()).isEqualTo(json("'caught'"));
      assertThat(outcome.types()).contains("PassStateEntered");
    } else {
      assertThat(outcome.error()).isEqualTo(ending);
    }
  }
}
