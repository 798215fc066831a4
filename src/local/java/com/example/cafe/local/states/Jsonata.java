package com.example.cafe.local.states;

import com.dashjoin.jsonata.JException;
import com.dashjoin.jsonata.Jsonata.JFunction;
import com.dashjoin.jsonata.Parser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The query language JSONata: the library's, plus the functions that Step Functions adds, less {@code $eval}, with the
 * errors worded as the service words them.
 */
final class Jsonata {
  /** Bounds on one expression: time in milliseconds and nesting. The service has such bounds, too. */
  private static final long MAX_MILLIS = 5_000;
  private static final int MAX_DEPTH = 500;
  private static final int MAX_RANGE = 1_000_000;

  private static final Object NULL = com.dashjoin.jsonata.Jsonata.NULL_VALUE;
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  private Jsonata() {}

  /** Whether a text is an expression: it starts with the opening delimiter and ends with the closing one. */
  static boolean isExpression(JsonNode value) {
    return value.isTextual() && isExpression(value.textValue());
  }

  static boolean isExpression(String text) {
    return text.length() >= 4 && text.startsWith("{%") && text.endsWith("%}");
  }

  static String expression(String text) {
    return text.substring(2, text.length() - 2).strip();
  }

  /**
   * A value of a JSONata state: expressions in it are replaced by their results, everything else stands for itself.
   *
   * @param field where it stands, for messages: "Output", "Arguments/Payload"
   */
  static JsonNode evaluate(JsonNode template, Scope scope, String field) throws StateError {
    return switch (template.getNodeType()) {
      case STRING -> isExpression(template) ? run(expression(template.textValue()), scope, field) : template;
      case OBJECT -> {
        var object = NODES.objectNode();
        for (var member : template.properties()) {
          object.set(member.getKey(), evaluate(member.getValue(), scope, field + "/" + member.getKey()));
        }
        yield object;
      }
      case ARRAY -> {
        var array = NODES.arrayNode();
        for (var i = 0; i < template.size(); i++) {
          array.add(evaluate(template.get(i), scope, field + "[" + i + "]"));
        }
        yield array;
      }
      default -> template;
    };
  }

  /** Like {@link #evaluate}, for a field that must come out as one type. */
  static JsonNode evaluate(JsonNode template, Scope scope, String field, String type) throws StateError {
    var value = evaluate(template, scope, field);
    var actual = Values.type(value);
    if (!actual.equals(type)) {
      throw isExpression(template)
          ? StateError.query(field, "The JSONata expression '" + expression(template.textValue())
              + "' specified for the field '" + field + "' returned an unexpected result type. Expected '" + type
              + "', but was '" + actual + "' for value: " + Values.write(value))
          : StateError.query(field, "The value specified for the field '" + field + "' has an unexpected type. Expected '"
              + type + "', but was '" + actual + "' for value: " + Values.write(value));
    }
    return value;
  }

  private static JsonNode run(String expression, Scope scope, String field) throws StateError {
    Object result;
    try {
      var jsonata = com.dashjoin.jsonata.Jsonata.jsonata(expression);
      jsonata.setOutputConvertNulls(false);
      jsonata.setValidateInput(false);
      var frame = jsonata.createFrame();
      scope.variables().all().forEach((name, value) -> frame.bind(name, toJava(value)));
      frame.bind("states", states(scope));
      FUNCTIONS.forEach((name, function) -> frame.bind(name, (Object) function));
      frame.bind("eval", (Object) null);
      frame.setRuntimeBounds(MAX_MILLIS, MAX_DEPTH);
      result = jsonata.evaluate(null, frame);
    } catch (JException e) {
      throw StateError.query(field, sentence(expression, field) + " threw an error during evaluation" + tail(expression, e));
    } catch (StackOverflowError e) {
      throw StateError.query(field, sentence(expression, field)
          + " threw an error during evaluation: Stack overflow error: Check for non-terminating recursive function.");
    } catch (NumberFormatException e) {
      throw StateError.query(field, sentence(expression, field)
          + " threw an error during evaluation. D3030: Unable to cast value to a number: "
          + String.valueOf(e.getMessage()).replaceFirst("^For input string: ", ""));
    } catch (RuntimeException e) {
      throw StateError.query(field, sentence(expression, field) + " threw an error during evaluation: " + e.getMessage());
    }
    if (result == null) {
      throw StateError.query(field, sentence(expression, field) + " returned nothing (undefined).");
    }
    var node = toJson(result);
    if (node == null) {
      throw StateError.query(field, sentence(expression, field) + " returned an unsupported result type.");
    }
    return node;
  }

  private static String sentence(String expression, String field) {
    return "The JSONata expression '" + expression + "' specified for the field '" + field + "'";
  }

  private static Map<String, Object> states(Scope scope) {
    var states = new LinkedHashMap<String, Object>();
    states.put("input", toJava(scope.input()));
    states.put("context", toJava(scope.context()));
    if (scope.result() != null) {
      states.put("result", toJava(scope.result()));
    }
    if (scope.errorOutput() != null) {
      states.put("errorOutput", toJava(scope.errorOutput()));
    }
    return states;
  }

  // ---- messages ----------------------------------------------------------------------------------------------------

  private static final Pattern CALL = Pattern.compile("\\$(\\w+)\\s*\\(\\s*$");
  private static final Pattern COMPARISON = Pattern.compile("<=|>=|<|>");
  private static final Map<String, String> ELEMENT_TYPES =
      Map.of("n", "numbers", "s", "strings", "b", "booleans", "a", "arrays", "o", "objects", "f", "functions");

  /** What follows the sentence: a coded message of the language, or a bound that was hit. */
  private static String tail(String expression, JException e) {
    var code = String.valueOf(e.getError());
    var message = message(expression, e);
    return code.matches("[A-Z]\\d{4}") ? ". " + code + ": " + message : ": " + message;
  }

  /** The library replaces "function" by "Object" in its messages, and leaves some placeholders unfilled. */
  private static String message(String expression, JException e) {
    var raw = String.valueOf(e.getMessage());
    return switch (String.valueOf(e.getError())) {
      case "T0412" -> {
        var call = CALL.matcher(expression.substring(0, Math.clamp(e.getLocation(), 0, expression.length())));
        yield "Argument 1 of function \"" + (call.find() ? call.group(1) : "?") + "\" must be an array of \""
            + ELEMENT_TYPES.getOrDefault(String.valueOf(e.getExpected()), String.valueOf(e.getExpected())) + "\"";
      }
      case "T2009" -> {
        var operator = COMPARISON.matcher(expression);
        yield raw.replace("{{token}}", operator.find() ? "\"" + operator.group() + "\"" : "");
      }
      default -> raw.replace(" of Object \"", " of function \"").replace("match Object signature", "match function signature")
          .replaceFirst("^Argument \"(\\d+)\"", "Argument $1").replaceFirst("^JSonataException ", "");
    };
  }

  // ---- values ------------------------------------------------------------------------------------------------------

  private static Object toJava(JsonNode node) {
    return switch (node.getNodeType()) {
      case OBJECT -> {
        var map = new LinkedHashMap<String, Object>();
        node.properties().forEach(member -> map.put(member.getKey(), toJava(member.getValue())));
        yield map;
      }
      case ARRAY -> {
        var list = new ArrayList<>(node.size());
        node.forEach(element -> list.add(toJava(element)));
        yield list;
      }
      case STRING -> node.textValue();
      case BOOLEAN -> node.booleanValue();
      case NUMBER -> node.numberValue();
      default -> NULL;
    };
  }

  /** A result as JSON, or null where it holds what JSON has no form for, a function. */
  private static @Nullable JsonNode toJson(@Nullable Object value) {
    return switch (value) {
      case null -> NullNode.instance;
      case String text -> NODES.textNode(text);
      case Boolean flag -> NODES.booleanNode(flag);
      case Integer number -> NODES.numberNode(number);
      case Long number -> number == number.intValue() ? NODES.numberNode(number.intValue()) : NODES.numberNode(number);
      case BigInteger number -> NODES.numberNode(number);
      case Number number -> toJson(number.doubleValue());
      case List<?> list -> {
        var array = NODES.arrayNode(list.size());
        for (var element : list) {
          var node = toJson(element);
          if (node == null) {
            yield null;
          }
          array.add(node);
        }
        yield array;
      }
      case Map<?, ?> map -> {
        var object = NODES.objectNode();
        for (var entry : map.entrySet()) {
          var node = toJson(entry.getValue());
          if (node == null) {
            yield null;
          }
          object.set(String.valueOf(entry.getKey()), node);
        }
        yield object;
      }
      default -> value == NULL ? NullNode.instance : null;
    };
  }

  /** Whole numbers without a fraction, as JavaScript writes them. */
  private static @Nullable JsonNode toJson(double number) {
    if (Double.isNaN(number) || Double.isInfinite(number)) {
      return null;
    }
    if (number == Math.rint(number) && Math.abs(number) < 1e21) {
      return toJson((Object) whole(new BigDecimal(number).toBigInteger()));
    }
    return NODES.numberNode(number);
  }

  private static Number whole(BigInteger number) {
    return number.bitLength() < 64 ? (Number) number.longValue() : number;
  }

  // ---- functions that Step Functions adds --------------------------------------------------------------------------

  private static final Map<String, JFunction> FUNCTIONS = Map.of(
      "partition", function("partition", Jsonata::partition),
      "range", function("range", Jsonata::range),
      "hash", function("hash", Jsonata::hash),
      "random", function("random", Jsonata::random),
      "uuid", function("uuid", arguments -> UUID.randomUUID().toString()),
      "parse", function("parse", Jsonata::parse));

  private interface Body {
    @Nullable Object call(Arguments arguments);
  }

  private static JFunction function(String name, Body body) {
    return new JFunction((input, values) -> body.call(new Arguments(name, values)), null);
  }

  private record Arguments(String function, List<?> values) {
    @Nullable Object get(int index) {
      return index < values.size() ? values.get(index) : null;
    }

    JException wrong(int index) {
      return new JException("T0410", -1, index + 1, function);
    }

    /** A number, rounded towards zero; null where the argument is missing. */
    @Nullable Long whole(int index) {
      return switch (get(index)) {
        case null -> null;
        case Number number -> number.longValue();
        default -> throw wrong(index);
      };
    }

    @Nullable String text(int index) {
      return switch (get(index)) {
        case null -> null;
        case String text -> text;
        default -> throw wrong(index);
      };
    }
  }

  private static @Nullable Object partition(Arguments arguments) {
    var size = arguments.whole(1);
    if (arguments.get(0) == null || size == null) {
      return null;
    }
    if (size < 1) {
      throw arguments.wrong(1);
    }
    var list = arguments.get(0) instanceof List<?> values ? values : List.of(arguments.get(0));
    var chunks = new ArrayList<Object>();
    for (long from = 0; from < list.size(); from += size) {
      chunks.add(new ArrayList<>(list.subList((int) from, (int) Math.min(list.size(), from + size))));
    }
    return chunks;
  }

  private static @Nullable Object range(Arguments arguments) {
    var first = arguments.whole(0);
    var last = arguments.whole(1);
    var step = arguments.whole(2);
    if (first == null || last == null || step == null) {
      return null;
    }
    if (step == 0) {
      throw arguments.wrong(2);
    }
    var count = BigInteger.valueOf(last).subtract(BigInteger.valueOf(first)).divide(BigInteger.valueOf(step))
        .add(BigInteger.ONE);
    if ((step > 0) ? first > last : first < last) {
      return new ArrayList<>();
    }
    if (count.compareTo(BigInteger.valueOf(MAX_RANGE)) > 0) {
      throw new JException("Memory limit exceeded", -1);
    }
    var values = new ArrayList<Object>(count.intValue());
    for (int i = 0; i < count.intValue(); i++) {
      values.add(first + i * step);
    }
    return values;
  }

  private static @Nullable Object hash(Arguments arguments) {
    var data = arguments.text(0);
    var algorithm = arguments.text(1);
    if (data == null || algorithm == null) {
      return null;
    }
    var hash = digest(data, algorithm);
    if (hash == null) {
      throw arguments.wrong(1);
    }
    return hash;
  }

  private static Object random(Arguments arguments) {
    var seed = arguments.whole(0);
    return seed == null ? ThreadLocalRandom.current().nextDouble() : new Random(seed).nextDouble();
  }

  private static @Nullable Object parse(Arguments arguments) {
    var text = arguments.text(0);
    if (text == null) {
      return null;
    }
    try {
      return toJava(Values.parse(text));
    } catch (Values.Malformed e) {
      throw new JException("Unable to parse the text as JSON: " + e.getMessage(), -1);
    }
  }

  private static final Set<String> ALGORITHMS = Set.of("MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512");

  /** The hash in hexadecimal, or null for an algorithm that the language has not. */
  static @Nullable String digest(String data, String algorithm) {
    if (!ALGORITHMS.contains(algorithm)) {
      return null;
    }
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(data.getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  // ---- checks at creation ------------------------------------------------------------------------------------------

  /** What is wrong with an expression before it runs: code and message, none where it is fine. */
  static List<Diagnostic> check(String text, String location) {
    var expression = expression(text);
    try {
      // One parser for one expression: it keeps state.
      var tree = new Parser().parse(expression);
      var names = new LinkedHashSet<String>();
      TopLevel.collect(tree, names);
      return names.stream().map(name -> new Diagnostic("UNSUPPORTED_JSONATA_EXPRESSION",
          "Reference to '" + name + "' at the top level is not supported.", location)).toList();
    } catch (JException e) {
      return List.of(new Diagnostic("INVALID_JSONATA_EXPRESSION", message(expression, e), location));
    } catch (RuntimeException e) {
      return List.of(new Diagnostic("INVALID_JSONATA_EXPRESSION", String.valueOf(e.getMessage()), location));
    }
  }

  /**
   * Finds names that a path starts with: an expression of a state machine has no context item, so such a path finds nothing
   * ever. The library keeps its syntax tree to itself, hence the reflection.
   */
  private static final class TopLevel {
    private static final List<String> CHILDREN = List.of("expression", "procedure", "body", "lhs", "rhs", "condition", "then",
        "_else");
    private static final List<String> LISTS = List.of("arguments", "expressions");

    static void collect(@Nullable Object node, Set<String> names) {
      if (!(node instanceof Parser.Symbol symbol)) {
        return;
      }
      if ("path".equals(field(symbol, "type")) && field(symbol, "steps") instanceof List<?> steps && !steps.isEmpty()) {
        var first = (Parser.Symbol) steps.getFirst();
        if ("name".equals(field(first, "type"))) {
          names.add(String.valueOf(field(first, "value")));
        } else {
          collect(first, names);
        }
        return;
      }
      CHILDREN.forEach(child -> collect(field(symbol, child), names));
      LISTS.forEach(list -> collectAll(field(symbol, list), names));
      collectAll(field(symbol, "lhsObject"), names);
    }

    private static void collectAll(@Nullable Object nodes, Set<String> names) {
      switch (nodes) {
        case List<?> list -> list.forEach(node -> collectAll(node, names));
        case Object[] array -> List.of(array).forEach(node -> collectAll(node, names));
        case null -> { }
        default -> collect(nodes, names);
      }
    }

    private static @Nullable Object field(Object symbol, String name) {
      for (Class<?> type = symbol.getClass(); type != null; type = type.getSuperclass()) {
        try {
          var field = type.getDeclaredField(name);
          field.setAccessible(true);
          return field.get(symbol);
        } catch (NoSuchFieldException e) {
          // a subclass: look above
        } catch (IllegalAccessException e) {
          throw new IllegalStateException(e);
        }
      }
      return null;
    }
  }
}
