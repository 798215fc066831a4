package com.example.cafe.fulfilment;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.example.cafe.order.OrderProgress;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Logs;
import com.example.cafe.platform.Snapshot;
import java.time.Clock;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** First step of Fulfilment: takes an order's items out of the stock, all or none. */
public final class ReserveStock implements RequestHandler<Map<String, Object>, Map<String, String>> {
  private static final Logger LOG = LoggerFactory.getLogger(ReserveStock.class);
  private final OrderProgress orders;

  public ReserveStock() {
    this(Database.fromEnvironment(), Clock.systemUTC());
  }

  ReserveStock(Database database, Clock clock) {
    this.orders = new OrderProgress(database, clock);
    Snapshot.prime(database::prime);
  }

  /** @throws OutOfStock where there is too little of something; nothing is taken then */
  @Override
  public Map<String, String> handleRequest(Map<String, Object> payload, Context context) {
    return Logs.invocation(context, () -> {
      var step = Step.of(payload);
      Logs.correlation(step.correlationId());
      Logs.order(step.orderId());
      var shortages = orders.reserve(step.id(), Deadline.of(context));
      if (!shortages.isEmpty()) {
        LOG.info("Out of stock: {}", shortages);
        throw new OutOfStock(shortages);
      }
      LOG.info("Reserved");
      return step.done("RESERVED");
    });
  }
}
