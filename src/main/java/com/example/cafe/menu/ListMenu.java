package com.example.cafe.menu;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyRequestEvent;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyResponseEvent;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Http;
import com.example.cafe.platform.Json;
import com.example.cafe.platform.Snapshot;

/** GET /menu: what can be ordered, at which price, and how much of it there is. */
public final class ListMenu implements RequestHandler<APIGatewayProxyRequestEvent, APIGatewayProxyResponseEvent> {
  private final Menu menu;

  public ListMenu() {
    this(Database.fromEnvironment());
  }

  ListMenu(Database database) {
    this.menu = new Menu(database);
    Snapshot.prime(database::prime);
  }

  @Override
  public APIGatewayProxyResponseEvent handleRequest(APIGatewayProxyRequestEvent event, Context context) {
    return Http.answer(event, context, request -> {
      var body = Json.object();
      var items = body.putArray("items");
      menu.items(request.deadline()).forEach(item -> items.add(item.toJson()));
      return Http.Answer.ok(body);
    });
  }
}
