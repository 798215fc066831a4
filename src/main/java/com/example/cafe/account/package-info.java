/** The ledger: what customers owe, and how much they may. */
@NullMarked
package com.example.cafe.account;

import org.jspecify.annotations.NullMarked;
