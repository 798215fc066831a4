package com.example.cafe.order;

import com.example.cafe.platform.Json;
import com.example.cafe.platform.Problem;
import com.example.cafe.platform.Problem.FieldError;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/** What a customer wants: one line an item, in the order in which the items were first named. */
record Cart(List<Line> lines) {
  static final int MAX_LINES = 50;
  static final int MAX_QUANTITY = 10_000;
  private static final Pattern ITEM_ID = Pattern.compile("[a-z0-9-]{1,64}");
  private static final String QUANTITY_RANGE = "must be a whole number from 1 to " + MAX_QUANTITY;

  Cart {
    lines = List.copyOf(lines);
    if (lines.isEmpty() || lines.size() > MAX_LINES) {
      throw new IllegalArgumentException("1 to " + MAX_LINES + " lines, not " + lines.size());
    }
    if (lines.stream().map(Line::itemId).distinct().count() < lines.size()) {
      throw new IllegalArgumentException("one line an item");
    }
  }

  /** @param index where the item was first named in the request */
  record Line(String itemId, int quantity, int index) {
    Line {
      if (!ITEM_ID.matcher(itemId).matches() || quantity < 1 || quantity > MAX_QUANTITY) {
        throw new IllegalArgumentException("not a line of a cart");
      }
    }
  }

  /**
   * Reads the body of POST /orders; several lines of one item are merged.
   *
   * @throws Problem 400 that names every wrong field
   */
  static Cart parse(String text) {
    JsonNode body;
    try {
      body = Json.parse(text);
    } catch (IllegalArgumentException e) {
      throw Problem.invalid("body", e.getMessage());
    }
    if (!body.isObject()) {
      throw Problem.invalid("body", "must be a JSON object");
    }
    var errors = new ArrayList<FieldError>();
    refuseUnknown(body, "", Set.of("items"), errors);
    var items = body.path("items");
    if (items.isMissingNode()) {
      errors.add(new FieldError("items", "is missing"));
    } else if (!items.isArray()) {
      errors.add(new FieldError("items", "must be a list"));
    } else if (items.isEmpty()) {
      errors.add(new FieldError("items", "must have at least one line"));
    } else if (items.size() > MAX_LINES) {
      errors.add(new FieldError("items", "must have at most " + MAX_LINES + " lines"));
    }
    if (!errors.isEmpty()) {
      throw Problem.invalid(errors);
    }
    var lines = new LinkedHashMap<String, Line>();
    for (var i = 0; i < items.size(); i++) {
      addLine(items.get(i), i, lines, errors);
    }
    if (!errors.isEmpty()) {
      throw Problem.invalid(errors);
    }
    return new Cart(List.copyOf(lines.values()));
  }

  private static void addLine(JsonNode item, int index, Map<String, Line> lines, List<FieldError> errors) {
    var field = "items[" + index + "]";
    if (!item.isObject()) {
      errors.add(new FieldError(field, "must be an object"));
      return;
    }
    var before = errors.size();
    refuseUnknown(item, field + ".", Set.of("itemId", "quantity"), errors);
    var itemId = item.path("itemId");
    if (itemId.isMissingNode()) {
      errors.add(new FieldError(field + ".itemId", "is missing"));
    } else if (!itemId.isTextual() || !ITEM_ID.matcher(itemId.textValue()).matches()) {
      errors.add(new FieldError(field + ".itemId", "must be an item of the menu: 1 to 64 small letters, digits and hyphens"));
    }
    var quantity = item.path("quantity");
    if (quantity.isMissingNode()) {
      errors.add(new FieldError(field + ".quantity", "is missing"));
    } else if (!quantity.isIntegralNumber() || !quantity.canConvertToInt() || quantity.intValue() < 1
        || quantity.intValue() > MAX_QUANTITY) {
      errors.add(new FieldError(field + ".quantity", QUANTITY_RANGE));
    }
    if (errors.size() > before) {
      return;
    }
    var id = itemId.textValue();
    var earlier = lines.get(id);
    if (earlier == null) {
      lines.put(id, new Line(id, quantity.intValue(), index));
    } else if (earlier.quantity() + quantity.intValue() > MAX_QUANTITY) {
      errors.add(new FieldError(field + ".quantity",
          "adds up to more than " + MAX_QUANTITY + " with the earlier lines of this item"));
    } else {
      lines.put(id, new Line(id, earlier.quantity() + quantity.intValue(), earlier.index()));
    }
  }

  private static void refuseUnknown(JsonNode object, String prefix, Set<String> known, List<FieldError> errors) {
    object.fieldNames().forEachRemaining(name -> {
      if (!known.contains(name)) {
        // Not more of what the client sent than fits a line.
        errors.add(new FieldError(prefix + (name.length() > 64 ? name.substring(0, 64) : name), "is not known"));
      }
    });
  }

  /** Names the content: equal for carts that ask for the same, in whatever order and however split into lines. */
  String hash() {
    var content = new StringBuilder();
    lines.stream().sorted(Comparator.comparing(Line::itemId))
        .forEach(line -> content.append(line.itemId()).append(' ').append(line.quantity()).append('\n'));
    try {
      return HexFormat.of().formatHex(
          MessageDigest.getInstance("SHA-256").digest(content.toString().getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
