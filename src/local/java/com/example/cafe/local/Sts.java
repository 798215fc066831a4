package com.example.cafe.local;

import com.fasterxml.jackson.databind.node.ObjectNode;

/** AWS STS, as far as `aws sts get-caller-identity` goes: whom the local cloud takes a caller for. */
final class Sts implements Service {

  @Override
  public String name() {
    return "sts";
  }

  @Override
  public ObjectNode call(String operation, ObjectNode input, Caller caller) {
    if (!operation.equals("GetCallerIdentity")) {
      throw AwsException.unknownOperation("sts", operation);
    }
    return Json.object().put("Arn", caller.arn()).put("UserId", caller.arn().substring(caller.arn().lastIndexOf('/') + 1))
        .put("Account", Settings.ACCOUNT);
  }
}
