package com.example.cafe.order;

import com.example.cafe.platform.Json;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/** An order as its customer sees it. @param total in cents @param reason for a rejected order only */
record Order(UUID orderId, Status status, List<Line> items, long total, String currency, @Nullable Reason reason,
    List<Step> timeline, Instant placedAt) {

  /** What prices are in; a fork changes it here. */
  static final String CURRENCY = "EUR";

  Order {
    items = List.copyOf(items);
    timeline = List.copyOf(timeline);
    if (total < 0 || (status == Status.REJECTED) != (reason != null)) {
      throw new IllegalArgumentException("not an order: " + orderId);
    }
  }

  /** Where an order is. It moves down this list, or from any status but COMPLETED to REJECTED, and never back. */
  enum Status { PLACED, RESERVED, CHARGED, COMPLETED, REJECTED }

  /** @param price of one, in cents, as it was when the order was placed */
  record Line(String itemId, String name, int quantity, int price) {}

  record Reason(String code, String message) {}

  record Step(Status status, Instant at) {}

  /** @param row as {@code Orders} selects it */
  static Order fromJson(JsonNode row) {
    var reason = row.path("reason");
    return new Order(
        UUID.fromString(Json.need(row, "orderId")),
        Status.valueOf(Json.need(row, "status")),
        stream(row.path("items")).map(Order::line).toList(),
        row.path("total").longValue(),
        Json.need(row, "currency"),
        reason.isObject() ? new Reason(Json.need(reason, "code"), Json.need(reason, "message")) : null,
        stream(row.path("timeline"))
            .map(step -> new Step(Status.valueOf(Json.need(step, "status")), instant(step, "at"))).toList(),
        instant(row, "placedAt"));
  }

  static Line line(JsonNode row) {
    return new Line(Json.need(row, "itemId"), Json.need(row, "name"), row.path("quantity").intValue(),
        row.path("price").intValue());
  }

  ObjectNode toJson() {
    var json = Json.object().put("orderId", orderId.toString()).put("status", status.name());
    var lines = json.putArray("items");
    items.forEach(line -> lines.addObject().put("itemId", line.itemId()).put("name", line.name())
        .put("quantity", line.quantity()).put("price", line.price()));
    json.put("total", total).put("currency", currency);
    if (reason != null) {
      json.putObject("reason").put("code", reason.code()).put("message", reason.message());
    }
    var steps = json.putArray("timeline");
    timeline.forEach(step -> steps.addObject().put("status", step.status().name()).put("at", step.at().toString()));
    return json.put("placedAt", placedAt.toString());
  }

  /** PostgreSQL writes a timestamptz into JSON with an offset. */
  static Instant instant(JsonNode row, String member) {
    return OffsetDateTime.parse(Json.need(row, member)).toInstant();
  }

  private static Stream<JsonNode> stream(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false);
  }
}
