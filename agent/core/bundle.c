/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/bundle.h"
#include "core/core.h"
#include "core/state.h"

/*
 * One import: the worker reads the file and verifies the signature, which needs
 * no secret and may take long; then, on the loop, it is opened and applied from
 * the very bytes that were verified.
 */
struct bundle_import {
	struct bundle_import *next;
	struct bundles *b;		/* NULL: nobody waits any more */
	int fd;
	int again;
	bundle_done_fn done;
	void *arg;
	/* The worker's. */
	struct buf data;
	struct bundle bundle;
	uint8_t *keys;			/* of whom to believe, back to back */
	size_t nkeys;
	struct err err;
};

/* --- issuers ------------------------------------------------------------ */

struct bundle_issuer *
bundle_issuer_get(const struct bundles *b,
    const uint8_t id[static BUNDLE_ID_LEN])
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (memcmp(b->v[i]->id, id, BUNDLE_ID_LEN) == 0)
			return (b->v[i]);
	return (NULL);
}

struct bundle_issuer *
bundle_issuer_put(struct bundles *b, const uint8_t id[static BUNDLE_ID_LEN])
{
	struct bundle_issuer *i = bundle_issuer_get(b, id);

	if (i)
		return (i);
	i = mem_alloc(sizeof(*i));
	memcpy(i->id, id, BUNDLE_ID_LEN);
	bundle_hex(i->id, i->hex);
	memcpy(i->origin, BUNDLE_ORIGIN, sizeof(BUNDLE_ORIGIN));
	memcpy(i->origin + strlen(BUNDLE_ORIGIN), i->hex, BUNDLE_HEX_LEN);
	b->v = mem_grow(b->v, b->n + 1, sizeof(struct bundle_issuer *));
	b->v[b->n++] = i;
	return (i);
}

void
bundles_pin(struct bundles *b, const char *name, int fd)
{
	cleanup_buf struct buf text = BUF_PLAIN(BUNDLE_KEY_FILE_MAX);
	cleanup_err struct err err = ERR_INIT;
	cleanup_close int file = fd;
	uint8_t key[BUNDLE_KEY_LEN], id[BUNDLE_ID_LEN];
	struct bundle_issuer *i;

	if (file == -1)
		err_set(&err, ERR_DENIED, "it cannot be opened");
	else if (file_read_fd(file, &text, &err) == 0)
		bundle_issuer_parse(buf_str(&text), text.len, 0, key, &err);
	if (err.kind) {
		cleanup_free char *line = str_fmt("--issuer-key: %s: %s",
		    name, err_msg(&err));

		log_error("%s", line);
		core_degraded(line);
		return;
	}
	bundle_key_id(key, id);
	i = bundle_issuer_put(b, id);
	memcpy(i->key, key, sizeof(key));
	i->known = i->pinned = 1;
}

static void
tomb_free(void *p)
{
	struct bundle_tomb *t = p;

	free(t->ns);
	free(t->name);
	free(t);
}

struct bundles *
bundles_new(struct core *c)
{
	struct bundles *b = mem_alloc(sizeof(*b));

	b->core = c;
	b->tombs = strmap_new(tomb_free);
	return (b);
}

void
bundles_start(struct bundles *b)
{
	const struct state *s = b->core->state;

	if (!b->inbox && s && s->place.dir != -1)
		b->inbox = bundle_inbox_new(b, s->place.dir);
	if (!b->folder && b->core->cfg->bundles)
		b->folder = bundle_folder_new(b, b->core->cfg->bundles);
}

void
bundles_free(struct bundles *b)
{
	struct bundle_import *i;

	if (!b)
		return;
	bundle_server_free(b->server);
	bundle_folder_free(b->folder);
	bundle_folder_free(b->inbox);
	/* Those that the worker has end there; nobody hears of it. */
	for (i = b->queue; i; i = i->next)
		i->done = NULL;
	loop_work_wait(b->core->loop);
	while (b->n) {
		bundle_objects_clear(b->v[--b->n]);
		free(b->v[b->n]);
	}
	free(b->v);
	strmap_free(b->tombs);
	free(b);
}

int64_t
bundle_ends(const struct core *c, const struct item *item)
{
	int64_t ahead = state_clock(c) - schedule_now(c->schedule);

#ifdef WEAKEN_BUNDLE_EXPIRY
	(void)ahead;
	return (INT64_MAX);
#endif
	return (item->issuer ? item->issuer->not_after - ahead : INT64_MAX);
}

/* --- one import --------------------------------------------------------- */

static void import_begin(struct bundle_import *i);

static void
import_free(struct bundle_import *i)
{
	bundle_clear(&i->bundle);
	buf_clear(&i->data);
	mem_cleanup_close(&i->fd);
	err_clear(&i->err);
	free(i->keys);
	free(i);
}

/* In the worker: no secret, no part of the core. */
static void
import_work(void *arg)
{
	struct bundle_import *i = arg;
	uint8_t id[BUNDLE_ID_LEN];
	char hex[BUNDLE_HEX_LEN];
	size_t k;

	if (file_read_fd(i->fd, &i->data, &i->err) == -1 || bundle_read(
	    &i->bundle, buf_str(&i->data), i->data.len, &i->err) == -1)
		return;
	for (k = 0; k < i->nkeys; k++) {
		bundle_key_id(i->keys + k * BUNDLE_KEY_LEN, id);
		if (memcmp(id, i->bundle.head.issuer, BUNDLE_ID_LEN) != 0)
			continue;
		bundle_verify(&i->bundle, i->keys + k * BUNDLE_KEY_LEN,
		    &i->err);
		return;
	}
	bundle_hex(i->bundle.head.issuer, hex);
	err_set(&i->err, ERR_DENIED, "issuer: %s is none that this node "
	    "trusts (--issuer-key)", hex);
}

static int
is_revoked(const struct bundles *b, const struct bundle_head *h,
    struct err *err)
{
	char hex[BUNDLE_HEX_LEN];

	bundle_hex(h->id, hex);
	cleanup_free char *key = str_fmt("/%s", hex);

	if (!strmap_has(b->tombs, key))
		return (0);
	err_set(err, ERR_DENIED, "bundle: %s was revoked", hex);
	return (1);
}

/* 1: it is here, and need not be applied. */
static int
check(struct bundle_import *i, struct bundle_issuer *from, struct err *err)
{
	struct bundle_known known = { .sequence = from->sequence,
		.revoked = from->revoked };
	const struct bundle_head *h = &i->bundle.head;
	int same = from->sequence &&
	    memcmp(h->id, from->last, BUNDLE_ID_LEN) == 0;

	memcpy(known.last, from->last, BUNDLE_ID_LEN);
	if (is_revoked(i->b, h, err))
		return (-1);
	if (same && i->again) {
		/* What policy keeps out of the sealed file comes back so. */
		if (from->fresh || h->mode == BUNDLE_DELTA)
			return (1);
		known.sequence = 0;
	}
	state_not_before(i->b->core, h->issued_at);
	return (bundle_check(h, &known, state_clock(i->b->core), err));
}

static int
apply(struct bundle_import *i, char **ret_text, struct err *err)
{
	struct bundle_issuer *from = bundle_issuer_get(i->b,
	    i->bundle.head.issuer);
	int rc;

	if (i->err.kind)
		return (err_move(err, &i->err));
	if (!from)
		return (err_set(err, ERR_DENIED, "issuer: it is gone"));
	rc = check(i, from, err);
	if (rc == 1)
		*ret_text = str_fmt("bundle %s was imported already",
		    from->last_hex);
	return (rc ? rc : bundle_apply(i->b, &i->bundle, from, ret_text,
	    err));
}

static void
import_done(void *arg)
{
	struct bundle_import *i = arg;
	struct bundles *b = i->b;
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *text = NULL;
	int rc = 0;

	b->queue = i->next;
	if (i->done)
		rc = apply(i, &text, &err);
	if (i->done)
		i->done(i->arg, text, rc == -1 ? &err : NULL);
	import_free(i);
	if (b->queue)
		import_begin(b->queue);
}

static void
import_begin(struct bundle_import *i)
{
	struct bundles *b = i->b;
	size_t k;

	i->keys = mem_array(b->n, BUNDLE_KEY_LEN);
	for (k = 0; k < b->n; k++)
		if (b->v[k]->known)
			memcpy(i->keys + i->nkeys++ * BUNDLE_KEY_LEN,
			    b->v[k]->key, BUNDLE_KEY_LEN);
	if (i->done && loop_work(b->core->loop, import_work, import_done, i,
	    &i->err) == 0)
		return;
	import_done(i);
}

struct bundle_import *
bundle_import(struct bundles *b, int fd, int again, bundle_done_fn done,
    void *arg)
{
	struct bundle_import *i = mem_alloc(sizeof(*i)), **end = &b->queue;

	i->b = b;
	i->fd = fd;
	i->again = again;
	i->done = done;
	i->arg = arg;
	i->data = (struct buf)BUF_PLAIN(BUNDLE_MAX);
	while (*end)
		end = &(*end)->next;
	*end = i;
	if (b->queue == i)
		import_begin(i);
	return (i);
}

void
bundle_import_cancel(struct bundle_import *i)
{
	i->done = NULL;
}
