package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyRequestEvent;
import com.amazonaws.services.lambda.runtime.serialization.events.LambdaEventSerializers;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ApiGatewayTest {
  private static final String FUNCTION = Settings.arn("lambda", "function:cafe-F:live");
  private static final String OK = "{\"statusCode\":200,\"body\":\"fine\"}";
  private static final ByteArrayOutputStream LOG = new ByteArrayOutputStream();
  private static final AtomicReference<Clock> CLOCK = new AtomicReference<>(Clock.systemUTC());
  private static final Cognito COGNITO = new Cognito("http://localhost:4566", () -> CLOCK.get().instant());
  private static final List<ObjectNode> CALLS = new CopyOnWriteArrayList<>();
  private static final AtomicReference<Function<JsonNode, ObjectNode>> LAMBDA = new AtomicReference<>();
  private static final HttpClient CLIENT = HttpClient.newBuilder().executor(Executors.newVirtualThreadPerTaskExecutor()).build();
  private static ApiGateway gateway;
  private static String poolArn;
  private static String url;

  @BeforeAll
  static void start() {
    var pool = provision(COGNITO, "AWS::Cognito::UserPool", "Users", "{}");
    poolArn = pool.attributes().get("Arn");
    provision(COGNITO, "AWS::Cognito::UserPoolClient", "Web", "{\"UserPoolId\":\"%s\"}".formatted(pool.ref()));
    gateway = new ApiGateway(0, ApiGatewayTest::call, COGNITO, new EventLog(new PrintStream(LOG, true)));
    deploy(DOCUMENT.formatted(poolArn), "api", """
        "Variables":{"colour":"blue"},"MethodSettings":[
        {"ResourcePath":"/*","HttpMethod":"*","LoggingLevel":"ERROR","MetricsEnabled":true},
        {"ResourcePath":"/~1limited","HttpMethod":"GET","ThrottlingBurstLimit":2,"ThrottlingRateLimit":0.001}]""");
    url = "http://localhost:" + gateway.port() + "/api";
  }

  @AfterAll
  static void stop() {
    gateway.close();
    COGNITO.close();
    CLIENT.close();
  }

  @BeforeEach
  void forget() {
    CALLS.clear();
    answer(OK);
  }

  @Nested
  class Routing {
    @ParameterizedTest
    @CsvSource({
        "GET, /menu, /menu",
        "GET, /menu/, /menu",
        "GET, /orders/42, /orders/{orderId}",
        "GET, /orders/new, /orders/new",
        "GET, /orders/a%20b, /orders/{orderId}",
        "GET, /files/a/b/c, /files/{path+}",
        "DELETE, /any, /any",
        "PATCH, /any, /any",
        "HEAD, /menu, /menu",
        "GET, /%6Denu, /menu"})
    void picksTheMostSpecificResource(String method, String path, String resource) throws Exception {
      var response = send(request(path).method(method, BodyPublishers.noBody()));
      assertThat(response.statusCode()).isEqualTo(200);
      assertThat(event().path("resource").asText()).isEqualTo(resource);
      assertThat(event().path("httpMethod").asText()).isEqualTo(method);
    }

    @ParameterizedTest
    @CsvSource({"GET, /nothing", "GET, ''", "GET, /", "POST, /menu", "GET, /orders/1/2", "GET, /orders//", "GET, /files"})
    void answersAMissingRouteAsTheServiceDoes(String method, String path) throws Exception {
      var response = send(request(path).method(method, BodyPublishers.noBody()));
      assertThat(response.statusCode()).isEqualTo(403);
      assertThat(response.headers().firstValue("x-amzn-errortype")).contains("MissingAuthenticationTokenException");
      assertThat(json(response).path("detail").asText()).isEqualTo("Missing Authentication Token");
      assertThat(CALLS).isEmpty();
    }

    @Test
    void answersAnUnknownStageWithForbidden() throws Exception {
      var response = send(HttpRequest.newBuilder(URI.create(url.replace("/api", "/prod/menu"))));
      assertThat(response.statusCode()).isEqualTo(403);
      assertThat(response.body()).isEqualTo("{\"message\":\"Forbidden\"}");
    }

    @Test
    void namesTheApiAtTheRoot() throws Exception {
      var response = send(HttpRequest.newBuilder(URI.create(url.replace("/api", "/"))));
      assertThat(json(response).path("api").asText()).isEqualTo(url);
    }
  }

  @Nested
  class TheEvent {
    @Test
    void isWhatAwsLambdaJavaEventsReads() throws Exception {
      send(signedIn("/orders/a%2Fb?tag=x&tag=y&q=caf%C3%A9+cr%C3%A8me&empty=", "customer")
          .header("X-Two", "1").header("X-Two", "2").header("User-Agent", "test").PUT(BodyPublishers.ofString("{\"a\":1}")));
      var event = LambdaEventSerializers.serializerFor(APIGatewayProxyRequestEvent.class, getClass().getClassLoader())
          .fromJson(new ByteArrayInputStream(Json.write(event()).getBytes(StandardCharsets.UTF_8)));
      assertThat(event.getResource()).isEqualTo("/orders/{orderId}");
      assertThat(event.getPath()).isEqualTo("/orders/a%2Fb");
      assertThat(event.getHttpMethod()).isEqualTo("PUT");
      assertThat(event.getPathParameters()).isEqualTo(Map.of("orderId", "a%2Fb"));
      assertThat(event.getQueryStringParameters()).isEqualTo(Map.of("tag", "y", "q", "café crème", "empty", ""));
      assertThat(event.getMultiValueQueryStringParameters()).containsEntry("tag", List.of("x", "y"));
      assertThat(event.getHeaders()).containsEntry("X-Two", "2").containsEntry("X-Forwarded-Proto", "http")
          .containsEntry("X-Forwarded-For", "127.0.0.1").containsEntry("Host", "localhost:" + gateway.port())
          .containsKey("Authorization").containsKey("X-Amzn-Trace-Id").doesNotContainKeys("Content-Length", "Connection");
      assertThat(event.getMultiValueHeaders()).containsEntry("X-Two", List.of("1", "2"));
      assertThat(event.getStageVariables()).isEqualTo(Map.of("colour", "blue"));
      assertThat(event.getBody()).isEqualTo("{\"a\":1}");
      assertThat(event.getIsBase64Encoded()).isFalse();
      var context = event.getRequestContext();
      assertThat(context.getStage()).isEqualTo("api");
      assertThat(context.getPath()).isEqualTo("/api/orders/a%2Fb");
      assertThat(context.getResourcePath()).isEqualTo("/orders/{orderId}");
      assertThat(context.getHttpMethod()).isEqualTo("PUT");
      assertThat(context.getProtocol()).isEqualTo("HTTP/1.1");
      assertThat(context.getOperationName()).isEqualTo("replaceOrder");
      assertThat(context.getAccountId()).isEqualTo(Settings.ACCOUNT);
      assertThat(context.getApiId()).matches("[a-z0-9]{10}");
      assertThat(context.getResourceId()).matches("[a-z0-9]{6}");
      assertThat(context.getRequestId()).matches("[0-9a-f-]{36}");
      assertThat(context.getRequestTime()).matches("\\d\\d/[A-Z][a-z][a-z]/\\d{4}:\\d\\d:\\d\\d:\\d\\d \\+0000");
      assertThat(context.getRequestTimeEpoch()).isBetween(Instant.now().minusSeconds(60).toEpochMilli(), Instant.now().toEpochMilli());
      assertThat(context.getIdentity().getSourceIp()).isEqualTo("127.0.0.1");
      assertThat(context.getIdentity().getUserAgent()).isEqualTo("test");
      assertThat(context.getAuthorizer()).containsKey("claims");
    }

    @Test
    void hasNullsWhereThereIsNothing() throws Exception {
      send(request("/menu"));
      assertThat(event().path("pathParameters").isNull()).isTrue();
      assertThat(event().path("queryStringParameters").isNull()).isTrue();
      assertThat(event().path("multiValueQueryStringParameters").isNull()).isTrue();
      assertThat(event().path("body").isNull()).isTrue();
      assertThat(event().path("requestContext").has("authorizer")).isFalse();
    }

    @Test
    void carriesTheClaimsAsTexts() throws Exception {
      send(signedIn("/orders/1", "manager").PUT(BodyPublishers.noBody()));
      var claims = event().path("requestContext").path("authorizer").path("claims");
      assertThat(claims.path("cognito:groups").asText()).isEqualTo("manager");
      assertThat(claims.path("sub").asText()).isEqualTo(Cognito.USERS.getLast().sub());
      assertThat(claims.path("email_verified").textValue()).isEqualTo("true");
      assertThat(claims.path("token_use").asText()).isEqualTo("id");
      assertThat(claims.path("auth_time").textValue()).matches("\\d+");
      assertThat(claims.path("exp").asText()).matches("[A-Z][a-z]{2} [A-Z][a-z]{2} \\d\\d \\d\\d:\\d\\d:\\d\\d UTC \\d{4}");
    }

    @Test
    void goesToTheFunctionAndAliasOfTheIntegration() throws Exception {
      send(request("/menu"));
      assertThat(CALLS.getFirst().path("FunctionName").asText()).isEqualTo(FUNCTION);
      assertThat(CALLS.getFirst().path("InvocationType").asText()).isEqualTo("RequestResponse");
    }

    @Test
    void carriesABinaryBodyAsBase64() throws Exception {
      var bytes = new byte[] {(byte) 0xff, 0, 1};
      send(request("/any").header("Content-Type", "image/png").POST(BodyPublishers.ofByteArray(bytes)));
      assertThat(event().path("isBase64Encoded").asBoolean()).isTrue();
      assertThat(Base64.getDecoder().decode(event().path("body").asText())).isEqualTo(bytes);
    }

    @Test
    void keepsTheTraceThatTheClientBegan() throws Exception {
      var trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
      var response = send(request("/menu").header("X-Amzn-Trace-Id", trace));
      assertThat(event().path("headers").path("X-Amzn-Trace-Id").asText()).isEqualTo(trace);
      assertThat(response.headers().firstValue("x-amzn-trace-id")).contains(trace);
    }
  }

  @Nested
  class Validation {
    @Test
    void namesTheMissingParameters() throws Exception {
      var response = send(signedIn("/orders", "customer").POST(BodyPublishers.ofString(ORDER)));
      assertProblem(response, 400, "Missing required request parameters: [Idempotency-Key]");
      assertThat(CALLS).isEmpty();
    }

    @Test
    void takesABlankParameterForAMissingOne() throws Exception {
      var response = send(signedIn("/orders", "customer").header("Idempotency-Key", " ").POST(BodyPublishers.ofString(ORDER)));
      assertProblem(response, 400, "Missing required request parameters: [Idempotency-Key]");
    }

    @Test
    void listsEveryMissingParameter() throws Exception {
      assertThat(json(send(request("/search"))).path("detail").asText())
          .isEqualTo("Missing required request parameters: [X-Search, q]");
      assertThat(send(request("/search?q=1").header("x-search", "1")).statusCode()).isEqualTo(200);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{}|[object has missing required properties ([\"items\"])]",
        "{\"items\":[{\"itemId\":\"espresso\"}]}|[object has missing required properties ([\"quantity\"])]",
        "{\"items\":[{\"itemId\":\"x\",\"quantity\":-1}]}|[numeric instance is lower than the required minimum (minimum: 1, found: -1)]",
        "{\"items\":[],\"tip\":1}|[object instance has properties which are not allowed by the schema: [\"tip\"]]",
        "{\"items\":[{\"itemId\":\"x\",\"quantity\":\"1\"}]}|[instance type (string) does not match any allowed primitive type (allowed: [\"integer\"])]",
        "{\"items\":[{\"itemId\":\"\",\"quantity\":1}]}|[string \"\" is too short (length: 0, required minimum: 1)]",
        "[]|[instance type (array) does not match any allowed primitive type (allowed: [\"object\"])]",
        "null|[instance type (null) does not match any allowed primitive type (allowed: [\"object\"])]",
        "{\"items\":|[Unknown error parsing request body]",
        "{\"items\":[]}}|[Unknown error parsing request body]",
        "|[Unknown error parsing request body]",
        "{\"items\":[{\"itemId\":\"x\",\"quantity\":1e400}]}|[instance type (number) does not match any allowed primitive type (allowed: [\"integer\"])]"})
    void saysWhatIsWrongWithTheBodyInTheWordsOfTheService(String body, String violations) throws Exception {
      var response = send(order("customer", body == null ? "" : body));
      assertProblem(response, 400, violations);
      assertThat(CALLS).isEmpty();
    }

    @Test
    void survivesABodyThatIsMeantToHurt() throws Exception {
      for (var body : List.of("[".repeat(100_000), "{\"items\":" + "[{\"items\":".repeat(5_000), "1e999999999",
          "{\"items\":[" + "{\"itemId\":\"x\",\"quantity\":0},".repeat(20_000) + "{}]}", "\u0000", "{\"a\":" + "9".repeat(2_000) + "}")) {
        assertThat(send(order("customer", body)).statusCode()).isEqualTo(400);
      }
      assertThat(CALLS).isEmpty();
    }

    @Test
    void letsAGoodBodyPass() throws Exception {
      assertThat(send(order("customer", ORDER)).statusCode()).isEqualTo(200);
      assertThat(event().path("body").asText()).isEqualTo(ORDER);
    }

    @Test
    void looksAtTheMediaTypeWithoutItsParameters() throws Exception {
      assertThat(send(order("customer", "{}").setHeader("Content-Type", "application/JSON; charset=utf-8")).statusCode())
          .isEqualTo(400);
    }

    /** The service's gap, on purpose: "If there is no matching content type, request validation is not performed." */
    @Test
    void isNotPerformedForAContentTypeWithoutAModel() throws Exception {
      assertThat(send(order("customer", "{}").setHeader("Content-Type", "text/plain")).statusCode()).isEqualTo(200);
    }

    /** The import leaves minItems out of the model, as the service's "Important notes" say. */
    @Test
    void doesNotCountItems() throws Exception {
      assertThat(send(order("customer", "{\"items\":[]}")).statusCode()).isEqualTo(200);
    }

    @Test
    void isOffWhereTheMethodHasAnotherValidator() throws Exception {
      assertThat(send(request("/any").POST(BodyPublishers.ofString("{"))).statusCode()).isEqualTo(200);
    }
  }

  @Nested
  class Limits {
    @Test
    void refusesABodyOfMoreThan10Megabytes() throws Exception {
      var response = send(request("/any").POST(BodyPublishers.ofByteArray(new byte[10 * 1024 * 1024 + 1])));
      assertProblem(response, 413, "Request Too Long");
    }

    @Test
    void takesABodyOf5Megabytes() throws Exception {
      assertThat(send(request("/any").POST(BodyPublishers.ofString("x".repeat(5 * 1024 * 1024)))).statusCode()).isEqualTo(200);
      assertThat(event().path("body").asText()).hasSize(5 * 1024 * 1024);
    }

    @Test
    void refusesHeadersOfMoreThan10240Bytes() throws Exception {
      assertThat(send(request("/menu").header("X-Long", "x".repeat(9_000))).statusCode()).isEqualTo(200);
      assertProblem(send(request("/menu").header("X-Long", "x".repeat(10_200))), 431, "HTTP header is larger than 10240 bytes: X-Long");
    }

    @Test
    void throttlesAsTheStageSays() throws Exception {
      var codes = new ArrayList<Integer>();
      for (int i = 0; i < 3; i++) {
        codes.add(send(request("/limited")).statusCode());
      }
      assertThat(codes).containsExactly(200, 200, 429);
    }
  }

  @Nested
  class Authorizing {
    @Test
    void asksForAToken() throws Exception {
      var response = send(request("/orders/1").PUT(BodyPublishers.noBody()));
      assertProblem(response, 401, "Unauthorized");
      assertThat(response.headers().firstValue("www-authenticate")).contains("Bearer");
      assertThat(response.headers().firstValue("x-amzn-errortype")).contains("UnauthorizedException");
    }

    @Test
    void comesBeforeValidation() throws Exception {
      assertThat(send(request("/orders").POST(BodyPublishers.ofString("{"))).statusCode()).isEqualTo(401);
    }

    @Test
    void takesATokenWithAndWithoutBearer() throws Exception {
      for (var prefix : List.of("", "Bearer ", "bearer  ")) {
        assertThat(send(request("/orders/1").header("Authorization", prefix + COGNITO.token("barista"))
            .PUT(BodyPublishers.noBody())).statusCode()).isEqualTo(200);
      }
    }

    @ParameterizedTest
    @ValueSource(strings = {"x", "Bearer", "Bearer x.y.z", "Basic dXNlcjpwYXNz", "a.b", "....", "Bearer \u00e9"})
    void refusesWhatIsNoToken(String header) throws Exception {
      assertThat(send(request("/orders/1").header("Authorization", header).PUT(BodyPublishers.noBody())).statusCode())
          .isEqualTo(401);
    }

    @Test
    void refusesAForgedToken() throws Exception {
      var other = new Cognito("http://localhost:4566");
      var pool = provision(other, "AWS::Cognito::UserPool", "Users", "{}");
      provision(other, "AWS::Cognito::UserPoolClient", "Web", "{\"UserPoolId\":\"%s\"}".formatted(pool.ref()));
      assertProblem(send(request("/orders/1").header("Authorization", other.token("manager")).PUT(BodyPublishers.noBody())),
          401, "Unauthorized");
    }

    @Test
    void tellsAnExpiredToken() throws Exception {
      CLOCK.set(Clock.offset(Clock.systemUTC(), Duration.ofHours(-2)));
      var expired = COGNITO.token("customer");
      CLOCK.set(Clock.systemUTC());
      assertProblem(send(request("/orders/1").header("Authorization", expired).PUT(BodyPublishers.noBody())),
          401, "The incoming token has expired");
    }

    @Test
    void takesNoIdTokenWhereScopesAreAskedFor() throws Exception {
      assertProblem(send(signedIn("/scoped", "customer")), 401, "Unauthorized");
    }
  }

  @Nested
  class TheAnswer {
    @Test
    void hasTheStatusHeadersAndBodyOfTheFunction() throws Exception {
      answer("""
          {"statusCode":202,"headers":{"Location":"/orders/1","Content-Type":"text/plain","X-Bool":true},
           "multiValueHeaders":{"Set-Cookie":["a=1","b=2"]},"body":"café"}""");
      var response = send(request("/menu"));
      assertThat(response.statusCode()).isEqualTo(202);
      assertThat(response.body()).isEqualTo("café");
      assertThat(response.headers().firstValue("location")).contains("/orders/1");
      assertThat(response.headers().firstValue("x-bool")).contains("true");
      assertThat(response.headers().allValues("set-cookie")).containsExactlyInAnyOrder("a=1", "b=2");
      assertThat(response.headers().allValues("content-type")).containsExactly("text/plain");
      assertThat(response.headers().firstValue("x-amzn-requestid"))
          .contains(event().path("requestContext").path("requestId").asText());
      assertThat(response.headers().firstValue("x-amz-apigw-id")).isPresent();
      assertThat(response.headers().firstValue("x-amzn-trace-id")).isPresent();
    }

    @Test
    void isJsonUnlessTheFunctionSaysOtherwise() throws Exception {
      answer("{\"statusCode\":\"200\",\"body\":null,\"headers\":null,\"multiValueHeaders\":null}");
      var response = send(request("/menu"));
      assertThat(response.statusCode()).isEqualTo(200);
      assertThat(response.headers().firstValue("content-type")).contains("application/json");
      assertThat(response.body()).isEmpty();
    }

    @Test
    void hasSomeHeadersRemapped() throws Exception {
      answer("{\"statusCode\":401,\"headers\":{\"WWW-Authenticate\":\"Basic\",\"Date\":\"today\",\"Content-Length\":\"7\"},\"body\":\"no\"}");
      var response = send(request("/menu"));
      assertThat(response.headers().firstValue("x-amzn-remapped-www-authenticate")).contains("Basic");
      assertThat(response.headers().firstValue("x-amzn-remapped-date")).contains("today");
      assertThat(response.headers().firstValue("x-amzn-remapped-content-length")).contains("7");
      assertThat(response.headers().firstValue("www-authenticate")).isEmpty();
      assertThat(response.body()).isEqualTo("no");
    }

    @Test
    void isDecodedForAClientThatAcceptsTheBinaryType() throws Exception {
      answer("{\"statusCode\":200,\"isBase64Encoded\":true,\"body\":\"AAEC\"}");
      assertThat(CLIENT.send(request("/menu").header("Accept", "image/png").build(), BodyHandlers.ofByteArray()).body())
          .containsExactly(0, 1, 2);
      assertThat(send(request("/menu").header("Accept", "text/html")).body()).isEqualTo("AAEC");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "null", "[]", "\"text\"", "{\"status\":200}", "{\"statusCode\":\"abc\"}", "{\"statusCode\":99}",
        "{\"statusCode\":200,\"body\":{\"a\":1}}", "{\"statusCode\":200,\"headers\":{\"a\":1}}", "{\"statusCode\":200,\"extra\":1}",
        "{\"statusCode\":200,\"headers\":{\"a\":\"b\\r\\nc: d\"}}", "{\"statusCode\":200,\"headers\":{\"a b\":\"c\"}}",
        "{\"statusCode\":200,\"multiValueHeaders\":{\"a\":\"b\"}}", "{\"statusCode\":200,\"isBase64Encoded\":true,\"body\":\"%\"}",
        "{\"errorMessage\":\"x\"}", "not json"})
    void isA502WhereTheFunctionAnswersSomethingElse(String output) throws Exception {
      answer(output);
      var response = send(request("/menu").header("Accept", "image/png"));
      assertThat(response.statusCode()).isEqualTo(502);
      assertThat(json(response).path("detail").asText()).isEqualTo("Internal server error");
      assertThat(response.body()).doesNotContain("malformed");
    }

    @Test
    void isA502WhereTheFunctionFails() throws Exception {
      LAMBDA.set(event -> Json.object().put("StatusCode", 200).put("FunctionError", "Unhandled")
          .put("Payload", base64("{\"errorMessage\":\"secret\"}")));
      var response = send(request("/menu"));
      assertThat(response.statusCode()).isEqualTo(502);
      assertThat(response.body()).doesNotContain("secret");
    }

    @ParameterizedTest
    @CsvSource({"429, TooManyRequestsException, 500", "404, ResourceNotFoundException, 500",
        "413, RequestTooLargeException, 413", "500, ServiceException, 500"})
    void tellsWhyTheFunctionWasNotInvoked(int status, String code, int answered) throws Exception {
      LAMBDA.set(event -> {
        throw new AwsException(status, code, "why");
      });
      assertThat(send(request("/menu")).statusCode()).isEqualTo(answered);
    }

    @Test
    void isA504WhereTheFunctionTakesTooLong() throws Exception {
      var latch = new CountDownLatch(1);
      LAMBDA.set(event -> {
        try {
          latch.await();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
        return Json.object();
      });
      var response = send(request("/hasty"));
      latch.countDown();
      assertProblem(response, 504, "Endpoint request timed out");
    }

    @Test
    void hasNoBodyForHead() throws Exception {
      var response = send(request("/menu").HEAD());
      assertThat(response.headers().firstValue("content-length")).contains("4");
      assertThat(response.body()).isEmpty();
    }
  }

  @Nested
  class GatewayResponses {
    @Test
    void areValidJsonWhateverTheMessageQuotes() throws Exception {
      var response = send(order("customer", "{\"items\":[],\"a\\\"\\\\b\":1}"));
      assertThat(response.headers().firstValue("content-type")).contains("application/problem+json");
      assertThat(json(response).path("detail").asText()).startsWith("[object instance has properties which are not allowed");
      assertThat(json(response).path("instance").asText()).isEqualTo("/api/orders");
      assertThat(json(response).path("requestId").asText())
          .isEqualTo(response.headers().firstValue("x-amzn-requestid").orElseThrow());
    }

    @Test
    void areTheServicesOwnWhereTheDocumentDefinesNone() throws Exception {
      deploy("""
          {"openapi":"3.0.1","paths":{"/a":{"get":{"x-amazon-apigateway-integration":{"type":"mock"}}}}}""", "plain", null);
      var response = send(HttpRequest.newBuilder(URI.create(url.replace("/api", "/plain/b"))));
      assertThat(response.statusCode()).isEqualTo(403);
      assertThat(response.body()).isEqualTo("{\"message\":\"Missing Authentication Token\"}");
      assertThat(response.headers().firstValue("content-type")).contains("application/json");
    }

    @Test
    void canChangeTheStatus() throws Exception {
      deploy("""
          {"openapi":"3.0.1","paths":{},"x-amazon-apigateway-gateway-responses":{"MISSING_AUTHENTICATION_TOKEN":{
           "statusCode":"404","responseParameters":{"gatewayresponse.header.X-Method":"context.httpMethod",
           "gatewayresponse.header.X-Query":"method.request.querystring.q"},
           "responseTemplates":{"application/json":"{\\"path\\":\\"$context.path\\",\\"m\\":$context.error.messageString}",
           "application/xml":"<path>$context.path</path>"}}}}""", "changed", null);
      var uri = URI.create(url.replace("/api", "/changed/b?q=1"));
      var response = send(HttpRequest.newBuilder(uri));
      assertThat(response.statusCode()).isEqualTo(404);
      assertThat(response.body()).isEqualTo("{\"path\":\"/changed/b\",\"m\":\"Missing Authentication Token\"}");
      assertThat(response.headers().firstValue("x-method")).contains("GET");
      assertThat(response.headers().firstValue("x-query")).contains("1");
      assertThat(send(HttpRequest.newBuilder(uri).header("Accept", "application/xml")).body()).isEqualTo("<path>/changed/b</path>");
    }
  }

  @Nested
  class Mocks {
    @Test
    void answerAPreflight() throws Exception {
      var response = send(request("/orders").method("OPTIONS", BodyPublishers.noBody()).header("Origin", "http://x"));
      assertThat(response.statusCode()).isEqualTo(204);
      assertThat(response.headers().firstValue("access-control-allow-methods")).contains("GET,POST,OPTIONS");
    }

    @Test
    void chooseByStatusAndRenderTemplates() throws Exception {
      var response = send(request("/mock/7?fail=no").POST(BodyPublishers.ofString("{\"name\":\"Ann\"}")));
      assertThat(response.statusCode()).isEqualTo(200);
      assertThat(response.body()).isEqualTo("{\"id\":\"7\",\"name\":\"Ann\",\"stage\":\"api\",\"colour\":\"blue\"}");
      assertThat(send(request("/mock/7?fail=yes").POST(BodyPublishers.ofString("{}"))).statusCode()).isEqualTo(418);
    }

    @Test
    void refuseAMediaTypeWithoutATemplate() throws Exception {
      assertThat(send(request("/mock/7").header("Content-Type", "text/plain").POST(BodyPublishers.ofString("x"))).statusCode())
          .isEqualTo(415);
    }
  }

  @Nested
  class ABadDocument {
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{\"swagger\":\"2.0\"}|/openapi",
        "{\"security\":[]}|/security",
        "{\"x-amazon-apigateway-policy\":{}}|/x-amazon-apigateway-policy",
        "{\"paths\":{\"/a\":{\"get\":{}}}}|/paths//a/get",
        "{\"paths\":{\"/a\":{\"get\":{\"x-amazon-apigateway-integration\":{\"type\":\"http_proxy\"}}}}}|x-amazon-apigateway-integration/type",
        "{\"paths\":{\"/a\":{\"get\":{\"x-amazon-apigateway-integration\":{\"type\":\"mock\",\"cacheNamespace\":\"x\"}}}}}|integration/cacheNamespace",
        "{\"paths\":{\"/a\":{\"get\":{\"security\":[{\"k\":[]}],\"x-amazon-apigateway-integration\":{\"type\":\"mock\"}}}},\"components\":{\"securitySchemes\":{\"k\":{\"type\":\"apiKey\",\"name\":\"x-api-key\",\"in\":\"header\"}}}}|API keys",
        "{\"paths\":{\"/a\":{\"get\":{\"security\":[{\"k\":[]}],\"x-amazon-apigateway-integration\":{\"type\":\"mock\"}}}},\"components\":{\"securitySchemes\":{\"k\":{\"type\":\"apiKey\",\"name\":\"Authorization\",\"in\":\"header\",\"x-amazon-apigateway-authtype\":\"custom\"}}}}|/components/securitySchemes/k/x-amazon-apigateway-authtype",
        "{\"paths\":{\"/a\":{\"get\":{\"x-amazon-apigateway-request-validator\":\"all\",\"x-amazon-apigateway-integration\":{\"type\":\"mock\"}}}}}|no request validator all",
        "{\"paths\":{\"/{a+}/b\":{}}}|greedy",
        "{\"x-amazon-apigateway-gateway-responses\":{\"NO_SUCH\":{}}}|NO_SUCH"})
    void stopsTheStartWithItsPath(String members, String path) {
      var document = (ObjectNode) Json.parse("{\"openapi\":\"3.0.3\",\"paths\":{}}");
      document.setAll((ObjectNode) Json.parse(members));
      if (document.has("swagger")) {
        document.remove("openapi");
      }
      assertThatThrownBy(() -> new RestApi(document)).isInstanceOf(IllegalArgumentException.class).hasMessageContaining(path);
    }

    @Test
    void neverHidesAPropertyThatIsNotHonoured() {
      assertThatThrownBy(() -> provision(gateway, "AWS::ApiGateway::RestApi", "Bad",
          "{\"Body\":{\"openapi\":\"3.0.1\"},\"Policy\":{}}")).hasMessageContaining("Policy");
      assertThatThrownBy(() -> deploy("{\"openapi\":\"3.0.1\"}", "cached", "\"CacheClusterEnabled\":true"))
          .hasMessageContaining("CacheClusterEnabled");
    }
  }

  @Nested
  class TheServer {
    @ParameterizedTest
    @ValueSource(strings = {"GARBAGE\r\n\r\n", "GET\r\n\r\n", "GET /api/menu HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "GET /api/menu HTTP/1.1\r\nContent-Length: -5\r\n\r\n", "GET /api/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /api/menu?a=|{} HTTP/1.1\r\nHost: x\r\n\r\n", "GET mailto:a@b HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "POST /api/any HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /api/any HTTP/1.1\r\nContent-Length: 100\r\n\r\nshort", "GET /api/menu HTTP/9.9\r\n\r\n", "\u0000\u0001\u0002\r\n\r\n"})
    void survivesWhatIsNoHttp(String bytes) throws Exception {
      try (var socket = new Socket("127.0.0.1", gateway.port())) {
        socket.setSoTimeout(5_000);
        socket.getOutputStream().write(bytes.getBytes(StandardCharsets.ISO_8859_1));
        socket.shutdownOutput();
        var answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
        assertThat(answer).doesNotStartWith("HTTP/1.1 5");
      } catch (SocketException e) {
        // A reset is an answer too.
        assertThat(e).isNotNull();
      }
      assertThat(send(request("/menu")).statusCode()).isEqualTo(200);
    }

    @Test
    void servesSeveralRequestsOnOneConnection() throws Exception {
      // A server of its own: one with 200 idle connections, from other tests, closes those that come on top.
      try (var own = new ApiGateway(0, ApiGatewayTest::call, COGNITO, new EventLog(new PrintStream(LOG)));
           var socket = new Socket("127.0.0.1", own.port())) {
        socket.setSoTimeout(5_000);
        for (int i = 0; i < 3; i++) {
          socket.getOutputStream().write("GET /x HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(StandardCharsets.ISO_8859_1));
          assertThat(readAnswer(socket, "{\"message\":\"Forbidden\"}")).startsWith("HTTP/1.1 403");
        }
      }
    }

    @Test
    void invokesNothingForABodyThatNeverComes() throws Exception {
      try (var socket = new Socket("127.0.0.1", gateway.port())) {
        socket.setSoTimeout(5_000);
        socket.getOutputStream().write("POST /api/any HTTP/1.1\r\nContent-Length: 100\r\n\r\nshort".getBytes(StandardCharsets.ISO_8859_1));
        socket.shutdownOutput();
        assertThat(socket.getInputStream().read()).isEqualTo(-1);
      }
      assertThat(CALLS).isEmpty();
    }

    @Test
    void answers500ForItsOwnFaultsAndGoesOn() throws Exception {
      LAMBDA.set(event -> {
        throw new IllegalStateException("broken");
      });
      assertProblem(send(request("/menu")), 500, "Internal server error");
      answer(OK);
      assertThat(send(request("/menu")).statusCode()).isEqualTo(200);
    }

    @Test
    void asksForABodyThatTheClientHoldsBack() throws Exception {
      var response = send(request("/any").expectContinue(true).POST(BodyPublishers.ofString("x")));
      assertThat(response.statusCode()).isEqualTo(200);
      assertThat(event().path("body").asText()).isEqualTo("x");
    }

    @Test
    void doesNotWaitForASlowClientBeforeItServesOthers() throws Exception {
      var slow = new ArrayList<Socket>();
      try {
        for (int i = 0; i < 50; i++) {
          var socket = new Socket("127.0.0.1", gateway.port());
          socket.getOutputStream().write("POST /api/any HTTP/1.1\r\nContent-Length: 10\r\n\r\nx".getBytes(StandardCharsets.ISO_8859_1));
          slow.add(socket);
        }
        assertThat(send(request("/menu")).statusCode()).isEqualTo(200);
      } finally {
        for (var socket : slow) {
          socket.close();
        }
      }
    }

    @Test
    void servesManyAtOnceAndKeepsThemApart() throws Exception {
      LAMBDA.set(event -> output(Json.write(Json.object().put("statusCode", 200).put("body", event.path("path").asText()))));
      try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
        var answers = new ArrayList<Future<String>>();
        for (int i = 0; i < 100; i++) {
          var path = "/files/" + i;
          answers.add(threads.submit(() -> send(request(path)).body()));
        }
        for (int i = 0; i < answers.size(); i++) {
          assertThat(answers.get(i).get()).isEqualTo("/files/" + i);
        }
      }
    }

    @Test
    void writesALineARequest() throws Exception {
      LOG.reset();
      send(request("/menu?secret=1"));
      await().untilAsserted(() ->
          assertThat(LOG.toString(StandardCharsets.UTF_8)).containsPattern("request +GET /api/menu 200 \\d+ ms\\R"));
    }

    @Test
    void saysThatItsPortIsTaken() {
      assertThatThrownBy(() -> new ApiGateway(gateway.port(), ApiGatewayTest::call, COGNITO, new EventLog(new PrintStream(LOG))))
          .isInstanceOf(IllegalStateException.class).hasMessageContaining("port " + gateway.port() + " is taken");
    }
  }

  @Test
  void listsItsApisAndStages() {
    var apis = gateway.call("GetRestApis", Json.object(), Caller.ADMINISTRATOR).path("item");
    assertThat(apis).isNotEmpty();
    var id = stageApi("api");
    var stages = gateway.call("GetStages", Json.object().put("restApiId", id), Caller.ADMINISTRATOR);
    assertThat(stages.path("item").get(0).path("variables").path("colour").asText()).isEqualTo("blue");
    assertThatThrownBy(() -> gateway.call("CreateRestApi", Json.object(), Caller.ADMINISTRATOR)).isInstanceOf(AwsException.class);
  }

  // ---- helpers

  private static String stageApi(String stage) {
    return gateway.call("GetRestApis", Json.object(), Caller.ADMINISTRATOR).path("item").findValuesAsText("id").stream()
        .filter(id -> gateway.call("GetStages", Json.object().put("restApiId", id), Caller.ADMINISTRATOR).path("item")
            .findValuesAsText("stageName").contains(stage)).findFirst().orElseThrow();
  }

  private static ObjectNode call(String service, String operation, ObjectNode input, Caller caller) {
    assertThat(service + " " + operation).isEqualTo("lambda Invoke");
    CALLS.add(input);
    return LAMBDA.get().apply(Json.parse(Base64.getDecoder().decode(input.path("Payload").asText())));
  }

  private static void answer(String payload) {
    LAMBDA.set(event -> output(payload));
  }

  private static ObjectNode output(String payload) {
    return Json.object().put("StatusCode", 200).put("Payload", base64(payload));
  }

  private static String base64(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }

  private static JsonNode event() {
    assertThat(CALLS).hasSize(1);
    return Json.parse(Base64.getDecoder().decode(CALLS.getFirst().path("Payload").asText()));
  }

  private static HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create(url + path)).timeout(Duration.ofSeconds(20));
  }

  private static HttpRequest.Builder signedIn(String path, String user) {
    return request(path).header("Authorization", "Bearer " + COGNITO.token(user));
  }

  private static HttpRequest.Builder order(String user, String body) {
    return signedIn("/orders", user).header("Idempotency-Key", "k").header("Content-Type", "application/json")
        .POST(BodyPublishers.ofString(body));
  }

  private static HttpResponse<String> send(HttpRequest.Builder request) throws IOException, InterruptedException {
    return CLIENT.send(request.build(), BodyHandlers.ofString());
  }

  private static String readAnswer(Socket socket, String end) throws IOException {
    var answer = new StringBuilder();
    while (answer.indexOf(end) < 0) {
      var c = socket.getInputStream().read();
      assertThat(c).isNotEqualTo(-1);
      answer.append((char) c);
    }
    return answer.toString();
  }

  private static JsonNode json(HttpResponse<String> response) {
    return Json.parse(response.body());
  }

  private static void assertProblem(HttpResponse<String> response, int status, String detail) {
    assertThat(response.statusCode()).isEqualTo(status);
    assertThat(response.headers().firstValue("content-type")).contains("application/problem+json");
    assertThat(json(response).path("detail").asText()).isEqualTo(detail);
  }

  private static Provisioner.Provisioned provision(Service service, String type, String id, String properties) {
    return service.provisioners().get(type)
        .provision(new Provisioner.Resource(id, type, "cafe-" + id, (ObjectNode) Json.parse(properties)));
  }

  private static void deploy(String document, String stage, String settings) {
    var api = provision(gateway, "AWS::ApiGateway::RestApi", "Api-" + stage, "{\"Name\":\"%s\",\"Body\":%s}".formatted(stage, document));
    var deployment = provision(gateway, "AWS::ApiGateway::Deployment", "D-" + stage, "{\"RestApiId\":\"%s\"}".formatted(api.ref()));
    provision(gateway, "AWS::ApiGateway::Stage", "S-" + stage, "{\"RestApiId\":\"%s\",\"DeploymentId\":\"%s\",\"StageName\":\"%s\"%s}"
        .formatted(api.ref(), deployment.ref(), stage, settings == null ? "" : "," + settings));
  }

  private static final String ORDER = "{\"items\":[{\"itemId\":\"espresso\",\"quantity\":1}]}";

  private static final String LAMBDA_INTEGRATION = """
      {"type":"aws_proxy","httpMethod":"POST","uri":"arn:aws:apigateway:%s:lambda:path/2015-03-31/functions/%s/invocations"}"""
      .formatted(Settings.REGION, FUNCTION);

  private static final String PROBLEM = """
      "responseParameters":{"gatewayresponse.header.Content-Type":"'application/problem+json'"},
      "responseTemplates":{"application/json":"{\\"type\\":\\"about:blank\\",\\"status\\":0,\\"detail\\":\\"$context.error.message\\"}"}""";

  private static final String DOCUMENT = """
      {"openapi":"3.0.1","info":{"title":"cafe","version":"1"},
       "x-amazon-apigateway-request-validators":{
         "all":{"validateRequestBody":true,"validateRequestParameters":true},
         "none":{"validateRequestBody":false,"validateRequestParameters":false}},
       "x-amazon-apigateway-request-validator":"all",
       "x-amazon-apigateway-binary-media-types":["image/png"],
       "x-amazon-apigateway-gateway-responses":{
         "DEFAULT_4XX":{PROBLEM},"DEFAULT_5XX":{PROBLEM},
         "UNAUTHORIZED":{"statusCode":401,
           "responseParameters":{"gatewayresponse.header.Content-Type":"'application/problem+json'","gatewayresponse.header.WWW-Authenticate":"'Bearer'"},
           "responseTemplates":{"application/json":"{\\"detail\\":\\"$context.error.message\\"}"}},
         "BAD_REQUEST_BODY":{
           "responseParameters":{"gatewayresponse.header.Content-Type":"'application/problem+json'"},
           "responseTemplates":{"application/json":"{\\"type\\":\\"about:blank\\",\\"title\\":\\"Bad Request\\",\\"status\\":400,\\"detail\\":\\"$context.error.validationErrorString\\",\\"instance\\":\\"$context.path\\",\\"requestId\\":\\"$context.requestId\\"}"}}},
       "components":{
         "securitySchemes":{"CognitoAuthorizer":{"type":"apiKey","name":"Authorization","in":"header",
           "x-amazon-apigateway-authtype":"cognito_user_pools",
           "x-amazon-apigateway-authorizer":{"type":"cognito_user_pools","providerARNs":["%s"]}}},
         "schemas":{
           "OrderRequest":{"type":"object","required":["items"],"additionalProperties":false,
             "properties":{"items":{"type":"array","minItems":1,"items":{"$ref":"#/components/schemas/Line"}}}},
           "Line":{"type":"object","required":["itemId","quantity"],"additionalProperties":false,
             "properties":{"itemId":{"type":"string","minLength":1,"example":"espresso"},
               "quantity":{"type":"integer","format":"int32","minimum":1}}}}},
       "paths":{
         "/menu":{"get":{"x-amazon-apigateway-integration":LAMBDA},"head":{"x-amazon-apigateway-integration":LAMBDA}},
         "/limited":{"get":{"x-amazon-apigateway-integration":LAMBDA}},
         "/hasty":{"get":{"x-amazon-apigateway-integration":{"type":"AWS_PROXY","httpMethod":"POST","timeoutInMillis":50,
           "uri":"arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/slow/invocations"}}},
         "/search":{"parameters":[{"name":"q","in":"query","required":true,"schema":{"type":"string"}}],
           "get":{"parameters":[{"name":"X-Search","in":"header","required":true,"schema":{"type":"string"}}],
             "x-amazon-apigateway-integration":LAMBDA}},
         "/files/{path+}":{"get":{"x-amazon-apigateway-integration":LAMBDA}},
         "/any":{"x-amazon-apigateway-any-method":{"x-amazon-apigateway-request-validator":"none","x-amazon-apigateway-integration":LAMBDA}},
         "/scoped":{"get":{"security":[{"CognitoAuthorizer":["menu/read"]}],"x-amazon-apigateway-integration":LAMBDA}},
         "/orders":{
           "post":{"security":[{"CognitoAuthorizer":[]}],
             "parameters":[{"name":"Idempotency-Key","in":"header","required":true,"schema":{"type":"string"}}],
             "requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/OrderRequest"}}}},
             "x-amazon-apigateway-integration":LAMBDA},
           "options":{"responses":{"204":{"headers":{"Access-Control-Allow-Methods":{"schema":{"type":"string"}}}}},
             "x-amazon-apigateway-integration":{"type":"mock","requestTemplates":{"application/json":"{\\"statusCode\\":204}"},
               "responses":{"default":{"statusCode":"204","responseParameters":{
                 "method.response.header.Access-Control-Allow-Methods":"'GET,POST,OPTIONS'"}}}}}},
         "/orders/new":{"get":{"x-amazon-apigateway-integration":LAMBDA}},
         "/orders/{orderId}":{"get":{"x-amazon-apigateway-integration":LAMBDA},
           "put":{"operationId":"replaceOrder","security":[{"CognitoAuthorizer":[]}],"x-amazon-apigateway-integration":LAMBDA}},
         "/mock/{id}":{"post":{"responses":{"200":{},"418":{}},"x-amazon-apigateway-request-validator":"none",
           "x-amazon-apigateway-integration":{"type":"mock","passthroughBehavior":"never",
             "requestTemplates":{"application/json":"#if($input.params('fail')=='yes'){\\"statusCode\\":418}#else{\\"statusCode\\":200}#end"},
             "responses":{"418":{"statusCode":418},"default":{"statusCode":200,"responseTemplates":{"application/json":
               "{\\"id\\":\\"$input.params('id')\\",\\"name\\":$input.json('$.name'),\\"stage\\":\\"$context.stage\\",\\"colour\\":\\"$stageVariables.colour\\"}"}}}}}}
       }}""".replace("LAMBDA", LAMBDA_INTEGRATION).replace("PROBLEM", PROBLEM);
}
