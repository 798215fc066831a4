package com.example.cafe.notify;

import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Json;
import com.example.cafe.platform.Sql;
import java.time.Clock;
import java.time.Duration;
import java.util.UUID;

/** Which events were mailed: the table notification. */
final class Notifications {
  /** The function's timeout and some: who claimed an event longer ago than this is dead. */
  private static final Duration STALE = Duration.ofSeconds(30);
  private final Database database;
  private final Clock clock;

  Notifications(Database database, Clock clock) {
    this.database = database;
    this.clock = clock;
  }

  /** Who mails an event. */
  sealed interface Claim {
    record Yours(ClosedOrder order) implements Claim {}

    record Sent() implements Claim {}

    record Busy() implements Claim {}
  }

  /** Claims an event for this invocation, and reads its order on the way. */
  Claim claim(UUID eventId, UUID orderId, Deadline deadline) {
    var now = clock.instant();
    var row = database.query(Sql.of("""
        WITH claim AS (
          INSERT INTO notification AS n (event_id, claimed_at) VALUES (CAST(:eventId AS uuid), CAST(:now AS timestamptz))
          ON CONFLICT (event_id) DO UPDATE SET claimed_at = EXCLUDED.claimed_at
            WHERE n.sent_at IS NULL AND n.claimed_at < CAST(:stale AS timestamptz)
          RETURNING event_id
        )
        SELECT CAST(jsonb_build_object(
          'yours', EXISTS (SELECT 1 FROM claim),
          'sent', EXISTS (SELECT 1 FROM notification WHERE event_id = CAST(:eventId AS uuid) AND sent_at IS NOT NULL),
          'order', jsonb_build_object('orderId', o.order_id, 'email', o.email, 'total', o.total_cents,
            'currency', o.currency, 'reason', o.reason_message,
            'lines', (SELECT jsonb_agg(jsonb_build_object('quantity', l.quantity, 'name', l.name) ORDER BY l.position)
                      FROM order_line l WHERE l.order_id = o.order_id))) AS text)
        FROM orders o
        WHERE o.order_id = CAST(:orderId AS uuid)
        """)
        .with("eventId", eventId)
        .with("orderId", orderId)
        .with("now", now)
        .with("stale", now.minus(STALE)), deadline).stream().findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no such order: " + orderId));
    if (row.path("yours").booleanValue()) {
      return new Claim.Yours(ClosedOrder.fromJson(row.path("order")));
    }
    return row.path("sent").booleanValue() ? new Claim.Sent() : new Claim.Busy();
  }

  void sent(UUID eventId, Deadline deadline) {
    database.update(Sql.of("""
        UPDATE notification SET sent_at = CAST(:now AS timestamptz) WHERE event_id = CAST(:eventId AS uuid)
        """).with("eventId", eventId).with("now", clock.instant()), deadline);
  }

  void release(UUID eventId, Deadline deadline) {
    database.update(Sql.of("DELETE FROM notification WHERE event_id = CAST(:eventId AS uuid) AND sent_at IS NULL")
        .with("eventId", eventId), deadline);
  }
}
