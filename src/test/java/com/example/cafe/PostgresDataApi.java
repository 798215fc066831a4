package com.example.cafe;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import software.amazon.awssdk.services.rdsdata.RdsDataClient;
import software.amazon.awssdk.services.rdsdata.model.BeginTransactionRequest;
import software.amazon.awssdk.services.rdsdata.model.BeginTransactionResponse;
import software.amazon.awssdk.services.rdsdata.model.CommitTransactionRequest;
import software.amazon.awssdk.services.rdsdata.model.CommitTransactionResponse;
import software.amazon.awssdk.services.rdsdata.model.DatabaseErrorException;
import software.amazon.awssdk.services.rdsdata.model.ExecuteStatementRequest;
import software.amazon.awssdk.services.rdsdata.model.ExecuteStatementResponse;
import software.amazon.awssdk.services.rdsdata.model.Field;
import software.amazon.awssdk.services.rdsdata.model.RollbackTransactionRequest;
import software.amazon.awssdk.services.rdsdata.model.RollbackTransactionResponse;
import software.amazon.awssdk.services.rdsdata.model.SqlParameter;

/** The Data API's client on a real PostgreSQL, so that what a repository says in SQL is tested by who has to understand it. */
public final class PostgresDataApi implements RdsDataClient, AutoCloseable {
  private static final Pattern NAMED = Pattern.compile("'[^']*'|:([A-Za-z][A-Za-z0-9]*)");
  private final EmbeddedPostgres postgres;
  private final Map<String, Connection> transactions = new ConcurrentHashMap<>();

  private PostgresDataApi(EmbeddedPostgres postgres) {
    this.postgres = postgres;
  }

  public static PostgresDataApi start() {
    try {
      return new PostgresDataApi(EmbeddedPostgres.builder()
          .setOverrideWorkingDirectory(Path.of("target", "test-postgres").toAbsolutePath().toFile())
          .setServerConfig("fsync", "off")
          .start());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A value straight from the database. */
  public String value(String sql) {
    return each(sql, row -> {
      try {
        return row.getString(1);
      } catch (SQLException e) {
        throw new IllegalStateException(e);
      }
    }).getFirst();
  }

  public void run(String sql) {
    try (var connection = connect(); var statement = connection.createStatement()) {
      statement.execute(sql);
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public ExecuteStatementResponse executeStatement(ExecuteStatementRequest request) {
    try {
      if (request.transactionId() != null) {
        return execute(transactions.get(request.transactionId()), request);
      }
      try (var connection = connect()) {
        return execute(connection, request);
      }
    } catch (SQLException e) {
      throw DatabaseErrorException.builder().statusCode(400).message(e.getMessage()).build();
    }
  }

  @Override
  public BeginTransactionResponse beginTransaction(BeginTransactionRequest request) {
    try {
      var connection = connect();
      connection.setAutoCommit(false);
      var id = UUID.randomUUID().toString();
      transactions.put(id, connection);
      return BeginTransactionResponse.builder().transactionId(id).build();
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public CommitTransactionResponse commitTransaction(CommitTransactionRequest request) {
    try (var connection = transactions.remove(request.transactionId())) {
      connection.commit();
      return CommitTransactionResponse.builder().build();
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public RollbackTransactionResponse rollbackTransaction(RollbackTransactionRequest request) {
    try (var connection = transactions.remove(request.transactionId())) {
      connection.rollback();
      return RollbackTransactionResponse.builder().build();
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  private static ExecuteStatementResponse execute(Connection connection, ExecuteStatementRequest request) throws SQLException {
    var names = new ArrayList<String>();
    var sql = NAMED.matcher(request.sql()).replaceAll(match -> {
      if (match.group(1) == null) {
        return java.util.regex.Matcher.quoteReplacement(match.group());
      }
      names.add(match.group(1));
      return "?";
    });
    var values = request.parameters().stream().collect(Collectors.toMap(SqlParameter::name, SqlParameter::value));
    try (var statement = connection.prepareStatement(sql)) {
      for (var i = 0; i < names.size(); i++) {
        bind(statement, i + 1, values.get(names.get(i)));
      }
      if (!statement.execute()) {
        return ExecuteStatementResponse.builder().numberOfRecordsUpdated((long) statement.getUpdateCount()).build();
      }
      var rows = new ArrayList<List<Field>>();
      try (var result = statement.getResultSet()) {
        while (result.next()) {
          rows.add(List.of(Field.fromStringValue(result.getString(1))));
        }
      }
      return ExecuteStatementResponse.builder().records(rows).numberOfRecordsUpdated(0L).build();
    }
  }

  private static void bind(PreparedStatement statement, int index, Field value) throws SQLException {
    if (Boolean.TRUE.equals(value.isNull())) {
      statement.setNull(index, java.sql.Types.VARCHAR);
    } else if (value.longValue() != null) {
      statement.setLong(index, value.longValue());
    } else {
      statement.setString(index, value.stringValue());
    }
  }

  private <T> List<T> each(String sql, Function<ResultSet, T> read) {
    try (var connection = connect(); var statement = connection.createStatement(); var result = statement.executeQuery(sql)) {
      var values = new ArrayList<T>();
      while (result.next()) {
        values.add(read.apply(result));
      }
      return values;
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  private Connection connect() throws SQLException {
    return postgres.getPostgresDatabase().getConnection();
  }

  @Override
  public String serviceName() {
    return SERVICE_NAME;
  }

  @Override
  public void close() {
    try {
      postgres.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
