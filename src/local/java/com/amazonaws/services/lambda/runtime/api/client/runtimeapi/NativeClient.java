package com.amazonaws.services.lambda.runtime.api.client.runtimeapi;

import com.amazonaws.services.lambda.runtime.api.client.runtimeapi.dto.InvocationRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;

/**
 * Stands in for the Runtime Interface Client's class of this name where that one cannot load: its library exists for
 * Linux alone. Everything else of the client is as it ships. Speaks the Runtime API (AWS Lambda Developer Guide, "Using
 * the Lambda runtime API").
 */
final class NativeClient {
  private static volatile String base = "";

  private NativeClient() {}

  static void init(String runtimeApi) {
    base = "http://" + runtimeApi + "/2018-06-01/runtime/invocation/";
  }

  /** Waits for the next event, as long as it takes. */
  static InvocationRequest next() {
    try {
      var connection = open("next");
      var content = connection.getInputStream().readAllBytes();
      var request = new InvocationRequest();
      request.setId(connection.getHeaderField("Lambda-Runtime-Aws-Request-Id"));
      request.setXrayTraceId(connection.getHeaderField("Lambda-Runtime-Trace-Id"));
      request.setInvokedFunctionArn(connection.getHeaderField("Lambda-Runtime-Invoked-Function-Arn"));
      request.setDeadlineTimeInMs(Long.parseLong(connection.getHeaderField("Lambda-Runtime-Deadline-Ms")));
      request.setClientContext(connection.getHeaderField("Lambda-Runtime-Client-Context"));
      request.setCognitoIdentity(connection.getHeaderField("Lambda-Runtime-Cognito-Identity"));
      request.setContent(content);
      return request;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void postInvocationResponse(byte[] requestId, byte[] response) {
    try {
      var connection = open(new String(requestId, StandardCharsets.UTF_8) + "/response");
      connection.setRequestMethod("POST");
      connection.setDoOutput(true);
      connection.setFixedLengthStreamingMode(response.length);
      try (var out = connection.getOutputStream()) {
        out.write(response);
      }
      connection.getInputStream().readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static HttpURLConnection open(String path) throws IOException {
    return (HttpURLConnection) URI.create(base + path).toURL().openConnection();
  }
}
