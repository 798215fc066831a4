package com.example.cafe.local;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayDeque;
import java.util.List;

/**
 * The log of one function, all its instances together: in a file that a developer can {@code tail -f}, and the last
 * lines in memory for the console. The file starts anew with the local cloud and after {@value #FILE_LIMIT}
 * characters; the one before is kept beside it.
 */
final class FunctionLog implements AutoCloseable {
  private static final int LINES = 2_000;
  private static final int LINE_LIMIT = 16_384;
  static final long FILE_LIMIT = 16_000_000;
  private final Path file;
  private final ArrayDeque<String> lines = new ArrayDeque<>();
  private Writer out;
  private long written;
  private boolean closed;

  FunctionLog(Path file) {
    this.file = file;
    try {
      Files.createDirectories(file.getParent());
      this.out = Files.newBufferedWriter(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  Path file() {
    return file;
  }

  synchronized void append(String line) {
    if (closed) {
      return;
    }
    lines.addLast(line.length() > LINE_LIMIT ? line.substring(0, LINE_LIMIT) + "…" : line);
    if (lines.size() > LINES) {
      lines.removeFirst();
    }
    try {
      if (written > FILE_LIMIT) {
        out.close();
        Files.move(file, file.resolveSibling(file.getFileName() + ".1"), StandardCopyOption.REPLACE_EXISTING);
        out = Files.newBufferedWriter(file);
        written = 0;
      }
      out.write(line);
      out.write('\n');
      out.flush();
      written += line.length() + 1;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The last lines, oldest first. */
  synchronized List<String> tail(int count) {
    return lines.stream().skip(Math.max(0, lines.size() - count)).toList();
  }

  @Override
  public synchronized void close() {
    closed = true;
    try {
      out.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
