package com.example.cafe.local.states;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Checks a definition before it is stored, and says where what is wrong, as CreateStateMachine does. */
public final class Validator {
  private static final String SCHEMA = "SCHEMA_VALIDATION_FAILED";
  private static final Set<String> TYPES = new TreeSet<>(
      Set.of("Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map"));
  private static final Set<String> COMMON = Set.of("Type", "Comment", "QueryLanguage");
  private static final Pattern VARIABLE_NAME = Pattern.compile("[\\p{L}_][\\p{L}\\p{N}_]{0,79}");

  /** The fields of each type of state, other than the common ones: in either language, in JSONPath, in JSONata only. */
  private record Fields(Set<String> any, Set<String> jsonPath, Set<String> jsonata) {}

  private static final Map<String, Fields> FIELDS = Map.of(
      "Pass", new Fields(Set.of("Next", "End", "Assign"),
          Set.of("InputPath", "OutputPath", "ResultPath", "Parameters", "Result"), Set.of("Output")),
      "Task", new Fields(Set.of("Next", "End", "Assign", "Resource", "Retry", "Catch", "TimeoutSeconds", "HeartbeatSeconds",
          "Credentials"), Set.of("InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector", "TimeoutSecondsPath",
          "HeartbeatSecondsPath"), Set.of("Output", "Arguments")),
      "Choice", new Fields(Set.of("Choices", "Default", "Assign"), Set.of("InputPath", "OutputPath"), Set.of("Output")),
      "Wait", new Fields(Set.of("Next", "End", "Assign", "Seconds", "Timestamp"),
          Set.of("InputPath", "OutputPath", "SecondsPath", "TimestampPath"), Set.of("Output")),
      "Succeed", new Fields(Set.of(), Set.of("InputPath", "OutputPath"), Set.of("Output")),
      "Fail", new Fields(Set.of("Error", "Cause"), Set.of("ErrorPath", "CausePath"), Set.of()),
      "Parallel", new Fields(Set.of("Next", "End", "Assign", "Branches", "Retry", "Catch"),
          Set.of("InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector"), Set.of("Output", "Arguments")),
      "Map", new Fields(Set.of("Next", "End", "Assign", "ItemProcessor", "Iterator", "ItemSelector", "MaxConcurrency",
          "ToleratedFailureCount", "ToleratedFailurePercentage", "Retry", "Catch", "Label", "ItemReader", "ItemBatcher",
          "ResultWriter"),
          Set.of("InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector", "ItemsPath", "MaxConcurrencyPath",
              "ToleratedFailureCountPath", "ToleratedFailurePercentagePath"), Set.of("Output", "Items")));

  private final boolean express;
  private final Function<TaskResource, @Nullable String> refusal;
  private final List<Diagnostic> found = new ArrayList<>();
  private final Set<String> names = new HashSet<>();
  private String language = "JSONPath";

  private Validator(boolean express, Function<TaskResource, @Nullable String> refusal) {
    this.express = express;
    this.refusal = refusal;
  }

  /**
   * Everything that is wrong with a definition, none where it can be stored.
   *
   * @param text the definition as JSON
   * @param refusal {@link Tasks#refusal}
   */
  public static List<Diagnostic> check(String text, boolean express, Function<TaskResource, @Nullable String> refusal) {
    var validator = new Validator(express, refusal);
    if (text.isBlank()) {
      return List.of(new Diagnostic(SCHEMA, "Definition must be a valid JSON object", null));
    }
    try {
      var definition = Values.parse(text);
      if (!definition.isObject()) {
        return List.of(new Diagnostic(SCHEMA, "Definition must be a valid JSON object", null));
      }
      validator.definition(definition);
      return validator.found;
    } catch (Values.Malformed e) {
      var source = text.length() > 500 ? text.substring(0, 500) + "[truncated " + (text.length() - 500) + " chars]" : text;
      var location = "[Source: (String)\"" + source + "\"; line: " + e.line + ", column: " + e.column + "]";
      return List.of(new Diagnostic("INVALID_JSON_DESCRIPTION", e.getMessage() + "\n at " + location, location));
    }
  }

  private void fault(String message, String location) {
    found.add(new Diagnostic(SCHEMA, message, location));
  }

  private void definition(JsonNode definition) {
    language = language(definition, "", "JSONPath");
    supported(definition, Set.of("Comment", "StartAt", "States", "Version", "TimeoutSeconds", "QueryLanguage"), "");
    integer(definition, "TimeoutSeconds", 1, "");
    machine(definition, "");
  }

  private String language(JsonNode holder, String at, String otherwise) {
    var value = holder.get("QueryLanguage");
    if (value == null) {
      return otherwise;
    }
    if (!value.isTextual()) {
      fault("Expected value of type String", at + "/QueryLanguage");
    } else if (!value.textValue().equals("JSONPath") && !value.textValue().equals("JSONata")) {
      fault("Value is not valid. Allowed values are: [JSONPath, JSONata]", at + "/QueryLanguage");
    }
    return value.asText().equals("JSONPath") ? "JSONPath" : "JSONata";
  }

  private void supported(JsonNode holder, Set<String> fields, String at) {
    holder.fieldNames().forEachRemaining(field -> {
      if (!fields.contains(field)) {
        fault("Field '" + field + "' is not supported", at.isEmpty() ? "/" : at);
      }
    });
  }

  private boolean required(JsonNode holder, String at, String... fields) {
    var missing = new ArrayList<String>();
    for (var field : fields) {
      if (!holder.has(field)) {
        missing.add(field);
      }
    }
    if (!missing.isEmpty()) {
      fault("These fields are required: " + missing, at.isEmpty() ? "/" : at);
    }
    return missing.isEmpty();
  }

  /** At most one of the fields, and at least one where {@code needed}. */
  private void one(JsonNode holder, String at, boolean needed, String... fields) {
    var present = List.of(fields).stream().filter(holder::has).toList();
    if (present.size() > 1) {
      fault("There should only be one of the following fields: " + present, at);
    } else if (needed && present.isEmpty()) {
      fault("There should be one of the following fields: " + List.of(fields), at);
    }
  }

  private void integer(JsonNode holder, String field, long least, String at) {
    var value = holder.get(field);
    if (value == null) {
      return;
    }
    if (!value.isIntegralNumber()) {
      fault("Expected value of type Integer", at + "/" + field);
    } else if (value.longValue() < least) {
      fault("Minimum value is " + least, at + "/" + field);
    } else if (value.longValue() > 99_999_999) {
      fault("Maximum value is 99999999", at + "/" + field);
    }
  }

  // ---- states and the ways between them ----------------------------------------------------------------------------

  private void machine(JsonNode machine, String at) {
    if (!required(machine, at, "States", "StartAt")) {
      return;
    }
    var states = machine.get("States");
    if (!states.isObject() || states.isEmpty()) {
      fault(states.isObject() ? "States must not be empty" : "Expected value of type Object", at + "/States");
      return;
    }
    for (var entry : states.properties()) {
      var name = entry.getKey();
      var location = at + "/States/" + name;
      if (name.isEmpty() || name.length() > 80) {
        fault("State name must be between 1 and 80 characters long", location);
      }
      if (!names.add(name)) {
        found.add(new Diagnostic("DUPLICATE_STATE_NAME", "Duplicate State name: " + name, location));
      }
      if (!entry.getValue().isObject()) {
        fault("Expected value of type Object", location);
      } else {
        state(entry.getValue(), location);
      }
    }
    transitions(machine, at);
  }

  private void transitions(JsonNode machine, String at) {
    var states = machine.get("States");
    var start = machine.get("StartAt");
    var dangling = false;
    if (!start.isTextual() || !states.has(start.textValue())) {
      found.add(missingTarget(start.asText(), at + "/StartAt"));
      dangling = true;
    }
    var ways = new LinkedHashMap<String, Set<String>>();
    var terminal = false;
    for (var entry : states.properties()) {
      var state = entry.getValue();
      var location = at + "/States/" + entry.getKey();
      var targets = new LinkedHashMap<String, String>();
      target(state, "Next", location, targets);
      target(state, "Default", location, targets);
      for (var list : List.of("Choices", "Catch")) {
        for (var i = 0; i < state.path(list).size(); i++) {
          target(state.path(list).get(i), "Next", location + "/" + list + "[" + i + "]", targets);
        }
      }
      for (var target : targets.entrySet()) {
        if (!states.has(target.getValue())) {
          found.add(missingTarget(target.getValue(), target.getKey()));
        }
      }
      ways.put(entry.getKey(), new LinkedHashSet<>(targets.values()));
      var type = state.path("Type").asText();
      terminal |= state.path("End").asBoolean() || type.equals("Succeed") || type.equals("Fail");
    }
    if (!terminal) {
      found.add(new Diagnostic("MISSING_END_STATE", "Workflow has no terminal state", null));
      return;
    }
    var reached = new HashSet<String>();
    var next = new ArrayDeque<String>(dangling ? List.of() : List.of(start.textValue()));
    while (!next.isEmpty()) {
      var name = next.remove();
      if (reached.add(name)) {
        next.addAll(ways.getOrDefault(name, Set.of()));
      }
    }
    for (var name : ways.keySet()) {
      if (!reached.contains(name)) {
        found.add(new Diagnostic("MISSING_TRANSITION_TARGET", "State \"" + name + "\" is not reachable.", at + "/States/" + name));
      }
    }
  }

  private static void target(JsonNode holder, String field, String at, Map<String, String> targets) {
    if (holder.path(field).isTextual()) {
      targets.put(at + "/" + field, holder.get(field).textValue());
    }
  }

  private static Diagnostic missingTarget(String name, String location) {
    return new Diagnostic("MISSING_TRANSITION_TARGET", "Missing 'Next' target: " + name, location);
  }

  private void state(JsonNode state, String at) {
    if (!required(state, at, "Type")) {
      return;
    }
    var type = state.get("Type").asText();
    var fields = FIELDS.get(type);
    if (fields == null) {
      fault("Value is not valid. Allowed values are: " + TYPES, at + "/Type");
      return;
    }
    var own = language(state, at, language);
    if (own.equals("JSONPath") && language.equals("JSONata")) {
      fault("'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine", at);
      return;
    }
    var jsonata = own.equals("JSONata");
    for (var entry : state.properties()) {
      var field = entry.getKey();
      if (COMMON.contains(field) || fields.any().contains(field)) {
        continue;
      }
      if (fields.jsonata().contains(field)) {
        if (!jsonata) {
          fault("The QueryLanguage is set to 'JSONPath', but field '" + field
              + "' is only supported for the 'JSONata' QueryLanguage", at);
        }
      } else if (fields.jsonPath().contains(field)) {
        if (jsonata) {
          fault("The QueryLanguage is set to 'JSONata', but field '" + field
              + "' is only supported for the 'JSONPath' QueryLanguage", at);
        }
      } else {
        fault("Field '" + field + "' is not supported", at);
      }
    }
    if (fields.any().contains("Next")) {
      one(state, at, true, "Next", "End");
      if (state.has("End") && !state.get("End").isBoolean()) {
        fault("Expected value of type Boolean", at + "/End");
      } else if (state.has("End") && !state.get("End").booleanValue() && !state.has("Next")) {
        fault("There should be one of the following fields: [Next, End]", at);
      }
    }
    if (jsonata) {
      expressions(state, at);
    } else {
      paths(state, at);
    }
    assign(state, at);
    switch (type) {
      case "Task" -> task(state, at, jsonata);
      case "Choice" -> choice(state, at, jsonata);
      case "Wait" -> pause(state, at, jsonata);
      case "Fail" -> {
        one(state, at, false, "Error", "ErrorPath");
        one(state, at, false, "Cause", "CausePath");
      }
      case "Parallel" -> parallel(state, at);
      case "Map" -> map(state, at, jsonata);
      default -> { }
    }
    handlers(state, at, jsonata);
  }

  private void assign(JsonNode holder, String at) {
    var assign = holder.get("Assign");
    if (assign == null) {
      return;
    }
    if (!assign.isObject()) {
      fault("Expected value of type Object", at + "/Assign");
      return;
    }
    assign.fieldNames().forEachRemaining(field -> {
      var name = field.endsWith(".$") ? field.substring(0, field.length() - 2) : field;
      if (!VARIABLE_NAME.matcher(name).matches() || name.equals("states")) {
        fault("Variable name '" + name + "' is not valid", at + "/Assign");
      }
    });
  }

  // ---- the query languages -----------------------------------------------------------------------------------------

  private static final Set<String> NESTED = Set.of("Branches", "ItemProcessor", "Iterator");

  /** Every JSONata string below, other than in the states of branches and iterations. */
  private void expressions(JsonNode holder, String at) {
    for (var entry : holder.properties()) {
      if (!NESTED.contains(entry.getKey())) {
        expression(entry.getValue(), at + "/" + entry.getKey());
      }
    }
  }

  private void expression(JsonNode value, String at) {
    if (value.isObject()) {
      expressions(value, at);
    } else if (value.isArray()) {
      for (var i = 0; i < value.size(); i++) {
        expression(value.get(i), at + "[" + i + "]");
      }
    } else if (Jsonata.isExpression(value)) {
      found.addAll(Jsonata.check(value.textValue(), at));
    }
  }

  private void paths(JsonNode state, String at) {
    for (var field : List.of("InputPath", "OutputPath", "ItemsPath")) {
      var value = state.get(field);
      if (value != null && !value.isNull() && !(value.isTextual() && JsonPaths.isPath(value.textValue()))) {
        fault("Value is not a valid JSONPath", at + "/" + field);
      }
    }
    for (var field : List.of("SecondsPath", "TimestampPath", "TimeoutSecondsPath", "HeartbeatSecondsPath",
        "MaxConcurrencyPath", "ToleratedFailureCountPath", "ToleratedFailurePercentagePath")) {
      var value = state.get(field);
      if (value != null && !(value.isTextual() && JsonPaths.isReference(value.textValue()))) {
        fault("Value is not a Reference Path", at + "/" + field);
      }
    }
    for (var field : List.of("ErrorPath", "CausePath")) {
      var value = state.get(field);
      if (value != null && !(value.isTextual()
          && (JsonPaths.isReference(value.textValue()) || Intrinsics.isCall(value.textValue())))) {
        fault("Value must be a valid Reference Path or a valid intrinsic function call", at + "/" + field);
      }
    }
    resultPath(state, at);
    for (var field : List.of("Parameters", "ResultSelector", "ItemSelector", "Assign")) {
      if (state.has(field)) {
        template(state.get(field), at + "/" + field);
      }
    }
  }

  private void resultPath(JsonNode holder, String at) {
    var value = holder.get("ResultPath");
    if (value != null && !value.isNull()
        && !(value.isTextual() && value.textValue().matches("\\$([.\\[].*)?") && JsonPaths.isReference(value.textValue()))) {
      fault("Value is not a Reference Path", at + "/ResultPath");
    }
  }

  private void template(JsonNode template, String at) {
    if (template.isArray()) {
      template.forEach(element -> template(element, at));
    }
    for (var entry : template.properties()) {
      var field = entry.getKey();
      if (field.endsWith(".$")) {
        var value = entry.getValue();
        if (!value.isTextual() || !(JsonPaths.isPath(value.textValue()) || Intrinsics.isCall(value.textValue()))) {
          fault("The value for the field '" + field + "' must be a valid JSONPath or a valid intrinsic function call", at);
        }
        if (template.has(field.substring(0, field.length() - 2))) {
          fault("Duplicate field '" + field.substring(0, field.length() - 2) + "'", at);
        }
      } else {
        template(entry.getValue(), at + "/" + field);
      }
    }
  }

  /** A number, or in JSONata an expression that gives one. */
  private void seconds(JsonNode state, String field, long least, boolean jsonata, String at) {
    if (!(jsonata && state.path(field).isTextual() && Jsonata.isExpression(state.get(field)))) {
      integer(state, field, least, at);
    }
  }

  // ---- types of states ---------------------------------------------------------------------------------------------

  private void task(JsonNode state, String at, boolean jsonata) {
    if (state.has("Credentials")) {
      fault("Field 'Credentials' is not supported by the local cloud", at);
    }
    one(state, at, false, "TimeoutSeconds", "TimeoutSecondsPath");
    one(state, at, false, "HeartbeatSeconds", "HeartbeatSecondsPath");
    seconds(state, "TimeoutSeconds", 1, jsonata, at);
    seconds(state, "HeartbeatSeconds", 1, jsonata, at);
    if (state.path("TimeoutSeconds").isNumber() && state.path("HeartbeatSeconds").isNumber()
        && state.get("HeartbeatSeconds").longValue() >= state.get("TimeoutSeconds").longValue()) {
      fault("'HeartbeatSeconds' must be smaller than 'TimeoutSeconds'", at);
    }
    if (!required(state, at, "Resource")) {
      return;
    }
    var arn = state.get("Resource").asText();
    var resource = state.get("Resource").isTextual() ? TaskResource.of(arn) : null;
    var location = at + "/Resource";
    if (resource == null) {
      fault("The resource provided " + arn + " is not recognized. The value is not a valid resource ARN, or the resource is"
          + " not available in this region.", location);
      return;
    }
    if (express && resource instanceof TaskResource.Integration integration
        && integration.pattern() != TaskResource.Integration.Pattern.RESPONSE) {
      fault("Express state machine does not support '" + integration.name().substring(integration.action().length())
          + "' service integration ", location);
    } else if (express && resource instanceof TaskResource.Activity) {
      fault("Express state machine does not support activities", location);
    }
    var refused = refusal.apply(resource);
    if (refused != null) {
      fault(refused, location);
    }
  }

  private void pause(JsonNode state, String at, boolean jsonata) {
    one(state, at, true, jsonata ? new String[] {"Seconds", "Timestamp"}
        : new String[] {"Seconds", "Timestamp", "SecondsPath", "TimestampPath"});
    seconds(state, "Seconds", 0, jsonata, at);
    var timestamp = state.get("Timestamp");
    if (timestamp != null && !(jsonata && Jsonata.isExpression(timestamp)) && Choices.timestamp(timestamp) == null) {
      fault("String does not match RFC3339 timestamp", at + "/Timestamp");
    }
  }

  private void choice(JsonNode state, String at, boolean jsonata) {
    if (!required(state, at, "Choices")) {
      return;
    }
    var rules = state.get("Choices");
    if (!rules.isArray() || rules.isEmpty()) {
      fault(rules.isArray() ? "Choices must not be empty" : "Expected value of type Array", at + "/Choices");
      return;
    }
    for (var i = 0; i < rules.size(); i++) {
      var rule = rules.get(i);
      var location = at + "/Choices[" + i + "]";
      required(rule, location, jsonata ? new String[] {"Condition", "Next"} : new String[] {"Next"});
      assign(rule, location);
      if (jsonata) {
        supported(rule, Set.of("Condition", "Next", "Assign", "Output", "Comment"), location);
        var condition = rule.get("Condition");
        if (condition != null && !condition.isBoolean() && !Jsonata.isExpression(condition)) {
          fault("Condition must be a boolean or a JSONata expression", location + "/Condition");
        }
      } else {
        if (rule.has("Assign")) {
          template(rule.get("Assign"), location + "/Assign");
        }
        for (var field : List.of("Condition", "Output")) {
          if (rule.has(field)) {
            fault("The QueryLanguage is set to 'JSONPath', but field '" + field
                + "' is only supported for the 'JSONata' QueryLanguage", location);
          }
        }
        rule(rule, location, true);
      }
    }
  }

  private void rule(JsonNode rule, String at, boolean top) {
    var operators = new ArrayList<String>();
    for (var entry : rule.properties()) {
      var field = entry.getKey();
      var value = entry.getValue();
      switch (field) {
        case "And", "Or" -> {
          operators.add(field);
          if (!value.isArray() || value.isEmpty()) {
            fault("Expected value of type Array with at least one element", at + "/" + field);
          }
          for (var i = 0; i < value.size(); i++) {
            rule(value.get(i), at + "/" + field + "[" + i + "]", false);
          }
        }
        case "Not" -> {
          operators.add(field);
          rule(value, at + "/Not", false);
        }
        case "Variable" -> {
          if (!value.isTextual() || !JsonPaths.isPath(value.textValue())) {
            fault("Value is not a valid JSONPath", at + "/Variable");
          }
        }
        case "Next", "Assign" -> {
          if (!top) {
            fault("Field '" + field + "' is not supported", at);
          }
        }
        case "Comment", "Condition", "Output" -> { }
        default -> {
          if (!Choices.isComparator(field)) {
            fault("Field '" + field + "' is not supported", at);
          } else {
            operators.add(field);
            operand(field, value, at + "/" + field);
          }
        }
      }
    }
    if (operators.size() != 1) {
      fault(operators.isEmpty() ? "A comparison operator is required" : "There should only be one of the following fields: "
          + operators, at);
    } else if (!Set.of("And", "Or", "Not").contains(operators.getFirst())) {
      required(rule, at, "Variable");
    }
  }

  private void operand(String operator, JsonNode value, String at) {
    if (operator.endsWith("Path")) {
      if (!value.isTextual() || !JsonPaths.isPath(value.textValue())) {
        fault("Value is not a Reference Path", at);
      }
    } else if (operator.startsWith("String") && !value.isTextual()) {
      fault("Expected value of type String", at);
    } else if (operator.startsWith("Numeric") && !value.isNumber()) {
      fault("Expected value of type Number", at);
    } else if ((operator.startsWith("Boolean") || operator.startsWith("Is")) && !value.isBoolean()) {
      fault("Expected value of type Boolean", at);
    } else if (operator.startsWith("Timestamp") && Choices.timestamp(value) == null) {
      fault("String does not match RFC3339 timestamp", at);
    }
  }

  private void parallel(JsonNode state, String at) {
    if (!required(state, at, "Branches")) {
      return;
    }
    var branches = state.get("Branches");
    if (!branches.isArray() || branches.isEmpty()) {
      fault(branches.isArray() ? "Branches must not be empty" : "Expected value of type Array", at + "/Branches");
      return;
    }
    for (var i = 0; i < branches.size(); i++) {
      var location = at + "/Branches[" + i + "]";
      supported(branches.get(i), Set.of("Comment", "StartAt", "States"), location);
      machine(branches.get(i), location);
    }
  }

  private void map(JsonNode state, String at, boolean jsonata) {
    one(state, at, true, "ItemProcessor", "Iterator");
    one(state, at, false, "ItemSelector", "Parameters");
    for (var field : List.of("MaxConcurrency", "ToleratedFailureCount", "ToleratedFailurePercentage")) {
      one(state, at, false, field, field + "Path");
    }
    seconds(state, "MaxConcurrency", 0, jsonata, at);
    seconds(state, "ToleratedFailureCount", 0, jsonata, at);
    var percentage = state.path("ToleratedFailurePercentage");
    if (percentage.isNumber() && (percentage.doubleValue() < 0 || percentage.doubleValue() > 100)) {
      fault(percentage.doubleValue() < 0 ? "Minimum value is 0.0" : "Maximum value is 100.0", at + "/ToleratedFailurePercentage");
    }
    for (var field : List.of("ItemReader", "ItemBatcher", "ResultWriter", "Label")) {
      if (state.has(field)) {
        fault("Field '" + field + "' of a distributed Map is not supported by the local cloud", at);
      }
    }
    var name = state.has("ItemProcessor") ? "ItemProcessor" : "Iterator";
    var processor = state.get(name);
    if (processor == null) {
      return;
    }
    var location = at + "/" + name;
    supported(processor, name.equals("Iterator") ? Set.of("Comment", "StartAt", "States")
        : Set.of("Comment", "StartAt", "States", "ProcessorConfig"), location);
    var mode = processor.path("ProcessorConfig").path("Mode").asText("INLINE");
    if (mode.equals("DISTRIBUTED")) {
      fault("A Map in mode DISTRIBUTED is not supported by the local cloud", location + "/ProcessorConfig/Mode");
    } else if (!mode.equals("INLINE")) {
      fault("Value is not valid. Allowed values are: [INLINE, DISTRIBUTED]", location + "/ProcessorConfig/Mode");
    }
    machine(processor, location);
  }

  private void handlers(JsonNode state, String at, boolean jsonata) {
    for (var list : List.of("Retry", "Catch")) {
      var handlers = state.path(list);
      if (!handlers.isMissingNode() && !handlers.isArray()) {
        fault("Expected value of type Array", at + "/" + list);
        continue;
      }
      for (var i = 0; i < handlers.size(); i++) {
        var handler = handlers.get(i);
        var location = at + "/" + list + "[" + i + "]";
        if (list.equals("Retry")) {
          retrier(handler, location);
        } else {
          catcher(handler, location, jsonata);
        }
        var errors = handler.path("ErrorEquals");
        for (var error : errors) {
          if (error.asText().equals("States.ALL") && (errors.size() > 1 || i < handlers.size() - 1)) {
            fault("States.ALL must appear alone, and in the last " + (list.equals("Retry") ? "retrier" : "catcher"),
                location + "/ErrorEquals");
          }
        }
      }
    }
  }

  private void errors(JsonNode handler, String at) {
    var errors = handler.get("ErrorEquals");
    if (errors != null && (!errors.isArray() || errors.isEmpty())) {
      fault("ErrorEquals must be a non-empty array of error names", at + "/ErrorEquals");
    }
  }

  private void retrier(JsonNode retrier, String at) {
    supported(retrier, Set.of("ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds",
        "JitterStrategy", "Comment"), at);
    required(retrier, at, "ErrorEquals");
    errors(retrier, at);
    integer(retrier, "IntervalSeconds", 1, at);
    integer(retrier, "MaxAttempts", 0, at);
    integer(retrier, "MaxDelaySeconds", 1, at);
    var rate = retrier.get("BackoffRate");
    if (rate != null && (!rate.isNumber() || rate.doubleValue() < 1)) {
      fault(rate.isNumber() ? "Minimum value is 1.0" : "Expected value of type Number", at + "/BackoffRate");
    }
    var jitter = retrier.get("JitterStrategy");
    if (jitter != null && !Set.of("FULL", "NONE").contains(jitter.asText())) {
      fault("Value is not valid. Allowed values are: [FULL, NONE]", at + "/JitterStrategy");
    }
    if (retrier.path("MaxDelaySeconds").isNumber()
        && retrier.get("MaxDelaySeconds").longValue() <= retrier.path("IntervalSeconds").asLong(1)) {
      fault("'MaxDelaySeconds' must be greater than 'IntervalSeconds'", at + "/MaxDelaySeconds");
    }
  }

  private void catcher(JsonNode catcher, String at, boolean jsonata) {
    supported(catcher, jsonata ? Set.of("ErrorEquals", "Next", "Output", "Assign", "Comment")
        : Set.of("ErrorEquals", "Next", "ResultPath", "Assign", "Comment"), at);
    required(catcher, at, "ErrorEquals", "Next");
    errors(catcher, at);
    assign(catcher, at);
    if (!jsonata) {
      resultPath(catcher, at);
      if (catcher.has("Assign")) {
        template(catcher.get("Assign"), at + "/Assign");
      }
    }
  }
}
