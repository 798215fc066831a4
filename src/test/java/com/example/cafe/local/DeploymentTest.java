package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DeploymentTest {
  @TempDir
  Path folder;

  private final List<String> created = new CopyOnWriteArrayList<>();

  private Deployment deployment(String template) throws IOException {
    Files.writeString(folder.resolve("template.yaml"), template);
    var queues = new Service() {
      @Override
      public String name() {
        return "sqs";
      }

      @Override
      public ObjectNode call(String operation, ObjectNode input, Caller caller) {
        throw AwsException.unknownOperation("sqs", operation);
      }

      @Override
      public Map<String, Provisioner> provisioners() {
        return Map.of("AWS::SQS::Queue", resource -> {
          resource.allowOnly("QueueName", "RedrivePolicy");
          created.add(resource.logicalId() + resource.properties());
          return new Provisioner.Provisioned("url-" + resource.name(), Map.of("Arn", "arn-" + resource.name()));
        });
      }
    };
    return new Deployment(new Settings(folder, folder, 0, 0, "", 0, List.of()), List.of(queues), resource -> {
      created.add("custom " + resource.properties());
      return new Provisioner.Provisioned("custom", Map.of());
    });
  }

  @Test
  void resourcesComeAfterThoseTheyReferToAndOutputsLast() throws IOException {
    var deployment = deployment("""
        Conditions:
          Never: !Equals [a, b]
        Resources:
          A: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt B.Arn}}}
          B: {Type: AWS::SQS::Queue}
          C: {Type: AWS::SQS::Queue, Condition: Never}
          D: {Type: 'Custom::Thing', DependsOn: A, Properties: {ServiceToken: x, Url: !Ref A}}
          Alarm: {Type: AWS::CloudWatch::Alarm, Properties: {}}
        Outputs:
          Url: {Value: !Sub '${A}!'}
        """);
    deployment.deploy();
    assertThat(created).containsExactly("B{}", "A{\"RedrivePolicy\":{\"deadLetterTargetArn\":\"arn-cafe-B\"}}",
        "custom {\"ServiceToken\":\"x\",\"Url\":\"url-cafe-A\"}");
    assertThat(deployment.outputs()).isEqualTo(Map.of("Url", "url-cafe-A!"));
    assertThat(deployment.notRun()).containsExactly("Alarm");
  }

  @Test
  void whatCannotRunStopsTheStartBeforeAnythingIsCreated() throws IOException {
    var deployment = deployment("""
        Resources:
          A: {Type: AWS::SQS::Queue}
          Graph: {Type: AWS::Neptune::DBCluster}
        """);
    assertThatIllegalArgumentException().isThrownBy(deployment::deploy)
        .withMessage("template.yaml uses what the local cloud cannot run: Graph (AWS::Neptune::DBCluster)");
    assertThat(created).isEmpty();
  }

  @Test
  void anUnknownPropertyStopsTheStartWithTheResourcesName() throws IOException {
    var deployment = deployment("""
        Resources:
          A: {Type: AWS::SQS::Queue, Properties: {Colour: red}}
        """);
    assertThatIllegalArgumentException().isThrownBy(deployment::deploy)
        .withMessage("resource A (AWS::SQS::Queue): property Colour of AWS::SQS::Queue is not supported");
  }

  @Test
  void aCircleIsNamed() throws IOException {
    var deployment = deployment("""
        Resources:
          A: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref B}}
          B: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref A}}
        """);
    assertThatIllegalArgumentException().isThrownBy(deployment::deploy).withMessage("circular dependency between resources: A, B");
  }
}
