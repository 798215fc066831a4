package com.example.cafe.local;

import com.example.cafe.local.Provisioner.Resource;
import com.sun.net.httpserver.HttpServer;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;

/**
 * Measures cold starts plain and with each kind of archive, in rounds that alternate. Not a test: run its main method with
 * the test class path; the arguments are the folder of classes, the handler and the number of rounds.
 */
final class FunctionStarts {
  private FunctionStarts() {}

  public static void main(String[] args) throws Exception {
    var target = Path.of("target").toAbsolutePath();
    var log = new EventLog(new PrintStream(OutputStream.nullOutputStream()));
    for (var kind : AotCache.Kind.values()) {
      var work = target.resolve("starts/" + kind + "/local");
      try (var host = new FunctionHost(settings(work), "http://localhost:4566", Path.of(args[0]),
          target.resolve("runtime.classpath"), log)) {
        var begin = System.nanoTime();
        host.aot.train(kind, Path.of(args[0]));
        System.out.printf("%s: made in %d ms%n", kind, (System.nanoTime() - begin) / 1_000_000);
      }
    }
    var stub = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    stub.createContext("/", exchange -> {
      exchange.getRequestBody().readAllBytes();
      var query = String.valueOf(exchange.getRequestHeaders().getFirst("Content-Type")).contains("urlencoded");
      var answer = (query ? "<Response><Result/></Response>" : "{}").getBytes();
      exchange.sendResponseHeaders(200, answer.length);
      exchange.getResponseBody().write(answer);
      exchange.close();
    });
    stub.start();
    var endpoint = "http://localhost:" + stub.getAddress().getPort();
    var figures = new LinkedHashMap<String, List<Long>>();
    for (var round = 0; round < Integer.parseInt(args[2]); round++) {
      for (var kind : List.of("plain", "SHARED", "AHEAD_OF_TIME")) {
        figures.computeIfAbsent(kind, k -> new ArrayList<>())
            .add(coldCall(target.resolve("starts/" + kind + "/local"), endpoint, args, target, log));
      }
    }
    figures.forEach((name, nanos) -> System.out.printf("%s: median %d ms of %s%n", name,
        nanos.stream().sorted().skip(nanos.size() / 2).findFirst().orElseThrow() / 1_000_000,
        nanos.stream().map(n -> n / 1_000_000).toList()));
    stub.stop(0);
  }

  private static long coldCall(Path work, String endpoint, String[] args, Path target, EventLog log) throws Exception {
    try (var lambda = new Lambda(settings(work), endpoint, Path.of(args[0]), target.resolve("runtime.classpath"),
        new FakeQueues(1_000), log)) {
      var properties = Json.object().put("Handler", args[1]).put("Role", "arn").put("Runtime", "java25").put("MemorySize", 512)
          .put("Timeout", 30);
      lambda.provisioners().get("AWS::Lambda::Function").provision(new Resource("F", "AWS::Lambda::Function", "F", properties));
      var begin = System.nanoTime();
      var answer = lambda.call("Invoke", Json.object().put("FunctionName", "F"), Caller.ADMINISTRATOR);
      var nanos = System.nanoTime() - begin;
      if (answer.has("FunctionError")) {
        throw new IllegalStateException(new String(Base64.getDecoder().decode(answer.path("Payload").asText())) + lambda.logOf("F", 100));
      }
      return nanos;
    }
  }

  private static Settings settings(Path work) {
    return new Settings(Path.of("").toAbsolutePath(), work, 0, 0, "", 0, List.of());
  }
}
