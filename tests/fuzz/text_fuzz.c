/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"
#include "base/strmap.h"

/*
 * The small readers of base/: durations, times, base64, hex, UTF-8.  The first
 * byte chooses; the rest lies in memory of exactly its size.  What is read
 * prints as something that reads as the same.
 */
#define MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int ok)
{
	if (!ok)
		abort();
}

static void
durations(const char *s)
{
	cleanup_buf struct buf text = BUF_PLAIN(MAX);
	cleanup_err struct err err = ERR_INIT;
	int64_t ms, again;

	if (duration_parse(s, &ms, &err) == -1) {
		require(strncmp(err_msg(&err), "time: ", 6) == 0);
		return;
	}
	duration_print(&text, ms);
	require(duration_parse(buf_str(&text), &again, NULL) == 0);
	require(ms == again);
}

static void
times(const char *s)
{
	cleanup_buf struct buf text = BUF_PLAIN(MAX);
	int64_t ms, again;

	if (time_parse_rfc3339(s, &ms) == -1)
		return;
	time_rfc3339(&text, ms);
	/* Years of five digits print, and do not read. */
	if (time_parse_rfc3339(buf_str(&text), &again) == 0)
		require(again <= ms && ms - again < 1000);
	else
		require(ms < -62167219200000 || ms >= 253402300800000);
}

static void
base64(const char *s, size_t len, enum codec_b64 alphabet)
{
	cleanup_buf struct buf raw = BUF_PLAIN(MAX);
	cleanup_buf struct buf text = BUF_PLAIN(MAX);
	cleanup_buf struct buf again = BUF_PLAIN(MAX);
	size_t bad;

	codec_b64_encode(&text, s, len, alphabet, (int)(len & 1));
	if (codec_b64_decode(&raw, s, len, alphabet, &bad) == -1) {
		require(bad <= len);
		return;
	}
	buf_cut(&text, 0);
	codec_b64_encode(&text, raw.data, raw.len, alphabet, 1);
	require(codec_b64_decode(&again, buf_str(&text), text.len, alphabet,
	    NULL) == 0);
	require(again.len == raw.len && memcmp(buf_str(&again), buf_str(&raw),
	    raw.len) == 0);
}

static void
hex(const char *s, size_t len)
{
	cleanup_buf struct buf raw = BUF_PLAIN(MAX);
	cleanup_buf struct buf text = BUF_PLAIN(MAX);

	if (codec_hex_decode(&raw, s, len) == -1)
		return;
	codec_hex_encode(&text, raw.data, raw.len);
	require(text.len == len && strncasecmp(buf_str(&text), s, len) == 0);
}

static void
runes(const char *s, size_t len)
{
	cleanup_buf struct buf clean = BUF_PLAIN(MAX);
	cleanup_buf struct buf quoted = BUF_PLAIN(MAX);
	size_t left, n;
	uint32_t rune;

	for (left = len; left > 0; left -= n) {
		n = utf8_next(s + len - left, left, &rune);
		require(n >= 1 && n <= 4 && n <= left && rune <= 0x10ffff);
		utf8_add(&clean, rune);
		(void)rune_is_letter(rune);
		(void)rune_is_number(rune);
	}
	require(utf8_valid(buf_str(&clean), clean.len));
	require(!utf8_valid(s, len) || (clean.len == len &&
	    memcmp(buf_str(&clean), s, len) == 0));
	codec_json_string(&quoted, s, len, (int)(len & 1));
	codec_path_escape(&quoted, s, len);
	codec_query_escape(&quoted, s, len);
	require(utf8_valid(buf_str(&quoted), quoted.len));
}

static void
free_text(void *p)
{
	free(p);
}

/* Lines: put, or take away when they begin with a minus. */
static void
map(char *text)
{
	cleanup_strmap struct strmap *m = strmap_new(free_text);
	cleanup_free const char **sorted = NULL;
	const char *line;
	size_t n, i;

	while ((line = strsep(&text, "\n"))) {
		if (*line == '-') {
			require(strmap_has(m, line + 1) ==
			    strmap_del(m, line + 1));
			require(!strmap_get(m, line + 1));
			continue;
		}
		strmap_put(m, line, str_dup(line));
		require(strcmp(strmap_get(m, line), line) == 0);
	}
	sorted = strmap_sorted(m, &n);
	require(n == strmap_len(m));
	for (i = 1; i < n; i++)
		require(strcmp(sorted[i - 1], sorted[i]) < 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, *exact;
	size_t len;

	if (size == 0 || size > 65536)
		return (0);
	len = size - 1;
	text = str_ndup((const char *)data + 1, len);
	exact = malloc(len ? len : 1);
	memcpy(exact, data + 1, len);
	switch (data[0] % 7) {
	case 0:
		durations(text);
		break;
	case 1:
		times(text);
		break;
	case 2:
	case 3:
		base64(exact, len, data[0] % 7 == 2 ? CODEC_B64_STD :
		    CODEC_B64_URL);
		break;
	case 4:
		hex(exact, len);
		break;
	case 5:
		runes(exact, len);
		break;
	default:
		map(text);
	}
	free(exact);
	free(text);
	return (0);
}
