package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.example.cafe.local.Cognito.Reason;
import com.example.cafe.local.Cognito.Verification;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jose.crypto.RSASSAVerifier;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jwt.PlainJWT;
import com.nimbusds.jwt.SignedJWT;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CognitoTest {
  private static final String CALLBACK = "http://localhost:3000/signed-in";
  private static final String VERIFIER = "a-verifier-that-is-long-enough-for-the-specification-43";
  private static final HttpClient CLIENT = HttpClient.newHttpClient();
  private static HttpServer server;
  private static Cognito cognito;
  private static String endpoint;
  private static Provisioner.Provisioned pool;
  private static Provisioner.Provisioned otherPool;
  private static String client;
  private static Provisioner.Provisioned secretClient;
  private static Instant now;

  @BeforeAll
  static void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    endpoint = "http://localhost:" + server.getAddress().getPort();
    cognito = new Cognito(endpoint, () -> now);
    server.createContext("/", cognito.handler());
    server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    server.start();
    now = Instant.now();
    pool = provision("AWS::Cognito::UserPool", "Users", "{\"Policies\":{\"PasswordPolicy\":{\"MinimumLength\":12}}}");
    otherPool = provision("AWS::Cognito::UserPool", "Others", "{\"UsernameAttributes\":[\"email\"]}");
    client = provision("AWS::Cognito::UserPoolClient", "Web", """
        {"UserPoolId":"%s","AllowedOAuthFlows":["code"],"AllowedOAuthFlowsUserPoolClient":true,
         "AllowedOAuthScopes":["openid","email"],"CallbackURLs":["%s"],"LogoutURLs":["http://localhost:3000/"],
         "ExplicitAuthFlows":["ALLOW_USER_PASSWORD_AUTH","ALLOW_REFRESH_TOKEN_AUTH"],
         "AccessTokenValidity":30,"TokenValidityUnits":{"AccessToken":"minutes"}}""".formatted(pool.ref(), CALLBACK)).ref();
    secretClient = provision("AWS::Cognito::UserPoolClient", "Server", """
        {"UserPoolId":"%s","GenerateSecret":true,"AllowedOAuthFlows":["code"],"AllowedOAuthFlowsUserPoolClient":true,
         "AllowedOAuthScopes":["openid"],"CallbackURLs":["%s"]}""".formatted(otherPool.ref(), CALLBACK));
    provision("AWS::Cognito::UserPoolGroup", "Managers",
        "{\"UserPoolId\":\"%s\",\"GroupName\":\"manager\",\"Precedence\":1}".formatted(pool.ref()));
  }

  @AfterAll
  static void stop() {
    server.stop(0);
    CLIENT.close();
  }

  @BeforeEach
  void today() {
    now = Instant.now();
  }

  @Test
  void poolsAndClientsKeepTheirIdsFromStartToStart() {
    assertThat(pool.ref()).matches(Settings.REGION + "_[A-Za-z0-9]{9}");
    assertThat(client).matches("[a-z0-9]{26}");
    var again = new Cognito(endpoint).provisioners().get("AWS::Cognito::UserPool")
        .provision(new Provisioner.Resource("Users", "AWS::Cognito::UserPool", "cafe-Users", Json.object()));
    assertThat(again.ref()).isEqualTo(pool.ref());
    assertThat(pool.attributes()).containsEntry("Arn", Settings.arn("cognito-idp", "userpool/" + pool.ref()))
        .containsEntry("ProviderURL", endpoint + "/" + pool.ref());
  }

  @ParameterizedTest
  @CsvSource({"customer, customer", "customer2, customer", "barista, barista", "manager, manager"})
  void everyDemoUserHasATokenForAnHour(String name, String group) {
    var claims = valid(cognito.token(name));
    assertThat(claims).containsEntry("token_use", "id").containsEntry("cognito:username", name)
        .containsEntry("email", name + "@example.com").containsEntry("iss", endpoint + "/" + pool.ref())
        .containsEntry("aud", client);
    assertThat(claims.get("cognito:groups")).asString().isEqualTo("[" + group + "]");
    assertThat((Long) claims.get("exp") - (Long) claims.get("iat")).isEqualTo(3600);
  }

  @Test
  void noOneElseHasAToken() {
    assertThatThrownBy(() -> cognito.token("nobody")).isInstanceOf(AwsException.class).hasMessageContaining("nobody");
  }

  @Test
  void aTokenExpires() {
    var token = cognito.token("customer");
    now = now.plus(Duration.ofMinutes(59));
    assertThat(cognito.verify(token, arn())).isInstanceOf(Verification.Valid.class);
    now = now.plus(Duration.ofMinutes(1));
    assertThat(reason(token)).isEqualTo(Reason.EXPIRED);
    assertThat(reason(cognito.token("customer", Duration.ofSeconds(-1)))).isEqualTo(Reason.EXPIRED);
  }

  @Test
  void anUnsignedTokenIsForged() throws Exception {
    var claims = SignedJWT.parse(cognito.token("manager")).getJWTClaimsSet();
    assertThat(reason(new PlainJWT(claims).serialize())).isEqualTo(Reason.FORGED);
  }

  @Test
  void aTokenSignedWithThePublicKeyAsASecretIsForged() throws Exception {
    var claims = SignedJWT.parse(cognito.token("manager")).getJWTClaimsSet();
    var forged = new SignedJWT(new JWSHeader(JWSAlgorithm.HS256), claims);
    forged.sign(new MACSigner(keys().getKeys().getFirst().toRSAKey().toRSAPublicKey().getEncoded()));
    assertThat(reason(forged.serialize())).isEqualTo(Reason.FORGED);
  }

  @Test
  void aChangedTokenIsForged() {
    var parts = cognito.token("customer").split("\\.");
    var manager = Base64.getUrlEncoder().withoutPadding().encodeToString(
        new String(Base64.getUrlDecoder().decode(parts[1]), StandardCharsets.UTF_8).replace("customer", "manager")
            .getBytes(StandardCharsets.UTF_8));
    assertThat(reason(parts[0] + "." + manager + "." + parts[2])).isEqualTo(Reason.FORGED);
  }

  @Test
  void aTokenIsGoodForItsOwnPoolOnly() {
    assertThat(cognito.verify(cognito.token("customer"), otherPool.attributes().get("Arn")))
        .isEqualTo(new Verification.Refused(Reason.WRONG_ISSUER));
    assertThat(cognito.verify(cognito.token("customer"), "arn:aws:cognito-idp:eu-west-1:1:userpool/" + pool.ref()))
        .isEqualTo(new Verification.Refused(Reason.WRONG_ISSUER));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "x", "a.b.c", "....", "eyJhbGciOiJSUzI1NiJ9..", "{}", "é"})
  void garbageIsNoToken(String token) {
    assertThat(cognito.verify(token, arn())).isInstanceOf(Verification.Refused.class);
  }

  @Test
  void anyOpenIdClientFindsTheKeys() throws Exception {
    var configuration = json(get("/" + pool.ref() + "/.well-known/openid-configuration"));
    assertThat(configuration.path("issuer").asText()).isEqualTo(endpoint + "/" + pool.ref());
    assertThat(configuration.path("authorization_endpoint").asText()).isEqualTo(endpoint + "/oauth2/authorize");
    var keys = JWKSet.parse(get(configuration.path("jwks_uri").asText().substring(endpoint.length())).body());
    assertThat(keys.containsNonPublicKeys()).isFalse();
    var token = SignedJWT.parse(cognito.token("customer"));
    var key = keys.getKeyByKeyId(token.getHeader().getKeyID()).toRSAKey();
    assertThat(token.verify(new RSASSAVerifier(key.toRSAPublicKey()))).isTrue();
    assertThat(get("/eu-central-1_nothere99/.well-known/jwks.json").statusCode()).isEqualTo(400);
  }

  @Test
  void signsInWithACodeAndItsProof() throws Exception {
    var begin = get("/oauth2/authorize?" + form(authorization()));
    assertThat(begin.statusCode()).isEqualTo(302);
    var location = begin.headers().firstValue("location").orElseThrow();
    assertThat(location).startsWith("/login?");
    var page = get(location);
    assertThat(page.statusCode()).isEqualTo(200);
    assertThat(page.body()).contains("<html lang=\"en\">").contains("value=\"barista\"").contains("name=\"state\" value=\"s&amp;1\"");
    assertThat(page.headers().firstValue("content-security-policy")).isPresent();

    var tokens = json(redeem(signIn("barista"), VERIFIER));
    var claims = valid(tokens.path("id_token").asText());
    assertThat(claims).containsEntry("cognito:username", "barista").containsEntry("nonce", "n1");
    var access = valid(tokens.path("access_token").asText());
    assertThat(access).containsEntry("token_use", "access").containsEntry("client_id", client)
        .containsEntry("scope", "email openid").containsEntry("username", "barista").doesNotContainKey("aud");
    assertThat(tokens.path("expires_in").asInt()).isEqualTo(1800);
    assertThat(tokens.path("token_type").asText()).isEqualTo("Bearer");

    var info = json(CLIENT.send(HttpRequest.newBuilder(URI.create(endpoint + "/oauth2/userInfo"))
        .header("Authorization", "Bearer " + tokens.path("access_token").asText()).build(), BodyHandlers.ofString()));
    assertThat(info.path("email").asText()).isEqualTo("barista@example.com");

    var refreshed = post("/oauth2/token", Map.of("grant_type", "refresh_token", "client_id", client,
        "refresh_token", tokens.path("refresh_token").asText()));
    assertThat(json(refreshed).has("id_token")).isTrue();
    assertThat(json(refreshed).has("refresh_token")).isFalse();
    assertThat(refreshed.headers().firstValue("access-control-allow-origin")).contains("*");
  }

  @Test
  void aCodeWorksOnce() throws Exception {
    var code = signIn("customer");
    assertThat(redeem(code, VERIFIER).statusCode()).isEqualTo(200);
    assertError(redeem(code, VERIFIER), "invalid_grant");
  }

  @Test
  void aCodeNeedsItsProofAndIsGoneWithoutIt() throws Exception {
    var code = signIn("customer");
    assertError(redeem(code, "another-verifier-that-is-long-enough-as-well-0"), "invalid_grant");
    assertError(redeem(code, VERIFIER), "invalid_grant");
  }

  @Test
  void aCodeExpires() throws Exception {
    var code = signIn("customer");
    now = now.plus(Duration.ofMinutes(6));
    assertError(redeem(code, VERIFIER), "invalid_grant");
  }

  @Test
  void aClientWithASecretProvesIt() throws Exception {
    var parameters = new LinkedHashMap<>(Map.of("client_id", secretClient.ref(), "redirect_uri", CALLBACK,
        "response_type", "code", "username", "manager"));
    var code = parameter(post("/login", parameters), "code");
    var exchange = new LinkedHashMap<>(Map.of("grant_type", "authorization_code", "code", code, "redirect_uri", CALLBACK,
        "client_id", secretClient.ref()));
    assertError(post("/oauth2/token", exchange), "invalid_client");
    exchange.put("client_secret", secretClient.attributes().get("ClientSecret"));
    var tokens = json(post("/oauth2/token", exchange));
    var claims = cognito.verify(tokens.path("id_token").asText(), otherPool.attributes().get("Arn"));
    assertThat(claims).isInstanceOfSatisfying(Verification.Valid.class, valid ->
        assertThat(valid.claims()).containsEntry("cognito:username", Cognito.USERS.getLast().sub()));
  }

  @Test
  void noOneIsSentToAnAddressThatTheClientDoesNotName() throws Exception {
    var parameters = authorization();
    parameters.put("redirect_uri", "http://evil.example/<script>");
    var answer = get("/oauth2/authorize?" + form(parameters));
    assertThat(answer.statusCode()).isEqualTo(400);
    assertThat(answer.body()).contains("redirect_mismatch").doesNotContain("<script>");
    assertThat(post("/login", parameters).statusCode()).isEqualTo(400);
    assertThat(get("/logout?client_id=" + client + "&logout_uri=http://evil.example").statusCode()).isEqualTo(400);
  }

  @ParameterizedTest
  @CsvSource({"response_type, token, unsupported_response_type", "scope, openid phone, invalid_scope",
      "code_challenge_method, plain, invalid_request"})
  void tellsTheClientWhatIsWrongWithItsRequest(String name, String value, String error) throws Exception {
    var parameters = authorization();
    parameters.put(name, value);
    var location = get("/oauth2/authorize?" + form(parameters)).headers().firstValue("location").orElseThrow();
    assertThat(location).startsWith(CALLBACK + "?error=" + error).contains("state=s%261");
  }

  @Test
  void refusesGrantsThatItDoesNotKnow() throws Exception {
    assertError(post("/oauth2/token", Map.of("grant_type", "password", "client_id", client)), "unsupported_grant_type");
    assertError(post("/oauth2/token", Map.of("grant_type", "authorization_code", "client_id", "x")), "invalid_client");
    assertThat(get("/oauth2/userInfo").statusCode()).isEqualTo(401);
    assertThat(get("/oauth2/other").statusCode()).isEqualTo(404);
  }

  @Test
  void signsOutToWhereTheClientWants() throws Exception {
    var answer = get("/logout?client_id=" + client + "&logout_uri=http%3A%2F%2Flocalhost%3A3000%2F");
    assertThat(answer.headers().firstValue("location")).contains("http://localhost:3000/");
  }

  @Test
  void answersThePreflightOfASite() throws Exception {
    var answer = CLIENT.send(HttpRequest.newBuilder(URI.create(endpoint + "/oauth2/token"))
        .method("OPTIONS", BodyPublishers.noBody()).build(), BodyHandlers.ofString());
    assertThat(answer.statusCode()).isEqualTo(204);
    assertThat(answer.headers().firstValue("access-control-allow-methods").orElse("")).contains("POST");
  }

  @Test
  void theAdminsPasswordFlowIsItsOwn() {
    var input = Json.object().put("AuthFlow", "ADMIN_USER_PASSWORD_AUTH").put("ClientId", client).put("UserPoolId", pool.ref());
    input.putObject("AuthParameters").put("USERNAME", "manager").put("PASSWORD", Cognito.DEMO_PASSWORD);
    assertCode(() -> call("AdminInitiateAuth", input), "InvalidParameterException", "ADMIN_USER_PASSWORD_AUTH flow not enabled");
    assertCode(() -> call("InitiateAuth", input), "InvalidParameterException", "ADMIN_USER_PASSWORD_AUTH is not served");
  }

  @Test
  void signsInWithAPasswordWhereTheClientAllowsIt() {
    var input = Json.object().put("AuthFlow", "USER_PASSWORD_AUTH").put("ClientId", client);
    input.putObject("AuthParameters").put("USERNAME", "manager").put("PASSWORD", Cognito.DEMO_PASSWORD);
    var result = call("InitiateAuth", input).path("AuthenticationResult");
    assertThat(valid(result.path("IdToken").asText())).containsEntry("cognito:username", "manager");
    assertThat(valid(result.path("AccessToken").asText())).containsEntry("scope", "aws.cognito.signin.user.admin");
    var again = Json.object().put("AuthFlow", "REFRESH_TOKEN_AUTH").put("ClientId", client);
    again.putObject("AuthParameters").put("REFRESH_TOKEN", result.path("RefreshToken").asText());
    assertThat(call("InitiateAuth", again).path("AuthenticationResult").has("IdToken")).isTrue();
    input.withObject("/AuthParameters").put("PASSWORD", "wrong");
    assertCode(() -> call("InitiateAuth", input), "NotAuthorizedException", "Incorrect username or password.");
    input.put("AuthFlow", "USER_SRP_AUTH");
    assertCode(() -> call("InitiateAuth", input), "InvalidParameterException", "AuthFlow USER_SRP_AUTH");
  }

  @Test
  void tellsAboutPoolsUsersAndGroups() {
    assertThat(call("ListUserPools", Json.object().put("MaxResults", 10)).path("UserPools").findValuesAsText("Id"))
        .contains(pool.ref(), otherPool.ref());
    var inPool = Json.object().put("UserPoolId", pool.ref());
    assertThat(call("DescribeUserPool", inPool).path("UserPool").path("Arn").asText()).isEqualTo(arn());
    assertThat(call("ListUsers", inPool).path("Users").findValuesAsText("Username"))
        .containsExactly("customer", "customer2", "barista", "manager");
    assertThat(call("ListUserPoolClients", inPool).path("UserPoolClients").findValuesAsText("ClientId")).contains(client);
    var manager = inPool.deepCopy().put("Username", "manager");
    assertThat(call("AdminGetUser", manager).path("UserAttributes").findValuesAsText("Value"))
        .contains("manager@example.com", Cognito.USERS.getLast().sub());
    assertThat(call("AdminListGroupsForUser", manager).path("Groups").findValuesAsText("GroupName")).containsExactly("manager");
    assertCode(() -> call("AdminGetUser", manager.put("Username", "x")), "UserNotFoundException", "User does not exist.");
    assertCode(() -> call("DescribeUserPool", Json.object().put("UserPoolId", "x")), "ResourceNotFoundException",
        "User pool x does not exist.");
    assertThatThrownBy(() -> call("CreateUserPool", Json.object())).hasMessageContaining("CreateUserPool");
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
      "AWS::Cognito::UserPool|{\"LambdaConfig\":{}}|LambdaConfig",
      "AWS::Cognito::UserPool|{\"MfaConfiguration\":\"ON\"}|MfaConfiguration",
      "AWS::Cognito::UserPoolClient|{\"UserPoolId\":\"nowhere\"}|nowhere",
      "AWS::Cognito::UserPoolDomain|{\"UserPoolId\":\"nowhere\",\"Domain\":\"d\"}|nowhere"})
  void refusesWhatItCannotHonour(String type, String properties, String named) {
    assertThatThrownBy(() -> provision(type, "Bad", properties)).isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(named);
  }

  // ---- helpers

  private static Map<String, String> authorization() {
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("client_id", client);
    parameters.put("redirect_uri", CALLBACK);
    parameters.put("response_type", "code");
    parameters.put("scope", "openid email");
    parameters.put("state", "s&1");
    parameters.put("nonce", "n1");
    parameters.put("code_challenge_method", "S256");
    parameters.put("code_challenge", challenge());
    return parameters;
  }

  private static String challenge() {
    try {
      return Base64.getUrlEncoder().withoutPadding().encodeToString(
          MessageDigest.getInstance("SHA-256").digest(VERIFIER.getBytes(StandardCharsets.US_ASCII)));
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  private static String signIn(String user) throws Exception {
    var parameters = authorization();
    parameters.put("username", user);
    var answer = post("/login", parameters);
    assertThat(parameter(answer, "state")).isEqualTo("s%261");
    return parameter(answer, "code");
  }

  private static String parameter(HttpResponse<String> redirect, String name) {
    var location = redirect.headers().firstValue("location").orElseThrow();
    assertThat(location).startsWith(CALLBACK);
    var matcher = Pattern.compile("[?&]" + name + "=([^&]+)").matcher(location);
    assertThat(matcher.find()).isTrue();
    return matcher.group(1);
  }

  private static HttpResponse<String> redeem(String code, String verifier) throws Exception {
    return post("/oauth2/token", Map.of("grant_type", "authorization_code", "client_id", client, "code", code,
        "redirect_uri", CALLBACK, "code_verifier", verifier));
  }

  private static HttpResponse<String> get(String path) throws Exception {
    return CLIENT.send(HttpRequest.newBuilder(URI.create(endpoint + path)).build(), BodyHandlers.ofString());
  }

  private static HttpResponse<String> post(String path, Map<String, String> form) throws Exception {
    return CLIENT.send(HttpRequest.newBuilder(URI.create(endpoint + path))
        .header("Content-Type", "application/x-www-form-urlencoded").POST(BodyPublishers.ofString(form(form))).build(),
        BodyHandlers.ofString());
  }

  private static String form(Map<String, String> parameters) {
    return parameters.entrySet().stream().map(one -> one.getKey() + "=" + URLEncoder.encode(one.getValue(), StandardCharsets.UTF_8))
        .collect(Collectors.joining("&"));
  }

  private static JWKSet keys() throws Exception {
    return JWKSet.parse(get("/" + pool.ref() + "/.well-known/jwks.json").body());
  }

  private static String arn() {
    return pool.attributes().get("Arn");
  }

  private static Map<String, Object> valid(String token) {
    return switch (cognito.verify(token, arn())) {
      case Verification.Valid(var claims) -> claims;
      case Verification.Refused(var reason) -> throw new AssertionError(reason);
    };
  }

  private static Reason reason(String token) {
    return switch (cognito.verify(token, arn())) {
      case Verification.Valid(var claims) -> throw new AssertionError(claims);
      case Verification.Refused(var reason) -> reason;
    };
  }

  private static JsonNode json(HttpResponse<String> response) {
    return Json.parse(response.body());
  }

  private static void assertError(HttpResponse<String> response, String error) {
    assertThat(response.statusCode()).isEqualTo(400);
    assertThat(json(response).path("error").asText()).isEqualTo(error);
  }

  private static void assertCode(Runnable call, String code, String message) {
    assertThatThrownBy(call::run).isInstanceOfSatisfying(AwsException.class, e -> assertThat(e.code()).isEqualTo(code))
        .hasMessageContaining(message);
  }

  private static ObjectNode call(String operation, ObjectNode input) {
    return cognito.call(operation, input, Caller.ADMINISTRATOR);
  }

  private static Provisioner.Provisioned provision(String type, String id, String properties) {
    return cognito.provisioners().get(type)
        .provision(new Provisioner.Resource(id, type, "cafe-" + id, (ObjectNode) Json.parse(properties)));
  }
}
