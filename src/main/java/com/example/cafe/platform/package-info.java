/** What every feature stands on: the database behind the Data API, HTTP answers, JSON, logs, settings. */
@NullMarked
package com.example.cafe.platform;

import org.jspecify.annotations.NullMarked;
