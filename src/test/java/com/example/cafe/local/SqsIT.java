package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The queues of the local cloud, on ElasticMQ. */
class SqsIT {
  private static final String ENDPOINT = "http://localhost:4566";
  private static final ByteArrayOutputStream LOG = new ByteArrayOutputStream();
  /** Two hours ahead: messages with less retention are too old at once. */
  private static final Duration AHEAD = Duration.ofHours(2);
  private static Sqs sqs;
  private String name;

  @BeforeAll
  static void start() {
    sqs = new Sqs(ENDPOINT, new EventLog(new PrintStream(LOG, true)), Clock.offset(Clock.systemUTC(), AHEAD));
  }

  @AfterAll
  static void stop() {
    sqs.close();
  }

  @BeforeEach
  void name(TestInfo test) {
    var method = test.getTestMethod().orElseThrow().getName();
    name = method.substring(0, Math.min(60, method.length())) + "-" + Math.abs(test.getDisplayName().hashCode() % 10_000);
  }

  // Queues

  @Test
  void aQueueHasTheUrlAndTheArnOfTheEndpointAndTheAccount() {
    var url = create(name, "{}");
    assertThat(url).isEqualTo("http://localhost:4566/000000000000/" + name);
    assertThat(call("GetQueueUrl", "{'QueueName':'%s'}", name).path("QueueUrl").asText()).isEqualTo(url);
    assertThat(attributes(url, "All").path("QueueArn").asText())
        .isEqualTo("arn:aws:sqs:eu-central-1:000000000000:" + name);
    assertThat(attributes(url, "QueueArn")).hasSize(1);
  }

  @Test
  void aQueueShowsEveryAttributeWithTheDefaultsOfTheService() {
    var all = attributes(create(name, "{}"), "All");
    assertThat(all.path("VisibilityTimeout").asText()).isEqualTo("30");
    assertThat(all.path("MaximumMessageSize").asText()).isEqualTo("1048576");
    assertThat(all.path("MessageRetentionPeriod").asText()).isEqualTo("345600");
    assertThat(all.path("SqsManagedSseEnabled").asText()).isEqualTo("true");
    assertThat(all.path("ApproximateNumberOfMessages").asText()).isEqualTo("0");
    assertThat(all.has("RedrivePolicy")).isFalse();
    assertThat(all.has("FifoQueue")).isFalse();
  }

  @Test
  void attributesThatOnlyTheServiceKnowsAreKept() {
    var url = create(name, "{'MessageRetentionPeriod':'1209600','MaximumMessageSize':'2048','KmsMasterKeyId':'alias/aws/sqs',"
        + "'Policy':'{\\\"Statement\\\":[]}','RedriveAllowPolicy':'{\\\"redrivePermission\\\":\\\"denyAll\\\"}'}");
    var all = attributes(url, "All");
    assertThat(all.path("MessageRetentionPeriod").asText()).isEqualTo("1209600");
    assertThat(all.path("KmsMasterKeyId").asText()).isEqualTo("alias/aws/sqs");
    assertThat(all.path("SqsManagedSseEnabled").asText()).isEqualTo("false");
    assertThat(all.path("Policy").asText()).isEqualTo("{\"Statement\":[]}");
    call("SetQueueAttributes", "{'QueueUrl':'%s','Attributes':{'SqsManagedSseEnabled':'true','Policy':''}}", url);
    assertThat(attributes(url, "All").has("Policy")).isFalse();
    assertThat(attributes(url, "All").has("KmsMasterKeyId")).isFalse();
  }

  @Test
  void creatingAQueueAgainGivesItsUrlUnlessAnAttributeDiffers() {
    var url = create(name, "{'VisibilityTimeout':'60'}");
    assertThat(create(name, "{'VisibilityTimeout':'60'}")).isEqualTo(url);
    assertThat(create(name, "{'DelaySeconds':'0'}")).isEqualTo(url);
    refused("QueueNameExists", "A queue already exists with the same name and a different value for attribute "
        + "VisibilityTimeout", "CreateQueue", "{'QueueName':'%s','Attributes':{'VisibilityTimeout':'30'}}", name);
  }

  @ParameterizedTest
  @ValueSource(strings = {"with space", "a/b", "dot.dot", "orders.fifo",
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
  void aQueueNameHasLettersDigitsHyphensAndUnderscores(String wrong) {
    refused("InvalidParameterValueException", "Can only include alphanumeric characters, hyphens, or underscores. "
        + "1 to 80 in length", "CreateQueue", "{'QueueName':'%s'}", wrong);
  }

  @ParameterizedTest
  @CsvSource({"VisibilityTimeout,43201", "DelaySeconds,901", "DelaySeconds,-1", "MaximumMessageSize,1023",
      "MaximumMessageSize,1048577", "MessageRetentionPeriod,59", "ReceiveMessageWaitTimeSeconds,21",
      "VisibilityTimeout,soon", "SqsManagedSseEnabled,yes", "Policy,none"})
  void anAttributeOutOfItsRangeIsRefused(String attribute, String value) {
    refused("InvalidAttributeValue", "Invalid value for the parameter " + attribute + ".",
        "CreateQueue", "{'QueueName':'%s','Attributes':{'%s':'%s'}}", name, attribute, value);
  }

  @Test
  void anUnknownAttributeIsRefusedByName() {
    refused("InvalidAttributeName", "Unknown Attribute Colour.",
        "CreateQueue", "{'QueueName':'%s','Attributes':{'Colour':'blue'}}", name);
    var url = create(name, "{}");
    refused("InvalidAttributeName", "Unknown Attribute Colour.",
        "GetQueueAttributes", "{'QueueUrl':'%s','AttributeNames':['Colour']}", url);
    refused("InvalidAttributeName", "Unknown Attribute ContentBasedDeduplication.",
        "SetQueueAttributes", "{'QueueUrl':'%s','Attributes':{'ContentBasedDeduplication':'true'}}", url);
  }

  @Test
  void aQueueThatIsNotThereIsSaidSoInBothProtocolsWords() {
    refused("QueueDoesNotExist", "The specified queue does not exist.",
        "SendMessage", "{'QueueUrl':'%s','MessageBody':'x'}", ENDPOINT + "/000000000000/nowhere");
    assertThatThrownBy(() -> call("GetQueueUrl", "{'QueueName':'nowhere'}")).isInstanceOfSatisfying(AwsException.class,
        e -> assertThat(e.queryCode()).isEqualTo("AWS.SimpleQueueService.NonExistentQueue"));
    refused("MissingRequiredParameterException", "The request must contain the parameter QueueUrl.",
        "SendMessage", "{'MessageBody':'x'}");
    var url = create(name, "{}");
    call("DeleteQueue", "{'QueueUrl':'%s'}", url);
    refused("QueueDoesNotExist", "The specified queue does not exist.", "ReceiveMessage", "{'QueueUrl':'%s'}", url);
  }

  @Test
  void queuesAreListedByPrefixAndInPages() {
    for (var suffix : new String[] {"-a", "-b", "-c"}) {
      create(name + suffix, "{}");
    }
    var first = call("ListQueues", "{'QueueNamePrefix':'%s','MaxResults':2}", name);
    assertThat(first.path("QueueUrls")).hasSize(2);
    var second = call("ListQueues", "{'QueueNamePrefix':'%s','MaxResults':2,'NextToken':'%s'}", name,
        first.path("NextToken").asText());
    assertThat(second.path("QueueUrls")).hasSize(1);
    assertThat(second.has("NextToken")).isFalse();
    assertThat(call("ListQueues", "{'QueueNamePrefix':'no-such'}")).isEmpty();
  }

  @Test
  void tagsAreAddedAndRemoved() {
    var url = call("CreateQueue", "{'QueueName':'%s','tags':{'team':'kitchen'}}", name).path("QueueUrl").asText();
    call("TagQueue", "{'QueueUrl':'%s','Tags':{'stage':'local'}}", url);
    call("UntagQueue", "{'QueueUrl':'%s','TagKeys':['team']}", url);
    assertThat(call("ListQueueTags", "{'QueueUrl':'%s'}", url)).isEqualTo(json("{'Tags':{'stage':'local'}}"));
  }

  @Test
  void anOperationThatIsNotServedIsNamed() {
    refused("UnknownOperationException", "AddPermission", "AddPermission", "{}");
  }

  // Messages

  @Test
  void aMessageComesWithItsAttributesAndItsHistory() {
    var url = create(name, "{'VisibilityTimeout':'0'}");
    var sent = call("SendMessage", "{'QueueUrl':'%s','MessageBody':'Grüße ☕','MessageAttributes':"
        + "{'type':{'DataType':'String','StringValue':'OrderPlaced'},'total':{'DataType':'Number','StringValue':'350'},"
        + "'raw':{'DataType':'Binary.png','BinaryValue':'AQID'}}}", url);
    var message = receive(url, "'AttributeNames':['All'],'MessageAttributeNames':['All']");
    assertThat(message.path("Body").asText()).isEqualTo("Grüße ☕");
    assertThat(message.path("MessageId")).isEqualTo(sent.path("MessageId"));
    assertThat(message.path("MD5OfBody")).isEqualTo(sent.path("MD5OfMessageBody"));
    assertThat(message.path("MD5OfMessageAttributes")).isEqualTo(sent.path("MD5OfMessageAttributes"));
    assertThat(message.path("MessageAttributes").path("raw")).isEqualTo(json("{'BinaryValue':'AQID','DataType':'Binary.png'}"));
    assertThat(message.path("Attributes").path("ApproximateReceiveCount").asText()).isEqualTo("1");
    assertThat(message.path("Attributes").path("SentTimestamp").asLong()).isPositive();
    var again = receive(url, "'MessageSystemAttributeNames':['ApproximateReceiveCount'],'MessageAttributeNames':['to.*']");
    assertThat(again.path("Attributes")).isEqualTo(json("{'ApproximateReceiveCount':'2'}"));
    assertThat(again.path("MessageAttributes")).hasSize(1);
    assertThat(again.path("MD5OfMessageAttributes").asText()).isEqualTo(Sqs.md5(again.path("MessageAttributes")));
    var plain = receive(url, "'MaxNumberOfMessages':1");
    assertThat(plain.has("Attributes")).isFalse();
    assertThat(plain.has("MessageAttributes")).isFalse();
    assertThat(plain.has("MD5OfMessageAttributes")).isFalse();
    assertThat(LOG.toString()).contains(name + " <- OrderPlaced " + sent.path("MessageId").asText()).doesNotContain("Grüße");
  }

  @Test
  void theEventTypeOfANotificationIsLoggedAndNothingElseOfIt() {
    var url = create(name, "{}");
    var envelope = Json.object().put("Type", "Notification").put("Message", "secret");
    envelope.putObject("MessageAttributes").putObject("type").put("Type", "String").put("Value", "OrderCompleted");
    sqs.call("SendMessage", Json.object().put("QueueUrl", url).put("MessageBody", Json.write(envelope)), Caller.ADMINISTRATOR);
    assertThat(LOG.toString()).contains(name + " <- OrderCompleted ").doesNotContain("secret");
  }

  @Test
  void anEmptyQueueAnswersWithoutMessages() {
    assertThat(call("ReceiveMessage", "{'QueueUrl':'%s'}", create(name, "{}"))).isEmpty();
  }

  @Test
  void aReceivedMessageIsHiddenUntilItsVisibilityIsChanged() {
    var url = create(name, "{}");
    send(url, "one");
    var receipt = receive(url, "").path("ReceiptHandle").asText();
    assertThat(call("ReceiveMessage", "{'QueueUrl':'%s'}", url)).isEmpty();
    assertThat(attributes(url, "All").path("ApproximateNumberOfMessagesNotVisible").asText()).isEqualTo("1");
    call("ChangeMessageVisibility", "{'QueueUrl':'%s','ReceiptHandle':'%s','VisibilityTimeout':0}", url, receipt);
    var again = receive(url, "").path("ReceiptHandle").asText();
    call("DeleteMessage", "{'QueueUrl':'%s','ReceiptHandle':'%s'}", url, again);
    assertThat(attributes(url, "All").path("ApproximateNumberOfMessagesNotVisible").asText()).isEqualTo("0");
    call("DeleteMessage", "{'QueueUrl':'%s','ReceiptHandle':'%s'}", url, again);
    refused("InvalidParameterValueException", "Message does not exist or is not available for visibility timeout change.",
        "ChangeMessageVisibility", "{'QueueUrl':'%s','ReceiptHandle':'%s','VisibilityTimeout':5}", url, again);
    refused("ReceiptHandleIsInvalid", "The input receipt handle \"mine\" is not a valid receipt handle.",
        "DeleteMessage", "{'QueueUrl':'%s','ReceiptHandle':'mine'}", url);
  }

  @Test
  void aDelayedMessageComesLater() {
    var url = create(name, "{}");
    call("SendMessage", "{'QueueUrl':'%s','MessageBody':'later','DelaySeconds':1}", url);
    assertThat(attributes(url, "All").path("ApproximateNumberOfMessagesDelayed").asText()).isEqualTo("1");
    assertThat(call("ReceiveMessage", "{'QueueUrl':'%s'}", url)).isEmpty();
    assertThat(receive(url, "'WaitTimeSeconds':5").path("Body").asText()).isEqualTo("later");
  }

  @Test
  void longPollsWaitWithoutHoldingUpOtherCalls() throws Exception {
    var url = create(name, "{}");
    var other = create(name + "-other", "{}");
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var polls = new ArrayList<CompletableFuture<ObjectNode>>();
      for (int i = 0; i < 40; i++) {
        polls.add(CompletableFuture.supplyAsync(() -> call("ReceiveMessage",
            "{'QueueUrl':'%s','WaitTimeSeconds':20,'MaxNumberOfMessages':1}", url), threads));
      }
      for (int i = 0; i < 20; i++) {
        send(other, "busy");
        receive(other, "'VisibilityTimeout':100");
      }
      assertThat(polls).noneMatch(CompletableFuture::isDone);
      for (int i = 0; i < 40; i++) {
        send(url, "m" + i);
      }
      var bodies = new ArrayList<String>();
      for (var poll : polls) {
        bodies.add(poll.get(15, TimeUnit.SECONDS).path("Messages").path(0).path("Body").asText());
      }
      assertThat(bodies).hasSize(40).doesNotHaveDuplicates();
    }
  }

  @Test
  void aQueueCanBePurged() {
    var url = create(name, "{}");
    send(url, "one");
    assertThat(call("PurgeQueue", "{'QueueUrl':'%s'}", url)).isEmpty();
    await().untilAsserted(() -> assertThat(attributes(url, "All").path("ApproximateNumberOfMessages").asText()).isEqualTo("0"));
  }

  @Test
  void aMessageOfOneMebibyteIsTakenAndOneByteMoreIsNot() {
    var url = create(name, "{}");
    assertThat(send(url, "x".repeat(1_048_576)).path("MessageId").asText()).isNotEmpty();
    assertThat(receive(url, "").path("Body").asText()).hasSize(1_048_576);
    refused("InvalidParameterValueException", "One or more parameters are invalid. Reason: Message must be shorter than "
        + "1048576 bytes.", "SendMessage", "{'QueueUrl':'%s','MessageBody':'%s'}", url, "x".repeat(1_048_577));
    var small = create(name + "-small", "{'MaximumMessageSize':'1024'}");
    refused("InvalidParameterValueException", "Message must be shorter than 1024 bytes.",
        "SendMessage", "{'QueueUrl':'%s','MessageBody':'%s'}", small, "é".repeat(513));
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', textBlock = """
      MissingRequiredParameterException | The request must contain the parameter MessageBody. | 'DelaySeconds':1
      MissingRequiredParameterException | The request must contain the parameter MessageBody. | 'MessageBody':''
      InvalidMessageContents | Invalid characters found. | 'MessageBody':'a\\u0001'
      InvalidParameterValueException | Value 901 for parameter DelaySeconds is invalid. | 'MessageBody':'x','DelaySeconds':901
      InvalidParameterValueException | parameter MessageDeduplicationId is invalid. | 'MessageBody':'x','MessageDeduplicationId':'1'
      InvalidParameterValueException | non-empty value of type 'String' | 'MessageBody':'x','MessageAttributes':{'a':{'DataType':'String','StringValue':''}}
      InvalidParameterValueException | Binary, Number, and String | 'MessageBody':'x','MessageAttributes':{'a':{'DataType':'Text','StringValue':'b'}}
      InvalidParameterValueException | to a number | 'MessageBody':'x','MessageAttributes':{'a':{'DataType':'Number','StringValue':'b'}}
      InvalidParameterValueException | can not start with | 'MessageBody':'x','MessageAttributes':{'AWS.a':{'DataType':'String','StringValue':'b'}}
      SerializationException | can not be converted | 'MessageBody':'x','DelaySeconds':'soon'
      """, quoteCharacter = '`')
  void aWrongMessageIsRefused(String code, String words, String members) {
    refused(code, words, "SendMessage", "{'QueueUrl':'%s'," + members + "}", create("wrong", "{}"));
  }

  @Test
  void aBatchSendsWhatIsRightAndNamesWhatIsWrong() {
    var url = create(name, "{}");
    var answer = call("SendMessageBatch", "{'QueueUrl':'%s','Entries':[{'Id':'good','MessageBody':'a'},"
        + "{'Id':'bad','MessageBody':'b','DelaySeconds':1000}]}", url);
    assertThat(answer.path("Successful").path(0).path("Id").asText()).isEqualTo("good");
    assertThat(answer.path("Failed")).hasSize(1);
    assertThat(answer.path("Failed").path(0).path("Id").asText()).isEqualTo("bad");
    assertThat(answer.path("Failed").path(0).path("Code").asText()).isEqualTo("InvalidParameterValue");
    assertThat(answer.path("Failed").path(0).path("SenderFault").asBoolean()).isTrue();
    var receipt = receive(url, "").path("ReceiptHandle").asText();
    var changed = call("ChangeMessageVisibilityBatch", "{'QueueUrl':'%s','Entries':[{'Id':'1','ReceiptHandle':'%s',"
        + "'VisibilityTimeout':9},{'Id':'2','ReceiptHandle':'x','VisibilityTimeout':9}]}", url, receipt);
    assertThat(changed.path("Successful").path(0).path("Id").asText()).isEqualTo("1");
    assertThat(changed.path("Failed").path(0).path("Code").asText()).isEqualTo("ReceiptHandleIsInvalid");
    var deleted = call("DeleteMessageBatch", "{'QueueUrl':'%s','Entries':[{'Id':'1','ReceiptHandle':'%s'}]}", url, receipt);
    assertThat(deleted).isEqualTo(json("{'Successful':[{'Id':'1'}]}"));
  }

  @Test
  void aBatchHasOneToTenEntriesWithDistinctIds() {
    var url = create(name, "{}");
    refused("EmptyBatchRequest", "There should be at least one SendMessageBatchRequestEntry in the request.",
        "SendMessageBatch", "{'QueueUrl':'%s','Entries':[]}", url);
    refused("BatchEntryIdsNotDistinct", "Id 1 repeated.", "SendMessageBatch",
        "{'QueueUrl':'%s','Entries':[{'Id':'1','MessageBody':'a'},{'Id':'1','MessageBody':'b'}]}", url);
    refused("InvalidBatchEntryId", "A batch entry id can only contain", "DeleteMessageBatch",
        "{'QueueUrl':'%s','Entries':[{'Id':'a b','ReceiptHandle':'a'}]}", url);
    var eleven = Json.object().put("QueueUrl", url);
    var entries = eleven.putArray("Entries");
    for (int i = 0; i < 11; i++) {
      entries.addObject().put("Id", "" + i).put("MessageBody", "x");
    }
    assertThatThrownBy(() -> sqs.call("SendMessageBatch", eleven, Caller.ADMINISTRATOR))
        .hasMessage("Maximum number of entries per request are 10. You have sent 11.");
  }

  @Test
  void aFifoQueueKeepsOrderWithinAGroupAndSendsNothingTwice() {
    var url = create(name + ".fifo", "{'FifoQueue':'true'}");
    refused("MissingRequiredParameterException", "MessageGroupId", "SendMessage", "{'QueueUrl':'%s','MessageBody':'a'}", url);
    refused("InvalidParameterValueException", "The queue should either have ContentBasedDeduplication enabled or "
        + "MessageDeduplicationId provided explicitly",
        "SendMessage", "{'QueueUrl':'%s','MessageBody':'a','MessageGroupId':'g'}", url);
    call("SetQueueAttributes", "{'QueueUrl':'%s','Attributes':{'ContentBasedDeduplication':'true'}}", url);
    var first = call("SendMessage", "{'QueueUrl':'%s','MessageBody':'a','MessageGroupId':'g'}", url);
    var twice = call("SendMessage", "{'QueueUrl':'%s','MessageBody':'a','MessageGroupId':'g'}", url);
    assertThat(twice.path("MessageId")).isEqualTo(first.path("MessageId"));
    assertThat(first.path("SequenceNumber").asText()).hasSize(20);
    call("SendMessage", "{'QueueUrl':'%s','MessageBody':'b','MessageGroupId':'g','MessageDeduplicationId':'2'}", url);
    call("SendMessage", "{'QueueUrl':'%s','MessageBody':'c','MessageGroupId':'h'}", url);
    var batch = call("ReceiveMessage", "{'QueueUrl':'%s','MaxNumberOfMessages':1,'AttributeNames':['All']}", url);
    assertThat(batch.path("Messages").path(0).path("Body").asText()).isEqualTo("a");
    assertThat(batch.path("Messages").path(0).path("Attributes").path("MessageGroupId").asText()).isEqualTo("g");
    var next = receive(url, "'MaxNumberOfMessages':10");
    assertThat(next.path("Body").asText()).as("group g is locked while a is in flight").isEqualTo("c");
  }

  @Test
  void aMessagePastItsRetentionPeriodIsGone() {
    var url = create(name, "{'MessageRetentionPeriod':'3600'}");
    send(url, "old");
    assertThat(call("ReceiveMessage", "{'QueueUrl':'%s','VisibilityTimeout':0}", url)).isEmpty();
    call("SetQueueAttributes", "{'QueueUrl':'%s','Attributes':{'MessageRetentionPeriod':'86400'}}", url);
    send(url, "new");
    assertThat(receive(url, "'MaxNumberOfMessages':10").path("Body").asText()).isEqualTo("new");
  }

  @Test
  void closingEndsLongPolls() throws Exception {
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      CompletableFuture<ObjectNode> poll;
      try (var other = new Sqs(ENDPOINT, new EventLog(new PrintStream(LOG, true)))) {
        var url = other.call("CreateQueue", json("{'QueueName':'q'}"), Caller.ADMINISTRATOR).path("QueueUrl").asText();
        poll = CompletableFuture.supplyAsync(() -> other.call("ReceiveMessage",
            Json.object().put("QueueUrl", url).put("WaitTimeSeconds", 20), Caller.ADMINISTRATOR), threads);
        // A call that comes after the poll's, so that the poll is under way.
        other.call("ListMessageMoveTasks", json("{'SourceArn':'" + Settings.arn("sqs", "q") + "'}"), Caller.ADMINISTRATOR);
      }
      await().until(poll::isDone);
    }
  }

  // Dead letters

  @Test
  void aMessageThatIsReceivedTooOftenGoesToTheDeadLetterQueueAndBackByAMoveTask() {
    var dead = create(name + "-dead", "{}");
    var url = create(name, redrive(name + "-dead", "2"));
    var sent = call("SendMessage", "{'QueueUrl':'%s','MessageBody':'poison','MessageAttributes':"
        + "{'type':{'DataType':'String','StringValue':'x'}}}", url);
    receive(url, "'VisibilityTimeout':0");
    receive(url, "'VisibilityTimeout':0");
    assertThat(call("ReceiveMessage", "{'QueueUrl':'%s'}", url)).isEmpty();
    var letter = receive(dead, "'WaitTimeSeconds':5,'VisibilityTimeout':0,'AttributeNames':['All']");
    assertThat(letter.path("MessageId")).isEqualTo(sent.path("MessageId"));
    assertThat(letter.path("Attributes").path("DeadLetterQueueSourceArn").asText()).isEqualTo(Settings.arn("sqs", name));
    assertThat(call("ListDeadLetterSourceQueues", "{'QueueUrl':'%s'}", dead)).isEqualTo(json("{'queueUrls':['" + url + "']}"));

    var arn = Settings.arn("sqs", name + "-dead");
    assertThat(call("StartMessageMoveTask", "{'SourceArn':'%s'}", arn).path("TaskHandle").asText()).isNotEmpty();
    var back = receive(url, "'WaitTimeSeconds':10,'MessageAttributeNames':['All']");
    assertThat(back.path("Body").asText()).isEqualTo("poison");
    assertThat(back.path("MessageAttributes").has("type")).isTrue();
    await().untilAsserted(() -> assertThat(call("ListMessageMoveTasks", "{'SourceArn':'%s'}", arn)
        .path("Results").path(0).path("Status").asText()).isEqualTo("COMPLETED"));
  }

  @Test
  void aRedrivePolicyCanBeTakenAway() {
    create(name + "-dead", "{}");
    var url = create(name, redrive(name + "-dead", "1"));
    call("SetQueueAttributes", "{'QueueUrl':'%s','Attributes':{'RedrivePolicy':''}}", url);
    assertThat(attributes(url, "All").has("RedrivePolicy")).isFalse();
    send(url, "again");
    for (int i = 0; i < 4; i++) {
      assertThat(receive(url, "'VisibilityTimeout':0").path("Body").asText()).isEqualTo("again");
    }
  }

  @Test
  void aMoveTaskNeedsADeadLetterQueue() {
    create(name, "{}");
    refused("InvalidParameterValueException", "Source queue must be configured as a Dead Letter Queue.",
        "StartMessageMoveTask", "{'SourceArn':'%s'}", Settings.arn("sqs", name));
    refused("ResourceNotFoundException", "The resource that you specified for the SourceArn parameter doesn't exist.",
        "StartMessageMoveTask", "{'SourceArn':'%s'}", Settings.arn("sqs", "nowhere"));
  }

  @Test
  void aRedrivePolicyNeedsAQueueThatAllowsIt() {
    refused("InvalidParameterValueException", "Dead letter target does not exist.",
        "CreateQueue", "{'QueueName':'%s','Attributes':%s}", name, redrive("nowhere", "3"));
    create(name + "-dead", "{'RedriveAllowPolicy':'{\\\"redrivePermission\\\":\\\"denyAll\\\"}'}");
    refused("InvalidParameterValueException", "denyAll",
        "CreateQueue", "{'QueueName':'%s','Attributes':%s}", name, redrive(name + "-dead", "3"));
    create(name + "-open", "{}");
    refused("InvalidParameterValueException", "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both "
        + "inclusive.", "CreateQueue", "{'QueueName':'%s','Attributes':%s}", name, redrive(name + "-open", "0"));
    refused("InvalidParameterValueException", "Redrive policy is not a valid JSON map.",
        "CreateQueue", "{'QueueName':'%s','Attributes':{'RedrivePolicy':'[]'}}", name);
  }

  // The template

  @Test
  void theTemplatesQueuesHaveTheirPropertiesAndOnlyLetInWhomTheirPolicyNames() {
    var dead = provision("AWS::SQS::Queue", name + "-dlq", "{'MessageRetentionPeriod':1209600,'SqsManagedSseEnabled':true}");
    var made = provision("AWS::SQS::Queue", name, "{'VisibilityTimeout':180,'ReceiveMessageWaitTimeSeconds':20,"
        + "'RedrivePolicy':{'deadLetterTargetArn':'" + dead.attributes().get("Arn") + "','maxReceiveCount':3},"
        + "'Tags':[{'Key':'app','Value':'cafe'}]}");
    assertThat(made.ref()).isEqualTo(ENDPOINT + "/000000000000/" + name);
    assertThat(made.attributes()).containsEntry("QueueName", name).containsEntry("QueueUrl", made.ref())
        .containsEntry("Arn", Settings.arn("sqs", name));
    var all = attributes(made.ref(), "All");
    assertThat(all.path("VisibilityTimeout").asText()).isEqualTo("180");
    assertThat(all.path("RedrivePolicy").asText()).contains("\"maxReceiveCount\":3");

    var topic = new Caller(Settings.arn("sns", "OrderEvents"));
    var message = Json.object().put("QueueUrl", made.ref()).put("MessageBody", "hello");
    assertThatThrownBy(() -> sqs.call("SendMessage", message, topic)).isInstanceOf(AwsException.class)
        .hasMessageContaining("User: sns.amazonaws.com is not authorized to perform: sqs:sendmessage on resource: "
            + Settings.arn("sqs", name));
    provision("AWS::SQS::QueuePolicy", name + "-policy", "{'Queues':['" + made.ref() + "'],'PolicyDocument':{'Statement':["
        + "{'Effect':'Allow','Principal':{'Service':'sns.amazonaws.com'},'Action':'sqs:SendMessage','Resource':'"
        + made.attributes().get("Arn") + "','Condition':{'ArnEquals':{'aws:SourceArn':'" + topic.arn() + "'}}},"
        + "{'Effect':'Deny','Principal':'*','Action':'sqs:*','Resource':'*','Condition':{'Bool':{'aws:SecureTransport':'false'}}}"
        + "]}}");
    sqs.call("SendMessage", message, topic);
    assertThatThrownBy(() -> sqs.call("SendMessage", message, new Caller(Settings.arn("sns", "Other"))))
        .isInstanceOf(AwsException.class);
    assertThat(attributes(made.ref(), "Policy").path("Policy").asText()).contains("aws:SecureTransport");
  }

  @Test
  void aQueueMadeAtRunTimeWithoutAPolicyIsOpenToTopics() {
    var url = create(name, "{}");
    sqs.call("SendMessage", Json.object().put("QueueUrl", url).put("MessageBody", "hello"),
        new Caller(Settings.arn("sns", "OrderEvents")));
    assertThat(receive(url, "").path("Body").asText()).isEqualTo("hello");
  }

  @Test
  void theTemplatesFifoQueueIsNamedAsItMustBe() {
    var made = provision("AWS::SQS::Queue", name, "{'FifoQueue':true,'ContentBasedDeduplication':true}");
    assertThat(made.attributes().get("QueueName")).isEqualTo(name + ".fifo");
  }

  @Test
  void aPropertyThatCannotBeHonouredIsNamed() {
    assertThatThrownBy(() -> provision("AWS::SQS::Queue", name, "{'Colour':'blue'}"))
        .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("Colour");
    assertThatThrownBy(() -> provision("AWS::SQS::Queue", name, "{'DelaySeconds':1000}"))
        .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("DelaySeconds");
    assertThatThrownBy(() -> provision("AWS::SQS::QueuePolicy", name, "{'Queues':['x/nowhere'],'PolicyDocument':"
        + "{'Statement':[{'Effect':'Allow','NotPrincipal':'*'}]}}"))
        .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("NotPrincipal");
  }

  private static Provisioner.Provisioned provision(String type, String name, String properties) {
    return sqs.provisioners().get(type).provision(new Provisioner.Resource(name, type, name, json(properties)));
  }

  private static String redrive(String deadName, String count) {
    return "{'RedrivePolicy':'{\\\"deadLetterTargetArn\\\":\\\"" + Settings.arn("sqs", deadName)
        + "\\\",\\\"maxReceiveCount\\\":\\\"" + count + "\\\"}'}";
  }

  private static String create(String name, String attributes) {
    return call("CreateQueue", "{'QueueName':'%s','Attributes':%s}", name, attributes).path("QueueUrl").asText();
  }

  private static ObjectNode send(String url, String body) {
    return call("SendMessage", "{'QueueUrl':'%s','MessageBody':'%s'}", url, body);
  }

  private static JsonNode receive(String url, String members) {
    return call("ReceiveMessage", "{'QueueUrl':'%s'" + (members.isEmpty() ? "" : "," + members) + "}", url)
        .path("Messages").path(0);
  }

  private static JsonNode attributes(String url, String name) {
    return call("GetQueueAttributes", "{'QueueUrl':'%s','AttributeNames':['%s']}", url, name).path("Attributes");
  }

  private static void refused(String code, String words, String operation, String input, Object... parts) {
    assertThatThrownBy(() -> call(operation, input, parts))
        .isInstanceOfSatisfying(AwsException.class, e -> assertThat(e.code()).isEqualTo(code))
        .hasMessageContaining(words);
  }

  private static ObjectNode call(String operation, String input, Object... parts) {
    return sqs.call(operation, json(input.formatted(parts)), Caller.ADMINISTRATOR);
  }

  private static ObjectNode json(String text) {
    return (ObjectNode) Json.parse(text.replace('\'', '"'));
  }
}
