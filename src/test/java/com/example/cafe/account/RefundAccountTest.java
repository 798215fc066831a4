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
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;

class RefundAccountTest {
  private static final String FAILED = "ConditionalCheckFailed";
  private final FakeDataApi dataApi = new FakeDataApi();
  private final FakeDynamoDb dynamo = new FakeDynamoDb();
  private final Map<String, Object> payload = Events.map("RefundAccount");
  private final Charge charge = Charge.of(payload);
  private final RefundAccount refundAccount = new RefundAccount(new Ledger(dynamo, "table", Clock.systemUTC()),
      new OrderProgress(FakeDataApi.database(dataApi), Clock.systemUTC()));

  @Test
  void aChargeIsTakenBackAfterTheOrderCanOnlyBeRejected() {
    order("CHARGED");

    assertThat(refundAccount.handleRequest(payload, new TestContext()).get("status")).isEqualTo("REFUNDED");

    assertThat(dataApi.parametersOf("SET rejecting = true")).containsEntry("orderId", charge.orderId());
    assertThat(dynamo.transactions).hasSize(1);
    assertThat(dynamo.puts).isEmpty();
  }

  @Test
  void aCompletedOrderKeepsItsCharge() {
    order("COMPLETED");

    assertThatThrownBy(() -> refundAccount.handleRequest(payload, new TestContext())).isInstanceOf(OrderClosed.class);
    assertThat(dynamo.transactions).isEmpty();
  }

  @Test
  void whatWasTakenBackBeforeIsNotTakenBackAgain() {
    order("REJECTED");
    dynamo.cancel(reason(FAILED, Map.of("state", AttributeValue.fromS("REFUNDED"))), none());

    assertThat(refundAccount.handleRequest(payload, new TestContext()).get("status")).isEqualTo("REFUNDED");
    assertThat(dynamo.transactions).hasSize(1);
    assertThat(dynamo.puts).isEmpty();
  }

  @Test
  void whereNothingWasChargedALateChargeIsKeptOut() {
    order("RESERVED");
    dynamo.cancel(reason(FAILED, null), reason(FAILED, null));

    refundAccount.handleRequest(payload, new TestContext());

    assertThat(dynamo.puts).singleElement().satisfies(put -> {
      assertThat(put.item()).containsEntry("state", AttributeValue.fromS("VOIDED"));
      assertThat(put.conditionExpression()).isEqualTo("attribute_not_exists(entry)");
    });
  }

  @Test
  void aChargeThatComesInBetweenIsTakenBackAfterAll() {
    order("RESERVED");
    dynamo.cancel(reason(FAILED, null), none());
    dynamo.putFails = true;

    refundAccount.handleRequest(payload, new TestContext());

    assertThat(dynamo.transactions).hasSize(2);
  }

  @Test
  void anotherAmountThanTheChargedOneIsNoRefund() {
    order("CHARGED");
    dynamo.cancel(reason(FAILED, Map.of("state", AttributeValue.fromS("CHARGED"))), none());

    assertThatThrownBy(() -> refundAccount.handleRequest(payload, new TestContext()))
        .isInstanceOf(IllegalStateException.class);
  }

  private void order(String status) {
    dataApi.answer("SET rejecting = true", p -> List.of("{\"status\":\"" + status + "\"}"));
  }
}
