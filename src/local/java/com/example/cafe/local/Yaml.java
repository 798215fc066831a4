package com.example.cafe.local;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import org.yaml.snakeyaml.DumperOptions;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.error.MarkedYAMLException;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;
import org.yaml.snakeyaml.nodes.Tag;

/** Reads YAML (and so JSON) as CloudFormation does: short intrinsic functions in their long form, dates as text. */
final class Yaml {

  private Yaml() {}

  /** @throws IllegalArgumentException naming file, line and column where the file is no such YAML */
  static JsonNode read(Path file) {
    String text;
    try {
      text = Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file, e);
    }
    return parse(text, file.getFileName().toString());
  }

  /** @param name what errors call the text */
  static JsonNode parse(String text, String name) {
    var options = new LoaderOptions();
    options.setAllowDuplicateKeys(false);
    options.setMaxAliasesForCollections(50);
    try {
      var root = new org.yaml.snakeyaml.Yaml(options).compose(new java.io.StringReader(text));
      return root == null ? Json.object() : convert(root, name);
    } catch (MarkedYAMLException e) {
      var mark = e.getProblemMark();
      throw new IllegalArgumentException(name + (mark == null ? "" : ":" + (mark.getLine() + 1) + ":" + (mark.getColumn() + 1))
          + ": " + e.getProblem(), e);
    }
  }

  private static JsonNode convert(Node node, String name) {
    var tag = node.getTag().getValue();
    if (!tag.startsWith("!")) {
      return plain(node, name);
    }
    var function = switch (tag) {
      case "!Ref", "!Condition" -> tag.substring(1);
      case "!" -> throw error(node, name, "a tag needs a name");
      default -> "Fn::" + tag.substring(1);
    };
    var argument = plain(node, name);
    if (function.equals("Fn::GetAtt") && argument.isTextual()) {
      // The short form may be one dotted text; the long form wants a list.
      var dot = argument.asText().indexOf('.');
      if (dot < 0) {
        throw error(node, name, "!GetAtt wants Resource.Attribute");
      }
      argument = Json.array().add(argument.asText().substring(0, dot)).add(argument.asText().substring(dot + 1));
    }
    return Json.object().set(function, argument);
  }

  private static JsonNode plain(Node node, String name) {
    return switch (node) {
      case ScalarNode scalar -> scalar(scalar, name);
      case SequenceNode sequence -> {
        var array = Json.array();
        sequence.getValue().forEach(item -> array.add(convert(item, name)));
        yield array;
      }
      case MappingNode mapping -> mapping(mapping, name);
      default -> throw error(node, name, "unexpected " + node.getNodeId());
    };
  }

  private static ObjectNode mapping(MappingNode mapping, String name) {
    var object = Json.object();
    for (var entry : mapping.getValue()) {
      if (!(entry.getKeyNode() instanceof ScalarNode key)) {
        throw error(entry.getKeyNode(), name, "a key must be plain text");
      }
      if (Tag.MERGE.equals(key.getTag())) {
        throw error(key, name, "merge keys (<<) are not supported by CloudFormation");
      }
      if (object.has(key.getValue())) {
        throw error(key, name, "the key " + key.getValue() + " stands here twice");
      }
      object.set(key.getValue(), convert(entry.getValueNode(), name));
    }
    return object;
  }

  private static JsonNode scalar(ScalarNode node, String name) {
    var nodes = Json.MAPPER.getNodeFactory();
    var text = node.getValue();
    if (node.getScalarStyle() != DumperOptions.ScalarStyle.PLAIN || node.getTag().getValue().startsWith("!")) {
      return nodes.textNode(text);
    }
    var tag = node.getTag();
    if (Tag.NULL.equals(tag)) {
      return nodes.nullNode();
    }
    if (Tag.BOOL.equals(tag)) {
      return nodes.booleanNode(text.matches("(?i)true|yes|on"));
    }
    try {
      if (Tag.INT.equals(tag) && text.matches("[-+]?(0|[1-9][0-9]*)")) {
        var number = new BigInteger(text);
        return number.bitLength() < 32 ? nodes.numberNode(number.intValue())
            : number.bitLength() < 64 ? nodes.numberNode(number.longValue()) : nodes.numberNode(number);
      }
      if (Tag.FLOAT.equals(tag) && text.matches("[-+]?[0-9.]+([eE][-+]?[0-9]+)?")) {
        return nodes.numberNode(new BigDecimal(text));
      }
    } catch (NumberFormatException e) {
      throw error(node, name, "not a number: " + text);
    }
    return nodes.textNode(text); // dates, octal numbers, account ids with a leading zero: text, as CloudFormation takes them
  }

  private static IllegalArgumentException error(Node node, String name, String problem) {
    var mark = node.getStartMark();
    return new IllegalArgumentException(name + ":" + (mark.getLine() + 1) + ":" + (mark.getColumn() + 1) + ": " + problem);
  }
}
