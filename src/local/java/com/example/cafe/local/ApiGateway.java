package com.example.cafe.local;

import com.example.cafe.local.Cognito.Verification;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Amazon API Gateway: REST APIs from an OpenAPI document ({@link RestApi}), served at {@code http://localhost:PORT/STAGE}.
 *
 * <p>A request goes the way it goes in the service: route, throttling, authorizer, parameters, body, integration; what
 * ends it early is a gateway response. Two things differ, for the JDK's HTTP server stands in front: header names reach
 * a function In-This-Case however they were sent, and a request that is no HTTP is answered by that server.
 *
 * <p>Integrations are Lambda proxies, called with the proxy event of payload format 1.0, and mocks.
 */
final class ApiGateway implements Service {
  /** Of a request's body, in bytes; "Quotas for configuring and running a REST API". */
  private static final int MAX_BODY = 10 * 1024 * 1024;
  /** Of the request line and all header values together, in bytes; same page. */
  private static final int MAX_HEADERS = 10_240;
  /** What is read and thrown away of a body that is too large, so that its sender gets to read the answer. */
  private static final long MAX_DISCARDED = 64L * 1024 * 1024;
  private static final DateTimeFormatter REQUEST_TIME =
      DateTimeFormatter.ofPattern("dd/MMM/yyyy:HH:mm:ss Z", Locale.ENGLISH).withZone(ZoneOffset.UTC);
  private static final DateTimeFormatter CLAIM_TIME =
      DateTimeFormatter.ofPattern("EEE MMM dd HH:mm:ss 'UTC' yyyy", Locale.ENGLISH).withZone(ZoneOffset.UTC);
  private static final String NAME = "(?:context|stageVariables|method\\.request\\.\\w+)(?:\\.[\\w-]+(?::[\\w-]+)?)+";
  private static final Pattern VARIABLE = Pattern.compile("\\$\\{(" + NAME + ")}|\\$(" + NAME + ")");
  private static final Pattern STAGE_VARIABLE = Pattern.compile("\\$\\{stageVariables\\.(\\w+)}");
  private static final Pattern WORD = Pattern.compile("(^|-)([a-z])");
  private static final Pattern HEADER_NAME = Pattern.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+");
  private static final Set<String> DROPPED_REQUEST_HEADERS = Set.of("connection", "content-length", "content-md5", "expect",
      "max-forwards", "proxy-authenticate", "server", "te", "transfer-encoding", "trailer", "upgrade", "www-authenticate");
  private static final Set<String> REMAPPED_RESPONSE_HEADERS = Set.of("connection", "content-length", "date", "server",
      "www-authenticate");
  private static final Map<String, String> DEFAULT_TEMPLATE =
      Map.of("application/json", "{\"message\":$context.error.messageString}");

  private final HttpServer server;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final Aws aws;
  private final Cognito cognito;
  private final EventLog events;
  private final Map<String, Api> apis = new ConcurrentHashMap<>();
  private final Map<String, Stage> stages = new ConcurrentHashMap<>();

  /**
   * Listens at once, on the loopback address; stages are there as soon as they are provisioned.
   *
   * @param port 0 for any free one
   * @throws IllegalStateException where the port is taken
   */
  ApiGateway(int port, Aws aws, Cognito cognito, EventLog events) {
    this.aws = aws;
    this.cognito = cognito;
    this.events = events;
    try {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
    } catch (BindException e) {
      throw new IllegalStateException("port " + port + " is taken: end what uses it, or choose another with -Dapi.port=" + (port + 1), e);
    } catch (IOException e) {
      throw new IllegalStateException("cannot listen on port " + port, e);
    }
    server.setExecutor(threads);
    server.createContext("/", this::handle);
    server.start();
  }

  private record Api(String id, String name, String description, RestApi definition, Instant created) {}

  private record Stage(String name, Api api, String deploymentId, Map<String, String> variables,
      List<Throttle> throttles, Instant created) {}

  /** The limit of the methods that a method setting names: each of them has a bucket of its own. */
  private record Throttle(String path, String method, double rate, int burst, Map<String, Bucket> buckets) {
    boolean covers(RestApi.Method one, String httpMethod) {
      return (path.equals("/*") || path.equals(one.resource())) && (method.equals("*") || method.equals(httpMethod));
    }

    int precision() {
      return (path.equals("/*") ? 0 : 2) + (method.equals("*") ? 0 : 1);
    }
  }

  /** A token bucket, full at first. */
  private static final class Bucket {
    private double tokens;
    private long filled = System.nanoTime();

    Bucket(int burst) {
      tokens = burst;
    }

    synchronized boolean take(double rate, int burst) {
      var now = System.nanoTime();
      tokens = Math.min(burst, tokens + (now - filled) / 1e9 * rate);
      filled = now;
      if (tokens < 1) {
        return false;
      }
      tokens--;
      return true;
    }
  }

  /** A request on its way. Header names are case-insensitive. @param context {@code $context}, filled on the way */
  private record Request(Stage stage, String method, String path, Map<String, List<String>> headers,
      Map<String, List<String>> query, byte[] body, ObjectNode context, String traceId) {
    @Nullable String header(String name) {
      var values = headers.get(name);
      return values == null ? null : values.getLast();
    }

    /** Without parameters, in lower case; application/json where there is none. */
    String mediaType() {
      var type = header("Content-Type");
      return type == null || type.isBlank() ? "application/json" : essence(type);
    }
  }

  /** @param note why, for the event log; or null */
  private record Response(int status, Map<String, List<String>> headers, byte[] body, @Nullable String note) {}

  /** Ends a request with a gateway response. */
  @SuppressWarnings("serial")
  private static final class Rejection extends RuntimeException {
    private final String type;
    private final int status;
    private final String errorType;
    private final String message;
    private final String validation;
    private final @Nullable String note;

    private Rejection(String type, int status, String errorType, String message, String validation,
        @Nullable String note) {
      super(message, null, false, false);
      this.type = type;
      this.status = status;
      this.errorType = errorType;
      this.message = message;
      this.validation = validation;
      this.note = note;
    }

    static Rejection noRoute() {
      return new Rejection("MISSING_AUTHENTICATION_TOKEN", 403, "MissingAuthenticationTokenException",
          "Missing Authentication Token", "", null);
    }

    static Rejection unauthorized(String message, String note) {
      return new Rejection("UNAUTHORIZED", 401, "UnauthorizedException", message, "", note);
    }

    static Rejection badParameters(String message) {
      return new Rejection("BAD_REQUEST_PARAMETERS", 400, "BadRequestException", message, message, message);
    }

    static Rejection badBody(String violations) {
      return new Rejection("BAD_REQUEST_BODY", 400, "BadRequestException", "Invalid request body", violations, violations);
    }

    static Rejection tooLarge() {
      return new Rejection("REQUEST_TOO_LARGE", 413, "RequestTooLongException", "Request Too Long", "", null);
    }

    /** @param longest the header that takes the most room: the service does not name one, a developer wants to know */
    static Rejection headersTooLarge(String longest) {
      return new Rejection("DEFAULT_4XX", 431, "BadRequestException", "HTTP header is larger than " + MAX_HEADERS
          + " bytes: " + longest, "", null);
    }

    static Rejection unsupportedMediaType() {
      return new Rejection("UNSUPPORTED_MEDIA_TYPE", 415, "BadRequestException", "Unsupported Media Type", "", null);
    }

    static Rejection throttled() {
      return new Rejection("THROTTLED", 429, "TooManyRequestsException", "Too Many Requests", "", null);
    }

    static Rejection timedOut(int millis) {
      return new Rejection("INTEGRATION_TIMEOUT", 504, "InternalServerErrorException", "Endpoint request timed out", "",
          "no answer within " + millis + " ms");
    }

    static Rejection misconfigured(String note) {
      return new Rejection("API_CONFIGURATION_ERROR", 500, "InternalServerErrorException", "Internal server error", "", note);
    }

    /** @param status 502 for what the function did wrong, 500 for what is not its fault */
    static Rejection failed(int status, String note) {
      return new Rejection("DEFAULT_5XX", status, "InternalServerErrorException", "Internal server error", "", note);
    }
  }

  @Override
  public String name() {
    return "apigateway";
  }

  /** The port that it listens on. */
  int port() {
    return server.getAddress().getPort();
  }

  /** The address of the first stage, without a slash at the end; of the server while there is none. */
  String address() {
    return "http://localhost:" + port() + stages.keySet().stream().sorted().findFirst().map(stage -> "/" + stage).orElse("");
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }

  // ---- resources of the template

  @Override
  public Map<String, Provisioner> provisioners() {
    return Map.of(
        "AWS::ApiGateway::RestApi", this::restApi,
        "AWS::ApiGateway::GatewayResponse", this::gatewayResponse,
        "AWS::ApiGateway::Deployment", this::deployment,
        "AWS::ApiGateway::Stage", this::stage,
        "AWS::ApiGateway::Account", this::account);
  }

  private Provisioner.Provisioned restApi(Provisioner.Resource resource) {
    resource.allowOnly("Body", "Name", "Description", "EndpointConfiguration", "ApiKeySourceType", "BinaryMediaTypes",
        "MinimumCompressionSize", "Tags", "FailOnWarnings", "Mode", "Parameters", "DisableExecuteApiEndpoint",
        "SecurityPolicy", "EndpointAccessMode");
    var properties = resource.properties();
    refuse(properties, "DisableExecuteApiEndpoint", "true");
    refuse(properties, "ApiKeySourceType", "AUTHORIZER");
    if (properties.path("MinimumCompressionSize").asInt(-1) >= 0) {
      throw new IllegalArgumentException("property MinimumCompressionSize is not supported");
    }
    var types = properties.path("EndpointConfiguration").path("Types");
    if (types.isArray() && !types.isEmpty() && types.get(0).asText().equals("PRIVATE")) {
      throw new IllegalArgumentException("property EndpointConfiguration: PRIVATE is not supported");
    }
    if (!properties.path("Body").isObject()) {
      throw new IllegalArgumentException("property Body, an OpenAPI document, is missing");
    }
    var definition = new RestApi(properties.path("Body"));
    properties.path("BinaryMediaTypes").forEach(type ->
        definition.binaryMediaTypes().add(type.asText().replace("~1", "/")));
    var id = stableId(resource.name(), 10);
    var name = properties.path("Name").asText(properties.path("Body").path("info").path("title").asText(resource.name()));
    apis.put(id, new Api(id, name, properties.path("Description").asText(""), definition, Instant.now()));
    return new Provisioner.Provisioned(id, Map.of("RestApiId", id, "RootResourceId", stableId(id + "/", 10)));
  }

  private Provisioner.Provisioned gatewayResponse(Provisioner.Resource resource) {
    resource.allowOnly("RestApiId", "ResponseType", "StatusCode", "ResponseParameters", "ResponseTemplates");
    var properties = resource.properties();
    var response = Json.object();
    response.set("statusCode", properties.path("StatusCode"));
    response.set("responseParameters", properties.path("ResponseParameters"));
    response.set("responseTemplates", properties.path("ResponseTemplates"));
    var type = properties.path("ResponseType").asText();
    api(properties).definition().gatewayResponse(type, response, type);
    return new Provisioner.Provisioned(stableId(resource.name(), 10), Map.of());
  }

  private Provisioner.Provisioned deployment(Provisioner.Resource resource) {
    resource.allowOnly("RestApiId", "Description", "StageName");
    var properties = resource.properties();
    var api = api(properties);
    var id = stableId(resource.name(), 6);
    if (properties.hasNonNull("StageName")) {
      addStage(new Stage(properties.path("StageName").asText(), api, id, Map.of(), List.of(), Instant.now()));
    }
    return new Provisioner.Provisioned(id, Map.of("DeploymentId", id));
  }

  private Provisioner.Provisioned stage(Provisioner.Resource resource) {
    // Logs, metrics and traces of a stage change nothing that a caller can see: the event log has every request.
    resource.allowOnly("RestApiId", "DeploymentId", "StageName", "Description", "Variables", "MethodSettings",
        "AccessLogSetting", "TracingEnabled", "CacheClusterEnabled", "CacheClusterSize", "DocumentationVersion", "Tags");
    var properties = resource.properties();
    refuse(properties, "CacheClusterEnabled", "true");
    var variables = new LinkedHashMap<String, String>();
    properties.path("Variables").properties().forEach(one -> variables.put(one.getKey(), one.getValue().asText()));
    var name = properties.path("StageName").asText("");
    if (!name.matches("[A-Za-z0-9_-]{1,128}")) {
      throw new IllegalArgumentException(
          "property StageName: stage name only allows a-zA-Z0-9_- and up to 128 characters, not \"" + name + "\"");
    }
    var throttles = new ArrayList<Throttle>();
    for (var setting : properties.path("MethodSettings")) {
      setting.fieldNames().forEachRemaining(member -> {
        if (!Set.of("ResourcePath", "HttpMethod", "ThrottlingRateLimit", "ThrottlingBurstLimit", "LoggingLevel",
            "MetricsEnabled", "DataTraceEnabled", "CachingEnabled", "CacheDataEncrypted", "CacheTtlInSeconds")
            .contains(member)) {
          throw new IllegalArgumentException("property MethodSettings: " + member + " is not supported");
        }
      });
      refuse(setting, "CachingEnabled", "true");
      if (setting.hasNonNull("ThrottlingRateLimit") || setting.hasNonNull("ThrottlingBurstLimit")) {
        // The defaults are those of an account: 10,000 requests a second, 5,000 at once.
        throttles.add(new Throttle(setting.path("ResourcePath").asText("/*").replace("~1", "/").replaceFirst("^/+", "/"),
            setting.path("HttpMethod").asText("*"), setting.path("ThrottlingRateLimit").asDouble(10_000),
            setting.path("ThrottlingBurstLimit").asInt(5_000), new ConcurrentHashMap<>()));
      }
    }
    throttles.sort((one, other) -> other.precision() - one.precision());
    addStage(new Stage(name, api(properties), properties.path("DeploymentId").asText(), variables, List.copyOf(throttles),
        Instant.now()));
    return new Provisioner.Provisioned(name, Map.of());
  }

  private Provisioner.Provisioned account(Provisioner.Resource resource) {
    resource.allowOnly("CloudWatchRoleArn");
    return new Provisioner.Provisioned(stableId(resource.name(), 10), Map.of("Id", stableId(resource.name(), 10)));
  }

  private void addStage(Stage stage) {
    var other = stages.putIfAbsent(stage.name(), stage);
    if (other != null) {
      throw new IllegalArgumentException("property StageName: the API " + other.api().name() + " has a stage "
          + stage.name() + " already, and all APIs share one address here");
    }
  }

  private Api api(ObjectNode properties) {
    var api = apis.get(properties.path("RestApiId").asText());
    if (api == null) {
      throw new IllegalArgumentException("property RestApiId: there is no API " + properties.path("RestApiId").asText());
    }
    return api;
  }

  private static void refuse(JsonNode properties, String name, String value) {
    if (properties.path(name).asText().equals(value)) {
      throw new IllegalArgumentException("property " + name + ": " + value + " is not supported");
    }
  }

  /** An id in lower case letters and digits, the same at every start. */
  private static String stableId(String name, int length) {
    var uuid = UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8));
    var digits = Long.toUnsignedString(uuid.getMostSignificantBits(), 36)
        + Long.toUnsignedString(uuid.getLeastSignificantBits(), 36);
    return digits.substring(0, length);
  }

  // ---- the management API

  @Override
  public List<Route> routes() {
    return List.of(
        new Route("GET", "/restapis", "GetRestApis"),
        new Route("GET", "/restapis/{restApiId}", "GetRestApi"),
        new Route("GET", "/restapis/{restApiId}/stages", "GetStages"),
        new Route("GET", "/restapis/{restApiId}/resources", "GetResources"));
  }

  @Override
  public ObjectNode call(String operation, ObjectNode input, Caller caller) {
    return switch (operation) {
      case "GetRestApis" -> {
        var list = Json.object();
        apis.values().forEach(api -> list.withArray("item").add(describe(api)));
        yield list;
      }
      case "GetRestApi" -> describe(knownApi(input));
      case "GetStages" -> {
        var api = knownApi(input);
        var list = Json.object();
        stages.values().stream().filter(stage -> stage.api().equals(api)).forEach(stage -> {
          var item = list.withArray("item").addObject().put("stageName", stage.name())
              .put("deploymentId", stage.deploymentId()).put("cacheClusterEnabled", false)
              .put("createdDate", stage.created().getEpochSecond());
          stage.variables().forEach(item.withObject("/variables")::put);
        });
        yield list;
      }
      case "GetResources" -> {
        var resources = new TreeMap<String, ObjectNode>();
        for (var method : knownApi(input).definition().methods()) {
          resources.computeIfAbsent(method.resource(), path ->
              Json.object().put("id", method.resourceId()).put("path", path)).withObject("/resourceMethods")
              .putObject(method.httpMethod());
        }
        var list = Json.object();
        list.putArray("item").addAll(resources.values());
        yield list;
      }
      default -> throw AwsException.unknownOperation(name(), operation);
    };
  }

  private Api knownApi(ObjectNode input) {
    var api = apis.get(input.path("restApiId").asText());
    if (api == null) {
      throw new AwsException(404, "NotFoundException", "Invalid API identifier specified " + Settings.ACCOUNT + ":"
          + input.path("restApiId").asText());
    }
    return api;
  }

  private static ObjectNode describe(Api api) {
    return Json.object().put("id", api.id()).put("name", api.name()).put("description", api.description())
        .put("createdDate", api.created().getEpochSecond()).put("apiKeySource", "HEADER")
        .put("disableExecuteApiEndpoint", false);
  }

  // ---- the way of a request

  private void handle(HttpExchange exchange) {
    var started = System.nanoTime();
    var path = exchange.getRequestURI().getRawPath();
    try {
      var slash = path.indexOf('/', 1);
      var stage = stages.get(path.substring(1, slash < 0 ? path.length() : slash));
      var response = stage == null ? outside(exchange, path) : inside(exchange, path, stage);
      send(exchange, response);
      events.event("request", exchange.getRequestMethod() + " " + path + " " + response.status() + " "
          + (System.nanoTime() - started) / 1_000_000 + " ms" + (response.note() == null ? "" : "  " + response.note()));
    } catch (IOException e) {
      // The client went away, or sent less than it promised: there is nobody left to answer.
      exchange.close();
    } catch (RuntimeException | Error e) {
      events.event("request", exchange.getRequestMethod() + " " + path + " failed: " + e);
      exchange.close();
      throw e;
    }
  }

  /** Everything that no stage serves: the site's place. */
  private Response outside(HttpExchange exchange, String path) throws IOException {
    readBody(exchange);
    var headers = new LinkedHashMap<String, List<String>>();
    headers.put("Content-Type", List.of("application/json"));
    if (path.equals("/") && Set.of("GET", "HEAD").contains(exchange.getRequestMethod())) {
      return new Response(200, headers, bytes(Json.write(Json.object().put("api", address()))), null);
    }
    headers.put("x-amzn-ErrorType", List.of("ForbiddenException"));
    return new Response(403, headers, bytes("{\"message\":\"Forbidden\"}"), null);
  }

  private Response inside(HttpExchange exchange, String rawPath, Stage stage) throws IOException {
    var headers = headers(exchange);
    var body = readBody(exchange);
    var path = rawPath.substring(stage.name().length() + 1);
    var traceId = traceId(headers);
    var request = new Request(stage, exchange.getRequestMethod(), path.isEmpty() ? "/" : path, headers,
        query(exchange.getRequestURI().getRawQuery()), body == null ? new byte[0] : body,
        context(exchange, rawPath, stage, headers), traceId);
    try {
      if (headerSize(exchange) > MAX_HEADERS) {
        throw Rejection.headersTooLarge(headers.entrySet().stream()
            .max(java.util.Comparator.comparingInt(header -> header.getValue().stream().mapToInt(String::length).sum()))
            .map(Map.Entry::getKey).orElse(""));
      } else if (body == null) {
        throw Rejection.tooLarge();
      }
      return serve(request);
    } catch (Rejection rejection) {
      return gatewayResponse(request, rejection);
    } catch (RuntimeException e) {
      return gatewayResponse(request, Rejection.failed(500, "a fault of the local cloud: " + e));
    }
  }

  private Response serve(Request request) {
    var match = request.stage().api().definition().match(request.method(), request.path());
    if (match == null) {
      throw Rejection.noRoute();
    }
    var method = match.method();
    var context = request.context();
    context.put("resourceId", method.resourceId()).put("resourcePath", method.resource());
    if (method.operationName() != null) {
      context.put("operationName", method.operationName());
    }
    throttle(request, method);
    if (method.authorizer() != null) {
      context.putObject("authorizer").set("claims", claims(request, method.authorizer()));
    }
    validate(request, match);
    return switch (method.integration()) {
      case RestApi.Integration.Lambda lambda -> invoke(request, match, lambda);
      case RestApi.Integration.Mock mock -> mock(request, match, mock);
    };
  }

  private static void throttle(Request request, RestApi.Method method) {
    for (var throttle : request.stage().throttles()) {
      if (throttle.covers(method, request.method())) {
        var bucket = throttle.buckets().computeIfAbsent(request.method() + " " + method.resource(),
            key -> new Bucket(throttle.burst()));
        if (!bucket.take(throttle.rate(), throttle.burst())) {
          throw Rejection.throttled();
        }
        return;
      }
    }
  }

  // ---- authorizer

  private ObjectNode claims(Request request, RestApi.Authorizer authorizer) {
    var header = request.header(authorizer.header());
    if (header == null || header.isBlank()) {
      throw Rejection.unauthorized("Unauthorized", "no token");
    }
    var token = header.strip().replaceFirst("(?i)^Bearer\\s+", "");
    if (authorizer.validation() != null && !authorizer.validation().matcher(header).matches()) {
      throw Rejection.unauthorized("Unauthorized", "the token does not match the authorizer's validation expression");
    }
    var reason = Cognito.Reason.MALFORMED;
    for (var pool : authorizer.userPoolArns()) {
      switch (cognito.verify(token, pool)) {
        case Verification.Valid(var claims) -> {
          return authorized(claims, authorizer);
        }
        case Verification.Refused(var why) -> reason = why;
      }
    }
    throw Rejection.unauthorized(reason == Cognito.Reason.EXPIRED ? "The incoming token has expired" : "Unauthorized",
        "token " + reason.name().toLowerCase(Locale.ROOT).replace('_', ' '));
  }

  private static ObjectNode authorized(Map<String, Object> claims, RestApi.Authorizer authorizer) {
    var use = authorizer.scopes().isEmpty() ? "id" : "access";
    if (!use.equals(claims.get("token_use"))) {
      throw Rejection.unauthorized("Unauthorized", "not an " + use + " token");
    }
    if (!authorizer.scopes().isEmpty() && List.of(String.valueOf(claims.get("scope")).split(" ")).stream()
        .noneMatch(authorizer.scopes()::contains)) {
      throw Rejection.unauthorized("Unauthorized", "the token has none of the scopes " + authorizer.scopes());
    }
    var texts = Json.object();
    claims.forEach((name, value) -> texts.put(name, claim(name, value)));
    return texts;
  }

  /** As text, the way the service puts it: times of a token as dates (but auth_time), lists with commas. */
  private static String claim(String name, Object value) {
    return switch (value) {
      case Number seconds when name.equals("exp") || name.equals("iat") ->
          CLAIM_TIME.format(Instant.ofEpochSecond(seconds.longValue()));
      case Collection<?> list -> list.stream().map(String::valueOf).collect(Collectors.joining(","));
      case Map<?, ?> map -> Json.write(map);
      default -> String.valueOf(value);
    };
  }

  // ---- request validation

  private static void validate(Request request, RestApi.Match match) {
    var method = match.method();
    if (method.validatesParameters()) {
      var missing = method.requiredParameters().stream()
          .filter(parameter -> parameter(request, match.pathParameters(), parameter.in(), parameter.name()).isBlank())
          .map(RestApi.Parameter::name).toList();
      if (!missing.isEmpty()) {
        throw Rejection.badParameters("Missing required request parameters: " + missing);
      }
    }
    // "If there is no matching content type, request validation is not performed."
    var model = method.models().get(request.mediaType());
    if (method.validatesBody() && model != null) {
      JsonNode body;
      try {
        body = Json.MAPPER.reader().with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .readTree(request.body());
      } catch (IOException e) {
        throw Rejection.badBody("[Unknown error parsing request body]");
      }
      if (body.isMissingNode()) {
        throw Rejection.badBody("[Unknown error parsing request body]");
      }
      var violations = model.violations(body);
      if (violations != null) {
        throw Rejection.badBody(violations);
      }
    }
  }

  private static String parameter(Request request, Map<String, String> path, String in, String name) {
    return switch (in) {
      case "path" -> path.getOrDefault(name, "");
      case "querystring" -> request.query().getOrDefault(name, List.of("")).getLast();
      default -> request.headers().getOrDefault(name, List.of("")).getLast();
    };
  }

  // ---- Lambda

  private Response invoke(Request request, RestApi.Match match, RestApi.Integration.Lambda lambda) {
    var input = Json.object()
        .put("FunctionName", withStageVariables(lambda.functionArn(), request.stage()))
        .put("InvocationType", "RequestResponse")
        .put("Payload", Base64.getEncoder().encodeToString(bytes(Json.write(event(request, match)))));
    var caller = lambda.credentials() == null ? Caller.ADMINISTRATOR : new Caller(lambda.credentials());
    // The function goes on when the gateway has given up: as in the cloud, nobody tells it.
    var running = threads.submit(() -> aws.call("lambda", "Invoke", input, caller));
    ObjectNode output;
    try {
      output = running.get(lambda.timeout(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw Rejection.timedOut(lambda.timeout());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Rejection.failed(500, "stopped");
    } catch (ExecutionException e) {
      throw notInvoked(e.getCause());
    }
    var payload = Base64.getDecoder().decode(output.path("Payload").asText());
    if (output.hasNonNull("FunctionError")) {
      throw Rejection.failed(502, "the function failed: " + new String(payload, StandardCharsets.UTF_8).lines()
          .findFirst().map(line -> line.substring(0, Math.min(200, line.length()))).orElse(""));
    }
    try {
      return proxyResponse(request, Json.parse(payload));
    } catch (IllegalArgumentException e) {
      throw Rejection.failed(502, "malformed Lambda proxy response: " + e.getMessage());
    }
  }

  private static Rejection notInvoked(@Nullable Throwable cause) {
    return switch (cause) {
      case AwsException e when e.code().equals("RequestTooLargeException") || e.status() == 413 -> Rejection.tooLarge();
      case AwsException e when e.code().equals("TooManyRequestsException") || e.status() >= 500 ->
          Rejection.failed(500, e.code() + ": " + e.getMessage());
      case AwsException e -> Rejection.misconfigured(e.code() + ": " + e.getMessage());
      case null, default -> Rejection.failed(500, "a fault of the local cloud: " + cause);
    };
  }

  /** "Input format of a Lambda function for proxy integration". */
  private ObjectNode event(Request request, RestApi.Match match) {
    var event = Json.object().put("resource", match.method().resource()).put("path", request.path())
        .put("httpMethod", request.method());
    var headers = new TreeMap<String, List<String>>(String.CASE_INSENSITIVE_ORDER);
    request.headers().forEach((name, values) -> {
      if (!DROPPED_REQUEST_HEADERS.contains(name.toLowerCase(Locale.ROOT))) {
        headers.put(name, values);
      }
    });
    headers.put("X-Amzn-Trace-Id", List.of(request.traceId()));
    headers.put("X-Forwarded-For", forwarded(request));
    headers.put("X-Forwarded-Port", List.of(String.valueOf(port())));
    headers.put("X-Forwarded-Proto", List.of("http"));
    single(event, "headers", headers);
    multi(event, "multiValueHeaders", headers);
    single(event, "queryStringParameters", request.query());
    multi(event, "multiValueQueryStringParameters", request.query());
    texts(event, "pathParameters", match.pathParameters());
    texts(event, "stageVariables", request.stage().variables());
    event.set("requestContext", request.context());
    if (request.body().length == 0) {
      event.putNull("body").put("isBase64Encoded", false);
    } else {
      var binary = binary(request, request.mediaType());
      event.put("body", binary ? Base64.getEncoder().encodeToString(request.body())
          : new String(request.body(), StandardCharsets.UTF_8)).put("isBase64Encoded", binary);
    }
    return event;
  }

  private static List<String> forwarded(Request request) {
    var before = request.headers().get("X-Forwarded-For");
    var ip = request.context().path("identity").path("sourceIp").asText();
    return List.of(before == null ? ip : String.join(", ", before) + ", " + ip);
  }

  private static boolean binary(Request request, String mediaType) {
    var types = request.stage().api().definition().binaryMediaTypes();
    return types.contains("*/*") || types.contains(mediaType);
  }

  private static void single(ObjectNode event, String name, Map<String, List<String>> values) {
    var last = new LinkedHashMap<String, String>();
    values.forEach((key, list) -> last.put(key, list.getLast()));
    texts(event, name, last);
  }

  private static void multi(ObjectNode event, String name, Map<String, List<String>> values) {
    if (values.isEmpty()) {
      event.putNull(name);
    } else {
      event.set(name, Json.MAPPER.valueToTree(values));
    }
  }

  private static void texts(ObjectNode event, String name, Map<String, String> values) {
    if (values.isEmpty()) {
      event.putNull(name);
    } else {
      event.set(name, Json.MAPPER.valueToTree(values));
    }
  }

  /** "Output format of a Lambda function for proxy integration". */
  private static Response proxyResponse(Request request, JsonNode output) {
    if (!output.isObject()) {
      throw new IllegalArgumentException("no JSON object");
    }
    output.fieldNames().forEachRemaining(name -> {
      if (!Set.of("statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded").contains(name)) {
        throw new IllegalArgumentException("there is no member " + name);
      }
    });
    var headers = new TreeMap<String, List<String>>(String.CASE_INSENSITIVE_ORDER);
    output.path("headers").properties().forEach(header ->
        addHeader(headers, header.getKey(), List.of(headerValue(header.getKey(), header.getValue()))));
    output.path("multiValueHeaders").properties().forEach(header -> {
      var values = new ArrayList<String>();
      if (!(header.getValue() instanceof ArrayNode array)) {
        throw new IllegalArgumentException("multiValueHeaders." + header.getKey() + " is no list");
      }
      array.forEach(value -> values.add(headerValue(header.getKey(), value)));
      // Where a header is in both, the values of both are sent, each once.
      headers.getOrDefault(header.getKey(), List.of()).stream().filter(value -> !values.contains(value)).forEach(values::add);
      if (!values.isEmpty()) {
        addHeader(headers, header.getKey(), values);
      }
    });
    var code = output.path("statusCode");
    var status = code.isMissingNode() || code.isNull() ? 200 : statusCode(code);
    var body = output.path("body");
    if (!body.isMissingNode() && !body.isNull() && !body.isTextual()) {
      throw new IllegalArgumentException("body is no text");
    }
    var accept = request.header("Accept");
    var first = accept == null ? "" : essence(accept.split(",")[0]);
    // Where the client does not ask for a binary type, the base64 text itself is what it gets.
    var content = output.path("isBase64Encoded").asBoolean() && binary(request, first)
        ? Base64.getDecoder().decode(body.asText("")) : bytes(body.asText(""));
    headers.putIfAbsent("Content-Type", List.of("application/json"));
    addRequestIds(headers, request);
    headers.put("X-Amzn-Trace-Id", List.of(request.traceId()));
    return new Response(status, headers, content, null);
  }

  private static int statusCode(JsonNode code) {
    var status = code.isIntegralNumber() || code.isTextual() && code.asText().matches("\\d{3}") ? code.asInt() : 0;
    if (status < 200 || status > 599) {
      throw new IllegalArgumentException("statusCode is " + code);
    }
    return status;
  }

  private static String headerValue(String name, JsonNode value) {
    if (!HEADER_NAME.matcher(name).matches() || !value.isTextual() && !value.isBoolean()
        || value.asText().chars().anyMatch(c -> c < ' ' && c != '\t')) {
      throw new IllegalArgumentException("header " + name + ": " + value);
    }
    return value.asText();
  }

  private static void addHeader(Map<String, List<String>> headers, String name, List<String> values) {
    var lower = name.toLowerCase(Locale.ROOT);
    if (REMAPPED_RESPONSE_HEADERS.contains(lower)) {
      headers.put("x-amzn-Remapped-" + name, values);
    } else if (!lower.equals("transfer-encoding")) {
      headers.put(name, values);
    }
  }

  // ---- mock

  private static Response mock(Request request, RestApi.Match match, RestApi.Integration.Mock mock) {
    var body = new String(request.body(), StandardCharsets.UTF_8);
    var input = new MappingTemplates.Input(body, Map.of("path", match.pathParameters(), "querystring",
        lastValues(request.query()), "header", lastValues(request.headers())));
    var template = mock.requestTemplates().get(request.mediaType());
    if (template == null && (mock.passthrough() == RestApi.Passthrough.NEVER
        || mock.passthrough() == RestApi.Passthrough.WHEN_NO_TEMPLATES && !mock.requestTemplates().isEmpty())) {
      throw Rejection.unsupportedMediaType();
    }
    try {
      var rendered = template == null ? body : render(template, input, request);
      var status = rendered.isBlank() ? "" : Json.parse(rendered).path("statusCode").asText();
      var chosen = mock.responses().stream()
          .filter(response -> response.selection() != null && response.selection().matcher(status).matches()).findFirst()
          .or(() -> mock.responses().stream().filter(response -> response.selection() == null).findFirst())
          .orElseThrow(() -> Rejection.failed(500, "the mock has no response for \"" + status + "\""));
      if (!status.matches("\\d{3}")) {
        throw Rejection.failed(500, "the mock's request template gives no statusCode");
      }
      var type = contentType(chosen.templates(), request);
      var headers = new TreeMap<String, List<String>>(String.CASE_INSENSITIVE_ORDER);
      headers.put("Content-Type", List.of(type));
      chosen.headers().forEach((name, expression) ->
          headers.put(name, List.of(evaluate(expression, request, match.pathParameters()))));
      addRequestIds(headers, request);
      var content = chosen.templates().get(type);
      return new Response(chosen.status(), headers, bytes(content == null ? "" : render(content, input, request)), null);
    } catch (IllegalArgumentException e) {
      throw Rejection.failed(500, "mock: " + e.getMessage());
    }
  }

  private static String render(String template, MappingTemplates.Input input, Request request) {
    return MappingTemplates.render(template, input, request.context(), request.stage().variables());
  }

  private static Map<String, String> lastValues(Map<String, List<String>> values) {
    var last = new TreeMap<String, String>(String.CASE_INSENSITIVE_ORDER);
    values.forEach((name, list) -> last.put(name, list.getLast()));
    return last;
  }

  /** The template that the client accepts, application/json otherwise, or the only one that there is. */
  private static String contentType(Map<String, String> templates, Request request) {
    var accept = request.header("Accept");
    if (accept != null) {
      for (var one : accept.split(",")) {
        if (templates.containsKey(essence(one))) {
          return essence(one);
        }
      }
    }
    return templates.isEmpty() || templates.containsKey("application/json") ? "application/json"
        : templates.keySet().iterator().next();
  }

  // ---- gateway responses

  private static Response gatewayResponse(Request request, Rejection rejection) {
    var context = request.context().deepCopy();
    context.putObject("error").put("message", rejection.message).put("messageString", Json.write(rejection.message))
        .put("responseType", rejection.type).put("validationErrorString", rejection.validation);
    var failed = new Request(request.stage(), request.method(), request.path(), request.headers(), request.query(),
        request.body(), context, request.traceId());
    var defined = request.stage().api().definition().gatewayResponses();
    var response = defined.getOrDefault(rejection.type,
        defined.get(rejection.status < 500 ? "DEFAULT_4XX" : "DEFAULT_5XX"));
    var templates = response == null || response.templates().isEmpty() ? DEFAULT_TEMPLATE : response.templates();
    var type = contentType(templates, request);
    var headers = new TreeMap<String, List<String>>(String.CASE_INSENSITIVE_ORDER);
    headers.put("Content-Type", List.of(type));
    headers.put("x-amzn-ErrorType", List.of(rejection.errorType));
    addRequestIds(headers, request);
    if (response != null) {
      response.headers().forEach((name, expression) -> {
        var value = evaluate(expression, failed, Map.of());
        if (!value.isEmpty()) {
          headers.put(name, List.of(value));
        }
      });
    }
    var body = substitute(String.valueOf(templates.get(type)), failed, type.contains("json"));
    return new Response(response == null || response.status() == null ? rejection.status : response.status(), headers,
        bytes(body), rejection.note);
  }

  /** Replaces variables, which is all that the template of a gateway response can do; escaped to stay valid JSON. */
  private static String substitute(String template, Request request, boolean json) {
    return VARIABLE.matcher(template).replaceAll(variable -> {
      var name = variable.group(1) == null ? variable.group(2) : variable.group(1);
      var value = evaluate(name, request, Map.of());
      return Matcher.quoteReplacement(
          json && !name.equals("context.error.messageString") ? MappingTemplates.escapeJson(value) : value);
    });
  }

  private static String evaluate(String expression, Request request, Map<String, String> pathParameters) {
    var parts = expression.split("\\.", 4);
    String value;
    if (expression.startsWith("'")) {
      value = expression.substring(1, expression.length() - 1);
    } else if (expression.startsWith("context.")) {
      JsonNode node = request.context();
      for (var part : expression.substring("context.".length()).split("\\.")) {
        node = node.path(part);
      }
      value = node.asText("");
    } else if (expression.startsWith("stageVariables.")) {
      value = request.stage().variables().getOrDefault(expression.substring("stageVariables.".length()), "");
    } else {
      value = parts.length < 4 ? "" : parameter(request, pathParameters, parts[2], parts[3]);
    }
    return value;
  }

  private static void addRequestIds(Map<String, List<String>> headers, Request request) {
    headers.put("x-amzn-RequestId", List.of(request.context().path("requestId").asText()));
    headers.put("x-amz-apigw-id", List.of(request.context().path("extendedRequestId").asText()));
  }

  // ---- HTTP

  private ObjectNode context(HttpExchange exchange, String rawPath, Stage stage, Map<String, List<String>> headers) {
    var now = Instant.now();
    var host = headers.getOrDefault("Host", List.of("localhost")).getLast();
    var context = Json.object().put("accountId", Settings.ACCOUNT).put("apiId", stage.api().id())
        .put("deploymentId", stage.deploymentId()).put("domainName", host).put("domainPrefix", host.split("[.:]", 2)[0])
        .put("extendedRequestId", extendedRequestId()).put("httpMethod", exchange.getRequestMethod())
        .put("path", rawPath).put("protocol", exchange.getProtocol()).put("requestId", UUID.randomUUID().toString())
        .put("requestTime", REQUEST_TIME.format(now)).put("requestTimeEpoch", now.toEpochMilli())
        .put("stage", stage.name());
    var identity = context.putObject("identity");
    for (var absent : List.of("accessKey", "accountId", "caller", "cognitoAuthenticationProvider",
        "cognitoAuthenticationType", "cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "user", "userArn")) {
      identity.putNull(absent);
    }
    identity.put("sourceIp", exchange.getRemoteAddress().getAddress().getHostAddress())
        .put("userAgent", headers.containsKey("User-Agent") ? headers.get("User-Agent").getLast() : null);
    return context;
  }

  private static String extendedRequestId() {
    var bytes = new byte[11];
    ThreadLocalRandom.current().nextBytes(bytes);
    return Base64.getUrlEncoder().encodeToString(bytes);
  }

  private static String traceId(Map<String, List<String>> headers) {
    for (var sent : headers.getOrDefault("X-Amzn-Trace-Id", List.of())) {
      if (sent.matches(".*\\bRoot=1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24}\\b.*")) {
        return sent;
      }
    }
    var random = ThreadLocalRandom.current();
    return "Root=1-%08x-%08x%016x".formatted(Instant.now().getEpochSecond(), random.nextInt(), random.nextLong());
  }

  /** The headers as sent, but for the case of their names: the server has lost it, this is the usual one. */
  private static Map<String, List<String>> headers(HttpExchange exchange) {
    var headers = new TreeMap<String, List<String>>(String.CASE_INSENSITIVE_ORDER);
    exchange.getRequestHeaders().forEach((name, values) -> headers.put(WORD.matcher(name)
        .replaceAll(match -> match.group(1) + match.group(2).toUpperCase(Locale.ROOT)), List.copyOf(values)));
    return headers;
  }

  private static int headerSize(HttpExchange exchange) {
    var size = exchange.getRequestMethod().length() + exchange.getRequestURI().toString().length();
    for (var header : exchange.getRequestHeaders().entrySet()) {
      for (var value : header.getValue()) {
        size += header.getKey().length() + value.length();
      }
    }
    return size;
  }

  /** The query string decoded; semicolons separate too, as "Important notes for REST APIs" warns. */
  private static Map<String, List<String>> query(@Nullable String raw) {
    var query = new LinkedHashMap<String, List<String>>();
    if (raw != null) {
      for (var pair : raw.split("[&;]")) {
        if (!pair.isEmpty()) {
          var equals = pair.indexOf('=');
          var name = decoded(equals < 0 ? pair : pair.substring(0, equals));
          query.computeIfAbsent(name, key -> new ArrayList<>()).add(equals < 0 ? "" : decoded(pair.substring(equals + 1)));
        }
      }
    }
    return query;
  }

  private static String decoded(String text) {
    try {
      return URLDecoder.decode(text, StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      return text;
    }
  }

  /** A segment of a path decoded: a plus sign stays one. */
  static String percentDecoded(String segment) {
    return decoded(segment.replace("+", "%2B"));
  }

  /** The body, or null where it is too large. */
  private static byte @Nullable [] readBody(HttpExchange exchange) throws IOException {
    var stream = exchange.getRequestBody();
    var body = stream.readNBytes(MAX_BODY + 1);
    if (body.length <= MAX_BODY) {
      return body;
    }
    var buffer = new byte[64 * 1024];
    long discarded = 0;
    for (int n; discarded < MAX_DISCARDED && (n = stream.read(buffer)) > 0; ) {
      discarded += n;
    }
    return null;
  }

  private static void send(HttpExchange exchange, Response response) throws IOException {
    response.headers().forEach((name, values) -> values.forEach(value -> exchange.getResponseHeaders().add(name, value)));
    var bodiless = response.status() == 204 || response.status() == 304;
    if (exchange.getRequestMethod().equals("HEAD") && !bodiless) {
      exchange.getResponseHeaders().set("Content-Length", String.valueOf(response.body().length));
    }
    var empty = bodiless || exchange.getRequestMethod().equals("HEAD") || response.body().length == 0;
    exchange.sendResponseHeaders(response.status(), empty ? -1 : response.body().length);
    try (var out = exchange.getResponseBody()) {
      if (!empty) {
        out.write(response.body());
      }
    }
  }

  /** A media type without its parameters, in lower case. */
  private static String essence(String mediaType) {
    return mediaType.split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
  }

  private static String withStageVariables(String text, Stage stage) {
    return STAGE_VARIABLE.matcher(text).replaceAll((MatchResult variable) ->
        Matcher.quoteReplacement(stage.variables().getOrDefault(variable.group(1), "")));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
