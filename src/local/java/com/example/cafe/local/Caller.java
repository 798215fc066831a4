package com.example.cafe.local;

/** Who makes a call. @param arn the ARN of the user or of the role that the caller acts with */
record Caller(String arn) {

  /** The developer at the command line, and the local cloud itself: the account's administrator. */
  static final Caller ADMINISTRATOR = new Caller("arn:aws:iam::" + Settings.ACCOUNT + ":user/administrator");
}
