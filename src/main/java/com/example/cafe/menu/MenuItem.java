package com.example.cafe.menu;

import com.example.cafe.platform.Json;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** @param price in cents @param available units that can be ordered now */
record MenuItem(String itemId, String name, String category, int price, int available) {

  MenuItem {
    if (price < 0 || available < 0) {
      throw new IllegalArgumentException("price and available are not negative: " + itemId);
    }
  }

  static MenuItem fromJson(JsonNode row) {
    return new MenuItem(Json.need(row, "itemId"), Json.need(row, "name"), Json.need(row, "category"),
        row.path("price").intValue(), row.path("available").intValue());
  }

  ObjectNode toJson() {
    return Json.object().put("itemId", itemId).put("name", name).put("category", category).put("price", price)
        .put("available", available);
  }
}
