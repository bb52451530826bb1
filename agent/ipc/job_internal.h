/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPC_JOB_INTERNAL_H
#define IPC_JOB_INTERNAL_H

#include "ipc/job.h"

/* What the codecs of ipc/job.h share. */

/* Ceilings of what one text may be; longer is a frame that nobody of us
 * sent. */
#define NAME_MAX_LEN 4096		/* names, kinds, delimiters, hosts */
#define TEXT_MAX_LEN (256u << 10)	/* messages; ESO's quote templates */
#define BODIES_MAX 65536

/* job_begin: the fields of a frame of that type; INVALID for another. */
int job_begin(struct wire *w, const struct frame *f, enum job_frame type,
    struct err *err);
/* Each marks ${w} as bad when the field is not what it may be.  Texts and
 * copies are the caller's. */
char *job_get_text(struct wire *w, size_t max);
uint8_t *job_get_copy(struct wire *w, size_t max, size_t *ret_len);
void job_get_key(struct wire *w, uint8_t key[static JOB_KEY_LEN]);
/* A count is believed when its elements, ${least} bytes each, can be there. */
size_t job_get_count(struct wire *w, size_t max, size_t least);
/* An u32 from 1 to ${max}, of an enum. */
uint32_t job_get_word(struct wire *w, uint32_t max);
/* A text of ours that grew too long is cut, between runes: better than a frame
 * that the other side refuses. */
void job_put_text(struct buf *out, const char *s, size_t max);

#endif
