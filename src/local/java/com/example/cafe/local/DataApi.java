package com.example.cafe.local;

import static com.example.cafe.local.AwsException.badRequest;

import com.example.cafe.local.Provisioner.Provisioned;
import com.example.cafe.local.Provisioner.Resource;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.pool.HikariPool;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Types;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.postgresql.core.BaseConnection;
import org.postgresql.core.TransactionState;
import org.postgresql.util.PGobject;
import org.postgresql.util.PSQLException;

/**
 * The RDS Data API, as it is for Aurora PostgreSQL Serverless v2, on a real PostgreSQL: one server for every cluster,
 * a database a cluster. The server starts in the background; the first use waits for it. Data lives as long as the
 * local cloud runs.
 */
final class DataApi implements Service {

  /**
   * The service's time limits.
   *
   * @param statement for one statement
   * @param idle for a transaction without a statement
   * @param transaction for a transaction as a whole
   */
  record Limits(Duration statement, Duration idle, Duration transaction) {
    static final Limits REAL = new Limits(Duration.ofSeconds(45), Duration.ofMinutes(3), Duration.ofHours(24));
  }

  private static final int POOL_SIZE = 60;
  private static final int MAX_SQL = 65_536;
  private static final Pattern IDENTIFIER = Pattern.compile("[A-Za-z_][A-Za-z0-9_]{0,62}");
  private static final Pattern CLUSTER_ARN =
      Pattern.compile("arn:aws[a-z-]*:rds:[a-z0-9-]+:\\d{12}:cluster:[A-Za-z0-9-]{1,63}");
  private static final Pattern DATE = Pattern.compile("\\d{4}-\\d{2}-\\d{2}");
  private static final Pattern TIME = Pattern.compile("\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,6})?");
  private static final Pattern TIMESTAMP = Pattern.compile(DATE + " " + TIME);
  private static final Pattern DECIMAL = Pattern.compile("[+-]?(\\d+(\\.\\d*)?|\\.\\d+)([eE][+-]?\\d+)?");

  private final SecretsManager secrets;
  private final EventLog log;
  private final Limits limits;
  private final InstantSource clock;
  private final SecureRandom random = new SecureRandom();
  private final CompletableFuture<Postgres> server;
  private final Map<String, Cluster> clusters = new ConcurrentHashMap<>();
  private final Map<Login, HikariDataSource> pools = new ConcurrentHashMap<>();
  private final Map<String, Transaction> transactions = new ConcurrentHashMap<>();
  private final Thread reaper;
  private volatile boolean closed;

  /** @param writers the cluster's instances; without one there is nothing to run a statement */
  private record Cluster(String id, String arn, String database, boolean httpEndpoint, Set<String> writers) {}

  private record Login(String database, String user, String password) {}

  private static final class Transaction {
    final Cluster cluster;
    final String database;
    final Connection connection;
    final Instant begun;
    final AtomicBoolean busy = new AtomicBoolean();
    volatile Instant used;

    Transaction(Cluster cluster, String database, Connection connection, Instant now) {
      this.cluster = cluster;
      this.database = database;
      this.connection = connection;
      this.begun = now;
      this.used = now;
    }
  }

  @FunctionalInterface
  private interface Work {
    ObjectNode run(Connection connection) throws SQLException;
  }

  /** @param work the folder for the server's binaries and data; the only one that is written to */
  DataApi(Path work, SecretsManager secrets, EventLog log) {
    this(work, secrets, log, Limits.REAL, InstantSource.system());
  }

  DataApi(Path work, SecretsManager secrets, EventLog log, Limits limits, InstantSource clock) {
    this.secrets = secrets;
    this.log = log;
    this.limits = limits;
    this.clock = clock;
    this.server = new CompletableFuture<>();
    Thread.ofPlatform().daemon().name("postgres-start").start(() -> startServer(work.resolve("postgres")));
    this.reaper = Thread.ofVirtual().name("data-api-transactions").start(this::reap);
  }

  private void startServer(Path folder) {
    try {
      var postgres = Postgres.start(folder);
      try {
        forget(postgres);
      } catch (SQLException | RuntimeException e) {
        postgres.close();
        throw new IllegalStateException("PostgreSQL's data of an earlier run can't be dropped: " + e.getMessage(), e);
      }
      server.complete(postgres);
    } catch (RuntimeException | Error e) {
      server.completeExceptionally(e);
    }
  }

  @Override
  public String name() {
    return "rds-data";
  }

  @Override
  public List<Route> routes() {
    return List.of(new Route("POST", "/Execute", "ExecuteStatement"),
        new Route("POST", "/BatchExecute", "BatchExecuteStatement"),
        new Route("POST", "/BeginTransaction", "BeginTransaction"),
        new Route("POST", "/CommitTransaction", "CommitTransaction"),
        new Route("POST", "/RollbackTransaction", "RollbackTransaction"),
        new Route("POST", "/ExecuteSql", "ExecuteSql"));
  }

  @Override
  public ObjectNode call(String operation, ObjectNode input, Caller caller) {
    return switch (operation) {
      case "ExecuteStatement" -> execute(input, caller);
      case "BatchExecuteStatement" -> executeBatch(input, caller);
      case "BeginTransaction" -> begin(input, caller);
      case "CommitTransaction" -> end(input, caller, true);
      case "RollbackTransaction" -> end(input, caller, false);
      case "ExecuteSql" -> throw badRequest("BadRequestException",
          "This API is deprecated and not available. Use ExecuteStatement API instead");
      default -> throw AwsException.unknownOperation(name(), operation);
    };
  }

  @Override
  public Map<String, Provisioner> provisioners() {
    return Map.of("AWS::RDS::DBCluster", this::provisionCluster,
        "AWS::RDS::DBInstance", this::provisionInstance,
        "AWS::RDS::DBSubnetGroup", this::provisionSubnetGroup,
        "AWS::RDS::DBClusterParameterGroup", this::provisionParameterGroup,
        "AWS::RDS::DBParameterGroup", this::provisionParameterGroup);
  }

  @Override
  public void close() {
    closed = true;
    reaper.interrupt();
    try {
      server.join().close();
    } catch (CompletionException e) {
      // It never started: nothing to stop.
    }
    pools.values().forEach(HikariDataSource::close);
  }

  // ---- statements ----

  private ObjectNode execute(ObjectNode input, Caller caller) {
    var sql = sql(input);
    var options = ResultOptions.of(input);
    var parameters = parameters(input.path("parameters"));
    boolean endure = input.path("continueAfterTimeout").asBoolean();
    var text = oneStatement(sql, parameters.keySet());
    return inSession(input, caller, endure, connection -> {
      try (var statement = connection.prepareStatement(text.jdbc())) {
        bind(statement, text, parameters);
        return Results.run(statement, options);
      }
    });
  }

  private ObjectNode executeBatch(ObjectNode input, Caller caller) {
    var sql = sql(input);
    var sets = new ArrayList<Map<String, JsonNode>>();
    input.path("parameterSets").forEach(set -> sets.add(parameters(set)));
    var text = oneStatement(sql, sets.isEmpty() ? Set.of() : sets.getFirst().keySet());
    return inSession(input, caller, false, connection -> {
      boolean own = connection.getAutoCommit();
      if (own) {
        // All sets or none, in one transaction.
        connection.setAutoCommit(false);
      }
      var answer = Json.object();
      var results = answer.putArray("updateResults");
      try (var statement = connection.prepareStatement(text.jdbc())) {
        for (var set : sets) {
          bind(statement, text, set);
          if (statement.execute()) {
            throw badRequest("DatabaseErrorException",
                "A result was returned when none was expected.; SQLState: 0100E");
          }
          results.addObject().putArray("generatedFields");
        }
      }
      if (own) {
        connection.commit();
      }
      return answer;
    });
  }

  private static SqlText oneStatement(String sql, Set<String> supplied) {
    var text = SqlText.parse(sql, supplied);
    if (text.statements() > 1) {
      throw badRequest("ValidationException", "Multistatements aren't supported.");
    }
    return text;
  }

  /** Runs work on the transaction's connection, or on one from the pool, each statement then a transaction by itself. */
  private ObjectNode inSession(ObjectNode input, Caller caller, boolean endure, Work work) {
    var cluster = cluster(input);
    var id = Json.text(input, "transactionId");
    if (id == null) {
      var connection = connect(cluster, input, caller);
      return timed(connection, endure, work, () -> giveBack(connection));
    }
    credentials(input, caller);
    var transaction = transaction(id, cluster);
    var database = Json.text(input, "database");
    if (database != null && !database.equals(transaction.database)) {
      throw badRequest("ValidationException", "Database name is not the same as transaction");
    }
    occupy(id, transaction);
    return timed(transaction.connection, endure, work, () -> {
      transaction.used = clock.instant();
      transaction.busy.set(false);
    });
  }

  /**
   * Runs work within the statement's time limit. Work that endures goes on after the limit, without its caller.
   *
   * @param after what is done in any case once the work has ended
   */
  private ObjectNode timed(Connection connection, boolean endure, Work work, Runnable after) {
    if (!endure) {
      try {
        return work.run(connection);
      } catch (SQLException e) {
        throw databaseError(e);
      } finally {
        after.run();
      }
    }
    var done = new CompletableFuture<ObjectNode>();
    Thread.ofVirtual().start(() -> {
      try {
        try (var statement = connection.createStatement()) {
          statement.execute("SET statement_timeout = 0");
        }
        done.complete(work.run(connection));
      } catch (SQLException e) {
        done.completeExceptionally(databaseError(e));
      } catch (RuntimeException e) {
        done.completeExceptionally(e);
      } finally {
        restoreTimeout(connection);
        after.run();
      }
    });
    try {
      return done.get(limits.statement.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw badRequest("StatementTimeoutException", "Request timed out");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AwsException(503, "ServiceUnavailableError", "The service is stopping.");
    } catch (ExecutionException e) {
      if (e.getCause() instanceof AwsException aws) {
        throw aws;
      }
      throw new IllegalStateException(e.getCause());
    }
  }

  private static void restoreTimeout(Connection connection) {
    try (var statement = connection.createStatement()) {
      statement.execute("RESET statement_timeout");
    } catch (SQLException e) {
      // In an aborted transaction nothing runs; its rollback restores the setting.
    }
  }

  // ---- parameters ----

  private static Map<String, JsonNode> parameters(JsonNode list) {
    var parameters = new LinkedHashMap<String, JsonNode>();
    for (var parameter : list) {
      var name = parameter.path("name").asText("");
      if (name.isEmpty()) {
        throw badRequest("ValidationException", "A parameter has no name.");
      }
      if (parameters.put(name, parameter) != null) {
        throw badRequest("ValidationException", "Duplicate parameter: " + name);
      }
      check(name, parameter);
    }
    return parameters;
  }

  private static void check(String name, JsonNode parameter) {
    var value = parameter.path("value");
    if (value.size() != 1) {
      throw badRequest("ValidationException", "Parameter " + name + " must have exactly one value.");
    }
    var kind = value.fieldNames().next();
    var content = value.get(kind);
    boolean right = switch (kind) {
      case "isNull", "booleanValue" -> content.isBoolean();
      case "longValue" -> content.isIntegralNumber() && content.canConvertToLong();
      case "doubleValue" -> content.isNumber() || Set.of("NaN", "Infinity", "-Infinity").contains(content.asText());
      case "stringValue", "blobValue" -> content.isTextual();
      case "arrayValue" -> throw badRequest("ValidationException", "Array parameters are not supported.");
      default -> throw badRequest("ValidationException", "Parameter " + name + " has an unknown kind of value: " + kind);
    };
    if (!right) {
      throw badRequest("SerializationException", "Parameter " + name + " has no valid " + kind + ".");
    }
    if (kind.equals("isNull") && !content.asBoolean()) {
      throw badRequest("ValidationException", "Parameter " + name + " must have exactly one value.");
    }
    var hint = Json.text(parameter, "typeHint");
    if (hint == null) {
      return;
    }
    var format = switch (hint) {
      case "DATE" -> DATE;
      case "TIME" -> TIME;
      case "TIMESTAMP" -> TIMESTAMP;
      case "DECIMAL" -> DECIMAL;
      // PostgreSQL itself judges these.
      case "UUID", "JSON" -> null;
      default -> throw badRequest("ValidationException", "1 validation error detected: Value '" + hint
          + "' at 'parameters.1.member.typeHint' failed to satisfy constraint: Member must satisfy enum value set: "
          + "[JSON, UUID, TIMESTAMP, DATE, TIME, DECIMAL]");
    };
    boolean valid = kind.equals("isNull")
        || (kind.equals("stringValue") && (format == null || format.matcher(content.asText()).matches()));
    if (!valid) {
      throw badRequest("ValidationException", "Parameter " + name + " has no valid value for the type hint " + hint + ".");
    }
  }

  private static void bind(PreparedStatement statement, SqlText text, Map<String, JsonNode> parameters) throws SQLException {
    var unused = new HashMap<>(parameters);
    int index = 0;
    for (var name : text.parameters()) {
      var parameter = parameters.get(name);
      if (parameter == null) {
        throw badRequest("ValidationException", "Missing value for parameter: " + name);
      }
      unused.remove(name);
      bind(statement, ++index, parameter);
    }
    if (!unused.isEmpty()) {
      throw badRequest("ValidationException", 
          "Cannot find parameter: " + unused.keySet().stream().sorted().findFirst().orElseThrow());
    }
  }

  /** Binds with the type that the service sends: every integer is a bigint, every text without a hint is text. */
  private static void bind(PreparedStatement statement, int index, JsonNode parameter) throws SQLException {
    var field = parameter.path("value");
    var kind = field.fieldNames().next();
    var value = field.get(kind);
    var hint = Json.text(parameter, "typeHint");
    switch (kind) {
      case "longValue" -> statement.setLong(index, value.longValue());
      case "doubleValue" -> statement.setDouble(index,
          value.isNumber() ? value.doubleValue() : Double.parseDouble(value.asText()));
      case "booleanValue" -> statement.setBoolean(index, value.booleanValue());
      case "blobValue" -> statement.setBytes(index, blob(value.asText()));
      case "isNull" -> {
        if (hint == null) {
          statement.setNull(index, Types.NULL);
        } else {
          statement.setObject(index, typed(hint, null));
        }
      }
      default -> statement.setObject(index, typed(hint, value.asText()));
    }
  }

  private static PGobject typed(@Nullable String hint, @Nullable String value) throws SQLException {
    var object = new PGobject();
    object.setType(switch (hint) {
      case null -> "text";
      case "DECIMAL" -> "numeric";
      default -> hint.toLowerCase(Locale.ROOT);
    });
    object.setValue(value);
    return object;
  }

  private static byte[] blob(String base64) {
    try {
      return Base64.getDecoder().decode(base64);
    } catch (IllegalArgumentException e) {
      throw badRequest("SerializationException", "A blobValue is not base64.");
    }
  }

  // ---- transactions ----

  private ObjectNode begin(ObjectNode input, Caller caller) {
    var cluster = cluster(input);
    var connection = connect(cluster, input, caller);
    try {
      connection.setAutoCommit(false);
    } catch (SQLException e) {
      giveBack(connection);
      throw databaseError(e);
    }
    var bytes = new byte[48];
    random.nextBytes(bytes);
    var id = Base64.getEncoder().encodeToString(bytes);
    transactions.put(id, new Transaction(cluster, database(cluster, input), connection, clock.instant()));
    return Json.object().put("transactionId", id);
  }

  private ObjectNode end(ObjectNode input, Caller caller, boolean commit) {
    var id = required(input, "transactionId");
    var cluster = cluster(input);
    credentials(input, caller);
    var transaction = transaction(id, cluster);
    occupy(id, transaction);
    transactions.remove(id, transaction);
    try {
      if (commit) {
        if (transaction.connection.unwrap(BaseConnection.class).getTransactionState() == TransactionState.FAILED) {
          // PostgreSQL would answer a COMMIT with a rollback, and no error.
          throw badRequest("DatabaseErrorException", "ERROR: current transaction is aborted, commands ignored until end of "
              + "transaction block; SQLState: 25P02");
        }
        transaction.connection.commit();
      } else {
        transaction.connection.rollback();
      }
      return Json.object().put("transactionStatus", commit ? "Transaction Committed" : "Rollback Complete");
    } catch (SQLException e) {
      throw databaseError(e);
    } finally {
      giveBack(transaction.connection);
    }
  }

  private Transaction transaction(String id, Cluster cluster) {
    expire();
    var transaction = transactions.get(id);
    if (transaction == null || transaction.cluster != cluster) {
      throw notFound(id);
    }
    return transaction;
  }

  /** Takes a transaction for one statement, or for its end. */
  private void occupy(String id, Transaction transaction) {
    if (!transaction.busy.compareAndSet(false, true)) {
      // Who ends a transaction never frees it: what is gone from the map by now was committed or timed out just so.
      throw transactions.containsKey(id)
          ? badRequest("DatabaseErrorException", "Transaction is still running a query") : notFound(id);
    }
  }

  private static AwsException notFound(String id) {
    return new AwsException(404, "TransactionNotFoundException", "Transaction " + id + " is not found");
  }

  private void reap() {
    while (!closed) {
      try {
        Thread.sleep(Duration.ofSeconds(1));
        expire();
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  /** Rolls back what was idle, or open, for too long. */
  private void expire() {
    var now = clock.instant();
    transactions.forEach((id, transaction) -> {
      boolean due = now.isAfter(transaction.used.plus(limits.idle))
          || now.isAfter(transaction.begun.plus(limits.transaction));
      if (due && transaction.busy.compareAndSet(false, true) && transactions.remove(id, transaction)) {
        log.event("sql", "a transaction on " + transaction.cluster.id + " timed out and is rolled back");
        giveBack(transaction.connection);
      }
    });
  }

  // ---- clusters, secrets, connections ----

  /** The cluster that a request names, ready to be used. Every operation comes through here first. */
  private Cluster cluster(ObjectNode input) {
    var arn = required(input, "resourceArn");
    required(input, "secretArn");
    if (input.hasNonNull("schema")) {
      throw badRequest("ValidationException", "The schema parameter isn't supported");
    }
    if (!CLUSTER_ARN.matcher(arn).matches()) {
      throw badRequest("ValidationException", "Invalid resource ARN: " + arn);
    }
    var cluster = clusters.get(arn);
    if (cluster == null || !cluster.httpEndpoint) {
      // The service doesn't tell which: a cluster it has no endpoint for is none.
      throw badRequest("HttpEndpointNotEnabledException", "HttpEndpoint is not enabled for resource " + arn);
    }
    if (cluster.writers.isEmpty()) {
      throw new AwsException(404, "DatabaseNotFoundException",
          "The DB cluster " + cluster.id + " doesn't have a DB instance.");
    }
    return cluster;
  }

  private static String database(Cluster cluster, ObjectNode input) {
    var database = Json.text(input, "database");
    return database == null || database.isEmpty() ? cluster.database : database;
  }

  /** User name and password, from the request's secret. */
  private Map.Entry<String, String> credentials(ObjectNode input, Caller caller) {
    var arn = required(input, "secretArn");
    String value;
    try {
      value = Json.text(secrets.call("GetSecretValue", Json.object().put("SecretId", arn), caller), "SecretString");
    } catch (AwsException e) {
      throw badRequest("SecretsErrorException", "Error fetching secret " + arn + " : " + e.getMessage()
          + " (Service: AWSSecretsManager; Status Code: " + e.status() + "; Error Code: " + e.code() + ")");
    }
    try {
      if (value != null && Json.parse(value) instanceof ObjectNode secret
          && secret.hasNonNull("username") && secret.hasNonNull("password")) {
        return Map.entry(secret.get("username").asText(), secret.get("password").asText());
      }
    } catch (IllegalArgumentException e) {
      // Told below, without the secret's text.
    }
    throw badRequest("InvalidSecretException",
        "The secret " + arn + " isn't valid: it is not a JSON object with username and password.");
  }

  private Connection connect(Cluster cluster, ObjectNode input, Caller caller) {
    var credentials = credentials(input, caller);
    var login = new Login(database(cluster, input), credentials.getKey(), credentials.getValue());
    try {
      return pools.computeIfAbsent(login, this::pool).getConnection();
    } catch (HikariPool.PoolInitializationException e) {
      throw e.getCause() instanceof SQLException sql ? databaseError(sql) : e;
    } catch (SQLException e) {
      throw new AwsException(504, "DatabaseUnavailableException",
          "No connection to the database became free: " + e.getMessage());
    }
  }

  private HikariDataSource pool(Login login) {
    var config = new HikariConfig();
    config.setJdbcUrl(url(postgres(), login.database));
    config.setUsername(login.user);
    config.setPassword(login.password);
    config.setMaximumPoolSize(POOL_SIZE);
    config.setMinimumIdle(0);
    config.setIdleTimeout(60_000);
    config.setConnectionTimeout(limits.statement.toMillis());
    config.setConnectionInitSql("SET TIME ZONE 'UTC'");
    // Names stay unprepared on the server, so that DISCARD ALL is safe; values come as text, as the service counts them.
    config.addDataSourceProperty("prepareThreshold", "0");
    config.addDataSourceProperty("binaryTransfer", "false");
    config.addDataSourceProperty("maxResultBuffer", "48M");
    config.addDataSourceProperty("options", "-c statement_timeout=" + limits.statement.toMillis());
    return new HikariDataSource(config);
  }

  private static String url(Postgres postgres, String database) {
    return "jdbc:postgresql://127.0.0.1:" + postgres.port() + "/"
        + URLEncoder.encode(database, StandardCharsets.UTF_8);
  }

  /** Puts a connection back as new: no open transaction, no settings, no temporary tables, no locks. */
  private void giveBack(Connection connection) {
    try (connection) {
      try {
        if (!connection.getAutoCommit()) {
          connection.rollback();
          connection.setAutoCommit(true);
        }
        try (var statement = connection.createStatement()) {
          if (connection.unwrap(BaseConnection.class).getTransactionState() != TransactionState.IDLE) {
            statement.execute("ROLLBACK");
          }
          statement.execute("DISCARD ALL");
          statement.execute("SET TIME ZONE 'UTC'");
        }
      } catch (SQLException e) {
        connection.abort(Runnable::run);
      }
    } catch (SQLException e) {
      // A connection that can't be closed is gone already.
    }
  }

  private Postgres postgres() {
    try {
      return server.join();
    } catch (CompletionException e) {
      throw new IllegalStateException(e.getCause().getMessage(), e.getCause());
    }
  }

  /** An error of the database as the service words it: without the detail, which may hold data. */
  private static AwsException databaseError(SQLException e) {
    var state = String.valueOf(e.getSQLState());
    var server = e instanceof PSQLException psql ? psql.getServerErrorMessage() : null;
    if (state.equals("57014") && server != null && String.valueOf(server.getMessage()).contains("statement timeout")) {
      return badRequest("StatementTimeoutException", String.valueOf(server.getMessage()));
    }
    if (server == null && String.valueOf(e.getMessage()).contains("maxResultBuffer")) {
      return Results.tooLarge();
    }
    if (state.startsWith("08") || state.startsWith("57P")) {
      return new AwsException(504, "DatabaseUnavailableException", "The database is unavailable: " + e.getMessage());
    }
    if (server == null) {
      return badRequest("DatabaseErrorException", e.getMessage() + "; SQLState: " + state);
    }
    var text = new StringBuilder().append(server.getSeverity()).append(": ").append(server.getMessage());
    if (server.getHint() != null) {
      text.append("; Hint: ").append(server.getHint());
    }
    if (server.getPosition() > 0) {
      text.append("; Position: ").append(server.getPosition());
    }
    return badRequest("DatabaseErrorException", text.append("; SQLState: ").append(state).toString());
  }

  private static String sql(ObjectNode input) {
    var sql = required(input, "sql");
    if (sql.length() > MAX_SQL) {
      throw badRequest("ValidationException", "1 validation error detected: Value at 'sql' failed to satisfy constraint: "
          + "Member must have length less than or equal to " + MAX_SQL);
    }
    return sql;
  }

  private static String required(ObjectNode input, String member) {
    var value = Json.text(input, member);
    if (value == null) {
      throw badRequest("ValidationException", "1 validation error detected: Value null at '" + member
          + "' failed to satisfy constraint: Member must not be null");
    }
    return value;
  }

  // ---- resources ----

  private synchronized Provisioned provisionCluster(Resource resource) {
    resource.allowOnly("Engine", "EngineVersion", "EngineMode", "EngineLifecycleSupport", "DatabaseName",
        "DBClusterIdentifier", "DBSubnetGroupName", "DBClusterParameterGroupName", "VpcSecurityGroupIds", "Port",
        "EnableHttpEndpoint", "MasterUsername", "MasterUserPassword", "ManageMasterUserPassword", "MasterUserSecret",
        "ServerlessV2ScalingConfiguration", "StorageEncrypted", "StorageType", "KmsKeyId", "DeletionProtection",
        "BackupRetentionPeriod", "PreferredBackupWindow", "PreferredMaintenanceWindow", "CopyTagsToSnapshot",
        "EnableCloudwatchLogsExports", "EnableIAMDatabaseAuthentication", "AutoMinorVersionUpgrade",
        "PerformanceInsightsEnabled", "PerformanceInsightsKmsKeyId", "PerformanceInsightsRetentionPeriod",
        "DatabaseInsightsMode", "MonitoringInterval", "MonitoringRoleArn", "NetworkType", "AvailabilityZones", "Tags");
    var properties = resource.properties();
    if (!"aurora-postgresql".equals(Json.text(properties, "Engine"))) {
      throw new IllegalArgumentException("property Engine must be aurora-postgresql");
    }
    if (!"provisioned".equals(properties.path("EngineMode").asText("provisioned"))) {
      throw new IllegalArgumentException("property EngineMode must be provisioned (which serves Serverless v2)");
    }
    var id = properties.path("DBClusterIdentifier").asText(resource.name()).toLowerCase(Locale.ROOT);
    var arn = Settings.arn("rds", "cluster:" + id);
    var database = properties.path("DatabaseName").asText("postgres");
    var user = Json.text(properties, "MasterUsername");
    if (clusters.containsKey(arn)) {
      throw new IllegalArgumentException("property DBClusterIdentifier: the cluster " + id + " exists");
    }
    if (clusters.values().stream().anyMatch(other -> other.database.equals(database))) {
      throw new IllegalArgumentException("property DatabaseName: another cluster has the database " + database
          + ", and the local cloud runs all clusters on one PostgreSQL");
    }
    if (user == null || !IDENTIFIER.matcher(user).matches() || Set.of(Postgres.SUPERUSER, "admin").contains(user)) {
      throw new IllegalArgumentException("property MasterUsername is missing or not a valid user name");
    }
    if (!IDENTIFIER.matcher(database).matches()) {
      throw new IllegalArgumentException("property DatabaseName is not a valid database name");
    }
    boolean managed = properties.path("ManageMasterUserPassword").asBoolean();
    var password = Json.text(properties, "MasterUserPassword");
    if (managed == (password != null)) {
      throw new IllegalArgumentException("one of the properties ManageMasterUserPassword and MasterUserPassword is needed");
    }
    if (password == null) {
      // Quotes, @ and / are what a managed password avoids too.
      password = secrets.call("GetRandomPassword", Json.object().put("ExcludeCharacters", "/@\"'\\ "), Caller.ADMINISTRATOR)
          .get("RandomPassword").asText();
    }
    createDatabase(database, user, password);
    clusters.put(arn, new Cluster(id, arn, database, properties.path("EnableHttpEndpoint").asBoolean(),
        ConcurrentHashMap.newKeySet()));
    var attributes = new HashMap<String, String>();
    if (managed) {
      attributes.put("MasterUserSecret.SecretArn", secrets.createManaged("rds!cluster-" + UUID.randomUUID(), "rds",
          "The secret associated with the primary RDS DB cluster: " + arn,
          Json.write(Json.object().put("username", user).put("password", password))));
    }
    var port = String.valueOf(postgres().port());
    log.event("sql", "cluster " + id + " is PostgreSQL at 127.0.0.1:" + port + ", database " + database);
    attributes.putAll(Map.of("DBClusterArn", arn, "DBClusterResourceId", resourceId("cluster", id),
        "Endpoint.Address", "127.0.0.1", "Endpoint.Port", port, "ReadEndpoint.Address", "127.0.0.1"));
    return new Provisioned(id, attributes);
  }

  private synchronized Provisioned provisionInstance(Resource resource) {
    resource.allowOnly("DBInstanceIdentifier", "DBInstanceClass", "DBClusterIdentifier", "Engine", "EngineVersion",
        "DBSubnetGroupName", "DBParameterGroupName", "PubliclyAccessible", "AvailabilityZone", "AutoMinorVersionUpgrade",
        "CACertificateIdentifier", "CopyTagsToSnapshot", "DeletionProtection", "EnablePerformanceInsights",
        "PerformanceInsightsKMSKeyId", "PerformanceInsightsRetentionPeriod", "DatabaseInsightsMode", "MonitoringInterval",
        "MonitoringRoleArn", "PreferredMaintenanceWindow", "PromotionTier", "Tags");
    var properties = resource.properties();
    var clusterId = properties.path("DBClusterIdentifier").asText("").toLowerCase(Locale.ROOT);
    var cluster = clusters.get(Settings.arn("rds", "cluster:" + clusterId));
    if (cluster == null) {
      throw new IllegalArgumentException("property DBClusterIdentifier must name a cluster of this template");
    }
    if (!"aurora-postgresql".equals(Json.text(properties, "Engine"))) {
      throw new IllegalArgumentException("property Engine must be aurora-postgresql");
    }
    if (!properties.hasNonNull("DBInstanceClass")) {
      throw new IllegalArgumentException("property DBInstanceClass is missing");
    }
    var id = properties.path("DBInstanceIdentifier").asText(resource.name()).toLowerCase(Locale.ROOT);
    cluster.writers.add(id);
    return new Provisioned(id, Map.of("DBInstanceArn", Settings.arn("rds", "db:" + id),
        "DbiResourceId", resourceId("db", id),
        "Endpoint.Address", "127.0.0.1", "Endpoint.Port", String.valueOf(postgres().port())));
  }

  private Provisioned provisionSubnetGroup(Resource resource) {
    resource.allowOnly("DBSubnetGroupDescription", "DBSubnetGroupName", "SubnetIds", "Tags");
    var name = resource.properties().path("DBSubnetGroupName").asText(resource.name());
    return new Provisioned(name.toLowerCase(Locale.ROOT), Map.of());
  }

  private Provisioned provisionParameterGroup(Resource resource) {
    resource.allowOnly("Description", "Family", "Parameters", "DBClusterParameterGroupName", "DBParameterGroupName", "Tags");
    resource.properties().path("Parameters").fieldNames().forEachRemaining(parameter -> {
      // What Aurora's own machinery and the logs do makes no difference here; anything else would.
      if (!parameter.startsWith("rds.") && !parameter.startsWith("log_") && !parameter.startsWith("apg_")) {
        throw new IllegalArgumentException("parameter " + parameter + " of property Parameters is not supported");
      }
    });
    var properties = resource.properties();
    var name = properties.path("DBClusterParameterGroupName").asText(
        properties.path("DBParameterGroupName").asText(resource.name()));
    return new Provisioned(name.toLowerCase(Locale.ROOT), Map.of());
  }

  private static String resourceId(String prefix, String id) {
    return prefix + "-" + UUID.nameUUIDFromBytes(id.getBytes(StandardCharsets.UTF_8)).toString()
        .replace("-", "").substring(0, 26).toUpperCase(Locale.ROOT);
  }

  private static Connection administer(Postgres postgres, String database) throws SQLException {
    return DriverManager.getConnection(url(postgres, database), Postgres.SUPERUSER, "");
  }

  /** Makes a database and its owner, with what a master user of Aurora may do. */
  private void createDatabase(String database, String user, String password) {
    try (var connection = administer(postgres(), "template1"); var statement = connection.createStatement()) {
      var literal = "'" + password.replace("'", "''") + "'";
      if (password.indexOf('\\') >= 0) {
        literal = " E" + literal.replace("\\", "\\\\");
      }
      try (var roles = statement.executeQuery("SELECT 1 FROM pg_roles WHERE rolname = '" + user + "'")) {
        if (roles.next()) {
          throw new IllegalArgumentException("property MasterUsername: another cluster has the user " + user
              + ", and the local cloud runs all clusters on one PostgreSQL");
        }
      }
      statement.execute("CREATE ROLE \"" + user + "\" LOGIN CREATEDB CREATEROLE IN ROLE rds_superuser PASSWORD " + literal);
      statement.execute(database.equals("postgres")
          ? "ALTER DATABASE postgres OWNER TO \"" + user + "\""
          : "CREATE DATABASE \"" + database + "\" OWNER \"" + user + "\"");
    } catch (SQLException e) {
      throw new IllegalStateException("the database " + database + " can't be created: " + e.getMessage(), e);
    }
  }

  /** Drops what an earlier run left: databases, then roles. */
  private static void forget(Postgres postgres) throws SQLException {
    try (var connection = administer(postgres, "template1"); var statement = connection.createStatement()) {
      for (var database : names(statement, "SELECT datname FROM pg_database WHERE NOT datistemplate")) {
        statement.execute("DROP DATABASE " + database + " WITH (FORCE)");
      }
      for (var role : names(statement, "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> '"
          + Postgres.SUPERUSER + "'")) {
        statement.execute("DROP ROLE " + role);
      }
      statement.execute("CREATE DATABASE postgres");
      statement.execute("CREATE ROLE rds_superuser IN ROLE pg_monitor, pg_signal_backend, pg_checkpoint");
      statement.execute("CREATE ROLE rds_iam");
    }
  }

  private static List<String> names(java.sql.Statement statement, String query) throws SQLException {
    var names = new ArrayList<String>();
    try (var rows = statement.executeQuery(query)) {
      while (rows.next()) {
        names.add("\"" + rows.getString(1).replace("\"", "\"\"") + "\"");
      }
    }
    return names;
  }
}
