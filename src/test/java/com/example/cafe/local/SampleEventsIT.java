package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every function takes its sample event, and takes it again. */
class SampleEventsIT {
  private static final Path EVENTS = Path.of("events");

  static Stream<String> functions() throws IOException {
    try (var files = Files.list(EVENTS)) {
      return files.map(file -> file.getFileName().toString()).filter(name -> name.endsWith(".json"))
          .map(name -> name.substring(0, name.length() - ".json".length())).sorted().toList().stream();
    }
  }

  @ParameterizedTest
  @MethodSource("functions")
  void aSampleEventSucceedsHoweverOften(String function) throws IOException {
    var cafe = RunningCafe.get();
    // Written for a container, which reaches this machine by that name.
    var event = Files.readString(EVENTS.resolve(function + ".json")).replace("http://host.docker.internal:4566", cafe.cloud.awsUrl());
    for (var time = 1; time <= 2; time++) {
      var outcome = cafe.cloud.aws().call("lambda", "Invoke", Json.object().put("FunctionName", "cafe-" + function)
          .put("Payload", Base64.getEncoder().encodeToString(event.getBytes(StandardCharsets.UTF_8))), Caller.ADMINISTRATOR);
      var answer = new String(Base64.getDecoder().decode(outcome.get("Payload").asText()), StandardCharsets.UTF_8);
      assertThat(outcome.has("FunctionError")).as(answer).isFalse();
      var json = Json.parse(answer);
      assertThat(json.path("statusCode").asInt(200)).as(answer).isBetween(200, 299);
      assertThat(json.path("batchItemFailures")).as(answer).isEmpty();
      assertThat(json.path("Status").asText("SUCCESS")).as(answer).isEqualTo("SUCCESS");
    }
  }

  /** What the samples set off must not move the stock under another test. */
  @AfterAll
  static void settle() {
    await().atMost(Duration.ofMinutes(1)).untilAsserted(() -> assertThat(RunningCafe.get().select("""
        SELECT o.order_id, o.status FROM orders o WHERE o.customer_id = '7d1f5c1e-2b7a-4c55-9a4e-3f0f5a0c1111'
          AND (o.order_id = '019aa5b0-7a00-7abc-8def-0123456789ab' OR o.idempotency_key NOT LIKE 'sample-%')
          AND o.status NOT IN ('COMPLETED', 'REJECTED')""")).isEmpty());
  }
}
