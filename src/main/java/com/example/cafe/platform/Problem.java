package com.example.cafe.platform;

import java.util.List;
import java.util.Map;

/**
 * A request that cannot be answered as asked: RFC 9457. Thrown on the way, answered in one place.
 *
 * @see <a href="https://www.rfc-editor.org/rfc/rfc9457">RFC 9457, Problem Details for HTTP APIs</a>
 */
@SuppressWarnings("serial")
public final class Problem extends RuntimeException {
  /** Stays the same for good: clients tell problems apart by it. */
  private static final String TYPES = "https://cafe.example.com/problems/";

  private final int status;
  private final String type;
  private final String title;
  private final List<FieldError> errors;
  private final Map<String, String> headers;

  private Problem(int status, String type, String title, String detail, List<FieldError> errors, Map<String, String> headers) {
    super(detail, null, false, false);
    this.status = status;
    this.type = TYPES + type;
    this.title = title;
    this.errors = List.copyOf(errors);
    this.headers = Map.copyOf(headers);
  }

  /** What is wrong with one field. @param field its path in the body, "items[0].quantity", or the name of a header or parameter */
  public record FieldError(String field, String message) {}

  public static Problem invalid(List<FieldError> errors) {
    var first = errors.getFirst();
    return new Problem(400, "invalid-request", "The request is not valid", first.field() + " " + first.message()
        + (errors.size() > 1 ? ", and more, see errors" : ""), errors, Map.of());
  }

  public static Problem invalid(String field, String message) {
    return invalid(List.of(new FieldError(field, message)));
  }

  public static Problem notSignedIn() {
    return new Problem(401, "not-signed-in", "Sign in first", "The request carries no valid token.", List.of(),
        Map.of("WWW-Authenticate", "Bearer"));
  }

  public static Problem notFound(String detail) {
    return new Problem(404, "not-found", "There is nothing here", detail, List.of(), Map.of());
  }

  public static Problem tooLarge(String detail) {
    return new Problem(413, "too-large", "The request is too large", detail, List.of(), Map.of());
  }

  public static Problem keyReused(String detail) {
    return new Problem(422, "idempotency-key-reused", "The idempotency key belongs to another request", detail, List.of(),
        Map.of());
  }

  static Problem unavailable(int retryAfterSeconds) {
    return new Problem(503, "unavailable", "The service is not available", "Try again in " + retryAfterSeconds + " seconds.",
        List.of(), Map.of("Retry-After", Integer.toString(retryAfterSeconds)));
  }

  static Problem internal() {
    return new Problem(500, "internal", "Something went wrong", "It is not your fault, and it is in our logs.", List.of(),
        Map.of());
  }

  public int status() {
    return status;
  }

  public List<FieldError> errors() {
    return errors;
  }

  Map<String, String> headers() {
    return headers;
  }

  /** @param requestId names the occurrence */
  String body(String requestId) {
    var body = Json.object()
        .put("type", type)
        .put("title", title)
        .put("status", status)
        .put("detail", getMessage())
        .put("instance", "urn:uuid:" + requestId);
    if (!errors.isEmpty()) {
      var list = body.putArray("errors");
      errors.forEach(error -> list.addObject().put("field", error.field()).put("message", error.message()));
    }
    return body.toString();
  }
}
