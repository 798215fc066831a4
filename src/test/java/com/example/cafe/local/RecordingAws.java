package com.example.cafe.local;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;

/** Other services as a test sees them: keeps what they are asked, and answers as it is told. */
final class RecordingAws implements Aws {

  record Call(String service, String operation, ObjectNode input, Caller caller) {}

  final List<Call> calls = new CopyOnWriteArrayList<>();
  volatile Function<Call, ObjectNode> answer = call -> Json.object();

  @Override
  public ObjectNode call(String service, String operation, ObjectNode input, Caller caller) {
    var call = new Call(service, operation, input.deepCopy(), caller);
    calls.add(call);
    return answer.apply(call);
  }
}
