package com.example.cafe.local;

import com.example.cafe.local.states.Execution;
import com.example.cafe.local.states.StateError;
import com.example.cafe.local.states.TaskResource.Integration.Pattern;
import com.example.cafe.local.states.TaskResource.Integration;
import com.example.cafe.local.states.TaskResource;
import com.example.cafe.local.states.Tasks;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** The tasks of state machines: functions, optimized integrations, and any operation of the SDK, all through {@link Aws}. */
final class StepFunctionsTasks implements Tasks {

  /**
   * A service as integrations know it.
   *
   * @param endpoint its signing name
   * @param prefix of its error names in the SDK integration: "DynamoDb"
   * @param lowerCamel whether the members of its API start in lower case; integrations write all in PascalCase
   * @param generic error codes that its API model doesn't list: they come as the base exception of the service
   */
  private record Service(String endpoint, String prefix, boolean lowerCamel, Set<String> generic) {}

  /** Codes that no API model lists, other than those that say so. */
  private static final Set<String> UNMODELLED = Set.of("AccessDenied", "AccessDeniedException", "ThrottlingException",
      "UnrecognizedClientException", "UnknownOperationException", "ValidationError", "ValidationException",
      "InvalidSignatureException", "SerializationException", "InvalidAction");

  private static Set<String> except(String... modelled) {
    var codes = new HashSet<>(UNMODELLED);
    codes.removeAll(Set.of(modelled));
    return codes;
  }

  /** By the name in the ARN of an SDK integration. */
  private static final Map<String, Service> SERVICES = Map.of(
      "dynamodb", new Service("dynamodb", "DynamoDb", false, UNMODELLED),
      "sqs", new Service("sqs", "Sqs", false, UNMODELLED),
      "sns", new Service("sns", "Sns", false, UNMODELLED),
      "sfn", new Service("states", "Sfn", true, except("ValidationException")),
      "rdsdata", new Service("rds-data", "RdsData", true, except("AccessDeniedException")),
      "secretsmanager", new Service("secretsmanager", "SecretsManager", false, UNMODELLED),
      "sesv2", new Service("ses", "SesV2", false, UNMODELLED),
      "scheduler", new Service("scheduler", "Scheduler", false, except("ValidationException", "ThrottlingException")),
      "lambda", new Service("lambda", "Lambda", false, UNMODELLED),
      "cognitoidentityprovider",
      new Service("cognito-idp", "CognitoIdentityProvider", false, UNMODELLED));

  /** An optimized integration: its actions, where it may wait for a token, and the names of its errors. */
  private record Optimized(Set<String> actions, Set<Pattern> patterns, String endpoint, String prefix, String base,
      String service) {}

  private static final Map<String, Optimized> OPTIMIZED = Map.of(
      "lambda", new Optimized(Set.of("invoke"), Set.of(Pattern.RESPONSE, Pattern.TOKEN), "lambda", "Lambda",
          "AWSLambdaException", "AWSLambda"),
      "sqs", new Optimized(Set.of("sendMessage"), Set.of(Pattern.RESPONSE, Pattern.TOKEN), "sqs", "SQS",
          "AmazonSQSException", "AmazonSQS"),
      "sns", new Optimized(Set.of("publish"), Set.of(Pattern.RESPONSE, Pattern.TOKEN), "sns", "SNS",
          "AmazonSNSException", "AmazonSNS"),
      "dynamodb", new Optimized(Set.of("getItem", "putItem", "updateItem", "deleteItem"), Set.of(Pattern.RESPONSE),
          "dynamodb", "DynamoDB", "AmazonDynamoDBException", "AmazonDynamoDBv2"),
      "states", new Optimized(Set.of("startExecution"),
          Set.of(Pattern.RESPONSE, Pattern.SYNC, Pattern.SYNC_JSON, Pattern.TOKEN), "states", "StepFunctions",
          "AWSStepFunctionsException", "AWSStepFunctions"));

  private final Aws aws;
  private final Function<String, @Nullable Execution> executions;

  /** @param executions finds an execution by its ARN, for tasks that wait for one */
  StepFunctionsTasks(Aws aws, Function<String, @Nullable Execution> executions) {
    this.aws = aws;
    this.executions = executions;
  }

  @Override
  public @Nullable String refusal(TaskResource resource) {
    if (!(resource instanceof Integration integration)) {
      return null;
    }
    if (integration.sdk()) {
      return switch (integration.pattern()) {
        case RESPONSE, TOKEN -> null;
        case SYNC, SYNC_JSON -> "The resource provided " + integration.type() + ":" + integration.action()
            + " does not support the '.sync' service integration";
      };
    }
    var optimized = OPTIMIZED.get(integration.type());
    var known = optimized != null && optimized.actions().contains(integration.action());
    return known && optimized.patterns().contains(integration.pattern()) ? null
        : "The service integration " + integration.type() + ":" + integration.action()
            + " in this pattern is not served by the local cloud";
  }

  @Override
  public JsonNode call(Request request) throws StateError {
    return switch (request.resource()) {
      case TaskResource.Function(var arn) -> function(arn, request);
      case Integration integration when integration.sdk() -> sdk(integration, request);
      case Integration integration -> optimized(integration, request);
      case TaskResource.Activity activity -> throw new StateError("States.Runtime", "Nobody calls activity " + activity.arn());
    };
  }

  private static Caller caller(Request request) {
    return new Caller(request.roleArn());
  }

  // ---- Lambda ------------------------------------------------------------------------------------------------------

  private JsonNode function(String arn, Request request) throws StateError {
    var input = Json.object().put("FunctionName", arn).put("InvocationType", "RequestResponse");
    input.set("Payload", request.input());
    var response = invoke(input, request, e -> failure(e, java.util.Objects.requireNonNull(OPTIMIZED.get("lambda"))));
    return response.path("Payload");
  }

  /** Invokes with a payload of JSON; the answer's payload is JSON, too. */
  private ObjectNode invoke(ObjectNode input, Request request, Function<AwsException, StateError> failure) throws StateError {
    var call = input.deepCopy();
    splitQualifier(call);
    if (call.has("Payload")) {
      call.put("Payload", base64(Json.write(call.get("Payload"))));
    }
    if (!call.has("InvocationType")) {
      call.put("InvocationType", "RequestResponse");
    }
    ObjectNode response;
    try {
      response = aws.call("lambda", "Invoke", call, caller(request));
    } catch (AwsException e) {
      throw failure.apply(e);
    }
    var payload = new String(Base64.getDecoder().decode(response.path("Payload").asText("")), StandardCharsets.UTF_8);
    if (response.hasNonNull("FunctionError")) {
      throw functionError(payload);
    }
    response.set("Payload", payload.isEmpty() ? JsonNodeFactory.instance.textNode("") : json(payload));
    return response;
  }

  private static void splitQualifier(ObjectNode call) {
    var name = call.path("FunctionName").asText();
    var parts = name.split(":", -1);
    var qualified = name.startsWith("arn:") ? parts.length == 8 : parts.length == 2;
    if (qualified && !call.has("Qualifier")) {
      call.put("Qualifier", parts[parts.length - 1]);
      call.put("FunctionName", name.substring(0, name.lastIndexOf(':')));
    }
  }

  private static StateError functionError(String payload) {
    var type = json(payload).path("errorType").asText();
    return new StateError(type.isEmpty() ? "Lambda.Unknown" : type, payload);
  }

  private static JsonNode json(String text) {
    try {
      return Json.parse(text);
    } catch (IllegalArgumentException e) {
      return JsonNodeFactory.instance.textNode(text);
    }
  }

  private static String base64(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }

  // ---- optimized integrations --------------------------------------------------------------------------------------

  private JsonNode optimized(Integration integration, Request request) throws StateError {
    var service = java.util.Objects.requireNonNull(OPTIMIZED.get(integration.type()));
    var input = object(request.input());
    if (integration.type().equals("lambda")) {
      return withMetadata(invoke(input, request, e -> failure(e, service)));
    }
    switch (integration.type()) {
      case "sqs" -> stringify(input, "MessageBody");
      case "sns" -> stringify(input, "Message");
      case "states" -> {
        if (input.path("Input").isNull()) {
          input.remove("Input");
        }
        stringify(input, "Input");
        input = camel(input);
      }
      default -> { }
    }
    try {
      var response = aws.call(service.endpoint(), pascal(integration.action()), input, caller(request));
      if (integration.type().equals("states")) {
        response = pascalMembers(response);
        millis(response, "StartDate");
      }
      return withMetadata(response);
    } catch (AwsException e) {
      throw failure(e, service);
    }
  }

  private static ObjectNode object(JsonNode input) throws StateError {
    if (input instanceof ObjectNode object) {
      return object.deepCopy();
    }
    throw new StateError("States.Runtime", "The Parameters '" + Json.write(input) + "' could not be used to start the Task:"
        + " they must be a JSON object");
  }

  private static void stringify(ObjectNode input, String member) {
    var value = input.get(member);
    if (value != null && !value.isTextual()) {
      input.put(member, Json.write(value));
    }
  }

  private static void millis(ObjectNode object, String member) {
    if (object.path(member).isNumber()) {
      object.put(member, Math.round(object.get(member).doubleValue() * 1000));
    }
  }

  /** What the optimized integrations add to an answer. */
  private static ObjectNode withMetadata(ObjectNode response) {
    var id = UUID.randomUUID().toString();
    var length = Json.write(response).getBytes(StandardCharsets.UTF_8).length;
    var headers = new TreeMap<>(Map.of("Connection", "keep-alive", "Content-Length", String.valueOf(length), "Content-Type",
        "application/x-amz-json-1.0", "Date", DateTimeFormatter.RFC_1123_DATE_TIME.format(ZonedDateTime.now(ZoneOffset.UTC)),
        "x-amzn-RequestId", id));
    var http = Json.object();
    var all = http.putObject("AllHttpHeaders");
    headers.forEach((name, value) -> all.putArray(name).add(value));
    var single = http.putObject("HttpHeaders");
    headers.forEach(single::put);
    http.put("HttpStatusCode", response.path("StatusCode").asInt(200));
    response.set("SdkHttpMetadata", http);
    response.putObject("SdkResponseMetadata").put("RequestId", id);
    var sorted = Json.object();
    var names = new TreeSet<String>();
    response.fieldNames().forEachRemaining(names::add);
    names.forEach(name -> sorted.set(name, response.get(name)));
    return sorted;
  }

  /** Errors as the integrations of the first SDK name and word them. */
  private static StateError failure(AwsException e, Optimized service) {
    var code = code(e);
    var name = UNMODELLED.contains(code) ? service.base() : exception(code);
    return new StateError(service.prefix() + "." + name, e.getMessage() + " (Service: " + service.service() + "; Status Code: "
        + e.status() + "; Error Code: " + e.code() + "; Request ID: " + UUID.randomUUID() + "; Proxy: null)");
  }

  private static String code(AwsException e) {
    var code = e.code();
    if (code.equals("AWS.SimpleQueueService.NonExistentQueue")) {
      return "QueueDoesNotExist";
    }
    return code.substring(Math.max(code.lastIndexOf('.'), code.lastIndexOf('#')) + 1);
  }

  private static String exception(String code) {
    return code.endsWith("Exception") ? code : code + "Exception";
  }

  // ---- any operation of the SDK ------------------------------------------------------------------------------------

  private JsonNode sdk(Integration integration, Request request) throws StateError {
    var name = integration.service().toLowerCase(Locale.ROOT);
    var service = SERVICES.getOrDefault(name, new Service(name, pascal(name), false, UNMODELLED));
    var input = object(request.input());
    try {
      if (name.equals("lambda") && integration.action().equals("invoke")) {
        var response = invoke(input, request, e -> sdkFailure(e, service));
        response.put("Payload", Json.write(response.get("Payload")));
        return response;
      }
      if (name.equals("sfn")) {
        stringify(input, "Input");
        stringify(input, "Output");
      }
      var response = aws.call(service.endpoint(), pascal(integration.action()), service.lowerCamel() ? camel(input) : input,
          caller(request));
      return times(service.lowerCamel() ? pascalMembers(response) : response);
    } catch (AwsException e) {
      throw sdkFailure(e, service);
    }
  }

  /** Errors as the integrations of the second SDK name and word them. */
  private static StateError sdkFailure(AwsException e, Service service) {
    var code = code(e);
    var name = service.generic().contains(code) ? service.prefix() + "Exception" : exception(code);
    return new StateError(service.prefix() + "." + name, e.getMessage() + " (Service: " + service.prefix() + ", Status Code: "
        + e.status() + ", Request ID: " + UUID.randomUUID() + ")");
  }

  private static String pascal(String name) {
    return name.isEmpty() ? name : Character.toUpperCase(name.charAt(0)) + name.substring(1);
  }

  private static ObjectNode camel(ObjectNode object) {
    return (ObjectNode) rename(object, name -> Character.toLowerCase(name.charAt(0)) + name.substring(1));
  }

  private static ObjectNode pascalMembers(ObjectNode object) {
    return (ObjectNode) rename(object, StepFunctionsTasks::pascal);
  }

  private static JsonNode rename(JsonNode node, UnaryOperator<String> name) {
    return switch (node) {
      case ObjectNode object -> {
        var renamed = Json.object();
        object.properties().forEach(member -> renamed.set(name.apply(member.getKey()), rename(member.getValue(), name)));
        yield renamed;
      }
      case ArrayNode array -> {
        var renamed = Json.array();
        array.forEach(element -> renamed.add(rename(element, name)));
        yield renamed;
      }
      default -> node;
    };
  }

  /** The SDK's times are ISO 8601 in a state's data. */
  private static JsonNode times(JsonNode node) {
    if (node instanceof ObjectNode object) {
      for (var member : object.properties()) {
        var value = member.getValue();
        if (value.isNumber() && member.getKey().matches(".*(Date|Timestamp|Time)") && value.doubleValue() > 1e9) {
          member.setValue(JsonNodeFactory.instance.textNode(
              Instant.ofEpochMilli(Math.round(value.doubleValue() * 1000)).toString()));
        } else {
          times(value);
        }
      }
    } else if (node.isArray()) {
      node.forEach(StepFunctionsTasks::times);
    }
    return node;
  }

  // ---- states:startExecution.sync ----------------------------------------------------------------------------------

  @Override
  public JsonNode finish(Request request, JsonNode started) throws StateError, InterruptedException {
    var execution = executions.apply(started.path("ExecutionArn").asText());
    if (execution == null) {
      throw new StateError("States.TaskFailed", "There is no execution " + started.path("ExecutionArn").asText());
    }
    var ended = new CompletableFuture<Execution>();
    execution.ended().thenAccept(ended::complete);
    try {
      ended.get();
    } catch (InterruptedException e) {
      execution.abort(null, null);
      throw e;
    } catch (ExecutionException e) {
      throw new IllegalStateException(e);
    }
    var parsed = request.resource() instanceof Integration integration && integration.pattern() == Pattern.SYNC_JSON;
    var succeeded = execution.status() == Execution.Status.SUCCEEDED;
    var result = description(execution, parsed && succeeded);
    if (!succeeded) {
      throw new StateError("States.TaskFailed", Json.write(result));
    }
    return result;
  }

  private static ObjectNode description(Execution execution, boolean parsed) {
    var result = Json.object();
    if (execution.cause() != null) {
      result.put("Cause", execution.cause());
    }
    if (execution.error() != null) {
      result.put("Error", execution.error());
    }
    result.put("ExecutionArn", execution.arn());
    result.set("Input", text(execution.input(), parsed));
    result.putObject("InputDetails").put("Included", true);
    result.put("Name", execution.name());
    var output = execution.output();
    if (output != null) {
      result.set("Output", text(output, parsed));
      result.putObject("OutputDetails").put("Included", true);
    }
    result.put("StartDate", execution.start().toEpochMilli()).put("StateMachineArn", execution.machine().arn())
        .put("Status", execution.status().name());
    var stop = execution.stop();
    if (stop != null) {
      result.put("StopDate", stop.toEpochMilli());
    }
    return result;
  }

  private static JsonNode text(String json, boolean parsed) {
    return parsed ? json(json) : JsonNodeFactory.instance.textNode(json);
  }
}
