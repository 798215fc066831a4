package com.example.cafe.local;

/** An error answer of a service, as a client sees it: HTTP status, error code and message. */
@SuppressWarnings("serial")
final class AwsException extends RuntimeException {
  private final int status;
  private final String code;

  /** @param code the error code in the API reference, for example "ResourceNotFoundException" */
  AwsException(int status, String code, String message) {
    super(message, null, false, false);
    this.status = status;
    this.code = code;
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

  @Override
  public String getMessage() {
    return String.valueOf(super.getMessage());
  }
}
