package com.example.cafe.order;

import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Ids;
import com.example.cafe.platform.Json;
import com.example.cafe.platform.Request.Customer;
import com.example.cafe.platform.Sql;
import com.fasterxml.jackson.databind.JsonNode;
import java.time.Clock;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/** Orders as customers place and see them: the tables orders, order_line and order_event. */
final class Orders {
  private static final String ORDER = """
      jsonb_build_object(
        'orderId', o.order_id, 'status', o.status, 'total', o.total_cents, 'currency', o.currency, 'placedAt', o.placed_at,
        'reason', CASE WHEN o.reason_code IS NOT NULL
                       THEN jsonb_build_object('code', o.reason_code, 'message', o.reason_message) END,
        'items', (SELECT jsonb_agg(jsonb_build_object('itemId', l.item_id, 'name', l.name, 'quantity', l.quantity,
                                                      'price', l.price_cents) ORDER BY l.position)
                  FROM order_line l WHERE l.order_id = o.order_id),
        'timeline', (SELECT jsonb_agg(jsonb_build_object('status', e.status, 'at', e.at) ORDER BY e.seq)
                     FROM order_event e WHERE e.order_id = o.order_id))
      """;

  private final Database database;
  private final Clock clock;

  Orders(Database database, Clock clock) {
    this.database = database;
    this.clock = clock;
  }

  /** What became of a request to place an order. */
  sealed interface Placement {
    /** It is there now. */
    record Placed(Order order, OrderEvent event) implements Placement {}

    /** The key was used before, for the same. @param unpublished its event, where that has not left yet */
    record Repeated(Order order, @Nullable OrderEvent unpublished) implements Placement {}

    /** The key was used before, for something else. */
    record KeyReused() implements Placement {}

    /** These are not on the menu. */
    record UnknownItems(List<String> itemIds) implements Placement {}
  }

  /** Places an order, or finds the one that this key already placed: order, lines, timeline and event in one statement. */
  Placement place(Customer customer, String idempotencyKey, Cart cart, String correlationId, Deadline deadline) {
    var now = clock.instant().truncatedTo(ChronoUnit.MILLIS);
    var orderId = Ids.next(clock);
    var lines = Json.array();
    for (var line : cart.lines()) {
      lines.addObject().put("position", line.index()).put("item_id", line.itemId()).put("quantity", line.quantity());
    }
    var row = database.one(Sql.of("""
        WITH wanted AS (
          SELECT position, item_id, quantity
          FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS line(position integer, item_id text, quantity integer)
        ), priced AS (
          SELECT w.position, w.item_id, m.name, w.quantity, m.price_cents FROM wanted w JOIN menu_item m USING (item_id)
        ), placed AS (
          INSERT INTO orders (order_id, customer_id, email, status, total_cents, currency, idempotency_key, request_hash,
                              placed_at)
          SELECT CAST(:orderId AS uuid), CAST(:customerId AS text), CAST(:email AS text), 'PLACED',
                 CAST(sum(CAST(quantity AS bigint) * price_cents) AS bigint), CAST(:currency AS text), CAST(:key AS text),
                 CAST(:hash AS text), CAST(:now AS timestamptz)
          FROM priced
          HAVING count(*) = (SELECT count(*) FROM wanted)
          ON CONFLICT (customer_id, idempotency_key) DO NOTHING
          RETURNING order_id, customer_id, total_cents, currency, placed_at
        ), lines AS (
          INSERT INTO order_line (order_id, position, item_id, name, quantity, price_cents)
          SELECT placed.order_id, priced.position, priced.item_id, priced.name, priced.quantity, priced.price_cents
          FROM placed CROSS JOIN priced
        ), timeline AS (
          INSERT INTO order_event (order_id, status, at) SELECT order_id, 'PLACED', placed_at FROM placed
        ), event AS (
          INSERT INTO outbox (event_id, type, version, occurred_at, correlation_id, order_id, customer_id, total_cents,
                              currency, next_attempt_at)
          SELECT CAST(:eventId AS uuid), 'OrderPlaced', :version, placed_at, CAST(:correlationId AS text), order_id,
                 customer_id, total_cents, currency, CAST(:nextAttemptAt AS timestamptz)
          FROM placed
          RETURNING *
        )
        SELECT CAST(jsonb_build_object(
          'event', (SELECT to_jsonb(event) FROM event),
          'items', (SELECT jsonb_agg(jsonb_build_object('itemId', item_id, 'name', name, 'quantity', quantity,
                                                        'price', price_cents) ORDER BY position) FROM priced),
          'unknown', (SELECT coalesce(jsonb_agg(item_id), CAST('[]' AS jsonb)) FROM wanted
                      WHERE item_id NOT IN (SELECT item_id FROM priced)),
          'repeated', EXISTS (SELECT 1 FROM orders WHERE customer_id = :customerId AND idempotency_key = :key)) AS text)
        """)
        .with("lines", lines.toString())
        .with("orderId", orderId)
        .with("customerId", customer.id())
        .with("email", customer.email())
        .with("currency", Order.CURRENCY)
        .with("key", idempotencyKey)
        .with("hash", cart.hash())
        .with("now", now)
        .with("eventId", Ids.next(clock))
        .with("version", OrderEvent.VERSION)
        .with("correlationId", correlationId)
        .with("nextAttemptAt", now.plus(Outbox.PATIENCE)), deadline);
    var event = row.path("event");
    if (event.isObject()) {
      var items = StreamSupport.stream(row.path("items").spliterator(), false).map(Order::line).toList();
      var placed = OrderEvent.fromRow(event);
      return new Placement.Placed(new Order(orderId, Order.Status.PLACED, items, placed.total(), Order.CURRENCY, null,
          List.of(new Order.Step(Order.Status.PLACED, now)), now), placed);
    }
    var unknown = StreamSupport.stream(row.path("unknown").spliterator(), false).map(JsonNode::asText).toList();
    // Where nothing is unknown, the insert met an order that was placed by the same key at the same moment.
    return row.path("repeated").booleanValue() || unknown.isEmpty()
        ? repeated(customer, idempotencyKey, cart.hash(), deadline)
        : new Placement.UnknownItems(unknown);
  }

  private Placement repeated(Customer customer, String idempotencyKey, String hash, Deadline deadline) {
    var row = database.one(Sql.of("""
        SELECT CAST(jsonb_build_object('hash', o.request_hash, 'order', %s,
          'event', (SELECT to_jsonb(b) FROM outbox b
                    WHERE b.order_id = o.order_id AND b.type = 'OrderPlaced' AND b.published_at IS NULL)) AS text)
        FROM orders o
        WHERE o.customer_id = :customerId AND o.idempotency_key = :key
        """.formatted(ORDER)).with("customerId", customer.id()).with("key", idempotencyKey), deadline);
    if (!hash.equals(Json.text(row, "hash"))) {
      return new Placement.KeyReused();
    }
    var event = row.path("event");
    return new Placement.Repeated(Order.fromJson(row.path("order")), event.isObject() ? OrderEvent.fromRow(event) : null);
  }

  /** An order of this customer. */
  Optional<Order> find(Customer customer, UUID orderId, Deadline deadline) {
    return database.query(Sql.of("""
        SELECT CAST(%s AS text) FROM orders o
        WHERE o.order_id = CAST(:orderId AS uuid) AND o.customer_id = :customerId
        """.formatted(ORDER)).with("orderId", orderId).with("customerId", customer.id()), deadline)
        .stream().map(Order::fromJson).findFirst();
  }

  /** The customer's orders, newest first. @param before only those placed before this one, or null for the newest */
  List<Order> list(Customer customer, @Nullable UUID before, int limit, Deadline deadline) {
    return database.query(Sql.of("""
        SELECT CAST(%s AS text) FROM orders o
        WHERE o.customer_id = :customerId
          AND (CAST(:before AS uuid) IS NULL OR o.order_id < CAST(:before AS uuid))
        ORDER BY o.order_id DESC
        LIMIT :limit
        """.formatted(ORDER))
        .with("customerId", customer.id())
        .with("before", before == null ? null : before.toString())
        .with("limit", limit), deadline)
        .stream().map(Order::fromJson).toList();
  }
}
