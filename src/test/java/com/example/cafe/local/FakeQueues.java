package com.example.cafe.local;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Queues with visibility timeouts, long polling and failing deletes; topics that only remember. */
final class FakeQueues implements Aws {
  final List<ObjectNode> published = new CopyOnWriteArrayList<>();
  final List<Caller> callers = new CopyOnWriteArrayList<>();
  private final Map<String, List<Message>> queues = new ConcurrentHashMap<>();
  private final long visibilityMillis;
  @Nullable Service lambda;
  volatile int deletesToFail;
  volatile int receives;

  private static final class Message {
    private final ObjectNode content;
    private long visibleAt;
    private int received;

    Message(ObjectNode content) {
      this.content = content;
    }
  }

  FakeQueues(long visibilityMillis) {
    this.visibilityMillis = visibilityMillis;
  }

  String send(String queue, String body) {
    return call("sqs", "SendMessage", Json.object().put("QueueUrl", "http://queues/" + queue).put("MessageBody", body),
        Caller.ADMINISTRATOR).path("MessageId").asText();
  }

  synchronized List<ObjectNode> messages(String queue) {
    return queues.getOrDefault(queue, List.of()).stream().map(message -> message.content).toList();
  }

  synchronized int received(String queue) {
    return queues.getOrDefault(queue, List.of()).stream().mapToInt(message -> message.received).sum();
  }

  @Override
  public ObjectNode call(String service, String operation, ObjectNode input, Caller caller) {
    callers.add(caller);
    var queue = input.path("QueueUrl").asText().replace("http://queues/", "");
    return switch (service + " " + operation) {
      case "sqs GetQueueUrl" -> {
        if (input.path("QueueName").asText().equals("missing")) {
          throw AwsException.badRequest("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.");
        }
        yield Json.object().put("QueueUrl", "http://queues/" + input.path("QueueName").asText());
      }
      case "sqs GetQueueAttributes" -> {
        var answer = Json.object();
        answer.putObject("Attributes").put("VisibilityTimeout", "30");
        yield answer;
      }
      case "sqs SendMessage" -> send(queue, input);
      case "sqs ReceiveMessage" -> receive(queue, input);
      case "sqs DeleteMessageBatch" -> delete(queue, input);
      case "sns Publish" -> {
        published.add(input);
        yield Json.object().put("MessageId", UUID.randomUUID().toString());
      }
      case "lambda Invoke" -> java.util.Objects.requireNonNull(lambda).call(operation, input, caller);
      default -> throw AwsException.unknownOperation(service, operation);
    };
  }

  private synchronized ObjectNode send(String queue, ObjectNode input) {
    var id = UUID.randomUUID().toString();
    var content = Json.object().put("MessageId", id).put("Body", input.path("MessageBody").asText()).put("MD5OfBody", "m");
    if (input.has("MessageAttributes")) {
      content.set("MessageAttributes", input.get("MessageAttributes"));
    }
    queues.computeIfAbsent(queue, q -> new ArrayList<>()).add(new Message(content));
    notifyAll();
    return Json.object().put("MessageId", id);
  }

  private synchronized ObjectNode receive(String queue, ObjectNode input) {
    receives++;
    var end = System.nanoTime() + TimeUnit.SECONDS.toNanos(input.path("WaitTimeSeconds").asInt());
    var answer = Json.object();
    while (true) {
      var messages = Json.array();
      for (var message : queues.getOrDefault(queue, List.of())) {
        if (message.visibleAt <= System.currentTimeMillis() && messages.size() < input.path("MaxNumberOfMessages").asInt()) {
          message.visibleAt = System.currentTimeMillis() + visibilityMillis;
          message.received++;
          var copy = message.content.deepCopy().put("ReceiptHandle", "handle-" + message.content.path("MessageId").asText());
          copy.putObject("Attributes").put("ApproximateReceiveCount", Integer.toString(message.received));
          messages.add(copy);
        }
      }
      if (!messages.isEmpty()) {
        answer.set("Messages", messages);
        return answer;
      }
      if (System.nanoTime() >= end) {
        return answer;
      }
      try {
        wait(20);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return answer;
      }
    }
  }

  private synchronized ObjectNode delete(String queue, ObjectNode input) {
    var answer = Json.object();
    var failed = answer.putArray("Failed");
    for (var entry : input.path("Entries")) {
      if (deletesToFail > 0) {
        deletesToFail--;
        failed.addObject().put("Id", entry.path("Id").asText()).put("SenderFault", false).put("Code", "InternalError");
      } else {
        queues.getOrDefault(queue, List.of()).removeIf(message ->
            entry.path("ReceiptHandle").asText().equals("handle-" + message.content.path("MessageId").asText()));
      }
    }
    return answer;
  }
}
