package com.example.cafe.local;

import static com.example.cafe.local.StatesBench.json;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** An execution that failed goes on from the state that failed. */
class StatesRedriveTest {
  private static final String FUNCTION = "arn:aws:lambda:eu-central-1:000000000000:function:";
  private final AtomicInteger calls = new AtomicInteger();
  private volatile boolean broken = true;
  private final Map<String, Integer> work = new ConcurrentHashMap<>();
  private final StatesBench bench = new StatesBench()
      .on("lambda", "fragile", input -> {
        calls.incrementAndGet();
        work.merge(input.get("payload").toString(), 1, Integer::sum);
        return broken ? json("{errorType:'Broken',errorMessage:'no'}") : input.get("payload");
      })
      .on("lambda", "sound", input -> {
        work.merge(input.get("payload").toString(), 1, Integer::sum);
        return input.get("payload");
      });

  @AfterEach
  void close() {
    bench.close();
  }

  private StatesBench.Outcome failed(String definition, String input) {
    var outcome = bench.run(definition.replace("FN:", FUNCTION), input);
    assertThat(outcome.status()).isNotEqualTo("SUCCEEDED");
    return outcome;
  }

  private double redrive(String arn) {
    return bench.call("RedriveExecution", Json.object().put("executionArn", arn)).get("redriveDate").asDouble();
  }

  private static JsonNode last(StatesBench.Outcome outcome) {
    return outcome.events().getLast();
  }

  @Test
  void theFailedTaskRunsAgainWithItsInputAndItsVariables() {
    var outcome = failed("""
        {StartAt:'P',States:{
          P:{Type:'Pass',Assign:{v:7},Result:{x:1},Next:'T'},
          T:{Type:'Task',Resource:'FN:fragile',Retry:[{ErrorEquals:['Broken'],MaxAttempts:1}],Next:'Z'},
          Z:{Type:'Pass',Parameters:{'in.$':'$','v.$':'$v','count.$':'$$.Execution.RedriveCount'},End:true}}}""", "{a:1}");
    assertThat(calls).hasValue(2);
    assertThat(outcome.description().get("redriveStatus").asText()).isEqualTo("REDRIVABLE");
    var length = outcome.events().size();
    broken = false;
    var at = redrive(outcome.arn());
    var again = bench.end(outcome.arn());
    assertThat(again.output()).isEqualTo(json("{in:{x:1},v:7,count:1}"));
    assertThat(again.description().has("error")).isFalse();
    assertThat(again.description().get("redriveCount").asInt()).isEqualTo(1);
    assertThat(again.description().get("redriveDate").asDouble()).isEqualTo(at);
    assertThat(again.events().subList(0, length)).isEqualTo(outcome.events());
    var id = length + 1;
    assertThat(again.chain().subList(length, again.events().size())).containsExactly(
        id + "<" + length + " ExecutionRedriven", id + 1 + "<" + id + " LambdaFunctionScheduled",
        id + 2 + "<" + (id + 1) + " LambdaFunctionStarted", id + 3 + "<" + (id + 2) + " LambdaFunctionSucceeded",
        id + 4 + "<" + (id + 3) + " TaskStateExited", id + 5 + "<" + (id + 4) + " PassStateEntered",
        id + 6 + "<" + (id + 5) + " PassStateExited", id + 7 + "<" + (id + 6) + " ExecutionSucceeded");
    assertThat(again.details("ExecutionRedriven")).isEqualTo(json("{redriveCount:1}"));
    var listed = bench.call("ListExecutions",
        Json.object().put("stateMachineArn", again.description().get("stateMachineArn").asText()));
    assertThat(listed.at("/executions/0/redriveCount").asInt()).isEqualTo(1);
    assertThat(listed.at("/executions/0/redriveDate").asDouble()).isEqualTo(at);
  }

  @Test
  void aFaultThatStaysFailsAgainWithAllItsRetries() {
    var outcome = failed("""
        {StartAt:'T',States:{T:{Type:'Task',Resource:'FN:fragile',Retry:[{ErrorEquals:['Broken'],MaxAttempts:2}],End:true}}}""", "{}");
    redrive(outcome.arn());
    var again = bench.end(outcome.arn());
    assertThat(again.error()).isEqualTo("Broken");
    assertThat(calls).hasValue(6);
    redrive(outcome.arn());
    assertThat(bench.end(outcome.arn()).description().get("redriveCount").asInt()).isEqualTo(2);
  }

  @Test
  void onlyBranchesThatDidNotSucceedRunAgain() {
    var outcome = failed("""
        {StartAt:'P',States:{P:{Type:'Parallel',End:true,Branches:[
          {StartAt:'A',States:{A:{Type:'Task',Resource:'FN:sound',Parameters:{n:'a'},End:true}}},
          {StartAt:'W',States:{W:{Type:'Wait',Seconds:100,Next:'B'},B:{Type:'Pass',Result:'b',Next:'C'},
             C:{Type:'Task',Resource:'FN:fragile',Parameters:{n:'c'},End:true}}}]}}}""", "{}");
    broken = false;
    redrive(outcome.arn());
    var again = bench.end(outcome.arn());
    assertThat(again.output()).isEqualTo(json("[{n:'a'},{n:'c'}]"));
    assertThat(work).containsEntry("{\"n\":\"a\"}", 1).containsEntry("{\"n\":\"c\"}", 2);
    assertThat(again.events()).filteredOn(event -> event.get("type").asText().equals("ParallelStateStarted")).hasSize(1);
    assertThat(again.events()).filteredOn(event -> event.get("type").asText().equals("WaitStateEntered")).hasSize(1);
  }

  @Test
  void onlyIterationsThatDidNotSucceedRunAgain() {
    var outcome = failed("""
        {StartAt:'M',States:{M:{Type:'Map',MaxConcurrency:1,End:true,ItemProcessor:{StartAt:'C',States:{
          C:{Type:'Choice',Choices:[{Variable:'$',NumericEquals:2,Next:'F'}],Default:'S'},
          F:{Type:'Task',Resource:'FN:fragile',End:true},
          S:{Type:'Task',Resource:'FN:sound',End:true}}}}}}""", "[1,2,3]");
    assertThat(work).containsOnlyKeys("1", "2");
    broken = false;
    redrive(outcome.arn());
    assertThat(bench.end(outcome.arn()).output()).isEqualTo(json("[1,2,3]"));
    assertThat(work).containsEntry("1", 1).containsEntry("2", 2).containsEntry("3", 1);
  }

  @Test
  void afterAStopOrATimeoutTheStateThatRanStartsAgainWithinANewLimit() {
    var outcome = failed("{TimeoutSeconds:400,StartAt:'W',States:{W:{Type:'Wait',Seconds:100000,End:true}}}", "{}");
    assertThat(outcome.status()).isEqualTo("TIMED_OUT");
    redrive(outcome.arn());
    await().until(() -> bench.history(outcome.arn()).getLast().get("type").asText().equals("WaitStateEntered"));
    bench.call("StopExecution", Json.object().put("executionArn", outcome.arn()));
    assertThat(bench.end(outcome.arn()).status()).isEqualTo("ABORTED");
    redrive(outcome.arn());
    var again = bench.end(outcome.arn());
    assertThat(again.status()).isEqualTo("TIMED_OUT");
    assertThat(again.types()).isEqualTo("ExecutionStarted WaitStateEntered ExecutionTimedOut ExecutionRedriven WaitStateEntered"
        + " ExecutionAborted ExecutionRedriven WaitStateEntered ExecutionTimedOut");
    assertThat(again.details("ExecutionRedriven", 1)).isEqualTo(json("{redriveCount:2}"));
  }

  @Test
  void aFailStateFailsAgain() {
    var outcome = failed("{StartAt:'F',States:{F:{Type:'Fail',Error:'E'}}}", "{}");
    redrive(outcome.arn());
    var again = bench.end(outcome.arn());
    assertThat(again.types())
        .isEqualTo("ExecutionStarted FailStateEntered ExecutionFailed ExecutionRedriven FailStateEntered ExecutionFailed");
    assertThat(last(again).get("executionFailedEventDetails")).isEqualTo(json("{error:'E'}"));
  }

  @Test
  void whatRunsOrSucceededIsNotRedriven() {
    var good = bench.run("{StartAt:'S',States:{S:{Type:'Succeed'}}}", "{}").arn();
    assertThatExceptionOfType(AwsException.class).isThrownBy(() -> redrive(good))
        .withMessage("Execution is SUCCEEDED and cannot be redriven")
        .satisfies(e -> assertThat(e.code()).isEqualTo("ExecutionNotRedrivable"));
    var running = bench.start("{StartAt:'W',States:{W:{Type:'Wait',Seconds:99999999,End:true}}}", "{}");
    assertThatExceptionOfType(AwsException.class).isThrownBy(() -> redrive(running))
        .withMessage("Execution is RUNNING and cannot be redriven");
    assertThatExceptionOfType(AwsException.class).isThrownBy(() -> redrive(good + "x"))
        .satisfies(e -> assertThat(e.code()).isEqualTo("ExecutionDoesNotExist"));
  }

  @Test
  void aClientTokenRedrivesOnce() {
    var outcome = failed("{StartAt:'F',States:{F:{Type:'Fail'}}}", "{}");
    var request = Json.object().put("executionArn", outcome.arn()).put("clientToken", "t");
    var first = bench.call("RedriveExecution", request);
    bench.end(outcome.arn());
    assertThat(bench.call("RedriveExecution", request)).isEqualTo(first);
    assertThat(bench.describe(outcome.arn()).get("redriveCount").asInt()).isEqualTo(1);
  }
}
