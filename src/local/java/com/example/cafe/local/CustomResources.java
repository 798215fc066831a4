package com.example.cafe.local;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Custom resources backed by functions: sends the Create request, waits for the answer at the response URL (AWS
 * CloudFormation User Guide, "Custom resource request and response reference").
 */
final class CustomResources implements Provisioner, HttpHandler {
  /** Where the response URLs stand, below the endpoint. */
  static final String PATH = "/_local/cloudformation/";
  /** The response URL of the sample event: nobody waits for its answer. */
  private static final String SAMPLE = "sample";
  private static final Duration LONGEST = Duration.ofMinutes(2);
  /** As many as Lambda makes of an asynchronous invocation. */
  private static final int ATTEMPTS = 3;

  private final Aws aws;
  private final String endpoint;
  private final Map<String, CompletableFuture<JsonNode>> waiting = new ConcurrentHashMap<>();

  CustomResources(Aws aws, String endpoint) {
    this.aws = aws;
    this.endpoint = endpoint;
  }

  @Override
  public Provisioned provision(Resource resource) {
    var function = Json.text(resource.properties(), "ServiceToken");
    if (function == null) {
      throw new IllegalArgumentException("a custom resource needs ServiceToken, the ARN of its function");
    }
    var timeout = resource.properties().has("ServiceTimeout")
        ? Duration.ofSeconds(resource.properties().get("ServiceTimeout").asLong()) : LONGEST;
    var id = UUID.randomUUID().toString();
    var answer = new CompletableFuture<JsonNode>();
    waiting.put(id, answer);
    try {
      var request = Json.object().put("RequestType", "Create").put("ResponseURL", endpoint + PATH + id)
          .put("StackId", Settings.arn("cloudformation", "stack/" + Settings.STACK + "/local")).put("RequestId", id)
          .put("ResourceType", resource.type()).put("LogicalResourceId", resource.logicalId())
          .put("ServiceToken", function);
      request.set("ResourceProperties", resource.properties());
      var invocation = Json.object().put("FunctionName", function).put("Payload",
          Base64.getEncoder().encodeToString(Json.write(request).getBytes(StandardCharsets.UTF_8)));
      // CloudFormation would wait for the whole timeout where the function breaks without an answer: a start must not.
      Thread.startVirtualThread(() -> invoke(function, invocation, answer));
      return result(answer.get(timeout.toMillis(), TimeUnit.MILLISECONDS));
    } catch (TimeoutException e) {
      throw new IllegalStateException("the function " + function + " did not answer within " + timeout.toSeconds()
          + " s; its log is in target/local/logs", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted", e);
    } catch (ExecutionException e) {
      throw new IllegalStateException(e.getCause());
    } finally {
      waiting.remove(id);
    }
  }

  private void invoke(String function, ObjectNode invocation, CompletableFuture<JsonNode> answer) {
    var failure = "";
    for (var attempt = 1; attempt <= ATTEMPTS && !answer.isDone(); attempt++) {
      try {
        var outcome = aws.call("lambda", "Invoke", invocation, Caller.ADMINISTRATOR);
        if (!outcome.has("FunctionError")) {
          return;
        }
        failure = new String(Base64.getDecoder().decode(outcome.path("Payload").asText()), StandardCharsets.UTF_8);
      } catch (AwsException e) {
        failure = e.code() + ": " + e.getMessage();
      }
    }
    answer.complete(Json.object().put("Status", "FAILED").put("Reason", "the function " + function + " failed: " + failure));
  }

  private static Provisioned result(JsonNode answer) {
    if (!"SUCCESS".equals(Json.text(answer, "Status"))) {
      throw new IllegalStateException(answer.path("Reason").asText("the function gave no reason"));
    }
    var attributes = new HashMap<String, String>();
    answer.path("Data").properties().forEach(entry -> attributes.put(entry.getKey(), entry.getValue().asText()));
    return new Provisioned(answer.path("PhysicalResourceId").asText(), attributes);
  }

  @Override
  public void handle(HttpExchange exchange) throws IOException {
    var id = exchange.getRequestURI().getPath().substring(PATH.length());
    var answer = id.equals(SAMPLE) ? new CompletableFuture<JsonNode>() : waiting.get(id);
    if (answer == null || !exchange.getRequestMethod().equals("PUT")) {
      exchange.sendResponseHeaders(403, -1);
      return;
    }
    try {
      answer.complete(Json.parse(exchange.getRequestBody().readAllBytes()));
      exchange.sendResponseHeaders(200, -1);
    } catch (IllegalArgumentException e) {
      answer.complete(Json.object().put("Status", "FAILED").put("Reason", "the response is " + e.getMessage()));
      exchange.sendResponseHeaders(400, -1);
    }
  }
}
