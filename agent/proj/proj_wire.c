/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "proj/proj_internal.h"

size_t
proj_wire_batch(const struct op *op)
{
	size_t left = op->n - op->named;

	return (left < FSPROJ_BATCH ? left : FSPROJ_BATCH);
}

static void
fill_begin(struct fsproj_request *q, const struct op *op)
{
	q->dir_mode = op->target.dir_mode;
	q->gid = op->target.gid;
	q->files = (uint32_t)op->n;
	q->next = (uint32_t)proj_wire_batch(op);
	if (op->target.place == PROJ_VOLUME) {
		q->size = op->size;
		q->inodes = op->inodes;
	}
}

static void
fill_store(struct fsproj_request *q, const struct op *op)
{
	q->dir_mode = 0755;
	q->size = STORE_SIZE;
	q->inodes = STORE_INODES;
	q->files = q->next = op->stock;
}

static void
add_entries(struct buf *out, const struct op *op)
{
	size_t first = op->named - op->batch, i;

	for (i = first; i < op->named; i++) {
		const struct proj_file *f = &op->files[i];
		struct fsproj_entry e = {
			.mode = f->mode, .uid = f->uid, .gid = f->gid,
			.path_len = (uint32_t)strlen(f->path)
		};

		buf_add(out, &e, sizeof(e));
	}
}

static void
add_names(struct buf *out, const struct op *op)
{
	size_t i;

	for (i = op->named - op->batch; i < op->named; i++)
		buf_add(out, op->files[i].path, strlen(op->files[i].path) + 1);
}

void
proj_wire_request(struct buf *out, const struct op *op, uint16_t type,
    uint32_t serial)
{
	struct fsproj_request q = {
		.head = { .magic = FSPROJ_MAGIC, .version = FSPROJ_VERSION,
		    .type = type, .serial = serial }
	};
	int path = type != FSPROJ_FILES && type != FSPROJ_COMMIT &&
	    type != FSPROJ_ABORT && op->path;

	buf_cut(out, 0);
	if (path) {
		q.path_len = (uint32_t)strlen(op->path);
		if (type != FSPROJ_BIND && type != FSPROJ_PLACE)
			q.place = op->target.place == PROJ_VOLUME ?
			    FSPROJ_VOLUME : FSPROJ_HOST;
	}
	if (type == FSPROJ_BEGIN)
		fill_begin(&q, op);
	else if (type == FSPROJ_FILES || type == FSPROJ_COMMIT)
		q.count = (uint32_t)op->batch;
	if (type == FSPROJ_STORE)
		fill_store(&q, op);
	if (type == FSPROJ_FILES)
		q.next = (uint32_t)proj_wire_batch(op);
	buf_add(out, &q, sizeof(q));
	if (q.count)
		add_entries(out, op);
	if (path)
		buf_add(out, op->path, strlen(op->path) + 1);
	if (q.count)
		add_names(out, op);
	/* The length last: it is in the head, and the head is in place. */
	q.head.len = (uint32_t)out->len;
	memcpy(out->data, &q, sizeof(q));
}

int
proj_wire_answer(const void *data, size_t len, struct answer *a)
{
	if (len < sizeof(a->fixed))
		return (-1);
	memcpy(&a->fixed, data, sizeof(a->fixed));
	a->text = (const char *)data + sizeof(a->fixed);
	if (a->fixed.head.magic != FSPROJ_MAGIC ||
	    a->fixed.head.version != FSPROJ_VERSION ||
	    a->fixed.head.len != len || a->fixed.fds != a->nfds ||
#ifndef WEAKEN_PROJ_BOUNDS
	    a->fixed.text_len != len - sizeof(a->fixed) ||
#endif
	    memchr(a->text, '\0', a->fixed.text_len))
		return (-1);
	return (0);
}

int
proj_wire_failure(const struct answer *a, struct err *err)
{
	static const enum err_kind kinds[] = {
		[FSPROJ_OK] = ERR_NONE,
		[FSPROJ_INVALID] = ERR_INVALID,
		[FSPROJ_NOTFOUND] = ERR_NOTFOUND,
		[FSPROJ_DENIED] = ERR_DENIED,
		[FSPROJ_TRANSIENT] = ERR_TRANSIENT,
		[FSPROJ_LIMIT] = ERR_LIMIT,
		[FSPROJ_INTERNAL] = ERR_INTERNAL,
	};
	uint32_t status = a->fixed.status;

	if (status == FSPROJ_OK)
		return (0);
	err_set(err, status < ARRAY_LEN(kinds) ? kinds[status] : ERR_INTERNAL,
	    "%.*s", (int)a->fixed.text_len, a->text);
	if (err)
		err->sys = (int)a->fixed.sys;
	return (-1);
}
