package com.example.cafe.local;

import com.example.cafe.local.Invocation.Outcome;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The instances of one function: started on demand, the newest reused first, no more at once than a laptop bears.
 *
 * <p>Unlike in the account, an event waits for one of the running instances to come free ({@value #PATIENCE_MILLIS} ms)
 * before another is started: on few processors a start costs more than it brings. A function with
 * ReservedConcurrentExecutions throttles at once beyond that number, as in the account. Others have up to
 * {@value #BOUND} instances; callers beyond them queue here, {@value #QUEUE} at most and {@value #QUEUE_SECONDS} s long.
 */
final class FunctionPool implements AutoCloseable {
  static final int BOUND = 8;
  static final int QUEUE = 1_000;
  static final int QUEUE_SECONDS = 60;
  private static final int PATIENCE_MILLIS = 40;
  private static final long IDLE = TimeUnit.MINUTES.toNanos(10);

  private final FunctionHost host;
  private final LambdaFunction function;
  private final @Nullable Integer reserved;
  private final int bound;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final Set<FunctionProcess> live = new LinkedHashSet<>();
  private final Set<FunctionProcess> busy = new LinkedHashSet<>();
  private final ArrayDeque<FunctionProcess> idle = new ArrayDeque<>();
  private int waiting;
  private boolean closed;

  FunctionPool(FunctionHost host, LambdaFunction function, @Nullable Integer reserved) {
    this.host = host;
    this.function = function;
    this.reserved = reserved;
    this.bound = function.debug() ? 1 : reserved == null ? BOUND : reserved;
  }

  /** How many events this function can take at once. */
  int bound() {
    return bound;
  }

  /**
   * Runs an event in an instance of this function.
   *
   * @param patient whether the event may wait without a limit, as events of queues do
   * @throws AwsException TooManyRequestsException when there is no instance to be had
   */
  Outcome invoke(Invocation invocation, String version, boolean patient) {
    while (true) {
      var process = acquire(version, patient);
      if (!process.ready.isDone() || process.ready.isCompletedExceptionally()) {
        var failure = process.initFailure(invocation);
        host.log.event("invoke", function.logicalId() + "  did not start: " + failure.errorType());
        return failure;
      }
      try {
        var outcome = process.run(invocation);
        if (outcome != null) {
          return outcome;
        }
      } finally {
        release(process);
      }
    }
  }

  /** An idle instance, or one whose start for this event has failed. */
  private FunctionProcess acquire(String version, boolean patient) {
    var code = host.code.current();
    lock.lock();
    waiting++;
    try {
      if (waiting > QUEUE && !patient) {
        throw throttled();
      }
      var since = System.nanoTime();
      FunctionProcess mine = null;
      while (!closed) {
        var reused = takeIdle(version, code);
        if (reused != null) {
          return reused;
        }
        if (mine != null && mine.ready.isCompletedExceptionally()) {
          return mine;
        }
        var waited = System.nanoTime() - since;
        if (mine == null) {
          if (reserved != null && busy.size() >= reserved && !patient) {
            throw throttled();
          }
          var others = live.stream().anyMatch(process -> process.version().equals(version) && process.code().equals(code));
          if (live.size() < bound && (!others || waited > TimeUnit.MILLISECONDS.toNanos(PATIENCE_MILLIS))) {
            mine = start(version, code);
          }
        }
        if (!patient && mine == null && waited > TimeUnit.SECONDS.toNanos(QUEUE_SECONDS)) {
          throw throttled();
        }
        changed.awaitNanos(TimeUnit.MILLISECONDS.toNanos(20));
      }
      throw new AwsException(500, "ServiceException", "The local cloud is stopping.");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AwsException(500, "ServiceException", "The local cloud is stopping.");
    } finally {
      waiting--;
      lock.unlock();
    }
  }

  private @Nullable FunctionProcess takeIdle(String version, FunctionCode.Snapshot code) {
    for (var process : List.copyOf(idle)) {
      if (!process.isAlive() || !process.code().equals(code)) {
        retire(process);
      } else if (process.version().equals(version)) {
        idle.remove(process);
        busy.add(process);
        return process;
      }
    }
    if (live.size() >= bound && !idle.isEmpty()) {
      retire(idle.getLast());
    }
    return null;
  }

  private void retire(FunctionProcess process) {
    idle.remove(process);
    process.kill();
  }

  private @Nullable FunctionProcess start(String version, FunctionCode.Snapshot code) {
    if (!host.tryStart()) {
      return null;
    }
    if (!host.tryTake(function.heapMb())) {
      host.started();
      host.makeRoom();
      return null;
    }
    var process = new FunctionProcess(host, function, version, code);
    live.add(process);
    process.ready.whenComplete((nanos, failure) -> {
      host.started();
      locked(() -> {
        if (failure == null) {
          idle.addFirst(process);
        }
      });
    });
    process.gone.thenRun(() -> {
      host.give(function.heapMb());
      locked(() -> {
        live.remove(process);
        idle.remove(process);
      });
    });
    Thread.ofVirtual().name(function.logicalId()).start(process::start);
    return process;
  }

  private void release(FunctionProcess process) {
    locked(() -> {
      busy.remove(process);
      if (process.isAlive()) {
        idle.addFirst(process);
      }
    });
  }

  private void locked(Runnable change) {
    lock.lock();
    try {
      change.run();
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private static AwsException throttled() {
    return new AwsException(429, "TooManyRequestsException", "Rate Exceeded.");
  }

  /** Starts the instance that waits for a debugger. */
  void startForDebugging(String version) {
    var code = host.code.current();
    locked(() -> {
      if (live.isEmpty()) {
        start(version, code);
      }
    });
  }

  /** Ends instances that nobody has used for a while, and takes over what the others have printed meanwhile. */
  void tidy() {
    for (var process : processes()) {
      process.collectOutput(null);
    }
    locked(() -> {
      for (var process : List.copyOf(idle)) {
        if (!process.isAlive() || process.idleNanos() > IDLE && !function.debug()) {
          retire(process);
        }
      }
    });
  }

  /** Ends the instance that has been idle the longest, if there is one. @return whether it did */
  boolean evict(long leastIdleNanos) {
    // Pools make room for one another while they hold their own locks.
    if (!lock.tryLock()) {
      return false;
    }
    try {
      if (idle.isEmpty() || idle.getLast().idleNanos() < leastIdleNanos) {
        return false;
      }
      retire(idle.getLast());
      return true;
    } finally {
      lock.unlock();
    }
  }

  List<FunctionProcess> processes() {
    lock.lock();
    try {
      return new ArrayList<>(live);
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    locked(() -> closed = true);
    processes().forEach(FunctionProcess::kill);
    for (var process : processes()) {
      process.gone.completeOnTimeout(null, 5, TimeUnit.SECONDS).join();
    }
  }
}
