package com.example.cafe.notify;

import com.example.cafe.platform.Json;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.UUID;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/** What a mail tells of an order. @param total in cents @param reason why it was rejected, null for a completed one */
record ClosedOrder(UUID orderId, @Nullable String email, long total, String currency, @Nullable String reason,
    List<Line> lines) {

  record Line(int quantity, String name) {}

  static ClosedOrder fromJson(JsonNode row) {
    return new ClosedOrder(UUID.fromString(Json.need(row, "orderId")), Json.text(row, "email"), row.path("total").longValue(),
        Json.need(row, "currency"), Json.text(row, "reason"),
        StreamSupport.stream(row.path("lines").spliterator(), false)
            .map(line -> new Line(line.path("quantity").intValue(), Json.need(line, "name"))).toList());
  }
}
