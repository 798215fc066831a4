package com.example.cafe.order;

/** A step came too late: the order is completed, rejected or being rejected. The state machine knows it by this name. */
@SuppressWarnings("serial")
public final class OrderClosed extends RuntimeException {
  public OrderClosed(String message) {
    super(message, null, false, false);
  }
}
