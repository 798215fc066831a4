package com.example.cafe.local;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The one address that speaks the AWS protocols (AWS_ENDPOINT_URL): AWS JSON 1.0 and 1.1, REST-JSON and Query. It finds
 * the service by the signature's scope, as AWS does by host name, decodes the request, and encodes the answer or error.
 */
final class Endpoint implements Aws, AutoCloseable {
  private static final int LARGEST_BODY = 16 * 1024 * 1024;
  private static final Pattern SCOPE = Pattern.compile("Credential=([^/,\\s]+)/[0-9]*/[^/]*/([^/]+)/aws4_request");
  /** The service of a JSON target, for requests without a signature. */
  private static final Map<String, String> TARGETS = Map.of("AmazonSQS", "sqs", "DynamoDB_20120810", "dynamodb",
      "DynamoDBStreams_20120810", "dynamodb", "AWSStepFunctions", "states", "secretsmanager", "secretsmanager", "AWSCognitoIdentityProviderService", "cognito-idp");

  /** What speaks REST-XML: its clients read no error from JSON. */
  private static final Set<String> XML = Set.of("route53", "cloudfront");

  private final List<HttpServer> servers = new java.util.concurrent.CopyOnWriteArrayList<>();
  private final Map<String, Service> services = new ConcurrentHashMap<>();
  private final Map<String, HttpHandler> paths = new TreeMap<>(java.util.Comparator.comparing(String::length).reversed()
      .thenComparing(java.util.Comparator.naturalOrder()));
  private final java.util.concurrent.ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor();
  private volatile Function<String, Caller> callers = key -> Caller.ADMINISTRATOR;

  /**
   * Listens on loopback.
   *
   * @param more further addresses to listen on, for containers that cannot reach this machine's loopback
   * @throws IllegalStateException where the port is taken
   */
  Endpoint(int port, List<String> more) {
    listen(InetAddress.getLoopbackAddress(), port);
    for (var address : more) {
      try {
        listen(InetAddress.getByName(address), port());
      } catch (java.net.UnknownHostException e) {
        throw new IllegalStateException("-Dlisten: there is no address " + address, e);
      }
    }
  }

  /** @throws IllegalStateException where the port is taken there */
  void listen(InetAddress address, int port) {
    try {
      var server = HttpServer.create(new InetSocketAddress(address, port), 1024);
      server.setExecutor(executor);
      server.createContext("/", this::handle);
      server.start();
      servers.add(server);
    } catch (BindException e) {
      if (address.isLoopbackAddress()) {
        throw new IllegalStateException("port " + port + " is taken: end what uses it, or choose another with -Daws.port=" + (port + 1), e);
      }
      throw new IllegalStateException("cannot listen on " + address.getHostAddress() + ":" + port + " (" + e.getMessage() + ")", e);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  int port() {
    return servers.getFirst().getAddress().getPort();
  }

  String url() {
    return "http://localhost:" + port();
  }

  void add(Service service) {
    services.put(service.name(), service);
  }

  /** Serves what is no AWS call: a path that starts with this; the longest one wins. */
  synchronized void mount(String path, HttpHandler handler) {
    paths.put(path, handler);
  }

  /** Tells who signed with an access key; unknown keys are the developer's. */
  void callers(Function<String, Caller> callers) {
    this.callers = callers;
  }

  @Override
  public ObjectNode call(String service, String operation, ObjectNode input, Caller caller) {
    var served = services.get(service);
    if (served == null) {
      throw AwsException.unknownOperation(service, operation);
    }
    return served.call(operation, input, caller);
  }

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      var path = exchange.getRequestURI().getRawPath();
      var signed = scope(exchange);
      var target = exchange.getRequestHeaders().getFirst("X-Amz-Target");
      if (signed == null && target == null) {
        var handler = mounted(path);
        if (handler != null) {
          handler.handle(exchange);
          return;
        }
      }
      new Call(exchange, signed, target).answer();
    } catch (IOException e) {
      // The client went away: nobody is left to tell.
    }
  }

  private synchronized @Nullable HttpHandler mounted(String path) {
    return paths.entrySet().stream().filter(entry -> path.startsWith(entry.getKey())).map(Map.Entry::getValue).findFirst().orElse(null);
  }

  private static @Nullable Matcher scope(HttpExchange exchange) {
    var header = exchange.getRequestHeaders().getFirst("Authorization");
    var query = exchange.getRequestURI().getQuery();
    var text = header != null ? header : query == null ? "" : query.replace("X-Amz-Credential=", "Credential=");
    var matcher = SCOPE.matcher(text);
    return matcher.find() ? matcher : null;
  }

  @Override
  public void close() {
    servers.forEach(server -> server.stop(0));
    executor.shutdownNow();
  }

  /** One request, from its bytes to its answer. */
  private final class Call {
    private final HttpExchange exchange;
    private final String requestId = UUID.randomUUID().toString();
    private final @Nullable String target;
    private final String service;
    private final Caller caller;

    Call(HttpExchange exchange, @Nullable Matcher signed, @Nullable String target) {
      this.exchange = exchange;
      this.target = target;
      this.service = signed != null ? signed.group(2)
          : target != null ? TARGETS.getOrDefault(target.split("\\.")[0], target.split("\\.")[0]) : "";
      this.caller = signed != null ? callers.apply(signed.group(1)) : Caller.ADMINISTRATOR;
    }

    void answer() throws IOException {
      var body = exchange.getRequestBody().readNBytes(LARGEST_BODY + 1);
      if (body.length > LARGEST_BODY) {
        send(413, "application/json", "{\"message\":\"Request entity too large\"}".getBytes(StandardCharsets.UTF_8));
        return;
      }
      var type = String.valueOf(exchange.getRequestHeaders().getFirst("Content-Type"));
      if (target != null) {
        json(body, type.startsWith("application/x-amz-json-") ? type : "application/x-amz-json-1.0");
      } else if (hasAction() || type.startsWith("application/x-www-form-urlencoded") && !hasRoutes()) {
        query(body);
      } else {
        rest(body);
      }
    }

    /** Whether the path is one of a REST service: there a form's content type is only what curl sends unasked. */
    private boolean hasRoutes() {
      return services.containsKey(service) && !services.get(service).routes().isEmpty()
          && !exchange.getRequestURI().getRawPath().equals("/");
    }

    private boolean hasAction() {
      var query = exchange.getRequestURI().getRawQuery();
      return query != null && (query.startsWith("Action=") || query.contains("&Action="));
    }

    private void json(byte[] body, String contentType) throws IOException {
      var operation = java.util.Objects.requireNonNull(target).substring(target.lastIndexOf('.') + 1);
      try {
        var output = call(service, operation, object(body), caller);
        send(200, contentType, Json.write(output).getBytes(StandardCharsets.UTF_8));
      } catch (RuntimeException e) {
        var error = asAws(e);
        var answer = Json.object().put("__type", error.code());
        answer.put("message", error.getMessage());
        if (error.members() != null) {
          answer.setAll(error.members());
        }
        if (error.queryCode() != null) {
          exchange.getResponseHeaders().set("x-amzn-query-error", error.queryCode() + ";Sender");
        }
        send(error.status(), contentType, Json.write(answer).getBytes(StandardCharsets.UTF_8));
      }
    }

    private void query(byte[] body) throws IOException {
      var parameters = new LinkedHashMap<String, String>();
      form(exchange.getRequestURI().getRawQuery(), parameters);
      form(new String(body, StandardCharsets.UTF_8), parameters);
      var action = parameters.getOrDefault("Action", "");
      var name = service.isEmpty() ? "sns" : service;
      parameters.keySet().removeIf(key -> key.equals("Action") || key.equals("Version") || key.startsWith("X-Amz-"));
      try {
        if (!services.containsKey(name)) {
          throw AwsException.unknownOperation(name, action);
        }
        if (!QueryProtocol.speaks(name)) {
          throw AwsException.badRequest("InvalidAction", "The action " + action + " of " + name
              + " is not served by the local cloud in the Query protocol.");
        }
        var output = call(name, action, QueryProtocol.decode(parameters), caller);
        send(200, "text/xml", QueryProtocol.success(name, action, output, requestId));
      } catch (RuntimeException e) {
        var error = asAws(e);
        if (error.code().equals("UnknownOperationException")) {
          error = AwsException.badRequest("InvalidAction", "The action " + action + " is not valid for this web service.");
        }
        send(error.status(), "text/xml", QueryProtocol.error(name, error, requestId));
      }
    }

    private void rest(byte[] body) throws IOException {
      var method = exchange.getRequestMethod();
      var path = exchange.getRequestURI().getRawPath();
      var candidates = services.containsKey(service) ? List.of(services.get(service)) : service.isEmpty() ? List.copyOf(services.values()) : List.<Service>of();
      for (var candidate : candidates) {
        for (var route : candidate.routes()) {
          var members = match(route, method, path);
          if (members != null) {
            rest(candidate, route, members, body);
            return;
          }
        }
      }
      if (service.equals("s3")) {
        send(501, "application/xml", ("<Error><Code>NotImplemented</Code><Message>S3 is not served by the local cloud: " + method + " "
            + QueryProtocol.escape(path) + "</Message></Error>").getBytes(StandardCharsets.UTF_8));
        return;
      }
      var unknown = AwsException.unknownOperation(service.isEmpty() ? "no service" : service, method + " " + path);
      if (XML.contains(service)) {
        send(404, "text/xml", QueryProtocol.error(service, unknown, requestId));
        return;
      }
      error(unknown, 404);
    }

    private void rest(Service served, Route route, ObjectNode input, byte[] body) throws IOException {
      try {
        var query = new LinkedHashMap<String, String>();
        form(exchange.getRequestURI().getRawQuery(), query);
        if (route.payload() != null) {
          input.put(route.payload(), Base64.getEncoder().encodeToString(body));
        } else if (body.length > 0) {
          var members = object(body);
          members.properties().forEach(member -> input.set(member.getKey(), member.getValue()));
        }
        query.forEach(input::put);
        route.headers().forEach((member, header) -> {
          var value = exchange.getRequestHeaders().getFirst(header);
          if (value != null) {
            input.put(member, value);
          }
        });
        var output = served.call(route.operation(), input, caller);
        var status = route.payload() != null && output.has("StatusCode") ? output.get("StatusCode").asInt() : route.status();
        route.headers().forEach((member, header) -> {
          if (output.hasNonNull(member)) {
            exchange.getResponseHeaders().set(header, output.get(member).asText());
          }
        });
        if (route.payload() != null) {
          var payload = Json.text(output, route.payload());
          send(status, "application/json", payload == null ? new byte[0] : Base64.getDecoder().decode(payload));
        } else {
          send(status, "application/json", status == 204 ? new byte[0] : Json.write(output).getBytes(StandardCharsets.UTF_8));
        }
      } catch (RuntimeException e) {
        var failure = asAws(e);
        error(failure, failure.status());
      }
    }

    private void error(AwsException error, int status) throws IOException {
      exchange.getResponseHeaders().set("x-amzn-ErrorType", error.code());
      var answer = Json.object().put("message", error.getMessage());
      if (service.equals("lambda")) {
        answer = Json.object().put("Type", error.status() < 500 ? "User" : "Service").put("Message", error.getMessage())
            .put("message", error.getMessage());
      }
      if (error.members() != null) {
        answer.setAll(error.members());
      }
      send(status, "application/json", Json.write(answer).getBytes(StandardCharsets.UTF_8));
    }

    private void send(int status, String contentType, byte[] body) throws IOException {
      var headers = exchange.getResponseHeaders();
      headers.set("Content-Type", contentType);
      headers.set("x-amzn-RequestId", requestId);
      if (status == 204 || body.length == 0) {
        headers.remove("Content-Type");
        exchange.sendResponseHeaders(status, -1);
        return;
      }
      exchange.sendResponseHeaders(status, body.length);
      exchange.getResponseBody().write(body);
    }
  }

  private static ObjectNode object(byte[] body) {
    if (body.length == 0) {
      return Json.object();
    }
    try {
      if (Json.parse(body) instanceof ObjectNode object) {
        return object;
      }
    } catch (IllegalArgumentException e) {
      throw AwsException.badRequest("SerializationException", "The request body is no valid JSON: " + e.getMessage());
    }
    throw AwsException.badRequest("SerializationException", "Start of structure or map found where not expected.");
  }

  private static AwsException asAws(RuntimeException e) {
    if (e instanceof AwsException aws) {
      return aws;
    }
    // A fault of the local cloud itself: the developer must see where.
    e.printStackTrace();
    return new AwsException(500, "InternalFailure", "The local cloud failed: " + e);
  }

  private static void form(@Nullable String text, Map<String, String> parameters) {
    if (text == null || text.isEmpty()) {
      return;
    }
    for (var pair : text.split("&")) {
      var equals = pair.indexOf('=');
      var key = equals < 0 ? pair : pair.substring(0, equals);
      parameters.put(decode(key), equals < 0 ? "" : decode(pair.substring(equals + 1)));
    }
  }

  private static String decode(String text) {
    try {
      return URLDecoder.decode(text, StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      return text;
    }
  }

  /** The path's members, or null where the route is another. */
  private static @Nullable ObjectNode match(Route route, String method, String path) {
    if (!route.method().equals(method)) {
      return null;
    }
    var wanted = route.path().split("/", -1);
    var given = path.split("/", -1);
    var members = Json.object();
    for (var i = 0; i < wanted.length; i++) {
      var segment = wanted[i];
      if (i >= given.length) {
        return null;
      }
      if (segment.endsWith("+}")) {
        members.put(segment.substring(1, segment.length() - 2), decode(String.join("/", List.of(given).subList(i, given.length)).replace("+", "%2B")));
        return members;
      }
      if (segment.startsWith("{")) {
        if (given[i].isEmpty()) {
          return null;
        }
        members.put(segment.substring(1, segment.length() - 1), decode(given[i].replace("+", "%2B")));
      } else if (!segment.equals(given[i])) {
        return null;
      }
    }
    // AWS SDKs end some paths with a slash.
    return given.length == wanted.length || given.length == wanted.length + 1 && given[wanted.length].isEmpty() ? members : null;
  }
}
