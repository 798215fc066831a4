package com.example.cafe.local;

import com.example.cafe.local.states.Activities;
import com.example.cafe.local.states.Callbacks;
import com.example.cafe.local.states.Diagnostic;
import com.example.cafe.local.states.Execution;
import com.example.cafe.local.states.Execution.Status;
import com.example.cafe.local.states.Interpreter;
import com.example.cafe.local.states.Machine;
import com.example.cafe.local.states.Pace;
import com.example.cafe.local.states.Validator;
import com.example.cafe.local.states.Values;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** AWS Step Functions: state machines and their executions, in memory. The language itself is in package states. */
final class StepFunctions implements Service {
  private static final int MAX_INPUT = 262_144;
  /** Whitespace, brackets, wildcards, special and control characters are not for names. */
  private static final Pattern NAME = Pattern.compile("[^\\s<>{}\\[\\]?*\"#%\\\\^|~`$&,;:/\\p{Cntrl}]+");
  private static final Pattern ROLE = Pattern.compile("arn:aws[\\w-]*:iam::\\d{12}:role/.+");
  private static final Duration POLL = Duration.ofSeconds(60);

  private final EventLog log;
  private final Pace pace;
  private final Callbacks callbacks;
  private final Activities activities = new Activities();
  private final StepFunctionsTasks tasks;
  private final Interpreter interpreter;
  private final NavigableMap<String, StateMachine> machines = new ConcurrentSkipListMap<>();
  private final Map<String, Run> runs = new ConcurrentHashMap<>();
  private final NavigableMap<String, Activity> activityNames = new ConcurrentSkipListMap<>();
  private final AtomicLong sequence = new AtomicLong();

  StepFunctions(Aws aws, EventLog log) {
    this(aws, log, Pace.REAL);
  }

  StepFunctions(Aws aws, EventLog log, Pace pace) {
    this.log = log;
    this.pace = pace;
    this.callbacks = new Callbacks(pace);
    this.tasks = new StepFunctionsTasks(aws, arn -> runs.containsKey(arn) ? runs.get(arn).execution() : null);
    this.interpreter = new Interpreter(tasks, callbacks, activities, pace, Settings.REGION,
        (execution, state) -> log.event("state", execution.name() + "  " + state));
  }

  /** A state machine as it is now; updates replace it. */
  private record StateMachine(String name, String arn, String type, String roleArn, String definition, JsonNode parsed,
      JsonNode logging, JsonNode tracing, Instant created, Instant updated, @Nullable String revision,
      Map<String, String> tags) {
    boolean express() {
      return type.equals("EXPRESS");
    }
  }

  /** An execution with the state machine as it was at its start. */
  private record Run(long number, Execution execution, StateMachine machine, AtomicReference<@Nullable String> redriveToken) {}

  private record Activity(String name, String arn, Instant created, Map<String, String> tags) {}

  @Override
  public String name() {
    return "states";
  }

  @Override
  public ObjectNode call(String operation, ObjectNode input, Caller caller) {
    return switch (operation) {
      case "CreateStateMachine" -> createStateMachine(input);
      case "UpdateStateMachine" -> updateStateMachine(input);
      case "DeleteStateMachine" -> deleteStateMachine(input);
      case "DescribeStateMachine" -> describeStateMachine(input);
      case "ListStateMachines" -> listStateMachines(input);
      case "DescribeStateMachineForExecution" -> describeStateMachineForExecution(input);
      case "ValidateStateMachineDefinition" -> validate(input);
      case "StartExecution" -> startExecution(input);
      case "StartSyncExecution" -> startSyncExecution(input);
      case "RedriveExecution" -> redriveExecution(input);
      case "StopExecution" -> stopExecution(input);
      case "DescribeExecution" -> describeExecution(input);
      case "ListExecutions" -> listExecutions(input);
      case "GetExecutionHistory" -> history(input);
      case "SendTaskSuccess" -> sendTaskSuccess(input);
      case "SendTaskFailure" -> sendTaskFailure(input);
      case "SendTaskHeartbeat" -> sendTaskHeartbeat(input);
      case "CreateActivity" -> createActivity(input);
      case "DescribeActivity" -> describeActivity(input);
      case "DeleteActivity" -> deleteActivity(input);
      case "ListActivities" -> listActivities(input);
      case "GetActivityTask" -> activityTask(input);
      case "TagResource" -> tag(input);
      case "UntagResource" -> untag(input);
      case "ListTagsForResource" -> tags(input);
      default -> throw AwsException.unknownOperation(name(), operation);
    };
  }

  /** Stops every execution that runs. */
  @Override
  public void close() {
    runs.values().forEach(run -> run.execution().abort(null, null));
  }

  // ---- input -------------------------------------------------------------------------------------------------------

  private static AwsException invalid(String message) {
    return AwsException.badRequest("ValidationException", "1 validation error detected: " + message);
  }

  private static @Nullable String text(ObjectNode input, String member, int longest) {
    var value = Json.text(input, member);
    if (value != null && value.length() > longest) {
      throw invalid("Value '" + (value.length() > 2000 ? value.substring(0, 2000) + "…" : value) + "' at '" + member
          + "' failed to satisfy constraint: Member must have length less than or equal to " + longest);
    }
    return value;
  }

  private static String required(ObjectNode input, String member, int longest) {
    var value = text(input, member, longest);
    if (value == null) {
      throw invalid("Value null at '" + member + "' failed to satisfy constraint: Member must not be null");
    }
    if (value.isEmpty()) {
      throw invalid("Value '' at '" + member
          + "' failed to satisfy constraint: Member must have length greater than or equal to 1");
    }
    return value;
  }

  private static String choice(ObjectNode input, String member, String otherwise, Set<String> values) {
    var value = Json.text(input, member);
    if (value == null) {
      return otherwise;
    }
    if (!values.contains(value)) {
      throw invalid("Value '" + value + "' at '" + member
          + "' failed to satisfy constraint: Member must satisfy enum value set: "
          + values.stream().sorted().collect(Collectors.joining(", ", "[", "]")));
    }
    return value;
  }

  private static String validName(String name) {
    if (!NAME.matcher(name).matches()) {
      throw AwsException.badRequest("InvalidName", "Invalid Name: '" + name + "'");
    }
    return name;
  }

  private static String arn(ObjectNode input, String member) {
    var arn = required(input, member, 2000);
    if (!arn.startsWith("arn:")) {
      throw AwsException.badRequest("InvalidArn", "Invalid Arn: 'Invalid ARN prefix: " + arn + "'");
    }
    if (arn.split(":", -1).length < 6) {
      throw AwsException.badRequest("InvalidArn", "Invalid Arn: '" + arn + "'");
    }
    return arn;
  }

  /** Part of a list, and the token of the next part. */
  private <T> List<T> page(List<T> all, ObjectNode input, int longestToken, ObjectNode output, int otherwise) {
    var size = input.path("maxResults").asInt(0);
    if (size < 0 || size > 1000) {
      throw invalid("Value '" + size + "' at 'maxResults' failed to satisfy constraint: Member must have value "
          + (size < 0 ? "greater than or equal to 0" : "less than or equal to 1000"));
    }
    var from = offset(text(input, "nextToken", longestToken), all.size());
    var end = Math.min(all.size(), from + (size == 0 ? otherwise : size));
    if (end < all.size()) {
      // Counted from the end, so that a list that grows at its front keeps its pages.
      output.put("nextToken", Base64.getEncoder().encodeToString(("next:" + (all.size() - end)).getBytes(StandardCharsets.UTF_8)));
    }
    return all.subList(from, end);
  }

  private static int offset(@Nullable String token, int size) {
    if (token == null) {
      return 0;
    }
    try {
      var text = new String(Base64.getDecoder().decode(token), StandardCharsets.UTF_8);
      if (text.startsWith("next:")) {
        return Math.clamp(size - Long.parseLong(text.substring(5)), 0, size);
      }
    } catch (IllegalArgumentException e) {
      // told below
    }
    throw AwsException.badRequest("InvalidToken", "Invalid Token: 'Invalid token'");
  }

  private static Map<String, String> tagMap(JsonNode tags) {
    var map = new TreeMap<String, String>();
    tags.forEach(tag -> map.put(tag.path("key").asText(), tag.path("value").asText()));
    return map;
  }

  // ---- state machines ----------------------------------------------------------------------------------------------

  private ObjectNode createStateMachine(ObjectNode input) {
    var name = validName(required(input, "name", 80));
    var type = choice(input, "type", "STANDARD", Set.of("STANDARD", "EXPRESS"));
    var role = role(required(input, "roleArn", 256));
    unsupported(input, "publish", "versionDescription");
    if (!input.path("encryptionConfiguration").path("type").asText("AWS_OWNED_KEY").equals("AWS_OWNED_KEY")) {
      throw invalid("The local cloud does not support encryptionConfiguration of type "
          + input.path("encryptionConfiguration").path("type").asText());
    }
    var definition = required(input, "definition", 1_048_576);
    var machine = machine(name, type, role, definition, input, null);
    synchronized (machines) {
      var existing = machines.get(machine.arn());
      if (existing != null) {
        if (existing.definition().equals(definition) && existing.type().equals(type)
            && existing.logging().equals(machine.logging()) && existing.tracing().equals(machine.tracing())) {
          return created(existing);
        }
        throw AwsException.badRequest("StateMachineAlreadyExists", "State Machine Already Exists: '" + machine.arn() + "'");
      }
      machines.put(machine.arn(), machine);
    }
    return created(machine);
  }

  private static ObjectNode created(StateMachine machine) {
    return Json.object().put("stateMachineArn", machine.arn()).put("creationDate", Execution.seconds(machine.created()));
  }

  private static void unsupported(ObjectNode input, String... members) {
    for (var member : members) {
      if (input.hasNonNull(member) && !input.get(member).asText().equals("false")) {
        throw AwsException.badRequest("ValidationException", "The local cloud does not support the parameter " + member);
      }
    }
  }

  private static String role(String arn) {
    if (!ROLE.matcher(arn).matches()) {
      throw AwsException.badRequest("InvalidArn", "Invalid Role Arn: '" + arn + "'");
    }
    return arn;
  }

  private StateMachine machine(String name, String type, String role, String definition, ObjectNode input,
      @Nullable StateMachine before) {
    var diagnostics = Validator.check(definition, type.equals("EXPRESS"), tasks::refusal);
    if (!diagnostics.isEmpty()) {
      throw AwsException.badRequest("InvalidDefinition", "Invalid State Machine Definition: '"
          + diagnostics.stream().map(Diagnostic::toString).collect(Collectors.joining(", ")) + "'");
    }
    var now = pace.now();
    var logging = input.hasNonNull("loggingConfiguration") ? input.get("loggingConfiguration")
        : before != null ? before.logging() : Json.object().put("level", "OFF").put("includeExecutionData", false);
    var tracing = input.hasNonNull("tracingConfiguration") ? input.get("tracingConfiguration")
        : before != null ? before.tracing() : Json.object().put("enabled", false);
    return new StateMachine(name, Settings.arn("states", "stateMachine:" + name), type, role, definition, parse(definition),
        logging, tracing, before == null ? now : before.created(), now,
        before == null ? null : UUID.randomUUID().toString(),
        before == null ? new ConcurrentHashMap<>(tagMap(input.path("tags"))) : before.tags());
  }

  private static JsonNode parse(String json) {
    try {
      return Values.parse(json);
    } catch (Values.Malformed e) {
      throw new IllegalArgumentException(e);
    }
  }

  private StateMachine find(String arn) {
    var machine = machines.get(arn);
    if (machine == null) {
      throw AwsException.badRequest("StateMachineDoesNotExist", "State Machine Does Not Exist: '" + arn + "'");
    }
    return machine;
  }

  private ObjectNode updateStateMachine(ObjectNode input) {
    var arn = arn(input, "stateMachineArn");
    unsupported(input, "publish", "versionDescription", "encryptionConfiguration");
    var definition = text(input, "definition", 1_048_576);
    var role = text(input, "roleArn", 256);
    if (definition == null && role == null && !input.hasNonNull("loggingConfiguration")
        && !input.hasNonNull("tracingConfiguration")) {
      throw AwsException.badRequest("MissingRequiredParameter", "Either the definition, the role ARN, the LoggingConfiguration,"
          + " or the TracingConfiguration must be specified");
    }
    synchronized (machines) {
      var before = find(arn);
      var after = machine(before.name(), before.type(), role == null ? before.roleArn() : role(role),
          definition == null ? before.definition() : definition, input, before);
      machines.put(arn, after);
      return Json.object().put("updateDate", Execution.seconds(after.updated())).put("revisionId", after.revision());
    }
  }

  private ObjectNode deleteStateMachine(ObjectNode input) {
    var arn = arn(input, "stateMachineArn");
    synchronized (machines) {
      machines.remove(arn);
    }
    runs.values().stream().filter(run -> run.machine().arn().equals(arn)).forEach(run -> run.execution().abort(null, null));
    runs.values().removeIf(run -> run.machine().arn().equals(arn));
    return Json.object();
  }

  private ObjectNode describeStateMachine(ObjectNode input) {
    var machine = find(arn(input, "stateMachineArn"));
    var output = description(machine);
    output.put("status", "ACTIVE").put("type", machine.type()).put("creationDate", Execution.seconds(machine.created()));
    return output;
  }

  private static ObjectNode description(StateMachine machine) {
    var output = Json.object().put("stateMachineArn", machine.arn()).put("name", machine.name())
        .put("definition", machine.definition()).put("roleArn", machine.roleArn());
    output.set("loggingConfiguration", machine.logging());
    output.set("tracingConfiguration", machine.tracing());
    output.putObject("encryptionConfiguration").put("type", "AWS_OWNED_KEY");
    if (machine.revision() != null) {
      output.put("revisionId", machine.revision());
    }
    return output;
  }

  private ObjectNode describeStateMachineForExecution(ObjectNode input) {
    var machine = run(arn(input, "executionArn")).machine();
    return description(machine).put("updateDate", Execution.seconds(machine.updated()));
  }

  private ObjectNode listStateMachines(ObjectNode input) {
    var output = Json.object();
    var list = output.putArray("stateMachines");
    for (var machine : page(List.copyOf(machines.values()), input, 1024, output, 100)) {
      list.addObject().put("stateMachineArn", machine.arn()).put("name", machine.name()).put("type", machine.type())
          .put("creationDate", Execution.seconds(machine.created()));
    }
    return output;
  }

  private ObjectNode validate(ObjectNode input) {
    var type = choice(input, "type", "STANDARD", Set.of("STANDARD", "EXPRESS"));
    var most = input.path("maxResults").asInt(0);
    var definition = Json.text(input, "definition");
    var diagnostics = Validator.check(definition == null ? "" : definition, type.equals("EXPRESS"), tasks::refusal);
    var limit = most == 0 ? 100 : most;
    var output = Json.object().put("result", diagnostics.isEmpty() ? "OK" : "FAIL");
    var list = output.putArray("diagnostics");
    for (var diagnostic : diagnostics.subList(0, Math.min(limit, diagnostics.size()))) {
      var item = list.addObject().put("severity", "ERROR").put("code", diagnostic.code()).put("message", diagnostic.message());
      if (diagnostic.location() != null) {
        item.put("location", diagnostic.location());
      }
    }
    return output.put("truncated", diagnostics.size() > limit);
  }

  // ---- executions --------------------------------------------------------------------------------------------------

  private ObjectNode startExecution(ObjectNode input) {
    var machine = find(arn(input, "stateMachineArn"));
    var given = text(input, "name", 80);
    var name = given == null ? UUID.randomUUID().toString() : validName(given);
    var payload = executionInput(input);
    var execution = machine.express() ? express(machine, name, payload) : standard(machine, name, payload);
    return Json.object().put("executionArn", execution.arn()).put("startDate", Execution.seconds(execution.start()));
  }

  private static String executionInput(ObjectNode input) {
    var payload = text(input, "input", MAX_INPUT);
    if (payload == null) {
      return "{}";
    }
    if (payload.getBytes(StandardCharsets.UTF_8).length > MAX_INPUT) {
      throw invalid("Value at 'input' failed to satisfy constraint: Member must have length less than or equal to " + MAX_INPUT);
    }
    if (payload.isBlank()) {
      throw AwsException.badRequest("InvalidExecutionInput",
          "Invalid State Machine Execution Input: 'Invalid execution input.'");
    }
    try {
      Values.parse(payload);
      return payload;
    } catch (Values.Malformed e) {
      throw AwsException.badRequest("InvalidExecutionInput", "Invalid State Machine Execution Input: '" + e.getMessage() + "'");
    }
  }

  private static Machine snapshot(StateMachine machine) {
    return new Machine(machine.arn(), machine.name(), machine.roleArn(), machine.parsed(), machine.express());
  }

  private Execution standard(StateMachine machine, String name, String payload) {
    var arn = Settings.arn("states", "execution:" + machine.name() + ":" + name);
    var run = new Run(sequence.incrementAndGet(), new Execution(snapshot(machine), arn, name, payload, pace), machine,
        new AtomicReference<>());
    var existing = runs.putIfAbsent(arn, run);
    if (existing == null) {
      launch(run.execution());
      return run.execution();
    }
    var same = existing.execution();
    if (same.status() == Status.RUNNING && same.input().equals(payload)) {
      return same;
    }
    throw AwsException.badRequest("ExecutionAlreadyExists", "Execution Already Exists: '" + arn + "'");
  }

  private Execution express(StateMachine machine, String name, String payload) {
    var arn = Settings.arn("states", "express:" + machine.name() + ":" + name + ":" + UUID.randomUUID());
    var execution = new Execution(snapshot(machine), arn, name, payload, pace);
    launch(execution);
    return execution;
  }

  private void launch(Execution execution) {
    logEnd(execution);
    interpreter.start(execution);
  }

  private void logEnd(Execution execution) {
    execution.ended().thenAccept(ended -> log.event("state", ended.name() + "  " + ended.status() + reason(ended)));
  }

  private static String reason(Execution execution) {
    var error = execution.error() == null ? "" : " " + execution.error();
    return error + (execution.cause() == null ? "" : ": " + execution.cause());
  }

  private ObjectNode startSyncExecution(ObjectNode input) {
    var machine = find(arn(input, "stateMachineArn"));
    if (!machine.express()) {
      throw typeNotSupported();
    }
    var given = text(input, "name", 80);
    var execution =
        express(machine, given == null ? UUID.randomUUID().toString() : validName(given), executionInput(input));
    try {
      execution.ended().get();
    } catch (InterruptedException e) {
      execution.abort(null, null);
      Thread.currentThread().interrupt();
    } catch (ExecutionException e) {
      throw new IllegalStateException(e);
    }
    var output = Json.object().put("executionArn", execution.arn()).put("stateMachineArn", machine.arn());
    outcome(execution, output);
    if (execution.status() == Status.TIMED_OUT) {
      output.put("error", "States.Timeout");
    }
    output.putObject("outputDetails").put("included", true);
    var stop = execution.stop() == null ? pace.now() : execution.stop();
    var millis = Duration.between(execution.start(), stop).toMillis();
    output.putObject("billingDetails").put("billedMemoryUsedInMB", 64)
        .put("billedDurationInMilliseconds", Math.max(100, (millis + 99) / 100 * 100));
    return output;
  }

  private static AwsException typeNotSupported() {
    return AwsException.badRequest("StateMachineTypeNotSupported",
        "This operation is not supported by this type of state machine");
  }

  private static void outcome(Execution execution, ObjectNode output) {
    // One moment's picture: an execution may end between two questions.
    synchronized (execution) {
      output.put("name", execution.name()).put("startDate", Execution.seconds(execution.start()))
          .put("status", execution.status().name()).put("input", execution.input());
      output.putObject("inputDetails").put("included", true);
      put(output, "output", execution.output());
      if (execution.output() != null) {
        output.putObject("outputDetails").put("included", true);
      }
      put(output, "error", execution.error());
      put(output, "cause", execution.cause());
      var stop = execution.stop();
      if (stop != null) {
        output.put("stopDate", Execution.seconds(stop));
      }
    }
  }

  private static void put(ObjectNode output, String member, @Nullable String value) {
    if (value != null) {
      output.put(member, value);
    }
  }

  private Run run(String arn) {
    var run = runs.get(arn);
    if (arn.split(":", -1)[5].equals("express")) {
      throw AwsException.badRequest("InvalidArn", "Invalid Arn: 'Resource type not valid in this context: express'");
    }
    if (run == null) {
      throw AwsException.badRequest("ExecutionDoesNotExist", "Execution Does Not Exist: '" + arn + "'");
    }
    return run;
  }

  private ObjectNode stopExecution(ObjectNode input) {
    var execution = run(arn(input, "executionArn")).execution();
    execution.abort(text(input, "error", 256), text(input, "cause", 32_768));
    var stop = execution.stop();
    return Json.object().put("stopDate", Execution.seconds(stop == null ? pace.now() : stop));
  }

  private ObjectNode redriveExecution(ObjectNode input) {
    var run = run(arn(input, "executionArn"));
    var execution = run.execution();
    var token = text(input, "clientToken", 64);
    synchronized (run) {
      var redriven = execution.redriven();
      if (redriven == null || token == null || !token.equals(run.redriveToken().get())) {
        var refusal = execution.notRedrivable();
        if (refusal != null || !redrive(execution)) {
          throw AwsException.badRequest("ExecutionNotRedrivable",
              refusal == null ? "Execution is " + execution.status() + " and cannot be redriven" : refusal);
        }
        run.redriveToken().set(token);
        redriven = execution.redriven();
      }
      return Json.object().put("redriveDate", Execution.seconds(java.util.Objects.requireNonNull(redriven)));
    }
  }

  private boolean redrive(Execution execution) {
    try {
      var redriven = interpreter.redrive(execution);
      if (redriven) {
        logEnd(execution);
      }
      return redriven;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  private ObjectNode describeExecution(ObjectNode input) {
    var execution = run(arn(input, "executionArn")).execution();
    var output = Json.object().put("executionArn", execution.arn()).put("stateMachineArn", execution.machine().arn());
    outcome(execution, output);
    redrives(execution, output);
    var refusal = execution.notRedrivable();
    if (refusal == null) {
      output.put("redriveStatus", "REDRIVABLE");
    } else {
      output.put("redriveStatus", "NOT_REDRIVABLE").put("redriveStatusReason", refusal);
    }
    return output;
  }

  private static void redrives(Execution execution, ObjectNode output) {
    output.put("redriveCount", execution.redrives());
    var redriven = execution.redriven();
    if (redriven != null) {
      output.put("redriveDate", Execution.seconds(redriven));
    }
  }

  private static final Set<String> STATUSES =
      Set.of("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE");

  private ObjectNode listExecutions(ObjectNode input) {
    unsupported(input, "mapRunArn", "redriveFilter");
    var machine = find(arn(input, "stateMachineArn"));
    if (machine.express()) {
      throw typeNotSupported();
    }
    var filter = choice(input, "statusFilter", "", STATUSES);
    var matching = runs.values().stream().filter(run -> run.machine().arn().equals(machine.arn()))
        .filter(run -> filter.isEmpty() || run.execution().status().name().equals(filter))
        .sorted((a, b) -> Long.compare(b.number(), a.number())).toList();
    var output = Json.object();
    var list = output.putArray("executions");
    for (var run : page(matching, input, 3096, output, 100)) {
      var execution = run.execution();
      var item = list.addObject().put("executionArn", execution.arn()).put("stateMachineArn", machine.arn())
          .put("name", execution.name()).put("status", execution.status().name())
          .put("startDate", Execution.seconds(execution.start()));
      redrives(execution, item);
      var stop = execution.stop();
      if (stop != null) {
        item.put("stopDate", Execution.seconds(stop));
      }
    }
    return output;
  }

  /** Members of event details that includeExecutionData=false leaves out. */
  private static final Set<String> DATA = Set.of("input", "inputDetails", "output", "outputDetails", "parameters",
      "assignedVariables", "assignedVariablesDetails");

  private ObjectNode history(ObjectNode input) {
    List<ObjectNode> events = new ArrayList<>(run(arn(input, "executionArn")).execution().events());
    if (input.path("reverseOrder").asBoolean()) {
      events = events.reversed();
    }
    var output = Json.object();
    var list = output.putArray("events");
    for (var event : historyPage(events, input, output)) {
      list.add(input.path("includeExecutionData").asBoolean(true) ? event : withoutData(event));
    }
    return output;
  }

  /** A history grows at its end: its pages are counted from the start, unless it is read backwards. */
  private List<ObjectNode> historyPage(List<ObjectNode> events, ObjectNode input, ObjectNode output) {
    if (input.path("reverseOrder").asBoolean()) {
      return page(events, input, 3096, output, 100);
    }
    var size = input.path("maxResults").asInt(0);
    if (size < 0 || size > 1000) {
      throw invalid("Value '" + size + "' at 'maxResults' failed to satisfy constraint: Member must have value "
          + (size < 0 ? "greater than or equal to 0" : "less than or equal to 1000"));
    }
    var from = offset(text(input, "nextToken", 3096), 0, events.size());
    var end = Math.min(events.size(), from + (size == 0 ? 100 : size));
    if (end < events.size()) {
      output.put("nextToken", Base64.getEncoder().encodeToString(("from:" + end).getBytes(StandardCharsets.UTF_8)));
    }
    return events.subList(from, end);
  }

  private static int offset(@Nullable String token, int otherwise, int size) {
    if (token == null) {
      return otherwise;
    }
    try {
      var text = new String(Base64.getDecoder().decode(token), StandardCharsets.UTF_8);
      if (text.startsWith("from:")) {
        return Math.clamp(Long.parseLong(text.substring(5)), 0, size);
      }
    } catch (IllegalArgumentException e) {
      // told below
    }
    throw AwsException.badRequest("InvalidToken", "Invalid Token: 'Invalid token'");
  }

  private static ObjectNode withoutData(ObjectNode event) {
    var copy = event.deepCopy();
    for (var member : copy.properties()) {
      if (member.getValue() instanceof ObjectNode details) {
        details.remove(DATA);
      }
    }
    return copy;
  }

  // ---- callbacks ---------------------------------------------------------------------------------------------------

  private static String token(ObjectNode input) {
    var token = required(input, "taskToken", 2048);
    if (!Callbacks.isToken(token)) {
      throw AwsException.badRequest("InvalidToken", "Invalid Token: 'Invalid token'");
    }
    return token;
  }

  private static ObjectNode told(boolean waiting) {
    if (!waiting) {
      throw AwsException.badRequest("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'");
    }
    return Json.object();
  }

  private ObjectNode sendTaskSuccess(ObjectNode input) {
    var token = token(input);
    var output = required(input, "output", MAX_INPUT);
    try {
      return told(callbacks.succeed(token, Values.parse(output)));
    } catch (Values.Malformed e) {
      throw AwsException.badRequest("InvalidOutput", "Invalid Output: '" + e.getMessage() + "'");
    }
  }

  private ObjectNode sendTaskFailure(ObjectNode input) {
    return told(callbacks.fail(token(input), text(input, "error", 256), text(input, "cause", 32_768)));
  }

  private ObjectNode sendTaskHeartbeat(ObjectNode input) {
    return told(callbacks.heartbeat(token(input)));
  }

  // ---- activities --------------------------------------------------------------------------------------------------

  private ObjectNode createActivity(ObjectNode input) {
    var name = validName(required(input, "name", 80));
    var arn = Settings.arn("states", "activity:" + name);
    var activity = activityNames.computeIfAbsent(arn,
        _ -> new Activity(name, arn, pace.now(), new ConcurrentHashMap<>(tagMap(input.path("tags")))));
    return Json.object().put("activityArn", arn).put("creationDate", Execution.seconds(activity.created()));
  }

  private Activity activity(ObjectNode input) {
    var arn = arn(input, "activityArn");
    var activity = activityNames.get(arn);
    if (activity == null) {
      throw AwsException.badRequest("ActivityDoesNotExist", "Activity Does Not Exist: '" + arn + "'");
    }
    return activity;
  }

  private static ObjectNode describe(Activity activity) {
    return Json.object().put("activityArn", activity.arn()).put("name", activity.name())
        .put("creationDate", Execution.seconds(activity.created()));
  }

  private ObjectNode describeActivity(ObjectNode input) {
    return describe(activity(input));
  }

  private ObjectNode deleteActivity(ObjectNode input) {
    activityNames.remove(arn(input, "activityArn"));
    return Json.object();
  }

  private ObjectNode listActivities(ObjectNode input) {
    var output = Json.object();
    var list = output.putArray("activities");
    page(List.copyOf(activityNames.values()), input, 1024, output, 100).forEach(activity -> list.add(describe(activity)));
    return output;
  }

  private ObjectNode activityTask(ObjectNode input) {
    var activity = activity(input);
    var worker = text(input, "workerName", 80);
    try {
      var work = activities.take(activity.arn(), worker == null ? "" : worker, POLL);
      return work == null ? Json.object() : Json.object().put("taskToken", work.token()).put("input", work.input());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Json.object();
    }
  }

  // ---- tags --------------------------------------------------------------------------------------------------------

  private Map<String, String> tagsOf(ObjectNode input) {
    var arn = arn(input, "resourceArn");
    var machine = machines.get(arn);
    var activity = activityNames.get(arn);
    if (machine == null && activity == null) {
      throw AwsException.badRequest("ResourceNotFound", "Resource not found: '" + arn + "'");
    }
    return machine != null ? machine.tags() : java.util.Objects.requireNonNull(activity).tags();
  }

  private ObjectNode tag(ObjectNode input) {
    tagsOf(input).putAll(tagMap(input.path("tags")));
    return Json.object();
  }

  private ObjectNode untag(ObjectNode input) {
    var tags = tagsOf(input);
    input.path("tagKeys").forEach(key -> tags.remove(key.asText()));
    return Json.object();
  }

  private ObjectNode tags(ObjectNode input) {
    var output = Json.object();
    var list = output.putArray("tags");
    new TreeMap<>(tagsOf(input)).forEach((key, value) -> list.addObject().put("key", key).put("value", value));
    return output;
  }

  // ---- CloudFormation ----------------------------------------------------------------------------------------------

  @Override
  public Map<String, Provisioner> provisioners() {
    return Map.of("AWS::StepFunctions::StateMachine", this::provision, "AWS::StepFunctions::Activity", this::provisionActivity);
  }

  private Provisioner.Provisioned provision(Provisioner.Resource resource) {
    resource.allowOnly("Definition", "DefinitionString", "DefinitionSubstitutions", "StateMachineName", "StateMachineType",
        "RoleArn", "LoggingConfiguration", "TracingConfiguration", "EncryptionConfiguration", "Tags");
    var properties = resource.properties();
    var definition = properties.has("Definition") ? Json.write(properties.get("Definition"))
        : Json.text(properties, "DefinitionString");
    if (definition == null) {
      throw new IllegalArgumentException("property Definition or DefinitionString is required");
    }
    if (properties.has("Definition") && properties.has("DefinitionString")) {
      throw new IllegalArgumentException("property Definition and DefinitionString exclude each other");
    }
    var input = Json.object();
    input.put("definition", substituted(definition, properties.path("DefinitionSubstitutions")));
    input.put("name", properties.path("StateMachineName").asText(resource.name()));
    input.put("type", properties.path("StateMachineType").asText("STANDARD"));
    input.put("roleArn", Json.text(properties, "RoleArn"));
    var tags = input.putArray("tags");
    properties.path("Tags").forEach(
        tag -> tags.addObject().put("key", tag.path("Key").asText()).put("value", tag.path("Value").asText()));
    try {
      var arn = createStateMachine(input).get("stateMachineArn").asText();
      var attributes = new HashMap<String, String>();
      attributes.put("Arn", arn);
      attributes.put("Name", input.get("name").asText());
      attributes.put("StateMachineRevisionId", "INITIAL");
      return new Provisioner.Provisioned(arn, attributes);
    } catch (AwsException e) {
      throw new IllegalArgumentException(e.code() + ": " + e.getMessage(), e);
    }
  }

  private static final Pattern PLACEHOLDER = Pattern.compile("\\$\\{([A-Za-z0-9_]+)}");

  /** Every {@code ${name}} that has a substitution; the text stands inside JSON strings, or for a value of its own. */
  private static String substituted(String definition, JsonNode substitutions) {
    if (substitutions.isMissingNode()) {
      return definition;
    }
    var values = new LinkedHashMap<String, String>();
    substitutions.properties().forEach(entry -> values.put(entry.getKey(), entry.getValue().asText()));
    return PLACEHOLDER.matcher(definition).replaceAll(match -> {
      var value = values.get(match.group(1));
      if (value == null) {
        return java.util.regex.Matcher.quoteReplacement(match.group());
      }
      var quoted = Json.write(value);
      return java.util.regex.Matcher.quoteReplacement(quoted.substring(1, quoted.length() - 1));
    });
  }

  private Provisioner.Provisioned provisionActivity(Provisioner.Resource resource) {
    resource.allowOnly("Name", "Tags");
    var name = resource.properties().path("Name").asText(resource.name());
    var arn = createActivity(Json.object().put("name", name)).get("activityArn").asText();
    return new Provisioner.Provisioned(arn, Map.of("Arn", arn, "Name", name));
  }
}
