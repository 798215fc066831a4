package com.example.cafe.platform;

import com.amazonaws.services.lambda.runtime.Context;
import java.time.Duration;
import java.util.function.LongSupplier;

/** The time that is left for an invocation, with enough kept back to answer in order. */
public final class Deadline {
  private static final long RESERVE_MILLIS = 1500;
  private final LongSupplier remainingMillis;

  private Deadline(LongSupplier remainingMillis) {
    this.remainingMillis = remainingMillis;
  }

  public static Deadline of(Context context) {
    return new Deadline(() -> context.getRemainingTimeInMillis() - RESERVE_MILLIS);
  }

  /** For work outside an invocation: nothing waits. */
  static Deadline now() {
    return new Deadline(() -> 0);
  }

  /** Whether something that takes this long still fits. */
  public boolean allows(Duration duration) {
    return remainingMillis.getAsLong() >= duration.toMillis();
  }
}
