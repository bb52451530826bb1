/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_SEAL_ROTATION_H
#define TESTS_UNIT_SEAL_ROTATION_H

#include "tests/unit/seal_place.h"

#include "seal/key_table.h"

/* A node with a key file, a table and a sealed file, and its rotation, in the
 * steps of core/state_keys.c. */
static uint8_t table_root[32], material[32], next_root[32];
static struct key_table table;
static char key_path[128];

static inline int
key_way(struct key_way *w)
{
	cleanup_free char *spec = str_fmt("file:%s", key_path);

	return (key_source_parse(spec, &w->source, NULL) == -1 ||
	    (w->fd = key_source_open(&w->source, 1, NULL)) == -1 ? -1 : 0);
}

static inline void
way_end(struct key_way *w)
{
	close(w->fd);
	key_source_clear(&w->source);
}

static inline int
seal_one(const struct key_table *t, uint64_t generation, uint32_t epoch)
{
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);
	struct snapshot s = snapshot_make(generation, 3);
	int rc;

	memcpy(s.head.node, t->slots.node, sizeof(s.head.node));
	s.head.epoch = epoch;
	assert_int_equal(snapshot_write(t->root, &s, scratch, &b, NULL), 0);
	rc = seal_file_write(&place, b.data, b.len, &s.head, NULL);
	snapshot_clear(&s);
	return (rc);
}

static inline void
rotation_begin(void)
{
	struct key_way w;

	snprintf(key_path, sizeof(key_path), "%s/node.key", dir);
	table = (struct key_table){ .dir = place.dir, .root = table_root,
		.material = material };
	assert_int_equal(key_way(&w), 0);
	key_table_new(&table);
	assert_int_equal(key_table_add(&table, &w, 5, NULL), 0);
	assert_int_equal(key_table_save(&table, NULL), 0);
	assert_int_equal(seal_one(&table, 1, 1), 0);
	assert_int_equal(seal_one(&table, 2, 1), 0);
	way_end(&w);
}

/* The table, two files of the next epoch, the table; 0, or -1 at the first step
 * that failed. */
static inline int
rotation_try(void)
{
	struct key_way w;
	int rc;

	assert_int_equal(key_way(&w), 0);
	rc = key_table_rotate(&table, &w, 1, 6, next_root, NULL) == -1 ||
	    seal_one(&table, 3, 2) == -1 || seal_one(&table, 4, 2) == -1 ||
	    key_table_rotated(&table, 2, 7, NULL) == -1 ? -1 : 0;
	way_end(&w);
	return (rc);
}

static inline void
rotation_do(void)
{
	assert_int_equal(rotation_try(), 0);
}

/* As the next start reads it. */
static inline enum seal_state
rotation_load(const struct seal_place *p, int *ret_rotating, struct err *err)
{
	uint8_t got[32], spare[32], before[32];
	struct key_table t = { .dir = p->dir, .root = got, .material = spare };
	struct seal_trust trusted = trust(node, 0);
	enum seal_state state = SEAL_TAMPERED;
	struct seal_loaded l;
	struct key_way w;
	int is_new;

	assert_int_equal(key_way(&w), 0);
	if (key_table_load(&t, &is_new, err) == -1 ||
	    key_table_open(&t, &w, 1, err) == -1)
		goto out;
	trusted.root = got;
	trusted.node = t.slots.node;
	trusted.min_epoch = t.slots.epoch;
	*ret_rotating = t.slots.before != NULL;
	if (t.slots.before) {
		assert_int_equal(key_slots_before(&t.slots, got, before,
		    NULL), 0);
		trusted.before = before;
	}
	assert_int_equal(seal_file_load(p, &trusted, &l, NULL), 0);
	state = l.state;
	if (l.problem)
		err_set(err, ERR_TAMPER, "%s", l.problem);
	seal_loaded_clear(&l);
out:
	key_table_clear(&t);
	way_end(&w);
	return (state);
}

#endif
