/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "seal/file.h"
#include "seal/key_table.h"

/* The TPM's handles for its owner's NV indices (TCG "Registry of Reserved TPM
 * 2.0 Handles and Localities" 2.2): one of them for this node. */
#define NV_FIRST 0x01800000u
#define NV_MASK 0x003fffffu

int
key_table_lock(int dir, struct err *err)
{
	if (flock(dir, LOCK_EX | LOCK_NB) == 0)
		return (0);
	if (errno == EWOULDBLOCK)
		return (err_set(err, ERR_TRANSIENT, "the state directory is "
		    "in use by an agent, or by another nodeseal key"));
	return (err_sys(err, "lock of the state directory"));
}

int
key_table_load(struct key_table *t, int *ret_new, struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(SLOTS_FILE_MAX);
	cleanup_close int fd = openat(t->dir, SLOTS_FILE, O_RDONLY |
	    O_CLOEXEC | O_NOFOLLOW);

	*ret_new = fd == -1 && errno == ENOENT;
	if (*ret_new)
		return (0);
	if (fd == -1)
		return (err_sys(err, SLOTS_FILE));
	if (file_read_fd(fd, &b, err) == -1)
		return (err_wrap(err, SLOTS_FILE));
	return (key_slots_read(&t->slots, b.data, b.len, err));
}

static int
save_under(struct key_table *t, const uint8_t *root, struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(SLOTS_FILE_MAX);

	if (key_slots_write(&t->slots, root, &b, err) == -1)
		return (-1);
	return (seal_file_replace(t->dir, SLOTS_FILE, b.data, b.len, err));
}

int
key_table_save(struct key_table *t, struct err *err)
{
	return (save_under(t, t->root, err));
}

void
key_table_clear(struct key_table *t)
{
	key_slots_clear(&t->slots);
	key_counter_clear(&t->counter);
	free(STEAL(t->passed));
}

/* --- opening --------------------------------------------------------- */

const struct key_slot *
key_table_has(const struct key_table *t, const struct key_source *s)
{
	size_t i;

	for (i = 0; i < t->slots.n; i++)
		if (t->slots.v[i].type == s->type &&
		    str_eq(t->slots.v[i].label, s->arg))
			return (&t->slots.v[i]);
	return (NULL);
}

static int
slot_open(struct key_table *t, const struct key_way *w, struct key_slot *slot,
    struct err *err)
{
	int rc = key_source_material(&w->source, w->fd, slot, &t->counter,
	    t->material, err);

	if (rc == 0)
		rc = key_slots_open(&t->slots, slot, t->material, t->root,
		    err);
	secret_wipe(t->material, SLOTS_ROOT_LEN);
	if (rc == 0) {
		t->opened = slot->id;
		t->source = slot->type;
	}
	return (rc);
}

/* The source's own slot; where it has none (it was moved), any of its kind. */
static int
way_open(struct key_table *t, const struct key_way *w, struct err *err)
{
	const struct key_slot *own = key_table_has(t, &w->source);
	size_t i;

	err_set(err, ERR_DENIED, "no key slot is for %s",
	    slot_type_name(w->source.type));
	for (i = 0; i < t->slots.n; i++) {
		struct key_slot *v = &t->slots.v[i];

		if (v->type != w->source.type || (own && v != own))
			continue;
		err_clear(err);
		if (slot_open(t, w, v, err) == 0)
			return (0);
	}
	return (-1);
}

static void
passed_by(struct key_table *t, const char *why)
{
	char *all = str_fmt("%s%s%s", str_or(t->passed, ""), t->passed ?
	    "; " : "", why);

	free(t->passed);
	t->passed = all;
}

int
key_table_open(struct key_table *t, const struct key_way *ways, size_t n,
    struct err *err)
{
	size_t i;

	for (i = 0; i < n; i++) {
		cleanup_err struct err why = ERR_INIT;

		if (way_open(t, &ways[i], &why) == 0)
			return (0);
		if (why.kind == ERR_TAMPER || i + 1 == n)
			return (err_move(err, &why));
		passed_by(t, err_msg(&why));
	}
	return (err_set(err, ERR_DENIED, "none of --key-source could be "
	    "opened"));
}

/* --- changing -------------------------------------------------------- */

void
key_table_new(struct key_table *t)
{
	key_slots_make(&t->slots, t->root);
}

static uint32_t
index_of(const struct key_slots *s)
{
	uint32_t v;

	memcpy(&v, s->node, sizeof(v));
	return (NV_FIRST | (v & NV_MASK));
}

/* Under ${root}; where the counter stands is known from the one that opened, or
 * from the sealed file (t->counter.value). */
static int
slot_make(struct key_table *t, const struct key_way *w, const uint8_t *root,
    int64_t now, struct err *err)
{
	struct key_slot slot = { .type = w->source.type, .created = now,
		.label = str_dup(w->source.arg) };
	int rc;

	t->counter.index = index_of(&t->slots);
	rc = key_source_material(&w->source, w->fd, &slot, &t->counter,
	    t->material, err);
	if (rc == 0)
		rc = key_slots_add(&t->slots, root, t->material, &slot, err);
	secret_wipe(t->material, SLOTS_ROOT_LEN);
	free(slot.label);
	free(slot.params);
	return (rc);
}

int
key_table_add(struct key_table *t, const struct key_way *w, int64_t now,
    struct err *err)
{
	if (slot_make(t, w, t->root, now, err) == -1)
		return (-1);
	if (!t->opened) {
		t->opened = t->slots.v[t->slots.n - 1].id;
		t->source = w->source.type;
	}
	return (0);
}

static const struct key_way *
way_of(const struct key_slot *v, const struct key_way *ways, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (ways[i].source.type == v->type &&
		    str_eq(ways[i].source.arg, v->label))
			return (&ways[i]);
	return (NULL);
}

/* A copy through its bytes. */
static int
copy_slots(struct key_table *t, struct key_slots *ret, struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(SLOTS_FILE_MAX);

	return (key_slots_write(&t->slots, t->root, &b, err) == -1 ||
	    key_slots_read(ret, b.data, b.len, err) == -1 ? -1 : 0);
}

/* ${rc}, and after a failure the slots of before. */
static int
settle(struct key_table *t, struct key_slots *old, int rc)
{
	if (rc == 0) {
		key_slots_clear(old);
		return (0);
	}
	key_slots_clear(&t->slots);
	t->slots = *old;
	return (rc);
}

int
key_table_put(struct key_table *t, const struct key_way *w, int64_t now,
    struct err *err)
{
	struct key_slots old;

	if (key_table_has(t, &w->source))
		return (err_set(err, ERR_INVALID, "there is a key slot for "
		    "%s:%s already", slot_type_name(w->source.type),
		    w->source.arg));
	if (copy_slots(t, &old, err) == -1)
		return (-1);
	return (settle(t, &old, slot_make(t, w, t->root, now, err) == -1 ||
	    key_table_save(t, err) == -1 ? -1 : 0));
}

/* Without any slot of a TPM there is nothing to count for. */
static void
counter_drop(struct key_table *t, const struct key_slots *old,
    const struct key_way *ways, size_t n)
{
	const struct key_slot *was = NULL;
	size_t i;

	for (i = 0; i < t->slots.n; i++)
		if (t->slots.v[i].type == SLOT_TPM2)
			return;
	t->counter.known = 0;
	for (i = 0; i < old->n; i++)
		if (old->v[i].type == SLOT_TPM2)
			was = &old->v[i];
	for (i = 0; was && i < n; i++)
		if (ways[i].source.type == SLOT_TPM2)
			key_counter_forget(ways[i].fd, was, NULL);
}

int
key_table_remove(struct key_table *t, uint32_t id, const struct key_way *ways,
    size_t n, struct err *err)
{
	struct key_slots old;
	int rc;

	if (copy_slots(t, &old, err) == -1)
		return (-1);
	rc = key_slots_remove(&t->slots, id, err) == -1 ||
	    key_table_save(t, err) == -1 ? -1 : 0;
	if (rc == 0)
		counter_drop(t, &old, ways, n);
	return (settle(t, &old, rc));
}

static int
slots_anew(struct key_table *t, const struct key_slots *old,
    const struct key_way *ways, size_t n, int64_t now, const uint8_t *next,
    struct err *err)
{
	const struct key_way *w;
	size_t i;

	for (i = 0; i < old->n; i++) {
		w = way_of(&old->v[i], ways, n);
		if (!w)
			return (err_set(err, ERR_INVALID, "key slot %u (%s:%s) "
			    "cannot be made anew without its source: remove "
			    "it first", old->v[i].id,
			    slot_type_name(old->v[i].type), old->v[i].label));
		if (slot_make(t, w, next, now, err) == -1)
			return (-1);
		if (old->v[i].id == t->opened)
			t->opened = t->slots.v[t->slots.n - 1].id;
	}
	return (0);
}

int
key_table_rotate(struct key_table *t, const struct key_way *ways, size_t n,
    int64_t now, uint8_t next[static SLOTS_ROOT_LEN], struct err *err)
{
	struct key_slots old;
	uint32_t opened = t->opened;
	int rc;

	if (t->slots.before)
		return (err_set(err, ERR_INVALID, "the rotation before has "
		    "not come to its end: start the agent, or wait"));
	if (copy_slots(t, &old, err) == -1)
		return (-1);
	rc = key_slots_rotate(&t->slots, t->root, next, err) == -1 ||
	    slots_anew(t, &old, ways, n, now, next, err) == -1 ||
	    save_under(t, next, err) == -1 ? -1 : 0;
	if (rc == 0)
		memcpy(t->root, next, SLOTS_ROOT_LEN);
	else
		t->opened = opened;
	secret_wipe(next, SLOTS_ROOT_LEN);
	return (settle(t, &old, rc));
}

int
key_table_rotated(struct key_table *t, uint32_t epoch, int64_t epoch_at,
    struct err *err)
{
	key_slots_rotated(&t->slots);
	t->slots.epoch = epoch;
	t->slots.epoch_at = epoch_at;
	return (key_table_save(t, err));
}

enum slot_type
key_slots_weakest(const struct key_slots *s)
{
	static const enum slot_type order[] = { SLOT_FILE, SLOT_CREDENTIAL,
		SLOT_PASSPHRASE, SLOT_TPM2 };
	size_t i, j;

	for (i = 0; i < ARRAY_LEN(order); i++)
		for (j = 0; j < s->n; j++)
			if (s->v[j].type == order[i])
				return (order[i]);
	return (SLOT_RECOVERY);
}

static struct json *
slot_json(const struct key_table *t, const struct key_slot *v)
{
	cleanup_free char *source = str_fmt("%s:%s", slot_type_name(v->type),
	    v->label);
	cleanup_buf struct buf at = BUF_PLAIN(64);
	struct json *o = json_new_object();

	time_rfc3339(&at, v->created);
	json_set_num(o, "id", v->id);
	json_set_str(o, "source", source);
	json_set_str(o, "strength", slot_type_strength(v->type));
	json_set_str(o, "created", buf_str(&at));
	json_set_bool(o, "opened", v->id == t->opened);
	return (o);
}

struct json *
key_table_json(const struct key_table *t)
{
	struct json *o = json_new_object(), *list = json_new_array();
	char node[2 * sizeof(t->slots.node) + 1];
	size_t i;

	for (i = 0; i < sizeof(t->slots.node); i++)
		snprintf(node + 2 * i, 3, "%02x", t->slots.node[i]);
	json_set_str(o, "node", node);
	json_set_str(o, "strength",
	    slot_type_strength(key_slots_weakest(&t->slots)));
	json_set_num(o, "epoch", t->slots.epoch);
	json_set_bool(o, "rotating", t->slots.before != NULL);
	for (i = 0; i < t->slots.n; i++)
		json_push(list, slot_json(t, &t->slots.v[i]));
	json_set(o, "slots", list);
	return (o);
}
