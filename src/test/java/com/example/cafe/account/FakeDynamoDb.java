package com.example.cafe.account;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.dynamodb.model.CancellationReason;
import software.amazon.awssdk.services.dynamodb.model.ConditionalCheckFailedException;
import software.amazon.awssdk.services.dynamodb.model.PutItemRequest;
import software.amazon.awssdk.services.dynamodb.model.PutItemResponse;
import software.amazon.awssdk.services.dynamodb.model.TransactWriteItemsRequest;
import software.amazon.awssdk.services.dynamodb.model.TransactWriteItemsResponse;
import software.amazon.awssdk.services.dynamodb.model.TransactionCanceledException;

/** A table that answers transactions as a test prepares, in their order; what is not prepared succeeds. */
final class FakeDynamoDb implements DynamoDbClient {
  final List<TransactWriteItemsRequest> transactions = new ArrayList<>();
  final List<PutItemRequest> puts = new ArrayList<>();
  boolean putFails;
  private final Deque<Supplier<RuntimeException>> answers = new ArrayDeque<>();

  /** The next transaction is cancelled for these reasons. */
  void cancel(CancellationReason... reasons) {
    answers.add(() -> TransactionCanceledException.builder().cancellationReasons(reasons).message("cancelled").build());
  }

  static CancellationReason reason(String code, @Nullable Map<String, AttributeValue> item) {
    return CancellationReason.builder().code(code).item(item).build();
  }

  static CancellationReason none() {
    return reason("None", null);
  }

  @Override
  public TransactWriteItemsResponse transactWriteItems(TransactWriteItemsRequest request) {
    transactions.add(request);
    var answer = answers.poll();
    if (answer != null) {
      throw answer.get();
    }
    return TransactWriteItemsResponse.builder().build();
  }

  @Override
  public PutItemResponse putItem(PutItemRequest request) {
    puts.add(request);
    if (putFails) {
      throw ConditionalCheckFailedException.builder().message("exists").build();
    }
    return PutItemResponse.builder().build();
  }

  @Override
  public String serviceName() {
    return SERVICE_NAME;
  }

  @Override
  public void close() {}
}
