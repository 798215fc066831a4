package com.example.cafe.local;

import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** One event on its way to a function and what became of it. */
final class Invocation {
  private static final SecureRandom RANDOM = new SecureRandom();
  private final String requestId;
  private final String invokedArn;
  private final byte[] payload;
  private final @Nullable String clientContext;
  private final String traceId;
  private final StringBuilder lines = new StringBuilder();
  private volatile long deadlineMillis;

  /** When the runtime took the event; completed with the {@link System#nanoTime}. */
  final CompletableFuture<Long> taken = new CompletableFuture<>();
  final CompletableFuture<Outcome> outcome = new CompletableFuture<>();

  /**
   * @param payload the response, or the error as JSON
   * @param functionError what the header X-Amz-Function-Error says; null for success
   * @param errorType for people
   * @param lost the process was killed from outside: the event may or may not have been processed
   * @param log the last lines of the invocation's log
   */
  record Outcome(String requestId, byte[] payload, @Nullable String functionError, @Nullable String errorType,
      boolean lost, String log) {

    boolean failed() {
      return functionError != null;
    }

    static Outcome error(Invocation invocation, String type, String message, boolean lost) {
      return new Outcome(invocation.requestId, Json.write(Json.object().put("errorType", type)
          .put("errorMessage", message)).getBytes(StandardCharsets.UTF_8), "Unhandled", type, lost, "");
    }

    Outcome with(String lines) {
      return new Outcome(requestId, payload, functionError, errorType, lost, lines);
    }
  }

  /** @param requestId the request id of an earlier attempt, or null for a new one */
  Invocation(String invokedArn, byte[] payload, @Nullable String clientContext, boolean sampled,
      @Nullable String requestId) {
    this.requestId = requestId == null ? UUID.randomUUID().toString() : requestId;
    this.invokedArn = invokedArn;
    this.payload = payload;
    this.clientContext = clientContext;
    this.traceId = "Root=1-%08x-%s;Parent=%s;Sampled=%d".formatted(System.currentTimeMillis() / 1000, hex(12), hex(8),
        sampled ? 1 : 0);
  }

  private static String hex(int bytes) {
    var random = new byte[bytes];
    RANDOM.nextBytes(random);
    return HexFormat.of().formatHex(random);
  }

  String requestId() {
    return requestId;
  }

  String invokedArn() {
    return invokedArn;
  }

  byte[] payload() {
    return payload;
  }

  @Nullable String clientContext() {
    return clientContext;
  }

  String traceId() {
    return traceId;
  }

  /** When the function must be done, in milliseconds since the epoch. */
  long deadlineMillis() {
    return deadlineMillis;
  }

  void deadlineMillis(long deadline) {
    this.deadlineMillis = deadline;
  }

  synchronized void line(String line) {
    lines.append(line).append('\n');
    if (lines.length() > 32_768) {
      lines.delete(0, lines.length() - 16_384);
    }
  }

  synchronized String lines() {
    return lines.toString();
  }
}
