package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import com.example.cafe.local.Provisioner.Resource;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Functions as processes: everything here runs real JVMs with the Runtime Interface Client. */
class LambdaIT {
  private static final Path TARGET = Path.of("target").toAbsolutePath();
  private static final String ROLE = "arn:aws:iam::000000000000:role/test";
  private final Path work = TARGET.resolve("lambda it").resolve(UUID.randomUUID().toString()).resolve("local");
  private final ByteArrayOutputStream console = new ByteArrayOutputStream();
  private final FakeQueues aws = new FakeQueues(2_000);
  private Lambda lambda = lambda("", TARGET.resolve("test-classes"));

  private Lambda lambda(String debug, Path classes) {
    var settings = new Settings(Path.of("").toAbsolutePath(), work, 0, 0, debug, 0, List.of());
    var lambda = new Lambda(settings, "http://localhost:4566", classes, TARGET.resolve("runtime.classpath"), aws,
        new EventLog(new PrintStream(console, true, StandardCharsets.UTF_8)));
    aws.lambda = lambda;
    return lambda;
  }

  @AfterEach
  void stop() {
    lambda.close();
  }

  private void function(String name, String handler, String properties) {
    var resource = (ObjectNode) Json.parse(properties.isEmpty() ? "{}" : properties);
    resource.put("Handler", "com.example.cafe.local.LambdaHandlers$" + handler).put("Role", ROLE).put("Runtime", "java25");
    provision("AWS::Lambda::Function", name, resource);
  }

  private Provisioner.Provisioned provision(String type, String name, ObjectNode properties) {
    return lambda.provisioners().get(type).provision(new Resource(name, type, "cafe-" + name, properties));
  }

  private ObjectNode call(String operation, String input) {
    return lambda.call(operation, (ObjectNode) Json.parse(input), Caller.ADMINISTRATOR);
  }

  private ObjectNode invoke(String function, String payload) {
    return lambda.call("Invoke", Json.object().put("FunctionName", function).put("Payload", base64(payload))
        .put("LogType", "Tail"), Caller.ADMINISTRATOR);
  }

  private static String base64(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }

  private static String text(ObjectNode answer) {
    return new String(Base64.getDecoder().decode(answer.path("Payload").asText()), StandardCharsets.UTF_8);
  }

  private static JsonNode json(ObjectNode answer) {
    return Json.parse(text(answer));
  }

  private static String log(ObjectNode answer) {
    return new String(Base64.getDecoder().decode(answer.path("LogResult").asText()), StandardCharsets.UTF_8);
  }

  private String console() {
    return console.toString(StandardCharsets.UTF_8);
  }

  private long pid(String function) {
    return json(invoke(function, "{\"do\":\"pid\"}")).asLong();
  }

  private static boolean alive(long pid) {
    return ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false);
  }

  @Test
  void an_event_goes_to_a_process_and_its_answer_comes_back() {
    function("Actor", "Actor", "");
    var answer = invoke("cafe-Actor", "{\"drink\":\"café\"}");
    assertThat(answer.path("StatusCode").asInt()).isEqualTo(200);
    assertThat(answer.has("FunctionError")).isFalse();
    assertThat(answer.path("ExecutedVersion").asText()).isEqualTo("$LATEST");
    assertThat(text(answer)).isEqualTo("{\"drink\":\"café\"}");
    assertThat(log(answer)).startsWith("START RequestId: ").contains("END RequestId: ").contains("Init Duration: ");
    assertThat(console()).containsPattern("invoke +Actor  cold \\d+ ms, ran \\d+ ms");
  }

  @Test
  void a_warm_instance_takes_the_next_event() {
    function("Actor", "Actor", "");
    for (var call = 1; call <= 50; call++) {
      assertThat(text(invoke("cafe-Actor", "{\"do\":\"count\"}"))).isEqualTo(Integer.toString(call));
    }
    assertThat(lambda.processIds().get("Actor")).hasSize(1);
  }

  @Test
  void a_handler_can_be_a_method() {
    function("Methods", "Methods::list", "");
    assertThat(text(invoke("cafe-Methods", "{}"))).isEqualTo("[\"by\",\"method\"]");
  }

  @Test
  void the_environment_is_lambdas_and_the_templates_and_nothing_of_the_developers() {
    function("Actor", "Actor", """
        {"MemorySize": 256, "Environment": {"Variables": {"TABLE": "orders"}}}""");
    var environment = json(invoke("cafe-Actor", "{\"do\":\"environment\"}"));
    var names = new ArrayList<String>();
    environment.fieldNames().forEachRemaining(names::add);
    names.removeAll(List.of("PATH", "LC_ALL"));
    assertThat(names).containsExactlyInAnyOrder("AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL",
        "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT", "LANG",
        "TABLE", "TZ", "_HANDLER");
    assertThat(environment.path("AWS_ENDPOINT_URL").asText()).isEqualTo("http://localhost:4566");
    assertThat(environment.path("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").asText()).isEqualTo("256");
    assertThat(environment.path("TABLE").asText()).isEqualTo("orders");
    assertThat(lambda.callerOf(environment.path("AWS_ACCESS_KEY_ID").asText())).contains(new Caller(ROLE));
    assertThat(lambda.callerOf("AKIASOMEONEELSE")).isEmpty();
    var properties = json(invoke("cafe-Actor", "{\"do\":\"properties\"}"));
    assertThat(properties.path("heap").asInt()).isBetween(180, 192);
    assertThat(properties.path("tmp").asText()).startsWith(work.toString());
    assertThat(properties.path("dir").asText()).startsWith(work.toString());
    assertThat(properties.path("classpath").asText()).doesNotContain("junit", "elasticmq", "test-classes");
  }

  @Test
  void the_context_tells_who_was_invoked_and_how_long_there_is() {
    function("Actor", "Actor", "{\"Timeout\": 20}");
    provision("AWS::Lambda::Version", "V1", Json.object().put("FunctionName", "cafe-Actor"));
    provision("AWS::Lambda::Alias", "Alias", Json.object().put("FunctionName", "cafe-Actor").put("Name", "live")
        .put("FunctionVersion", "1"));
    var answer = lambda.call("Invoke", Json.object().put("FunctionName", "cafe-Actor").put("Qualifier", "live")
        .put("Payload", base64("{\"do\":\"context\"}")).put("ClientContext", base64("{\"custom\":{\"a\":\"b\"}}")),
        Caller.ADMINISTRATOR);
    var context = json(answer);
    assertThat(answer.path("ExecutedVersion").asText()).isEqualTo("1");
    assertThat(context.path("version").asText()).isEqualTo("1");
    assertThat(context.path("arn").asText()).isEqualTo("arn:aws:lambda:eu-central-1:000000000000:function:cafe-Actor:live");
    assertThat(context.path("remaining").asInt()).isBetween(1, 20_000);
    assertThat(context.path("trace").asText()).matches("Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0");
    assertThat(context.path("custom").path("a").asText()).isEqualTo("b");
  }

  @Test
  void what_a_handler_throws_is_a_function_error_with_type_message_and_stack() {
    function("Actor", "Actor", "");
    var answer = invoke("cafe-Actor", "{\"do\":\"throw\",\"text\":\"out of beans\"}");
    assertThat(answer.path("StatusCode").asInt()).isEqualTo(200);
    assertThat(answer.path("FunctionError").asText()).isEqualTo("Unhandled");
    assertThat(json(answer).path("errorType").asText()).isEqualTo("java.lang.IllegalStateException");
    assertThat(json(answer).path("errorMessage").asText()).isEqualTo("out of beans");
    assertThat(json(answer).path("stackTrace").get(0).asText()).contains("LambdaHandlers$Actor.handleRequest");
    assertThat(pid("cafe-Actor")).as("the instance lives on").isEqualTo(lambda.processIds().get("Actor").getFirst());
    assertThat(console()).contains(", java.lang.IllegalStateException");
  }

  @Test
  void a_function_that_takes_too_long_is_killed_and_replaced() {
    function("Actor", "Actor", "{\"Timeout\": 1}");
    var first = pid("cafe-Actor");
    var answer = invoke("cafe-Actor", "{\"do\":\"sleep\",\"millis\":60000}");
    assertThat(answer.path("FunctionError").asText()).isEqualTo("Unhandled");
    assertThat(text(answer)).matches("\\{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":"
        + "\"RequestId: [0-9a-f-]{36} Error: Task timed out after 1.00 seconds\"}");
    assertThat(log(answer)).contains(" Task timed out after 1.00 seconds").contains("Status: timeout");
    await().untilAsserted(() -> assertThat(alive(first)).isFalse());
    assertThat(pid("cafe-Actor")).isNotEqualTo(first);
  }

  @Test
  void a_process_that_ends_by_itself_is_reported_with_its_status() {
    function("Actor", "Actor", "");
    assertThat(text(invoke("cafe-Actor", "{\"do\":\"exit\",\"status\":3}"))).matches("\\{\"errorType\":\"Runtime.ExitError\","
        + "\"errorMessage\":\"RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 3\"}");
    assertThat(json(invoke("cafe-Actor", "{\"do\":\"exit\",\"status\":0}")).path("errorMessage").asText())
        .endsWith("Error: Runtime exited without providing a reason");
    assertThat(text(invoke("cafe-Actor", "{\"do\":\"count\"}"))).isEqualTo("1");
  }

  @Test
  void memory_is_bounded_and_its_end_is_an_error_of_the_function_alone() {
    function("Actor", "Actor", "{\"MemorySize\": 128, \"Timeout\": 30}");
    var answer = invoke("cafe-Actor", "{\"do\":\"fill\"}");
    assertThat(answer.path("FunctionError").asText()).isEqualTo("Unhandled");
    assertThat(json(answer).path("errorType").asText()).isEqualTo("java.lang.OutOfMemoryError");
    assertThat(text(invoke("cafe-Actor", "{\"do\":\"count\"}"))).isEqualTo("1");
  }

  @Test
  void a_constructor_that_throws_is_reported_to_the_caller() {
    function("Broken", "Broken", "");
    var answer = invoke("cafe-Broken", "{}");
    assertThat(answer.path("FunctionError").asText()).isEqualTo("Unhandled");
    assertThat(json(answer).path("errorType").asText()).isEqualTo("java.lang.IllegalArgumentException");
    assertThat(json(answer).path("errorMessage").asText()).contains("no table name");
    assertThat(console()).contains("Broken  did not start: java.lang.IllegalArgumentException");
  }

  @Test
  void a_process_that_ends_while_it_starts_is_reported_too() {
    function("Quitter", "Quitter", "");
    assertThat(json(invoke("cafe-Quitter", "{}")).path("errorMessage").asText())
        .endsWith("Error: Runtime exited with error: exit status 7");
  }

  @Test
  void a_response_of_more_than_six_megabytes_is_refused_and_the_instance_lives_on() {
    function("Actor", "Actor", "{\"MemorySize\": 512, \"Timeout\": 30}");
    assertThat(text(invoke("cafe-Actor", "{\"do\":\"large\",\"size\":6000000}"))).hasSize(6_000_002);
    var pid = pid("cafe-Actor");
    var answer = invoke("cafe-Actor", "{\"do\":\"large\",\"size\":7000000}");
    assertThat(answer.path("FunctionError").asText()).isEqualTo("Unhandled");
    assertThat(json(answer).path("errorType").asText()).isEqualTo("Function.ResponseSizeTooLarge");
    assertThat(json(answer).path("errorMessage").asText())
        .isEqualTo("Response payload size (7000002 bytes) exceeded maximum allowed payload size (6291556 bytes).");
    assertThat(pid("cafe-Actor")).isEqualTo(pid);
  }

  @Test
  void what_a_function_prints_is_in_its_log_in_order() throws IOException {
    function("Actor", "Actor", "");
    var answer = invoke("cafe-Actor", "{\"do\":\"print\",\"text\":\"ein Kännchen\"}");
    var lines = log(answer).lines().toList();
    assertThat(lines.getFirst()).startsWith("START RequestId: ");
    assertThat(lines.subList(1, 3)).containsExactly("ein Kännchen", "by the logger");
    assertThat(lines.get(3)).startsWith("END RequestId: ");
    assertThat(lines.getLast()).startsWith("REPORT RequestId: ").contains("Memory Size: 128 MB");
    assertThat(Files.readString(work.resolve("logs/Actor.log"))).contains("ein Kännchen");
    assertThat(lambda.logOf("Actor", 2).getLast()).startsWith("REPORT");
  }

  @Test
  void concurrent_events_get_instances_up_to_the_bound_and_the_rest_waits() throws Exception {
    function("Actor", "Actor", "{\"Timeout\": 30}");
    var pids = new HashSet<Long>();
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var calls = IntStream.range(0, 12).mapToObj(i -> CompletableFuture.supplyAsync(
          () -> json(invoke("cafe-Actor", "{\"do\":\"sleep\",\"millis\":300}")).asLong(), threads)).toList();
      for (var call : calls) {
        pids.add(call.get());
      }
    }
    assertThat(pids).hasSizeBetween(2, FunctionPool.BOUND);
    assertThat(lambda.processIds().get("Actor").size()).isLessThanOrEqualTo(FunctionPool.BOUND);
  }

  @Test
  void reserved_concurrency_throttles_as_in_the_account() throws Exception {
    function("Actor", "Actor", "{\"Timeout\": 30, \"ReservedConcurrentExecutions\": 1}");
    pid("cafe-Actor");
    var slow = CompletableFuture.supplyAsync(() -> invoke("cafe-Actor", "{\"do\":\"sleep\",\"millis\":1500}"));
    await().untilAsserted(() -> {
      var error = catchThrowableOfType(AwsException.class, () -> invoke("cafe-Actor", "{\"do\":\"sleep\",\"millis\":1500}"));
      assertThat(error).isNotNull();
      assertThat(error.code()).isEqualTo("TooManyRequestsException");
      assertThat(error.status()).isEqualTo(429);
    });
    slow.join();
  }

  @Test
  void a_killed_process_is_replaced_and_the_event_it_had_is_an_error() {
    function("Actor", "Actor", "{\"Timeout\": 30}");
    var first = pid("cafe-Actor");
    var slow = CompletableFuture.supplyAsync(() -> invoke("cafe-Actor", "{\"do\":\"sleep\",\"millis\":20000}"));
    await().untilAsserted(() -> assertThat(String.join("\n", lambda.logOf("Actor", 1))).startsWith("START"));
    lambda.killAll();
    assertThat(json(slow.join()).path("errorMessage").asText()).endsWith("Runtime exited with error: signal: killed");
    assertThat(alive(first)).isFalse();
    assertThat(pid("cafe-Actor")).isNotEqualTo(first);
  }

  @Test
  void an_event_that_no_process_has_taken_survives_its_death() {
    function("Actor", "Actor", "");
    for (var round = 0; round < 5; round++) {
      pid("cafe-Actor");
      lambda.killAll();
      assertThat(invoke("cafe-Actor", "{}").has("FunctionError")).isFalse();
    }
  }

  @Test
  void nothing_runs_any_more_after_close() {
    function("Lingerer", "Lingerer", "");
    var pid = json(invoke("cafe-Lingerer", "{}")).asLong();
    lambda.close();
    assertThat(alive(pid)).isFalse();
    assertThat(work.resolve("functions/pids")).isEmptyDirectory();
  }

  @Test
  void processes_that_a_killed_local_cloud_left_are_ended_at_the_next_start() throws Exception {
    function("Lingerer", "Lingerer", "");
    var pid = json(invoke("cafe-Lingerer", "{}")).asLong();
    var instance = Files.readString(work.resolve("functions/pids/" + pid + ".json"));
    var stranger = new ProcessBuilder("sleep", "60").start();
    // The same note for a process that is not ours: a process id used again.
    var theirs = work.resolve("functions/pids/" + stranger.pid() + ".json");
    Files.writeString(theirs, instance.replace(Long.toString(pid), Long.toString(stranger.pid())));
    try {
      var second = lambda("", TARGET.resolve("test-classes"));
      try {
        assertThat(alive(pid)).isFalse();
        assertThat(stranger.isAlive()).isTrue();
      } finally {
        second.close();
      }
    } finally {
      stranger.destroyForcibly();
    }
  }

  @Test
  void functions_end_by_themselves_when_the_runtime_api_goes_away() {
    function("Actor", "Actor", "");
    var pid = pid("cafe-Actor");
    lambda.breakRuntimeApi();
    await().untilAsserted(() -> assertThat(alive(pid)).isFalse());
  }

  @Test
  void a_new_build_replaces_the_code_and_running_events_finish_on_the_old_one() throws Exception {
    lambda.close();
    var classes = work.resolveSibling("classes");
    copyHandlers(classes);
    lambda = lambda("", classes);
    function("Actor", "Actor", "{\"Timeout\": 30}");
    var first = pid("cafe-Actor");
    assertThat(pid("cafe-Actor")).isEqualTo(first);
    var running = CompletableFuture.supplyAsync(() -> json(invoke("cafe-Actor", "{\"do\":\"sleep\",\"millis\":3000}")).asLong());
    await().untilAsserted(() -> assertThat(lambda.logOf("Actor", 1).getFirst()).startsWith("START"));
    Files.writeString(classes.resolve("new.properties"), "a=b");
    var second = pid("cafe-Actor");
    assertThat(second).isNotEqualTo(first);
    assertThat(running.join()).isEqualTo(first);
    assertThat(pid("cafe-Actor")).isEqualTo(second);
    await().untilAsserted(() -> assertThat(alive(first)).isFalse());
    assertThat(console()).contains("target/classes has changed");
  }

  @Test
  void a_build_that_is_being_written_is_waited_for() throws Exception {
    lambda.close();
    var classes = work.resolveSibling("classes");
    copyHandlers(classes);
    lambda = lambda("", classes);
    function("Actor", "Actor", "{\"Timeout\": 30}");
    var first = pid("cafe-Actor");
    var handler = classes.resolve("com/example/cafe/local/LambdaHandlers$Actor.class");
    var bytes = Files.readAllBytes(handler);
    Files.delete(handler);
    var call = CompletableFuture.supplyAsync(() -> pid("cafe-Actor"));
    assertThat(call).isNotCompleted();
    Files.write(handler, bytes);
    assertThat(call.join()).isNotEqualTo(first);
  }

  private static void copyHandlers(Path classes) throws IOException {
    var folder = Path.of("com/example/cafe/local");
    Files.createDirectories(classes.resolve(folder));
    try (var files = Files.list(TARGET.resolve("test-classes").resolve(folder))) {
      for (var file : files.filter(f -> f.getFileName().toString().startsWith("LambdaHandlers")).toList()) {
        Files.copy(file, classes.resolve(folder).resolve(file.getFileName()));
      }
    }
  }

  @Test
  void the_debugged_function_has_one_instance_with_a_debug_port_and_no_timeout() throws Exception {
    lambda.close();
    lambda = lambda("Actor", TARGET.resolve("test-classes"));
    function("Actor", "Actor", "{\"Timeout\": 1}");
    lambda.start();
    assertThat(console()).contains("Actor has one instance, no time-out, and listens for a debugger at 127.0.0.1:");
    assertThat(invoke("cafe-Actor", "{\"do\":\"sleep\",\"millis\":2000}").has("FunctionError")).isFalse();
    assertThat(Files.readString(work.resolve("logs/Actor.log"))).contains("Listening for transport dt_socket at address");
  }

  @Test
  void functions_run_without_the_clients_native_part_as_on_macos_and_windows() throws IOException {
    lambda.close();
    System.setProperty(FunctionHost.JAVA_CLIENT, "true");
    try {
      lambda = lambda("", TARGET.resolve("test-classes"));
    } finally {
      System.clearProperty(FunctionHost.JAVA_CLIENT);
    }
    function("Actor", "Actor", "{\"MemorySize\": 512, \"Timeout\": 20}");
    for (var call = 1; call <= 20; call++) {
      assertThat(text(invoke("cafe-Actor", "{\"do\":\"count\"}"))).isEqualTo(Integer.toString(call));
    }
    assertThat(json(invoke("cafe-Actor", "{\"do\":\"context\"}")).path("trace").asText()).startsWith("Root=1-");
    assertThat(json(invoke("cafe-Actor", "{\"do\":\"large\",\"size\":7000000}")).path("errorType").asText())
        .isEqualTo("Function.ResponseSizeTooLarge");
    assertThat(json(invoke("cafe-Actor", "{\"do\":\"throw\",\"text\":\"no\"}")).path("errorMessage").asText()).isEqualTo("no");
    assertThat(text(invoke("cafe-Actor", "{\"do\":\"echo\",\"drink\":\"café\"}"))).contains("café");
    assertThat(lambda.processIds().get("Actor")).hasSize(1);
    var pid = pid("cafe-Actor");
    var maps = Path.of("/proc/" + pid + "/maps");
    if (Files.exists(maps)) {
      assertThat(Files.readString(maps)).contains("libjvm").doesNotContain("libaws-lambda-jni");
    }
    lambda.breakRuntimeApi();
    await().untilAsserted(() -> assertThat(alive(pid)).isFalse());
  }

  @Test
  void a_broken_archive_of_the_libraries_is_ignored() throws IOException {
    for (var kind : AotCache.Kind.values()) {
      lambda.close();
      lambda = lambda("", TARGET.resolve("test-classes"));
      var file = lambda.archive(kind);
      Files.createDirectories(file.getParent());
      Files.writeString(file, "no archive");
      function("Actor", "Actor", "");
      assertThat(text(invoke("cafe-Actor", "{\"do\":\"count\"}"))).as(kind.toString()).isEqualTo("1");
    }
  }

  @Test
  void an_unknown_function_to_debug_is_an_error_that_names_the_known_ones() {
    lambda.close();
    lambda = lambda("PlaceOrdr", TARGET.resolve("test-classes"));
    function("Actor", "Actor", "");
    function("Consumer", "Consumer", "");
    assertThatThrownBy(() -> lambda.start())
        .hasMessage("debug: there is no function PlaceOrdr, there are Actor, Consumer");
  }

  @Test
  void an_asynchronous_event_is_tried_three_times_and_then_sent_on() {
    function("Actor", "Actor", """
        {"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:eu-central-1:000000000000:dead"}}""");
    call("PutFunctionEventInvokeConfig", """
        {"FunctionName": "cafe-Actor", "DestinationConfig":
          {"OnFailure": {"Destination": "arn:aws:sns:eu-central-1:000000000000:failures"}}}""");
    var answer = call("Invoke", """
        {"FunctionName": "cafe-Actor", "InvocationType": "Event", "Payload": "%s"}"""
        .formatted(base64("{\"do\":\"throw\",\"text\":\"no\"}")));
    assertThat(answer.path("StatusCode").asInt()).isEqualTo(202);
    await().atMost(Duration.ofSeconds(60)).until(() -> !aws.messages("dead").isEmpty());
    var record = Json.parse(aws.published.getFirst().path("Message").asText());
    assertThat(record.path("version").asText()).isEqualTo("1.0");
    assertThat(record.path("requestContext").path("condition").asText()).isEqualTo("RetriesExhausted");
    assertThat(record.path("requestContext").path("approximateInvokeCount").asInt()).isEqualTo(3);
    assertThat(record.path("requestContext").path("functionArn").asText()).endsWith(":function:cafe-Actor:$LATEST");
    assertThat(record.path("requestPayload").path("text").asText()).isEqualTo("no");
    assertThat(record.path("responseContext").path("functionError").asText()).isEqualTo("Unhandled");
    assertThat(record.path("responsePayload").path("errorMessage").asText()).isEqualTo("no");
    var dead = aws.messages("dead").getFirst();
    assertThat(dead.path("Body").asText()).isEqualTo("{\"do\":\"throw\",\"text\":\"no\"}");
    assertThat(dead.path("MessageAttributes").path("ErrorMessage").path("StringValue").asText()).isEqualTo("no");
    assertThat(dead.path("MessageAttributes").path("RequestID").path("StringValue").asText())
        .isEqualTo(record.path("requestContext").path("requestId").asText());
    assertThat(aws.callers).contains(new Caller(ROLE));
  }

  @Test
  void an_asynchronous_success_goes_to_the_next_function() {
    function("Actor", "Actor", "");
    function("Next", "Actor", "");
    call("PutFunctionEventInvokeConfig", """
        {"FunctionName": "cafe-Actor", "DestinationConfig":
          {"OnSuccess": {"Destination": "arn:aws:lambda:eu-central-1:000000000000:function:cafe-Next"}}}""");
    call("Invoke", "{\"FunctionName\": \"cafe-Actor\", \"InvocationType\": \"Event\"}");
    await().untilAsserted(() -> assertThat(console()).containsPattern("invoke +Next  cold"));
  }

  private Path consumer(String mapping) throws IOException {
    var out = Files.createDirectories(work.resolveSibling("out"));
    function("Consumer", "Consumer", Json.write(Map.of("Timeout", 10, "Environment",
        Map.of("Variables", Map.of("OUT", out.toString())))));
    var input = (ObjectNode) Json.parse(mapping);
    provision("AWS::Lambda::EventSourceMapping", "Source", input.put("FunctionName", "cafe-Consumer")
        .put("EventSourceArn", "arn:aws:sqs:eu-central-1:000000000000:orders"));
    return out;
  }

  private static List<String> handled(Path out) throws IOException {
    try (var files = Files.list(out)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void a_queue_feeds_a_function_once_the_local_cloud_has_started() throws IOException {
    var out = consumer("{}");
    var ids = IntStream.range(0, 25).mapToObj(i -> aws.send("orders", "order " + i)).sorted().toList();
    assertThat(aws.receives).isZero();
    lambda.start();
    await().atMost(Duration.ofSeconds(30)).untilAsserted(() -> assertThat(aws.messages("orders")).isEmpty());
    assertThat(handled(out)).isEqualTo(ids);
  }

  @Test
  void what_a_function_reports_as_failed_comes_again_and_the_rest_is_done() throws IOException {
    var out = consumer("{\"FunctionResponseTypes\": [\"ReportBatchItemFailures\"]}");
    aws.deletesToFail = 2;
    var good = aws.send("orders", "espresso");
    var bad = aws.send("orders", "poison");
    lambda.start();
    await().atMost(Duration.ofSeconds(30)).until(() -> aws.received("orders") >= 3);
    assertThat(handled(out)).containsExactly(good);
    assertThat(aws.messages("orders")).singleElement().satisfies(message ->
        assertThat(message.path("MessageId").asText()).isEqualTo(bad));
  }

  @Test
  void messages_survive_the_death_of_the_processes_that_handle_them() throws IOException {
    var out = consumer("{\"BatchSize\": 1}");
    lambda.start();
    var ids = IntStream.range(0, 20).mapToObj(i -> aws.send("orders", i % 3 == 0 ? "slow" : "quick")).sorted().toList();
    for (var kill = 0; kill < 3; kill++) {
      var done = handled(out).size();
      await().atMost(Duration.ofSeconds(30)).until(() -> handled(out).size() > done || aws.messages("orders").isEmpty());
      lambda.killAll();
    }
    await().atMost(Duration.ofSeconds(60)).untilAsserted(() -> assertThat(aws.messages("orders")).isEmpty());
    assertThat(handled(out)).isEqualTo(ids);
  }

  @Test
  void messages_that_do_not_pass_the_filter_are_gone_unseen() throws IOException {
    var out = consumer("""
        {"FilterCriteria": {"Filters": [{"Pattern": "{\\"body\\":{\\"total\\":[{\\"numeric\\":[\\">\\",100]}]}}"}]}}""");
    aws.send("orders", "{\"total\": 50}");
    var large = aws.send("orders", "{\"total\": 150}");
    lambda.start();
    await().atMost(Duration.ofSeconds(30)).untilAsserted(() -> assertThat(aws.messages("orders")).isEmpty());
    assertThat(handled(out)).containsExactly(large);
  }

  @Test
  void a_mapping_is_switched_off_and_on() throws IOException {
    var out = consumer("{\"Enabled\": false}");
    lambda.start();
    var uuid = call("ListEventSourceMappings", "{}").path("EventSourceMappings").get(0).path("UUID").asText();
    assertThat(call("GetEventSourceMapping", "{\"UUID\": \"%s\"}".formatted(uuid)).path("State").asText()).isEqualTo("Disabled");
    var id = aws.send("orders", "espresso");
    assertThat(aws.receives).isZero();
    call("UpdateEventSourceMapping", "{\"UUID\": \"%s\", \"Enabled\": true, \"BatchSize\": 5}".formatted(uuid));
    await().atMost(Duration.ofSeconds(30)).untilAsserted(() -> assertThat(handled(out)).containsExactly(id));
    assertThat(call("DeleteEventSourceMapping", "{\"UUID\": \"%s\"}".formatted(uuid)).path("State").asText()).isEqualTo("Deleting");
    assertThat(call("ListEventSourceMappings", "{}").path("EventSourceMappings")).isEmpty();
  }
}
