package com.example.cafe.platform;

/** What template.yaml sets in a function's environment. */
public final class Env {
  private Env() {}

  /** @throws IllegalStateException where template.yaml does not set it for this function */
  public static String get(String name) {
    var value = System.getenv(name);
    if (value == null || value.isEmpty()) {
      throw new IllegalStateException("the environment variable " + name + " is not set");
    }
    return value;
  }
}
