package com.example.cafe.notify;

import java.util.stream.Collectors;

/** The mail that tells how an order ended, as text and as HTML. */
record OutcomeMail(String subject, String text, String html) {

  static OutcomeMail of(ClosedOrder order) {
    var rejected = order.reason() != null;
    var subject = rejected ? "We could not make your order" : "Your order is ready";
    var outcome = rejected ? order.reason() + " Nothing was charged." : "You can collect it now.";
    var total = "%d.%02d %s".formatted(order.total() / 100, order.total() % 100, order.currency());
    var text = """
        %s

        %s

        %s

        Total: %s
        Order: %s
        """.formatted(subject, outcome,
        order.lines().stream().map(line -> line.quantity() + " x " + line.name()).collect(Collectors.joining("\n")),
        total, order.orderId());
    var html = """
        <!doctype html>
        <html lang="en"><body>
        <h1>%s</h1>
        <p>%s</p>
        <ul>%s</ul>
        <p>Total: %s<br>Order: %s</p>
        </body></html>
        """.formatted(escape(subject), escape(outcome),
        order.lines().stream().map(line -> "<li>" + line.quantity() + " × " + escape(line.name()) + "</li>")
            .collect(Collectors.joining()),
        escape(total), order.orderId());
    return new OutcomeMail(subject, text, html);
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
  }
}
