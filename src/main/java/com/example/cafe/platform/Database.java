package com.example.cafe.platform;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.services.rdsdata.RdsDataClient;
import software.amazon.awssdk.services.rdsdata.model.DatabaseResumingException;
import software.amazon.awssdk.services.rdsdata.model.ExecuteStatementResponse;

/**
 * Aurora PostgreSQL through the RDS Data API.
 *
 * <p>A statement is a call and commits by itself; what belongs together is written as one statement, which takes one
 * round trip where a transaction takes at least three. A query gives one column of JSON, so that a row has one form all the
 * way and nothing depends on how the Data API shows a type.
 *
 * <p>While the cluster wakes up, calls wait as long as the deadline allows, then throw {@link DatabaseAsleep}.
 */
public final class Database {
  private static final Duration PAUSE = Duration.ofSeconds(1);
  private final RdsDataClient client;
  private final String cluster;
  private final String secret;
  private final String name;
  private final Duration pause;

  public Database(RdsDataClient client, String cluster, String secret, String name) {
    this(client, cluster, secret, name, PAUSE);
  }

  Database(RdsDataClient client, String cluster, String secret, String name, Duration pause) {
    this.client = client;
    this.cluster = cluster;
    this.secret = secret;
    this.name = name;
    this.pause = pause;
  }

  /** As template.yaml names it. */
  public static Database fromEnvironment() {
    // The Data API ends a statement after 45 seconds.
    return new Database(Clients.build(RdsDataClient.builder(), Duration.ofSeconds(50)),
        Env.get("DATABASE_CLUSTER"), Env.get("DATABASE_SECRET"), Env.get("DATABASE_NAME"));
  }

  /** Runs a query whose only column is JSON, and gives its rows. */
  public List<JsonNode> query(Sql sql, Deadline deadline) {
    return execute(sql, null, deadline).records().stream()
        .map(row -> Json.parse(row.getFirst().stringValue()))
        .toList();
  }

  /** Runs a query that always has one row. */
  public JsonNode one(Sql sql, Deadline deadline) {
    var rows = query(sql, deadline);
    if (rows.size() != 1) {
      throw new IllegalStateException("one row expected, but there are " + rows.size());
    }
    return rows.getFirst();
  }

  /** Runs a statement and gives the number of rows that it changed. */
  public long update(Sql sql, Deadline deadline) {
    return execute(sql, null, deadline).numberOfRecordsUpdated();
  }

  /** Runs work in one transaction: committed when it returns, rolled back when it throws. */
  public void transaction(Deadline deadline, Work work) {
    var id = awake(deadline, () -> client.beginTransaction(r -> r
        .resourceArn(cluster).secretArn(secret).database(name))).transactionId();
    try {
      work.run(sql -> execute(sql, id, deadline));
    } catch (RuntimeException e) {
      try {
        client.rollbackTransaction(r -> r.resourceArn(cluster).secretArn(secret).transactionId(id));
      } catch (RuntimeException rollback) {
        e.addSuppressed(rollback);
      }
      throw e;
    }
    client.commitTransaction(r -> r.resourceArn(cluster).secretArn(secret).transactionId(id));
  }

  /** Loads what a first statement needs, before a snapshot is taken. Waits for nobody: a failure is as good as an answer. */
  public void prime() {
    try {
      one(Sql.of("SELECT CAST('{}' AS text)"), Deadline.now());
    } catch (RuntimeException e) {
      // The classes are loaded, that was all.
    }
  }

  private ExecuteStatementResponse execute(Sql sql, @Nullable String transaction, Deadline deadline) {
    return awake(deadline, () -> client.executeStatement(r -> r
        .resourceArn(cluster).secretArn(secret).database(name).transactionId(transaction)
        .sql(sql.text()).parameters(sql.parameters())));
  }

  /** The SDK does not retry this one: to it, a 400 is the caller's fault. */
  private <T> T awake(Deadline deadline, Supplier<T> call) {
    while (true) {
      try {
        return call.get();
      } catch (DatabaseResumingException e) {
        if (!deadline.allows(pause)) {
          throw new DatabaseAsleep(e);
        }
        try {
          Thread.sleep(pause);
        } catch (InterruptedException interrupted) {
          Thread.currentThread().interrupt();
          throw new DatabaseAsleep(e);
        }
      }
    }
  }

  /** What runs in a transaction. */
  @FunctionalInterface
  public interface Work {
    void run(Transaction transaction);
  }

  /** Runs statements in a transaction. */
  @FunctionalInterface
  public interface Transaction {
    ExecuteStatementResponse execute(Sql sql);
  }
}
