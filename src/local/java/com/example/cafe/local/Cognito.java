package com.example.cafe.local;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.crypto.RSASSAVerifier;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.PlainJWT;
import com.nimbusds.jwt.SignedJWT;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import java.io.IOException;
import java.math.BigInteger;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.text.ParseException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * Amazon Cognito user pools: the {@code cognito-idp} API and the OpenID provider, with four demo users in every pool.
 *
 * <p>Tokens are those of Cognito (token_use, cognito:username, cognito:groups, client_id), signed with a key that lives
 * as long as this object; so a restart signs everyone out. They are issued with Nimbus JOSE+JWT directly: the mock
 * OAuth2 servers around it put an issuer into every path, where Cognito has one host for all ({@code /oauth2/token},
 * {@code /login}), and bring no sign-in page, PKCE per client or token kinds that would make up for bending them.
 *
 * <p>A demo user's password is {@value #DEMO_PASSWORD}, for clients that allow USER_PASSWORD_AUTH; the sign-in page
 * asks for none.
 */
final class Cognito implements Service {
  static final String DEMO_PASSWORD = "Espresso-4-you!";

  /** Everyone who can sign in; the subs never change, so that seed data can name them. */
  static final List<User> USERS = List.of(
      new User("customer", "5c0ffee0-0000-4000-8000-000000000001", "Carla Customer", "customer"),
      new User("customer2", "5c0ffee0-0000-4000-8000-000000000002", "Carlos Customer", "customer"),
      new User("barista", "5c0ffee0-0000-4000-8000-000000000003", "Bea Barista", "barista"),
      new User("manager", "5c0ffee0-0000-4000-8000-000000000004", "Max Manager", "manager"));

  private static final Duration CODE_LIFE = Duration.ofMinutes(5);
  private static final int MAX_FORM = 64 * 1024;

  private final String endpoint;
  private final InstantSource clock;
  private final CompletableFuture<RSAKey> key = new CompletableFuture<>();
  private final Map<String, Pool> pools = Collections.synchronizedMap(new LinkedHashMap<>());
  private final Map<String, Grant> codes = new ConcurrentHashMap<>();
  private final Map<String, Session> refreshTokens = new ConcurrentHashMap<>();

  /** @param endpoint the public address of the AWS endpoint, without a slash at the end: the tokens' issuer */
  Cognito(String endpoint) {
    this(endpoint, InstantSource.system());
  }

  Cognito(String endpoint, InstantSource clock) {
    this.endpoint = endpoint;
    this.clock = clock;
    // An RSA key takes a few hundred milliseconds on a small machine: nobody waits for it before the first token.
    Thread.startVirtualThread(() -> key.completeAsync(Cognito::newKey, Runnable::run));
  }

  /** A person with an account. @param name what one signs in with @param group the one group that they are in */
  record User(String name, String sub, String displayName, String group) {
    String email() {
      return name + "@example.com";
    }
  }

  /** What {@link #verify} finds. */
  sealed interface Verification {
    /** The token is genuine and current. @param claims as in the token */
    record Valid(Map<String, Object> claims) implements Verification {}

    record Refused(Reason reason) implements Verification {}
  }

  /** Why a token does not count. FORGED is also what is not signed at all ("alg":"none") or with another algorithm. */
  enum Reason { MALFORMED, FORGED, WRONG_ISSUER, WRONG_AUDIENCE, EXPIRED }

  private record Pool(String id, String name, boolean emailSignIn, ObjectNode properties, Map<String, Client> clients,
      Map<String, ObjectNode> groups, Instant created) {
    String arn() {
      return Settings.arn("cognito-idp", "userpool/" + id);
    }

    /** Where people sign in with an address, Cognito makes the sub the user name. */
    String username(User user) {
      return emailSignIn ? user.sub() : user.name();
    }

    @Nullable User user(String name) {
      return USERS.stream()
          .filter(user -> name.equals(user.sub()) || name.equals(emailSignIn ? user.email() : user.name()))
          .findFirst().orElse(null);
    }
  }

  private record Client(String id, String name, @Nullable String secret, ObjectNode properties, Duration idLife,
      Duration accessLife, Duration refreshLife) {
    boolean allows(String list, String value) {
      return texts(properties.path(list)).contains(value);
    }
  }

  /** What an authorization code stands for, until it is used. */
  private record Grant(Pool pool, Client client, User user, String redirectUri, Set<String> scopes,
      @Nullable String challenge, @Nullable String nonce, Instant expires) {}

  private record Session(Pool pool, Client client, User user, Set<String> scopes, Instant signedIn, Instant expires) {}

  @Override
  public String name() {
    return "cognito-idp";
  }

  // ---- resources of the template

  @Override
  public Map<String, Provisioner> provisioners() {
    return Map.of(
        "AWS::Cognito::UserPool", this::userPool,
        "AWS::Cognito::UserPoolClient", this::userPoolClient,
        "AWS::Cognito::UserPoolGroup", this::userPoolGroup,
        "AWS::Cognito::UserPoolDomain", this::userPoolDomain);
  }

  private Provisioner.Provisioned userPool(Provisioner.Resource resource) {
    // These change how accounts are made and kept; the demo accounts are there from the start.
    resource.allowOnly("UserPoolName", "Policies", "Schema", "AutoVerifiedAttributes", "UsernameAttributes",
        "UsernameConfiguration", "AliasAttributes", "MfaConfiguration", "EnabledMfas", "AdminCreateUserConfig",
        "AccountRecoverySetting", "EmailConfiguration", "EmailVerificationMessage", "EmailVerificationSubject",
        "VerificationMessageTemplate", "UserAttributeUpdateSettings", "DeviceConfiguration", "UserPoolAddOns",
        "UserPoolTags", "UserPoolTier", "DeletionProtection");
    var properties = resource.properties();
    if ("ON".equals(Json.text(properties, "MfaConfiguration"))) {
      throw new IllegalArgumentException("property MfaConfiguration: ON is not supported, OFF and OPTIONAL are");
    }
    var signInWith = texts(properties.path("UsernameAttributes"));
    if (signInWith.contains("phone_number")) {
      throw new IllegalArgumentException("property UsernameAttributes: phone_number is not supported, email is");
    }
    var name = Json.text(properties, "UserPoolName");
    var id = Settings.REGION + "_" + stableId(resource.name(), 9, true);
    var pool = new Pool(id, name == null ? resource.name() : name, signInWith.contains("email"), properties,
        new ConcurrentSkipListMap<>(), new ConcurrentSkipListMap<>(), clock.instant());
    pools.put(id, pool);
    return new Provisioner.Provisioned(id, Map.of("Arn", pool.arn(), "UserPoolId", id, "ProviderURL", issuer(pool),
        "ProviderName", issuer(pool).replaceFirst("^https?://", "")));
  }

  private Provisioner.Provisioned userPoolClient(Provisioner.Resource resource) {
    resource.allowOnly("UserPoolId", "ClientName", "GenerateSecret", "ExplicitAuthFlows", "AllowedOAuthFlows",
        "AllowedOAuthFlowsUserPoolClient", "AllowedOAuthScopes", "CallbackURLs", "LogoutURLs", "DefaultRedirectURI",
        "SupportedIdentityProviders", "PreventUserExistenceErrors", "AccessTokenValidity", "IdTokenValidity",
        "RefreshTokenValidity", "TokenValidityUnits", "EnableTokenRevocation", "ReadAttributes", "WriteAttributes",
        "EnablePropagateAdditionalUserContextData", "AuthSessionValidity");
    var properties = resource.properties();
    var pool = ownPool(properties);
    for (var provider : texts(properties.path("SupportedIdentityProviders"))) {
      if (!provider.equals("COGNITO")) {
        throw new IllegalArgumentException("property SupportedIdentityProviders: " + provider + " is not supported");
      }
    }
    for (var flow : texts(properties.path("AllowedOAuthFlows"))) {
      if (!flow.equals("code")) {
        throw new IllegalArgumentException("property AllowedOAuthFlows: " + flow + " is not supported, code is");
      }
    }
    var name = Json.text(properties, "ClientName");
    var id = stableId(resource.name(), 26, false);
    var secret = properties.path("GenerateSecret").asBoolean() ? stableId("secret " + resource.name(), 51, false) : null;
    var client = new Client(id, name == null ? resource.name() : name, secret, properties,
        life(properties, "IdToken", Duration.ofHours(1)), life(properties, "AccessToken", Duration.ofHours(1)),
        life(properties, "RefreshToken", Duration.ofDays(30)));
    pool.clients().put(id, client);
    var attributes = new LinkedHashMap<>(Map.of("ClientId", id, "Name", client.name()));
    if (secret != null) {
      attributes.put("ClientSecret", secret);
    }
    return new Provisioner.Provisioned(id, attributes);
  }

  private Provisioner.Provisioned userPoolGroup(Provisioner.Resource resource) {
    resource.allowOnly("UserPoolId", "GroupName", "Description", "Precedence", "RoleArn");
    var pool = ownPool(resource.properties());
    var given = Json.text(resource.properties(), "GroupName");
    var name = given == null ? resource.name() : given;
    var group = resource.properties().deepCopy();
    group.put("GroupName", name);
    pool.groups().put(name, group);
    return new Provisioner.Provisioned(name, Map.of());
  }

  private Provisioner.Provisioned userPoolDomain(Provisioner.Resource resource) {
    resource.allowOnly("UserPoolId", "Domain", "ManagedLoginVersion");
    ownPool(resource.properties());
    var domain = Json.text(resource.properties(), "Domain");
    if (domain == null) {
      throw new IllegalArgumentException("property Domain is missing");
    }
    return new Provisioner.Provisioned(domain, Map.of());
  }

  private Pool ownPool(ObjectNode properties) {
    var pool = pools.get(properties.path("UserPoolId").asText());
    if (pool == null) {
      throw new IllegalArgumentException("property UserPoolId: there is no user pool "
          + properties.path("UserPoolId").asText());
    }
    return pool;
  }

  private static Duration life(ObjectNode properties, String token, Duration otherwise) {
    var value = properties.path(token + "Validity");
    if (value.asInt() == 0) {
      return otherwise;
    }
    var standard = token.equals("RefreshToken") ? "days" : "hours";
    return switch (properties.path("TokenValidityUnits").path(token).asText(standard)) {
      case "seconds" -> Duration.ofSeconds(value.asInt());
      case "minutes" -> Duration.ofMinutes(value.asInt());
      case "hours" -> Duration.ofHours(value.asInt());
      case "days" -> Duration.ofDays(value.asInt());
      case String unit -> throw new IllegalArgumentException("property TokenValidityUnits." + token
          + ": no such unit: " + unit);
    };
  }

  // ---- tokens

  /**
   * A signed-in demo user's ID token, valid for an hour, of the first user pool that has a client.
   *
   * @throws AwsException UserNotFoundException for anyone but {@link #USERS}, ResourceNotFoundException while there is
   *     no user pool with a client
   */
  String token(String name) {
    return token(name, Duration.ofHours(1));
  }

  /** The same with another life; one of zero or less gives a token that has expired already. */
  String token(String name, Duration life) {
    var user = USERS.stream().filter(one -> one.name().equals(name)).findFirst()
        .orElseThrow(() -> AwsException.badRequest("UserNotFoundException", "User does not exist: " + name + ". There are "
            + USERS.stream().map(User::name).collect(Collectors.joining(", ")) + "."));
    var pool = poolList().stream().filter(one -> !one.clients().isEmpty()).findFirst()
        .orElseThrow(() -> AwsException.badRequest("ResourceNotFoundException", "There is no user pool with a client."));
    var client = pool.clients().values().iterator().next();
    var now = clock.instant();
    return sign(idClaims(pool, client, user, now, null), now, life);
  }

  /**
   * Tells whether a token is one of a user pool's: signed by it, for one of its clients, not expired.
   *
   * @param token an ID or access token, without "Bearer"
   */
  Verification verify(String token, String userPoolArn) {
    SignedJWT jwt;
    JWTClaimsSet claims;
    try {
      jwt = SignedJWT.parse(token);
      claims = jwt.getJWTClaimsSet();
    } catch (ParseException | IllegalArgumentException e) {
      return new Verification.Refused(unsigned(token) ? Reason.FORGED : Reason.MALFORMED);
    }
    try {
      if (!JWSAlgorithm.RS256.equals(jwt.getHeader().getAlgorithm())
          || !jwt.verify(new RSASSAVerifier(key.join().toRSAPublicKey()))) {
        return new Verification.Refused(Reason.FORGED);
      }
      var pool = pools.get(userPoolArn.substring(userPoolArn.lastIndexOf('/') + 1));
      if (pool == null || !pool.arn().equals(userPoolArn) || !issuer(pool).equals(claims.getIssuer())) {
        return new Verification.Refused(Reason.WRONG_ISSUER);
      }
      var client = claims.getAudience().isEmpty() ? claims.getStringClaim("client_id") : claims.getAudience().getFirst();
      if (client == null || !pool.clients().containsKey(client)) {
        return new Verification.Refused(Reason.WRONG_AUDIENCE);
      }
      var expires = claims.getExpirationTime();
      if (expires == null || !clock.instant().isBefore(expires.toInstant())) {
        return new Verification.Refused(Reason.EXPIRED);
      }
      return new Verification.Valid(jwt.getPayload().toJSONObject());
    } catch (JOSEException | ParseException e) {
      return new Verification.Refused(Reason.FORGED);
    }
  }

  private static boolean unsigned(String token) {
    try {
      PlainJWT.parse(token);
      return true;
    } catch (ParseException | IllegalArgumentException e) {
      return false;
    }
  }

  private Map<String, Object> idClaims(Pool pool, Client client, User user, Instant signedIn, @Nullable String nonce) {
    var claims = commonClaims(pool, user, signedIn, "id");
    claims.put("aud", client.id());
    claims.put("cognito:username", pool.username(user));
    claims.put("email", user.email());
    claims.put("email_verified", true);
    claims.put("name", user.displayName());
    if (nonce != null) {
      claims.put("nonce", nonce);
    }
    return claims;
  }

  private Map<String, Object> accessClaims(Pool pool, Client client, User user, Instant signedIn, Set<String> scopes) {
    var claims = commonClaims(pool, user, signedIn, "access");
    claims.put("client_id", client.id());
    claims.put("username", pool.username(user));
    claims.put("scope", String.join(" ", scopes));
    claims.put("version", 2);
    return claims;
  }

  private Map<String, Object> commonClaims(Pool pool, User user, Instant signedIn, String use) {
    var claims = new LinkedHashMap<String, Object>();
    claims.put("sub", user.sub());
    claims.put("cognito:groups", List.of(user.group()));
    claims.put("iss", issuer(pool));
    claims.put("origin_jti", UUID.randomUUID().toString());
    claims.put("event_id", UUID.randomUUID().toString());
    claims.put("token_use", use);
    claims.put("auth_time", signedIn.getEpochSecond());
    claims.put("jti", UUID.randomUUID().toString());
    return claims;
  }

  private String sign(Map<String, Object> claims, Instant now, Duration life) {
    try {
      var rsa = key.join();
      var set = new JWTClaimsSet.Builder();
      claims.forEach(set::claim);
      set.issueTime(Date.from(now)).expirationTime(Date.from(now.plus(life)));
      var jwt = new SignedJWT(
          new JWSHeader.Builder(JWSAlgorithm.RS256).keyID(rsa.getKeyID()).type(JOSEObjectType.JWT).build(), set.build());
      jwt.sign(new RSASSASigner(rsa));
      return jwt.serialize();
    } catch (JOSEException e) {
      throw new IllegalStateException("cannot sign a token", e);
    }
  }

  private static RSAKey newKey() {
    try {
      return new RSAKeyGenerator(2048).keyUse(KeyUse.SIGNATURE).algorithm(JWSAlgorithm.RS256)
          .keyIDFromThumbprint(true).generate();
    } catch (JOSEException e) {
      throw new IllegalStateException("cannot make a signing key", e);
    }
  }

  private String issuer(Pool pool) {
    return endpoint + "/" + pool.id();
  }

  // ---- cognito-idp

  @Override
  public ObjectNode call(String operation, ObjectNode input, Caller caller) {
    return switch (operation) {
      case "ListUserPools" -> listUserPools();
      case "DescribeUserPool" -> {
        var output = Json.object();
        output.set("UserPool", describe(pool(input)));
        yield output;
      }
      case "ListUserPoolClients" -> listUserPoolClients(pool(input));
      case "DescribeUserPoolClient" -> describeUserPoolClient(pool(input), input.path("ClientId").asText());
      case "ListGroups" -> {
        var output = Json.object();
        var groups = output.putArray("Groups");
        pool(input).groups().values().forEach(groups::add);
        yield output;
      }
      case "ListUsers" -> listUsers(pool(input), input);
      case "AdminGetUser" -> adminGetUser(pool(input), input);
      case "AdminListGroupsForUser" -> adminListGroupsForUser(pool(input), input);
      case "InitiateAuth" -> initiateAuth(input, false);
      case "AdminInitiateAuth" -> {
        pool(input);
        yield initiateAuth(input, true);
      }
      default -> throw AwsException.unknownOperation(name(), operation);
    };
  }

  private ObjectNode listUserPools() {
    var output = Json.object();
    var list = output.putArray("UserPools");
    for (var pool : poolList()) {
      list.addObject().put("Id", pool.id()).put("Name", pool.name())
          .put("CreationDate", pool.created().getEpochSecond()).put("LastModifiedDate", pool.created().getEpochSecond());
    }
    return output;
  }

  private ObjectNode describe(Pool pool) {
    var described = pool.properties().deepCopy();
    described.remove(List.of("UserPoolName", "Schema", "EnabledMfas"));
    return described.put("Id", pool.id()).put("Name", pool.name()).put("Arn", pool.arn())
        .put("CreationDate", pool.created().getEpochSecond()).put("LastModifiedDate", pool.created().getEpochSecond())
        .put("EstimatedNumberOfUsers", USERS.size());
  }

  private ObjectNode listUserPoolClients(Pool pool) {
    var output = Json.object();
    var list = output.putArray("UserPoolClients");
    for (var client : pool.clients().values()) {
      list.addObject().put("ClientId", client.id()).put("UserPoolId", pool.id()).put("ClientName", client.name());
    }
    return output;
  }

  private ObjectNode describeUserPoolClient(Pool pool, String id) {
    var client = pool.clients().get(id);
    if (client == null) {
      throw AwsException.badRequest("ResourceNotFoundException", "User pool client " + id + " does not exist.");
    }
    var described = client.properties().deepCopy();
    described.remove("GenerateSecret");
    described.put("ClientId", id).put("UserPoolId", pool.id()).put("ClientName", client.name());
    if (client.secret() != null) {
      described.put("ClientSecret", client.secret());
    }
    var output = Json.object();
    output.set("UserPoolClient", described);
    return output;
  }

  private ObjectNode listUsers(Pool pool, ObjectNode input) {
    if (!input.path("Filter").asText().isEmpty()) {
      throw AwsException.badRequest("InvalidParameterException", "Filter is not served by the local cloud.");
    }
    var output = Json.object();
    var list = output.putArray("Users");
    USERS.stream().limit(input.path("Limit").asInt(60)).forEach(user -> list.add(describe(pool, user, "Attributes")));
    return output;
  }

  private ObjectNode adminGetUser(Pool pool, ObjectNode input) {
    return describe(pool, user(pool, input), "UserAttributes");
  }

  private static ObjectNode describe(Pool pool, User user, String attributesName) {
    var node = Json.object().put("Username", pool.username(user)).put("Enabled", true).put("UserStatus", "CONFIRMED")
        .put("UserCreateDate", pool.created().getEpochSecond())
        .put("UserLastModifiedDate", pool.created().getEpochSecond());
    var attributes = node.putArray(attributesName);
    attributes.addObject().put("Name", "sub").put("Value", user.sub());
    attributes.addObject().put("Name", "email").put("Value", user.email());
    attributes.addObject().put("Name", "email_verified").put("Value", "true");
    attributes.addObject().put("Name", "name").put("Value", user.displayName());
    return node;
  }

  private ObjectNode adminListGroupsForUser(Pool pool, ObjectNode input) {
    var user = user(pool, input);
    var output = Json.object();
    var group = pool.groups().get(user.group());
    output.putArray("Groups").add(group == null
        ? Json.object().put("GroupName", user.group()).put("UserPoolId", pool.id()) : group);
    return output;
  }

  /** @param admin for AdminInitiateAuth, which has a password flow of its own */
  private ObjectNode initiateAuth(ObjectNode input, boolean admin) {
    var clientId = input.path("ClientId").asText();
    var pool = poolList().stream().filter(one -> one.clients().containsKey(clientId)).findFirst().orElseThrow(
        () -> AwsException.badRequest("ResourceNotFoundException", "User pool client " + clientId + " does not exist."));
    var client = pool.clients().get(clientId);
    var parameters = input.path("AuthParameters");
    if (client.secret() != null) {
      throw AwsException.badRequest("NotAuthorizedException",
          "Client " + clientId + " is configured with secret, and the local cloud does not verify SECRET_HASH.");
    }
    var passwordFlow = admin ? "ADMIN_USER_PASSWORD_AUTH" : "USER_PASSWORD_AUTH";
    return switch (input.path("AuthFlow").asText()) {
      case String flow when flow.equals(passwordFlow) -> {
        requireFlow(client, "ALLOW_" + flow, flow);
        var user = pool.user(parameters.path("USERNAME").asText());
        if (user == null || !DEMO_PASSWORD.equals(parameters.path("PASSWORD").asText())) {
          throw AwsException.badRequest("NotAuthorizedException", "Incorrect username or password.");
        }
        var now = clock.instant();
        var session = new Session(pool, client, user, Set.of("aws.cognito.signin.user.admin"), now,
            now.plus(client.refreshLife()));
        yield authenticationResult(session, newRefreshToken(session));
      }
      case "REFRESH_TOKEN_AUTH", "REFRESH_TOKEN" -> {
        requireFlow(client, "ALLOW_REFRESH_TOKEN_AUTH", "REFRESH_TOKEN_AUTH");
        var session = session(parameters.path("REFRESH_TOKEN").asText(), client);
        if (session == null) {
          throw AwsException.badRequest("NotAuthorizedException", "Invalid Refresh Token");
        }
        yield authenticationResult(session, null);
      }
      case String flow -> throw AwsException.badRequest("InvalidParameterException",
          "AuthFlow " + flow + " is not served by the local cloud.");
    };
  }

  private static void requireFlow(Client client, String permission, String flow) {
    if (!client.allows("ExplicitAuthFlows", permission)) {
      throw AwsException.badRequest("InvalidParameterException", flow + " flow not enabled for this client");
    }
  }

  private ObjectNode authenticationResult(Session session, @Nullable String refreshToken) {
    var tokens = tokens(session, refreshToken, null);
    var output = Json.object();
    output.putObject("ChallengeParameters");
    var result = output.putObject("AuthenticationResult");
    result.put("AccessToken", tokens.path("access_token").asText());
    result.put("ExpiresIn", tokens.path("expires_in").asLong()).put("TokenType", "Bearer");
    if (refreshToken != null) {
      result.put("RefreshToken", refreshToken);
    }
    var now = clock.instant();
    result.put("IdToken", sign(idClaims(session.pool(), session.client(), session.user(), session.signedIn(), null), now,
        session.client().idLife()));
    return output;
  }

  private Pool pool(ObjectNode input) {
    var id = input.path("UserPoolId").asText();
    var pool = pools.get(id);
    if (pool == null) {
      throw AwsException.badRequest("ResourceNotFoundException", "User pool " + id + " does not exist.");
    }
    return pool;
  }

  private static User user(Pool pool, ObjectNode input) {
    var user = pool.user(input.path("Username").asText());
    if (user == null) {
      throw AwsException.badRequest("UserNotFoundException", "User does not exist.");
    }
    return user;
  }

  private List<Pool> poolList() {
    synchronized (pools) {
      return List.copyOf(pools.values());
    }
  }

  // ---- the OpenID provider

  /** Whether {@link #handler} answers this path of the endpoint. */
  boolean serves(String path) {
    return path.startsWith("/oauth2/") || path.equals("/login") || path.equals("/logout") || path.contains("/.well-known/");
  }

  /** The OpenID provider and its sign-in page, for the paths that {@link #serves} names. */
  HttpHandler handler() {
    return exchange -> {
      Answer answer;
      try {
        answer = answer(exchange);
      } catch (Refusal e) {
        answer = e.answer;
      }
      send(exchange, answer);
    };
  }

  private record Answer(int status, String type, String body, Map<String, String> headers) {
    static Answer json(int status, JsonNode body) {
      return new Answer(status, "application/json;charset=UTF-8", Json.write(body), Map.of());
    }

    static Answer page(int status, String html) {
      return new Answer(status, "text/html;charset=UTF-8", html, Map.of("Content-Security-Policy",
          "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"));
    }

    static Answer redirect(String location) {
      return new Answer(302, "text/plain", "", Map.of("Location", location));
    }
  }

  /** An answer that ends the request early. */
  @SuppressWarnings("serial")
  private static final class Refusal extends RuntimeException {
    private final Answer answer;

    Refusal(Answer answer) {
      super(null, null, false, false);
      this.answer = answer;
    }

    /** An OAuth 2.0 error, as the token end point gives it. */
    static Refusal oauth(int status, String error) {
      return new Refusal(Answer.json(status, Json.object().put("error", error)));
    }

    /** An error for a human, where there is no client to send it to. */
    static Refusal page(String message) {
      return new Refusal(Answer.page(400, html("Sign-in is not possible",
          "<p>" + escape(message) + "</p>")));
    }
  }

  private Answer answer(HttpExchange exchange) throws IOException {
    var path = exchange.getRequestURI().getPath();
    var method = exchange.getRequestMethod();
    if (method.equals("OPTIONS")) {
      return new Answer(204, "text/plain", "", Map.of("Access-Control-Allow-Methods", "GET, POST, OPTIONS",
          "Access-Control-Allow-Headers", "authorization, content-type, x-amz-user-agent", "Access-Control-Max-Age", "600"));
    }
    var get = method.equals("GET") || method.equals("HEAD");
    if (get && path.endsWith("/.well-known/openid-configuration")) {
      return configuration(poolOfPath(path));
    } else if (get && path.endsWith("/.well-known/jwks.json")) {
      poolOfPath(path);
      return Answer.json(200, Json.parse(new JWKSet(key.join()).toPublicJWKSet().toString()));
    }
    return switch (path) {
      case "/oauth2/authorize" -> authorize(get ? query(exchange) : form(exchange));
      case "/login" -> get ? signInPage(query(exchange)) : signIn(form(exchange));
      case "/oauth2/token" -> {
        if (get) {
          throw Refusal.oauth(405, "invalid_request");
        }
        yield exchangeToken(exchange, form(exchange));
      }
      case "/oauth2/userInfo" -> userInfo(exchange);
      case "/logout" -> signOut(query(exchange));
      default -> Answer.json(404, Json.object().put("error", "not_found"));
    };
  }

  private Pool poolOfPath(String path) {
    var pool = pools.get(path.substring(1, Math.max(1, path.indexOf("/.well-known/"))));
    if (pool == null) {
      throw new Refusal(Answer.json(400, Json.object().put("message", "User pool does not exist.")));
    }
    return pool;
  }

  private Answer configuration(Pool pool) {
    var json = Json.object();
    json.put("issuer", issuer(pool)).put("authorization_endpoint", endpoint + "/oauth2/authorize")
        .put("token_endpoint", endpoint + "/oauth2/token").put("userinfo_endpoint", endpoint + "/oauth2/userInfo")
        .put("end_session_endpoint", endpoint + "/logout").put("jwks_uri", issuer(pool) + "/.well-known/jwks.json");
    json.putArray("id_token_signing_alg_values_supported").add("RS256");
    json.putArray("response_types_supported").add("code");
    json.putArray("scopes_supported").add("openid").add("email").add("phone").add("profile");
    json.putArray("subject_types_supported").add("public");
    json.putArray("token_endpoint_auth_methods_supported").add("client_secret_basic").add("client_secret_post");
    json.putArray("code_challenge_methods_supported").add("S256");
    return Answer.json(200, json);
  }

  /** The authorization request checked; as Cognito, it goes on at the sign-in page with the same parameters. */
  private Answer authorize(Map<String, String> parameters) {
    checkAuthorization(parameters);
    return Answer.redirect("/login?" + encode(parameters));
  }

  private Grant checkAuthorization(Map<String, String> parameters) {
    var clientId = parameters.getOrDefault("client_id", "");
    var pool = poolList().stream().filter(one -> one.clients().containsKey(clientId)).findFirst()
        .orElseThrow(() -> Refusal.page("There is no client with the client_id \"" + clientId + "\"."));
    var client = pool.clients().get(clientId);
    var callbacks = texts(client.properties().path("CallbackURLs"));
    var redirect = parameters.getOrDefault("redirect_uri", client.properties().path("DefaultRedirectURI").asText());
    if (!callbacks.contains(redirect)) {
      throw Refusal.page("redirect_mismatch: \"" + redirect + "\" is not among the CallbackURLs of the client: "
          + String.join(", ", callbacks));
    }
    if (!"code".equals(parameters.get("response_type"))) {
      throw back(redirect, parameters, "unsupported_response_type");
    }
    if (!client.allows("AllowedOAuthFlows", "code")
        || !client.properties().path("AllowedOAuthFlowsUserPoolClient").asBoolean()) {
      throw back(redirect, parameters, "unauthorized_client");
    }
    var allowed = texts(client.properties().path("AllowedOAuthScopes"));
    var scope = parameters.getOrDefault("scope", "");
    var scopes = new TreeSet<String>(scope.isBlank() ? allowed : List.of(scope.trim().split("\\s+")));
    if (!allowed.containsAll(scopes)) {
      throw back(redirect, parameters, "invalid_scope");
    }
    var challenge = parameters.get("code_challenge");
    if (challenge != null && !"S256".equals(parameters.get("code_challenge_method"))) {
      throw back(redirect, parameters, "invalid_request");
    }
    return new Grant(pool, client, USERS.getFirst(), redirect, scopes, challenge, parameters.get("nonce"),
        clock.instant().plus(CODE_LIFE));
  }

  private static Refusal back(String redirect, Map<String, String> parameters, String error) {
    return new Refusal(Answer.redirect(withParameters(redirect, parameters, "error", error)));
  }

  private static String withParameters(String redirect, Map<String, String> parameters, String name, String value) {
    var more = new LinkedHashMap<String, String>();
    more.put(name, value);
    if (parameters.get("state") instanceof String state) {
      more.put("state", state);
    }
    return redirect + (redirect.contains("?") ? "&" : "?") + encode(more);
  }

  private Answer signInPage(Map<String, String> parameters) {
    var grant = checkAuthorization(parameters);
    var hidden = parameters.entrySet().stream().filter(parameter -> !parameter.getKey().equals("username"))
        .map(parameter -> "<input type=\"hidden\" name=\"" + escape(parameter.getKey()) + "\" value=\""
            + escape(parameter.getValue()) + "\">")
        .collect(Collectors.joining("\n"));
    var buttons = USERS.stream()
        .map(user -> "<li><button name=\"username\" value=\"" + user.name() + "\"><strong>" + user.displayName()
            + "</strong> <span>" + user.email() + "</span></button></li>")
        .collect(Collectors.joining("\n"));
    return Answer.page(200, html("Sign in", """
        <p>You are about to sign in to <strong>%s</strong>. Choose one of the demo accounts of the local cloud:</p>
        <form method="post" action="/login">
        %s
        <ul>
        %s
        </ul>
        </form>""".formatted(escape(grant.client().name()), hidden, buttons)));
  }

  private Answer signIn(Map<String, String> parameters) {
    var grant = checkAuthorization(parameters);
    var user = USERS.stream().filter(one -> one.name().equals(parameters.get("username"))).findFirst()
        .orElseThrow(() -> Refusal.page("There is no such demo account."));
    var code = UUID.randomUUID().toString();
    codes.values().removeIf(old -> old.expires().isBefore(clock.instant()));
    codes.put(code, new Grant(grant.pool(), grant.client(), user, grant.redirectUri(), grant.scopes(),
        grant.challenge(), grant.nonce(), grant.expires()));
    return Answer.redirect(withParameters(grant.redirectUri(), parameters, "code", code));
  }

  private Answer exchangeToken(HttpExchange exchange, Map<String, String> parameters) {
    var client = authenticatedClient(exchange, parameters);
    return switch (parameters.getOrDefault("grant_type", "")) {
      case "authorization_code" -> {
        // A code works once: whoever comes second with it gets nothing, even if the first attempt fails below.
        var grant = codes.remove(parameters.getOrDefault("code", ""));
        if (grant == null || !grant.client().equals(client) || !clock.instant().isBefore(grant.expires())
            || !grant.redirectUri().equals(parameters.get("redirect_uri"))
            || !proves(grant.challenge(), parameters.get("code_verifier"))) {
          throw Refusal.oauth(400, "invalid_grant");
        }
        var now = clock.instant();
        var session = new Session(grant.pool(), client, grant.user(), grant.scopes(), now, now.plus(client.refreshLife()));
        yield Answer.json(200, tokens(session, newRefreshToken(session), grant.nonce()));
      }
      case "refresh_token" -> {
        var session = session(parameters.getOrDefault("refresh_token", ""), client);
        if (session == null) {
          throw Refusal.oauth(400, "invalid_grant");
        }
        yield Answer.json(200, tokens(session, null, null));
      }
      default -> throw Refusal.oauth(400, "unsupported_grant_type");
    };
  }

  private Client authenticatedClient(HttpExchange exchange, Map<String, String> parameters) {
    var id = parameters.getOrDefault("client_id", "");
    var secret = parameters.get("client_secret");
    var header = exchange.getRequestHeaders().getFirst("Authorization");
    if (header != null && header.regionMatches(true, 0, "Basic ", 0, 6)) {
      try {
        var pair = new String(Base64.getDecoder().decode(header.substring(6).trim()), StandardCharsets.UTF_8).split(":", 2);
        id = decode(pair[0]);
        secret = pair.length == 2 ? decode(pair[1]) : null;
      } catch (IllegalArgumentException e) {
        throw Refusal.oauth(400, "invalid_client");
      }
    }
    for (var pool : poolList()) {
      var client = pool.clients().get(id);
      if (client != null && (client.secret() == null || client.secret().equals(secret))) {
        return client;
      }
    }
    throw Refusal.oauth(400, "invalid_client");
  }

  private static boolean proves(@Nullable String challenge, @Nullable String verifier) {
    return challenge == null || verifier != null && challenge.equals(Base64.getUrlEncoder().withoutPadding()
        .encodeToString(sha256(verifier)));
  }

  private String newRefreshToken(Session session) {
    var bytes = new byte[48];
    new SecureRandom().nextBytes(bytes);
    var token = Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    refreshTokens.values().removeIf(old -> old.expires().isBefore(clock.instant()));
    refreshTokens.put(token, session);
    return token;
  }

  private @Nullable Session session(String refreshToken, Client client) {
    var session = refreshTokens.get(refreshToken);
    return session != null && session.client().equals(client) && clock.instant().isBefore(session.expires())
        ? session : null;
  }

  private ObjectNode tokens(Session session, @Nullable String refreshToken, @Nullable String nonce) {
    var now = clock.instant();
    var client = session.client();
    var json = Json.object();
    if (session.scopes().contains("openid")) {
      json.put("id_token", sign(idClaims(session.pool(), client, session.user(), session.signedIn(), nonce), now,
          client.idLife()));
    }
    json.put("access_token", sign(accessClaims(session.pool(), client, session.user(), session.signedIn(),
        session.scopes()), now, client.accessLife()));
    if (refreshToken != null) {
      json.put("refresh_token", refreshToken);
    }
    return json.put("expires_in", client.accessLife().toSeconds()).put("token_type", "Bearer");
  }

  private Answer userInfo(HttpExchange exchange) {
    var header = exchange.getRequestHeaders().getFirst("Authorization");
    var token = header == null ? "" : header.replaceFirst("(?i)^Bearer\\s+", "");
    for (var pool : poolList()) {
      if (verify(token, pool.arn()) instanceof Verification.Valid(var claims) && "access".equals(claims.get("token_use"))) {
        var user = pool.user(String.valueOf(claims.get("sub")));
        if (user != null && Arrays.asList(String.valueOf(claims.get("scope")).split(" ")).contains("openid")) {
          return Answer.json(200, Json.object().put("sub", user.sub()).put("email", user.email())
              .put("email_verified", "true").put("name", user.displayName()).put("username", pool.username(user)));
        }
      }
    }
    return new Answer(401, "application/json;charset=UTF-8",
        Json.write(Json.object().put("error", "invalid_token").put("error_description", "Access token is not valid.")),
        Map.of("WWW-Authenticate", "Bearer error=\"invalid_token\""));
  }

  /** There is no session to end, for the sign-in page asks every time: sends back to where the client wants. */
  private Answer signOut(Map<String, String> parameters) {
    var clientId = parameters.getOrDefault("client_id", "");
    var to = parameters.get("logout_uri");
    for (var pool : poolList()) {
      var client = pool.clients().get(clientId);
      if (client != null && to == null) {
        return authorize(parameters);
      } else if (client != null && client.allows("LogoutURLs", to)) {
        return Answer.redirect(to);
      }
    }
    throw Refusal.page("The client_id is unknown, or its LogoutURLs do not name this logout_uri.");
  }

  private static void send(HttpExchange exchange, Answer answer) throws IOException {
    var headers = exchange.getResponseHeaders();
    headers.set("Content-Type", answer.type());
    headers.set("Cache-Control", "no-store");
    headers.set("X-Content-Type-Options", "nosniff");
    // As the real end points: a site of another origin may fetch its tokens, there are no cookies to abuse.
    headers.set("Access-Control-Allow-Origin", "*");
    answer.headers().forEach(headers::set);
    // Whatever is left of the request is read, so that the connection can serve the next one.
    exchange.getRequestBody().readNBytes(MAX_FORM);
    var body = answer.body().getBytes(StandardCharsets.UTF_8);
    var empty = body.length == 0 || exchange.getRequestMethod().equals("HEAD");
    exchange.sendResponseHeaders(answer.status(), empty ? -1 : body.length);
    try (var out = exchange.getResponseBody()) {
      if (!empty) {
        out.write(body);
      }
    }
  }

  private static Map<String, String> query(HttpExchange exchange) {
    return pairs(exchange.getRequestURI().getRawQuery());
  }

  private static Map<String, String> form(HttpExchange exchange) throws IOException {
    var body = exchange.getRequestBody().readNBytes(MAX_FORM + 1);
    if (body.length > MAX_FORM) {
      throw Refusal.oauth(413, "invalid_request");
    }
    return pairs(new String(body, StandardCharsets.UTF_8));
  }

  private static Map<String, String> pairs(@Nullable String encoded) {
    var pairs = new LinkedHashMap<String, String>();
    if (encoded != null) {
      for (var pair : encoded.split("&")) {
        var equals = pair.indexOf('=');
        if (equals > 0) {
          try {
            pairs.put(decode(pair.substring(0, equals)), decode(pair.substring(equals + 1)));
          } catch (IllegalArgumentException e) {
            throw Refusal.oauth(400, "invalid_request");
          }
        }
      }
    }
    return pairs;
  }

  private static String decode(String text) {
    return URLDecoder.decode(text, StandardCharsets.UTF_8);
  }

  private static String encode(Map<String, String> parameters) {
    return parameters.entrySet().stream()
        .map(one -> URLEncoder.encode(one.getKey(), StandardCharsets.UTF_8) + "="
            + URLEncoder.encode(one.getValue(), StandardCharsets.UTF_8))
        .collect(Collectors.joining("&"));
  }

  private static String html(String title, String content) {
    return """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>%1$s</title>
        <style>
        :root { color-scheme: light dark }
        body { font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 12vh auto; padding: 0 1rem }
        ul { list-style: none; padding: 0 }
        button { font: inherit; width: 100%%; margin: .25rem 0; padding: .75rem 1rem; text-align: left; cursor: pointer }
        button span { display: block; opacity: .75 }
        </style>
        </head>
        <body>
        <main>
        <h1>%1$s</h1>
        %2$s
        </main>
        </body>
        </html>
        """.formatted(title, content);
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;").replace("'", "&#39;");
  }

  private static Set<String> texts(JsonNode array) {
    return array instanceof ArrayNode ? StreamSupport.stream(array.spliterator(), false).map(JsonNode::asText)
        .collect(Collectors.toCollection(LinkedHashSet::new)) : Set.of();
  }

  /** An id that is the same at every start, so that bookmarks and configuration files of clients stay good. */
  private static String stableId(String name, int length, boolean mixedCase) {
    var alphabet = "abcdefghijklmnopqrstuvwxyz0123456789" + (mixedCase ? "ABCDEFGHIJKLMNOPQRSTUVWXYZ" : "");
    var number = new BigInteger(1, sha256(name));
    var id = new StringBuilder();
    while (id.length() < length) {
      if (number.signum() == 0) {
        number = new BigInteger(1, sha256(name + id));
      }
      var next = number.divideAndRemainder(BigInteger.valueOf(alphabet.length()));
      id.append(alphabet.charAt(next[1].intValue()));
      number = next[0];
    }
    return id.toString();
  }

  private static byte[] sha256(String text) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
