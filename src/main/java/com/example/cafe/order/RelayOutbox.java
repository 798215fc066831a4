package com.example.cafe.order;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Logs;
import com.example.cafe.platform.Snapshot;
import java.time.Clock;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** On a schedule: publishes the events that were committed and then did not leave. */
public final class RelayOutbox implements RequestHandler<Map<String, Object>, Map<String, Integer>> {
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

  /** @return how many events were published: {"published": 0} */
  @Override
  public Map<String, Integer> handleRequest(Map<String, Object> event, Context context) {
    return Logs.invocation(context, () -> {
      var deadline = Deadline.of(context);
      var published = outbox.relay(deadline);
      if (published > 0) {
        LOG.warn("Published {} events that had been left behind", published);
      }
      outbox.tidy(deadline);
      return Map.of("published", published);
    });
  }
}
