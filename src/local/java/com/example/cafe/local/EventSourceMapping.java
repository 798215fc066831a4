package com.example.cafe.local;

import com.example.cafe.local.Invocation.Outcome;
import com.example.cafe.local.Lambda.Target;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;
import software.amazon.event.ruler.Ruler;

/**
 * Feeds a function from a queue, as "Using Lambda with Amazon SQS" describes it: long polling, batches, filters,
 * partial failures, a maximum of concurrent invocations. What fails is left alone: the queue hands it out again after
 * its visibility timeout. Only when a process was killed from outside is the batch tried again at once, as Lambda
 * does when it loses a machine.
 */
final class EventSourceMapping {
  static final List<String> PROPERTIES = List.of("FunctionName", "EventSourceArn", "BatchSize",
      "MaximumBatchingWindowInSeconds", "FunctionResponseTypes", "FilterCriteria", "ScalingConfig", "Enabled");
  private static final int LONG_POLL_SECONDS = 20;
  private static final int ATTEMPTS_AFTER_LOSS = 3;
  private static final int DELETE_ATTEMPTS = 4;

  private final String uuid;
  private final Target target;
  private final String sourceArn;
  private final Lambda lambda;
  private final Aws aws;
  private final EventLog log;
  private final String queueUrl;
  private volatile Options options;
  private long modified = System.currentTimeMillis();
  private @Nullable Poller poller;
  private boolean open;

  /** @param maximumConcurrency 0 for none */
  record Options(int batchSize, int windowSeconds, boolean partial, List<ObjectNode> filters, int maximumConcurrency,
      boolean enabled) {

    /** @throws AwsException InvalidParameterValueException for what Lambda refuses, or what is not served here */
    static Options of(JsonNode input, boolean fifo) {
      var window = number(input, "MaximumBatchingWindowInSeconds", 0, 0, 300);
      var size = number(input, "BatchSize", 10, 1, 10_000);
      if (size > 10 && window == 0) {
        throw invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10");
      }
      if (fifo && (window > 0 || size > 10)) {
        throw invalid("Batching window is not supported for FIFO queues");
      }
      var partial = false;
      for (var type : input.path("FunctionResponseTypes")) {
        if (!type.asText().equals("ReportBatchItemFailures")) {
          throw invalid("FunctionResponseTypes: " + type.asText() + " is not one of [ReportBatchItemFailures]");
        }
        partial = true;
      }
      var concurrency = input.path("ScalingConfig").path("MaximumConcurrency").asInt(0);
      if (input.path("ScalingConfig").has("MaximumConcurrency") && (concurrency < 2 || concurrency > 1_000)) {
        throw invalid("MaximumConcurrency must be between 2 and 1000");
      }
      var filters = new ArrayList<ObjectNode>();
      for (var filter : input.path("FilterCriteria").path("Filters")) {
        filters.add(pattern(filter.path("Pattern").asText("")));
      }
      if (filters.size() > 10) {
        throw invalid("FilterCriteria: more than 10 filters");
      }
      return new Options(size, window, partial, List.copyOf(filters), concurrency, input.path("Enabled").asBoolean(true));
    }

    private static int number(JsonNode input, String member, int missing, int least, int most) {
      var value = input.hasNonNull(member) ? input.get(member).asInt(-1) : missing;
      if (value < least || value > most) {
        throw invalid(member + " must be between " + least + " and " + most);
      }
      return value;
    }

    private static ObjectNode pattern(String text) {
      try {
        if (Json.parse(text) instanceof ObjectNode pattern) {
          // The matcher reads the pattern here, so that a wrong one is refused and not silently never matched.
          Ruler.matchesRule("{}", text);
          return pattern;
        }
      } catch (Exception e) {
        throw invalid("Invalid filter pattern definition. " + e.getMessage());
      }
      throw invalid("Invalid filter pattern definition.");
    }

    /** Whether a record of the event passes the filters. */
    boolean accepts(ObjectNode record) {
      return filters.isEmpty() || filters.stream().anyMatch(pattern -> matches(record, pattern));
    }

    private static boolean matches(ObjectNode record, ObjectNode pattern) {
      var event = record;
      if (pattern.has("body")) {
        // A body is matched as JSON by a JSON pattern and as text by a text pattern; mixed, it never matches.
        var json = json(record.path("body").asText());
        if (pattern.get("body").isObject() != (json != null)) {
          return false;
        }
        if (json != null) {
          event = record.deepCopy();
          event.set("body", json);
        }
      }
      try {
        return Ruler.matchesRule(Json.write(event), Json.write(pattern));
      } catch (Exception e) {
        throw new IllegalStateException("cannot match " + pattern, e);
      }
    }

    private static @Nullable JsonNode json(String body) {
      try {
        var json = Json.parse(body);
        return json.isContainerNode() ? json : null;
      } catch (IllegalArgumentException e) {
        return null;
      }
    }
  }

  /** @throws AwsException InvalidParameterValueException for what cannot be read from */
  EventSourceMapping(String uuid, Target target, ObjectNode input, Lambda lambda, Aws aws, EventLog log) {
    this.uuid = uuid;
    this.target = target;
    this.lambda = lambda;
    this.aws = aws;
    this.log = log;
    this.sourceArn = input.path("EventSourceArn").asText("");
    for (var unsupported : List.of("StartingPosition", "DestinationConfig", "ParallelizationFactor", "SelfManagedEventSource",
        "Queues", "Topics", "SourceAccessConfigurations", "ProvisionedPollerConfig", "KMSKeyArn", "MetricsConfig",
        "MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "TumblingWindowInSeconds")) {
      if (input.hasNonNull(unsupported)) {
        throw invalid(unsupported + " is not supported for event source " + sourceArn);
      }
    }
    if (!sourceArn.matches("arn:aws:sqs:[\\w-]+:\\d{12}:[\\w.-]+")) {
      throw invalid("EventSourceArn: the local cloud reads from queues, not from \"" + sourceArn + "\"");
    }
    this.options = Options.of(input, sourceArn.endsWith(".fifo"));
    try {
      this.queueUrl = aws.call("sqs", "GetQueueUrl", Json.object().put("QueueName", queueName()), Caller.ADMINISTRATOR)
          .path("QueueUrl").asText();
      var visibility = Json.object().put("QueueUrl", queueUrl);
      visibility.putArray("AttributeNames").add("VisibilityTimeout");
      var seconds = aws.call("sqs", "GetQueueAttributes", visibility, Caller.ADMINISTRATOR)
          .path("Attributes").path("VisibilityTimeout").asInt();
      if (seconds < target.function().timeout()) {
        throw invalid("Queue visibility timeout: " + seconds + " seconds is less than Function timeout: "
            + target.function().timeout() + " seconds");
      }
    } catch (AwsException e) {
      if (e.code().endsWith("NonExistentQueue") || e.code().equals("QueueDoesNotExist")) {
        throw invalid("Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
            + "SQS Error Message: " + e.getMessage());
      }
      throw e;
    }
  }

  private static AwsException invalid(String message) {
    return AwsException.badRequest("InvalidParameterValueException", message);
  }

  String uuid() {
    return uuid;
  }

  Target target() {
    return target;
  }

  String sourceArn() {
    return sourceArn;
  }

  String arn() {
    return Settings.arn("lambda", "event-source-mapping:" + uuid);
  }

  private String queueName() {
    return sourceArn.substring(sourceArn.lastIndexOf(':') + 1);
  }

  /** EventSourceMappingConfiguration of the API reference. */
  synchronized ObjectNode describe() {
    var options = this.options;
    var answer = Json.object().put("UUID", uuid).put("BatchSize", options.batchSize())
        .put("MaximumBatchingWindowInSeconds", options.windowSeconds()).put("EventSourceArn", sourceArn)
        .put("FunctionArn", target.arn()).put("LastModified", modified / 1000)
        .put("State", options.enabled() ? "Enabled" : "Disabled").put("StateTransitionReason", "USER_INITIATED")
        .put("EventSourceMappingArn", arn());
    if (!options.filters().isEmpty()) {
      var filters = answer.putObject("FilterCriteria").putArray("Filters");
      options.filters().forEach(pattern -> filters.addObject().put("Pattern", Json.write(pattern)));
    }
    if (options.partial()) {
      answer.putArray("FunctionResponseTypes").add("ReportBatchItemFailures");
    }
    if (options.maximumConcurrency() > 0) {
      answer.putObject("ScalingConfig").put("MaximumConcurrency", options.maximumConcurrency());
    }
    return answer;
  }

  /** Changes what the input names. */
  synchronized ObjectNode update(ObjectNode input) {
    if (input.hasNonNull("FunctionName") && !lambda.target(input.get("FunctionName").asText(), null).arn().equals(target.arn())) {
      throw invalid("The local cloud cannot move an event source mapping to another function");
    }
    var merged = describe();
    merged.put("Enabled", options.enabled());
    for (var member : PROPERTIES) {
      if (input.has(member)) {
        merged.set(member, input.get(member));
      }
    }
    options = Options.of(merged, sourceArn.endsWith(".fifo"));
    modified = System.currentTimeMillis();
    if (open) {
      stop();
      start();
    }
    return describe();
  }

  synchronized void start() {
    open = true;
    if (options.enabled() && poller == null) {
      poller = new Poller(options);
      poller.thread = Thread.ofVirtual().name("poll-" + queueName()).start(poller);
    }
  }

  synchronized void stop() {
    open = false;
    if (poller != null) {
      poller.stop();
      poller = null;
    }
  }

  /** Reads the queue and hands batches on, until stopped. */
  private final class Poller implements Runnable {
    private final Options options;
    private final Semaphore concurrency;
    private volatile boolean stopped;
    private @Nullable Thread thread;
    private String complaint = "";

    Poller(Options options) {
      this.options = options;
      var bound = target.function().pool().bound();
      this.concurrency = new Semaphore(Math.max(1,
          options.maximumConcurrency() == 0 ? bound : Math.min(bound, options.maximumConcurrency())));
    }

    void stop() {
      stopped = true;
      if (thread != null) {
        thread.interrupt();
      }
    }

    @Override
    public void run() {
      while (!stopped) {
        try {
          // No message is taken from the queue before there is somebody to handle it.
          concurrency.acquire();
          var free = true;
          try {
            var messages = collect();
            complaint = "";
            var batches = batches(messages);
            for (var i = 0; i < batches.size(); i++) {
              var batch = batches.get(i);
              if (i > 0) {
                concurrency.acquire();
              }
              free = false;
              Thread.ofVirtual().name("batch-" + queueName()).start(() -> {
                try {
                  process(batch);
                } catch (RuntimeException e) {
                  complain(e);
                } finally {
                  concurrency.release();
                }
              });
            }
          } finally {
            if (free) {
              concurrency.release();
            }
          }
        } catch (InterruptedException e) {
          return;
        } catch (RuntimeException e) {
          complain(e);
          pause(1_000);
        }
      }
    }

    private void complain(RuntimeException e) {
      var text = e instanceof AwsException error ? error.code() + " " + error.getMessage() : String.valueOf(e.getMessage());
      if (!stopped && !text.equals(complaint)) {
        complaint = text;
        log.event("error", target.function().logicalId() + " cannot read " + queueName() + ": " + text);
      }
    }

    private void pause(long millis) {
      try {
        Thread.sleep(millis);
      } catch (InterruptedException e) {
        stopped = true;
      }
    }

    /** Receives up to a batch, for as long as the batching window is open. */
    private List<ObjectNode> collect() {
      var called = System.nanoTime();
      var messages = receive(options.batchSize(), LONG_POLL_SECONDS);
      if (messages.isEmpty() && System.nanoTime() - called < 100_000_000) {
        pause(200);
      }
      if (options.windowSeconds() > 0 && !messages.isEmpty()) {
        var end = System.nanoTime() + options.windowSeconds() * 1_000_000_000L;
        while (!stopped && messages.size() < options.batchSize() && size(messages) < Lambda.REQUEST_LIMIT) {
          var seconds = (int) Math.ceilDiv(end - System.nanoTime(), 1_000_000_000L);
          if (seconds <= 0) {
            break;
          }
          messages.addAll(receive(options.batchSize() - messages.size(), Math.min(seconds, LONG_POLL_SECONDS)));
        }
      }
      return messages;
    }

    private List<ObjectNode> receive(int most, int waitSeconds) {
      var input = Json.object().put("QueueUrl", queueUrl).put("MaxNumberOfMessages", Math.min(10, most))
          .put("WaitTimeSeconds", waitSeconds);
      input.putArray("AttributeNames").add("All");
      input.putArray("MessageAttributeNames").add("All");
      var messages = new ArrayList<ObjectNode>();
      aws.call("sqs", "ReceiveMessage", input, target.function().role()).path("Messages")
          .forEach(message -> messages.add((ObjectNode) message));
      return messages;
    }

    private static int size(List<ObjectNode> messages) {
      return messages.stream().mapToInt(message -> message.path("Body").asText().length()).sum();
    }

    /** The records to send, unwanted ones removed from the queue, in batches that fit an invocation. */
    private List<List<ObjectNode>> batches(List<ObjectNode> messages) {
      var unwanted = new ArrayList<ObjectNode>();
      var batches = new ArrayList<List<ObjectNode>>();
      var bytes = 0L;
      for (var message : messages) {
        var record = record(message, sourceArn);
        if (!options.accepts(record)) {
          unwanted.add(record);
          continue;
        }
        var size = Json.write(record).getBytes(StandardCharsets.UTF_8).length + 1L;
        if (batches.isEmpty() || bytes + size > Lambda.REQUEST_LIMIT - 64) {
          batches.add(new ArrayList<>());
          bytes = 0;
        }
        batches.getLast().add(record);
        bytes += size;
      }
      if (!unwanted.isEmpty()) {
        delete(unwanted);
      }
      return batches;
    }

    private void process(List<ObjectNode> batch) {
      var event = Json.object();
      event.putArray("Records").addAll(batch);
      var payload = Json.write(event).getBytes(StandardCharsets.UTF_8);
      Outcome outcome;
      var attempt = 0;
      do {
        outcome = lambda.run(target, payload, null, null, true);
      } while (outcome.lost() && !stopped && ++attempt < ATTEMPTS_AFTER_LOSS);
      var failed = failed(outcome, batch, options.partial());
      var done = batch.stream().filter(record -> !failed.contains(record.path("messageId").asText())).toList();
      if (!done.isEmpty()) {
        delete(done);
      }
      if (!failed.isEmpty() && !stopped) {
        log.event("message", "%s did not take %d of %d messages of %s; they come again after the visibility timeout"
            .formatted(target.function().logicalId(), failed.size(), batch.size(), queueName()));
      }
    }

    /** Deletes messages, and again what the queue did not delete. */
    private void delete(List<ObjectNode> records) {
      for (var from = 0; from < records.size(); from += 10) {
        var left = new ArrayList<>(records.subList(from, Math.min(records.size(), from + 10)));
        for (var attempt = 1; !left.isEmpty(); attempt++) {
          try {
            left = deleteOnce(left);
          } catch (AwsException e) {
            if (attempt == DELETE_ATTEMPTS) {
              throw e;
            }
          }
          if (!left.isEmpty()) {
            if (attempt == DELETE_ATTEMPTS) {
              log.event("error", left.size() + " messages of " + queueName() + " could not be deleted and come again");
              return;
            }
            pause(50L << attempt);
          }
        }
      }
    }

    private ArrayList<ObjectNode> deleteOnce(List<ObjectNode> records) {
      var input = Json.object().put("QueueUrl", queueUrl);
      var entries = input.putArray("Entries");
      for (var i = 0; i < records.size(); i++) {
        entries.addObject().put("Id", Integer.toString(i)).put("ReceiptHandle", records.get(i).path("receiptHandle").asText());
      }
      var again = new ArrayList<ObjectNode>();
      for (var failure : aws.call("sqs", "DeleteMessageBatch", input, target.function().role()).path("Failed")) {
        // The sender's fault, an expired receipt for example, does not get better.
        if (!failure.path("SenderFault").asBoolean()) {
          again.add(records.get(failure.path("Id").asInt()));
        }
      }
      return again;
    }
  }

  /** A message as it stands in the event. */
  static ObjectNode record(ObjectNode message, String sourceArn) {
    var record = Json.object().put("messageId", message.path("MessageId").asText())
        .put("receiptHandle", message.path("ReceiptHandle").asText()).put("body", message.path("Body").asText());
    record.set("attributes", message.path("Attributes").isObject() ? message.get("Attributes") : Json.object());
    var attributes = record.putObject("messageAttributes");
    message.path("MessageAttributes").properties().forEach(attribute -> {
      var to = attributes.putObject(attribute.getKey());
      for (var member : List.of("StringValue", "BinaryValue")) {
        if (attribute.getValue().hasNonNull(member)) {
          to.set(lowerFirst(member), attribute.getValue().get(member));
        }
      }
      to.putArray("stringListValues");
      to.putArray("binaryListValues");
      to.put("dataType", attribute.getValue().path("DataType").asText());
    });
    if (message.hasNonNull("MD5OfMessageAttributes")) {
      record.put("md5OfMessageAttributes", message.get("MD5OfMessageAttributes").asText());
    }
    return record.put("md5OfBody", message.path("MD5OfBody").asText()).put("eventSource", "aws:sqs")
        .put("eventSourceARN", sourceArn).put("awsRegion", sourceArn.split(":")[3]);
  }

  private static String lowerFirst(String text) {
    return text.substring(0, 1).toLowerCase(Locale.ROOT) + text.substring(1);
  }

  /** The ids of the messages that stay in the queue. */
  static Set<String> failed(Outcome outcome, List<ObjectNode> batch, boolean partial) {
    var all = new HashSet<String>();
    batch.forEach(record -> all.add(record.path("messageId").asText()));
    if (outcome.failed()) {
      return all;
    }
    if (!partial || outcome.payload().length == 0) {
      return Set.of();
    }
    JsonNode answer;
    try {
      answer = Json.parse(outcome.payload());
    } catch (IllegalArgumentException e) {
      return all;
    }
    var failures = answer.path("batchItemFailures");
    if (answer.isNull() || answer.isMissingNode() || answer.isObject() && (failures.isMissingNode() || failures.isNull())) {
      return Set.of();
    }
    if (!(failures instanceof ArrayNode list)) {
      return all;
    }
    var failed = new HashSet<String>();
    for (var failure : list) {
      var id = failure.path("itemIdentifier");
      // An identifier that is missing, empty or of no message of the batch: the answer cannot be trusted.
      if (!id.isTextual() || !all.contains(id.asText())) {
        return all;
      }
      failed.add(id.asText());
    }
    return failed;
  }
}
