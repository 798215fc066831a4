package com.example.cafe.platform.migration;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Splits a script into statements, since the Data API takes one at a time: at semicolons outside of strings, quoted names,
 * comments and dollar quotes. A function body in BEGIN ATOMIC … END is not understood; put bodies in dollar quotes.
 */
final class Statements {
  private final String script;
  private final List<String> statements = new ArrayList<>();
  private int at;
  private int start;
  private boolean empty = true;

  private Statements(String script) {
    this.script = script;
  }

  /** @throws IllegalArgumentException where a string, a quote or a comment does not end */
  static List<String> split(String script) {
    var splitter = new Statements(script);
    splitter.run();
    return List.copyOf(splitter.statements);
  }

  private void run() {
    while (at < script.length()) {
      var c = script.charAt(at);
      if (c == ';') {
        end();
        at++;
        start = at;
      } else if (script.startsWith("--", at)) {
        var newline = script.indexOf('\n', at);
        at = newline < 0 ? script.length() : newline;
      } else if (script.startsWith("/*", at)) {
        comment();
      } else if (c == '\'') {
        string(at > start && (script.charAt(at - 1) == 'E' || script.charAt(at - 1) == 'e') && !partOfName(at - 2));
      } else if (c == '"') {
        // Two quotes inside a name read as the end of one and the start of the next.
        at = after("\"", at + 1, "a quoted name");
        empty = false;
      } else if (c == '$' && !partOfName(at - 1) && dollarTag() instanceof String tag) {
        at = after(tag, at + tag.length(), "a dollar quote");
        empty = false;
      } else {
        empty &= Character.isWhitespace(c);
        at++;
      }
    }
    end();
  }

  private void end() {
    if (!empty) {
      statements.add(script.substring(start, at).strip());
    }
    empty = true;
  }

  /** PostgreSQL's comments nest. */
  private void comment() {
    var depth = 0;
    do {
      if (script.startsWith("/*", at)) {
        depth++;
        at += 2;
      } else if (script.startsWith("*/", at)) {
        depth--;
        at += 2;
      } else if (++at >= script.length()) {
        throw new IllegalArgumentException("a comment does not end");
      }
    } while (depth > 0);
  }

  private void string(boolean escapes) {
    empty = false;
    for (at++; at < script.length(); at++) {
      if (escapes && script.charAt(at) == '\\') {
        at++;
      } else if (script.charAt(at) == '\'') {
        at++;
        return;
      }
    }
    throw new IllegalArgumentException("a string does not end");
  }

  private int after(String end, int from, String what) {
    var found = script.indexOf(end, from);
    if (found < 0) {
      throw new IllegalArgumentException(what + " does not end");
    }
    return found + end.length();
  }

  /** "$$" or "$body$" where one starts here, or null: "$1" is a parameter. */
  private @Nullable String dollarTag() {
    var end = at + 1;
    while (end < script.length() && partOfName(end) && script.charAt(end) != '$') {
      end++;
    }
    return end < script.length() && script.charAt(end) == '$' && !Character.isDigit(script.charAt(at + 1))
        ? script.substring(at, end + 1)
        : null;
  }

  private boolean partOfName(int index) {
    return index >= 0 && index < script.length()
        && (Character.isLetterOrDigit(script.charAt(index)) || script.charAt(index) == '_' || script.charAt(index) == '$');
  }
}
