package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SesTest {
  private final ByteArrayOutputStream log = new ByteArrayOutputStream();
  @TempDir
  private Path work;
  private Ses ses;

  @BeforeEach
  void start() {
    ses = new Ses(work, new EventLog(new PrintStream(log, true)));
    call("CreateEmailIdentity", "{'EmailIdentity':'cafe.example'}");
  }

  @Test
  void aMailBecomesAFileThatCanBeRead() throws IOException {
    var id = send("'Simple':{'Subject':{'Data':'Order completed'},'Body':{'Text':{'Data':'Grüße,\\nyour ☕ is ready.'}}}")
        .path("MessageId").asText();
    var mail = ses.mails().getFirst();
    assertThat(mail.id()).isEqualTo(id);
    assertThat(mail.to()).containsExactly("ada@example.com");
    assertThat(mail.text()).isEqualTo("Grüße,\nyour ☕ is ready.");
    assertThat(mail.file()).hasParent(work.resolve("mail")).hasExtension("eml");
    assertThat(Files.readString(mail.file())).contains("From: orders@cafe.example\r\n", "To: ada@example.com\r\n",
        "Subject: Order completed\r\n", "Message-ID: <" + id + "@eu-central-1.amazonses.com>\r\n", "MIME-Version: 1.0\r\n",
        "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße,\r\nyour ☕ is ready.\r\n")
        .containsPattern("Date: \\w{3}, \\d{1,2} \\w{3} \\d{4} \\d\\d:\\d\\d:\\d\\d \\+0000\r\n");
    try (var files = Files.list(work.resolve("mail"))) {
      assertThat(files).hasSize(1);
    }
    assertThat(log.toString()).contains("mail      to ada@example.com: Order completed");
  }

  @Test
  void headersThatAreNotAsciiAreEncodedAndLongOnesFolded() throws IOException {
    var subject = "Ihre Bestellung für Frau Müller-Lüdenscheidt ist fertig ☕☕☕ — bitte abholen, solange der Kaffee heiß ist";
    call("SendEmail", "{'FromEmailAddress':'Das Café <orders@cafe.example>','Destination':{'ToAddresses':"
        + "['Ada <ada@example.com>','b@example.com'],'CcAddresses':['c@example.com'],'BccAddresses':['hidden@example.com']},"
        + "'ReplyToAddresses':['help@cafe.example'],'Content':{'Simple':{'Subject':{'Data':'%s'},'Body':{'Text':{'Data':'x'}},"
        + "'Headers':[{'Name':'X-Note','Value':'%s'}]}}}", subject, "word ".repeat(30) + "end");
    var mail = ses.mails().getFirst();
    assertThat(mail.to()).containsExactly("ada@example.com", "b@example.com", "c@example.com", "hidden@example.com");
    var head = Files.readString(mail.file()).split("\r\n\r\n")[0];
    assertThat(head.chars()).allMatch(c -> c < 0x7f);
    assertThat(head.lines()).allMatch(line -> line.length() <= 78);
    assertThat(head).contains("To: Ada <ada@example.com>,\r\n b@example.com\r\n", "Cc: c@example.com\r\n",
        "Reply-To: help@cafe.example\r\n").doesNotContain("hidden");
    assertThat(decoded(head)).contains("Subject: " + subject, "From: Das Café <orders@cafe.example>");
    assertThat(head.replace("\r\n ", " ")).contains("X-Note: " + "word ".repeat(30) + "end");
  }

  @Test
  void textAndHtmlAreAlternativesAndAttachmentsComeAfterThem() throws IOException {
    send("'Simple':{'Subject':{'Data':'s'},'Body':{'Text':{'Data':'plain'},'Html':{'Data':'<b>rich</b>'}},"
        + "'Attachments':[{'FileName':'Rechnung März.pdf','ContentType':'application/pdf','RawContent':'AQID'}]}");
    var mail = ses.mails().getFirst();
    assertThat(mail.html()).isEqualTo("<b>rich</b>");
    assertThat(Files.readString(mail.file())).containsSubsequence("multipart/mixed", "multipart/alternative", "text/plain", "plain",
        "text/html", "<b>rich</b>", "--\r\n", "application/pdf", "filename*=UTF-8''Rechnung%20M%C3%A4rz.pdf", "AQID", "--\r\n");
  }

  @Test
  void aLineTooLongForAMailIsEncoded() throws IOException {
    send("'Simple':{'Subject':{'Data':'s'},'Body':{'Html':{'Data':'" + "é".repeat(600) + "'}}}");
    var file = Files.readString(ses.mails().getFirst().file());
    assertThat(file).contains("Content-Transfer-Encoding: base64");
    var body = file.split("\r\n\r\n", 2)[1];
    assertThat(new String(Base64.getMimeDecoder().decode(body), StandardCharsets.UTF_8)).isEqualTo("é".repeat(600));
  }

  @Test
  void aRawMailIsKeptAsItIs() throws IOException {
    var raw = "From: Café <orders@cafe.example>\r\nTo: Ada <ada@example.com>\r\nCc: b@example.com\r\nSubject: =?UTF-8?Q?Caf=C3=A9_is?=\r\n"
        + " =?UTF-8?B?IG9wZW4=?=\r\n\r\nbody";
    var data = Base64.getEncoder().encodeToString(raw.getBytes(StandardCharsets.UTF_8));
    call("SendEmail", "{'Content':{'Raw':{'Data':'%s'}}}", data);
    var mail = ses.mails().getFirst();
    assertThat(Files.readString(mail.file())).isEqualTo(raw);
    assertThat(mail.subject()).isEqualTo("Café is open");
    assertThat(mail.to()).containsExactly("ada@example.com", "b@example.com");
  }

  @ParameterizedTest
  @ValueSource(strings = {"orders@cafe.example", "x@mail.cafe.example", "Orders <orders@CAFE.example>", "me@example.com"})
  void aSenderIsVerifiedByItsAddressOrItsDomain(String from) {
    call("CreateEmailIdentity", "{'EmailIdentity':'me@example.com'}");
    assertThat(sendFrom(from).path("MessageId").asText()).isNotEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"you@example.com", "orders@notcafe.example", "Ada <ada@example>"})
  void anUnverifiedSenderIsRejectedAndNothingIsWritten(String from) {
    assertThatThrownBy(() -> sendFrom(from))
        .isInstanceOfSatisfying(AwsException.class, e -> assertThat(e.code()).isEqualTo("MessageRejected"))
        .hasMessage("Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: " + from);
    assertThat(work.resolve("mail")).doesNotExist();
    assertThat(ses.mails()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
      FromEmailAddress must be provided. | {'Destination':{'ToAddresses':['a@b.c']},'Content':{'Simple':{}}}
      Must have at least one destination. | {'FromEmailAddress':'a@cafe.example','Content':{'Simple':{}}}
      Missing final '@domain'            | {'FromEmailAddress':'a@cafe.example','Destination':{'ToAddresses':['ada']},'Content':{'Simple':{}}}
      Illegal address                    | {'FromEmailAddress':'a@cafe.example','Destination':{'ToAddresses':['a b@c.d']},'Content':{'Simple':{}}}
      Content.Simple.Subject.Data        | {'FromEmailAddress':'a@cafe.example','Destination':{'ToAddresses':['a@b.c']},'Content':{'Simple':{}}}
      Content.Simple.Body                | {'FromEmailAddress':'a@cafe.example','Destination':{'ToAddresses':['a@b.c']},'Content':{'Simple':{'Subject':{'Data':'s'}}}}
      Control characters                 | {'FromEmailAddress':'a@cafe.example','Destination':{'ToAddresses':['a@b.c']},'Content':{'Simple':{'Subject':{'Data':'s\\nBcc: x@y.z'},'Body':{'Text':{'Data':'t'}}}}}
      Control characters                 | {'FromEmailAddress':'a\\r\\nX: y <a@cafe.example>','Destination':{'ToAddresses':['a@b.c']},'Content':{'Simple':{}}}
      Content.Template is not supported  | {'FromEmailAddress':'a@cafe.example','Content':{'Template':{'TemplateName':'x'}}}
      Exactly one of                     | {'FromEmailAddress':'a@cafe.example','Content':{}}
      """)
  void aWrongMailIsRefused(String words, String input) {
    assertThatThrownBy(() -> ses.call("SendEmail", json(input), Caller.ADMINISTRATOR)).isInstanceOf(AwsException.class)
        .hasMessageContaining(words);
    assertThat(ses.mails()).isEmpty();
  }

  @Test
  void moreThanFiftyRecipientsAreRefused() {
    var input = json("{'FromEmailAddress':'a@cafe.example','Content':{'Simple':{'Subject':{'Data':'s'},'Body':{'Text':{'Data':'t'}}}}}");
    var to = input.withObject("/Destination").putArray("ToAddresses");
    for (int i = 0; i < 51; i++) {
      to.add("a" + i + "@example.com");
    }
    assertThatThrownBy(() -> ses.call("SendEmail", input, Caller.ADMINISTRATOR)).hasMessage("Recipient count exceeds 50.");
  }

  @Test
  void identitiesCanBeListedAndDeleted() {
    assertThat(call("ListEmailIdentities", "{}").path("EmailIdentities").path(0).path("IdentityType").asText()).isEqualTo("DOMAIN");
    assertThat(call("GetEmailIdentity", "{'EmailIdentity':'cafe.example'}").path("VerifiedForSendingStatus").asBoolean()).isTrue();
    assertThatThrownBy(() -> call("CreateEmailIdentity", "{'EmailIdentity':'cafe.example'}")).hasMessageContaining("already exist");
    call("DeleteEmailIdentity", "{'EmailIdentity':'cafe.example'}");
    assertThatThrownBy(() -> call("GetEmailIdentity", "{'EmailIdentity':'cafe.example'}")).isInstanceOf(AwsException.class)
        .hasMessage("Email identity cafe.example does not exist.");
    assertThatThrownBy(() -> sendFrom("orders@cafe.example")).hasMessageContaining("not verified");
  }

  @Test
  void theAccountCountsWhatItSent() {
    sendFrom("orders@cafe.example");
    assertThat(call("GetAccount", "{}").path("SendQuota").path("SentLast24Hours").asDouble()).isEqualTo(1);
  }

  @Test
  void theTemplatesIdentitiesAndConfigurationSetsAreMade() {
    var set = provision("AWS::SES::ConfigurationSet", "cafe-Mails", "{'SendingOptions':{'SendingEnabled':true}}");
    assertThat(set.ref()).isEqualTo("cafe-Mails");
    var identity = provision("AWS::SES::EmailIdentity", "cafe-Sender", "{'EmailIdentity':'other.example',"
        + "'ConfigurationSetAttributes':{'ConfigurationSetName':'cafe-Mails'}}");
    assertThat(identity.ref()).isEqualTo("other.example");
    assertThat(sendFrom("a@other.example")).isNotEmpty();
    assertThatThrownBy(() -> call("SendEmail", "{'FromEmailAddress':'a@other.example','ConfigurationSetName':'none','Content':{}}"))
        .isInstanceOfSatisfying(AwsException.class, e -> assertThat(e.status()).isEqualTo(404))
        .hasMessage("Configuration set <none> does not exist.");
    assertThatThrownBy(() -> provision("AWS::SES::EmailIdentity", "x", "{'EmailIdentity':'none'}"))
        .isInstanceOf(IllegalArgumentException.class).hasMessage("Invalid email or domain name.");
    assertThatThrownBy(() -> provision("AWS::SES::EmailIdentity", "x", "{'EmailIdentity':'a.b','Colour':'x'}"))
        .hasMessageContaining("Colour");
  }

  @Test
  void whatIsNotServedIsNamed() {
    assertThatThrownBy(() -> call("SendBulkEmail", "{}")).hasMessageContaining("SendBulkEmail");
    assertThatThrownBy(() -> call("SendEmail", "{'Source':'a@cafe.example'}")).hasMessageContaining("version 1");
  }

  private Provisioner.Provisioned provision(String type, String name, String properties) {
    return ses.provisioners().get(type).provision(new Provisioner.Resource(name, type, name, json(properties)));
  }

  private ObjectNode sendFrom(String from) {
    return call("SendEmail", "{'FromEmailAddress':'%s','Destination':{'ToAddresses':['ada@example.com']},"
        + "'Content':{'Simple':{'Subject':{'Data':'s'},'Body':{'Text':{'Data':'t'}}}}}", from);
  }

  private ObjectNode send(String content) {
    return call("SendEmail", "{'FromEmailAddress':'orders@cafe.example','Destination':{'ToAddresses':['ada@example.com']},"
        + "'Content':{%s}}", content);
  }

  /** The encoded words of a header, decoded and joined. */
  private static String decoded(String head) {
    return Pattern.compile("=\\?UTF-8\\?B\\?([^?]*)\\?=(\r\n (?==\\?))?").matcher(head)
        .replaceAll(match -> new String(Base64.getDecoder().decode(match.group(1)), StandardCharsets.UTF_8));
  }

  private ObjectNode call(String operation, String input, Object... parts) {
    return ses.call(operation, json(input.formatted(parts)), Caller.ADMINISTRATOR);
  }

  private static ObjectNode json(String text) {
    return (ObjectNode) Json.parse(text.replace('\'', '"'));
  }
}
