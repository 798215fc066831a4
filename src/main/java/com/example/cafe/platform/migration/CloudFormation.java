package com.example.cafe.platform.migration;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Answers CloudFormation's requests: a PUT to the address, presigned, that each request brings. */
class CloudFormation {
  private static final Logger LOG = LoggerFactory.getLogger(CloudFormation.class);
  private static final int ATTEMPTS = 3;
  private static final int TIMEOUT_MILLIS = 5_000;

  /**
   * Answers a request.
   *
   * @throws UncheckedIOException where the answer did not arrive: Lambda then runs the request again
   */
  void answer(String responseUrl, String body) {
    for (var attempt = 1; ; attempt++) {
      try {
        put(responseUrl, body);
        return;
      } catch (IOException e) {
        if (attempt == ATTEMPTS) {
          throw new UncheckedIOException("CloudFormation did not take the answer", e);
        }
      }
    }
  }

  private static void put(String responseUrl, String body) throws IOException {
    var connection = (HttpURLConnection) URI.create(responseUrl).toURL().openConnection();
    connection.setConnectTimeout(TIMEOUT_MILLIS);
    connection.setReadTimeout(TIMEOUT_MILLIS);
    connection.setRequestMethod("PUT");
    connection.setDoOutput(true);
    // The signature in the address is one for a request without a content type.
    connection.setRequestProperty("Content-Type", "");
    var bytes = body.getBytes(StandardCharsets.UTF_8);
    connection.setFixedLengthStreamingMode(bytes.length);
    try (var out = connection.getOutputStream()) {
      out.write(bytes);
    }
    var status = connection.getResponseCode();
    connection.disconnect();
    if (status / 100 == 4) {
      // The address has expired: nobody waits for the answer any more, and another attempt would get the same.
      LOG.warn("CloudFormation refused the answer with HTTP {}", status);
    } else if (status / 100 != 2) {
      throw new IOException("HTTP " + status);
    }
  }
}
