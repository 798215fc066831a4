package com.example.cafe.local.states;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.jspecify.annotations.Nullable;

/**
 * What an expression sees.
 *
 * @param input JSONPath's {@code $}; JSONata's {@code $states.input}
 * @param context JSONPath's {@code $$}; JSONata's {@code $states.context}
 * @param result JSONata's {@code $states.result}, where there is one already
 * @param errorOutput JSONata's {@code $states.errorOutput}, in a catcher
 */
record Scope(JsonNode input, ObjectNode context, Variables variables, @Nullable JsonNode result,
    @Nullable JsonNode errorOutput) {

  Scope(JsonNode input, ObjectNode context, Variables variables) {
    this(input, context, variables, null, null);
  }

  Scope withInput(JsonNode other) {
    return new Scope(other, context, variables, result, errorOutput);
  }

  Scope withResult(JsonNode value) {
    return new Scope(input, context, variables, value, null);
  }

  Scope withError(JsonNode value) {
    return new Scope(input, context, variables, null, value);
  }
}
