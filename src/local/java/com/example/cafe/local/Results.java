package com.example.cafe.local;

import static com.example.cafe.local.AwsException.badRequest;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Types;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Runs a statement and gives its result as the Data API does for Aurora PostgreSQL.
 *
 * <p>Sources: "Amazon RDS Data API operations reference" (types), "Processing Amazon RDS Data API query results in JSON
 * format", "Amazon RDS Data API limitations", and the API reference of ExecuteStatement.
 */
final class Results {
  /** The service's limit: a row costs 2 bytes, 4 more a column, and the octets of each value as text. */
  private static final int MAX_BYTES = 1 << 20;
  private static final int MAX_ROWS = MAX_BYTES / 6 + 1;
  private static final int MAX_JSON = 10 << 20;
  private static final Pattern STAMP =
      Pattern.compile("(\\d{4,6})-(\\d\\d)-(\\d\\d) (\\d\\d:\\d\\d:\\d\\d)(\\.\\d+)?([+-]\\d\\d(?::\\d\\d){0,2})?");
  private static final Pattern CLOCK = Pattern.compile("(\\d\\d:\\d\\d:\\d\\d)(\\.\\d+)?");

  private Results() {}

  /** How a column's values show. */
  private enum Kind { BOOLEAN, LONG, DOUBLE, DECIMAL, TEXT, STAMP, TIME, BLOB }

  /** @param array whether the values are arrays of the kind */
  private record Column(String name, Kind kind, boolean array) {}

  static AwsException tooLarge() {
    return badRequest("UnsupportedResultException", "The result exceeds the size limit 1 MB.");
  }

  static ObjectNode run(PreparedStatement statement, ResultOptions options) throws SQLException {
    // One row more than fit at least: what comes beyond would be thrown away.
    statement.setMaxRows(MAX_ROWS);
    if (!statement.execute()) {
      var answer = Json.object().put("numberOfRecordsUpdated", Math.max(0, statement.getLargeUpdateCount()));
      answer.putArray("generatedFields");
      return answer;
    }
    try (var rows = statement.getResultSet()) {
      var columns = columns(rows.getMetaData());
      var answer = Json.object().put("numberOfRecordsUpdated", 0);
      if (options.json()) {
        var formatted = Json.write(objects(rows, columns, options));
        if (formatted.getBytes(StandardCharsets.UTF_8).length > MAX_JSON) {
          throw badRequest("UnsupportedResultException", "The JSON-formatted result exceeds the size limit 10 MB.");
        }
        return answer.put("formattedRecords", formatted);
      }
      if (options.metadata()) {
        answer.set("columnMetadata", metadata(rows.getMetaData()));
      }
      answer.set("records", records(rows, columns, options));
      return answer;
    }
  }

  private static ArrayNode records(ResultSet rows, List<Column> columns, ResultOptions options) throws SQLException {
    var records = Json.array();
    long size = 0;
    while (rows.next()) {
      var record = records.addArray();
      size += 2;
      for (int i = 0; i < columns.size(); i++) {
        var text = rows.getString(i + 1);
        size = checked(size, text);
        record.add(field(columns.get(i), text, options));
      }
    }
    return records;
  }

  private static ArrayNode objects(ResultSet rows, List<Column> columns, ResultOptions options) throws SQLException {
    var names = new HashSet<String>();
    for (var column : columns) {
      if (!names.add(column.name)) {
        throw badRequest("ValidationException", "The result has several columns named " + column.name
            + ": give each a name of its own with AS to format records as JSON.");
      }
    }
    var objects = Json.array();
    long size = 0;
    while (rows.next()) {
      var object = objects.addObject();
      size += 2;
      for (int i = 0; i < columns.size(); i++) {
        var column = columns.get(i);
        var text = rows.getString(i + 1);
        size = checked(size, text);
        object.set(column.name, text == null ? null : column.array
            ? jsonArray(column.kind, arrayElements(text), options) : plain(scalar(column.kind, text, options)));
      }
    }
    return objects;
  }

  private static long checked(long size, @Nullable String text) {
    long total = size + 4 + (text == null ? 0 : utf8Length(text));
    if (total > MAX_BYTES) {
      throw tooLarge();
    }
    return total;
  }

  private static long utf8Length(String text) {
    return text.codePoints().mapToLong(c -> c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4).sum();
  }

  // ---- values ----

  private static ObjectNode field(Column column, @Nullable String text, ResultOptions options) {
    if (text == null) {
      return Json.object().put("isNull", true);
    }
    return column.array ? arrayField(column.kind, text, options) : scalar(column.kind, text, options);
  }

  private static ObjectNode scalar(Kind kind, String text, ResultOptions options) {
    var field = Json.object();
    return switch (kind) {
      case BOOLEAN -> field.put("booleanValue", text.equals("t"));
      case LONG -> options.longAsString() ? field.put("stringValue", text) : field.put("longValue", Long.parseLong(text));
      case DOUBLE -> Double.isFinite(Double.parseDouble(text))
          ? field.put("doubleValue", Double.parseDouble(text)) : field.put("doubleValue", text);
      case DECIMAL -> decimal(field, text, options);
      case TEXT -> field.put("stringValue", text);
      case STAMP -> field.put("stringValue", stamp(text));
      case TIME -> field.put("stringValue", time(text));
      case BLOB -> field.put("blobValue", Base64.getEncoder().encodeToString(HexFormat.of().parseHex(text.substring(2))));
    };
  }

  private static ObjectNode decimal(ObjectNode field, String text, ResultOptions options) {
    if (!options.decimalAsNumber() || !text.matches("[-+0-9.eE]+")) {
      return field.put("stringValue", text);
    }
    var value = new BigDecimal(text);
    return value.scale() == 0 ? field.put("longValue", value.longValue()) : field.put("doubleValue", value.doubleValue());
  }

  /** A field's value as a plain JSON value. */
  private static JsonNode plain(ObjectNode field) {
    return field.elements().next();
  }

  private static ObjectNode arrayField(Kind kind, String text, ResultOptions options) {
    var elements = arrayElements(text);
    var values = Json.array();
    for (var element : elements) {
      switch (element) {
        case null -> throw badRequest("UnsupportedResultException", "The result contains an array with a null element.");
        case List<?> nested -> throw badRequest("UnsupportedResultException",
            "The result contains a multidimensional array.");
        default -> values.add(plain(scalar(kind, element.toString(), options)));
      }
    }
    var member = switch (kind) {
      case BOOLEAN -> "booleanValues";
      case LONG -> options.longAsString() ? "stringValues" : "longValues";
      case DOUBLE -> "doubleValues";
      case DECIMAL -> values.isEmpty() || values.get(0).isTextual() ? "stringValues"
          : values.get(0).isIntegralNumber() ? "longValues" : "doubleValues";
      case TEXT, STAMP, TIME, BLOB -> "stringValues";
    };
    var field = Json.object();
    field.putObject("arrayValue").set(member, values);
    return field;
  }

  private static ArrayNode jsonArray(Kind kind, List<?> elements, ResultOptions options) {
    var array = Json.array();
    for (var element : elements) {
      switch (element) {
        case null -> array.addNull();
        case List<?> nested -> array.add(jsonArray(kind, nested, options));
        default -> array.add(plain(scalar(kind, element.toString(), options)));
      }
    }
    return array;
  }

  /** Reads PostgreSQL's text of an array, bounds or not: texts, nulls, and lists for further dimensions. */
  static List<@Nullable Object> arrayElements(String text) {
    int[] at = {text.indexOf('{')};
    return array(text, at);
  }

  private static List<@Nullable Object> array(String text, int[] at) {
    var elements = new ArrayList<@Nullable Object>();
    at[0]++;
    while (text.charAt(at[0]) != '}') {
      char c = text.charAt(at[0]);
      if (c == ',') {
        at[0]++;
      } else if (c == '{') {
        elements.add(array(text, at));
      } else if (c == '"') {
        elements.add(quotedElement(text, at));
      } else {
        int end = at[0];
        while (text.charAt(end) != ',' && text.charAt(end) != '}') {
          end++;
        }
        var element = text.substring(at[0], end);
        elements.add(element.equals("NULL") ? null : element);
        at[0] = end;
      }
    }
    at[0]++;
    return elements;
  }

  private static String quotedElement(String text, int[] at) {
    var element = new StringBuilder();
    int i = at[0] + 1;
    for (; text.charAt(i) != '"'; i++) {
      if (text.charAt(i) == '\\') {
        i++;
      }
      element.append(text.charAt(i));
    }
    at[0] = i + 1;
    return element.toString();
  }

  /** A time stamp in UTC, its fraction in none, three or six digits. */
  static String stamp(String text) {
    if (text.endsWith("infinity")) {
      // As the service: it fails, without saying why.
      throw new AwsException(500, "InternalServerErrorException", "");
    }
    var matcher = STAMP.matcher(text);
    if (!matcher.matches()) {
      return text;
    }
    if (matcher.group(6) == null) {
      return text.substring(0, matcher.end(4)) + fraction(matcher.group(5));
    }
    var local = LocalDateTime.of(Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2)),
        Integer.parseInt(matcher.group(3)), 0, 0).with(LocalTime.parse(matcher.group(4)));
    var utc = local.atOffset(ZoneOffset.of(matcher.group(6))).withOffsetSameInstant(ZoneOffset.UTC);
    return DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss", Locale.ROOT).format(utc)
        + fraction(matcher.group(5));
  }

  static String time(String text) {
    var matcher = CLOCK.matcher(text);
    return matcher.matches() ? matcher.group(1) + fraction(matcher.group(2)) : text;
  }

  private static String fraction(@Nullable String digits) {
    if (digits == null) {
      return "";
    }
    return digits + "0".repeat(digits.length() <= 4 ? 4 - digits.length() : 7 - digits.length());
  }

  // ---- columns ----

  private static List<Column> columns(ResultSetMetaData metadata) throws SQLException {
    var columns = new ArrayList<Column>();
    for (int i = 1; i <= metadata.getColumnCount(); i++) {
      columns.add(column(metadata.getColumnLabel(i), metadata.getColumnTypeName(i), metadata.getColumnType(i)));
    }
    return columns;
  }

  private static Column column(String name, String type, int jdbcType) {
    boolean array = jdbcType == Types.ARRAY;
    var element = array && type.startsWith("_") ? type.substring(1) : type;
    Kind kind = switch (element) {
      case "bool" -> Kind.BOOLEAN;
      case "int2", "int4", "int8", "smallserial", "serial", "bigserial" -> Kind.LONG;
      case "float4", "float8" -> Kind.DOUBLE;
      case "numeric" -> Kind.DECIMAL;
      case "text", "varchar", "bpchar", "name", "uuid", "json", "jsonb", "inet", "cidr", "citext", "vector", "void",
          "unknown" -> Kind.TEXT;
      case "date", "timestamp", "timestamptz" -> Kind.STAMP;
      case "time" -> Kind.TIME;
      case "bytea" -> Kind.BLOB;
      // pgjdbc gives the names of enumerated types, and VARCHAR for them.
      default -> jdbcType == Types.VARCHAR ? Kind.TEXT : null;
    };
    if (kind == null) {
      throw badRequest("UnsupportedResultException",
          "The result contains the unsupported data type " + type.toUpperCase(Locale.ROOT) + ".");
    }
    return new Column(name, kind, array);
  }

  private static ArrayNode metadata(ResultSetMetaData metadata) throws SQLException {
    var columns = Json.array();
    for (int i = 1; i <= metadata.getColumnCount(); i++) {
      columns.addObject()
          .put("name", metadata.getColumnName(i))
          .put("label", metadata.getColumnLabel(i))
          .put("type", metadata.getColumnType(i))
          .put("typeName", metadata.getColumnTypeName(i))
          .put("schemaName", metadata.getSchemaName(i))
          .put("tableName", metadata.getTableName(i))
          .put("nullable", metadata.isNullable(i))
          .put("precision", metadata.getPrecision(i))
          .put("scale", metadata.getScale(i))
          .put("isSigned", metadata.isSigned(i))
          .put("isAutoIncrement", metadata.isAutoIncrement(i))
          .put("isCaseSensitive", metadata.isCaseSensitive(i))
          .put("isCurrency", metadata.isCurrency(i))
          .put("arrayBaseColumnType", 0);
    }
    return columns;
  }
}
