package com.example.cafe.order;

import static org.assertj.core.api.Assertions.assertThat;

import com.example.cafe.Events;
import com.example.cafe.FakeDataApi;
import com.example.cafe.TestContext;
import com.example.cafe.platform.Json;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ListOrdersTest {
  private final FakeDataApi dataApi = new FakeDataApi();
  private final ListOrders listOrders = new ListOrders(FakeDataApi.database(dataApi));

  @Test
  void aPageLeadsToTheNextUntilTheLast() {
    dataApi.answer("FROM orders o", p -> LongStream.range(0, (long) p.get("limit")).mapToObj(ListOrdersTest::row).toList());
    var first = get(Map.of("limit", "2"), 200);
    assertThat(first.path("orders")).hasSize(2);
    assertThat(dataApi.parametersOf("FROM orders o")).containsEntry("limit", 3L).containsEntry("before", null)
        .containsEntry("customerId", "7d1f5c1e-2b7a-4c55-9a4e-3f0f5a0c1111");

    dataApi.log().clear();
    dataApi.answer("FROM orders o", p -> List.of(row(9)));
    var second = get(Map.of("limit", "2", "cursor", first.path("nextCursor").asText()), 200);

    assertThat(second.path("orders")).hasSize(1);
    assertThat(second.has("nextCursor")).isFalse();
  }

  @ParameterizedTest
  @CsvSource({"limit,0", "limit,51", "limit,-1", "limit,x", "limit,99999999999", "limit,''", "cursor,x", "cursor,''",
      "cursor,MS0xLTEtMS0x", "cursor,'é'"})
  void aWrongParameterIs400AndNamed(String name, String value) {
    assertThat(get(Map.of(name, value), 400).path("errors").get(0).path("field").asText()).isEqualTo(name);
    assertThat(dataApi.log()).isEmpty();
  }

  @Test
  void noParametersGiveTwenty() {
    dataApi.answer("FROM orders o", p -> List.of());

    assertThat(get(null, 200)).isEqualTo(Json.parse("{\"orders\":[]}"));
    assertThat(dataApi.parametersOf("FROM orders o")).containsEntry("limit", 21L);
  }

  private static String row(long n) {
    return """
        {"orderId":"019aa5b0-7a00-7abc-8def-%012d","status":"PLACED","total":1,"currency":"EUR","reason":null,
         "placedAt":"2026-11-21T09:00:00+00:00","items":[],"timeline":[]}""".formatted(n);
  }

  private com.fasterxml.jackson.databind.JsonNode get(Map<String, String> query, int status) {
    var event = Events.api("ListOrders").withQueryStringParameters(query == null ? null : new HashMap<>(query));
    var response = listOrders.handleRequest(event, new TestContext());
    assertThat(response.getStatusCode()).as(response.getBody()).isEqualTo(status);
    return Json.parse(response.getBody());
  }
}
