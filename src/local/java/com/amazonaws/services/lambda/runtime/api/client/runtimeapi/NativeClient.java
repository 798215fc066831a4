package com.amazonaws.services.lambda.runtime.api.client.runtimeapi;

import com.amazonaws.services.lambda.runtime.api.client.runtimeapi.dto.InvocationRequest;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;

/**
 * Takes the place of the Runtime Interface Client's native part where that has none: it comes for Linux only. The local
 * cloud puts this class before the client's own on the class path of functions on macOS and Windows.
 */
class NativeClient {
  private static String invocations = "";

  private NativeClient() {}

  static void init(String runtimeApi) {
    invocations = "http://" + runtimeApi + "/2018-06-01/runtime/invocation/";
  }

  /** Blocks until there is an event. */
  static InvocationRequest next() {
    try {
      var connection = connect("next");
      var status = connection.getResponseCode();
      if (status != 200) {
        throw new LambdaRuntimeClientException("Failed to get next.", status);
      }
      var request = new InvocationRequest();
      request.setId(connection.getHeaderField("Lambda-Runtime-Aws-Request-Id"));
      request.setXrayTraceId(connection.getHeaderField("Lambda-Runtime-Trace-Id"));
      request.setInvokedFunctionArn(connection.getHeaderField("Lambda-Runtime-Invoked-Function-Arn"));
      request.setDeadlineTimeInMs(Long.parseLong(connection.getHeaderField("Lambda-Runtime-Deadline-Ms")));
      request.setClientContext(connection.getHeaderField("Lambda-Runtime-Client-Context"));
      request.setCognitoIdentity(connection.getHeaderField("Lambda-Runtime-Cognito-Identity"));
      try (var body = connection.getInputStream()) {
        request.setContent(body.readAllBytes());
      }
      return request;
    } catch (IOException e) {
      throw new UncheckedIOException("Failed to get next invocation.", e);
    }
  }

  static void postInvocationResponse(byte[] requestId, byte[] response) {
    try {
      var connection = connect(new String(requestId, StandardCharsets.UTF_8) + "/response");
      connection.setRequestMethod("POST");
      connection.setDoOutput(true);
      connection.setRequestProperty("Content-Type", "application/json");
      connection.setFixedLengthStreamingMode(response.length);
      try (var body = connection.getOutputStream()) {
        body.write(response);
      }
      var status = connection.getResponseCode();
      try (var body = status < 400 ? connection.getInputStream() : connection.getErrorStream()) {
        if (body != null) {
          body.transferTo(OutputStream.nullOutputStream());
        }
      }
      if (status / 100 != 2) {
        throw new LambdaRuntimeClientException("Failed to post invocation response.", status);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("Failed to post invocation response.", e);
    }
  }

  private static HttpURLConnection connect(String path) throws IOException {
    return (HttpURLConnection) URI.create(invocations + path).toURL().openConnection();
  }
}
