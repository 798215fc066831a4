package com.example.cafe.order;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyRequestEvent;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyResponseEvent;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Http;
import com.example.cafe.platform.Logs;
import com.example.cafe.platform.Problem;
import com.example.cafe.platform.Problem.FieldError;
import com.example.cafe.platform.Request;
import com.example.cafe.platform.Snapshot;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** POST /orders: takes an order, once a key, and tells the others of it. */
public final class PlaceOrder implements RequestHandler<APIGatewayProxyRequestEvent, APIGatewayProxyResponseEvent> {
  private static final Logger LOG = LoggerFactory.getLogger(PlaceOrder.class);
  private static final int MAX_BODY_BYTES = 16 * 1024;
  private static final String KEY = "Idempotency-Key";
  private static final Pattern KEY_TEXT = Pattern.compile("[!-~]([ -~]{0,253}[!-~])?");

  private final Orders orders;
  private final Outbox outbox;

  public PlaceOrder() {
    this(Database.fromEnvironment(), Clock.systemUTC());
  }

  private PlaceOrder(Database database, Clock clock) {
    this(new Orders(database, clock), Outbox.fromEnvironment(database, clock));
    Snapshot.prime(database::prime, outbox::announce);
  }

  PlaceOrder(Orders orders, Outbox outbox) {
    this.orders = orders;
    this.outbox = outbox;
  }

  @Override
  public APIGatewayProxyResponseEvent handleRequest(APIGatewayProxyRequestEvent event, Context context) {
    return Http.answer(event, context, this::place);
  }

  private Http.Answer place(Request request) {
    var customer = request.customer();
    var body = request.body(MAX_BODY_BYTES);
    var key = request.header(KEY).orElseThrow(() -> Problem.invalid(KEY, "is missing"));
    if (!KEY_TEXT.matcher(key).matches()) {
      throw Problem.invalid(KEY, "must be 1 to 255 printable ASCII characters");
    }
    var cart = Cart.parse(body);
    outbox.announce();
    return switch (orders.place(customer, key, cart, request.correlationId(), request.deadline())) {
      case Orders.Placement.Placed(var order, var event) -> {
        Logs.order(order.orderId().toString());
        LOG.info("Placed");
        outbox.publish(event, request.deadline());
        yield accepted(request, order);
      }
      case Orders.Placement.Repeated(var order, var unpublished) -> {
        Logs.order(order.orderId().toString());
        LOG.info("Placed before, by the same key");
        if (unpublished != null) {
          outbox.publish(unpublished, request.deadline());
        }
        yield accepted(request, order);
      }
      case Orders.Placement.KeyReused() ->
          throw Problem.keyReused("This " + KEY + " placed an order with other items. Take a new key for a new order.");
      case Orders.Placement.UnknownItems(var itemIds) -> throw Problem.invalid(unknown(cart, itemIds));
    };
  }

  private static Http.Answer accepted(Request request, Order order) {
    return new Http.Answer(202, Map.of("Location", request.path() + "/" + order.orderId()), order.toJson());
  }

  private static List<FieldError> unknown(Cart cart, List<String> itemIds) {
    return cart.lines().stream().filter(line -> itemIds.contains(line.itemId()))
        .map(line -> new FieldError("items[" + line.index() + "].itemId", "is not on the menu"))
        .toList();
  }
}
