package com.example.cafe.platform.migration;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Json;
import com.example.cafe.platform.Logs;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The custom resource Schema: CloudFormation calls it on every deployment that brings new migrations.
 *
 * <p>CloudFormation waits for an answer until ServiceTimeout, so there always is one: success, or failure with its reason.
 * Every request may come twice. Deleting the resource keeps the data.
 */
public final class MigrateDatabase implements RequestHandler<Map<String, Object>, Map<String, Object>> {
  private static final Logger LOG = LoggerFactory.getLogger(MigrateDatabase.class);
  /** Never another one: CloudFormation would take a changed id for a replacement, and delete the old. */
  private static final String PHYSICAL_ID = "schema";
  private final Migrator migrator;
  private final List<Migration> migrations;
  private final CloudFormation cloudFormation;

  public MigrateDatabase() {
    this(Database.fromEnvironment(), Migration.all(), new CloudFormation());
  }

  MigrateDatabase(Database database, List<Migration> migrations, CloudFormation cloudFormation) {
    this.migrator = new Migrator(database);
    this.migrations = migrations;
    this.cloudFormation = cloudFormation;
  }

  /** @return what CloudFormation was told: {"Status": "SUCCESS" or "FAILED", "Reason": …} */
  @Override
  public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
    return Logs.invocation(context, () -> {
      var answer = Json.object()
          .put("PhysicalResourceId", text(event, "PhysicalResourceId", PHYSICAL_ID))
          .put("StackId", text(event, "StackId", ""))
          .put("RequestId", text(event, "RequestId", ""))
          .put("LogicalResourceId", text(event, "LogicalResourceId", ""));
      String status;
      String reason;
      try {
        var type = text(event, "RequestType", "");
        reason = switch (type) {
          case "Create", "Update" -> {
            var version = migrator.migrate(migrations, Deadline.of(context));
            answer.putObject("Data").put("Version", version);
            yield "The schema is at version " + version;
          }
          case "Delete" -> "The data stays with its database";
          default -> throw new IllegalArgumentException("unknown RequestType: " + type);
        };
        status = "SUCCESS";
        LOG.info(reason);
      } catch (RuntimeException e) {
        LOG.error("The schema was not migrated", e);
        status = "FAILED";
        // CloudFormation takes 4 KB in all.
        var message = String.valueOf(e.getMessage());
        reason = message.substring(0, Math.min(message.length(), 1000));
      }
      cloudFormation.answer(text(event, "ResponseURL", ""), answer.put("Status", status).put("Reason", reason).toString());
      return Map.of("Status", status, "Reason", reason);
    });
  }

  private static String text(Map<String, Object> event, String member, String otherwise) {
    return event.get(member) instanceof String text && !text.isEmpty() ? text : otherwise;
  }
}
