package com.example.cafe.local.states;

import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;

/** JSON as executions carry it: text between states and in the history, trees in between. */
public final class Values {
  /** The most that passes between states, in bytes of UTF-8. */
  static final int LIMIT = 256 * 1024;

  static final ObjectMapper MAPPER = JsonMapper.builder().build();

  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);

  private Values() {}

  static ObjectNode object() {
    return MAPPER.createObjectNode();
  }

  /**
   * Reads JSON text.
   *
   * @throws Malformed where the text is no JSON, with the parser's message
   */
  public static JsonNode parse(String text) throws Malformed {
    try (var parser = MAPPER.createParser(text)) {
      try {
        JsonNode value = MAPPER.readTree(parser);
        if (value == null || value.isMissingNode()) {
          throw new Malformed("No content to map due to end-of-input", 1, 0);
        }
        if (parser.nextToken() != null) {
          throw new JsonParseException(parser, "Trailing token (" + parser.currentToken() + ") found after the value");
        }
        return value;
      } catch (JsonProcessingException e) {
        // The service tells how far the parser had read, not where the wrong token starts.
        var at = parser.currentLocation();
        throw new Malformed(String.valueOf(e.getOriginalMessage()), at.getLineNr(), at.getColumnNr());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public static String write(JsonNode value) {
    try {
      return MAPPER.writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(e);
    }
  }

  static boolean tooLarge(String json) {
    return json.length() > LIMIT
        || (json.length() > LIMIT / 4 && json.getBytes(StandardCharsets.UTF_8).length > LIMIT);
  }

  /** A time as the context object shows it: UTC, milliseconds. */
  static String time(Instant instant) {
    return TIME.format(instant);
  }

  /** The name of a value's type, as messages of the service use it. */
  static String type(JsonNode value) {
    return switch (value.getNodeType()) {
      case ARRAY -> "array";
      case BOOLEAN -> "boolean";
      case NUMBER -> "number";
      case OBJECT -> "object";
      case STRING -> "string";
      default -> "null";
    };
  }

  /** Text that is no JSON. */
  public static final class Malformed extends Exception {
    private static final long serialVersionUID = 1;
    final int line;
    final int column;

    Malformed(String message, int line, int column) {
      super(message);
      this.line = line;
      this.column = column;
    }

    @Override
    public String getMessage() {
      return String.valueOf(super.getMessage());
    }
  }
}
