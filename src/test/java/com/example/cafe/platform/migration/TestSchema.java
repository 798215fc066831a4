package com.example.cafe.platform.migration;

import com.example.cafe.TestContext;
import com.example.cafe.platform.Database;
import com.example.cafe.platform.Deadline;

/** The schema for tests of other packages. */
public final class TestSchema {
  private TestSchema() {}

  /** What template.yaml has to say about the migrations of this package. */
  public static String fingerprint() {
    return Migration.fingerprint(Migration.all());
  }

  public static void migrate(Database database) {
    new Migrator(database).migrate(Migration.all(), Deadline.of(new TestContext()));
  }
}
