package com.example.cafe.order;

import static com.example.cafe.order.Orders.Placement;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.example.cafe.TestContext;
import com.example.cafe.local.LocalDatabase;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Json;
import com.example.cafe.platform.Request.Customer;
import com.example.cafe.platform.migration.TestSchema;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the statements about orders do in PostgreSQL, alone and many at a time. */
class OrderSqlIT {
  private static final Customer ADA = new Customer("ada", "ada@example.com");
  private static final Customer BOB = new Customer("bob", null);
  private static LocalDatabase postgres;

  private final Deadline deadline = Deadline.of(new TestContext());
  private final Database database = new Database(postgres.client(), postgres.cluster(), postgres.secret(), "cafe");
  private final Orders orders = new Orders(database, Clock.systemUTC());
  private final OrderProgress progress = new OrderProgress(database, Clock.systemUTC());

  @BeforeAll
  static void start() {
    postgres = LocalDatabase.start("it-sql");
    TestSchema.migrate(new Database(postgres.client(), postgres.cluster(), postgres.secret(), "cafe"));
  }

  @AfterAll
  static void stop() {
    postgres.close();
  }

  @BeforeEach
  void empty() {
    postgres.run("TRUNCATE orders, order_line, order_event, outbox, notification");
    postgres.run("UPDATE menu_item SET stock = 100");
  }

  @Test
  void anOrderIsPlacedWithItsLinesItsTimelineAndItsEvent() {
    var placed = place(ADA, "k1", cart("espresso", 2, "croissant", 1));

    assertThat(placed.order().total()).isEqualTo(2 * 250 + 220);
    assertThat(placed.event().total()).isEqualTo(placed.order().total());
    assertThat(placed.event().type()).isEqualTo("OrderPlaced");
    assertThat(orders.find(ADA, placed.order().orderId(), deadline)).contains(placed.order());
    assertThat(postgres.value("SELECT count(*) FROM outbox WHERE published_at IS NULL")).isEqualTo("1");
  }

  @Test
  void theSameKeyGivesTheSameOrderAndAnotherBodyIsRefused() {
    var placed = place(ADA, "k1", cart("espresso", 2, "croissant", 1));

    assertThat(orders.place(ADA, "k1", cart("croissant", 1, "espresso", 2), "c", deadline))
        .isEqualTo(new Placement.Repeated(placed.order(), placed.event()));
    assertThat(orders.place(ADA, "k1", cart("espresso", 3), "c", deadline)).isEqualTo(new Placement.KeyReused());
    assertThat(orders.place(ADA, "k1", cart("nectar", 3), "c", deadline)).isEqualTo(new Placement.KeyReused());
    assertThat(place(BOB, "k1", cart("espresso", 3)).order().orderId()).isNotEqualTo(placed.order().orderId());
  }

  @Test
  void theSameKeySentManyTimesAtOnceGivesOneOrder() throws Exception {
    var placements = atOnce(8, i -> orders.place(ADA, "k1", cart("espresso", 1), "c" + i, deadline));

    assertThat(placements).filteredOn(p -> p instanceof Placement.Placed).hasSize(1);
    assertThat(placements).filteredOn(p -> p instanceof Placement.Repeated).hasSize(7);
    assertThat(postgres.value("SELECT count(*) FROM orders")).isEqualTo("1");
    assertThat(postgres.value("SELECT count(*) FROM outbox")).isEqualTo("1");
  }

  @Test
  void anItemThatIsNotOnTheMenuLeavesNoRow() {
    assertThat(orders.place(ADA, "k1", cart("espresso", 1, "nectar", 1), "c", deadline))
        .isEqualTo(new Placement.UnknownItems(List.of("nectar")));
    assertThat(postgres.value("SELECT count(*) FROM orders")).isEqualTo("0");
    assertThat(postgres.value("SELECT count(*) FROM outbox")).isEqualTo("0");
  }

  @Test
  void theLargestOrderHasATotal() {
    postgres.run("UPDATE menu_item SET price_cents = 2000000000 WHERE item_id = 'espresso'");
    try {
      assertThat(place(ADA, "k1", cart("espresso", 10_000)).order().total()).isEqualTo(20_000_000_000_000L);
    } finally {
      postgres.run("UPDATE menu_item SET price_cents = 250 WHERE item_id = 'espresso'");
    }
  }

  @Test
  void aCustomerSeesOwnOrdersOnlyNewestFirst() {
    var ids = new ArrayList<UUID>();
    for (var i = 0; i < 3; i++) {
      var at = Instant.parse("2026-01-01T00:00:00Z").plusSeconds(i);
      var then = new Orders(database, Clock.fixed(at, ZoneOffset.UTC));
      ids.add(((Placement.Placed) then.place(ADA, "k" + i, cart("espresso", 1), "c", deadline)).order().orderId());
    }
    var bobs = place(BOB, "k", cart("espresso", 1)).order().orderId();

    assertThat(orders.list(ADA, null, 2, deadline)).extracting(Order::orderId).containsExactly(ids.get(2), ids.get(1));
    assertThat(orders.list(ADA, ids.get(1), 2, deadline)).extracting(Order::orderId).containsExactly(ids.get(0));
    assertThat(orders.find(ADA, bobs, deadline)).isEmpty();
  }

  @Test
  void anOrderGoesItsWayOnceHoweverOftenItsStepsRun() {
    var id = place(ADA, "k1", cart("espresso", 2, "croissant", 1)).order().orderId();

    assertThat(progress.reserve(id, deadline)).isEmpty();
    assertThat(progress.reserve(id, deadline)).isEmpty();
    progress.charged(id, deadline);
    progress.charged(id, deadline);
    var event = progress.complete(id, "c", deadline);
    assertThat(event).hasValueSatisfying(e -> assertThat(e.type()).isEqualTo("OrderCompleted"));
    assertThat(progress.complete(id, "c", deadline)).as("not published yet").isEqualTo(event);

    assertThat(stock("espresso")).isEqualTo(98);
    assertThat(stock("croissant")).isEqualTo(99);
    assertThat(statuses(id)).containsExactly("PLACED", "RESERVED", "CHARGED", "COMPLETED");
    assertThatThrownBy(() -> progress.reserve(id, deadline)).isInstanceOf(OrderClosed.class);
    assertThatThrownBy(() -> progress.beginRejection(id, deadline)).isInstanceOf(OrderClosed.class);
    assertThatThrownBy(() -> progress.reject(id, "X", "x", "c", deadline)).isInstanceOf(OrderClosed.class);
    assertThat(statuses(id)).endsWith("COMPLETED");
    assertThat(postgres.value("SELECT count(*) FROM outbox")).isEqualTo("2");
  }

  @Test
  void tooLittleOfOneItemTakesNothingOfTheOthers() {
    postgres.run("UPDATE menu_item SET stock = 3 WHERE item_id = 'saffron-bun'");
    var id = place(ADA, "k1", cart("espresso", 2, "saffron-bun", 4)).order().orderId();

    assertThat(progress.reserve(id, deadline))
        .containsExactly(new OrderProgress.Shortage("saffron-bun", "Saffron bun of the day", 3, 4));
    assertThat(stock("espresso")).isEqualTo(100);
    assertThat(statuses(id)).containsExactly("PLACED");
  }

  @Test
  void aRejectedOrderPutsBackWhatItReservedAndNothingElse() {
    var reserved = place(ADA, "k1", cart("espresso", 2)).order().orderId();
    var unreserved = place(ADA, "k2", cart("espresso", 5)).order().orderId();
    progress.reserve(reserved, deadline);

    var event = progress.reject(reserved, "CREDIT_LIMIT_EXCEEDED", "Too much.", "c", deadline);
    assertThat(event.orElseThrow().reasonCode()).isEqualTo("CREDIT_LIMIT_EXCEEDED");
    assertThat(progress.reject(reserved, "OTHER", "Other.", "c", deadline)).isEqualTo(event);
    progress.reject(unreserved, "OUT_OF_STOCK", "None left.", "c", deadline);

    assertThat(stock("espresso")).isEqualTo(100);
    assertThat(orders.find(ADA, reserved, deadline).orElseThrow().reason())
        .isEqualTo(new Order.Reason("CREDIT_LIMIT_EXCEEDED", "Too much."));
    assertThat(statuses(reserved)).containsExactly("PLACED", "RESERVED", "REJECTED");
    assertThatThrownBy(() -> progress.reserve(unreserved, deadline)).isInstanceOf(OrderClosed.class);
  }

  @Test
  void anOrderWhoseRefundBeganCanOnlyBeRejected() {
    var id = place(ADA, "k1", cart("espresso", 2)).order().orderId();
    progress.reserve(id, deadline);
    progress.charged(id, deadline);

    progress.beginRejection(id, deadline);

    assertThatThrownBy(() -> progress.complete(id, "c", deadline)).isInstanceOf(OrderClosed.class);
    assertThatThrownBy(() -> progress.charged(id, deadline)).isInstanceOf(OrderClosed.class);
    progress.reject(id, "FULFILMENT_FAILED", "Failed.", "c", deadline);
    progress.beginRejection(id, deadline);
    assertThat(stock("espresso")).isEqualTo(100);
  }

  @Test
  void ordersThatRaceForTheLastItemsNeverTakeMoreThanThereAre() throws Exception {
    postgres.run("UPDATE menu_item SET stock = 10 WHERE item_id IN ('espresso', 'croissant')");
    var ids = IntStream.range(0, 16).mapToObj(i -> place(ADA, "k" + i, i % 2 == 0
        ? cart("espresso", 1, "croissant", 2) : cart("croissant", 2, "espresso", 1)).order().orderId()).toList();

    var shortages = atOnce(16, i -> progress.reserve(ids.get(i), deadline));

    assertThat(shortages).filteredOn(List::isEmpty).hasSize(5);
    assertThat(stock("croissant")).isZero();
    assertThat(stock("espresso")).isEqualTo(5);
  }

  @Test
  void aRejectionThatRacesWithTheReservationLeavesTheStockWhole() throws Exception {
    for (var round = 0; round < 20; round++) {
      var id = place(ADA, "race" + round, cart("espresso", 7)).order().orderId();
      atOnce(4, i -> {
        try {
          return i % 2 == 0 ? progress.reserve(id, deadline) : progress.reject(id, "FULFILMENT_FAILED", "F.", "c", deadline);
        } catch (OrderClosed e) {
          return e;
        }
      });
      assertThat(stock("espresso")).isEqualTo(100);
    }
  }

  @Test
  void theOutboxIsLeasedToOneRelayAtATime() throws Exception {
    var sns = new FakeSns();
    var later = Clock.offset(Clock.systemUTC(), Outbox.PATIENCE.plusSeconds(1));
    for (var i = 0; i < 25; i++) {
      place(ADA, "k" + i, cart("espresso", 1));
    }

    assertThat(new Outbox(database, sns, "topic", Clock.systemUTC()).relay(deadline).published()).as("too young").isZero();
    var relayed = atOnce(3, i -> new Outbox(database, sns, "topic", later).relay(deadline).published());

    assertThat(relayed.stream().mapToInt(Integer::intValue).sum()).isEqualTo(25);
    assertThat(sns.published).extracting(m -> Json.parse(m).path("eventId").asText()).doesNotHaveDuplicates().hasSize(25);
    assertThat(postgres.value("SELECT count(*) FROM outbox WHERE published_at IS NULL")).isEqualTo("0");
    new Outbox(database, sns, "topic", Clock.offset(later, java.time.Duration.ofDays(8))).tidy(deadline);
    assertThat(postgres.value("SELECT count(*) FROM outbox")).isEqualTo("0");
  }

  @Test
  void whatABatchFailedToPublishStaysUntilItsLeaseIsOver() {
    var sns = new FakeSns();
    var first = place(ADA, "k1", cart("espresso", 1)).event();
    place(ADA, "k2", cart("espresso", 1));
    sns.failing.add(first.eventId().toString());
    var later = Clock.offset(Clock.systemUTC(), Outbox.PATIENCE.plusSeconds(1));

    assertThat(new Outbox(database, sns, "topic", later).relay(deadline)).isEqualTo(new Outbox.Relayed(1, 1));
    assertThat(new Outbox(database, sns, "topic", later).relay(deadline)).as("leased").isEqualTo(new Outbox.Relayed(0, 0));
    sns.failing.clear();
    assertThat(new Outbox(database, sns, "topic", Clock.offset(later, java.time.Duration.ofMinutes(2))).relay(deadline))
        .isEqualTo(new Outbox.Relayed(1, 0));
  }

  private Placement.Placed place(Customer customer, String key, Cart cart) {
    return (Placement.Placed) orders.place(customer, key, cart, "c", deadline);
  }

  private static int stock(String itemId) {
    return Integer.parseInt(postgres.value("SELECT stock FROM menu_item WHERE item_id = '" + itemId + "'"));
  }

  private List<String> statuses(UUID id) {
    return orders.find(ADA, id, deadline).orElseThrow().timeline().stream().map(s -> s.status().name()).toList();
  }

  private static Cart cart(Object... itemsAndQuantities) {
    var lines = new ArrayList<Cart.Line>();
    for (var i = 0; i < itemsAndQuantities.length; i += 2) {
      lines.add(new Cart.Line((String) itemsAndQuantities[i], (int) itemsAndQuantities[i + 1], i / 2));
    }
    return new Cart(lines);
  }

  private static <T> List<T> atOnce(int times, java.util.function.IntFunction<T> work) throws Exception {
    try (var threads = Executors.newFixedThreadPool(times)) {
      var tasks = IntStream.range(0, times).mapToObj(i -> (Callable<T>) () -> work.apply(i)).toList();
      var results = new ArrayList<T>();
      for (var future : threads.invokeAll(tasks)) {
        results.add(future.get());
      }
      return results;
    }
  }
}
