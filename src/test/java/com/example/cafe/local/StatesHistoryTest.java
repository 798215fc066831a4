package com.example.cafe.local;

import static com.example.cafe.local.StatesBench.json;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** The history of an execution, event by event, as the service writes it. */
class StatesHistoryTest {
  private static final String FUNCTION = "arn:aws:lambda:eu-central-1:000000000000:function:";
  private static final StatesBench BENCH = new StatesBench()
      .on("lambda", "echo", input -> input.get("payload"))
      .on("lambda", "fault", input -> json("{errorType:'Broken',errorMessage:'no'}"))
      .on("lambda", "slow", input -> {
        Thread.sleep(5_000);
        return json("1");
      })
      .on("sqs", "SendMessage", input -> json("{MessageId:'m',MD5OfMessageBody:'x'}"));

  @AfterAll
  static void close() {
    BENCH.close();
  }

  private static StatesBench.Outcome run(String definition, String input) {
    return BENCH.run(definition.replace("FN:", FUNCTION), input);
  }

  @Test
  void passChoiceWaitAndSucceedEnterAndExit() {
    var outcome = run("""
        {StartAt:'P',States:{
          P:{Type:'Pass',Result:{b:1},Assign:{v:[1]},Next:'C'},
          C:{Type:'Choice',Choices:[{Variable:'$.b',NumericEquals:1,Next:'W'}]},
          W:{Type:'Wait',Seconds:1,Next:'S'},
          S:{Type:'Succeed'}}}""", "{a: 1}");
    assertThat(outcome.chain()).containsExactly("1<0 ExecutionStarted", "2<0 PassStateEntered", "3<2 PassStateExited",
        "4<3 ChoiceStateEntered", "5<4 ChoiceStateExited", "6<5 WaitStateEntered", "7<6 WaitStateExited",
        "8<7 SucceedStateEntered", "9<8 SucceedStateExited", "10<9 ExecutionSucceeded");
    assertThat(outcome.details("ExecutionStarted")).isEqualTo(
        json("{input:'{\"a\":1}',inputDetails:{truncated:false},roleArn:'" + StatesBench.ROLE + "'}"));
    assertThat(outcome.details("PassStateEntered")).isEqualTo(
        json("{name:'P',input:'{\"a\":1}',inputDetails:{truncated:false}}"));
    assertThat(outcome.details("PassStateExited")).isEqualTo(json(
        "{name:'P',output:'{\"b\":1}',outputDetails:{truncated:false},assignedVariables:{v:'[1]'},assignedVariablesDetails:{truncated:false}}"));
    assertThat(outcome.details("ChoiceStateExited")).isEqualTo(
        json("{name:'C',output:'{\"b\":1}',outputDetails:{truncated:false}}"));
    assertThat(outcome.details("ExecutionSucceeded")).isEqualTo(json("{output:'{\"b\":1}',outputDetails:{truncated:false}}"));
    assertThat(outcome.events()).allSatisfy(event -> assertThat(event.get("timestamp").isNumber()).isTrue());
  }

  @Test
  void failEndsWithItsErrorAndCause() {
    var outcome = run("{StartAt:'F',States:{F:{Type:'Fail',Error:'E',Cause:'C'}}}", "{}");
    assertThat(outcome.chain()).containsExactly("1<0 ExecutionStarted", "2<0 FailStateEntered", "3<2 ExecutionFailed");
    assertThat(outcome.details("ExecutionFailed")).isEqualTo(json("{error:'E',cause:'C'}"));
    var bare = run("{StartAt:'F',States:{F:{Type:'Fail'}}}", "{}");
    assertThat(bare.details("ExecutionFailed")).isEqualTo(json("{}"));
    assertThat(bare.description().has("error") || bare.description().has("cause")).isFalse();
  }

  @Test
  void aFunctionByItsArnIsScheduledStartedAndSucceeds() {
    var outcome = run("{StartAt:'T',States:{T:{Type:'Task',Resource:'FN:echo',TimeoutSeconds:900000,End:true}}}", "{a:1}");
    assertThat(outcome.chain()).containsExactly("1<0 ExecutionStarted", "2<0 TaskStateEntered", "3<2 LambdaFunctionScheduled",
        "4<3 LambdaFunctionStarted", "5<4 LambdaFunctionSucceeded", "6<5 TaskStateExited", "7<6 ExecutionSucceeded");
    assertThat(outcome.details("LambdaFunctionScheduled")).isEqualTo(json("{resource:'" + FUNCTION
        + "echo',input:'{\"a\":1}',inputDetails:{truncated:false},timeoutInSeconds:900000}"));
    assertThat(outcome.details("LambdaFunctionSucceeded")).isEqualTo(json("{output:'{\"a\":1}',outputDetails:{truncated:false}}"));
    assertThat(outcome.events().get(3).has("lambdaFunctionStartedEventDetails")).isFalse();
  }

  @Test
  void aFunctionThatFailsIsRetriedWithoutEnteringTheStateAgainAndThenCaught() {
    var outcome = run("""
        {StartAt:'T',States:{
          T:{Type:'Task',Resource:'FN:fault',Retry:[{ErrorEquals:['Broken'],MaxAttempts:1}],
             Catch:[{ErrorEquals:['States.ALL'],Next:'D'}],End:true},
          D:{Type:'Pass',End:true}}}""", "{}");
    assertThat(outcome.chain()).containsExactly("1<0 ExecutionStarted", "2<0 TaskStateEntered", "3<2 LambdaFunctionScheduled",
        "4<3 LambdaFunctionStarted", "5<4 LambdaFunctionFailed", "6<5 LambdaFunctionScheduled", "7<6 LambdaFunctionStarted",
        "8<7 LambdaFunctionFailed", "9<8 TaskStateExited", "10<9 PassStateEntered", "11<10 PassStateExited",
        "12<11 ExecutionSucceeded");
    assertThat(outcome.details("LambdaFunctionFailed"))
        .isEqualTo(json("{error:'Broken',cause:'{\"errorType\":\"Broken\",\"errorMessage\":\"no\"}'}"));
  }

  @Test
  void anIntegrationSaysItsResourceTypeItsResourceAndItsRegion() {
    var outcome = run("""
        {StartAt:'T',States:{T:{Type:'Task',Resource:'arn:aws:states:::sqs:sendMessage',
          Parameters:{QueueUrl:'q',MessageBody:{'a.$':'$.a'}},End:true}}}""", "{a:1}");
    assertThat(outcome.chain()).containsExactly("1<0 ExecutionStarted", "2<0 TaskStateEntered", "3<2 TaskScheduled",
        "4<3 TaskStarted", "5<4 TaskSucceeded", "6<5 TaskStateExited", "7<6 ExecutionSucceeded");
    assertThat(outcome.details("TaskScheduled")).isEqualTo(json("{resourceType:'sqs',resource:'sendMessage',"
        + "region:'eu-central-1',parameters:'{\"QueueUrl\":\"q\",\"MessageBody\":{\"a\":1}}'}"));
    assertThat(outcome.details("TaskStarted")).isEqualTo(json("{resourceType:'sqs',resource:'sendMessage'}"));
    assertThat(outcome.details("TaskSucceeded").get("resource").asText()).isEqualTo("sendMessage");
    assertThat(outcome.details("TaskSucceeded").get("outputDetails")).isEqualTo(json("{truncated:false}"));
  }

  @Test
  void aTaskOutOfTimeSaysSo() {
    var plain = run("{StartAt:'T',States:{T:{Type:'Task',Resource:'FN:slow',TimeoutSeconds:5,End:true}}}", "{}");
    assertThat(plain.chain()).endsWith("4<3 LambdaFunctionStarted", "5<4 LambdaFunctionTimedOut", "6<5 ExecutionFailed");
    assertThat(plain.details("LambdaFunctionTimedOut")).isEqualTo(json("{error:'States.Timeout'}"));
    assertThat(plain.details("ExecutionFailed")).isEqualTo(json("{error:'States.Timeout'}"));
    var optimized = run("""
        {StartAt:'T',States:{T:{Type:'Task',Resource:'arn:aws:states:::lambda:invoke',TimeoutSecondsPath:'$.t',
          Parameters:{FunctionName:'slow',Payload:{}},End:true}}}""", "{t:5}");
    assertThat(optimized.chain()).endsWith("4<3 TaskStarted", "5<4 TaskTimedOut", "6<5 ExecutionFailed");
    assertThat(optimized.details("TaskScheduled").get("timeoutInSeconds").asInt()).isEqualTo(5);
    assertThat(optimized.details("TaskTimedOut"))
        .isEqualTo(json("{resourceType:'lambda',resource:'invoke',error:'States.Timeout'}"));
  }

  @Test
  void aMissedHeartbeatIsATimeoutThatBothNamesCatch() {
    for (var name : new String[] {"States.HeartbeatTimeout", "States.Timeout"}) {
      var outcome = run("""
          {StartAt:'T',States:{T:{Type:'Task',Resource:'arn:aws:states:::sqs:sendMessage.waitForTaskToken',
            TimeoutSeconds:9999999,HeartbeatSeconds:5,
            Parameters:{QueueUrl:'q',MessageBody:{'t.$':'$$.Task.Token'}},
            Catch:[{ErrorEquals:['NAME'],Next:'D'}],End:true},D:{Type:'Pass',End:true}}}""".replace("NAME", name), "{}");
      assertThat(outcome.chain()).startsWith("1<0 ExecutionStarted", "2<0 TaskStateEntered", "3<2 TaskScheduled",
          "4<3 TaskStarted", "5<4 TaskSubmitted", "6<5 TaskTimedOut", "7<6 TaskStateExited");
      assertThat(outcome.details("TaskScheduled").get("heartbeatInSeconds").asInt()).isEqualTo(5);
      assertThat(outcome.details("TaskSubmitted").get("resource").asText()).isEqualTo("sendMessage.waitForTaskToken");
      assertThat(outcome.details("TaskTimedOut").get("error").asText()).isEqualTo("States.Timeout");
      assertThat(outcome.status()).isEqualTo("SUCCEEDED");
    }
  }

  @Test
  void parallelExitsAfterItsLastBranchNotAfterItsSuccess() {
    var outcome = run("""
        {StartAt:'P',States:{P:{Type:'Parallel',End:true,Branches:[
          {StartAt:'A',States:{A:{Type:'Pass',End:true}}}]}}}""", "{}");
    assertThat(outcome.chain()).containsExactly("1<0 ExecutionStarted", "2<0 ParallelStateEntered", "3<2 ParallelStateStarted",
        "4<3 PassStateEntered", "5<4 PassStateExited", "6<5 ParallelStateSucceeded", "7<5 ParallelStateExited",
        "8<7 ExecutionSucceeded");
  }

  @Test
  void aFailedBranchStopsTheOthers() {
    var outcome = run("""
        {StartAt:'P',States:{P:{Type:'Parallel',End:true,Branches:[
          {StartAt:'W',States:{W:{Type:'Wait',Seconds:99999999,End:true}}},
          {StartAt:'Q',States:{Q:{Type:'Wait',Seconds:20,Next:'F'},F:{Type:'Fail',Error:'E'}}}]}}}""", "{}");
    assertThat(outcome.error()).isEqualTo("E");
    assertThat(outcome.types()).endsWith("FailStateEntered WaitStateAborted ParallelStateFailed ExecutionFailed");
    var last = outcome.events().size();
    assertThat(outcome.chain()).endsWith((last - 1) + "<" + (last - 3) + " ParallelStateFailed",
        last + "<" + (last - 1) + " ExecutionFailed");
  }

  @Test
  void aFailureStopsTheBranchesOfBranches() {
    var outcome = run("""
        {StartAt:'P',States:{P:{Type:'Parallel',Branches:[
          {StartAt:'I',States:{I:{Type:'Parallel',End:true,Branches:[
            {StartAt:'W',States:{W:{Type:'Wait',Seconds:99999999,End:true}}}]}}},
          {StartAt:'Q',States:{Q:{Type:'Wait',Seconds:20,Next:'F'},F:{Type:'Fail',Error:'E'}}}],
          Catch:[{ErrorEquals:['E'],Next:'D'}],End:true},D:{Type:'Pass',End:true}}}""", "{}");
    assertThat(outcome.types()).endsWith("FailStateEntered ParallelStateAborted ParallelStateFailed ParallelStateExited"
        + " PassStateEntered PassStateExited ExecutionSucceeded");
  }

  @Test
  void aRuntimeErrorInABranchEndsTheExecutionAtOnce() {
    var outcome = run("""
        {StartAt:'P',States:{P:{Type:'Parallel',End:true,Branches:[
          {StartAt:'Fast',States:{Fast:{Type:'Pass',Parameters:{'m.$':'$.nope'},End:true}}}]}}}""", "{x:'a'}");
    assertThat(outcome.types()).isEqualTo(
        "ExecutionStarted ParallelStateEntered ParallelStateStarted PassStateEntered ExecutionFailed");
    assertThat(outcome.cause()).startsWith("An error occurred while executing the state 'Fast' (entered at the event id #4). ");
  }

  @Test
  void mapStartsItsIterationsInOrderOneByOne() {
    var outcome = run("""
        {StartAt:'M',States:{M:{Type:'Map',MaxConcurrency:1,End:true,
          ItemProcessor:{StartAt:'A',States:{A:{Type:'Pass',End:true}}}}}}""", "['x','y']");
    assertThat(outcome.chain()).containsExactly("1<0 ExecutionStarted", "2<0 MapStateEntered", "3<2 MapStateStarted",
        "4<3 MapIterationStarted", "5<4 PassStateEntered", "6<5 PassStateExited", "7<6 MapIterationSucceeded",
        "8<6 MapIterationStarted", "9<8 PassStateEntered", "10<9 PassStateExited", "11<10 MapIterationSucceeded",
        "12<11 MapStateSucceeded", "13<11 MapStateExited", "14<13 ExecutionSucceeded");
    assertThat(outcome.details("MapStateStarted")).isEqualTo(json("{length:2}"));
    assertThat(outcome.details("MapIterationStarted", 1)).isEqualTo(json("{name:'M',index:1}"));
    assertThat(outcome.details("MapIterationSucceeded", 1)).isEqualTo(json("{name:'M',index:1}"));
    assertThat(outcome.details("PassStateEntered", 1).get("input").asText()).isEqualTo("\"y\"");
    assertThat(outcome.details("MapStateExited").get("output").asText()).isEqualTo("[\"x\",\"y\"]");
  }

  @Test
  void mapOfNothingSucceedsAtOnce() {
    var outcome = run("{StartAt:'M',States:{M:{Type:'Map',End:true,ItemProcessor:{StartAt:'A',States:{A:{Type:'Pass',End:true}}}}}}", "[]");
    assertThat(outcome.chain()).containsExactly("1<0 ExecutionStarted", "2<0 MapStateEntered", "3<2 MapStateStarted",
        "4<3 MapStateSucceeded", "5<3 MapStateExited", "6<5 ExecutionSucceeded");
  }

  @Test
  void mapStartsAllIterationsFirstAndAbortsThemWhenOneFails() {
    var outcome = run("""
        {StartAt:'M',States:{M:{Type:'Map',End:true,ItemProcessor:{StartAt:'C',States:{
          C:{Type:'Choice',Choices:[{Variable:'$',NumericEquals:1,Next:'Q'}],Default:'W'},
          Q:{Type:'Wait',Seconds:30,Next:'F'},F:{Type:'Fail',Error:'E'},
          W:{Type:'Wait',Seconds:99999999,End:true}}}}}}""", "[0,1]");
    assertThat(outcome.chain()).startsWith("1<0 ExecutionStarted", "2<0 MapStateEntered", "3<2 MapStateStarted",
        "4<3 MapIterationStarted", "5<3 MapIterationStarted");
    assertThat(outcome.types()).endsWith(
        "FailStateEntered MapIterationFailed WaitStateAborted MapIterationAborted MapStateFailed ExecutionFailed");
    assertThat(outcome.details("MapIterationFailed")).isEqualTo(json("{name:'M',index:1}"));
    assertThat(outcome.details("MapIterationAborted")).isEqualTo(json("{name:'M',index:0}"));
  }

  @Test
  void aFailedExpressionIsAnEventOfItsOwn() {
    var pass = run("{QueryLanguage:'JSONata',StartAt:'S',States:{S:{Type:'Pass',Output:{v:'{% $states.input.no %}'},End:true}}}", "{}");
    assertThat(pass.chain()).endsWith("2<0 PassStateEntered", "3<2 EvaluationFailed", "4<3 ExecutionFailed");
    assertThat(pass.details("EvaluationFailed")).isEqualTo(json("{error:'States.QueryEvaluationError',location:'Output/v',"
        + "state:'S',cause:\"An error occurred while executing the state 'S' (entered at the event id #2). The JSONata expression"
        + " '$states.input.no' specified for the field 'Output/v' returned nothing (undefined).\"}"));
    var map = run("""
        {QueryLanguage:'JSONata',StartAt:'P',States:{P:{Type:'Pass',Next:'M'},M:{Type:'Map',Items:'{% 1 %}',End:true,
          ItemProcessor:{StartAt:'A',States:{A:{Type:'Pass',End:true}}}}}}""", "{}");
    assertThat(map.chain()).endsWith("4<3 MapStateEntered", "5<3 EvaluationFailed", "6<5 MapStateFailed", "7<6 ExecutionFailed");
  }

  @Test
  void aFailedExpressionCanBeCaught() {
    var outcome = run("""
        {QueryLanguage:'JSONata',StartAt:'S',States:{
          S:{Type:'Task',Resource:'FN:echo',Arguments:{x:'{% $states.input.no %}'},End:true,
             Catch:[{ErrorEquals:['States.QueryEvaluationError'],Next:'D'}]},
          D:{Type:'Pass',End:true}}}""", "{}");
    assertThat(outcome.status()).isEqualTo("SUCCEEDED");
    assertThat(outcome.chain()).contains("3<2 EvaluationFailed", "4<3 TaskStateExited");
  }

  @Test
  void aMachineOutOfTimeTimesOut() {
    var outcome = run("{TimeoutSeconds:3,StartAt:'W',States:{W:{Type:'Wait',Seconds:99999999,End:true}}}", "{}");
    assertThat(outcome.status()).isEqualTo("TIMED_OUT");
    assertThat(outcome.chain()).containsExactly("1<0 ExecutionStarted", "2<0 WaitStateEntered", "3<0 ExecutionTimedOut");
    assertThat(outcome.details("ExecutionTimedOut")).isEqualTo(json("{error:'States.Timeout'}"));
    assertThat(outcome.description().has("error")).isFalse();
    assertThat(outcome.description().get("redriveStatus").asText()).isEqualTo("REDRIVABLE");
  }

  @Test
  void anEndlessLoopEndsAtTheLimitOfEvents() {
    var outcome = run("""
        {StartAt:'A',States:{A:{Type:'Choice',Choices:[{Variable:'$.go',BooleanEquals:true,Next:'A'}],Default:'Z'},
          Z:{Type:'Succeed'}}}""", "{go:true}");
    assertThat(outcome.events()).hasSize(25_000);
    assertThat(outcome.error()).isEqualTo("States.Runtime");
    assertThat(outcome.cause()).isEqualTo("The execution reached the maximum number of history events (25000).");
  }

  @Test
  void retriesBackOffCountAndRunOut() {
    var attempts = new AtomicInteger();
    BENCH.on("lambda", "third", input -> json(attempts.incrementAndGet() < 3 ? "{errorType:'Broken'}" : "'done'"));
    var good = run("""
        {StartAt:'T',States:{T:{Type:'Task',Resource:'FN:third',End:true,Retry:[
          {ErrorEquals:['Other'],MaxAttempts:9},
          {ErrorEquals:['States.ALL'],IntervalSeconds:2,BackoffRate:1.5,MaxDelaySeconds:3,JitterStrategy:'FULL'}]}}}""", "{}");
    assertThat(good.output()).isEqualTo(json("'done'"));
    assertThat(attempts).hasValue(3);
    var never = run("""
        {StartAt:'T',States:{T:{Type:'Task',Resource:'FN:fault',End:true,
          Retry:[{ErrorEquals:['States.ALL'],MaxAttempts:0}]}}}""", "{}");
    assertThat(never.types()).containsOnlyOnce("LambdaFunctionScheduled");
    var three = run("{StartAt:'T',States:{T:{Type:'Task',Resource:'FN:fault',End:true,Retry:[{ErrorEquals:['States.ALL']}]}}}", "{}");
    assertThat(three.types().split("LambdaFunctionScheduled", -1)).hasSize(5);
  }

  @Test
  void theContextCountsRetries() {
    var outcome = run("""
        {StartAt:'T',States:{T:{Type:'Task',Resource:'FN:fault',Parameters:{'n.$':'$$.State.RetryCount'},
          Retry:[{ErrorEquals:['Broken'],MaxAttempts:2}],End:true}}}""", "{}");
    assertThat(outcome.details("LambdaFunctionScheduled", 0).get("input").asText()).isEqualTo("{\"n\":0}");
    assertThat(outcome.details("LambdaFunctionScheduled", 2).get("input").asText()).isEqualTo("{\"n\":2}");
  }

  @Test
  void parallelAndMapAreRetriedAsAWhole() {
    var outcome = run("""
        {StartAt:'P',States:{P:{Type:'Parallel',End:true,Retry:[{ErrorEquals:['E'],MaxAttempts:1}],Branches:[
          {StartAt:'F',States:{F:{Type:'Fail',Error:'E'}}}]}}}""", "{}");
    assertThat(outcome.types()).isEqualTo("ExecutionStarted ParallelStateEntered ParallelStateStarted FailStateEntered"
        + " ParallelStateFailed ParallelStateStarted FailStateEntered ParallelStateFailed ExecutionFailed");
  }
}
