/** Tells customers how their orders ended. */
@NullMarked
package com.example.cafe.notify;

import org.jspecify.annotations.NullMarked;
