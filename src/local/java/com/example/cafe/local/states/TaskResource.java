package com.example.cafe.local.states;

import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What the Resource of a Task names. */
public sealed interface TaskResource {

  /** A function by its ARN, with or without a qualifier. */
  record Function(String arn) implements TaskResource {}

  /** Work that someone polls for. */
  record Activity(String arn) implements TaskResource {}

  /**
   * A service integration.
   *
   * @param type the resource type of events: "lambda", "sqs", "aws-sdk:rdsdata"
   * @param action without the pattern's suffix: "invoke", "sendMessage"
   */
  record Integration(String type, String action, Pattern pattern) implements TaskResource {

    /** How the task ends. */
    public enum Pattern {
      RESPONSE(""), SYNC(".sync"), SYNC_JSON(".sync:2"), TOKEN(".waitForTaskToken");

      private final String suffix;

      Pattern(String suffix) {
        this.suffix = suffix;
      }
    }

    public boolean sdk() {
      return type.startsWith("aws-sdk:");
    }

    /** The service's name in the ARN: "sqs", "rdsdata". */
    public String service() {
      return sdk() ? type.substring("aws-sdk:".length()) : type;
    }

    /** The resource as events name it: "sendMessage.waitForTaskToken". */
    String name() {
      return action + pattern.suffix;
    }
  }

  Pattern FUNCTION = Pattern.compile("arn:aws[\\w-]*:lambda:[\\w-]*:\\d*:function:[\\w-]+(:[\\w$-]+)?");
  Pattern ACTIVITY = Pattern.compile("arn:aws[\\w-]*:states:[\\w-]+:\\d+:activity:[^:]+");
  Pattern INTEGRATION =
      Pattern.compile("arn:aws[\\w-]*:states:[\\w-]*:\\d*:((?:aws-sdk:)?[\\w-]+):(\\w+)(\\.sync:2|\\.sync|\\.waitForTaskToken)?");

  /** The resource that an ARN names, or null where it is none. */
  static @Nullable TaskResource of(String arn) {
    if (FUNCTION.matcher(arn).matches()) {
      return new Function(arn);
    }
    if (ACTIVITY.matcher(arn).matches()) {
      return new Activity(arn);
    }
    var matcher = INTEGRATION.matcher(arn);
    if (!matcher.matches()) {
      return null;
    }
    var suffix = matcher.group(3) == null ? "" : matcher.group(3);
    for (var pattern : Integration.Pattern.values()) {
      if (pattern.suffix.equals(suffix)) {
        return new Integration(matcher.group(1), matcher.group(2), pattern);
      }
    }
    return null;
  }
}
