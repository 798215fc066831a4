package com.example.cafe.platform;

import java.time.Duration;
import software.amazon.awssdk.services.rdsdata.RdsDataClient;

/** A database that hardly waits for a cluster that wakes up, for tests. */
public final class QuickDatabase {
  private QuickDatabase() {}

  public static Database of(RdsDataClient client) {
    return new Database(client, "cluster", "secret", "cafe", Duration.ofMillis(1));
  }
}
