package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.example.cafe.local.states.Pace;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;

/** Step Functions on a bench: a clock on which a second takes a millisecond, and services that answer as a test says. */
final class StatesBench implements AutoCloseable {
  static final String ROLE = "arn:aws:iam::000000000000:role/bench";
  private static final JsonMapper LENIENT = JsonMapper.builder().enable(JsonReadFeature.ALLOW_SINGLE_QUOTES)
      .enable(JsonReadFeature.ALLOW_UNQUOTED_FIELD_NAMES).build();

  /** A service's operation, or a function for "lambda:NAME". */
  interface Answer {
    JsonNode to(ObjectNode input) throws InterruptedException;
  }

  /** A call that a task made. */
  record Call(String service, String operation, ObjectNode input, Caller caller) {}

  private final AtomicInteger names = new AtomicInteger();
  private final Map<String, Answer> answers = new ConcurrentHashMap<>();
  private final ByteArrayOutputStream printed = new ByteArrayOutputStream();
  final List<Call> calls = new CopyOnWriteArrayList<>();
  final StepFunctions states;

  StatesBench() {
    this(1000);
  }

  StatesBench(long factor) {
    states = new StepFunctions(this::answer, new EventLog(new PrintStream(printed, true, StandardCharsets.UTF_8)),
        Pace.times(factor));
  }

  /** JSON with single quotes and names without any. */
  static JsonNode json(String text) {
    try {
      return LENIENT.readTree(text);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(text, e);
    }
  }

  /** Lets an operation ("sqs", "SendMessage") or a function ("lambda", its name) answer. */
  StatesBench on(String service, String operation, Answer answer) {
    answers.put(service + ":" + operation, answer);
    return this;
  }

  private ObjectNode answer(String service, String operation, ObjectNode input, Caller caller) {
    calls.add(new Call(service, operation, input, caller));
    try {
      if (service.equals("states")) {
        return states.call(operation, input, caller);
      }
      if (service.equals("lambda")) {
        return invoke(input);
      }
      var answer = answers.get(service + ":" + operation);
      if (answer == null) {
        throw AwsException.unknownOperation(service, operation);
      }
      return (ObjectNode) answer.to(input);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** A function's answer is its payload; an object with errorType is its failure. */
  private ObjectNode invoke(ObjectNode input) throws InterruptedException {
    var name = input.get("FunctionName").asText();
    var answer = answers.get("lambda:" + name.substring(name.lastIndexOf(':') + 1));
    if (answer == null) {
      throw new AwsException(404, "ResourceNotFoundException", "Function not found: " + name);
    }
    var given = new String(Base64.getDecoder().decode(input.path("Payload").asText()), StandardCharsets.UTF_8);
    var payload = (ObjectNode) Json.object().set("payload", Json.parse(given.isEmpty() ? "null" : given));
    var result = answer.to(payload);
    var response = Json.object().put("StatusCode", 200).put("ExecutedVersion", "$LATEST").put("Payload",
        Base64.getEncoder().encodeToString(Json.write(result).getBytes(StandardCharsets.UTF_8)));
    if (result.has("errorType") || result.has("errorMessage")) {
      response.put("FunctionError", "Unhandled");
    }
    return response;
  }

  ObjectNode call(String operation, String input) {
    return states.call(operation, (ObjectNode) json(input), Caller.ADMINISTRATOR);
  }

  ObjectNode call(String operation, ObjectNode input) {
    return states.call(operation, input, Caller.ADMINISTRATOR);
  }

  /** Creates a machine under a new name and gives its ARN. */
  String machine(String definition) {
    return machine(definition, "STANDARD");
  }

  String machine(String definition, String type) {
    return call("CreateStateMachine", Json.object().put("name", "bench" + names.incrementAndGet()).put("type", type)
        .put("roleArn", ROLE).put("definition", Json.write(json(definition)))).get("stateMachineArn").asText();
  }

  /** Starts an execution and gives its ARN. */
  String start(String definition, String input) {
    return call("StartExecution", Json.object().put("stateMachineArn", machine(definition)).put("name", "run")
        .put("input", Json.write(json(input)))).get("executionArn").asText();
  }

  Outcome run(String definition, String input) {
    return end(start(definition, input));
  }

  Outcome end(String arn) {
    await().pollInterval(Duration.ofMillis(1)).atMost(Duration.ofSeconds(20)).until(() -> !status(arn).equals("RUNNING"));
    return new Outcome(arn, describe(arn), history(arn));
  }

  ObjectNode describe(String arn) {
    return call("DescribeExecution", Json.object().put("executionArn", arn));
  }

  String status(String arn) {
    return describe(arn).get("status").asText();
  }

  List<JsonNode> history(String arn) {
    var events = new ArrayList<JsonNode>();
    var input = Json.object().put("executionArn", arn).put("maxResults", 1000);
    while (true) {
      var page = call("GetExecutionHistory", input);
      page.get("events").forEach(events::add);
      if (!page.has("nextToken")) {
        return events;
      }
      input.put("nextToken", page.get("nextToken").asText());
    }
  }

  String log() {
    return printed.toString(StandardCharsets.UTF_8);
  }

  @Override
  public void close() {
    states.close();
  }

  /** How an execution ended. */
  record Outcome(String arn, ObjectNode description, List<JsonNode> events) {
    String status() {
      return description.get("status").asText();
    }

    JsonNode output() {
      assertThat(status()).as("%s", description).isEqualTo("SUCCEEDED");
      return json(description.get("output").asText());
    }

    String error() {
      return description.path("error").asText();
    }

    String cause() {
      return description.path("cause").asText();
    }

    /** Every event as "id<previous type". */
    List<String> chain() {
      return events.stream().map(event -> event.get("id").asInt() + "<" + event.get("previousEventId").asInt() + " "
          + event.get("type").asText()).toList();
    }

    String types() {
      return events.stream().map(event -> event.get("type").asText()).collect(Collectors.joining(" "));
    }

    /** The details of the first event of a type. */
    JsonNode details(String type) {
      return details(type, 0);
    }

    JsonNode details(String type, int index) {
      var event = events.stream().filter(candidate -> candidate.get("type").asText().equals(type)).skip(index).findFirst()
          .orElseThrow(() -> new AssertionError("no " + type + " in " + types()));
      // Read again, so that numbers compare by value.
      return json(event.properties().stream().filter(member -> member.getKey().endsWith("EventDetails")).findFirst()
          .orElseThrow(() -> new AssertionError(type + " has no details")).getValue().toString());
    }
  }
}
