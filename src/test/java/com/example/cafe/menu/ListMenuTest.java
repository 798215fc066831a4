package com.example.cafe.menu;

import static org.assertj.core.api.Assertions.assertThat;

import com.example.cafe.Events;
import com.example.cafe.FakeDataApi;
import com.example.cafe.TestContext;
import com.example.cafe.platform.Json;
import java.util.List;
import org.junit.jupiter.api.Test;

class ListMenuTest {
  private final FakeDataApi dataApi = new FakeDataApi();
  private final ListMenu listMenu = new ListMenu(FakeDataApi.database(dataApi));

  @Test
  void anyoneSeesWhatCanBeOrdered() {
    dataApi.answer("FROM menu_item", sql -> List.of("""
        {"itemId":"espresso","name":"Espresso","category":"coffee","price":250,"available":1000}"""));

    var response = listMenu.handleRequest(Events.api("ListMenu"), new TestContext());

    assertThat(response.getStatusCode()).isEqualTo(200);
    assertThat(response.getHeaders()).containsEntry("Content-Type", "application/json");
    assertThat(Json.parse(response.getBody())).isEqualTo(Json.parse("""
        {"items":[{"itemId":"espresso","name":"Espresso","category":"coffee","price":250,"available":1000}]}"""));
  }

  @Test
  void aDatabaseThatWakesUpIsWaitedForWithinTheRequestsTime() {
    dataApi.resuming(3);
    dataApi.answer("FROM menu_item", sql -> List.of());

    assertThat(listMenu.handleRequest(Events.api("ListMenu"), new TestContext()).getStatusCode()).isEqualTo(200);
  }

  @Test
  void aDatabaseThatTakesLongerIsToldAs503WithRetryAfter() {
    dataApi.resuming(Integer.MAX_VALUE);

    var response = listMenu.handleRequest(Events.api("ListMenu"), new TestContext(1_000));

    assertThat(response.getStatusCode()).isEqualTo(503);
    assertThat(response.getHeaders()).containsEntry("Retry-After", "15").containsEntry("Content-Type",
        "application/problem+json");
  }

  @Test
  void aStatementThatFailsTellsNobodyItsText() {
    dataApi.fail("menu_item", 400, "column \"secret\" does not exist");

    var response = listMenu.handleRequest(Events.api("ListMenu"), new TestContext());

    assertThat(response.getStatusCode()).isEqualTo(500);
    assertThat(response.getBody()).doesNotContain("secret").doesNotContain("column").doesNotContain("SELECT");
  }

  @Test
  void aDatabaseThatIsNotThereForAMomentIs503() {
    dataApi.fail("menu_item", 504, "unavailable");

    assertThat(listMenu.handleRequest(Events.api("ListMenu"), new TestContext()).getStatusCode()).isEqualTo(503);
  }
}
