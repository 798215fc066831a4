package com.example.cafe.local.states;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.StringTokenizer;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;

/** The intrinsic functions of JSONPath states: {@code States.Format('{}', $.name)} and its like. */
final class Intrinsics {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final int MAX_TEXT = 10_000;
  private static final int MAX_RANGE = 1_000;

  private Intrinsics() {}

  /**
   * Evaluates a call.
   *
   * @throws StateError States.IntrinsicFailure with the call in the cause; States.Runtime where an argument's path leads
   *     nowhere
   */
  static JsonNode call(String text, Scope scope, String field) throws StateError {
    try {
      var parser = new Syntax(text);
      var call = parser.call();
      parser.end();
      return evaluate(call, scope, field);
    } catch (Fault e) {
      throw StateError.found("States.IntrinsicFailure", "The function '" + text + "' had the following error: " + e.getMessage());
    }
  }

  /** Whether a text is a call that {@link #call} understands, by its form and its function's name. */
  static boolean isCall(String text) {
    try {
      var parser = new Syntax(text);
      var call = parser.call();
      parser.end();
      return known(call);
    } catch (Fault e) {
      return false;
    }
  }

  private static boolean known(Call call) {
    return NAMES.contains(call.name())
        && call.arguments().stream().allMatch(argument -> !(argument instanceof Call inner) || known(inner));
  }

  private static final Set<String> NAMES = Set.of("States.Format", "States.StringToJson",
      "States.JsonToString", "States.Array", "States.ArrayPartition", "States.ArrayContains", "States.ArrayRange",
      "States.ArrayGetItem", "States.ArrayLength", "States.ArrayUnique", "States.Base64Encode", "States.Base64Decode",
      "States.Hash", "States.JsonMerge", "States.MathRandom", "States.MathAdd", "States.StringSplit", "States.UUID");

  // ---- syntax ------------------------------------------------------------------------------------------------------

  private sealed interface Argument permits Literal, Path, Call {}

  private record Literal(JsonNode value) implements Argument {}

  private record Path(String path) implements Argument {}

  private record Call(String name, List<Argument> arguments) implements Argument {}

  @SuppressWarnings("serial")
  private static final class Fault extends Exception {
    Fault(String message) {
      super(message, null, false, false);
    }
  }

  private static final class Syntax {
    private final String text;
    private int at;

    Syntax(String text) {
      this.text = text;
    }

    Call call() throws Fault {
      space();
      var start = at;
      while (at < text.length() && (Character.isLetterOrDigit(text.charAt(at)) || text.charAt(at) == '.')) {
        at++;
      }
      var name = text.substring(start, at);
      space();
      expect('(');
      var arguments = new ArrayList<Argument>();
      space();
      if (peek() == ')') {
        at++;
        return new Call(name, arguments);
      }
      while (true) {
        arguments.add(argument());
        space();
        if (peek() == ',') {
          at++;
          continue;
        }
        expect(')');
        return new Call(name, arguments);
      }
    }

    private Argument argument() throws Fault {
      space();
      return switch (peek()) {
        case '\'' -> new Literal(NODES.textNode(string()));
        case '$' -> new Path(path());
        default -> {
          var start = at;
          while (at < text.length() && ",() ".indexOf(text.charAt(at)) < 0) {
            at++;
          }
          var word = text.substring(start, at);
          if (word.startsWith("States.")) {
            at = start;
            yield call();
          }
          yield new Literal(literal(word));
        }
      };
    }

    private static JsonNode literal(String word) throws Fault {
      try {
        return switch (word) {
          case "true" -> BooleanNode.TRUE;
          case "false" -> BooleanNode.FALSE;
          case "null" -> NullNode.instance;
          default -> Values.parse(new BigDecimal(word).toString());
        };
      } catch (NumberFormatException | Values.Malformed e) {
        throw new Fault("invalid argument '" + word + "'");
      }
    }

    /** Between single quotes; a backslash takes the next character as it is, but stays before braces for Format. */
    private String string() throws Fault {
      var value = new StringBuilder();
      for (at++; at < text.length(); at++) {
        var character = text.charAt(at);
        if (character == '\'') {
          at++;
          return value.toString();
        }
        if (character == '\\' && at + 1 < text.length()) {
          var next = text.charAt(++at);
          if (next == '{' || next == '}' || next == '\\') {
            value.append('\\');
          }
          value.append(next);
        } else {
          value.append(character);
        }
      }
      throw new Fault("a string is not closed");
    }

    /** A path runs to the comma or parenthesis that closes the argument; brackets and quotes inside hide theirs. */
    private String path() throws Fault {
      var start = at;
      var depth = 0;
      var quote = 0;
      for (; at < text.length(); at++) {
        var character = text.charAt(at);
        if (quote != 0) {
          quote = character == quote ? 0 : quote;
        } else if (character == '\'' || character == '"') {
          quote = character;
        } else if (character == '[' || character == '(') {
          depth++;
        } else if (depth > 0 && (character == ']' || character == ')')) {
          depth--;
        } else if (depth == 0 && (character == ',' || character == ')')) {
          break;
        }
      }
      return text.substring(start, at).strip();
    }

    void end() throws Fault {
      space();
      if (at < text.length()) {
        throw new Fault("unexpected text after the call");
      }
    }

    private void space() {
      while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
        at++;
      }
    }

    private char peek() throws Fault {
      if (at >= text.length()) {
        throw new Fault("the call is not closed");
      }
      return text.charAt(at);
    }

    private void expect(char character) throws Fault {
      if (peek() != character) {
        throw new Fault("'" + character + "' expected");
      }
      at++;
    }
  }

  // ---- evaluation --------------------------------------------------------------------------------------------------

  private static JsonNode evaluate(Call call, Scope scope, String field) throws Fault, StateError {
    var values = new ArrayList<JsonNode>();
    for (var argument : call.arguments()) {
      values.add(switch (argument) {
        // Only Format reads escaped braces itself.
        case Literal(var value) when value.isTextual() && !call.name().equals("States.Format") ->
            NODES.textNode(value.textValue().replaceAll("\\\\([{}\\\\])", "$1"));
        case Literal(var value) -> value;
        case Path(var path) -> JsonPaths.read(path, scope, field);
        case Call inner -> evaluate(inner, scope, field);
      });
    }
    var a = new Arguments(call.name(), values);
    return switch (call.name()) {
      case "States.Format" -> format(a.atLeast(1));
      case "States.StringToJson" -> stringToJson(a.exactly(1).text(0));
      case "States.JsonToString" -> NODES.textNode(Values.write(a.exactly(1).get(0)));
      case "States.Array" -> NODES.arrayNode().addAll(values);
      case "States.ArrayPartition" -> partition(a.exactly(2));
      case "States.ArrayContains" -> NODES.booleanNode(contains(a.exactly(2).array(0), a.get(1)));
      case "States.ArrayRange" -> range(a.exactly(3));
      case "States.ArrayGetItem" -> item(a.exactly(2));
      case "States.ArrayLength" -> NODES.numberNode(a.exactly(1).array(0).size());
      case "States.ArrayUnique" -> unique(a.exactly(1).array(0));
      case "States.Base64Encode" -> NODES.textNode(
          Base64.getEncoder().encodeToString(a.exactly(1).shortText(0).getBytes(StandardCharsets.UTF_8)));
      case "States.Base64Decode" -> decode(a.exactly(1).shortText(0));
      case "States.Hash" -> hash(a.exactly(2));
      case "States.JsonMerge" -> merge(a.exactly(3));
      case "States.MathRandom" -> random(a);
      case "States.MathAdd" -> NODES.numberNode(a.exactly(2).integer(0) + a.integer(1));
      case "States.StringSplit" -> split(a.exactly(2));
      case "States.UUID" -> {
        a.exactly(0);
        yield NODES.textNode(UUID.randomUUID().toString());
      }
      default -> throw new Fault("there is no intrinsic function " + call.name());
    };
  }

  private record Arguments(String function, List<JsonNode> values) {
    Arguments exactly(int count) throws Fault {
      if (values.size() != count) {
        throw new Fault(function + " takes " + count + " arguments, but there are " + values.size());
      }
      return this;
    }

    Arguments atLeast(int count) throws Fault {
      if (values.size() < count) {
        throw new Fault(function + " takes at least " + count + " arguments, but there are " + values.size());
      }
      return this;
    }

    JsonNode get(int index) {
      return values.get(index);
    }

    private Fault wrong(int index, String expected) {
      return new Fault("argument " + (index + 1) + " must be " + expected + ", but is " + Values.write(get(index)));
    }

    String text(int index) throws Fault {
      if (!get(index).isTextual()) {
        throw wrong(index, "a string");
      }
      return get(index).textValue();
    }

    String shortText(int index) throws Fault {
      var text = text(index);
      if (text.length() > MAX_TEXT) {
        throw new Fault("argument " + (index + 1) + " must not be longer than " + MAX_TEXT + " characters");
      }
      return text;
    }

    ArrayNode array(int index) throws Fault {
      if (!(get(index) instanceof ArrayNode array)) {
        throw wrong(index, "an array");
      }
      return array;
    }

    ObjectNode object(int index) throws Fault {
      if (!(get(index) instanceof ObjectNode object)) {
        throw wrong(index, "an object");
      }
      return object;
    }

    /** A number, rounded to the nearest integer. */
    int integer(int index) throws Fault {
      if (!get(index).isNumber()) {
        throw wrong(index, "a number");
      }
      var rounded = Math.floor(get(index).doubleValue() + 0.5);
      if (rounded < Integer.MIN_VALUE || rounded > Integer.MAX_VALUE) {
        throw wrong(index, "between " + Integer.MIN_VALUE + " and " + Integer.MAX_VALUE);
      }
      return (int) rounded;
    }
  }

  private static JsonNode format(Arguments arguments) throws Fault {
    var template = arguments.text(0);
    var text = new StringBuilder();
    var next = 1;
    for (var i = 0; i < template.length(); i++) {
      var character = template.charAt(i);
      if (character == '\\' && i + 1 < template.length()) {
        text.append(template.charAt(++i));
      } else if (character == '{') {
        if (i + 1 >= template.length() || template.charAt(i + 1) != '}') {
          throw new Fault("matching '}' not found for '{' in the template");
        }
        i++;
        if (next >= arguments.values().size()) {
          throw new Fault("there are more placeholders in the template than arguments");
        }
        var value = arguments.get(next++);
        text.append(value.isTextual() ? value.textValue() : Values.write(value));
      } else if (character == '}') {
        throw new Fault("matching '{' not found for '}' in the template");
      } else {
        text.append(character);
      }
    }
    if (next < arguments.values().size()) {
      throw new Fault("there are fewer placeholders in the template than arguments");
    }
    return NODES.textNode(text.toString());
  }

  private static JsonNode stringToJson(String text) throws Fault {
    if (text.isBlank()) {
      return NullNode.instance;
    }
    try {
      return Values.parse(text);
    } catch (Values.Malformed e) {
      throw new Fault(e.getMessage());
    }
  }

  private static JsonNode partition(Arguments arguments) throws Fault {
    var array = arguments.array(0);
    var size = arguments.integer(1);
    if (size < 1) {
      throw new Fault("the chunk size must be a positive integer, but is " + size);
    }
    var chunks = NODES.arrayNode();
    for (var from = 0; from < array.size(); from += size) {
      var chunk = chunks.addArray();
      for (var i = from; i < Math.min(array.size(), from + size); i++) {
        chunk.add(array.get(i));
      }
    }
    return chunks;
  }

  /** Numbers are equal by value, 1 and 1.0 alike. */
  private static boolean contains(ArrayNode array, JsonNode value) {
    for (var element : array) {
      if (element.equals(value)
          || (element.isNumber() && value.isNumber() && element.decimalValue().compareTo(value.decimalValue()) == 0)) {
        return true;
      }
    }
    return false;
  }

  private static JsonNode range(Arguments arguments) throws Fault {
    var first = arguments.integer(0);
    var last = arguments.integer(1);
    var step = arguments.integer(2);
    if (step == 0) {
      throw new Fault("the step must not be 0");
    }
    var values = NODES.arrayNode();
    for (long value = first; step > 0 ? value <= last : value >= last; value += step) {
      if (values.size() == MAX_RANGE) {
        throw new Fault("the range has more than " + MAX_RANGE + " elements");
      }
      values.add((int) value);
    }
    return values;
  }

  private static JsonNode item(Arguments arguments) throws Fault {
    var array = arguments.array(0);
    var index = arguments.integer(1);
    if (index < 0 || index >= array.size()) {
      throw new Fault("the index " + index + " is out of range: the array has " + array.size() + " elements");
    }
    return array.get(index);
  }

  private static JsonNode unique(ArrayNode array) {
    var values = new LinkedHashSet<JsonNode>();
    array.forEach(values::add);
    return NODES.arrayNode().addAll(values);
  }

  private static JsonNode decode(String text) throws Fault {
    try {
      return NODES.textNode(new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8));
    } catch (IllegalArgumentException e) {
      throw new Fault("the argument is not Base64");
    }
  }

  private static JsonNode hash(Arguments arguments) throws Fault {
    var value = arguments.get(0);
    var text = value.isTextual() ? arguments.shortText(0) : Values.write(value);
    var hash = Jsonata.digest(text, arguments.text(1));
    if (hash == null) {
      throw new Fault("the hash algorithm must be one of MD5, SHA-1, SHA-256, SHA-384, SHA-512, but is "
          + arguments.text(1));
    }
    return NODES.textNode(hash);
  }

  private static JsonNode merge(Arguments arguments) throws Fault {
    if (!arguments.get(2).isBoolean() || arguments.get(2).booleanValue()) {
      throw new Fault("only the shallow merge is supported: the third argument must be false");
    }
    var merged = NODES.objectNode();
    merged.setAll(arguments.object(0));
    merged.setAll(arguments.object(1));
    return merged;
  }

  private static JsonNode random(Arguments arguments) throws Fault {
    if (arguments.values().size() != 3) {
      arguments.exactly(2);
    }
    var first = arguments.integer(0);
    var end = arguments.integer(1);
    if (first >= end) {
      throw new Fault("the end of the range must be greater than its start");
    }
    var random = arguments.values().size() == 3 ? new Random(arguments.integer(2)) : ThreadLocalRandom.current();
    return NODES.numberNode(random.nextInt(first, end));
  }

  /** Every character of the second argument separates; separators in a row count as one. */
  private static JsonNode split(Arguments arguments) throws Fault {
    var tokens = NODES.arrayNode();
    var separators = arguments.text(1);
    if (separators.isEmpty()) {
      return tokens.add(arguments.text(0));
    }
    var tokenizer = new StringTokenizer(arguments.text(0), separators);
    while (tokenizer.hasMoreTokens()) {
      tokens.add(tokenizer.nextToken());
    }
    return tokens;
  }
}
