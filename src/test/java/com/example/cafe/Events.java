package com.example.cafe;

import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyRequestEvent;
import com.amazonaws.services.lambda.runtime.events.SQSEvent;
import com.amazonaws.services.lambda.runtime.tests.EventLoader;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** The sample events of the folder events, one a function. */
public final class Events {
  private Events() {}

  public static APIGatewayProxyRequestEvent api(String function) {
    return EventLoader.loadEvent(path(function), APIGatewayProxyRequestEvent.class);
  }

  public static SQSEvent sqs(String function) {
    return EventLoader.loadEvent(path(function), SQSEvent.class);
  }

  @SuppressWarnings("unchecked")
  public static Map<String, Object> map(String function) {
    try {
      return new ObjectMapper().readValue(Files.readString(Path.of(path(function))), Map.class);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String path(String function) {
    return Path.of("events", function + ".json").toString();
  }
}
