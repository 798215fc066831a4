package com.example.cafe.order;

import com.example.cafe.platform.Json;
import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.services.sns.model.MessageAttributeValue;

/**
 * Something happened to an order: a row of the outbox, a message on OrderEvents. It carries no personal data; who needs some
 * reads the order.
 *
 * @param version of the message's form
 * @param total in cents
 */
public record OrderEvent(UUID eventId, String type, int version, Instant occurredAt, String correlationId, UUID orderId,
    String customerId, long total, String currency, @Nullable String reasonCode) {

  static final String PLACED = "OrderPlaced";
  static final String COMPLETED = "OrderCompleted";
  static final String REJECTED = "OrderRejected";
  static final int VERSION = 1;

  /** @param row of the table outbox */
  static OrderEvent fromRow(JsonNode row) {
    return new OrderEvent(UUID.fromString(Json.need(row, "event_id")), Json.need(row, "type"), row.path("version").intValue(),
        Order.instant(row, "occurred_at"), Json.need(row, "correlation_id"), UUID.fromString(Json.need(row, "order_id")),
        Json.need(row, "customer_id"), row.path("total_cents").longValue(), Json.need(row, "currency"),
        Json.text(row, "reason_code"));
  }

  /** The message's text. */
  String message() {
    var json = Json.object()
        .put("eventId", eventId.toString())
        .put("type", type)
        .put("version", version)
        .put("occurredAt", occurredAt.toString())
        .put("correlationId", correlationId)
        .put("orderId", orderId.toString())
        .put("customerId", customerId)
        .put("total", total)
        .put("currency", currency);
    if (reasonCode != null) {
      json.put("reasonCode", reasonCode);
    }
    return json.toString();
  }

  /** What subscriptions filter by. */
  Map<String, MessageAttributeValue> attributes() {
    var attributes = new LinkedHashMap<>(attributes(type));
    attributes.put("channel", attribute("String", "web"));
    attributes.put("total", attribute("Number", Long.toString(total)));
    return attributes;
  }

  /** The one attribute that every message on OrderEvents has. */
  static Map<String, MessageAttributeValue> attributes(String type) {
    return Map.of("type", attribute("String", type));
  }

  private static MessageAttributeValue attribute(String dataType, String value) {
    return MessageAttributeValue.builder().dataType(dataType).stringValue(value).build();
  }
}
