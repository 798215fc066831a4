package com.example.cafe.local;

import java.nio.file.Path;
import java.util.List;

/**
 * How the local cloud runs.
 *
 * @param project the folder of template.yaml
 * @param work where everything it writes goes: target/local
 * @param apiPort the site's port, 0 for any free one
 * @param awsPort the AWS endpoint's port, 0 for any free one
 * @param debug the function to open a debug port in, or ""
 * @param debugPort that port
 * @param listen addresses beside loopback that the AWS endpoint listens on
 */
record Settings(Path project, Path work, int apiPort, int awsPort, String debug, int debugPort,
    List<String> listen) {
  static final String ACCOUNT = "000000000000";
  static final String REGION = "eu-central-1";
  static final String STACK = "cafe";

  /** An ARN in the local account and region: {@code arn("sqs", "name")}. */
  static String arn(String service, String resource) {
    return "arn:aws:" + service + ":" + REGION + ":" + ACCOUNT + ":" + resource;
  }
}
