package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Instant;
import java.time.ZoneId;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TimetableTest {
  private static final Instant START = Instant.parse("2026-11-21T10:00:00Z"); // a Saturday

  @ParameterizedTest
  @CsvSource(delimiter = '|', textBlock = """
      at(2026-11-21T10:00:01)              | UTC           | 2026-11-21T10:00:01Z
      at(2026-11-22T08:30:00)              | Europe/Berlin | 2026-11-22T07:30:00Z
      rate(1 minute)                       | UTC           | 2026-11-21T10:01:00Z
      rate(5 minutes)                      | UTC           | 2026-11-21T10:05:00Z
      rate(2 hours)                        | UTC           | 2026-11-21T12:00:00Z
      rate(1 day)                          | UTC           | 2026-11-22T10:00:00Z
      cron(0 10 * * ? *)                   | UTC           | 2026-11-22T10:00:00Z
      cron(0/15 * * * ? *)                 | UTC           | 2026-11-21T10:15:00Z
      cron(15 12 * * ? *)                  | Europe/Berlin | 2026-11-21T11:15:00Z
      cron(0 18 ? * MON-FRI *)             | UTC           | 2026-11-23T18:00:00Z
      cron(0 8 1 * ? *)                    | UTC           | 2026-12-01T08:00:00Z
      cron(0 9 ? * 1 *)                    | UTC           | 2026-11-22T09:00:00Z
      cron(0 9 ? * 2#1 *)                  | UTC           | 2026-12-07T09:00:00Z
      cron(0 9 ? * 6L *)                   | UTC           | 2026-11-27T09:00:00Z
      cron(0 9 L * ? *)                    | UTC           | 2026-11-30T09:00:00Z
      cron(0 9 29W * ? *)                  | UTC           | 2026-11-30T09:00:00Z
      cron(0 0 29 2 ? *)                   | UTC           | 2028-02-29T00:00:00Z
      cron(0 9 ? JAN,MAR SUN 2027-2028)    | UTC           | 2027-01-03T09:00:00Z
      cron(5,10 10 21 11 ? 2026)           | UTC           | 2026-11-21T10:05:00Z
      """)
  void anExpressionHasANextTime(String expression, String zone, Instant next) {
    assertThat(times(expression, zone).next(START)).contains(next);
  }

  @ParameterizedTest
  @ValueSource(strings = {"at(2026-11-21T10:00:00)", "at(2020-01-01T00:00:00)", "cron(0 0 1 1 ? 2020)"})
  void whatIsOverHasNone(String expression) {
    assertThat(times(expression, "UTC").next(START)).isEmpty();
  }

  @Test
  void aRateKeepsItsBeatWhateverWasMissed() {
    assertThat(times("rate(5 minutes)", "UTC").next(Instant.parse("2026-11-21T11:02:30Z")))
        .contains(Instant.parse("2026-11-21T11:05:00Z"));
  }

  @Test
  void aLocalTimeThatTheClocksSkipIsSkipped() {
    assertThat(times("cron(30 2 * * ? *)", "Europe/Berlin").next(Instant.parse("2026-03-28T12:00:00Z")))
        .contains(Instant.parse("2026-03-30T00:30:00Z"));
  }

  @Test
  void aLocalTimeThatComesTwiceFiresTheFirstTimeOnly() {
    var times = times("cron(30 2 * * ? *)", "Europe/Berlin");
    var first = Instant.parse("2026-10-25T00:30:00Z");
    assertThat(times.next(Instant.parse("2026-10-24T12:00:00Z"))).contains(first);
    assertThat(times.next(first)).contains(Instant.parse("2026-10-26T01:30:00Z"));
    assertThat(times.next(Instant.parse("2026-10-25T01:10:00Z"))).contains(Instant.parse("2026-10-26T01:30:00Z"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "daily", "rate()", "rate(10)", "rate(10 seconds)", "rate(10 years)", "rate(10 minutess)",
      "rate(foo minutes)", "rate(0 minutes)", "rate(-10 minutes)", "rate( 10 minutes )", " rate(10 minutes)",
      "at(2021-12-31)", "at(2021-12-31T23:59:59Z)", "at(2021-13-31T23:59:59)", "cron()", "cron(INVALID)",
      "cron(0 1 * * * *)", "cron(0 1 ? * ? *)", "cron(7 20 * * NOT *)", "cron(0 dummy ? * MON-FRI *)", "cron(71 8 1 * ? *)",
      "cron(0 9 * * ?)"})
  void anythingElseIsNoExpression(String expression) {
    assertThatThrownBy(() -> times(expression, "UTC")).isInstanceOf(IllegalArgumentException.class);
  }

  private static Timetable times(String expression, String zone) {
    return Timetable.of(expression, ZoneId.of(zone), START);
  }
}
