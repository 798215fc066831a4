package com.example.cafe.fulfilment;

import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** What the state machine gives to a step. @param reason for RejectOrder only */
record Step(String orderId, String correlationId, @Nullable Reason reason) {

  Step {
    if (orderId == null || correlationId == null) {
      throw new IllegalArgumentException("orderId and correlationId are missing");
    }
  }

  /** Why an order is rejected. @param code for programs @param message for the customer */
  record Reason(String code, String message) {
    Reason {
      if (code == null || message == null) {
        throw new IllegalArgumentException("a reason has a code and a message");
      }
    }
  }

  /** From the payload as Lambda reads it: its serializer knows maps and beans, it cannot make a record. */
  static Step of(Map<String, Object> payload) {
    var reason = payload.get("reason") instanceof Map<?, ?> given
        ? new Reason((String) given.get("code"), (String) given.get("message")) : null;
    return new Step((String) payload.get("orderId"), (String) payload.get("correlationId"), reason);
  }

  /** What a step answers. @param status that the order has now */
  Map<String, String> done(String status) {
    return Map.of("orderId", orderId, "status", status);
  }

  UUID id() {
    return UUID.fromString(orderId);
  }
}
