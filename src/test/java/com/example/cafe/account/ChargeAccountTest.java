package com.example.cafe.account;

import static com.example.cafe.account.FakeDynamoDb.none;
import static com.example.cafe.account.FakeDynamoDb.reason;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.example.cafe.Events;
import com.example.cafe.FakeDataApi;
import com.example.cafe.TestContext;
import com.example.cafe.order.OrderClosed;
import com.example.cafe.order.OrderProgress;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.dynamodb.model.TransactionCanceledException;

class ChargeAccountTest {
  private static final String CONFLICT = "TransactionConflict";
  private static final String FAILED = "ConditionalCheckFailed";
  private final FakeDataApi dataApi = new FakeDataApi();
  private final FakeDynamoDb dynamo = new FakeDynamoDb();
  private final Map<String, Object> payload = Events.map("ChargeAccount");
  private final Charge charge = Charge.of(payload);
  private final ChargeAccount chargeAccount = chargeAccount(100_000);

  @BeforeEach
  void reserved() {
    dataApi.answer("SET status = 'CHARGED'", p -> List.of("{\"status\":\"RESERVED\",\"rejecting\":false}"));
  }

  @Test
  void entryAndAccountChangeInOneTransaction() {
    assertThat(chargeAccount.handleRequest(payload, new TestContext()).get("status")).isEqualTo("CHARGED");

    var items = dynamo.transactions.getFirst().transactItems();
    assertThat(items.get(0).put().item()).containsEntry("entry", AttributeValue.fromS("ORDER#" + charge.orderId()))
        .containsEntry("amount", AttributeValue.fromN("720"));
    assertThat(items.get(0).put().conditionExpression()).isEqualTo("attribute_not_exists(entry)");
    assertThat(items.get(1).update().conditionExpression()).isEqualTo("available >= :amount OR attribute_not_exists(available)");
    assertThat(dataApi.parametersOf("SET status = 'CHARGED'")).containsEntry("orderId", charge.orderId());
  }

  @Test
  void anOrderThatWasChargedBeforeGoesOn() {
    dynamo.cancel(reason(FAILED, entry("CHARGED")), none());

    assertThat(chargeAccount.handleRequest(payload, new TestContext()).get("status")).isEqualTo("CHARGED");
    assertThat(dataApi.log()).hasSize(1);
  }

  @Test
  void anOrderThatWasChargedBeforeIsNotOverItsLimitForThat() {
    dynamo.cancel(reason(FAILED, entry("CHARGED")), reason(FAILED, Map.of("available", AttributeValue.fromN("0"))));

    assertThat(chargeAccount.handleRequest(payload, new TestContext()).get("status")).isEqualTo("CHARGED");
  }

  @Test
  void aChargeThatComesAfterItsRefundIsNotBooked() {
    for (var state : List.of("REFUNDED", "VOIDED")) {
      dynamo.cancel(reason(FAILED, entry(state)), none());
      assertThatThrownBy(() -> chargeAccount.handleRequest(payload, new TestContext())).isInstanceOf(OrderClosed.class);
    }
    assertThat(dataApi.log()).isEmpty();
  }

  @Test
  void anAccountThatDoesNotAllowForItSaysSoInWords() {
    dynamo.cancel(none(), reason(FAILED, Map.of("available", AttributeValue.fromN("505"))));

    assertThatThrownBy(() -> chargeAccount.handleRequest(payload, new TestContext())).isInstanceOf(CreditLimitExceeded.class)
        .hasMessage("The order comes to 7.20, your account allows for 5.05.");
    assertThat(dataApi.log()).isEmpty();
  }

  @Test
  void aFirstOrderOverTheDefaultLimitOpensNoAccount() {
    dynamo.cancel(none(), reason(FAILED, null));

    assertThatThrownBy(() -> chargeAccount(719).handleRequest(payload, new TestContext()))
        .isInstanceOf(CreditLimitExceeded.class).hasMessageContaining("allows for 7.19");
    assertThat(dynamo.transactions.getFirst().transactItems().get(1).update().conditionExpression())
        .isEqualTo("available >= :amount");
  }

  @Test
  void twoOrdersAtOneAccountTakeTurns() {
    dynamo.cancel(none(), reason(CONFLICT, null));
    dynamo.cancel(none(), reason(CONFLICT, null));

    assertThat(chargeAccount.handleRequest(payload, new TestContext()).get("status")).isEqualTo("CHARGED");
    assertThat(dynamo.transactions).hasSize(3);
  }

  @Test
  void aConflictThatLastsFailsTheStepSoThatItIsRetried() {
    dynamo.cancel(none(), reason(CONFLICT, null));

    assertThatThrownBy(() -> chargeAccount.handleRequest(payload, new TestContext(0)))
        .isInstanceOf(TransactionCanceledException.class);
  }

  private ChargeAccount chargeAccount(long creditLimit) {
    return new ChargeAccount(new Ledger(dynamo, "table", Clock.systemUTC()),
        new OrderProgress(FakeDataApi.database(dataApi), Clock.systemUTC()), creditLimit);
  }

  private static Map<String, AttributeValue> entry(String state) {
    return Map.of("state", AttributeValue.fromS(state));
  }
}
