package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SqlTextTest {
  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      SELECT :a, :b_2                 | SELECT ?, ?                  | a b_2
      SELECT :a + :b + :a             | SELECT ? + ? + ?             | a b a
      SELECT :a::int                  | SELECT ?::int                | a
      SELECT '1'::int                 | SELECT '1'::int              |
      SELECT ':a', :b                 | SELECT ':a', ?               | b
      SELECT 'it''s :a', :b           | SELECT 'it''s :a', ?         | b
      SELECT 'back\\', :b             | SELECT 'back\\', ?           | b
      SELECT E'it\\'s :a', :b         | SELECT E'it\\'s :a', ?       | b
      SELECT e'\\\\', :b              | SELECT e'\\\\', ?            | b
      SELECT ":a""b", :b              | SELECT ":a""b", ?            | b
      SELECT $$ :a $$, :b             | SELECT $$ :a $$, ?           | b
      SELECT $t$ $$ :a $t$, :b        | SELECT $t$ $$ :a $t$, ?      | b
      SELECT /* :a /* */ :b */ :c     | SELECT /* :a /* */ :b */ ?   | c
      SELECT 1 -- :a                  | SELECT 1 -- :a               |
      f(x := :a)                      | f(x := ?)                    | a
      SELECT t[1:2], t[:low]          | SELECT t[1:2], t[?]          | low
      SELECT a ? 'b', c ?& :d         | SELECT a ?? 'b', c ??& ?     | d
      SELECT a$1, name:b              | SELECT a$1, name?            | b
      SELECT 12:30                    | SELECT 12:30                 |
      """)
  void findsParametersWhereTheServersScannerWould(String sql, String jdbc, String parameters) {
    var text = SqlText.parse(sql, Set.of());
    assertThat(text.jdbc()).isEqualTo(jdbc);
    assertThat(text.parameters()).isEqualTo(parameters == null ? List.of() : List.of(parameters.split(" ")));
  }

  @Test
  void endsALineCommentAtItsLine() {
    var text = SqlText.parse("SELECT 1 -- it's :a\n, :b", Set.of());
    assertThat(text.parameters()).containsExactly("b");
  }

  @Test
  void takesNumberedNamesOnlyWhereTheyAreGiven() {
    assertThat(SqlText.parse("SELECT date_trunc(:0, now()), t[1:2]", Set.of("0")).parameters()).containsExactly("0");
  }

  @ParameterizedTest
  @ValueSource(strings = {"SELECT 1", "SELECT 1;", " ;; SELECT 1 ; -- done\n ; /* ; */", "SELECT ';', \";\", $$;$$ -- ;",
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 3; END;",
      "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql AS $$ SELECT 1; SELECT 2; $$",
      "DO $body$ BEGIN PERFORM 1; END; $body$"})
  void countsOneStatement(String sql) {
    assertThat(SqlText.parse(sql, Set.of()).statements()).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"SELECT 1; SELECT 2", "BEGIN; SELECT 1; COMMIT", "SELECT CASE WHEN true THEN 1 END; SELECT 2",
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END; SELECT f()", "SELECT 1;'x'"})
  void countsSeveralStatements(String sql) {
    assertThat(SqlText.parse(sql, Set.of()).statements()).isGreaterThan(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "-- nothing", ";", "/* open", "SELECT 'open", "SELECT \"open", "SELECT $$open", "SELECT $", "SELECT :",
      "SELECT E'open\\"})
  void survivesUnfinishedTexts(String sql) {
    assertThat(SqlText.parse(sql, Set.of()).jdbc()).isEqualTo(sql);
  }
}
