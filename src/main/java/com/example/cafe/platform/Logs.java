package com.example.cafe.platform;

import com.amazonaws.services.lambda.runtime.Context;
import java.util.function.Supplier;
import org.slf4j.MDC;
import software.amazon.lambda.powertools.logging.PowertoolsLogging;

/** Structured logs: every line of an invocation carries the function's fields, the correlation id and the order's id. */
public final class Logs {
  private static final String CORRELATION_ID = "correlation_id";
  private static final String ORDER_ID = "orderId";

  private Logs() {}

  /** Runs an invocation. What it notes with {@link #correlation} and {@link #order} goes when it ends. */
  public static <T> T invocation(Context context, Supplier<T> work) {
    return PowertoolsLogging.withLogging(context, () -> {
      try {
        return work.get();
      } finally {
        reset();
      }
    });
  }

  /** What follows is about another order. */
  static void reset() {
    MDC.remove(CORRELATION_ID);
    MDC.remove(ORDER_ID);
  }

  public static void correlation(String id) {
    MDC.put(CORRELATION_ID, id);
  }

  public static void order(String id) {
    MDC.put(ORDER_ID, id);
  }
}
