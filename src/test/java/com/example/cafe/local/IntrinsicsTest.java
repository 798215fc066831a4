package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class IntrinsicsTest {
  private static final String TEMPLATE = """
      Parameters:
        Size: {Type: Number, Default: 3, MinValue: 1, MaxValue: 9}
        Mail: {Type: String, Default: ''}
        Zones: {Type: CommaDelimitedList, Default: 'a, b'}
        Kind: {Type: String, Default: small, AllowedValues: [small, large]}
      Mappings:
        Sizes: {small: {memory: 512}, large: {memory: 2048}}
      Conditions:
        Both: !And [!Condition HasMail, !Condition IsSmall]
        HasMail: !Not [!Equals [!Ref Mail, '']]
        IsSmall: !Equals [!Ref Kind, small]
        Either: !Or [!Condition HasMail, !Condition IsSmall]
      """;

  @TempDir
  Path folder;

  private Intrinsics intrinsics(Map<String, String> given) {
    var intrinsics = new Intrinsics((ObjectNode) Yaml.parse(TEMPLATE, "t"), folder, given);
    intrinsics.created("Queue", new Provisioner.Provisioned("http://queue", Map.of("Arn", "arn:q", "A.B", "deep")));
    return intrinsics;
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', textBlock = """
      !Ref Size                                          | "3"
      !Ref Zones                                         | ["a","b"]
      !Ref Queue                                         | "http://queue"
      !GetAtt Queue.Arn                                  | "arn:q"
      !GetAtt Queue.A.B                                  | "deep"
      !Sub '${Queue}/${Queue.Arn}/${!Literal}/${AWS::Region}' | "http://queue/arn:q/${Literal}/eu-central-1"
      !Sub ['${x}-${Size}', {x: !Ref Kind}]              | "small-3"
      !Join ['-', [a, !Ref Size, c]]                     | "a-3-c"
      !Select [1, !Split [',', 'a,b,c']]                 | "b"
      !FindInMap [Sizes, !Ref Kind, memory]              | 512
      !If [IsSmall, yes-small, no]                       | "yes-small"
      !If [Both, a, b]                                   | "b"
      !If [Either, a, b]                                 | "a"
      !Base64 hi                                         | "aGk="
      !Select [1, !Cidr [10.0.0.0/16, 3, 8]]             | "10.0.1.0/24"
      [1, !If [Both, x, !Ref 'AWS::NoValue'], 3]         | [1,3]
      {a: !If [Both, x, !Ref 'AWS::NoValue'], b: 2}      | {"b":2}
      {Condition: {StringEquals: {x: y}}}                | {"Condition":{"StringEquals":{"x":"y"}}}
      """)
  void functionsGiveWhatCloudFormationGives(String yaml, String json) {
    assertThat(intrinsics(Map.of()).resolve(Yaml.parse(yaml, "t")).toString()).isEqualTo(json);
  }

  @Test
  void givenParametersWinAndSettleConditions() {
    var intrinsics = intrinsics(Map.of("Mail", "a@example.com", "Size", "9"));
    assertThat(intrinsics.holds("Both")).isTrue();
    assertThat(intrinsics.resolve(Yaml.parse("!Ref Size", "t")).asText()).isEqualTo("9");
  }

  @ParameterizedTest
  @CsvSource({"Size,10,range", "Kind,huge,none of", "Other,x,no parameter Other"})
  void aParameterOutOfItsRulesIsNamed(String name, String value, String message) {
    assertThatIllegalArgumentException().isThrownBy(() -> intrinsics(Map.of(name, value))).withMessageContaining(name).withMessageContaining(message);
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', textBlock = """
      !Ref Nothing            | Ref Nothing
      !GetAtt Queue.Nothing   | no such attribute; it has [A.B, Arn]
      !GetAtt Nothing.Arn     | there is no such resource
      !ImportValue x          | Fn::ImportValue is not supported
      !FindInMap [Sizes, x, y] | no such entry
      """)
  void whatIsMissingIsNamed(String yaml, String message) {
    assertThatIllegalArgumentException().isThrownBy(() -> intrinsics(Map.of()).resolve(Yaml.parse(yaml, "t"))).withMessageContaining(message);
  }

  @Test
  void includedFilesAreResolvedAndTheirReferencesKnown() throws IOException {
    Files.writeString(folder.resolve("part.yml"), "uri:\n  Fn::Sub: x/${Queue.Arn}\n");
    var include = Yaml.parse("Fn::Transform: {Name: 'AWS::Include', Parameters: {Location: part.yml}}", "t");
    assertThat(intrinsics(Map.of()).resolve(include)).hasToString("{\"uri\":\"x/arn:q\"}");
    assertThat(intrinsics(Map.of()).references(include)).containsExactly("Queue");
  }
}
