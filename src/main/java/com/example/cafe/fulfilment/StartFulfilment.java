package com.example.cafe.fulfilment;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.events.SQSBatchResponse;
import com.amazonaws.services.lambda.runtime.events.SQSEvent;
import com.example.cafe.platform.Clients;
import com.example.cafe.platform.Env;
import com.example.cafe.platform.Json;
import com.example.cafe.platform.Messages;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import software.amazon.awssdk.services.sfn.SfnClient;
import software.amazon.awssdk.services.sfn.model.ExecutionAlreadyExistsException;

/** An order was placed: starts its execution, named after it, so that a message that comes twice starts one. */
public final class StartFulfilment implements RequestHandler<SQSEvent, SQSBatchResponse> {
  private static final Logger LOG = LoggerFactory.getLogger(StartFulfilment.class);
  private final SfnClient stepFunctions;
  private final String stateMachine;

  public StartFulfilment() {
    this(Clients.build(SfnClient.builder(), Duration.ofSeconds(3)), Env.get("FULFILMENT"));
  }

  StartFulfilment(SfnClient stepFunctions, String stateMachine) {
    this.stepFunctions = stepFunctions;
    this.stateMachine = stateMachine;
  }

  @Override
  public SQSBatchResponse handleRequest(SQSEvent event, Context context) {
    return Messages.each(event, context, (message, deadline) -> {
      var orderId = Json.need(message, "orderId");
      // The same for every copy of the message: a running execution takes StartExecution again only with its own input.
      var input = Json.object()
          .put("orderId", orderId)
          .put("customerId", Json.need(message, "customerId"))
          .put("total", message.required("total").longValue())
          .put("correlationId", Json.need(message, "correlationId"));
      try {
        stepFunctions.startExecution(r -> r.stateMachineArn(stateMachine).name(orderId).input(input.toString()));
        LOG.info("Fulfilment started");
      } catch (ExecutionAlreadyExistsException e) {
        LOG.info("Fulfilment was started before");
      }
    });
  }
}
