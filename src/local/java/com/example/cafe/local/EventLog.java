package com.example.cafe.local;

import java.io.PrintStream;
import java.time.LocalTime;
import java.time.format.DateTimeFormatter;

/** One line an event of interest, on the console, as things happen. */
final class EventLog {
  private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("HH:mm:ss.SSS");
  private final PrintStream out;

  EventLog(PrintStream out) {
    this.out = out;
  }

  /**
   * Prints a line.
   *
   * @param kind a short word for the column: "request", "invoke", "message", "state", "mail" …
   * @param text one line; line breaks are escaped so that it stays one
   */
  void event(String kind, String text) {
    out.printf("%s  %-8s  %s%n", LocalTime.now().format(TIME), kind, text.replace("\r", "\\r").replace("\n", "\\n"));
  }
}
