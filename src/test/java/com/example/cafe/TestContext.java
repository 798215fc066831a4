package com.example.cafe;

import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import java.util.concurrent.atomic.AtomicInteger;

/** An invocation with as much time left as a test wants; asking for the time takes some. */
public final class TestContext implements Context {
  private final AtomicInteger remainingMillis;

  public TestContext() {
    this(300_000);
  }

  public TestContext(int remainingMillis) {
    this.remainingMillis = new AtomicInteger(remainingMillis);
  }

  @Override
  public String getAwsRequestId() {
    return "0193f0a2-0000-4000-8000-000000000001";
  }

  @Override
  public String getLogGroupName() {
    return "";
  }

  @Override
  public String getLogStreamName() {
    return "";
  }

  @Override
  public String getFunctionName() {
    return "test";
  }

  @Override
  public String getFunctionVersion() {
    return "1";
  }

  @Override
  public String getInvokedFunctionArn() {
    return "arn:aws:lambda:eu-central-1:000000000000:function:test:live";
  }

  @Override
  public CognitoIdentity getIdentity() {
    return null;
  }

  @Override
  public ClientContext getClientContext() {
    return null;
  }

  @Override
  public int getRemainingTimeInMillis() {
    return remainingMillis.getAndAdd(-10);
  }

  @Override
  public int getMemoryLimitInMB() {
    return 1024;
  }

  @Override
  public LambdaLogger getLogger() {
    throw new UnsupportedOperationException("functions log through SLF4J");
  }
}
