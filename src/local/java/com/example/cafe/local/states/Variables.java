package com.example.cafe.local.states;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The variables of one scope. A branch and an iteration have a scope of their own: it sees the outer one's variables, and
 * assigns only its own.
 */
final class Variables {
  private final @Nullable Variables outer;
  private final Map<String, JsonNode> own = new LinkedHashMap<>();

  Variables(@Nullable Variables outer) {
    this.outer = outer;
  }

  synchronized @Nullable JsonNode get(String name) {
    var value = own.get(name);
    return value != null || outer == null ? value : outer.get(name);
  }

  synchronized void assign(Map<String, JsonNode> values) {
    own.putAll(values);
  }

  /** Every variable in sight, inner ones over outer ones of the same name. */
  Map<String, JsonNode> all() {
    var all = outer == null ? new LinkedHashMap<String, JsonNode>() : outer.all();
    synchronized (this) {
      all.putAll(own);
    }
    return all;
  }
}
