package com.example.cafe.account;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.example.cafe.order.OrderClosed;
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

/** Step of Fulfilment: charges an order to its customer's account, once however often it runs. */
public final class ChargeAccount implements RequestHandler<Map<String, Object>, Map<String, String>> {
  private static final Logger LOG = LoggerFactory.getLogger(ChargeAccount.class);
  private final Ledger ledger;
  private final OrderProgress orders;
  private final long creditLimit;

  public ChargeAccount() {
    this(Database.fromEnvironment(), Clock.systemUTC());
  }

  private ChargeAccount(Database database, Clock clock) {
    this(new Ledger(Clients.build(DynamoDbClient.builder(), Duration.ofSeconds(3)), Env.get("ACCOUNT_TABLE"), clock),
        new OrderProgress(database, clock), Long.parseLong(Env.get("CREDIT_LIMIT")));
    Snapshot.prime(database::prime);
  }

  /** @param creditLimit of an account that opens now, in cents */
  ChargeAccount(Ledger ledger, OrderProgress orders, long creditLimit) {
    this.ledger = ledger;
    this.orders = orders;
    this.creditLimit = creditLimit;
  }

  /** @throws CreditLimitExceeded where the account does not allow for it; nothing is charged then */
  @Override
  public Map<String, String> handleRequest(Map<String, Object> payload, Context context) {
    return Logs.invocation(context, () -> {
      var charge = Charge.of(payload);
      Logs.correlation(charge.correlationId());
      Logs.order(charge.orderId());
      var deadline = Deadline.of(context);
      switch (ledger.charge(charge.customerId(), charge.orderId(), charge.total(), creditLimit, deadline)) {
        case Ledger.Outcome.Charged() -> LOG.info("Charged");
        case Ledger.Outcome.ChargedBefore() -> LOG.info("Charged before");
        case Ledger.Outcome.TakenBack() -> throw new OrderClosed("the charge was taken back");
        case Ledger.Outcome.LimitExceeded(var available) -> {
          LOG.info("Credit limit exceeded");
          throw new CreditLimitExceeded(charge.total(), available);
        }
      }
      orders.charged(charge.id(), deadline);
      return charge.done("CHARGED");
    });
  }
}
