package com.example.cafe.platform;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.services.rdsdata.model.Field;
import software.amazon.awssdk.services.rdsdata.model.SqlParameter;

/**
 * One SQL statement with its named parameters.
 *
 * <p>The Data API binds text as varchar: a parameter that stands for another type says so in the statement,
 * {@code CAST(:orderId AS uuid)}.
 */
public final class Sql {
  private final String text;
  private final List<SqlParameter> parameters = new ArrayList<>();

  private Sql(String text) {
    this.text = text;
  }

  public static Sql of(String text) {
    return new Sql(text);
  }

  public Sql with(String name, @Nullable String value) {
    return with(name, value == null ? Field.fromIsNull(true) : Field.fromStringValue(value));
  }

  public Sql with(String name, UUID value) {
    return with(name, Field.fromStringValue(value.toString()));
  }

  public Sql with(String name, Instant value) {
    return with(name, Field.fromStringValue(value.toString()));
  }

  public Sql with(String name, long value) {
    return with(name, Field.fromLongValue(value));
  }

  private Sql with(String name, Field value) {
    parameters.add(SqlParameter.builder().name(name).value(value).build());
    return this;
  }

  String text() {
    return text;
  }

  List<SqlParameter> parameters() {
    return List.copyOf(parameters);
  }
}
