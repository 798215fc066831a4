package com.example.cafe.local;

import static com.example.cafe.local.StatesBench.json;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The API: what is stored, listed, described and refused. */
class StepFunctionsTest {
  private static final String PASS = "{\"StartAt\":\"P\",\"States\":{\"P\":{\"Type\":\"Pass\",\"End\":true}}}";
  private static final String WAIT = "{StartAt:'W',States:{W:{Type:'Wait',Seconds:99999999,End:true}}}";
  private final StatesBench bench = new StatesBench();

  @AfterEach
  void close() {
    bench.close();
  }

  private static ObjectNode creation(String name) {
    return Json.object().put("name", name).put("definition", PASS).put("roleArn", StatesBench.ROLE);
  }

  private String create(String name) {
    return bench.call("CreateStateMachine", creation(name)).get("stateMachineArn").asText();
  }

  private void refused(String operation, ObjectNode input, String code, String message) {
    assertThatExceptionOfType(AwsException.class).isThrownBy(() -> bench.call(operation, input)).satisfies(e -> {
      assertThat(e.code()).isEqualTo(code);
      assertThat(e.getMessage()).isEqualTo(message);
      assertThat(e.status()).isEqualTo(400);
    });
  }

  @Test
  void aMachineIsCreatedOnceAndDescribed() {
    var arn = create("m");
    assertThat(arn).isEqualTo("arn:aws:states:eu-central-1:000000000000:stateMachine:m");
    assertThat(create("m")).isEqualTo(arn);
    assertThat(bench.call("CreateStateMachine", creation("m").put("roleArn", StatesBench.ROLE + "2")).get("stateMachineArn").asText())
        .as("a different role is ignored").isEqualTo(arn);
    refused("CreateStateMachine", creation("m").put("definition", PASS + " "), "StateMachineAlreadyExists",
        "State Machine Already Exists: '" + arn + "'");
    refused("CreateStateMachine", creation("m").put("type", "EXPRESS"), "StateMachineAlreadyExists",
        "State Machine Already Exists: '" + arn + "'");
    var description = bench.call("DescribeStateMachine", Json.object().put("stateMachineArn", arn));
    assertThat(description.remove("creationDate").isNumber()).isTrue();
    assertThat(description).isEqualTo(Json.object().put("stateMachineArn", arn).put("name", "m").put("definition", PASS)
        .put("roleArn", StatesBench.ROLE).put("status", "ACTIVE").put("type", "STANDARD")
        .setAll((ObjectNode) json("{loggingConfiguration:{level:'OFF',includeExecutionData:false},"
            + "tracingConfiguration:{enabled:false},encryptionConfiguration:{type:'AWS_OWNED_KEY'}}")));
  }

  @DisplayName("A name is refused")
  @ParameterizedTest(name = "{0}")
  @CsvSource(quoteCharacter = '`', value = {"a b", "a/b", "a:b", "a*", "<x>", "a?", "`a,b`", "a$", "`a\"b`", "a\u0001b"})
  void names(String name) {
    refused("CreateStateMachine", creation(name), "InvalidName", "Invalid Name: '" + name + "'");
    var start = Json.object().put("stateMachineArn", create("good.name_1-x")).put("name", name);
    refused("StartExecution", start, "InvalidName", "Invalid Name: '" + name + "'");
  }

  @Test
  void membersAreChecked() {
    var longName = "n".repeat(81);
    refused("CreateStateMachine", creation(longName), "ValidationException", "1 validation error detected: Value '" + longName
        + "' at 'name' failed to satisfy constraint: Member must have length less than or equal to 80");
    refused("CreateStateMachine", Json.object().put("name", "m").put("definition", PASS), "ValidationException",
        "1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null");
    refused("CreateStateMachine", creation("m").put("roleArn", "me"), "InvalidArn", "Invalid Role Arn: 'me'");
    refused("CreateStateMachine", creation("m").put("type", "FAST"), "ValidationException",
        "1 validation error detected: Value 'FAST' at 'type' failed to satisfy constraint: Member must satisfy enum value set:"
            + " [EXPRESS, STANDARD]");
    refused("CreateStateMachine", creation("m").put("publish", true), "ValidationException",
        "The local cloud does not support the parameter publish");
    refused("DescribeExecution", Json.object().put("executionArn", "nonsense"), "InvalidArn",
        "Invalid Arn: 'Invalid ARN prefix: nonsense'");
    refused("PublishStateMachineVersion", Json.object(), "UnknownOperationException",
        "The operation PublishStateMachineVersion of states is not served by the local cloud.");
  }

  @Test
  void anUpdateChangesWhatStartsFromNowOn() {
    var arn = create("m");
    var before = start(arn, "before", "1");
    var other = PASS.replace("\"Pass\"", "\"Pass\",\"Result\":2");
    var update = bench.call("UpdateStateMachine", Json.object().put("stateMachineArn", arn).put("definition", other));
    assertThat(update.get("updateDate").isNumber()).isTrue();
    assertThat(bench.end(start(arn, "after", "1")).output().asInt()).isEqualTo(2);
    assertThat(bench.call("DescribeStateMachine", Json.object().put("stateMachineArn", arn)).get("revisionId"))
        .isEqualTo(update.get("revisionId"));
    assertThat(bench.call("DescribeStateMachineForExecution", Json.object().put("executionArn", before)).get("definition").asText())
        .isEqualTo(PASS);
    refused("UpdateStateMachine", Json.object().put("stateMachineArn", arn), "MissingRequiredParameter",
        "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified");
    refused("UpdateStateMachine", Json.object().put("stateMachineArn", arn + "x").put("definition", PASS),
        "StateMachineDoesNotExist", "State Machine Does Not Exist: '" + arn + "x'");
  }

  @Test
  void aDeletedMachineIsGoneAndStopsItsExecutions() {
    var execution = bench.start(WAIT, "{}");
    var arn = bench.describe(execution).get("stateMachineArn").asText();
    bench.call("DeleteStateMachine", Json.object().put("stateMachineArn", arn));
    refused("StartExecution", Json.object().put("stateMachineArn", arn), "StateMachineDoesNotExist",
        "State Machine Does Not Exist: '" + arn + "'");
    assertThat(bench.call("DeleteStateMachine", Json.object().put("stateMachineArn", arn))).isEmpty();
    Awaitility.await().until(() -> bench.log().contains("run  ABORTED"));
  }

  @Test
  void machinesAreListedByNameInPages() {
    IntStream.of(3, 1, 2).forEach(i -> create("m" + i));
    var first = bench.call("ListStateMachines", "{maxResults:2}");
    assertThat(first.get("stateMachines")).extracting(machine -> machine.get("name").asText()).containsExactly("m1", "m2");
    var second = bench.call("ListStateMachines", Json.object().put("nextToken", first.get("nextToken").asText()));
    assertThat(second.get("stateMachines")).extracting(machine -> machine.get("name").asText()).containsExactly("m3");
    assertThat(second.has("nextToken")).isFalse();
    refused("ListStateMachines", Json.object().put("maxResults", 1001), "ValidationException", "1 validation error detected:"
        + " Value '1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000");
    refused("ListStateMachines", Json.object().put("nextToken", "x"), "InvalidToken", "Invalid Token: 'Invalid token'");
  }

  private String start(String machine, String name, String input) {
    return bench.call("StartExecution", Json.object().put("stateMachineArn", machine).put("name", name).put("input", input))
        .get("executionArn").asText();
  }

  @Test
  void startingTwiceUnderOneNameIsOneExecutionWhileItRunsWithTheSameInput() {
    var machine = bench.machine(WAIT);
    var arn = start(machine, "one", "{\"a\":1}");
    assertThat(arn).isEqualTo(machine.replace("stateMachine", "execution") + ":one");
    assertThat(start(machine, "one", "{\"a\":1}")).isEqualTo(arn);
    var again = Json.object().put("stateMachineArn", machine).put("name", "one").put("input", "{\"a\":2}");
    refused("StartExecution", again, "ExecutionAlreadyExists", "Execution Already Exists: '" + arn + "'");
    bench.call("StopExecution", Json.object().put("executionArn", arn));
    refused("StartExecution", again.put("input", "{\"a\":1}"), "ExecutionAlreadyExists", "Execution Already Exists: '" + arn + "'");
  }

  @DisplayName("An execution's input must be JSON")
  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      not some validate json | Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')
      {'not': 'json'}        | Unexpected character (''' (code 39)): was expecting double-quote to start field name
      ``                     | Invalid execution input.
      """)
  void inputs(String input, String message) {
    refused("StartExecution", Json.object().put("stateMachineArn", create("m")).put("input", input), "InvalidExecutionInput",
        "Invalid State Machine Execution Input: '" + message + "'");
  }

  @Test
  void anyJsonIsAnInputUpToTheLimit() {
    var machine = create("m");
    for (var input : new String[] {"1", "\"text\"", "null", "[]", "{}"}) {
      assertThat(bench.end(start(machine, "n" + input.length() + input.charAt(0) % 7, input)).output()).isEqualTo(json(input));
    }
    var unnamed = bench.call("StartExecution", Json.object().put("stateMachineArn", machine)).get("executionArn").asText();
    assertThat(unnamed).matches(".*:m:[0-9a-f-]{36}");
    assertThat(bench.end(unnamed).description().get("input").asText()).isEqualTo("{}");
    assertThatExceptionOfType(AwsException.class)
        .isThrownBy(() -> start(machine, "big", "\"" + "x".repeat(262_143) + "\""))
        .satisfies(e -> assertThat(e.code()).isEqualTo("ValidationException"));
  }

  @Test
  void anExecutionIsDescribedAsItStands() {
    var machine = bench.machine(WAIT);
    var arn = start(machine, "one", "{}");
    var running = bench.describe(arn);
    assertThat(running.get("status").asText()).isEqualTo("RUNNING");
    assertThat(running.has("stopDate")).isFalse();
    assertThat(running.has("output")).isFalse();
    assertThat(running.get("redriveStatusReason").asText()).isEqualTo("Execution is RUNNING and cannot be redriven");
    assertThat(bench.call("StopExecution", Json.object().put("executionArn", arn)).get("stopDate").isNumber()).isTrue();
    var stopped = bench.describe(arn);
    assertThat(stopped.get("status").asText()).isEqualTo("ABORTED");
    assertThat(stopped.has("error") || stopped.has("cause")).isFalse();
    var history = bench.history(arn);
    assertThat(history.getLast().get("executionAbortedEventDetails")).isEqualTo(Json.object());
    assertThat(history.getLast().get("previousEventId").asInt()).isZero();
    refused("DescribeExecution", Json.object().put("executionArn", arn + "x"), "ExecutionDoesNotExist",
        "Execution Does Not Exist: '" + arn + "x'");
    var done = bench.run(PASS, "{a:1}").description();
    assertThat(done.get("output").asText()).isEqualTo("{\"a\":1}");
    assertThat(done.get("outputDetails")).isEqualTo(json("{included:true}"));
    assertThat(done.get("redriveCount").asInt()).isZero();
  }

  @Test
  void executionsAreListedNewestFirstInPagesAndByStatus() {
    var machine = bench.machine(WAIT);
    for (var i = 0; i < 5; i++) {
      start(machine, "e" + i, "{}");
    }
    bench.call("StopExecution", Json.object().put("executionArn", machine.replace("stateMachine", "execution") + ":e3"));
    var input = Json.object().put("stateMachineArn", machine).put("maxResults", 2);
    var names = new ArrayList<String>();
    var page = bench.call("ListExecutions", input);
    start(machine, "later", "{}");
    while (true) {
      page.get("executions").forEach(execution -> names.add(execution.get("name").asText()));
      if (!page.has("nextToken")) {
        break;
      }
      page = bench.call("ListExecutions", input.put("nextToken", page.get("nextToken").asText()));
    }
    assertThat(names).containsExactly("e4", "e3", "e2", "e1", "e0");
    var stopped = bench.call("ListExecutions", Json.object().put("stateMachineArn", machine).put("statusFilter", "ABORTED"));
    assertThat(stopped.get("executions")).extracting(execution -> execution.get("name").asText()).containsExactly("e3");
    assertThat(stopped.at("/executions/0/stopDate").isNumber()).isTrue();
    assertThatExceptionOfType(AwsException.class)
        .isThrownBy(() -> bench.call("ListExecutions", Json.object().put("stateMachineArn", machine).put("statusFilter", "nope")))
        .withMessageStartingWith("1 validation error detected: Value 'nope' at 'statusFilter' failed to satisfy constraint:"
            + " Member must satisfy enum value set: [");
  }

  @Test
  void aHistoryComesInPagesBackwardsAndWithoutData() {
    var arn = bench.run(PASS, "{a:1}").arn();
    var forward = new ArrayList<Integer>();
    var input = Json.object().put("executionArn", arn).put("maxResults", 3);
    while (true) {
      var page = bench.call("GetExecutionHistory", input);
      page.get("events").forEach(event -> forward.add(event.get("id").asInt()));
      if (!page.has("nextToken")) {
        break;
      }
      input.put("nextToken", page.get("nextToken").asText());
    }
    assertThat(forward).containsExactly(1, 2, 3, 4);
    var backward = bench.call("GetExecutionHistory", Json.object().put("executionArn", arn).put("reverseOrder", true).put("maxResults", 3));
    assertThat(backward.get("events")).extracting(event -> event.get("id").asInt()).containsExactly(4, 3, 2);
    var rest = bench.call("GetExecutionHistory", Json.object().put("executionArn", arn).put("reverseOrder", true)
        .put("nextToken", backward.get("nextToken").asText()));
    assertThat(rest.get("events")).extracting(event -> event.get("id").asInt()).containsExactly(1);
    var bare = bench.call("GetExecutionHistory", Json.object().put("executionArn", arn).put("includeExecutionData", false));
    assertThat(bare.at("/events/1/stateEnteredEventDetails")).isEqualTo(json("{name:'P'}"));
  }

  @Test
  void anExpressMachineAnswersAtOnce() {
    var machine = bench.machine("{StartAt:'P',States:{P:{Type:'Pass',Parameters:{'i.$':'$$.Execution.Input','n.$':'$$.Execution.Name'},End:true}}}",
        "EXPRESS");
    var answer = bench.call("StartSyncExecution", Json.object().put("stateMachineArn", machine).put("name", "x").put("input", "[1]"));
    assertThat(answer.get("status").asText()).isEqualTo("SUCCEEDED");
    assertThat(json(answer.get("output").asText())).isEqualTo(json("{i:[1],n:'x'}"));
    assertThat(answer.get("executionArn").asText()).contains(":express:").contains(":x:");
    for (var operation : List.of("DescribeExecution", "GetExecutionHistory", "RedriveExecution")) {
      refused(operation, Json.object().put("executionArn", answer.get("executionArn").asText()), "InvalidArn",
          "Invalid Arn: 'Resource type not valid in this context: express'");
    }
    assertThat(answer.get("billingDetails").get("billedMemoryUsedInMB").asInt()).isEqualTo(64);
    var failing = bench.machine("{StartAt:'F',States:{F:{Type:'Fail',Error:'E',Cause:'C'}}}", "EXPRESS");
    var failed = bench.call("StartSyncExecution", Json.object().put("stateMachineArn", failing));
    assertThat(failed.get("status").asText() + failed.get("error").asText() + failed.get("cause").asText()).isEqualTo("FAILEDEC");
    refused("StartSyncExecution", Json.object().put("stateMachineArn", create("standard")), "StateMachineTypeNotSupported",
        "This operation is not supported by this type of state machine");
    refused("ListExecutions", Json.object().put("stateMachineArn", machine), "StateMachineTypeNotSupported",
        "This operation is not supported by this type of state machine");
  }

  @Test
  void tagsAreKept() {
    var arn = bench.call("CreateStateMachine", creation("m").set("tags", json("[{key:'a',value:'1'}]"))).get("stateMachineArn").asText();
    bench.call("TagResource", Json.object().put("resourceArn", arn).set("tags", json("[{key:'b',value:'2'}]")));
    bench.call("UntagResource", Json.object().put("resourceArn", arn).set("tagKeys", json("['a']")));
    assertThat(bench.call("ListTagsForResource", Json.object().put("resourceArn", arn)).get("tags"))
        .isEqualTo(json("[{key:'b',value:'2'}]"));
  }

  @Test
  void thousandsOfExecutionsRunAtOnce() {
    var machine = bench.machine("{StartAt:'W',States:{W:{Type:'Wait',Seconds:300,Next:'P'},P:{Type:'Pass',End:true}}}");
    var arns = IntStream.range(0, 2_000).mapToObj(i -> start(machine, "e" + i, "{}")).toList();
    Awaitility.await().atMost(Duration.ofSeconds(20))
        .untilAsserted(() -> assertThat(arns).allSatisfy(arn -> assertThat(bench.status(arn)).isEqualTo("SUCCEEDED")));
  }

  @Test
  void eachStateAndTheEndAreOneLineOfTheLog() {
    bench.run("{StartAt:'F',States:{F:{Type:'Fail',Error:'E',Cause:'why'}}}", "{}");
    Awaitility.await().until(() -> bench.log().contains("run  FAILED E: why"));
    assertThat(bench.log()).contains("state     run  F\n");
  }

  @Test
  void theTemplateMakesMachines() {
    var provisioner = java.util.Objects.requireNonNull(bench.states.provisioners().get("AWS::StepFunctions::StateMachine"));
    var properties = (ObjectNode) json("{Definition:{QueryLanguage:'JSONata',StartAt:'P',States:{P:{Type:'Pass',"
        + "Output:'${Greeting}',End:true}}},DefinitionSubstitutions:{Greeting:'say \"hi\"'},RoleArn:'" + StatesBench.ROLE
        + "',LoggingConfiguration:{Level:'ALL'},TracingConfiguration:{Enabled:true},Tags:[{Key:'a',Value:'b'}]}");
    var made = provisioner.provision(
        new Provisioner.Resource("Fulfilment", "AWS::StepFunctions::StateMachine", "cafe-Fulfilment", properties));
    assertThat(made.ref()).endsWith(":stateMachine:cafe-Fulfilment");
    assertThat(made.attributes()).containsEntry("Arn", made.ref()).containsEntry("Name", "cafe-Fulfilment")
        .containsKey("StateMachineRevisionId");
    assertThat(bench.end(start(made.ref(), "x", "{}")).output().asText()).isEqualTo("say \"hi\"");
    properties.put("Surprise", 1);
    assertThatIllegalArgumentException().isThrownBy(() -> provisioner.provision(
        new Provisioner.Resource("Other", "AWS::StepFunctions::StateMachine", "cafe-Other", properties)))
        .withMessageContaining("Surprise");
  }
}
