package com.example.cafe.platform;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.jspecify.annotations.Nullable;

/** JSON as trees: binding to classes would cost a cold start more than it saves here. */
public final class Json {
  private static final ObjectMapper MAPPER = JsonMapper.builder()
      .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
      .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
      .build();

  private Json() {}

  public static ObjectNode object() {
    return MAPPER.createObjectNode();
  }

  public static ArrayNode array() {
    return MAPPER.createArrayNode();
  }

  /** @throws IllegalArgumentException where the text is not one JSON value; the message says where, not what */
  public static JsonNode parse(String text) {
    try {
      return MAPPER.readTree(text);
    } catch (JsonProcessingException e) {
      var at = e.getLocation();
      throw new IllegalArgumentException(at == null ? "is not JSON"
          : "is not JSON, see line " + at.getLineNr() + ", column " + at.getColumnNr());
    }
  }

  /** The text of a member, or null where it is missing or null. */
  public static @Nullable String text(JsonNode object, String member) {
    var value = object.get(member);
    return value == null || value.isNull() ? null : value.asText();
  }

  /** The text of a member that must be there. */
  public static String need(JsonNode object, String member) {
    var value = text(object, member);
    if (value == null) {
      throw new IllegalArgumentException(member + " is missing");
    }
    return value;
  }
}
