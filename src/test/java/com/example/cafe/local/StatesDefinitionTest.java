package com.example.cafe.local;

import static com.example.cafe.local.StatesBench.json;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is wrong with a definition is said when it is stored, with its place. */
class StatesDefinitionTest {
  private static final StatesBench BENCH = new StatesBench();

  @AfterAll
  static void close() {
    BENCH.close();
  }

  private static String diagnostics(String definition, String type) {
    var answer = BENCH.call("ValidateStateMachineDefinition", Json.object().put("definition", definition).put("type", type));
    assertThat(answer.get("result").asText()).isEqualTo(answer.get("diagnostics").isEmpty() ? "OK" : "FAIL");
    assertThat(answer.get("truncated").asBoolean()).isFalse();
    return StreamSupport.stream(answer.get("diagnostics").spliterator(), false)
        .map(one -> one.get("code").asText() + ": " + one.get("message").asText() + " @ " + one.path("location").asText("-"))
        .collect(Collectors.joining("; "));
  }

  @DisplayName("A definition is refused")
  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      {}                                                       | SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] @ /
      {StartAt:'A'}                                            | SCHEMA_VALIDATION_FAILED: These fields are required: [States] @ /
      []                                                       | SCHEMA_VALIDATION_FAILED: Definition must be a valid JSON object @ -
      {StartAt:'A',States:{A:{Type:'Pass',Next:'B'},B:{Type:'Pass',Next:'A'}}} | MISSING_END_STATE: Workflow has no terminal state @ -
      {StartAt:'A',States:{A:{Type:'Pass',Next:'NOPE'}}}       | MISSING_TRANSITION_TARGET: Missing 'Next' target: NOPE @ /States/A/Next; MISSING_END_STATE: Workflow has no terminal state @ -
      {StartAt:'A',States:{A:{Type:'Pass',Next:'C'},B:{Type:'Pass',End:true}}} | MISSING_TRANSITION_TARGET: Missing 'Next' target: C @ /States/A/Next; MISSING_TRANSITION_TARGET: State "B" is not reachable. @ /States/B
      {StartAt:'X',States:{A:{Type:'Pass',End:true}}}          | MISSING_TRANSITION_TARGET: Missing 'Next' target: X @ /StartAt; MISSING_TRANSITION_TARGET: State "A" is not reachable. @ /States/A
      {StartAt:'C',States:{C:{Type:'Choice',Choices:[{Variable:'$',IsNull:true,Next:'N'}],Default:'D'},Z:{Type:'Succeed'}}} | MISSING_TRANSITION_TARGET: Missing 'Next' target: D @ /States/C/Default; MISSING_TRANSITION_TARGET: Missing 'Next' target: N @ /States/C/Choices[0]/Next; MISSING_TRANSITION_TARGET: State "Z" is not reachable. @ /States/Z
      {StartAt:'C',States:{C:{Type:'Choice',Choices:[{Variable:'$',StringMatches:'x'}],Default:'Z'},Z:{Type:'Succeed'}}} | SCHEMA_VALIDATION_FAILED: These fields are required: [Next] @ /States/C/Choices[0]
      {StartAt:'A',States:{A:{Type:'Nope',End:true}}}          | SCHEMA_VALIDATION_FAILED: Value is not valid. Allowed values are: [Choice, Fail, Map, Parallel, Pass, Succeed, Task, Wait] @ /States/A/Type
      {StartAt:'A',States:{A:{Type:'Pass',End:true,Foo:1}}}    | SCHEMA_VALIDATION_FAILED: Field 'Foo' is not supported @ /States/A
      {StartAt:'A',Foo:1,States:{A:{Type:'Pass',End:true}}}    | SCHEMA_VALIDATION_FAILED: Field 'Foo' is not supported @ /
      {StartAt:'A',States:{A:{Type:'Pass'},B:{Type:'Succeed'}}} | SCHEMA_VALIDATION_FAILED: There should be one of the following fields: [Next, End] @ /States/A; MISSING_TRANSITION_TARGET: State "B" is not reachable. @ /States/B
      {StartAt:'P',States:{P:{Type:'Parallel',TimeoutSeconds:1,End:true,Branches:[{StartAt:'A',States:{A:{Type:'Pass',End:true}}}]}}} | SCHEMA_VALIDATION_FAILED: Field 'TimeoutSeconds' is not supported @ /States/P
      {StartAt:'P',States:{P:{Type:'Parallel',End:true,Branches:[{StartAt:'A',States:{A:{Type:'Pass',Next:'Q'}}}]}}} | MISSING_TRANSITION_TARGET: Missing 'Next' target: Q @ /States/P/Branches[0]/States/A/Next; MISSING_END_STATE: Workflow has no terminal state @ -
      {StartAt:'T',States:{T:{Type:'Task',Resource:'nope',End:true}}} | SCHEMA_VALIDATION_FAILED: The resource provided nope is not recognized. The value is not a valid resource ARN, or the resource is not available in this region. @ /States/T/Resource
      {StartAt:'T',States:{T:{Type:'Task',End:true}}}          | SCHEMA_VALIDATION_FAILED: These fields are required: [Resource] @ /States/T
      {StartAt:'T',States:{T:{Type:'Task',Resource:'arn:aws:states:::batch:submitJob',End:true}}} | SCHEMA_VALIDATION_FAILED: The service integration batch:submitJob in this pattern is not served by the local cloud @ /States/T/Resource
      {StartAt:'T',States:{T:{Type:'Task',Resource:'arn:aws:states:::dynamodb:putItem.waitForTaskToken',End:true}}} | SCHEMA_VALIDATION_FAILED: The service integration dynamodb:putItem in this pattern is not served by the local cloud @ /States/T/Resource
      {StartAt:'T',States:{T:{Type:'Task',Resource:'arn:aws:states:::sqs:sendMessage',TimeoutSeconds:0,End:true}}} | SCHEMA_VALIDATION_FAILED: Minimum value is 1 @ /States/T/TimeoutSeconds
      {StartAt:'T',States:{T:{Type:'Task',Resource:'arn:aws:states:::sqs:sendMessage',Retry:[{ErrorEquals:['States.ALL','X']}],End:true}}} | SCHEMA_VALIDATION_FAILED: States.ALL must appear alone, and in the last retrier @ /States/T/Retry[0]/ErrorEquals
      {StartAt:'T',States:{T:{Type:'Task',Resource:'arn:aws:states:::sqs:sendMessage',Retry:[{ErrorEquals:['X'],BackoffRate:0.5}],End:true}}} | SCHEMA_VALIDATION_FAILED: Minimum value is 1.0 @ /States/T/Retry[0]/BackoffRate
      {StartAt:'T',States:{T:{Type:'Task',Resource:'arn:aws:states:::sqs:sendMessage',Catch:[{ErrorEquals:['X']}],End:true}}} | SCHEMA_VALIDATION_FAILED: These fields are required: [Next] @ /States/T/Catch[0]
      {StartAt:'W',States:{W:{Type:'Wait',Timestamp:'2016-12-05 21:29:29Z',End:true}}} | SCHEMA_VALIDATION_FAILED: String does not match RFC3339 timestamp @ /States/W/Timestamp
      {StartAt:'W',States:{W:{Type:'Wait',Timestamp:'{% 1 %}',End:true}}} | SCHEMA_VALIDATION_FAILED: String does not match RFC3339 timestamp @ /States/W/Timestamp
      {StartAt:'W',States:{W:{Type:'Wait',Seconds:1,SecondsPath:'$.a',End:true}}} | SCHEMA_VALIDATION_FAILED: There should only be one of the following fields: [Seconds, SecondsPath] @ /States/W
      {StartAt:'W',States:{W:{Type:'Wait',SecondsPath:'$.a[*]',End:true}}} | SCHEMA_VALIDATION_FAILED: Value is not a Reference Path @ /States/W/SecondsPath
      {StartAt:'P',States:{P:{Type:'Pass',InputPath:'a.b',End:true}}} | SCHEMA_VALIDATION_FAILED: Value is not a valid JSONPath @ /States/P/InputPath
      {StartAt:'P',States:{P:{Type:'Pass',Parameters:{'a.$':'b'},End:true}}} | SCHEMA_VALIDATION_FAILED: The value for the field 'a.$' must be a valid JSONPath or a valid intrinsic function call @ /States/P/Parameters
      {StartAt:'P',States:{P:{Type:'Pass',Parameters:{'a.$':"States.Nope(1)"},End:true}}} | SCHEMA_VALIDATION_FAILED: The value for the field 'a.$' must be a valid JSONPath or a valid intrinsic function call @ /States/P/Parameters
      {StartAt:'M',States:{M:{Type:'Map',MaxConcurrency:-1,End:true,ItemProcessor:{StartAt:'A',States:{A:{Type:'Pass',End:true}}}}}} | SCHEMA_VALIDATION_FAILED: Minimum value is 0 @ /States/M/MaxConcurrency
      {StartAt:'M',States:{M:{Type:'Map',End:true,ItemProcessor:{ProcessorConfig:{Mode:'DISTRIBUTED',ExecutionType:'STANDARD'},StartAt:'A',States:{A:{Type:'Pass',End:true}}}}}} | SCHEMA_VALIDATION_FAILED: A Map in mode DISTRIBUTED is not supported by the local cloud @ /States/M/ItemProcessor/ProcessorConfig/Mode
      {StartAt:'M',States:{M:{Type:'Map',End:true,ItemProcessor:{QueryLanguage:'JSONata',StartAt:'A',States:{A:{Type:'Pass',End:true}}}}}} | SCHEMA_VALIDATION_FAILED: Field 'QueryLanguage' is not supported @ /States/M/ItemProcessor
      {StartAt:'A',States:{A:{Type:'Parallel',End:true,Branches:[{StartAt:'A',States:{A:{Type:'Pass',End:true}}}]}}} | DUPLICATE_STATE_NAME: Duplicate State name: A @ /States/A/Branches[0]/States/A
      {QueryLanguage:'JSONata',StartAt:'P',States:{P:{Type:'Pass',QueryLanguage:'JSONPath',End:true}}} | SCHEMA_VALIDATION_FAILED: 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine @ /States/P
      {StartAt:'P',States:{P:{Type:'Pass',Output:1,End:true}}} | SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage @ /States/P
      {QueryLanguage:'JSONata',StartAt:'P',States:{P:{Type:'Pass',ResultPath:'$',End:true}}} | SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONata', but field 'ResultPath' is only supported for the 'JSONPath' QueryLanguage @ /States/P
      {QueryLanguage:'JSONata',StartAt:'P',States:{P:{Type:'Pass',Output:'{% 1 + %}',End:true}}} | INVALID_JSONATA_EXPRESSION: Unexpected end of expression @ /States/P/Output
      {QueryLanguage:'JSONata',StartAt:'P',States:{P:{Type:'Pass',Output:{v:['{% phone.x %}']},End:true}}} | UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported. @ /States/P/Output/v[0]
      {QueryLanguage:'JSONata',StartAt:'P',States:{P:{Type:'Pass',Assign:{states:1},End:true}}} | SCHEMA_VALIDATION_FAILED: Variable name 'states' is not valid @ /States/P/Assign
      """)
  void refusals(String definition, String diagnostics) {
    assertThat(diagnostics(Json.write(json(definition)), "STANDARD")).isEqualTo(diagnostics);
  }

  @DisplayName("A definition is fine")
  @ParameterizedTest(name = "{0}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      {Comment:'c',Version:'1.0',TimeoutSeconds:9,StartAt:'A',States:{A:{Type:'Pass',Comment:'x',End:true}}}
      {QueryLanguage:'JSONata',StartAt:'A',States:{A:{Type:'Pass',Output:'{% $states.input.a.b[c = 1].{"d": e} %}',End:true}}}
      {QueryLanguage:'JSONata',StartAt:'A',States:{A:{Type:'Pass',Output:'{% $map($states.input, function($v) { $v.x }) %}',End:true}}}
      {QueryLanguage:'JSONata',StartAt:'A',States:{A:{Type:'Pass',Output:'{% ($a := $states.input; $a.x + $count($a.y)) %}',End:true}}}
      {StartAt:'A',States:{A:{Type:'Pass',QueryLanguage:'JSONata',Output:1,End:true}}}
      {StartAt:'T',States:{T:{Type:'Task',Resource:'arn:aws:lambda:eu-central-1:000000000000:function:f:live',End:true}}}
      {StartAt:'T',States:{T:{Type:'Task',Resource:'arn:aws:states:::aws-sdk:rdsdata:executeStatement',End:true}}}
      {StartAt:'T',States:{T:{Type:'Task',Resource:'arn:aws:states:::aws-sdk:sqs:sendMessage.waitForTaskToken',End:true}}}
      """)
  void fine(String definition) {
    assertThat(diagnostics(Json.write(json(definition)), "STANDARD")).isEmpty();
  }

  @Test
  void whatIsNoJsonIsToldWithItsPlace() {
    assertThat(diagnostics("", "STANDARD")).isEqualTo("SCHEMA_VALIDATION_FAILED: Definition must be a valid JSON object @ -");
    assertThat(diagnostics("not a definition", "STANDARD")).isEqualTo("INVALID_JSON_DESCRIPTION: Unrecognized token 'not': was"
        + " expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')\n at [Source: (String)\"not a"
        + " definition\"; line: 1, column: 4] @ [Source: (String)\"not a definition\"; line: 1, column: 4]");
  }

  @Test
  void anExpressMachineWaitsForNoToken() {
    var definition = "{StartAt:'T',States:{T:{Type:'Task',Resource:'arn:aws:states:::sqs:sendMessage.waitForTaskToken',End:true}}}";
    assertThat(diagnostics(Json.write(json(definition)), "EXPRESS")).isEqualTo("SCHEMA_VALIDATION_FAILED: Express state machine"
        + " does not support '.waitForTaskToken' service integration  @ /States/T/Resource");
    assertThat(diagnostics(Json.write(json(definition)), "STANDARD")).isEmpty();
  }

  @Test
  void createStateMachineSaysEverythingInOneMessage() {
    assertThatExceptionOfType(AwsException.class)
        .isThrownBy(() -> BENCH.machine("{StartAt:'pass1',States:{pass1:{Type:'Pass',Next:'pass3'},pass2:{Type:'Pass',End:true}}}"))
        .satisfies(e -> assertThat(e.code()).isEqualTo("InvalidDefinition"))
        .withMessage("Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: pass3 at"
            + " /States/pass1/Next, MISSING_TRANSITION_TARGET: State \"pass2\" is not reachable. at /States/pass2'");
    assertThatExceptionOfType(AwsException.class)
        .isThrownBy(() -> BENCH.machine("{StartAt:'A',States:{A:{Type:'Pass',Next:'A'}}}"))
        .withMessage("Invalid State Machine Definition: 'MISSING_END_STATE: Workflow has no terminal state at null'");
  }
}
