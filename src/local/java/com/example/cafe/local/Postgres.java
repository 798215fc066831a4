package com.example.cafe.local;

import java.io.BufferedInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.JarURLConnection;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.compressors.xz.XZCompressorInputStream;

/**
 * One PostgreSQL server, below one folder: binaries, data and log. It listens on the loopback address only, keeps its
 * data between starts, and trades durability for speed (a power failure may cost the data, a killed process does not).
 */
final class Postgres implements AutoCloseable {
  static final String SUPERUSER = "rdsadmin";
  private static final boolean WINDOWS = System.getProperty("os.name").startsWith("Windows");

  private final Path home;
  private final Path data;
  private final Path log;
  private final Path owner;
  private final int port;

  private Postgres(Path home, Path data, Path log, Path owner) throws IOException {
    this.home = home;
    this.data = data;
    this.log = log;
    this.owner = owner;
    this.port = launch();
  }

  /**
   * Starts a server, and first stops the one that a killed process left behind in this folder.
   *
   * @param folder where everything goes; created where missing
   * @throws IllegalStateException where a living process uses the folder, or the server does not start: with its log
   */
  static Postgres start(Path folder) {
    try {
      var base = Files.createDirectories(folder.toAbsolutePath().normalize());
      var home = binaries(base);
      var data = base.resolve("data");
      var log = base.resolve("server.log");
      var owner = base.resolve("owner");
      claim(owner);
      stopLeftover(home, data);
      if (!Files.exists(data.resolve("initialised"))) {
        initialise(home, data);
      }
      try {
        return new Postgres(home, data, log, owner);
      } catch (IllegalStateException e) {
        // Data that a crash of the machine broke is worth nothing here: begin anew, once.
        initialise(home, data);
        return new Postgres(home, data, log, owner);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("PostgreSQL does not start in " + folder, e);
    }
  }

  int port() {
    return port;
  }

  /** Stops the server at once: open transactions are rolled back, committed data stays (the next start recovers it). */
  @Override
  public void close() {
    try {
      run(home, "pg_ctl", "stop", "-D", data.toString(), "-m", "immediate", "-w", "-t", "10");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } finally {
      owner.toFile().delete();
    }
  }

  private int launch() throws IOException {
    IllegalStateException failure = new IllegalStateException("unreachable");
    for (int attempt = 0; attempt < 3; attempt++) {
      int free = freePort();
      try {
        // pg_ctl takes the server out of our process group: Ctrl-C in a terminal reaches us alone, and we stop it.
        run(home, "pg_ctl", "start", "-D", data.toString(), "-l", log.toString(), "-w", "-t", "60", "-s",
            "-o", "-p " + free);
        return free;
      } catch (IllegalStateException e) {
        failure = new IllegalStateException(e.getMessage() + "\n" + tail(log), e);
        // Ctrl-C ends pg_ctl while it waits, but not the server that it has started.
        stopLeftover(home, data);
        if (!tail(log).contains("Address already in use")) {
          break;
        }
      }
    }
    throw failure;
  }

  private static int freePort() throws IOException {
    try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private static void initialise(Path home, Path data) throws IOException {
    delete(data);
    Files.createDirectories(data.getParent());
    run(home, "initdb", "-D", data.toString(), "-U", SUPERUSER, "-E", "UTF8", 
        "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "-A", "trust",
        "--no-sync", "--no-instructions");
    var settings = """
        listen_addresses = '127.0.0.1'
        unix_socket_directories = ''
        max_connections = 200
        fsync = off
        synchronous_commit = off
        full_page_writes = off
        wal_level = minimal
        max_wal_senders = 0
        shared_buffers = 32MB
        jit = off
        timezone = 'UTC'
        log_timezone = 'UTC'
        password_encryption = 'scram-sha-256'
        scram_iterations = 1
        log_min_messages = fatal
        """ + (WINDOWS ? "" : "dynamic_shared_memory_type = mmap\n");
    Files.writeString(data.resolve("postgresql.conf"), settings);
    // The administrator is this process; everyone else shows the password that the secret holds.
    Files.writeString(data.resolve("pg_hba.conf"), """
        host all %s 127.0.0.1/32 trust
        host all all 127.0.0.1/32 scram-sha-256
        """.formatted(SUPERUSER));
    Files.createFile(data.resolve("initialised"));
  }

  /** Says in a file which process uses the folder, or fails where another living one does. */
  private static void claim(Path owner) throws IOException {
    var self = ProcessHandle.current();
    if (Files.exists(owner)) {
      var parts = Files.readString(owner).strip().split(" ");
      var other = parts.length == 2
          ? ProcessHandle.of(Long.parseLong(parts[0])) : Optional.<ProcessHandle>empty();
      if (other.isPresent() && other.get().pid() != self.pid() && startOf(other.get()).equals(parts[1])) {
        throw new IllegalStateException("process " + parts[0] + " uses " + owner.getParent() + " already");
      }
    }
    Files.writeString(owner, self.pid() + " " + startOf(self));
  }

  private static String startOf(ProcessHandle process) {
    return process.info().startInstant().map(Instant::toString).orElse("unknown");
  }

  /** Stops the server that postmaster.pid names, where that process runs our own unpacked binary. */
  private static void stopLeftover(Path home, Path data) throws IOException {
    var pidFile = data.resolve("postmaster.pid");
    if (!Files.exists(pidFile)) {
      return;
    }
    var first = Files.readAllLines(pidFile).stream().findFirst().orElse("").strip();
    var process = first.matches("\\d+")
        ? ProcessHandle.of(Long.parseLong(first)) : Optional.<ProcessHandle>empty();
    var command = process.flatMap(p -> p.info().command()).map(Path::of);
    // Process ids are reused: only a process that runs from this folder is ours to stop.
    if (command.isPresent() && command.get().startsWith(home.getParent().toRealPath())) {
      run(home, "pg_ctl", "stop", "-D", data.toString(), "-m", "immediate", "-w", "-t", "10");
    } else {
      Files.deleteIfExists(pidFile);
    }
  }

  /** Unpacks the platform's binaries once; the folder's name carries the archive's checksum. */
  private static Path binaries(Path base) throws IOException {
    var system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    var name = system.startsWith("windows") ? "windows" : system.startsWith("mac") ? "darwin" : "linux";
    var machine = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    var arm = machine.startsWith("aarch64") || machine.startsWith("arm64");
    var archives = arm ? List.of("arm_64", "x86_64") : List.of("x86_64");
    for (var architecture : archives) {
      var archive = Postgres.class.getResource("/postgres-" + name + "-" + architecture + ".txz");
      if (archive != null) {
        var connection = archive.openConnection();
        var checksum = connection instanceof JarURLConnection jar
            ? jar.getJarEntry().getCrc() : connection.getContentLengthLong();
        var home = base.resolve("binaries-" + Long.toHexString(checksum));
        if (!Files.exists(home)) {
          var partial = base.resolve("binaries.partial");
          delete(partial);
          if (!unpackByTar(connection.getInputStream(), partial)) {
            delete(partial);
            unpack(archive.openStream(), partial);
          }
          Files.move(partial, home, StandardCopyOption.ATOMIC_MOVE);
        }
        return home;
      }
    }
    throw new IllegalStateException("no PostgreSQL binaries for " + name + " on " + machine + " on the class path");
  }

  /** Unpacks by the system's tar, three times as fast as in Java; false where there is none that can. */
  private static boolean unpackByTar(InputStream archive, Path into) throws IOException {
    Files.createDirectories(into);
    try (archive) {
      var tar = new ProcessBuilder("tar", "-xJf", "-", "-C", into.toString())
          .redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
      try (var out = tar.getOutputStream()) {
        archive.transferTo(out);
      }
      return tar.waitFor() == 0;
    } catch (IOException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while unpacking", e);
    }
  }

  private static void unpack(InputStream in, Path into) throws IOException {
    try (var tar = new TarArchiveInputStream(new BufferedInputStream(
        new XZCompressorInputStream(new BufferedInputStream(in, 1 << 16)), 1 << 16))) {
      for (var entry = tar.getNextEntry(); entry != null; entry = tar.getNextEntry()) {
        var path = into.resolve(entry.getName()).normalize();
        if (!path.startsWith(into)) {
          throw new IOException("archive entry outside its folder: " + entry.getName());
        }
        if (entry.isDirectory()) {
          Files.createDirectories(path);
          continue;
        }
        Files.createDirectories(path.getParent());
        if (entry.isSymbolicLink()) {
          Files.createSymbolicLink(path, Path.of(entry.getLinkName()));
        } else {
          Files.copy(tar, path);
          if ((entry.getMode() & 0100) != 0) {
            path.toFile().setExecutable(true);
          }
        }
      }
    }
  }

  private static void run(Path home, String program, String... arguments) throws IOException {
    var command = new ArrayList<String>();
    if (!WINDOWS && "root".equals(System.getProperty("user.name"))) {
      // PostgreSQL refuses to run as root; in a user namespace of its own it does not see that it does.
      command.addAll(List.of("unshare", "-U"));
    }
    command.add(home.resolve("bin").resolve(program + (WINDOWS ? ".exe" : "")).toString());
    command.addAll(List.of(arguments));
    // Not a pipe: the server would inherit it, and reading to its end would wait for the server's.
    var output = Files.createTempFile(home.getParent(), program, ".out").toFile();
    try {
      var builder = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output)
          .redirectInput(ProcessBuilder.Redirect.from(new File(WINDOWS ? "NUL" : "/dev/null")));
      builder.environment().putAll(Map.of("TZ", "UTC", "LC_ALL", "C", "TMPDIR", home.getParent().toString()));
      var process = builder.start();
      if (!process.waitFor(90, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new IllegalStateException(program + " did not end within 90 s");
      }
      if (process.exitValue() != 0) {
        throw new IllegalStateException(program + " failed: " + Files.readString(output.toPath()).strip());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(program + " interrupted", e);
    } finally {
      output.delete();
    }
  }

  private static String tail(Path log) throws IOException {
    if (!Files.exists(log)) {
      return "";
    }
    var lines = Files.readAllLines(log);
    return String.join("\n", lines.subList(Math.max(0, lines.size() - 20), lines.size()));
  }

  private static void delete(Path folder) throws IOException {
    if (!Files.exists(folder, java.nio.file.LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    try (var paths = Files.walk(folder)) {
      for (var path : paths.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }
}
