package com.example.cafe.local.states;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** The tasks that wait for a callback, by their tokens. */
public final class Callbacks {
  private static final String PREFIX = "task:";
  private final Map<String, Waiting> waiting = new ConcurrentHashMap<>();
  private final Pace pace;

  public Callbacks(Pace pace) {
    this.pace = pace;
  }

  /** A task that waits. */
  static final class Waiting {
    final CompletableFuture<JsonNode> result = new CompletableFuture<>();
    volatile Instant heartbeat;

    Waiting(Instant heartbeat) {
      this.heartbeat = heartbeat;
    }
  }

  static String token() {
    var token = PREFIX + UUID.randomUUID() + UUID.randomUUID();
    return Base64.getEncoder().encodeToString(token.getBytes(StandardCharsets.UTF_8));
  }

  /** Whether a text has the form of a token at all. */
  public static boolean isToken(String text) {
    try {
      return new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8).startsWith(PREFIX);
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  Waiting open(String token) {
    var task = new Waiting(pace.now());
    waiting.put(token, task);
    return task;
  }

  void close(String token) {
    waiting.remove(token);
  }

  /** @return whether the task was still waiting */
  public boolean succeed(String token, JsonNode output) {
    var task = waiting.remove(token);
    return task != null && task.result.complete(output);
  }

  /** @return whether the task was still waiting */
  public boolean fail(String token, @Nullable String error, @Nullable String cause) {
    var task = waiting.remove(token);
    return task != null && task.result.completeExceptionally(new StateError(error == null ? "" : error, cause));
  }

  /** @return whether the task is still waiting */
  public boolean heartbeat(String token) {
    var task = waiting.get(token);
    if (task == null) {
      return false;
    }
    task.heartbeat = pace.now();
    return true;
  }
}
