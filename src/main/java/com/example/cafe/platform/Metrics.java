package com.example.cafe.platform;

import java.time.Instant;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Metrics in CloudWatch's embedded metric format: a line of JSON in the log becomes numbers in the namespace Cafe. No call, no
 * permission, and no library that a cold start would have to load.
 *
 * <p>Each metric has the dimension {@code service}, the stack's name. (CloudWatch: Specification, Embedded metric format)
 */
public final class Metrics {
  private static final String NAMESPACE = "Cafe";
  private final Consumer<String> log;
  private final String service;

  public Metrics(Consumer<String> log, String service) {
    this.log = log;
    this.service = service;
  }

  /** Into this function's log. */
  public static Metrics fromEnvironment() {
    return new Metrics(System.out::println, System.getenv().getOrDefault("POWERTOOLS_SERVICE_NAME", "service_undefined"));
  }

  /** A number. @param unit of CloudWatch, Count or Milliseconds */
  public record Value(String name, String unit, long value) {
    public static Value one(String name) {
      return new Value(name, "Count", 1);
    }

    public static Value millis(String name, long value) {
      return new Value(name, "Milliseconds", value);
    }
  }

  /**
   * Reports numbers.
   *
   * @param at when it happened, at most two weeks ago
   * @param dimensions that the numbers are also counted by, few and with few values: each pair costs
   * @param about what else the line says, for a search in the log
   */
  public void put(Instant at, Map<String, String> dimensions, Map<String, String> about, Value... values) {
    var line = Json.object();
    var metrics = line.putObject("_aws").put("Timestamp", at.toEpochMilli()).putArray("CloudWatchMetrics").addObject();
    metrics.put("Namespace", NAMESPACE);
    var sets = metrics.putArray("Dimensions");
    sets.addArray().add("service");
    if (!dimensions.isEmpty()) {
      var set = sets.addArray().add("service");
      dimensions.keySet().forEach(set::add);
    }
    var names = metrics.putArray("Metrics");
    line.put("service", service);
    dimensions.forEach(line::put);
    about.forEach(line::put);
    for (var value : values) {
      names.addObject().put("Name", value.name()).put("Unit", value.unit());
      line.put(value.name(), value.value());
    }
    log.accept(line.toString());
  }
}
