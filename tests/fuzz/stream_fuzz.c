/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "seal/stream.h"

/*
 * A stream's start and its messages as a peer may send them: byte 0 says
 * whether the start is ours, what the bytes are sealed as, or the bytes.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Just as large as the bytes: a sanitizer sees the end. */
static uint8_t *
exactly(const void *data, size_t size)
{
	uint8_t *p = malloc(size ? size : 1);

	if (!p)
		abort();
	memcpy(p, data, size);
	return (p);
}

static void
messages(struct stream *to, struct stream *from, const uint8_t *data,
    size_t size)
{
	cleanup_buf struct buf box = BUF_PLAIN(1 << 17);
	uint8_t *out = mem_alloc(size + 1), *exact;

	/* A stranger's, then ours, then ours again. */
	exact = exactly(data, size);
	if (stream_open(to, exact, size, out, NULL) == 0)
		abort();
	free(exact);
	if (stream_seal(from, data, size, &box, NULL) == -1)
		abort();
	exact = exactly(box.data, box.len);
	if (stream_open(to, exact, box.len, out, NULL) == -1 ||
	    memcmp(out, data, size) != 0)
		abort();
	if (stream_open(to, exact, box.len, out, NULL) == 0)
		abort();
	free(exact);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf hello = BUF_PLAIN(1 << 17);
	cleanup_buf struct buf small = BUF_PLAIN(8);
	uint8_t pk[BOX_KEY_LEN], sk[BOX_KEY_LEN], none[BOX_KEY_LEN] = { 0 };
	struct stream *to = mem_alloc(sizeof(*to));
	struct stream from;

	if (size == 0 || size > 65536 || seal_init(NULL) == -1) {
		free(to);
		return (0);
	}
	box_keypair(pk, sk);
	if (data[0] & 1) {
		if (stream_begin(&from, pk, &hello, NULL) == -1 ||
		    stream_accept(to, pk, sk, hello.data, hello.len,
		    NULL) == -1)
			abort();
		messages(to, &from, data + 1, size - 1);
		if (stream_seal(&from, data, size, &small, NULL) == 0 ||
		    stream_begin(&from, none, &hello, NULL) == 0)
			abort();
		if (stream_seal(&from, data, SIZE_MAX, &small, NULL) == 0)
			abort();
	} else if (data[0] & 2) {
		/* Sealed as it should be, of any length. */
		if (box_seal(pk, data + 1, size - 1, &hello, NULL) == 0)
			stream_accept(to, pk, sk, hello.data, hello.len,
			    NULL);
	} else if (stream_accept(to, pk, sk, data + 1, size - 1, NULL) == 0)
		abort();
	stream_end(to);
	free(to);
	return (0);
}
