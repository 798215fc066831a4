package com.example.cafe.platform.migration;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;

/**
 * One file of src/main/resources/db/migration. What was applied once is never edited; a correction is a new file.
 *
 * @param version counts from 1, without gaps
 * @param checksum SHA-256 of the text, whichever line ends a checkout gave it
 */
record Migration(int version, String name, String checksum, List<String> statements) {
  private static final Pattern NAME = Pattern.compile("V([0-9]{3})__[a-z0-9_]+\\.sql");

  static Migration of(String fileName, String text) {
    var name = NAME.matcher(fileName);
    if (!name.matches()) {
      throw new IllegalArgumentException(fileName + " is not named like V001__words.sql");
    }
    var unix = text.replace("\r\n", "\n");
    return new Migration(Integer.parseInt(name.group(1)), fileName, sha256(unix), Statements.split(unix));
  }

  /** All that this package brings, in their order. */
  static List<Migration> all() {
    try {
      var folder = Objects.requireNonNull(Migration.class.getResource("/db/migration")).toURI();
      return "jar".equals(folder.getScheme()) ? readJar(folder) : read(Path.of(folder));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Names a list of migrations: template.yaml carries it, so that a deployment runs what is new. */
  static String fingerprint(List<Migration> migrations) {
    var text = new StringBuilder();
    migrations.forEach(migration -> text.append(migration.name()).append(' ').append(migration.checksum()).append('\n'));
    return "V%03d-%s".formatted(migrations.getLast().version(), sha256(text.toString()).substring(0, 12));
  }

  private static List<Migration> readJar(URI folder) throws IOException {
    try (var jar = FileSystems.newFileSystem(folder, Map.of())) {
      return read(jar.getPath("/db/migration"));
    }
  }

  static List<Migration> read(Path folder) throws IOException {
    List<Path> files;
    try (var all = Files.list(folder)) {
      files = all.sorted().toList();
    }
    var migrations = new ArrayList<Migration>();
    for (var file : files) {
      var migration = of(file.getFileName().toString(), Files.readString(file));
      if (migration.version() != migrations.size() + 1) {
        throw new IllegalStateException(migration.name() + " does not follow its predecessor");
      }
      migrations.add(migration);
    }
    return List.copyOf(migrations);
  }

  private static String sha256(String text) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
