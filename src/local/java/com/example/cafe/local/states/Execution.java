package com.example.cafe.local.states;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** One run of a state machine: its state, and everything that happened in it. Safe to use from several threads. */
public final class Execution {
  /** Event number 25,000 is the last that an execution can have. */
  private static final int MAX_EVENTS = 25_000;

  /** Where an execution stands. */
  public enum Status { RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED }

  private final Machine machine;
  private final String arn;
  private final String name;
  private final String input;
  private final Instant start;
  private final Pace pace;
  private final List<ObjectNode> events = new ArrayList<>();
  private CompletableFuture<Execution> ended = new CompletableFuture<>();
  private int lastEvent;
  private Status status = Status.RUNNING;
  private @Nullable Instant stop;
  private @Nullable String output;
  private @Nullable String error;
  private @Nullable String cause;
  private @Nullable Thread thread;
  private int redrives;
  private @Nullable Instant redriven;
  /** Where the execution stands, or stood when it ended. */
  Interpreter.@Nullable Track track;

  /** @param input JSON text */
  public Execution(Machine machine, String arn, String name, String input, Pace pace) {
    this.machine = machine;
    this.arn = arn;
    this.name = name;
    this.input = input;
    this.pace = pace;
    this.start = Instant.ofEpochMilli(pace.now().toEpochMilli());
  }

  public Machine machine() {
    return machine;
  }

  public String arn() {
    return arn;
  }

  public String name() {
    return name;
  }

  public String input() {
    return input;
  }

  public Instant start() {
    return start;
  }

  public synchronized Status status() {
    return status;
  }

  public synchronized @Nullable Instant stop() {
    return stop;
  }

  public synchronized @Nullable String output() {
    return output;
  }

  public synchronized @Nullable String error() {
    return error;
  }

  public synchronized @Nullable String cause() {
    return cause;
  }

  /** How often the execution was redriven. */
  public synchronized int redrives() {
    return redrives;
  }

  /** When the execution was redriven last, or null. */
  public synchronized @Nullable Instant redriven() {
    return redriven;
  }

  /** Every event so far, oldest first, in the form of GetExecutionHistory. */
  public synchronized List<ObjectNode> events() {
    return List.copyOf(events);
  }

  /** Completes when the execution has ended, however. A redrive has an end of its own. */
  public synchronized CompletableFuture<Execution> ended() {
    return ended;
  }

  /** @return why the execution cannot be redriven, in the words of DescribeExecution, or null */
  public synchronized @Nullable String notRedrivable() {
    if (status == Status.RUNNING || status == Status.SUCCEEDED) {
      return "Execution is " + status + " and cannot be redriven";
    }
    return lastEvent >= MAX_EVENTS - 1 ? "Execution history event limit exceeded" : null;
  }

  /**
   * Makes an execution that failed run again; whoever runs it goes on where its track stands.
   *
   * @return whether that was possible
   */
  boolean redrive() throws InterruptedException {
    Thread worker;
    synchronized (this) {
      worker = thread;
    }
    if (notRedrivable() == null && worker != null) {
      // Told to leave, it may still be on its way out.
      worker.join();
    }
    synchronized (this) {
      if (notRedrivable() != null) {
        return false;
      }
      redrives++;
      redriven = Instant.ofEpochMilli(pace.now().toEpochMilli());
      status = Status.RUNNING;
      stop = null;
      error = null;
      cause = null;
      thread = null;
      ended = new CompletableFuture<>();
      var last = write("ExecutionRedriven", lastEvent, "executionRedrivenEventDetails",
          Values.object().put("redriveCount", redrives));
      if (track != null) {
        track.redriven(last);
      }
      return true;
    }
  }

  synchronized void runsOn(Thread worker) {
    thread = worker;
    if (status != Status.RUNNING) {
      worker.interrupt();
    }
  }

  /**
   * Writes an event.
   *
   * @param details the details under the name that the API gives them, or null
   * @return the event's id
   * @throws InterruptedException when the execution is over: whoever still works on it stops here
   */
  synchronized long event(String type, long previous, @Nullable String detailsName, @Nullable JsonNode details)
      throws StateError, InterruptedException {
    if (status != Status.RUNNING) {
      throw new InterruptedException("the execution has ended");
    }
    if (lastEvent >= MAX_EVENTS - 1 && !machine.express()) {
      throw StateError.exhausted("The execution reached the maximum number of history events (" + MAX_EVENTS + ").");
    }
    return write(type, previous, detailsName, details);
  }

  private long write(String type, long previous, @Nullable String detailsName, @Nullable JsonNode details) {
    lastEvent++;
    if (!machine.express()) {
      var event = Values.object();
      event.put("timestamp", seconds(pace.now())).put("type", type).put("id", lastEvent).put("previousEventId", previous);
      if (details != null && detailsName != null) {
        event.set(detailsName, details);
      }
      events.add(event);
    }
    return lastEvent;
  }

  /** A time as the API writes it: seconds since the epoch. */
  public static double seconds(Instant instant) {
    return instant.toEpochMilli() / 1000.0;
  }

  synchronized void succeed(String result, long previous) {
    if (end(Status.SUCCEEDED, null, null)) {
      output = result;
      write("ExecutionSucceeded", previous, "executionSucceededEventDetails",
          Values.object().put("output", result).set("outputDetails", Values.object().put("truncated", false)));
      ended.complete(this);
    }
  }

  synchronized void fail(StateError failure, long previous) {
    if (end(Status.FAILED, failure.error().isEmpty() ? null : failure.error(), failure.cause())) {
      write("ExecutionFailed", previous, "executionFailedEventDetails", reason());
      ended.complete(this);
    }
  }

  /** Stops the execution as StopExecution does; does nothing once it has ended. */
  public void abort(@Nullable String why, @Nullable String because) {
    Runnable leave;
    synchronized (this) {
      if (!end(Status.ABORTED, why, because)) {
        return;
      }
      write("ExecutionAborted", 0, "executionAbortedEventDetails", reason());
      leave = leaving();
    }
    leave.run();
  }

  /** @param attempt the number of redrives that the time belongs to */
  void timeOut(int attempt) {
    Runnable leave;
    synchronized (this) {
      if (attempt != redrives || !end(Status.TIMED_OUT, null, null)) {
        return;
      }
      write("ExecutionTimedOut", 0, "executionTimedOutEventDetails", Values.object().put("error", StateError.TIMEOUT));
      leave = leaving();
    }
    leave.run();
  }

  /** What is left to do outside the lock, for this attempt: a redrive may follow at once. */
  private Runnable leaving() {
    var worker = thread;
    var end = ended;
    return () -> {
      if (worker != null) {
        worker.interrupt();
      }
      end.complete(this);
    };
  }

  private boolean end(Status outcome, @Nullable String why, @Nullable String because) {
    if (status != Status.RUNNING) {
      return false;
    }
    status = outcome;
    error = why;
    cause = because;
    stop = Instant.ofEpochMilli(pace.now().toEpochMilli());
    return true;
  }

  private ObjectNode reason() {
    var reason = Values.object();
    if (error != null) {
      reason.put("error", error);
    }
    if (cause != null) {
      reason.put("cause", cause);
    }
    return reason;
  }
}
