package com.example.cafe.local;

import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** The whole template, running, for tests that look at it from outside: one a JVM, ended with it. */
final class RunningCafe implements AutoCloseable {
  private static final Set<String> TERMINAL = Set.of("COMPLETED", "REJECTED");
  private static final Path PROJECT = Path.of("").toAbsolutePath();
  private static RunningCafe shared;

  final LocalCloud cloud;
  private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  private RunningCafe(LocalCloud cloud) {
    this.cloud = cloud;
  }

  /** Starts one on free ports. @param work where it writes, below target @param out gets a line an event */
  static RunningCafe start(Path work, PrintStream out) {
    return new RunningCafe(new LocalCloud(new Settings(PROJECT, PROJECT.resolve(work), 0, 0, "", 0, List.of()), out));
  }

  /** The one that the tests of this JVM share; its events are in target/it/events.log. */
  static synchronized RunningCafe get() {
    if (shared == null) {
      try {
        var work = Files.createDirectories(PROJECT.resolve("target/it"));
        shared = start(work, new PrintStream(Files.newOutputStream(work.resolve("events.log")), true, StandardCharsets.UTF_8));
        Runtime.getRuntime().addShutdownHook(new Thread(shared::close));
      } catch (IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
    }
    return shared;
  }

  @Override
  public void close() {
    cloud.close();
  }

  /** An answer of the API. */
  record Answer(int status, Map<String, List<String>> headers, String body) {
    JsonNode json() {
      return Json.parse(body);
    }

    String header(String name) {
      return headers.getOrDefault(name.toLowerCase(java.util.Locale.ROOT), List.of("")).getFirst();
    }
  }

  String token(String name) {
    return cloud.cognito().token(name);
  }

  /** Sends a request to the API; headers as name, value, name, value. */
  Answer send(String method, String path, String body, String... headers) throws IOException, InterruptedException {
    var request = HttpRequest.newBuilder(URI.create(cloud.apiUrl() + path)).timeout(Duration.ofSeconds(35))
        .method(method, body.isEmpty() ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(body));
    if (headers.length > 0) {
      request.headers(headers);
    }
    var answer = http.send(request.build(), HttpResponse.BodyHandlers.ofString());
    return new Answer(answer.statusCode(), answer.headers().map(), answer.body());
  }

  Answer place(String customer, String key, String body) throws IOException, InterruptedException {
    return send("POST", "/orders", body, "Authorization", token(customer), "Idempotency-Key", key, "Content-Type", "application/json");
  }

  /** Places an order of one line and gives its id. */
  String place(String customer, String item, int quantity) throws IOException, InterruptedException {
    var answer = place(customer, UUID.randomUUID().toString(), order(item, quantity));
    if (answer.status() != 202) {
      throw new AssertionError("POST /orders answered " + answer);
    }
    return answer.json().get("orderId").asText();
  }

  static String order(String item, int quantity) {
    return "{\"items\":[{\"itemId\":\"" + item + "\",\"quantity\":" + quantity + "}]}";
  }

  JsonNode order(String customer, String orderId) {
    try {
      var answer = send("GET", "/orders/" + orderId, "", "Authorization", token(customer));
      if (answer.status() != 200) {
        throw new AssertionError("GET /orders/" + orderId + " answered " + answer);
      }
      return answer.json();
    } catch (IOException | InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** Waits until an order is completed or rejected. */
  JsonNode settled(String customer, String orderId) {
    return await("order " + orderId).atMost(Duration.ofMinutes(2)).pollInterval(Duration.ofMillis(100))
        .until(() -> order(customer, orderId), order -> TERMINAL.contains(order.get("status").asText()));
  }

  /** Units of an item that can be ordered now. */
  int available(String item) throws IOException, InterruptedException {
    for (var entry : send("GET", "/menu", "").json().get("items")) {
      if (entry.get("itemId").asText().equals(item)) {
        return entry.get("available").asInt();
      }
    }
    throw new AssertionError("no " + item + " on the menu");
  }

  /** Calls an AWS service of the local cloud. */
  ObjectNode aws(String service, String operation, String input) {
    return cloud.aws().call(service, operation, (ObjectNode) Json.parse(input), Caller.ADMINISTRATOR);
  }

  /** The rows of a query, by the Data API. */
  JsonNode select(String sql) {
    var input = Json.object().put("resourceArn", cloud.outputs().get("DatabaseArn")).put("secretArn", cloud.outputs().get("DatabaseSecretArn"))
        .put("database", "cafe").put("sql", sql).put("formatRecordsAs", "JSON");
    return Json.parse(cloud.aws().call("rds-data", "ExecuteStatement", input, Caller.ADMINISTRATOR).get("formattedRecords").asText());
  }
}
