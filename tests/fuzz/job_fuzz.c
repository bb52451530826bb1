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
	case JOB_RESOLVE:
		TRY(resolve, job_resolve_clear(&m));
		break;
	case JOB_RESOLVED:
		TRY(resolved, job_resolved_clear(&m));
		break;
	case JOB_APPLIED:
		TRY(applied, job_applied_clear(&m));
		break;
	default:
		break;
	}
	buf_clear(&out);
}

/* What travels sealed is no frame of its own. */
#define OPENED(msg) do {						\
	struct job_##msg m;						\
	if (job_##msg##_read(&m, data, size, NULL) == 0) {		\
		job_##msg##_write(&m, &out);				\
		same(&out, data, size);					\
		job_##msg##_clear(&m);					\
	}								\
} while (0)

static void
opened(int type, const uint8_t *data, size_t size)
{
	struct buf out = BUF_SECRET(JOB_FRAME_MAX);

	if (type == JOB_FETCH)
		OPENED(fetch);
	else
		OPENED(apply);
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
	if (data[0] == JOB_FETCH || data[0] == JOB_APPLY) {
		opened(data[0], own, size - 1);
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
