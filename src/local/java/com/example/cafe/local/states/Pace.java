package com.example.cafe.local.states;

import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The clock that executions live by. A test runs it faster. */
public final class Pace {
  /** Seconds are seconds. */
  public static final Pace REAL = new Pace(1);

  private final long factor;
  private final long startNanos = System.nanoTime();
  private final Instant start = Instant.now();

  private Pace(long factor) {
    this.factor = factor;
  }

  /** A clock on which {@code factor} seconds pass in one. */
  public static Pace times(long factor) {
    return new Pace(factor);
  }

  public Instant now() {
    return factor == 1 ? Instant.now() : start.plusNanos((System.nanoTime() - startNanos) * factor);
  }

  /** Waits until an instant of this clock. */
  void sleepUntil(Instant end) throws InterruptedException {
    // Thread.sleep may wake early by a rounded bit; an execution must never be ahead of its clock.
    for (var left = Duration.between(now(), end); left.isPositive(); left = Duration.between(now(), end)) {
      Thread.sleep(Duration.ofNanos(Math.max(1, nanos(left) / factor)));
    }
  }

  /**
   * Waits for a result.
   *
   * @throws TimeoutException when the instant has come first
   */
  <T> T await(CompletableFuture<T> future, Instant deadline)
      throws InterruptedException, TimeoutException, ExecutionException {
    if (deadline.equals(Instant.MAX)) {
      return future.get();
    }
    return future.get(Math.max(0, nanos(Duration.between(now(), deadline)) / factor), TimeUnit.NANOSECONDS);
  }

  private static long nanos(Duration duration) {
    return duration.toSeconds() > 4_000_000_000L ? Long.MAX_VALUE : duration.toNanos();
  }
}
