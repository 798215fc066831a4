package com.example.cafe.platform;

import java.util.ArrayList;
import java.util.List;
import org.crac.Core;
import org.crac.Resource;

/** What a function does once before SnapStart freezes it, so that no request pays for it. */
public final class Snapshot {
  // The runtime holds resources weakly.
  private static final List<Resource> KEPT = new ArrayList<>();

  private Snapshot() {}

  /** Runs this before the snapshot; never, where none will be taken. */
  public static void prime(Runnable... work) {
    if (!"snap-start".equals(System.getenv("AWS_LAMBDA_INITIALIZATION_TYPE"))) {
      return;
    }
    var resource = new Resource() {
      @Override
      public void beforeCheckpoint(org.crac.Context<? extends Resource> context) {
        List.of(work).forEach(Runnable::run);
      }

      @Override
      public void afterRestore(org.crac.Context<? extends Resource> context) {}
    };
    KEPT.add(resource);
    Core.getGlobalContext().register(resource);
  }
}
