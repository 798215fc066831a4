/** Orders: placed, listed, moved on, and the events that tell of it. */
@NullMarked
package com.example.cafe.order;

import org.jspecify.annotations.NullMarked;
