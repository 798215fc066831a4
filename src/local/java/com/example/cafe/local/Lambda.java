package com.example.cafe.local;

import com.example.cafe.local.Invocation.Outcome;
import com.example.cafe.local.Provisioner.Provisioned;
import com.example.cafe.local.Provisioner.Resource;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * AWS Lambda: the functions of the template in processes of their own, synchronous and asynchronous invocation, event
 * source mappings of queues. Functions come from the template only: CreateFunction and its kin are refused by name.
 */
final class Lambda implements Service {
  static final int REQUEST_LIMIT = 6 * 1024 * 1024;
  static final int ASYNC_REQUEST_LIMIT = 1024 * 1024;
  private static final Pattern NAME = Pattern.compile(
      "(?:(?:arn:aws[\\w-]*:lambda:(?<region>[\\w-]+):)?(?<account>\\d{12}):function:)?(?<name>[\\w-]+)"
          + "(?::(?<qualifier>\\$LATEST|[\\w-]+))?");
  private static final Pattern FUNCTION_ARN = Pattern.compile("arn:aws[\\w-]*:lambda:(?<region>[\\w-]+):(?<account>\\d{12}):function:.*");

  private final Aws aws;
  private final EventLog log;
  private final FunctionHost host;
  private final Map<String, LambdaFunction> functions = new ConcurrentSkipListMap<>();
  private final Map<String, EventSourceMapping> mappings = new ConcurrentSkipListMap<>();
  private final AsyncInvocations async;
  private final Thread housekeeping;
  private volatile boolean started;
  private volatile boolean closed;

  /**
   * @param endpoint where functions find AWS: "http://localhost:4566"
   * @param runtimeClasspathFile the jars that the package ships: target/runtime.classpath
   */
  Lambda(Settings settings, String endpoint, Path runtimeClasspathFile, Aws aws, EventLog log) {
    this(settings, endpoint, settings.project().resolve("target/classes"), runtimeClasspathFile, aws, log);
    host.aot.prepare(host.code.classes());
  }

  Lambda(Settings settings, String endpoint, Path classes, Path runtimeClasspathFile, Aws aws, EventLog log) {
    this.aws = aws;
    this.log = log;
    this.host = new FunctionHost(settings, endpoint, classes, runtimeClasspathFile, log);
    this.async = new AsyncInvocations(this, aws, log);
    host.roomMaker(() -> functions.values().stream().map(LambdaFunction::pool)
        .anyMatch(pool -> pool.evict(TimeUnit.SECONDS.toNanos(1))));
    this.housekeeping = Thread.ofVirtual().name("lambda-housekeeping").start(this::housekeep);
  }

  @Override
  public String name() {
    return "lambda";
  }

  /**
   * Says that all resources are there: event sources begin to be read, the debugged function starts.
   *
   * @throws IllegalArgumentException when the function to debug does not exist
   */
  void start() {
    if (!functions.isEmpty()) {
      // Packed now, not when the first caller waits.
      host.code.current();
    }
    var debug = host.settings.debug();
    if (!debug.isBlank()) {
      var function = functions.values().stream().filter(LambdaFunction::debug).findFirst()
          .orElseThrow(() -> new IllegalArgumentException("debug: there is no function " + debug + ", there are "
              + functions.values().stream().map(LambdaFunction::logicalId).sorted().collect(Collectors.joining(", "))));
      // What the template's events invoke is the alias, if it has one.
      var version = function.aliases.keySet().stream().findFirst().map(function::versionOf).orElse(LambdaFunction.LATEST);
      function.pool().startForDebugging(version);
      log.event("debug", function.logicalId() + " has one instance, no time-out, and listens for a debugger at 127.0.0.1:"
          + host.settings.debugPort());
    }
    host.aot.awaitPrepared(Duration.ofSeconds(3));
    started = true;
    mappings.values().forEach(EventSourceMapping::start);
    host.aot.trainWhenQuiet(host.code.classes());
  }

  private void housekeep() {
    try {
      while (!closed) {
        Thread.sleep(250);
        functions.values().forEach(function -> function.pool().tidy());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Who calls with this access key id, if it belongs to a function. */
  Optional<Caller> callerOf(String accessKeyId) {
    return functions.values().stream().filter(function -> function.accessKeyId().equals(accessKeyId))
        .map(LambdaFunction::role).findFirst();
  }

  /** The last lines of a function's log, oldest first; the function by its name or logical id. */
  List<String> logOf(String function, int lines) {
    return functions.values().stream().filter(f -> f.name().equals(function) || f.logicalId().equals(function))
        .findFirst().map(f -> f.log().tail(lines)).orElse(List.of());
  }

  /** The process ids of all instances, by the function's logical id. */
  Map<String, List<Long>> processIds() {
    return functions.values().stream().collect(Collectors.toMap(LambdaFunction::logicalId, function ->
        function.pool().processes().stream().filter(FunctionProcess::isAlive).map(FunctionProcess::pid)
            .filter(pid -> pid != 0).toList(), (a, b) -> a, TreeMap::new));
  }

  /** The variables that the template gives each function, by its logical id. */
  Map<String, Map<String, String>> variables() {
    return functions.values().stream().collect(Collectors.toMap(LambdaFunction::logicalId, LambdaFunction::variables, (a, b) -> a, TreeMap::new));
  }

  /** Kills every instance of every function, whatever it does: what a sudden loss of the machines would do. */
  void killAll() {
    functions.values().forEach(function -> function.pool().processes().forEach(FunctionProcess::kill));
  }

  /** For tests: where an archive of the libraries is kept. */
  Path archive(AotCache.Kind kind) {
    return host.aot.file(kind);
  }

  /** For tests: what functions see when the local cloud dies. */
  void breakRuntimeApi() {
    host.runtimeApi.close();
  }

  @Override
  public void close() {
    closed = true;
    housekeeping.interrupt();
    mappings.values().forEach(EventSourceMapping::stop);
    async.close();
    functions.values().parallelStream().forEach(LambdaFunction::close);
    host.close();
  }

  /** Where an invocation goes. @param qualifier null for none, which means $LATEST */
  record Target(LambdaFunction function, @Nullable String qualifier, String version) {
    String arn() {
      return qualifier == null ? function.arn() : function.arn() + ":" + qualifier;
    }
  }

  /**
   * Finds a function by name, partial ARN or ARN, each with a qualifier or without.
   *
   * @throws AwsException ResourceNotFoundException
   */
  Target target(String functionName, @Nullable String qualifier) {
    var matcher = NAME.matcher(functionName);
    if (!matcher.matches() || functionName.length() > 170) {
      throw AwsException.badRequest("ValidationException", "1 validation error detected: Value '" + functionName
          + "' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: "
          + "(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)"
          + "(:(\\$LATEST|[a-zA-Z0-9-_]+))?");
    }
    var inName = matcher.group("qualifier");
    if (inName != null && qualifier != null && !inName.equals(qualifier)) {
      throw AwsException.badRequest("InvalidParameterValueException",
          "The derived qualifier from the function name does not match the specified qualifier.");
    }
    var wanted = inName == null ? qualifier : inName;
    var local = (matcher.group("account") == null || matcher.group("account").equals(Settings.ACCOUNT))
        && (matcher.group("region") == null || matcher.group("region").equals(Settings.REGION));
    var function = local ? functions.get(matcher.group("name")) : null;
    var version = function == null ? null : function.versionOf(wanted);
    if (function == null || version == null) {
      throw new AwsException(404, "ResourceNotFoundException", "Function not found: "
          + (FUNCTION_ARN.matcher(functionName).matches() && !local ? functionName
          : Settings.arn("lambda", "function:" + matcher.group("name")) + (wanted == null ? "" : ":" + wanted)));
    }
    return new Target(function, wanted, version);
  }

  /** Runs an event in a function and waits for the outcome. @param patient see {@link FunctionPool#invoke} */
  Outcome run(Target target, byte[] payload, @Nullable String clientContext, @Nullable String requestId, boolean patient) {
    host.aot.busy();
    var function = target.function();
    var invocation = new Invocation(target.arn(), payload, clientContext, function.sampled(), requestId);
    return function.pool().invoke(invocation, target.version(), patient);
  }

  @Override
  public ObjectNode call(String operation, ObjectNode input, Caller caller) {
    return switch (operation) {
      case "Invoke" -> invoke(input);
      case "GetFunction" -> getFunction(input);
      case "GetFunctionConfiguration" -> {
        var target = targetOf(input);
        yield target.function().configuration(target.version(), target.qualifier() != null);
      }
      case "ListFunctions" -> listFunctions(input);
      case "ListVersionsByFunction" -> listVersions(input);
      case "GetFunctionConcurrency" -> {
        var reserved = targetOf(input).function().reservedConcurrency();
        yield reserved == null ? Json.object() : Json.object().put("ReservedConcurrentExecutions", reserved);
      }
      case "ListAliases" -> listAliases(input);
      case "GetAlias" -> getAlias(input);
      case "CreateEventSourceMapping" -> createMapping(input).describe();
      case "ListEventSourceMappings" -> listMappings(input);
      case "GetEventSourceMapping" -> mapping(input).describe();
      case "UpdateEventSourceMapping" -> mapping(input).update(input);
      case "DeleteEventSourceMapping" -> {
        var mapping = mapping(input);
        mappings.remove(mapping.uuid());
        mapping.stop();
        yield mapping.describe().put("State", "Deleting");
      }
      case "PutFunctionEventInvokeConfig" -> putEventInvokeConfig(input, Json.object());
      case "UpdateFunctionEventInvokeConfig" -> putEventInvokeConfig(input, eventInvokeConfig(input).deepCopy());
      case "GetFunctionEventInvokeConfig" -> eventInvokeConfig(input);
      case "ListFunctionEventInvokeConfigs" -> {
        var answer = Json.object();
        answer.putArray("FunctionEventInvokeConfigs").addAll(targetOf(input).function().eventInvokeConfigs.values());
        yield answer;
      }
      case "DeleteFunctionEventInvokeConfig" -> {
        eventInvokeConfig(input);
        var target = targetOf(input);
        target.function().eventInvokeConfigs.remove(orLatest(target));
        yield Json.object();
      }
      case "AddPermission" -> addPermission(input);
      case "RemovePermission" -> removePermission(input);
      case "GetPolicy" -> getPolicy(input);
      case "CreateFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration", "DeleteFunction", "PublishVersion",
          "CreateAlias", "UpdateAlias", "DeleteAlias", "PutFunctionConcurrency" ->
          throw AwsException.badRequest("InvalidParameterValueException",
              operation + " is not served by the local cloud: functions come from template.yaml and target/classes.");
      default -> throw AwsException.unknownOperation(name(), operation);
    };
  }

  @Override
  public List<Route> routes() {
    var invoke = Map.of("InvocationType", "X-Amz-Invocation-Type", "LogType", "X-Amz-Log-Type", "ClientContext",
        "X-Amz-Client-Context", "LogResult", "X-Amz-Log-Result", "FunctionError", "X-Amz-Function-Error",
        "ExecutedVersion", "X-Amz-Executed-Version");
    var function = "/2015-03-31/functions/{FunctionName}";
    var config = "/2019-09-25/functions/{FunctionName}/event-invoke-config";
    var sources = "/2015-03-31/event-source-mappings";
    return List.of(
        new Route("POST", function + "/invocations", "Invoke", 200, "Payload", invoke),
        new Route("GET", function, "GetFunction"),
        new Route("GET", function + "/configuration", "GetFunctionConfiguration"),
        new Route("GET", "/2015-03-31/functions", "ListFunctions"),
        new Route("GET", "/2015-03-31/functions/", "ListFunctions"),
        new Route("GET", function + "/versions", "ListVersionsByFunction"),
        new Route("GET", "/2019-09-30/functions/{FunctionName}/concurrency", "GetFunctionConcurrency"),
        new Route("GET", function + "/aliases", "ListAliases"),
        new Route("GET", function + "/aliases/{Name}", "GetAlias"),
        new Route("POST", sources, "CreateEventSourceMapping", 202),
        new Route("POST", sources + "/", "CreateEventSourceMapping", 202),
        new Route("GET", sources, "ListEventSourceMappings"),
        new Route("GET", sources + "/", "ListEventSourceMappings"),
        new Route("GET", sources + "/{UUID}", "GetEventSourceMapping"),
        new Route("PUT", sources + "/{UUID}", "UpdateEventSourceMapping", 202),
        new Route("DELETE", sources + "/{UUID}", "DeleteEventSourceMapping", 202),
        new Route("PUT", config, "PutFunctionEventInvokeConfig"),
        new Route("POST", config, "UpdateFunctionEventInvokeConfig"),
        new Route("GET", config, "GetFunctionEventInvokeConfig"),
        new Route("GET", config + "/list", "ListFunctionEventInvokeConfigs"),
        new Route("DELETE", config, "DeleteFunctionEventInvokeConfig", 204),
        new Route("POST", function + "/policy", "AddPermission", 201),
        new Route("GET", function + "/policy", "GetPolicy"),
        new Route("DELETE", function + "/policy/{StatementId}", "RemovePermission", 204),
        new Route("POST", "/2015-03-31/functions", "CreateFunction", 201),
        new Route("POST", "/2015-03-31/functions/", "CreateFunction", 201),
        new Route("PUT", function + "/code", "UpdateFunctionCode"),
        new Route("PUT", function + "/configuration", "UpdateFunctionConfiguration"),
        new Route("DELETE", function, "DeleteFunction", 204),
        new Route("POST", function + "/versions", "PublishVersion", 201),
        new Route("POST", function + "/aliases", "CreateAlias", 201),
        new Route("PUT", function + "/aliases/{Name}", "UpdateAlias"),
        new Route("DELETE", function + "/aliases/{Name}", "DeleteAlias", 204),
        new Route("PUT", "/2017-10-31/functions/{FunctionName}/concurrency", "PutFunctionConcurrency"));
  }

  private Target targetOf(ObjectNode input) {
    return target(required(input, "FunctionName"), Json.text(input, "Qualifier"));
  }

  private static String required(ObjectNode input, String member) {
    var value = Json.text(input, member);
    if (value == null) {
      throw AwsException.badRequest("ValidationException", "1 validation error detected: Value null at '"
          + Character.toLowerCase(member.charAt(0)) + member.substring(1)
          + "' failed to satisfy constraint: Member must not be null");
    }
    return value;
  }

  private static String oneOf(ObjectNode input, String member, String missing, String... values) {
    var value = input.path(member).asText(missing);
    if (!Arrays.asList(values).contains(value)) {
      throw AwsException.badRequest("ValidationException", "1 validation error detected: Value '" + value + "' at '"
          + Character.toLowerCase(member.charAt(0)) + member.substring(1)
          + "' failed to satisfy constraint: Member must satisfy enum value set: " + Arrays.toString(values));
    }
    return value;
  }

  /** The answer's StatusCode is also the HTTP status: 200, 202 for an event, 204 for a dry run. */
  private ObjectNode invoke(ObjectNode input) {
    var target = targetOf(input);
    var type = oneOf(input, "InvocationType", "RequestResponse", "Event", "RequestResponse", "DryRun");
    var tail = oneOf(input, "LogType", "None", "None", "Tail").equals("Tail");
    var payload = payload(input, type);
    var context = clientContext(Json.text(input, "ClientContext"));
    return switch (type) {
      case "DryRun" -> Json.object().put("StatusCode", 204);
      case "Event" -> {
        async.accept(target, payload, context);
        yield Json.object().put("StatusCode", 202);
      }
      default -> {
        var outcome = run(target, payload, context, null, false);
        var answer = Json.object().put("StatusCode", 200).put("ExecutedVersion", target.version())
            .put("Payload", Base64.getEncoder().encodeToString(outcome.payload()));
        if (outcome.failed()) {
          answer.put("FunctionError", outcome.functionError());
        }
        if (tail) {
          var bytes = outcome.log().getBytes(StandardCharsets.UTF_8);
          answer.put("LogResult", Base64.getEncoder().encodeToString(
              Arrays.copyOfRange(bytes, Math.max(0, bytes.length - 4096), bytes.length)));
        }
        yield answer;
      }
    };
  }

  private static byte[] payload(ObjectNode input, String type) {
    var encoded = Json.text(input, "Payload");
    byte[] payload;
    try {
      payload = encoded == null ? new byte[0] : Base64.getDecoder().decode(encoded);
    } catch (IllegalArgumentException e) {
      throw AwsException.badRequest("SerializationException", "Payload is not base64");
    }
    var limit = type.equals("Event") ? ASYNC_REQUEST_LIMIT : REQUEST_LIMIT;
    if (payload.length > limit) {
      throw new AwsException(413, "RequestTooLargeException",
          "Request must be smaller than " + limit + " bytes for the InvokeFunction operation");
    }
    if (payload.length == 0) {
      return "{}".getBytes(StandardCharsets.UTF_8);
    }
    try {
      if (Json.parse(payload).isMissingNode()) {
        return "{}".getBytes(StandardCharsets.UTF_8);
      }
    } catch (IllegalArgumentException e) {
      throw AwsException.badRequest("InvalidRequestContentException", "Could not parse request body into json: "
          + "Could not parse payload into json: " + String.valueOf(e.getMessage()).replaceFirst("^not JSON: ", ""));
    }
    return payload;
  }

  private static @Nullable String clientContext(@Nullable String encoded) {
    if (encoded == null) {
      return null;
    }
    try {
      // A header of the Runtime API: one line.
      return Json.write(Json.parse(Base64.getDecoder().decode(encoded)));
    } catch (IllegalArgumentException e) {
      throw AwsException.badRequest("InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.");
    }
  }

  private ObjectNode getFunction(ObjectNode input) {
    var target = targetOf(input);
    var answer = Json.object();
    answer.set("Configuration", target.function().configuration(target.version(), target.qualifier() != null));
    answer.putObject("Code").put("RepositoryType", "local").put("Location", host.code.current().jar().toUri().toString());
    var tags = target.function().tags();
    if (!tags.isEmpty()) {
      answer.set("Tags", tags);
    }
    var reserved = target.function().reservedConcurrency();
    if (reserved != null) {
      answer.putObject("Concurrency").put("ReservedConcurrentExecutions", reserved);
    }
    return answer;
  }

  private ObjectNode listFunctions(ObjectNode input) {
    var all = input.path("FunctionVersion").asText("").equals("ALL");
    var list = Json.array();
    for (var function : functions.values()) {
      list.add(function.configuration(LambdaFunction.LATEST, all));
      if (all) {
        function.versions().forEach(version -> list.add(function.configuration(version, true)));
      }
    }
    return page(input, "Functions", list);
  }

  private ObjectNode listVersions(ObjectNode input) {
    var function = targetOf(input).function();
    var list = Json.array().add(function.configuration(LambdaFunction.LATEST, true));
    function.versions().forEach(version -> list.add(function.configuration(version, true)));
    return page(input, "Versions", list);
  }

  private static ObjectNode page(ObjectNode input, String member, ArrayNode all) {
    var answer = Json.object();
    var from = 0;
    var size = 50;
    try {
      from = Integer.parseInt(input.path("Marker").asText("0"));
      size = Math.min(50, Integer.parseInt(input.path("MaxItems").asText("50")));
    } catch (NumberFormatException e) {
      throw AwsException.badRequest("InvalidParameterValueException", "Invalid Marker or MaxItems");
    }
    var items = answer.putArray(member);
    for (var i = Math.max(0, from); i < all.size() && i < from + size; i++) {
      items.add(all.get(i));
    }
    if (from + size < all.size()) {
      answer.put("NextMarker", Integer.toString(from + size));
    }
    return answer;
  }

  private ObjectNode listAliases(ObjectNode input) {
    var function = targetOf(input).function();
    var list = Json.array();
    function.aliases.values().stream()
        .filter(alias -> !input.hasNonNull("FunctionVersion")
            || input.path("FunctionVersion").asText().equals(alias.path("FunctionVersion").asText()))
        .forEach(list::add);
    return page(input, "Aliases", list);
  }

  private ObjectNode getAlias(ObjectNode input) {
    var function = targetOf(input).function();
    var name = required(input, "Name");
    var alias = function.aliases.get(name);
    if (alias == null) {
      throw new AwsException(404, "ResourceNotFoundException", "Cannot find alias arn: " + function.arn() + ":" + name);
    }
    return alias.deepCopy();
  }

  // --- event source mappings

  private EventSourceMapping createMapping(ObjectNode input) {
    var target = targetOf(input);
    var duplicate = mappings.values().stream().filter(mapping ->
        mapping.target().function() == target.function() && Objects.equals(mapping.target().qualifier(), target.qualifier())
            && mapping.sourceArn().equals(input.path("EventSourceArn").asText())).findFirst();
    if (duplicate.isPresent()) {
      throw new AwsException(409, "ResourceConflictException", "An event source mapping with SQS arn (\" "
          + input.path("EventSourceArn").asText() + " \") and function (\" " + target.function().name()
          + " \") already exists. Please update or delete the existing mapping with UUID " + duplicate.get().uuid());
    }
    var mapping = new EventSourceMapping(UUID.randomUUID().toString(), target, input, this, aws, log);
    mappings.put(mapping.uuid(), mapping);
    if (started) {
      mapping.start();
    }
    return mapping;
  }

  private EventSourceMapping mapping(ObjectNode input) {
    var mapping = mappings.get(required(input, "UUID"));
    if (mapping == null) {
      throw new AwsException(404, "ResourceNotFoundException", "The resource you requested does not exist.");
    }
    return mapping;
  }

  private ObjectNode listMappings(ObjectNode input) {
    var function = input.hasNonNull("FunctionName") ? targetOf(input).arn() : null;
    var source = Json.text(input, "EventSourceArn");
    var list = Json.array();
    mappings.values().stream()
        .filter(mapping -> function == null || mapping.target().arn().equals(function))
        .filter(mapping -> source == null || mapping.sourceArn().equals(source))
        .forEach(mapping -> list.add(mapping.describe()));
    return page(input, "EventSourceMappings", list);
  }

  // --- asynchronous invocation

  private static String orLatest(Target target) {
    return target.qualifier() == null ? LambdaFunction.LATEST : target.qualifier();
  }

  private ObjectNode putEventInvokeConfig(ObjectNode input, ObjectNode config) {
    var target = targetOf(input);
    AsyncInvocations.check(input);
    config.put("FunctionArn", target.function().arn() + ":" + orLatest(target))
        .put("LastModified", System.currentTimeMillis() / 1000);
    for (var member : List.of("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")) {
      if (input.hasNonNull(member)) {
        config.set(member, input.get(member));
      }
    }
    target.function().eventInvokeConfigs.put(orLatest(target), config);
    return config.deepCopy();
  }

  private ObjectNode eventInvokeConfig(ObjectNode input) {
    var target = targetOf(input);
    var config = target.function().eventInvokeConfigs.get(orLatest(target));
    if (config == null) {
      throw new AwsException(404, "ResourceNotFoundException", "The function " + target.function().arn() + ":"
          + orLatest(target) + " doesn't have an EventInvokeConfig");
    }
    return config;
  }

  // --- resource policies

  private ObjectNode addPermission(ObjectNode input) {
    var target = targetOf(input);
    var id = required(input, "StatementId");
    var statement = Json.object().put("Sid", id).put("Effect", "Allow");
    var principal = required(input, "Principal");
    if (principal.equals("*")) {
      statement.put("Principal", "*");
    } else if (principal.contains(".amazonaws.com")) {
      statement.putObject("Principal").put("Service", principal);
    } else {
      statement.putObject("Principal").put("AWS", principal.matches("\\d{12}") ? "arn:aws:iam::" + principal + ":root" : principal);
    }
    statement.put("Action", required(input, "Action")).put("Resource", target.arn());
    var condition = Json.object();
    if (input.hasNonNull("SourceAccount")) {
      condition.putObject("StringEquals").put("AWS:SourceAccount", input.get("SourceAccount").asText());
    }
    if (input.hasNonNull("PrincipalOrgID")) {
      condition.withObject("/StringEquals").put("aws:PrincipalOrgID", input.get("PrincipalOrgID").asText());
    }
    if (input.hasNonNull("SourceArn")) {
      condition.putObject("ArnLike").put("AWS:SourceArn", input.get("SourceArn").asText());
    }
    if (!condition.isEmpty()) {
      statement.set("Condition", condition);
    }
    var policy = target.function().policies.computeIfAbsent(
        Objects.requireNonNullElse(target.qualifier(), ""), q -> new ConcurrentSkipListMap<>());
    if (policy.putIfAbsent(id, statement) != null) {
      throw new AwsException(409, "ResourceConflictException", "The statement id (" + id
          + ") provided already exists. Please provide a new statement id, or remove the existing statement.");
    }
    return Json.object().put("Statement", Json.write(statement));
  }

  private ObjectNode removePermission(ObjectNode input) {
    var target = targetOf(input);
    var policy = target.function().policies.getOrDefault(Objects.requireNonNullElse(target.qualifier(), ""), Map.of());
    var id = required(input, "StatementId");
    if (!policy.containsKey(id)) {
      throw new AwsException(404, "ResourceNotFoundException", "Statement " + id + " is not found in resource policy.");
    }
    policy.remove(id);
    return Json.object();
  }

  private ObjectNode getPolicy(ObjectNode input) {
    var target = targetOf(input);
    var policy = target.function().policies.getOrDefault(Objects.requireNonNullElse(target.qualifier(), ""), Map.of());
    if (policy.isEmpty()) {
      throw new AwsException(404, "ResourceNotFoundException", "The resource you requested does not exist.");
    }
    var document = Json.object().put("Version", "2012-10-17").put("Id", "default");
    document.putArray("Statement").addAll(policy.values());
    return Json.object().put("Policy", Json.write(document)).put("RevisionId", target.function().revisionId());
  }

  // --- resources of the template

  @Override
  public Map<String, Provisioner> provisioners() {
    return Map.of(
        "AWS::Lambda::Function", this::provisionFunction,
        "AWS::Lambda::Version", this::provisionVersion,
        "AWS::Lambda::Alias", this::provisionAlias,
        "AWS::Lambda::Permission", this::provisionPermission,
        "AWS::Lambda::EventSourceMapping", this::provisionMapping,
        "AWS::Lambda::EventInvokeConfig", this::provisionEventInvokeConfig);
  }

  private Provisioned provisionFunction(Resource resource) {
    var function = new LambdaFunction(resource, host);
    functions.put(function.name(), function);
    return new Provisioned(function.name(), Map.of("Arn", function.arn()));
  }

  private Provisioned provisionVersion(Resource resource) {
    resource.allowOnly("FunctionName", "Description", "CodeSha256");
    return refusing(() -> {
      var function = targetOf(resource.properties()).function();
      var version = function.publish(resource.properties().path("Description").asText(""));
      var arn = function.arn() + ":" + version;
      return new Provisioned(arn, Map.of("Version", version, "FunctionArn", arn));
    });
  }

  private Provisioned provisionAlias(Resource resource) {
    resource.allowOnly("FunctionName", "FunctionVersion", "Name", "Description");
    return refusing(() -> {
      var properties = resource.properties();
      var function = targetOf(properties).function();
      var name = required(properties, "Name");
      var version = required(properties, "FunctionVersion");
      if (function.versionOf(version) == null || !name.matches("(?!\\d+$)[\\w-]+")) {
        throw new IllegalArgumentException("FunctionVersion " + version + " or Name " + name + " is not valid");
      }
      function.aliases.put(name, Json.object().put("AliasArn", function.arn() + ":" + name).put("Name", name)
          .put("FunctionVersion", version).put("Description", properties.path("Description").asText(""))
          .put("RevisionId", UUID.randomUUID().toString()));
      return new Provisioned(function.arn() + ":" + name, Map.of("AliasArn", function.arn() + ":" + name));
    });
  }

  private Provisioned provisionPermission(Resource resource) {
    resource.allowOnly("FunctionName", "Action", "Principal", "SourceArn", "SourceAccount", "PrincipalOrgID");
    return refusing(() -> {
      addPermission(resource.properties().deepCopy().put("StatementId", resource.name()));
      return new Provisioned(resource.name(), Map.of("Id", resource.name()));
    });
  }

  private Provisioned provisionMapping(Resource resource) {
    resource.allowOnly(EventSourceMapping.PROPERTIES.toArray(String[]::new));
    return refusing(() -> {
      var mapping = createMapping(resource.properties());
      return new Provisioned(mapping.uuid(), Map.of("Id", mapping.uuid(), "EventSourceMappingArn", mapping.arn()));
    });
  }

  private Provisioned provisionEventInvokeConfig(Resource resource) {
    resource.allowOnly("FunctionName", "Qualifier", "MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig");
    return refusing(() -> {
      putEventInvokeConfig(resource.properties(), Json.object());
      return new Provisioned(resource.name(), Map.of());
    });
  }

  private static Provisioned refusing(Supplier<Provisioned> work) {
    try {
      return work.get();
    } catch (AwsException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }
}
