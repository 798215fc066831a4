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

/** Last step of Fulfilment: closes an order that is reserved and charged, and tells the others of it. */
public final class CompleteOrder implements RequestHandler<Map<String, Object>, Map<String, String>> {
  private static final Logger LOG = LoggerFactory.getLogger(CompleteOrder.class);
  private final OrderProgress orders;
  private final Outbox outbox;

  public CompleteOrder() {
    this(Database.fromEnvironment(), Clock.systemUTC());
  }

  private CompleteOrder(Database database, Clock clock) {
    this(new OrderProgress(database, clock), Outbox.fromEnvironment(database, clock));
    Snapshot.prime(database::prime, outbox::announce);
  }

  CompleteOrder(OrderProgress orders, Outbox outbox) {
    this.orders = orders;
    this.outbox = outbox;
  }

  @Override
  public Map<String, String> handleRequest(Map<String, Object> payload, Context context) {
    return Logs.invocation(context, () -> {
      var step = Step.of(payload);
      Logs.correlation(step.correlationId());
      Logs.order(step.orderId());
      var deadline = Deadline.of(context);
      outbox.announce();
      var event = orders.complete(step.id(), step.correlationId(), deadline);
      LOG.info("Completed");
      event.ifPresent(unpublished -> outbox.publish(unpublished, deadline));
      return step.done("COMPLETED");
    });
  }
}
