package com.example.cafe.local;

import com.amazonaws.services.lambda.runtime.api.client.AWSLambda;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** What all function processes of this machine share: the Runtime API, the code, room for processes, their traces. */
final class FunctionHost implements AutoCloseable {
  static final String MARK = "-Dcom.example.cafe.local=";
  /** A system property that has the JNI library left out on Linux too. */
  static final String JAVA_CLIENT = "com.example.cafe.local.javaClient";
  final Settings settings;
  final String endpoint;
  final EventLog log;
  final FunctionCode code;
  final RuntimeApi runtimeApi;
  final AotCache aot;
  final Path javaCommand;
  private final Path folder;
  private final Path pids;
  private final @Nullable Path nativeLibrary;
  private final Semaphore starts;
  private final int roomMb;
  private int usedMb;
  private volatile Runnable roomMaker = () -> {};

  FunctionHost(Settings settings, String endpoint, Path classes, Path classpath, EventLog log) {
    this.settings = settings;
    this.endpoint = endpoint;
    this.log = log;
    this.folder = settings.work().resolve("functions").toAbsolutePath();
    this.pids = folder.resolve("pids");
    this.javaCommand = Path.of(System.getProperty("java.home"), "bin",
        System.getProperty("os.name").startsWith("Windows") ? "java.exe" : "java");
    sweep();
    this.nativeLibrary = nativeLibrary();
    this.code = new FunctionCode(classes, classpath, folder, nativeLibrary == null, log);
    this.aot = new AotCache(javaCommand, clientOptions(), code.libraries(), settings.work().toAbsolutePath().getParent().resolve("aot"), log);
    this.runtimeApi = new RuntimeApi();
    var processors = Runtime.getRuntime().availableProcessors();
    this.starts = new Semaphore(Math.max(2, processors));
    var physical = ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getTotalMemorySize();
    this.roomMb = (int) Math.max(2_048, physical / 1024 / 1024 / 2);
  }

  Path folder() {
    return folder;
  }

  /** How many JVMs may start at once: more of them than processors make every one slower. */
  boolean tryStart() {
    return starts.tryAcquire();
  }

  void started() {
    starts.release();
  }

  /** Takes room for a heap of this size, if half of the machine's memory has it. */
  synchronized boolean tryTake(int mb) {
    if (usedMb > 0 && usedMb + mb > roomMb) {
      return false;
    }
    usedMb += mb;
    return true;
  }

  void roomMaker(Runnable maker) {
    roomMaker = maker;
  }

  /** Has an idle instance of some function stopped. */
  void makeRoom() {
    roomMaker.run();
  }

  synchronized void give(int mb) {
    usedMb -= mb;
  }

  /**
   * The client's JNI library, unpacked once: the client's own way is one path in /tmp that all starts overwrite. Null
   * where there is none for this system.
   */
  private @Nullable Path nativeLibrary() {
    if (!System.getProperty("os.name").equals("Linux") || Boolean.getBoolean(JAVA_CLIENT)) {
      return null;
    }
    var arch = System.getProperty("os.arch").equals("aarch64") ? "aarch_64" : "x86_64";
    var name = "libaws-lambda-jni.linux" + (musl() ? "_musl" : "") + "-" + arch + ".so";
    var target = folder.resolve(name);
    try (var in = AWSLambda.class.getResourceAsStream("/jni/" + name)) {
      if (in == null) {
        throw new IllegalStateException("the Runtime Interface Client has no " + name);
      }
      Files.createDirectories(folder);
      var draft = folder.resolve(name + "." + ProcessHandle.current().pid());
      Files.copy(in, draft, StandardCopyOption.REPLACE_EXISTING);
      Files.move(draft, target, StandardCopyOption.ATOMIC_MOVE,
          StandardCopyOption.REPLACE_EXISTING);
      return target;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean musl() {
    try (var maps = Files.lines(Path.of("/proc/self/maps"))) {
      return maps.anyMatch(line -> line.contains("ld-musl-"));
    } catch (IOException | UncheckedIOException e) {
      return false;
    }
  }

  private List<String> clientOptions() {
    return nativeLibrary == null ? List.of()
        : List.of("-Dcom.amazonaws.services.lambda.runtime.api.client.runtimeapi.NativeClient.JNI=" + nativeLibrary);
  }

  /** JVM options for a function. @param own those that the template gives it in JAVA_TOOL_OPTIONS, which go first */
  List<String> jvmOptions(String own) {
    var options = new ArrayList<String>(List.of("-XX:-UsePerfData", "-Xlog:disable", "-Xlog:all=error:stderr",
        "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow",
        "-Djava.net.preferIPv4Stack=true", "-Dfile.encoding=UTF-8"));
    options.addAll(clientOptions());
    // A JVM refuses to start with two collectors or two archives.
    if (!own.matches(".*-XX:\\+Use\\w+GC\\b.*")) {
      options.add("-XX:+UseSerialGC");
    }
    if (!own.contains("Tiered")) {
      options.add("-XX:TieredStopAtLevel=1");
    }
    if (!own.matches(".*(-Xshare|SharedArchiveFile|AOT|-javaagent).*")) {
      aot.option().ifPresent(options::add);
    }
    return options;
  }

  /** What an environment needs so that the JVM itself works; functions see nothing else of the developer's. */
  static Map<String, String> systemEnvironment() {
    var os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    if (os.startsWith("windows")) {
      return Map.of("SystemRoot", Objects.requireNonNullElse(System.getenv("SystemRoot"), "C:\\Windows"));
    }
    // en_US.UTF-8, as Lambda sets LANG, is missing on many machines; the JVM then fails on a path like ~/café.
    return os.equals("linux") ? Map.of("PATH", "/usr/local/bin:/usr/bin:/bin", "LC_ALL", "C.UTF-8")
        : Map.of("PATH", "/usr/local/bin:/usr/bin:/bin");
  }

  /** Notes a process, for the sweep after a sudden end of the local cloud. */
  void born(ProcessHandle process, String instance) {
    try {
      Files.createDirectories(pids);
      Files.writeString(pids.resolve(process.pid() + ".json"), Json.write(Json.object().put("pid", process.pid())
          .put("instance", instance).put("start", process.info().startInstant().map(Instant::toEpochMilli).orElse(0L))));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  void died(long pid) {
    try {
      Files.deleteIfExists(pids.resolve(pid + ".json"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Kills what an earlier local cloud left here: processes noted here, as old as noted, and marked on the command line. */
  private void sweep() {
    if (Files.isDirectory(pids)) {
      endLeftOvers();
    }
    // A process that has just ended may still be taking its own files away: a second look finds less.
    for (var attempt = 1; Files.exists(folder); attempt++) {
      try (var walk = Files.walk(folder)) {
        for (var path : walk.sorted(Comparator.reverseOrder()).toList()) {
          Files.deleteIfExists(path);
        }
      } catch (IOException | UncheckedIOException e) {
        if (attempt == 5) {
          throw new UncheckedIOException("cannot clear " + folder, e instanceof IOException io ? io : ((UncheckedIOException) e).getCause());
        }
      }
    }
  }

  private void endLeftOvers() {
    try (var files = Files.list(pids)) {
      for (var file : files.toList()) {
        var note = Json.parse(Files.readAllBytes(file));
        var left = ProcessHandle.of(note.path("pid").asLong()).filter(ProcessHandle::isAlive);
        if (left.isPresent() && isOurs(left.get(), note.path("start").asLong(), note.path("instance").asText())) {
          log.event("sweep", "ends process " + left.get().pid() + " of an earlier start");
          left.get().destroyForcibly();
          left.get().onExit().orTimeout(5, TimeUnit.SECONDS).exceptionally(e -> left.get()).join();
        }
        // The process's own end may have removed it.
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (IllegalArgumentException e) {
      log.event("sweep", "cannot read " + pids + ": " + e.getMessage());
    }
  }

  private static boolean isOurs(ProcessHandle process, long start, String instance) {
    var sameStart = process.info().startInstant()
        .map(instant -> Duration.between(instant, Instant.ofEpochMilli(start)).abs().toSeconds() < 3).orElse(false);
    // Where the system does not show command lines, the exact moment of the start has to do.
    var marked = process.info().commandLine().map(line -> line.contains(MARK + instance))
        .orElseGet(() -> process.info().startInstant().map(Instant::toEpochMilli).orElse(0L) == start);
    return sameStart && marked;
  }

  @Override
  public void close() {
    aot.close();
    runtimeApi.close();
  }
}
