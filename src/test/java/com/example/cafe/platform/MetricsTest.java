package com.example.cafe.platform;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MetricsTest {
  private final ArrayList<String> log = new ArrayList<>();
  private final Metrics metrics = new Metrics(log::add, "cafe");

  @Test
  void aLineNamesItsMetricsAsCloudWatchReadsThem() {
    metrics.put(Instant.ofEpochMilli(1_000), Map.of("reason", "OUT_OF_STOCK"), Map.of("orderId", "7"),
        Metrics.Value.one("OrdersRejected"), Metrics.Value.millis("TimeToReject", 12));

    assertThat(log).singleElement().satisfies(line -> assertThat(Json.parse(line)).isEqualTo(Json.parse("""
        {"_aws":{"Timestamp":1000,"CloudWatchMetrics":[{"Namespace":"Cafe","Dimensions":[["service"],["service","reason"]],
         "Metrics":[{"Name":"OrdersRejected","Unit":"Count"},{"Name":"TimeToReject","Unit":"Milliseconds"}]}]},
         "service":"cafe","reason":"OUT_OF_STOCK","orderId":"7","OrdersRejected":1,"TimeToReject":12}""")));
  }

  @Test
  void withoutDimensionsThereIsTheServiceAlone() {
    metrics.put(Instant.EPOCH, Map.of(), Map.of(), Metrics.Value.one("OrdersPlaced"));

    assertThat(Json.parse(log.getFirst()).at("/_aws/CloudWatchMetrics/0/Dimensions")).isEqualTo(Json.parse("[[\"service\"]]"));
  }
}
