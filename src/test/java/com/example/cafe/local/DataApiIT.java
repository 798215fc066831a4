package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.time.Duration;
import java.time.Instant;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DataApiIT {
  private static final EventLog LOG = new EventLog(System.out);
  private static final SecretsManager SECRETS = new SecretsManager();
  private static volatile Instant now = Instant.now();
  private static DataApi api;
  private static Provisioner.Provisioned cluster;
  private static String secret;

  @BeforeAll
  static void startWithACluster() {
    var limits = new DataApi.Limits(Duration.ofSeconds(2), Duration.ofMinutes(3), Duration.ofHours(24));
    api = new DataApi(Path.of("target/it-data-api"), SECRETS, LOG, limits, () -> now);
    cluster = provision("AWS::RDS::DBCluster", "cafe-Database", """
        {"Engine": "aurora-postgresql", "DatabaseName": "cafe", "EnableHttpEndpoint": true, "MasterUsername": "cafe",
         "ManageMasterUserPassword": true, "ServerlessV2ScalingConfiguration": {"MinCapacity": 0, "MaxCapacity": 2}}""");
    provision("AWS::RDS::DBInstance", "cafe-Writer", """
        {"Engine": "aurora-postgresql", "DBClusterIdentifier": "cafe-database", "DBInstanceClass": "db.serverless"}""");
    secret = cluster.attributes().get("MasterUserSecret.SecretArn");
  }

  @AfterAll
  static void stop() {
    api.close();
  }

  @BeforeEach
  void emptyTable() {
    execute("DROP TABLE IF EXISTS item");
    execute("CREATE TABLE item (id text PRIMARY KEY, price int NOT NULL, tags text[], at timestamptz DEFAULT now(), n serial)");
  }

  @Test
  void tellsWhereTheClusterIs() {
    assertThat(cluster.ref()).isEqualTo("cafe-database");
    assertThat(cluster.attributes()).containsEntry("DBClusterArn", "arn:aws:rds:eu-central-1:000000000000:cluster:cafe-database")
        .containsEntry("Endpoint.Address", "127.0.0.1").containsKeys("Endpoint.Port", "ReadEndpoint.Address", "DBClusterResourceId");
    assertThat(secret).startsWith("arn:aws:secretsmanager:eu-central-1:000000000000:secret:rds!cluster-");
  }

  @Test
  void insertsAndSelectsWithNamedParameters() {
    var inserted = execute("INSERT INTO item (id, price) VALUES (:id, :price)",
        text("id", "espresso"), """
        {"name": "price", "value": {"longValue": 250}}""");
    assertThat(inserted).hasToString("{\"numberOfRecordsUpdated\":1,\"generatedFields\":[]}");

    var selected = execute("SELECT id, price, tags FROM item WHERE id = :id", text("id", "espresso"));
    assertThat(selected).hasToString("""
        {"numberOfRecordsUpdated":0,"records":[[{"stringValue":"espresso"},{"longValue":250},{"isNull":true}]]}""");
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      1::int2                                        | {"longValue":1}
      9007199254740993::int8                         | {"longValue":9007199254740993}
      2.5::float4                                    | {"doubleValue":2.5}
      'NaN'::float8                                  | {"doubleValue":"NaN"}
      12.50::numeric(8,2)                            | {"stringValue":"12.50"}
      true                                           | {"booleanValue":true}
      'a'::char(3)                                   | {"stringValue":"a  "}
      NULL                                           | {"isNull":true}
      '{"a": 1}'::jsonb                              | {"stringValue":"{\\"a\\": 1}"}
      '8c3f7f3a-2f5d-4c2e-9a39-3f1bb2c7e0a1'::uuid   | {"stringValue":"8c3f7f3a-2f5d-4c2e-9a39-3f1bb2c7e0a1"}
      '\\x010203'::bytea                             | {"blobValue":"AQID"}
      '2026-09-17 17:08:20.855153+02'::timestamptz   | {"stringValue":"2026-09-17 15:08:20.855153"}
      '2026-09-17 17:08:20.8'::timestamp             | {"stringValue":"2026-09-17 17:08:20.800"}
      '2026-09-17 17:08:20'::timestamp               | {"stringValue":"2026-09-17 17:08:20"}
      '2026-09-17'::date                             | {"stringValue":"2026-09-17"}
      '17:08:20.5'::time                             | {"stringValue":"17:08:20.500"}
      '{1,2}'::int[]                                 | {"arrayValue":{"longValues":[1,2]}}
      '{}'::int[]                                    | {"arrayValue":{"longValues":[]}}
      '{t,f}'::bool[]                                | {"arrayValue":{"booleanValues":[true,false]}}
      '{a,"b, \\"c\\"",""}'::text[]                  | {"arrayValue":{"stringValues":["a","b, \\"c\\"",""]}}
      '192.168.0.1'::inet                            | {"stringValue":"192.168.0.1"}
      """)
  void givesEachTypeTheServicesField(String expression, String field) {
    assertThat(execute("SELECT " + expression).at("/records/0/0").toString()).isEqualTo(field);
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      '1 day'::interval      | The result contains the unsupported data type INTERVAL.
      '17:08:20+02'::timetz  | The result contains the unsupported data type TIMETZ.
      '(1,2)'::point         | The result contains the unsupported data type POINT.
      1::money               | The result contains the unsupported data type MONEY.
      '{{1,2},{3,4}}'::int[] | The result contains a multidimensional array.
      """)
  void refusesTypesThatTheServiceCannotGive(String expression, String message) {
    assertFails(() -> execute("SELECT " + expression), 400, "UnsupportedResultException", message);
  }

  @Test
  void enumsAreTexts() {
    execute("DROP TYPE IF EXISTS mood");
    execute("CREATE TYPE mood AS ENUM ('good', 'bad')");
    assertThat(execute("SELECT 'good'::mood").at("/records/0/0/stringValue").asText()).isEqualTo("good");
  }

  @Test
  void showsTimesInUtcWhateverTheSessionsZone() {
    var transaction = begin();
    within(transaction, "SET LOCAL TIME ZONE 'America/Sao_Paulo'");
    var row = within(transaction, "SELECT '2026-09-17 17:08:20.8+00'::timestamptz, '0999-01-01 00:00:00+00'::timestamptz");
    end("RollbackTransaction", transaction);
    assertThat(row.at("/records/0/0/stringValue").asText()).isEqualTo("2026-09-17 17:08:20.800");
    assertThat(row.at("/records/0/1/stringValue").asText()).isEqualTo("0999-01-01 00:00:00");
  }

  @Nested
  class Parameters {
    @Test
    void carryTypeHints() {
      var row = execute("""
          SELECT pg_typeof(:a)::text, pg_typeof(:b)::text, pg_typeof(:c)::text, pg_typeof(:d)::text, pg_typeof(:e)::text,
                 pg_typeof(:f)::text, pg_typeof(:g)::text, pg_typeof(:h)::text, pg_typeof(:i)::text, :j::text IS NULL""",
          hinted("a", "2026-01-31", "DATE"), hinted("b", "23:59:59.123", "TIME"), hinted("c", "2026-01-31 23:59:59.123", "TIMESTAMP"),
          hinted("d", "12.50", "DECIMAL"), hinted("e", UUID.randomUUID().toString(), "UUID"), hinted("f", "{}", "JSON"),
          text("g", "x"), "{\"name\": \"h\", \"value\": {\"doubleValue\": 1.5}}", "{\"name\": \"i\", \"value\": {\"blobValue\": \"AQID\"}}",
          "{\"name\": \"j\", \"value\": {\"isNull\": true}}");
      assertThat(row.at("/records/0").findValuesAsText("stringValue")).containsExactly("date", "time without time zone",
          "timestamp without time zone", "numeric", "uuid", "json", "text", "double precision", "bytea");
      assertThat(row.at("/records/0/9/booleanValue").asBoolean()).isTrue();
    }

    @Test
    void areNoneInLiteralsCommentsCastsAndDollarQuotes() {
      var row = execute("""
          SELECT ':no', "t".":no"::text, $$:no$$, /* :no */ '12:30:00'::time, :yes::int -- :no
          FROM (SELECT 1 AS ":no") "t\"""", text("yes", "7"));
      assertThat(row.at("/records/0/4/longValue").asInt()).isEqualTo(7);
    }

    @Test
    void leaveQuestionMarkOperatorsAlone() {
      assertThat(execute("SELECT '{\"a\":1}'::jsonb ? :key", text("key", "a")).at("/records/0/0/booleanValue").asBoolean()).isTrue();
    }

    @Test
    void mustAllBeGivenAndUsedOnce() {
      assertFails(() -> execute("SELECT :a", text("b", "x")), 400, "ValidationException", "Missing value for parameter: a");
      assertFails(() -> execute("SELECT :a"), 400, "ValidationException", "Missing value for parameter: a");
      assertFails(() -> execute("SELECT 1", text("b", "x")), 400, "ValidationException", "Cannot find parameter: b");
      assertFails(() -> execute("SELECT :a", text("a", "x"), text("a", "y")), 400, "ValidationException", "Duplicate parameter: a");
    }

    @Test
    void cannotBeArraysOrMalformed() {
      assertFails(() -> execute("SELECT :a", "{\"name\": \"a\", \"value\": {\"arrayValue\": {\"longValues\": [1]}}}"),
          400, "ValidationException", "Array parameters are not supported.");
      assertFails(() -> execute("SELECT :a", hinted("a", "tomorrow", "DATE")), 400, "ValidationException",
          "Parameter a has no valid value for the type hint DATE.");
      assertFails(() -> execute("SELECT :a", hinted("a", "x", "UUID")), 400, "DatabaseErrorException",
          "ERROR: invalid input syntax for type uuid: \"x\"; SQLState: 22P02");
    }
  }

  @Nested
  class Errors {
    @Test
    void ofTheDatabaseCarryHintPositionAndState() {
      execute("INSERT INTO item (id, price) VALUES ('a', 1)");
      assertFails(() -> execute("INSERT INTO item (id, price) VALUES ('a', 1)"), 400, "DatabaseErrorException",
          "ERROR: duplicate key value violates unique constraint \"item_pkey\"; SQLState: 23505");
      assertFails(() -> execute("SELECT * FROM nowhere"), 400, "DatabaseErrorException",
          "ERROR: relation \"nowhere\" does not exist; Position: 15; SQLState: 42P01");
      assertFails(() -> execute("SELECT 1 FROM item WHERE price = :p", text("p", "1")), 400, "DatabaseErrorException",
          "ERROR: operator does not exist: integer = text; Hint: No operator matches the given name and argument types. "
              + "You might need to add explicit type casts.; Position: 32; SQLState: 42883");
    }

    @Test
    void nameWhatTheRequestGetsWrong() {
      var other = cluster.attributes().get("DBClusterArn") + "x";
      assertFails(() -> call("ExecuteStatement", request().put("resourceArn", other).put("sql", "SELECT 1")), 400,
          "HttpEndpointNotEnabledException", "HttpEndpoint is not enabled for resource " + other);
      assertFails(() -> call("ExecuteStatement", request().put("secretArn", "arn:none").put("sql", "SELECT 1")), 400,
          "SecretsErrorException", "Error fetching secret arn:none : Secrets Manager can't find the specified secret. "
              + "(Service: AWSSecretsManager; Status Code: 400; Error Code: ResourceNotFoundException)");
      assertFails(() -> call("ExecuteStatement", request().put("database", "nowhere").put("sql", "SELECT 1")), 400,
          "DatabaseErrorException", "FATAL: database \"nowhere\" does not exist; SQLState: 3D000");
      assertFails(() -> call("ExecuteStatement", request().put("schema", "public").put("sql", "SELECT 1")), 400,
          "ValidationException", "The schema parameter isn't supported");
      assertFails(() -> call("ExecuteStatement", request()), 400, "ValidationException",
          "1 validation error detected: Value null at 'sql' failed to satisfy constraint: Member must not be null");
      assertFails(() -> execute("SELECT 1; SELECT 2"), 400, "ValidationException", "Multistatements aren't supported.");
      assertFails(() -> call("ExecuteSql", request()), 400, "BadRequestException",
          "This API is deprecated and not available. Use ExecuteStatement API instead");
      assertFails(() -> call("ListStatements", request()), 400, "UnknownOperationException",
          "The operation ListStatements of rds-data is not served by the local cloud.");
    }

    @Test
    void ofSecretsThatOpenNothing() {
      var wrong = SECRETS.createManaged("wrong-" + UUID.randomUUID(), "test", "", "{\"username\":\"cafe\",\"password\":\"x\"}");
      assertFails(() -> call("ExecuteStatement", request().put("secretArn", wrong).put("sql", "SELECT 1")), 400,
          "DatabaseErrorException", "FATAL: password authentication failed for user \"cafe\"; SQLState: 28P01");
      var shapeless = SECRETS.createManaged("shapeless-" + UUID.randomUUID(), "test", "", "hunter2");
      assertThatThrownBy(() -> call("ExecuteStatement", request().put("secretArn", shapeless).put("sql", "SELECT 1")))
          .isInstanceOfSatisfying(AwsException.class, e -> assertThat(e.code()).isEqualTo("InvalidSecretException"))
          .hasMessageNotContaining("hunter2");
    }

    @Test
    void ofClustersThatServeNoDataApi() {
      var closed = provision("AWS::RDS::DBCluster", "cafe-Closed", """
          {"Engine": "aurora-postgresql", "DatabaseName": "closed", "MasterUsername": "closed", "MasterUserPassword": "it's 'secret'"}""");
      var arn = closed.attributes().get("DBClusterArn");
      assertFails(() -> call("ExecuteStatement", request().put("resourceArn", arn).put("sql", "SELECT 1")), 400,
          "HttpEndpointNotEnabledException", "HttpEndpoint is not enabled for resource " + arn);
      var empty = provision("AWS::RDS::DBCluster", "cafe-Empty", """
          {"Engine": "aurora-postgresql", "DatabaseName": "empty", "MasterUsername": "empty_owner", "MasterUserPassword": "secret",
           "EnableHttpEndpoint": true}""").attributes().get("DBClusterArn");
      assertFails(() -> call("ExecuteStatement", request().put("resourceArn", empty).put("sql", "SELECT 1")), 404,
          "DatabaseNotFoundException", "The DB cluster cafe-empty doesn't have a DB instance.");
    }
  }

  @Nested
  class Transactions {
    @Test
    void commitAndRollBack() {
      var kept = begin();
      within(kept, "INSERT INTO item (id, price) VALUES ('kept', 1)");
      assertThat(count()).isZero();
      assertThat(end("CommitTransaction", kept).get("transactionStatus").asText()).isEqualTo("Transaction Committed");
      var dropped = begin();
      within(dropped, "INSERT INTO item (id, price) VALUES ('dropped', 1)");
      assertThat(end("RollbackTransaction", dropped).get("transactionStatus").asText()).isEqualTo("Rollback Complete");
      assertThat(count()).isEqualTo(1);
      assertFails(() -> end("CommitTransaction", kept), 404, "TransactionNotFoundException", "Transaction " + kept + " is not found");
    }

    @Test
    void thatFailedCannotCommit() {
      var transaction = begin();
      within(transaction, "INSERT INTO item (id, price) VALUES ('lost', 1)");
      assertThatThrownBy(() -> within(transaction, "SELECT 1/0")).hasMessage("ERROR: division by zero; SQLState: 22012");
      assertFails(() -> within(transaction, "SELECT 1"), 400, "DatabaseErrorException",
          "ERROR: current transaction is aborted, commands ignored until end of transaction block; SQLState: 25P02");
      assertFails(() -> end("CommitTransaction", transaction), 400, "DatabaseErrorException",
          "ERROR: current transaction is aborted, commands ignored until end of transaction block; SQLState: 25P02");
      assertThat(count()).isZero();
    }

    @Test
    void refuseTwoStatementsAtOnce() throws Exception {
      var transaction = begin();
      try (var pool = Executors.newVirtualThreadPerTaskExecutor()) {
        var slow = pool.submit(() -> within(transaction, "SELECT pg_sleep(1), 'slow in transaction'"));
        await().until(() -> execute("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%slow in transaction%' AND state = 'active' "
            + "AND pid <> pg_backend_pid()")
            .get("records").size() == 1);
        assertFails(() -> within(transaction, "SELECT 1"), 400, "DatabaseErrorException", "Transaction is still running a query");
        assertFails(() -> end("CommitTransaction", transaction), 400, "DatabaseErrorException", "Transaction is still running a query");
        slow.get();
      }
      end("CommitTransaction", transaction);
    }

    @Test
    void expireAfterThreeIdleMinutes() {
      var transaction = begin();
      within(transaction, "INSERT INTO item (id, price) VALUES ('late', 1)");
      now = now.plus(Duration.ofSeconds(179));
      within(transaction, "SELECT 1");
      now = now.plus(Duration.ofSeconds(181));
      assertFails(() -> within(transaction, "SELECT 1"), 404, "TransactionNotFoundException",
          "Transaction " + transaction + " is not found");
      assertThat(count()).isZero();
    }

    @Test
    void expireAfterADayWhateverTheyDo() {
      var transaction = begin();
      for (int minutes = 0; minutes < 24 * 60; minutes += 2) {
        within(transaction, "SELECT 1");
        now = now.plus(Duration.ofMinutes(2));
      }
      now = now.plusSeconds(1);
      assertThatThrownBy(() -> within(transaction, "SELECT 1"))
          .isInstanceOfSatisfying(AwsException.class, e -> assertThat(e.code()).isEqualTo("TransactionNotFoundException"));
    }

    @Test
    void areRolledBackWithoutAnotherCall() {
      var transaction = begin();
      within(transaction, "LOCK TABLE item IN ACCESS EXCLUSIVE MODE");
      now = now.plus(Duration.ofMinutes(4));
      await().untilAsserted(() -> assertThat(count()).isZero());
    }
  }

  @Nested
  class Results {
    @Test
    void carryMetadataWhenAsked() {
      var answer = call("ExecuteStatement", request().put("sql", "SELECT id AS name, n FROM item").put("includeResultMetadata", true));
      assertThat(answer.get("columnMetadata")).isEqualTo(Json.parse("""
          [{"name": "name", "label": "name", "type": 12, "typeName": "text", "schemaName": "", "tableName": "item",
            "nullable": 0, "precision": 2147483647, "scale": 0, "isSigned": false, "isAutoIncrement": false,
            "isCaseSensitive": true, "isCurrency": false, "arrayBaseColumnType": 0},
           {"name": "n", "label": "n", "type": 4, "typeName": "serial", "schemaName": "", "tableName": "item",
            "nullable": 0, "precision": 10, "scale": 0, "isSigned": true, "isAutoIncrement": true,
            "isCaseSensitive": false, "isCurrency": false, "arrayBaseColumnType": 0}]"""));
    }

    @Test
    void comeAsJsonWhenAsked() {
      var answer = call("ExecuteStatement", request().put("formatRecordsAs", "JSON").put("includeResultMetadata", true)
          .put("sql", "SELECT 1 AS id, 'a \"b\"' AS text, NULL AS none, '{{1,NULL},{2,3}}'::int[] AS grid, 1.50 AS price"));
      assertThat(answer.get("formattedRecords").asText()).isEqualTo("""
          [{"id":1,"text":"a \\"b\\"","none":null,"grid":[[1,null],[2,3]],"price":"1.50"}]""");
      assertThat(answer.has("records")).isFalse();
      assertThat(answer.has("columnMetadata")).isFalse();
    }

    @Test
    void showNumbersAsTheOptionsSay() {
      var request = request().put("sql", "SELECT 1.50::numeric, 2::numeric, 3::bigint");
      request.putObject("resultSetOptions").put("decimalReturnType", "DOUBLE_OR_LONG").put("longReturnType", "STRING");
      assertThat(call("ExecuteStatement", request).at("/records/0").toString())
          .isEqualTo("[{\"doubleValue\":1.5},{\"longValue\":2},{\"stringValue\":\"3\"}]");
      request.putObject("resultSetOptions").put("decimalReturnType", "FLOAT");
      assertFails(() -> call("ExecuteStatement", request), 400, "ValidationException", "1 validation error detected: Value 'FLOAT' at "
          + "'resultSetOptions.decimalReturnType' failed to satisfy constraint: Member must satisfy enum value set: [STRING, DOUBLE_OR_LONG]");
    }

    @Test
    void endAtOneMebibyte() {
      var sql = "SELECT md5(value::text)::uuid FROM generate_series(1, %d) AS value";
      assertThat(execute(sql.formatted(24_800)).get("records")).hasSize(24_800);
      assertFails(() -> execute(sql.formatted(25_000)), 400, "UnsupportedResultException", "The result exceeds the size limit 1 MB.");
      assertFails(() -> execute("SELECT repeat('x', 60000000)"), 400, "UnsupportedResultException",
          "The result exceeds the size limit 1 MB.");
      assertThat(execute("SELECT 1").get("records")).hasSize(1);
    }

    @Test
    void ofReturningClausesAreRecords() {
      var answer = execute("INSERT INTO item (id, price) VALUES ('a', 1), ('b', 2) RETURNING id");
      assertThat(answer.get("records").toString()).isEqualTo("[[{\"stringValue\":\"a\"}],[{\"stringValue\":\"b\"}]]");
    }
  }

  @Nested
  class Batches {
    @Test
    void runOnceForEachSet() {
      var answer = batch("INSERT INTO item (id, price) VALUES (:id, 1)", "[[%s], [%s]]".formatted(text("id", "a"), text("id", "b")));
      assertThat(answer).isEqualTo(Json.parse("{\"updateResults\": [{\"generatedFields\": []}, {\"generatedFields\": []}]}"));
      assertThat(count()).isEqualTo(2);
    }

    @Test
    void areAllOrNothing() {
      assertThatThrownBy(() -> batch("INSERT INTO item (id, price) VALUES (:id, 1)",
          "[[%s], [%s]]".formatted(text("id", "a"), text("id", "a")))).hasMessageContaining("SQLState: 23505");
      assertThat(count()).isZero();
    }

    @Test
    void withoutSetsRunNothing() {
      assertThat(batch("INSERT INTO item (id, price) VALUES ('a', 1)", "[]").get("updateResults")).isEmpty();
      assertThat(count()).isZero();
    }
  }

  @Nested
  class Timeouts {
    @Test
    void stopAStatement() {
      assertFails(() -> execute("SELECT pg_sleep(30)"), 400, "StatementTimeoutException", "canceling statement due to statement timeout");
    }

    @Test
    void leaveAStatementThatMayContinue() {
      assertFails(() -> call("ExecuteStatement", request().put("continueAfterTimeout", true)
          .put("sql", "INSERT INTO item (id, price) SELECT 'slow', 1 FROM pg_sleep(3)")), 400, "StatementTimeoutException", "Request timed out");
      assertThat(count()).isZero();
      await().untilAsserted(() -> assertThat(count()).isEqualTo(1));
    }
  }

  @Nested
  class Sessions {
    @Test
    void startCleanForEachStatement() {
      execute("SET search_path TO nowhere");
      execute("CREATE TEMPORARY TABLE left_over (a int)");
      execute("SELECT pg_advisory_lock(42)");
      execute("BEGIN");
      assertThat(execute("SHOW search_path").at("/records/0/0/stringValue").asText()).isEqualTo("\"$user\", public");
      assertThat(execute("SHOW statement_timeout").at("/records/0/0/stringValue").asText()).isEqualTo("2s");
      assertThat(execute("SHOW TimeZone").at("/records/0/0/stringValue").asText()).isEqualTo("UTC");
      assertThat(execute("SELECT 1 FROM pg_class WHERE relname = 'left_over'").get("records")).isEmpty();
      assertThat(execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'").get("records")).isEmpty();
    }

    @Test
    void serveFiftyCallersAtOnce() {
      try (var pool = Executors.newVirtualThreadPerTaskExecutor()) {
        var calls = IntStream.range(0, 50).mapToObj(i -> CompletableFuture.runAsync(() -> {
          var transaction = begin();
          within(transaction, "INSERT INTO item (id, price) VALUES (:id, 1)", text("id", "item" + i));
          end("CommitTransaction", transaction);
        }, pool)).toArray(CompletableFuture[]::new);
        CompletableFuture.allOf(calls).join();
      }
      assertThat(count()).isEqualTo(50);
    }
  }

  @Test
  void acceptsFunctionBodiesAsOneStatement() {
    execute("""
        CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql
        BEGIN ATOMIC
          SELECT CASE WHEN n > 0 THEN 1 ELSE 2 END;
          SELECT n * 2;
        END""");
    execute("CREATE OR REPLACE FUNCTION thrice(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN n * 3; END; $$;");
    assertThat(execute("SELECT twice(2), thrice(2)").at("/records/0").toString()).isEqualTo("[{\"longValue\":4},{\"longValue\":6}]");
  }

  @Test
  void refusesWhatATemplateCannotHaveHere() {
    assertThatThrownBy(() -> provision("AWS::RDS::DBCluster", "x", "{\"Engine\": \"aurora-mysql\"}"))
        .hasMessage("property Engine must be aurora-postgresql");
    assertThatThrownBy(() -> provision("AWS::RDS::DBCluster", "x", "{\"Engine\": \"aurora-postgresql\", \"SnapshotIdentifier\": \"s\"}"))
        .hasMessage("property SnapshotIdentifier of AWS::RDS::DBCluster is not supported");
    assertThatThrownBy(() -> provision("AWS::RDS::DBInstance", "x", "{\"DBClusterIdentifier\": \"none\"}"))
        .hasMessage("property DBClusterIdentifier must name a cluster of this template");
  }

  @Test
  void takesOverAServerThatAKilledRunLeftBehind() throws Exception {
    var work = Path.of("target/it-data-api-leftover");
    var first = Postgres.start(work);
    // As after kill -9: the server runs on, nobody stopped it.
    try (var second = Postgres.start(work)) {
      assertThat(second.port()).isNotEqualTo(first.port());
      assertThatThrownBy(() -> DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + first.port() + "/postgres",
          Postgres.SUPERUSER, "")).hasMessageContaining("refused");
      DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + second.port() + "/postgres", Postgres.SUPERUSER, "").close();
    }
  }

  private static Provisioner.Provisioned provision(String type, String name, String properties) {
    return api.provisioners().get(type).provision(
        new Provisioner.Resource(name.substring(name.indexOf('-') + 1), type, name, (ObjectNode) Json.parse(properties)));
  }

  private static ObjectNode request() {
    return Json.object().put("resourceArn", cluster.attributes().get("DBClusterArn")).put("secretArn", secret).put("database", "cafe");
  }

  private static ObjectNode call(String operation, ObjectNode request) {
    return api.call(operation, request, Caller.ADMINISTRATOR);
  }

  private static ObjectNode execute(String sql, String... parameters) {
    return run(request(), sql, parameters);
  }

  private static ObjectNode within(String transaction, String sql, String... parameters) {
    return run(request().put("transactionId", transaction), sql, parameters);
  }

  private static ObjectNode run(ObjectNode request, String sql, String... parameters) {
    var list = request.put("sql", sql).putArray("parameters");
    for (var parameter : parameters) {
      list.add(Json.parse(parameter));
    }
    return call("ExecuteStatement", request);
  }

  private static ObjectNode batch(String sql, String sets) {
    return call("BatchExecuteStatement", request().put("sql", sql).set("parameterSets", Json.parse(sets)));
  }

  private static String begin() {
    return call("BeginTransaction", request()).get("transactionId").asText();
  }

  private static ObjectNode end(String operation, String transaction) {
    return call(operation, request().put("transactionId", transaction));
  }

  private static int count() {
    return execute("SELECT count(*) FROM item").at("/records/0/0/longValue").asInt();
  }

  private static String text(String name, String value) {
    return Json.object().put("name", name).set("value", Json.object().put("stringValue", value)).toString();
  }

  private static String hinted(String name, String value, String hint) {
    return ((ObjectNode) Json.parse(text(name, value))).put("typeHint", hint).toString();
  }

  private static void assertFails(ThrowingCallable call, int status, String code, String message) {
    assertThatThrownBy(call).isInstanceOfSatisfying(AwsException.class, e -> {
      assertThat(e.code()).isEqualTo(code);
      assertThat(e.status()).isEqualTo(status);
    }).hasMessage(message);
  }
}
