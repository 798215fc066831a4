package com.example.cafe.order;

import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.services.sns.SnsClient;
import software.amazon.awssdk.services.sns.model.BatchResultErrorEntry;
import software.amazon.awssdk.services.sns.model.PublishBatchRequest;
import software.amazon.awssdk.services.sns.model.PublishBatchRequestEntry;
import software.amazon.awssdk.services.sns.model.PublishBatchResponse;
import software.amazon.awssdk.services.sns.model.PublishBatchResultEntry;
import software.amazon.awssdk.services.sns.model.PublishRequest;
import software.amazon.awssdk.services.sns.model.PublishResponse;

/** A topic that keeps what is published to it. */
public final class FakeSns implements SnsClient {
  public final List<String> published = new CopyOnWriteArrayList<>();
  public final List<PublishRequest> requests = new CopyOnWriteArrayList<>();
  /** How often the relay was told that events may come to wait. */
  public final AtomicInteger announcements = new AtomicInteger();
  /** Ids of batch entries that fail. */
  final Set<String> failing = ConcurrentHashMap.newKeySet();
  /** What publish throws, or null. */
  public @Nullable RuntimeException broken;

  @Override
  public PublishResponse publish(PublishRequest request) {
    if (broken != null) {
      throw broken;
    }
    if (request.messageAttributes().get("type").stringValue().equals("OutboxAnnounced")) {
      announcements.incrementAndGet();
      return PublishResponse.builder().messageId("m").build();
    }
    requests.add(request);
    published.add(request.message());
    return PublishResponse.builder().messageId("m").build();
  }

  @Override
  public PublishBatchResponse publishBatch(PublishBatchRequest request) {
    if (request.publishBatchRequestEntries().size() > 10) {
      throw new AssertionError("SNS takes ten entries at most");
    }
    var bad = request.publishBatchRequestEntries().stream().filter(e -> failing.contains(e.id())).toList();
    var good = request.publishBatchRequestEntries().stream().filter(e -> !failing.contains(e.id())).toList();
    published.addAll(good.stream().map(PublishBatchRequestEntry::message).toList());
    return PublishBatchResponse.builder()
        .successful(good.stream().map(e -> PublishBatchResultEntry.builder().id(e.id()).messageId("m").build()).toList())
        .failed(bad.stream()
            .map(e -> BatchResultErrorEntry.builder().id(e.id()).code("InternalError").message("no").build()).toList())
        .build();
  }

  @Override
  public String serviceName() {
    return SERVICE_NAME;
  }

  @Override
  public void close() {}
}
