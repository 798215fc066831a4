package com.example.cafe.local;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.events.SQSBatchResponse;
import com.amazonaws.services.lambda.runtime.events.SQSEvent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Functions that the tests of Lambda run in processes of their own. */
public final class LambdaHandlers {

  private LambdaHandlers() {}

  /** Does what the event says. */
  public static final class Actor implements RequestHandler<Map<String, Object>, Object> {
    private int calls;

    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
      calls++;
      return switch (String.valueOf(event.getOrDefault("do", "echo"))) {
        case "echo" -> event;
        case "count" -> calls;
        case "pid" -> ProcessHandle.current().pid();
        case "environment" -> new TreeMap<>(System.getenv());
        case "properties" -> Map.of("tmp", System.getProperty("java.io.tmpdir"), "dir", System.getProperty("user.dir"),
            "classpath", System.getProperty("java.class.path"), "heap", Runtime.getRuntime().maxMemory() / 1024 / 1024);
        case "context" -> Map.of("name", context.getFunctionName(), "version", context.getFunctionVersion(), "arn",
            context.getInvokedFunctionArn(), "memory", context.getMemoryLimitInMB(), "id", context.getAwsRequestId(),
            "remaining", context.getRemainingTimeInMillis(), "trace", System.getProperty("com.amazonaws.xray.traceHeader"),
            "custom", context.getClientContext() == null ? Map.of() : context.getClientContext().getCustom());
        case "sleep" -> {
          try {
            Thread.sleep(((Number) event.get("millis")).longValue());
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
          yield ProcessHandle.current().pid();
        }
        case "print" -> {
          System.out.println(event.get("text"));
          context.getLogger().log("by the logger");
          yield "printed";
        }
        case "throw" -> throw new IllegalStateException(String.valueOf(event.get("text")));
        case "exit" -> {
          System.exit(((Number) event.get("status")).intValue());
          yield "";
        }
        case "large" -> "x".repeat(((Number) event.get("size")).intValue());
        case "fill" -> {
          var all = new java.util.ArrayList<byte[]>();
          while (true) {
            all.add(new byte[10_000_000]);
          }
        }
        default -> throw new IllegalArgumentException("do " + event.get("do"));
      };
    }
  }

  /** Cannot be constructed. */
  public static final class Broken implements RequestHandler<Map<String, Object>, Object> {
    public Broken() {
      throw new IllegalArgumentException("no table name");
    }

    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
      return "";
    }
  }

  /** Ends before it is ready. */
  public static final class Quitter implements RequestHandler<Map<String, Object>, Object> {
    public Quitter() {
      System.exit(7);
    }

    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
      return "";
    }
  }

  /** Leaves a thread behind that would keep the JVM alive. */
  public static final class Lingerer implements RequestHandler<Map<String, Object>, Object> {
    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
      Thread.ofPlatform().daemon(false).start(() -> {
        try {
          Thread.sleep(600_000);
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
      });
      return ProcessHandle.current().pid();
    }
  }

  /** Writes down every message it has handled; refuses those that say "poison", lingers over those that say "slow". */
  public static final class Consumer implements RequestHandler<SQSEvent, SQSBatchResponse> {
    @Override
    public SQSBatchResponse handleRequest(SQSEvent event, Context context) {
      var failures = event.getRecords().stream().filter(message -> !handle(message))
          .map(message -> new SQSBatchResponse.BatchItemFailure(message.getMessageId())).toList();
      return new SQSBatchResponse(failures);
    }

    private static boolean handle(SQSEvent.SQSMessage message) {
      if (message.getBody().contains("slow")) {
        try {
          Thread.sleep(1_000);
        } catch (InterruptedException e) {
          return false;
        }
      }
      if (message.getBody().contains("poison")) {
        return false;
      }
      try {
        Files.writeString(Path.of(System.getenv("OUT"), message.getMessageId()), message.getBody());
        return true;
      } catch (IOException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** A handler named by its method. */
  public static final class Methods {
    public List<String> list(Map<String, Object> event) {
      return List.of("by", "method");
    }
  }
}
