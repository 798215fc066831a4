/**
 * The local cloud: runs template.yaml on a laptop. A service a file, each complete for what the template uses;
 * everything else is refused by name. Never shipped.
 */
@NullMarked
package com.example.cafe.local;

import org.jspecify.annotations.NullMarked;
