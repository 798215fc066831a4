package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class DynamoDbIT {
  private static final String ARN = "arn:aws:dynamodb:eu-central-1:000000000000:table/";
  private static DynamoDb dynamo;
  private String table;
  private Provisioner.Provisioned provisioned;

  @BeforeAll
  static void start() {
    dynamo = new DynamoDb(Path.of("target/it-dynamodb"), new EventLog(System.out));
  }

  @AfterAll
  static void stop() {
    dynamo.close();
  }

  @BeforeEach
  void createTable() {
    table = "ledger-" + UUID.randomUUID();
    provisioned = provision("""
        {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"},
                                  {"AttributeName": "day", "AttributeType": "S"}],
         "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
         "BillingMode": "PAY_PER_REQUEST",
         "GlobalSecondaryIndexes": [{"IndexName": "byDay", "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
                                     "Projection": {"ProjectionType": "ALL"}}],
         "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
         "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": true},
         "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true},
         "SSESpecification": {"SSEEnabled": true},
         "DeletionProtectionEnabled": false,
         "Tags": [{"Key": "app", "Value": "cafe"}]}""");
  }

  @Test
  void createsWhatTheTemplateDescribes() {
    assertThat(provisioned.ref()).isEqualTo(table);
    assertThat(provisioned.attributes()).containsEntry("Arn", ARN + table);
    assertThat(provisioned.attributes().get("StreamArn")).startsWith(ARN + table + "/stream/");
    var description = call("DescribeTable", "{\"TableName\": \"%s\"}").get("Table");
    assertThat(description.get("TableArn").asText()).isEqualTo(ARN + table);
    assertThat(description.at("/GlobalSecondaryIndexes/0/IndexArn").asText()).isEqualTo(ARN + table + "/index/byDay");
    assertThat(description.at("/BillingModeSummary/BillingMode").asText()).isEqualTo("PAY_PER_REQUEST");
    assertThat(call("DescribeTimeToLive", "{\"TableName\": \"%s\"}").at("/TimeToLiveDescription/AttributeName").asText())
        .isEqualTo("expires");
    assertThat(call("ListTagsOfResource", "{\"ResourceArn\": \"" + ARN + "%s\"}").at("/Tags/0/Value").asText()).isEqualTo("cafe");
  }

  @Test
  void keepsItemsAsTheyAreSent() {
    call("PutItem", """
        {"TableName": "%s", "Item": {"pk": {"S": "a"}, "sk": {"S": "arn:aws:dynamodb:ddblocal:000000000000:mine"},
          "n": {"N": "12345678901234567890.5"}, "b": {"B": "AQID"}}}""");
    assertThat(call("Query", """
        {"TableName": "%s", "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "a"}}}""")
        .get("Items")).isEqualTo(Json.parse("""
            [{"pk": {"S": "a"}, "sk": {"S": "arn:aws:dynamodb:ddblocal:000000000000:mine"}, "n": {"N": "12345678901234567890.5"},
              "b": {"B": "AQID"}}]"""));
  }

  @Test
  void findsATableByItsArn() {
    call("PutItem", "{\"TableName\": \"" + ARN + "%s\", \"Item\": {\"pk\": {\"S\": \"a\"}, \"sk\": {\"S\": \"1\"}}}");
    call("TransactWriteItems", "{\"TransactItems\": [{\"Put\": {\"TableName\": \"" + ARN
        + "%s\", \"Item\": {\"pk\": {\"S\": \"b\"}, \"sk\": {\"S\": \"1\"}}}}]}");
    assertThat(call("Scan", "{\"TableName\": \"%s\", \"Select\": \"COUNT\"}").get("Count").asInt()).isEqualTo(2);
  }

  @Test
  void tellsWhyATransactionWasCancelled() {
    call("PutItem", "{\"TableName\": \"%s\", \"Item\": {\"pk\": {\"S\": \"a\"}, \"sk\": {\"S\": \"1\"}, \"n\": {\"N\": \"7\"}}}");
    assertThatThrownBy(() -> call("TransactWriteItems", """
        {"TransactItems": [
          {"Put": {"TableName": "%1$s", "Item": {"pk": {"S": "b"}, "sk": {"S": "1"}}}},
          {"Update": {"TableName": "%1$s", "Key": {"pk": {"S": "a"}, "sk": {"S": "1"}}, "UpdateExpression": "SET n = n - :x",
            "ConditionExpression": "n >= :x", "ExpressionAttributeValues": {":x": {"N": "9"}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}}]}"""))
        .isInstanceOfSatisfying(AwsException.class, e -> {
          assertThat(e.status()).isEqualTo(400);
          assertThat(e.code()).isEqualTo("TransactionCanceledException");
          assertThat(e.getMessage()).contains("[None, ConditionalCheckFailed]");
          assertThat(e.members().at("/CancellationReasons/0/Code").asText()).isEqualTo("None");
          assertThat(e.members().at("/CancellationReasons/1/Code").asText()).isEqualTo("ConditionalCheckFailed");
          assertThat(e.members().at("/CancellationReasons/1/Item/n/N").asText()).isEqualTo("7");
        });
    assertThat(call("Scan", "{\"TableName\": \"%s\", \"Select\": \"COUNT\"}").get("Count").asInt()).isEqualTo(1);
  }

  @Test
  void givesTheItemThatFailedACondition() {
    call("PutItem", "{\"TableName\": \"%s\", \"Item\": {\"pk\": {\"S\": \"a\"}, \"sk\": {\"S\": \"1\"}, \"n\": {\"N\": \"7\"}}}");
    assertThatThrownBy(() -> call("PutItem", """
        {"TableName": "%s", "Item": {"pk": {"S": "a"}, "sk": {"S": "1"}}, "ConditionExpression": "attribute_not_exists(pk)",
         "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}"""))
        .isInstanceOfSatisfying(AwsException.class, e -> {
          assertThat(e.code()).isEqualTo("ConditionalCheckFailedException");
          assertThat(e.getMessage()).isEqualTo("The conditional request failed");
          assertThat(e.members().at("/Item/n/N").asText()).isEqualTo("7");
        });
  }

  @Test
  void namesAMissingTable() {
    assertThatThrownBy(() -> dynamo.call("GetItem", (ObjectNode) Json.parse(
        "{\"TableName\": \"none\", \"Key\": {\"pk\": {\"S\": \"a\"}}}"), Caller.ADMINISTRATOR))
        .isInstanceOfSatisfying(AwsException.class, e -> {
          assertThat(e.code()).isEqualTo("ResourceNotFoundException");
          assertThat(e.members()).isNull();
        }).hasMessage("Cannot do operations on a non-existent table");
  }

  @Test
  void streamsChanges() {
    var stream = provisioned.attributes().get("StreamArn");
    call("PutItem", "{\"TableName\": \"%s\", \"Item\": {\"pk\": {\"S\": \"a\"}, \"sk\": {\"S\": \"1\"}}}");
    var shard = call("DescribeStream", "{\"StreamArn\": \"" + stream + "\"}").at("/StreamDescription/Shards/0/ShardId").asText();
    var iterator = call("GetShardIterator", "{\"StreamArn\": \"" + stream + "\", \"ShardId\": \"" + shard
        + "\", \"ShardIteratorType\": \"TRIM_HORIZON\"}");
    var records = dynamo.call("GetRecords", iterator, Caller.ADMINISTRATOR).get("Records");
    assertThat(records).hasSize(1);
    assertThat(records.at("/0/eventName").asText()).isEqualTo("INSERT");
    assertThat(records.at("/0/awsRegion").asText()).isEqualTo(Settings.REGION);
  }

  @Test
  void refusesWhatItDoesNotServe() {
    assertThatThrownBy(() -> call("DescribeContinuousBackups", "{}"))
        .hasMessage("The operation DescribeContinuousBackups of dynamodb is not served by the local cloud.");
    assertThatThrownBy(() -> provision("{\"KinesisStreamSpecification\": {}}"))
        .hasMessage("property KinesisStreamSpecification of AWS::DynamoDB::Table is not supported");
    assertThatThrownBy(() -> provision("{\"BillingMode\": \"PAY_PER_REQUEST\"}")).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void writesItsLibraryBelowItsFolderOnly() throws Exception {
    call("ListTables", "{}");
    try (var files = Files.list(Path.of("target/it-dynamodb/dynamodb"))) {
      assertThat(files.map(file -> file.getFileName().toString())).containsExactly(System.mapLibraryName("sqlite4java"));
    }
  }

  private Provisioner.Provisioned provision(String properties) {
    return dynamo.provisioners().get("AWS::DynamoDB::Table").provision(
        new Provisioner.Resource("Ledger", "AWS::DynamoDB::Table", table, (ObjectNode) Json.parse(properties)));
  }

  private ObjectNode call(String operation, String input) {
    return dynamo.call(operation, (ObjectNode) Json.parse(input.formatted(table)), Caller.ADMINISTRATOR);
  }
}
