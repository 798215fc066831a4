package com.example.cafe.fulfilment;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.example.cafe.order.OrderProgress;
import com.example.cafe.order.Outbox;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Logs;
import com.example.cafe.platform.Snapshot;
import java.time.Clock;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The other end of Fulfilment: closes an order with a reason, puts what was reserved back, and tells the others of it. */
public final class RejectOrder implements RequestHandler<Map<String, Object>, Map<String, String>> {
  private static final Logger LOG = LoggerFactory.getLogger(RejectOrder.class);
  private final OrderProgress orders;
  private final Outbox outbox;

  public RejectOrder() {
    this(Database.fromEnvironment(), Clock.systemUTC());
  }

  private RejectOrder(Database database, Clock clock) {
    this(new OrderProgress(database, clock), Outbox.fromEnvironment(database, clock));
    Snapshot.prime(database::prime, outbox::announce);
  }

  RejectOrder(OrderProgress orders, Outbox outbox) {
    this.orders = orders;
    this.outbox = outbox;
  }

  @Override
  public Map<String, String> handleRequest(Map<String, Object> payload, Context context) {
    return Logs.invocation(context, () -> {
      var step = Step.of(payload);
      Logs.correlation(step.correlationId());
      Logs.order(step.orderId());
      var reason = step.reason();
      if (reason == null) {
        throw new IllegalArgumentException("reason is missing");
      }
      var deadline = Deadline.of(context);
      outbox.announce();
      var event = orders.reject(step.id(), reason.code(), reason.message(), step.correlationId(), deadline);
      LOG.info("Rejected: {}", reason.code());
      event.ifPresent(unpublished -> outbox.publish(unpublished, deadline));
      return step.done("REJECTED");
    });
  }
}
