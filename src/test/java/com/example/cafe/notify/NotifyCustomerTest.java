package com.example.cafe.notify;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.example.cafe.Events;
import com.example.cafe.FakeDataApi;
import com.example.cafe.TestContext;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Json;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.services.sesv2.SesV2Client;
import software.amazon.awssdk.services.sesv2.model.MessageRejectedException;
import software.amazon.awssdk.services.sesv2.model.SendEmailRequest;
import software.amazon.awssdk.services.sesv2.model.SendEmailResponse;

class NotifyCustomerTest {
  private final FakeDataApi dataApi = new FakeDataApi();
  private final List<SendEmailRequest> mails = new ArrayList<>();
  private @Nullable RuntimeException broken;
  private final NotifyCustomer notifyCustomer =
      new NotifyCustomer(new Notifications(FakeDataApi.database(dataApi), Clock.systemUTC()), new SesV2Client() {
        @Override
        public SendEmailResponse sendEmail(SendEmailRequest request) {
          if (broken != null) {
            throw broken;
          }
          mails.add(request);
          return SendEmailResponse.builder().messageId("m").build();
        }

        @Override
        public String serviceName() {
          return SERVICE_NAME;
        }

        @Override
        public void close() {}
      }, "no-reply@example.com");

  @Test
  void aCompletedOrderIsMailedAndMarked() {
    claim(true, false, "\"ada@example.com\"", "null");

    assertThat(failures()).isZero();

    assertThat(mails).singleElement().satisfies(mail -> {
      assertThat(mail.destination().toAddresses()).containsExactly("ada@example.com");
      assertThat(mail.fromEmailAddress()).isEqualTo("no-reply@example.com");
      assertThat(mail.content().simple().subject().data()).isEqualTo("Your order is ready");
      assertThat(mail.content().simple().body().text().data()).contains("2 x Tea & <b>Honey</b>").contains("7.20 EUR");
      assertThat(mail.content().simple().body().html().data()).contains("2 × Tea &amp; &lt;b&gt;Honey&lt;/b&gt;");
    });
    assertThat(dataApi.log()).anyMatch(sql -> sql.contains("SET sent_at"));
  }

  @Test
  void aRejectedOrderIsMailedWithItsReason() {
    claim(true, false, "\"ada@example.com\"", "\"Only <3> left.\"");

    assertThat(failures()).isZero();
    assertThat(mails.getFirst().content().simple().body().text().data()).contains("Only <3> left. Nothing was charged.");
    assertThat(mails.getFirst().content().simple().body().html().data()).contains("Only &lt;3&gt; left.");
  }

  @Test
  void anEventThatWasMailedIsNotMailedAgain() {
    claim(false, true, "\"ada@example.com\"", "null");

    assertThat(failures()).isZero();
    assertThat(mails).isEmpty();
  }

  @Test
  void anEventThatAnotherInvocationIsMailingComesAgain() {
    claim(false, false, "\"ada@example.com\"", "null");

    assertThat(failures()).isEqualTo(1);
    assertThat(mails).isEmpty();
  }

  @Test
  void aMailThatSesRefusesComesAgainAtOnce() {
    claim(true, false, "\"ada@example.com\"", "null");
    broken = MessageRejectedException.builder().statusCode(400).message("not verified").build();

    assertThat(failures()).isEqualTo(1);
    assertThat(dataApi.log()).anyMatch(sql -> sql.startsWith("DELETE FROM notification"));
    assertThat(dataApi.log()).noneMatch(sql -> sql.contains("SET sent_at"));
  }

  @Test
  void whatSesSaysOfAnAddressDoesNotReachTheLogs() {
    claim(true, false, "\"ada@example.com\"", "null");
    broken = MessageRejectedException.builder().statusCode(400).message("not verified: ada@example.com").build();
    assertThatThrownBy(() -> notifyCustomer.mail(Json.parse(Events.sqs("NotifyCustomer").getRecords().getFirst().getBody()),
        Deadline.of(new TestContext())))
        .hasMessageContaining("MessageRejectedException").hasNoCause()
        .satisfies(e -> assertThat(e.getMessage()).doesNotContain("ada"));
  }

  @Test
  void aCustomerWithoutAnAddressGetsNoMailAndTheMessageIsDone() {
    claim(true, false, "null", "null");

    assertThat(failures()).isZero();
    assertThat(mails).isEmpty();
    assertThat(dataApi.log()).anyMatch(sql -> sql.contains("SET sent_at"));
  }

  @Test
  void aDatabaseThatSleepsLetsTheMessageComeAgain() {
    dataApi.resuming(Integer.MAX_VALUE);

    var response = notifyCustomer.handleRequest(Events.sqs("NotifyCustomer"), new TestContext(3_600));

    assertThat(response.getBatchItemFailures()).hasSize(1);
  }

  private void claim(boolean yours, boolean sent, String email, String reason) {
    dataApi.answer("INSERT INTO notification", p -> List.of("""
        {"yours":%s,"sent":%s,"order":{"orderId":"%s","email":%s,"total":720,"currency":"EUR","reason":%s,
         "lines":[{"quantity":2,"name":"Tea & <b>Honey</b>"}]}}""".formatted(yours, sent, p.get("orderId"), email, reason)));
  }

  private int failures() {
    return notifyCustomer.handleRequest(Events.sqs("NotifyCustomer"), new TestContext()).getBatchItemFailures().size();
  }
}
