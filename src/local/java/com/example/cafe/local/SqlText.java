package com.example.cafe.local;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * A PostgreSQL statement with named parameters, read as the server's own scanner reads it: what looks like a parameter
 * inside a literal, a quoted identifier, a comment, a dollar quote or a cast is none.
 *
 * @param jdbc the statement with a {@code ?} for each use of a parameter
 * @param parameters the parameter of each {@code ?}, in order: a name used twice is bound twice, as the Data API does
 * @param statements how many statements the text holds; comments and empty statements do not count
 */
record SqlText(String jdbc, List<String> parameters, int statements) {

  /**
   * Reads a statement.
   *
   * @param supplied the names of the given parameters; only they can begin with a digit ({@code a[1:2]} is a slice)
   */
  static SqlText parse(String sql, Set<String> supplied) {
    return new Scanner(sql, supplied).scan();
  }

  private static final class Scanner {
    private final String sql;
    private final Set<String> supplied;
    private final StringBuilder out = new StringBuilder();
    private final List<String> parameters = new ArrayList<>();
    /** The statement's first words, enough to recognise CREATE OR REPLACE FUNCTION. */
    private final List<String> words = new ArrayList<>();
    private int statements;
    private boolean begun;
    /** Depth of BEGIN ATOMIC … END and CASE … END in the body of an SQL function, where semicolons separate nothing. */
    private int body;
    private int at;

    Scanner(String sql, Set<String> supplied) {
      this.sql = sql;
      this.supplied = supplied;
    }

    SqlText scan() {
      while (at < sql.length()) {
        char c = sql.charAt(at);
        if (c == '-' && next('-')) {
          copyTo(end("\n", at));
        } else if (c == '/' && next('*')) {
          copyTo(comment());
        } else if (Character.isWhitespace(c)) {
          copyTo(at + 1);
        } else if (c == ';' && body == 0) {
          begun = false;
          words.clear();
          copyTo(at + 1);
        } else {
          token(c);
        }
      }
      return new SqlText(out.toString(), List.copyOf(parameters), statements);
    }

    private void token(char c) {
      if (!begun) {
        begun = true;
        statements++;
      }
      if (c == '\'') {
        copyTo(quoted(at, '\'', false));
      } else if (c == '"') {
        copyTo(quoted(at, '"', false));
      } else if (c == '$') {
        copyTo(dollar());
      } else if (c == '?') {
        out.append("??");
        at++;
      } else if (c == ':') {
        colon();
      } else if (Character.isDigit(c)) {
        // A number's letters (1e5, 0x1F) are no words.
        copyTo(identifier(at));
      } else if (Character.isUnicodeIdentifierStart(c) || c == '_') {
        word();
      } else {
        copyTo(at + 1);
      }
    }

    private void word() {
      int end = identifier(at);
      var text = sql.substring(at, end);
      if (end < sql.length() && sql.charAt(end) == '\'' && text.equalsIgnoreCase("E")) {
        copyTo(quoted(end, '\'', true));
        return;
      }
      var upper = text.toUpperCase(Locale.ROOT);
      if (words.size() < 4) {
        words.add(upper);
      }
      boolean routine = words.getFirst().equals("CREATE") && (words.contains("FUNCTION") || words.contains("PROCEDURE"));
      if (routine && (upper.equals("BEGIN") || (upper.equals("CASE") && body > 0))) {
        body++;
      } else if (upper.equals("END") && body > 0) {
        body--;
      }
      copyTo(end);
    }

    private void colon() {
      if (next(':') || next('=')) {
        copyTo(at + 2);
        return;
      }
      int end = at + 1;
      while (end < sql.length() && (isAscii(sql.charAt(end)) || sql.charAt(end) == '_')) {
        end++;
      }
      var name = sql.substring(at + 1, end);
      if (name.isEmpty() || (Character.isDigit(name.charAt(0)) && !supplied.contains(name))) {
        copyTo(end);
      } else {
        parameters.add(name);
        out.append('?');
        at = end;
      }
    }

    private static boolean isAscii(char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    }

    private int identifier(int from) {
      int end = from + 1;
      while (end < sql.length() && (Character.isUnicodeIdentifierPart(sql.charAt(end)) || sql.charAt(end) == '$')) {
        end++;
      }
      return end;
    }

    /** The end of a quoted text that begins at a position; a doubled quote stands for itself. */
    private int quoted(int from, char quote, boolean backslash) {
      for (int i = from + 1; i < sql.length(); i++) {
        if (backslash && sql.charAt(i) == '\\') {
          i++;
        } else if (sql.charAt(i) == quote) {
          if (i + 1 < sql.length() && sql.charAt(i + 1) == quote) {
            i++;
          } else {
            return i + 1;
          }
        }
      }
      return sql.length();
    }

    /** The end of a dollar quote, or of the dollar sign where none begins ({@code $1}). */
    private int dollar() {
      int tag = at + 1;
      while (tag < sql.length() && (Character.isLetterOrDigit(sql.charAt(tag)) || sql.charAt(tag) == '_')) {
        tag++;
      }
      boolean opens = tag < sql.length() && sql.charAt(tag) == '$' && !Character.isDigit(sql.charAt(at + 1));
      return opens ? end(sql.substring(at, tag + 1), tag + 1) : at + 1;
    }

    /** The end of a comment; they nest. */
    private int comment() {
      int depth = 0;
      for (int i = at; i < sql.length() - 1; i++) {
        if (sql.charAt(i) == '/' && sql.charAt(i + 1) == '*') {
          depth++;
          i++;
        } else if (sql.charAt(i) == '*' && sql.charAt(i + 1) == '/') {
          depth--;
          i++;
          if (depth == 0) {
            return i + 1;
          }
        }
      }
      return sql.length();
    }

    private int end(String mark, int from) {
      int found = sql.indexOf(mark, from);
      return found < 0 ? sql.length() : found + mark.length();
    }

    private boolean next(char c) {
      return at + 1 < sql.length() && sql.charAt(at + 1) == c;
    }

    private void copyTo(int end) {
      out.append(sql, at, end);
      at = end;
    }
  }
}
