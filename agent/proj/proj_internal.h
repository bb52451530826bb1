/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJ_PROJ_INTERNAL_H
#define PROJ_PROJ_INTERNAL_H

#include "base/buf.h"
#include "fsproj/proto.h"
#include "proj/proj.h"

/* One operation, from the call to its callback. */
enum op_kind { OP_HELLO, OP_WRITE, OP_REMOVE, OP_CLEAN, OP_LIST, OP_BIND,
	OP_STORE };

/* A volume that fsproj has in store for the next one that is new: most are no
 * larger.  They keep these bounds until they grow.  It has as many nameless
 * files as lately were of use, and at most: */
#define STORE_FILES 16
#define STORE_SIZE (256ull << 10)
#define STORE_INODES 128

struct op {
	struct op *next;
	enum op_kind kind;
	uint16_t asked;			/* the frame under way */
	struct proj_target target;
	char *path;			/* owned; NULL: none */
	void *arg;
	proj_done_fn done;
	proj_list_fn listed;
	proj_bind_fn bound;
	/* OP_WRITE */
	proj_fill_fn fill;
	struct proj_file *files;	/* paths owned */
	size_t n;
	size_t named;			/* of them have their names */
	size_t batch;			/* of them are out as descriptors */
	uint64_t size;			/* of the volume */
	uint32_t inodes;
	int stored;			/* it took what was in store */
	struct err failed;		/* of fill, told after ABORT */
	/* OP_STORE */
	uint32_t stock;			/* how many files */
	/* OP_LIST */
	struct proj_found *found;	/* paths owned */
	size_t nfound;
};

/* An answer as it came; the text is borrowed, the descriptors are the
 * receiver's to close. */
struct answer {
	struct fsproj_reply fixed;
	const char *text;		/* fixed.text_len bytes, no NUL */
	int fds[FSPROJ_BATCH];
	size_t nfds;
};

/* proj_wire.c */

/* wire_request(out, op, type, serial): the frame for the step ${type}. */
void proj_wire_request(struct buf *out, const struct op *op, uint16_t type,
    uint32_t serial);
/* proj_wire_answer(data, len, a): 0, or -1 when the frame is no answer of a
 * fsproj. */
int proj_wire_answer(const void *data, size_t len, struct answer *a);
/* proj_wire_failure(a, err): 0 when the status is success, else -1 and why. */
int proj_wire_failure(const struct answer *a, struct err *err);
/* proj_wire_batch(op): how many descriptors to ask for next. */
size_t proj_wire_batch(const struct op *op);

/* proj_path.c */

/* proj_path_projected(path, err): as proj_path_check, and "..nodeseal/…" is
 * fine: the place of our own files in a volume. */
int proj_path_projected(const char *path, struct err *err);

#endif
