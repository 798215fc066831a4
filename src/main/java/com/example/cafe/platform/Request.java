package com.example.cafe.platform;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyRequestEvent;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A request of the API, as a feature wants to see it. Trusts nothing that the gateway may not have checked. */
public final class Request {
  private final APIGatewayProxyRequestEvent event;
  private final Context context;

  Request(APIGatewayProxyRequestEvent event, Context context) {
    this.event = event;
    this.context = context;
  }

  /** Who is signed in. @param id the subject of the token @param email where the token names one */
  public record Customer(String id, @Nullable String email) {}

  /** @throws Problem 401 where nobody is signed in */
  public Customer customer() {
    var authorizer = event.getRequestContext() == null ? null : event.getRequestContext().getAuthorizer();
    if (authorizer == null || !(authorizer.get("claims") instanceof Map<?, ?> claims)
        || !(claims.get("sub") instanceof String id) || id.isEmpty()) {
      throw Problem.notSignedIn();
    }
    return new Customer(id, claims.get("email") instanceof String email && !email.isEmpty() ? email : null);
  }

  /** Ties what happens because of this request together, in logs and in events. */
  public String correlationId() {
    var id = event.getRequestContext() == null ? null : event.getRequestContext().getRequestId();
    return id == null ? context.getAwsRequestId() : id;
  }

  /** The path as the client sees it, stage included, without a slash at its end. */
  public String path() {
    var path = event.getRequestContext() == null ? null : event.getRequestContext().getPath();
    return Optional.ofNullable(path).or(() -> Optional.ofNullable(event.getPath())).orElse("").replaceAll("/+$", "");
  }

  /** A header, whatever case its name comes in. */
  public Optional<String> header(String name) {
    return Optional.ofNullable(event.getHeaders()).flatMap(headers -> headers.entrySet().stream()
        .filter(header -> header.getKey().equalsIgnoreCase(name) && header.getValue() != null)
        .map(Map.Entry::getValue).findFirst());
  }

  public Optional<String> query(String name) {
    return Optional.ofNullable(event.getQueryStringParameters()).map(parameters -> parameters.get(name));
  }

  public String pathParameter(String name) {
    return Optional.ofNullable(event.getPathParameters()).map(parameters -> parameters.get(name)).orElse("");
  }

  /**
   * The body.
   *
   * @param maxBytes more is a problem
   * @throws Problem 413 where it is larger, 400 where it is no text
   */
  public String body(int maxBytes) {
    var body = event.getBody();
    if (body == null) {
      return "";
    }
    // A character is at least a byte: nothing is decoded of what is too large anyway.
    if (body.length() > maxBytes * 2L) {
      throw tooLarge(maxBytes);
    }
    if (Boolean.TRUE.equals(event.getIsBase64Encoded())) {
      try {
        body = new String(Base64.getDecoder().decode(body), StandardCharsets.UTF_8);
      } catch (IllegalArgumentException e) {
        throw Problem.invalid("body", "is not base64");
      }
    }
    if (body.getBytes(StandardCharsets.UTF_8).length > maxBytes) {
      throw tooLarge(maxBytes);
    }
    return body;
  }

  public Deadline deadline() {
    return Deadline.of(context);
  }

  private static Problem tooLarge(int maxBytes) {
    return Problem.tooLarge("The body may have " + maxBytes + " bytes.");
  }
}
