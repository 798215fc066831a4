package com.example.cafe.fulfilment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.example.cafe.Events;
import com.example.cafe.FakeDataApi;
import com.example.cafe.TestContext;
import com.example.cafe.order.FakeSns;
import com.example.cafe.order.OrderClosed;
import com.example.cafe.order.OrderProgress;
import com.example.cafe.order.Outbox;
import com.example.cafe.platform.Json;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class RejectOrderTest {
  private final FakeDataApi dataApi = new FakeDataApi();
  private final FakeSns sns = new FakeSns();
  private final RejectOrder rejectOrder = new RejectOrder(
      new OrderProgress(FakeDataApi.database(dataApi), Clock.systemUTC()),
      new Outbox(FakeDataApi.database(dataApi), sns, "topic", Clock.systemUTC()));
  private final Map<String, Object> payload = Events.map("RejectOrder");
  private final Step step = Step.of(payload);

  @Test
  void anOrderIsRejectedWithItsReasonAndItsEventLeaves() {
    dataApi.answer("SET status = 'REJECTED'", p -> List.of("""
        {"status":"PLACED","event":{"event_id":"%s","type":"OrderRejected","version":1,
          "occurred_at":"2026-11-21T09:00:00+00:00","correlation_id":"c","order_id":"%s","customer_id":"ada",
          "total_cents":720,"currency":"EUR","reason_code":"%s"}}"""
        .formatted(p.get("eventId"), p.get("orderId"), p.get("code"))));

    assertThat(rejectOrder.handleRequest(payload, new TestContext()).get("status")).isEqualTo("REJECTED");
    assertThat(dataApi.parametersOf("SET status = 'REJECTED'"))
        .containsEntry("message", "Saffron bun of the day: 4 ordered, 3 left.");
    assertThat(Json.parse(sns.published.getFirst()).path("reasonCode").asText()).isEqualTo("OUT_OF_STOCK");
  }

  @Test
  void aCompletedOrderStaysCompleted() {
    dataApi.answer("SET status = 'REJECTED'", p -> List.of("{\"status\":\"COMPLETED\",\"event\":null}"));

    assertThatThrownBy(() -> rejectOrder.handleRequest(payload, new TestContext())).isInstanceOf(OrderClosed.class);
    assertThat(sns.published).isEmpty();
  }

  @Test
  void nothingIsRejectedWithoutAReason() {
    assertThatThrownBy(() -> rejectOrder.handleRequest(Map.of("orderId", step.orderId(), "correlationId", "c"), new TestContext()))
        .hasMessage("reason is missing");
    assertThat(dataApi.log()).isEmpty();
  }
}
