/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_OUTPUT_H
#define JOB_OUTPUT_H

#include "base/buf.h"
#include "base/err.h"
#include "job/pipeline.h"
#include "job/words.h"

/*
 * What `render` prints: through a wiped buffer straight to the descriptor, as
 * stdio would keep copies of the values.
 */
struct output_stream {
	int fd;
	enum output form;
	size_t n;		/* objects so far */
	struct buf buf;		/* secret */
	int failed;
	struct err err;
};

void output_begin(struct output_stream *o, int fd, enum output form);
void output_result(struct output_stream *o, const char *ns, const char *name,
    const struct pipeline_result *r);
/* output_end: -1 when something could not be written. */
int output_end(struct output_stream *o, struct err *err);

#endif
