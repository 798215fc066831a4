package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The way of an order through the running template, seen from outside. */
class OrderIT {
  private final RunningCafe cafe = RunningCafe.get();

  @Test
  void anOrderIsCompletedAndMovesStockBalanceAndOneMailByExactlyItself() throws Exception {
    var stock = cafe.available("flat-white");
    var balance = balance("customer");
    var mails = mails("customer");

    var placed = cafe.place("customer", UUID.randomUUID().toString(), RunningCafe.order("flat-white", 2));
    assertThat(placed.status()).isEqualTo(202);
    var id = placed.json().get("orderId").asText();
    assertThat(placed.header("Location")).isEqualTo("/api/orders/" + id);
    assertThat(placed.json().get("status").asText()).isEqualTo("PLACED");

    var order = cafe.settled("customer", id);
    assertThat(order.get("status").asText()).isEqualTo("COMPLETED");
    assertThat(order.get("total").asInt()).isEqualTo(780);
    assertThat(order.at("/items/0/itemId").asText()).isEqualTo("flat-white");
    assertThat(order.has("reason")).isFalse();
    assertThat(order.get("timeline")).extracting(step -> step.get("status").asText())
        .containsExactly("PLACED", "RESERVED", "CHARGED", "COMPLETED");
    assertThat(order.get("timeline")).extracting(step -> Instant.parse(step.get("at").asText())).isSorted();

    assertThat(cafe.available("flat-white")).isEqualTo(stock - 2);
    assertThat(balance("customer")).isEqualTo(balance + 780);
    await().untilAsserted(() -> assertThat(mails("customer")).isEqualTo(mails + 1));
  }

  @Test
  void theSameKeyGivesTheSameOrderAndAnotherBodyIsRefused() throws Exception {
    var key = UUID.randomUUID().toString();
    var first = cafe.place("customer", key, RunningCafe.order("espresso", 1));
    var again = cafe.place("customer", key, " { \"items\" : [ {\"quantity\":1, \"itemId\":\"espresso\"} ] } ");
    assertThat(again.status()).isEqualTo(202);
    assertThat(again.json().get("orderId")).isEqualTo(first.json().get("orderId"));
    assertThat(again.header("Location")).isEqualTo(first.header("Location"));

    var other = cafe.place("customer", key, RunningCafe.order("espresso", 2));
    assertThat(other.status()).isEqualTo(422);
    assertProblem(other, "Idempotency-Key");

    var somebodyElses = cafe.place("customer2", key, RunningCafe.order("espresso", 1));
    assertThat(somebodyElses.json().get("orderId")).isNotEqualTo(first.json().get("orderId"));
  }

  @Test
  void tooLittleStockEndsRejectedWithNothingKept() throws Exception {
    var stock = cafe.available("saffron-bun");
    var balance = balance("customer");
    var order = cafe.settled("customer", cafe.place("customer", "saffron-bun", stock + 1));
    assertThat(order.get("status").asText()).isEqualTo("REJECTED");
    assertThat(order.at("/reason/code").asText()).isEqualTo("OUT_OF_STOCK");
    assertThat(cafe.available("saffron-bun")).isEqualTo(stock);
    assertThat(balance("customer")).isEqualTo(balance);
  }

  @Test
  void tooLittleCreditEndsRejectedWithNothingKept() throws Exception {
    var stock = cafe.available("conference-buffet");
    var balance = balance("customer2");
    var order = cafe.settled("customer2", cafe.place("customer2", "conference-buffet", 20));
    assertThat(order.get("status").asText()).isEqualTo("REJECTED");
    assertThat(order.at("/reason/code").asText()).isEqualTo("CREDIT_LIMIT_EXCEEDED");
    assertThat(order.get("timeline")).extracting(step -> step.get("status").asText()).containsExactly("PLACED", "RESERVED", "REJECTED");
    assertThat(cafe.available("conference-buffet")).isEqualTo(stock);
    assertThat(balance("customer2")).isEqualTo(balance);
  }

  @Test
  void aCustomerSeesOwnOrdersOnly() throws Exception {
    var id = cafe.place("customer", "espresso", 1);
    var others = cafe.send("GET", "/orders/" + id, "", "Authorization", cafe.token("customer2"));
    assertThat(others.status()).isEqualTo(404);
    assertProblem(others, "order");
    var list = cafe.send("GET", "/orders?limit=50", "", "Authorization", cafe.token("customer")).json();
    assertThat(list.get("orders")).extracting(order -> order.get("orderId").asText()).contains(id);
    var listOfOther = cafe.send("GET", "/orders?limit=50", "", "Authorization", cafe.token("customer2")).json();
    assertThat(listOfOther.get("orders")).extracting(order -> order.get("orderId").asText()).doesNotContain(id);
  }

  static Stream<Arguments> wrongRequests() {
    var espresso = RunningCafe.order("espresso", 1);
    return Stream.of(
        Arguments.of("malformed JSON", "{\"items\":[", "key", 400, "body"),
        Arguments.of("no body", "", "key", 400, "body"),
        Arguments.of("missing quantity", "{\"items\":[{\"itemId\":\"espresso\"}]}", "key", 400, "quantity"),
        Arguments.of("missing items", "{}", "key", 400, "items"),
        Arguments.of("unknown member", "{\"items\":[{\"itemId\":\"espresso\",\"quantity\":1,\"price\":1}]}", "key", 400, "price"),
        Arguments.of("negative quantity", RunningCafe.order("espresso", -1), "key", 400, "items[0].quantity"),
        Arguments.of("no quantity at all", RunningCafe.order("espresso", 0), "key", 400, "items[0].quantity"),
        Arguments.of("a quantity beyond any number", "{\"items\":[{\"itemId\":\"espresso\",\"quantity\":99999999999999999999}]}", "key", 400, "quantity"),
        Arguments.of("a quantity in words", "{\"items\":[{\"itemId\":\"espresso\",\"quantity\":\"two\"}]}", "key", 400, "items[0].quantity"),
        Arguments.of("half of one", "{\"items\":[{\"itemId\":\"espresso\",\"quantity\":0.5}]}", "key", 400, "items[0].quantity"),
        Arguments.of("null for a list", "{\"items\":null}", "key", 400, "items"),
        Arguments.of("a number for a line", "{\"items\":[1]}", "key", 400, "items[0]"),
        Arguments.of("unknown item", RunningCafe.order("unicorn", 1), "key", 400, "items[0].itemId"),
        Arguments.of("NUL in an item", "{\"items\":[{\"itemId\":\"esp\\u0000resso\",\"quantity\":1}]}", "key", 400, "items[0].itemId"),
        Arguments.of("empty cart", "{\"items\":[]}", "key", 400, "items"),
        Arguments.of("1 MB of item", RunningCafe.order("x".repeat(1_000_000), 1), "key", 413, "body"),
        Arguments.of("1 MB of space", espresso + " ".repeat(1_000_000), "key", 413, "body"),
        Arguments.of("no key", espresso, "", 400, "Idempotency-Key"),
        Arguments.of("a key of 10,000 characters", espresso, "k".repeat(10_000), 431, "Idempotency-Key"),
        Arguments.of("a key of 300 characters", espresso, "k".repeat(300), 400, "Idempotency-Key"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("wrongRequests")
  void aWrongOrderIsRefusedByNameAndLeavesNoRow(String name, String body, String key, int status, String field) throws Exception {
    var before = rows();
    var headers = new ArrayList<>(List.of("Authorization", cafe.token("customer"), "Content-Type", "application/json"));
    if (!key.isEmpty()) {
      headers.addAll(List.of("Idempotency-Key", key.equals("key") ? UUID.randomUUID().toString() : key));
    }
    var answer = cafe.send("POST", "/orders", body, headers.toArray(String[]::new));
    assertThat(answer.status()).as(answer.body()).isEqualTo(status);
    assertProblem(answer, field);
    assertThat(rows()).isEqualTo(before);
  }

  static Stream<Arguments> wrongTokens() {
    var token = RunningCafe.get().token("customer");
    var parts = token.split("\\.");
    var expired = RunningCafe.get().cloud.cognito().token("customer", Duration.ofSeconds(-60));
    var claims = Base64.getUrlEncoder().withoutPadding().encodeToString(
        new String(Base64.getUrlDecoder().decode(parts[1])).replace("customer@", "manager@").getBytes());
    var none = Base64.getUrlEncoder().withoutPadding().encodeToString("{\"alg\":\"none\"}".getBytes());
    return Stream.of(Arguments.of("none", ""), Arguments.of("nonsense", "x"), Arguments.of("other claims", parts[0] + "." + claims + "." + parts[2]),
        Arguments.of("unsigned", none + "." + parts[1] + "."), Arguments.of("expired", expired));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("wrongTokens")
  void withoutAGoodTokenNothingHappens(String name, String token) throws Exception {
    var before = rows();
    for (var path : List.of("/orders", "/orders/" + UUID.randomUUID())) {
      var answer = token.isEmpty() ? cafe.send("GET", path, "") : cafe.send("GET", path, "", "Authorization", token);
      assertThat(answer.status()).isEqualTo(401);
      assertProblem(answer, name.equals("expired") ? "expired" : "Unauthorized");
    }
    var post = token.isEmpty() ? cafe.send("POST", "/orders", RunningCafe.order("espresso", 1), "Idempotency-Key", "k")
        : cafe.send("POST", "/orders", RunningCafe.order("espresso", 1), "Idempotency-Key", "k", "Authorization", token);
    assertThat(post.status()).isEqualTo(401);
    assertThat(rows()).isEqualTo(before);
  }

  @Test
  void anUnknownPathOrOrderIsNotFound() throws Exception {
    assertThat(cafe.send("GET", "/nothing", "").status()).isEqualTo(404);
    for (var id : List.of(UUID.randomUUID().toString(), "x", "%00", "'; DROP TABLE orders; --".replace(" ", "%20").replace("'", "%27"))) {
      var answer = cafe.send("GET", "/orders/" + id, "", "Authorization", cafe.token("customer"));
      assertThat(answer.status()).as(id).isEqualTo(404);
      assertThat(answer.header("Content-Type")).startsWith("application/problem+json");
    }
  }

  @Test
  void theHistoryOfItsExecutionIsThatOfTheService() throws Exception {
    var id = cafe.place("customer", "espresso", 1);
    cafe.settled("customer", id);
    var machine = cafe.cloud.outputs().get("FulfilmentArn");
    var execution = machine.replace(":stateMachine:", ":execution:") + ":" + id;
    await().until(() -> cafe.aws("states", "DescribeExecution", "{\"executionArn\":\"" + execution + "\"}").get("status").asText().equals("SUCCEEDED"));
    var events = cafe.aws("states", "GetExecutionHistory", "{\"executionArn\":\"" + execution + "\"}").get("events");
    var types = new ArrayList<String>();
    events.forEach(event -> types.add(event.get("type").asText()));
    assertThat(types).containsExactly("ExecutionStarted",
        "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited",
        "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited",
        "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited",
        "SucceedStateEntered", "SucceedStateExited", "ExecutionSucceeded");
  }

  @Test
  void anEventThatWasNotPublishedIsRelayed() throws Exception {
    // As if the function had died between its commit and its call of SNS.
    var id = cafe.place("customer", "espresso", 1);
    cafe.settled("customer", id);
    await().until(() -> cafe.select("SELECT count(*) AS n FROM notification n JOIN outbox o USING (event_id) WHERE order_id = '" + id
        + "' AND sent_at IS NOT NULL").at("/0/n").asInt() == 1);
    var mails = mails("customer");
    cafe.select("UPDATE outbox SET event_id = gen_random_uuid(), published_at = NULL, next_attempt_at = now() - interval '1 hour'"
        + " WHERE order_id = '" + id + "' AND type = 'OrderCompleted' RETURNING 1 AS done");
    cafe.aws("lambda", "Invoke", "{\"FunctionName\":\"cafe-RelayOutbox:live\",\"Payload\":\"e30=\"}");
    await().atMost(Duration.ofSeconds(30)).untilAsserted(() -> {
      assertThat(cafe.select("SELECT count(*) AS n FROM outbox WHERE published_at IS NULL AND order_id = '" + id + "'").at("/0/n").asInt()).isZero();
      assertThat(mails("customer")).isEqualTo(mails + 1);
    });
  }

  private static void assertProblem(RunningCafe.Answer answer, String named) {
    assertThat(answer.header("Content-Type")).startsWith("application/problem+json");
    assertThat(answer.json().get("type").asText()).isNotEmpty();
    assertThat(answer.json().get("title").asText()).isNotEmpty();
    assertThat(answer.body()).contains(named);
  }

  private JsonNode rows() {
    return cafe.select("SELECT (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM order_line) AS lines");
  }

  /** What a customer owes, in cents; 0 before the account is opened. */
  private int balance(String customer) {
    var claims = Json.parse(Base64.getUrlDecoder().decode(cafe.token(customer).split("\\.")[1]));
    var item = cafe.aws("dynamodb", "GetItem", """
        {"TableName":"%s","ConsistentRead":true,"Key":{"customerId":{"S":"%s"},"entry":{"S":"ACCOUNT"}}}"""
        .formatted(cafe.cloud.outputs().get("AccountTableName"), claims.get("sub").asText()));
    return item.at("/Item/balance/N").asInt(0);
  }

  private long mails(String customer) {
    return cafe.cloud.ses().mails().stream().filter(mail -> mail.to().contains(customer + "@example.com")).count();
  }
}
