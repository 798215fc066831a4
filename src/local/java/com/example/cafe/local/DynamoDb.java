package com.example.cafe.local;

import com.example.cafe.local.Provisioner.Provisioned;
import com.example.cafe.local.Provisioner.Resource;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import software.amazon.dynamodb.services.local.server.LocalDynamoDBRequestHandler;
import software.amazon.dynamodb.services.local.server.LocalDynamoDBServerHandler;
import software.amazon.dynamodb.services.local.shared.access.sqlite.SQLiteLibraryLoaderUtil;

/**
 * DynamoDB and its streams: DynamoDB Local inside this process, in memory, on a port of the loopback address that only
 * this class knows. ARNs carry the local account and region on the way out, and DynamoDB Local's own on the way in.
 */
final class DynamoDb implements Service {
  private static final String INNER_ARN = "arn:aws:dynamodb:ddblocal:000000000000:";
  private static final String ARN = Settings.arn("dynamodb", "");
  private static final Set<String> STREAMS = Set.of("ListStreams", "DescribeStream", "GetShardIterator", "GetRecords");
  private static final Set<String> TABLES = Set.of("CreateTable", "UpdateTable", "DeleteTable", "DescribeTable",
      "ListTables", "DescribeLimits", "UpdateTimeToLive", "DescribeTimeToLive");
  private static final Set<String> ITEMS = Set.of("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan",
      "BatchGetItem", "BatchWriteItem", "TransactGetItems", "TransactWriteItems", "ExecuteStatement",
      "BatchExecuteStatement", "ExecuteTransaction");
  /** Held, because the log manager forgets a logger's level with the logger. */
  private static final Logger SQLITE_LOG = Logger.getLogger("com.almworks.sqlite4java");

  private final CompletableFuture<Running> running = new CompletableFuture<>();
  private final EventLog log;
  /** Tags by table: DynamoDB Local has none. */
  private final Map<String, Map<String, String>> tags = new ConcurrentHashMap<>();

  private record Running(Server server, LocalDynamoDBServerHandler handler, HttpClient client, URI uri) {}

  /** @param work the folder for DynamoDB Local's native library; the data is in memory */
  DynamoDb(Path work, EventLog log) {
    this.log = log;
    Thread.ofPlatform().daemon().name("dynamodb-start").start(() -> {
      try {
        running.complete(start(work.resolve("dynamodb")));
      } catch (Exception | LinkageError e) {
        running.completeExceptionally(new IllegalStateException("DynamoDB Local does not start: " + e, e));
      }
    });
  }

  private static Running start(Path folder) throws Exception {
    SQLITE_LOG.setLevel(Level.WARNING);
    unpackLibrary(folder);
    var handler = new LocalDynamoDBServerHandler(new LocalDynamoDBRequestHandler(0, true, null, true, false), "");
    var threads = new QueuedThreadPool(64, 4);
    threads.setName("dynamodb");
    threads.setDaemon(true);
    var server = new Server(threads);
    var connector = new ServerConnector(server, 1, 1, new HttpConnectionFactory(new HttpConfiguration()));
    connector.setHost("127.0.0.1");
    connector.setPort(0);
    server.addConnector(connector);
    server.setHandler(handler);
    server.start();
    var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    var started = new Running(server, handler, client, URI.create("http://127.0.0.1:" + connector.getLocalPort() + "/"));
    // The first request opens the database and loads most classes: better here than in someone's order.
    send(started, "ListTables", Json.object());
    return started;
  }

  /** Puts SQLite's native library where DynamoDB Local looks first: by itself it would unpack it at each start. */
  private static void unpackLibrary(Path folder) throws IOException {
    var name = SQLiteLibraryLoaderUtil.getNativeLibName();
    var library = Files.createDirectories(folder).toAbsolutePath().resolve(name);
    var resource = "/software/amazon/dynamodb/services/local/shared/access/sqlite/native/"
        + SQLiteLibraryLoaderUtil.getNativeLibFolderPathForCurrentOS() + "/" + name;
    try (var in = DynamoDb.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IOException("no SQLite library for this platform: " + resource);
      }
      if (!Files.exists(library)) {
        var partial = Files.createTempFile(folder, name, ".partial");
        Files.write(partial, in.readAllBytes());
        try {
          Files.move(partial, library);
        } catch (FileAlreadyExistsException e) {
          Files.delete(partial);
        }
      }
    }
    System.setProperty("org.sqlite.lib.path", folder.toAbsolutePath().toString());
  }

  @Override
  public String name() {
    return "dynamodb";
  }

  @Override
  public ObjectNode call(String operation, ObjectNode input, Caller caller) {
    switch (operation) {
      case "TagResource" -> {
        return tag(input);
      }
      case "UntagResource" -> {
        return untag(input);
      }
      case "ListTagsOfResource" -> {
        return listTags(input);
      }
      default -> { }
    }
    boolean control = TABLES.contains(operation) || STREAMS.contains(operation);
    if (!control && !ITEMS.contains(operation)) {
      throw AwsException.unknownOperation(name(), operation);
    }
    // Items are the caller's own: nothing in them is an ARN to be rewritten, only where a table is named.
    var request = control ? (ObjectNode) replaced(input, ARN, INNER_ARN) : withTableNames(input);
    var answer = send(running(), operation, request);
    switch (operation) {
      case "CreateTable" -> addTags(tableName(input.path("TableName").asText()), input.path("Tags"));
      case "DeleteTable" -> tags.remove(tableName(input.path("TableName").asText()));
      case "GetRecords" -> answer.path("Records").forEach(record -> ((ObjectNode) record).put("awsRegion", Settings.REGION));
      default -> { }
    }
    return control ? (ObjectNode) replaced(answer, INNER_ARN, ARN) : answer;
  }

  private ObjectNode tag(ObjectNode input) {
    addTags(taggable(input), input.path("Tags"));
    return Json.object();
  }

  private ObjectNode untag(ObjectNode input) {
    var table = tags.getOrDefault(taggable(input), Map.of());
    input.path("TagKeys").forEach(key -> table.remove(key.asText()));
    return Json.object();
  }

  private ObjectNode listTags(ObjectNode input) {
    var answer = Json.object();
    var list = answer.putArray("Tags");
    tags.getOrDefault(taggable(input), Map.of())
        .forEach((key, value) -> list.addObject().put("Key", key).put("Value", value));
    return answer;
  }

  private void addTags(String table, JsonNode added) {
    var all = tags.computeIfAbsent(table, name -> new ConcurrentSkipListMap<>());
    added.forEach(tag -> all.put(tag.path("Key").asText(), tag.path("Value").asText()));
  }

  /** The table of a request about tags. */
  private String taggable(ObjectNode input) {
    var arn = input.path("ResourceArn").asText();
    if (!arn.startsWith(ARN + "table/")) {
      throw AwsException.badRequest("ValidationException", "Invalid TableArn: Invalid ResourceArn provided as input " + arn);
    }
    var table = tableName(arn);
    if (!tags.containsKey(table)) {
      throw AwsException.badRequest("ResourceNotFoundException",
          "Requested resource not found: ResourceArn: " + arn + " not found");
    }
    return table;
  }

  @Override
  public Map<String, Provisioner> provisioners() {
    return Map.of("AWS::DynamoDB::Table", this::provision);
  }

  @Override
  public void close() {
    try {
      var started = running.join();
      started.client.shutdownNow();
      started.server.stop();
      started.handler.close();
    } catch (CompletionException e) {
      // It never started: nothing to stop.
    } catch (Exception e) {
      throw new IllegalStateException("DynamoDB Local does not stop", e);
    }
  }

  private Running running() {
    try {
      return running.join();
    } catch (CompletionException e) {
      throw new IllegalStateException(e.getCause().getMessage(), e.getCause());
    }
  }

  private static ObjectNode send(Running running, String operation, ObjectNode input) {
    var version = STREAMS.contains(operation) ? "DynamoDBStreams_20120810." : "DynamoDB_20120810.";
    var request = HttpRequest.newBuilder(running.uri)
        .header("Content-Type", "application/x-amz-json-1.0")
        .header("X-Amz-Target", version + operation)
        .header("Authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/" + Settings.REGION
            + "/dynamodb/aws4_request, SignedHeaders=host, Signature=none")
        .POST(HttpRequest.BodyPublishers.ofByteArray(Json.write(input).getBytes(StandardCharsets.UTF_8)))
        .build();
    try {
      var response = running.client.send(request, HttpResponse.BodyHandlers.ofByteArray());
      var body = (ObjectNode) Json.parse(response.body());
      if (response.statusCode() == 200) {
        return body;
      }
      throw error(response.statusCode(), body);
    } catch (IOException e) {
      throw new AwsException(500, "InternalServerError", "DynamoDB Local does not answer: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AwsException(500, "InternalServerError", "DynamoDB Local was interrupted.");
    }
  }

  private static AwsException error(int status, ObjectNode body) {
    var type = body.path("__type").asText("InternalServerError");
    var message = body.has("message") ? body.path("message").asText() : body.path("Message").asText();
    var members = Json.object();
    for (var member : body.properties()) {
      if (!Set.of("__type", "message", "Message").contains(member.getKey()) && !member.getValue().isNull()) {
        members.set(member.getKey(), member.getValue());
      }
    }
    return new AwsException(status, type.substring(type.indexOf('#') + 1), message.replace(INNER_ARN, ARN),
        members.isEmpty() ? null : members, null);
  }

  /** The value with a prefix of its texts replaced, everywhere in it. */
  private static JsonNode replaced(JsonNode value, String from, String to) {
    return switch (value) {
      case TextNode text when text.textValue().contains(from) -> TextNode.valueOf(text.textValue().replace(from, to));
      case ArrayNode array -> {
        var copy = Json.array();
        array.forEach(element -> copy.add(replaced(element, from, to)));
        yield copy;
      }
      case ObjectNode object -> {
        var copy = Json.object();
        object.properties().forEach(member -> copy.set(member.getKey(), replaced(member.getValue(), from, to)));
        yield copy;
      }
      default -> value;
    };
  }

  /** A table may be named by its ARN: gives DynamoDB Local the name. */
  private static ObjectNode withTableNames(ObjectNode input) {
    var request = input;
    if (input.path("TableName").asText().startsWith(ARN)) {
      request = input.deepCopy().put("TableName", tableName(input.get("TableName").asText()));
    }
    if (input.get("RequestItems") instanceof ObjectNode tables) {
      var named = Json.object();
      tables.properties().forEach(table -> named.set(tableName(table.getKey()), table.getValue()));
      request = input.deepCopy();
      request.set("RequestItems", named);
    }
    if (input.get("TransactItems") instanceof ArrayNode items) {
      request = input.deepCopy();
      for (var item : request.get("TransactItems")) {
        item.forEach(action -> {
          if (action instanceof ObjectNode object && object.path("TableName").asText().startsWith(ARN)) {
            object.put("TableName", tableName(object.get("TableName").asText()));
          }
        });
      }
    }
    return request;
  }

  private static String tableName(String nameOrArn) {
    return nameOrArn.startsWith(ARN + "table/") ? nameOrArn.substring((ARN + "table/").length()) : nameOrArn;
  }

  private Provisioned provision(Resource resource) {
    // Of these, encryption, recovery and the table's class make no difference in memory.
    resource.allowOnly("TableName", "AttributeDefinitions", "KeySchema", "BillingMode", "ProvisionedThroughput",
        "OnDemandThroughput", "GlobalSecondaryIndexes", "LocalSecondaryIndexes", "StreamSpecification",
        "TimeToLiveSpecification", "PointInTimeRecoverySpecification", "SSESpecification", "DeletionProtectionEnabled",
        "TableClass", "Tags");
    var properties = resource.properties();
    var table = properties.path("TableName").asText(resource.name());
    var request = Json.object().put("TableName", table);
    for (var member : Set.of("AttributeDefinitions", "KeySchema", "ProvisionedThroughput", "GlobalSecondaryIndexes",
        "LocalSecondaryIndexes", "DeletionProtectionEnabled", "Tags")) {
      if (properties.has(member)) {
        request.set(member, properties.get(member).deepCopy());
      }
    }
    request.put("BillingMode", properties.path("BillingMode").asText("PROVISIONED"));
    request.path("GlobalSecondaryIndexes").forEach(index -> ((ObjectNode) index).remove("OnDemandThroughput"));
    if (properties.get("StreamSpecification") instanceof ObjectNode stream) {
      request.set("StreamSpecification", Json.object().put("StreamEnabled", true)
          .put("StreamViewType", stream.path("StreamViewType").asText()));
    }
    try {
      var description = call("CreateTable", request, Caller.ADMINISTRATOR).get("TableDescription");
      if (properties.get("TimeToLiveSpecification") instanceof ObjectNode ttl && ttl.path("Enabled").asBoolean()) {
        var update = Json.object().put("TableName", table);
        update.set("TimeToLiveSpecification", ttl);
        call("UpdateTimeToLive", update, Caller.ADMINISTRATOR);
      }
      log.event("table", table);
      var attributes = new HashMap<String, String>();
      attributes.put("Arn", description.get("TableArn").asText());
      if (description.hasNonNull("LatestStreamArn")) {
        attributes.put("StreamArn", description.get("LatestStreamArn").asText());
      }
      return new Provisioned(table, attributes);
    } catch (AwsException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }
}
