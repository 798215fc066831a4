package com.example.cafe.platform;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.events.SQSBatchResponse;
import com.amazonaws.services.lambda.runtime.events.SQSEvent;
import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Messages of a queue: each for itself, and only those that failed come again. */
public final class Messages {
  private static final Logger LOG = LoggerFactory.getLogger(Messages.class);
  /** With less left than this, a message is not begun. */
  private static final Duration ENOUGH = Duration.ofSeconds(2);

  private Messages() {}

  /** Handles one message. What it throws puts the message back into the queue. */
  @FunctionalInterface
  public interface Handler {
    void handle(JsonNode message, Deadline deadline);
  }

  /** Gives each message of a batch, an event of OrderEvents, to the handler. */
  public static SQSBatchResponse each(SQSEvent event, Context context, Handler handler) {
    return Logs.invocation(context, () -> {
      var deadline = Deadline.of(context);
      var failures = new ArrayList<SQSBatchResponse.BatchItemFailure>();
      for (var message : event.getRecords()) {
        Logs.reset();
        try {
          if (!deadline.allows(ENOUGH)) {
            throw new IllegalStateException("no time left for this message");
          }
          var body = Json.parse(message.getBody());
          Logs.correlation(Json.need(body, "correlationId"));
          Logs.order(Json.need(body, "orderId"));
          handler.handle(body, deadline);
        } catch (RuntimeException e) {
          LOG.error("Message {} failed and comes again", message.getMessageId(), e);
          failures.add(new SQSBatchResponse.BatchItemFailure(message.getMessageId()));
        }
      }
      return new SQSBatchResponse(failures);
    });
  }
}
