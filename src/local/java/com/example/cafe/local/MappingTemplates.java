package com.example.cafe.local;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.jayway.jsonpath.Configuration;
import com.jayway.jsonpath.JsonPath;
import com.jayway.jsonpath.JsonPathException;
import com.jayway.jsonpath.Option;
import java.io.StringWriter;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.VelocityEngine;
import org.apache.velocity.exception.VelocityException;
import org.apache.velocity.runtime.RuntimeConstants;
import org.apache.velocity.util.introspection.SecureUberspector;
import org.jspecify.annotations.Nullable;

/** Mapping templates of API Gateway: Velocity with {@code $input}, {@code $context}, {@code $stageVariables}, {@code $util}. */
final class MappingTemplates {

  /** Made on first use: Velocity takes a while, and most APIs need it for a preflight at most. */
  private static final class Velocity {
    static final VelocityEngine ENGINE = new VelocityEngine();

    static {
      ENGINE.setProperty(RuntimeConstants.UBERSPECT_CLASSNAME, SecureUberspector.class.getName());
      // No template can include a file.
      ENGINE.setProperty(RuntimeConstants.RESOURCE_LOADERS, "none");
      ENGINE.init();
    }
  }

  private MappingTemplates() {}

  /** @throws IllegalArgumentException for a template that Velocity cannot read or run */
  static String render(String template, Input input, ObjectNode context, Map<String, String> stageVariables) {
    var values = new VelocityContext();
    values.put("input", input);
    values.put("context", Json.MAPPER.convertValue(context, Map.class));
    values.put("stageVariables", stageVariables);
    values.put("util", new Util());
    var out = new StringWriter();
    try {
      Velocity.ENGINE.evaluate(values, out, "mapping template", template);
    } catch (VelocityException e) {
      throw new IllegalArgumentException("the mapping template fails: " + e.getMessage(), e);
    }
    return out.toString();
  }

  /** {@code $input}. Public for Velocity. */
  public static final class Input {
    private static final Configuration PATHS = Configuration.defaultConfiguration()
        .addOptions(Option.SUPPRESS_EXCEPTIONS, Option.DEFAULT_PATH_LEAF_TO_NULL);
    private final String body;
    private final Map<String, Map<String, String>> parameters;

    /** @param parameters by "path", "querystring" and "header" */
    Input(String body, Map<String, Map<String, String>> parameters) {
      this.body = body;
      this.parameters = parameters;
    }

    public String getBody() {
      return body;
    }

    public @Nullable Object path(String expression) {
      try {
        return body.isBlank() ? null : JsonPath.using(PATHS).parse(body).read(expression);
      } catch (JsonPathException e) {
        return null;
      }
    }

    public String json(String expression) {
      var found = path(expression);
      return found == null ? "" : Json.write(found);
    }

    public Map<String, Map<String, String>> params() {
      return parameters;
    }

    public String params(String name) {
      for (var where : new String[] {"path", "querystring", "header"}) {
        var value = parameters.getOrDefault(where, Map.of()).get(name);
        if (value != null) {
          return value;
        }
      }
      return "";
    }
  }

  /** {@code $util}. Public for Velocity. */
  public static final class Util {
    public String escapeJavaScript(String text) {
      return escapeJson(text).replace("'", "\\'");
    }

    public @Nullable Object parseJson(String text) {
      JsonNode json = Json.parse(text);
      return Json.MAPPER.convertValue(json, Object.class);
    }

    public String urlEncode(String text) {
      return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    public String urlDecode(String text) {
      return URLDecoder.decode(text, StandardCharsets.UTF_8);
    }

    public String base64Encode(String text) {
      return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    public String base64Decode(String text) {
      return new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8);
    }
  }

  /** The text as it stands between the quotes of a JSON string. */
  static String escapeJson(String text) {
    return new String(JsonStringEncoder.getInstance().quoteAsString(text));
  }
}
