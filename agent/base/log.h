/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

/*
 * Lines on stderr, text or JSON, one write(2) a line, at most 4 KiB each,
 * control characters escaped.  What is logged is names and reasons, never a
 * value: struct secret cannot be formatted.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

/* log_init(process, level, format): process is "core", "job", …; borrowed. */
void log_init(const char *process, enum log_level level,
    enum log_format format);
int log_parse_level(const char *s, enum log_level *ret);	/* 0, -1 */
int log_parse_format(const char *s, enum log_format *ret);
int log_on(enum log_level level);
void log_write(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)							\
	do {								\
		if (log_on(LOG_LEVEL_DEBUG))				\
			log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);	\
	} while (0)

#endif
