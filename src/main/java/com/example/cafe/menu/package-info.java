/** The menu and what can be ordered of it. */
@NullMarked
package com.example.cafe.menu;

import org.jspecify.annotations.NullMarked;
