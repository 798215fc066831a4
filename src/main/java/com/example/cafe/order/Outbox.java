package com.example.cafe.order;

import com.example.cafe.platform.Clients;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Env;
import com.example.cafe.platform.Ids;
import com.example.cafe.platform.Json;
import com.example.cafe.platform.Metrics;
import com.example.cafe.platform.Metrics.Value;
import com.example.cafe.platform.Sql;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import software.amazon.awssdk.services.sns.SnsClient;
import software.amazon.awssdk.services.sns.model.PublishBatchRequestEntry;

/**
 * Publishes what was committed. Rows are written by the statements that change an order, so an event exists if and only if the
 * change does; here they leave, at least once.
 */
public final class Outbox {
  private static final Logger LOG = LoggerFactory.getLogger(Outbox.class);
  /** How long a committed event is left to the function that wrote it, and a failed one until it is tried again. */
  static final Duration PATIENCE = Duration.ofSeconds(10);
  /** How long an announcement holds: shorter than the delay of OutboxQueue by more than PATIENCE and a slow commit. */
  private static final Duration ANNOUNCED = Duration.ofSeconds(20);
  private static final Duration LEASE = Duration.ofSeconds(60);
  private static final Duration KEPT = Duration.ofDays(7);
  private static final int ROWS = 100;
  /** The attribute "type" of an announcement; it goes to OutboxQueue alone. */
  private static final String ANNOUNCEMENT = "OutboxAnnounced";
  /** The most that PublishBatch takes. */
  private static final int BATCH = 10;

  private final Database database;
  private final SnsClient sns;
  private final String topic;
  private final Clock clock;
  private final Metrics metrics;
  private final AtomicReference<Instant> announced = new AtomicReference<>(Instant.EPOCH);

  public Outbox(Database database, SnsClient sns, String topic, Clock clock) {
    this(database, sns, topic, clock, Metrics.fromEnvironment());
  }

  public Outbox(Database database, SnsClient sns, String topic, Clock clock, Metrics metrics) {
    this.database = database;
    this.sns = sns;
    this.topic = topic;
    this.clock = clock;
    this.metrics = metrics;
  }

  /** As template.yaml names it. */
  public static Outbox fromEnvironment(Database database, Clock clock) {
    return new Outbox(database, Clients.build(SnsClient.builder(), Duration.ofSeconds(3)), Env.get("ORDER_EVENTS"), clock);
  }

  /**
   * Says, before a commit, that an event may come to wait here: OutboxQueue hands that to RelayOutbox a minute later. So
   * nothing has to poll a database that would rather sleep, and nothing is forgotten if this function dies after its commit.
   * Never fails: without it, the event waits for the relay's schedule. (docs/outbox.md)
   */
  public void announce() {
    var now = clock.instant();
    var last = announced.get();
    if (now.isBefore(last.plus(ANNOUNCED)) || !announced.compareAndSet(last, now)) {
      return;
    }
    try {
      sns.publish(r -> r.topicArn(topic).message("{}").messageAttributes(OrderEvent.attributes(ANNOUNCEMENT)));
    } catch (RuntimeException e) {
      announced.set(last);
      LOG.warn("The relay was not told", e);
    }
  }

  /** Publishes an event right after its commit. Never fails: what cannot leave now is left to the relay. */
  public void publish(OrderEvent event, Deadline deadline) {
    try {
      sns.publish(r -> r.topicArn(topic).message(event.message()).messageAttributes(event.attributes()));
      markPublished(List.of(event), deadline);
    } catch (RuntimeException e) {
      LOG.warn("{} was not published, the relay will do it", event.type(), e);
    }
  }

  /**
   * Publishes what has waited long enough.
   *
   * <p>Rows are leased, not locked: a relay that dies keeps no transaction open, and its rows come free by themselves.
   * Two relays never take the same row, because each skips what the other is leasing.
   *
   * @return what became of them
   */
  Relayed relay(Deadline deadline) {
    var published = 0;
    var tried = 0;
    List<OrderEvent> events;
    do {
      events = lease(deadline);
      tried += events.size();
      for (var from = 0; from < events.size(); from += BATCH) {
        published += publishBatch(events.subList(from, Math.min(from + BATCH, events.size())), deadline);
      }
    } while (events.size() == ROWS && deadline.allows(PATIENCE));
    return new Relayed(published, tried - published);
  }

  /** @param published how many events left @param kept how many could not */
  record Relayed(int published, int kept) {}

  /** Forgets what was published long ago. */
  void tidy(Deadline deadline) {
    database.update(Sql.of("DELETE FROM outbox WHERE published_at < CAST(:before AS timestamptz)")
        .with("before", clock.instant().minus(KEPT)), deadline);
  }

  private List<OrderEvent> lease(Deadline deadline) {
    var now = clock.instant();
    return database.query(Sql.of("""
        WITH due AS (
          SELECT event_id FROM outbox
          WHERE published_at IS NULL AND next_attempt_at <= CAST(:now AS timestamptz)
          ORDER BY next_attempt_at
          LIMIT :rows
          FOR UPDATE SKIP LOCKED
        ), leased AS (
          UPDATE outbox SET attempts = attempts + 1, next_attempt_at = CAST(:leasedUntil AS timestamptz)
          FROM due WHERE outbox.event_id = due.event_id
          RETURNING outbox.*
        )
        SELECT CAST(to_jsonb(leased) AS text) FROM leased ORDER BY event_id
        """).with("now", now).with("leasedUntil", now.plus(LEASE)).with("rows", ROWS), deadline)
        .stream().map(OrderEvent::fromRow).toList();
  }

  private int publishBatch(List<OrderEvent> events, Deadline deadline) {
    var response = sns.publishBatch(r -> r.topicArn(topic).publishBatchRequestEntries(events.stream()
        .map(event -> PublishBatchRequestEntry.builder()
            .id(event.eventId().toString())
            .message(event.message())
            .messageAttributes(event.attributes())
            .build())
        .toList()));
    // A batch succeeds in part: what failed stays in the outbox and comes free with its lease.
    response.failed().forEach(failed ->
        LOG.error("Event {} was not published: {} {}", failed.id(), failed.code(), failed.message()));
    var ids = response.successful().stream().map(success -> UUID.fromString(success.id())).toList();
    var published = events.stream().filter(event -> ids.contains(event.eventId())).toList();
    if (!published.isEmpty()) {
      markPublished(published, deadline);
    }
    return published.size();
  }

  private void markPublished(List<OrderEvent> events, Deadline deadline) {
    // The Data API takes no arrays.
    var list = Json.array();
    events.forEach(event -> list.add(event.eventId().toString()));
    database.update(Sql.of("""
        UPDATE outbox SET published_at = CAST(:now AS timestamptz)
        WHERE event_id IN (SELECT CAST(id AS uuid) FROM jsonb_array_elements_text(CAST(:ids AS jsonb)) AS id)
        """).with("now", clock.instant()).with("ids", list.toString()), deadline);
    events.forEach(this::count);
  }

  /** Once an event, save where a function dies: what the café sells, what it cannot, and how long a customer waits. */
  private void count(OrderEvent event) {
    var about = Map.of("orderId", event.orderId().toString(), "correlation_id", event.correlationId());
    switch (event.type()) {
      case OrderEvent.PLACED -> metrics.put(event.occurredAt(), Map.of(), about, Value.one("OrdersPlaced"));
      case OrderEvent.COMPLETED -> metrics.put(event.occurredAt(), Map.of(), about, Value.one("OrdersCompleted"),
          Value.millis("TimeToComplete", Duration.between(Ids.time(event.orderId()), event.occurredAt()).toMillis()));
      case OrderEvent.REJECTED -> metrics.put(event.occurredAt(), Map.of("reason", String.valueOf(event.reasonCode())), about,
          Value.one("OrdersRejected"));
      default -> { }
    }
  }
}
