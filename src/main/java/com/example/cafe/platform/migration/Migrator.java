package com.example.cafe.platform.migration;

import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;
import com.example.cafe.platform.Sql;
import java.time.Duration;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Applies migrations through the Data API, each in one transaction with its entry in schema_history: a migration that fails or
 * is cut off leaves nothing behind. A lock lets one migrator at a time work; the other then finds the work done.
 */
final class Migrator {
  private static final Logger LOG = LoggerFactory.getLogger(Migrator.class);
  /** Any number, as long as nobody else in this database locks it. */
  private static final long LOCK = 20_261_121;
  /** With less left than this, a migration is not begun: an answer must still leave. */
  private static final Duration ENOUGH = Duration.ofSeconds(60);
  private final Database database;

  Migrator(Database database) {
    this.database = database;
  }

  /** A migration cannot be applied; the message says which and why. */
  @SuppressWarnings("serial")
  static final class MigrationFailed extends RuntimeException {
    MigrationFailed(String message, Throwable cause) {
      super(message, cause);
    }

    MigrationFailed(String message) {
      super(message);
    }
  }

  /**
   * Brings the schema to the newest of these.
   *
   * <p>A schema that is newer than all of them is left alone: that is a rollback, and schemas change so that the version before
   * still works with them.
   *
   * @return the version of the schema afterwards
   */
  int migrate(List<Migration> migrations, Deadline deadline) {
    var current = prepare(deadline);
    if (current > migrations.size()) {
      LOG.warn("The schema is at V{}, newer than this package: left as it is", current);
      return current;
    }
    for (var migration : migrations) {
      if (!deadline.allows(ENOUGH)) {
        throw new MigrationFailed("no time left for " + migration.name() + "; the migrations before it are applied");
      }
      apply(migration, deadline);
    }
    return migrations.size();
  }

  /** Makes the history where there is none, and gives the version of the schema. */
  private int prepare(Deadline deadline) {
    database.transaction(deadline, transaction -> {
      lock(transaction);
      transaction.execute(Sql.of("""
          CREATE TABLE IF NOT EXISTS schema_history (
            version    integer     PRIMARY KEY,
            name       text        NOT NULL,
            checksum   text        NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
          )
          """));
    });
    return database.one(Sql.of("SELECT CAST(coalesce(max(version), 0) AS text) FROM schema_history"), deadline).intValue();
  }

  private void apply(Migration migration, Deadline deadline) {
    database.transaction(deadline, transaction -> {
      lock(transaction);
      var applied = transaction.execute(
          Sql.of("SELECT checksum FROM schema_history WHERE version = :version").with("version", migration.version()))
          .records();
      if (!applied.isEmpty()) {
        if (!migration.checksum().equals(applied.getFirst().getFirst().stringValue())) {
          throw new MigrationFailed(migration.name() + " was changed after it was applied; add a new migration instead");
        }
        return;
      }
      for (var i = 0; i < migration.statements().size(); i++) {
        try {
          transaction.execute(Sql.of(migration.statements().get(i)));
        } catch (RuntimeException e) {
          throw new MigrationFailed(migration.name() + ", statement " + (i + 1) + ": " + e.getMessage(), e);
        }
      }
      transaction.execute(Sql.of("INSERT INTO schema_history (version, name, checksum) VALUES (:version, :name, :checksum)")
          .with("version", migration.version()).with("name", migration.name()).with("checksum", migration.checksum()));
      LOG.info("Applied {}", migration.name());
    });
  }

  /** Held until the transaction ends, however it ends. */
  private static void lock(Database.Transaction transaction) {
    transaction.execute(Sql.of("SELECT CAST(pg_advisory_xact_lock(:lock) AS text)").with("lock", LOCK));
  }
}
