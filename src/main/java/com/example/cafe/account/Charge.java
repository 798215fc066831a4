package com.example.cafe.account;

import java.util.Map;
import java.util.UUID;

/** What the state machine gives to a step at the ledger. @param total in cents */
record Charge(String orderId, String customerId, long total, String correlationId) {

  Charge {
    if (orderId == null || customerId == null || correlationId == null || total < 0) {
      throw new IllegalArgumentException("orderId, customerId, correlationId or total is missing");
    }
  }

  /** From the payload as Lambda reads it: its serializer knows maps and beans, it cannot make a record. */
  static Charge of(Map<String, Object> payload) {
    if (!(payload.get("total") instanceof Number total)) {
      throw new IllegalArgumentException("total is missing");
    }
    return new Charge((String) payload.get("orderId"), (String) payload.get("customerId"), total.longValue(),
        (String) payload.get("correlationId"));
  }

  /** What a step answers. @param status that the order has now */
  Map<String, String> done(String status) {
    return Map.of("orderId", orderId, "status", status);
  }

  UUID id() {
    return UUID.fromString(orderId);
  }
}
