package com.example.cafe.local;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyRequestEvent;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyResponseEvent;
import com.amazonaws.services.lambda.runtime.serialization.PojoSerializer;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.zip.ZipFile;

/**
 * A function for {@link AotCache} to record: it goes through the libraries that functions go through when they start
 * and answer for the first time. It takes what is on the class path by reflection, so that a fork may drop a library.
 */
public final class AotTraining implements RequestHandler<APIGatewayProxyRequestEvent, APIGatewayProxyResponseEvent> {
  private static final Pattern CLIENT = Pattern.compile("software/amazon/awssdk/services/(\\w+)/(\\w+)Client\\.class");
  /** Operations that functions call, if the client has them; else any that reads a list. */
  private static final List<String> OPERATIONS = List.of("executeStatement", "transactWriteItems", "publish", "startExecution",
      "sendEmail", "getSecretValue", "putEvents", "sendMessage");

  @Override
  public APIGatewayProxyResponseEvent handleRequest(APIGatewayProxyRequestEvent event, Context context) {
    attempt(() -> logged(context));
    attempt(() -> {
      var mapper = new ObjectMapper();
      var tree = mapper.createObjectNode().put("a", 1).put("b", "c");
      tree.putArray("d").add(true);
      return mapper.writeValueAsString(mapper.readTree(mapper.writeValueAsBytes(tree)));
    });
    attempt(() -> {
      serialize("com.amazonaws.services.lambda.runtime.events.SQSEvent", """
          {"Records":[{"messageId":"1","body":"b","attributes":{"a":"b"},"messageAttributes":{}}]}""");
      return serialize("com.amazonaws.services.lambda.runtime.events.SQSBatchResponse",
          "{\"batchItemFailures\":[{\"itemIdentifier\":\"1\"}]}");
    });
    for (var client : clients()) {
      attempt(() -> call(client));
    }
    return new APIGatewayProxyResponseEvent().withStatusCode(200).withHeaders(Map.of("Content-Type", "application/json"))
        .withBody("{}");
  }

  private interface Step {
    Object run() throws Exception;
  }

  private static void attempt(Step step) {
    try {
      step.run();
    } catch (Exception | LinkageError e) {
      // One library less in the cache.
      System.err.println("AOT training: " + (e instanceof InvocationTargetException wrapped ? wrapped.getCause() : e));
    }
  }

  private static Object logged(Context context) throws ReflectiveOperationException {
    var factory = Class.forName("org.slf4j.LoggerFactory");
    var logger = factory.getMethod("getLogger", String.class).invoke(null, "training");
    var info = Class.forName("org.slf4j.Logger").getMethod("info", String.class, Object.class);
    info.invoke(logger, "A line with {}", 1);
    Supplier<Object> work = () -> {
      try {
        return info.invoke(logger, "Another with {}", 2) == null;
      } catch (ReflectiveOperationException e) {
        return false;
      }
    };
    return Class.forName("software.amazon.lambda.powertools.logging.PowertoolsLogging")
        .getMethod("withLogging", Context.class, Supplier.class).invoke(null, context, work);
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static Object serialize(String type, String json) throws ReflectiveOperationException {
    var loaded = Class.forName(type);
    PojoSerializer serializer = (PojoSerializer) Class.forName(
        "com.amazonaws.services.lambda.runtime.serialization.events.LambdaEventSerializers")
        .getMethod("serializerFor", Class.class, ClassLoader.class).invoke(null, loaded, loaded.getClassLoader());
    var value = serializer.fromJson(new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)));
    serializer.toJson(value, new ByteArrayOutputStream());
    return value;
  }

  private static List<Class<?>> clients() {
    var clients = new ArrayList<Class<?>>();
    for (var entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      if (!entry.endsWith(".jar") || !Path.of(entry).getParent().toString().contains("awssdk")) {
        continue;
      }
      try (var jar = new ZipFile(entry)) {
        jar.stream().map(file -> CLIENT.matcher(file.getName())).filter(m -> m.matches() && !m.group(2).endsWith("Async") && !m.group(2).startsWith("Default"))
            .forEach(m -> attempt(() -> clients.add(Class.forName(m.group().replace(".class", "").replace('/', '.')))));
      } catch (IOException e) {
        System.err.println("AOT training: " + e);
      }
    }
    return clients;
  }

  private static Object call(Class<?> type) throws ReflectiveOperationException {
    var client = type.getMethod("create").invoke(null);
    var operation = Arrays.stream(type.getMethods())
        .filter(method -> method.getParameterCount() == 1 && method.getParameterTypes()[0].getSimpleName().endsWith("Request"))
        .filter(method -> OPERATIONS.contains(method.getName()) || method.getName().startsWith("list"))
        .min(Comparator.comparing((Method method) -> !OPERATIONS.contains(method.getName())).thenComparing(Method::getName))
        .orElseThrow(() -> new NoSuchMethodException("an operation of " + type));
    var builder = operation.getParameterTypes()[0].getMethod("builder").invoke(null);
    var request = Class.forName("software.amazon.awssdk.utils.builder.SdkBuilder").getMethod("build").invoke(builder);
    return operation.invoke(client, request);
  }
}
