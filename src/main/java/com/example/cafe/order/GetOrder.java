package com.example.cafe.order;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyRequestEvent;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyResponseEvent;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Http;
import com.example.cafe.platform.Ids;
import com.example.cafe.platform.Logs;
import com.example.cafe.platform.Problem;
import com.example.cafe.platform.Request;
import com.example.cafe.platform.Snapshot;
import java.time.Clock;
import java.util.function.Supplier;

/** GET /orders/{orderId}: one of the customer's orders. Anybody else's is not there. */
public final class GetOrder implements RequestHandler<APIGatewayProxyRequestEvent, APIGatewayProxyResponseEvent> {
  private final Orders orders;

  public GetOrder() {
    this(Database.fromEnvironment());
  }

  GetOrder(Database database) {
    this.orders = new Orders(database, Clock.systemUTC());
    Snapshot.prime(database::prime);
  }

  @Override
  public APIGatewayProxyResponseEvent handleRequest(APIGatewayProxyRequestEvent event, Context context) {
    return Http.answer(event, context, this::get);
  }

  private Http.Answer get(Request request) {
    var customer = request.customer();
    Supplier<Problem> notFound = () -> Problem.notFound("You have no such order.");
    var orderId = Ids.parse(request.pathParameter("orderId")).orElseThrow(notFound);
    Logs.order(orderId.toString());
    return Http.Answer.ok(orders.find(customer, orderId, request.deadline()).orElseThrow(notFound).toJson());
  }
}
