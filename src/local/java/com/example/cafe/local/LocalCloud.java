package com.example.cafe.local;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs template.yaml on this machine: starts every service, creates the template's resources, and serves until it is
 * closed. {@code mvn -Plocal} is its command line.
 */
final class LocalCloud implements AutoCloseable {
  private static final String SAMPLE_ORDERS = "events/orders.sql";
  private final Settings settings;
  private final EventLog log;
  private final FileLock lock;
  private final List<AutoCloseable> open = new ArrayList<>();
  private final Endpoint endpoint;
  private final Lambda lambda;
  private final Cognito cognito;
  private final ApiGateway gateway;
  private final Ses ses;
  private final Deployment deployment;
  private volatile boolean ready;
  private boolean closed;

  /**
   * Starts everything; returns when it is ready.
   *
   * @throws IllegalArgumentException naming what in the template cannot run
   * @throws IllegalStateException where a port is taken or another local cloud runs in this folder
   */
  LocalCloud(Settings settings, PrintStream out) {
    this(settings, out, close -> { });
  }

  /** @param begun told how to end it before anything is started: Ctrl-C may come while it starts */
  private LocalCloud(Settings settings, PrintStream out, Consumer<Runnable> begun) {
    this.settings = settings;
    this.log = new EventLog(out);
    this.lock = lock(settings.work());
    begun.accept(this::close);
    try {
      endpoint = opened(new Endpoint(settings.awsPort(), settings.listen()));
      endpoint.mount("/_local/ready", exchange -> text(exchange, ready ? 200 : 503, ready ? "ready\n" : "starting\n"));
      var url = endpoint.url();
      // Those with servers of their own come first: they start in the background.
      var queues = CompletableFuture.supplyAsync(() -> new Sqs(url, log), task -> Thread.ofPlatform().start(task));
      open.add(() -> queues.join().close());
      var secrets = new SecretsManager();
      var data = opened(new DataApi(settings.work(), secrets, log));
      var dynamo = opened(new DynamoDb(settings.work(), log));
      cognito = opened(new Cognito(url));
      lambda = opened(new Lambda(settings, url, settings.project().resolve("target/runtime.classpath"), endpoint, log));
      gateway = opened(new ApiGateway(settings.apiPort(), endpoint, cognito, log));
      var sns = opened(new Sns(endpoint, log));
      ses = opened(new Ses(settings.work(), log));
      var scheduler = opened(new Scheduler(endpoint, log));
      var states = opened(new StepFunctions(endpoint, log));
      var sqs = queues.join();
      var services = List.of(secrets, data, dynamo, sqs, cognito, lambda, gateway, sns, ses, scheduler, states, new Sts());
      services.forEach(endpoint::add);
      endpoint.callers(key -> lambda.callerOf(key).orElse(Caller.ADMINISTRATOR));
      var custom = new CustomResources(endpoint, url);
      endpoint.mount(CustomResources.PATH, custom);
      endpoint.mount("/_local/token/", this::token);
      endpoint.mount("/", cognito.handler());
      deployment = new Deployment(settings, services, custom);
      endpoint.add(new CloudFormation(deployment));
      deployment.deploy();
      lambda.start();
      placeSampleOrders();
      writeSamEnvironment();
      ready = true;
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private <T extends AutoCloseable> T opened(T part) {
    synchronized (open) {
      if (!closed) {
        open.add(part);
        return part;
      }
    }
    close(part);
    throw new IllegalStateException("it was ended while it started");
  }

  private static FileLock lock(Path work) {
    try {
      Files.createDirectories(work);
      var lock = FileChannel.open(work.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE).tryLock();
      if (lock == null) {
        throw new IllegalStateException("the local cloud already runs in this folder; end it first (" + work + ")");
      }
      return lock;
    } catch (java.nio.channels.OverlappingFileLockException e) {
      throw new IllegalStateException("the local cloud already runs in this process", e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The orders that the sample events name. */
  private void placeSampleOrders() {
    var file = settings.project().resolve(SAMPLE_ORDERS);
    if (!Files.exists(file)) {
      return;
    }
    try {
      var input = Json.object().put("sql", Files.readString(file)).put("database", "cafe")
          .put("resourceArn", output("DatabaseArn")).put("secretArn", output("DatabaseSecretArn"));
      endpoint.call("rds-data", "ExecuteStatement", input, Caller.ADMINISTRATOR);
    } catch (AwsException e) {
      throw new IllegalStateException(SAMPLE_ORDERS + ": " + e.getMessage(), e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private String output(String name) {
    var value = deployment.outputs().get(name);
    if (value == null) {
      throw new IllegalStateException(SAMPLE_ORDERS + " needs the output " + name + " in template.yaml");
    }
    return value;
  }

  /** The environment of every function as `sam local invoke --env-vars` reads it: its containers reach this endpoint. */
  private void writeSamEnvironment() {
    var functions = Json.object();
    lambda.variables().forEach((logicalId, variables) -> {
      var environment = functions.putObject(logicalId).put("AWS_ENDPOINT_URL", "http://host.docker.internal:" + endpoint.port());
      variables.forEach(environment::put);
    });
    try {
      Files.writeString(settings.work().resolve("env.json"), Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(functions));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void token(HttpExchange exchange) throws IOException {
    var name = exchange.getRequestURI().getPath().substring("/_local/token/".length());
    var query = java.util.Objects.requireNonNullElse(exchange.getRequestURI().getQuery(), "");
    if (!query.matches("|life=-?[0-9]{1,6}")) {
      text(exchange, 400, "?life=SECONDS is all that can be asked for; a negative life gives an expired token\n");
      return;
    }
    try {
      text(exchange, 200, query.isEmpty() ? cognito.token(name) : cognito.token(name, Duration.ofSeconds(Long.parseLong(query.substring("life=".length())))));
    } catch (AwsException e) {
      text(exchange, 404, e.getMessage() + "\n");
    }
  }

  private static void text(HttpExchange exchange, int status, String body) throws IOException {
    var bytes = body.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "text/plain; charset=utf-8");
    exchange.getResponseHeaders().set("Cache-Control", "no-store");
    exchange.sendResponseHeaders(status, bytes.length);
    exchange.getResponseBody().write(bytes);
  }

  /** Where the AWS services answer: http://localhost:4566. */
  String awsUrl() {
    return endpoint.url();
  }

  /** Where the API answers, stage included: http://localhost:3000/api. */
  String apiUrl() {
    return gateway.address();
  }

  Lambda lambda() {
    return lambda;
  }

  Ses ses() {
    return ses;
  }

  Aws aws() {
    return endpoint;
  }

  Map<String, String> outputs() {
    return deployment.outputs();
  }

  Cognito cognito() {
    return cognito;
  }

  @Override
  public void close() {
    ready = false;
    synchronized (open) {
      if (closed) {
        return;
      }
      closed = true;
    }
    open.reversed().forEach(LocalCloud::close);
    try {
      lock.acquiredBy().close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void close(AutoCloseable part) {
    try {
      part.close();
    } catch (Exception e) {
      System.err.println("while ending " + part.getClass().getSimpleName() + ": " + e);
    }
  }

  /** Starts, says where things are, and stays until Ctrl-C. Options are system properties: see README.md. */
  public static void main(String[] arguments) throws InterruptedException {
    var project = Path.of("").toAbsolutePath();
    // Maven may die without telling: then nobody would ever end this.
    ProcessHandle.current().parent().ifPresent(LocalCloud::endAfter);
    var ending = new AtomicBoolean();
    LocalCloud cloud;
    try {
      var settings = new Settings(project, project.resolve("target/local"), number("api.port", 3000), number("aws.port", 4566),
          System.getProperty("debug", ""), number("debug.port", 5005), listen(System.getProperty("listen", "")));
      cloud = new LocalCloud(settings, System.out, close -> Runtime.getRuntime().addShutdownHook(new Thread(() -> {
        ending.set(true);
        close.run();
      })));
    } catch (RuntimeException e) {
      if (ending.get()) {
        // Whatever it fails of now, it fails because it was told to end.
        return;
      }
      if (!(e instanceof IllegalArgumentException || e instanceof IllegalStateException || e instanceof AwsException)) {
        throw e;
      }
      System.err.println("\nThe local cloud did not start: " + e.getMessage() + "\n");
      System.exit(1);
      return;
    }
    System.out.println(cloud.banner());
    if (cloud.settings.listen().isEmpty()) {
      cloud.listenOnBridge();
    }
    Thread.currentThread().join();
  }

  /** Not by onExit(): that looks up to five seconds late, and would end us on the very pool that tells of our functions' ends. */
  private static void endAfter(ProcessHandle parent) {
    Thread.ofPlatform().daemon().name("parent").start(() -> {
      try {
        // A dead parent that nobody has waited for still counts as alive, but is our parent no more.
        while (parent.isAlive() && ProcessHandle.current().parent().equals(Optional.of(parent))) {
          Thread.sleep(Duration.ofMillis(250));
        }
        System.exit(0);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    });
  }

  private static int number(String property, int otherwise) {
    var text = System.getProperty(property, "");
    if (text.isBlank()) {
      return otherwise;
    }
    if (!text.matches("[0-9]{1,5}") || Integer.parseInt(text) > 65535) {
      throw new IllegalArgumentException("-D" + property + "=" + text + " is no port number");
    }
    return Integer.parseInt(text);
  }

  private static List<String> listen(String option) {
    return Arrays.stream(option.split(",")).map(String::strip).filter(item -> !item.isEmpty()).toList();
  }

  /**
   * On Linux containers reach this machine by the engine's bridge alone, so functions in `sam local` find the endpoint there:
   * now, or as soon as an engine starts. A bridge whose containers are all gone counts as down, and takes connections still.
   */
  private void listenOnBridge() {
    Thread.ofVirtual().start(() -> {
      try {
        NetworkInterface bridge;
        while ((bridge = NetworkInterface.getByName("docker0")) == null) {
          Thread.sleep(Duration.ofSeconds(2));
        }
        bridge.inetAddresses().filter(Inet4Address.class::isInstance).forEach(address -> endpoint.listen(address, endpoint.port()));
      } catch (SocketException | IllegalStateException e) {
        System.err.println("containers cannot reach the AWS endpoint: " + e.getMessage());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    });
  }

  private String banner() {
    var started = System.getProperty("build.started", "").isEmpty() ? ProcessHandle.current().info().startInstant().orElse(Instant.now())
        : Instant.parse(System.getProperty("build.started"));
    var seconds = Duration.between(started, Instant.now()).toMillis() / 1000.0;
    var notRun = deployment.notRun().isEmpty() ? "" : "\n  Not on a laptop    " + String.join(", ", deployment.notRun());
    return """

        The Café is ready, %.1f s after the build began.

          API                %s
          AWS endpoint       %s        AWS_ENDPOINT_URL for the AWS CLI and SDKs
          OpenID provider    %s
          Sign in as         %s/_local/token/customer  (customer2, barista, manager)
          Mails and logs     %s%s

        Place an order:

          curl -i %s/orders -H "Authorization: $(curl -s %s/_local/token/customer)" \\
            -H "Idempotency-Key: $(date +%%s)" -H "Content-Type: application/json" \\
            -d '{"items":[{"itemId":"espresso","quantity":1}]}'

        Ctrl-C ends it. What happens, as it happens:
        """.formatted(seconds, apiUrl(), awsUrl(), awsUrl() + "/" + deployment.outputs().get("UserPoolId"), awsUrl(), settings.project().relativize(settings.work()), notRun, apiUrl(), awsUrl());
  }
}
