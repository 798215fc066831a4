package com.example.cafe.local.states;

import com.fasterxml.jackson.databind.JsonNode;
import org.jspecify.annotations.Nullable;

/** What tasks do: the interpreter's only way out. Methods block; they are called on threads of their own. */
public interface Tasks {

  /**
   * Why a resource cannot be used here, as a message that names it.
   *
   * @return null where it can
   */
  @Nullable String refusal(TaskResource resource);

  /**
   * Makes the call of a task.
   *
   * @return the result; for {@code .sync} and {@code .waitForTaskToken} the answer of the service, and the result comes later
   * @throws StateError the task's failure
   * @throws InterruptedException when nobody waits for the result any more
   */
  JsonNode call(Request request) throws StateError, InterruptedException;

  /**
   * Waits for the end of a job that {@link #call} started ({@code .sync}).
   *
   * @return the task's result
   */
  JsonNode finish(Request request, JsonNode started) throws StateError, InterruptedException;

  /**
   * A call to make.
   *
   * @param input the arguments: the payload of a function, the parameters of an integration
   * @param roleArn the role that the state machine acts with
   * @param execution the ARN of the execution
   * @param token the token of a task that ends by a callback, or null
   */
  record Request(TaskResource resource, JsonNode input, String roleArn, String execution, @Nullable String token) {}
}
