package com.example.cafe.platform;

import java.time.Duration;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider;
import software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.awscore.client.builder.AwsSyncClientBuilder;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;

/**
 * SDK clients as functions need them: with all that the SDK would otherwise search for given, so that the first call is
 * quick. The endpoint comes from AWS_ENDPOINT_URL, where that is set.
 */
public final class Clients {
  private Clients() {}

  /** @param patience how long the service may take for an answer, at most */
  public static <B extends AwsClientBuilder<B, C> & AwsSyncClientBuilder<B, C>, C> C build(B builder, Duration patience) {
    return builder
        .region(Region.of(Env.get("AWS_REGION")))
        .credentialsProvider(credentials())
        .httpClient(UrlConnectionHttpClient.builder()
            .connectionTimeout(Duration.ofSeconds(2))
            .socketTimeout(patience)
            .build())
        .build();
  }

  /** With SnapStart, Lambda hands credentials out at an address; else they are in the environment. */
  private static AwsCredentialsProvider credentials() {
    return System.getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI") == null
        ? EnvironmentVariableCredentialsProvider.create()
        : ContainerCredentialsProvider.create();
  }
}
