package com.example.cafe.local.states;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.jspecify.annotations.Nullable;

/**
 * An error inside an execution: what Retry and Catch match, and what the execution ends with if nothing does. Tasks throw
 * it to fail.
 */
@SuppressWarnings("serial")
public final class StateError extends Exception {
  static final String TIMEOUT = "States.Timeout";
  static final String HEARTBEAT = "States.HeartbeatTimeout";
  static final String RUNTIME = "States.Runtime";
  static final String DATA_LIMIT = "States.DataLimitExceeded";
  static final String QUERY = "States.QueryEvaluationError";

  private final String error;
  private final @Nullable String cause;
  /** A second name that error handlers know it by: a missed heartbeat is a timeout, too. */
  private final @Nullable String alias;
  /** The field of the state whose JSONata expression failed. */
  private final @Nullable String location;
  /** Found by the interpreter itself, and its cause doesn't name the state yet. */
  private final boolean unplaced;
  private final boolean fatal;

  private StateError(String error, @Nullable String cause, @Nullable String alias, @Nullable String location,
      boolean unplaced, boolean fatal) {
    super(error + (cause == null ? "" : ": " + cause), null, false, false);
    this.error = error;
    this.cause = cause;
    this.alias = alias;
    this.location = location;
    this.unplaced = unplaced;
    this.fatal = fatal;
  }

  /** @param error the error's name, as ErrorEquals matches it @param cause a text for people, or null */
  public StateError(String error, @Nullable String cause) {
    this(error, cause, null, null, false, false);
  }

  /** A fault that the interpreter finds in the definition or its data. */
  static StateError found(String error, String cause) {
    return new StateError(error, cause, null, null, true, false);
  }

  /** A fault that ends the execution, from however deep inside: no wildcard catches it. */
  static StateError runtime(String cause) {
    return new StateError(RUNTIME, cause, null, null, true, true);
  }

  /** The execution itself has come to a bound. */
  static StateError exhausted(String cause) {
    return new StateError(RUNTIME, cause, null, null, false, true);
  }

  /** A JSONata expression that failed. @param location the field, for example "Output/total" */
  static StateError query(String location, String cause) {
    return new StateError(QUERY, cause, null, location, true, false);
  }

  static StateError timeout(boolean heartbeat) {
    return new StateError(TIMEOUT, null, heartbeat ? HEARTBEAT : null, null, false, false);
  }

  public String error() {
    return error;
  }

  public @Nullable String cause() {
    return cause;
  }

  @Nullable String location() {
    return location;
  }

  boolean fatal() {
    return fatal;
  }

  /** This error with the state named in its cause, as the service words every error that it finds itself. */
  StateError in(String state, long enteredEvent) {
    return unplaced
        ? new StateError(error, "An error occurred while executing the state '" + state + "' (entered at the event id #"
            + enteredEvent + "). " + cause, alias, location, false, fatal)
        : this;
  }

  /** The rules of ErrorEquals: wildcards leave some errors alone. */
  boolean matches(String name) {
    return switch (name) {
      case "States.ALL" -> !error.equals(RUNTIME) && !error.equals(DATA_LIMIT);
      case "States.TaskFailed" -> !error.equals(TIMEOUT) && !error.equals(RUNTIME) && !error.equals(DATA_LIMIT);
      default -> name.equals(error) || name.equals(alias);
    };
  }

  /** The Error Output that a catcher hands on. */
  ObjectNode output() {
    return Values.object().put("Error", error).put("Cause", cause == null ? "" : cause);
  }
}
