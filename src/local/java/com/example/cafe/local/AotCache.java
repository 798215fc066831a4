package com.example.cafe.local;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Archives of the libraries that functions run with, so that their JVMs need not read, check and link the same classes
 * each time. Both are made once for a class path and a JDK, in the background, and kept below target/:
 * <ul>
 *   <li>a class data sharing archive (JEP 350) at the first start, while the rest of the local cloud starts;
 *   <li>an ahead-of-time cache (JEP 483, 514), which is better and takes twice the work, once nothing has been invoked
 *       for a while.
 * </ul>
 * A JVM that cannot use its archive ignores it; without one everything works the same, slower.
 */
final class AotCache implements AutoCloseable {
  private static final long QUIET = TimeUnit.SECONDS.toNanos(10);
  private static final int TRAINING_SECONDS = 120;

  private final Path javaCommand;
  private final List<String> clientOptions;
  private final List<Path> libraries;
  private final Path folder;
  private final String key;
  private final EventLog log;
  private static final Path NICE = Path.of("/usr/bin/nice");
  private final List<Thread> background = new CopyOnWriteArrayList<>();
  private volatile long lastUse = System.nanoTime();
  private volatile boolean closed;
  private volatile @Nullable Process training;

  /** The kinds of archive, the better one last. */
  enum Kind {
    SHARED("-XX:ArchiveClassesAtExit=", "-XX:SharedArchiveFile="),
    AHEAD_OF_TIME("-XX:AOTCacheOutput=", "-XX:AOTCache=");

    private final String write;
    private final String read;

    Kind(String write, String read) {
      this.write = write;
      this.read = read;
    }
  }

  /** @param clientOptions JVM options that the Runtime Interface Client needs on this machine */
  AotCache(Path javaCommand, List<String> clientOptions, List<Path> libraries, Path folder, EventLog log) {
    this.javaCommand = javaCommand;
    this.clientOptions = clientOptions;
    this.libraries = libraries;
    this.folder = folder;
    this.log = log;
    this.key = key();
  }

  private String key() {
    var digest = FunctionCode.sha256();
    digest.update((System.getProperty("java.home") + System.getProperty("java.vm.version")).getBytes(StandardCharsets.UTF_8));
    try {
      for (var jar : libraries) {
        digest.update((jar + "|" + Files.size(jar) + "|" + Files.getLastModifiedTime(jar).toMillis())
            .getBytes(StandardCharsets.UTF_8));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return HexFormat.of().formatHex(digest.digest(), 0, 8);
  }

  Path file(Kind kind) {
    return folder.resolve("functions-" + key + (kind == Kind.SHARED ? ".jsa" : ".aot"));
  }

  /** The JVM option that uses the best archive there is. */
  Optional<String> option() {
    return Stream.of(Kind.AHEAD_OF_TIME, Kind.SHARED).filter(kind -> Files.isRegularFile(file(kind))).findFirst()
        .map(kind -> kind.read + file(kind));
  }

  /** Says that a function is being invoked: not the time to train. */
  void busy() {
    lastUse = System.nanoTime();
  }

  /** Begins to make the quick archive, if there is none at all. @param classes where the logging configuration is */
  void prepare(Path classes) {
    if (option().isEmpty()) {
      inBackground(() -> train(Kind.SHARED, classes));
    }
  }

  /** Waits for the quick archive, if it is being made: the first calls start faster with it than beside its making. */
  void awaitPrepared(Duration longest) {
    try {
      for (var work : List.copyOf(background)) {
        work.join(longest);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Makes the better cache in the background, if it is not there. */
  void trainWhenQuiet(Path classes) {
    lastUse = System.nanoTime();
    if (!Files.isRegularFile(file(Kind.AHEAD_OF_TIME))) {
      inBackground(() -> {
        while (!closed && System.nanoTime() - lastUse < QUIET) {
          Thread.sleep(500);
        }
        if (!closed) {
          train(Kind.AHEAD_OF_TIME, classes);
        }
      });
    }
  }

  private interface Work {
    void run() throws IOException, InterruptedException;
  }

  private void inBackground(Work work) {
    background.add(Thread.ofVirtual().name("aot-training").start(() -> {
      try {
        work.run();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } catch (IOException | RuntimeException e) {
        if (!closed) {
          log.event("code", "functions start slower than they could: " + e.getMessage());
        }
      }
    }));
  }

  /** Makes an archive now. @throws IOException when the JVM makes none */
  synchronized void train(Kind kind, Path classes) throws IOException, InterruptedException {
    var home = folder.resolve("training");
    var type = Path.of(AotTraining.class.getName().replace('.', File.separatorChar) + ".class");
    Files.createDirectories(home.resolve(type).getParent());
    for (var part : List.of("AotTraining.class", "AotTraining$Step.class")) {
      try (var in = AotCache.class.getResourceAsStream(part)) {
        Files.copy(Objects.requireNonNull(in), home.resolve(type).resolveSibling(part), StandardCopyOption.REPLACE_EXISTING);
      }
    }
    var logging = classes.resolve("log4j2.xml");
    if (Files.exists(logging)) {
      Files.copy(logging, home.resolve("log4j2.xml"), StandardCopyOption.REPLACE_EXISTING);
    }
    var draft = folder.resolve("draft-" + ProcessHandle.current().pid() + "-" + kind);
    var server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      server.createContext("/", new Stub()::handle);
      server.setExecutor(threads);
      server.start();
      var address = "127.0.0.1:" + server.getAddress().getPort();
      var command = new ArrayList<>(List.of(javaCommand.toString(), kind.write + draft, "-XX:+UseSerialGC",
          "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xmx512m",
          "-Xlog:disable", "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow",
          "-Djava.net.preferIPv4Stack=true", "-Djava.io.tmpdir=" + home));
      command.addAll(clientOptions);
      command.addAll(List.of("-cp", String.join(File.pathSeparator, libraries.stream().map(Path::toString).toList()),
          "com.amazonaws.services.lambda.runtime.api.client.AWSLambda", AotTraining.class.getName()));
      if (kind == Kind.AHEAD_OF_TIME && Files.isExecutable(NICE)) {
        // Whoever places an order meanwhile goes first.
        command.addAll(0, List.of(NICE.toString(), "-n", "19"));
      }
      var builder = new ProcessBuilder(command).directory(home.toFile()).redirectErrorStream(true)
          .redirectOutput(home.resolve("output").toFile());
      builder.environment().clear();
      builder.environment().putAll(FunctionHost.systemEnvironment());
      builder.environment().putAll(Map.of("AWS_LAMBDA_RUNTIME_API", address, "AWS_ENDPOINT_URL", "http://" + address + "/aws",
          "AWS_REGION", Settings.REGION, "AWS_ACCESS_KEY_ID", "training", "AWS_SECRET_ACCESS_KEY", "training",
          "AWS_LAMBDA_FUNCTION_NAME", "training", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512", "_HANDLER", "training"));
      var process = builder.start();
      training = process;
      if (closed) {
        process.destroyForcibly();
      }
      if (!process.waitFor(TRAINING_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
      server.stop(0);
      if (closed) {
        return;
      }
      if (!Files.isRegularFile(draft)) {
        throw new IOException("the JVM has made none, see " + home.resolve("output"));
      }
      forgetOthers();
      Files.move(draft, file(kind), StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      server.stop(0);
      Files.deleteIfExists(draft);
      Files.deleteIfExists(draft.resolveSibling(draft.getFileName() + ".config"));
    }
  }

  /** Archives are large; those of another class path or another JDK are of no use any more. */
  private void forgetOthers() throws IOException {
    try (var files = Files.list(folder)) {
      for (var file : files.toList()) {
        var name = file.getFileName().toString();
        if (name.startsWith("functions-") && !name.startsWith("functions-" + key)) {
          Files.deleteIfExists(file);
        }
      }
    }
  }

  /** The Runtime API for one event, and every AWS service with an empty answer. */
  private static final class Stub {
    private volatile boolean taken;

    void handle(HttpExchange exchange) throws IOException {
      try (exchange) {
        exchange.getRequestBody().readAllBytes();
        var path = exchange.getRequestURI().getPath();
        if (path.endsWith("/invocation/next")) {
          if (taken) {
            answer(exchange, 410, "{}");
          } else {
            taken = true;
            exchange.getResponseHeaders().set("Lambda-Runtime-Aws-Request-Id", "training");
            exchange.getResponseHeaders().set("Lambda-Runtime-Deadline-Ms", Long.toString(System.currentTimeMillis() + 60_000));
            exchange.getResponseHeaders().set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:r:1:function:training");
            answer(exchange, 200, "{\"httpMethod\":\"GET\",\"path\":\"/\",\"headers\":{},\"requestContext\":{\"stage\":\"api\"}}");
          }
        } else if (path.startsWith("/2018-06-01/")) {
          answer(exchange, 202, "{}");
        } else {
          var query = String.valueOf(exchange.getRequestHeaders().getFirst("Content-Type")).contains("urlencoded");
          answer(exchange, 200, query ? "<Response><Result/></Response>" : "{}");
        }
      }
    }

    private static void answer(HttpExchange exchange, int status, String text) throws IOException {
      var bytes = text.getBytes(StandardCharsets.UTF_8);
      // The client's native part crashes on an answer without a content type.
      exchange.getResponseHeaders().set("Content-Type", "application/json");
      exchange.sendResponseHeaders(status, bytes.length);
      exchange.getResponseBody().write(bytes);
    }
  }

  @Override
  public void close() {
    closed = true;
    background.forEach(Thread::interrupt);
    var process = training;
    if (process != null && process.isAlive()) {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
  }
}
