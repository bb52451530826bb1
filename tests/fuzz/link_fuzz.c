/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipc/link.h"

/*
 * Frames between core and link.  The first byte is the frame's type; a message
 * that is accepted is written again and must give the same bytes.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same(const struct buf *out, const struct buf *in)
{
	if (!buf_ok(out) || out->len != in->len ||
	    (in->len > 0 && memcmp(out->data, in->data, in->len) != 0))
		abort();
}

#define TRY(msg) do {							\
	struct link_##msg m;						\
	struct buf out = BUF_PLAIN(LINK_FRAME_MAX);			\
	if (link_##msg##_read(&m, f, NULL) == 0) {			\
		link_##msg##_write(&m, &out);				\
		same(&out, &f->body);					\
	}								\
	link_##msg##_clear(&m);						\
	buf_clear(&out);						\
} while (0)

/* Each reader knows its own frames. */
static void
one_frame(const struct frame *f)
{
	TRY(state);
	TRY(node);
	TRY(name);
	TRY(pod);
	TRY(lease);
	TRY(meta);
	TRY(report);
	TRY(reported);
	TRY(event);
	TRY(words);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f;

	if (size == 0)
		return (0);
	frame_init(&f, LINK_FRAME_MAX);
	f.type = data[0];
	buf_add(&f.body, data + 1, size - 1);
	one_frame(&f);
	frame_clear(&f);
	return (0);
}
