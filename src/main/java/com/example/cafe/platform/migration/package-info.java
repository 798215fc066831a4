/** Brings the schema up to date when the stack is deployed. */
@NullMarked
package com.example.cafe.platform.migration;

import org.jspecify.annotations.NullMarked;
