package com.example.cafe.local;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** placeholder */
final class AotCache implements AutoCloseable {
  AotCache(Path java, List<Path> libraries, Path folder, EventLog log) {}

  Optional<Path> file() {
    return Optional.empty();
  }

  void busy() {}

  void trainWhenQuiet(Path folder, List<String> options, RuntimeApi api) {}

  @Override
  public void close() {}
}
