package com.example.cafe.platform;

import java.security.SecureRandom;
import java.time.Clock;
import java.time.Instant;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;

/** Ids that sort by the time they were made: UUID version 7, RFC 9562. */
public final class Ids {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final Pattern UUID_TEXT = Pattern.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");

  private Ids() {}

  public static UUID next(Clock clock) {
    var high = (clock.millis() << 16) | 0x7000 | (RANDOM.nextLong() & 0x0fff);
    var low = (RANDOM.nextLong() & 0x3fff_ffff_ffff_ffffL) | 0x8000_0000_0000_0000L;
    return new UUID(high, low);
  }

  /** When {@link #next} made this id. */
  public static Instant time(UUID id) {
    return Instant.ofEpochMilli(id.getMostSignificantBits() >>> 16);
  }

  /** The id that a text spells, or nothing: {@link UUID#fromString} takes "1-1-1-1-1". */
  public static Optional<UUID> parse(String text) {
    return UUID_TEXT.matcher(text).matches() ? Optional.of(UUID.fromString(text)) : Optional.empty();
  }
}
