package com.example.cafe.local;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How a REST request maps to an operation. Members of the path and the query string join the body's in the input.
 *
 * @param path with members in braces, {@code {Name+}} for the rest of the path: "/2015-03-31/functions/{FunctionName}"
 * @param status the HTTP status of success
 * @param payload the member that is the raw body on both ways (a blob), or null where the body is JSON
 * @param headers member to header name, on both ways
 */
record Route(String method, String path, String operation, int status, @Nullable String payload,
    Map<String, String> headers) {

  Route(String method, String path, String operation) {
    this(method, path, operation, 200, null, Map.of());
  }

  Route(String method, String path, String operation, int status) {
    this(method, path, operation, status, null, Map.of());
  }
}
