package com.example.cafe.local;

import com.cronutils.model.definition.CronConstraintsFactory;
import com.cronutils.model.definition.CronDefinition;
import com.cronutils.model.definition.CronDefinitionBuilder;
import com.cronutils.model.time.ExecutionTime;
import com.cronutils.parser.CronParser;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.regex.Pattern;

/** When a schedule fires: EventBridge Scheduler's at(), rate() and cron() expressions. */
sealed interface Timetable {

  /**
   * The first time after an instant.
   *
   * @param after exclusive
   * @return empty where the schedule has no further time
   */
  Optional<Instant> next(Instant after);

  /**
   * Reads an expression.
   *
   * @param zone what the local times of at() and cron() are in
   * @param start the base of rate(): it fires one period after it, and every period from then on
   * @throws IllegalArgumentException where the expression is none
   */
  static Timetable of(String expression, ZoneId zone, Instant start) {
    var at = At.PATTERN.matcher(expression);
    if (at.matches()) {
      try {
        return new At(LocalDateTime.parse(at.group(1)).atZone(zone).toInstant());
      } catch (DateTimeException e) {
        throw new IllegalArgumentException(expression, e);
      }
    }
    var rate = Rate.PATTERN.matcher(expression);
    if (rate.matches()) {
      var unit = ChronoUnit.valueOf(rate.group(2).toUpperCase(java.util.Locale.ROOT) + "S");
      return new Rate(start, Duration.of(Long.parseLong(rate.group(1)), unit));
    }
    if (expression.startsWith("cron(") && expression.endsWith(")")) {
      var fields = expression.substring(5, expression.length() - 1);
      return new Cron(ExecutionTime.forCron(new CronParser(Cron.SIX_FIELDS).parse(fields)), zone);
    }
    throw new IllegalArgumentException(expression);
  }

  /** Once. */
  record At(Instant time) implements Timetable {
    static final Pattern PATTERN = Pattern.compile("at\\((\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d)\\)");

    @Override
    public Optional<Instant> next(Instant after) {
      return time.isAfter(after) ? Optional.of(time) : Optional.empty();
    }
  }

  /** Every so often; days are 24 hours, whatever the time zone does. */
  record Rate(Instant start, Duration period) implements Timetable {
    static final Pattern PATTERN = Pattern.compile("rate\\(([1-9]\\d{0,6}) (minute|hour|day)s?\\)");

    @Override
    public Optional<Instant> next(Instant after) {
      var elapsed = Duration.between(start, after);
      long periods = elapsed.isNegative() ? 0 : elapsed.dividedBy(period);
      return Optional.of(start.plus(period.multipliedBy(periods + 1)));
    }
  }

  /** Six fields: minutes, hours, day of the month, month, day of the week (1 is Sunday), year. */
  record Cron(ExecutionTime fields, ZoneId zone) implements Timetable {
    static final CronDefinition SIX_FIELDS = CronDefinitionBuilder.defineCron()
        .withMinutes().withStrictRange().and()
        .withHours().withStrictRange().and()
        .withDayOfMonth().supportsL().supportsW().supportsLW().supportsQuestionMark().withStrictRange().and()
        .withMonth().withStrictRange().and()
        .withDayOfWeek().withValidRange(1, 7).withMondayDoWValue(2).supportsHash().supportsL().supportsQuestionMark()
            .withStrictRange().and()
        .withYear().withValidRange(1970, 2199).withStrictRange().and()
        .withCronValidation(CronConstraintsFactory.ensureEitherDayOfWeekOrDayOfMonth())
        .instance();

    /** A local time that the clocks skip is skipped; one that comes twice fires the first time only. */
    @Override
    public Optional<Instant> next(Instant after) {
      var local = after.atZone(zone).toLocalDateTime().atZone(ZoneOffset.UTC);
      while (true) {
        var next = fields.nextExecution(local);
        if (next.isEmpty()) {
          return Optional.empty();
        }
        local = next.get();
        var time = local.toLocalDateTime().atZone(zone);
        if (time.toLocalDateTime().equals(local.toLocalDateTime()) && time.toInstant().isAfter(after)) {
          return Optional.of(time.toInstant());
        }
      }
    }
  }
}
