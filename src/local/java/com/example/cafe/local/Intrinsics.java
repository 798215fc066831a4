package com.example.cafe.local;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * CloudFormation's intrinsic functions over a template (AWS CloudFormation User Guide, "Intrinsic function reference"):
 * Ref, Fn::GetAtt, Fn::Sub, Fn::Join, Fn::Select, Fn::Split, Fn::FindInMap, Fn::Base64, Fn::Cidr, Fn::GetAZs, the
 * condition functions, and Fn::Transform with AWS::Include. Any other Fn:: is refused by name.
 */
final class Intrinsics {
  private static final Pattern VARIABLE = Pattern.compile("\\$\\{(!?)([^}]*)}");
  private static final JsonNode NO_VALUE = Json.MAPPER.getNodeFactory().pojoNode("AWS::NoValue");

  private final Path folder;
  private final ObjectNode mappings;
  private final Map<String, JsonNode> values = new HashMap<>();
  private final Map<String, Boolean> conditions = new HashMap<>();
  private final Map<String, Map<String, String>> attributes = new java.util.concurrent.ConcurrentHashMap<>();
  private final Map<String, String> references = new java.util.concurrent.ConcurrentHashMap<>();

  /**
   * @param folder what the locations of AWS::Include are relative to
   * @param given values of parameters that differ from their defaults
   * @throws IllegalArgumentException naming a parameter without a value or with one that its rules forbid
   */
  Intrinsics(ObjectNode template, Path folder, Map<String, String> given) {
    this.folder = folder;
    this.mappings = template.withObject("/Mappings");
    values.put("AWS::AccountId", text(Settings.ACCOUNT));
    values.put("AWS::Region", text(Settings.REGION));
    values.put("AWS::StackName", text(Settings.STACK));
    values.put("AWS::StackId", text(Settings.arn("cloudformation", "stack/" + Settings.STACK + "/local")));
    values.put("AWS::Partition", text("aws"));
    values.put("AWS::URLSuffix", text("amazonaws.com"));
    values.put("AWS::NotificationARNs", Json.array());
    values.put("AWS::NoValue", NO_VALUE);
    var parameters = template.withObject("/Parameters");
    given.keySet().stream().filter(name -> !parameters.has(name)).findFirst().ifPresent(name -> {
      throw new IllegalArgumentException("template.yaml has no parameter " + name);
    });
    parameters.properties().forEach(p -> values.put(p.getKey(), parameter(p.getKey(), p.getValue(), given.get(p.getKey()))));
    // Conditions may name each other in any order.
    var definitions = template.withObject("/Conditions");
    definitions.fieldNames().forEachRemaining(name -> condition(name, definitions, new TreeSet<>()));
  }

  private static JsonNode parameter(String name, JsonNode definition, @Nullable String given) {
    var type = definition.path("Type").asText("String");
    var value = given != null ? given : Json.text(definition, "Default");
    if (value == null) {
      throw new IllegalArgumentException("parameter " + name + " has no default: give it a value");
    }
    var allowed = definition.path("AllowedValues");
    if (allowed.isArray() && !contains(allowed, value)) {
      throw new IllegalArgumentException("parameter " + name + ": " + value + " is none of " + allowed);
    }
    var pattern = Json.text(definition, "AllowedPattern");
    if (pattern != null && !value.matches(pattern)) {
      throw new IllegalArgumentException("parameter " + name + ": " + value + " does not match " + pattern);
    }
    if (type.equals("Number")) {
      var number = new java.math.BigDecimal(value);
      if (definition.has("MinValue") && number.compareTo(definition.get("MinValue").decimalValue()) < 0
          || definition.has("MaxValue") && number.compareTo(definition.get("MaxValue").decimalValue()) > 0) {
        throw new IllegalArgumentException("parameter " + name + ": " + value + " is out of its range");
      }
    }
    if (type.equals("CommaDelimitedList") || type.startsWith("List<")) {
      var list = Json.array();
      if (!value.isBlank()) {
        for (var item : value.split(",")) {
          list.add(item.strip());
        }
      }
      return list;
    }
    return text(value);
  }

  private static boolean contains(JsonNode array, String value) {
    for (var item : array) {
      if (item.asText().equals(value)) {
        return true;
      }
    }
    return false;
  }

  private boolean condition(String name, ObjectNode definitions, Set<String> seen) {
    var known = conditions.get(name);
    if (known != null) {
      return known;
    }
    if (!definitions.has(name)) {
      throw new IllegalArgumentException("the template has no condition " + name);
    }
    if (!seen.add(name)) {
      throw new IllegalArgumentException("conditions " + String.join(", ", seen) + " depend on each other");
    }
    referencedConditions(definitions.get(name)).forEach(other -> condition(other, definitions, seen));
    var result = bool(resolve(definitions.get(name)));
    conditions.put(name, result);
    return result;
  }

  private static List<String> referencedConditions(JsonNode node) {
    var names = new ArrayList<String>();
    if (node.isObject() && node.size() == 1 && node.has("Condition")) {
      names.add(node.get("Condition").asText());
    }
    node.forEach(child -> names.addAll(referencedConditions(child)));
    return names;
  }

  /** Whether a condition of the template holds. */
  boolean holds(String condition) {
    var value = conditions.get(condition);
    if (value == null) {
      throw new IllegalArgumentException("the template has no condition " + condition);
    }
    return value;
  }

  /** Makes a created resource known to Ref and Fn::GetAtt. */
  void created(String logicalId, Provisioner.Provisioned resource) {
    attributes.put(logicalId, resource.attributes());
    references.put(logicalId, resource.ref());
  }

  /** The logical ids and parameters that a node refers to, those of included files too. */
  Set<String> references(JsonNode node) {
    var found = new TreeSet<String>();
    collect(include(node), found);
    return found;
  }

  private void collect(JsonNode node, Set<String> found) {
    if (node.isObject() && node.size() == 1) {
      var argument = node.elements().next();
      switch (node.fieldNames().next()) {
        case "Ref" -> found.add(argument.asText());
        case "Fn::GetAtt" -> found.add(argument.isArray() ? argument.path(0).asText() : argument.asText().split("\\.")[0]);
        case "Fn::Sub" -> {
          var text = argument.isArray() ? argument.path(0).asText() : argument.asText();
          var own = argument.isArray() ? argument.path(1) : Json.object();
          var matcher = VARIABLE.matcher(text);
          while (matcher.find()) {
            if (matcher.group(1).isEmpty() && !own.has(matcher.group(2))) {
              found.add(matcher.group(2).contains("::") ? matcher.group(2) : matcher.group(2).split("\\.")[0]);
            }
          }
        }
        default -> { }
      }
    }
    node.forEach(child -> collect(child, found));
  }

  /** Replaces every Fn::Transform with AWS::Include by the file that it names; nothing else is resolved. */
  JsonNode include(JsonNode node) {
    if (node.isArray()) {
      var array = Json.array();
      node.forEach(item -> array.add(include(item)));
      return array;
    }
    if (!node.isObject()) {
      return node;
    }
    var object = Json.object();
    for (var entry : node.properties()) {
      if (!entry.getKey().equals("Fn::Transform")) {
        object.set(entry.getKey(), include(entry.getValue()));
        continue;
      }
      var name = entry.getValue().path("Name").asText();
      if (!name.equals("AWS::Include")) {
        throw new IllegalArgumentException("transform " + name + " is not supported");
      }
      var location = resolve(entry.getValue().path("Parameters").path("Location")).asText();
      if (location.isBlank() || location.startsWith("s3:")) {
        throw new IllegalArgumentException("AWS::Include wants a Location beside the template, not '" + location + "'");
      }
      var included = include(Yaml.read(folder.resolve(location)));
      if (node.size() == 1) {
        return included;
      }
      object.setAll((ObjectNode) included);
    }
    return object;
  }

  /** A node with every function replaced by its value. */
  JsonNode resolve(JsonNode node) {
    if (node.isArray()) {
      var array = Json.array();
      for (var item : node) {
        var value = resolve(item);
        if (value != NO_VALUE) {
          array.add(value);
        }
      }
      return array;
    }
    if (!node.isObject()) {
      return node;
    }
    if (node.size() == 1) {
      var function = node.fieldNames().next();
      if (function.equals("Ref") || function.equals("Condition") && node.get(function).isTextual()
          && conditions.containsKey(node.get(function).asText()) || function.startsWith("Fn::")) {
        return function(function, node.get(function));
      }
    }
    var object = Json.object();
    for (var entry : node.properties()) {
      if (entry.getKey().startsWith("Fn::") && !entry.getKey().equals("Fn::Transform")) {
        throw new IllegalArgumentException(entry.getKey() + " must stand alone");
      }
      var value = resolve(entry.getValue());
      if (value != NO_VALUE) {
        object.set(entry.getKey(), value);
      }
    }
    return object;
  }

  private JsonNode function(String name, JsonNode argument) {
    return switch (name) {
      case "Ref" -> ref(argument.asText());
      case "Condition" -> bool(holds(argument.asText()));
      case "Fn::GetAtt" -> {
        var parts = argument.isArray() ? argument : Json.array().add(argument.asText().split("\\.", 2)[0]).add(argument.asText().split("\\.", 2)[1]);
        yield text(attribute(parts.get(0).asText(), resolve(parts.get(1)).asText()));
      }
      case "Fn::Sub" -> text(substitute(argument));
      case "Fn::Join" -> {
        var items = new ArrayList<String>();
        resolve(argument.path(1)).forEach(item -> items.add(item.asText()));
        yield text(String.join(argument.path(0).asText(), items));
      }
      case "Fn::Select" -> {
        var list = resolve(argument.path(1));
        var index = resolve(argument.path(0)).asInt();
        if (!list.isArray() || index >= list.size()) {
          throw new IllegalArgumentException("Fn::Select: no item " + index + " in " + list);
        }
        yield list.get(index);
      }
      case "Fn::Split" -> {
        var list = Json.array();
        for (var item : resolve(argument.path(1)).asText().split(Pattern.quote(argument.path(0).asText()), -1)) {
          list.add(item);
        }
        yield list;
      }
      case "Fn::FindInMap" -> {
        var value = mappings.path(resolve(argument.path(0)).asText()).path(resolve(argument.path(1)).asText())
            .path(resolve(argument.path(2)).asText());
        if (value.isMissingNode()) {
          throw new IllegalArgumentException("Fn::FindInMap: no such entry: " + argument);
        }
        yield value;
      }
      case "Fn::Base64" -> text(Base64.getEncoder().encodeToString(resolve(argument).asText().getBytes(StandardCharsets.UTF_8)));
      case "Fn::GetAZs" -> Json.array().add(Settings.REGION + "a").add(Settings.REGION + "b").add(Settings.REGION + "c");
      case "Fn::Cidr" -> cidr(resolve(argument));
      case "Fn::If" -> resolve(holds(argument.path(0).asText()) ? argument.path(1) : argument.path(2));
      case "Fn::Equals" -> bool(resolve(argument.path(0)).asText().equals(resolve(argument.path(1)).asText()));
      case "Fn::Not" -> bool(!bool(resolve(argument.path(0))));
      case "Fn::And" -> bool(all(argument, true));
      case "Fn::Or" -> bool(!all(argument, false));
      case "Fn::Transform" -> resolve(include(Json.object().set(name, argument)));
      default -> throw new IllegalArgumentException("the function " + name + " is not supported");
    };
  }

  private boolean all(JsonNode arguments, boolean wanted) {
    for (var argument : arguments) {
      if (bool(resolve(argument)) != wanted) {
        return false;
      }
    }
    return true;
  }

  private JsonNode ref(String name) {
    var value = values.get(name);
    if (value != null) {
      return value;
    }
    var reference = references.get(name);
    if (reference == null) {
      throw new IllegalArgumentException("Ref " + name + ": there is no such parameter or resource");
    }
    return text(reference);
  }

  private String attribute(String logicalId, String name) {
    var known = attributes.get(logicalId);
    if (known == null) {
      throw new IllegalArgumentException("Fn::GetAtt " + logicalId + "." + name + ": there is no such resource");
    }
    var value = known.get(name);
    if (value == null) {
      throw new IllegalArgumentException("Fn::GetAtt " + logicalId + "." + name + ": no such attribute; it has " + new TreeSet<>(known.keySet()));
    }
    return value;
  }

  private String substitute(JsonNode argument) {
    var text = argument.isArray() ? argument.path(0).asText() : argument.asText();
    var own = argument.isArray() ? argument.path(1) : Json.object();
    return VARIABLE.matcher(text).replaceAll(match -> {
      var name = match.group(2);
      if (!match.group(1).isEmpty()) {
        return java.util.regex.Matcher.quoteReplacement("${" + name + "}");
      }
      String value;
      if (own.has(name)) {
        value = resolve(own.get(name)).asText();
      } else if (name.contains("::") || !name.contains(".")) {
        value = ref(name).asText();
      } else {
        value = attribute(name.substring(0, name.indexOf('.')), name.substring(name.indexOf('.') + 1));
      }
      return java.util.regex.Matcher.quoteReplacement(value);
    });
  }

  /** Fn::Cidr for IPv4: count blocks with the given number of host bits out of one block. */
  private static JsonNode cidr(JsonNode arguments) {
    var block = arguments.path(0).asText().split("/");
    var octets = block[0].split("\\.");
    if (octets.length != 4) {
      throw new IllegalArgumentException("Fn::Cidr: only IPv4 blocks are supported, not " + arguments.path(0).asText());
    }
    long base = 0;
    for (var octet : octets) {
      base = base << 8 | Integer.parseInt(octet);
    }
    var bits = arguments.path(2).asInt(8);
    var list = Json.array();
    for (var i = 0; i < arguments.path(1).asInt(); i++) {
      var address = base + ((long) i << bits);
      list.add("%d.%d.%d.%d/%d".formatted(address >> 24 & 255, address >> 16 & 255, address >> 8 & 255, address & 255, 32 - bits));
    }
    return list;
  }

  private static JsonNode text(String value) {
    return Json.MAPPER.getNodeFactory().textNode(value);
  }

  private static JsonNode bool(boolean value) {
    return Json.MAPPER.getNodeFactory().booleanNode(value);
  }

  private static boolean bool(JsonNode node) {
    return node.asText().equals("true");
  }
}
