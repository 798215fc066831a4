package com.example.cafe.local;

import java.io.PrintStream;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.rdsdata.RdsDataClient;

/** A cluster of the local cloud behind the SDK's client: what a repository says in SQL is tested by who has to understand it. */
public final class LocalDatabase implements AutoCloseable {
  private final Endpoint endpoint;
  private final DataApi data;
  private final RdsDataClient client;
  private final String cluster;
  private final String secret;

  private LocalDatabase(Path work) {
    var secrets = new SecretsManager();
    endpoint = new Endpoint(0, List.of());
    data = new DataApi(work, secrets, new EventLog(new PrintStream(PrintStream.nullOutputStream())));
    endpoint.add(data);
    var created = provision("AWS::RDS::DBCluster", "Database", """
        {"Engine":"aurora-postgresql","DatabaseName":"cafe","MasterUsername":"cafe","ManageMasterUserPassword":true,
         "EnableHttpEndpoint":true}""");
    cluster = created.attributes().get("DBClusterArn");
    secret = created.attributes().get("MasterUserSecret.SecretArn");
    provision("AWS::RDS::DBInstance", "DatabaseInstance", """
        {"Engine":"aurora-postgresql","DBInstanceClass":"db.serverless","DBClusterIdentifier":"%s"}""".formatted(created.ref()));
    client = RdsDataClient.builder().endpointOverride(URI.create(endpoint.url())).region(Region.of(Settings.REGION))
        .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("x", "x")))
        .httpClient(UrlConnectionHttpClient.create()).build();
  }

  /** Starts one with an empty database "cafe". @param name of a folder below target */
  public static LocalDatabase start(String name) {
    return new LocalDatabase(Path.of("target", name).toAbsolutePath());
  }

  private Provisioner.Provisioned provision(String type, String id, String properties) {
    return data.provisioners().get(type).provision(new Provisioner.Resource(id, type, "it-" + id,
        (com.fasterxml.jackson.databind.node.ObjectNode) Json.parse(properties)));
  }

  public RdsDataClient client() {
    return client;
  }

  /** The cluster's ARN. */
  public String cluster() {
    return cluster;
  }

  /** The master secret's ARN. */
  public String secret() {
    return secret;
  }

  /** The first column of the first row, as text. */
  public String value(String sql) {
    var fields = client.executeStatement(r -> r.resourceArn(cluster).secretArn(secret).database("cafe").sql(sql)).records().getFirst();
    var field = fields.getFirst();
    return field.stringValue() != null ? field.stringValue() : String.valueOf(field.longValue());
  }

  public void run(String sql) {
    client.executeStatement(r -> r.resourceArn(cluster).secretArn(secret).database("cafe").sql(sql));
  }

  @Override
  public void close() {
    client.close();
    data.close();
    endpoint.close();
  }
}
