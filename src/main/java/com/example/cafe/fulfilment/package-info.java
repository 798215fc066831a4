/** The steps of the state machine that moves stock and closes orders. */
@NullMarked
package com.example.cafe.fulfilment;

import org.jspecify.annotations.NullMarked;
