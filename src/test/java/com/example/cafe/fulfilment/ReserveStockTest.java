package com.example.cafe.fulfilment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.example.cafe.Events;
import com.example.cafe.FakeDataApi;
import com.example.cafe.TestContext;
import com.example.cafe.order.OrderClosed;
import com.example.cafe.platform.DatabaseAsleep;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ReserveStockTest {
  private final FakeDataApi dataApi = new FakeDataApi();
  private final ReserveStock reserveStock = new ReserveStock(FakeDataApi.database(dataApi), Clock.systemUTC());
  private final Map<String, Object> payload = Events.map("ReserveStock");
  private final Step step = Step.of(payload);

  @Test
  void aPlacedOrderIsReserved() {
    database("{\"status\":\"PLACED\",\"rejecting\":false,\"short\":[]}");

    assertThat(reserveStock.handleRequest(payload, new TestContext())).isEqualTo(step.done("RESERVED"));
  }

  @Test
  void tooLittleIsToldInWordsForTheCustomer() {
    database("""
        {"status":"PLACED","rejecting":false,"short":[
          {"item_id":"saffron-bun","name":"Saffron bun","stock":3,"quantity":4},
          {"item_id":"granola","name":"Granola","stock":0,"quantity":1}]}""");

    assertThatThrownBy(() -> reserveStock.handleRequest(payload, new TestContext())).isInstanceOf(OutOfStock.class)
        .hasMessage("Saffron bun: 4 ordered, 3 left. Granola is out of stock.");
  }

  @ParameterizedTest
  @ValueSource(strings = {"COMPLETED", "REJECTED"})
  void anOrderThatIsClosedStaysAsItIs(String status) {
    database("{\"status\":\"" + status + "\",\"rejecting\":false,\"short\":[]}");

    assertThatThrownBy(() -> reserveStock.handleRequest(payload, new TestContext())).isInstanceOf(OrderClosed.class);
  }

  @Test
  void aDatabaseThatSleepsOnFailsTheStepSoThatItIsRetried() {
    dataApi.resuming(Integer.MAX_VALUE);

    assertThatThrownBy(() -> reserveStock.handleRequest(payload, new TestContext(1_000))).isInstanceOf(DatabaseAsleep.class);
  }

  private void database(String row) {
    dataApi.answer("SET status = 'RESERVED'", p -> List.of(row));
  }
}
