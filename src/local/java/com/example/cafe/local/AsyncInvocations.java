package com.example.cafe.local;

import com.example.cafe.local.Invocation.Outcome;
import com.example.cafe.local.Lambda.Target;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import org.jspecify.annotations.Nullable;

/**
 * Events that nobody waits for: queued in memory, tried again after failures, at last sent to a destination or a
 * dead-letter queue. Retries come after {@link #RETRY_SECONDS} instead of one and two minutes; everything else follows
 * "How Lambda handles errors and retries with asynchronous invocation". What is queued ends with the local cloud.
 */
final class AsyncInvocations implements AutoCloseable {
  /** The waits before the second and the third attempt: a thirtieth of those in the account. */
  static final List<Integer> RETRY_SECONDS = List.of(2, 4);
  private static final int MAXIMUM_AGE_SECONDS = 21_600;

  private final Lambda lambda;
  private final Aws aws;
  private final EventLog log;
  private final List<Integer> retrySeconds;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

  AsyncInvocations(Lambda lambda, Aws aws, EventLog log) {
    this.lambda = lambda;
    this.aws = aws;
    this.log = log;
    this.retrySeconds = RETRY_SECONDS;
  }

  /** Refuses a configuration that cannot be honoured. */
  static void check(ObjectNode config) {
    range(config, "MaximumRetryAttempts", 0, 2);
    range(config, "MaximumEventAgeInSeconds", 60, MAXIMUM_AGE_SECONDS);
    for (var kind : List.of("OnSuccess", "OnFailure")) {
      var arn = Json.text(config.path("DestinationConfig").path(kind), "Destination");
      if (arn != null && !arn.matches("arn:aws:(sqs|sns|lambda):.*")) {
        throw AwsException.badRequest("InvalidParameterValueException", kind + ": the local cloud sends to queues, topics "
            + "and functions, not to " + arn);
      }
    }
  }

  private static void range(ObjectNode config, String member, int least, int most) {
    if (config.hasNonNull(member)) {
      var value = config.get(member).asInt(-1);
      if (value < least || value > most) {
        throw AwsException.badRequest("InvalidParameterValueException", member + " must be between " + least + " and " + most);
      }
    }
  }

  void accept(Target target, byte[] payload, @Nullable String clientContext) {
    var since = Instant.now();
    try {
      threads.submit(() -> {
        try {
          deliver(target, payload, clientContext, since);
        } catch (RuntimeException e) {
          if (threads.isShutdown()) {
            return;
          }
          log.event("error", target.function().logicalId() + " lost an asynchronous event: " + e.getMessage());
        }
      });
    } catch (RejectedExecutionException e) {
      throw new AwsException(500, "ServiceException", "The local cloud is stopping.");
    }
  }

  private void deliver(Target target, byte[] payload, @Nullable String clientContext, Instant since) {
    var config = target.function().eventInvokeConfigs.getOrDefault(
        target.qualifier() == null ? LambdaFunction.LATEST : target.qualifier(), Json.object());
    var retries = config.path("MaximumRetryAttempts").asInt(2);
    var oldest = since.plusSeconds(config.path("MaximumEventAgeInSeconds").asInt(MAXIMUM_AGE_SECONDS));
    var requestId = UUID.randomUUID().toString();
    for (var attempt = 1; ; attempt++) {
      var outcome = lambda.run(target, payload, clientContext, requestId, true);
      if (!outcome.failed()) {
        send(config, "OnSuccess", target, payload, outcome, "Success", attempt);
        return;
      }
      var condition = attempt > retries ? "RetriesExhausted" : Instant.now().isAfter(oldest) ? "EventAgeExceeded" : null;
      if (condition != null) {
        log.event("invoke", target.function().logicalId() + "  gives up an event after " + attempt + " attempts: "
            + outcome.errorType());
        send(config, "OnFailure", target, payload, outcome, condition, attempt);
        deadLetter(target, payload, outcome);
        return;
      }
      try {
        Thread.sleep(retrySeconds.get(Math.min(attempt, retrySeconds.size()) - 1) * 1000L);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
    }
  }

  private void send(ObjectNode config, String kind, Target target, byte[] payload, Outcome outcome, String condition,
      int attempts) {
    var destination = Json.text(config.path("DestinationConfig").path(kind), "Destination");
    if (destination != null) {
      var record = record(target, payload, outcome, condition, attempts);
      try {
        put(destination, Json.write(record), target.function().role(), Json.object());
      } catch (AwsException e) {
        log.event("error", target.function().logicalId() + " cannot send to its destination " + destination + ": "
            + e.code() + " " + e.getMessage());
      }
    }
  }

  /** The record that a destination receives. */
  static ObjectNode record(Target target, byte[] payload, Outcome outcome, String condition, int attempts) {
    var record = Json.object().put("version", "1.0").put("timestamp", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
    record.putObject("requestContext").put("requestId", outcome.requestId())
        .put("functionArn", target.function().arn() + ":" + (target.qualifier() == null ? LambdaFunction.LATEST : target.qualifier()))
        .put("condition", condition).put("approximateInvokeCount", attempts);
    record.set("requestPayload", Json.parse(payload));
    var context = record.putObject("responseContext").put("statusCode", 200).put("executedVersion", target.version());
    if (outcome.failed()) {
      context.put("functionError", outcome.functionError());
    }
    record.set("responsePayload", response(outcome.payload()));
    return record;
  }

  private static JsonNode response(byte[] payload) {
    try {
      var json = Json.parse(payload);
      return json.isMissingNode() ? Json.MAPPER.nullNode() : json;
    } catch (IllegalArgumentException e) {
      return Json.MAPPER.getNodeFactory().textNode(new String(payload, StandardCharsets.UTF_8));
    }
  }

  private void deadLetter(Target target, byte[] payload, Outcome outcome) {
    var arn = target.function().deadLetterArn();
    if (arn == null) {
      return;
    }
    var attributes = Json.object();
    attributes.putObject("RequestID").put("DataType", "String").put("StringValue", outcome.requestId());
    attributes.putObject("ErrorCode").put("DataType", "Number").put("StringValue", "200");
    var message = response(outcome.payload()).path("errorMessage").asText("");
    attributes.putObject("ErrorMessage").put("DataType", "String")
        .put("StringValue", message.isEmpty() ? "Unhandled" : message.substring(0, Math.min(1024, message.length())));
    try {
      put(arn, new String(payload, StandardCharsets.UTF_8), target.function().role(), attributes);
    } catch (AwsException e) {
      log.event("error", target.function().logicalId() + " cannot send to its dead-letter queue " + arn + ": "
          + e.code() + " " + e.getMessage());
    }
  }

  private void put(String arn, String message, Caller caller, ObjectNode attributes) {
    var parts = arn.split(":", 7);
    switch (parts[2]) {
      case "sqs" -> {
        var url = aws.call("sqs", "GetQueueUrl", Json.object().put("QueueName", parts[5]), Caller.ADMINISTRATOR).path("QueueUrl").asText();
        var input = Json.object().put("QueueUrl", url).put("MessageBody", message);
        if (!attributes.isEmpty()) {
          input.set("MessageAttributes", attributes);
        }
        aws.call("sqs", "SendMessage", input, caller);
      }
      case "sns" -> {
        var input = Json.object().put("TopicArn", arn).put("Message", message);
        if (!attributes.isEmpty()) {
          input.set("MessageAttributes", attributes);
        }
        aws.call("sns", "Publish", input, caller);
      }
      default -> aws.call("lambda", "Invoke", Json.object().put("FunctionName", arn).put("InvocationType", "Event")
          .put("Payload", Base64.getEncoder().encodeToString(message.getBytes(StandardCharsets.UTF_8))), caller);
    }
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
