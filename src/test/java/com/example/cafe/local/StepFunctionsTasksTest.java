package com.example.cafe.local;

import static com.example.cafe.local.StatesBench.json;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How tasks call services, and what they make of the answers. */
class StepFunctionsTasksTest {
  private final StatesBench bench = new StatesBench();

  @AfterEach
  void close() {
    bench.close();
  }

  private StatesBench.Outcome task(String resource, String parameters) {
    return bench.run(definition(resource, parameters), "{a:1}");
  }

  private static String definition(String resource, String parameters) {
    return "{StartAt:'T',States:{T:{Type:'Task',Resource:'" + resource + "',Parameters:" + parameters + ",End:true}}}";
  }

  @Test
  void aFunctionIsCalledWithItsQualifierAndTheMachinesRole() {
    bench.on("lambda", "f", input -> input.get("payload"));
    assertThat(task("arn:aws:lambda:eu-central-1:000000000000:function:f:live", "{x:1}").output()).isEqualTo(json("{x:1}"));
    var call = bench.calls.getFirst();
    assertThat(call.input().get("FunctionName").asText()).isEqualTo("arn:aws:lambda:eu-central-1:000000000000:function:f");
    assertThat(call.input().get("Qualifier").asText()).isEqualTo("live");
    assertThat(call.input().get("InvocationType").asText()).isEqualTo("RequestResponse");
    assertThat(call.caller().arn()).isEqualTo(StatesBench.ROLE);
  }

  @Test
  void theOptimizedInvocationAnswersWithMetadata() {
    bench.on("lambda", "f", input -> json("{r:[1]}"));
    var output = task("arn:aws:states:::lambda:invoke", "{FunctionName:'f',Payload:{'x.$':'$.a'}}").output();
    assertThat(output.fieldNames()).toIterable()
        .containsExactly("ExecutedVersion", "Payload", "SdkHttpMetadata", "SdkResponseMetadata", "StatusCode");
    assertThat(output.get("Payload")).isEqualTo(json("{r:[1]}"));
    assertThat(output.at("/SdkHttpMetadata/HttpStatusCode").asInt()).isEqualTo(200);
    assertThat(output.at("/SdkHttpMetadata/HttpHeaders/x-amzn-RequestId"))
        .isEqualTo(output.at("/SdkResponseMetadata/RequestId"));
  }

  @DisplayName("A function's failure")
  @ParameterizedTest(name = "{0} is {1}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      {errorType:'com.example.Broken',errorMessage:'m'} | com.example.Broken
      {errorMessage:'no type'}                          | Lambda.Unknown
      """)
  void functionErrors(String payload, String error) {
    bench.on("lambda", "f", input -> json(payload));
    for (var resource : new String[] {"arn:aws:lambda:eu-central-1:000000000000:function:f", "arn:aws:states:::lambda:invoke"}) {
      var outcome = task(resource, "{FunctionName:'f'}");
      assertThat(outcome.error()).isEqualTo(error);
      assertThat(outcome.cause()).isEqualTo(Json.write(json(payload)));
    }
  }

  @DisplayName("A service's error comes with the integration's name and wording")
  @ParameterizedTest(name = "{0}: {1} is {2}")
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      dynamodb:putItem             | ResourceNotFoundException       | DynamoDB.ResourceNotFoundException       | m (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ResourceNotFoundException; Request ID: ID; Proxy: null)
      dynamodb:putItem             | ConditionalCheckFailedException | DynamoDB.ConditionalCheckFailedException | m (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ConditionalCheckFailedException; Request ID: ID; Proxy: null)
      dynamodb:putItem             | ValidationException             | DynamoDB.AmazonDynamoDBException         | m (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ValidationException; Request ID: ID; Proxy: null)
      sqs:sendMessage              | QueueDoesNotExist               | SQS.QueueDoesNotExistException           | m (Service: AmazonSQS; Status Code: 400; Error Code: QueueDoesNotExist; Request ID: ID; Proxy: null)
      aws-sdk:dynamodb:putItem     | ConditionalCheckFailedException | DynamoDb.ConditionalCheckFailedException | m (Service: DynamoDb, Status Code: 400, Request ID: ID)
      aws-sdk:dynamodb:putItem     | ValidationException             | DynamoDb.DynamoDbException               | m (Service: DynamoDb, Status Code: 400, Request ID: ID)
      aws-sdk:rdsdata:executeStatement | BadRequestException         | RdsData.BadRequestException              | m (Service: RdsData, Status Code: 400, Request ID: ID)
      aws-sdk:rdsdata:executeStatement | DatabaseResumingException   | RdsData.DatabaseResumingException        | m (Service: RdsData, Status Code: 400, Request ID: ID)
      aws-sdk:secretsmanager:getSecretValue | ValidationException    | SecretsManager.SecretsManagerException   | m (Service: SecretsManager, Status Code: 400, Request ID: ID)
      aws-sdk:sesv2:sendEmail      | MessageRejected                 | SesV2.MessageRejectedException           | m (Service: SesV2, Status Code: 400, Request ID: ID)
      aws-sdk:scheduler:getSchedule | ResourceNotFoundException      | Scheduler.ResourceNotFoundException      | m (Service: Scheduler, Status Code: 400, Request ID: ID)
      """)
  void serviceErrors(String resource, String code, String error, String cause) {
    for (var operation : new String[] {"dynamodb:PutItem", "sqs:SendMessage", "rds-data:ExecuteStatement",
        "secretsmanager:GetSecretValue", "ses:SendEmail", "scheduler:GetSchedule"}) {
      bench.on(operation.split(":")[0], operation.split(":")[1], input -> {
        throw AwsException.badRequest(code, "m");
      });
    }
    var outcome = task("arn:aws:states:::" + resource, "{}");
    assertThat(outcome.error()).isEqualTo(error);
    assertThat(outcome.cause().replaceAll("Request ID: [0-9a-f-]+", "Request ID: ID")).isEqualTo(cause);
    assertThat(outcome.details("TaskFailed").get("error").asText()).isEqualTo(error);
  }

  @Test
  void aMissingFunctionIsNamed() {
    var outcome = task("arn:aws:states:::lambda:invoke", "{FunctionName:'nope'}");
    assertThat(outcome.error()).isEqualTo("Lambda.ResourceNotFoundException");
    assertThat(outcome.cause()).startsWith("Function not found: nope (Service: AWSLambda; Status Code: 404; Error Code:"
        + " ResourceNotFoundException; Request ID: ");
    var plain = task("arn:aws:lambda:eu-central-1:000000000000:function:nope", "{}");
    assertThat(plain.error()).isEqualTo("Lambda.ResourceNotFoundException");
    assertThat(plain.chain()).contains("5<4 LambdaFunctionFailed");
  }

  @Test
  void structuresBecomeTextWhereAServiceWantsText() {
    bench.on("sqs", "SendMessage", input -> json("{MessageId:'m'}")).on("sns", "Publish", input -> json("{MessageId:'n'}"));
    assertThat(task("arn:aws:states:::sqs:sendMessage", "{QueueUrl:'q',MessageBody:{b:1}}").output().get("MessageId").asText())
        .isEqualTo("m");
    task("arn:aws:states:::sqs:sendMessage", "{QueueUrl:'q',MessageBody:'plain'}").output();
    task("arn:aws:states:::sns:publish", "{TopicArn:'t',Message:{c:2}}").output();
    assertThat(bench.calls).extracting(call -> call.input().path("MessageBody").asText(call.input().path("Message").asText()))
        .containsExactly("{\"b\":1}", "plain", "{\"c\":2}");
  }

  @Test
  void theSdkIntegrationSpeaksInPascalCaseWhateverTheService() {
    bench.on("rds-data", "ExecuteStatement",
        input -> json("{records:[[{stringValue:'x'},{isNull:true}]],numberOfRecordsUpdated:0}"));
    var outcome = task("arn:aws:states:::aws-sdk:rdsdata:executeStatement",
        "{ResourceArn:'r',Sql:'select 1',Parameters:[{Name:'n',Value:{StringValue:'v'}}],IncludeResultMetadata:false}");
    assertThat(outcome.output()).isEqualTo(json("{Records:[[{StringValue:'x'},{IsNull:true}]],NumberOfRecordsUpdated:0}"));
    assertThat(bench.calls.getFirst().input()).isEqualTo(
        json("{resourceArn:'r',sql:'select 1',parameters:[{name:'n',value:{stringValue:'v'}}],includeResultMetadata:false}"));
    assertThat(outcome.details("TaskScheduled").get("resourceType").asText()).isEqualTo("aws-sdk:rdsdata");
    bench.on("dynamodb", "UpdateItem", input -> json("{Attributes:{balance:{N:'1'}}}"));
    var update = task("arn:aws:states:::aws-sdk:dynamodb:updateItem", "{TableName:'t',Key:{id:{S:'x'}}}");
    assertThat(update.output()).isEqualTo(json("{Attributes:{balance:{N:'1'}}}"));
  }

  @Test
  void aServiceThatIsNotHereFailsTheTaskByName() {
    var outcome = task("arn:aws:states:::aws-sdk:ecs:runTask", "{}");
    assertThat(outcome.error()).isEqualTo("Ecs.EcsException");
    assertThat(outcome.cause()).contains("RunTask");
  }

  @Test
  void aTaskWaitsForItsToken() throws InterruptedException {
    var tokens = new LinkedBlockingQueue<String>();
    bench.on("sqs", "SendMessage", input -> {
      tokens.add(Json.parse(input.get("MessageBody").asText()).get("token").asText());
      return json("{MessageId:'m'}");
    });
    var resource = "arn:aws:states:::sqs:sendMessage.waitForTaskToken";
    var parameters = "{QueueUrl:'q',MessageBody:{'token.$':'$$.Task.Token'}}";

    var good = bench.start(definition(resource, parameters), "{}");
    var token = tokens.take();
    assertThat(bench.call("SendTaskHeartbeat", Json.object().put("taskToken", token))).isEmpty();
    assertThat(bench.call("SendTaskSuccess", Json.object().put("taskToken", token).put("output", "{\"ok\":true}"))).isEmpty();
    var outcome = bench.end(good);
    assertThat(outcome.output()).isEqualTo(json("{ok:true}"));
    assertThat(outcome.chain()).contains("4<3 TaskStarted", "5<4 TaskSubmitted", "6<5 TaskSucceeded", "7<6 TaskStateExited");

    var bad = bench.start(definition(resource, parameters), "{}");
    bench.call("SendTaskFailure", Json.object().put("taskToken", tokens.take()).put("error", "Denied").put("cause", "by hand"));
    assertThat(bench.end(bad).error()).isEqualTo("Denied");
    assertThat(bench.end(bad).details("TaskFailed"))
        .isEqualTo(json("{resourceType:'sqs',resource:'sendMessage.waitForTaskToken',error:'Denied',cause:'by hand'}"));

    assertThatExceptionOfType(AwsException.class)
        .isThrownBy(() -> bench.call("SendTaskSuccess", Json.object().put("taskToken", token).put("output", "{}")))
        .withMessage("Task Timed Out: 'Provided task does not exist anymore'")
        .satisfies(e -> assertThat(e.code()).isEqualTo("TaskTimedOut"));
    assertThatExceptionOfType(AwsException.class)
        .isThrownBy(() -> bench.call("SendTaskFailure", "{taskToken:'nonsense'}"))
        .satisfies(e -> assertThat(e.code()).isEqualTo("InvalidToken"));
  }

  @Test
  void anAnswerThatIsNoJsonLeavesTheTaskWaiting() throws InterruptedException {
    var tokens = new LinkedBlockingQueue<String>();
    bench.on("lambda", "f", input -> {
      tokens.add(input.at("/payload/token").asText());
      return json("null");
    });
    var arn = bench.start(definition("arn:aws:states:::lambda:invoke.waitForTaskToken",
        "{FunctionName:'f',Payload:{'token.$':'$$.Task.Token'}}"), "{}");
    var token = tokens.take();
    assertThatExceptionOfType(AwsException.class)
        .isThrownBy(() -> bench.call("SendTaskSuccess", Json.object().put("taskToken", token).put("output", "oops")))
        .satisfies(e -> assertThat(e.code()).isEqualTo("InvalidOutput"));
    bench.call("SendTaskSuccess", Json.object().put("taskToken", token).put("output", "1"));
    assertThat(bench.end(arn).output()).isEqualTo(json("1"));
  }

  @Test
  void aMachineStartsAnother() {
    var child = bench.machine("{StartAt:'P',States:{P:{Type:'Pass',Result:{Arg1:'x'},End:true}}}");
    var started = task("arn:aws:states:::states:startExecution", "{StateMachineArn:'" + child + "',Name:'one',Input:{i:1}}").output();
    assertThat(started.get("ExecutionArn").asText()).endsWith(":one");
    assertThat(started.get("StartDate").isIntegralNumber()).isTrue();

    var sync = task("arn:aws:states:::states:startExecution.sync", "{StateMachineArn:'" + child + "',Name:'two',Input:null}");
    assertThat(sync.chain()).contains("3<2 TaskScheduled", "4<3 TaskStarted", "5<4 TaskSubmitted", "6<5 TaskSucceeded");
    assertThat(sync.output().get("Output").asText()).isEqualTo("{\"Arg1\":\"x\"}");
    assertThat(sync.output().get("Input").asText()).isEqualTo("{}");
    assertThat(sync.output().get("Status").asText()).isEqualTo("SUCCEEDED");

    var parsed = task("arn:aws:states:::states:startExecution.sync:2", "{StateMachineArn:'" + child + "',Input:{i:1}}");
    assertThat(parsed.output().get("Output")).isEqualTo(json("{Arg1:'x'}"));
    assertThat(parsed.output().get("Input")).isEqualTo(json("{i:1}"));
    assertThat(parsed.details("TaskScheduled").get("resource").asText()).isEqualTo("startExecution.sync:2");
  }

  @Test
  void aChildThatFailsFailsItsParent() {
    var child = bench.machine("{StartAt:'F',States:{F:{Type:'Fail',Error:'E',Cause:'C'}}}");
    var outcome = task("arn:aws:states:::states:startExecution.sync:2", "{StateMachineArn:'" + child + "',Name:'one'}");
    assertThat(outcome.error()).isEqualTo("States.TaskFailed");
    JsonNode cause = Json.parse(outcome.cause());
    assertThat(cause.get("Error").asText()).isEqualTo("E");
    assertThat(cause.get("Cause").asText()).isEqualTo("C");
    assertThat(cause.get("Status").asText()).isEqualTo("FAILED");
    var missing = task("arn:aws:states:::states:startExecution", "{StateMachineArn:'" + child + "x'}");
    assertThat(missing.error()).isEqualTo("StepFunctions.StateMachineDoesNotExistException");
    var sdk = task("arn:aws:states:::aws-sdk:sfn:startExecution", "{StateMachineArn:'" + child + "x'}");
    assertThat(sdk.error()).isEqualTo("Sfn.StateMachineDoesNotExistException");
    assertThat(sdk.cause()).contains("(Service: Sfn, Status Code: 400, Request ID: ");
  }

  @Test
  void aParentThatIsStoppedStopsItsChild() {
    var child = bench.machine("{StartAt:'W',States:{W:{Type:'Wait',Seconds:99999999,End:true}}}");
    var parent = bench.start(definition("arn:aws:states:::states:startExecution.sync",
        "{StateMachineArn:'" + child + "',Name:'one'}"), "{}");
    var childRun = child.replace("stateMachine", "execution") + ":one";
    await().until(() -> bench.history(parent).size() == 5);
    bench.call("StopExecution", Json.object().put("executionArn", parent));
    await().until(() -> bench.status(childRun).equals("ABORTED"));
  }

  @Test
  void anActivityWaitsForAWorker() {
    var arn = bench.call("CreateActivity", "{name:'brew'}").get("activityArn").asText();
    var execution = bench.start("{StartAt:'T',States:{T:{Type:'Task',Resource:'" + arn + "',End:true}}}", "{a:1}");
    var work = bench.call("GetActivityTask", Json.object().put("activityArn", arn).put("workerName", "barista"));
    assertThat(work.get("input").asText()).isEqualTo("{\"a\":1}");
    bench.call("SendTaskSuccess", Json.object().put("taskToken", work.get("taskToken").asText()).put("output", "2"));
    var outcome = bench.end(execution);
    assertThat(outcome.output()).isEqualTo(json("2"));
    assertThat(outcome.types()).contains("ActivityScheduled ActivityStarted ActivitySucceeded");
    assertThat(outcome.details("ActivityStarted")).isEqualTo(json("{workerName:'barista'}"));
    assertThat(outcome.details("ActivityScheduled").get("resource").asText()).isEqualTo(arn);
  }

  @Test
  void stoppingAnExecutionLeavesItsTaskBehind() throws InterruptedException {
    var entered = new CountDownLatch(1);
    bench.on("lambda", "f", input -> {
      entered.countDown();
      Thread.sleep(60_000);
      return json("1");
    });
    var arn = bench.start(definition("arn:aws:lambda:eu-central-1:000000000000:function:f", "{}"), "{}");
    entered.await();
    bench.call("StopExecution", Json.object().put("executionArn", arn).put("error", "Manual").put("cause", "probe"));
    var outcome = bench.end(arn);
    assertThat(outcome.status()).isEqualTo("ABORTED");
    assertThat(outcome.error()).isEqualTo("Manual");
    assertThat(outcome.chain()).last().isEqualTo("5<0 ExecutionAborted");
    assertThat(outcome.details("ExecutionAborted")).isEqualTo(json("{error:'Manual',cause:'probe'}"));
  }
}
