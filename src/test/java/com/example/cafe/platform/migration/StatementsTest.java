package com.example.cafe.platform.migration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StatementsTest {

  @Test
  void aScriptIsSplitAtItsSemicolons() {
    assertThat(Statements.split("SELECT 1;\n\nSELECT 2")).containsExactly("SELECT 1", "SELECT 2");
  }

  @Test
  void nothingBetweenSemicolonsIsNoStatement() {
    assertThat(Statements.split("; -- only a comment\n; /* another; one */ ;\n")).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {
      "SELECT 'a;b'",
      "SELECT 'it''s; one'",
      "SELECT E'it\\'s; one'",
      "SELECT 'ends in a backslash \\'",
      "SELECT \"a;b\"",
      "SELECT \"a\"\";b\"",
      "SELECT 1 -- it's; fine\n",
      "SELECT /* a /* nested; */ comment; */ 1",
      "CREATE FUNCTION f() RETURNS int AS $$ BEGIN RETURN 1; END; $$ LANGUAGE plpgsql",
      "CREATE FUNCTION f() RETURNS int AS $body$ SELECT $$;$$; $body$ LANGUAGE sql",
      "SELECT $1 + $2",
      "SELECT name$x$ FROM t",
      "SELECT 'name', e'\\\\' , ';'"})
  void semicolonsInsideOfSomethingDoNotSplit(String statement) {
    assertThat(Statements.split(statement + ";SELECT 2")).containsExactly(statement.strip(), "SELECT 2");
  }

  @ParameterizedTest
  @ValueSource(strings = {"SELECT 'a", "SELECT \"a", "SELECT $$a", "SELECT $a$ $b$", "SELECT /* a"})
  void whatDoesNotEndIsRefused(String script) {
    assertThatThrownBy(() -> Statements.split(script)).isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("does not end");
  }
}
