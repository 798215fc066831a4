package com.example.cafe.local;

import com.example.cafe.local.Invocation.Outcome;
import com.example.cafe.local.Provisioner.Resource;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** A function as the template describes it, with its versions, aliases, policy and log. */
final class LambdaFunction implements AutoCloseable {
  static final String LATEST = "$LATEST";
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final Pattern HANDLER = Pattern.compile("[\\w$]+(\\.[\\w$]+)*(::[\\w$]+)?");
  /** What Lambda sets itself, and refuses in a template. */
  private static final Set<String> RESERVED = Set.of("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION",
      "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
      "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY",
      "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT",
      "LAMBDA_RUNTIME_DIR");

  private final String logicalId;
  private final String name;
  private final ObjectNode properties;
  private final String handler;
  private final int memory;
  private final int timeout;
  private final boolean debug;
  private final boolean jsonLog;
  private final Map<String, String> variables;
  private final String accessKeyId = "ASIA" + random("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16);
  private final String secretKey = random("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 40);
  private final String sessionToken = random("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 64);
  private final String revisionId = UUID.randomUUID().toString();
  private final Instant modified = Instant.now();
  private final FunctionLog log;
  private final EventLog events;
  private final FunctionPool pool;
  private final AtomicInteger lastVersion = new AtomicInteger();
  private final Map<String, String> versions = new ConcurrentSkipListMap<>();

  /** Alias to version and description. */
  final Map<String, ObjectNode> aliases = new ConcurrentSkipListMap<>();
  /** Statements of the resource policy, by qualifier ("" for none), then by id. */
  final Map<String, Map<String, ObjectNode>> policies = new ConcurrentHashMap<>();
  /** Settings of asynchronous invocation, by qualifier. */
  final Map<String, ObjectNode> eventInvokeConfigs = new ConcurrentHashMap<>();

  /** @throws IllegalArgumentException for a property that cannot be honoured */
  LambdaFunction(Resource resource, FunctionHost host) {
    resource.allowOnly("FunctionName", "Code", "Runtime", "Handler", "Architectures", "MemorySize", "Timeout",
        "Environment", "Role", "SnapStart", "LoggingConfig", "TracingConfig", "ReservedConcurrentExecutions",
        "DeadLetterConfig", "EphemeralStorage", "Tags", "Description", "PackageType", "RuntimeManagementConfig",
        "RecursiveLoop");
    this.properties = resource.properties();
    this.logicalId = resource.logicalId();
    this.name = properties.path("FunctionName").asText(resource.name());
    oneOf("PackageType", "Zip", "Zip");
    oneOf("Runtime", "", "java25");
    for (var architecture : properties.path("Architectures")) {
      if (!Set.of("x86_64", "arm64").contains(architecture.asText())) {
        throw new IllegalArgumentException("Architectures: " + architecture.asText() + " is neither x86_64 nor arm64");
      }
    }
    this.handler = properties.path("Handler").asText("");
    if (!HANDLER.matcher(handler).matches()) {
      throw new IllegalArgumentException("Handler: \"" + handler + "\" is no class name with an optional ::method");
    }
    host.code.require(handler);
    this.memory = number("MemorySize", 128, 128, 10_240);
    this.timeout = number("Timeout", 3, 1, 900);
    if (properties.has("EphemeralStorage")) {
      var size = properties.path("EphemeralStorage").path("Size").asInt();
      if (size < 512 || size > 10_240) {
        throw new IllegalArgumentException("EphemeralStorage: Size must be 512 to 10240");
      }
    }
    if (properties.has("ReservedConcurrentExecutions")) {
      number("ReservedConcurrentExecutions", 0, 0, 1_000);
    }
    if (Json.text(properties, "Role") == null) {
      throw new IllegalArgumentException("property Role is missing");
    }
    this.jsonLog = properties.path("LoggingConfig").path("LogFormat").asText("Text").equals("JSON");
    this.variables = variables(properties.path("Environment").path("Variables"));
    deadLetterArn();
    this.events = host.log;
    this.log = new FunctionLog(host.settings.work().resolve("logs").resolve(logicalId + ".log"));
    this.debug = !host.settings.debug().isBlank()
        && (host.settings.debug().equals(logicalId) || host.settings.debug().equals(name));
    this.pool = new FunctionPool(host, this, properties.has("ReservedConcurrentExecutions")
        ? properties.path("ReservedConcurrentExecutions").asInt() : null);
  }

  private void oneOf(String property, String missing, String... values) {
    var value = properties.path(property).asText(missing);
    if (!Set.of(values).contains(value)) {
      throw new IllegalArgumentException(property + ": \"" + value + "\" is not supported, only "
          + String.join(", ", values));
    }
  }

  private int number(String property, int missing, int least, int most) {
    var text = properties.path(property).asText(Integer.toString(missing));
    try {
      var value = Integer.parseInt(text);
      if (value >= least && value <= most) {
        return value;
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw new IllegalArgumentException(property + ": " + text + " is not a number from " + least + " to " + most);
  }

  private static Map<String, String> variables(JsonNode node) {
    var variables = new TreeMap<String, String>();
    node.properties().forEach(variable -> {
      if (RESERVED.contains(variable.getKey())) {
        throw new IllegalArgumentException("Environment: Lambda was unable to configure your environment variables "
            + "because the environment variables you have provided contains reserved keys that are currently not "
            + "supported for modification. Reserved keys used in this request: " + variable.getKey());
      }
      if (!variable.getKey().matches("[a-zA-Z]\\w+")) {
        throw new IllegalArgumentException("Environment: " + variable.getKey() + " is no name for a variable");
      }
      if (!variable.getValue().isValueNode()) {
        throw new IllegalArgumentException("Environment: the value of " + variable.getKey() + " is no text");
      }
      variables.put(variable.getKey(), variable.getValue().asText());
    });
    var size = variables.entrySet().stream().mapToInt(e -> e.getKey().length() + e.getValue().length()).sum();
    if (size > 4_096) {
      throw new IllegalArgumentException("Environment: the variables have " + size + " characters, 4096 are allowed");
    }
    return variables;
  }

  private static String random(String alphabet, int length) {
    return RANDOM.ints(length, 0, alphabet.length()).mapToObj(i -> alphabet.substring(i, i + 1))
        .collect(Collectors.joining());
  }

  String logicalId() {
    return logicalId;
  }

  String name() {
    return name;
  }

  String handler() {
    return handler;
  }

  int memory() {
    return memory;
  }

  /** In seconds. */
  int timeout() {
    return timeout;
  }

  boolean debug() {
    return debug;
  }

  boolean sampled() {
    return properties.path("TracingConfig").path("Mode").asText("").equals("Active");
  }

  /** The heap's bound: three quarters of MemorySize; the rest is for classes, compiled code and stacks. */
  int heapMb() {
    return memory * 3 / 4;
  }

  FunctionLog log() {
    return log;
  }

  FunctionPool pool() {
    return pool;
  }

  String arn() {
    return Settings.arn("lambda", "function:" + name);
  }

  /** The caller that this function is when it calls, and Lambda on its behalf. */
  Caller role() {
    return new Caller(properties.path("Role").asText());
  }

  String accessKeyId() {
    return accessKeyId;
  }

  @Nullable String deadLetterArn() {
    var arn = Json.text(properties.path("DeadLetterConfig"), "TargetArn");
    if (arn != null && !arn.isEmpty() && !arn.startsWith("arn:aws:sqs:") && !arn.startsWith("arn:aws:sns:")) {
      throw new IllegalArgumentException("DeadLetterConfig: " + arn + " is neither a queue nor a topic");
    }
    return arn == null || arn.isEmpty() ? null : arn;
  }

  /** The variables that the template gives it. */
  Map<String, String> variables() {
    return variables;
  }

  /** The environment that is the same for all instances, as Lambda sets it. */
  Map<String, String> environment() {
    var environment = new TreeMap<String, String>();
    environment.put("_HANDLER", handler);
    environment.put("AWS_REGION", Settings.REGION);
    environment.put("AWS_DEFAULT_REGION", Settings.REGION);
    environment.put("AWS_EXECUTION_ENV", "AWS_Lambda_java25");
    environment.put("AWS_LAMBDA_FUNCTION_NAME", name);
    environment.put("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", Integer.toString(memory));
    environment.put("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
    environment.put("AWS_LAMBDA_LOG_GROUP_NAME", logGroup());
    environment.put("AWS_ACCESS_KEY_ID", accessKeyId);
    environment.put("AWS_SECRET_ACCESS_KEY", secretKey);
    environment.put("AWS_SESSION_TOKEN", sessionToken);
    environment.put("TZ", ":UTC");
    environment.put("LANG", "en_US.UTF-8");
    if (jsonLog) {
      environment.put("AWS_LAMBDA_LOG_FORMAT", "JSON");
      environment.put("AWS_LAMBDA_LOG_LEVEL", properties.path("LoggingConfig").path("ApplicationLogLevel").asText("INFO"));
    }
    environment.putAll(variables);
    return environment;
  }

  private String logGroup() {
    return properties.path("LoggingConfig").path("LogGroup").asText("/aws/lambda/" + name);
  }

  /** A line that Lambda itself writes about an invocation: its start or its end. */
  String platformLine(String kind, String requestId, String version) {
    if (jsonLog) {
      if (kind.equals("end")) {
        return platform("platform.runtimeDone", Json.object().put("requestId", requestId));
      }
      return platform("platform." + kind, Json.object().put("requestId", requestId).put("version", version));
    }
    return kind.equals("start") ? "START RequestId: " + requestId + " Version: " + version
        : "END RequestId: " + requestId;
  }

  String reportLine(String requestId, long ranNanos, long initNanos, long peakMb, String status, @Nullable String error) {
    var duration = ranNanos / 1e6;
    var init = initNanos / 1e6;
    // Since 2025 the initialization is billed with every package type.
    var billed = (long) Math.ceil(duration + init);
    if (jsonLog) {
      var metrics = Json.object().put("durationMs", Math.round(duration * 1000) / 1000.0).put("billedDurationMs", billed)
          .put("memorySizeMB", memory);
      if (peakMb > 0) {
        metrics.put("maxMemoryUsedMB", peakMb);
      }
      if (initNanos > 0) {
        metrics.put("initDurationMs", Math.round(init * 1000) / 1000.0);
      }
      var report = Json.object().put("requestId", requestId);
      report.set("metrics", metrics);
      return platform("platform.report", report.put("status", status));
    }
    var line = new StringBuilder("REPORT RequestId: " + requestId).append(String.format(Locale.ROOT,
        "\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\t", duration, billed, memory));
    if (peakMb > 0) {
      line.append("Max Memory Used: ").append(peakMb).append(" MB\t");
    }
    if (initNanos > 0) {
      line.append(String.format(Locale.ROOT, "Init Duration: %.2f ms\t", init));
    }
    if (!status.equals("success")) {
      line.append("Status: ").append(status).append('\t');
      if (error != null && !status.equals("timeout")) {
        line.append("Error Type: ").append(error).append('\t');
      }
    }
    return line.toString();
  }

  private static String platform(String type, ObjectNode content) {
    var line = Json.object().put("time", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString()).put("type", type);
    line.set("record", content);
    return Json.write(line);
  }

  /** Tells the developer what became of an invocation. */
  void note(Outcome outcome, long ranNanos, long initNanos) {
    var start = initNanos > 0 ? "cold %d ms".formatted(initNanos / 1_000_000) : "warm";
    var error = outcome.failed() ? ", " + Objects.requireNonNullElse(outcome.errorType(), "error") : "";
    events.event("invoke", "%s  %s, ran %d ms%s".formatted(logicalId, start, ranNanos / 1_000_000, error));
  }

  /** Makes a version. All versions run the code of this folder; only what they are called differs. */
  String publish(String description) {
    var version = Integer.toString(lastVersion.incrementAndGet());
    versions.put(version, description);
    return version;
  }

  Set<String> versions() {
    return versions.keySet();
  }

  /** The version behind a qualifier, or null if there is none. */
  @Nullable String versionOf(@Nullable String qualifier) {
    if (qualifier == null || qualifier.equals(LATEST)) {
      return LATEST;
    }
    var alias = aliases.get(qualifier);
    return alias != null ? alias.path("FunctionVersion").asText() : versions.containsKey(qualifier) ? qualifier : null;
  }

  /** FunctionConfiguration of the API reference. */
  ObjectNode configuration(String version, boolean qualified) {
    var snapStart = properties.path("SnapStart").path("ApplyOn").asText("None");
    var configuration = Json.object()
        .put("FunctionName", name)
        .put("FunctionArn", qualified ? arn() + ":" + version : arn())
        .put("Runtime", "java25")
        .put("Role", role().arn())
        .put("Handler", handler)
        .put("CodeSize", 0)
        .put("Description", version.equals(LATEST) ? properties.path("Description").asText("")
            : versions.getOrDefault(version, ""))
        .put("Timeout", timeout)
        .put("MemorySize", memory)
        .put("LastModified", DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS+0000").withZone(ZoneOffset.UTC)
            .format(modified))
        .put("CodeSha256", "")
        .put("Version", version);
    if (deadLetterArn() != null) {
      configuration.putObject("DeadLetterConfig").put("TargetArn", deadLetterArn());
    }
    if (!variables.isEmpty()) {
      var node = configuration.putObject("Environment").putObject("Variables");
      variables.forEach(node::put);
    }
    configuration.putObject("TracingConfig").put("Mode", sampled() ? "Active" : "PassThrough");
    configuration.put("RevisionId", revisionId).put("State", "Active").put("LastUpdateStatus", "Successful")
        .put("PackageType", "Zip");
    var architectures = properties.path("Architectures");
    if (architectures.isArray() && !architectures.isEmpty()) {
      configuration.set("Architectures", architectures.deepCopy());
    } else {
      configuration.putArray("Architectures").add("x86_64");
    }
    configuration.putObject("EphemeralStorage").put("Size",
        properties.path("EphemeralStorage").path("Size").asInt(512));
    configuration.putObject("SnapStart").put("ApplyOn", snapStart).put("OptimizationStatus",
        snapStart.equals("None") || version.equals(LATEST) ? "Off" : "On");
    var logging = configuration.putObject("LoggingConfig").put("LogFormat", jsonLog ? "JSON" : "Text");
    if (jsonLog) {
      logging.put("ApplicationLogLevel", properties.path("LoggingConfig").path("ApplicationLogLevel").asText("INFO"))
          .put("SystemLogLevel", properties.path("LoggingConfig").path("SystemLogLevel").asText("INFO"));
    }
    logging.put("LogGroup", logGroup());
    return configuration;
  }

  String revisionId() {
    return revisionId;
  }

  ObjectNode tags() {
    var tags = Json.object();
    properties.path("Tags").forEach(tag -> tags.put(tag.path("Key").asText(), tag.path("Value").asText()));
    return tags;
  }

  @Nullable Integer reservedConcurrency() {
    return properties.has("ReservedConcurrentExecutions")
        ? (Integer) properties.path("ReservedConcurrentExecutions").asInt() : null;
  }

  @Override
  public void close() {
    pool.close();
    log.close();
  }
}
