/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * A growing byte buffer with a ceiling.  Appending beyond the ceiling marks
 * the buffer as failed and appends nothing more, so a row of appends needs one
 * check at its end (buf_ok or buf_finish).  data is always NUL-terminated (the
 * NUL is not counted) once anything was appended; before that data is NULL.
 * A buffer made with BUF_SECRET grows by copy and wipe and is wiped when
 * cleared: use it for whatever holds a secret value.
 */
struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max;		/* ceiling for len, in bytes */
	uint8_t secret;
	uint8_t failed;
};

#define BUF_PLAIN(ceiling) { 0, 0, 0, (ceiling), 0, 0 }
#define BUF_SECRET(ceiling) { 0, 0, 0, (ceiling), 1, 0 }

void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
/* Never with a secret value as an argument: printf leaves copies. */
void buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* buf_space(b, n): room for n more bytes at data + len (uncounted), or NULL. */
char *buf_space(struct buf *b, size_t n);
/* buf_cut(b, len): shorten to len; a secret tail is wiped. */
void buf_cut(struct buf *b, size_t len);
int buf_ok(const struct buf *b);
/* buf_finish(b, what, err): 0, or -1 and LIMIT "WHAT is larger than N bytes" */
int buf_finish(const struct buf *b, const char *what, struct err *err);
/* buf_str(b): the text, never NULL. */
const char *buf_str(const struct buf *b);
/* buf_take(b): the malloc'd, NUL-terminated text, the buffer is empty again.
 * Only for plain buffers. */
char *buf_take(struct buf *b);
/* buf_clear(b): free (wipe first when secret); len 0, not failed, same max. */
void buf_clear(struct buf *b);

#define cleanup_buf __attribute__((cleanup(buf_clear)))

#endif
