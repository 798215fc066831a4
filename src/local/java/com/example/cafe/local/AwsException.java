package com.example.cafe.local;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.jspecify.annotations.Nullable;

/** An error answer of a service, as a client sees it: HTTP status, error code and message. */
@SuppressWarnings("serial")
final class AwsException extends RuntimeException {
  private final int status;
  private final String code;
  private final @Nullable ObjectNode members;
  private final @Nullable String queryCode;

  /** @param code the error code in the API reference, for example "ResourceNotFoundException" */
  AwsException(int status, String code, String message) {
    this(status, code, message, null, null);
  }

  /**
   * @param members further members of the error, such as CancellationReasons, or null
   * @param queryCode the code that clients of the former query protocol know it by (x-amzn-query-error), or null
   */
  AwsException(int status, String code, String message, @Nullable ObjectNode members, @Nullable String queryCode) {
    super(message, null, false, false);
    this.status = status;
    this.code = code;
    this.members = members;
    this.queryCode = queryCode;
  }

  /** A fault of the caller: HTTP 400. */
  static AwsException badRequest(String code, String message) {
    return new AwsException(400, code, message);
  }

  /** For an operation that this service has not, here or at all; the endpoint puts it as the protocol wants it. */
  static AwsException unknownOperation(String service, String operation) {
    return new AwsException(400, "UnknownOperationException",
        "The operation " + operation + " of " + service + " is not served by the local cloud.");
  }

  int status() {
    return status;
  }

  String code() {
    return code;
  }

  @Nullable ObjectNode members() {
    return members;
  }

  @Nullable String queryCode() {
    return queryCode;
  }

  @Override
  public String getMessage() {
    return String.valueOf(super.getMessage());
  }
}
