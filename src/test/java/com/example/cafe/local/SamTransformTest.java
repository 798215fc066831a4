package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class SamTransformTest {

  private static ObjectNode transform(String template) {
    return SamTransform.apply((ObjectNode) Yaml.parse(template, "t"), Path.of("").toAbsolutePath());
  }

  @Test
  void aFunctionTakesGlobalsAndGetsRoleVersionAliasAndEventSources() {
    var resources = transform("""
        Globals:
          Function: {Runtime: java25, MemorySize: 1024, AutoPublishAlias: live, Environment: {Variables: {A: '1'}}}
        Resources:
          Work:
            Type: AWS::Serverless::Function
            Properties:
              CodeUri: .
              Handler: x.Work
              MemorySize: 512
              Environment: {Variables: {B: '2'}}
              Policies: [{Statement: [{Effect: Allow, Action: 'x:Y', Resource: z}]}]
              Events:
                Queue: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, BatchSize: 5}}
                Tick: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 minute)}}
          Other:
            Type: AWS::SQS::Queue
            Properties: {Tag: !Sub '${Work.Alias}', Name: !Ref Work.Version}
        """);
    assertThat(resources.at("/Work/Type").asText()).isEqualTo("AWS::Lambda::Function");
    assertThat(resources.at("/Work/Properties/MemorySize").asInt()).isEqualTo(512);
    assertThat(resources.at("/Work/Properties/Environment/Variables")).hasToString("{\"A\":\"1\",\"B\":\"2\"}");
    assertThat(resources.at("/Work/Properties/Role")).hasToString("{\"Fn::GetAtt\":[\"WorkRole\",\"Arn\"]}");
    assertThat(resources.at("/WorkAliaslive/Properties/Name").asText()).isEqualTo("live");
    assertThat(resources.at("/WorkQueue/Properties/FunctionName")).hasToString("{\"Ref\":\"WorkAliaslive\"}");
    assertThat(resources.at("/WorkQueue/Properties/BatchSize").asInt()).isEqualTo(5);
    assertThat(resources.at("/WorkTick/Properties/Target/Arn")).hasToString("{\"Ref\":\"WorkAliaslive\"}");
    assertThat(resources.at("/WorkTick/Properties/FlexibleTimeWindow/Mode").asText()).isEqualTo("OFF");
    assertThat(resources.at("/Other/Properties/Tag")).hasToString("{\"Fn::Sub\":\"${WorkAliaslive}\"}");
    assertThat(resources.at("/Other/Properties/Name")).hasToString("{\"Ref\":\"WorkVersion\"}");
  }

  @Test
  void anApiBecomesRestApiDeploymentAndStage() {
    var resources = transform("""
        Resources:
          Web: {Type: AWS::Serverless::Api, Properties: {StageName: api, DefinitionBody: {openapi: 3.0.1}}}
          Out: {Type: AWS::SQS::Queue, Properties: {A: !Ref Web.Stage}}
        """);
    assertThat(resources.at("/Web/Properties/Body/openapi").asText()).isEqualTo("3.0.1");
    assertThat(resources.at("/WebapiStage/Properties/StageName").asText()).isEqualTo("api");
    assertThat(resources.at("/Out/Properties/A")).hasToString("{\"Ref\":\"WebapiStage\"}");
  }

  @Test
  void whatIsNotSupportedIsRefusedWithTheResourcesName() {
    assertThatIllegalArgumentException().isThrownBy(() -> transform("""
        Resources:
          Work: {Type: AWS::Serverless::Function, Properties: {CodeUri: ., Handler: x, ImageUri: y}}
        """)).withMessage("resource Work: property ImageUri of AWS::Serverless::Function is not supported");
    assertThatIllegalArgumentException().isThrownBy(() -> transform("""
        Resources:
          Work:
            Type: AWS::Serverless::Function
            Properties: {CodeUri: ., Handler: x, Events: {K: {Type: Kinesis, Properties: {}}}}
        """)).withMessage("resource Work: event K: type Kinesis is not supported");
    assertThatIllegalArgumentException().isThrownBy(() -> transform("""
        Resources:
          Table: {Type: AWS::Serverless::SimpleTable}
        """)).withMessageContaining("resource Table: type AWS::Serverless::SimpleTable");
  }
}
