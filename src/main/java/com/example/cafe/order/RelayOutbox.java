package com.example.cafe.order;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Logs;
import com.example.cafe.platform.Snapshot;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Publishes the events that were committed and then did not leave: a minute after a function announced some, and on a
 * schedule, for announcements that were lost themselves. What starts it makes no difference.
 */
public final class RelayOutbox implements RequestHandler<Map<String, Object>, Map<String, Object>> {
  private static final Logger LOG = LoggerFactory.getLogger(RelayOutbox.class);
  private final Outbox outbox;

  public RelayOutbox() {
    this(Database.fromEnvironment(), Clock.systemUTC());
  }

  private RelayOutbox(Database database, Clock clock) {
    this(Outbox.fromEnvironment(database, clock));
    Snapshot.prime(database::prime);
  }

  RelayOutbox(Outbox outbox) {
    this.outbox = outbox;
  }

  /**
   * @return how many events were published, and for the queue that no message need come again
   * @throws IllegalStateException where some could not be published: the announcement comes again then
   */
  @Override
  public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
    return Logs.invocation(context, () -> {
      var deadline = Deadline.of(context);
      var relayed = outbox.relay(deadline);
      if (relayed.published() > 0) {
        LOG.warn("Published {} events that had been left behind", relayed.published());
      }
      if (relayed.kept() > 0) {
        throw new IllegalStateException(relayed.kept() + " events could not be published");
      }
      outbox.tidy(deadline);
      return Map.of("published", relayed.published(), "batchItemFailures", List.of());
    });
  }
}
