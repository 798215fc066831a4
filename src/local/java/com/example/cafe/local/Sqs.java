package com.example.cafe.local;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.typesafe.config.ConfigFactory;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.pekko.actor.ActorSystem;
import org.elasticmq.NodeAddress;
import org.elasticmq.RelaxedSQSLimits$;
import org.elasticmq.rest.sqs.SQSRestServerBuilder;
import org.jspecify.annotations.Nullable;

/**
 * Amazon SQS. ElasticMQ, in this JVM, holds the messages: visibility, delays, order, deduplication, redrive. Queues'
 * attributes, limits, tags, policies and the wording of errors are SQS's and live here.
 *
 * <p>A call in the name of an AWS service (a caller that is an SNS topic's ARN, for example) needs a statement in the
 * queue's policy when the queue comes from the template, or has a policy.
 *
 * <p>Not as in SQS: a queue can be purged, or made again after its deletion, at once instead of after 60 seconds.
 */
final class Sqs implements Service {
  private static final int MAX_BYTES = 1_048_576;
  private static final BigInteger FIRST_SEQUENCE = new BigInteger("18849496460467696128");
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_-]{1,80}");
  private static final Pattern FIFO_NAME = Pattern.compile("[A-Za-z0-9_-]{1,75}\\.fifo");
  private static final Pattern ENTRY_ID = Pattern.compile("[A-Za-z0-9_-]{1,80}");
  private static final Pattern FIFO_TOKEN = Pattern.compile("[\\x21-\\x7e]{1,128}");
  private static final Pattern RECEIPT = Pattern.compile("[0-9a-f-]{36}#[0-9a-f-]{36}");

  /** The attributes that take a number, with their limits. */
  private static final Map<String, int[]> RANGES = Map.of(
      "DelaySeconds", new int[] {0, 900},
      "MaximumMessageSize", new int[] {1024, MAX_BYTES},
      "MessageRetentionPeriod", new int[] {60, 1_209_600},
      "ReceiveMessageWaitTimeSeconds", new int[] {0, 20},
      "VisibilityTimeout", new int[] {0, 43_200},
      "KmsDataKeyReusePeriodSeconds", new int[] {60, 86_400});
  private static final Set<String> OTHER_SETTINGS =
      Set.of("Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId", "SqsManagedSseEnabled");
  private static final Set<String> FIFO_SETTINGS =
      Set.of("FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit");
  private static final Set<String> FACTS = Set.of("QueueArn", "CreatedTimestamp", "LastModifiedTimestamp",
      "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed");
  private static final Set<String> MESSAGE_FACTS = Set.of("All", "SenderId", "SentTimestamp", "ApproximateReceiveCount",
      "ApproximateFirstReceiveTimestamp", "SequenceNumber", "MessageDeduplicationId", "MessageGroupId",
      "AWSTraceHeader", "DeadLetterQueueSourceArn");
  private static final Set<String> STATEMENT = Set.of("Sid", "Effect", "Principal", "Action", "Resource", "Condition");
  private static final Set<String> CONDITIONS = Set.of("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike",
      "StringEquals", "StringLike", "StringNotEquals", "StringNotLike", "Bool");
  /** What ElasticMQ itself acts on. */
  private static final Set<String> PASSED_ON = Set.of("DelaySeconds", "ReceiveMessageWaitTimeSeconds",
      "VisibilityTimeout", "RedrivePolicy", "FifoQueue", "ContentBasedDeduplication");

  private final String endpoint;
  private final EventLog log;
  private final Clock clock;
  private final Map<String, Queue> queues = new ConcurrentSkipListMap<>();
  private final ActorSystem actors;
  private final URI elasticMq;
  private final HttpClient http = HttpClient.newBuilder()
      .version(HttpClient.Version.HTTP_1_1)
      .executor(Executors.newVirtualThreadPerTaskExecutor())
      .build();

  /** @param settings what was set, defaults left out; replaced as a whole on a change */
  private static final class Queue {
    final String name;
    final boolean fromTemplate;
    final long created = System.currentTimeMillis() / 1000;
    volatile long modified = created;
    volatile Map<String, String> settings;
    volatile Map<String, String> tags;

    Queue(String name, boolean fromTemplate, Map<String, String> settings, Map<String, String> tags) {
      this.name = name;
      this.fromTemplate = fromTemplate;
      this.settings = Map.copyOf(settings);
      this.tags = Map.copyOf(tags);
    }

    String arn() {
      return Settings.arn("sqs", name);
    }

    boolean fifo() {
      return name.endsWith(".fifo");
    }

    Map<String, String> allSettings() {
      var all = defaults(fifo());
      all.putAll(settings);
      if (settings.containsKey("KmsMasterKeyId")) {
        all.put("SqsManagedSseEnabled", "false");
        all.putIfAbsent("KmsDataKeyReusePeriodSeconds", "300");
      }
      return all;
    }

    int number(String setting) {
      return Integer.parseInt(String.valueOf(allSettings().get(setting)));
    }

    static Map<String, String> defaults(boolean fifo) {
      var all = new LinkedHashMap<String, String>();
      all.put("VisibilityTimeout", "30");
      all.put("DelaySeconds", "0");
      all.put("MaximumMessageSize", String.valueOf(MAX_BYTES));
      all.put("MessageRetentionPeriod", "345600");
      all.put("ReceiveMessageWaitTimeSeconds", "0");
      all.put("SqsManagedSseEnabled", "true");
      if (fifo) {
        all.put("FifoQueue", "true");
        all.put("ContentBasedDeduplication", "false");
        all.put("DeduplicationScope", "queue");
        all.put("FifoThroughputLimit", "perQueue");
      }
      return all;
    }
  }

  /**
   * Starts ElasticMQ on a free port; takes about a second.
   *
   * @param endpoint the endpoint that clients know, for queue URLs: "http://localhost:4566"
   */
  Sqs(String endpoint, EventLog log) {
    this(endpoint, log, Clock.systemUTC());
  }

  /** @param clock what messages grow too old by; ElasticMQ has the system's */
  Sqs(String endpoint, EventLog log, Clock clock) {
    this.endpoint = endpoint;
    this.log = log;
    this.clock = clock;
    var address = URI.create(endpoint);
    // It ends when close() says so, not by a hook of its own while functions still run; it never keeps the JVM up.
    actors = ActorSystem.create("elasticmq", ConfigFactory.parseString("""
        pekko.daemonic = on
        pekko.jvm-shutdown-hooks = off
        pekko.coordinated-shutdown.run-by-jvm-shutdown-hook = off
        """).withFallback(ConfigFactory.load()));
    var server = SQSRestServerBuilder.withActorSystem(actors).withInterface("127.0.0.1").withPort(0)
        .withServerAddress(new NodeAddress(address.getScheme(), address.getHost(), address.getPort(), ""))
        .withAWSRegion(Settings.REGION)
        .withAWSAccountId(Settings.ACCOUNT)
        .withSQSLimits(RelaxedSQSLimits$.MODULE$)
        .start();
    elasticMq = URI.create("http://127.0.0.1:" + server.waitUntilStarted().localAddress().getPort() + "/");
  }

  @Override
  public String name() {
    return "sqs";
  }

  @Override
  public void close() {
    http.shutdownNow();
    // Not the server's own stop: that waits for the long polls.
    actors.terminate();
    try {
      actors.getWhenTerminated().toCompletableFuture().get(2, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (ExecutionException | TimeoutException e) {
      log.event("stop", "ElasticMQ is slow to stop: " + e);
    }
  }

  /** The code that clients of the former query protocol know an error by; the SDKs still show it to the program. */
  static String queryErrorCode(String code) {
    return switch (code) {
      case "QueueDoesNotExist" -> "AWS.SimpleQueueService.NonExistentQueue";
      case "QueueNameExists" -> "QueueAlreadyExists";
      case "InvalidParameterValueException" -> "InvalidParameterValue";
      case "MissingRequiredParameterException" -> "MissingParameter";
      case "SerializationException" -> "MalformedInput";
      case "UnknownOperationException" -> "InvalidAction";
      case "BatchEntryIdsNotDistinct", "BatchRequestTooLong", "EmptyBatchRequest", "InvalidBatchEntryId",
          "MessageNotInflight", "PurgeQueueInProgress", "QueueDeletedRecently", "TooManyEntriesInBatchRequest",
          "UnsupportedOperation" -> "AWS.SimpleQueueService." + code;
      default -> code;
    };
  }

  @Override
  public ObjectNode call(String operation, ObjectNode input, Caller caller) {
    try {
      return serve(operation, input, caller);
    } catch (AwsException e) {
      throw new AwsException(e.status(), e.code(), e.getMessage(), e.members(), queryErrorCode(e.code()));
    }
  }

  private ObjectNode serve(String operation, ObjectNode input, Caller caller) {
    return switch (operation) {
      case "CreateQueue" -> createQueue(input);
      case "DeleteQueue" -> deleteQueue(input);
      case "ListQueues" -> listQueues(input);
      case "GetQueueUrl" -> Json.object().put("QueueUrl", url(byName(require(input, "QueueName"))));
      case "GetQueueAttributes" -> getQueueAttributes(input);
      case "SetQueueAttributes" -> setQueueAttributes(input);
      case "PurgeQueue" -> forward(operation, queue(input), input);
      case "SendMessage" -> sendMessage(input, caller);
      case "SendMessageBatch" -> sendMessageBatch(input, caller);
      case "ReceiveMessage" -> receiveMessage(input);
      case "DeleteMessage" -> deleteMessage(input);
      case "ChangeMessageVisibility" -> changeMessageVisibility(input);
      case "DeleteMessageBatch" -> batch(operation, input, this::deleteMessage);
      case "ChangeMessageVisibilityBatch" -> batch(operation, input, this::changeMessageVisibility);
      case "TagQueue", "UntagQueue", "ListQueueTags" -> tags(operation, input);
      case "ListDeadLetterSourceQueues" -> listDeadLetterSourceQueues(input);
      case "StartMessageMoveTask" -> startMessageMoveTask(input);
      case "ListMessageMoveTasks" -> listMessageMoveTasks(input);
      case "CancelMessageMoveTask" -> post(operation, input);
      default -> throw AwsException.unknownOperation("SQS", operation);
    };
  }

  // Queues

  private ObjectNode createQueue(ObjectNode input) {
    var settings = strings(input, "Attributes");
    return Json.object().put("QueueUrl", createQueue(require(input, "QueueName"), settings, strings(input, "tags"), false));
  }

  private synchronized String createQueue(String name, Map<String, String> given, Map<String, String> tags,
      boolean fromTemplate) {
    boolean fifo = "true".equals(given.get("FifoQueue"));
    if (fifo ? !FIFO_NAME.matcher(name).matches() : !NAME.matcher(name).matches()) {
      throw invalidValue(fifo
          ? "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end "
              + "with .fifo suffix and be 1 to 80 in length."
          : "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length");
    }
    var settings = checkedSettings(given, name, fifo);
    var existing = queues.get(name);
    if (existing != null) {
      var current = existing.allSettings();
      settings.forEach((setting, value) -> {
        if (!value.equals(current.get(setting))) {
          throw AwsException.badRequest("QueueNameExists", "A queue already exists with the same name and a different "
              + "value for attribute " + setting);
        }
      });
      return url(existing);
    }
    var queue = new Queue(name, fromTemplate, settings, tags);
    var passedOn = Json.object();
    settings.forEach((setting, value) -> {
      if (PASSED_ON.contains(setting)) {
        passedOn.put(setting, value);
      }
    });
    var request = Json.object().put("QueueName", name);
    request.set("Attributes", passedOn);
    post("CreateQueue", request);
    queues.put(name, queue);
    return url(queue);
  }

  private ObjectNode deleteQueue(ObjectNode input) {
    var queue = queue(input);
    queues.remove(queue.name);
    return forward("DeleteQueue", queue, input);
  }

  private ObjectNode listQueues(ObjectNode input) {
    var prefix = input.path("QueueNamePrefix").asText("");
    return page(input, "QueueUrls",
        queues.values().stream().filter(queue -> queue.name.startsWith(prefix)).map(this::url).toList());
  }

  private ObjectNode listDeadLetterSourceQueues(ObjectNode input) {
    var arn = queue(input).arn();
    return page(input, "queueUrls", sources(arn).map(this::url).toList());
  }

  /** The queues whose redrive policy names this dead-letter queue. */
  private Stream<Queue> sources(String deadLetterArn) {
    return queues.values().stream().filter(queue -> {
      var policy = queue.settings.get("RedrivePolicy");
      return policy != null && deadLetterArn.equals(Json.text(Json.parse(policy), "deadLetterTargetArn"));
    });
  }

  private static ObjectNode page(ObjectNode input, String member, List<String> all) {
    int max = number(input, "MaxResults", 1000);
    if (max < 1 || max > 1000) {
      throw invalidValue("Value " + max + " for parameter MaxResults is invalid. Reason: Must be between 1 and 1000.");
    }
    var token = Json.text(input, "NextToken");
    var rest = token == null ? all : all.stream().dropWhile(url -> url.compareTo(token) <= 0).toList();
    var output = Json.object();
    if (!rest.isEmpty() || "queueUrls".equals(member)) {
      var list = output.putArray(member);
      rest.stream().limit(max).forEach(list::add);
    }
    if (rest.size() > max) {
      output.put("NextToken", rest.get(max - 1));
    }
    return output;
  }

  private ObjectNode getQueueAttributes(ObjectNode input) {
    var queue = queue(input);
    var names = texts(input, "AttributeNames");
    for (var name : names) {
      if (!name.equals("All") && !FACTS.contains(name) && !RANGES.containsKey(name) && !OTHER_SETTINGS.contains(name)
          && !FIFO_SETTINGS.contains(name)) {
        throw unknownAttribute(name);
      }
    }
    if (names.isEmpty()) {
      return Json.object();
    }
    var facts = Json.object();
    facts.set("AttributeNames", Json.array().add("All"));
    var counts = forward("GetQueueAttributes", queue, facts).path("Attributes");
    var all = queue.allSettings();
    all.put("QueueArn", queue.arn());
    all.put("CreatedTimestamp", String.valueOf(queue.created));
    all.put("LastModifiedTimestamp", String.valueOf(queue.modified));
    FACTS.stream().filter(fact -> fact.startsWith("Approximate")).sorted()
        .forEach(fact -> all.put(fact, counts.path(fact).asText("0")));
    var output = Json.object();
    var attributes = output.putObject("Attributes");
    all.forEach((name, value) -> {
      if (names.contains("All") || names.contains(name)) {
        attributes.put(name, value);
      }
    });
    return output;
  }

  private synchronized ObjectNode setQueueAttributes(ObjectNode input) {
    var queue = queue(input);
    change(queue, checkedSettings(strings(input, "Attributes"), queue.name, queue.fifo()));
    return Json.object();
  }

  private void change(Queue queue, Map<String, String> changes) {
    var settings = new LinkedHashMap<>(queue.settings);
    var passedOn = Json.object();
    changes.forEach((setting, value) -> {
      if (value.isEmpty()) {
        var old = settings.remove(setting);
        if (setting.equals("RedrivePolicy") && old != null) {
          // ElasticMQ cannot drop a redrive policy; its highest count comes nearest.
          passedOn.put(setting, Json.write(((ObjectNode) Json.parse(old)).put("maxReceiveCount", 1000)));
        }
      } else {
        if (setting.equals("FifoQueue") && !queue.fifo()) {
          throw unknownAttribute(setting);
        }
        settings.put(setting, value);
        if (PASSED_ON.contains(setting) && !FIFO_SETTINGS.contains(setting)) {
          passedOn.put(setting, value);
        }
      }
    });
    if ("true".equals(changes.get("SqsManagedSseEnabled"))) {
      settings.remove("KmsMasterKeyId");
    }
    if (!passedOn.isEmpty()) {
      var request = Json.object();
      request.set("Attributes", passedOn);
      forward("SetQueueAttributes", queue, request);
    }
    queue.settings = Map.copyOf(settings);
    queue.modified = System.currentTimeMillis() / 1000;
  }

  /** The settings as they are kept; an empty value takes a policy away. */
  private Map<String, String> checkedSettings(Map<String, String> given, String queueName, boolean fifo) {
    var settings = new LinkedHashMap<String, String>();
    given.forEach((name, value) -> {
      var range = RANGES.get(name);
      if (range != null) {
        if (!value.matches("\\d{1,9}") || Integer.parseInt(value) < range[0] || Integer.parseInt(value) > range[1]) {
          throw AwsException.badRequest("InvalidAttributeValue", "Invalid value for the parameter " + name + ".");
        }
        settings.put(name, String.valueOf(Integer.parseInt(value)));
        return;
      }
      if (FIFO_SETTINGS.contains(name) && !fifo || !OTHER_SETTINGS.contains(name) && !FIFO_SETTINGS.contains(name)) {
        throw unknownAttribute(name);
      }
      settings.put(name, switch (name) {
        case "RedrivePolicy" -> value.isEmpty() ? "" : redrivePolicy(value, queueName, fifo);
        case "RedriveAllowPolicy" -> value.isEmpty() ? "" : redriveAllowPolicy(value);
        case "Policy" -> value.isEmpty() ? "" : policy(value);
        case "SqsManagedSseEnabled", "ContentBasedDeduplication" -> oneOf(name, value, "true", "false");
        case "FifoQueue" -> oneOf(name, value, "true");
        // Per group would need ElasticMQ to deduplicate per group: refused, by name, as any other value is.
        case "DeduplicationScope" -> oneOf(name, value, "queue");
        case "FifoThroughputLimit" -> oneOf(name, value, "perQueue");
        default -> value;
      });
    });
    return settings;
  }

  private static String oneOf(String name, String value, String... values) {
    if (!List.of(values).contains(value)) {
      throw AwsException.badRequest("InvalidAttributeValue", "Invalid value for the parameter " + name + ".");
    }
    return value;
  }

  private static String policy(String value) {
    JsonNode policy;
    try {
      policy = Json.parse(value);
    } catch (IllegalArgumentException e) {
      policy = Json.object(); // Refused below: SQS answers the same for what is no JSON and what is no policy.
    }
    if (!policy.path("Statement").isContainerNode()) {
      throw AwsException.badRequest("InvalidAttributeValue", "Invalid value for the parameter Policy.");
    }
    for (var statement : list(policy.path("Statement"))) {
      var unknown = Stream.concat(
          statement.properties().stream().map(Map.Entry::getKey).filter(member -> !STATEMENT.contains(member)),
          statement.path("Condition").properties().stream().map(Map.Entry::getKey).filter(o -> !CONDITIONS.contains(o)));
      unknown.findFirst().ifPresent(name -> {
        throw AwsException.badRequest("InvalidAttributeValue",
            "Invalid value for the parameter Policy. The local cloud does not support " + name + " in a queue's policy.");
      });
    }
    return value;
  }

  private String redrivePolicy(String value, String queueName, boolean fifo) {
    Predicate<JsonNode> count = node -> node.asText().matches("\\d{1,4}")
        && node.asInt() >= 1 && node.asInt() <= 1000;
    var policy = map("RedrivePolicy", "Redrive policy", value);
    for (var member : List.of("maxReceiveCount", "deadLetterTargetArn")) {
      if (!policy.has(member)) {
        throw invalid("RedrivePolicy", value, "Redrive policy does not contain mandatory attribute: " + member + ".");
      }
    }
    if (!count.test(policy.path("maxReceiveCount"))) {
      throw invalid("RedrivePolicy", value, "Invalid value for maxReceiveCount: " + policy.path("maxReceiveCount").asText()
          + ", valid values are from 1 to 1000 both inclusive.");
    }
    var arn = policy.path("deadLetterTargetArn").asText();
    var target = arn.startsWith(Settings.arn("sqs", "")) ? queues.get(arn.substring(arn.lastIndexOf(':') + 1)) : null;
    if (target == null) {
      throw invalid("RedrivePolicy", value, "Dead letter target does not exist.");
    }
    if (target.fifo() != fifo) {
      throw invalid("RedrivePolicy", value, "Dead-letter queue must be same type of queue as the source.");
    }
    var allow = target.settings.get("RedriveAllowPolicy");
    if (allow != null) {
      var node = Json.parse(allow);
      var permission = node.path("redrivePermission").asText();
      boolean named = permission.equals("byQueue")
          && texts((ObjectNode) node, "sourceQueueArns").contains(Settings.arn("sqs", queueName));
      if (!permission.equals("allowAll") && !named) {
        throw invalid("RedrivePolicy", value,
            "Dead letter target owner should have permission to use the dead letter queue: its RedriveAllowPolicy is "
                + permission + ".");
      }
    }
    return Json.write(Json.object().put("deadLetterTargetArn", arn)
        .put("maxReceiveCount", policy.path("maxReceiveCount").asInt()));
  }

  private static String redriveAllowPolicy(String value) {
    var policy = map("RedriveAllowPolicy", "Redrive allow policy", value);
    var permission = policy.path("redrivePermission").asText();
    if (!Set.of("allowAll", "denyAll", "byQueue").contains(permission)) {
      throw invalid("RedriveAllowPolicy", value, "Invalid value for redrivePermission: " + permission + ".");
    }
    int sources = policy.path("sourceQueueArns").size();
    if (permission.equals("byQueue") ? sources < 1 || sources > 10 : policy.has("sourceQueueArns")) {
      throw invalid("RedriveAllowPolicy", value, "sourceQueueArns must hold 1 to 10 ARNs with redrivePermission byQueue, "
          + "and must be absent otherwise.");
    }
    return value;
  }

  private static ObjectNode map(String parameter, String what, String value) {
    try {
      if (Json.parse(value) instanceof ObjectNode object) {
        return object;
      }
    } catch (IllegalArgumentException e) {
      // Refused below, with SQS's words.
    }
    throw invalid(parameter, value, what + " is not a valid JSON map.");
  }

  private ObjectNode tags(String operation, ObjectNode input) {
    var queue = queue(input);
    var tags = new TreeMap<>(queue.tags);
    switch (operation) {
      case "TagQueue" -> tags.putAll(strings(input, "Tags"));
      case "UntagQueue" -> texts(input, "TagKeys").forEach(tags::remove);
      default -> {
        var output = Json.object();
        if (!tags.isEmpty()) {
          tags.forEach(output.putObject("Tags")::put);
        }
        return output;
      }
    }
    if (tags.size() > 50) {
      throw invalidValue("Too many tags added for queue " + queue.name + ".");
    }
    queue.tags = Map.copyOf(tags);
    return Json.object();
  }

  // Messages

  private ObjectNode sendMessage(ObjectNode input, Caller caller) {
    var queue = queue(input);
    authorize(queue, caller);
    checkMessage(queue, input);
    var output = withSequence(forward("SendMessage", queue, input));
    logSent(queue, input, output);
    return output;
  }

  private ObjectNode sendMessageBatch(ObjectNode input, Caller caller) {
    var queue = queue(input);
    var entries = entries("SendMessageBatch", input);
    authorize(queue, caller);
    int bytes = entries.stream().mapToInt(Sqs::bytes).sum();
    if (bytes > MAX_BYTES) {
      throw AwsException.badRequest("BatchRequestTooLong", "Batch requests cannot be longer than " + MAX_BYTES
          + " bytes. You have sent " + bytes + " bytes.");
    }
    var good = Json.array();
    var failed = Json.array();
    for (var entry : entries) {
      try {
        checkMessage(queue, entry);
        good.add(entry);
      } catch (AwsException e) {
        failed.add(failure(entry, e));
      }
    }
    var output = Json.object();
    if (!good.isEmpty()) {
      var request = Json.object();
      request.set("Entries", good);
      var answer = forward("SendMessageBatch", queue, request);
      var successful = Json.array();
      answer.path("Successful").forEach(sent -> {
        successful.add(withSequence((ObjectNode) sent));
        entries.stream().filter(entry -> entry.path("Id").equals(sent.path("Id"))).findFirst()
            .ifPresent(entry -> logSent(queue, entry, sent));
      });
      answer.path("Failed").forEach(failed::add);
      output.set("Successful", successful);
    }
    if (!failed.isEmpty()) {
      output.set("Failed", failed);
    }
    return output;
  }

  private static ObjectNode withSequence(ObjectNode answer) {
    var sequence = Json.text(answer, "SequenceNumber");
    if (sequence != null) {
      answer.put("SequenceNumber", FIRST_SEQUENCE.add(new BigInteger(sequence)).toString());
    }
    return answer;
  }

  private void logSent(Queue queue, JsonNode message, JsonNode answer) {
    log.event("message", shortName(queue.name) + " <- " + eventType(message) + answer.path("MessageId").asText()
        + ", " + bytes(message) + " bytes");
  }

  static String shortName(String name) {
    return name.startsWith(Settings.STACK + "-") ? name.substring(Settings.STACK.length() + 1) : name;
  }

  private static String eventType(JsonNode message) {
    var type = message.path("MessageAttributes").path("type").path("StringValue").asText("");
    var body = message.path("MessageBody").asText();
    if (type.isEmpty() && body.startsWith("{") && body.contains("\"Notification\"")) {
      try {
        type = Json.parse(body).path("MessageAttributes").path("type").path("Value").asText("");
      } catch (IllegalArgumentException e) {
        return "";
      }
    }
    return type.isEmpty() ? "" : type + " ";
  }

  private void checkMessage(Queue queue, ObjectNode message) {
    var body = Json.text(message, "MessageBody");
    if (body == null || body.isEmpty()) {
      throw missing("MessageBody");
    }
    checkCharacters(body);
    var attributes = message.path("MessageAttributes");
    if (attributes.size() > 10) {
      throw invalidValue("Number of message attributes [" + attributes.size() + "] exceeds the allowed maximum [10].");
    }
    attributes.properties().forEach(attribute -> checkAttribute(attribute.getKey(), attribute.getValue()));
    int limit = queue.number("MaximumMessageSize");
    if (bytes(message) > limit) {
      throw invalidValue("One or more parameters are invalid. Reason: Message must be shorter than " + limit + " bytes.");
    }
    int delay = number(message, "DelaySeconds", 0);
    if (delay < 0 || delay > 900) {
      throw invalid("DelaySeconds", String.valueOf(delay), "DelaySeconds must be >= 0 and <= 900.");
    }
    var group = Json.text(message, "MessageGroupId");
    var deduplication = Json.text(message, "MessageDeduplicationId");
    if (group != null && !FIFO_TOKEN.matcher(group).matches()) {
      throw invalid("MessageGroupId", group, "MessageGroupId can only include alphanumeric and punctuation characters. "
          + "1 to 128 in length.");
    }
    if (deduplication != null && !FIFO_TOKEN.matcher(deduplication).matches()) {
      throw invalid("MessageDeduplicationId", deduplication, "MessageDeduplicationId can only include alphanumeric and "
          + "punctuation characters. 1 to 128 in length.");
    }
    if (!queue.fifo()) {
      if (deduplication != null) {
        throw invalid("MessageDeduplicationId", deduplication,
            "The request includes a parameter that is not valid for this queue type.");
      }
      return;
    }
    if (group == null) {
      throw missing("MessageGroupId");
    }
    if (message.hasNonNull("DelaySeconds") && delay > 0) {
      throw invalid("DelaySeconds", String.valueOf(delay),
          "The request include parameter that is not valid for this queue type.");
    }
    message.remove("DelaySeconds");
    if (deduplication == null && !"true".equals(queue.settings.get("ContentBasedDeduplication"))) {
      throw invalidValue("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId "
          + "provided explicitly");
    }
    if (deduplication == null) {
      // Here and not by ElasticMQ, which does not learn of a later SetQueueAttributes.
      message.put("MessageDeduplicationId", HexFormat.of().formatHex(digest("SHA-256").digest(body.getBytes(UTF_8))));
    }
  }

  private static void checkAttribute(String name, JsonNode attribute) {
    if (!name.matches("[A-Za-z0-9_.-]{1,256}") || name.startsWith(".") || name.endsWith(".") || name.contains("..")) {
      throw invalidValue("Message attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.); "
          + "it must not start or end with a period, nor have periods in succession. Invalid name: " + name);
    }
    if (name.toLowerCase(java.util.Locale.ROOT).matches("(aws|amazon)\\..*")) {
      throw invalidValue("Message attribute name can not start with 'AWS.' or 'Amazon.'. Invalid name: " + name);
    }
    var type = attribute.path("DataType").asText("");
    if (type.isEmpty()) {
      throw invalidValue("The message attribute '" + name + "' must contain a non-empty message attribute type.");
    }
    var kind = type.split("\\.", 2)[0];
    if (!Set.of("String", "Number", "Binary").contains(kind) || type.length() > 256) {
      throw invalidValue("The message attribute '" + name + "' has an invalid message attribute type, the set of "
          + "supported type prefixes is Binary, Number, and String.");
    }
    var value = attribute.path(kind.equals("Binary") ? "BinaryValue" : "StringValue").asText("");
    if (value.isEmpty()) {
      throw invalidValue("Message (user) attribute '" + name + "' must contain a non-empty value of type '" + kind + "'.");
    }
    switch (kind) {
      case "String" -> checkCharacters(value);
      case "Number" -> {
        try {
          new BigDecimal(value.strip());
        } catch (NumberFormatException e) {
          throw invalidValue("Can't cast the value of message (user) attribute '" + name + "' to a number.");
        }
      }
      default -> {
        try {
          Base64.getDecoder().decode(value);
        } catch (IllegalArgumentException e) {
          throw AwsException.badRequest("SerializationException", "BinaryValue of " + name + " is not base64");
        }
      }
    }
  }

  private static void checkCharacters(String text) {
    text.codePoints().filter(c -> !(c == 9 || c == 10 || c == 13 || c >= 0x20 && c <= 0xD7FF
        || c >= 0xE000 && c <= 0xFFFD || c >= 0x10000)).findFirst().ifPresent(c -> {
          throw AwsException.badRequest("InvalidMessageContents", "Invalid characters found. Valid unicode characters are "
              + "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF");
        });
  }

  private static int bytes(JsonNode message) {
    int sum = message.path("MessageBody").asText("").getBytes(UTF_8).length;
    for (var attribute : message.path("MessageAttributes").properties()) {
      var value = attribute.getValue();
      sum += attribute.getKey().getBytes(UTF_8).length + value.path("DataType").asText("").length()
          + value.path("StringValue").asText("").getBytes(UTF_8).length
          + value.path("BinaryValue").asText("").length() / 4 * 3;
    }
    return sum;
  }

  private ObjectNode receiveMessage(ObjectNode input) {
    var queue = queue(input);
    int max = number(input, "MaxNumberOfMessages", 1);
    if (max < 1 || max > 10) {
      throw invalid("MaxNumberOfMessages", String.valueOf(max), "Must be between 1 and 10, if provided.");
    }
    int wait = number(input, "WaitTimeSeconds", queue.number("ReceiveMessageWaitTimeSeconds"));
    if (wait < 0 || wait > 20) {
      throw invalid("WaitTimeSeconds", String.valueOf(wait), "Must be >= 0 and <= 20, if provided.");
    }
    int visibility = visibility(input, queue.number("VisibilityTimeout"));
    var facts = new HashSet<String>(texts(input, "AttributeNames"));
    facts.addAll(texts(input, "MessageSystemAttributeNames"));
    facts.stream().filter(name -> !MESSAGE_FACTS.contains(name)).sorted().findFirst().ifPresent(name -> {
      throw unknownAttribute(name);
    });
    var attributes = texts(input, "MessageAttributeNames");
    var request = Json.object().put("MaxNumberOfMessages", max).put("VisibilityTimeout", visibility);
    request.set("AttributeNames", Json.array().add("All"));
    request.set("MessageAttributeNames", Json.array().add("All"));
    if (queue.fifo() && input.hasNonNull("ReceiveRequestAttemptId")) {
      request.set("ReceiveRequestAttemptId", input.get("ReceiveRequestAttemptId"));
    }
    long deadline = System.nanoTime() + wait * 1_000_000_000L;
    while (true) {
      long left = Math.max(0, (deadline - System.nanoTime() + 999_999_999L) / 1_000_000_000L);
      var received = forward("ReceiveMessage", queue, request.put("WaitTimeSeconds", left)).path("Messages");
      var messages = Json.array();
      boolean expired = false;
      for (var message : received) {
        long sent = message.path("Attributes").path("SentTimestamp").asLong();
        // ElasticMQ keeps messages for ever: one past its retention period goes here, unseen.
        if (clock.millis() - sent > queue.number("MessageRetentionPeriod") * 1000L) {
          forward("DeleteMessage", queue, Json.object().put("ReceiptHandle", message.path("ReceiptHandle").asText()));
          expired = true;
        } else {
          messages.add(shown((ObjectNode) message, facts, attributes));
        }
      }
      if (!messages.isEmpty() || !expired) {
        var output = Json.object();
        if (!messages.isEmpty()) {
          output.set("Messages", messages);
        }
        return output;
      }
    }
  }

  /** A message with what the receiver asked for. */
  private static ObjectNode shown(ObjectNode message, Set<String> facts, List<String> attributeNames) {
    var all = (ObjectNode) message.path("Attributes");
    withSequence(all).put("SenderId", Settings.ACCOUNT);
    if (!facts.contains("All")) {
      all.retain(facts);
    }
    if (all.isEmpty()) {
      message.remove("Attributes");
    }
    message.remove("MD5OfMessageAttributes");
    if (message.path("MessageAttributes") instanceof ObjectNode attributes) {
      var wanted = attributes.properties().stream().map(Map.Entry::getKey).filter(name -> attributeNames.stream()
          .anyMatch(asked -> asked.equals("All") || asked.equals(name)
              || asked.endsWith(".*") && name.startsWith(asked.substring(0, asked.length() - 2)))).toList();
      attributes.retain(wanted);
      if (wanted.isEmpty()) {
        message.remove("MessageAttributes");
      } else {
        message.put("MD5OfMessageAttributes", md5(attributes));
      }
    }
    return message;
  }

  /** SQS's digest of message attributes: names, types and values in the order of the names, each with its length. */
  static String md5(JsonNode attributes) {
    var bytes = new ByteArrayOutputStream();
    var sorted = new TreeMap<String, JsonNode>();
    attributes.properties().forEach(attribute -> sorted.put(attribute.getKey(), attribute.getValue()));
    sorted.forEach((name, value) -> {
      boolean binary = value.path("DataType").asText().startsWith("Binary");
      var parts = List.of(name.getBytes(UTF_8), value.path("DataType").asText().getBytes(UTF_8),
          new byte[] {(byte) (binary ? 2 : 1)}, binary ? Base64.getDecoder().decode(value.path("BinaryValue").asText())
              : value.path("StringValue").asText().getBytes(UTF_8));
      for (int i = 0; i < parts.size(); i++) {
        if (i != 2) {
          bytes.writeBytes(ByteBuffer.allocate(4).putInt(parts.get(i).length).array());
        }
        bytes.writeBytes(parts.get(i));
      }
    });
    return HexFormat.of().formatHex(digest("MD5").digest(bytes.toByteArray()));
  }

  private static MessageDigest digest(String algorithm) {
    try {
      return MessageDigest.getInstance(algorithm);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  private ObjectNode deleteMessage(ObjectNode input) {
    var queue = queue(input);
    var receipt = receipt(input);
    try {
      return forward("DeleteMessage", queue, Json.object().put("ReceiptHandle", receipt));
    } catch (AwsException e) {
      if (e.code().equals("ReceiptHandleIsInvalid") || e.code().equals("InvalidParameterValue")) {
        return Json.object(); // Deleted before, or received again since: SQS answers that all is well.
      }
      throw e;
    }
  }

  private ObjectNode changeMessageVisibility(ObjectNode input) {
    var queue = queue(input);
    var receipt = receipt(input);
    if (!input.hasNonNull("VisibilityTimeout")) {
      throw missing("VisibilityTimeout");
    }
    var request = Json.object().put("ReceiptHandle", receipt).put("VisibilityTimeout", visibility(input, 0));
    try {
      return forward("ChangeMessageVisibility", queue, request);
    } catch (AwsException e) {
      if (e.code().equals("ReceiptHandleIsInvalid") || e.code().equals("InvalidParameterValue")) {
        throw invalid("ReceiptHandle", receipt,
            "Message does not exist or is not available for visibility timeout change.");
      }
      throw e;
    }
  }

  private static String receipt(ObjectNode input) {
    var receipt = require(input, "ReceiptHandle");
    if (!RECEIPT.matcher(receipt).matches()) {
      throw AwsException.badRequest("ReceiptHandleIsInvalid",
          "The input receipt handle \"" + receipt + "\" is not a valid receipt handle.");
    }
    return receipt;
  }

  private static int visibility(ObjectNode input, int otherwise) {
    int seconds = number(input, "VisibilityTimeout", otherwise);
    if (seconds < 0 || seconds > 43_200) {
      throw invalid("VisibilityTimeout", String.valueOf(seconds), "Must be between 0 and 43200, if provided.");
    }
    return seconds;
  }

  private ObjectNode batch(String operation, ObjectNode input, java.util.function.UnaryOperator<ObjectNode> single) {
    queue(input);
    var successful = Json.array();
    var failed = Json.array();
    for (var entry : entries(operation, input)) {
      try {
        single.apply(entry.deepCopy().put("QueueUrl", require(input, "QueueUrl")));
        successful.add(Json.object().put("Id", entry.path("Id").asText()));
      } catch (AwsException e) {
        failed.add(failure(entry, e));
      }
    }
    var output = Json.object();
    if (!successful.isEmpty()) {
      output.set("Successful", successful);
    }
    if (!failed.isEmpty()) {
      output.set("Failed", failed);
    }
    return output;
  }

  private static List<ObjectNode> entries(String operation, ObjectNode input) {
    if (!(input.get("Entries") instanceof ArrayNode array)) {
      throw missing("Entries");
    }
    if (array.isEmpty()) {
      throw AwsException.badRequest("EmptyBatchRequest",
          "There should be at least one " + operation + "RequestEntry in the request.");
    }
    if (array.size() > 10) {
      throw AwsException.badRequest("TooManyEntriesInBatchRequest",
          "Maximum number of entries per request are 10. You have sent " + array.size() + ".");
    }
    var ids = new HashSet<String>();
    var entries = new ArrayList<ObjectNode>();
    for (int i = 0; i < array.size(); i++) {
      if (!(array.get(i) instanceof ObjectNode entry)) {
        throw AwsException.badRequest("SerializationException", "Entries must be a list of structures");
      }
      var id = Json.text(entry, "Id");
      if (id == null) {
        throw missing(operation + "RequestEntry." + (i + 1) + ".Id");
      }
      if (!ENTRY_ID.matcher(id).matches()) {
        throw AwsException.badRequest("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, "
            + "hyphens and underscores. It can be at most 80 letters long.");
      }
      if (!ids.add(id)) {
        throw AwsException.badRequest("BatchEntryIdsNotDistinct", "Id " + id + " repeated.");
      }
      entries.add(entry);
    }
    return entries;
  }

  private static ObjectNode failure(JsonNode entry, AwsException e) {
    return Json.object().put("Id", entry.path("Id").asText()).put("SenderFault", e.status() < 500)
        .put("Code", queryErrorCode(e.code())).put("Message", e.getMessage());
  }

  // Dead letters

  private ObjectNode startMessageMoveTask(ObjectNode input) {
    var source = byArn("SourceArn", require(input, "SourceArn"));
    var sources = sources(source.arn()).toList();
    if (sources.isEmpty()) {
      throw invalidValue("Source queue must be configured as a Dead Letter Queue.");
    }
    var request = Json.object().put("SourceArn", source.arn());
    if (input.hasNonNull("DestinationArn")) {
      request.put("DestinationArn", byArn("DestinationArn", require(input, "DestinationArn")).arn());
    } else if (sources.size() > 1) {
      throw AwsException.badRequest("UnsupportedOperation", "The local cloud needs a DestinationArn here: "
          + sources.size() + " queues use " + source.name + " as their dead-letter queue.");
    } else {
      request.put("DestinationArn", sources.getFirst().arn());
    }
    int rate = number(input, "MaxNumberOfMessagesPerSecond", 500);
    if (rate < 1 || rate > 500) {
      throw invalid("MaxNumberOfMessagesPerSecond", String.valueOf(rate), "Must be between 1 and 500.");
    }
    if (input.hasNonNull("MaxNumberOfMessagesPerSecond")) {
      request.put("MaxNumberOfMessagesPerSecond", rate);
    }
    return post("StartMessageMoveTask", request);
  }

  private ObjectNode listMessageMoveTasks(ObjectNode input) {
    var request = Json.object().put("SourceArn", byArn("SourceArn", require(input, "SourceArn")).arn());
    if (input.hasNonNull("MaxResults")) {
      request.put("MaxResults", number(input, "MaxResults", 1));
    }
    var output = post("ListMessageMoveTasks", request);
    output.path("Results").forEach(task -> {
      if (!task.path("Status").asText().equals("RUNNING")) {
        ((ObjectNode) task).remove("TaskHandle");
      }
    });
    return output;
  }

  private Queue byArn(String parameter, String arn) {
    var queue = arn.startsWith(Settings.arn("sqs", "")) ? queues.get(arn.substring(arn.lastIndexOf(':') + 1)) : null;
    if (queue == null) {
      throw AwsException.badRequest("ResourceNotFoundException",
          "The resource that you specified for the " + parameter + " parameter doesn't exist.");
    }
    return queue;
  }

  // Permissions of AWS services

  /** Lets a service in, such as SNS for a topic, where the queue's policy does; users and roles have theirs elsewhere. */
  private void authorize(Queue queue, Caller caller) {
    var parts = caller.arn().split(":", 6);
    if (parts.length < 6 || parts[2].equals("iam") || parts[2].equals("sts")) {
      return;
    }
    var policy = queue.settings.get("Policy");
    if (policy == null && !queue.fromTemplate) {
      return; // Made at run time to try something: the template says nothing about it.
    }
    var principal = parts[2] + ".amazonaws.com";
    if (policy == null || !allows(Json.parse(policy), principal, caller.arn(), queue.arn())) {
      throw new AwsException(403, "AccessDenied", "User: " + principal + " is not authorized to perform: sqs:sendmessage "
          + "on resource: " + queue.arn() + " because no resource-based policy allows the sqs:sendmessage action");
    }
  }

  private static boolean allows(JsonNode policy, String service, String source, String queueArn) {
    boolean allowed = false;
    for (var statement : list(policy.path("Statement"))) {
      if (list(statement.path("Action")).stream().anyMatch(action -> like(action.asText(), "sqs:SendMessage", true))
          && (statement.path("Principal").asText().equals("*")
              || statement.path("Principal").path("AWS").asText().equals("*")
              || list(statement.path("Principal").path("Service")).stream().anyMatch(p -> p.asText().equals(service)))
          && list(statement.path("Resource")).stream().anyMatch(resource -> like(resource.asText(), queueArn, false))
          && statement.path("Condition").properties().stream().allMatch(test -> holds(test, source))) {
        if (statement.path("Effect").asText().equals("Deny")) {
          return false;
        }
        allowed = true;
      }
    }
    return allowed;
  }

  private static boolean holds(Map.Entry<String, JsonNode> test, String source) {
    return test.getValue().properties().stream().allMatch(entry -> {
      var key = entry.getKey().toLowerCase(java.util.Locale.ROOT);
      var actual = switch (key) {
        case "aws:sourcearn" -> source;
        case "aws:sourceaccount" -> Settings.ACCOUNT;
        case "aws:securetransport" -> "true";
        default -> null;
      };
      boolean wild = test.getKey().contains("Like") || test.getKey().startsWith("Arn");
      boolean matches = actual != null && list(entry.getValue()).stream()
          .anyMatch(value -> wild ? like(value.asText(), actual, false) : value.asText().equals(actual));
      return switch (test.getKey()) {
        case "ArnEquals", "ArnLike", "StringEquals", "StringLike", "Bool" -> matches;
        case "ArnNotEquals", "ArnNotLike", "StringNotEquals", "StringNotLike" -> !matches;
        default -> false;
      };
    });
  }

  private static List<JsonNode> list(JsonNode node) {
    var list = new ArrayList<JsonNode>();
    if (node.isArray()) {
      node.forEach(list::add);
    } else if (!node.isMissingNode()) {
      list.add(node);
    }
    return list;
  }

  private static boolean like(String pattern, String text, boolean ignoreCase) {
    var regex = Pattern.quote(pattern).replace("*", "\\E.*\\Q").replace("?", "\\E.\\Q");
    return Pattern.compile(regex, ignoreCase ? Pattern.CASE_INSENSITIVE : 0).matcher(text).matches();
  }

  // ElasticMQ

  private ObjectNode forward(String operation, Queue queue, ObjectNode input) {
    return post(operation, input.deepCopy().put("QueueUrl", url(queue)));
  }

  private ObjectNode post(String operation, ObjectNode input) {
    var request = HttpRequest.newBuilder(elasticMq)
        .header("Content-Type", "application/x-amz-json-1.0")
        .header("X-Amz-Target", "AmazonSQS." + operation)
        .POST(HttpRequest.BodyPublishers.ofString(Json.write(input)))
        .build();
    HttpResponse<byte[]> response;
    try {
      response = http.send(request, HttpResponse.BodyHandlers.ofByteArray());
    } catch (IOException e) {
      throw new AwsException(503, "ServiceUnavailable", "ElasticMQ is not reachable: " + e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AwsException(503, "ServiceUnavailable", "interrupted");
    }
    if (response.statusCode() == 200) {
      return response.body().length == 0 ? Json.object() : (ObjectNode) Json.parse(response.body());
    }
    JsonNode error;
    try {
      error = Json.parse(response.body());
    } catch (IllegalArgumentException e) {
      throw new AwsException(500, "InternalError", "ElasticMQ answered " + response.statusCode() + " to " + operation);
    }
    var type = error.path("__type").asText("InternalError");
    throw new AwsException(response.statusCode(), type.substring(type.indexOf('#') + 1),
        error.path("Message").asText(error.path("message").asText("")));
  }

  // Input and errors

  private Queue queue(ObjectNode input) {
    var url = require(input, "QueueUrl");
    return byName(url.substring(url.lastIndexOf('/') + 1));
  }

  private Queue byName(String name) {
    var queue = queues.get(name);
    if (queue == null) {
      throw AwsException.badRequest("QueueDoesNotExist", "The specified queue does not exist.");
    }
    return queue;
  }

  private String url(Queue queue) {
    return endpoint + "/" + Settings.ACCOUNT + "/" + queue.name;
  }

  private static String require(ObjectNode input, String member) {
    var value = Json.text(input, member);
    if (value == null || value.isEmpty()) {
      throw missing(member);
    }
    return value;
  }

  private static int number(JsonNode input, String member, int otherwise) {
    var value = input.get(member);
    if (value == null || value.isNull()) {
      return otherwise;
    }
    if (!value.asText().matches("-?\\d{1,9}")) {
      throw AwsException.badRequest("SerializationException", value.asText() + " can not be converted to an Integer");
    }
    return Integer.parseInt(value.asText());
  }

  private static Map<String, String> strings(ObjectNode input, String member) {
    var strings = new LinkedHashMap<String, String>();
    input.path(member).properties().forEach(entry -> strings.put(entry.getKey(), entry.getValue().asText()));
    return strings;
  }

  private static List<String> texts(ObjectNode input, String member) {
    var texts = new ArrayList<String>();
    input.path(member).forEach(text -> texts.add(text.asText()));
    return texts;
  }

  private static AwsException missing(String parameter) {
    return AwsException.badRequest("MissingRequiredParameterException",
        "The request must contain the parameter " + parameter + ".");
  }

  private static AwsException invalid(String parameter, String value, String reason) {
    return invalidValue("Value " + value + " for parameter " + parameter + " is invalid. Reason: " + reason);
  }

  private static AwsException invalidValue(String message) {
    return AwsException.badRequest("InvalidParameterValueException", message);
  }

  private static AwsException unknownAttribute(String name) {
    return AwsException.badRequest("InvalidAttributeName", "Unknown Attribute " + name + ".");
  }

  // CloudFormation

  @Override
  public Map<String, Provisioner> provisioners() {
    return Map.of("AWS::SQS::Queue", this::provisionQueue, "AWS::SQS::QueuePolicy", this::provisionPolicy);
  }

  private Provisioner.Provisioned provisionQueue(Provisioner.Resource resource) {
    resource.allowOnly("QueueName", "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit",
        "DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds",
        "VisibilityTimeout", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds",
        "SqsManagedSseEnabled", "Tags");
    var settings = new LinkedHashMap<String, String>();
    var tags = new LinkedHashMap<String, String>();
    resource.properties().properties().forEach(property -> {
      switch (property.getKey()) {
        case "QueueName" -> { }
        case "Tags" -> property.getValue().forEach(tag -> tags.put(tag.path("Key").asText(), tag.path("Value").asText()));
        case "RedrivePolicy", "RedriveAllowPolicy" -> settings.put(property.getKey(), json(property.getValue()));
        default -> settings.put(property.getKey(), property.getValue().asText());
      }
    });
    boolean fifo = "true".equals(settings.get("FifoQueue"));
    if (!fifo) {
      settings.remove("FifoQueue"); // CloudFormation takes "false"; the API has no such value.
    }
    var given = Json.text(resource.properties(), "QueueName");
    var name = given != null ? given : resource.name() + (fifo ? ".fifo" : "");
    String url;
    try {
      url = createQueue(name, settings, tags, true);
    } catch (AwsException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
    return new Provisioner.Provisioned(url,
        Map.of("Arn", Settings.arn("sqs", name), "QueueName", name, "QueueUrl", url));
  }

  private Provisioner.Provisioned provisionPolicy(Provisioner.Resource resource) {
    resource.allowOnly("Queues", "PolicyDocument");
    String policy;
    try {
      policy = policy(json(resource.properties().path("PolicyDocument")));
    } catch (AwsException e) {
      throw new IllegalArgumentException("property PolicyDocument: " + e.getMessage(), e);
    }
    var queueUrls = texts(resource.properties(), "Queues");
    if (queueUrls.isEmpty()) {
      throw new IllegalArgumentException("property Queues names no queue");
    }
    for (var url : queueUrls) {
      try {
        synchronized (this) {
          change(byName(url.substring(url.lastIndexOf('/') + 1)), Map.of("Policy", policy));
        }
      } catch (AwsException e) {
        throw new IllegalArgumentException("property Queues: " + url + ": " + e.getMessage(), e);
      }
    }
    return new Provisioner.Provisioned(resource.name(), Map.of("Id", resource.name()));
  }

  private static String json(JsonNode value) {
    return value.isTextual() ? value.asText() : Json.write(value);
  }
}
