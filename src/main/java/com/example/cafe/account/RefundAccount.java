package com.example.cafe.account;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.example.cafe.order.OrderProgress;
import com.example.cafe.platform.Clients;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Env;
import com.example.cafe.platform.Logs;
import com.example.cafe.platform.Snapshot;
import java.time.Clock;
import java.time.Duration;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;

/** Step of Fulfilment: takes an order's charge back, and keeps a charge that comes late from being booked. */
public final class RefundAccount implements RequestHandler<Map<String, Object>, Map<String, String>> {
  private static final Logger LOG = LoggerFactory.getLogger(RefundAccount.class);
  private final Ledger ledger;
  private final OrderProgress orders;

  public RefundAccount() {
    this(Database.fromEnvironment(), Clock.systemUTC());
  }

  private RefundAccount(Database database, Clock clock) {
    this(new Ledger(Clients.build(DynamoDbClient.builder(), Duration.ofSeconds(3)), Env.get("ACCOUNT_TABLE"), clock),
        new OrderProgress(database, clock));
    Snapshot.prime(database::prime);
  }

  RefundAccount(Ledger ledger, OrderProgress orders) {
    this.ledger = ledger;
    this.orders = orders;
  }

  /** @throws com.example.cafe.order.OrderClosed where the order is completed: it stays charged */
  @Override
  public Map<String, String> handleRequest(Map<String, Object> payload, Context context) {
    return Logs.invocation(context, () -> {
      var charge = Charge.of(payload);
      Logs.correlation(charge.correlationId());
      Logs.order(charge.orderId());
      var deadline = Deadline.of(context);
      orders.beginRejection(charge.id(), deadline);
      ledger.refund(charge.customerId(), charge.orderId(), charge.total(), deadline);
      LOG.info("Refunded");
      return charge.done("REFUNDED");
    });
  }
}
