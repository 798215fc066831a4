package com.example.cafe.local;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;

/**
 * One AWS service of the local cloud. The endpoint decodes the wire protocol and calls it; other services reach it
 * through {@link Aws}, so that a state machine's task, a subscription and the AWS CLI all take the same way in.
 */
interface Service extends AutoCloseable {

  /** The name in request signatures (SigV4 credential scope): "states", "sqs", "rds-data", "lambda" … */
  String name();

  /**
   * Runs one operation.
   *
   * @param operation the name in the API reference, for example "StartExecution"
   * @param input the request with the member names of the API reference; blobs as base64 text, timestamps as seconds
   *     since the epoch (a number)
   * @return the response, in the same form; an empty object where the operation answers nothing
   * @throws AwsException as the service would answer; {@link AwsException#unknownOperation} for what is not served
   */
  ObjectNode call(String operation, ObjectNode input, Caller caller);

  /** How REST requests map to operations; empty for services that speak JSON or query protocol. */
  default List<Route> routes() {
    return List.of();
  }

  /** The CloudFormation resource types that this service creates, by type name. */
  default Map<String, Provisioner> provisioners() {
    return Map.of();
  }

  @Override
  default void close() {}
}
