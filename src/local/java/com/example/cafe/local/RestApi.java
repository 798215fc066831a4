package com.example.cafe.local;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.github.fge.jsonschema.core.exceptions.ProcessingException;
import com.github.fge.jsonschema.core.report.LogLevel;
import com.github.fge.jsonschema.core.report.ProcessingMessage;
import com.github.fge.jsonschema.main.JsonSchema;
import com.github.fge.jsonschema.main.JsonSchemaFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * An OpenAPI 3.0 document as Amazon API Gateway understands it at import: its methods, request validators, models,
 * authorizers, integrations and gateway responses. What the import acts on and is not understood here, or what it would
 * refuse, is an error that names its path in the document.
 *
 * <p>As the developer guide's "Amazon API Gateway important notes" say, the import takes {@code minItems} and
 * {@code maxItems} out of models, and knows no {@code nullable}, {@code readOnly} or {@code example}: neither does this.
 */
final class RestApi {
  private static final Set<String> METHODS = Set.of("get", "put", "post", "delete", "options", "head", "patch");
  private static final String PREFIX = "x-amazon-apigateway-";
  private static final Pattern LAMBDA_URI = Pattern.compile(
      "arn:aws[\\w-]*:apigateway:[\\w-]+:lambda:path/2015-03-31/functions/(.+)/invocations");
  private static final Pattern PARAMETER = Pattern.compile("\\{([\\w.\\-:$]+)(\\+?)}");
  private static final Set<String> RESPONSE_TYPES = Set.of("ACCESS_DENIED", "API_CONFIGURATION_ERROR",
      "AUTHORIZER_CONFIGURATION_ERROR", "AUTHORIZER_FAILURE", "BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS", "DEFAULT_4XX",
      "DEFAULT_5XX", "EXPIRED_TOKEN", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT", "INVALID_API_KEY", "INVALID_SIGNATURE",
      "MISSING_AUTHENTICATION_TOKEN", "QUOTA_EXCEEDED", "REQUEST_TOO_LARGE", "RESOURCE_NOT_FOUND", "THROTTLED",
      "UNAUTHORIZED", "UNSUPPORTED_MEDIA_TYPE", "WAF_FILTERED");

  private final JsonNode document;
  private final List<Method> methods = new ArrayList<>();
  private final Map<String, GatewayResponse> gatewayResponses = new ConcurrentHashMap<>();
  private final Set<String> binaryMediaTypes = new LinkedHashSet<>();

  /** @param pathParameters values as sent, still percent-encoded, as in the proxy event of a REST API */
  record Match(Method method, Map<String, String> pathParameters) {}

  /** @param httpMethod in upper case, or "ANY" @param resource the path in the document */
  record Method(String httpMethod, String resource, List<String> segments, String resourceId,
      @Nullable String operationName, @Nullable Authorizer authorizer, boolean validatesParameters,
      boolean validatesBody, List<Parameter> requiredParameters, Map<String, Model> models, Integration integration) {}

  /** @param in "header", "path" or "querystring" */
  record Parameter(String in, String name) {}

  /** @param scopes any of them is enough; where there are none, an ID token is asked for instead of an access token */
  record Authorizer(String name, String header, List<String> userPoolArns, @Nullable Pattern validation,
      List<String> scopes) {}

  sealed interface Integration {
    /** @param functionArn may hold references to stage variables @param timeout in milliseconds */
    record Lambda(String functionArn, int timeout, @Nullable String credentials) implements Integration {}

    record Mock(Map<String, String> requestTemplates, Passthrough passthrough, List<MockResponse> responses)
        implements Integration {}
  }

  enum Passthrough { WHEN_NO_MATCH, WHEN_NO_TEMPLATES, NEVER }

  /** @param selection matched against the whole status code; null for the default response */
  record MockResponse(@Nullable Pattern selection, int status, Map<String, String> headers,
      Map<String, String> templates) {}

  /** @param status null to keep that of the type @param headers name to mapping expression */
  record GatewayResponse(@Nullable Integer status, Map<String, String> headers, Map<String, String> templates) {}

  /** A JSON Schema of draft 4, with the messages of the validator that API Gateway itself uses. */
  record Model(JsonSchema schema) {
    /** The messages as {@code $context.error.validationErrorString} shows them, or null where the body is valid. */
    @Nullable String violations(JsonNode body) {
      try {
        var messages = StreamSupport.stream(schema.validate(body).spliterator(), false)
            .filter(message -> message.getLogLevel().compareTo(LogLevel.ERROR) >= 0)
            .map(ProcessingMessage::getMessage).toList();
        return messages.isEmpty() ? null : messages.stream().collect(Collectors.joining(", ", "[", "]"));
      } catch (ProcessingException e) {
        return "[" + e.getProcessingMessage().getMessage() + "]";
      } catch (ArithmeticException e) {
        // Numbers like 1e999999999, which multipleOf cannot divide.
        return "[Unknown error parsing request body]";
      }
    }
  }

  /** @throws IllegalArgumentException where API Gateway or the local cloud cannot do what the document says */
  RestApi(JsonNode document) {
    this.document = document;
    if (!document.path("openapi").asText().startsWith("3.0")) {
      throw unsupported("/openapi", "only OpenAPI 3.0 documents are supported");
    }
    onlyExtensions(document, "", "request-validators", "request-validator", "gateway-responses", "binary-media-types",
        "api-key-source", "endpoint-configuration", "documentation", "importexport-version", "minimum-compression-size");
    if (document.has("security")) {
      throw unsupported("/security", "API Gateway ignores security at the root; put it on each operation");
    }
    mustBe(document, "", PREFIX + "api-key-source", "HEADER");
    if (document.has(PREFIX + "minimum-compression-size")) {
      throw unsupported("/" + PREFIX + "minimum-compression-size", "compression is not supported");
    }
    document.path(PREFIX + "binary-media-types").forEach(type -> binaryMediaTypes.add(type.asText()));
    document.path(PREFIX + "gateway-responses").properties().forEach(response -> gatewayResponse(response.getKey(),
        response.getValue(), "/" + PREFIX + "gateway-responses/" + response.getKey()));
    document.path("paths").properties().forEach(path -> pathItem(path.getKey(), path.getValue()));
    methods.sort(Comparator.comparing(Method::segments, RestApi::moreSpecificFirst)
        .thenComparing(method -> method.httpMethod().equals("ANY")));
  }

  /** The most specific method for a path: literal segments win over variables, variables over the greedy one. */
  @Nullable Match match(String httpMethod, String rawPath) {
    var segments = split(rawPath);
    for (var method : methods) {
      if (method.httpMethod().equals(httpMethod) || method.httpMethod().equals("ANY")) {
        var parameters = match(method.segments(), segments);
        if (parameters != null) {
          return new Match(method, parameters);
        }
      }
    }
    return null;
  }

  Map<String, GatewayResponse> gatewayResponses() {
    return gatewayResponses;
  }

  /** Adds or replaces a gateway response, as AWS::ApiGateway::GatewayResponse does. */
  void gatewayResponse(String type, JsonNode response, String path) {
    if (!RESPONSE_TYPES.contains(type)) {
      throw unsupported(path, "there is no such gateway response");
    }
    only(response, path, "statusCode", "responseParameters", "responseTemplates");
    var headers = new LinkedHashMap<String, String>();
    response.path("responseParameters").properties().forEach(parameter -> {
      var where = path + "/responseParameters/" + parameter.getKey();
      if (!parameter.getKey().startsWith("gatewayresponse.header.")) {
        throw unsupported(where, "only gatewayresponse.header is supported");
      }
      headers.put(parameter.getKey().substring("gatewayresponse.header.".length()),
          expression(parameter.getValue().asText(), where));
    });
    var status = response.path("statusCode").asInt(0);
    gatewayResponses.put(type, new GatewayResponse(status == 0 ? null : status, headers,
        templates(response.path("responseTemplates"), path + "/responseTemplates")));
  }

  Set<String> binaryMediaTypes() {
    return binaryMediaTypes;
  }

  List<Method> methods() {
    return List.copyOf(methods);
  }

  /** A six character id, the same at every start. */
  static String resourceId(String path) {
    return String.format("%6s", Integer.toString(path.hashCode() & 0x7fffffff, 36)).replace(' ', '0').substring(0, 6)
        .toLowerCase(Locale.ROOT);
  }

  // ---- paths and methods

  private void pathItem(String path, JsonNode item) {
    var at = "/paths/" + path;
    if (!path.startsWith("/")) {
      throw unsupported(at, "a path begins with a slash");
    }
    var segments = split(path);
    for (int i = 0; i < segments.size(); i++) {
      var parameter = PARAMETER.matcher(segments.get(i));
      if (!parameter.matches() && segments.get(i).matches(".*[{}].*")) {
        throw unsupported(at, "a path parameter is a whole segment");
      } else if (parameter.matches() && !parameter.group(2).isEmpty() && i < segments.size() - 1) {
        throw unsupported(at, "a greedy path parameter is the last segment");
      }
    }
    onlyExtensions(item, at, "any-method");
    item.properties().forEach(entry -> {
      var key = entry.getKey();
      if (METHODS.contains(key)) {
        methods.add(method(key.toUpperCase(Locale.ROOT), path, segments, item, entry.getValue(), at + "/" + key));
      } else if (key.equals(PREFIX + "any-method")) {
        methods.add(method("ANY", path, segments, item, entry.getValue(), at + "/" + key));
      } else if (key.equals("trace") || key.equals("$ref")) {
        throw unsupported(at + "/" + key, "API Gateway does not support it");
      }
    });
  }

  private Method method(String httpMethod, String path, List<String> segments, JsonNode item, JsonNode operation,
      String at) {
    onlyExtensions(operation, at, "request-validator", "integration", "auth", "api-key-required");
    if (operation.path(PREFIX + "api-key-required").asBoolean()) {
      throw unsupported(at + "/" + PREFIX + "api-key-required", "API keys are not supported");
    }
    var auth = operation.path(PREFIX + "auth").path("type").asText("NONE");
    if (!auth.equals("NONE")) {
      throw unsupported(at + "/" + PREFIX + "auth/type", auth + " is not supported");
    }
    var validator = validator(operation, at);
    var parameters = new LinkedHashMap<String, Parameter>();
    requiredParameters(item.path("parameters"), "/paths/" + path + "/parameters", parameters);
    requiredParameters(operation.path("parameters"), at + "/parameters", parameters);
    return new Method(httpMethod, path, segments, resourceId(path), Json.text(operation, "operationId"),
        authorizer(operation.path("security"), at + "/security"),
        validator.path("validateRequestParameters").asBoolean(), validator.path("validateRequestBody").asBoolean(),
        parameters.values().stream().sorted(Comparator.comparing(Parameter::in).thenComparing(Parameter::name)).toList(),
        models(resolve(operation.path("requestBody"), at + "/requestBody"), at + "/requestBody/content"),
        integration(operation, at));
  }

  private JsonNode validator(JsonNode operation, String at) {
    var place = operation.has(PREFIX + "request-validator") ? at : "";
    var name = (place.isEmpty() ? document : operation).path(PREFIX + "request-validator").asText("");
    if (name.isEmpty()) {
      return Json.object();
    }
    var validator = document.path(PREFIX + "request-validators").path(name);
    if (!validator.isObject()) {
      throw unsupported(place + "/" + PREFIX + "request-validator", "there is no request validator " + name);
    }
    return validator;
  }

  private void requiredParameters(JsonNode list, String at, Map<String, Parameter> found) {
    for (int i = 0; i < list.size(); i++) {
      var parameter = resolve(list.get(i), at + "/" + i);
      var name = parameter.path("name").asText();
      var in = switch (parameter.path("in").asText()) {
        case "query" -> "querystring";
        case "header" -> "header";
        case "path" -> "path";
        case String other -> throw unsupported(at + "/" + i + "/in", "API Gateway does not know parameters in: " + other);
      };
      if (parameter.path("required").asBoolean()) {
        found.put(in + "." + name, new Parameter(in, name));
      } else {
        found.remove(in + "." + name);
      }
    }
  }

  private @Nullable Authorizer authorizer(JsonNode security, String at) {
    if (security.isMissingNode() || security.isEmpty()) {
      return null;
    }
    if (security.size() > 1 || security.get(0).size() != 1) {
      throw unsupported(at, "one security scheme a method is supported");
    }
    var requirement = security.get(0).properties().iterator().next();
    var name = requirement.getKey();
    var where = "/components/securitySchemes/" + name;
    var scheme = document.path("components").path("securitySchemes").path(name);
    if (!scheme.isObject()) {
      throw unsupported(at, "there is no security scheme " + name);
    }
    onlyExtensions(scheme, where, "authtype", "authorizer");
    var kind = scheme.path(PREFIX + "authtype").asText("");
    if (kind.isEmpty() && scheme.path("name").asText().equalsIgnoreCase("x-api-key")) {
      throw unsupported(where, "API keys are not supported");
    }
    var settings = scheme.path(PREFIX + "authorizer");
    if (!kind.equals("cognito_user_pools") || !settings.path("type").asText().equals("cognito_user_pools")) {
      throw unsupported(where + "/" + PREFIX + "authtype", "only cognito_user_pools authorizers are supported, this is "
          + (kind.isEmpty() ? "a scheme of type " + scheme.path("type").asText() : kind));
    }
    only(settings, where + "/" + PREFIX + "authorizer", "type", "providerARNs", "identitySource",
        "identityValidationExpression", "authorizerResultTtlInSeconds");
    if (!scheme.path("type").asText().equals("apiKey") || !scheme.path("in").asText().equals("header")) {
      throw unsupported(where + "/type", "an authorizer is an apiKey in a header");
    }
    if (settings.path("providerARNs").isEmpty()) {
      throw unsupported(where + "/" + PREFIX + "authorizer/providerARNs", "no user pool is named");
    }
    var header = settings.path("identitySource").asText("method.request.header." + scheme.path("name").asText());
    if (!header.startsWith("method.request.header.")) {
      throw unsupported(where + "/" + PREFIX + "authorizer/identitySource", "it is not method.request.header.NAME");
    }
    var expression = settings.path("identityValidationExpression").asText("");
    return new Authorizer(name, header.substring("method.request.header.".length()), texts(settings.path("providerARNs")),
        expression.isEmpty() ? null : Pattern.compile(expression), texts(requirement.getValue()));
  }

  // ---- integrations

  private static Integration integration(JsonNode operation, String method) {
    var at = method + "/" + PREFIX + "integration";
    var integration = operation.path(PREFIX + "integration");
    if (!integration.isObject()) {
      throw unsupported(method, "it has no " + PREFIX + "integration");
    }
    return switch (integration.path("type").asText().toLowerCase(Locale.ROOT)) {
      case "aws_proxy" -> lambda(integration, at);
      case "mock" -> mock(operation, integration, at);
      case String other -> throw unsupported(at + "/type", other + " is not supported, aws_proxy and mock are");
    };
  }

  private static Integration lambda(JsonNode integration, String at) {
    only(integration, at, "type", "httpMethod", "uri", "timeoutInMillis", "credentials", "passthroughBehavior",
        "responses", "contentHandling", "connectionType", "payloadFormatVersion", "responseTransferMode");
    mustBe(integration, at, "httpMethod", "POST");
    mustBe(integration, at, "contentHandling", "CONVERT_TO_TEXT");
    mustBe(integration, at, "connectionType", "INTERNET");
    mustBe(integration, at, "payloadFormatVersion", "1.0");
    mustBe(integration, at, "responseTransferMode", "BUFFERED");
    if (!integration.has("httpMethod")) {
      throw unsupported(at, "httpMethod is missing, it is POST for Lambda");
    }
    var uri = LAMBDA_URI.matcher(integration.path("uri").asText());
    if (!uri.matches()) {
      throw unsupported(at + "/uri", "it is not a Lambda function's: " + integration.path("uri"));
    }
    var timeout = integration.path("timeoutInMillis").asInt(29_000);
    if (timeout < 50 || timeout > 29_000) {
      throw unsupported(at + "/timeoutInMillis", "it is not between 50 and 29000");
    }
    return new Integration.Lambda(uri.group(1), timeout, Json.text(integration, "credentials"));
  }

  private static Integration mock(JsonNode operation, JsonNode integration, String at) {
    only(integration, at, "type", "httpMethod", "requestTemplates", "passthroughBehavior", "responses", "timeoutInMillis",
        "connectionType", "contentHandling");
    mustBe(integration, at, "contentHandling", "CONVERT_TO_TEXT");
    var passthrough = switch (integration.path("passthroughBehavior").asText("when_no_match").toLowerCase(Locale.ROOT)) {
      case "when_no_match" -> Passthrough.WHEN_NO_MATCH;
      case "when_no_templates" -> Passthrough.WHEN_NO_TEMPLATES;
      case "never" -> Passthrough.NEVER;
      case String other -> throw unsupported(at + "/passthroughBehavior", "there is no " + other);
    };
    var responses = new ArrayList<MockResponse>();
    integration.path("responses").properties().forEach(entry -> {
      var where = at + "/responses/" + entry.getKey();
      var response = entry.getValue();
      only(response, where, "statusCode", "responseParameters", "responseTemplates", "contentHandling");
      mustBe(response, where, "contentHandling", "CONVERT_TO_TEXT");
      var status = response.path("statusCode").asInt();
      var declared = operation.path("responses").path(String.valueOf(status));
      if (!declared.isObject()) {
        throw unsupported(where + "/statusCode", "the operation declares no response " + status);
      }
      var headers = new LinkedHashMap<String, String>();
      response.path("responseParameters").properties().forEach(parameter -> {
        var name = parameter.getKey().replaceFirst("^method\\.response\\.header\\.", "");
        if (name.equals(parameter.getKey()) || declared.path("headers").properties().stream()
            .noneMatch(header -> header.getKey().equalsIgnoreCase(name))) {
          throw unsupported(where + "/responseParameters/" + parameter.getKey(),
              "the operation declares no such header for response " + status);
        }
        headers.put(name, expression(parameter.getValue().asText(), where + "/responseParameters/" + parameter.getKey()));
      });
      responses.add(new MockResponse(entry.getKey().equals("default") ? null : Pattern.compile(entry.getKey()), status,
          headers, templates(response.path("responseTemplates"), where + "/responseTemplates")));
    });
    return new Integration.Mock(templates(integration.path("requestTemplates"), at + "/requestTemplates"), passthrough,
        List.copyOf(responses));
  }

  private static Map<String, String> templates(JsonNode templates, String at) {
    var found = new LinkedHashMap<String, String>();
    templates.properties().forEach(template -> {
      if (!template.getValue().isTextual()) {
        throw unsupported(at + "/" + template.getKey(), "a template is a text");
      }
      found.put(template.getKey().toLowerCase(Locale.ROOT), template.getValue().asText());
    });
    return found;
  }

  /** A mapping expression for a header: 'a literal', context.NAME, stageVariables.NAME or method.request.WHERE.NAME. */
  private static String expression(String expression, String at) {
    if (!expression.matches("'.*'|context\\.[\\w.:-]+|stageVariables\\.\\w+"
        + "|method\\.request\\.(header|querystring|path)\\.[\\w.$-]+")) {
      throw unsupported(at, "Invalid mapping expression specified: " + expression);
    }
    return expression;
  }

  // ---- models

  private Map<String, Model> models(JsonNode body, String at) {
    var models = new LinkedHashMap<String, Model>();
    body.path("content").properties().forEach(content -> {
      if (content.getValue().has("schema")) {
        models.put(content.getKey().toLowerCase(Locale.ROOT),
            model(content.getValue().path("schema"), at + "/" + content.getKey() + "/schema"));
      }
    });
    return models;
  }

  private Model model(JsonNode schema, String at) {
    var draft4 = translate(schema, at);
    draft4.put("$schema", "http://json-schema.org/draft-04/schema#");
    var definitions = draft4.putObject("definitions");
    document.path("components").path("schemas").properties().forEach(one ->
        definitions.set(one.getKey(), translate(one.getValue(), "/components/schemas/" + one.getKey())));
    try {
      return new Model(JsonSchemaFactory.byDefault().getJsonSchema(draft4));
    } catch (ProcessingException e) {
      throw unsupported(at, e.getProcessingMessage().getMessage());
    }
  }

  private static ObjectNode translate(JsonNode schema, String at) {
    var draft4 = Json.object();
    schema.properties().forEach(entry -> {
      var key = entry.getKey();
      var value = entry.getValue();
      var where = at + "/" + key;
      switch (key) {
        case "type", "enum", "required", "pattern", "minLength", "maxLength", "minimum", "maximum", "multipleOf",
            "uniqueItems", "minProperties", "maxProperties", "title", "description", "default" -> draft4.set(key, value);
        case "exclusiveMinimum", "exclusiveMaximum" -> throw unsupported(where, "API Gateway does not support it");
        case "format" -> {
          if (Set.of("date-time", "email", "hostname", "ipv4", "ipv6", "uri").contains(value.asText())) {
            draft4.set(key, value);
          }
        }
        case "$ref" -> {
          if (!value.asText().startsWith("#/components/schemas/")) {
            throw unsupported(where, "it is not one of #/components/schemas");
          }
          draft4.put(key, "#/definitions/" + value.asText().substring("#/components/schemas/".length()));
        }
        case "items", "not" -> draft4.set(key, translate(value, where));
        case "additionalProperties" -> draft4.set(key, value.isBoolean() ? value : translate(value, where));
        case "properties" -> {
          var properties = draft4.putObject(key);
          value.properties().forEach(one ->
              properties.set(one.getKey(), translate(one.getValue(), where + "/" + one.getKey())));
        }
        case "allOf", "anyOf", "oneOf" -> {
          var list = draft4.putArray(key);
          for (int i = 0; i < value.size(); i++) {
            list.add(translate(value.get(i), where + "/" + i));
          }
        }
        case "discriminator" -> throw unsupported(where, "API Gateway does not support it");
        case "minItems", "maxItems", "nullable", "readOnly", "writeOnly", "xml", "externalDocs", "example", "examples",
            "deprecated" -> { }
        default -> {
          if (!key.startsWith("x-")) {
            throw unsupported(where, "it is not a keyword of an OpenAPI 3.0 schema");
          }
        }
      }
    });
    return draft4;
  }

  // ---- helpers

  private JsonNode resolve(JsonNode node, String at) {
    var reference = Json.text(node, "$ref");
    if (reference == null) {
      return node;
    }
    var target = reference.startsWith("#/") ? document.at(reference.substring(1)) : document.path("");
    if (target.isMissingNode()) {
      throw unsupported(at + "/$ref", "there is no " + reference);
    }
    return target;
  }

  static List<String> split(String path) {
    var trimmed = path.replaceAll("^/|/$", "");
    return trimmed.isEmpty() ? List.of() : Arrays.asList(trimmed.split("/", -1));
  }

  private static @Nullable Map<String, String> match(List<String> resource, List<String> path) {
    var parameters = new LinkedHashMap<String, String>();
    for (int i = 0; i < resource.size(); i++) {
      if (i >= path.size()) {
        return null;
      }
      var parameter = PARAMETER.matcher(resource.get(i));
      if (!parameter.matches()) {
        if (!resource.get(i).equals(ApiGateway.percentDecoded(path.get(i)))) {
          return null;
        }
      } else if (parameter.group(2).isEmpty()) {
        if (path.get(i).isEmpty()) {
          return null;
        }
        parameters.put(parameter.group(1), path.get(i));
      } else {
        parameters.put(parameter.group(1), String.join("/", path.subList(i, path.size())));
        return parameters;
      }
    }
    return resource.size() == path.size() ? parameters : null;
  }

  private static int moreSpecificFirst(List<String> one, List<String> other) {
    for (int i = 0; i < Math.min(one.size(), other.size()); i++) {
      var difference = vagueness(one.get(i)) - vagueness(other.get(i));
      if (difference != 0) {
        return difference;
      }
    }
    return other.size() - one.size();
  }

  private static int vagueness(String segment) {
    return !segment.startsWith("{") ? 0 : segment.endsWith("+}") ? 2 : 1;
  }

  private static void mustBe(JsonNode node, String at, String member, String value) {
    if (node.hasNonNull(member) && !node.path(member).asText().equalsIgnoreCase(value)) {
      throw unsupported(at + "/" + member, node.path(member).asText() + " is not supported, " + value + " is");
    }
  }

  private static void only(JsonNode node, String at, String... known) {
    var names = Set.of(known);
    node.fieldNames().forEachRemaining(name -> {
      if (!names.contains(name)) {
        throw unsupported(at + "/" + name, "it is not supported");
      }
    });
  }

  private static void onlyExtensions(JsonNode node, String at, String... known) {
    var names = Set.of(known);
    node.fieldNames().forEachRemaining(name -> {
      if (name.startsWith(PREFIX) && !names.contains(name.substring(PREFIX.length()))) {
        throw unsupported(at + "/" + name, "it is not supported");
      }
    });
  }

  private static List<String> texts(JsonNode array) {
    return array instanceof ArrayNode ? StreamSupport.stream(array.spliterator(), false).map(JsonNode::asText).toList()
        : List.of();
  }

  private static IllegalArgumentException unsupported(String path, String reason) {
    return new IllegalArgumentException("the OpenAPI document at " + path + ": " + reason);
  }
}
