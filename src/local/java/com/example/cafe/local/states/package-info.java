/**
 * The Amazon States Language: definitions checked, query languages evaluated, executions interpreted and their history
 * written as Step Functions writes it. Knows no AWS service: what a task does comes in through {@link
 * com.example.cafe.local.states.Tasks}.
 */
@NullMarked
package com.example.cafe.local.states;

import org.jspecify.annotations.NullMarked;
