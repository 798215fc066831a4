package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class EndpointTest {
  private static final String SIGNATURE = "AWS4-HMAC-SHA256 Credential=KEY/20260101/eu-central-1/%s/aws4_request, SignedHeaders=host, Signature=x";
  private final HttpClient client = HttpClient.newHttpClient();
  private final Endpoint endpoint = new Endpoint(0, List.of());
  private final List<String> calls = new ArrayList<>();

  /** Answers with what it was asked. */
  private final class Echo implements Service {
    private final String name;
    private final List<Route> routes;

    Echo(String name, Route... routes) {
      this.name = name;
      this.routes = List.of(routes);
    }

    @Override
    public String name() {
      return name;
    }

    @Override
    public List<Route> routes() {
      return routes;
    }

    @Override
    public ObjectNode call(String operation, ObjectNode input, Caller caller) {
      calls.add(operation + input + " " + caller.arn());
      return switch (operation) {
        case "Fail" -> throw new AwsException(400, "Broken", "it <broke>", Json.object().put("More", 1), "Legacy.Broken");
        case "Echo", "GetThing" -> Json.object().put("ok", true).set("in", input);
        case "Invoke" -> Json.object().put("StatusCode", 200).put("FunctionError", "Unhandled").put("Payload", input.get("Payload").asText());
        case "Attributes" -> Json.object().put("Name", "a&b").<ObjectNode>set("List", Json.array().add("x").add("y"))
            .set("Attributes", Json.object().put("k", "v"));
        default -> throw AwsException.unknownOperation(name, operation);
      };
    }
  }

  @BeforeEach
  void serve() {
    endpoint.add(new Echo("states"));
    endpoint.add(new Echo("sns"));
    endpoint.add(new Echo("lambda", new Route("GET", "/things/{Name}/parts/{Part+}", "GetThing"),
        new Route("POST", "/functions/{FunctionName}/invocations", "Invoke", 200, "Payload", Map.of("FunctionError", "X-Amz-Function-Error", "LogType", "X-Amz-Log-Type"))));
    endpoint.callers(key -> new Caller("arn:of:" + key));
    endpoint.mount("/_local/x", exchange -> exchange.sendResponseHeaders(204, -1));
  }

  @AfterEach
  void close() {
    endpoint.close();
  }

  private HttpResponse<String> send(String method, String path, String body, String... headers) throws IOException, InterruptedException {
    var request = HttpRequest.newBuilder(URI.create(endpoint.url() + path)).method(method, HttpRequest.BodyPublishers.ofString(body));
    if (headers.length > 0) {
      request.headers(headers);
    }
    return client.send(request.build(), HttpResponse.BodyHandlers.ofString());
  }

  @Test
  void jsonCallsReachTheServiceThatTheSignatureNames() throws Exception {
    var answer = send("POST", "/", "{\"a\":1}", "X-Amz-Target", "AWSStepFunctions.Echo", "Content-Type", "application/x-amz-json-1.0",
        "Authorization", SIGNATURE.formatted("states"));
    assertThat(answer.body()).isEqualTo("{\"ok\":true,\"in\":{\"a\":1}}");
    assertThat(answer.headers().firstValue("content-type")).contains("application/x-amz-json-1.0");
    assertThat(answer.headers().firstValue("x-amzn-requestid")).isPresent();
    assertThat(calls).containsExactly("Echo{\"a\":1} arn:of:KEY");
  }

  @Test
  void jsonErrorsCarryTypeMessageMembersAndTheLegacyCode() throws Exception {
    var answer = send("POST", "/", "{}", "X-Amz-Target", "AWSStepFunctions.Fail", "Authorization", SIGNATURE.formatted("states"));
    assertThat(answer.statusCode()).isEqualTo(400);
    assertThat(answer.body()).isEqualTo("{\"__type\":\"Broken\",\"message\":\"it <broke>\",\"More\":1}");
    assertThat(answer.headers().firstValue("x-amzn-query-error")).contains("Legacy.Broken;Sender");
  }

  @Test
  void unknownOperationsAndServicesAnswerByName() throws Exception {
    var operation = send("POST", "/", "{}", "X-Amz-Target", "AWSStepFunctions.Dance", "Authorization", SIGNATURE.formatted("states"));
    assertThat(operation.body()).contains("UnknownOperationException").contains("Dance of states");
    var service = send("POST", "/", "{}", "X-Amz-Target", "Logs_20140328.GetLogEvents", "Authorization", SIGNATURE.formatted("logs"));
    assertThat(service.body()).contains("UnknownOperationException").contains("GetLogEvents of logs");
    var query = send("POST", "/", "Action=Dance", "Content-Type", "application/x-www-form-urlencoded", "Authorization", SIGNATURE.formatted("sns"));
    assertThat(query.body()).contains("<Code>InvalidAction</Code>").contains("The action Dance is not valid");
    var rest = send("GET", "/nothing", "", "Authorization", SIGNATURE.formatted("lambda"));
    assertThat(rest.statusCode()).isEqualTo(404);
    assertThat(rest.headers().firstValue("x-amzn-errortype")).contains("UnknownOperationException");
    var xml = send("GET", "/2013-04-01/hostedzone", "", "Authorization", SIGNATURE.formatted("route53"));
    assertThat(xml.body()).contains("<Code>UnknownOperationException</Code>").contains("GET /2013-04-01/hostedzone of route53");
    var json = send("POST", "/", "Action=Echo", "Content-Type", "application/x-www-form-urlencoded", "Authorization", SIGNATURE.formatted("states"));
    assertThat(json.body()).contains("The action Echo of states is not served by the local cloud in the Query protocol.");
  }

  @Test
  void brokenJsonIsTheCallersFault() throws Exception {
    var answer = send("POST", "/", "{", "X-Amz-Target", "AWSStepFunctions.Echo", "Authorization", SIGNATURE.formatted("states"));
    assertThat(answer.statusCode()).isEqualTo(400);
    assertThat(answer.body()).contains("SerializationException");
  }

  @Test
  void queryCallsDecodeListsAndMapsAndAnswerXml() throws Exception {
    var answer = send("POST", "/", "Action=Attributes&Version=2010-03-31&Message=a%20b&Tags.member.1.Key=k&Tags.member.1.Value=v"
        + "&MessageAttributes.entry.1.Name=type&MessageAttributes.entry.1.Value.DataType=String"
        + "&MessageAttributes.entry.1.Value.StringValue=x&Attributes.entry.1.key=F&Attributes.entry.1.value=G",
        "Content-Type", "application/x-www-form-urlencoded; charset=utf-8", "Authorization", SIGNATURE.formatted("sns"));
    assertThat(calls.getFirst()).contains("\"Message\":\"a b\"").contains("\"Tags\":[{\"Key\":\"k\",\"Value\":\"v\"}]")
        .contains("\"MessageAttributes\":{\"type\":{\"DataType\":\"String\",\"StringValue\":\"x\"}}").contains("\"Attributes\":{\"F\":\"G\"}");
    assertThat(answer.body()).contains("<AttributesResult><Name>a&amp;b</Name><List><member>x</member><member>y</member></List>"
        + "<Attributes><entry><key>k</key><value>v</value></entry></Attributes></AttributesResult>");
  }

  @Test
  void restCallsTakeMembersFromPathQueryHeadersAndBody() throws Exception {
    var thing = send("GET", "/things/a%2Fb/parts/c/d?Size=3", "", "Authorization", SIGNATURE.formatted("lambda"));
    assertThat(thing.body()).isEqualTo("{\"ok\":true,\"in\":{\"Name\":\"a/b\",\"Part\":\"c/d\",\"Size\":\"3\"}}");
    var invoked = send("POST", "/functions/F/invocations", "raw", "X-Amz-Log-Type", "Tail", "Authorization", SIGNATURE.formatted("lambda"));
    assertThat(invoked.body()).isEqualTo("raw");
    assertThat(invoked.headers().firstValue("X-Amz-Function-Error")).contains("Unhandled");
    assertThat(calls.getLast()).contains("\"FunctionName\":\"F\"").contains("\"LogType\":\"Tail\"");
  }

  @Test
  void aPathOfARestServiceIsNoFormWhateverTheContentTypeSays() throws Exception {
    var answer = send("POST", "/functions/F/invocations", "raw", "Content-Type", "application/x-www-form-urlencoded",
        "Authorization", SIGNATURE.formatted("lambda"));
    assertThat(answer.body()).isEqualTo("raw");
  }

  @Test
  void aPortThatIsTakenIsNamedWithTheWayOut() {
    assertThatIllegalStateException().isThrownBy(() -> new Endpoint(endpoint.port(), List.of()))
        .withMessage("port " + endpoint.port() + " is taken: end what uses it, or choose another with -Daws.port=" + (endpoint.port() + 1));
  }

  @Test
  void unsignedPathsAreServedWhereMounted() throws Exception {
    assertThat(send("GET", "/_local/x", "").statusCode()).isEqualTo(204);
  }
}
