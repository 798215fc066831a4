package com.example.cafe.platform;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyRequestEvent;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyResponseEvent;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.services.rdsdata.model.RdsDataException;

/** Requests of the API: decoded here, and answered here, the problems too. */
public final class Http {
  private static final Logger LOG = LoggerFactory.getLogger(Http.class);
  /** Aurora needs about 15 seconds to wake up. */
  private static final int WAKING_SECONDS = 15;
  private static final int TRANSIENT_SECONDS = 5;

  private Http() {}

  /** An answer with a JSON body. */
  public record Answer(int status, Map<String, String> headers, JsonNode body) {
    public static Answer ok(JsonNode body) {
      return new Answer(200, Map.of(), body);
    }
  }

  /** Answers a request by the work given; what it throws leaves as a problem, logged once where it is our fault. */
  public static APIGatewayProxyResponseEvent answer(APIGatewayProxyRequestEvent event, Context context,
      Function<Request, Answer> work) {
    return Logs.invocation(context, () -> {
      var request = new Request(event, context);
      Logs.correlation(request.correlationId());
      try {
        var answer = work.apply(request);
        return response(answer.status(), "application/json", answer.headers(), answer.body().toString());
      } catch (RuntimeException e) {
        var problem = problem(e);
        return response(problem.status(), "application/problem+json", problem.headers(),
            problem.body(request.correlationId()));
      }
    });
  }

  private static Problem problem(RuntimeException e) {
    return switch (e) {
      case Problem problem -> problem;
      case DatabaseAsleep asleep -> {
        LOG.warn("The database is waking up, no time left to wait");
        yield Problem.unavailable(WAKING_SECONDS);
      }
      // A 4xx of the Data API is a fault in our statement or in our policy; all else may be over in a moment.
      case RdsDataException data when data.statusCode() < 500 -> {
        LOG.error("A statement failed", data);
        yield Problem.internal();
      }
      case SdkException sdk -> {
        LOG.error("A service did not answer", sdk);
        yield Problem.unavailable(TRANSIENT_SECONDS);
      }
      default -> {
        LOG.error("A request failed", e);
        yield Problem.internal();
      }
    };
  }

  private static APIGatewayProxyResponseEvent response(int status, String contentType, Map<String, String> headers,
      String body) {
    var all = new LinkedHashMap<>(headers);
    all.put("Content-Type", contentType);
    // Orders and stock change: nobody keeps an answer.
    all.put("Cache-Control", "no-store");
    return new APIGatewayProxyResponseEvent().withStatusCode(status).withHeaders(all).withBody(body);
  }
}
