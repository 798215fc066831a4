package com.example.cafe.fulfilment;

import static org.assertj.core.api.Assertions.assertThat;

import com.amazonaws.services.lambda.runtime.events.SQSEvent;
import com.example.cafe.Events;
import com.example.cafe.TestContext;
import com.example.cafe.platform.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.services.sfn.SfnClient;
import software.amazon.awssdk.services.sfn.model.ExecutionAlreadyExistsException;
import software.amazon.awssdk.services.sfn.model.StartExecutionRequest;
import software.amazon.awssdk.services.sfn.model.StartExecutionResponse;

class StartFulfilmentTest {
  private final List<StartExecutionRequest> started = new ArrayList<>();
  private Consumer<StartExecutionRequest> service = started::add;
  private final StartFulfilment startFulfilment = new StartFulfilment(new SfnClient() {
    @Override
    public StartExecutionResponse startExecution(StartExecutionRequest request) {
      service.accept(request);
      return StartExecutionResponse.builder().build();
    }

    @Override
    public String serviceName() {
      return SERVICE_NAME;
    }

    @Override
    public void close() {}
  }, "machine");

  @Test
  void anExecutionIsNamedAfterItsOrder() {
    assertThat(failures(Events.sqs("StartFulfilment"))).isEmpty();

    assertThat(started).singleElement().satisfies(request -> {
      assertThat(request.name()).isEqualTo("019aa5b0-7a00-7abc-8def-0123456789ab");
      assertThat(request.stateMachineArn()).isEqualTo("machine");
      assertThat(Json.parse(request.input())).isEqualTo(Json.parse("""
          {"orderId":"019aa5b0-7a00-7abc-8def-0123456789ab","customerId":"7d1f5c1e-2b7a-4c55-9a4e-3f0f5a0c1111","total":720,
           "correlationId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}"""));
    });
  }

  @Test
  void anExecutionThatExistsIsAsGoodAsStarted() {
    service = request -> {
      throw ExecutionAlreadyExistsException.builder().message("exists").build();
    };

    assertThat(failures(Events.sqs("StartFulfilment"))).isEmpty();
  }

  @Test
  void onlyTheMessageThatFailedComesAgain() {
    var event = Events.sqs("StartFulfilment");
    var bad = new SQSEvent.SQSMessage();
    bad.setMessageId("bad");
    bad.setBody("{");
    event.getRecords().addFirst(bad);

    assertThat(failures(event)).containsExactly("bad");
    assertThat(started).hasSize(1);
  }

  @Test
  void aServiceThatDoesNotAnswerPutsTheMessageBack() {
    service = request -> {
      throw SdkClientException.create("timeout");
    };

    assertThat(failures(Events.sqs("StartFulfilment"))).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"null", "[]", "7", "{\"orderId\":\"1\"}"})
  void aMessageThatIsNoEventFailsByItself(String body) {
    var event = Events.sqs("StartFulfilment");
    event.getRecords().getFirst().setBody(body);

    assertThat(failures(event)).hasSize(1);
  }

  @Test
  void messagesThatNoTimeIsLeftForComeAgain() {
    var response = startFulfilment.handleRequest(Events.sqs("StartFulfilment"), new TestContext(2_000));

    assertThat(response.getBatchItemFailures()).hasSize(1);
    assertThat(started).isEmpty();
  }

  private List<String> failures(SQSEvent event) {
    return startFulfilment.handleRequest(event, new TestContext()).getBatchItemFailures().stream()
        .map(failure -> failure.getItemIdentifier()).toList();
  }
}
