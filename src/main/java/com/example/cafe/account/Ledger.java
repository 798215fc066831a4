package com.example.cafe.account;

import com.example.cafe.platform.Deadline;
import java.time.Clock;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.dynamodb.model.CancellationReason;
import software.amazon.awssdk.services.dynamodb.model.ConditionalCheckFailedException;
import software.amazon.awssdk.services.dynamodb.model.ReturnValuesOnConditionCheckFailure;
import software.amazon.awssdk.services.dynamodb.model.TransactWriteItem;
import software.amazon.awssdk.services.dynamodb.model.TransactionCanceledException;

/**
 * What customers owe: AccountTable. An account (entry ACCOUNT) has a balance, what is available and a credit limit, in cents;
 * an order has one entry (ORDER#id) whose state is CHARGED, then perhaps REFUNDED, or VOIDED where a refund came first.
 *
 * <p>Entry and account change in one transaction, under conditions that DynamoDB checks, so an order is charged once and no
 * account falls below its limit, whoever else writes.
 */
final class Ledger {
  private static final String ACCOUNT = "ACCOUNT";
  private static final String FAILED = "ConditionalCheckFailed";
  private static final int ATTEMPTS = 6;

  private final DynamoDbClient dynamo;
  private final String table;
  private final Clock clock;

  Ledger(DynamoDbClient dynamo, String table, Clock clock) {
    this.dynamo = dynamo;
    this.table = table;
    this.clock = clock;
  }

  /** What became of a charge. */
  sealed interface Outcome {
    record Charged() implements Outcome {}

    record ChargedBefore() implements Outcome {}

    /** It was refunded, or voided before it was booked. */
    record TakenBack() implements Outcome {}

    /** @param available in cents */
    record LimitExceeded(long available) implements Outcome {}
  }

  /** Charges an order. @param amount in cents @param creditLimit of the account if it opens now, in cents */
  Outcome charge(String customerId, String orderId, long amount, long creditLimit, Deadline deadline) {
    var entry = entryKey(customerId, orderId);
    entry.put("orderId", text(orderId));
    entry.put("amount", number(amount));
    entry.put("state", text("CHARGED"));
    entry.put("chargedAt", text(clock.instant().toString()));
    // A condition cannot compare two values that are both given, so the first order's check is made here.
    var enough = "available >= :amount" + (amount <= creditLimit ? " OR attribute_not_exists(available)" : "");
    var reasons = transact(deadline,
        TransactWriteItem.builder().put(p -> p.tableName(table).item(entry)
            .conditionExpression("attribute_not_exists(entry)")
            .returnValuesOnConditionCheckFailure(ReturnValuesOnConditionCheckFailure.ALL_OLD)).build(),
        TransactWriteItem.builder().update(u -> u.tableName(table).key(accountKey(customerId))
            .updateExpression("SET creditLimit = if_not_exists(creditLimit, :limit), "
                + "available = if_not_exists(available, :limit) - :amount, "
                + "balance = if_not_exists(balance, :zero) + :amount")
            .conditionExpression(enough)
            .expressionAttributeValues(Map.of(":limit", number(creditLimit), ":amount", number(amount), ":zero", number(0)))
            .returnValuesOnConditionCheckFailure(ReturnValuesOnConditionCheckFailure.ALL_OLD)).build());
    if (reasons.isEmpty()) {
      return new Outcome.Charged();
    }
    if (FAILED.equals(reasons.getFirst().code())) {
      return "CHARGED".equals(state(reasons.getFirst())) ? new Outcome.ChargedBefore() : new Outcome.TakenBack();
    }
    var account = reasons.get(1).item();
    return new Outcome.LimitExceeded(
        account != null && account.containsKey("available") ? Long.parseLong(account.get("available").n()) : creditLimit);
  }

  /** Takes an order's charge back; where there is none, keeps it from being booked from now on. @param amount in cents */
  void refund(String customerId, String orderId, long amount, Deadline deadline) {
    for (var attempt = 0; attempt < ATTEMPTS; attempt++) {
      var reasons = transact(deadline,
          TransactWriteItem.builder().update(u -> u.tableName(table).key(entryKey(customerId, orderId))
              .updateExpression("SET #state = :refunded, refundedAt = :now")
              .conditionExpression("#state = :charged AND amount = :amount")
              .expressionAttributeNames(Map.of("#state", "state"))
              .expressionAttributeValues(Map.of(":refunded", text("REFUNDED"), ":now", text(clock.instant().toString()),
                  ":charged", text("CHARGED"), ":amount", number(amount)))
              .returnValuesOnConditionCheckFailure(ReturnValuesOnConditionCheckFailure.ALL_OLD)).build(),
          TransactWriteItem.builder().update(u -> u.tableName(table).key(accountKey(customerId))
              .updateExpression("SET available = available + :amount, balance = balance - :amount")
              .conditionExpression("attribute_exists(available)")
              .expressionAttributeValues(Map.of(":amount", number(amount)))).build());
      if (reasons.isEmpty()) {
        return;
      }
      var state = state(reasons.getFirst());
      if ("REFUNDED".equals(state) || "VOIDED".equals(state)) {
        return;
      }
      if (state != null) {
        throw new IllegalStateException("the charge has another amount than the refund");
      }
      if (voided(customerId, orderId, amount)) {
        return;
      }
      // The charge came in between: now it can be refunded.
    }
    throw new IllegalStateException("the charge could not be refunded");
  }

  private boolean voided(String customerId, String orderId, long amount) {
    var entry = entryKey(customerId, orderId);
    entry.put("orderId", text(orderId));
    entry.put("amount", number(amount));
    entry.put("state", text("VOIDED"));
    entry.put("voidedAt", text(clock.instant().toString()));
    try {
      dynamo.putItem(p -> p.tableName(table).item(entry).conditionExpression("attribute_not_exists(entry)"));
      return true;
    } catch (ConditionalCheckFailedException e) {
      return false;
    }
  }

  /**
   * Writes both or none.
   *
   * @return nothing, or why it was cancelled: a condition of one of the two failed
   */
  private List<CancellationReason> transact(Deadline deadline, TransactWriteItem... items) {
    for (var attempt = 1; ; attempt++) {
      try {
        dynamo.transactWriteItems(r -> r.transactItems(items));
        return List.of();
      } catch (TransactionCanceledException e) {
        if (e.cancellationReasons().stream().anyMatch(reason -> FAILED.equals(reason.code()))) {
          return e.cancellationReasons();
        }
        // Another order of this customer is at the account right now, or DynamoDB throttles. The SDK does not retry that.
        var pause = Duration.ofMillis(ThreadLocalRandom.current().nextLong(25L << attempt));
        if (attempt == ATTEMPTS || !deadline.allows(pause)) {
          throw e;
        }
        try {
          Thread.sleep(pause);
        } catch (InterruptedException interrupted) {
          Thread.currentThread().interrupt();
          throw e;
        }
      }
    }
  }

  private static Map<String, AttributeValue> entryKey(String customerId, String orderId) {
    return new HashMap<>(Map.of("customerId", text(customerId), "entry", text("ORDER#" + orderId)));
  }

  private static Map<String, AttributeValue> accountKey(String customerId) {
    return Map.of("customerId", text(customerId), "entry", text(ACCOUNT));
  }

  private static @Nullable String state(CancellationReason reason) {
    var item = reason.item();
    return item == null || !item.containsKey("state") ? null : item.get("state").s();
  }

  private static AttributeValue text(String value) {
    return AttributeValue.fromS(value);
  }

  private static AttributeValue number(long value) {
    return AttributeValue.fromN(Long.toString(value));
  }
}
