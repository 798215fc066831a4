package com.example.cafe;

import com.example.cafe.platform.Database;
import com.example.cafe.platform.QuickDatabase;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.services.rdsdata.RdsDataClient;
import software.amazon.awssdk.services.rdsdata.model.BeginTransactionRequest;
import software.amazon.awssdk.services.rdsdata.model.BeginTransactionResponse;
import software.amazon.awssdk.services.rdsdata.model.CommitTransactionRequest;
import software.amazon.awssdk.services.rdsdata.model.CommitTransactionResponse;
import software.amazon.awssdk.services.rdsdata.model.DatabaseErrorException;
import software.amazon.awssdk.services.rdsdata.model.DatabaseResumingException;
import software.amazon.awssdk.services.rdsdata.model.DatabaseUnavailableException;
import software.amazon.awssdk.services.rdsdata.model.ExecuteStatementRequest;
import software.amazon.awssdk.services.rdsdata.model.ExecuteStatementResponse;
import software.amazon.awssdk.services.rdsdata.model.Field;
import software.amazon.awssdk.services.rdsdata.model.RollbackTransactionRequest;
import software.amazon.awssdk.services.rdsdata.model.RollbackTransactionResponse;

/** The Data API's client with answers that a test prepares; a statement without one changes a row. */
public final class FakeDataApi implements RdsDataClient {
  private final List<String> log = new ArrayList<>();
  private final List<Map<String, Object>> parameters = new ArrayList<>();
  private final Map<String, Function<Map<String, Object>, List<String>>> answers = new LinkedHashMap<>();
  private final Map<String, RuntimeException> failures = new HashMap<>();
  private int resuming;

  /** A database that hardly waits for a cluster that wakes up. */
  public static Database database(RdsDataClient client) {
    return QuickDatabase.of(client);
  }

  /** Answers statements that contain this with rows of one column, made of the statement's parameters. */
  public void answer(String part, Function<Map<String, Object>, List<String>> rows) {
    answers.put(part, rows);
  }

  public void fail(String part, int status, String message) {
    failures.put(part, status < 500
        ? DatabaseErrorException.builder().statusCode(status).message(message).build()
        : DatabaseUnavailableException.builder().statusCode(status).message(message).build());
  }

  /** So many calls from now on find the database asleep. */
  public void resuming(int calls) {
    resuming = calls;
  }

  /** Statements, and begin, commit and rollback, in their order. */
  public List<String> log() {
    return log;
  }

  /** The parameters of the only statement that contains this. */
  public Map<String, Object> parametersOf(String part) {
    Map<String, Object> found = null;
    for (var i = 0; i < log.size(); i++) {
      if (log.get(i).contains(part)) {
        if (found != null) {
          throw new AssertionError("more than one statement has " + part);
        }
        found = parameters.get(i);
      }
    }
    if (found == null) {
      throw new AssertionError("no statement has " + part + ": " + log);
    }
    return found;
  }

  @Override
  public ExecuteStatementResponse executeStatement(ExecuteStatementRequest request) {
    wake();
    var values = new HashMap<String, Object>();
    request.parameters().forEach(p -> values.put(p.name(), value(p.value())));
    add(request.sql().strip(), values);
    for (var failure : failures.entrySet()) {
      if (request.sql().contains(failure.getKey())) {
        throw failure.getValue();
      }
    }
    for (var answer : answers.entrySet()) {
      if (request.sql().contains(answer.getKey())) {
        var rows = answer.getValue().apply(values).stream().map(row -> List.of(Field.fromStringValue(row))).toList();
        return ExecuteStatementResponse.builder().records(rows).numberOfRecordsUpdated(0L).build();
      }
    }
    return ExecuteStatementResponse.builder().numberOfRecordsUpdated(1L).build();
  }

  @Override
  public BeginTransactionResponse beginTransaction(BeginTransactionRequest request) {
    wake();
    add("begin", Map.of());
    return BeginTransactionResponse.builder().transactionId("t").build();
  }

  @Override
  public CommitTransactionResponse commitTransaction(CommitTransactionRequest request) {
    add("commit", Map.of());
    return CommitTransactionResponse.builder().build();
  }

  @Override
  public RollbackTransactionResponse rollbackTransaction(RollbackTransactionRequest request) {
    add("rollback", Map.of());
    return RollbackTransactionResponse.builder().build();
  }

  private void add(String entry, Map<String, Object> values) {
    log.add(entry);
    parameters.add(values);
  }

  private void wake() {
    if (resuming > 0) {
      resuming--;
      throw DatabaseResumingException.builder().statusCode(400).message("The Aurora DB instance is resuming").build();
    }
  }

  private static @Nullable Object value(Field field) {
    return Boolean.TRUE.equals(field.isNull()) ? null
        : field.longValue() != null ? field.longValue() : field.stringValue();
  }

  @Override
  public String serviceName() {
    return SERVICE_NAME;
  }

  @Override
  public void close() {}
}
