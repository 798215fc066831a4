package com.example.cafe.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ResultsTest {
  @ParameterizedTest
  @CsvSource(textBlock = """
      2026-09-17 17:08:20,             2026-09-17 17:08:20
      2026-09-17 17:08:20.8,           2026-09-17 17:08:20.800
      2026-09-17 17:08:20.8551,        2026-09-17 17:08:20.855100
      2026-09-17 17:08:20.000001+00,   2026-09-17 17:08:20.000001
      2026-09-17 23:08:20-03,          2026-09-18 02:08:20
      2026-01-01 01:00:00+05:30,       2025-12-31 19:30:00
      0998-12-31 20:53:32-03:06:28,    0999-01-01 00:00:00
      2026-09-17,                      2026-09-17
      0044-03-15 00:00:00 BC,          0044-03-15 00:00:00 BC
      """)
  void showsTimeStampsInUtc(String postgres, String shown) {
    assertThat(Results.stamp(postgres)).isEqualTo(shown);
  }

  @ParameterizedTest
  @CsvSource({"17:08:20,17:08:20", "17:08:20.5,17:08:20.500", "17:08:20.123456,17:08:20.123456", "24:00:00,24:00:00"})
  void showsTimes(String postgres, String shown) {
    assertThat(Results.time(postgres)).isEqualTo(shown);
  }

  @ParameterizedTest
  @ValueSource(strings = {"infinity", "-infinity"})
  void failsOnInfinityAsTheServiceDoes(String postgres) {
    assertThatThrownBy(() -> Results.stamp(postgres)).isInstanceOfSatisfying(AwsException.class, e -> {
      assertThat(e.status()).isEqualTo(500);
      assertThat(e.code()).isEqualTo("InternalServerErrorException");
    });
  }

  @Test
  void readsArrays() {
    assertThat(Results.arrayElements("{}")).isEmpty();
    assertThat(Results.arrayElements("{1,2}")).containsExactly("1", "2");
    assertThat(Results.arrayElements("[0:1]={1,2}")).containsExactly("1", "2");
    assertThat(Results.arrayElements("{{1,2},{3,NULL}}")).containsExactly(List.of("1", "2"), Arrays.asList("3", null));
    assertThat(Results.arrayElements("{a,\"b c\",NULL,\"NULL\",\"\",\"d\\\"e\",\"f,g\",\"h}\",\"\\\\\"}"))
        .containsExactly("a", "b c", null, "NULL", "", "d\"e", "f,g", "h}", "\\");
  }
}
