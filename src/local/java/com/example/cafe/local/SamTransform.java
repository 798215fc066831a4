package com.example.cafe.local;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The AWS::Serverless transform: rewrites SAM resources to plain CloudFormation ones with the logical ids that SAM
 * generates (AWS SAM Developer Guide, "Generated AWS CloudFormation resources"). A property that is not named here is
 * refused, so that nothing in the template is ignored unnoticed.
 */
final class SamTransform {
  private static final Set<String> FUNCTION_PASSED = Set.of("Runtime", "Handler", "MemorySize", "Timeout", "Environment",
      "Description", "Architectures", "SnapStart", "LoggingConfig", "ReservedConcurrentExecutions", "EphemeralStorage",
      "VpcConfig", "Layers", "FunctionName", "Role", "KmsKeyArn");
  private static final Set<String> SCHEDULE_PASSED = Set.of("ScheduleExpression", "ScheduleExpressionTimezone", "State",
      "Description", "StartDate", "EndDate", "GroupName", "Name", "KmsKeyArn");
  private static final Set<String> MAPPING_PASSED = Set.of("BatchSize", "MaximumBatchingWindowInSeconds", "Enabled",
      "FilterCriteria", "FunctionResponseTypes", "ScalingConfig");
  private static final Pattern VARIABLE = Pattern.compile("\\$\\{(!?)([^}]*)}");

  private final Path folder;
  private final ObjectNode resources = Json.object();
  private final ObjectNode globals;
  /** "PlaceOrder.Alias" → the logical id of the generated resource. */
  private final Map<String, String> generated = new HashMap<>();

  private SamTransform(ObjectNode template, Path folder) {
    this.folder = folder;
    this.globals = template.withObject("/Globals");
  }

  /**
   * Rewrites the template's resources. AWS::Include must be resolved before, as CloudFormation does.
   *
   * @param folder what CodeUri and DefinitionUri are relative to
   * @throws IllegalArgumentException naming the resource and property that are not supported
   */
  static ObjectNode apply(ObjectNode template, Path folder) {
    var transform = new SamTransform(template, folder);
    transform.globals.fieldNames().forEachRemaining(section -> {
      if (!Set.of("Function", "Api", "StateMachine").contains(section)) {
        throw new IllegalArgumentException("Globals: section " + section + " is not supported");
      }
    });
    for (var entry : template.withObject("/Resources").properties()) {
      try {
        transform.rewrite(entry.getKey(), (ObjectNode) entry.getValue());
      } catch (IllegalArgumentException e) {
        throw new IllegalArgumentException("resource " + entry.getKey() + ": " + e.getMessage(), e);
      }
    }
    return (ObjectNode) transform.references(transform.resources);
  }

  private void rewrite(String id, ObjectNode resource) {
    switch (resource.path("Type").asText()) {
      case "AWS::Serverless::Function" -> function(id, resource);
      case "AWS::Serverless::StateMachine" -> stateMachine(id, resource);
      case "AWS::Serverless::Api" -> api(id, resource);
      case String type when type.startsWith("AWS::Serverless::") -> throw new IllegalArgumentException("type " + type + " is not supported");
      default -> resources.set(id, resource);
    }
  }

  private void function(String id, ObjectNode resource) {
    var properties = merged("Function", resource);
    var plain = add(id, "AWS::Lambda::Function", resource);
    var code = folder.resolve(properties.path("CodeUri").asText(".")).normalize();
    if (!code.equals(folder.normalize())) {
      throw new IllegalArgumentException("CodeUri must be the folder of the template, not " + code);
    }
    String alias = null;
    for (var entry : properties.properties()) {
      var value = entry.getValue();
      switch (entry.getKey()) {
        case String name when FUNCTION_PASSED.contains(name) -> plain.set(name, value);
        case "Tracing" -> plain.putObject("TracingConfig").set("Mode", value);
        case "DeadLetterQueue" -> plain.putObject("DeadLetterConfig").set("TargetArn", value.path("TargetArn"));
        case "Tags" -> plain.set("Tags", value);
        case "AutoPublishAlias" -> alias = value.asText();
        case "CodeUri", "Policies", "Events", "EventInvokeConfig", "PackageType", "RolePath", "PermissionsBoundary",
             "AssumeRolePolicyDocument", "AutoPublishAliasAllProperties", "AutoPublishCodeSha256", "DeploymentPreference",
             "VersionDeletionPolicy", "VersionDescription" -> { }
        default -> throw new IllegalArgumentException("property " + entry.getKey() + " of AWS::Serverless::Function is not supported");
      }
    }
    if (!properties.has("Role")) {
      plain.set("Role", attribute(role(id + "Role", resource, properties.path("Policies")), "Arn"));
    }
    var target = ref(id);
    if (alias != null) {
      var version = id + "Version";
      add(version, "AWS::Lambda::Version", resource).set("FunctionName", ref(id));
      var aliasId = id + "Alias" + alias;
      var aliased = add(aliasId, "AWS::Lambda::Alias", resource);
      aliased.set("FunctionName", ref(id));
      aliased.set("FunctionVersion", attribute(version, "Version"));
      aliased.put("Name", alias);
      generated.put(id + ".Version", version);
      generated.put(id + ".Alias", aliasId);
      target = ref(aliasId);
    }
    if (properties.has("EventInvokeConfig")) {
      eventInvokeConfig(id, resource, alias, properties.get("EventInvokeConfig"));
    }
    for (var event : properties.path("Events").properties()) {
      event(id, resource, event.getKey(), event.getValue().path("Type").asText(), event.getValue().path("Properties"), target);
    }
  }

  private void eventInvokeConfig(String id, ObjectNode resource, @org.jspecify.annotations.Nullable String alias, JsonNode config) {
    var plain = add(id + "EventInvokeConfig", "AWS::Lambda::EventInvokeConfig", resource);
    plain.set("FunctionName", ref(id));
    plain.put("Qualifier", alias == null ? "$LATEST" : alias);
    if (alias != null) {
      dependsOn(id + "EventInvokeConfig", id + "Alias" + alias);
    }
    for (var entry : config.properties()) {
      switch (entry.getKey()) {
        case "MaximumEventAgeInSeconds", "MaximumRetryAttempts" -> plain.set(entry.getKey(), entry.getValue());
        case "DestinationConfig" -> {
          var destinations = plain.putObject("DestinationConfig");
          for (var destination : entry.getValue().properties()) {
            if (!destination.getValue().has("Destination")) {
              throw new IllegalArgumentException("EventInvokeConfig: " + destination.getKey() + " needs a Destination");
            }
            destinations.putObject(destination.getKey()).set("Destination", destination.getValue().get("Destination"));
          }
        }
        default -> throw new IllegalArgumentException("property EventInvokeConfig." + entry.getKey() + " is not supported");
      }
    }
  }

  private void event(String id, ObjectNode resource, String name, String type, JsonNode properties, ObjectNode target) {
    var eventId = id + name;
    switch (type) {
      case "SQS" -> {
        var mapping = add(eventId, "AWS::Lambda::EventSourceMapping", resource);
        mapping.set("FunctionName", target);
        for (var entry : properties.properties()) {
          switch (entry.getKey()) {
            case "Queue" -> mapping.set("EventSourceArn", entry.getValue());
            case String passed when MAPPING_PASSED.contains(passed) -> mapping.set(passed, entry.getValue());
            default -> throw unsupported(name, type, entry.getKey());
          }
        }
      }
      case "ScheduleV2" -> {
        var schedule = add(eventId, "AWS::Scheduler::Schedule", resource);
        var destination = schedule.putObject("Target");
        destination.set("Arn", target);
        var window = schedule.putObject("FlexibleTimeWindow");
        window.put("Mode", "OFF");
        for (var entry : properties.properties()) {
          switch (entry.getKey()) {
            case String passed when SCHEDULE_PASSED.contains(passed) -> schedule.set(passed, entry.getValue());
            case "Input", "RetryPolicy", "RoleArn" -> destination.set(entry.getKey(), entry.getValue());
            case "FlexibleTimeWindow" -> schedule.set("FlexibleTimeWindow", entry.getValue());
            case "DeadLetterConfig" -> {
              if (!entry.getValue().has("Arn")) {
                throw unsupported(name, type, "DeadLetterConfig without Arn");
              }
              destination.putObject("DeadLetterConfig").set("Arn", entry.getValue().get("Arn"));
            }
            case "PermissionsBoundary", "OmitName" -> { }
            default -> throw unsupported(name, type, entry.getKey());
          }
        }
        if (!properties.has("RoleArn")) {
          destination.set("RoleArn", attribute(role(eventId + "Role", resource, Json.array()), "Arn"));
        }
      }
      case "SNS" -> {
        var subscription = add(eventId, "AWS::SNS::Subscription", resource);
        subscription.put("Protocol", "lambda");
        subscription.set("Endpoint", target);
        for (var entry : properties.properties()) {
          switch (entry.getKey()) {
            case "Topic" -> subscription.set("TopicArn", entry.getValue());
            case "FilterPolicy", "FilterPolicyScope", "RedrivePolicy", "Region" -> subscription.set(entry.getKey(), entry.getValue());
            default -> throw unsupported(name, type, entry.getKey());
          }
        }
        permission(eventId, resource, target, "sns.amazonaws.com");
      }
      case "Api" -> {
        if (!properties.has("RestApiId")) {
          throw new IllegalArgumentException("event " + name + ": an Api event needs RestApiId; swagger.yml describes the API");
        }
        permission(eventId, resource, target, "apigateway.amazonaws.com");
      }
      default -> throw new IllegalArgumentException("event " + name + ": type " + type + " is not supported");
    }
  }

  private void permission(String eventId, ObjectNode resource, ObjectNode target, String principal) {
    var permission = add(eventId + "Permission", "AWS::Lambda::Permission", resource);
    permission.put("Action", "lambda:InvokeFunction");
    permission.set("FunctionName", target);
    permission.put("Principal", principal);
  }

  private void stateMachine(String id, ObjectNode resource) {
    var properties = merged("StateMachine", resource);
    var plain = add(id, "AWS::StepFunctions::StateMachine", resource);
    for (var entry : properties.properties()) {
      var value = entry.getValue();
      switch (entry.getKey()) {
        case "DefinitionUri" -> {
          var file = folder.resolve(value.asText());
          if (!value.isTextual() || !Files.isRegularFile(file)) {
            throw new IllegalArgumentException("DefinitionUri " + value.asText() + ": there is no such file");
          }
          plain.set("Definition", Yaml.read(file));
        }
        case "Definition", "DefinitionSubstitutions", "Role" -> plain.set(entry.getKey().equals("Role") ? "RoleArn" : entry.getKey(), value);
        case "Name", "Type" -> plain.set("StateMachine" + entry.getKey(), value);
        case "Logging" -> plain.set("LoggingConfiguration", value);
        case "Tracing" -> plain.set("TracingConfiguration", value);
        case "Tags" -> plain.set("Tags", value);
        case "Policies", "PermissionsBoundary", "RolePath" -> { }
        default -> throw new IllegalArgumentException("property " + entry.getKey() + " of AWS::Serverless::StateMachine is not supported");
      }
    }
    if (!properties.has("Role")) {
      plain.set("RoleArn", attribute(role(id + "Role", resource, properties.path("Policies")), "Arn"));
    }
  }

  private void api(String id, ObjectNode resource) {
    var properties = merged("Api", resource);
    var plain = add(id, "AWS::ApiGateway::RestApi", resource);
    var deployment = add(id + "Deployment", "AWS::ApiGateway::Deployment", resource);
    deployment.set("RestApiId", ref(id));
    var stageName = properties.path("StageName");
    if (!stageName.isTextual()) {
      throw new IllegalArgumentException("StageName must be plain text");
    }
    var stageId = id + stageName.asText().replaceAll("[^A-Za-z0-9]", "") + "Stage";
    var stage = add(stageId, "AWS::ApiGateway::Stage", resource);
    stage.set("RestApiId", ref(id));
    stage.set("DeploymentId", ref(id + "Deployment"));
    generated.put(id + ".Stage", stageId);
    generated.put(id + ".Deployment", id + "Deployment");
    for (var entry : properties.properties()) {
      var value = entry.getValue();
      switch (entry.getKey()) {
        case "DefinitionBody" -> plain.set("Body", value);
        case "DefinitionUri" -> plain.set("Body", Yaml.read(folder.resolve(value.asText())));
        case "StageName", "MethodSettings", "AccessLogSetting", "Variables", "CacheClusterEnabled", "CanarySetting" -> stage.set(entry.getKey(), value);
        case "TracingEnabled" -> stage.set("TracingEnabled", value);
        case "Name", "Description", "BinaryMediaTypes", "MinimumCompressionSize", "ApiKeySourceType", "FailOnWarnings",
             "DisableExecuteApiEndpoint", "Policy" -> plain.set(entry.getKey(), value);
        case "EndpointConfiguration" -> plain.putObject("EndpointConfiguration").set("Types", Json.array().add(value.isTextual() ? value : value.path("Type")));
        case "OpenApiVersion", "AlwaysDeploy", "MergeDefinitions" -> { }
        case "PropagateTags", "Tags" -> { }
        default -> throw new IllegalArgumentException("property " + entry.getKey() + " of AWS::Serverless::Api is not supported");
      }
    }
    if (!plain.has("Body")) {
      throw new IllegalArgumentException("an API needs DefinitionBody or DefinitionUri");
    }
  }

  private String role(String id, ObjectNode owner, JsonNode policies) {
    add(id, "AWS::IAM::Role", owner).set("Policies", policies.isMissingNode() ? Json.array() : policies);
    return id;
  }

  private ObjectNode add(String id, String type, ObjectNode origin) {
    if (resources.has(id)) {
      throw new IllegalArgumentException("the logical id " + id + " is generated by SAM and taken");
    }
    var resource = resources.putObject(id).put("Type", type);
    for (var kept : new String[] {"Condition", "DependsOn"}) {
      if (origin.has(kept)) {
        resource.set(kept, origin.get(kept));
      }
    }
    return resource.putObject("Properties");
  }

  private void dependsOn(String id, String other) {
    var resource = (ObjectNode) resources.get(id);
    var before = resource.path("DependsOn");
    var all = Json.array();
    if (before.isTextual()) {
      all.add(before);
    }
    before.forEach(all::add);
    resource.set("DependsOn", all.add(other));
  }

  private ObjectNode merged(String section, ObjectNode resource) {
    return merge((ObjectNode) globals.withObject("/" + section).deepCopy(), resource.withObject("/Properties"));
  }

  /** Maps are merged, lists are joined, anything else of the resource wins (SAM, "Overridable properties"). */
  private static ObjectNode merge(ObjectNode global, ObjectNode own) {
    for (var entry : own.properties()) {
      var before = global.get(entry.getKey());
      var value = entry.getValue();
      if (before instanceof ObjectNode map && value instanceof ObjectNode with && !isFunction(map) && !isFunction(with)) {
        merge(map, with);
      } else if (before instanceof ArrayNode list && value instanceof ArrayNode more) {
        list.addAll(more);
      } else {
        global.set(entry.getKey(), value.deepCopy());
      }
    }
    return global;
  }

  private static boolean isFunction(ObjectNode node) {
    var name = node.size() == 1 ? node.fieldNames().next() : "";
    return name.equals("Ref") || name.startsWith("Fn::");
  }

  /** Rewrites references to what SAM generates: Ref PlaceOrder.Alias, ${PlaceOrder.Alias}, ${Api.Stage}. */
  private JsonNode references(JsonNode node) {
    if (node.isArray()) {
      var array = Json.array();
      node.forEach(item -> array.add(references(item)));
      return array;
    }
    if (!node.isObject()) {
      return node;
    }
    var object = Json.object();
    for (var entry : node.properties()) {
      var value = entry.getValue();
      switch (entry.getKey()) {
        case "Ref" -> object.put("Ref", generated.getOrDefault(value.asText(), value.asText()));
        case "Fn::Sub" -> object.set("Fn::Sub", value.isTextual() ? sub(value)
            : value.isArray() ? Json.array().add(sub(value.path(0))).add(references(value.path(1))) : value);
        case "Fn::GetAtt" -> {
          var resource = value.path(0).asText();
          var attribute = value.path(1).asText();
          var dot = attribute.indexOf('.');
          var key = dot < 0 ? resource : resource + "." + attribute.substring(0, dot);
          object.set("Fn::GetAtt", dot > 0 && generated.containsKey(key)
              ? Json.array().add(generated.get(key)).add(attribute.substring(dot + 1)) : value);
        }
        default -> object.set(entry.getKey(), references(value));
      }
    }
    return object;
  }

  private JsonNode sub(JsonNode text) {
    return Json.MAPPER.getNodeFactory().textNode(VARIABLE.matcher(text.asText()).replaceAll(match ->
        Matcher.quoteReplacement(match.group(1).isEmpty() && generated.containsKey(match.group(2))
            ? "${" + generated.get(match.group(2)) + "}" : match.group())));
  }

  private static ObjectNode ref(String id) {
    return Json.object().put("Ref", id);
  }

  private static ObjectNode attribute(String id, String name) {
    return Json.object().set("Fn::GetAtt", Json.array().add(id).add(name));
  }

  private static IllegalArgumentException unsupported(String event, String type, String property) {
    return new IllegalArgumentException("event " + event + ": property " + property + " of " + type + " is not supported");
  }
}
