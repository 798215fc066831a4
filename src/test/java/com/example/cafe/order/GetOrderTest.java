package com.example.cafe.order;

import static org.assertj.core.api.Assertions.assertThat;

import com.example.cafe.Events;
import com.example.cafe.FakeDataApi;
import com.example.cafe.TestContext;
import com.example.cafe.platform.Json;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GetOrderTest {
  private final FakeDataApi dataApi = new FakeDataApi();
  private final GetOrder getOrder = new GetOrder(FakeDataApi.database(dataApi));

  @Test
  void anOrderShowsItsStateItsReasonAndItsTimeline() {
    dataApi.answer("FROM orders o", p -> List.of("""
        {"orderId":"%s","status":"REJECTED","total":1400,"currency":"EUR","placedAt":"2026-11-21T10:00:00.5+01:00",
         "reason":{"code":"OUT_OF_STOCK","message":"None left."},
         "items":[{"itemId":"saffron-bun","name":"Saffron bun","quantity":4,"price":350}],
         "timeline":[{"status":"PLACED","at":"2026-11-21T09:00:00.5+00:00"},
                     {"status":"REJECTED","at":"2026-11-21T09:00:01+00:00"}]}""".formatted(p.get("orderId"))));

    var response = getOrder.handleRequest(Events.api("GetOrder"), new TestContext());

    assertThat(response.getStatusCode()).isEqualTo(200);
    assertThat(Json.parse(response.getBody())).isEqualTo(Json.parse("""
        {"orderId":"019aa5b0-7a00-7abc-8def-0123456789a7","status":"REJECTED",
         "items":[{"itemId":"saffron-bun","name":"Saffron bun","quantity":4,"price":350}],"total":1400,"currency":"EUR",
         "reason":{"code":"OUT_OF_STOCK","message":"None left."},
         "timeline":[{"status":"PLACED","at":"2026-11-21T09:00:00.500Z"},{"status":"REJECTED","at":"2026-11-21T09:00:01Z"}],
         "placedAt":"2026-11-21T09:00:00.500Z"}"""));
    assertThat(dataApi.parametersOf("FROM orders o"))
        .containsEntry("customerId", "7d1f5c1e-2b7a-4c55-9a4e-3f0f5a0c1111");
  }

  @Test
  void anOrderThatIsNotTheCustomersIsNotThere() {
    dataApi.answer("FROM orders o", p -> List.of());

    var response = getOrder.handleRequest(Events.api("GetOrder"), new TestContext());

    assertThat(response.getStatusCode()).isEqualTo(404);
    assertThat(Json.parse(response.getBody()).path("instance").asText())
        .isEqualTo("urn:uuid:c6af9ac6-7b61-11e6-9a41-93e8deadbeef");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "1", "1-1-1-1-1", "019aa5b0-7a00-7abc-8def-0123456789ag", "'; DROP TABLE orders", "\u0000"})
  void whatIsNoIdIsNotThereEither(String id) {
    var event = Events.api("GetOrder").withPathParameters(Map.of("orderId", id));

    assertThat(getOrder.handleRequest(event, new TestContext()).getStatusCode()).isEqualTo(404);
    assertThat(dataApi.log()).isEmpty();
  }

  @Test
  void nobodySeesAnOrderWithoutBeingSignedIn() {
    var event = Events.api("GetOrder");
    event.getRequestContext().getAuthorizer().clear();

    assertThat(getOrder.handleRequest(event, new TestContext()).getStatusCode()).isEqualTo(401);
  }
}
