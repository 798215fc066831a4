package com.example.cafe.local.states;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * A state machine as an execution runs it: a later update leaves the execution alone.
 *
 * @param definition the definition, checked before
 * @param express without a history, at most five minutes
 */
public record Machine(String arn, String name, String roleArn, JsonNode definition, boolean express) {}
