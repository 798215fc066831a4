package com.example.cafe.local;

import com.example.cafe.local.Invocation.Outcome;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * One execution environment of a function: a JVM of its own with the Runtime Interface Client, one event at a time.
 *
 * <p>Its output goes to a file and is read from there: when the response has come, everything that the function
 * printed before is in the file, so the log keeps its order without guessing.
 */
final class FunctionProcess implements RuntimeApi.Runtime {
  private static final String CLIENT = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda";
  private static final Invocation STOP = new Invocation("", new byte[0], null, false, null);
  /** What Lambda grants the initialization of an on-demand function before it starts it again within the timeout. */
  private static final int INIT_SECONDS = 10;

  private final FunctionHost host;
  private final LambdaFunction function;
  private final String version;
  private final FunctionCode.Snapshot code;
  private final boolean debug;
  private final String id = UUID.randomUUID().toString().replace("-", "");
  private final Path home;
  private final Path output;
  private final LinkedBlockingQueue<Invocation> events = new LinkedBlockingQueue<>();
  private final ByteArrayOutputStream partialLine = new ByteArrayOutputStream();
  private long outputRead;
  private long startNanos;
  private @Nullable Process process;
  private volatile @Nullable Invocation current;
  private volatile boolean killed;
  private volatile boolean timedOut;
  private volatile boolean exited;
  private volatile int exitStatus;
  private volatile @Nullable String startFailure;
  private volatile int invocations;
  private volatile long idleSince = System.nanoTime();

  /** Completed with the initialization's nanoseconds, or with the outcome of its failure. */
  final CompletableFuture<Long> ready = new CompletableFuture<>();
  /** Completed when the process is gone. */
  final CompletableFuture<Void> gone = new CompletableFuture<>();
  private volatile @Nullable Outcome initFailure;

  FunctionProcess(FunctionHost host, LambdaFunction function, String version, FunctionCode.Snapshot code) {
    this.host = host;
    this.function = function;
    this.version = version;
    this.code = code;
    this.debug = function.debug();
    this.home = host.folder().resolve(function.logicalId()).resolve(id);
    this.output = home.resolve("output");
  }

  String version() {
    return version;
  }

  FunctionCode.Snapshot code() {
    return code;
  }

  int invocations() {
    return invocations;
  }

  long idleNanos() {
    return System.nanoTime() - idleSince;
  }

  boolean isAlive() {
    var process = this.process;
    return !exited && !killed && (process == null || process.isAlive());
  }

  /** The process id; 0 before the process is there. */
  long pid() {
    var process = this.process;
    return process == null ? 0 : process.pid();
  }

  /** Starts the process; {@link #ready} tells how that ends. */
  void start() {
    host.runtimeApi.add(id, this);
    startNanos = System.nanoTime();
    try {
      var temporary = Files.createDirectories(home.resolve("tmp"));
      var task = Files.createDirectories(home.resolve("task"));
      var command = new ArrayList<String>();
      command.add(host.javaCommand.toString());
      command.add(FunctionHost.MARK + id);
      command.add("-Xmx" + function.heapMb() + "m");
      command.addAll(host.jvmOptions(function.environment().getOrDefault("JAVA_TOOL_OPTIONS", "")));
      command.add("-Djava.io.tmpdir=" + temporary);
      if (debug) {
        command.add("-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=127.0.0.1:"
            + host.settings.debugPort());
      }
      command.add("-cp");
      command.add(host.code.classpath(code));
      command.add(CLIENT);
      command.add(function.handler());
      var builder = new ProcessBuilder(command).directory(task.toFile()).redirectErrorStream(true)
          .redirectInput(nullFile()).redirectOutput(output.toFile());
      builder.environment().clear();
      builder.environment().putAll(environment(task));
      var process = builder.start();
      this.process = process;
      host.born(process.toHandle(), id);
      process.onExit().thenAcceptAsync(this::exited, task2 -> Thread.ofVirtual().start(task2));
      if (killed) {
        process.destroyForcibly();
      }
    } catch (IOException e) {
      exited(-1, e.getMessage());
    }
    var limit = INIT_SECONDS + function.timeout();
    if (!debug) {
      ready.orTimeout(limit, TimeUnit.SECONDS).exceptionally(e -> {
        if (e instanceof TimeoutException) {
          kill();
        }
        return 0L;
      });
    }
  }

  private static File nullFile() {
    return new File(System.getProperty("os.name").startsWith("Windows") ? "NUL" : "/dev/null");
  }

  private Map<String, String> environment(Path task) {
    var environment = new TreeMap<>(FunctionHost.systemEnvironment());
    environment.put("AWS_LAMBDA_RUNTIME_API", host.runtimeApi.address(id));
    environment.put("AWS_ENDPOINT_URL", host.endpoint);
    environment.put("AWS_LAMBDA_LOG_STREAM_NAME", "%s/[%s]%s".formatted(
        LocalDate.now(ZoneOffset.UTC).toString().replace('-', '/'), version, id));
    environment.put("AWS_LAMBDA_FUNCTION_VERSION", version);
    environment.put("LAMBDA_TASK_ROOT", task.toString());
    environment.putAll(function.environment());
    return environment;
  }

  /**
   * Runs one event in this process.
   *
   * @return null if the process ended before it took the event, which another may have then
   */
  @Nullable Outcome run(Invocation invocation) {
    var cold = invocations++ == 0;
    current = invocation;
    collectOutput(null);
    log(invocation, function.platformLine("start", invocation.requestId(), version));
    events.add(invocation);
    try {
      CompletableFuture.anyOf(invocation.taken, gone).join();
      if (!invocation.taken.isDone()) {
        return null;
      }
      var taken = invocation.taken.join();
      Outcome outcome;
      try {
        outcome = debug ? invocation.outcome.get()
            : invocation.outcome.get(function.timeout() * 1_000_000_000L - (System.nanoTime() - taken),
                TimeUnit.NANOSECONDS);
      } catch (TimeoutException e) {
        timedOut = true;
        kill();
        collectOutput(invocation);
        outcome = timedOut(invocation);
      } catch (ExecutionException | InterruptedException e) {
        throw new IllegalStateException(e);
      }
      var ran = System.nanoTime() - taken;
      collectOutput(invocation);
      var initNanos = cold ? ready.join() : 0;
      report(invocation, outcome, ran, initNanos);
      return outcome.with(invocation.lines());
    } finally {
      current = null;
      idleSince = System.nanoTime();
    }
  }

  private Outcome timedOut(Invocation invocation) {
    var message = String.format(Locale.ROOT, "Task timed out after %.2f seconds", (double) function.timeout());
    log(invocation, "%s %s %s".formatted(Instant.now().truncatedTo(ChronoUnit.MILLIS), invocation.requestId(), message));
    return Outcome.error(invocation, "Sandbox.Timedout",
        "RequestId: " + invocation.requestId() + " Error: " + message, false);
  }

  private void report(Invocation invocation, Outcome outcome, long ran, long initNanos) {
    var status = outcome.failed() ? "Sandbox.Timedout".equals(outcome.errorType()) ? "timeout" : "error" : "success";
    log(invocation, function.platformLine("end", invocation.requestId(), version));
    log(invocation, function.reportLine(invocation.requestId(), ran, initNanos, peakMb(), status,
        outcome.failed() ? outcome.errorType() : null));
    function.note(outcome, ran, initNanos);
  }

  /** The most memory that the process has had, in MB; 0 where the system does not tell. */
  private long peakMb() {
    try (var lines = Files.lines(Path.of("/proc/" + pid() + "/status"))) {
      return lines.filter(line -> line.startsWith("VmHWM:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024).findFirst().orElse(0);
    } catch (IOException | UncheckedIOException e) {
      return 0;
    }
  }

  /** What an invocation gets whose process never came up. */
  Outcome initFailure(Invocation invocation) {
    collectOutput(invocation);
    var failure = initFailure;
    if (failure != null) {
      return new Outcome(invocation.requestId(), failure.payload(), "Unhandled", failure.errorType(), false,
          invocation.lines());
    }
    if (ready.exceptionNow() instanceof TimeoutException) {
      return timedOut(invocation).with(invocation.lines());
    }
    return exitOutcome(invocation).with(invocation.lines());
  }

  @Override
  public @Nullable Invocation next() throws InterruptedException {
    ready.complete(System.nanoTime() - startNanos);
    var event = events.take();
    if (event == STOP) {
      events.add(STOP);
      return null;
    }
    event.deadlineMillis(System.currentTimeMillis() + (debug ? 86_400_000L : function.timeout() * 1000L));
    event.taken.complete(System.nanoTime());
    return event;
  }

  @Override
  public void response(String requestId, byte[] payload) {
    complete(requestId, new Outcome(requestId, payload, null, null, false, ""));
  }

  @Override
  public void responseTooLarge(String requestId, long size) {
    var invocation = current;
    if (invocation != null) {
      complete(requestId, Outcome.error(invocation, "Function.ResponseSizeTooLarge", "Response payload size (" + size
          + " bytes) exceeded maximum allowed payload size (" + RuntimeApi.RESPONSE_LIMIT + " bytes).", false));
    }
  }

  @Override
  public void error(String requestId, byte[] error, @Nullable String type) {
    complete(requestId, new Outcome(requestId, error, "Unhandled", errorType(error, type), false, ""));
  }

  @Override
  public void initError(byte[] error, @Nullable String type) {
    initFailure = new Outcome("", error, "Unhandled", errorType(error, type), false, "");
  }

  private static @Nullable String errorType(byte[] error, @Nullable String type) {
    try {
      var text = Json.text(Json.parse(error), "errorType");
      return text == null ? type : text;
    } catch (IllegalArgumentException e) {
      return type;
    }
  }

  private void complete(String requestId, Outcome outcome) {
    var invocation = current;
    if (invocation != null && invocation.requestId().equals(requestId)) {
      invocation.outcome.complete(outcome);
    }
  }

  private void exited(Process process) {
    exited(process.exitValue(), null);
  }

  private void exited(int status, @Nullable String reason) {
    exited = true;
    exitStatus = status;
    startFailure = reason;
    host.runtimeApi.remove(id);
    events.add(STOP);
    var invocation = current;
    if (invocation != null) {
      collectOutput(invocation);
      if (invocation.taken.isDone() && !invocation.outcome.isDone() && !timedOut) {
        var outcome = exitOutcome(invocation);
        log(invocation, "RequestId: " + invocation.requestId() + " Error: " + exitReason());
        invocation.outcome.complete(outcome);
      }
    } else {
      collectOutput(null);
    }
    ready.completeExceptionally(new IllegalStateException("the process has ended"));
    if (pid() != 0) {
      host.died(pid());
    }
    delete();
    gone.complete(null);
  }

  private Outcome exitOutcome(Invocation invocation) {
    return Outcome.error(invocation, "Runtime.ExitError",
        "RequestId: " + invocation.requestId() + " Error: " + exitReason(), exitStatus == 137);
  }

  private String exitReason() {
    if (startFailure != null) {
      return "Runtime failed to start: " + startFailure;
    }
    return switch (exitStatus) {
      case 0 -> "Runtime exited without providing a reason";
      // A shell's way to tell signals, which the JDK follows; the JVM itself catches the gentler ones.
      case 134 -> "Runtime exited with error: signal: aborted";
      case 135 -> "Runtime exited with error: signal: bus error";
      case 137 -> "Runtime exited with error: signal: killed";
      case 139 -> "Runtime exited with error: signal: segmentation fault";
      default -> "Runtime exited with error: exit status " + exitStatus;
    };
  }

  /** Takes over what the process has printed since the last time. */
  void collectOutput(@Nullable Invocation invocation) {
    synchronized (partialLine) {
      try (var channel = FileChannel.open(output, StandardOpenOption.READ)) {
        var buffer = ByteBuffer.allocate(65_536);
        for (int read; (read = channel.read(buffer, outputRead)) > 0; buffer.clear()) {
          outputRead += read;
          for (var i = 0; i < read; i++) {
            var b = buffer.get(i);
            if (b == '\n') {
              endLine(invocation);
            } else {
              partialLine.write(b);
            }
          }
        }
        if (outputRead > 0 && partialLine.size() > 0 && (exited || invocation != null && invocation.outcome.isDone())) {
          endLine(invocation);
        }
      } catch (IOException e) {
        // No output yet, or the process is gone and its file with it.
      }
    }
  }

  private void endLine(@Nullable Invocation invocation) {
    var line = partialLine.toString(StandardCharsets.UTF_8);
    partialLine.reset();
    var owner = invocation == null ? current : invocation;
    if (owner == null) {
      function.log().append(line);
    } else {
      log(owner, line);
    }
  }

  private void log(Invocation invocation, String line) {
    invocation.line(line);
    function.log().append(line);
  }

  /** Ends the process without a further word, as Lambda ends its environments. */
  void kill() {
    killed = true;
    events.add(STOP);
    var process = this.process;
    if (process != null) {
      process.destroyForcibly();
    }
  }

  private void delete() {
    try (var walk = Files.walk(home)) {
      for (var path : walk.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(path);
      }
    } catch (IOException | UncheckedIOException e) {
      // The next start of the local cloud clears the folder.
    }
  }
}
