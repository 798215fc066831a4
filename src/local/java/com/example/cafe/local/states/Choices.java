package com.example.cafe.local.states;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.Map;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The rules of a JSONPath Choice state. */
final class Choices {
  private static final Map<String, IntPredicate> ORDERS = Map.of(
      "Equals", order -> order == 0,
      "LessThan", order -> order < 0,
      "GreaterThan", order -> order > 0,
      "LessThanEquals", order -> order <= 0,
      "GreaterThanEquals", order -> order >= 0);
  private static final Pattern COMPARATOR = Pattern.compile(
      "(String|Numeric|Timestamp|Boolean)(Equals|LessThan|GreaterThan|LessThanEquals|GreaterThanEquals)(Path)?");
  /** RFC 3339 with an upper case T and a zone. */
  private static final Pattern TIMESTAMP =
      Pattern.compile("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)");
  static final Set<String> TESTS = Set.of("IsNull", "IsPresent", "IsNumeric", "IsString", "IsBoolean", "IsTimestamp");

  private Choices() {}

  static boolean isComparator(String field) {
    if (field.equals("StringMatches") || TESTS.contains(field)) {
      return true;
    }
    var matcher = COMPARATOR.matcher(field);
    return matcher.matches() && (!matcher.group(1).equals("Boolean") || matcher.group(2).equals("Equals"));
  }

  static boolean matches(JsonNode rule, Scope scope) throws StateError {
    if (rule.has("And")) {
      for (var inner : rule.get("And")) {
        if (!matches(inner, scope)) {
          return false;
        }
      }
      return true;
    }
    if (rule.has("Or")) {
      for (var inner : rule.get("Or")) {
        if (matches(inner, scope)) {
          return true;
        }
      }
      return false;
    }
    if (rule.has("Not")) {
      return !matches(rule.get("Not"), scope);
    }
    var path = rule.get("Variable").asText();
    var variable = JsonPaths.find(path, scope);
    for (var field : rule.properties()) {
      if (isComparator(field.getKey())) {
        return compare(field.getKey(), field.getValue(), variable, path, scope);
      }
    }
    throw StateError.runtime("The choice rule has no comparison operator");
  }

  private static boolean compare(String operator, JsonNode operand, @Nullable JsonNode variable, String path, Scope scope)
      throws StateError {
    if (operator.equals("IsPresent")) {
      return (variable != null) == operand.booleanValue();
    }
    if (variable == null) {
      throw missing(path);
    }
    return switch (operator) {
      case "IsNull" -> variable.isNull() == operand.booleanValue();
      case "IsNumeric" -> variable.isNumber() == operand.booleanValue();
      case "IsString" -> variable.isTextual() == operand.booleanValue();
      case "IsBoolean" -> variable.isBoolean() == operand.booleanValue();
      case "IsTimestamp" -> (timestamp(variable) != null) == operand.booleanValue();
      case "StringMatches" -> variable.isTextual() && wildcard(operand.asText()).matcher(variable.textValue()).matches();
      default -> {
        var matcher = COMPARATOR.matcher(operator);
        if (!matcher.matches()) {
          throw StateError.runtime("Unknown comparison operator " + operator);
        }
        var other = operand;
        if (matcher.group(3) != null) {
          other = JsonPaths.find(operand.asText(), scope);
          if (other == null) {
            throw missing(operand.asText());
          }
        }
        var order = order(matcher.group(1), variable, other);
        yield order != null && ORDERS.get(matcher.group(2)).test(order);
      }
    };
  }

  private static StateError missing(String path) {
    return StateError.runtime(
        "Invalid path '" + path + "': The choice state's condition path references an invalid value.");
  }

  /** How two values compare, null where they are not both of the type: then no comparison holds. */
  private static @Nullable Integer order(String type, JsonNode left, JsonNode right) {
    return switch (type) {
      case "String" -> left.isTextual() && right.isTextual() ? left.textValue().compareTo(right.textValue()) : null;
      case "Numeric" -> left.isNumber() && right.isNumber() ? left.decimalValue().compareTo(right.decimalValue()) : null;
      case "Boolean" ->
          left.isBoolean() && right.isBoolean() ? Boolean.compare(left.booleanValue(), right.booleanValue()) : null;
      default -> {
        var first = timestamp(left);
        var second = timestamp(right);
        yield first == null || second == null ? null : first.compareTo(second);
      }
    };
  }

  static @Nullable Instant timestamp(JsonNode value) {
    return value.isTextual() ? timestamp(value.textValue()) : null;
  }

  static @Nullable Instant timestamp(String text) {
    if (!TIMESTAMP.matcher(text).matches()) {
      return null;
    }
    try {
      return OffsetDateTime.parse(text).toInstant();
    } catch (DateTimeException e) {
      return null;
    }
  }

  /** {@code *} stands for any characters; a backslash takes a star as it is. */
  private static Pattern wildcard(String text) {
    var pattern = new StringBuilder();
    for (var i = 0; i < text.length(); i++) {
      var character = text.charAt(i);
      if (character == '\\' && i + 1 < text.length() && (text.charAt(i + 1) == '*' || text.charAt(i + 1) == '\\')) {
        pattern.append(Pattern.quote(String.valueOf(text.charAt(++i))));
      } else if (character == '*') {
        pattern.append(".*");
      } else {
        pattern.append(Pattern.quote(String.valueOf(character)));
      }
    }
    return Pattern.compile(pattern.toString(), Pattern.DOTALL);
  }
}
