package com.example.cafe.local;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.time.temporal.ChronoUnit;

/** AWS CloudFormation, read only: the stack that the template became, its outputs and resources. */
final class CloudFormation implements Service {
  private static final String ID = Settings.arn("cloudformation", "stack/" + Settings.STACK + "/local");
  private final Deployment deployment;
  private final String created = Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();

  CloudFormation(Deployment deployment) {
    this.deployment = deployment;
  }

  @Override
  public String name() {
    return "cloudformation";
  }

  @Override
  public ObjectNode call(String operation, ObjectNode input, Caller caller) {
    return switch (operation) {
      case "DescribeStacks" -> {
        if (input.has("StackName")) {
          checkName(input);
        }
        var stack = stack();
        var outputs = stack.putArray("Outputs");
        deployment.outputs().forEach((key, value) -> outputs.addObject().put("OutputKey", key).put("OutputValue", value));
        yield Json.object().set("Stacks", Json.array().add(stack));
      }
      case "ListStacks" -> Json.object().set("StackSummaries", Json.array().add(stack()));
      case "ListStackResources", "DescribeStackResources" -> {
        checkName(input);
        var resources = Json.array();
        deployment.physicalIds().forEach((logical, physical) -> resources.addObject().put("LogicalResourceId", logical)
            .put("PhysicalResourceId", physical).put("ResourceType", deployment.types().get(logical))
            .put(operation.equals("ListStackResources") ? "LastUpdatedTimestamp" : "Timestamp", created)
            .put("ResourceStatus", "CREATE_COMPLETE"));
        yield Json.object().set(operation.equals("ListStackResources") ? "StackResourceSummaries" : "StackResources", resources);
      }
      default -> throw AwsException.unknownOperation("cloudformation", operation);
    };
  }

  private ObjectNode stack() {
    return Json.object().put("StackName", Settings.STACK).put("StackId", ID).put("CreationTime", created).put("StackStatus", "CREATE_COMPLETE");
  }

  private static void checkName(ObjectNode input) {
    var name = Json.text(input, "StackName");
    if (!Settings.STACK.equals(name) && !ID.equals(name)) {
      throw AwsException.badRequest("ValidationError", "Stack with id " + name + " does not exist");
    }
  }
}
