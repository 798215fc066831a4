package com.example.cafe.fulfilment;

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

  /** What a step answers. */
  record Done(String orderId, String status) {}

  UUID id() {
    return UUID.fromString(orderId);
  }
}
