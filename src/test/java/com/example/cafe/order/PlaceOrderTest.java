package com.example.cafe.order;

import static org.assertj.core.api.Assertions.assertThat;

import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyRequestEvent;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyResponseEvent;
import com.example.cafe.Events;
import com.example.cafe.FakeDataApi;
import com.example.cafe.TestContext;
import com.example.cafe.platform.Json;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import software.amazon.awssdk.core.exception.SdkClientException;

class PlaceOrderTest {
  private static final Clock CLOCK = Clock.fixed(Instant.parse("2026-11-21T09:00:00.123Z"), ZoneOffset.UTC);
  private final FakeDataApi dataApi = new FakeDataApi();
  private final FakeSns sns = new FakeSns();
  private final PlaceOrder placeOrder = new PlaceOrder(new Orders(FakeDataApi.database(dataApi), CLOCK),
      new Outbox(FakeDataApi.database(dataApi), sns, "topic", CLOCK));

  @Test
  void anOrderIsAcceptedWithItsPlaceAndItsEventLeaves() {
    databasePlaces();

    var response = invoke(event());

    assertThat(response.getStatusCode()).isEqualTo(202);
    var order = Json.parse(response.getBody());
    assertThat(response.getHeaders()).containsEntry("Location", "/api/orders/" + order.path("orderId").asText());
    assertThat(order.path("status").asText()).isEqualTo("PLACED");
    assertThat(order.path("total").asLong()).isEqualTo(720);
    assertThat(order.path("timeline")).isEqualTo(Json.parse("""
        [{"status":"PLACED","at":"2026-11-21T09:00:00.123Z"}]"""));
    assertThat(order.has("reason")).isFalse();
    assertThat(dataApi.parametersOf("INSERT INTO orders")).containsEntry("email", "ada@example.com")
        .containsEntry("key", "8e03978e-40d5-43e8-bc93-6894a57f9324");
    assertThat(dataApi.parametersOf("UPDATE outbox SET published_at")).isNotEmpty();
  }

  @Test
  void theEventCarriesWhatSubscribersFilterByAndNoPersonalData() {
    databasePlaces();

    invoke(event());

    var published = sns.requests.getFirst();
    assertThat(published.messageAttributes().get("type").stringValue()).isEqualTo("OrderPlaced");
    assertThat(published.messageAttributes().get("channel").stringValue()).isEqualTo("web");
    assertThat(published.messageAttributes().get("total").dataType()).isEqualTo("Number");
    assertThat(published.messageAttributes().get("total").stringValue()).isEqualTo("720");
    assertThat(published.message()).doesNotContain("ada@example.com");
    assertThat(names(Json.parse(published.message()))).containsExactly("eventId", "type", "version", "occurredAt",
        "correlationId", "orderId", "customerId", "total", "currency");
  }

  @Test
  void anOrderStandsThoughItsEventDoesNotLeave() {
    databasePlaces();
    sns.broken = SdkClientException.create("no way through");

    assertThat(invoke(event()).getStatusCode()).isEqualTo(202);
    assertThat(dataApi.log()).noneMatch(sql -> sql.contains("UPDATE outbox SET published_at"));
  }

  @Test
  void theSameKeyAndContentGivesTheSameOrder() {
    repeats(hashOf("""
        {"items":[{"itemId":"croissant","quantity":1},{"itemId":"espresso","quantity":1},{"itemId":"espresso","quantity":1}]}"""));

    var response = invoke(event());

    assertThat(response.getStatusCode()).isEqualTo(202);
    assertThat(response.getHeaders()).containsEntry("Location", "/api/orders/019aa5b0-7a00-7abc-8def-0123456789ab");
    assertThat(Json.parse(response.getBody()).path("status").asText()).isEqualTo("COMPLETED");
    assertThat(sns.published).isEmpty();
  }

  @Test
  void theSameKeyWithAnotherContentIs422() {
    repeats("another");

    var response = invoke(event());

    assertThat(response.getStatusCode()).isEqualTo(422);
    assertThat(Json.parse(response.getBody()).path("type").asText()).endsWith("/idempotency-key-reused");
  }

  @Test
  void anUnknownItemIsNamedByItsPlace() {
    dataApi.answer("INSERT INTO orders", sql -> List.of("{\"event\":null,\"unknown\":[\"croissant\"],\"repeated\":false}"));

    assertThat(errors(invoke(event()), 400)).isEqualTo(Json.parse("""
        [{"field":"items[1].itemId","message":"is not on the menu"}]"""));
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', value = {
      "                                                              | body",
      "{                                                             | body",
      "{\"items\":[]} x                                              | body",
      "[]                                                            | body",
      "null                                                          | body",
      "\"text\"                                                      | body",
      "{\"items\":[],\"items\":[]}                                   | body",
      "{}                                                            | items",
      "{\"items\":null}                                              | items",
      "{\"items\":{}}                                                | items",
      "{\"items\":[]}                                                | items",
      "{\"items\":[{\"itemId\":\"a\",\"quantity\":1}],\"total\":1}   | total",
      "{\"items\":[1]}                                               | items[0]",
      "{\"items\":[{\"quantity\":1}]}                                | items[0].itemId",
      "{\"items\":[{\"itemId\":7,\"quantity\":1}]}                   | items[0].itemId",
      "{\"items\":[{\"itemId\":\"\",\"quantity\":1}]}                | items[0].itemId",
      "{\"items\":[{\"itemId\":\"É\",\"quantity\":1}]}               | items[0].itemId",
      "{\"items\":[{\"itemId\":\"a\\u0000\",\"quantity\":1}]}        | items[0].itemId",
      "{\"items\":[{\"itemId\":\"a'; DROP TABLE\",\"quantity\":1}]}  | items[0].itemId",
      "{\"items\":[{\"itemId\":\"a\"}]}                              | items[0].quantity",
      "{\"items\":[{\"itemId\":\"a\",\"quantity\":null}]}            | items[0].quantity",
      "{\"items\":[{\"itemId\":\"a\",\"quantity\":\"1\"}]}           | items[0].quantity",
      "{\"items\":[{\"itemId\":\"a\",\"quantity\":0}]}               | items[0].quantity",
      "{\"items\":[{\"itemId\":\"a\",\"quantity\":-1}]}              | items[0].quantity",
      "{\"items\":[{\"itemId\":\"a\",\"quantity\":1.5}]}             | items[0].quantity",
      "{\"items\":[{\"itemId\":\"a\",\"quantity\":1e400}]}           | items[0].quantity",
      "{\"items\":[{\"itemId\":\"a\",\"quantity\":10001}]}           | items[0].quantity",
      "{\"items\":[{\"itemId\":\"a\",\"quantity\":99999999999999}]}  | items[0].quantity",
      "{\"items\":[{\"itemId\":\"a\",\"quantity\":1,\"price\":0}]}   | items[0].price",
      "{\"items\":[{\"itemId\":\"a\",\"quantity\":9999},{\"itemId\":\"a\",\"quantity\":2}]} | items[1].quantity"})
  void aWrongBodyIs400NamesTheFieldAndReachesNoDatabase(String body, String field) {
    var response = invoke(event().withBody(body));

    assertThat(errors(response, 400).get(0).path("field").asText()).isEqualTo(field);
    assertThat(response.getHeaders()).containsEntry("Content-Type", "application/problem+json");
    assertThat(dataApi.log()).isEmpty();
  }

  @Test
  void everyWrongFieldIsNamed() {
    var response = invoke(event().withBody("""
        {"items":[{"itemId":"espresso","quantity":0},{"itemId":"","quantity":1},{"itemId":"tea","quantity":"x"}]}"""));

    assertThat(errors(response, 400).findValuesAsText("field"))
        .containsExactly("items[0].quantity", "items[1].itemId", "items[2].quantity");
  }

  @Test
  void aBodyOfManyLevelsIsNotJsonForUs() {
    assertThat(errors(invoke(event().withBody("[".repeat(16_000))), 400).get(0).path("field").asText()).isEqualTo("body");
  }

  @Test
  void moreThanFiftyLinesAreRefusedAndFiftyAreNot() {
    databasePlaces();
    var line = "{\"itemId\":\"espresso\",\"quantity\":1}";

    assertThat(errors(invoke(event().withBody("{\"items\":[" + (line + ",").repeat(50) + line + "]}")), 400)
        .get(0).path("field").asText()).isEqualTo("items");
    assertThat(invoke(event().withBody("{\"items\":[" + (line + ",").repeat(49) + line + "]}")).getStatusCode()).isEqualTo(202);
    assertThat(Json.parse((String) dataApi.parametersOf("INSERT INTO orders").get("lines"))).isEqualTo(Json.parse("""
        [{"position":0,"item_id":"espresso","quantity":50}]"""));
  }

  @ParameterizedTest
  @ValueSource(ints = {16 * 1024 + 1, 1024 * 1024})
  void aBodyThatIsTooLargeIs413(int size) {
    assertThat(invoke(event().withBody("x".repeat(size))).getStatusCode()).isEqualTo(413);
    var encoded = Base64.getEncoder().encodeToString("x".repeat(size).getBytes(StandardCharsets.UTF_8));
    assertThat(invoke(event().withBody(encoded).withIsBase64Encoded(true)).getStatusCode()).isEqualTo(413);
    assertThat(dataApi.log()).isEmpty();
  }

  @Test
  void aBodyMayComeAsBase64() {
    databasePlaces();
    var event = event();
    event.withBody(Base64.getEncoder().encodeToString(event.getBody().getBytes(StandardCharsets.UTF_8)))
        .withIsBase64Encoded(true);

    assertThat(invoke(event).getStatusCode()).isEqualTo(202);
  }

  @Test
  void aBodyThatIsNoBase64Is400() {
    assertThat(errors(invoke(event().withBody("{}").withIsBase64Encoded(true)), 400).get(0).path("field").asText())
        .isEqualTo("body");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "k\u0000", "ké", "k\nX: y"})
  void aKeyThatIsNotPrintableIs400(String key) {
    assertThat(errors(invoke(withKey(key)), 400).get(0).path("field").asText()).isEqualTo("Idempotency-Key");
  }

  @Test
  void aKeyMayHave255CharactersAndNotMore() {
    databasePlaces();

    assertThat(invoke(withKey("k".repeat(255))).getStatusCode()).isEqualTo(202);
    assertThat(invoke(withKey("k".repeat(256))).getStatusCode()).isEqualTo(400);
    assertThat(invoke(withKey("k".repeat(10_000))).getStatusCode()).isEqualTo(400);
  }

  @Test
  void aMissingKeyIs400AndItsNameMayComeInAnyCase() {
    databasePlaces();

    assertThat(errors(invoke(event().withHeaders(Map.of())), 400).get(0).path("field").asText()).isEqualTo("Idempotency-Key");
    assertThat(invoke(event().withHeaders(Map.of("idempotency-key", "k"))).getStatusCode()).isEqualTo(202);
  }

  @Test
  void nobodyOrdersWithoutBeingSignedIn() {
    var event = event();
    event.getRequestContext().setAuthorizer(null);

    var response = invoke(event);

    assertThat(response.getStatusCode()).isEqualTo(401);
    assertThat(response.getHeaders()).containsEntry("WWW-Authenticate", "Bearer");
  }

  @Test
  void aDatabaseThatSleepsOnIs503() {
    dataApi.resuming(Integer.MAX_VALUE);

    var response = placeOrder.handleRequest(event(), new TestContext(1_000));

    assertThat(response.getStatusCode()).isEqualTo(503);
    assertThat(response.getHeaders()).containsKey("Retry-After");
  }

  private void databasePlaces() {
    dataApi.answer("INSERT INTO orders", p -> List.of("""
        {"event":{"event_id":"%s","type":"OrderPlaced","version":1,"occurred_at":"2026-11-21T09:00:00.123+00:00",
          "correlation_id":"%s","order_id":"%s","customer_id":"%s","total_cents":720,"currency":"EUR","reason_code":null},
         "items":[{"itemId":"espresso","name":"Espresso","quantity":2,"price":250}],"unknown":[],"repeated":false}"""
        .formatted(p.get("eventId"), p.get("correlationId"), p.get("orderId"), p.get("customerId"))));
  }

  private void repeats(String hash) {
    dataApi.answer("INSERT INTO orders", p -> List.of("{\"event\":null,\"unknown\":[],\"repeated\":true}"));
    dataApi.answer("o.request_hash", p -> List.of("""
        {"hash":"%s","event":null,"order":{"orderId":"019aa5b0-7a00-7abc-8def-0123456789ab","status":"COMPLETED","total":720,
         "currency":"EUR","placedAt":"2026-11-21T09:00:00+00:00","reason":null,"items":[],"timeline":[]}}""".formatted(hash)));
  }

  private static String hashOf(String body) {
    return Cart.parse(body).hash();
  }

  private APIGatewayProxyResponseEvent invoke(APIGatewayProxyRequestEvent event) {
    return placeOrder.handleRequest(event, new TestContext());
  }

  private static APIGatewayProxyRequestEvent event() {
    return Events.api("PlaceOrder");
  }

  private static APIGatewayProxyRequestEvent withKey(String key) {
    return event().withHeaders(Map.of("Idempotency-Key", key));
  }

  private static JsonNode errors(APIGatewayProxyResponseEvent response, int status) {
    assertThat(response.getStatusCode()).as(response.getBody()).isEqualTo(status);
    return Json.parse(response.getBody()).path("errors");
  }

  private static List<String> names(JsonNode object) {
    return object.properties().stream().map(Map.Entry::getKey).toList();
  }
}
