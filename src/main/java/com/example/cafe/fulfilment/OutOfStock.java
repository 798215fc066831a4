package com.example.cafe.fulfilment;

import com.example.cafe.order.OrderProgress.Shortage;
import java.util.List;
import java.util.stream.Collectors;

/** There is too little of something; the message is for the customer. The state machine knows it by this name. */
@SuppressWarnings("serial")
final class OutOfStock extends RuntimeException {
  OutOfStock(List<Shortage> shortages) {
    super(shortages.stream().map(OutOfStock::words).collect(Collectors.joining(" ")), null, false, false);
  }

  private static String words(Shortage shortage) {
    return shortage.stock() == 0
        ? shortage.name() + " is out of stock."
        : shortage.name() + ": " + shortage.quantity() + " ordered, " + shortage.stock() + " left.";
  }
}
