package com.example.cafe;

import static org.assertj.core.api.Assertions.assertThat;

import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.example.cafe.platform.migration.TestSchema;
import java.io.IOException;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;

/** What holds for every function, queue and alarm of template.yaml, so that the next one is not forgotten. */
@SuppressWarnings("unchecked")
class TemplateTest {
  private static final Map<String, Object> TEMPLATE = yaml("template.yaml");
  private static final Map<String, Object> RESOURCES = map(TEMPLATE, "Resources");

  @TestFactory
  Stream<DynamicTest> everyFunctionHasItsClassItsEventItsTestAndItsPolicy() {
    return ofType("AWS::Serverless::Function").entrySet().stream().map(function -> DynamicTest.dynamicTest(function.getKey(),
        () -> {
          var name = function.getKey();
          var properties = function.getValue();
          var handler = (String) properties.get("Handler");
          var type = Class.forName(handler);
          assertThat(type.getSimpleName()).isEqualTo(name);
          assertThat(RequestHandler.class).isAssignableFrom(type);
          assertThat(Modifier.isPublic(type.getConstructor().getModifiers())).isTrue();
          assertThat(Path.of("events", name + ".json")).exists();
          assertThat(Path.of("src/test/java", handler.replace('.', '/') + "Test.java")).exists();
          assertThat(statements(properties)).isNotEmpty().allSatisfy(statement ->
              assertThat(statement.get("Resource")).as("a resource of its own").isNotNull().isNotEqualTo("*"));
          assertThat(statements(properties)).flatMap(statement -> list(statement.get("Action")))
              .noneMatch(action -> action.toString().endsWith("*"));
        }));
  }

  @Test
  void everySampleEventBelongsToAFunction() throws IOException {
    try (var files = Files.list(Path.of("events"))) {
      assertThat(files.map(file -> file.getFileName().toString()).filter(name -> name.endsWith(".json"))
          .map(name -> name.replace(".json", "")))
          .containsExactlyInAnyOrderElementsOf(ofType("AWS::Serverless::Function").keySet());
    }
  }

  @TestFactory
  Stream<DynamicTest> everyQueueHasDeadLettersOrIsSomeAndThoseHaveAnAlarm() {
    return ofType("AWS::SQS::Queue").entrySet().stream().map(queue -> DynamicTest.dynamicTest(queue.getKey(), () -> {
      assertThat(queue.getValue()).containsEntry("SqsManagedSseEnabled", true);
      if (queue.getKey().endsWith("DeadLetters")) {
        assertThat(queue.getValue()).as("fourteen days to repair").containsEntry("MessageRetentionPeriod", 1_209_600);
        assertThat(ofType("AWS::CloudWatch::Alarm").values()).anySatisfy(alarm -> {
          assertThat(alarm).containsEntry("MetricName", "ApproximateNumberOfMessagesVisible");
          assertThat(alarm.get("Dimensions").toString()).contains(queue.getKey() + ".QueueName");
          assertThat(alarm.get("AlarmActions").toString()).contains("AlarmTopic");
        });
      } else {
        assertThat(map(queue.getValue(), "RedrivePolicy")).containsEntry("deadLetterTargetArn",
            Map.of("Fn::GetAtt", queue.getKey().replace("Queue", "DeadLetters") + ".Arn"));
      }
    }));
  }

  @TestFactory
  Stream<DynamicTest> everyQueueConsumerReportsPartialFailuresAndIsBoundedAndHasTime() {
    var tests = new ArrayList<DynamicTest>();
    ofType("AWS::Serverless::Function").forEach((name, function) -> {
      for (var event : map(function, "Events").values()) {
        if (!"SQS".equals(((Map<String, Object>) event).get("Type"))) {
          continue;
        }
        tests.add(DynamicTest.dynamicTest(name, () -> {
          var source = map((Map<String, Object>) event, "Properties");
          assertThat(list(source.get("FunctionResponseTypes"))).containsExactly("ReportBatchItemFailures");
          assertThat(map(source, "ScalingConfig")).containsKey("MaximumConcurrency");
          var queue = map(source, "Queue").get("Fn::GetAtt").toString().replace(".Arn", "");
          var visibility = (int) map(map(RESOURCES, queue), "Properties").get("VisibilityTimeout");
          var window = (int) source.getOrDefault("MaximumBatchingWindowInSeconds", 0);
          assertThat(visibility).isGreaterThanOrEqualTo(6 * (int) function.get("Timeout") + window);
        }));
      }
    });
    assertThat(tests).isNotEmpty();
    return tests.stream();
  }

  @Test
  void aChangedSettingMakesANewVersionAsChangedCodeDoes() {
    assertThat(map(map(TEMPLATE, "Globals"), "Function"))
        .containsKey("AutoPublishAlias").containsEntry("AutoPublishAliasAllProperties", true);
  }

  @Test
  void aChangedParameterMakesANewVersionOfTheFunctionsThatTakeIt() {
    var taken = new TreeSet<String>();
    ofType("AWS::Serverless::Function").forEach((name, function) -> {
      for (var value : map(map(function, "Environment"), "Variables").values()) {
        if (value instanceof Map<?, ?> ref && ref.get("Ref") instanceof String parameter
            && map(TEMPLATE, "Parameters").containsKey(parameter)) {
          taken.add(parameter);
          assertThat(String.valueOf(function.get("VersionDescription"))).as(name).contains("${" + parameter + "}");
        }
      }
    });
    assertThat(taken).containsExactly("CreditLimit", "Sender");
  }

  @Test
  void anAlarmSeesTwoFailuresInARowOfWhatComesAgainOnlyAfterItsVisibilityTimeout() {
    var alarm = map(map(RESOURCES, "RelayErrorsAlarm"), "Properties");
    var visibility = (int) map(map(RESOURCES, "OutboxQueue"), "Properties").get("VisibilityTimeout");
    assertThat((int) alarm.get("Period")).isGreaterThan((int) alarm.get("Threshold") * visibility);
    assertThat(alarm).containsEntry("EvaluationPeriods", 1);
  }

  @Test
  void theTemplateNamesTheMigrationsOfThisPackage() {
    assertThat(map(map(RESOURCES, "Schema"), "Properties")).containsEntry("Migrations", TestSchema.fingerprint());
  }

  @Test
  void theStateMachineKnowsEveryBusinessErrorByItsClass() throws Exception {
    var machine = yaml("src/main/asl/fulfilment.asl.yaml");
    var errors = new TreeSet<String>();
    map(machine, "States").values().forEach(state -> Stream.of("Retry", "Catch")
        .flatMap(key -> list(((Map<String, Object>) state).get(key)).stream())
        .forEach(rule -> list(((Map<String, Object>) rule).get("ErrorEquals")).forEach(e -> errors.add((String) e))));
    errors.remove("States.ALL");

    assertThat(errors).hasSize(3);
    for (var error : errors) {
      assertThat(RuntimeException.class).isAssignableFrom(Class.forName(error));
    }
  }

  /** What undoes and rejects: when that fails, so does the execution, right there, because a redrive starts where it failed. */
  private static final Set<String> REDRIVEN = Set.of("RefundAccount", "RejectOrder");

  private static List<Object> lastErrors(Map<String, Object> state, String rules) {
    return (List<Object>) list(((Map<String, Object>) list(state.get(rules)).getLast()).get("ErrorEquals"));
  }

  @Test
  void noStateOfTheMachineFailsAgainWheneverItIsRedriven() {
    assertThat(map(yaml("src/main/asl/fulfilment.asl.yaml"), "States").values())
        .noneMatch(state -> "Fail".equals(((Map<String, Object>) state).get("Type")));
  }

  @TestFactory
  Stream<DynamicTest> everyTaskIsBoundedInTimeRetriedAndLeadsOn() {
    var states = map(yaml("src/main/asl/fulfilment.asl.yaml"), "States");
    return states.entrySet().stream().filter(s -> "Task".equals(((Map<String, Object>) s.getValue()).get("Type")))
        .map(s -> DynamicTest.dynamicTest(s.getKey(), () -> {
          var state = (Map<String, Object>) s.getValue();
          var function = map(state, "Arguments").get("FunctionName").toString();
          assertThat(function).isEqualTo("${" + s.getKey() + "}");
          assertThat(map(map(map(RESOURCES, "Fulfilment"), "Properties"), "DefinitionSubstitutions"))
              .containsEntry(s.getKey(), Map.of("Ref", s.getKey() + ".Alias"));
          assertThat((int) state.get("TimeoutSeconds")).isGreaterThan(20);
          assertThat(lastErrors(state, "Retry")).containsExactly("States.ALL");
          if (REDRIVEN.contains(s.getKey())) {
            assertThat(lastErrors(state, "Catch")).doesNotContain("States.ALL");
          } else {
            assertThat(lastErrors(state, "Catch")).containsExactly("States.ALL");
          }
          for (var rule : list(state.get("Catch"))) {
            assertThat(states).containsKey(((Map<String, Object>) rule).get("Next").toString());
          }
          assertThat(((Map<String, Object>) list(state.get("Retry")).getLast()).get("JitterStrategy")).isEqualTo("FULL");
        }));
  }

  @Test
  void theApiCallsTheAliasesOfTheFunctionsThatItsOperationsAreNamedAfter() {
    var operations = new ArrayList<String>();
    map(yaml("swagger.yml"), "paths").values().forEach(path -> ((Map<String, Object>) path).values().forEach(o -> {
      var operation = (Map<String, Object>) o;
      var id = operation.get("operationId").toString();
      operations.add(id);
      assertThat(map(operation, "x-amazon-apigateway-integration").get("uri").toString())
          .contains("functions/${" + id + ".Alias}/invocations");
    }));
    assertThat(operations).containsExactlyInAnyOrder("ListMenu", "PlaceOrder", "ListOrders", "GetOrder");
  }

  @Test
  void theApiHoldsNothingThatApiGatewayDoesNotImport() throws IOException {
    assertThat(Files.readString(Path.of("swagger.yml"))).doesNotContain("components/responses/", "example:", "format: int", "oneOf",
        "anyOf", "readOnly", "discriminator", "exclusiveMinimum", "nullable");
  }

  @Test
  void everyGatewayResponseIsAProblem() {
    map(yaml("swagger.yml"), "x-amazon-apigateway-gateway-responses").forEach((type, response) -> {
      assertThat(map((Map<String, Object>) response, "responseParameters")).as(type)
          .containsEntry("gatewayresponse.header.Content-Type", "'application/problem+json'");
      var template = map((Map<String, Object>) response, "responseTemplates").get("application/json").toString();
      var json = com.example.cafe.platform.Json.parse(template.replace("$context.error.messageString", "\"m\""));
      assertThat(json.path("type").asText()).as(type).startsWith("https://cafe.example.com/problems/");
      var status = ((Map<String, Object>) response).get("statusCode");
      assertThat(Objects.equals(status, json.has("status") ? json.path("status").intValue() : null)).as(type).isTrue();
    });
  }

  private static Map<String, Map<String, Object>> ofType(String type) {
    var found = new LinkedHashMap<String, Map<String, Object>>();
    RESOURCES.forEach((name, resource) -> {
      if (type.equals(((Map<String, Object>) resource).get("Type"))) {
        found.put(name, map((Map<String, Object>) resource, "Properties"));
      }
    });
    return found;
  }

  private static List<Map<String, Object>> statements(Map<String, Object> properties) {
    return list(properties.get("Policies")).stream()
        .flatMap(policy -> list(((Map<String, Object>) policy).get("Statement")).stream())
        .map(statement -> (Map<String, Object>) statement).toList();
  }

  private static Map<String, Object> map(Map<String, Object> parent, String key) {
    return (Map<String, Object>) parent.getOrDefault(key, Map.of());
  }

  private static List<Object> list(Object value) {
    return value == null ? List.of() : value instanceof List<?> list ? (List<Object>) list : List.of(value);
  }

  private static Map<String, Object> yaml(String file) {
    try {
      return new Yaml(new Tags()).load(Files.readString(Path.of(file)));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Reads {@code !Ref X} as {@code {Ref: X}}, and the other short forms in the same way. */
  private static final class Tags extends SafeConstructor {
    Tags() {
      super(new LoaderOptions());
      yamlMultiConstructors.put("!", new org.yaml.snakeyaml.constructor.AbstractConstruct() {
        @Override
        public Object construct(Node node) {
          var name = node.getTag().getValue().substring(1);
          Object value = switch (node) {
            case ScalarNode scalar -> scalar.getValue();
            case SequenceNode sequence -> constructSequence(sequence);
            case MappingNode mapping -> constructMapping(mapping);
            default -> throw new IllegalStateException(node.toString());
          };
          return Map.of(name.equals("Ref") ? name : "Fn::" + name, value);
        }
      });
    }
  }
}
