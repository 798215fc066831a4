package com.example.cafe.local;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Measures the local run and prints the figures of docs/performance.md: {@code mvn -Pbenchmark}. */
final class Benchmark {
  private static final Pattern INVOKED = Pattern.compile("invoke\\s+(\\w+)\\s+(cold|warm)(?: (\\d+) ms)?, ran (\\d+) ms");
  private static final int COLD_ROUNDS = 7;
  private static final int WARM_ORDERS = 50;
  private static final int ORDERS = 400;
  private static final int AT_A_TIME = 8;

  private Benchmark() {}

  public static void main(String[] arguments) throws Exception {
    var events = new ByteArrayOutputStream();
    var cafe = RunningCafe.start(Path.of("target/benchmark"), new PrintStream(events, true, StandardCharsets.UTF_8));
    try (cafe) {
      var sinceJvm = millisSince(ProcessHandle.current().info().startInstant().orElseThrow());
      row("start of the JVM to ready", sinceJvm + " ms");
      row("the first order, POST to COMPLETED", order(cafe) + " ms");
      var deadline = Instant.now().plusSeconds(90);
      while (!Files.isRegularFile(cafe.cloud.lambda().archive(AotCache.Kind.AHEAD_OF_TIME)) && Instant.now().isBefore(deadline)) {
        Thread.sleep(500);
      }
      var cold = new ArrayList<Long>();
      for (var round = 0; round < COLD_ROUNDS; round++) {
        cafe.cloud.lambda().killAll();
        Thread.sleep(3000); // the mail of the order before, and the killed, are out of the way
        cafe.cloud.lambda().killAll();
        cold.add(order(cafe));
      }
      row("POST to COMPLETED, every function cold (median of " + COLD_ROUNDS + ", all: " + cold + ")", percentile(cold, 50) + " ms");
      var warm = new ArrayList<Long>();
      for (var i = 0; i < WARM_ORDERS; i++) {
        warm.add(order(cafe));
      }
      row("POST to COMPLETED, warm, one at a time (median of " + WARM_ORDERS + ")", percentile(warm, 50) + " ms");
      load(cafe);
    }
    functions(events.toString(StandardCharsets.UTF_8));
    packageSize();
    System.exit(0);
  }

  private static void load(RunningCafe cafe) throws Exception {
    try (var executor = Executors.newFixedThreadPool(AT_A_TIME)) {
      var started = System.nanoTime();
      Callable<String> place = () -> cafe.place("customer2", "espresso", 1);
      var ids = new ArrayList<String>();
      for (var future : executor.invokeAll(Collections.nCopies(ORDERS, place))) {
        ids.add(future.get());
      }
      var accepted = System.nanoTime() - started;
      var durations = new ArrayList<Long>();
      var last = Instant.EPOCH;
      for (var id : ids) {
        var order = cafe.settled("customer2", id);
        var steps = order.get("timeline");
        var end = Instant.parse(steps.get(steps.size() - 1).get("at").asText());
        durations.add(Duration.between(Instant.parse(order.get("placedAt").asText()), end).toMillis());
        last = end.isAfter(last) ? end : last;
      }
      var all = Duration.between(last, Instant.now()).isNegative() ? 0 : (System.nanoTime() - started) / 1_000_000 - millisSince(last);
      row("orders accepted a second, %d at a time, %d orders".formatted(AT_A_TIME, ORDERS), "%.1f".formatted(ORDERS * 1e9 / accepted));
      row("orders completed a second, the same", "%.1f".formatted(ORDERS * 1000.0 / all));
      row("placed to completed under that load, 50th percentile", percentile(durations, 50) + " ms");
      row("placed to completed under that load, 99th percentile", percentile(durations, 99) + " ms");
    }
  }

  /** From the request's start to the time that the order says it was completed at: asking it all the time would slow it. */
  private static long order(RunningCafe cafe) throws Exception {
    var started = Instant.now();
    var id = cafe.place("customer", UUID.randomUUID().toString(), RunningCafe.order("espresso", 1)).json().get("orderId").asText();
    while (true) {
      Thread.sleep(250);
      var steps = cafe.order("customer", id).get("timeline");
      var last = steps.get(steps.size() - 1);
      if (last.get("status").asText().equals("COMPLETED")) {
        return Duration.between(started, Instant.parse(last.get("at").asText())).toMillis();
      }
    }
  }

  /** Cold: process start to answer; warm: the invocation alone. Medians. */
  private static void functions(String events) {
    var cold = new TreeMap<String, List<Long>>();
    var warm = new TreeMap<String, List<Long>>();
    INVOKED.matcher(events).results().forEach(match -> {
      var start = match.group(3) == null ? 0 : Long.parseLong(match.group(3));
      (match.group(2).equals("cold") ? cold : warm).computeIfAbsent(match.group(1), name -> new ArrayList<>())
          .add(start + Long.parseLong(match.group(4)));
    });
    System.out.println("\n| function | cold: start to answer | warm |\n| --- | --- | --- |");
    cold.forEach((name, times) -> row(name, percentile(times, 50) + " ms | "
        + (warm.containsKey(name) ? percentile(warm.get(name), 50) + " ms" : "")));
  }

  private static void packageSize() throws IOException {
    var jars = Files.readString(Path.of("target/runtime.classpath")).strip().split(java.io.File.pathSeparator);
    var size = new long[2];
    var counting = new OutputStream() {
      @Override
      public void write(int b) {
        size[1]++;
      }

      @Override
      public void write(byte[] b, int offset, int length) {
        size[1] += length;
      }
    };
    var classes = Path.of("target/classes");
    try (var zip = new ZipOutputStream(counting); var files = Files.walk(classes)) {
      for (var file : files.filter(Files::isRegularFile).toList()) {
        add(zip, classes.relativize(file).toString(), file, size);
      }
      for (var jar : jars) {
        add(zip, "lib/" + Path.of(jar).getFileName(), Path.of(jar), size);
      }
    }
    System.out.println();
    row("package, " + jars.length + " jars", "%.1f MB, zipped %.1f MB".formatted(size[0] / 1e6, size[1] / 1e6));
  }

  private static void add(ZipOutputStream zip, String name, Path file, long[] size) throws IOException {
    zip.putNextEntry(new ZipEntry(name));
    zip.write(Files.readAllBytes(file));
    size[0] += Files.size(file);
  }

  private static void row(String name, String value) {
    System.out.println("| " + name + " | " + value + " |");
  }

  private static long millisSince(Instant instant) {
    return Duration.between(instant, Instant.now()).toMillis();
  }

  private static long percentile(List<Long> values, int percent) {
    var sorted = values.stream().sorted().toList();
    return sorted.get(Math.min(sorted.size() - 1, sorted.size() * percent / 100));
  }
}
