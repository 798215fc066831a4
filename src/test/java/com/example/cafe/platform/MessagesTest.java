package com.example.cafe.platform;

import static org.assertj.core.api.Assertions.assertThat;

import com.amazonaws.services.lambda.runtime.events.SQSEvent;
import com.example.cafe.TestContext;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.slf4j.MDC;

class MessagesTest {
  private final List<@Nullable String> ordersInTheLog = new ArrayList<>();

  @Test
  void whatIsLoggedOfABrokenMessageDoesNotNameTheOrderOfTheOneBefore() {
    var event = new SQSEvent();
    event.setRecords(List.of(message("1", "{\"orderId\":\"o\",\"correlationId\":\"c\"}"), message("2", "{")));

    var response = Messages.each(event, new TestContext(), (message, deadline) -> ordersInTheLog.add(MDC.get("orderId")));

    assertThat(response.getBatchItemFailures()).singleElement()
        .satisfies(failure -> assertThat(failure.getItemIdentifier()).isEqualTo("2"));
    assertThat(ordersInTheLog).containsExactly(null, "o", null);
  }

  /** Notes what the log would say while it is read. */
  private SQSEvent.SQSMessage message(String id, String body) {
    var message = new SQSEvent.SQSMessage() {
      @Override
      public String getBody() {
        ordersInTheLog.add(MDC.get("orderId"));
        return body;
      }
    };
    message.setMessageId(id);
    return message;
  }
}
