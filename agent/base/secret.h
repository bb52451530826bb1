/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * A secret value: opaque, so that it cannot be handed to %s, and wiped when it
 * is freed.  Zero bytes inside are ordinary.  Also the arena: the one region
 * of memory that the kernel itself cannot read (memfd_secret), for keys and
 * for plaintext that is open for a moment.
 */
struct secret;

/* secret_new(data, len): a copy; secret_data of it is followed by a NUL that
 * secret_len does not count. */
struct secret *secret_new(const void *data, size_t len);
/* secret_from_buf(b): move a buffer's bytes; the buffer is cleared (wiped). */
struct secret *secret_from_buf(struct buf *b);
const uint8_t *secret_data(const struct secret *s);
size_t secret_len(const struct secret *s);
/* Constant time in the bytes; NULL equals nothing. */
int secret_equal(const struct secret *a, const struct secret *b);
void secret_free(struct secret *s);
void secret_cleanup(struct secret **s);
/* wipe(p, len): overwrite, never optimised away. */
void secret_wipe(void *p, size_t len);

#define cleanup_secret __attribute__((cleanup(secret_cleanup)))

/*
 * The arena.  Fixed size, bump allocation, one thread.  MADV_DONTFORK: a child
 * does not have it.
 */
struct arena;

/**
 * arena_open(size, ret, err):
 * Map ${size} bytes (rounded up to pages) of memfd_secret; where the kernel
 * refuses, of anonymous memory with mlock and MADV_DONTDUMP, and
 * arena_degraded() then says why in one phrase (NULL when full protection).
 */
int arena_open(size_t size, struct arena **ret, struct err *err);
const char *arena_degraded(const struct arena *a);
/* arena_alloc(a, n): n bytes, 16-aligned, zeroed; NULL when full. */
void *arena_alloc(struct arena *a, size_t n);
/* arena_mark / arena_release: wipe and give back all since the mark. */
size_t arena_mark(const struct arena *a);
void arena_release(struct arena *a, size_t mark);
size_t arena_left(const struct arena *a);
void arena_close(struct arena *a);

#endif
