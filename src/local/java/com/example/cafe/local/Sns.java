package com.example.cafe.local;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.math.BigDecimal;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;
import software.amazon.event.ruler.Machine;

/**
 * Amazon SNS: topics that deliver to SQS queues and Lambda functions, with the filter policies of the service (matched by
 * event-ruler, as in the service). Deliveries run after Publish has answered, are retried while the target fails, and
 * go to the subscription's dead-letter queue where the target refuses.
 *
 * <p>A delivery is made in the name of the topic (the caller is the topic's ARN), so that the target can look for the
 * permission that an account would ask for. Signatures are made with a key of this process: nobody can verify them.
 *
 * <p>Refused by name: FIFO topics and protocols other than sqs and lambda.
 */
final class Sns implements Service {
  private static final int MAX_BYTES = 262_144;
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_-]{1,256}");
  private static final Pattern ENTRY_ID = Pattern.compile("[A-Za-z0-9_-]{1,80}");
  private static final Pattern SUBJECT = Pattern.compile("[\\x20-\\x7e]{1,100}");
  private static final DateTimeFormatter MILLIS = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")
      .withZone(java.time.ZoneOffset.UTC);
  private static final Set<String> TOPIC_SETTINGS =
      Set.of("DisplayName", "Policy", "DeliveryPolicy", "KmsMasterKeyId", "TracingConfig", "SignatureVersion");
  private static final Set<String> SUBSCRIPTION_SETTINGS =
      Set.of("FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy");
  private static final Set<String> OTHER_PROTOCOLS =
      Set.of("http", "https", "email", "email-json", "sms", "application", "firehose");

  private final Aws aws;
  private final EventLog log;
  private final IntFunction<Duration> pauses;
  private final Map<String, Topic> topics = new ConcurrentSkipListMap<>();
  private final Map<String, Subscription> subscriptions = new ConcurrentSkipListMap<>();
  private final ExecutorService deliveries = Executors.newVirtualThreadPerTaskExecutor();
  private final SecretKeySpec key;

  private record Topic(String arn, Map<String, String> settings, Map<String, String> tags) {
    String name() {
      return arn.substring(arn.lastIndexOf(':') + 1);
    }
  }

  /** @param filter what the filter policy compiles to, or null for everything */
  private record Subscription(String arn, String topicArn, String protocol, String endpoint, String principal,
      Map<String, String> settings, @Nullable Machine filter) {

    boolean raw() {
      return "true".equals(settings.get("RawMessageDelivery"));
    }

    boolean filtersBody() {
      return "MessageBody".equals(settings.get("FilterPolicyScope"));
    }
  }

  /** @param attributes as the API takes them: DataType with StringValue or BinaryValue */
  private record Message(String id, Instant time, String body, boolean structured, @Nullable String subject,
      JsonNode attributes, @Nullable String group) {

    /** The text for a protocol. */
    String text(String protocol) {
      if (!structured) {
        return body;
      }
      var texts = Json.parse(body);
      return texts.path(protocol).isTextual() ? texts.path(protocol).asText() : texts.path("default").asText();
    }
  }

  Sns(Aws aws, EventLog log) {
    this(aws, log, Sns::pause);
  }

  /** @param pauses how long to wait before the nth retry */
  Sns(Aws aws, EventLog log, IntFunction<Duration> pauses) {
    this.aws = aws;
    this.log = log;
    this.pauses = pauses;
    var random = new byte[20];
    new SecureRandom().nextBytes(random);
    key = new SecretKeySpec(random, "HmacSHA1");
  }

  /** The delivery policy of AWS-managed endpoints: three at once, two after a second, then ever slower up to 20 s. */
  static Duration pause(int retry) {
    return Duration.ofSeconds(retry <= 3 ? 0 : retry <= 5 ? 1 : Math.min(20, (retry - 5) * 2L));
  }

  @Override
  public String name() {
    return "sns";
  }

  @Override
  public void close() {
    deliveries.shutdown();
    try {
      deliveries.awaitTermination(500, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    deliveries.shutdownNow();
  }

  @Override
  public ObjectNode call(String operation, ObjectNode input, Caller caller) {
    return switch (operation) {
      case "CreateTopic" -> Json.object()
          .put("TopicArn", createTopic(require(input, "Name"), strings(input, "Attributes"), tagsOf(input)));
      case "DeleteTopic" -> deleteTopic(input);
      case "ListTopics" -> list(input, "Topics", topics.keySet(), arn -> Json.object().put("TopicArn", arn));
      case "GetTopicAttributes" -> getTopicAttributes(topic(input));
      case "SetTopicAttributes" -> setTopicAttributes(input);
      case "Subscribe" -> Json.object().put("SubscriptionArn", subscribe(topic(input).arn, require(input, "Protocol"),
          Json.text(input, "Endpoint"), strings(input, "Attributes"), caller));
      case "Unsubscribe" -> unsubscribe(input);
      case "ListSubscriptions" -> list(input, "Subscriptions", subscriptions.keySet(), this::shown);
      case "ListSubscriptionsByTopic" -> list(input, "Subscriptions", of(topic(input).arn).stream()
          .map(Subscription::arn).toList(), this::shown);
      case "GetSubscriptionAttributes" -> getSubscriptionAttributes(subscription(input));
      case "SetSubscriptionAttributes" -> setSubscriptionAttributes(input);
      case "Publish" -> publish(input);
      case "PublishBatch" -> publishBatch(input);
      case "TagResource", "UntagResource", "ListTagsForResource" -> tags(operation, input);
      default -> throw AwsException.unknownOperation("SNS", operation);
    };
  }

  // Topics

  private synchronized String createTopic(String name, Map<String, String> settings, Map<String, String> tags) {
    if (name.endsWith(".fifo") || "true".equals(settings.get("FifoTopic"))) {
      throw invalid("Attributes Reason: FIFO topics are not supported by the local cloud");
    }
    if (!NAME.matcher(name).matches()) {
      throw invalid("Topic Name");
    }
    var kept = new LinkedHashMap<>(settings);
    kept.remove("FifoTopic");
    for (var setting : kept.keySet()) {
      if (!TOPIC_SETTINGS.contains(setting)) {
        throw invalid("Attributes Reason: Unknown attribute: " + setting);
      }
    }
    var arn = Settings.arn("sns", name);
    var existing = topics.get(arn);
    if (existing == null) {
      topics.put(arn, new Topic(arn, Map.copyOf(kept), Map.copyOf(tags)));
    } else if (!existing.settings.entrySet().containsAll(kept.entrySet())) {
      throw invalid("Attributes Reason: Topic already exists with different attributes");
    } else if (!tags.isEmpty() && !tags.equals(existing.tags)) {
      throw invalid("Tags Reason: Topic already exists with different tags");
    }
    return arn;
  }

  private synchronized ObjectNode deleteTopic(ObjectNode input) {
    var arn = arn(input, "TopicArn");
    topics.remove(arn);
    of(arn).forEach(subscription -> subscriptions.remove(subscription.arn));
    return Json.object();
  }

  private ObjectNode getTopicAttributes(Topic topic) {
    var output = Json.object();
    var attributes = output.putObject("Attributes");
    attributes.put("TopicArn", topic.arn).put("Owner", Settings.ACCOUNT).put("DisplayName", "")
        .put("Policy", defaultPolicy(topic.arn))
        .put("EffectiveDeliveryPolicy", "{\"http\":{\"defaultHealthyRetryPolicy\":{\"minDelayTarget\":20,"
            + "\"maxDelayTarget\":20,\"numRetries\":3,\"numMaxDelayRetries\":0,\"numNoDelayRetries\":0,"
            + "\"numMinDelayRetries\":0,\"backoffFunction\":\"linear\"},\"disableSubscriptionOverrides\":false,"
            + "\"defaultRequestPolicy\":{\"headerContentType\":\"text/plain; charset=UTF-8\"}}}")
        .put("SubscriptionsConfirmed", String.valueOf(of(topic.arn).size()))
        .put("SubscriptionsPending", "0").put("SubscriptionsDeleted", "0");
    topic.settings.forEach(attributes::put);
    return output;
  }

  private static String defaultPolicy(String arn) {
    var policy = Json.object().put("Version", "2008-10-17").put("Id", "__default_policy_ID");
    var statement = policy.putArray("Statement").addObject().put("Sid", "__default_statement_ID").put("Effect", "Allow");
    statement.putObject("Principal").put("AWS", "*");
    var actions = statement.putArray("Action");
    List.of("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic", "Subscribe",
        "ListSubscriptionsByTopic", "Publish").forEach(action -> actions.add("SNS:" + action));
    statement.put("Resource", arn).putObject("Condition").putObject("StringEquals")
        .put("AWS:SourceOwner", Settings.ACCOUNT);
    return Json.write(policy);
  }

  private synchronized ObjectNode setTopicAttributes(ObjectNode input) {
    var topic = topic(input);
    var name = require(input, "AttributeName");
    if (!TOPIC_SETTINGS.contains(name)) {
      throw invalid("AttributeName");
    }
    set(topic, name, input.path("AttributeValue").asText(""));
    return Json.object();
  }

  private void set(Topic topic, String name, String value) {
    var settings = new LinkedHashMap<>(topic.settings);
    if (name.equals("Policy")) {
      try {
        if (!Json.parse(value).path("Statement").isContainerNode()) {
          throw invalid("Policy Error: null");
        }
      } catch (IllegalArgumentException e) {
        throw invalid("Policy Reason: failed to parse JSON");
      }
    }
    settings.put(name, value);
    topics.put(topic.arn, new Topic(topic.arn, Map.copyOf(settings), topic.tags));
  }

  private synchronized ObjectNode tags(String operation, ObjectNode input) {
    var topic = topics.get(arn(input, "ResourceArn"));
    if (topic == null) {
      throw new AwsException(404, "ResourceNotFound", "Resource does not exist");
    }
    var tags = new LinkedHashMap<>(topic.tags);
    switch (operation) {
      case "TagResource" -> tags.putAll(tagsOf(input));
      case "UntagResource" -> input.path("TagKeys").forEach(key -> tags.remove(key.asText()));
      default -> {
        var output = Json.object();
        var list = output.putArray("Tags");
        tags.forEach((key, value) -> list.addObject().put("Key", key).put("Value", value));
        return output;
      }
    }
    if (tags.size() > 50) {
      throw AwsException.badRequest("TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded");
    }
    topics.put(topic.arn, new Topic(topic.arn, topic.settings, Map.copyOf(tags)));
    return Json.object();
  }

  private static Map<String, String> tagsOf(ObjectNode input) {
    var tags = new LinkedHashMap<String, String>();
    input.path("Tags").forEach(tag -> {
      if (tags.put(tag.path("Key").asText(), tag.path("Value").asText()) != null) {
        throw invalid("Duplicated keys are not allowed.");
      }
    });
    return tags;
  }

  // Subscriptions

  private synchronized String subscribe(String topicArn, String protocol, @Nullable String endpoint,
      Map<String, String> settings, Caller caller) {
    if (OTHER_PROTOCOLS.contains(protocol)) {
      throw invalid("Protocol Reason: the local cloud delivers to sqs and lambda, not to " + protocol);
    }
    if (!protocol.equals("sqs") && !protocol.equals("lambda")) {
      throw invalid("Amazon SNS does not support this protocol string: " + protocol);
    }
    if (endpoint == null || !endpoint.matches("arn:aws:" + protocol + ":[^:]+:\\d{12}:.+")) {
      throw invalid((protocol.equals("sqs") ? "SQS" : "Lambda") + " endpoint ARN");
    }
    if (endpoint.endsWith(".fifo")) {
      throw invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics");
    }
    var checked = checked(settings, true);
    var filter = filter(checked, "Attributes Reason: ");
    for (var existing : of(topicArn)) {
      if (existing.protocol.equals(protocol) && existing.endpoint.equals(endpoint)) {
        if (!existing.settings.entrySet().containsAll(checked.entrySet())) {
          throw invalid("Attributes Reason: Subscription already exists with different attributes");
        }
        return existing.arn;
      }
    }
    var arn = topicArn + ":" + UUID.randomUUID();
    subscriptions.put(arn, new Subscription(arn, topicArn, protocol, endpoint, caller.arn(), checked, filter));
    return arn;
  }

  private synchronized ObjectNode unsubscribe(ObjectNode input) {
    subscriptions.remove(arn(input, "SubscriptionArn"));
    return Json.object();
  }

  private synchronized ObjectNode setSubscriptionAttributes(ObjectNode input) {
    var old = subscription(input);
    var name = require(input, "AttributeName");
    var settings = new LinkedHashMap<>(old.settings);
    checked(Map.of(name, input.path("AttributeValue").asText("")), false).forEach((setting, value) -> {
      settings.remove(setting);
      if (!value.isEmpty()) {
        settings.put(setting, value);
      }
    });
    subscriptions.put(old.arn, new Subscription(old.arn, old.topicArn, old.protocol, old.endpoint, old.principal,
        Map.copyOf(settings), filter(settings, "")));
    return Json.object();
  }

  private static Map<String, String> checked(Map<String, String> settings, boolean subscribing) {
    var prefix = subscribing ? "Attributes Reason: " : "";
    var checked = new LinkedHashMap<String, String>();
    settings.forEach((name, value) -> {
      if (!SUBSCRIPTION_SETTINGS.contains(name)) {
        throw invalid(prefix + "AttributeName" + (subscribing ? ": " + name : ""));
      }
      switch (name) {
        case "FilterPolicyScope" -> {
          if (!value.equals("MessageAttributes") && !value.equals("MessageBody")) {
            throw invalid(prefix + "FilterPolicyScope: Invalid value [" + value
                + "]. Please use either MessageBody or MessageAttributes");
          }
        }
        case "RawMessageDelivery" -> {
          if (!value.equalsIgnoreCase("true") && !value.equalsIgnoreCase("false")) {
            throw invalid(prefix + "RawMessageDelivery: Invalid value [" + value + "]. Must be true or false.");
          }
          value = value.toLowerCase(java.util.Locale.ROOT);
        }
        case "RedrivePolicy" -> {
          if (!value.isEmpty()) {
            String target;
            try {
              target = Json.parse(value).path("deadLetterTargetArn").asText();
            } catch (IllegalArgumentException e) {
              throw invalid(prefix + "RedrivePolicy: failed to parse JSON.");
            }
            if (!target.startsWith("arn:aws:sqs:")) {
              throw invalid(prefix + "RedrivePolicy: deadLetterTargetArn is an invalid arn");
            }
          }
        }
        default -> { }
      }
      checked.put(name, value);
    });
    return checked;
  }

  private ObjectNode shown(String arn) {
    var subscription = subscriptions.get(arn);
    return subscription == null ? Json.object() : Json.object().put("SubscriptionArn", arn)
        .put("Owner", Settings.ACCOUNT).put("Protocol", subscription.protocol)
        .put("Endpoint", subscription.endpoint).put("TopicArn", subscription.topicArn);
  }

  private ObjectNode getSubscriptionAttributes(Subscription subscription) {
    var output = Json.object();
    var attributes = output.putObject("Attributes");
    attributes.setAll(shown(subscription.arn));
    attributes.put("ConfirmationWasAuthenticated", "true").put("PendingConfirmation", "false")
        .put("RawMessageDelivery", "false").put("SubscriptionPrincipal", subscription.principal);
    subscription.settings.forEach(attributes::put);
    if (subscription.settings.containsKey("FilterPolicy")) {
      attributes.put("FilterPolicyScope", subscription.filtersBody() ? "MessageBody" : "MessageAttributes");
    } else {
      attributes.remove("FilterPolicyScope");
    }
    return output;
  }

  private List<Subscription> of(String topicArn) {
    return subscriptions.values().stream().filter(subscription -> subscription.topicArn.equals(topicArn)).toList();
  }

  // Filter policies

  /** Compiles the filter policy; @param prefix what Subscribe puts before the reason */
  private static @Nullable Machine filter(Map<String, String> settings, String prefix) {
    var text = settings.getOrDefault("FilterPolicy", "");
    if (text.isEmpty()) {
      return null;
    }
    if (text.getBytes(UTF_8).length > MAX_BYTES) {
      throw invalid(prefix + "FilterPolicy: Filter policy is too long");
    }
    JsonNode policy;
    try {
      policy = Json.parse(text);
    } catch (IllegalArgumentException e) {
      throw invalid(prefix + "FilterPolicy: failed to parse JSON. " + e.getMessage());
    }
    if (policy.isObject() && policy.isEmpty()) {
      return null;
    }
    if (policy.size() > 5) {
      throw invalid(prefix + "FilterPolicy: Filter policy can not have more than 5 keys");
    }
    boolean body = "MessageBody".equals(settings.get("FilterPolicyScope"));
    if (!body && nested(policy)) {
      throw invalid(prefix + "Filter policy scope MessageAttributes does not support nested filter policy");
    }
    if (combinations(policy, 1, 1) > 150) {
      throw invalid(prefix + "FilterPolicy: Filter policy is too complex");
    }
    var machine = new Machine();
    try {
      machine.addRule("policy", text);
    } catch (IOException | RuntimeException e) {
      throw invalid(prefix + "FilterPolicy: " + e.getMessage());
    }
    return machine;
  }

  private static boolean nested(JsonNode policy) {
    return policy.properties().stream().anyMatch(entry -> entry.getValue().isObject()
        || entry.getKey().equals("$or") && java.util.stream.StreamSupport.stream(entry.getValue().spliterator(), false)
            .anyMatch(Sns::nested));
  }

  /** The values of each array multiplied, each with its depth; the branches of an {@code $or} added up. */
  private static long combinations(JsonNode policy, int depth, long before) {
    long product = before;
    for (var entry : policy.properties()) {
      var value = entry.getValue();
      if (value.isObject()) {
        product = combinations(value, depth + 1, product);
      } else if (entry.getKey().equals("$or") && value.size() > 1) {
        long sum = 0;
        for (var branch : value) {
          sum += combinations(branch, depth, product);
        }
        product = sum;
      } else if (value.isArray() && !value.isEmpty()) {
        product *= (long) value.size() * depth;
      }
    }
    return product;
  }

  private static boolean accepts(Subscription subscription, Message message) {
    var filter = subscription.filter;
    if (filter == null) {
      return true;
    }
    try {
      var event = subscription.filtersBody() ? message.text(subscription.protocol) : Json.write(event(message.attributes));
      return !filter.rulesForJSONEvent(event).isEmpty();
    } catch (Exception e) {
      return false; // A body that is no JSON object matches no filter policy.
    }
  }

  /** Message attributes as the event that a filter policy is matched with. */
  private static ObjectNode event(JsonNode attributes) {
    var event = Json.object();
    attributes.properties().forEach(attribute -> {
      var type = attribute.getValue().path("DataType").asText();
      var text = attribute.getValue().path("StringValue").asText();
      if (type.equals("String.Array")) {
        try {
          event.set(attribute.getKey(), Json.parse(text));
        } catch (IllegalArgumentException e) {
          // Not an array after all: it matches nothing, and exists does not see it.
        }
      } else if (type.equals("Number") || type.startsWith("Number.")) {
        event.put(attribute.getKey(), new BigDecimal(text));
      } else if (!type.startsWith("Binary")) {
        event.put(attribute.getKey(), text);
      }
    });
    return event;
  }

  // Publishing

  private ObjectNode publish(ObjectNode input) {
    if (input.hasNonNull("PhoneNumber")) {
      throw invalid("PhoneNumber Reason: the local cloud sends no text messages");
    }
    var target = input.hasNonNull("TopicArn") ? "TopicArn" : "TargetArn";
    if (!input.hasNonNull(target)) {
      throw invalid("TopicArn or TargetArn Reason: no value for required parameter");
    }
    var message = message(input, 0);
    var arn = arn(input, target);
    if (size(message) > MAX_BYTES) {
      throw invalid("Message too long");
    }
    deliver(existing(arn), message);
    return Json.object().put("MessageId", message.id);
  }

  private ObjectNode publishBatch(ObjectNode input) {
    var topic = topic(input);
    var entries = input.path("PublishBatchRequestEntries");
    if (entries.isEmpty()) {
      throw AwsException.badRequest("EmptyBatchRequest", "The batch request doesn't contain any entries.");
    }
    if (entries.size() > 10) {
      throw AwsException.badRequest("TooManyEntriesInBatchRequest",
          "The batch request contains more entries than permissible.");
    }
    var ids = new HashSet<String>();
    for (var entry : entries) {
      var id = entry.path("Id").asText("");
      if (!ids.add(id)) {
        throw AwsException.badRequest("BatchEntryIdsNotDistinct",
            "Two or more batch entries in the request have the same Id.");
      }
      if (!ENTRY_ID.matcher(id).matches()) {
        throw AwsException.badRequest("InvalidBatchEntryId",
            "The Id of a batch entry in a batch request doesn't abide by the specification.");
      }
    }
    var messages = new ArrayList<Message>();
    var successful = Json.array();
    var failed = Json.array();
    long bytes = 0;
    for (int i = 0; i < entries.size(); i++) {
      var entry = (ObjectNode) entries.get(i);
      var id = entry.path("Id").asText();
      try {
        var message = message(entry, i + 1);
        bytes += size(message);
        messages.add(message);
        successful.addObject().put("Id", id).put("MessageId", message.id);
      } catch (AwsException e) {
        if (!e.code().equals("InvalidParameter")) {
          throw e; // Wrong attributes fail the whole request.
        }
        failed.addObject().put("Id", id).put("Code", e.code()).put("Message", e.getMessage()).put("SenderFault", true);
      }
    }
    if (bytes > MAX_BYTES) {
      throw AwsException.badRequest("BatchRequestTooLong",
          "The length of all the messages put together is more than the limit.");
    }
    messages.forEach(message -> deliver(topic, message));
    var output = Json.object();
    output.set("Successful", successful);
    output.set("Failed", failed);
    return output;
  }

  /** @param position in a batch, from 1; 0 outside of one */
  private static Message message(ObjectNode input, int position) {
    var subject = Json.text(input, "Subject");
    if (subject != null && !SUBJECT.matcher(subject).matches()) {
      throw invalid("Subject");
    }
    var body = Json.text(input, "Message");
    if (body == null || body.isEmpty()) {
      throw invalid("Empty message");
    }
    if (input.hasNonNull("MessageDeduplicationId")) {
      throw invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not "
          + "valid for this topic type");
    }
    var attributes = input.path("MessageAttributes");
    attributes.properties().forEach(attribute -> checkAttribute(attribute.getKey(), attribute.getValue(), position));
    var structure = Json.text(input, "MessageStructure");
    boolean structured = "json".equals(structure);
    if (structure != null && !structured) {
      throw invalid("MessageStructure");
    }
    if (structured) {
      JsonNode texts;
      try {
        texts = Json.parse(body);
      } catch (IllegalArgumentException e) {
        throw invalid("Message Structure - JSON message body failed to parse");
      }
      if (!texts.path("default").isTextual()) {
        throw invalid("Message Structure - No default entry in JSON message body");
      }
    }
    return new Message(UUID.randomUUID().toString(), Instant.now().truncatedTo(ChronoUnit.MILLIS), body, structured,
        subject, attributes, Json.text(input, "MessageGroupId"));
  }

  private static void checkAttribute(String name, JsonNode attribute, int position) {
    if (name.isEmpty() || name.length() > 256) {
      throw invalidValue("Length of message attribute name must be less than 256 bytes.");
    }
    if (name.startsWith(".") || name.endsWith(".")) {
      throw invalidValue("Invalid message attribute name " + (name.startsWith(".") ? "starting" : "ending")
          + " with character '.' was found.");
    }
    name.codePoints().filter(c -> !(c < 128 && (Character.isLetterOrDigit(c) || "_-.".indexOf(c) >= 0))).findFirst()
        .ifPresent(c -> {
          throw invalidValue("Invalid non-alphanumeric character '#x"
              + Integer.toHexString(c).toUpperCase(java.util.Locale.ROOT) + "' was found in the message attribute name. Can only include alphanumeric characters, hyphens, "
              + "underscores, or dots.");
        });
    if (name.contains("..")) {
      throw invalidValue("Message attribute name can not have successive '.' character.");
    }
    var type = Json.text(attribute, "DataType");
    if (type == null) {
      var at = (position == 0 ? "" : "publishBatchRequestEntries." + position + ".member.")
          + "messageAttributes." + name + ".member.dataType";
      throw AwsException.badRequest("ValidationError", "1 validation error detected: Value null at '" + at
          + "' failed to satisfy constraint: Member must not be null");
    }
    if (!type.matches("(String|Number|Binary)(\\..+)?")) {
      throw invalidValue("The message attribute '" + name + "' has an invalid message attribute type, the set of supported "
          + "type prefixes is Binary, Number, and String.");
    }
    var field = type.startsWith("Binary") ? "Binary" : "String";
    var other = field.equals("Binary") ? "StringValue" : "BinaryValue";
    if (!attribute.has(field + "Value") && attribute.has(other)) {
      throw invalidValue("The message attribute '" + name + "' with type '" + type + "' must use field '" + field + "'.");
    }
    var value = attribute.path(field + "Value").asText("");
    if (value.isEmpty()) {
      throw invalidValue("The message attribute '" + name + "' must contain non-empty message attribute value for message "
          + "attribute type '" + type + "'.");
    }
    if (type.equals("Number") || type.startsWith("Number.")) {
      try {
        new BigDecimal(value);
      } catch (NumberFormatException e) {
        throw invalidValue("Could not cast message attribute '" + name + "' value to number.");
      }
    }
  }

  private static long size(Message message) {
    long size = message.body.getBytes(UTF_8).length;
    for (var attribute : message.attributes.properties()) {
      var value = attribute.getValue();
      size += attribute.getKey().length() + value.path("DataType").asText().length()
          + value.path("StringValue").asText().getBytes(UTF_8).length + value.path("BinaryValue").asText().length() / 4 * 3;
    }
    return size;
  }

  // Delivery

  private void deliver(Topic topic, Message message) {
    for (var subscription : of(topic.arn)) {
      if (accepts(subscription, message)) {
        deliveries.execute(() -> deliver(topic, subscription, message));
      }
    }
  }

  private void deliver(Topic topic, Subscription subscription, Message message) {
    for (int retry = 0; subscriptions.containsKey(subscription.arn); retry++) {
      try {
        if (retry > 0) {
          Thread.sleep(pauses.apply(retry));
        }
        if (subscription.protocol.equals("sqs")) {
          send(subscription.endpoint, topic, subscription, message);
        } else {
          aws.call("lambda", "Invoke", Json.object().put("FunctionName", subscription.endpoint)
              .put("InvocationType", "Event").put("Payload", Base64.getEncoder().encodeToString(
                  Json.write(lambdaEvent(topic, subscription, message)).getBytes(UTF_8))), new Caller(topic.arn));
        }
        return;
      } catch (InterruptedException e) {
        return; // The local cloud stops.
      } catch (RuntimeException e) {
        boolean refused = e instanceof AwsException failure && failure.status() < 500 && failure.status() != 429
            && !failure.code().contains("Throttl") && !failure.code().contains("TooManyRequests");
        if (refused || retry == 0) {
          var target = subscription.endpoint.substring(subscription.endpoint.lastIndexOf(':') + 1);
          log.event("message", topic.name() + " -> " + Sqs.shortName(target)
              + (refused ? " refused: " : " fails, is retried: ") + e.getMessage());
        }
        if (refused) {
          toDeadLetters(topic, subscription, message);
          return;
        }
      }
    }
  }

  private void toDeadLetters(Topic topic, Subscription subscription, Message message) {
    var policy = subscription.settings.get("RedrivePolicy");
    if (policy == null) {
      return;
    }
    var arn = Json.parse(policy).path("deadLetterTargetArn").asText();
    try {
      send(arn, topic, subscription, message);
    } catch (RuntimeException e) {
      log.event("message", topic.name() + " -> dead-letter queue " + arn + " refused: " + e.getMessage());
    }
  }

  private void send(String queueArn, Topic topic, Subscription subscription, Message message) {
    var input = Json.object().put("QueueUrl", "https://sqs." + Settings.REGION + ".amazonaws.com/" + Settings.ACCOUNT + "/"
        + queueArn.substring(queueArn.lastIndexOf(':') + 1));
    if (message.group != null) {
      input.put("MessageGroupId", message.group);
    }
    if (subscription.raw()) {
      input.put("MessageBody", message.text("sqs"));
      if (!message.attributes.isEmpty()) {
        input.set("MessageAttributes", message.attributes);
      }
    } else {
      input.put("MessageBody", envelope(topic, subscription, message));
    }
    aws.call("sqs", "SendMessage", input, new Caller(topic.arn));
  }

  /** The notification, laid out as SNS lays it out. */
  private String envelope(Topic topic, Subscription subscription, Message message) {
    var members = new LinkedHashMap<String, String>();
    members.put("Type", "Notification");
    members.put("MessageId", message.id);
    members.put("TopicArn", topic.arn);
    if (message.subject != null) {
      members.put("Subject", message.subject);
    }
    members.put("Message", message.text(subscription.protocol));
    members.put("Timestamp", MILLIS.format(message.time));
    members.put("SignatureVersion", topic.settings.getOrDefault("SignatureVersion", "1"));
    members.put("Signature", signature(topic, message, subscription.protocol));
    members.put("SigningCertURL", certificateUrl());
    members.put("UnsubscribeURL", unsubscribeUrl(subscription));
    var lines = new ArrayList<String>();
    members.forEach((name, value) -> lines.add("  \"" + name + "\" : " + Json.write(value)));
    if (!message.attributes.isEmpty()) {
      var attributes = new ArrayList<String>();
      attributes(message).properties().forEach(attribute ->
          attributes.add("    " + Json.write(attribute.getKey()) + " : " + Json.write(attribute.getValue())));
      lines.add("  \"MessageAttributes\" : {\n" + String.join(",\n", attributes) + "\n  }");
    }
    return "{\n" + String.join(",\n", lines) + "\n}";
  }

  private ObjectNode lambdaEvent(Topic topic, Subscription subscription, Message message) {
    var event = Json.object();
    var record = event.putArray("Records").addObject().put("EventSource", "aws:sns").put("EventVersion", "1.0")
        .put("EventSubscriptionArn", subscription.arn);
    record.putObject("Sns").put("Type", "Notification").put("MessageId", message.id).put("TopicArn", topic.arn)
        .put("Subject", message.subject).put("Message", message.text("lambda"))
        .put("Timestamp", MILLIS.format(message.time))
        .put("SignatureVersion", topic.settings.getOrDefault("SignatureVersion", "1"))
        .put("Signature", signature(topic, message, "lambda"))
        .put("SigningCertUrl", certificateUrl()).put("UnsubscribeUrl", unsubscribeUrl(subscription))
        .set("MessageAttributes", attributes(message));
    return event;
  }

  private static ObjectNode attributes(Message message) {
    var attributes = Json.object();
    message.attributes.properties().forEach(attribute -> attributes.putObject(attribute.getKey())
        .put("Type", attribute.getValue().path("DataType").asText())
        .put("Value", attribute.getValue().has("StringValue") ? attribute.getValue().path("StringValue").asText()
            : attribute.getValue().path("BinaryValue").asText()));
    return attributes;
  }

  private String signature(Topic topic, Message message, String protocol) {
    var text = new StringBuilder("Message\n").append(message.text(protocol)).append("\nMessageId\n").append(message.id);
    if (message.subject != null) {
      text.append("\nSubject\n").append(message.subject);
    }
    text.append("\nTimestamp\n").append(MILLIS.format(message.time)).append("\nTopicArn\n").append(topic.arn)
        .append("\nType\nNotification\n");
    try {
      var mac = Mac.getInstance("HmacSHA1");
      mac.init(key);
      return Base64.getEncoder().encodeToString(mac.doFinal(text.toString().getBytes(UTF_8)));
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private static String certificateUrl() {
    return "https://sns." + Settings.REGION + ".amazonaws.com/SimpleNotificationService-local.pem";
  }

  private static String unsubscribeUrl(Subscription subscription) {
    return "https://sns." + Settings.REGION + ".amazonaws.com/?Action=Unsubscribe&SubscriptionArn=" + subscription.arn;
  }

  // Input and errors

  private Topic topic(ObjectNode input) {
    return existing(arn(input, "TopicArn"));
  }

  private Topic existing(String arn) {
    var topic = topics.get(arn);
    if (topic == null) {
      throw new AwsException(404, "NotFound", "Topic does not exist");
    }
    return topic;
  }

  private Subscription subscription(ObjectNode input) {
    var subscription = subscriptions.get(arn(input, "SubscriptionArn"));
    if (subscription == null) {
      throw new AwsException(404, "NotFound", "Subscription does not exist");
    }
    return subscription;
  }

  private static String arn(ObjectNode input, String member) {
    var arn = require(input, member);
    int elements = arn.split(":", -1).length;
    if (elements < 6 || !arn.startsWith("arn:")) {
      throw invalid(member + " Reason: An ARN must have at least 6 elements, not " + elements);
    }
    return arn;
  }

  private static String require(ObjectNode input, String member) {
    var value = Json.text(input, member);
    if (value == null || value.isEmpty()) {
      throw invalid(member + " Reason: no value for required parameter");
    }
    return value;
  }

  private static Map<String, String> strings(ObjectNode input, String member) {
    var strings = new LinkedHashMap<String, String>();
    input.path(member).properties().forEach(entry -> strings.put(entry.getKey(), entry.getValue().asText()));
    return strings;
  }

  private static ObjectNode list(ObjectNode input, String member, java.util.Collection<String> arns,
      java.util.function.Function<String, ObjectNode> shown) {
    var token = Json.text(input, "NextToken");
    var rest = arns.stream().filter(arn -> token == null || arn.compareTo(token) > 0).toList();
    var output = Json.object();
    var list = output.putArray(member);
    rest.stream().limit(100).map(shown).forEach(list::add);
    if (rest.size() > 100) {
      output.put("NextToken", rest.get(99));
    }
    return output;
  }

  private static AwsException invalid(String reason) {
    return AwsException.badRequest("InvalidParameter", "Invalid parameter: " + reason);
  }

  private static AwsException invalidValue(String message) {
    return AwsException.badRequest("ParameterValueInvalid", message);
  }

  // CloudFormation

  @Override
  public Map<String, Provisioner> provisioners() {
    return Map.of("AWS::SNS::Topic", this::provisionTopic, "AWS::SNS::Subscription", this::provisionSubscription,
        "AWS::SNS::TopicPolicy", this::provisionPolicy);
  }

  private Provisioner.Provisioned provisionTopic(Provisioner.Resource resource) {
    resource.allowOnly("TopicName", "DisplayName", "KmsMasterKeyId", "TracingConfig", "SignatureVersion", "FifoTopic",
        "Subscription", "Tags");
    var properties = resource.properties();
    var settings = new LinkedHashMap<String, String>();
    properties.properties().forEach(property -> {
      if (!Set.of("TopicName", "Subscription", "Tags").contains(property.getKey())) {
        settings.put(property.getKey(), property.getValue().asText());
      }
    });
    var name = properties.path("TopicName").asText(resource.name());
    return honoured(() -> {
      var arn = createTopic(name, settings, tagsOf(properties));
      for (var subscription : properties.path("Subscription")) {
        subscribe(arn, subscription.path("Protocol").asText(), subscription.path("Endpoint").asText(), Map.of(),
            Caller.ADMINISTRATOR);
      }
      return new Provisioner.Provisioned(arn, Map.of("TopicArn", arn, "TopicName", name));
    });
  }

  private Provisioner.Provisioned provisionSubscription(Provisioner.Resource resource) {
    resource.allowOnly("TopicArn", "Protocol", "Endpoint", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery",
        "RedrivePolicy", "Region");
    var properties = resource.properties();
    if (!properties.path("Region").asText(Settings.REGION).equals(Settings.REGION)) {
      throw new IllegalArgumentException("property Region: the local cloud has " + Settings.REGION + " only");
    }
    var settings = new LinkedHashMap<String, String>();
    SUBSCRIPTION_SETTINGS.forEach(name -> {
      var value = properties.get(name);
      if (value != null) {
        settings.put(name, value.isContainerNode() ? Json.write(value) : value.asText());
      }
    });
    return honoured(() -> {
      var arn = subscribe(topic(properties).arn, require(properties, "Protocol"), Json.text(properties, "Endpoint"),
          settings, Caller.ADMINISTRATOR);
      return new Provisioner.Provisioned(arn, Map.of("Arn", arn));
    });
  }

  private Provisioner.Provisioned provisionPolicy(Provisioner.Resource resource) {
    resource.allowOnly("Topics", "PolicyDocument");
    var policy = resource.properties().path("PolicyDocument");
    if (!(resource.properties().get("Topics") instanceof ArrayNode arns) || arns.isEmpty()) {
      throw new IllegalArgumentException("property Topics names no topic");
    }
    return honoured(() -> {
      synchronized (this) {
        var text = policy.isTextual() ? policy.asText() : Json.write(policy);
        arns.forEach(arn -> set(existing(arn.asText()), "Policy", text));
      }
      return new Provisioner.Provisioned(resource.name(), Map.of("Id", resource.name()));
    });
  }

  private static Provisioner.Provisioned honoured(java.util.function.Supplier<Provisioner.Provisioned> provision) {
    try {
      return provision.get();
    } catch (AwsException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }
}
