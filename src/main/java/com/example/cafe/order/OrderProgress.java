package com.example.cafe.order;

import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Ids;
import com.example.cafe.platform.Json;
import com.example.cafe.platform.Sql;
import com.fasterxml.jackson.databind.JsonNode;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.StreamSupport;

/**
 * Moves orders on: status, stock, timeline and event change together or not at all.
 *
 * <p>Every move is one statement that locks the order first and decides by what it then reads; shelves are locked in the order
 * of their ids, so two orders never wait for each other. A move that happened before changes nothing and succeeds, one that
 * comes too late throws {@link OrderClosed}.
 */
public final class OrderProgress {
  private final Database database;
  private final Clock clock;

  public OrderProgress(Database database, Clock clock) {
    this.database = database;
    this.clock = clock;
  }

  /** An item of which there is too little. @param stock what there is @param quantity what was ordered */
  public record Shortage(String itemId, String name, int stock, int quantity) {}

  /**
   * PLACED to RESERVED: takes the items out of the stock.
   *
   * @return what there is too little of; nothing was taken then
   */
  public List<Shortage> reserve(UUID orderId, Deadline deadline) {
    var row = one(Sql.of("""
        WITH this AS (
          SELECT order_id, status, rejecting FROM orders WHERE order_id = CAST(:orderId AS uuid) FOR UPDATE
        ), shelf AS (
          SELECT m.item_id, m.name, m.stock, l.quantity
          FROM this JOIN order_line l USING (order_id) JOIN menu_item m USING (item_id)
          WHERE this.status = 'PLACED'
          ORDER BY m.item_id
          FOR UPDATE OF m
        ), moved AS (
          UPDATE orders o SET status = 'RESERVED'
          FROM this
          WHERE o.order_id = this.order_id AND this.status = 'PLACED'
            AND NOT EXISTS (SELECT 1 FROM shelf WHERE stock < quantity)
          RETURNING o.order_id
        ), taken AS (
          UPDATE menu_item m SET stock = m.stock - shelf.quantity FROM shelf, moved WHERE m.item_id = shelf.item_id
        ), timeline AS (
          INSERT INTO order_event (order_id, status, at)
          SELECT order_id, 'RESERVED', CAST(:now AS timestamptz) FROM moved
        )
        SELECT CAST(jsonb_build_object('status', this.status, 'rejecting', this.rejecting,
          'short', (SELECT coalesce(jsonb_agg(to_jsonb(shelf)), CAST('[]' AS jsonb)) FROM shelf
                    WHERE stock < quantity)) AS text)
        FROM this
        """).with("orderId", orderId).with("now", now()), orderId, deadline);
    refuseClosed(row);
    return StreamSupport.stream(row.path("short").spliterator(), false)
        .map(shelf -> new Shortage(Json.need(shelf, "item_id"), Json.need(shelf, "name"), shelf.path("stock").intValue(),
            shelf.path("quantity").intValue()))
        .toList();
  }

  /** RESERVED to CHARGED. */
  public void charged(UUID orderId, Deadline deadline) {
    var row = one(Sql.of("""
        WITH this AS (
          SELECT order_id, status, rejecting FROM orders WHERE order_id = CAST(:orderId AS uuid) FOR UPDATE
        ), moved AS (
          UPDATE orders o SET status = 'CHARGED'
          FROM this
          WHERE o.order_id = this.order_id AND this.status = 'RESERVED' AND NOT this.rejecting
          RETURNING o.order_id
        ), timeline AS (
          INSERT INTO order_event (order_id, status, at) SELECT order_id, 'CHARGED', CAST(:now AS timestamptz) FROM moved
        )
        SELECT CAST(jsonb_build_object('status', this.status, 'rejecting', this.rejecting) AS text) FROM this
        """).with("orderId", orderId).with("now", now()), orderId, deadline);
    refuseClosed(row);
    if (status(row) == Order.Status.PLACED) {
      throw new IllegalStateException("the order is not reserved");
    }
  }

  /**
   * CHARGED to COMPLETED.
   *
   * @return the event to publish, if it has not left yet
   */
  public Optional<OrderEvent> complete(UUID orderId, String correlationId, Deadline deadline) {
    var row = one(Sql.of("""
        WITH this AS (
          SELECT * FROM orders WHERE order_id = CAST(:orderId AS uuid) FOR UPDATE
        ), moved AS (
          UPDATE orders o SET status = 'COMPLETED'
          FROM this
          WHERE o.order_id = this.order_id AND this.status = 'CHARGED' AND NOT this.rejecting
          RETURNING o.order_id, o.customer_id, o.total_cents, o.currency
        ), timeline AS (
          INSERT INTO order_event (order_id, status, at) SELECT order_id, 'COMPLETED', CAST(:now AS timestamptz) FROM moved
        ), event AS (
          INSERT INTO outbox (event_id, type, version, occurred_at, correlation_id, order_id, customer_id, total_cents,
                              currency, next_attempt_at)
          SELECT CAST(:eventId AS uuid), 'OrderCompleted', :version, CAST(:now AS timestamptz),
                 CAST(:correlationId AS text), order_id, customer_id, total_cents, currency,
                 CAST(:nextAttemptAt AS timestamptz)
          FROM moved
          RETURNING *
        )
        SELECT CAST(jsonb_build_object('status', this.status, 'rejecting', this.rejecting,
          'event', coalesce((SELECT to_jsonb(event) FROM event),
                            (SELECT to_jsonb(b) FROM outbox b WHERE b.order_id = this.order_id
                               AND b.type = 'OrderCompleted' AND b.published_at IS NULL))) AS text)
        FROM this
        """)
        .with("orderId", orderId)
        .with("now", now())
        .with("eventId", Ids.next(clock))
        .with("version", OrderEvent.VERSION)
        .with("correlationId", correlationId)
        .with("nextAttemptAt", now().plus(Outbox.PATIENCE)), orderId, deadline);
    return switch (status(row)) {
      case COMPLETED -> event(row);
      case REJECTED -> throw closed(row);
      case PLACED, RESERVED, CHARGED -> {
        if (row.path("rejecting").booleanValue()) {
          throw closed(row);
        }
        if (status(row) != Order.Status.CHARGED) {
          throw new IllegalStateException("the order is not charged");
        }
        yield event(row);
      }
    };
  }

  /**
   * From here on, the order can end in REJECTED only. Comes before a refund, so that no order is both completed and refunded.
   *
   * @throws OrderClosed where it is completed
   */
  public void beginRejection(UUID orderId, Deadline deadline) {
    var row = one(Sql.of("""
        WITH this AS (
          SELECT order_id, status FROM orders WHERE order_id = CAST(:orderId AS uuid) FOR UPDATE
        ), moved AS (
          UPDATE orders o SET rejecting = true
          FROM this
          WHERE o.order_id = this.order_id AND this.status NOT IN ('COMPLETED', 'REJECTED')
        )
        SELECT CAST(jsonb_build_object('status', this.status) AS text) FROM this
        """).with("orderId", orderId), orderId, deadline);
    if (status(row) == Order.Status.COMPLETED) {
      throw closed(row);
    }
  }

  /**
   * To REJECTED, and what was reserved back into the stock.
   *
   * @return the event to publish, if it has not left yet
   */
  public Optional<OrderEvent> reject(UUID orderId, String reasonCode, String reasonMessage, String correlationId,
      Deadline deadline) {
    var row = one(Sql.of("""
        WITH this AS (
          SELECT * FROM orders WHERE order_id = CAST(:orderId AS uuid) FOR UPDATE
        ), shelf AS (
          SELECT m.item_id, l.quantity
          FROM this JOIN order_line l USING (order_id) JOIN menu_item m USING (item_id)
          WHERE this.status IN ('RESERVED', 'CHARGED')
          ORDER BY m.item_id
          FOR UPDATE OF m
        ), moved AS (
          UPDATE orders o SET status = 'REJECTED', reason_code = CAST(:code AS text), reason_message = CAST(:message AS text)
          FROM this
          WHERE o.order_id = this.order_id AND this.status NOT IN ('COMPLETED', 'REJECTED')
          RETURNING o.order_id, o.customer_id, o.total_cents, o.currency
        ), returned AS (
          UPDATE menu_item m SET stock = m.stock + shelf.quantity FROM shelf, moved WHERE m.item_id = shelf.item_id
        ), timeline AS (
          INSERT INTO order_event (order_id, status, at) SELECT order_id, 'REJECTED', CAST(:now AS timestamptz) FROM moved
        ), event AS (
          INSERT INTO outbox (event_id, type, version, occurred_at, correlation_id, order_id, customer_id, total_cents,
                              currency, reason_code, next_attempt_at)
          SELECT CAST(:eventId AS uuid), 'OrderRejected', :version, CAST(:now AS timestamptz),
                 CAST(:correlationId AS text), order_id, customer_id, total_cents, currency, CAST(:code AS text),
                 CAST(:nextAttemptAt AS timestamptz)
          FROM moved
          RETURNING *
        )
        SELECT CAST(jsonb_build_object('status', this.status,
          'event', coalesce((SELECT to_jsonb(event) FROM event),
                            (SELECT to_jsonb(b) FROM outbox b WHERE b.order_id = this.order_id
                               AND b.type = 'OrderRejected' AND b.published_at IS NULL))) AS text)
        FROM this
        """)
        .with("orderId", orderId)
        .with("code", reasonCode)
        .with("message", reasonMessage)
        .with("now", now())
        .with("eventId", Ids.next(clock))
        .with("version", OrderEvent.VERSION)
        .with("correlationId", correlationId)
        .with("nextAttemptAt", now().plus(Outbox.PATIENCE)), orderId, deadline);
    if (status(row) == Order.Status.COMPLETED) {
      throw closed(row);
    }
    return event(row);
  }

  private JsonNode one(Sql sql, UUID orderId, Deadline deadline) {
    return database.query(sql, deadline).stream().findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no such order: " + orderId));
  }

  private Instant now() {
    return clock.instant().truncatedTo(ChronoUnit.MILLIS);
  }

  /** @param row with the status as it was before the move */
  private static Order.Status status(JsonNode row) {
    return Order.Status.valueOf(Json.need(row, "status"));
  }

  private static void refuseClosed(JsonNode row) {
    var status = status(row);
    if (status == Order.Status.COMPLETED || status == Order.Status.REJECTED || row.path("rejecting").booleanValue()) {
      throw closed(row);
    }
  }

  private static OrderClosed closed(JsonNode row) {
    return new OrderClosed(row.path("rejecting").booleanValue() ? "the order is being rejected"
        : "the order is " + status(row));
  }

  private static Optional<OrderEvent> event(JsonNode row) {
    var event = row.path("event");
    return event.isObject() ? Optional.of(OrderEvent.fromRow(event)) : Optional.empty();
  }
}
