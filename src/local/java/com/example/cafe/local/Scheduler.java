package com.example.cafe.local;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.time.Clock;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.IntFunction;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Amazon EventBridge Scheduler: schedules that call a Lambda function, a queue, a topic, a state machine or any operation
 * of a service that runs here (universal targets), with the target's role as caller, with retries and a dead-letter queue.
 *
 * <p>A flexible time window fires at its beginning, which it may. Times that passed while the machine slept are made up
 * for by one call.
 */
final class Scheduler implements Service {
  private static final Pattern NAME = Pattern.compile("[0-9a-zA-Z-_.]{1,64}");
  private static final Pattern ROLE = Pattern.compile("arn:aws:iam::\\d{12}:role/[\\w+=,.@/-]+");
  private static final Pattern UNIVERSAL = Pattern.compile("arn:aws:scheduler:::aws-sdk:([a-z0-9]+):([a-z][A-Za-z0-9]+)");
  /** What universal targets must not do: reading would leave nothing. */
  private static final Pattern READING = Pattern.compile("(get|describe|list|poll|receive|search|scan|query|select|read"
      + "|lookup|discover|validate|batchGet|batchDescribe|batchRead|transactGet|adminGet|adminList|testMigration|retrieve"
      + "|testConnection|isAuthorized|invokeModel)([A-Z].*)?");
  private static final Map<String, String> SIGNING_NAMES =
      Map.of("sfn", "states", "rdsdata", "rds-data", "sesv2", "ses", "cognitoidentityprovider", "cognito-idp");
  /** Services whose API members begin in lower case; a universal target may write them either way. */
  private static final Set<String> LOWER_CASE = Set.of("states", "rds-data");
  private static final Set<String> TARGET_MEMBERS =
      Set.of("Arn", "RoleArn", "Input", "RetryPolicy", "DeadLetterConfig", "SqsParameters");
  private static final List<String> DEFINITION = List.of("ActionAfterCompletion", "Description", "EndDate",
      "FlexibleTimeWindow", "KmsKeyArn", "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "State", "Target");

  private final Aws aws;
  private final EventLog log;
  private final Clock clock;
  private final IntFunction<Duration> pauses;
  private final Map<String, Group> groups = new ConcurrentSkipListMap<>();
  private final Map<String, Schedule> schedules = new ConcurrentSkipListMap<>();
  private final ExecutorService calls = Executors.newVirtualThreadPerTaskExecutor();
  private volatile @Nullable Thread ticker;

  private record Group(String name, Instant created, Map<String, String> tags) {
    String arn() {
      return Settings.arn("scheduler", "schedule-group/" + name);
    }
  }

  /** @param definition the API's members @param due when it fires next, or null where it never does again */
  private record Schedule(String group, String name, ObjectNode definition, Timetable times, Instant created,
      Instant modified, @Nullable Instant due) {

    String arn() {
      return Settings.arn("scheduler", "schedule/" + group + "/" + name);
    }

    String key() {
      return group + "/" + name;
    }

    boolean enabled() {
      return definition.path("State").asText().equals("ENABLED");
    }

    JsonNode target() {
      return definition.path("Target");
    }

    Schedule withDue(@Nullable Instant next) {
      return new Schedule(group, name, definition, times, created, modified, next);
    }
  }

  /** What a target is called with. */
  private record Operation(String service, String name, ObjectNode input) {}

  /** Fires schedules from now on, in a thread of its own. */
  Scheduler(Aws aws, EventLog log) {
    this(aws, log, Clock.systemUTC(), Scheduler::pause);
    ticker = Thread.ofVirtual().name("scheduler").start(this::run);
  }

  /** Fires nothing but by {@link #tick}; @param pauses how long to wait before the nth retry */
  Scheduler(Aws aws, EventLog log, Clock clock, IntFunction<Duration> pauses) {
    this.aws = aws;
    this.log = log;
    this.clock = clock;
    this.pauses = pauses;
    groups.put("default", new Group("default", clock.instant(), Map.of()));
  }

  private static Duration pause(int retry) {
    return Duration.ofSeconds(Math.min(60, 1L << Math.min(retry - 1, 6)));
  }

  private void run() {
    try {
      while (true) {
        tick();
        Thread.sleep(Math.max(1, 1000 - clock.millis() % 1000)); // Schedules have whole seconds.
      }
    } catch (InterruptedException e) {
      // The local cloud stops.
    }
  }

  @Override
  public String name() {
    return "scheduler";
  }

  @Override
  public void close() {
    var running = ticker;
    if (running != null) {
      running.interrupt();
    }
    calls.shutdownNow();
  }

  @Override
  public List<Route> routes() {
    return List.of(
        new Route("POST", "/schedules/{Name}", "CreateSchedule"),
        new Route("GET", "/schedules/{Name}", "GetSchedule"),
        new Route("PUT", "/schedules/{Name}", "UpdateSchedule"),
        new Route("DELETE", "/schedules/{Name}", "DeleteSchedule"),
        new Route("GET", "/schedules", "ListSchedules"),
        new Route("POST", "/schedule-groups/{Name}", "CreateScheduleGroup"),
        new Route("GET", "/schedule-groups/{Name}", "GetScheduleGroup"),
        new Route("DELETE", "/schedule-groups/{Name}", "DeleteScheduleGroup"),
        new Route("GET", "/schedule-groups", "ListScheduleGroups"),
        new Route("POST", "/tags/{ResourceArn}", "TagResource"),
        new Route("DELETE", "/tags/{ResourceArn}", "UntagResource"),
        new Route("GET", "/tags/{ResourceArn}", "ListTagsForResource"));
  }

  @Override
  public synchronized ObjectNode call(String operation, ObjectNode input, Caller caller) {
    return switch (operation) {
      case "CreateSchedule" -> createSchedule(input);
      case "GetSchedule" -> shown(schedule(input));
      case "UpdateSchedule" -> updateSchedule(input);
      case "DeleteSchedule" -> {
        schedules.remove(schedule(input).key());
        yield Json.object();
      }
      case "ListSchedules" -> listSchedules(input);
      case "CreateScheduleGroup" -> createGroup(name(input, "Name"), tagsOf(input.path("Tags")));
      case "GetScheduleGroup" -> shown(group(name(input, "Name")));
      case "DeleteScheduleGroup" -> deleteGroup(name(input, "Name"));
      case "ListScheduleGroups" -> {
        var prefix = input.path("NamePrefix").asText("");
        yield page(input, "ScheduleGroups", groups.values().stream().filter(group -> group.name.startsWith(prefix))
            .map(Scheduler::shown).toList());
      }
      case "TagResource", "UntagResource", "ListTagsForResource" -> tags(operation, input);
      default -> throw AwsException.unknownOperation("EventBridge Scheduler", operation);
    };
  }

  // Schedules

  private ObjectNode createSchedule(ObjectNode input) {
    var made = parsed(input, clock.instant());
    if (schedules.containsKey(made.key())) {
      throw new AwsException(409, "ConflictException", "Schedule " + made.name + " already exists.");
    }
    schedules.put(made.key(), made);
    return Json.object().put("ScheduleArn", made.arn());
  }

  private ObjectNode updateSchedule(ObjectNode input) {
    var old = schedule(input);
    var made = parsed(input, old.created);
    schedules.put(made.key(), made);
    return Json.object().put("ScheduleArn", made.arn());
  }

  private Schedule parsed(ObjectNode input, Instant created) {
    var name = name(input, "Name");
    var group = group(groupName(input)).name;
    var definition = Json.object();
    DEFINITION.forEach(member -> {
      if (input.hasNonNull(member)) {
        definition.set(member, input.get(member));
      }
    });
    definition.put("State", oneOf("state", input.path("State").asText("ENABLED"), "ENABLED", "DISABLED"));
    definition.put("ActionAfterCompletion",
        oneOf("actionAfterCompletion", input.path("ActionAfterCompletion").asText("NONE"), "NONE", "DELETE"));
    definition.put("ScheduleExpressionTimezone", input.path("ScheduleExpressionTimezone").asText("UTC"));
    checkWindow(definition.path("FlexibleTimeWindow"));
    checkTarget(definition);
    var expression = Json.text(definition, "ScheduleExpression");
    if (expression == null) {
      throw isNull("scheduleExpression");
    }
    ZoneId zone;
    try {
      zone = ZoneId.of(definition.path("ScheduleExpressionTimezone").asText());
    } catch (DateTimeException e) {
      throw invalid("Invalid Schedule Expression Timezone " + definition.path("ScheduleExpressionTimezone").asText() + ".");
    }
    var now = clock.instant();
    var start = instant(definition, "StartDate");
    var end = instant(definition, "EndDate");
    if (start.isPresent() && end.isPresent() && !end.get().isAfter(start.get())) {
      throw invalid("The StartDate you specify must come before the EndDate.");
    }
    if (end.isPresent() && !end.get().isAfter(now)) {
      throw invalid("The EndDate you specify must be in the future.");
    }
    start.ifPresent(date -> definition.put("StartDate", seconds(date)));
    end.ifPresent(date -> definition.put("EndDate", seconds(date)));
    Timetable times;
    try {
      var base = start.orElse(now);
      times = Timetable.of(expression, zone, base);
      if (times instanceof Timetable.Rate rate && start.isPresent()) {
        times = new Timetable.Rate(base.minus(rate.period()), rate.period()); // With a start date it fires on that.
      }
    } catch (IllegalArgumentException e) {
      throw invalid("Invalid Schedule Expression " + expression + ".");
    }
    var after = start.filter(date -> date.isAfter(now)).map(date -> date.minusNanos(1)).orElse(now);
    return new Schedule(group, name, definition, times, created, now, next(times, definition, after));
  }

  private static @Nullable Instant next(Timetable times, ObjectNode definition, Instant after) {
    // The dates bound recurring schedules; at() has one time, and ignores them.
    var end = times instanceof Timetable.At ? Optional.<Instant>empty() : instant(definition, "EndDate");
    return times.next(after).filter(time -> end.isEmpty() || !time.isAfter(end.get())).orElse(null);
  }

  private static void checkWindow(JsonNode window) {
    if (!window.isObject()) {
      throw isNull("flexibleTimeWindow");
    }
    var mode = oneOf("flexibleTimeWindow.mode", window.path("Mode").asText(), "OFF", "FLEXIBLE");
    boolean given = window.hasNonNull("MaximumWindowInMinutes");
    if (mode.equals("FLEXIBLE") != given) {
      throw invalid(given ? "MaximumWindowInMinutes must not be set with FlexibleTimeWindow mode OFF."
          : "MaximumWindowInMinutes must be set with FlexibleTimeWindow mode FLEXIBLE.");
    }
    if (given) {
      between(window, "MaximumWindowInMinutes", 1, 1440);
    }
  }

  private void checkTarget(ObjectNode definition) {
    var target = definition.path("Target");
    if (!target.isObject()) {
      throw isNull("target");
    }
    for (var member : target.properties()) {
      if (!TARGET_MEMBERS.contains(member.getKey())) {
        throw invalid("Target." + member.getKey() + " is not supported by the local cloud.");
      }
    }
    for (var member : List.of("Arn", "RoleArn")) {
      if (!target.hasNonNull(member)) {
        throw isNull("target." + lowerFirst(member));
      }
    }
    if (!ROLE.matcher(target.path("RoleArn").asText()).matches()) {
      throw invalid("1 validation error detected: Value '" + target.path("RoleArn").asText() + "' at 'target.roleArn' failed "
          + "to satisfy constraint: Member must satisfy regular expression pattern: "
          + "^arn:aws(-[a-z]+)?:iam::\\d{12}:role\\/[\\w+=,.@\\/-]+$");
    }
    between(target.path("RetryPolicy"), "MaximumRetryAttempts", 0, 185);
    between(target.path("RetryPolicy"), "MaximumEventAgeInSeconds", 60, 86_400);
    var deadLetters = target.path("DeadLetterConfig").path("Arn");
    if (!deadLetters.isMissingNode() && !deadLetters.asText().startsWith("arn:aws:sqs:")) {
      throw invalid("Provided DeadLetterConfig Arn is not in correct format.");
    }
    // What cannot be called is refused now, not when it is due.
    operation(target, target.path("Input").asText("{}"));
  }

  private ObjectNode shown(Schedule schedule) {
    var output = schedule.definition.deepCopy();
    if (!output.path("Target").has("RetryPolicy")) {
      ((ObjectNode) output.get("Target")).putObject("RetryPolicy").put("MaximumEventAgeInSeconds", 86_400)
          .put("MaximumRetryAttempts", 185);
    }
    return output.put("Arn", schedule.arn()).put("Name", schedule.name).put("GroupName", schedule.group)
        .put("CreationDate", seconds(schedule.created)).put("LastModificationDate", seconds(schedule.modified));
  }

  private ObjectNode listSchedules(ObjectNode input) {
    var group = input.path("ScheduleGroup").asText(input.path("GroupName").asText(""));
    var prefix = input.path("NamePrefix").asText("");
    var state = input.path("State").asText("");
    if (!group.isEmpty()) {
      group(group);
    }
    return page(input, "Schedules", schedules.values().stream()
        .filter(schedule -> group.isEmpty() || schedule.group.equals(group))
        .filter(schedule -> schedule.name.startsWith(prefix))
        .filter(schedule -> state.isEmpty() || schedule.definition.path("State").asText().equals(state))
        .map(schedule -> {
          var summary = Json.object().put("Arn", schedule.arn()).put("Name", schedule.name).put("GroupName", schedule.group)
              .put("State", schedule.definition.path("State").asText())
              .put("CreationDate", seconds(schedule.created)).put("LastModificationDate", seconds(schedule.modified));
          summary.putObject("Target").set("Arn", schedule.target().path("Arn"));
          return summary;
        }).toList());
  }

  private static ObjectNode page(ObjectNode input, String member, List<ObjectNode> all) {
    int from = input.path("NextToken").asText("0").matches("\\d{1,6}") ? input.path("NextToken").asInt() : 0;
    int max = input.path("MaxResults").asInt(100);
    var output = Json.object();
    var list = output.putArray(member);
    all.stream().skip(from).limit(max).forEach(list::add);
    if (from + max < all.size()) {
      output.put("NextToken", String.valueOf(from + max));
    }
    return output;
  }

  // Groups

  private ObjectNode createGroup(String name, Map<String, String> tags) {
    var group = new Group(name, clock.instant(), tags);
    if (groups.putIfAbsent(name, group) != null) {
      throw new AwsException(409, "ConflictException", "Schedule group " + name + " already exists.");
    }
    return Json.object().put("ScheduleGroupArn", group.arn());
  }

  private ObjectNode deleteGroup(String name) {
    if (name.equals("default")) {
      throw invalid("The default schedule group cannot be deleted.");
    }
    groups.remove(group(name).name);
    schedules.values().removeIf(schedule -> schedule.group.equals(name));
    return Json.object();
  }

  private Group group(String name) {
    var group = groups.get(name);
    if (group == null) {
      throw new AwsException(404, "ResourceNotFoundException", "Schedule group " + name + " does not exist.");
    }
    return group;
  }

  private static ObjectNode shown(Group group) {
    return Json.object().put("Arn", group.arn()).put("Name", group.name).put("State", "ACTIVE")
        .put("CreationDate", seconds(group.created)).put("LastModificationDate", seconds(group.created));
  }

  private ObjectNode tags(String operation, ObjectNode input) {
    var arn = input.path("ResourceArn").asText();
    var group = groups.values().stream().filter(known -> known.arn().equals(arn)).findFirst().orElseThrow(() ->
        new AwsException(404, "ResourceNotFoundException", "Schedule group " + arn + " does not exist."));
    var tags = new LinkedHashMap<>(group.tags);
    switch (operation) {
      case "TagResource" -> tags.putAll(tagsOf(input.path("Tags")));
      case "UntagResource" -> {
        var keys = input.path("TagKeys");
        tags.remove(keys.asText());
        keys.forEach(key -> tags.remove(key.asText()));
      }
      default -> {
        var output = Json.object();
        var list = output.putArray("Tags");
        tags.forEach((key, value) -> list.addObject().put("Key", key).put("Value", value));
        return output;
      }
    }
    groups.put(group.name, new Group(group.name, group.created, tags));
    return Json.object();
  }

  private static Map<String, String> tagsOf(JsonNode list) {
    var tags = new LinkedHashMap<String, String>();
    list.forEach(tag -> tags.put(tag.path("Key").asText(), tag.path("Value").asText()));
    return tags;
  }

  // Firing

  /** Fires what is due; answers before the targets do. */
  void tick() {
    var now = clock.instant();
    for (var schedule : schedules.values()) {
      var due = schedule.due;
      if (due == null || due.isAfter(now)) {
        continue;
      }
      var next = schedule.withDue(next(schedule.times, schedule.definition, now));
      if (schedules.replace(schedule.key(), schedule, next) && schedule.enabled()) {
        calls.execute(() -> fire(next, due));
      }
    }
  }

  private void fire(Schedule schedule, Instant scheduled) {
    var target = schedule.target();
    var retries = target.path("RetryPolicy").path("MaximumRetryAttempts").asInt(185);
    var giveUp = clock.instant().plusSeconds(target.path("RetryPolicy").path("MaximumEventAgeInSeconds").asInt(86_400));
    var execution = UUID.randomUUID().toString();
    log.event("schedule", Sqs.shortName(schedule.name) + " -> " + target.path("Arn").asText());
    for (int attempt = 1; ; attempt++) {
      var payload = payload(schedule, scheduled, execution, attempt);
      try {
        var operation = operation(target, payload);
        aws.call(operation.service, operation.name, operation.input, new Caller(target.path("RoleArn").asText()));
        break;
      } catch (RuntimeException e) {
        var failure = e instanceof AwsException known ? known : new AwsException(500, "InternalFailure", String.valueOf(e));
        boolean transientFault = failure.status() >= 500 || failure.status() == 429 || failure.code().contains("Throttl")
            || failure.code().contains("TooManyRequests");
        log.event("schedule", Sqs.shortName(schedule.name) + " failed: " + failure.getMessage());
        var exhausted = !transientFault ? "" : attempt > retries ? "MaximumRetryAttempts"
            : clock.instant().isAfter(giveUp) ? "MaximumEventAgeInSeconds" : null;
        if (exhausted != null) {
          toDeadLetters(schedule, scheduled, execution, attempt, payload, failure, exhausted);
          break;
        }
      }
      try {
        Thread.sleep(pauses.apply(attempt));
      } catch (InterruptedException e) {
        return; // The local cloud stops.
      }
    }
    if (schedule.due == null && schedule.definition.path("ActionAfterCompletion").asText().equals("DELETE")) {
      schedules.remove(schedule.key(), schedule);
    }
  }

  private void toDeadLetters(Schedule schedule, Instant scheduled, String execution, int attempt, String payload,
      AwsException failure, String exhausted) {
    var arn = schedule.target().path("DeadLetterConfig").path("Arn").asText("");
    if (arn.isEmpty()) {
      return;
    }
    var input = Json.object().put("QueueUrl", queueUrl(arn)).put("MessageBody", payload);
    var attributes = new LinkedHashMap<String, String>();
    attributes.put("ERROR_CODE", failure.code());
    attributes.put("ERROR_MESSAGE", failure.getMessage());
    attributes.put("EXECUTION_ID", execution);
    if (!exhausted.isEmpty()) {
      attributes.put("EXHAUSTED_RETRY_CONDITION", exhausted);
    }
    attributes.put("IS_PAYLOAD_TRUNCATED", "false");
    attributes.put("RETRY_ATTEMPTS", String.valueOf(attempt - 1));
    attributes.put("SCHEDULED_TIME", scheduled.toString());
    attributes.put("SCHEDULE_ARN", schedule.arn());
    attributes.put("TARGET_ARN", schedule.target().path("Arn").asText());
    var members = input.putObject("MessageAttributes");
    attributes.forEach((name, value) -> {
      if (!value.isEmpty()) {
        members.putObject(name).put("DataType", "String").put("StringValue", value);
      }
    });
    try {
      aws.call("sqs", "SendMessage", input, new Caller(schedule.target().path("RoleArn").asText()));
    } catch (RuntimeException e) {
      log.event("schedule", Sqs.shortName(schedule.name) + " -> dead-letter queue " + arn + " failed: " + e.getMessage());
    }
  }

  /** The target's input, its context attributes filled in; an event of the service where there is none. */
  private static String payload(Schedule schedule, Instant scheduled, String execution, int attempt) {
    var time = scheduled.truncatedTo(ChronoUnit.SECONDS).toString();
    var input = schedule.target().path("Input");
    if (!input.isMissingNode()) {
      return input.asText().replace("<aws.scheduler.schedule-arn>", schedule.arn())
          .replace("<aws.scheduler.scheduled-time>", time)
          .replace("<aws.scheduler.execution-id>", execution)
          .replace("<aws.scheduler.attempt-number>", String.valueOf(attempt));
    }
    if (UNIVERSAL.matcher(schedule.target().path("Arn").asText()).matches()) {
      return "{}";
    }
    var event = Json.object().put("version", "0").put("id", execution).put("detail-type", "Scheduled Event")
        .put("source", "aws.scheduler").put("account", Settings.ACCOUNT).put("time", time).put("region", Settings.REGION);
    event.putArray("resources").add(schedule.arn());
    return Json.write(event.put("detail", "{}"));
  }

  private static Operation operation(JsonNode target, String payload) {
    var arn = target.path("Arn").asText();
    var universal = UNIVERSAL.matcher(arn);
    if (universal.matches()) {
      return universal(universal.group(1), universal.group(2), payload);
    }
    var parts = arn.split(":", 7);
    if (parts.length < 6 || !parts[0].equals("arn") || parts[5].isEmpty()) {
      throw invalid("Provided Arn is not in correct format.");
    }
    if (target.has("SqsParameters") && !parts[2].equals("sqs")) {
      throw invalid("SqsParameters are only for a queue as a target.");
    }
    return switch (parts[2]) {
      case "lambda" -> new Operation("lambda", "Invoke", Json.object().put("FunctionName", arn)
          .put("InvocationType", "Event").put("Payload", base64(payload)));
      case "sqs" -> {
        var input = Json.object().put("QueueUrl", queueUrl(arn)).put("MessageBody", payload);
        var group = Json.text(target.path("SqsParameters"), "MessageGroupId");
        yield new Operation("sqs", "SendMessage", group == null ? input : input.put("MessageGroupId", group));
      }
      case "sns" -> new Operation("sns", "Publish", Json.object().put("TopicArn", arn).put("Message", payload));
      case "states" -> new Operation("states", "StartExecution",
          Json.object().put("stateMachineArn", arn).put("input", payload));
      default -> throw invalid("The local cloud has no target for " + parts[2] + ": " + arn);
    };
  }

  private static Operation universal(String sdkName, String action, String payload) {
    if (READING.matcher(action).matches()) {
      throw invalid("Universal targets do not support the read-only operation " + action + ".");
    }
    var service = SIGNING_NAMES.getOrDefault(sdkName, sdkName);
    JsonNode parsed;
    try {
      parsed = Json.parse(payload);
    } catch (IllegalArgumentException e) {
      parsed = Json.array();
    }
    if (!(parsed instanceof ObjectNode given)) {
      throw invalid("Invalid RequestJson provided. Reason The RequestJson provided is not a JSON object.");
    }
    var input = Json.object();
    given.properties().forEach(member ->
        input.set(LOWER_CASE.contains(service) ? lowerFirst(member.getKey()) : member.getKey(), member.getValue()));
    if (service.equals("lambda") && input.path("Payload").isTextual()) {
      input.put("Payload", base64(input.get("Payload").asText()));
    }
    return new Operation(service, action.substring(0, 1).toUpperCase(Locale.ROOT) + action.substring(1), input);
  }

  private static String lowerFirst(String name) {
    return name.substring(0, 1).toLowerCase(Locale.ROOT) + name.substring(1);
  }

  private static String base64(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(UTF_8));
  }

  private static String queueUrl(String arn) {
    return "https://sqs." + Settings.REGION + ".amazonaws.com/" + Settings.ACCOUNT + "/"
        + arn.substring(arn.lastIndexOf(':') + 1);
  }

  // Input and errors

  private Schedule schedule(ObjectNode input) {
    var name = name(input, "Name");
    var schedule = schedules.get(groupName(input) + "/" + name);
    if (schedule == null) {
      throw new AwsException(404, "ResourceNotFoundException", "Schedule " + name + " does not exist.");
    }
    return schedule;
  }

  /** The body says GroupName, the query string groupName. */
  private static String groupName(ObjectNode input) {
    return input.path("GroupName").asText(input.path("groupName").asText("default"));
  }

  private static String name(ObjectNode input, String member) {
    var name = Json.text(input, member);
    if (name == null) {
      throw isNull("name");
    }
    if (!NAME.matcher(name).matches()) {
      throw invalid("1 validation error detected: Value '" + name + "' at 'name' failed to satisfy constraint: "
          + (name.length() > 64 ? "Member must have length less than or equal to 64"
              : "Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$"));
    }
    return name;
  }

  private static String oneOf(String member, String value, String... values) {
    if (!List.of(values).contains(value)) {
      throw invalid("1 validation error detected: Value '" + value + "' at '" + member
          + "' failed to satisfy constraint: Member must satisfy enum value set: [" + String.join(", ", values) + "]");
    }
    return value;
  }

  private static void between(JsonNode input, String member, int least, int most) {
    if (input.hasNonNull(member) && (!input.get(member).asText().matches("\\d{1,9}")
        || input.get(member).asInt() < least || input.get(member).asInt() > most)) {
      throw invalid("1 validation error detected: Value '" + input.get(member).asText() + "' at '"
          + lowerFirst(member)
          + "' failed to satisfy constraint: Member must have value between " + least + " and " + most);
    }
  }

  /** A date as the API gives it (seconds since the epoch) or as CloudFormation does (ISO 8601). */
  private static Optional<Instant> instant(ObjectNode input, String member) {
    var text = Json.text(input, member);
    if (text == null) {
      return Optional.empty();
    }
    try {
      return Optional.of(text.contains("T") ? java.time.OffsetDateTime.parse(text).toInstant()
          : Instant.ofEpochMilli(new BigDecimal(text).movePointRight(3).longValue()));
    } catch (DateTimeException | NumberFormatException e) {
      throw AwsException.badRequest("SerializationException", member + " is no timestamp: " + text);
    }
  }

  private static BigDecimal seconds(Instant time) {
    return BigDecimal.valueOf(time.toEpochMilli(), 3);
  }

  private static AwsException isNull(String member) {
    return invalid("1 validation error detected: Value null at '" + member
        + "' failed to satisfy constraint: Member must not be null");
  }

  private static AwsException invalid(String message) {
    return AwsException.badRequest("ValidationException", message);
  }

  // CloudFormation

  @Override
  public Map<String, Provisioner> provisioners() {
    return Map.of("AWS::Scheduler::Schedule", this::provisionSchedule, "AWS::Scheduler::ScheduleGroup", this::provisionGroup);
  }

  private Provisioner.Provisioned provisionSchedule(Provisioner.Resource resource) {
    resource.allowOnly("Name", "GroupName", "Description", "EndDate", "FlexibleTimeWindow", "KmsKeyArn",
        "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "State", "Target");
    var input = resource.properties().deepCopy();
    if (!input.hasNonNull("Name")) {
      input.put("Name", resource.name());
    }
    try {
      var arn = call("CreateSchedule", input, Caller.ADMINISTRATOR).path("ScheduleArn").asText();
      return new Provisioner.Provisioned(input.path("Name").asText(), Map.of("Arn", arn));
    } catch (AwsException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }

  private synchronized Provisioner.Provisioned provisionGroup(Provisioner.Resource resource) {
    resource.allowOnly("Name", "Tags");
    var name = resource.properties().path("Name").asText(resource.name());
    try {
      var arn = createGroup(name, tagsOf(resource.properties().path("Tags"))).path("ScheduleGroupArn").asText();
      return new Provisioner.Provisioned(name, Map.of("Arn", arn, "State", "ACTIVE"));
    } catch (AwsException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }
}
