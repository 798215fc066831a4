package com.example.cafe.local.states;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingDeque;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Work that waits for someone to poll for it, by activity. */
public final class Activities {
  private final Map<String, LinkedBlockingDeque<Work>> queues = new ConcurrentHashMap<>();

  /** A task on offer. @param worker completes with the name of who took it, "" for nobody's name */
  public record Work(String token, String input, CompletableFuture<String> worker) {}

  CompletableFuture<String> offer(String activity, String token, String input) {
    var work = new Work(token, input, new CompletableFuture<>());
    queue(activity).add(work);
    return work.worker();
  }

  void withdraw(String activity, @Nullable String token) {
    queue(activity).removeIf(work -> work.token().equals(token));
  }

  /** Takes a task, waiting for one; null where none came in time. */
  public @Nullable Work take(String activity, String worker, Duration patience) throws InterruptedException {
    var work = queue(activity).poll(patience.toMillis(), TimeUnit.MILLISECONDS);
    if (work != null) {
      work.worker().complete(worker);
    }
    return work;
  }

  private LinkedBlockingDeque<Work> queue(String activity) {
    return queues.computeIfAbsent(activity, _ -> new LinkedBlockingDeque<>());
  }
}
