package com.example.cafe.account;

/** The account does not allow for it; the message is for the customer. The state machine knows it by this name. */
@SuppressWarnings("serial")
final class CreditLimitExceeded extends RuntimeException {
  /** @param total in cents @param available in cents */
  CreditLimitExceeded(long total, long available) {
    super("The order comes to " + decimal(total) + ", your account allows for " + decimal(available) + ".", null, false,
        false);
  }

  private static String decimal(long cents) {
    return "%d.%02d".formatted(cents / 100, cents % 100);
  }
}
