package com.example.cafe.notify;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.events.SQSBatchResponse;
import com.amazonaws.services.lambda.runtime.events.SQSEvent;
import com.example.cafe.platform.Clients;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Env;
import com.example.cafe.platform.Json;
import com.example.cafe.platform.Messages;
import com.example.cafe.platform.Snapshot;
import com.fasterxml.jackson.databind.JsonNode;
import java.time.Clock;
import java.time.Duration;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import software.amazon.awssdk.services.sesv2.SesV2Client;
import software.amazon.awssdk.services.sesv2.model.SesV2Exception;

/**
 * An order is completed or rejected: mails that to its customer, one mail an event.
 *
 * <p>SES knows no idempotency. The event is claimed in the database before the mail leaves and marked after; only a function
 * that dies between the two lets a second mail leave, a minute later. The other way round, mails would be lost.
 */
public final class NotifyCustomer implements RequestHandler<SQSEvent, SQSBatchResponse> {
  private static final Logger LOG = LoggerFactory.getLogger(NotifyCustomer.class);
  private final Notifications notifications;
  private final SesV2Client ses;
  private final String sender;

  public NotifyCustomer() {
    this(Database.fromEnvironment(), Clock.systemUTC());
  }

  private NotifyCustomer(Database database, Clock clock) {
    this(new Notifications(database, clock), Clients.build(SesV2Client.builder(), Duration.ofSeconds(3)), Env.get("SENDER"));
    Snapshot.prime(database::prime);
  }

  NotifyCustomer(Notifications notifications, SesV2Client ses, String sender) {
    this.notifications = notifications;
    this.ses = ses;
    this.sender = sender;
  }

  @Override
  public SQSBatchResponse handleRequest(SQSEvent event, Context context) {
    return Messages.each(event, context, this::mail);
  }

  void mail(JsonNode message, Deadline deadline) {
    var eventId = UUID.fromString(Json.need(message, "eventId"));
    switch (notifications.claim(eventId, UUID.fromString(Json.need(message, "orderId")), deadline)) {
      case Notifications.Claim.Sent() -> LOG.info("Mailed before");
      case Notifications.Claim.Busy() -> throw new IllegalStateException("another invocation is mailing this event");
      case Notifications.Claim.Yours(var order) -> {
        if (order.email() == null) {
          LOG.warn("The customer's token named no address, so there is no mail");
        } else {
          send(order, order.email(), eventId, deadline);
        }
        notifications.sent(eventId, deadline);
      }
    }
  }

  private void send(ClosedOrder order, String email, UUID eventId, Deadline deadline) {
    var mail = OutcomeMail.of(order);
    try {
      ses.sendEmail(r -> r
          .fromEmailAddress(sender)
          .destination(d -> d.toAddresses(email))
          .content(c -> c.simple(s -> s
              .subject(t -> t.charset("UTF-8").data(mail.subject()))
              .body(b -> b
                  .text(t -> t.charset("UTF-8").data(mail.text()))
                  .html(t -> t.charset("UTF-8").data(mail.html()))))));
      LOG.info("Mailed");
    } catch (SesV2Exception e) {
      // SES said no, so nothing left: the next attempt need not wait until the claim is stale.
      if (e.statusCode() < 500) {
        notifications.release(eventId, deadline);
      }
      // SES names the address in its message, and this one ends in the logs.
      throw new IllegalStateException("SES did not take the mail: " + e.getClass().getSimpleName() + ", HTTP "
          + e.statusCode() + ", request " + e.requestId());
    }
  }
}
