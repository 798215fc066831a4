package com.example.cafe.local;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.api.client.AWSLambda;
import com.amazonaws.services.lambda.runtime.serialization.PojoSerializer;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.utilslite.SdkInternalThreadLocal;

/**
 * What functions run: the compiled classes and the jars that the package ships, plus the Runtime Interface Client, which
 * in the account belongs to the runtime. The test class path never gets there.
 *
 * <p>The classes are packed into a jar whenever they have changed, so that an instance never loads a class of a later
 * build than its first, and so that the JVM accepts an AOT cache, which it does for jars only.
 */
final class FunctionCode {
  private static final long LOOK_AGAIN = TimeUnit.MILLISECONDS.toNanos(100);
  private static final long SETTLED = TimeUnit.MILLISECONDS.toNanos(400);
  private static final long GIVE_UP = TimeUnit.SECONDS.toNanos(5);

  private final Path classes;
  private final Path folder;
  private final List<Path> libraries;
  private final EventLog log;
  private final Set<String> handlers = ConcurrentHashMap.newKeySet();
  private @Nullable Snapshot current;
  private String refused = "";
  private long looked;

  /** One build of the code. @param jar all of it @param stamp tells it from other builds */
  record Snapshot(Path jar, String stamp, int files) {}

  private record Stamp(String value, int files) {}

  /**
   * @param classes the compiler's output: target/classes
   * @param classpath the file with the jars that the package ships
   * @param folder where the packed code goes
   * @param javaClient whether the Runtime Interface Client has to do without its native part
   */
  FunctionCode(Path classes, Path classpath, Path folder, boolean javaClient, EventLog log) {
    this.classes = classes;
    this.folder = folder;
    this.log = log;
    var libraries = new ArrayList<>(libraries(classpath));
    if (javaClient) {
      libraries.addFirst(javaClient());
    }
    this.libraries = List.copyOf(libraries);
  }

  /** A jar that goes before the client's. */
  private Path javaClient() {
    var name = "com/amazonaws/services/lambda/runtime/api/client/runtimeapi/NativeClient.class";
    // Below target, beside the archives: they are bound to its path and time.
    var jar = folder.resolveSibling("runtime-client.jar");
    try (var in = FunctionCode.class.getResourceAsStream("/" + name)) {
      var bytes = Objects.requireNonNull(in).readAllBytes();
      var content = new ByteArrayOutputStream();
      try (var out = new ZipOutputStream(content)) {
        var entry = new ZipEntry(name);
        entry.setTime(0);
        out.putNextEntry(entry);
        out.write(bytes);
        out.closeEntry();
      }
      Files.createDirectories(jar.getParent());
      if (!Files.exists(jar) || !Arrays.equals(Files.readAllBytes(jar), content.toByteArray())) {
        Files.write(jar, content.toByteArray());
      }
      return jar;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  Path classes() {
    return classes;
  }

  /** The jars that a function finds besides its own code, those of the package first. */
  List<Path> libraries() {
    return libraries;
  }

  private static List<Path> libraries(Path classpath) {
    var jars = new LinkedHashMap<String, Path>();
    try {
      for (var entry : Files.readString(classpath).strip().split(File.pathSeparator)) {
        if (!entry.isBlank()) {
          var jar = Path.of(entry);
          jars.put(artifact(jar), jar);
        }
      }
    } catch (NoSuchFileException e) {
      throw new IllegalArgumentException(classpath + " is missing: build with Maven first", e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    for (var type : List.of(AWSLambda.class, PojoSerializer.class, Context.class, SdkInternalThreadLocal.class)) {
      var jar = jarOf(type);
      jars.putIfAbsent(artifact(jar), jar);
    }
    return List.copyOf(jars.values());
  }

  private static String artifact(Path jar) {
    return jar.getFileName().toString().replaceFirst("-\\d[^/]*\\.jar$", "");
  }

  static Path jarOf(Class<?> type) {
    try {
      return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Makes sure that a handler's class was compiled, now and in every later build. */
  void require(String handler) {
    var type = handler.split("::", 2)[0];
    if (!Files.isRegularFile(classFile(type))) {
      throw new IllegalArgumentException("Handler " + handler + ": there is no class " + type + " in " + classes);
    }
    handlers.add(type);
  }

  private Path classFile(String type) {
    return classes.resolve(type.replace('.', '/') + ".class");
  }

  /**
   * The code as it is now. While a compiler writes, waits until it has finished; if what it leaves is incomplete, the
   * code before stays.
   */
  synchronized Snapshot current() {
    var now = System.nanoTime();
    if (current != null && now - looked < LOOK_AGAIN) {
      return current;
    }
    var stamp = stamp();
    if (current == null || !stamp.value().equals(current.stamp()) && !stamp.value().equals(refused)) {
      var settled = settle(stamp, current == null ? 0 : SETTLED);
      if (settled != null && (current == null || !settled.value().equals(current.stamp()))) {
        var first = current == null;
        current = pack(settled);
        if (!first) {
          log.event("code", "target/classes has changed: functions start anew on their next call");
        }
      }
    }
    looked = System.nanoTime();
    return Objects.requireNonNull(current);
  }

  /** Waits until nothing has changed for a while and all handlers are there. */
  private @Nullable Stamp settle(Stamp seen, long quiet) {
    var start = System.nanoTime();
    var since = start;
    while (System.nanoTime() - since < quiet || !complete()) {
      if (System.nanoTime() - start > GIVE_UP) {
        if (current == null) {
          throw new IllegalStateException(classes + " does not hold every handler");
        }
        refused = seen.value();
        log.event("code", "target/classes lacks a handler's class: the code before stays until the next build");
        return null;
      }
      pause(50);
      var stamp = stamp();
      if (!stamp.value().equals(seen.value())) {
        seen = stamp;
        since = System.nanoTime();
      }
    }
    return seen;
  }

  private boolean complete() {
    return handlers.stream().allMatch(type -> Files.isRegularFile(classFile(type)));
  }

  private static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted", e);
    }
  }

  private Stamp stamp() {
    var digest = sha256();
    var files = files();
    for (var file : files) {
      try {
        digest.update((classes.relativize(file) + "|" + Files.size(file) + "|"
            + Files.getLastModifiedTime(file).to(TimeUnit.NANOSECONDS) + "\n").getBytes());
      } catch (IOException e) {
        digest.update((file + " is gone").getBytes());
      }
    }
    return new Stamp(HexFormat.of().formatHex(digest.digest(), 0, 8), files.size());
  }

  private List<Path> files() {
    for (var attempt = 1; ; attempt++) {
      try (var walk = Files.walk(classes)) {
        return walk.filter(Files::isRegularFile).sorted().toList();
      } catch (NoSuchFileException | UncheckedIOException e) {
        // A folder went away under the walk: a clean build is running.
        if (attempt == 100) {
          throw new IllegalStateException("cannot read " + classes, e);
        }
        pause(50);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  private Snapshot pack(Stamp stamp) {
    var jar = folder.resolve("code-" + stamp.value() + ".jar");
    var draft = folder.resolve(jar.getFileName() + "." + ProcessHandle.current().pid());
    try {
      Files.createDirectories(folder);
      try (var out = new ZipOutputStream(Files.newOutputStream(draft))) {
        out.setLevel(1);
        var folders = new HashSet<Path>();
        for (var file : files()) {
          // Code may list a folder of resources, which needs an entry of its own.
          for (var parent = file.getParent(); !parent.equals(classes) && folders.add(parent); parent = parent.getParent()) {
            out.putNextEntry(new ZipEntry(entryName(parent) + "/"));
          }
          out.putNextEntry(new ZipEntry(entryName(file)));
          Files.copy(file, out);
          out.closeEntry();
        }
      }
      Files.move(draft, jar, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new Snapshot(jar, stamp.value(), stamp.files());
  }

  private String entryName(Path file) {
    return classes.relativize(file).toString().replace(File.separatorChar, '/');
  }

  /** The class path of a function with this code. */
  String classpath(Snapshot snapshot) {
    var entries = new ArrayList<>(libraries);
    entries.add(snapshot.jar());
    return String.join(File.pathSeparator, entries.stream().map(Path::toString).toList());
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
