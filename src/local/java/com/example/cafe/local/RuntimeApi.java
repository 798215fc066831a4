package com.example.cafe.local;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/**
 * The Lambda Runtime API ("Using the Lambda runtime API" in the Lambda developer guide), version 2018-06-01, for the
 * function processes of this machine: one server for all, each instance has a first path segment of its own.
 */
final class RuntimeApi implements AutoCloseable {
  /** A response's size limit in bytes: 6 MiB and a little for the envelope. */
  static final int RESPONSE_LIMIT = 6 * 1024 * 1024 + 100;

  private final HttpServer server;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final Map<String, Runtime> runtimes = new ConcurrentHashMap<>();

  /** The other side of one function process. */
  interface Runtime {

    /** Blocks until there is work; null when this runtime gets none any more. */
    @Nullable Invocation next() throws InterruptedException;

    void response(String requestId, byte[] payload);

    /** @param size the response's size, or more than the limit if it was not read to the end */
    void responseTooLarge(String requestId, long size);

    void error(String requestId, byte[] error, @Nullable String type);

    void initError(byte[] error, @Nullable String type);
  }

  RuntimeApi() {
    try {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    server.createContext("/", this::handle);
    server.setExecutor(threads);
    server.start();
  }

  /** What AWS_LAMBDA_RUNTIME_API holds for an instance: host, port and the instance's path. */
  String address(String instance) {
    return "127.0.0.1:" + server.getAddress().getPort() + "/" + instance;
  }

  void add(String instance, Runtime runtime) {
    runtimes.put(instance, runtime);
  }

  void remove(String instance) {
    runtimes.remove(instance);
  }

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      var path = exchange.getRequestURI().getPath().split("/", 3);
      var runtime = path.length == 3 ? runtimes.get(path[1]) : null;
      if (runtime == null) {
        drain(exchange.getRequestBody());
        answer(exchange, 403, error("Forbidden", "No such instance"));
        return;
      }
      var operation = exchange.getRequestMethod() + " " + path[2];
      if (operation.equals("GET 2018-06-01/runtime/invocation/next")) {
        next(exchange, runtime);
      } else if (operation.equals("POST 2018-06-01/runtime/init/error")) {
        var body = exchange.getRequestBody().readAllBytes();
        answer(exchange, 202, accepted());
        runtime.initError(body, errorType(exchange));
      } else if (operation.startsWith("POST 2018-06-01/runtime/invocation/") && operation.endsWith("/response")) {
        response(exchange, runtime, requestId(path[2]));
      } else if (operation.startsWith("POST 2018-06-01/runtime/invocation/") && operation.endsWith("/error")) {
        var body = exchange.getRequestBody().readAllBytes();
        answer(exchange, 202, accepted());
        runtime.error(requestId(path[2]), body, errorType(exchange));
      } else {
        drain(exchange.getRequestBody());
        answer(exchange, 404, error("NotFound", "The Runtime API has no " + operation));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void next(HttpExchange exchange, Runtime runtime) throws IOException, InterruptedException {
    var invocation = runtime.next();
    if (invocation == null) {
      answer(exchange, 410, error("Gone", "This instance is being stopped"));
      return;
    }
    var headers = exchange.getResponseHeaders();
    headers.set("Content-Type", "application/json");
    headers.set("Lambda-Runtime-Aws-Request-Id", invocation.requestId());
    headers.set("Lambda-Runtime-Deadline-Ms", Long.toString(invocation.deadlineMillis()));
    headers.set("Lambda-Runtime-Invoked-Function-Arn", invocation.invokedArn());
    headers.set("Lambda-Runtime-Trace-Id", invocation.traceId());
    if (invocation.clientContext() != null) {
      headers.set("Lambda-Runtime-Client-Context", invocation.clientContext());
    }
    exchange.sendResponseHeaders(200, invocation.payload().length == 0 ? -1 : invocation.payload().length);
    exchange.getResponseBody().write(invocation.payload());
  }

  private static void response(HttpExchange exchange, Runtime runtime, String requestId) throws IOException {
    var body = exchange.getRequestBody().readNBytes(RESPONSE_LIMIT + 1);
    if (body.length > RESPONSE_LIMIT) {
      var size = body.length + drain(exchange.getRequestBody());
      answer(exchange, 413, error("RequestEntityTooLarge", "Exceeded maximum allowed payload size ("
          + RESPONSE_LIMIT + " bytes)."));
      runtime.responseTooLarge(requestId, size);
    } else {
      // Answered first: the client gives the Runtime API little time.
      answer(exchange, 202, accepted());
      runtime.response(requestId, body);
    }
  }

  private static long drain(InputStream in) throws IOException {
    return in.transferTo(OutputStream.nullOutputStream());
  }

  private static String requestId(String path) {
    var segments = path.split("/");
    return segments.length > 3 ? segments[3] : "";
  }

  private static @Nullable String errorType(HttpExchange exchange) {
    return exchange.getRequestHeaders().getFirst("Lambda-Runtime-Function-Error-Type");
  }

  private static String accepted() {
    return "{\"status\":\"OK\"}";
  }

  private static String error(String type, String message) {
    return Json.write(Json.object().put("errorMessage", message).put("errorType", type));
  }

  private static void answer(HttpExchange exchange, int status, String json) throws IOException {
    var bytes = json.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(status, bytes.length);
    exchange.getResponseBody().write(bytes);
    exchange.getResponseBody().close();
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }
}
