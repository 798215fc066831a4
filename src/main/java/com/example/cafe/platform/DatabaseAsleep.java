package com.example.cafe.platform;

/** The database is waking up, and there is no time left to wait for it: try again in some seconds. */
@SuppressWarnings("serial")
public final class DatabaseAsleep extends RuntimeException {
  DatabaseAsleep(Throwable cause) {
    super("the database is waking up", cause);
  }
}
