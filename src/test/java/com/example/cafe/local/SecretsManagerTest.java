package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SecretsManagerTest {
  private static final String TOKEN = "11111111-2222-3333-4444-555555555555";
  private final SecretsManager secrets = new SecretsManager();

  @Test
  void givesASecretByNameArnAndArnWithoutSuffix() {
    var created = call("CreateSecret", "{\"Name\": \"cafe/db\", \"SecretString\": \"s\", \"Description\": \"d\"}");
    var arn = created.get("ARN").asText();
    assertThat(arn).matches("arn:aws:secretsmanager:eu-central-1:000000000000:secret:cafe/db-[A-Za-z0-9]{6}");
    for (var id : new String[] {"cafe/db", arn, arn.substring(0, arn.length() - 7)}) {
      var value = call("GetSecretValue", Json.object().put("SecretId", id));
      assertThat(value.get("SecretString").asText()).isEqualTo("s");
      assertThat(value.get("ARN").asText()).isEqualTo(arn);
      assertThat(value.get("VersionId")).isEqualTo(created.get("VersionId"));
      assertThat(value.get("VersionStages").toString()).isEqualTo("[\"AWSCURRENT\"]");
    }
  }

  @Test
  void keepsThePreviousVersion() {
    var first = call("CreateSecret", "{\"Name\": \"a\", \"SecretString\": \"1\"}").get("VersionId").asText();
    var second = call("PutSecretValue", "{\"SecretId\": \"a\", \"SecretString\": \"2\"}").get("VersionId").asText();
    assertThat(value("{\"SecretId\": \"a\"}")).isEqualTo("2");
    assertThat(value("{\"SecretId\": \"a\", \"VersionStage\": \"AWSPREVIOUS\"}")).isEqualTo("1");
    assertThat(value("{\"SecretId\": \"a\", \"VersionId\": \"" + first + "\"}")).isEqualTo("1");
    var third = call("UpdateSecret", "{\"SecretId\": \"a\", \"SecretString\": \"3\"}").get("VersionId").asText();
    assertThat(call("DescribeSecret", "{\"SecretId\": \"a\"}").get("VersionIdsToStages")).isEqualTo(Json.parse(
        "{\"" + second + "\": [\"AWSPREVIOUS\"], \"" + third + "\": [\"AWSCURRENT\"]}"));
    assertThat(call("ListSecretVersionIds", "{\"SecretId\": \"a\", \"IncludeDeprecated\": true}").get("Versions")).hasSize(3);
    assertFails(() -> value("{\"SecretId\": \"a\", \"VersionStage\": \"MINE\"}"), "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret value for staging label: MINE");
  }

  @Test
  void acceptsARepeatedRequestOnce() {
    var put = "{\"SecretId\": \"a\", \"SecretString\": \"2\", \"ClientRequestToken\": \"" + TOKEN + "\"}";
    call("CreateSecret", "{\"Name\": \"a\"}");
    assertThat(call("PutSecretValue", put)).isEqualTo(call("PutSecretValue", put));
    assertThatThrownBy(() -> call("PutSecretValue", put.replace("\"2\"", "\"3\"")))
        .isInstanceOfSatisfying(AwsException.class, e -> assertThat(e.code()).isEqualTo("ResourceExistsException"));
  }

  @Test
  void refusesWhatTheServiceRefuses() {
    call("CreateSecret", "{\"Name\": \"a\"}");
    assertFails(() -> call("CreateSecret", "{\"Name\": \"a\"}"), "ResourceExistsException",
        "The operation failed because the secret a already exists.");
    assertFails(() -> value("{\"SecretId\": \"b\"}"), "ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    assertFails(() -> value("{\"SecretId\": \"a\"}"), "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT");
    assertFails(() -> call("GetSecretValue", "{}"), "ValidationException",
        "1 validation error detected: Value null at 'secretId' failed to satisfy constraint: Member must not be null");
    assertFails(() -> call("RotateSecret", "{\"SecretId\": \"a\"}"), "UnknownOperationException",
        "The operation RotateSecret of secretsmanager is not served by the local cloud.");
  }

  @Test
  void deletesAfterARecoveryWindowOrAtOnce() {
    call("CreateSecret", "{\"Name\": \"a\", \"SecretString\": \"1\"}");
    call("DeleteSecret", "{\"SecretId\": \"a\"}");
    assertFails(() -> value("{\"SecretId\": \"a\"}"), "InvalidRequestException",
        "You can't perform this operation on the secret because it was marked for deletion.");
    assertThat(call("ListSecrets", "{}").get("SecretList")).isEmpty();
    assertThat(call("ListSecrets", "{\"IncludePlannedDeletion\": true}").get("SecretList")).hasSize(1);
    call("RestoreSecret", "{\"SecretId\": \"a\"}");
    assertThat(value("{\"SecretId\": \"a\"}")).isEqualTo("1");
    call("DeleteSecret", "{\"SecretId\": \"a\", \"ForceDeleteWithoutRecovery\": true}");
    call("CreateSecret", "{\"Name\": \"a\"}");
  }

  @Test
  void listsByFilterAndPage() {
    for (var name : new String[] {"cafe/1", "cafe/2", "cafe/3", "other"}) {
      call("CreateSecret", "{\"Name\": \"%s\", \"Tags\": [{\"Key\": \"app\", \"Value\": \"x\"}]}".formatted(name));
    }
    var filter = "\"Filters\": [{\"Key\": \"name\", \"Values\": [\"cafe/\"]}], \"SortOrder\": \"asc\", \"MaxResults\": 2";
    var first = call("ListSecrets", "{" + filter + "}");
    assertThat(first.get("SecretList").findValuesAsText("Name")).containsExactly("cafe/1", "cafe/2");
    var second = call("ListSecrets", "{" + filter + ", \"NextToken\": " + first.get("NextToken") + "}");
    assertThat(second.get("SecretList").findValuesAsText("Name")).containsExactly("cafe/3");
    assertThat(second.has("NextToken")).isFalse();
  }

  @Test
  void tags() {
    call("CreateSecret", "{\"Name\": \"a\"}");
    call("TagResource", "{\"SecretId\": \"a\", \"Tags\": [{\"Key\": \"k\", \"Value\": \"v\"}, {\"Key\": \"l\", \"Value\": \"w\"}]}");
    call("UntagResource", "{\"SecretId\": \"a\", \"TagKeys\": [\"k\"]}");
    assertThat(call("DescribeSecret", "{\"SecretId\": \"a\"}").get("Tags").toString())
        .isEqualTo("[{\"Key\":\"l\",\"Value\":\"w\"}]");
  }

  @ParameterizedTest
  @ValueSource(strings = {"{}", "{\"PasswordLength\": 4}", "{\"PasswordLength\": 200, \"ExcludeCharacters\": \"abc/@\\\"\"}"})
  void makesPasswordsOfEveryIncludedType(String options) {
    var password = call("GetRandomPassword", options).get("RandomPassword").asText();
    assertThat(password).hasSize(Json.parse(options).path("PasswordLength").asInt(32))
        .containsPattern("[A-Z]").containsPattern("[a-z]").containsPattern("[0-9]").containsPattern("[^A-Za-z0-9]");
    if (options.contains("abc")) {
      assertThat(password).doesNotContainPattern("[abc/@\"]");
    }
  }

  @Test
  void makesPasswordsOfChosenTypesOnly() {
    assertThat(call("GetRandomPassword", """
        {"ExcludePunctuation": true, "ExcludeUppercase": true, "ExcludeLowercase": true}""").get("RandomPassword").asText())
        .matches("[0-9]{32}");
    assertThatThrownBy(() -> call("GetRandomPassword", "{\"PasswordLength\": 3}"))
        .isInstanceOfSatisfying(AwsException.class, e -> assertThat(e.code()).isEqualTo("InvalidParameterException"));
  }

  @Test
  void provisionsAGeneratedSecret() {
    var provisioned = provision("""
        {"Description": "d", "GenerateSecretString": {"SecretStringTemplate": "{\\"username\\": \\"admin\\"}",
          "GenerateStringKey": "password", "PasswordLength": 20, "ExcludePunctuation": true}}""");
    assertThat(provisioned.ref()).startsWith("arn:aws:secretsmanager:eu-central-1:000000000000:secret:cafe-Key-");
    assertThat(provisioned.attributes()).containsEntry("Id", provisioned.ref());
    var value = Json.parse(value(Json.object().put("SecretId", provisioned.ref()).toString()));
    assertThat(value.get("username").asText()).isEqualTo("admin");
    assertThat(value.get("password").asText()).matches("[A-Za-z0-9]{20}");
    assertThatThrownBy(() -> provision("{\"ReplicaRegions\": []}"))
        .hasMessage("property ReplicaRegions of AWS::SecretsManager::Secret is not supported");
  }

  @Test
  void protectsASecretThatAnotherServiceManages() {
    var arn = secrets.createManaged("rds!cluster-1", "rds", "d", "{}");
    assertThat(call("DescribeSecret", Json.object().put("SecretId", arn)).get("OwningService").asText()).isEqualTo("rds");
    assertThatThrownBy(() -> call("DeleteSecret", Json.object().put("SecretId", arn)))
        .isInstanceOfSatisfying(AwsException.class, e -> assertThat(e.code()).isEqualTo("InvalidRequestException"));
  }

  private Provisioner.Provisioned provision(String properties) {
    return secrets.provisioners().get("AWS::SecretsManager::Secret").provision(
        new Provisioner.Resource("Key", "AWS::SecretsManager::Secret", "cafe-Key", (ObjectNode) Json.parse(properties)));
  }

  private String value(String input) {
    return call("GetSecretValue", input).get("SecretString").asText();
  }

  private ObjectNode call(String operation, String input) {
    return call(operation, (ObjectNode) Json.parse(input));
  }

  private ObjectNode call(String operation, ObjectNode input) {
    return secrets.call(operation, input, Caller.ADMINISTRATOR);
  }

  private static void assertFails(ThrowingCallable call, String code, String message) {
    assertThatThrownBy(call).isInstanceOfSatisfying(AwsException.class, e -> assertThat(e.code()).isEqualTo(code)).hasMessage(message);
  }
}
