package com.example.cafe.local;

import com.fasterxml.jackson.databind.node.ObjectNode;

/** Every service of the local cloud, by name: the way from one service to another. */
interface Aws {

  /**
   * Runs an operation of a service, as {@link Service#call} does.
   *
   * @param service the signing name, for example "sqs"
   * @throws AwsException what the service answers, or "UnrecognizedClientException" for a service that is not served
   */
  ObjectNode call(String service, String operation, ObjectNode input, Caller caller);
}
