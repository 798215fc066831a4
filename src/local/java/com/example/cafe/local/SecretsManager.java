package com.example.cafe.local;

import static com.example.cafe.local.AwsException.badRequest;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/** Secrets Manager: secrets with versions and staging labels, in memory. Rotation and replication are refused by name. */
final class SecretsManager implements Service {
  private static final String CURRENT = "AWSCURRENT";
  private static final String PREVIOUS = "AWSPREVIOUS";
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9/_+=.@!-]{1,512}");
  private static final int MAX_BYTES = 65_536;
  private static final int MAX_VERSIONS = 100;
  private static final String UPPERCASE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  private static final String LOWERCASE = "abcdefghijklmnopqrstuvwxyz";
  private static final String DIGITS = "0123456789";
  private static final String PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

  private final SecureRandom random = new SecureRandom();
  private final Map<String, Secret> secrets = new TreeMap<>();

  private static final class Secret {
    final String name;
    final String arn;
    final Instant created = Instant.now();
    final Map<String, Version> versions = new LinkedHashMap<>();
    final Map<String, String> tags = new LinkedHashMap<>();
    final @Nullable String owner;
    Instant changed = created;
    @Nullable Instant accessed;
    @Nullable Instant deletion;
    @Nullable String description;
    @Nullable String key;

    Secret(String name, String arn, @Nullable String owner) {
      this.name = name;
      this.arn = arn;
      this.owner = owner;
    }
  }

  /** @param value "SecretString" or "SecretBinary" with its value */
  private record Version(String id, Map.Entry<String, String> value, Instant created, Set<String> stages) {}

  @Override
  public String name() {
    return "secretsmanager";
  }

  @Override
  public synchronized ObjectNode call(String operation, ObjectNode input, Caller caller) {
    return switch (operation) {
      case "CreateSecret" -> create(input, null);
      case "GetSecretValue" -> getValue(input);
      case "PutSecretValue" -> putValue(input);
      case "UpdateSecret" -> update(input);
      case "DescribeSecret" -> describe(find(input));
      case "ListSecrets" -> list(input);
      case "ListSecretVersionIds" -> listVersions(input);
      case "DeleteSecret" -> delete(input);
      case "RestoreSecret" -> restore(input);
      case "GetRandomPassword" -> Json.object().put("RandomPassword", password(input));
      case "TagResource" -> tag(input);
      case "UntagResource" -> untag(input);
      default -> throw AwsException.unknownOperation(name(), operation);
    };
  }

  @Override
  public Map<String, Provisioner> provisioners() {
    return Map.of("AWS::SecretsManager::Secret", this::provision);
  }

  /** Creates a secret on behalf of another service, which then shows as its owner; gives its ARN. */
  synchronized String createManaged(String name, String owner, String description, String value) {
    return create(Json.object().put("Name", name).put("Description", description).put("SecretString", value), owner)
        .get("ARN").asText();
  }

  private synchronized Provisioner.Provisioned provision(Provisioner.Resource resource) {
    resource.allowOnly("Name", "Description", "KmsKeyId", "SecretString", "GenerateSecretString", "Tags");
    var properties = resource.properties();
    var request = Json.object().put("Name", properties.path("Name").asText(resource.name()));
    for (var member : List.of("Description", "KmsKeyId", "SecretString", "Tags")) {
      if (properties.has(member)) {
        request.set(member, properties.get(member));
      }
    }
    if (properties.get("GenerateSecretString") instanceof ObjectNode generate) {
      if (request.has("SecretString")) {
        throw new IllegalArgumentException("properties SecretString and GenerateSecretString exclude each other");
      }
      request.put("SecretString", generated(generate));
    }
    try {
      var arn = create(request, null).get("ARN").asText();
      return new Provisioner.Provisioned(arn, Map.of("Id", arn));
    } catch (AwsException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }

  private String generated(ObjectNode properties) {
    var template = Json.text(properties, "SecretStringTemplate");
    var key = Json.text(properties, "GenerateStringKey");
    if ((template == null) != (key == null)) {
      throw new IllegalArgumentException("SecretStringTemplate and GenerateStringKey of GenerateSecretString go together");
    }
    var password = password(properties);
    if (template == null || key == null) {
      return password;
    }
    if (!(Json.parse(template) instanceof ObjectNode object)) {
      throw new IllegalArgumentException("SecretStringTemplate of GenerateSecretString is not a JSON object");
    }
    return Json.write(object.put(key, password));
  }

  private ObjectNode create(ObjectNode input, @Nullable String owner) {
    refuse(input, "AddReplicaRegions", "ForceOverwriteReplicaSecret", "Type");
    var name = required(input, "Name");
    if (!NAME.matcher(name).matches()) {
      throw badRequest("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, "
          + "or any of the following: -/_+=.@!");
    }
    var token = Json.text(input, "ClientRequestToken");
    var existing = secrets.get(name);
    if (existing != null) {
      if (existing.deletion != null) {
        throw badRequest("InvalidRequestException",
            "You can't create this secret because a secret with this name is already scheduled for deletion.");
      }
      var version = token == null ? null : existing.versions.get(token);
      if (version == null || !version.value.equals(value(input))) {
        throw badRequest("ResourceExistsException", "The operation failed because the secret " + name + " already exists.");
      }
      return answer(existing).put("VersionId", version.id);
    }
    var secret = new Secret(name, Settings.arn("secretsmanager", "secret:" + name + "-" + suffix()), owner);
    secret.description = Json.text(input, "Description");
    secret.key = Json.text(input, "KmsKeyId");
    addTags(secret, input.path("Tags"));
    var value = value(input);
    var answer = answer(secret);
    if (value != null) {
      answer.put("VersionId", addVersion(secret, token, value, Set.of(CURRENT)).id);
    }
    secrets.put(name, secret);
    return answer;
  }

  private ObjectNode getValue(ObjectNode input) {
    var secret = usable(input);
    var id = Json.text(input, "VersionId");
    var stage = Json.text(input, "VersionStage");
    var version = id == null ? withStage(secret, stage == null ? CURRENT : stage) : secret.versions.get(id);
    if (version == null) {
      throw badRequest("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for "
          + (id == null ? "staging label: " + (stage == null ? CURRENT : stage) : "VersionId: " + id));
    }
    if (id != null && stage != null && !version.stages.contains(stage)) {
      throw badRequest("InvalidRequestException",
          "You provided a VersionStage that is not associated to the provided VersionId.");
    }
    secret.accessed = Instant.now();
    return answer(secret).put("VersionId", version.id).put(version.value.getKey(), version.value.getValue())
        .put("CreatedDate", seconds(version.created)).set("VersionStages", strings(version.stages));
  }

  private ObjectNode putValue(ObjectNode input) {
    refuse(input, "RotationToken");
    var secret = usable(input);
    refuseManaged(secret);
    var value = value(input);
    if (value == null) {
      throw badRequest("InvalidRequestException", "You must provide either SecretString or SecretBinary.");
    }
    Set<String> stages = new LinkedHashSet<>();
    input.path("VersionStages").forEach(stage -> stages.add(stage.asText()));
    var version = addVersion(secret, Json.text(input, "ClientRequestToken"), value,
        stages.isEmpty() ? Set.of(CURRENT) : stages);
    return answer(secret).put("VersionId", version.id).set("VersionStages", strings(version.stages));
  }

  private ObjectNode update(ObjectNode input) {
    refuse(input, "Type");
    var secret = usable(input);
    var value = value(input);
    var answer = answer(secret);
    if (value != null) {
      refuseManaged(secret);
      answer.put("VersionId", addVersion(secret, Json.text(input, "ClientRequestToken"), value, Set.of(CURRENT)).id);
    }
    if (input.hasNonNull("Description")) {
      secret.description = Json.text(input, "Description");
    }
    if (input.hasNonNull("KmsKeyId")) {
      secret.key = Json.text(input, "KmsKeyId");
    }
    secret.changed = Instant.now();
    return answer;
  }

  private Version addVersion(Secret secret, @Nullable String token, Map.Entry<String, String> value, Set<String> stages) {
    var id = token == null ? UUID.randomUUID().toString() : token;
    if (id.length() < 32 || id.length() > 64) {
      throw badRequest("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.");
    }
    var same = secret.versions.get(id);
    if (same != null) {
      if (same.value.equals(value)) {
        return same;
      }
      throw badRequest("ResourceExistsException", "You can't use ClientRequestToken " + id
          + " because that value is already in use for a version of secret " + secret.arn + ".");
    }
    if (stages.contains(CURRENT)) {
      var current = withStage(secret, CURRENT);
      if (current != null) {
        secret.versions.values().forEach(version -> version.stages.remove(PREVIOUS));
        current.stages.add(PREVIOUS);
      }
    }
    secret.versions.values().forEach(version -> version.stages.removeAll(stages));
    var version = new Version(id, value, Instant.now(), new LinkedHashSet<>(stages));
    secret.versions.put(id, version);
    secret.changed = version.created;
    var forgotten = secret.versions.values().stream().filter(v -> v.stages.isEmpty()).map(Version::id)
        .limit(Math.max(0, secret.versions.size() - MAX_VERSIONS)).toList();
    forgotten.forEach(secret.versions::remove);
    return version;
  }

  private ObjectNode describe(Secret secret) {
    var answer = answer(secret).put("CreatedDate", seconds(secret.created)).put("LastChangedDate", seconds(secret.changed));
    putOptional(answer, "Description", secret.description);
    putOptional(answer, "KmsKeyId", secret.key);
    putOptional(answer, "OwningService", secret.owner);
    if (secret.accessed != null) {
      // As the service: the date alone, the time is midnight UTC.
      answer.put("LastAccessedDate", seconds(secret.accessed.truncatedTo(java.time.temporal.ChronoUnit.DAYS)));
    }
    if (secret.deletion != null) {
      answer.put("DeletedDate", seconds(secret.deletion));
    }
    answer.set("Tags", tags(secret));
    var stages = answer.putObject("VersionIdsToStages");
    secret.versions.values().stream().filter(version -> !version.stages.isEmpty())
        .forEach(version -> stages.set(version.id, strings(version.stages)));
    return answer;
  }

  private ObjectNode list(ObjectNode input) {
    refuse(input, "SortBy");
    Predicate<Secret> wanted = secret -> secret.deletion == null || input.path("IncludePlannedDeletion").asBoolean();
    for (var filter : input.path("Filters")) {
      wanted = wanted.and(filter(filter.path("Key").asText(), filter.path("Values")));
    }
    var found = new ArrayList<>(secrets.values().stream().filter(wanted).toList());
    found.sort((a, b) -> a.created.compareTo(b.created));
    if (!"asc".equals(Json.text(input, "SortOrder"))) {
      Collections.reverse(found);
    }
    int size = input.path("MaxResults").asInt(100);
    if (size < 1 || size > 100) {
      throw badRequest("ValidationException", "1 validation error detected: Value '" + size
          + "' at 'maxResults' failed to satisfy constraint: Member must have value between 1 and 100");
    }
    int from = 0;
    var next = Json.text(input, "NextToken");
    if (next != null) {
      if (!next.matches("\\d{1,6}")) {
        throw badRequest("InvalidNextTokenException", "The NextToken value is invalid.");
      }
      from = Integer.parseInt(next);
    }
    var answer = Json.object();
    var entries = answer.putArray("SecretList");
    found.stream().skip(from).limit(size).forEach(secret -> {
      var entry = describe(secret);
      var stages = entry.remove("VersionIdsToStages");
      entry.set("SecretVersionsToStages", stages);
      entries.add(entry);
    });
    if (from + size < found.size()) {
      answer.put("NextToken", String.valueOf(from + size));
    }
    return answer;
  }

  private static Predicate<Secret> filter(String key, JsonNode values) {
    var prefixes = StreamSupport.stream(values.spliterator(), false).map(JsonNode::asText).toList();
    Predicate<@Nullable String> starts = text -> text != null && prefixes.stream()
        .anyMatch(prefix -> prefix.startsWith("!") ? !text.startsWith(prefix.substring(1)) : text.startsWith(prefix));
    return switch (key) {
      case "name" -> secret -> starts.test(secret.name);
      case "description" -> secret -> starts.test(secret.description);
      case "tag-key" -> secret -> secret.tags.keySet().stream().anyMatch(starts);
      case "tag-value" -> secret -> secret.tags.values().stream().anyMatch(starts);
      case "owning-service" -> secret -> starts.test(secret.owner);
      default -> throw badRequest("InvalidParameterException",
          "The filter key " + key + " is not supported by the local cloud.");
    };
  }

  private ObjectNode listVersions(ObjectNode input) {
    var secret = find(input);
    var answer = answer(secret);
    var versions = answer.putArray("Versions");
    boolean all = input.path("IncludeDeprecated").asBoolean();
    secret.versions.values().stream().filter(version -> all || !version.stages.isEmpty()).forEach(version ->
        versions.addObject().put("VersionId", version.id).put("CreatedDate", seconds(version.created))
            .set("VersionStages", strings(version.stages)));
    return answer;
  }

  private ObjectNode delete(ObjectNode input) {
    boolean force = input.path("ForceDeleteWithoutRecovery").asBoolean();
    if (force && input.hasNonNull("RecoveryWindowInDays")) {
      throw badRequest("InvalidParameterException",
          "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.");
    }
    int days = input.path("RecoveryWindowInDays").asInt(30);
    if (days < 7 || days > 30) {
      throw badRequest("InvalidParameterException",
          "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).");
    }
    var secret = usable(input);
    refuseManaged(secret);
    var when = force ? Instant.now() : Instant.now().plus(Duration.ofDays(days));
    if (force) {
      secrets.remove(secret.name);
    } else {
      secret.deletion = when;
    }
    return answer(secret).put("DeletionDate", seconds(when));
  }

  private ObjectNode restore(ObjectNode input) {
    var secret = find(input);
    secret.deletion = null;
    return answer(secret);
  }

  private ObjectNode tag(ObjectNode input) {
    addTags(usable(input), input.path("Tags"));
    return Json.object();
  }

  private ObjectNode untag(ObjectNode input) {
    var secret = usable(input);
    input.path("TagKeys").forEach(key -> secret.tags.remove(key.asText()));
    return Json.object();
  }

  private static void addTags(Secret secret, JsonNode tags) {
    tags.forEach(tag -> secret.tags.put(tag.path("Key").asText(), tag.path("Value").asText()));
    if (secret.tags.size() > 50) {
      throw badRequest("LimitExceededException", "A secret can have at most 50 tags.");
    }
  }

  private String password(ObjectNode options) {
    int length = options.path("PasswordLength").asInt(32);
    if (length < 1 || length > 4096) {
      throw badRequest("ValidationException", "1 validation error detected: Value '" + length
          + "' at 'passwordLength' failed to satisfy constraint: Member must have value between 1 and 4096");
    }
    var excluded = options.path("ExcludeCharacters").asText("");
    var classes = new LinkedHashMap<String, String>();
    classes.put("ExcludeUppercase", UPPERCASE);
    classes.put("ExcludeLowercase", LOWERCASE);
    classes.put("ExcludeNumbers", DIGITS);
    classes.put("ExcludePunctuation", PUNCTUATION);
    var included = new ArrayList<String>();
    classes.forEach((option, characters) -> {
      if (!options.path(option).asBoolean()) {
        included.add(characters);
      }
    });
    if (options.path("IncludeSpace").asBoolean()) {
      included.add(" ");
    }
    included.replaceAll(characters -> characters.chars().filter(c -> excluded.indexOf(c) < 0)
        .mapToObj(Character::toString).collect(Collectors.joining()));
    boolean each = options.path("RequireEachIncludedType").asBoolean(true);
    if (each && (included.size() > length || included.contains(""))) {
      throw badRequest("InvalidParameterException", "The password can't hold a character of each included type.");
    }
    var all = String.join("", included);
    if (all.isEmpty()) {
      throw badRequest("InvalidParameterException", "The password has no characters to choose from.");
    }
    var characters = new ArrayList<Character>();
    if (each) {
      included.forEach(type -> characters.add(type.charAt(random.nextInt(type.length()))));
    }
    while (characters.size() < length) {
      characters.add(all.charAt(random.nextInt(all.length())));
    }
    Collections.shuffle(characters, random);
    return characters.stream().map(String::valueOf).collect(Collectors.joining());
  }

  private Secret usable(ObjectNode input) {
    var secret = find(input);
    if (secret.deletion != null) {
      throw badRequest("InvalidRequestException",
          "You can't perform this operation on the secret because it was marked for deletion.");
    }
    return secret;
  }

  /** Finds a secret by name, by ARN, or by ARN without its random suffix. */
  private Secret find(ObjectNode input) {
    var id = required(input, "SecretId");
    secrets.values().removeIf(secret -> secret.deletion != null && secret.deletion.isBefore(Instant.now()));
    var prefix = Settings.arn("secretsmanager", "secret:");
    var secret = secrets.get(id.startsWith(prefix) ? id.substring(prefix.length()) : id);
    if (secret == null) {
      secret = secrets.values().stream().filter(s -> s.arn.equals(id)).findFirst().orElse(null);
    }
    if (secret == null) {
      throw badRequest("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    }
    return secret;
  }

  private static void refuseManaged(Secret secret) {
    if (secret.owner != null) {
      throw badRequest("InvalidRequestException", "You can't modify the secret value or delete the secret because it is "
          + "managed by " + secret.owner + ".");
    }
  }

  private static Map.@Nullable Entry<String, String> value(ObjectNode input) {
    var text = Json.text(input, "SecretString");
    var binary = Json.text(input, "SecretBinary");
    if (text != null && binary != null) {
      throw badRequest("InvalidParameterException", "You can't specify both a binary secret value and a string secret value "
          + "in the same secret.");
    }
    if (text == null && binary == null) {
      return null;
    }
    var entry = text != null ? Map.entry("SecretString", text) : Map.entry("SecretBinary", String.valueOf(binary));
    if (entry.getValue().isEmpty() || entry.getValue().getBytes(StandardCharsets.UTF_8).length > MAX_BYTES) {
      throw badRequest("ValidationException", "1 validation error detected: Value at '"
          + (text != null ? "secretString" : "secretBinary")
          + "' failed to satisfy constraint: Member must have length between 1 and " + MAX_BYTES);
    }
    return entry;
  }

  private static @Nullable Version withStage(Secret secret, String stage) {
    return secret.versions.values().stream().filter(version -> version.stages.contains(stage)).findFirst().orElse(null);
  }

  private static String required(ObjectNode input, String member) {
    var value = Json.text(input, member);
    if (value == null) {
      throw badRequest("ValidationException", "1 validation error detected: Value null at '"
          + Character.toLowerCase(member.charAt(0)) + member.substring(1)
          + "' failed to satisfy constraint: Member must not be null");
    }
    return value;
  }

  private static void refuse(ObjectNode input, String... members) {
    for (var member : members) {
      if (input.hasNonNull(member)) {
        throw badRequest("InvalidParameterException", "The parameter " + member + " is not supported by the local cloud.");
      }
    }
  }

  private String suffix() {
    var letters = UPPERCASE + LOWERCASE + DIGITS;
    return random.ints(6, 0, letters.length()).mapToObj(i -> String.valueOf(letters.charAt(i)))
        .collect(Collectors.joining());
  }

  private static ObjectNode answer(Secret secret) {
    return Json.object().put("ARN", secret.arn).put("Name", secret.name);
  }

  private static ArrayNode tags(Secret secret) {
    var tags = Json.array();
    secret.tags.forEach((key, value) -> tags.addObject().put("Key", key).put("Value", value));
    return tags;
  }

  private static ArrayNode strings(Set<String> values) {
    var array = Json.array();
    values.forEach(array::add);
    return array;
  }

  private static void putOptional(ObjectNode object, String member, @Nullable String value) {
    if (value != null) {
      object.put(member, value);
    }
  }

  private static double seconds(Instant instant) {
    return instant.toEpochMilli() / 1000.0;
  }
}
