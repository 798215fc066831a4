package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;

class YamlTest {

  @Test
  void shortFunctionsTakeTheirLongForm() {
    assertThat(Yaml.parse("""
        A: !Ref Name
        B: !GetAtt Queue.Arn
        C: !Sub '${Name}-x'
        D: !If [Held, !Ref A, !Ref 'AWS::NoValue']
        E: !GetAtt Cluster.MasterUserSecret.SecretArn
        """, "t").toString()).isEqualTo("""
        {"A":{"Ref":"Name"},"B":{"Fn::GetAtt":["Queue","Arn"]},"C":{"Fn::Sub":"${Name}-x"},\
        "D":{"Fn::If":["Held",{"Ref":"A"},{"Ref":"AWS::NoValue"}]},"E":{"Fn::GetAtt":["Cluster","MasterUserSecret.SecretArn"]}}""");
  }

  @Test
  void datesVersionsAndAccountIdsStayText() {
    var yaml = Yaml.parse("""
        AWSTemplateFormatVersion: 2010-09-09
        Account: 000000000000
        Quoted: "42"
        Number: 42
        Big: 12345678901
        Fraction: 0.5
        Yes: true
        Nothing:
        """, "t");
    assertThat(yaml.get("AWSTemplateFormatVersion").textValue()).isEqualTo("2010-09-09");
    assertThat(yaml.get("Account").textValue()).isEqualTo("000000000000");
    assertThat(yaml.get("Quoted").textValue()).isEqualTo("42");
    assertThat(yaml.get("Number").intValue()).isEqualTo(42);
    assertThat(yaml.get("Big").longValue()).isEqualTo(12345678901L);
    assertThat(yaml.get("Fraction").decimalValue()).isEqualByComparingTo("0.5");
    assertThat(yaml.get("Yes").booleanValue()).isTrue();
    assertThat(yaml.get("Nothing").isNull()).isTrue();
  }

  @Test
  void aMistakeIsNamedWithItsPlace() {
    assertThatIllegalArgumentException().isThrownBy(() -> Yaml.parse("a: 1\nb: [", "template.yaml"))
        .withMessageStartingWith("template.yaml:2:");
    assertThatIllegalArgumentException().isThrownBy(() -> Yaml.parse("a: 1\na: 2\n", "template.yaml"))
        .withMessageContaining("template.yaml:2:1").withMessageContaining("twice");
  }
}
