package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Many orders while every function process is killed: nothing is lost, nothing is done twice. */
class KilledFunctionsIT {
  private static final int ORDERS = 200;
  private static final List<String> ITEMS = List.of("espresso", "cappuccino", "croissant", "earl-grey");

  @Test
  void ordersSettleWithoutDoubleChargesWhileAllFunctionsDieTwice() throws Exception {
    var work = Files.createDirectories(Path.of("target/it-killed"));
    try (var events = new PrintStream(work.resolve("events.log").toFile()); var cafe = RunningCafe.start(work, events)) {
      var before = orders(cafe);
      var stock = new HashMap<String, Integer>();
      for (var item : ITEMS) {
        stock.put(item, cafe.available(item));
      }
      var accepted = new AtomicInteger();
      var kills = new AtomicInteger();
      var orders = new ArrayList<Callable<String>>();
      for (var i = 0; i < ORDERS; i++) {
        var number = i;
        orders.add(() -> {
          var id = accepted(cafe, number);
          // At a third and at two thirds of the orders every process dies at once.
          var count = accepted.incrementAndGet();
          if (count == ORDERS / 3 || count == ORDERS * 2 / 3) {
            kills.addAndGet(cafe.cloud.lambda().processIds().values().stream().mapToInt(List::size).sum());
            cafe.cloud.lambda().killAll();
          }
          return id;
        });
      }
      var ids = new ArrayList<String>();
      try (var executor = Executors.newFixedThreadPool(8)) {
        for (var order : executor.invokeAll(orders)) {
          ids.add(order.get());
        }
      }
      assertThat(kills.get()).as("killed processes").isPositive();
      assertThat(ids).doesNotHaveDuplicates().hasSize(ORDERS);

      var sold = new HashMap<String, Integer>();
      var charged = new HashMap<String, Integer>();
      for (var i = 0; i < ORDERS; i++) {
        var order = cafe.settled(customer(i), ids.get(i));
        if (order.get("status").asText().equals("COMPLETED")) {
          order.get("items").forEach(line -> sold.merge(line.get("itemId").asText(), line.get("quantity").asInt(), Integer::sum));
          charged.put(ids.get(i), order.get("total").asInt());
        }
      }
      assertThat(charged).as("completed orders").isNotEmpty();

      var ledger = new HashMap<String, Integer>();
      var balances = new AtomicInteger();
      cafe.aws("dynamodb", "Scan", "{\"TableName\":\"" + cafe.cloud.outputs().get("AccountTableName") + "\"}").get("Items").forEach(item -> {
        var entry = item.at("/entry/S").asText();
        if (entry.equals("ACCOUNT")) {
          balances.addAndGet(item.at("/balance/N").asInt());
        } else if (entry.startsWith("ORDER#")) {
          ledger.merge(entry.substring("ORDER#".length()), item.at("/amount/N").asInt(), Integer::sum);
        }
      });
      assertThat(ledger).as("charged orders").isEqualTo(charged);
      assertThat(balances.get()).as("what the customers owe").isEqualTo(charged.values().stream().mapToInt(Integer::intValue).sum());
      for (var item : ITEMS) {
        assertThat(cafe.available(item)).as(item).isEqualTo(stock.get(item) - sold.getOrDefault(item, 0));
      }
      assertThat(orders(cafe)).as("orders more than before").isEqualTo(before + ORDERS);
      await().atMost(Duration.ofMinutes(3)).untilAsserted(() ->
          assertThat(cafe.select("SELECT count(*) AS n FROM outbox WHERE published_at IS NULL").at("/0/n").asInt()).as("unpublished events").isZero());
    }
  }

  private static int orders(RunningCafe cafe) {
    return cafe.select("SELECT count(*) AS n FROM orders").at("/0/n").asInt();
  }

  private static String customer(int number) {
    return number % 2 == 0 ? "customer" : "customer2";
  }

  /** Asks until the order is accepted, with the same key each time, as a client must. */
  private static String accepted(RunningCafe cafe, int number) throws InterruptedException {
    var key = UUID.randomUUID().toString();
    var body = RunningCafe.order(ITEMS.get(number % ITEMS.size()), 1 + number % 3);
    for (var attempt = 0; attempt < 20; attempt++) {
      try {
        var answer = cafe.place(customer(number), key, body);
        if (answer.status() == 202) {
          return answer.json().get("orderId").asText();
        }
        if (answer.status() < 500 && answer.status() != 429) {
          throw new AssertionError("order " + number + " was answered " + answer);
        }
      } catch (IOException e) {
        // A broken connection tells nothing: the same key may be sent again.
      }
      Thread.sleep(200);
    }
    throw new AssertionError("order " + number + " was never accepted");
  }
}
