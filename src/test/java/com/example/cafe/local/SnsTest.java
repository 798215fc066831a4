package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SnsTest {
  private static final String QUEUE = Settings.arn("sqs", "cafe-Q");
  private final RecordingAws aws = new RecordingAws();
  private final ByteArrayOutputStream log = new ByteArrayOutputStream();
  private final Sns sns = new Sns(aws, new EventLog(new PrintStream(log, true)), retry -> Duration.ZERO);
  private final String topic = call("CreateTopic", "{'Name':'OrderEvents'}").path("TopicArn").asText();

  @AfterEach
  void close() {
    sns.close();
  }

  // Topics

  @Test
  void creatingATopicAgainGivesTheSameArn() {
    assertThat(topic).isEqualTo("arn:aws:sns:eu-central-1:000000000000:OrderEvents");
    assertThat(call("CreateTopic", "{'Name':'OrderEvents'}").path("TopicArn").asText()).isEqualTo(topic);
    refused(400, "InvalidParameter", "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
        "CreateTopic", "{'Name':'OrderEvents','Attributes':{'DisplayName':'Orders'}}");
    assertThat(call("ListTopics", "{}")).isEqualTo(json("{'Topics':[{'TopicArn':'" + topic + "'}]}"));
  }

  @Test
  void aTopicsNameAndKindAreChecked() {
    refused(400, "InvalidParameter", "Invalid parameter: Topic Name", "CreateTopic", "{'Name':'a b'}");
    refused(400, "InvalidParameter", "FIFO topics are not supported", "CreateTopic", "{'Name':'a.fifo'}");
    refused(400, "InvalidParameter", "Unknown attribute: Colour", "CreateTopic", "{'Name':'b','Attributes':{'Colour':'x'}}");
  }

  @Test
  void aTopicShowsItsAttributesAndTags() {
    subscribe("{}");
    call("SetTopicAttributes", "{'TopicArn':'%s','AttributeName':'DisplayName','AttributeValue':'Orders'}", topic);
    var attributes = call("GetTopicAttributes", "{'TopicArn':'%s'}", topic).path("Attributes");
    assertThat(attributes.path("TopicArn").asText()).isEqualTo(topic);
    assertThat(attributes.path("DisplayName").asText()).isEqualTo("Orders");
    assertThat(attributes.path("SubscriptionsConfirmed").asText()).isEqualTo("1");
    assertThat(Json.parse(attributes.path("Policy").asText()).path("Statement")).hasSize(1);
    call("TagResource", "{'ResourceArn':'%s','Tags':[{'Key':'a','Value':'1'},{'Key':'b','Value':'2'}]}", topic);
    call("UntagResource", "{'ResourceArn':'%s','TagKeys':['a']}", topic);
    assertThat(call("ListTagsForResource", "{'ResourceArn':'%s'}", topic))
        .isEqualTo(json("{'Tags':[{'Key':'b','Value':'2'}]}"));
  }

  @Test
  void whatIsNotThereIsNotFound() {
    var other = Settings.arn("sns", "Other");
    refused(404, "NotFound", "Topic does not exist", "Publish", "{'TopicArn':'%s','Message':'x'}", other);
    refused(404, "NotFound", "Topic does not exist", "GetTopicAttributes", "{'TopicArn':'%s'}", other);
    refused(404, "NotFound", "Subscription does not exist", "GetSubscriptionAttributes", "{'SubscriptionArn':'%s:1'}", other);
    refused(404, "ResourceNotFound", "Resource does not exist", "ListTagsForResource", "{'ResourceArn':'%s'}", other);
    refused(400, "InvalidParameter", "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1",
        "Publish", "{'TopicArn':'orders','Message':'x'}");
    refused(400, "UnknownOperationException", "ConfirmSubscription", "ConfirmSubscription", "{}");
    call("DeleteTopic", "{'TopicArn':'%s'}", other);
  }

  @Test
  void deletingATopicEndsItsSubscriptions() {
    subscribe("{}");
    call("DeleteTopic", "{'TopicArn':'%s'}", topic);
    assertThat(call("ListSubscriptions", "{}").path("Subscriptions")).isEmpty();
  }

  // Subscriptions

  @Test
  void subscribingAgainGivesTheSameSubscriptionUnlessAnAttributeDiffers() {
    var arn = subscribe("{'RawMessageDelivery':'true'}");
    assertThat(arn).startsWith(topic + ":");
    assertThat(subscribe("{'RawMessageDelivery':'True'}")).isEqualTo(arn);
    refused(400, "InvalidParameter", "Invalid parameter: Attributes Reason: Subscription already exists with different attributes",
        "Subscribe", "{'TopicArn':'%s','Protocol':'sqs','Endpoint':'%s','Attributes':{'RawMessageDelivery':'false'}}", topic, QUEUE);
    var listed = call("ListSubscriptionsByTopic", "{'TopicArn':'%s'}", topic).path("Subscriptions");
    assertThat(listed).hasSize(1);
    assertThat(listed.path(0)).isEqualTo(json("{'SubscriptionArn':'" + arn + "','Owner':'000000000000','Protocol':'sqs',"
        + "'Endpoint':'" + QUEUE + "','TopicArn':'" + topic + "'}"));
    call("Unsubscribe", "{'SubscriptionArn':'%s'}", arn);
    assertThat(call("ListSubscriptions", "{}").path("Subscriptions")).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      email  | a@example.com | the local cloud delivers to sqs and lambda, not to email
      http   | http://x      | the local cloud delivers to sqs and lambda, not to http
      pigeon | x             | Amazon SNS does not support this protocol string: pigeon
      sqs    | http://queue  | Invalid parameter: SQS endpoint ARN
      lambda | arn:aws:sqs:eu-central-1:000000000000:q | Invalid parameter: Lambda endpoint ARN
      sqs    | arn:aws:sqs:eu-central-1:000000000000:q.fifo | FIFO SQS Queues can not be subscribed to standard SNS topics
      """)
  void onlyQueuesAndFunctionsCanBeSubscribed(String protocol, String endpoint, String words) {
    refused(400, "InvalidParameter", words, "Subscribe", "{'TopicArn':'%s','Protocol':'%s','Endpoint':'%s'}",
        topic, protocol, endpoint);
  }

  @Test
  void aSubscriptionShowsItsAttributes() {
    var arn = subscribe("{'FilterPolicy':'{\\\"type\\\":[\\\"OrderPlaced\\\"]}'}");
    var attributes = call("GetSubscriptionAttributes", "{'SubscriptionArn':'%s'}", arn).path("Attributes");
    assertThat(attributes.path("FilterPolicyScope").asText()).isEqualTo("MessageAttributes");
    assertThat(attributes.path("RawMessageDelivery").asText()).isEqualTo("false");
    assertThat(attributes.path("PendingConfirmation").asText()).isEqualTo("false");
    set(arn, "FilterPolicyScope", "MessageBody");
    assertThat(call("GetSubscriptionAttributes", "{'SubscriptionArn':'%s'}", arn).path("Attributes")
        .path("FilterPolicyScope").asText()).isEqualTo("MessageBody");
    set(arn, "FilterPolicy", "");
    assertThat(call("GetSubscriptionAttributes", "{'SubscriptionArn':'%s'}", arn).path("Attributes").has("FilterPolicyScope"))
        .isFalse();
  }

  @Test
  void wrongSubscriptionAttributesAreRefused() {
    var arn = subscribe("{}");
    refused(400, "InvalidParameter", "Invalid parameter: AttributeName", "SetSubscriptionAttributes",
        "{'SubscriptionArn':'%s','AttributeName':'Colour','AttributeValue':'x'}", arn);
    refused(400, "InvalidParameter", "Invalid parameter: FilterPolicyScope: Invalid value [Body]. Please use either MessageBody "
        + "or MessageAttributes", "SetSubscriptionAttributes",
        "{'SubscriptionArn':'%s','AttributeName':'FilterPolicyScope','AttributeValue':'Body'}", arn);
    refused(400, "InvalidParameter", "RawMessageDelivery: Invalid value [maybe]. Must be true or false.",
        "SetSubscriptionAttributes", "{'SubscriptionArn':'%s','AttributeName':'RawMessageDelivery','AttributeValue':'maybe'}", arn);
    refused(400, "InvalidParameter", "RedrivePolicy: deadLetterTargetArn is an invalid arn", "SetSubscriptionAttributes",
        "{'SubscriptionArn':'%s','AttributeName':'RedrivePolicy','AttributeValue':'{}'}", arn);
  }

  // Filter policies

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      {'type':['OrderPlaced','OrderPaid']}               | type=OrderPaid        | true
      {'type':['OrderPlaced']}                           | type=orderplaced      | false
      {'type':['OrderPlaced']}                           |                       | false
      {'type':['a'],'channel':['web']}                   | type=a,channel=web    | true
      {'type':['a'],'channel':['web']}                   | type=a                | false
      {'type':[{'prefix':'Order'}]}                      | type=OrderPlaced      | true
      {'type':[{'prefix':'Order'}]}                      | type=MyOrder          | false
      {'type':[{'suffix':'Placed'}]}                     | type=OrderPlaced      | true
      {'type':[{'equals-ignore-case':'orderplaced'}]}    | type=OrderPlaced      | true
      {'type':[{'wildcard':'Order*ed'}]}                 | type=OrderPlaced      | true
      {'type':[{'wildcard':'Order*ed'}]}                 | type=OrderNew         | false
      {'type':[{'anything-but':['a','b']}]}              | type=c                | true
      {'type':[{'anything-but':['a','b']}]}              | type=a                | false
      {'type':[{'anything-but':'a'}]}                    | other=c               | false
      {'type':[{'anything-but':{'prefix':'Order'}}]}     | type=OrderPlaced      | false
      {'type':[{'anything-but':{'suffix':'ed'}}]}        | type=OrderNew         | true
      {'type':[{'anything-but':{'wildcard':'*New*'}}]}   | type=OrderNew         | false
      {'total':[{'anything-but':[100]}]}                 | total#99              | true
      {'total':[{'anything-but':[100]}]}                 | total#100             | false
      {'type':[{'exists':true}]}                         | type=x                | true
      {'type':[{'exists':false}]}                        | other=x               | true
      {'type':[{'exists':false}]}                        |                       | true
      {'type':[{'exists':false}]}                        | type=x                | false
      {'total':[100]}                                    | total#100             | true
      {'total':[100]}                                    | total#100.0           | true
      {'total':[100]}                                    | total=100             | false
      {'total':['100']}                                  | total#100             | false
      {'total':[{'numeric':['=',301.5]}]}                | total#3.015e2         | true
      {'total':[{'numeric':['>',0,'<=',150]}]}           | total#150             | true
      {'total':[{'numeric':['>',0,'<=',150]}]}           | total#151             | false
      {'total':[{'numeric':['>',0,'<=',150]}]}           | total#0               | false
      {'total':[{'numeric':['<',-1]}]}                   | total#-2              | true
      {'total':[{'numeric':['>=',50000]}]}               | total=60000           | false
      {'ip':[{'cidr':'10.0.0.0/24'}]}                    | ip=10.0.0.200         | true
      {'ip':[{'cidr':'10.0.0.0/24'}]}                    | ip=10.0.1.1           | false
      {'interests':['rugby','tennis']}                   | interests@["rugby","golf"]     | true
      {'interests':['rugby','tennis']}                   | interests@["golf"]             | false
      {'interests':[100]}                                | interests@[100,true,null]      | true
      {'interests':[null]}                               | interests@[null]               | true
      {'interests':['rugby']}                            | interests@rugby                | false
      {'$or':[{'type':['a']},{'total':[{'numeric':['>',9]}]}]}              | total#10          | true
      {'$or':[{'type':['a']},{'total':[{'numeric':['>',9]}]}]}              | total#9,type=b    | false
      {'channel':['web'],'$or':[{'type':['a']},{'type':['b']}]}             | type=b            | false
      {'channel':['web'],'$or':[{'type':['a']},{'type':['b']}]}             | type=b,channel=web | true
      {'type':['a',{'prefix':'b'},{'exists':false}]}     | type=bc               | true
      {'price_usd':[{'numeric':['>',100]}]}              | price_usd#1e3         | true
      {}                                                 | type=x                | true
      """)
  void aFilterPolicyMatchesMessageAttributes(String policy, String attributes, boolean delivered) {
    subscribe(Json.write(Json.object().put("FilterPolicy", policy.replace('\'', '"'))));
    var input = Json.object().put("TopicArn", topic).put("Message", "body");
    for (var attribute : attributes == null ? new String[0] : attributes.split(",(?![^\\[]*\\])")) {
      var parts = attribute.split("[=#@]", 2);
      input.withObject("/MessageAttributes").putObject(parts[0])
          .put("DataType", attribute.contains("#") ? "Number" : attribute.contains("@") ? "String.Array" : "String")
          .put("StringValue", parts[1]);
    }
    sns.call("Publish", input, Caller.ADMINISTRATOR);
    assertThat(delivered()).hasSize(delivered ? 1 : 0);
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      {'order':{'total':[{'numeric':['>',100]}]}}     | {'order':{'total':101}}          | true
      {'order':{'total':[{'numeric':['>',100]}]}}     | {'order':{'total':'101'}}        | false
      {'items':{'id':['espresso']}}                   | {'items':[{'id':'tea'},{'id':'espresso'}]} | true
      {'gift':[true]}                                 | {'gift':true}                    | true
      {'gift':['true']}                               | {'gift':true}                    | false
      {'note':[null]}                                 | {'note':null}                    | true
      {'a':{'$or':[{'b':[1]},{'c':[2]}]}}             | {'a':{'c':2}}                    | true
      {'a':[1]}                                       | not json                         | false
      {'a':[1]}                                       | [1]                              | false
      {'a':[{'exists':false}]}                        | plain                            | false
      """)
  void aFilterPolicyMatchesTheMessageBody(String policy, String body, boolean delivered) {
    subscribe(Json.write(Json.object().put("FilterPolicyScope", "MessageBody").put("FilterPolicy", policy.replace('\'', '"'))));
    sns.call("Publish", Json.object().put("TopicArn", topic).put("Message", body.replace('\'', '"')), Caller.ADMINISTRATOR);
    assertThat(delivered()).hasSize(delivered ? 1 : 0);
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      nope                                 | FilterPolicy: failed to parse JSON.
      []                                   | FilterPolicy: Filter is not an object
      {'a':'x'}                            | FilterPolicy: "a" must be an object or an array
      {'a':[]}                             | FilterPolicy: Empty arrays are not allowed
      {'a':[['x']]}                        | FilterPolicy: Match value must be String, number, true, false, or null
      {'a':[{'like':'x'}]}                 | FilterPolicy: Unrecognized match type like
      {'a':[{'prefix':1}]}                 | FilterPolicy: prefix match pattern must be a string
      {'a':[{'exists':'x'}]}               | FilterPolicy: exists match pattern must be either true or false.
      {'a':[{'prefix':'x','suffix':'y'}]}  | FilterPolicy: Only one key allowed in match expression
      {'a':[{'numeric':['~',1]}]}          | FilterPolicy: Unrecognized numeric range operator: ~
      {'a':[{'numeric':['>','1']}]}        | FilterPolicy: Value of > must be numeric
      {'a':[{'numeric':['>',2,'<',1]}]}    | FilterPolicy: Bottom must be less than top
      {'a':[{'cidr':'ten'}]}               | FilterPolicy: Malformed CIDR, one '/' required
      {'a':[{'anything-but':{'like':'x'}}]}| FilterPolicy: Unsupported anything-but pattern: like
      {'a':[1],'b':[1],'c':[1],'d':[1],'e':[1],'f':[1]} | FilterPolicy: Filter policy can not have more than 5 keys
      {'a':[1,2,3,4,5,6],'b':[1,2,3,4,5,6],'c':[1,2,3,4,5]} | FilterPolicy: Filter policy is too complex
      {'a':{'b':[1]}}                      | Filter policy scope MessageAttributes does not support nested filter policy
      """)
  void aWrongFilterPolicyIsRefusedInTheServicesWords(String policy, String words) {
    var text = policy.replace('\'', '"');
    var expected = words.startsWith("FilterPolicy: Malformed") ? words : words.replace('\'', '"');
    assertThatThrownBy(() -> subscribe(Json.write(Json.object().put("FilterPolicy", text))))
        .hasMessageStartingWith("Invalid parameter: Attributes Reason: " + expected);
    var arn = subscribe("{}");
    assertThatThrownBy(() -> set(arn, "FilterPolicy", text)).isInstanceOf(AwsException.class)
        .hasMessageStartingWith("Invalid parameter: " + expected);
    sns.call("Publish", Json.object().put("TopicArn", topic).put("Message", "still unfiltered"), Caller.ADMINISTRATOR);
    assertThat(delivered()).hasSize(1);
  }

  @Test
  void theDepthOfAKeyCountsTowardsAPolicysComplexity() {
    var fits = "{\"a\":{\"b\":{\"c\":[1,2,3,4]}},\"d\":{\"e\":[1,2,3]}}"; // 4 x 3 x 3 x 2 = 72
    var arn = subscribe(Json.write(Json.object().put("FilterPolicyScope", "MessageBody").put("FilterPolicy", fits)));
    assertThatThrownBy(() -> set(arn, "FilterPolicy", fits.replace("[1,2,3]", "[1,2,3,4,5,6,7]")))
        .hasMessage("Invalid parameter: FilterPolicy: Filter policy is too complex");
  }

  @Test
  void aChangedFilterPolicyHoldsAtOnce() {
    var arn = subscribe("{'FilterPolicy':'{\\\"type\\\":[\\\"a\\\"]}'}");
    publish("'MessageAttributes':{'type':{'DataType':'String','StringValue':'b'}}");
    set(arn, "FilterPolicy", "{\"type\":[\"b\"]}");
    publish("'MessageAttributes':{'type':{'DataType':'String','StringValue':'b'}}");
    assertThat(delivered()).hasSize(1);
  }

  // Delivery

  @Test
  void aQueueGetsTheNotificationAsTheServiceLaysItOut() {
    var subscription = subscribe("{}");
    var id = publish("'Subject':'Hello','MessageAttributes':{'type':{'DataType':'String','StringValue':'OrderPlaced'},"
        + "'total':{'DataType':'Number','StringValue':'350'},'bin':{'DataType':'Binary','BinaryValue':'AQID'}}").path("MessageId").asText();
    var sent = delivered().getFirst();
    assertThat(sent.service()).isEqualTo("sqs");
    assertThat(sent.operation()).isEqualTo("SendMessage");
    assertThat(sent.caller().arn()).isEqualTo(topic);
    assertThat(sent.input().path("QueueUrl").asText()).endsWith("/000000000000/cafe-Q");
    assertThat(sent.input().has("MessageAttributes")).isFalse();
    var text = sent.input().path("MessageBody").asText();
    assertThat(text).startsWith("{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \"" + id + "\",\n  \"TopicArn\" : ")
        .contains("\n  \"MessageAttributes\" : {\n    \"type\" : {\"Type\":\"String\",\"Value\":\"OrderPlaced\"},\n")
        .endsWith("\n  }\n}");
    var envelope = Json.parse(text);
    assertThat(names(envelope)).containsExactly("Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp",
        "SignatureVersion", "Signature", "SigningCertURL", "UnsubscribeURL", "MessageAttributes");
    assertThat(envelope.path("Message").asText()).isEqualTo("body");
    assertThat(envelope.path("Subject").asText()).isEqualTo("Hello");
    assertThat(envelope.path("Timestamp").asText()).matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z");
    assertThat(envelope.path("UnsubscribeURL").asText()).endsWith("SubscriptionArn=" + subscription);
    assertThat(envelope.path("MessageAttributes").path("bin")).isEqualTo(json("{'Type':'Binary','Value':'AQID'}"));
  }

  @Test
  void aNotificationWithoutSubjectAndAttributesHasNeither() {
    subscribe("{}");
    publish("'MessageStructure':null");
    assertThat(names(Json.parse(delivered().getFirst().input().path("MessageBody").asText())))
        .doesNotContain("Subject", "MessageAttributes");
  }

  @Test
  void rawDeliverySendsTheBodyAndTheAttributesThemselves() {
    subscribe("{'RawMessageDelivery':'true'}");
    publish("'MessageAttributes':{'type':{'DataType':'String','StringValue':'OrderPlaced'}}");
    var sent = delivered().getFirst().input();
    assertThat(sent.path("MessageBody").asText()).isEqualTo("body");
    assertThat(sent.path("MessageAttributes")).isEqualTo(json("{'type':{'DataType':'String','StringValue':'OrderPlaced'}}"));
  }

  @Test
  void aFunctionGetsTheEventOfTheService() {
    var function = Settings.arn("lambda", "function:cafe-Notify:live");
    call("Subscribe", "{'TopicArn':'%s','Protocol':'lambda','Endpoint':'%s'}", topic, function);
    publish("'MessageAttributes':{'type':{'DataType':'String','StringValue':'OrderPlaced'}}");
    var invoked = delivered().getFirst();
    assertThat(invoked.service() + " " + invoked.operation()).isEqualTo("lambda Invoke");
    assertThat(invoked.input().path("FunctionName").asText()).isEqualTo(function);
    assertThat(invoked.input().path("InvocationType").asText()).isEqualTo("Event");
    var record = Json.parse(Base64.getDecoder().decode(invoked.input().path("Payload").asText())).path("Records").path(0);
    assertThat(record.path("EventSource").asText()).isEqualTo("aws:sns");
    assertThat(record.path("EventVersion").asText()).isEqualTo("1.0");
    assertThat(record.path("EventSubscriptionArn").asText()).startsWith(topic + ":");
    assertThat(names(record.path("Sns"))).contains("Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp",
        "SignatureVersion", "Signature", "SigningCertUrl", "UnsubscribeUrl", "MessageAttributes");
    assertThat(record.path("Sns").path("MessageAttributes").path("type"))
        .isEqualTo(json("{'Type':'String','Value':'OrderPlaced'}"));
  }

  @Test
  void aMessageWithATextForEachProtocolIsSplit() {
    subscribe("{'RawMessageDelivery':'true'}");
    sns.call("Publish", Json.object().put("TopicArn", topic).put("MessageStructure", "json")
        .put("Message", "{\"default\":\"d\",\"sqs\":\"for queues\"}"), Caller.ADMINISTRATOR);
    assertThat(delivered().getFirst().input().path("MessageBody").asText()).isEqualTo("for queues");
    refused(400, "InvalidParameter", "Invalid parameter: Message Structure - No default entry in JSON message body",
        "Publish", "{'TopicArn':'%s','Message':'{}','MessageStructure':'json'}", topic);
    refused(400, "InvalidParameter", "Invalid parameter: Message Structure - JSON message body failed to parse",
        "Publish", "{'TopicArn':'%s','Message':'x','MessageStructure':'json'}", topic);
  }

  @Test
  void publishAnswersBeforeTheDeliveryAndADeliveryIsTriedUntilItSucceeds() {
    subscribe("{}");
    var gate = new CountDownLatch(1);
    var attempts = new AtomicInteger();
    aws.answer = call -> {
      try {
        gate.await();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
      if (attempts.incrementAndGet() < 8) {
        throw new AwsException(500, "InternalError", "not now");
      }
      return Json.object();
    };
    assertThat(publish("'Subject':'x'").path("MessageId").asText()).isNotEmpty();
    gate.countDown();
    await().untilAsserted(() -> assertThat(attempts).hasValue(8));
    assertThat(log.toString()).containsOnlyOnce("OrderEvents -> Q fails, is retried: not now");
  }

  @Test
  void aRefusedDeliveryGoesToTheDeadLetterQueueAtOnce() {
    subscribe("{'RedrivePolicy':'{\\\"deadLetterTargetArn\\\":\\\"arn:aws:sqs:eu-central-1:000000000000:dead\\\"}'}");
    aws.answer = call -> {
      if (call.input().path("QueueUrl").asText().endsWith("/cafe-Q")) {
        throw new AwsException(403, "AccessDenied", "no policy lets you in");
      }
      return Json.object();
    };
    publish("'Subject':'x'");
    await().untilAsserted(() -> assertThat(aws.calls).hasSize(2));
    assertThat(aws.calls.getLast().input().path("QueueUrl").asText()).endsWith("/dead");
    assertThat(Json.parse(aws.calls.getLast().input().path("MessageBody").asText()).path("Message").asText()).isEqualTo("body");
    assertThat(log.toString()).contains("OrderEvents -> Q refused: no policy lets you in");
  }

  @Test
  void retriesComeAtOnceThenEverySecondThenEverSlower() {
    assertThat(Sns.pause(3)).isZero();
    assertThat(Sns.pause(4)).isEqualTo(Duration.ofSeconds(1));
    assertThat(Sns.pause(6)).isEqualTo(Duration.ofSeconds(2));
    assertThat(Sns.pause(1000)).isEqualTo(Duration.ofSeconds(20));
  }

  // Publishing

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      InvalidParameter      | Invalid parameter: Empty message | 'Message':''
      InvalidParameter      | Invalid parameter: Empty message | 'Subject':'x'
      InvalidParameter      | Invalid parameter: Subject       | 'Message':'x','Subject':''
      InvalidParameter      | Invalid parameter: Subject       | 'Message':'x','Subject':'two\\nlines'
      InvalidParameter      | MessageDeduplicationId           | 'Message':'x','MessageDeduplicationId':'1'
      ParameterValueInvalid | set of supported type prefixes is Binary, Number, and String. | 'Message':'x','MessageAttributes':{'a':{'DataType':'Text','StringValue':'b'}}
      ParameterValueInvalid | must contain non-empty message attribute value for message attribute type 'String'. | 'Message':'x','MessageAttributes':{'a':{'DataType':'String','StringValue':''}}
      ParameterValueInvalid | The message attribute 'a' with type 'String' must use field 'String'. | 'Message':'x','MessageAttributes':{'a':{'DataType':'String','BinaryValue':'AQ=='}}
      ParameterValueInvalid | value to number                  | 'Message':'x','MessageAttributes':{'a':{'DataType':'Number','StringValue':'b'}}
      ParameterValueInvalid | Invalid non-alphanumeric character '#x20' was found | 'Message':'x','MessageAttributes':{'a b':{'DataType':'String','StringValue':'b'}}
      ValidationError       | Value null at 'messageAttributes.a.member.dataType' | 'Message':'x','MessageAttributes':{'a':{'StringValue':'b'}}
      """)
  void aWrongMessageIsRefused(String code, String words, String members) {
    refused(400, code, words, "Publish", "{'TopicArn':'" + topic + "'," + members + "}");
  }

  @Test
  void aMessageOf256KibibytesIsTakenAndOneByteMoreIsNot() {
    subscribe("{}");
    sns.call("Publish", Json.object().put("TopicArn", topic).put("Message", "x".repeat(262_144)), Caller.ADMINISTRATOR);
    assertThatThrownBy(() -> sns.call("Publish", Json.object().put("TopicArn", topic).put("Message", "x".repeat(262_145)),
        Caller.ADMINISTRATOR)).hasMessage("Invalid parameter: Message too long");
  }

  @Test
  void aPublishNeedsATopic() {
    refused(400, "InvalidParameter", "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter",
        "Publish", "{'Message':'x'}");
    refused(400, "InvalidParameter", "PhoneNumber", "Publish", "{'Message':'x','PhoneNumber':'+491234567'}");
    subscribe("{}");
    call("Publish", "{'TargetArn':'%s','Message':'x'}", topic);
    assertThat(delivered()).hasSize(1);
  }

  @Test
  void aBatchPublishesWhatIsRightAndNamesWhatIsWrong() {
    subscribe("{'RawMessageDelivery':'true'}");
    var answer = call("PublishBatch", "{'TopicArn':'%s','PublishBatchRequestEntries':[{'Id':'1','Message':'a'},"
        + "{'Id':'2','Message':''},{'Id':'3','Message':'c'}]}", topic);
    assertThat(answer.path("Successful")).hasSize(2);
    assertThat(answer.path("Failed").path(0).path("Id").asText()).isEqualTo("2");
    assertThat(answer.path("Failed").path(0).path("Code").asText()).isEqualTo("InvalidParameter");
    assertThat(delivered().stream().map(call -> call.input().path("MessageBody").asText()).collect(Collectors.toSet()))
        .isEqualTo(Set.of("a", "c"));
    refused(400, "EmptyBatchRequest", "doesn't contain any entries", "PublishBatch", "{'TopicArn':'%s'}", topic);
    refused(400, "BatchEntryIdsNotDistinct", "have the same Id", "PublishBatch",
        "{'TopicArn':'%s','PublishBatchRequestEntries':[{'Id':'1','Message':'a'},{'Id':'1','Message':'b'}]}", topic);
    refused(400, "InvalidBatchEntryId", "abide by the specification", "PublishBatch",
        "{'TopicArn':'%s','PublishBatchRequestEntries':[{'Id':'a b','Message':'a'}]}", topic);
  }

  // The template

  @Test
  void theTemplatesTopicAndSubscriptionsAreMade() {
    var made = provision("AWS::SNS::Topic", "cafe-Alerts", "{'KmsMasterKeyId':'alias/aws/sns','DisplayName':'Alerts',"
        + "'Subscription':[{'Protocol':'sqs','Endpoint':'" + QUEUE + "'}],'Tags':[{'Key':'a','Value':'b'}]}");
    assertThat(made.ref()).isEqualTo(Settings.arn("sns", "cafe-Alerts"));
    assertThat(made.attributes()).containsEntry("TopicArn", made.ref()).containsEntry("TopicName", "cafe-Alerts");
    assertThat(call("ListSubscriptionsByTopic", "{'TopicArn':'%s'}", made.ref()).path("Subscriptions")).hasSize(1);
    var subscription = provision("AWS::SNS::Subscription", "s", "{'TopicArn':'" + topic + "','Protocol':'sqs','Endpoint':'"
        + QUEUE + "','RawMessageDelivery':true,'FilterPolicy':{'type':['OrderPlaced']},'FilterPolicyScope':'MessageAttributes',"
        + "'RedrivePolicy':{'deadLetterTargetArn':'" + Settings.arn("sqs", "dead") + "'}}");
    assertThat(subscription.ref()).startsWith(topic + ":").isEqualTo(subscription.attributes().get("Arn"));
    var attributes = call("GetSubscriptionAttributes", "{'SubscriptionArn':'%s'}", subscription.ref()).path("Attributes");
    assertThat(attributes.path("RawMessageDelivery").asText()).isEqualTo("true");
    assertThat(attributes.path("FilterPolicy").asText()).isEqualTo("{\"type\":[\"OrderPlaced\"]}");
    provision("AWS::SNS::TopicPolicy", "p", "{'Topics':['" + topic + "'],'PolicyDocument':{'Statement':[]}}");
    assertThat(call("GetTopicAttributes", "{'TopicArn':'%s'}", topic).path("Attributes").path("Policy").asText())
        .isEqualTo("{\"Statement\":[]}");
  }

  @Test
  void whatTheTemplateCannotHaveIsNamed() {
    assertThatThrownBy(() -> provision("AWS::SNS::Topic", "t", "{'FifoTopic':true}")).hasMessageContaining("FIFO topics");
    assertThatThrownBy(() -> provision("AWS::SNS::Topic", "t", "{'ArchivePolicy':{}}")).hasMessageContaining("ArchivePolicy");
    assertThatThrownBy(() -> provision("AWS::SNS::Subscription", "s", "{'TopicArn':'" + topic
        + "','Protocol':'email','Endpoint':'a@example.com'}")).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("email");
    assertThatThrownBy(() -> provision("AWS::SNS::Subscription", "s", "{'TopicArn':'" + topic + "','Protocol':'sqs','Endpoint':'"
        + QUEUE + "','FilterPolicy':{'a':'b'}}")).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("FilterPolicy");
  }

  /** The deliveries made; ends the service first, so that none is under way. */
  private List<RecordingAws.Call> delivered() {
    sns.close();
    return aws.calls;
  }

  private Provisioner.Provisioned provision(String type, String name, String properties) {
    return sns.provisioners().get(type).provision(new Provisioner.Resource(name, type, name, json(properties)));
  }

  private String subscribe(String attributes) {
    var input = Json.object().put("TopicArn", topic).put("Protocol", "sqs").put("Endpoint", QUEUE);
    input.set("Attributes", json(attributes));
    return sns.call("Subscribe", input, Caller.ADMINISTRATOR).path("SubscriptionArn").asText();
  }

  private void set(String subscription, String name, String value) {
    sns.call("SetSubscriptionAttributes", Json.object().put("SubscriptionArn", subscription).put("AttributeName", name)
        .put("AttributeValue", value), Caller.ADMINISTRATOR);
  }

  private ObjectNode publish(String members) {
    return call("Publish", "{'TopicArn':'%s','Message':'body'," + members + "}", topic);
  }

  private static List<String> names(JsonNode object) {
    return object.properties().stream().map(java.util.Map.Entry::getKey).toList();
  }

  private void refused(int status, String code, String words, String operation, String input, Object... parts) {
    assertThatThrownBy(() -> call(operation, input, parts)).isInstanceOfSatisfying(AwsException.class, e -> {
      assertThat(e.code()).isEqualTo(code);
      assertThat(e.status()).isEqualTo(status);
    }).hasMessageContaining(words);
  }

  private ObjectNode call(String operation, String input, Object... parts) {
    return sns.call(operation, json(input.formatted(parts)), Caller.ADMINISTRATOR);
  }

  /** JSON with single quotes, unless it has double ones. */
  private static ObjectNode json(String text) {
    return (ObjectNode) Json.parse(text.startsWith("{\"") ? text : text.replace('\'', '"'));
  }
}
