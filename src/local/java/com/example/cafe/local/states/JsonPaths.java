package com.example.cafe.local.states;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.jayway.jsonpath.Configuration;
import com.jayway.jsonpath.InvalidPathException;
import com.jayway.jsonpath.JsonPath;
import com.jayway.jsonpath.JsonPathException;
import com.jayway.jsonpath.PathNotFoundException;
import com.jayway.jsonpath.spi.json.JacksonJsonNodeJsonProvider;
import com.jayway.jsonpath.spi.mapper.JacksonMappingProvider;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The query language JSONPath: paths, reference paths, payload templates. */
final class JsonPaths {
  private static final Configuration CONFIGURATION = Configuration.builder()
      .jsonProvider(new JacksonJsonNodeJsonProvider(Values.MAPPER))
      .mappingProvider(new JacksonMappingProvider(Values.MAPPER)).build();
  private static final Pattern VARIABLE = Pattern.compile("\\$([A-Za-z_][A-Za-z0-9_]*)(.*)", Pattern.DOTALL);

  private JsonPaths() {}

  /**
   * The value at a path.
   *
   * @param field the field that holds the path, for the message
   * @throws StateError States.Runtime where a definite path leads nowhere
   */
  static JsonNode read(String path, Scope scope, String field) throws StateError {
    var value = find(path, scope);
    if (value == null) {
      throw StateError.runtime("The JSONPath '" + path + "' specified for the field '" + field
          + "' could not be found in the input '" + Values.write(root(path, scope)) + "'");
    }
    return value;
  }

  private static JsonNode root(String path, Scope scope) {
    return path.startsWith("$$") ? scope.context() : scope.input();
  }

  /** The value at a path, or null where there is none. */
  static @Nullable JsonNode find(String path, Scope scope) throws StateError {
    var variable = VARIABLE.matcher(path);
    if (variable.matches()) {
      var value = scope.variables().get(variable.group(1));
      return value == null ? null : find(value, "$" + variable.group(2));
    }
    return path.startsWith("$$") ? find(scope.context(), path.substring(1)) : find(scope.input(), path);
  }

  private static @Nullable JsonNode find(JsonNode root, String path) throws StateError {
    if (path.equals("$")) {
      return root;
    }
    try {
      // A path that ends in a function such as length() gives a plain number or text.
      var value = JsonPath.using(CONFIGURATION).parse(root).<Object>read(path);
      return value instanceof JsonNode node ? node : Values.MAPPER.valueToTree(value);
    } catch (PathNotFoundException e) {
      return null;
    } catch (JsonPathException | IllegalArgumentException | ClassCastException e) {
      throw StateError.runtime("Invalid path '" + path + "': " + e.getMessage());
    }
  }

  static boolean isPath(String text) {
    if (!text.startsWith("$")) {
      return false;
    }
    var variable = VARIABLE.matcher(text);
    var path = variable.matches() ? "$" + variable.group(2) : text.startsWith("$$") ? text.substring(1) : text;
    try {
      JsonPath.compile(path);
      return path.length() == 1 || path.charAt(1) == '.' || path.charAt(1) == '[';
    } catch (InvalidPathException | IllegalArgumentException e) {
      return false;
    }
  }

  /** Whether a path names at most one value: no wildcards, filters, slices or descents. */
  static boolean isReference(String text) {
    if (!isPath(text)) {
      return false;
    }
    var variable = VARIABLE.matcher(text);
    var path = variable.matches() ? "$" + variable.group(2) : text.startsWith("$$") ? text.substring(1) : text;
    return steps(path) != null;
  }

  // ---- payload templates -------------------------------------------------------------------------------------------

  /** A payload template: every member whose name ends in ".$" is replaced by what its path or function gives. */
  static JsonNode template(JsonNode template, Scope scope) throws StateError {
    return switch (template.getNodeType()) {
      case OBJECT -> {
        var object = JsonNodeFactory.instance.objectNode();
        for (var member : template.properties()) {
          var name = member.getKey();
          if (name.endsWith(".$")) {
            object.set(name.substring(0, name.length() - 2), expression(member.getValue(), scope, name));
          } else {
            object.set(name, template(member.getValue(), scope));
          }
        }
        yield object;
      }
      case ARRAY -> {
        var array = JsonNodeFactory.instance.arrayNode();
        for (var element : template) {
          array.add(template(element, scope));
        }
        yield array;
      }
      default -> template;
    };
  }

  private static JsonNode expression(JsonNode value, Scope scope, String field) throws StateError {
    var text = value.asText();
    return text.startsWith("$") ? read(text, scope, field) : Intrinsics.call(text, scope, field);
  }

  /** A path or an intrinsic function, as ErrorPath and CausePath may hold. */
  static JsonNode pathOrFunction(String text, Scope scope, String field) throws StateError {
    return text.startsWith("$") ? read(text, scope, field) : Intrinsics.call(text, scope, field);
  }

  // ---- reference paths ---------------------------------------------------------------------------------------------

  private static final Pattern STEP =
      Pattern.compile("\\.([^.\\[\\]'\"*?@(),:\\s]+)|\\['((?:[^'\\\\]|\\\\.)*)'\\]|\\[\"((?:[^\"\\\\]|\\\\.)*)\"\\]|\\[(\\d+)\\]");

  /** The steps of a reference path: member names as text, indexes as numbers; null where it is none. */
  private static @Nullable List<Object> steps(String path) {
    var steps = new ArrayList<>();
    var matcher = STEP.matcher(path);
    var at = 1;
    while (at < path.length()) {
      if (!matcher.find(at) || matcher.start() != at) {
        return null;
      }
      if (matcher.group(4) != null) {
        steps.add(Integer.valueOf(matcher.group(4)));
      } else {
        var name = matcher.group(1) != null ? matcher.group(1) : matcher.group(2) != null ? matcher.group(2) : matcher.group(3);
        steps.add(name.replaceAll("\\\\(.)", "$1"));
      }
      at = matcher.end();
    }
    return steps;
  }

  /**
   * ResultPath: the input with a value put at a reference path; what is missing on the way is created.
   *
   * @throws StateError States.ResultPathMatchFailure where the path runs into a value that has no members
   */
  static JsonNode put(JsonNode input, String path, JsonNode value) throws StateError {
    var steps = steps(path);
    if (steps == null) {
      throw StateError.runtime("Invalid path '" + path + "': the value is not a Reference Path");
    }
    return put(input, steps, value, path, input);
  }

  private static JsonNode put(@Nullable JsonNode node, List<Object> steps, JsonNode value, String path, JsonNode input)
      throws StateError {
    if (steps.isEmpty()) {
      return value;
    }
    var rest = steps.subList(1, steps.size());
    switch (steps.getFirst()) {
      case String name -> {
        if (node != null && !node.isObject()) {
          throw mismatch(path, input);
        }
        var object = node == null ? JsonNodeFactory.instance.objectNode() : ((ObjectNode) node).objectNode();
        if (node != null) {
          object.setAll((ObjectNode) node);
        }
        object.set(name, put(node == null ? null : node.get(name), rest, value, path, input));
        return object;
      }
      case Integer index when node instanceof ArrayNode array && index < array.size() -> {
        var copy = array.arrayNode().addAll(array);
        copy.set(index, put(array.get(index), rest, value, path, input));
        return copy;
      }
      default -> throw mismatch(path, input);
    }
  }

  private static StateError mismatch(String path, JsonNode input) {
    return StateError.found("States.ResultPathMatchFailure",
        "Unable to apply ReferencePath " + path + " to input " + Values.write(input));
  }
}
