package com.example.cafe.order;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.example.cafe.Events;
import com.example.cafe.FakeDataApi;
import com.example.cafe.TestContext;
import com.example.cafe.platform.Json;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class RelayOutboxTest {
  private final FakeDataApi dataApi = new FakeDataApi();
  private final FakeSns sns = new FakeSns();
  private final RelayOutbox relayOutbox =
      new RelayOutbox(new Outbox(FakeDataApi.database(dataApi), sns, "topic", Clock.systemUTC()));

  @Test
  void whatWasLeftBehindIsPublishedAndMarked() {
    var ids = IntStream.range(0, 12).mapToObj(i -> new UUID(0x0193f0a200007000L, i)).toList();
    dataApi.answer("FOR UPDATE SKIP LOCKED", p -> ids.stream().map(RelayOutboxTest::row).toList());

    assertThat(relayOutbox.handleRequest(Events.map("RelayOutbox"), new TestContext()))
        .isEqualTo(Map.of("published", 12, "batchItemFailures", List.of()));

    assertThat(sns.published).hasSize(12);
    assertThat(dataApi.log()).filteredOn(sql -> sql.contains("SET published_at")).as("a batch of ten and one of two").hasSize(2);
  }

  @Test
  void whatFailedIsNotMarkedAndItsAnnouncementComesAgain() {
    var id = new UUID(0x0193f0a200007000L, 1);
    var other = new UUID(0x0193f0a200007000L, 2);
    dataApi.answer("FOR UPDATE SKIP LOCKED", p -> List.of(row(id), row(other)));
    sns.failing.add(id.toString());

    assertThatThrownBy(() -> relayOutbox.handleRequest(Events.map("RelayOutbox"), new TestContext()))
        .hasMessage("1 events could not be published");

    assertThat(Json.parse((String) dataApi.parametersOf("SET published_at").get("ids")))
        .isEqualTo(Json.array().add(other.toString()));
  }

  @Test
  void theRelayIsToldBeforeEventsAreWrittenButNotForEachOne() {
    var clock = Clock.fixed(Instant.parse("2026-11-21T09:00:00Z"), ZoneOffset.UTC);
    var outbox = new Outbox(FakeDataApi.database(dataApi), sns, "topic", clock);
    outbox.announce();
    outbox.announce();
    assertThat(sns.announcements).hasValue(1);

    sns.broken = new IllegalStateException("no way through");
    var other = new Outbox(FakeDataApi.database(dataApi), sns, "topic", clock);
    other.announce();
    sns.broken = null;
    other.announce();
    assertThat(sns.announcements).as("one that failed is made up for").hasValue(2);
  }

  @Test
  void nothingLeftBehindIsNothingToPublish() {
    dataApi.answer("FOR UPDATE SKIP LOCKED", p -> List.of());

    assertThat(relayOutbox.handleRequest(Events.map("RelayOutbox"), new TestContext())).containsEntry("published", 0);
    assertThat(dataApi.log()).noneMatch(sql -> sql.contains("SET published_at"));
  }

  private static String row(UUID id) {
    return """
        {"event_id":"%s","type":"OrderPlaced","version":1,"occurred_at":"2026-11-21T09:00:00+00:00","correlation_id":"c",
         "order_id":"%s","customer_id":"ada","total_cents":250,"currency":"EUR","reason_code":null}""".formatted(id, id);
  }
}
