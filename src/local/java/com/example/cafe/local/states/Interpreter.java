package com.example.cafe.local.states;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs executions, each on a virtual thread, each branch and iteration on one of its own.
 *
 * <p>An error travels as a {@link StateError}; an end from outside (StopExecution, the machine's timeout) as an interrupt.
 */
public final class Interpreter {
  /** Inline maps run at most this many iterations at a time. */
  private static final int MAX_CONCURRENCY = 40;
  private static final Duration EXPRESS_LIMIT = Duration.ofMinutes(5);

  private final Tasks tasks;
  private final Callbacks callbacks;
  private final Activities activities;
  private final Pace pace;
  private final String region;
  private final BiConsumer<Execution, String> onStateEntered;

  /** @param onStateEntered told each state by name as an execution enters it */
  public Interpreter(Tasks tasks, Callbacks callbacks, Activities activities, Pace pace, String region,
      BiConsumer<Execution, String> onStateEntered) {
    this.tasks = tasks;
    this.callbacks = callbacks;
    this.activities = activities;
    this.pace = pace;
    this.region = region;
    this.onStateEntered = onStateEntered;
  }

  /** Starts an execution and returns at once. */
  public void start(Execution execution) {
    Thread.ofVirtual().name(execution.arn()).start(() -> run(execution));
  }

  /**
   * Lets an execution that did not succeed go on from the states that did not: those start again with their input, within a
   * new time limit; nothing else is repeated.
   *
   * @return false when the execution is not one to redrive
   */
  public boolean redrive(Execution execution) throws InterruptedException {
    var possible = execution.redrive();
    if (possible) {
      start(execution);
    }
    return possible;
  }

  private void run(Execution execution) {
    execution.runsOn(Thread.currentThread());
    var timer = timer(execution);
    var before = execution.track;
    var track = before == null ? new Track(execution, context(execution), new Variables(null), 0) : before;
    execution.track = track;
    try {
      if (before == null) {
        var started = Values.object().put("input", execution.input());
        started.set("inputDetails", details());
        started.put("roleArn", execution.machine().roleArn());
        execution.event("ExecutionStarted", 0, "executionStartedEventDetails", started);
      }
      var output = states(track, execution.machine().definition(), Values.parse(execution.input()));
      execution.succeed(Values.write(output), track.last);
    } catch (StateError e) {
      execution.fail(e, track.last);
    } catch (InterruptedException e) {
      // Ended from outside, which has written everything there is to write; or the local cloud is going down.
      execution.abort(null, null);
    } catch (Values.Malformed | RuntimeException | StackOverflowError e) {
      execution.fail(StateError.exhausted("Internal error: " + e), track.last);
    } finally {
      if (timer != null) {
        timer.interrupt();
      }
    }
  }

  private @Nullable Thread timer(Execution execution) {
    var seconds = execution.machine().definition().get("TimeoutSeconds");
    var limit = seconds != null ? Duration.ofSeconds(seconds.longValue())
        : execution.machine().express() ? EXPRESS_LIMIT : null;
    if (limit == null) {
      return null;
    }
    var redriven = execution.redriven();
    var attempt = execution.redrives();
    return Thread.ofVirtual().start(() -> {
      try {
        pace.sleepUntil((redriven == null ? execution.start() : redriven).plus(limit));
        execution.timeOut(attempt);
      } catch (InterruptedException e) {
        // The execution has ended before its time.
      }
    });
  }

  private static ObjectNode context(Execution execution) {
    var context = Values.object();
    var self = context.putObject("Execution").put("Id", execution.arn());
    try {
      self.set("Input", Values.parse(execution.input()));
    } catch (Values.Malformed e) {
      throw new IllegalArgumentException(e);
    }
    self.put("StartTime", Values.time(execution.start())).put("Name", execution.name())
        .put("RoleArn", execution.machine().roleArn());
    if (!execution.machine().express()) {
      self.put("RedriveCount", 0);
    }
    context.putObject("StateMachine").put("Id", execution.machine().arn()).put("Name", execution.machine().name());
    return context;
  }

  /** A line of states: the main one, a branch, an iteration. */
  static final class Track {
    final Execution execution;
    final ObjectNode context;
    final Variables variables;
    /** The event that the next one follows. */
    long last;
    /** The type of the state that runs, for the event of its abortion. */
    volatile @Nullable String current;
    /** The state that runs, its input, and the event of its entry, 0 before: where a redrive goes on. */
    @Nullable String at;
    @Nullable JsonNode input;
    long entered;
    /** The branches or iterations of that state so far, by index; null where none began. */
    Branch @Nullable [] branches;

    Track(Execution execution, ObjectNode context, Variables variables, long last) {
      this.execution = execution;
      this.context = context;
      this.variables = variables;
      this.last = last;
    }

    Track inner() {
      return new Track(execution, context.deepCopy(), new Variables(variables), last);
    }

    /** Makes ready to go on after an event. */
    void redriven(long event) {
      last = event;
      current = null;
      ((ObjectNode) context.get("Execution")).put("RedriveCount", execution.redrives())
          .put("RedriveTime", Values.time(java.util.Objects.requireNonNull(execution.redriven())));
      if (branches != null) {
        for (var branch : branches) {
          if (branch != null && branch.output == null) {
            branch.track.redriven(event);
          }
        }
      }
    }

    void event(String type) throws StateError, InterruptedException {
      event(type, null, null);
    }

    void event(String type, @Nullable String detailsName, @Nullable JsonNode details) throws StateError, InterruptedException {
      last = execution.event(type, last, detailsName, details);
    }
  }

  /** @param next the state to go to, or null at the end */
  private record Step(JsonNode output, @Nullable String next, Map<String, JsonNode> assigned) {}

  private JsonNode states(Track track, JsonNode machine, JsonNode input) throws StateError, InterruptedException {
    var resumed = track.at != null;
    var name = track.at == null ? machine.get("StartAt").asText() : track.at;
    var value = track.input == null ? input : track.input;
    while (true) {
      var state = machine.get("States").get(name);
      if (state == null) {
        throw StateError.exhausted("There is no state '" + name + "'.");
      }
      var step = new StateRun(track, name, state, value, resumed).run();
      resumed = false;
      value = step.output();
      if (step.next() == null) {
        return value;
      }
      name = step.next();
    }
  }

  private static ObjectNode details() {
    return Values.object().put("truncated", false);
  }

  /** One visit to one state, retries included. */
  private final class StateRun {
    private final Track track;
    private final String name;
    private final JsonNode state;
    private final String type;
    private final boolean jsonata;
    private final JsonNode input;
    /** The event before the state was entered, and the one that says it was. */
    private final long before;
    private long entered;
    /** Parallel and Map exit after their last inner event, not after the event of their success; 0 elsewhere. */
    private long exitFollows;
    /** Whether an expression that fails now is one of this very state, not of one inside. */
    private boolean evaluationFailure;
    private int retries;
    /** Whether a redrive brought the execution here, and the state has not begun anew since. */
    private boolean resumed;

    StateRun(Track track, String name, JsonNode state, JsonNode input, boolean resumed) {
      this.track = track;
      this.name = name;
      this.state = state;
      this.type = state.get("Type").asText();
      this.jsonata = jsonata(state);
      this.input = input;
      this.before = track.last;
      this.resumed = resumed && track.entered != 0 && counted();
    }

    /** Whether it has attempts to count: only these states go on in a redrive without being entered anew. */
    private boolean counted() {
      return type.equals("Task") || type.equals("Parallel") || type.equals("Map");
    }

    private boolean jsonata(JsonNode state) {
      var language = state.has("QueryLanguage") ? state.get("QueryLanguage")
          : track.execution.machine().definition().path("QueryLanguage");
      return language.asText().equals("JSONata");
    }

    Step run() throws StateError, InterruptedException {
      if (Thread.interrupted()) {
        throw new InterruptedException();
      }
      track.current = type;
      if (resumed) {
        entered = track.entered;
      } else {
        enter();
      }
      onStateEntered.accept(track.execution, name);
      var self = track.context.putObject("State").put("Name", name).put("EnteredTime", Values.time(pace.now()));
      var step = attempts(self);
      var output = Values.write(step.output());
      if (Values.tooLarge(output)) {
        throw new StateError(StateError.DATA_LIMIT, "The state/task '" + name
            + "' returned a result with a size exceeding the maximum number of bytes service limit.");
      }
      exit(output, step.assigned());
      track.variables.assign(step.assigned());
      track.context.remove("Task");
      track.current = null;
      return step;
    }

    private void enter() throws StateError, InterruptedException {
      track.at = name;
      track.input = input;
      track.entered = 0;
      track.branches = null;
      var details = Values.object().put("name", name).put("input", Values.write(input));
      details.set("inputDetails", details());
      track.event(type + "StateEntered", "stateEnteredEventDetails", details);
      entered = track.last;
      track.entered = entered;
    }

    private void exit(String output, Map<String, JsonNode> assigned) throws StateError, InterruptedException {
      var details = Values.object().put("name", name).put("output", output);
      details.set("outputDetails", details());
      if (!assigned.isEmpty()) {
        var variables = details.putObject("assignedVariables");
        assigned.forEach((variable, value) -> variables.put(variable, Values.write(value)));
        details.set("assignedVariablesDetails", details());
      }
      var exited = track.execution.event(type + "StateExited", exitFollows == 0 ? track.last : exitFollows,
          "stateExitedEventDetails", details);
      track.last = exited;
    }

    // ---- errors ----------------------------------------------------------------------------------------------------

    private Step attempts(ObjectNode self) throws StateError, InterruptedException {
      var counts = new int[state.path("Retry").size()];
      var counted = counted();
      while (true) {
        if (counted) {
          self.put("RetryCount", retries);
        }
        try {
          return once();
        } catch (StateError e) {
          var failure = e.in(name, entered);
          exitFollows = 0;
          report(failure);
          var delay = retryDelay(failure, counts);
          if (delay != null) {
            retries++;
            pace.sleepUntil(pace.now().plus(delay));
            continue;
          }
          var caught = caught(failure);
          if (caught == null) {
            if (failure.fatal() && type.equals("Task")) {
              // The service lets the end of an execution follow nothing when it could not even schedule the task.
              track.last = 0;
            }
            throw failure;
          }
          return caught;
        }
      }
    }

    private void report(StateError failure) throws StateError, InterruptedException {
      if (failure.location() != null && evaluationFailure) {
        evaluationFailure = false;
        // The service lets a Map's failed Items follow the event before the state.
        var previous = type.equals("Map") && "Items".equals(failure.location()) ? before : track.last;
        track.last = track.execution.event("EvaluationFailed", previous, "evaluationFailedEventDetails",
            Values.object().put("error", failure.error()).put("cause", failure.cause()).put("location", failure.location())
                .put("state", name));
      }
      if ((type.equals("Parallel") || type.equals("Map")) && !failure.fatal()) {
        track.event(type + "StateFailed");
      }
    }

    private @Nullable Duration retryDelay(StateError failure, int[] counts) throws StateError {
      var retriers = state.path("Retry");
      for (var i = 0; i < retriers.size(); i++) {
        var retrier = retriers.get(i);
        if (!names(retrier, failure)) {
          continue;
        }
        if (counts[i] >= retrier.path("MaxAttempts").asInt(3)) {
          return null;
        }
        var seconds = retrier.path("IntervalSeconds").asDouble(1)
            * Math.pow(retrier.path("BackoffRate").asDouble(2), counts[i]);
        seconds = Math.min(seconds, retrier.path("MaxDelaySeconds").asDouble(Double.MAX_VALUE));
        if (retrier.path("JitterStrategy").asText().equals("FULL")) {
          seconds *= ThreadLocalRandom.current().nextDouble();
        }
        counts[i]++;
        return Duration.ofMillis((long) Math.min(seconds * 1000, Integer.MAX_VALUE * 1000.0));
      }
      return null;
    }

    private static boolean names(JsonNode handler, StateError failure) {
      for (var equal : handler.path("ErrorEquals")) {
        if (failure.matches(equal.asText())) {
          return true;
        }
      }
      return false;
    }

    private @Nullable Step caught(StateError failure) throws StateError, InterruptedException {
      var catchers = state.path("Catch");
      for (var i = 0; i < catchers.size(); i++) {
        var catcher = catchers.get(i);
        if (!names(catcher, failure)) {
          continue;
        }
        var error = failure.output();
        var next = catcher.get("Next").asText();
        try {
          if (jsonata) {
            var scope = scope().withError(error);
            var field = "Catch[" + i + "]/";
            var output = catcher.has("Output") ? Jsonata.evaluate(catcher.get("Output"), scope, field + "Output") : error;
            return new Step(output, next, assigned(catcher, scope, field));
          }
          var path = catcher.path("ResultPath");
          var output = path.isNull() ? input : JsonPaths.put(input, path.asText("$"), error);
          return new Step(output, next, assigned(catcher, scope().withInput(error), ""));
        } catch (StateError e) {
          evaluationFailure = e.location() != null;
          var second = e.in(name, entered);
          report(second);
          throw second;
        }
      }
      return null;
    }

    // ---- data ------------------------------------------------------------------------------------------------------

    private Scope scope() {
      return new Scope(input, track.context, track.variables);
    }

    /** JSONPath's InputPath. */
    private JsonNode effective() throws StateError {
      var path = state.get("InputPath");
      if (path == null) {
        return input;
      }
      return path.isNull() ? Values.object() : JsonPaths.read(path.asText(), scope(), "InputPath");
    }

    /** What a Task, Pass, Parallel works on: Parameters or Arguments, by default the input. */
    private JsonNode arguments() throws StateError {
      if (jsonata) {
        return state.has("Arguments") ? Jsonata.evaluate(state.get("Arguments"), scope(), "Arguments") : input;
      }
      var effective = effective();
      return state.has("Parameters") ? JsonPaths.template(state.get("Parameters"), scope().withInput(effective)) : effective;
    }

    private Map<String, JsonNode> assigned(JsonNode holder, Scope scope, String field) throws StateError {
      var assignment = holder.get("Assign");
      if (assignment == null) {
        return Map.of();
      }
      var values = jsonata ? Jsonata.evaluate(assignment, scope, field + "Assign") : JsonPaths.template(assignment, scope);
      var assigned = new LinkedHashMap<String, JsonNode>();
      values.properties().forEach(member -> assigned.put(member.getKey(), member.getValue()));
      return assigned;
    }

    /** The step after a state that has a result. */
    private Step result(JsonNode result) throws StateError {
      if (jsonata) {
        return output(scope().withResult(result), result);
      }
      var selected =
          state.has("ResultSelector") ? JsonPaths.template(state.get("ResultSelector"), scope().withInput(result)) : result;
      var path = state.path("ResultPath");
      var merged = path.isNull() ? input : JsonPaths.put(input, path.asText("$"), selected);
      return new Step(outputPath(merged), next(state), assigned(state, scope().withInput(result), ""));
    }

    /** The step after a JSONata state, from Output and Assign, which both see the variables as they were. */
    private Step output(Scope scope, JsonNode otherwise) throws StateError {
      var output = state.has("Output") ? Jsonata.evaluate(state.get("Output"), scope, "Output") : otherwise;
      return new Step(output, next(state), assigned(state, scope, ""));
    }

    /** The step after a state that hands its input on. */
    private Step through() throws StateError {
      if (jsonata) {
        return output(scope(), input);
      }
      var effective = effective();
      return new Step(outputPath(effective), next(state), assigned(state, scope().withInput(effective), ""));
    }

    private JsonNode outputPath(JsonNode value) throws StateError {
      var path = state.get("OutputPath");
      if (path == null) {
        return value;
      }
      return path.isNull() ? Values.object() : JsonPaths.read(path.asText(), scope().withInput(value), "OutputPath");
    }

    private @Nullable String next(JsonNode holder) {
      return holder.has("Next") ? holder.get("Next").asText() : null;
    }

    // ---- states ----------------------------------------------------------------------------------------------------

    private Step once() throws StateError, InterruptedException {
      evaluationFailure = true;
      return switch (type) {
        case "Pass" -> pass();
        case "Wait" -> pause();
        case "Choice" -> choice();
        case "Succeed" -> through();
        case "Fail" -> throw failure();
        case "Task" -> task();
        case "Parallel" -> parallel();
        case "Map" -> map();
        default -> throw StateError.runtime("Unknown type of state: " + type);
      };
    }

    private Step pass() throws StateError {
      if (jsonata) {
        return output(scope(), input);
      }
      return result(state.has("Result") ? state.get("Result") : arguments());
    }

    private Step pause() throws StateError, InterruptedException {
      var now = pace.now();
      var effective = jsonata ? input : effective();
      var end = jsonata ? jsonataEnd(now) : end(now, scope().withInput(effective));
      pace.sleepUntil(end);
      return through();
    }

    private Instant jsonataEnd(Instant now) throws StateError {
      if (state.has("Seconds")) {
        var seconds = Jsonata.evaluate(state.get("Seconds"), scope(), "Seconds", "number");
        if (!whole(seconds, 0)) {
          throw StateError.query("Seconds", "The value of the field 'Seconds' must be an integer from 0 to 99999999, but was "
              + Values.write(seconds));
        }
        return now.plusSeconds(seconds.longValue());
      }
      var text = Jsonata.evaluate(state.get("Timestamp"), scope(), "Timestamp", "string").textValue();
      var instant = Choices.timestamp(text);
      if (instant == null) {
        throw StateError.query("Timestamp",
            "The value of the field 'Timestamp' is not a valid ISO-8601 extended offset date-time format string: " + text);
      }
      return instant;
    }

    private Instant end(Instant now, Scope scope) throws StateError {
      if (state.has("Seconds")) {
        return now.plusSeconds(state.get("Seconds").longValue());
      }
      if (state.has("SecondsPath")) {
        return now.plusSeconds(seconds("SecondsPath", scope, 0));
      }
      if (state.has("Timestamp")) {
        return java.util.Objects.requireNonNull(Choices.timestamp(state.get("Timestamp")));
      }
      var path = state.get("TimestampPath").asText();
      var value = JsonPaths.read(path, scope, "TimestampPath");
      var instant = Choices.timestamp(value);
      if (instant == null) {
        throw StateError.runtime("The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time"
            + " format string: " + path + " == " + (value.isTextual() ? value.textValue() : Values.write(value)));
      }
      return instant;
    }

    private long seconds(String field, Scope scope, long least) throws StateError {
      var path = state.get(field).asText();
      var value = JsonPaths.read(path, scope, field);
      if (!whole(value, least)) {
        throw StateError.runtime("The " + field + " parameter does not reference an integer value: " + path + " == "
            + Values.write(value));
      }
      return value.longValue();
    }

    private static boolean whole(JsonNode value, long least) {
      return value.isNumber() && value.doubleValue() == Math.rint(value.doubleValue()) && value.doubleValue() >= least
          && value.doubleValue() <= 99_999_999;
    }

    private Step choice() throws StateError {
      var rules = state.get("Choices");
      var effective = jsonata ? input : effective();
      var scope = scope().withInput(effective);
      for (var i = 0; i < rules.size(); i++) {
        var rule = rules.get(i);
        var field = "Choices[" + i + "]/";
        if (jsonata) {
          if (Jsonata.evaluate(rule.get("Condition"), scope, field + "Condition", "boolean").booleanValue()) {
            var output = rule.has("Output") ? Jsonata.evaluate(rule.get("Output"), scope, field + "Output") : input;
            return new Step(output, next(rule), assigned(rule, scope, field));
          }
        } else if (Choices.matches(rule, scope)) {
          return new Step(outputPath(effective), next(rule), assigned(rule, scope, ""));
        }
      }
      if (!state.has("Default")) {
        throw StateError.found("States.NoChoiceMatched",
            "Failed to transition out of the state. The state does not point to a next state.");
      }
      var step = through();
      return new Step(step.output(), state.get("Default").asText(), step.assigned());
    }

    private StateError failure() throws StateError {
      var error = text("Error");
      return new StateError(error == null ? "" : error, text("Cause"));
    }

    private @Nullable String text(String field) throws StateError {
      if (state.has(field)) {
        return jsonata ? Jsonata.evaluate(state.get(field), scope(), field, "string").textValue() : state.get(field).asText();
      }
      if (!state.has(field + "Path")) {
        return null;
      }
      var value = JsonPaths.pathOrFunction(state.get(field + "Path").asText(), scope(), field + "Path");
      if (!value.isTextual()) {
        throw StateError.runtime("The " + field + "Path parameter does not reference a string value: "
            + state.get(field + "Path").asText() + " == " + Values.write(value));
      }
      return value.textValue();
    }

    // ---- tasks -----------------------------------------------------------------------------------------------------

    private Step task() throws StateError, InterruptedException {
      var resource = TaskResource.of(state.get("Resource").asText());
      if (resource == null) {
        throw StateError.runtime("The resource " + state.get("Resource").asText() + " is not recognized.");
      }
      var waits = resource instanceof TaskResource.Integration integration
          && integration.pattern() == TaskResource.Integration.Pattern.TOKEN || resource instanceof TaskResource.Activity;
      var token = waits ? Callbacks.token() : null;
      if (token != null && resource instanceof TaskResource.Integration) {
        track.context.putObject("Task").put("Token", token);
      }
      var arguments = arguments();
      var timeout = limit("TimeoutSeconds");
      var heartbeat = limit("HeartbeatSeconds");
      var waiting = token == null ? null : callbacks.open(token);
      try {
        var request =
            new Tasks.Request(resource, arguments, track.execution.machine().roleArn(), track.execution.arn(), token);
        return result(new TaskRun(track, request, timeout, heartbeat, waiting).run());
      } finally {
        if (token != null) {
          callbacks.close(token);
        }
      }
    }

    private @Nullable Long limit(String field) throws StateError {
      if (state.has(field + "Path")) {
        return seconds(field + "Path", scope().withInput(effective()), 1);
      }
      var value = state.get(field);
      if (value == null) {
        return null;
      }
      if (jsonata) {
        var seconds = Jsonata.evaluate(value, scope(), field, "number");
        if (!whole(seconds, 1)) {
          throw StateError.query(field, "The value of the field '" + field
              + "' must be an integer from 1 to 99999999, but was " + Values.write(seconds));
        }
        return seconds.longValue();
      }
      return value.longValue();
    }

    // ---- parallel and map ------------------------------------------------------------------------------------------

    private Step parallel() throws StateError, InterruptedException {
      var arguments = arguments();
      evaluationFailure = false;
      var branches = state.get("Branches");
      var known = known(branches.size());
      if (!resumed) {
        track.event("ParallelStateStarted");
      }
      resumed = false;
      var group = new Group(track);
      var outputs = new JsonNode[branches.size()];
      var left = 0;
      for (var i = 0; i < branches.size(); i++) {
        var branch = branches.get(i);
        outputs[i] = known[i] == null ? null : known[i].output;
        if (outputs[i] == null) {
          known[i] = group.start(i, known[i] == null ? track.inner() : known[i].track, inner -> states(inner, branch, arguments));
          left++;
        }
      }
      for (; left > 0; left--) {
        var done = group.take();
        if (done.failure != null) {
          track.last = done.track.last;
          if (!done.failure.fatal()) {
            for (var aborted : group.abort()) {
              aborted(aborted);
            }
          } else {
            group.abort();
          }
          throw done.failure;
        }
        outputs[done.index] = done.output;
        track.last = done.track.last;
      }
      return finished(outputs);
    }

    /** The branches of this state: those that a redrive finds, or none yet. */
    private Branch[] known(int size) {
      var known = resumed ? track.branches : null;
      if (known == null || known.length != size) {
        known = new Branch[size];
        resumed = false;
      }
      track.branches = known;
      return known;
    }

    private Step finished(JsonNode[] outputs) throws StateError, InterruptedException {
      evaluationFailure = true;
      exitFollows = track.last;
      track.event(type + "StateSucceeded");
      var result = Values.MAPPER.createArrayNode();
      for (var output : outputs) {
        if (output != null) {
          result.add(output);
        }
      }
      return result(result);
    }

    /** Writes that a state was left because another branch failed. */
    private void aborted(Branch branch) throws StateError, InterruptedException {
      var current = branch.track.current;
      if (current != null && (current.equals("Task") || current.equals("Wait") || current.equals("Parallel")
          || current.equals("Map"))) {
        track.execution.event(current + "StateAborted", track.last, null, null);
      }
    }

    private Step map() throws StateError, InterruptedException {
      var processor = state.has("ItemProcessor") ? state.get("ItemProcessor") : state.get("Iterator");
      var effective = jsonata ? input : effective();
      var items = items(effective);
      var concurrency = number("MaxConcurrency", effective, 0);
      var limit = (int) Math.min(concurrency == 0 ? MAX_CONCURRENCY : concurrency, MAX_CONCURRENCY);
      var tolerated = tolerated(effective, items.size());
      evaluationFailure = false;
      var known = known(items.size());
      if (!resumed) {
        track.event("MapStateStarted", "mapStateStartedEventDetails", Values.object().put("length", items.size()));
      }
      resumed = false;
      var outputs = new JsonNode[items.size()];
      var open = new ArrayList<Integer>();
      for (var i = 0; i < items.size(); i++) {
        outputs[i] = known[i] == null ? null : known[i].output;
        if (outputs[i] == null) {
          open.add(i);
        }
      }
      var group = new Group(track);
      var started = 0;
      var first = new ArrayList<Work>();
      var tracks = new ArrayList<Track>();
      for (; started < Math.min(limit, open.size()); started++) {
        var index = open.get(started);
        var inner = iteration(index, items.get(index), track.last, known[index]);
        first.add(iterate(inner, effective, items.get(index), processor));
        tracks.add(inner);
      }
      for (var i = 0; i < first.size(); i++) {
        known[open.get(i)] = group.start(open.get(i), tracks.get(i), first.get(i));
      }
      var failures = 0;
      for (var left = open.size(); left > 0; left--) {
        var done = group.take();
        var end = done.track.last;
        if (done.failure != null) {
          track.last = end;
          if (done.failure.fatal()) {
            group.abort();
            throw done.failure;
          }
          track.execution.event("MapIterationFailed", end, "mapIterationFailedEventDetails", item(done.index));
          failures++;
          if (failures > tolerated) {
            for (var aborted : group.abort()) {
              aborted(aborted);
              track.execution.event("MapIterationAborted", end, "mapIterationAbortedEventDetails", item(aborted.index));
            }
            evaluationFailure = false;
            throw tolerated == 0 ? done.failure : new StateError("States.ExceedToleratedFailureThreshold",
                "The specified tolerated failure threshold was exceeded");
          }
        } else {
          outputs[done.index] = done.output;
          track.last =
              track.execution.event("MapIterationSucceeded", end, "mapIterationSucceededEventDetails", item(done.index));
        }
        if (started < open.size()) {
          var index = open.get(started++);
          var inner = iteration(index, items.get(index), end, known[index]);
          Work work;
          try {
            work = iterate(inner, effective, items.get(index), processor);
          } catch (StateError e) {
            group.abort();
            throw e;
          }
          known[index] = group.start(index, inner, work);
        }
      }
      return finished(outputs);
    }

    private ObjectNode item(int index) {
      return Values.object().put("name", name).put("index", index);
    }

    private Track iteration(int index, JsonNode value, long previous, @Nullable Branch known)
        throws StateError, InterruptedException {
      var inner = known == null ? track.inner() : known.track;
      var item = inner.context.putObject("Map").putObject("Item");
      item.put("Index", index).set("Value", value);
      inner.last = track.execution.event("MapIterationStarted", previous, "mapIterationStartedEventDetails", item(index));
      return inner;
    }

    private Work iterate(Track iteration, JsonNode effective, JsonNode value, JsonNode processor) throws StateError {
      var scope = new Scope(effective, iteration.context, track.variables);
      var selector = state.has("ItemSelector") ? "ItemSelector" : "Parameters";
      evaluationFailure = true;
      var item = !state.has(selector) ? value : jsonata ? Jsonata.evaluate(state.get(selector), scope, selector)
          : JsonPaths.template(state.get(selector), scope);
      evaluationFailure = false;
      return inner -> states(inner, processor, item);
    }

    private ArrayNode items(JsonNode effective) throws StateError {
      if (jsonata) {
        var items = state.has("Items") ? Jsonata.evaluate(state.get("Items"), scope(), "Items", "array") : input;
        if (items instanceof ArrayNode array) {
          return array;
        }
        throw StateError.query("Items", "The state's input must be an array where 'Items' is not specified, but was '"
            + Values.type(items) + "'");
      }
      var path = state.path("ItemsPath").asText("$");
      var items = JsonPaths.read(path, scope().withInput(effective), "ItemsPath");
      if (items instanceof ArrayNode array) {
        return array;
      }
      throw StateError.runtime("Reference path \"" + path + "\" must point to array.");
    }

    /** A number that a field gives by itself, by an expression or by a path. */
    private double number(String field, JsonNode effective, double otherwise) throws StateError {
      JsonNode value;
      if (state.has(field + "Path")) {
        value = JsonPaths.read(state.get(field + "Path").asText(), scope().withInput(effective), field + "Path");
      } else if (!state.has(field)) {
        return otherwise;
      } else {
        value = jsonata ? Jsonata.evaluate(state.get(field), scope(), field, "number") : state.get(field);
      }
      if (!value.isNumber() || value.doubleValue() < 0) {
        throw jsonata
            ? StateError.query(field, "The value of the field '" + field + "' must not be negative, but was " + Values.write(value))
            : StateError.runtime("The " + field + "Path parameter does not reference a non-negative number: "
                + Values.write(value));
      }
      return value.doubleValue();
    }

    private int tolerated(JsonNode effective, int items) throws StateError {
      var count = number("ToleratedFailureCount", effective, 0);
      var percentage = number("ToleratedFailurePercentage", effective, 0);
      return (int) Math.max(count, Math.floor(items * percentage / 100));
    }
  }

  private interface Work {
    JsonNode run(Track track) throws StateError, InterruptedException;
  }

  private static final class Branch {
    final int index;
    final Track track;
    volatile @Nullable JsonNode output;
    volatile @Nullable StateError failure;
    @Nullable Thread thread;

    Branch(int index, Track track) {
      this.index = index;
      this.track = track;
    }
  }

  /** Branches or iterations that run at the same time. */
  private static final class Group {
    private final Track outer;
    private final List<Branch> running = new ArrayList<>();
    private final LinkedBlockingQueue<Branch> done = new LinkedBlockingQueue<>();

    Group(Track outer) {
      this.outer = outer;
    }

    Branch start(int index, Track track, Work work) {
      var branch = new Branch(index, track);
      running.add(branch);
      branch.thread = Thread.ofVirtual().name(outer.execution.arn() + "#" + index).start(() -> {
        try {
          branch.output = work.run(track);
        } catch (StateError e) {
          branch.failure = e;
        } catch (InterruptedException e) {
          branch.failure = StateError.exhausted("The branch was interrupted.");
        } catch (RuntimeException | StackOverflowError e) {
          branch.failure = StateError.exhausted("Internal error: " + e);
        } finally {
          done.add(branch);
        }
      });
      return branch;
    }

    /** The next branch that has ended. Interrupted, it stops them all first. */
    Branch take() throws InterruptedException {
      try {
        var branch = done.take();
        running.remove(branch);
        return branch;
      } catch (InterruptedException e) {
        abort();
        throw e;
      }
    }

    /** Stops every branch that still runs and waits for it, so that none writes events any more. */
    List<Branch> abort() {
      running.forEach(branch -> thread(branch).interrupt());
      var interrupted = false;
      for (var branch : running) {
        while (thread(branch).isAlive()) {
          try {
            thread(branch).join();
          } catch (InterruptedException e) {
            interrupted = true;
          }
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
      return running;
    }

    private static Thread thread(Branch branch) {
      return java.util.Objects.requireNonNull(branch.thread);
    }
  }

  /** One attempt of a task, with the events that belong to it. */
  private final class TaskRun {
    private final Track track;
    private final Tasks.Request request;
    private final @Nullable Long heartbeat;
    private final Callbacks.@Nullable Waiting waiting;
    private final @Nullable Long timeout;

    TaskRun(Track track, Tasks.Request request, @Nullable Long timeout, @Nullable Long heartbeat,
        Callbacks.@Nullable Waiting waiting) {
      this.track = track;
      this.request = request;
      this.timeout = timeout;
      this.heartbeat = heartbeat;
      this.waiting = waiting;
    }

    /** The prefix of the events' types, and what their details say of the resource. */
    private String kind() {
      return switch (request.resource()) {
        case TaskResource.Function _ -> "LambdaFunction";
        case TaskResource.Activity _ -> "Activity";
        case TaskResource.Integration _ -> "Task";
      };
    }

    private ObjectNode resource() {
      return request.resource() instanceof TaskResource.Integration integration
          ? Values.object().put("resourceType", integration.type()).put("resource", integration.name())
          : Values.object();
    }

    private void event(String what, ObjectNode details) throws StateError, InterruptedException {
      var type = kind() + what;
      track.event(type, Character.toLowerCase(type.charAt(0)) + type.substring(1) + "EventDetails", details);
    }

    private ObjectNode output(String output) {
      var details = resource().put("output", output);
      details.set("outputDetails", details());
      return details;
    }

    JsonNode run() throws StateError, InterruptedException {
      schedule();
      var deadline = timeout == null ? Instant.MAX : pace.now().plusSeconds(timeout);
      try {
        var result = result(deadline);
        var text = Values.write(result);
        if (Values.tooLarge(text)) {
          var source = request.resource() instanceof TaskResource.Integration integration ? integration.type()
              : request.resource() instanceof TaskResource.Function function ? function.arn() : "activity";
          throw new StateError(StateError.DATA_LIMIT, "The state/task '" + source
              + "' returned a result with a size exceeding the maximum number of bytes service limit.");
        }
        event("Succeeded", output(text));
        return result;
      } catch (TimedOut e) {
        event("TimedOut", resource().put("error", StateError.TIMEOUT));
        throw StateError.timeout(e.heartbeat);
      } catch (StateError e) {
        var details = resource();
        if (!e.error().isEmpty()) {
          details.put("error", e.error());
        }
        if (e.cause() != null) {
          details.put("cause", e.cause());
        }
        event("Failed", details);
        throw e;
      }
    }

    private void schedule() throws StateError, InterruptedException {
      var details = resource();
      var input = Values.write(request.input());
      switch (request.resource()) {
        case TaskResource.Function(var arn) -> details.put("resource", arn).put("input", input).set("inputDetails", details());
        case TaskResource.Activity(var arn) -> details.put("resource", arn).put("input", input).set("inputDetails", details());
        case TaskResource.Integration _ -> details.put("region", region).put("parameters", input);
      }
      if (timeout != null) {
        details.put("timeoutInSeconds", timeout);
      }
      if (heartbeat != null) {
        details.put("heartbeatInSeconds", heartbeat);
      }
      event("Scheduled", details);
    }

    private JsonNode result(Instant deadline) throws StateError, InterruptedException, TimedOut {
      switch (request.resource()) {
        case TaskResource.Function _ -> {
          track.event("LambdaFunctionStarted");
          return call(() -> tasks.call(request), deadline);
        }
        case TaskResource.Activity(var arn) -> {
          var worker = activities.offer(arn, java.util.Objects.requireNonNull(request.token()), Values.write(request.input()));
          try {
            await(worker, deadline, false);
          } finally {
            activities.withdraw(arn, request.token());
          }
          var details = Values.object();
          var name = worker.getNow("");
          if (!name.isEmpty()) {
            details.put("workerName", name);
          }
          event("Started", details);
          callback().heartbeat = pace.now();
          return await(callback().result, deadline, true);
        }
        case TaskResource.Integration integration -> {
          event("Started", resource());
          var answer = call(() -> tasks.call(request), deadline);
          return switch (integration.pattern()) {
            case RESPONSE -> answer;
            case TOKEN -> {
              event("Submitted", output(Values.write(answer)));
              callback().heartbeat = pace.now();
              yield await(callback().result, deadline, true);
            }
            case SYNC, SYNC_JSON -> {
              event("Submitted", output(Values.write(answer)));
              yield call(() -> tasks.finish(request, answer), deadline);
            }
          };
        }
      }
    }

    private Callbacks.Waiting callback() {
      return java.util.Objects.requireNonNull(waiting);
    }

    private interface Call {
      JsonNode make() throws StateError, InterruptedException;
    }

    /** Calls on another thread, so that a timeout and an abortion need not wait for the answer. */
    private JsonNode call(Call call, Instant deadline) throws StateError, InterruptedException, TimedOut {
      var answer = new CompletableFuture<JsonNode>();
      var thread = Thread.ofVirtual().name(track.execution.arn() + " task").start(() -> {
        try {
          answer.complete(call.make());
        } catch (StateError | InterruptedException | RuntimeException | StackOverflowError e) {
          answer.completeExceptionally(e);
        }
      });
      try {
        return await(answer, deadline, false);
      } catch (InterruptedException | TimedOut e) {
        thread.interrupt();
        throw e;
      }
    }

    private <T> T await(CompletableFuture<T> future, Instant deadline, boolean beats)
        throws StateError, InterruptedException, TimedOut {
      while (true) {
        var beat = beats && heartbeat != null ? callback().heartbeat.plusSeconds(heartbeat) : Instant.MAX;
        var until = beat.isBefore(deadline) ? beat : deadline;
        try {
          return pace.await(future, until);
        } catch (TimeoutException e) {
          var beaten = beats && heartbeat != null && callback().heartbeat.plusSeconds(heartbeat).isAfter(pace.now());
          if (deadline.isAfter(pace.now()) && beaten) {
            continue;
          }
          throw new TimedOut(deadline.isAfter(pace.now()));
        } catch (ExecutionException e) {
          throw switch (e.getCause()) {
            case StateError failure -> failure;
            case InterruptedException interrupted -> interrupted.getMessage() == null
                ? new StateError("States.TaskFailed", "The task was interrupted.")
                : new StateError("States.TaskFailed", interrupted.getMessage());
            case null, default -> new StateError("States.TaskFailed", "Internal error: " + e.getCause());
          };
        }
      }
    }
  }

  @SuppressWarnings("serial")
  private static final class TimedOut extends Exception {
    final boolean heartbeat;

    TimedOut(boolean heartbeat) {
      super("timed out", null, false, false);
      this.heartbeat = heartbeat;
    }
  }
}
