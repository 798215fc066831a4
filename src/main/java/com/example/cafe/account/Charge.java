package com.example.cafe.account;

import java.util.UUID;

/** What the state machine gives to a step at the ledger. @param total in cents */
record Charge(String orderId, String customerId, long total, String correlationId) {

  Charge {
    if (orderId == null || customerId == null || correlationId == null || total < 0) {
      throw new IllegalArgumentException("orderId, customerId, correlationId or total is missing");
    }
  }

  /** What a step answers. */
  record Done(String orderId, String status) {}

  UUID id() {
    return UUID.fromString(orderId);
  }
}
