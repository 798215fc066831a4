package com.example.cafe.platform.migration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.example.cafe.Events;
import com.example.cafe.FakeDataApi;
import com.example.cafe.TestContext;
import com.example.cafe.platform.Json;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MigrateDatabaseTest {
  private final FakeDataApi dataApi = new FakeDataApi();
  private final List<String> answers = new ArrayList<>();
  private final CloudFormation cloudFormation = new CloudFormation() {
    @Override
    void answer(String responseUrl, String body) {
      answers.add(body);
    }
  };
  private final List<Migration> migrations = List.of(
      Migration.of("V001__one.sql", "CREATE TABLE one (id int); CREATE TABLE other (id int);"),
      Migration.of("V002__two.sql", "CREATE TABLE two (id int)"));

  @Test
  void aNewDatabaseGetsEveryMigrationInATransactionOfItsOwn() {
    history(0, Map.of());

    var result = invoke("Create", 300_000);

    assertThat(result).containsEntry("Status", "SUCCESS");
    assertThat(dataApi.log()).containsSubsequence("begin", "CREATE TABLE one (id int)", "CREATE TABLE other (id int)", "commit",
        "begin", "CREATE TABLE two (id int)", "commit");
    assertThat(dataApi.log()).filteredOn(s -> s.startsWith("INSERT INTO schema_history")).hasSize(2);
    assertThat(answer()).contains(Map.entry("Status", "SUCCESS"), Map.entry("PhysicalResourceId", "schema"),
        Map.entry("LogicalResourceId", "Schema"));
  }

  @Test
  void whatIsAppliedIsNotAppliedAgain() {
    history(2, Map.of(1L, migrations.get(0).checksum(), 2L, migrations.get(1).checksum()));

    assertThat(invoke("Update", 300_000)).containsEntry("Status", "SUCCESS");
    assertThat(dataApi.log()).noneMatch(s -> s.startsWith("CREATE TABLE one") || s.startsWith("INSERT"));
  }

  @Test
  void aMigrationThatWasEditedAfterwardsFailsByName() {
    history(1, Map.of(1L, "0000"));

    assertThat(invoke("Update", 300_000)).containsEntry("Status", "FAILED").hasEntrySatisfying("Reason",
        reason -> assertThat(reason.toString()).contains("V001__one.sql was changed after it was applied"));
    assertThat(dataApi.log()).endsWith("rollback").noneMatch(s -> s.startsWith("CREATE TABLE two"));
  }

  @Test
  void anOlderPackageLeavesANewerSchemaAlone() {
    history(3, Map.of());

    assertThat(invoke("Update", 300_000)).containsEntry("Status", "SUCCESS");
    assertThat(dataApi.log()).noneMatch(s -> s.startsWith("CREATE TABLE one") || s.startsWith("INSERT"));
  }

  @Test
  void aStatementThatFailsIsNamedAndItsMigrationRolledBack() {
    history(0, Map.of());
    dataApi.fail("CREATE TABLE other", 400, "relation \"other\" already exists");

    assertThat(invoke("Create", 300_000)).hasEntrySatisfying("Reason",
        reason -> assertThat(reason.toString()).contains("V001__one.sql, statement 2").contains("already exists"));
    assertThat(dataApi.log()).endsWith("rollback");
    assertThat(answer()).containsEntry("Status", "FAILED");
  }

  @Test
  void aDatabaseThatSleepsIsWokenAndWaitedFor() {
    history(0, Map.of());
    dataApi.resuming(3);

    assertThat(invoke("Create", 300_000)).containsEntry("Status", "SUCCESS");
  }

  @Test
  void aDatabaseThatDoesNotWakeUpInTimeIsAnAnswerToo() {
    dataApi.resuming(Integer.MAX_VALUE);

    assertThat(invoke("Create", 1_000)).containsEntry("Status", "FAILED")
        .containsEntry("Reason", "the database is waking up");
    assertThat(answer()).containsEntry("Status", "FAILED");
  }

  @Test
  void aMigrationIsNotBegunWithoutTimeToAnswerAfterwards() {
    history(0, Map.of());

    assertThat(invoke("Create", 30_000)).containsEntry("Status", "FAILED").hasEntrySatisfying("Reason",
        reason -> assertThat(reason.toString()).contains("no time left for V001__one.sql"));
  }

  @Test
  void deletingTheResourceTouchesNothing() {
    assertThat(invoke("Delete", 300_000)).containsEntry("Status", "SUCCESS");
    assertThat(dataApi.log()).isEmpty();
  }

  @Test
  void anUnknownRequestIsAnsweredAsAFailure() {
    assertThat(invoke("Paint", 300_000)).containsEntry("Status", "FAILED");
    assertThat(answers).hasSize(1);
  }

  @Test
  void anAnswerThatDoesNotArriveFailsTheInvocationSoThatItRunsAgain() {
    var handler = new MigrateDatabase(FakeDataApi.database(dataApi), migrations, new CloudFormation());
    var event = new HashMap<>(event("Delete"));
    event.put("ResponseURL", "http://127.0.0.1:1/gone");

    assertThatThrownBy(() -> handler.handleRequest(event, new TestContext())).isInstanceOf(UncheckedIOException.class);
  }

  @ParameterizedTest
  @ValueSource(strings = {"V1__short.sql", "V001_one.sql", "U001__undo.sql", "V001__One.sql", "readme.md"})
  void aFileThatIsNamedOtherwiseIsRefused(String name) {
    assertThatThrownBy(() -> Migration.of(name, "SELECT 1")).hasMessageContaining(name);
  }

  @Test
  void aGapBetweenVersionsIsRefused(@TempDir Path folder) throws Exception {
    Files.writeString(folder.resolve("V001__a.sql"), "SELECT 1");
    Files.writeString(folder.resolve("V003__c.sql"), "SELECT 1");

    assertThatThrownBy(() -> Migration.read(folder)).hasMessageContaining("V003__c.sql does not follow");
  }

  @Test
  void lineEndsDoNotChangeAChecksum() {
    assertThat(Migration.of("V001__a.sql", "SELECT 1;\r\nSELECT 2;"))
        .isEqualTo(Migration.of("V001__a.sql", "SELECT 1;\nSELECT 2;"));
  }

  private void history(int version, Map<Long, String> checksums) {
    dataApi.answer("SELECT CAST(coalesce(max(version)", sql -> List.of(Integer.toString(version)));
    dataApi.answer("SELECT checksum FROM schema_history", request ->
        checksums.containsKey(request.get("version")) ? List.of(checksums.get(request.get("version"))) : List.of());
  }

  private Map<String, Object> invoke(String type, int remainingMillis) {
    return new MigrateDatabase(FakeDataApi.database(dataApi), migrations, cloudFormation)
        .handleRequest(event(type), new TestContext(remainingMillis));
  }

  private static Map<String, Object> event(String type) {
    var event = new HashMap<>(Events.map("MigrateDatabase"));
    event.put("RequestType", type);
    return event;
  }

  private Map<String, String> answer() {
    assertThat(answers).hasSize(1);
    var answer = new HashMap<String, String>();
    Json.parse(answers.getFirst()).properties().forEach(e -> answer.put(e.getKey(), e.getValue().asText()));
    return answer;
  }
}
