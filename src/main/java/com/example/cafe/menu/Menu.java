package com.example.cafe.menu;

import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Sql;
import java.util.List;

/** Reads the table menu_item. Stock is moved where orders are: {@code OrderProgress}. */
final class Menu {
  private final Database database;

  Menu(Database database) {
    this.database = database;
  }

  /** All items, in the order of the card. */
  List<MenuItem> items(Deadline deadline) {
    return database.query(Sql.of("""
        SELECT CAST(jsonb_build_object('itemId', item_id, 'name', name, 'category', category, 'price', price_cents,
                                       'available', stock) AS text)
        FROM menu_item
        ORDER BY position, item_id
        """), deadline).stream().map(MenuItem::fromJson).toList();
  }
}
