package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.example.cafe.local.Provisioner.Resource;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What Lambda answers without running a function. */
class LambdaTest {
  private static final Path TARGET = Path.of("target").toAbsolutePath();
  private static final String ARN = "arn:aws:lambda:eu-central-1:000000000000:function:cafe-Actor";
  private final Lambda lambda = new Lambda(new Settings(Path.of("").toAbsolutePath(),
      TARGET.resolve("lambda-test").resolve(UUID.randomUUID().toString()).resolve("local"), 0, 0, "", 0, List.of()),
      "http://localhost:4566", TARGET.resolve("test-classes"), TARGET.resolve("runtime.classpath"), new FakeQueues(1_000),
      new EventLog(new PrintStream(OutputStream.nullOutputStream())));

  @BeforeEach
  void provision() {
    function("{}");
    provision("AWS::Lambda::Version", "{\"FunctionName\": \"cafe-Actor\"}");
    provision("AWS::Lambda::Alias", "{\"FunctionName\": \"cafe-Actor\", \"FunctionVersion\": \"1\", \"Name\": \"live\"}");
  }

  @AfterEach
  void stop() {
    lambda.close();
  }

  private Provisioner.Provisioned function(String properties) {
    var node = (ObjectNode) Json.parse("""
        {"Handler": "com.example.cafe.local.LambdaHandlers$Actor", "Role": "arn:aws:iam::000000000000:role/r",
         "Runtime": "java25"}""");
    node.setAll((ObjectNode) Json.parse(properties));
    return provision("AWS::Lambda::Function", node);
  }

  private Provisioner.Provisioned provision(String type, String properties) {
    return provision(type, (ObjectNode) Json.parse(properties));
  }

  private Provisioner.Provisioned provision(String type, ObjectNode properties) {
    return lambda.provisioners().get(type).provision(new Resource("Actor", type, "cafe-Actor", properties));
  }

  private ObjectNode call(String operation, String input) {
    return lambda.call(operation, (ObjectNode) Json.parse(input), Caller.ADMINISTRATOR);
  }

  private AwsException error(String operation, String input) {
    var error = catchThrowableOfType(AwsException.class, () -> call(operation, input));
    assertThat(error).as(operation + " " + input).isNotNull();
    return error;
  }

  @ParameterizedTest
  @CsvSource({
      "cafe-Actor, , 'arn:aws:lambda:eu-central-1:000000000000:function:cafe-Actor', $LATEST",
      "cafe-Actor:live, , 'arn:aws:lambda:eu-central-1:000000000000:function:cafe-Actor:live', 1",
      "cafe-Actor, live, 'arn:aws:lambda:eu-central-1:000000000000:function:cafe-Actor:live', 1",
      "cafe-Actor, 1, 'arn:aws:lambda:eu-central-1:000000000000:function:cafe-Actor:1', 1",
      "000000000000:function:cafe-Actor, , 'arn:aws:lambda:eu-central-1:000000000000:function:cafe-Actor', $LATEST",
      "arn:aws:lambda:eu-central-1:000000000000:function:cafe-Actor:live, , "
          + "'arn:aws:lambda:eu-central-1:000000000000:function:cafe-Actor:live', 1",
      "arn:aws:lambda:eu-central-1:000000000000:function:cafe-Actor:live, live, "
          + "'arn:aws:lambda:eu-central-1:000000000000:function:cafe-Actor:live', 1"})
  void a_function_is_found_by_name_partial_arn_and_arn(String name, String qualifier, String arn, String version) {
    var target = lambda.target(name, qualifier);
    assertThat(target.arn()).isEqualTo(arn);
    assertThat(target.version()).isEqualTo(version);
  }

  @ParameterizedTest
  @CsvSource({
      "nobody, arn:aws:lambda:eu-central-1:000000000000:function:nobody",
      "cafe-Actor:dead, arn:aws:lambda:eu-central-1:000000000000:function:cafe-Actor:dead",
      "arn:aws:lambda:us-east-1:000000000000:function:cafe-Actor, arn:aws:lambda:us-east-1:000000000000:function:cafe-Actor",
      "arn:aws:lambda:eu-central-1:111111111111:function:cafe-Actor, "
          + "arn:aws:lambda:eu-central-1:111111111111:function:cafe-Actor"})
  void an_unknown_function_is_named_by_its_arn(String name, String arn) {
    var error = error("Invoke", "{\"FunctionName\": \"" + name + "\"}");
    assertThat(error.status()).isEqualTo(404);
    assertThat(error.code()).isEqualTo("ResourceNotFoundException");
    assertThat(error.getMessage()).isEqualTo("Function not found: " + arn);
  }

  @Test
  void a_name_that_cannot_be_one_is_a_validation_error() {
    assertThat(error("Invoke", "{\"FunctionName\": \"no spaces\"}").code()).isEqualTo("ValidationException");
    assertThat(error("Invoke", "{\"FunctionName\": \"cafe-Actor:live\", \"Qualifier\": \"1\"}").code())
        .isEqualTo("InvalidParameterValueException");
    assertThat(error("Invoke", "{}").getMessage()).contains("Value null at 'functionName'");
  }

  @Test
  void a_payload_must_be_json_and_not_too_large() {
    var invalid = error("Invoke", "{\"FunctionName\": \"cafe-Actor\", \"Payload\": \"" + base64("{oops") + "\"}");
    assertThat(invalid.code()).isEqualTo("InvalidRequestContentException");
    assertThat(invalid.getMessage()).startsWith("Could not parse request body into json: ");
    var large = error("Invoke", "{\"FunctionName\": \"cafe-Actor\", \"Payload\": \""
        + base64("\"" + "x".repeat(6 * 1024 * 1024) + "\"") + "\"}");
    assertThat(large.status()).isEqualTo(413);
    assertThat(large.code()).isEqualTo("RequestTooLargeException");
    assertThat(large.getMessage()).isEqualTo("Request must be smaller than 6291456 bytes for the InvokeFunction operation");
    assertThat(error("Invoke", "{\"FunctionName\": \"cafe-Actor\", \"InvocationType\": \"Event\", \"Payload\": \""
        + base64("\"" + "x".repeat(1024 * 1024) + "\"") + "\"}").getMessage()).contains("1048576 bytes");
  }

  private static String base64(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void a_dry_run_runs_nothing_and_an_unknown_type_is_refused() {
    assertThat(call("Invoke", "{\"FunctionName\": \"cafe-Actor\", \"InvocationType\": \"DryRun\"}")
        .path("StatusCode").asInt()).isEqualTo(204);
    assertThat(error("Invoke", "{\"FunctionName\": \"cafe-Actor\", \"InvocationType\": \"Later\"}").getMessage())
        .contains("'invocationType'");
    assertThat(lambda.processIds().get("Actor")).isEmpty();
  }

  @Test
  void functions_are_described_and_listed() {
    var function = call("GetFunction", "{\"FunctionName\": \"cafe-Actor\"}").path("Configuration");
    assertThat(function.path("FunctionArn").asText()).isEqualTo(ARN);
    assertThat(function.path("Runtime").asText()).isEqualTo("java25");
    assertThat(function.path("Timeout").asInt()).isEqualTo(3);
    assertThat(function.path("MemorySize").asInt()).isEqualTo(128);
    assertThat(function.path("LastModified").asText()).matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}\\+0000");
    assertThat(call("ListFunctions", "{}").path("Functions")).hasSize(1);
    assertThat(call("ListVersionsByFunction", "{\"FunctionName\": \"cafe-Actor\"}").path("Versions"))
        .extracting(version -> version.path("Version").asText()).containsExactly("$LATEST", "1");
    assertThat(call("GetFunctionConfiguration", "{\"FunctionName\": \"cafe-Actor\", \"Qualifier\": \"live\"}")
        .path("Version").asText()).isEqualTo("1");
    assertThat(call("GetAlias", "{\"FunctionName\": \"cafe-Actor\", \"Name\": \"live\"}").path("AliasArn").asText())
        .isEqualTo(ARN + ":live");
    assertThat(error("GetAlias", "{\"FunctionName\": \"cafe-Actor\", \"Name\": \"none\"}").getMessage())
        .isEqualTo("Cannot find alias arn: " + ARN + ":none");
  }

  @ParameterizedTest
  @ValueSource(strings = {"CreateFunction", "UpdateFunctionCode", "DeleteFunction"})
  void what_the_template_alone_decides_is_refused_by_name(String operation) {
    assertThat(error(operation, "{\"FunctionName\": \"cafe-Actor\"}").getMessage())
        .startsWith(operation + " is not served by the local cloud");
  }

  @Test
  void an_unknown_operation_is_an_error() {
    assertThat(error("InvokeTwice", "{}").code()).isEqualTo("UnknownOperationException");
  }

  @Test
  void every_route_leads_to_an_operation() {
    for (var route : lambda.routes()) {
      var error = catchThrowableOfType(AwsException.class, () -> call(route.operation(), "{}"));
      assertThat(error == null ? "" : error.code()).as(route.operation()).isNotEqualTo("UnknownOperationException");
    }
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', value = {
      "{\"Runtime\": \"java21\"}|Runtime: \"java21\" is not supported, only java25",
      "{\"Handler\": \"com.example.cafe.Nobody\"}|there is no class com.example.cafe.Nobody",
      "{\"MemorySize\": 64}|MemorySize: 64 is not a number from 128 to 10240",
      "{\"Timeout\": 901}|Timeout: 901",
      "{\"PackageType\": \"Image\"}|PackageType",
      "{\"Layers\": [\"arn\"]}|property Layers of AWS::Lambda::Function is not supported",
      "{\"VpcConfig\": {}}|property VpcConfig",
      "{\"Environment\": {\"Variables\": {\"AWS_REGION\": \"x\"}}}|reserved keys",
      "{\"Environment\": {\"Variables\": {\"A-B\": \"x\"}}}|A-B is no name",
      "{\"DeadLetterConfig\": {\"TargetArn\": \"arn:aws:s3:::b\"}}|DeadLetterConfig",
      "{\"EphemeralStorage\": {\"Size\": 1}}|EphemeralStorage",
      "{\"Architectures\": [\"mips\"]}|Architectures: mips"})
  void a_property_that_cannot_be_honoured_is_refused_by_name(String properties, String message) {
    assertThatThrownBy(() -> function(properties)).isInstanceOf(IllegalArgumentException.class).hasMessageContaining(message);
  }

  @Test
  void a_version_and_an_alias_give_their_arns() {
    assertThat(provision("AWS::Lambda::Version", "{\"FunctionName\": \"" + ARN + "\"}").ref()).isEqualTo(ARN + ":2");
    assertThat(provision("AWS::Lambda::Alias", "{\"FunctionName\": \"cafe-Actor\", \"FunctionVersion\": \"2\", \"Name\": \"live\"}")
        .ref()).isEqualTo(ARN + ":live");
    assertThat(lambda.target("cafe-Actor", "live").version()).isEqualTo("2");
    assertThatThrownBy(() -> provision("AWS::Lambda::Alias",
        "{\"FunctionName\": \"cafe-Actor\", \"FunctionVersion\": \"9\", \"Name\": \"live\"}")).hasMessageContaining("FunctionVersion 9");
  }

  @Test
  void permissions_make_the_resource_policy() {
    assertThat(error("GetPolicy", "{\"FunctionName\": \"cafe-Actor\"}").code()).isEqualTo("ResourceNotFoundException");
    provision("AWS::Lambda::Permission", """
        {"FunctionName": "cafe-Actor", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
         "SourceArn": "arn:aws:execute-api:eu-central-1:000000000000:api/*"}""");
    var statement = Json.parse(call("GetPolicy", "{\"FunctionName\": \"cafe-Actor\"}").path("Policy").asText())
        .path("Statement").get(0);
    assertThat(statement.path("Principal").path("Service").asText()).isEqualTo("apigateway.amazonaws.com");
    assertThat(statement.path("Condition").path("ArnLike").path("AWS:SourceArn").asText()).startsWith("arn:aws:execute-api");
    assertThat(statement.path("Resource").asText()).isEqualTo(ARN);
  }

  @Test
  void settings_of_asynchronous_invocation_are_kept_per_qualifier() {
    call("PutFunctionEventInvokeConfig", "{\"FunctionName\": \"cafe-Actor\", \"Qualifier\": \"live\", \"MaximumRetryAttempts\": 0}");
    var config = call("GetFunctionEventInvokeConfig", "{\"FunctionName\": \"cafe-Actor\", \"Qualifier\": \"live\"}");
    assertThat(config.path("FunctionArn").asText()).isEqualTo(ARN + ":live");
    assertThat(config.path("MaximumRetryAttempts").asInt()).isZero();
    assertThat(error("GetFunctionEventInvokeConfig", "{\"FunctionName\": \"cafe-Actor\"}").status()).isEqualTo(404);
    assertThat(error("PutFunctionEventInvokeConfig", "{\"FunctionName\": \"cafe-Actor\", \"MaximumRetryAttempts\": 3}")
        .getMessage()).contains("MaximumRetryAttempts");
    assertThat(error("PutFunctionEventInvokeConfig", """
        {"FunctionName": "cafe-Actor", "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::bucket"}}}""")
        .getMessage()).contains("OnFailure");
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', value = {
      "\"BatchSize\": 11|Maximum batch window in seconds must be greater than 0",
      "\"BatchSize\": 0|BatchSize",
      "\"MaximumBatchingWindowInSeconds\": 301|MaximumBatchingWindowInSeconds",
      "\"ScalingConfig\": {\"MaximumConcurrency\": 1}|MaximumConcurrency must be between 2 and 1000",
      "\"FunctionResponseTypes\": [\"Other\"]|FunctionResponseTypes",
      "\"FilterCriteria\": {\"Filters\": [{\"Pattern\": \"{\\\"body\\\": 1}\"}]}|Invalid filter pattern definition.",
      "\"FilterCriteria\": {\"Filters\": [{\"Pattern\": \"oops\"}]}|Invalid filter pattern definition.",
      "\"StartingPosition\": \"LATEST\"|StartingPosition",
      "\"EventSourceArn\": \"arn:aws:kinesis:eu-central-1:000000000000:stream/s\"|reads from queues",
      "\"EventSourceArn\": \"arn:aws:sqs:eu-central-1:000000000000:missing\"|NonExistentQueue"})
  void an_event_source_mapping_is_checked_as_lambda_checks_it(String member, String message) {
    var input = (ObjectNode) Json.parse("""
        {"FunctionName": "cafe-Actor", "EventSourceArn": "arn:aws:sqs:eu-central-1:000000000000:orders"}""");
    input.setAll((ObjectNode) Json.parse("{" + member + "}"));
    var error = error("CreateEventSourceMapping", Json.write(input));
    assertThat(error.code()).isEqualTo("InvalidParameterValueException");
    assertThat(error.getMessage()).contains(message);
  }

  @Test
  void a_function_must_be_done_before_its_messages_are_visible_again() {
    function("{\"Timeout\": 31}");
    assertThat(error("CreateEventSourceMapping", """
        {"FunctionName": "cafe-Actor", "EventSourceArn": "arn:aws:sqs:eu-central-1:000000000000:orders"}""").getMessage())
        .isEqualTo("Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds");
  }

  @Test
  void a_queue_feeds_a_function_only_once() {
    var input = "{\"FunctionName\": \"cafe-Actor\", \"EventSourceArn\": \"arn:aws:sqs:eu-central-1:000000000000:orders\"}";
    var mapping = call("CreateEventSourceMapping", input);
    assertThat(mapping.path("State").asText()).isEqualTo("Enabled");
    assertThat(error("CreateEventSourceMapping", input).code()).isEqualTo("ResourceConflictException");
    assertThat(error("GetEventSourceMapping", "{\"UUID\": \"x\"}").getMessage())
        .isEqualTo("The resource you requested does not exist.");
  }
}
