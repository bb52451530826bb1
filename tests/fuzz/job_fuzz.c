/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipc/job.h"

/*
 * Frames from a job.  The first byte is the frame's type; a message that is
 * accepted is written again and must give the same bytes.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same(const struct buf *out, const uint8_t *data, size_t size)
{
	if (!buf_ok(out) || out->len != size ||
	    (size > 0 && memcmp(out->data, data, size) != 0))
		abort();
}

#define TRY(msg, done) do {						\
	struct job_##msg m;						\
	if (job_##msg##_read(&m, f, NULL) == 0) {			\
		job_##msg##_write(&m, &out);				\
		same(&out, (const uint8_t *)f->body.data, f->body.len);	\
		done;							\
	}								\
} while (0)

static void
one_frame(const struct frame *f)
{
	struct buf out = BUF_SECRET(JOB_FRAME_MAX);

	switch (f->type) {
	case ZYGOTE_FORK:
		TRY(fork, );
		break;
	case ZYGOTE_EXIT:
		TRY(exit, );
		break;
	case JOB_READ:
		TRY(read, job_read_clear(&m));
		break;
	case JOB_OBJECT:
		TRY(object, job_object_clear(&m));
		break;
	case JOB_FINDING:
		TRY(finding, job_finding_clear(&m));
		break;
	case JOB_ITEM:
		TRY(item, job_item_clear(&m));
		break;
	case JOB_DONE:
		TRY(done, job_done_clear(&m));
		break;
	default:
		break;
	}
	buf_clear(&out);
}

static void
fetch(const uint8_t *data, size_t size)
{
	struct buf out = BUF_SECRET(JOB_FRAME_MAX);
	struct job_fetch m;

	if (job_fetch_read(&m, data, size, NULL) == 0) {
		job_fetch_write(&m, &out);
		same(&out, data, size);
		job_fetch_clear(&m);
	}
	buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f;
	uint8_t *own;

	if (size == 0)
		return (0);
	own = malloc(size);
	memcpy(own, data + 1, size - 1);
	if (data[0] == JOB_FETCH) {
		fetch(own, size - 1);
	} else {
		frame_init(&f, JOB_FRAME_MAX);
		f.type = data[0];
		buf_add(&f.body, own, size - 1);
		one_frame(&f);
		frame_clear(&f);
	}
	free(own);
	return (0);
}
