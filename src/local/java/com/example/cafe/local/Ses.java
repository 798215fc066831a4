package com.example.cafe.local;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Amazon SES, API version 2, into a local mailbox: one file a mail (RFC 5322, .eml) below work/mail, which any mail
 * client opens. Nothing leaves the machine. A sender needs an identity, as in an account: its address or its domain. An
 * identity is verified as soon as it is created.
 *
 * <p>Refused by name: templates, and API version 1.
 */
final class Ses implements Service {
  private static final Pattern ADDRESS = Pattern.compile("[^\\s@<>,;\"]+@[^\\s@<>,;\"]+");
  private static final Pattern NAMED_ADDRESS = Pattern.compile("\\s*(.*?)\\s*<([^<>]*)>\\s*");
  private static final Pattern ENCODED_WORD = Pattern.compile(
      "=\\?(?:utf-8|us-ascii|iso-8859-1)\\?([bq])\\?([^?]*)\\?=(?:\\s+(?==\\?))?", Pattern.CASE_INSENSITIVE);
  private static final int LINE = 998;
  private static final DateTimeFormatter FILE = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss-SSS").withZone(ZoneOffset.UTC);

  private static final DateTimeFormatter DATE =
      DateTimeFormatter.ofPattern("EEE, d MMM yyyy HH:mm:ss Z", Locale.ENGLISH).withZone(ZoneOffset.UTC);

  private final Path folder;
  private final EventLog log;
  private final List<Mail> mails = new CopyOnWriteArrayList<>();
  private final Map<String, String> identities = new ConcurrentSkipListMap<>(String.CASE_INSENSITIVE_ORDER);
  private final ConcurrentSkipListSet<String> configurationSets = new ConcurrentSkipListSet<>();

  /**
   * A mail that was sent.
   *
   * @param to every recipient, copies included
   * @param text the plain text, or null where there is none; null for raw mails
   * @param html the HTML, or null where there is none; null for raw mails
   * @param file the whole mail
   */
  record Mail(String id, Instant time, String from, List<String> to, String subject, @Nullable String text,
      @Nullable String html, Path file) {}

  /** @param work where it writes: mails go to its folder "mail" */
  Ses(Path work, EventLog log) {
    this.folder = work.resolve("mail");
    this.log = log;
  }

  /** What was sent since the start, oldest first. */
  List<Mail> mails() {
    return List.copyOf(mails);
  }

  @Override
  public String name() {
    return "ses";
  }

  @Override
  public List<Route> routes() {
    return List.of(
        new Route("POST", "/v2/email/outbound-emails", "SendEmail"),
        new Route("GET", "/v2/email/account", "GetAccount"),
        new Route("GET", "/v2/email/identities", "ListEmailIdentities"),
        new Route("POST", "/v2/email/identities", "CreateEmailIdentity"),
        new Route("GET", "/v2/email/identities/{EmailIdentity}", "GetEmailIdentity"),
        new Route("DELETE", "/v2/email/identities/{EmailIdentity}", "DeleteEmailIdentity"),
        new Route("GET", "/v2/email/configuration-sets", "ListConfigurationSets"),
        new Route("POST", "/v2/email/configuration-sets", "CreateConfigurationSet"),
        new Route("GET", "/v2/email/configuration-sets/{ConfigurationSetName}", "GetConfigurationSet"),
        new Route("DELETE", "/v2/email/configuration-sets/{ConfigurationSetName}", "DeleteConfigurationSet"));
  }

  @Override
  public ObjectNode call(String operation, ObjectNode input, Caller caller) {
    return switch (operation) {
      case "SendEmail" -> sendEmail(input);
      case "GetAccount" -> getAccount();
      case "ListEmailIdentities" -> listIdentities();
      case "CreateEmailIdentity" -> createIdentity(require(input, "EmailIdentity"), input);
      case "GetEmailIdentity" -> getIdentity(require(input, "EmailIdentity"));
      case "DeleteEmailIdentity" -> {
        if (identities.remove(require(input, "EmailIdentity")) == null) {
          throw noIdentity(require(input, "EmailIdentity"));
        }
        yield Json.object();
      }
      case "ListConfigurationSets" -> {
        var output = Json.object();
        configurationSets.forEach(output.putArray("ConfigurationSets")::add);
        yield output;
      }
      case "CreateConfigurationSet" -> {
        var name = require(input, "ConfigurationSetName");
        if (!configurationSets.add(name)) {
          throw AwsException.badRequest("AlreadyExistsException", "Configuration set " + name + " already exists.");
        }
        yield Json.object();
      }
      case "GetConfigurationSet" -> Json.object().put("ConfigurationSetName", configurationSet(input));
      case "DeleteConfigurationSet" -> {
        configurationSets.remove(configurationSet(input));
        yield Json.object();
      }
      default -> throw AwsException.unknownOperation("SES", operation);
    };
  }

  // Identities

  private ObjectNode createIdentity(String identity, ObjectNode input) {
    if (!ADDRESS.matcher(identity).matches() && !identity.matches("(?i)[a-z0-9-]+(\\.[a-z0-9-]+)+")) {
      throw AwsException.badRequest("BadRequestException", "Invalid email or domain name.");
    }
    var set = Json.text(input, "ConfigurationSetName");
    if (set != null) {
      configurationSet(input);
    }
    if (identities.putIfAbsent(identity, set == null ? "" : set) != null) {
      throw AwsException.badRequest("AlreadyExistsException", "Email identity " + identity + " already exist.");
    }
    var output = Json.object().put("IdentityType", type(identity)).put("VerifiedForSendingStatus", true);
    output.putObject("DkimAttributes").put("SigningEnabled", false).put("Status", "NOT_STARTED");
    return output;
  }

  private ObjectNode getIdentity(String identity) {
    var set = identities.get(identity);
    if (set == null) {
      throw noIdentity(identity);
    }
    var output = Json.object().put("IdentityType", type(identity)).put("FeedbackForwardingStatus", true)
        .put("VerifiedForSendingStatus", true).put("VerificationStatus", "SUCCESS");
    output.putObject("DkimAttributes").put("SigningEnabled", false).put("Status", "NOT_STARTED");
    output.putObject("Policies");
    output.putArray("Tags");
    if (!set.isEmpty()) {
      output.put("ConfigurationSetName", set);
    }
    return output;
  }

  private ObjectNode listIdentities() {
    var output = Json.object();
    var list = output.putArray("EmailIdentities");
    identities.keySet().forEach(identity -> list.addObject().put("IdentityType", type(identity))
        .put("IdentityName", identity).put("SendingEnabled", true).put("VerificationStatus", "SUCCESS"));
    return output;
  }

  private static String type(String identity) {
    return identity.contains("@") ? "EMAIL_ADDRESS" : "DOMAIN";
  }

  private static AwsException noIdentity(String identity) {
    return new AwsException(404, "NotFoundException", "Email identity " + identity + " does not exist.");
  }

  private String configurationSet(ObjectNode input) {
    var name = require(input, "ConfigurationSetName");
    if (!configurationSets.contains(name)) {
      throw new AwsException(404, "NotFoundException", "Configuration set <" + name + "> does not exist.");
    }
    return name;
  }

  private ObjectNode getAccount() {
    var output = Json.object().put("DedicatedIpAutoWarmupEnabled", false).put("EnforcementStatus", "HEALTHY")
        .put("ProductionAccessEnabled", true).put("SendingEnabled", true);
    var yesterday = Instant.now().minusSeconds(86_400);
    output.putObject("SendQuota").put("Max24HourSend", 50_000.0).put("MaxSendRate", 14.0)
        .put("SentLast24Hours", (double) mails.stream().filter(mail -> mail.time.isAfter(yesterday)).count());
    output.putObject("SuppressionAttributes").putArray("SuppressedReasons");
    return output;
  }

  /** Whether the address, its domain or a domain above that is an identity. */
  private boolean verified(String address) {
    if (identities.containsKey(address)) {
      return true;
    }
    for (var domain = address.substring(address.indexOf('@') + 1); !domain.isEmpty();
        domain = domain.contains(".") ? domain.substring(domain.indexOf('.') + 1) : "") {
      if (identities.containsKey(domain)) {
        return true;
      }
    }
    return false;
  }

  // Sending

  private ObjectNode sendEmail(ObjectNode input) {
    if (input.has("Source")) {
      throw AwsException.unknownOperation("SES API version 1", "SendEmail");
    }
    if (input.hasNonNull("ConfigurationSetName")) {
      configurationSet(input);
    }
    var content = input.path("Content");
    if (content.hasNonNull("Template")) {
      throw AwsException.badRequest("BadRequestException", "Content.Template is not supported by the local cloud");
    }
    boolean simple = content.hasNonNull("Simple");
    if (simple == content.hasNonNull("Raw")) {
      throw AwsException.badRequest("BadRequestException", "Exactly one of Content.Simple, Content.Raw must be provided.");
    }
    var id = UUID.randomUUID().toString();
    var time = Instant.now();
    var destination = input.path("Destination");
    var mail = simple ? simple(id, time, input, content.get("Simple")) : raw(id, time, input, content.get("Raw"));
    var bytes = simple ? compose(mail, input, content.get("Simple"))
        : Base64.getDecoder().decode(content.path("Raw").path("Data").asText());
    if (!destination.isMissingNode() && mail.to.size() > 50) {
      throw AwsException.badRequest("MessageRejected", "Recipient count exceeds 50.");
    }
    try {
      Files.createDirectories(folder);
      // A reader who watches the folder must never see half a mail.
      var partial = Files.write(folder.resolve(id + ".part"), bytes);
      Files.move(partial, mail.file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    mails.add(mail);
    log.event("mail", "to " + String.join(", ", mail.to) + ": " + mail.subject);
    return Json.object().put("MessageId", id);
  }

  private Mail simple(String id, Instant time, ObjectNode input, JsonNode message) {
    var from = Json.text(input, "FromEmailAddress");
    if (from == null || from.isEmpty()) {
      throw AwsException.badRequest("BadRequestException", "FromEmailAddress must be provided.");
    }
    checkSender(from);
    var to = recipients(input);
    if (to.isEmpty()) {
      throw AwsException.badRequest("BadRequestException", "Must have at least one destination.");
    }
    texts(input, "ReplyToAddresses").forEach(Ses::address);
    var subject = Json.text(message.path("Subject"), "Data");
    if (subject == null) {
      throw AwsException.badRequest("BadRequestException", "Content.Simple.Subject.Data must be provided.");
    }
    var text = Json.text(message.path("Body").path("Text"), "Data");
    var html = Json.text(message.path("Body").path("Html"), "Data");
    if (text == null && html == null) {
      throw AwsException.badRequest("BadRequestException", "Content.Simple.Body must have Text or Html.");
    }
    checkHeader("Subject", subject);
    return new Mail(id, time, from, to, subject, text, html, file(id, time));
  }

  private Mail raw(String id, Instant time, ObjectNode input, JsonNode raw) {
    byte[] bytes;
    try {
      bytes = Base64.getDecoder().decode(raw.path("Data").asText());
    } catch (IllegalArgumentException e) {
      throw AwsException.badRequest("BadRequestException", "Content.Raw.Data is not base64");
    }
    var headers = headers(new String(bytes, UTF_8));
    var from = input.path("FromEmailAddress").asText(headers.getOrDefault("from", ""));
    if (from.isEmpty()) {
      throw AwsException.badRequest("BadRequestException", "Missing required header 'From'.");
    }
    checkSender(from);
    var to = recipients(input);
    if (to.isEmpty()) {
      to = Stream.of("to", "cc", "bcc").map(headers::get).filter(java.util.Objects::nonNull)
          .flatMap(list -> Stream.of(list.split(","))).map(Ses::address).toList();
    }
    if (to.isEmpty()) {
      throw AwsException.badRequest("BadRequestException", "Must have at least one destination.");
    }
    return new Mail(id, time, from, to, decoded(headers.getOrDefault("subject", "")), null, null, file(id, time));
  }

  private Path file(String id, Instant time) {
    return folder.resolve(FILE.format(time) + "-" + id.substring(0, 8) + ".eml");
  }

  private static List<String> recipients(ObjectNode input) {
    var all = new ArrayList<String>();
    for (var kind : List.of("ToAddresses", "CcAddresses", "BccAddresses")) {
      texts(input.path("Destination"), kind).forEach(address -> all.add(address(address)));
    }
    return all;
  }

  private void checkSender(String from) {
    if (!verified(address(from))) {
      throw AwsException.badRequest("MessageRejected", "Email address is not verified. The following identities failed the "
          + "check in region " + Settings.REGION.toUpperCase(Locale.ROOT) + ": " + from);
    }
  }

  /** The bare address of "Name &lt;address&gt;". */
  private static String address(String text) {
    checkHeader("address", text);
    var named = NAMED_ADDRESS.matcher(text);
    var address = named.matches() ? named.group(2) : text.strip();
    if (!address.contains("@") || address.endsWith("@")) {
      throw AwsException.badRequest("BadRequestException", "Missing final '@domain'");
    }
    if (!ADDRESS.matcher(address).matches()) {
      throw AwsException.badRequest("BadRequestException", "Illegal address");
    }
    return address;
  }

  private static void checkHeader(String what, String value) {
    if (value.chars().anyMatch(c -> c < 0x20 && c != '\t' || c == 0x7f)) {
      throw AwsException.badRequest("BadRequestException", "Control characters are not allowed in " + what + ".");
    }
  }

  // RFC 5322

  private static byte[] compose(Mail mail, ObjectNode input, JsonNode message) {
    var headers = new LinkedHashMap<String, String>();
    headers.put("Date", DATE.format(mail.time));
    headers.put("Message-ID", "<" + mail.id + "@" + Settings.REGION + ".amazonses.com>");
    headers.put("From", encodedAddress(mail.from));
    addAddresses(headers, "To", texts(input.path("Destination"), "ToAddresses"));
    addAddresses(headers, "Cc", texts(input.path("Destination"), "CcAddresses"));
    addAddresses(headers, "Reply-To", texts(input, "ReplyToAddresses"));
    headers.put("Subject", encoded(mail.subject, "Subject: ".length()));
    message.path("Headers").forEach(header -> {
      var name = header.path("Name").asText();
      var value = header.path("Value").asText();
      checkHeader("Headers", value);
      if (!name.matches("[!-9;-~]{1,126}") || headers.containsKey(name)) {
        throw AwsException.badRequest("BadRequestException", "Invalid header name: " + name);
      }
      headers.put(name, encoded(value, name.length() + 2));
    });
    headers.put("MIME-Version", "1.0");
    var out = new StringBuilder();
    headers.forEach((name, value) -> out.append(name).append(": ").append(value).append("\r\n"));
    var attachments = message.path("Attachments");
    var mixed = "mixed-" + mail.id;
    if (!attachments.isEmpty()) {
      out.append("Content-Type: multipart/mixed; boundary=\"").append(mixed)
          .append("\"\r\n\r\n--").append(mixed).append("\r\n");
    }
    if (mail.text != null && mail.html != null) {
      var alternative = "alternative-" + mail.id;
      out.append("Content-Type: multipart/alternative; boundary=\"").append(alternative).append("\"\r\n\r\n--")
          .append(alternative).append("\r\n");
      part(out, "plain", mail.text);
      out.append("\r\n--").append(alternative).append("\r\n");
      part(out, "html", mail.html);
      out.append("\r\n--").append(alternative).append("--\r\n");
    } else if (mail.text != null) {
      part(out, "plain", mail.text);
    } else {
      part(out, "html", java.util.Objects.requireNonNull(mail.html));
    }
    for (var attachment : attachments) {
      var file = attachment.path("FileName").asText("attachment");
      checkHeader("FileName", file);
      out.append("\r\n--").append(mixed).append("\r\nContent-Type: ")
          .append(attachment.path("ContentType").asText("application/octet-stream"))
          .append("\r\nContent-Disposition: ")
          .append(attachment.path("ContentDisposition").asText("ATTACHMENT").toLowerCase(Locale.ROOT))
          .append("; filename*=UTF-8''").append(java.net.URLEncoder.encode(file, UTF_8).replace("+", "%20"));
      if (attachment.hasNonNull("ContentId")) {
        out.append("\r\nContent-ID: <").append(attachment.path("ContentId").asText()).append('>');
      }
      out.append("\r\nContent-Transfer-Encoding: base64\r\n\r\n")
          .append(mime(Base64.getDecoder().decode(attachment.path("RawContent").asText()))).append("\r\n");
    }
    if (!attachments.isEmpty()) {
      out.append("\r\n--").append(mixed).append("--\r\n");
    }
    return out.toString().getBytes(UTF_8);
  }

  private static void addAddresses(Map<String, String> headers, String name, List<String> addresses) {
    if (!addresses.isEmpty()) {
      headers.put(name, String.join(",\r\n ", addresses.stream().map(Ses::encodedAddress).toList()));
    }
  }

  private static void part(StringBuilder out, String kind, String text) {
    var lines = text.replace("\r\n", "\n").replace('\r', '\n').replace("\n", "\r\n");
    // As it is, so that the file can be read without a mail client, unless a line is longer than a mail may have.
    boolean readable = Stream.of(lines.split("\r\n")).allMatch(line -> line.getBytes(UTF_8).length <= LINE);
    out.append("Content-Type: text/").append(kind).append("; charset=UTF-8\r\nContent-Transfer-Encoding: ")
        .append(readable ? "8bit" : "base64").append("\r\n\r\n").append(readable ? lines : mime(lines.getBytes(UTF_8)))
        .append("\r\n");
  }

  private static String mime(byte[] bytes) {
    return Base64.getMimeEncoder().encodeToString(bytes);
  }

  private static String encodedAddress(String address) {
    var named = NAMED_ADDRESS.matcher(address);
    return named.matches() && !named.group(1).isEmpty()
        ? encoded(named.group(1), 10) + " <" + named.group(2) + ">" : address.strip();
  }

  /**
   * A header's value: encoded words (RFC 2047) where it is not ASCII, folded where it is long.
   *
   * @param column where it starts in its line
   */
  private static String encoded(String value, int column) {
    if (value.chars().allMatch(c -> c < 0x7f)) {
      return folded(value, column);
    }
    var words = new ArrayList<String>();
    var word = new StringBuilder();
    int bytes = 0;
    for (int c : value.codePoints().toArray()) {
      int more = Character.toString(c).getBytes(UTF_8).length;
      if (bytes + more > 36) { // 48 characters of base64 in a word leave room for a header's name
        words.add(word(word));
        word.setLength(0);
        bytes = 0;
      }
      word.appendCodePoint(c);
      bytes += more;
    }
    words.add(word(word));
    return String.join("\r\n ", words);
  }

  private static String word(CharSequence text) {
    return "=?UTF-8?B?" + Base64.getEncoder().encodeToString(text.toString().getBytes(UTF_8)) + "?=";
  }

  private static String folded(String value, int column) {
    var out = new StringBuilder();
    for (var word : value.split("(?<=[^ ])(?= )")) {
      if (column + word.length() > 78 && !out.isEmpty() && word.strip().length() > 0) {
        out.append("\r\n");
        column = 0;
      }
      out.append(word);
      column += word.length();
    }
    return out.toString();
  }

  /** The headers of a mail by their names in lower case, unfolded. */
  private static Map<String, String> headers(String mail) {
    var headers = new LinkedHashMap<String, String>();
    var head = mail.replace("\r\n", "\n").split("\n\n", 2)[0].replaceAll("\n[ \t]+", " ");
    for (var line : head.split("\n")) {
      int colon = line.indexOf(':');
      if (colon > 0) {
        headers.putIfAbsent(line.substring(0, colon).strip().toLowerCase(Locale.ROOT), line.substring(colon + 1).strip());
      }
    }
    return headers;
  }

  private static String decoded(String value) {
    return ENCODED_WORD.matcher(value).replaceAll(match -> {
      byte[] bytes;
      try {
        bytes = match.group(1).equalsIgnoreCase("b") ? Base64.getDecoder().decode(match.group(2)) : quoted(match.group(2));
      } catch (IllegalArgumentException e) {
        return java.util.regex.Matcher.quoteReplacement(match.group());
      }
      var charset = match.group().toLowerCase(Locale.ROOT).startsWith("=?iso") ? StandardCharsets.ISO_8859_1 : UTF_8;
      return java.util.regex.Matcher.quoteReplacement(new String(bytes, charset));
    });
  }

  private static byte[] quoted(String text) {
    var out = new java.io.ByteArrayOutputStream();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '=' && i + 2 < text.length()) {
        out.write(Integer.parseInt(text.substring(i + 1, i + 3), 16));
        i += 2;
      } else {
        out.write(c == '_' ? ' ' : c);
      }
    }
    return out.toByteArray();
  }

  private static List<String> texts(JsonNode input, String member) {
    var texts = new ArrayList<String>();
    input.path(member).forEach(text -> texts.add(text.asText()));
    return texts;
  }

  private static String require(ObjectNode input, String member) {
    var value = Json.text(input, member);
    if (value == null || value.isEmpty()) {
      throw AwsException.badRequest("BadRequestException", member + " must be provided.");
    }
    return value;
  }

  // CloudFormation

  @Override
  public Map<String, Provisioner> provisioners() {
    return Map.of("AWS::SES::EmailIdentity", this::provisionIdentity,
        "AWS::SES::ConfigurationSet", this::provisionConfigurationSet);
  }

  private Provisioner.Provisioned provisionIdentity(Provisioner.Resource resource) {
    resource.allowOnly("EmailIdentity", "ConfigurationSetAttributes", "DkimAttributes", "DkimSigningAttributes",
        "FeedbackAttributes", "MailFromAttributes", "Tags");
    var input = Json.object();
    var set = resource.properties().path("ConfigurationSetAttributes").path("ConfigurationSetName");
    if (set.isTextual()) {
      input.set("ConfigurationSetName", set);
    }
    try {
      var identity = require(resource.properties(), "EmailIdentity");
      createIdentity(identity, input);
      var attributes = new LinkedHashMap<String, String>();
      for (int i = 1; i <= 3; i++) {
        attributes.put("DkimDNSTokenName" + i, "local" + i + "._domainkey." + identity);
        attributes.put("DkimDNSTokenValue" + i, "local" + i + ".dkim.amazonses.com");
      }
      return new Provisioner.Provisioned(identity, attributes);
    } catch (AwsException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }

  /** Options about delivery in the real world have no effect on a laptop; an event destination would. */
  private Provisioner.Provisioned provisionConfigurationSet(Provisioner.Resource resource) {
    resource.allowOnly("Name", "DeliveryOptions", "ReputationOptions", "SendingOptions", "SuppressionOptions",
        "TrackingOptions", "VdmOptions", "Tags");
    var name = resource.properties().path("Name").asText(resource.name());
    configurationSets.add(name);
    return new Provisioner.Provisioned(name, Map.of());
  }
}
