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
import com.example.cafe.platform.Metrics;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.core.exception.SdkClientException;

class CompleteOrderTest {
  private static final String EVENT = """
      {"event_id":"019aa5b0-7a01-7abc-8def-0123456789ab","type":"OrderCompleted","version":1,
       "occurred_at":"2026-11-21T09:00:00+00:00","correlation_id":"c","order_id":"019aa5b0-7a00-7abc-8def-0123456789ab",
       "customer_id":"ada","total_cents":720,"currency":"EUR","reason_code":null}""";
  private final FakeDataApi dataApi = new FakeDataApi();
  private final FakeSns sns = new FakeSns();
  private final List<String> metrics = new ArrayList<>();
  private final CompleteOrder completeOrder = new CompleteOrder(
      new OrderProgress(FakeDataApi.database(dataApi), Clock.systemUTC()),
      new Outbox(FakeDataApi.database(dataApi), sns, "topic", Clock.systemUTC(), new Metrics(metrics::add, "cafe")));
  private final Map<String, Object> payload = Events.map("CompleteOrder");
  private final Step step = Step.of(payload);

  @Test
  void aChargedOrderIsCompletedAndItsEventLeaves() {
    database("CHARGED", false, EVENT);

    assertThat(completeOrder.handleRequest(payload, new TestContext()).get("status")).isEqualTo("COMPLETED");
    assertThat(sns.requests).singleElement()
        .satisfies(r -> assertThat(r.messageAttributes().get("type").stringValue()).isEqualTo("OrderCompleted"));
  }

  @Test
  void aCompletedOrderIsCountedWithTheTimeThatItTook() {
    database("CHARGED", false, EVENT.replace("2026-11-21T09:00:00", "2025-11-21T14:26:01"));

    completeOrder.handleRequest(payload, new TestContext());

    assertThat(metrics).singleElement().satisfies(line -> {
      var metric = Json.parse(line);
      assertThat(metric.path("OrdersCompleted").intValue()).isEqualTo(1);
      assertThat(metric.path("TimeToComplete").longValue()).isEqualTo(
          Instant.parse("2025-11-21T14:26:01Z").toEpochMilli() - 0x019aa5b07a00L);
      assertThat(metric.path("orderId").asText()).isEqualTo("019aa5b0-7a00-7abc-8def-0123456789ab");
    });
  }

  @Test
  void anEventThatDoesNotLeaveNowDoesNotFailTheStep() {
    database("CHARGED", false, EVENT);
    sns.broken = SdkClientException.create("no way through");

    assertThat(completeOrder.handleRequest(payload, new TestContext()).get("status")).isEqualTo("COMPLETED");
  }

  @Test
  void aSecondRunSendsNoSecondEvent() {
    database("COMPLETED", false, "null");

    assertThat(completeOrder.handleRequest(payload, new TestContext()).get("status")).isEqualTo("COMPLETED");
    assertThat(sns.requests).isEmpty();
  }

  @Test
  void anOrderThatIsBeingRejectedIsNotCompleted() {
    database("CHARGED", true, "null");

    assertThatThrownBy(() -> completeOrder.handleRequest(payload, new TestContext())).isInstanceOf(OrderClosed.class);
  }

  @Test
  void anOrderThatNobodyChargedIsNotCompleted() {
    database("RESERVED", false, "null");

    assertThatThrownBy(() -> completeOrder.handleRequest(payload, new TestContext())).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void anOrderThatDoesNotExistFailsTheStep() {
    dataApi.answer("SET status = 'COMPLETED'", p -> List.of());

    assertThatThrownBy(() -> completeOrder.handleRequest(payload, new TestContext()))
        .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("no such order");
  }

  private void database(String status, boolean rejecting, String event) {
    dataApi.answer("SET status = 'COMPLETED'",
        p -> List.of("{\"status\":\"%s\",\"rejecting\":%s,\"event\":%s}".formatted(status, rejecting, event)));
  }
}
