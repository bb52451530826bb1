/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/mem_internal.h"

#define LINE_MAX_BYTES 4096	/* one line, its line feed included */

static const char *const level_names[] = { "error", "warn", "info", "debug" };

static struct {
	const char *process;
	enum log_level level;
	enum log_format format;
} config = { "nodeseal", LOG_LEVEL_INFO, LOG_TEXT };

void
log_init(const char *process, enum log_level level, enum log_format format)
{
	config.process = process;
	config.level = level;
	config.format = format;
}

int
log_parse_level(const char *s, enum log_level *ret)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(level_names); i++)
		if (str_eq(s, level_names[i])) {
			*ret = (enum log_level)i;
			return (0);
		}
	return (-1);
}

int
log_parse_format(const char *s, enum log_format *ret)
{
	if (!str_eq(s, "text") && !str_eq(s, "json"))
		return (-1);
	*ret = str_eq(s, "json") ? LOG_JSON : LOG_TEXT;
	return (0);
}

int
log_on(enum log_level level)
{
	return (level <= config.level);
}

/* Names in a message come from tenants: no control character may reach a
 * terminal, no line feed may forge a second line. */
static void
add_escaped(struct buf *out, const char *s, size_t max)
{
	size_t len = strlen(s), n;
	uint32_t rune;

#ifdef WEAKEN_LOG_ESCAPE
	buf_adds(out, s);
	len = 0;
#endif
	for (; len > 0; s += n, len -= n) {
		n = utf8_next(s, len, &rune);
		if (out->len + 12 > max) {
			buf_adds(out, "...");
			return;
		}
		if (n == 1 && rune == 0xfffd)
			buf_addf(out, "\\x%02x", (unsigned char)*s);
		else if (rune == '\n')
			buf_adds(out, "\\n");
		else if (rune < 0x20 || rune == 0x7f)
			buf_addf(out, "\\x%02x", rune);
		else if ((rune >= 0x80 && rune < 0xa0) ||
		    (rune >= 0x200b && rune <= 0x200f) ||
		    (rune >= 0x2028 && rune <= 0x202e) ||
		    (rune >= 0x2066 && rune <= 0x2069))
			buf_addf(out, "\\u%04x", rune);
		else
			buf_add(out, s, n);
	}
}

static void
line_text(struct buf *line, enum log_level level, const char *msg)
{
	time_rfc3339(line, clock_system()->wall_ms(clock_system()));
	buf_addf(line, " %-5s %s: ", level_names[level], config.process);
	add_escaped(line, msg, LINE_MAX_BYTES - 8);
	buf_addc(line, '\n');
}

static void
line_json(struct buf *line, enum log_level level, const char *msg)
{
	cleanup_buf struct buf quoted = BUF_PLAIN(8 * LINE_MAX_BYTES);
	size_t len = strlen(msg), room = LINE_MAX_BYTES - 256;

	/* An escape takes six bytes for one at the most; cut until it fits. */
	codec_json_string(&quoted, msg, len < room ? len : room, 0);
	while (quoted.len > room) {
		size_t cut = (len < room ? len : room);

		len = cut - (cut > 256 ? cut / 8 : 1);
		buf_clear(&quoted);
		codec_json_string(&quoted, msg, len, 0);
	}
	buf_adds(line, "{\"time\":\"");
	time_rfc3339(line, clock_system()->wall_ms(clock_system()));
	buf_addf(line, "\",\"level\":\"%s\",\"process\":\"%s\",\"msg\":%s}\n",
	    level_names[level], config.process, buf_str(&quoted));
}

void
log_write(enum log_level level, const char *fmt, ...)
{
	cleanup_buf struct buf line = BUF_PLAIN(2 * LINE_MAX_BYTES);
	cleanup_free char *msg = NULL;
	int saved = errno;
	va_list ap;

	if (!log_on(level))
		return;
	va_start(ap, fmt);
	msg = mem_vfmt(fmt, ap);
	va_end(ap);
	if (config.format == LOG_JSON)
		line_json(&line, level, msg);
	else
		line_text(&line, level, msg);
	/* One write a line, so that lines of several processes do not mix;
	 * a log that cannot be written is nobody's failure. */
	while (write(STDERR_FILENO, line.data, line.len) == -1 &&
	    errno == EINTR)
		continue;
	errno = saved;
}
