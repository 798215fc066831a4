package com.example.cafe.local;

import com.fasterxml.jackson.databind.node.ObjectNode;

/** What a caller of the Data API wants a result to look like. */
record ResultOptions(boolean metadata, boolean json, boolean decimalAsNumber, boolean longAsString) {

  /** @throws AwsException for a value that the API doesn't know */
  static ResultOptions of(ObjectNode input) {
    var options = input.path("resultSetOptions");
    return new ResultOptions(input.path("includeResultMetadata").asBoolean(),
        chosen(input.path("formatRecordsAs").asText("NONE"), "formatRecordsAs", "NONE", "JSON"),
        chosen(options.path("decimalReturnType").asText("STRING"), "resultSetOptions.decimalReturnType",
            "STRING", "DOUBLE_OR_LONG"),
        chosen(options.path("longReturnType").asText("LONG"), "resultSetOptions.longReturnType", "LONG", "STRING"));
  }

  /** Whether the value is the second one, which is not the default. */
  private static boolean chosen(String value, String member, String usual, String other) {
    if (!value.equals(usual) && !value.equals(other)) {
      throw AwsException.badRequest("ValidationException", "1 validation error detected: Value '" + value + "' at '" + member
          + "' failed to satisfy constraint: Member must satisfy enum value set: [" + usual + ", " + other + "]");
    }
    return value.equals(other);
  }
}
