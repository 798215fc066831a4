package com.example.cafe.order;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyRequestEvent;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyResponseEvent;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Http;
import com.example.cafe.platform.Ids;
import com.example.cafe.platform.Json;
import com.example.cafe.platform.Problem;
import com.example.cafe.platform.Request;
import com.example.cafe.platform.Snapshot;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.Base64;
import java.util.UUID;

/** GET /orders: the customer's orders, newest first, a page at a time. */
public final class ListOrders implements RequestHandler<APIGatewayProxyRequestEvent, APIGatewayProxyResponseEvent> {
  private static final int PAGE = 20;
  /** Fifty orders of fifty lines stay under the megabyte that the Data API answers at most. */
  private static final int MAX_PAGE = 50;

  private final Orders orders;

  public ListOrders() {
    this(Database.fromEnvironment());
  }

  ListOrders(Database database) {
    this.orders = new Orders(database, Clock.systemUTC());
    Snapshot.prime(database::prime);
  }

  @Override
  public APIGatewayProxyResponseEvent handleRequest(APIGatewayProxyRequestEvent event, Context context) {
    return Http.answer(event, context, this::list);
  }

  private Http.Answer list(Request request) {
    var customer = request.customer();
    var limit = request.query("limit").map(ListOrders::limit).orElse(PAGE);
    var before = request.query("cursor").map(ListOrders::decode).orElse(null);
    // One more than asked for tells whether there is another page.
    var found = orders.list(customer, before, limit + 1, request.deadline());
    var page = found.subList(0, Math.min(limit, found.size()));
    var body = Json.object();
    var list = body.putArray("orders");
    page.forEach(order -> list.add(order.toJson()));
    if (found.size() > limit) {
      body.put("nextCursor", encode(page.getLast().orderId()));
    }
    return Http.Answer.ok(body);
  }

  private static int limit(String text) {
    if (text.matches("[0-9]{1,3}")) {
      var limit = Integer.parseInt(text);
      if (limit >= 1 && limit <= MAX_PAGE) {
        return limit;
      }
    }
    throw Problem.invalid("limit", "must be a whole number from 1 to " + MAX_PAGE);
  }

  /** A cursor is opaque to clients, so that it can become something else. */
  private static String encode(UUID last) {
    return Base64.getUrlEncoder().withoutPadding().encodeToString(last.toString().getBytes(StandardCharsets.US_ASCII));
  }

  private static UUID decode(String cursor) {
    try {
      return Ids.parse(new String(Base64.getUrlDecoder().decode(cursor), StandardCharsets.US_ASCII)).orElseThrow();
    } catch (RuntimeException e) {
      throw Problem.invalid("cursor", "must be the nextCursor of an earlier page");
    }
  }
}
