package com.example.cafe.local.states;

import org.jspecify.annotations.Nullable;

/**
 * One thing wrong with a definition.
 *
 * @param code "SCHEMA_VALIDATION_FAILED", "MISSING_TRANSITION_TARGET" …
 * @param location a path into the definition, for example "/States/Charge/Next"; null where there is none
 */
public record Diagnostic(String code, String message, @Nullable String location) {

  @Override
  public String toString() {
    return code + ": " + message + (message.endsWith(String.valueOf(location)) ? "" : " at " + location);
  }
}
