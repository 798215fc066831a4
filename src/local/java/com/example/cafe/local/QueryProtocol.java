package com.example.cafe.local;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/** The AWS Query protocol: flattened form parameters in, XML out (Smithy, "AWS Query protocol"). */
final class QueryProtocol {
  private static final Map<String, String> NAMESPACES = Map.of("sns", "http://sns.amazonaws.com/doc/2010-03-31/",
      "sts", "https://sts.amazonaws.com/doc/2011-06-15/", "cloudformation", "http://cloudformation.amazonaws.com/doc/2010-05-15/");

  private QueryProtocol() {}

  /** "A.member.1.B" to lists, "A.entry.1.key" with "A.entry.1.value" (or Name and Value) to maps; values stay text. */
  static ObjectNode decode(Map<String, String> parameters) {
    var root = new TreeMap<String, Object>();
    parameters.forEach((path, value) -> put(root, path.split("\\."), 0, value));
    return (ObjectNode) node(root);
  }

  @SuppressWarnings("unchecked")
  private static void put(TreeMap<String, Object> at, String[] path, int index, String value) {
    if (index == path.length - 1) {
      at.put(path[index], value);
      return;
    }
    if (at.computeIfAbsent(path[index], key -> new TreeMap<String, Object>()) instanceof TreeMap<?, ?> next) {
      put((TreeMap<String, Object>) next, path, index + 1, value);
    }
  }

  private static JsonNode node(Object value) {
    if (!(value instanceof TreeMap<?, ?> map)) {
      return Json.MAPPER.getNodeFactory().textNode((String) value);
    }
    if (map.size() == 1 && map.containsKey("member") && map.get("member") instanceof TreeMap<?, ?> items) {
      var array = Json.array();
      numbered(items).values().forEach(item -> array.add(node(item)));
      return array;
    }
    if (map.size() == 1 && map.containsKey("entry") && map.get("entry") instanceof TreeMap<?, ?> entries) {
      var object = Json.object();
      for (var entry : numbered(entries).values()) {
        if (entry instanceof TreeMap<?, ?> pair) {
          var key = pair.containsKey("key") ? pair.get("key") : pair.get("Name");
          var content = pair.containsKey("value") ? pair.get("value") : pair.get("Value");
          object.set(String.valueOf(key), content == null ? Json.MAPPER.getNodeFactory().textNode("") : node(content));
        }
      }
      return object;
    }
    var object = Json.object();
    map.forEach((key, child) -> object.set((String) key, node(child)));
    return object;
  }

  private static Map<Integer, Object> numbered(TreeMap<?, ?> items) {
    var sorted = new TreeMap<Integer, Object>();
    items.forEach((key, value) -> {
      if (((String) key).matches("[0-9]{1,6}")) {
        sorted.put(Integer.valueOf((String) key), value);
      }
    });
    return sorted;
  }

  /** Whether a service is called by this protocol at all, and not by JSON. */
  static boolean speaks(String service) {
    return NAMESPACES.containsKey(service);
  }

  static byte[] success(String service, String action, ObjectNode output, String requestId) {
    var xml = new StringBuilder("<").append(action).append("Response xmlns=\"").append(NAMESPACES.getOrDefault(service, "")).append("\"><")
        .append(action).append("Result>");
    members(xml, output);
    return xml.append("</").append(action).append("Result><ResponseMetadata><RequestId>").append(requestId)
        .append("</RequestId></ResponseMetadata></").append(action).append("Response>").toString().getBytes(StandardCharsets.UTF_8);
  }

  static byte[] error(String service, AwsException error, String requestId) {
    return ("<ErrorResponse xmlns=\"" + NAMESPACES.getOrDefault(service, "") + "\"><Error><Type>" + (error.status() < 500 ? "Sender" : "Receiver")
        + "</Type><Code>" + escape(error.code()) + "</Code><Message>" + escape(error.getMessage()) + "</Message></Error><RequestId>"
        + requestId + "</RequestId></ErrorResponse>").getBytes(StandardCharsets.UTF_8);
  }

  private static void members(StringBuilder xml, ObjectNode object) {
    for (var entry : object.properties()) {
      xml.append('<').append(entry.getKey()).append('>');
      // The only maps in the responses of these services are called Attributes.
      if (entry.getKey().equals("Attributes") && entry.getValue() instanceof ObjectNode map) {
        map.properties().forEach(pair -> {
          xml.append("<entry><key>").append(escape(pair.getKey())).append("</key><value>");
          value(xml, pair.getValue());
          xml.append("</value></entry>");
        });
      } else {
        value(xml, entry.getValue());
      }
      xml.append("</").append(entry.getKey()).append('>');
    }
  }

  private static void value(StringBuilder xml, JsonNode value) {
    switch (value) {
      case ObjectNode object -> members(xml, object);
      case ArrayNode array -> array.forEach(item -> {
        xml.append("<member>");
        value(xml, item);
        xml.append("</member>");
      });
      default -> xml.append(value.isNull() ? "" : escape(value.asText()));
    }
  }

  /** Text as XML 1.0 may hold it; characters that it cannot hold become U+FFFD. */
  static String escape(String text) {
    var escaped = new StringBuilder(text.length());
    text.codePoints().forEach(c -> {
      switch (c) {
        case '<' -> escaped.append("&lt;");
        case '>' -> escaped.append("&gt;");
        case '&' -> escaped.append("&amp;");
        case '"' -> escaped.append("&quot;");
        case '\r' -> escaped.append("&#xD;");
        default -> escaped.appendCodePoint(c < 0x20 && c != '\n' && c != '\t' || c >= 0xD800 && c <= 0xDFFF || c > 0xFFFD && c < 0x10000 ? 0xFFFD : c);
      }
    });
    return escaped.toString();
  }
}
