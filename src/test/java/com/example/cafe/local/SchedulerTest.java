package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SchedulerTest {
  private static final String ROLE = "arn:aws:iam::000000000000:role/cafe-Relay";
  private static final String FUNCTION = "arn:aws:lambda:eu-central-1:000000000000:function:cafe-Relay:live";
  private final RecordingAws aws = new RecordingAws();
  private final ByteArrayOutputStream log = new ByteArrayOutputStream();
  private volatile Instant now = Instant.parse("2026-11-21T10:00:00Z");
  private final Scheduler scheduler = new Scheduler(aws, new EventLog(new PrintStream(log, true)), new Clock() {
    @Override
    public ZoneId getZone() {
      return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
      return this;
    }

    @Override
    public Instant instant() {
      return now;
    }
  }, retry -> Duration.ZERO);

  @AfterEach
  void close() {
    scheduler.close();
  }

  // Firing

  @Test
  void aRateFiresOnePeriodAfterItsCreationAndThenEveryPeriod() {
    create("relay", "rate(1 minute)", "");
    pass(59);
    assertThat(aws.calls).isEmpty();
    pass(1);
    calls(1);
    pass(60);
    calls(2);
  }

  @Test
  void timesMissedWhileTheMachineSleptAreMadeUpForByOneCall() {
    create("relay", "rate(1 minute)", "");
    pass(3600);
    pass(1);
    calls(1);
  }

  @Test
  void aFunctionIsInvokedWithItsInputInTheNameOfItsRole() {
    create("relay", "rate(1 minute)", target(FUNCTION, "'Input':'{\\\"limit\\\":10}'"));
    pass(60);
    var call = calls(1).getFirst();
    assertThat(call.service() + " " + call.operation()).isEqualTo("lambda Invoke");
    assertThat(call.caller()).isEqualTo(new Caller(ROLE));
    assertThat(call.input().path("FunctionName").asText()).isEqualTo(FUNCTION);
    assertThat(call.input().path("InvocationType").asText()).isEqualTo("Event");
    assertThat(payload(call)).isEqualTo(json("{'limit':10}"));
    assertThat(log.toString()).contains("schedule  relay -> " + FUNCTION);
  }

  @Test
  void withoutInputTheTargetGetsAnEvent() {
    create("relay", "rate(1 minute)", "");
    pass(60);
    var event = payload(calls(1).getFirst());
    assertThat(event.path("detail-type").asText()).isEqualTo("Scheduled Event");
    assertThat(event.path("source").asText()).isEqualTo("aws.scheduler");
    assertThat(event.path("time").asText()).isEqualTo("2026-11-21T10:01:00Z");
    assertThat(event.path("resources").path(0).asText())
        .isEqualTo("arn:aws:scheduler:eu-central-1:000000000000:schedule/default/relay");
  }

  @Test
  void contextAttributesAreFilledIn() {
    create("relay", "rate(1 minute)", target(FUNCTION, "'Input':'{\\\"at\\\":\\\"<aws.scheduler.scheduled-time>\\\","
        + "\\\"id\\\":\\\"<aws.scheduler.execution-id>\\\",\\\"n\\\":<aws.scheduler.attempt-number>,"
        + "\\\"arn\\\":\\\"<aws.scheduler.schedule-arn>\\\"}'"));
    aws.answer = call -> {
      if (aws.calls.size() < 2) {
        throw new AwsException(503, "ServiceException", "busy");
      }
      return Json.object();
    };
    pass(63);
    var calls = calls(2);
    assertThat(payload(calls.getFirst()).path("n").asInt()).isEqualTo(1);
    assertThat(payload(calls.getLast()).path("n").asInt()).isEqualTo(2);
    assertThat(payload(calls.getLast()).path("id")).isEqualTo(payload(calls.getFirst()).path("id"));
    assertThat(payload(calls.getLast()).path("at").asText()).isEqualTo("2026-11-21T10:01:00Z");
    assertThat(payload(calls.getLast()).path("arn").asText()).endsWith(":schedule/default/relay");
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      arn:aws:sqs:eu-central-1:000000000000:q | `'Input':'hi'` | sqs SendMessage | {'QueueUrl':'https://sqs.eu-central-1.amazonaws.com/000000000000/q','MessageBody':'hi'}
      arn:aws:sqs:eu-central-1:000000000000:q.fifo | `'Input':'hi','SqsParameters':{'MessageGroupId':'g'}` | sqs SendMessage | {'QueueUrl':'https://sqs.eu-central-1.amazonaws.com/000000000000/q.fifo','MessageBody':'hi','MessageGroupId':'g'}
      arn:aws:sns:eu-central-1:000000000000:t | `'Input':'hi'` | sns Publish | {'TopicArn':'arn:aws:sns:eu-central-1:000000000000:t','Message':'hi'}
      arn:aws:states:eu-central-1:000000000000:stateMachine:m | `'Input':'{}'` | states StartExecution | {'stateMachineArn':'arn:aws:states:eu-central-1:000000000000:stateMachine:m','input':'{}'}
      arn:aws:scheduler:::aws-sdk:sqs:purgeQueue | `'Input':'{\\"QueueUrl\\":\\"u\\"}'` | sqs PurgeQueue | {'QueueUrl':'u'}
      arn:aws:scheduler:::aws-sdk:sfn:startExecution | `'Input':'{\\"StateMachineArn\\":\\"m\\"}'` | states StartExecution | {'stateMachineArn':'m'}
      arn:aws:scheduler:::aws-sdk:lambda:invoke | `'Input':'{\\"FunctionName\\":\\"f\\",\\"Payload\\":\\"{}\\"}'` | lambda Invoke | {'FunctionName':'f','Payload':'e30='}
      """)
  void everyKindOfTargetIsCalled(String arn, String members, String call, String input) {
    create("one", "rate(1 minute)", target(arn, members.replace("`", "")));
    pass(60);
    var made = calls(1).getFirst();
    assertThat(made.service() + " " + made.operation()).isEqualTo(call);
    assertThat(made.input()).isEqualTo(json(input));
  }

  @Test
  void aCronFiresInItsTimeZone() {
    create("report", "cron(30 20 * * ? *)", "'ScheduleExpressionTimezone':'Europe/Berlin'");
    now = Instant.parse("2026-11-21T19:29:59Z");
    scheduler.tick();
    assertThat(aws.calls).isEmpty();
    pass(1);
    calls(1);
  }

  @Test
  void aDisabledScheduleDoesNotFireUntilItIsEnabled() {
    create("relay", "rate(1 minute)", "'State':'DISABLED'");
    pass(120);
    assertThat(aws.calls).isEmpty();
    update("relay", "rate(1 minute)", "'State':'ENABLED'");
    pass(60);
    calls(1);
  }

  @Test
  void aScheduleFiresBetweenItsDates() {
    long start = now.plusSeconds(600).getEpochSecond();
    create("relay", "rate(1 minute)", "'StartDate':" + start + ",'EndDate':" + (start + 90));
    pass(599);
    assertThat(aws.calls).isEmpty();
    pass(1);
    calls(1);
    pass(60);
    calls(2);
    pass(60);
    pass(60);
    assertThat(aws.calls).hasSize(2);
    assertThat(get("relay").path("StartDate").asLong()).isEqualTo(start);
  }

  @Test
  void aScheduleOfOneTimeCanBeDeletedAfterIt() {
    create("once", "at(2026-11-21T10:00:30)", "'ActionAfterCompletion':'DELETE'");
    create("kept", "at(2026-11-21T10:00:30)", "");
    pass(30);
    calls(2);
    await().untilAsserted(() -> refused(404, "ResourceNotFoundException", "Schedule once does not exist.",
        "GetSchedule", "{'Name':'once'}"));
    assertThat(get("kept").path("ActionAfterCompletion").asText()).isEqualTo("NONE");
    pass(3600);
    assertThat(aws.calls).hasSize(2);
  }

  @Test
  void aCallThatFailsIsRetriedAndThenGoesToTheDeadLetterQueue() {
    var attempts = new AtomicInteger();
    aws.answer = call -> {
      if (call.service().equals("sqs")) {
        return Json.object();
      }
      attempts.incrementAndGet();
      throw new AwsException(500, "ServiceException", "broken");
    };
    create("relay", "rate(1 minute)", target(FUNCTION, "'Input':'{}','RetryPolicy':{'MaximumRetryAttempts':2},"
        + "'DeadLetterConfig':{'Arn':'arn:aws:sqs:eu-central-1:000000000000:dead'}"));
    pass(60);
    var letter = calls(4).getLast();
    assertThat(attempts).hasValue(3);
    assertThat(letter.input().path("QueueUrl").asText()).endsWith("/dead");
    assertThat(letter.input().path("MessageBody").asText()).isEqualTo("{}");
    assertThat(attribute(letter, "EXHAUSTED_RETRY_CONDITION")).isEqualTo("MaximumRetryAttempts");
    assertThat(attribute(letter, "RETRY_ATTEMPTS")).isEqualTo("2");
    assertThat(attribute(letter, "ERROR_CODE")).isEqualTo("ServiceException");
    assertThat(attribute(letter, "SCHEDULE_ARN")).endsWith(":schedule/default/relay");
    assertThat(attribute(letter, "TARGET_ARN")).isEqualTo(FUNCTION);
  }

  @Test
  void aCallThatIsRefusedIsNotRetried() {
    aws.answer = call -> {
      if (call.service().equals("lambda")) {
        throw new AwsException(403, "AccessDeniedException", "no");
      }
      return Json.object();
    };
    create("relay", "rate(1 minute)", target(FUNCTION, "'DeadLetterConfig':{'Arn':'arn:aws:sqs:eu-central-1:000000000000:dead'}"));
    pass(60);
    var letter = calls(2).getLast();
    assertThat(letter.service()).isEqualTo("sqs");
    assertThat(letter.input().path("MessageAttributes").has("EXHAUSTED_RETRY_CONDITION")).isFalse();
    assertThat(log.toString()).contains("relay failed: no");
  }

  @Test
  void theServiceFiresByItself() {
    try (var running = new Scheduler(aws, new EventLog(new PrintStream(log, true)))) {
      var at = java.time.LocalDateTime.now(ZoneOffset.UTC).plusSeconds(1).withNano(0);
      running.call("CreateSchedule", json(("{'Name':'soon','ScheduleExpression':'at(%tFT%tT)','FlexibleTimeWindow':{'Mode':'OFF'},"
          + target(FUNCTION, "") + "}").formatted(at, at)), Caller.ADMINISTRATOR);
      calls(1);
    }
  }

  // The API

  @Test
  void aScheduleIsShownAsItWasMade() {
    assertThat(create("relay", "rate(1 minute)", "'Description':'Relays','ScheduleExpressionTimezone':'Europe/Berlin'")
        .path("ScheduleArn").asText()).isEqualTo("arn:aws:scheduler:eu-central-1:000000000000:schedule/default/relay");
    var shown = get("relay");
    assertThat(shown.path("Description").asText()).isEqualTo("Relays");
    assertThat(shown.path("GroupName").asText()).isEqualTo("default");
    assertThat(shown.path("State").asText()).isEqualTo("ENABLED");
    assertThat(shown.path("ScheduleExpressionTimezone").asText()).isEqualTo("Europe/Berlin");
    assertThat(shown.path("Target").path("RetryPolicy").path("MaximumRetryAttempts").asInt()).isEqualTo(185);
    assertThat(shown.path("CreationDate").asLong()).isEqualTo(now.getEpochSecond());
    refused(409, "ConflictException", "Schedule relay already exists.", "CreateSchedule", definition("relay", "rate(1 minute)", ""));
    call("DeleteSchedule", "{'Name':'relay'}");
    refused(404, "ResourceNotFoundException", "Schedule relay does not exist.", "DeleteSchedule", "{'Name':'relay'}");
    refused(404, "ResourceNotFoundException", "Schedule relay does not exist.", "UpdateSchedule",
        definition("relay", "rate(1 minute)", ""));
  }

  @Test
  void schedulesLiveInGroups() {
    call("CreateScheduleGroup", "{'Name':'night','Tags':[{'Key':'a','Value':'b'}]}");
    create("one", "rate(1 day)", "'GroupName':'night'");
    create("two", "rate(1 day)", "");
    assertThat(call("GetSchedule", "{'Name':'one','groupName':'night'}").path("Arn").asText()).endsWith(":schedule/night/one");
    assertThat(call("ListSchedules", "{'ScheduleGroup':'night'}").path("Schedules")).hasSize(1);
    assertThat(call("ListSchedules", "{'NamePrefix':'t'}").path("Schedules").path(0).path("Name").asText()).isEqualTo("two");
    assertThat(call("ListSchedules", "{'State':'DISABLED'}").path("Schedules")).isEmpty();
    var page = call("ListSchedules", "{'MaxResults':'1'}");
    assertThat(page.path("Schedules")).hasSize(1);
    assertThat(call("ListSchedules", "{'MaxResults':'1','NextToken':'%s'}", page.path("NextToken").asText()).path("Schedules")).hasSize(1);
    var arn = call("GetScheduleGroup", "{'Name':'night'}").path("Arn").asText();
    assertThat(call("ListTagsForResource", "{'ResourceArn':'%s'}", arn)).isEqualTo(json("{'Tags':[{'Key':'a','Value':'b'}]}"));
    call("UntagResource", "{'ResourceArn':'%s','TagKeys':'a'}", arn);
    assertThat(call("ListTagsForResource", "{'ResourceArn':'%s'}", arn).path("Tags")).isEmpty();
    assertThat(call("ListScheduleGroups", "{}").path("ScheduleGroups")).hasSize(2);
    call("DeleteScheduleGroup", "{'Name':'night'}");
    refused(404, "ResourceNotFoundException", "Schedule group night does not exist.", "GetScheduleGroup", "{'Name':'night'}");
    assertThat(call("ListSchedules", "{}").path("Schedules")).hasSize(1);
    refused(404, "ResourceNotFoundException", "Schedule group none does not exist.", "CreateSchedule",
        definition("x", "rate(1 day)", "'GroupName':'none'"));
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      Invalid Schedule Expression rate(10 seconds). | rate(10 seconds) | ``
      Invalid Schedule Expression cron(0 1 * * * *). | cron(0 1 * * * *) | ``
      Invalid Schedule Expression Timezone Moon. | rate(1 day) | 'ScheduleExpressionTimezone':'Moon'
      at 'state' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED] | rate(1 day) | 'State':'ON'
      MaximumWindowInMinutes must be set | rate(1 day) | 'FlexibleTimeWindow':{'Mode':'FLEXIBLE'}
      Member must have value between 1 and 1440 | rate(1 day) | 'FlexibleTimeWindow':{'Mode':'FLEXIBLE','MaximumWindowInMinutes':0}
      Value null at 'flexibleTimeWindow' | rate(1 day) | 'FlexibleTimeWindow':null
      Value null at 'target' | rate(1 day) | 'Target':null
      The StartDate you specify must come before the EndDate. | rate(1 day) | 'StartDate':1900000000,'EndDate':1800000000
      The EndDate you specify must be in the future. | rate(1 day) | 'EndDate':1600000000
      Value null at 'target.roleArn' | rate(1 day) | 'Target':{'Arn':'arn:aws:sqs:eu-central-1:000000000000:q'}
      at 'target.roleArn' failed to satisfy constraint | rate(1 day) | 'Target':{'Arn':'arn:aws:sqs:eu-central-1:000000000000:q','RoleArn':'me'}
      Provided Arn is not in correct format. | rate(1 day) | 'Target':{'Arn':'q','RoleArn':'arn:aws:iam::000000000000:role/r'}
      The local cloud has no target for kinesis | rate(1 day) | 'Target':{'Arn':'arn:aws:kinesis:eu-central-1:000000000000:stream/s','RoleArn':'arn:aws:iam::000000000000:role/r'}
      Target.EcsParameters is not supported | rate(1 day) | 'Target':{'Arn':'x','RoleArn':'y','EcsParameters':{}}
      read-only operation listQueues | rate(1 day) | 'Target':{'Arn':'arn:aws:scheduler:::aws-sdk:sqs:listQueues','RoleArn':'arn:aws:iam::000000000000:role/r'}
      Invalid RequestJson provided. | rate(1 day) | 'Target':{'Arn':'arn:aws:scheduler:::aws-sdk:sqs:sendMessage','RoleArn':'arn:aws:iam::000000000000:role/r','Input':'hi'}
      Member must have value between 0 and 185 | rate(1 day) | 'Target':{'Arn':'arn:aws:sqs:eu-central-1:000000000000:q','RoleArn':'arn:aws:iam::000000000000:role/r','RetryPolicy':{'MaximumRetryAttempts':186}}
      """)
  void aWrongScheduleIsRefused(String words, String expression, String members) {
    refused(400, "ValidationException", words, "CreateSchedule", definition("wrong", expression, members));
  }

  @Test
  void aNameHasUpTo64LettersDigitsAndMarks() {
    refused(400, "ValidationException", "Member must satisfy regular expression pattern", "GetSchedule", "{'Name':'a b'}");
    refused(400, "ValidationException", "length less than or equal to 64", "GetSchedule", "{'Name':'%s'}", "a".repeat(65));
  }

  @Test
  void whatIsNotServedIsNamed() {
    refused(400, "UnknownOperationException", "RunSchedule", "RunSchedule", "{}");
  }

  // The template

  @Test
  void theTemplatesSchedulesAndGroupsAreMade() {
    assertThat(provision("AWS::Scheduler::ScheduleGroup", "cafe-Night", "{}").ref()).isEqualTo("cafe-Night");
    var made = provision("AWS::Scheduler::Schedule", "cafe-Relay", "{'GroupName':'cafe-Night','ScheduleExpression':'rate(1 minute)',"
        + "'StartDate':'2026-11-21T12:00:00Z','FlexibleTimeWindow':{'Mode':'FLEXIBLE','MaximumWindowInMinutes':5},"
        + target(FUNCTION, "'RetryPolicy':{'MaximumRetryAttempts':'3'}") + "}");
    assertThat(made.ref()).isEqualTo("cafe-Relay");
    assertThat(made.attributes().get("Arn")).isEqualTo(Settings.arn("scheduler", "schedule/cafe-Night/cafe-Relay"));
    assertThat(call("GetSchedule", "{'Name':'cafe-Relay','groupName':'cafe-Night'}").path("StartDate").asLong())
        .isEqualTo(Instant.parse("2026-11-21T12:00:00Z").getEpochSecond());
    pass(7200);
    calls(1);
  }

  @Test
  void whatTheTemplateCannotHaveIsNamed() {
    assertThatThrownBy(() -> provision("AWS::Scheduler::Schedule", "x", "{'Colour':'blue'}"))
        .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("Colour");
    assertThatThrownBy(() -> provision("AWS::Scheduler::Schedule", "x", "{'ScheduleExpression':'daily','FlexibleTimeWindow':{'Mode':'OFF'},"
        + target(FUNCTION, "") + "}")).isInstanceOf(IllegalArgumentException.class).hasMessage("Invalid Schedule Expression daily.");
  }

  private void pass(long seconds) {
    now = now.plusSeconds(seconds);
    scheduler.tick();
  }

  private List<RecordingAws.Call> calls(int count) {
    await().pollInterval(Duration.ofMillis(5)).untilAsserted(() -> assertThat(aws.calls).hasSize(count));
    return aws.calls;
  }

  private static JsonNode payload(RecordingAws.Call call) {
    return Json.parse(new String(Base64.getDecoder().decode(call.input().path("Payload").asText()), StandardCharsets.UTF_8));
  }

  private static String attribute(RecordingAws.Call call, String name) {
    return call.input().path("MessageAttributes").path(name).path("StringValue").asText();
  }

  private static String target(String arn, String members) {
    return "'Target':{'Arn':'" + arn + "','RoleArn':'" + ROLE + "'" + (members.isEmpty() ? "" : "," + members) + "}";
  }

  private static String definition(String name, String expression, String members) {
    return "{'Name':'" + name + "','ScheduleExpression':'" + expression + "','FlexibleTimeWindow':{'Mode':'OFF'},"
        + target(FUNCTION, "") + (members == null || members.isEmpty() ? "" : "," + members) + "}";
  }

  private ObjectNode create(String name, String expression, String members) {
    return call("CreateSchedule", definition(name, expression, members));
  }

  private void update(String name, String expression, String members) {
    call("UpdateSchedule", definition(name, expression, members));
  }

  private ObjectNode get(String name) {
    return call("GetSchedule", "{'Name':'%s'}", name);
  }

  private Provisioner.Provisioned provision(String type, String name, String properties) {
    return scheduler.provisioners().get(type).provision(new Provisioner.Resource(name, type, name, json(properties)));
  }

  private void refused(int status, String code, String words, String operation, String input, Object... parts) {
    assertThatThrownBy(() -> call(operation, input, parts)).isInstanceOfSatisfying(AwsException.class, e -> {
      assertThat(e.code()).isEqualTo(code);
      assertThat(e.status()).isEqualTo(status);
    }).hasMessageContaining(words);
  }

  private ObjectNode call(String operation, String input, Object... parts) {
    return scheduler.call(operation, json(parts.length == 0 ? input : input.formatted(parts)), Caller.ADMINISTRATOR);
  }

  private static ObjectNode json(String text) {
    return (ObjectNode) Json.parse(text.replace('\'', '"'));
  }
}
