package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;

import com.example.cafe.local.EventSourceMapping.Options;
import com.example.cafe.local.Invocation.Outcome;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The event of a queue, its filters, and what an answer means for its messages. */
class EventSourceMappingTest {
  private static final String QUEUE = "arn:aws:sqs:eu-central-1:000000000000:orders";
  private static final List<ObjectNode> BATCH = List.of(Json.object().put("messageId", "a"), Json.object().put("messageId", "b"));

  @Test
  void a_message_becomes_a_record_as_lambda_writes_it() {
    var message = (ObjectNode) Json.parse("""
        {"MessageId": "m", "ReceiptHandle": "h", "Body": "hello", "MD5OfBody": "5d", "MD5OfMessageAttributes": "ab",
         "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
         "MessageAttributes": {"type": {"DataType": "String", "StringValue": "OrderPlaced"},
                               "blob": {"DataType": "Binary", "BinaryValue": "AAE="}}}""");
    assertThat(EventSourceMapping.record(message, QUEUE)).isEqualTo(Json.parse("""
        {"messageId": "m", "receiptHandle": "h", "body": "hello",
         "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
         "messageAttributes": {
           "type": {"stringValue": "OrderPlaced", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
           "blob": {"binaryValue": "AAE=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"}},
         "md5OfMessageAttributes": "ab", "md5OfBody": "5d", "eventSource": "aws:sqs",
         "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:orders", "awsRegion": "eu-central-1"}"""));
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', value = {
      "''", "null", "{}", "{\"batchItemFailures\": null}", "{\"batchItemFailures\": []}", "{\"other\": 1}"})
  void a_batch_is_done_where_the_answer_names_no_failure(String answer) {
    assertThat(failed(answer)).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', value = {
      "{oops", "{\"batchItemFailures\": [{\"itemIdentifier\": \"\"}]}", "{\"batchItemFailures\": [{\"itemIdentifier\": null}]}",
      "{\"batchItemFailures\": [{\"itemId\": \"a\"}]}", "{\"batchItemFailures\": [{\"itemIdentifier\": \"c\"}]}",
      "{\"batchItemFailures\": \"a\"}"})
  void a_batch_has_failed_where_the_answer_makes_no_sense(String answer) {
    assertThat(failed(answer)).containsExactlyInAnyOrder("a", "b");
  }

  @Test
  void the_messages_that_the_answer_names_have_failed() {
    assertThat(failed("{\"batchItemFailures\": [{\"itemIdentifier\": \"b\"}]}")).containsExactly("b");
  }

  @Test
  void without_partial_failures_the_answer_does_not_matter() {
    assertThat(EventSourceMapping.failed(answer("{\"batchItemFailures\": [{\"itemIdentifier\": \"b\"}]}"), BATCH, false)).isEmpty();
  }

  @Test
  void an_error_of_the_function_fails_the_batch() {
    var error = new Outcome("id", "{}".getBytes(StandardCharsets.UTF_8), "Unhandled", "E", false, "");
    assertThat(EventSourceMapping.failed(error, BATCH, true)).containsExactlyInAnyOrder("a", "b");
    assertThat(EventSourceMapping.failed(error, BATCH, false)).containsExactlyInAnyOrder("a", "b");
  }

  private static java.util.Set<String> failed(String answer) {
    return EventSourceMapping.failed(answer(answer), BATCH, true);
  }

  private static Outcome answer(String answer) {
    return new Outcome("id", answer.getBytes(StandardCharsets.UTF_8), null, null, false, "");
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
      // pattern | body | passes
      "{\"body\": {\"type\": [\"OrderPlaced\"]}} | {\"type\": \"OrderPlaced\"} | true",
      "{\"body\": {\"type\": [\"OrderPlaced\"]}} | {\"type\": \"Other\"} | false",
      "{\"body\": {\"type\": [\"OrderPlaced\"]}} | plain text | false",
      "{\"body\": [\"plain text\"]} | plain text | true",
      "{\"body\": [{\"prefix\": \"plain\"}]} | plain text | true",
      "{\"body\": [\"plain text\"]} | {\"type\": \"OrderPlaced\"} | false",
      "{\"messageAttributes\": {\"type\": {\"stringValue\": [\"A\"]}}} | anything | true",
      "{\"messageAttributes\": {\"type\": {\"stringValue\": [\"B\"]}}} | {\"a\": 1} | false",
      "{\"body\": {\"total\": [{\"numeric\": [\">=\", 10]}]}} | {\"total\": 10} | true"})
  void a_filter_matches_bodies_of_its_own_kind(String pattern, String body, boolean passes) {
    var input = Json.object();
    input.putObject("FilterCriteria").putArray("Filters").addObject().put("Pattern", pattern);
    var record = Json.object().put("messageId", "a").put("body", body);
    record.putObject("messageAttributes").putObject("type").put("stringValue", "A");
    assertThat(Options.of(input, false).accepts(record)).isEqualTo(passes);
  }

  @Test
  void any_of_several_filters_is_enough() {
    var input = Json.object();
    var filters = input.putObject("FilterCriteria").putArray("Filters");
    filters.addObject().put("Pattern", "{\"body\":[\"a\"]}");
    filters.addObject().put("Pattern", "{\"body\":[\"b\"]}");
    assertThat(Options.of(input, false).accepts(Json.object().put("body", "b"))).isTrue();
    assertThat(Options.of(input, false).accepts(Json.object().put("body", "c"))).isFalse();
  }
}
