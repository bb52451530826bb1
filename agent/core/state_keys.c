/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "core/core.h"
#include "core/state.h"
#include "ipc/keeper.h"

#define EPOCH_MS (30ll * 24 * 60 * 60 * 1000)
/* An NV counter wears: an hour apart, and once a start. */
#define COUNT_MS (60 * 60 * 1000)
#define TPM_WAIT_MS 3000
/* The file and the one before it: then nothing needs the keys of before. */
#define TURN_FILES 2

static const uint8_t no_cluster[SNAPSHOT_ID_LEN];

struct key_work {
	struct core *core;
	enum key_op op;		/* 0: the end of a turn */
	uint32_t id;
	struct key_way *ways;
	size_t n;
	int64_t now;
	key_done_fn done;
	void *arg;
	struct err err;
};

/* --- opening --------------------------------------------------------- */

static void
ways_clear(struct key_way *ways, size_t *n)
{
	while (*n) {
		close(ways[--*n].fd);
		key_source_clear(&ways[*n].source);
	}
}

static void
ways_take(struct state *s, const struct state_fds *fds)
{
	const struct run_config *cfg = s->core->cfg;
	size_t i;

	for (i = 0; i < cfg->nkey_sources; i++) {
		if (fds->sources[i] == -1)
			continue;
		if (key_source_parse(cfg->key_sources[i],
		    &s->ways[s->nways].source, NULL) == -1) {
			close(fds->sources[i]);
			continue;
		}
		s->ways[s->nways++].fd = fds->sources[i];
	}
}

static void
degraded(const char *what, const char *why)
{
	cleanup_free char *line = str_fmt("%s: %s", what, why);

	log_warn("%s", line);
	core_degraded(line);
}

/* Each source of the words has its slot: what cannot have one is said. */
static int
complete(struct state *s, struct err *err)
{
	struct key_table *t = &s->table;
	size_t i, before = t->slots.n;

	for (i = 0; i < s->nways; i++) {
		cleanup_err struct err why = ERR_INIT;

		if (!key_table_has(t, &s->ways[i].source) &&
		    key_table_add(t, &s->ways[i],
		    schedule_wall(s->core->schedule), &why) == -1)
			degraded("no key slot", err_msg(&why));
	}
	return (t->slots.n == before ? 0 : key_table_save(t, err));
}

static int
make(struct state *s, struct err *err)
{
	int rc;

	key_table_new(&s->table);
	s->table.slots.epoch_at = state_now(s);
	rc = complete(s, err);
	if (rc == 0 && s->table.slots.n == 0)
		rc = err_set(err, ERR_DENIED, "none of --key-source could be "
		    "opened");
	ways_clear(s->ways, &s->nways);
	return (rc);
}

int
state_unlock(struct state *s, const struct state_fds *fds, struct err *err)
{
	struct key_table *t = &s->table;
	int is_new, rc;

	t->dir = s->place.dir;
	t->root = keys_root(s->core->keys);
	t->material = keys_material(s->core->keys);
	ways_take(s, fds);
	if (t->dir == -1)
		return (err_set(err, ERR_NOTFOUND, "no state directory: "
		    "values are in memory alone"));
	if (key_table_load(t, &is_new, err) == -1)
		return (-1);
	rc = is_new ? make(s, err) : key_table_open(t, s->ways, s->nways,
	    err);
	s->open = rc == 0;
	if (t->passed)
		degraded("key slots", t->passed);
	return (rc);
}

int
state_trust(struct state *s, struct seal_trust *t, struct err *err)
{
	struct keys *k = s->core->keys;
	const struct key_slots *slots = &s->table.slots;

	*t = (struct seal_trust){ .root = keys_root(k), .node = slots->node,
		.cluster = no_cluster, .min_epoch = slots->epoch,
		.counted = s->table.counter.known,
		.counter = s->table.counter.value,
		.scratch = keys_scratch(k) };
	if (!slots->before)
		return (0);
	t->before = keys_next(k);
	return (key_slots_before(slots, keys_root(k), keys_next(k), err));
}

static const struct key_slot *
tpm_slot(const struct state *s)
{
	size_t i;

	for (i = 0; i < s->table.slots.n; i++)
		if (s->table.slots.v[i].type == SLOT_TPM2)
			return (&s->table.slots.v[i]);
	return (NULL);
}

/* What the TPM's counter could not say. */
static void
counter_missing(const struct state *s)
{
	if (tpm_slot(s) && !s->table.counter.known)
		degraded("the TPM's counter was not read: an older state of "
		    "the whole disk would not be noticed", str_or(
		    s->table.counter.problem, "another key slot was used"));
}

void
state_keys_use(struct state *s, const struct seal_loaded *l)
{
	cleanup_err struct err err = ERR_INIT;
	struct keys *k = s->core->keys;
	const struct snapshot_head *h = &l->snapshot.head;
	const struct key_slots *slots = &s->table.slots;
	int loaded = l->state == SEAL_OK || l->state == SEAL_PARTIAL;

	/* A turn that died between its last file and the table. */
	s->epoch = loaded && h->epoch > slots->epoch ? h->epoch :
	    slots->epoch;
	s->epoch_at = slots->epoch_at ? slots->epoch_at : state_now(s);
	keys_use_root(k, s->epoch);
	if (loaded && (l->by_before || h->epoch != s->epoch))
		keys_before(k, l->by_before ? keys_next(k) : keys_root(k),
		    h->epoch);
	secret_wipe(keys_next(k), SLOTS_ROOT_LEN);
	if (slots->before || s->epoch != slots->epoch ||
	    (loaded && h->epoch != s->epoch))
		s->turning = TURN_FILES;
	counter_missing(s);
	s->counter = s->table.counter.known ? s->table.counter.value :
	    loaded ? h->counter : 0;
	if (!s->table.counter.known || (loaded &&
	    h->counter > s->table.counter.value))
		s->table.counter.value = loaded ? h->counter : 0;
	if (complete(s, &err) == -1)
		degraded("key slots", err_msg(&err));
	else if (s->table.counter.known)
		s->counter = s->table.counter.value;
	ways_clear(s->ways, &s->nways);
}

/* --- a turn of the keys ---------------------------------------------- */

static void
reseal(struct state *s)
{
	cleanup_err struct err err = ERR_INIT;
	struct core *c = s->core;
	struct content *content;
	size_t i;

	for (i = strmap_next(c->items, 0); i; i = strmap_next(c->items, i)) {
		struct item *item = strmap_val(c->items, i);

		content = item->content;
		if (content && keys_reseal(c->keys, &content->record,
		    content->hash, &err) == -1)
			log_error("%s: %s", item->key, err_msg(&err));
	}
	if (catalog_reseal(c->catalog, c->keys, &err) == -1)
		log_error("%s", err_msg(&err));
}

/* s->epoch, or the root key, is a new one. */
static void
turn(struct state *s)
{
	keys_turn(s->core->keys, s->epoch);
	reseal(s);
	s->turning = TURN_FILES;
	s->turn_skip = s->writing != NULL;
	state_touch(s->core);
}

void
state_keys_restored(struct state *s)
{
	if (!s->turning)
		return;
	reseal(s);
	state_touch(s->core);
}

static void
epoch_next(struct state *s)
{
	s->epoch++;
	s->epoch_at = state_now(s);
	log_info("sealed cache: key epoch %u", s->epoch);
	turn(s);
}

/* --- the TPM's counter ----------------------------------------------- */

static int
count_is_due(const struct state *s)
{
	int64_t now = schedule_now(s->core->schedule);

	return (s->table.counter.known && tpm_slot(s) && s->tpm_fd == -1 &&
	    s->core->keeper && (!s->counted_at ||
	    now - s->counted_at >= COUNT_MS));
}

/* The file does not wait for a TPM for long. */
static int
count_wait(struct state *s)
{
	if (!count_is_due(s))
		return (0);
	if (s->tpm_asked || core_tell_keeper(s->core, KEEPER_TPM, "",
	    NULL) == -1) {
		s->tpm_asked = 0;
		s->counted_at = schedule_now(s->core->schedule);
		return (0);
	}
	s->tpm_asked = 1;
	schedule_in(s->core->schedule, &s->due, TPM_WAIT_MS);
	return (1);
}

void
state_tpm(struct core *c, int fd)
{
	struct state *s = c->state;

	if (!s || !s->tpm_asked) {
		mem_cleanup_close(&fd);
		return;
	}
	s->tpm_fd = fd;
	if (fd != -1)
		s->tpm_asked = 0;
	schedule_in(c->schedule, &s->due, 0);
}

void
state_keys_count(struct state *s, const struct snapshot_head *h,
    uint64_t *ret, struct err *err)
{
	*ret = s->counter;
	if (s->tpm_fd == -1 || h->counter != s->counter + 1)
		return;
	key_counter_step(s->tpm_fd, tpm_slot(s), s->counter, ret, err);
	close(fd_steal(&s->tpm_fd));
}

int
state_keys_due(struct state *s)
{
	int64_t now = state_now(s);

	/* Comes back when the work is done. */
	if (s->work)
		return (1);
	if (!s->turning && now - s->epoch_at >= EPOCH_MS)
		epoch_next(s);
	return (count_wait(s));
}

void
state_keys_head(struct state *s, struct snapshot_head *h)
{
	h->epoch = s->epoch;
	h->counter = s->counter + (s->tpm_fd != -1);
}

/* --- work on the table ----------------------------------------------- */

static void
work_do(void *arg)
{
	struct key_work *w = arg;
	struct state *s = w->core->state;
	struct key_table *t = &s->table;

	switch (w->op) {
	case KEY_ADD:
		key_table_put(t, w->ways, w->now, &w->err);
		break;
	case KEY_REMOVE:
		key_table_remove(t, w->id, w->ways, w->n, &w->err);
		break;
	case KEY_ROTATE:
		key_table_rotate(t, w->ways, w->n, w->now,
		    keys_next(w->core->keys), &w->err);
		break;
	default:
		key_table_rotated(t, s->epoch, s->epoch_at, &w->err);
	}
}

static void
tell(key_done_fn done, void *arg, const struct err *err)
{
	if (done)
		done(arg, err->kind ? err : NULL);
}

static void
turn_ended(struct state *s, const struct err *err)
{
	key_done_fn done = s->turned;

	s->turned = NULL;
	if (err->kind) {
		/* Nothing is lost: the next start ends it. */
		log_error("key slots: %s", err_msg(err));
	} else
		log_info("sealed cache: the keys of before are gone");
	tell(done, s->turned_arg, err);
}

static void
work_done(void *arg)
{
	struct key_work *w = arg;
	struct state *s = w->core->state;
	int well = w->err.kind == ERR_NONE;

	s->work = NULL;
	if (well && s->table.counter.known)
		s->counter = s->table.counter.value;
	if (w->op == KEY_ROTATE && well) {
		s->turned = w->done;
		s->turned_arg = w->arg;
		log_info("sealed cache: a new root key");
		turn(s);
	} else if (w->op == 0)
		turn_ended(s, &w->err);
	else {
		tell(w->done, w->arg, &w->err);
		/* Another weakest slot may be another policy's answer. */
		s->dirty = 1;
	}
	/* What became due meanwhile has waited. */
	if (s->dirty)
		state_touch(w->core);
	ways_clear(w->ways, &w->n);
	free(w->ways);
	err_clear(&w->err);
	free(w);
}

static void
work_begin(struct state *s, struct key_work *w)
{
	cleanup_err struct err err = ERR_INIT;

	s->work = w;
	if (loop_work(s->core->loop, work_do, work_done, w, &err) == 0)
		return;
	err_move(&w->err, &err);
	work_done(w);
}

static struct key_work *
work_new(struct state *s, enum key_op op)
{
	struct key_work *w = mem_alloc(sizeof(*w));

	w->core = s->core;
	w->op = op;
	w->now = schedule_wall(s->core->schedule);
	return (w);
}

void
state_keys_wrote(struct state *s, const struct snapshot_head *h)
{
	if (h->counter == s->counter && s->table.counter.known &&
	    s->table.counter.value != s->counter) {
		s->table.counter.value = s->counter;
		s->counted_at = schedule_now(s->core->schedule);
	}
	if (s->turn_skip || !s->turning) {
		s->turn_skip = 0;
		return;
	}
	if (--s->turning)
		state_touch(s->core);
	else
		work_begin(s, work_new(s, 0));
}

static int
may_change(const struct state *s, struct err *err)
{
	if (!s || !s->open)
		return (err_set(err, ERR_TRANSIENT, "no --key-source has "
		    "opened the key slots"));
	if (s->work || s->turning)
		return (err_set(err, ERR_TRANSIENT, "another change of the "
		    "keys is under way: try again"));
	return (0);
}

void
state_key_op(struct core *c, enum key_op op, uint32_t id,
    struct key_way *ways, size_t n, key_done_fn done, void *arg)
{
	cleanup_err struct err err = ERR_INIT;
	struct state *s = c->state;
	struct key_work *w;

	if (may_change(s, &err) == -1) {
		tell(done, arg, &err);
		ways_clear(ways, &n);
		free(ways);
		return;
	}
	if (op == KEY_EPOCH) {
		s->turned = done;
		s->turned_arg = arg;
		epoch_next(s);
		return;
	}
	w = work_new(s, op);
	w->id = id;
	w->ways = ways;
	w->n = n;
	w->done = done;
	w->arg = arg;
	work_begin(s, w);
}

void
state_keys_close(struct state *s)
{
	ways_clear(s->ways, &s->nways);
	key_table_clear(&s->table);
	if (s->tpm_fd != -1)
		close(s->tpm_fd);
}

/* --- the node's own key, and what status says ------------------------ */

static int
key_there(const struct state *s, struct err *err)
{
	if (!s || !s->open)
		return (err_set(err, ERR_NOTFOUND, "no --key-source has "
		    "opened the node's key"));
	if (s->work)
		return (err_set(err, ERR_TRANSIENT, "the keys are being "
		    "changed: try again"));
	return (0);
}

int
state_node_key(const struct core *c, uint8_t pk[static NODE_KEY_LEN],
    struct err *err)
{
	uint8_t *sk = keys_scratch(c->keys);
	int rc;

	if (key_there(c->state, err) == -1)
		return (-1);
	rc = key_slots_box(&c->state->table.slots, keys_root(c->keys), pk, sk,
	    err);
	secret_wipe(sk, NODE_KEY_LEN);
	return (rc);
}

int
state_unbox(struct core *c, const void *box, size_t len, uint8_t *out,
    struct err *err)
{
	if (key_there(c->state, err) == -1)
		return (-1);
	return (node_key_open(&c->state->table.slots, keys_root(c->keys), box,
	    len, keys_scratch(c->keys), out, err));
}

const char *
state_key_source(const struct core *c)
{
	return (c->state && c->state->open ?
	    slot_type_name(c->state->table.source) : "memory");
}

const char *
state_key_strength(const struct core *c)
{
	return (c->state && c->state->open ? slot_type_strength(
	    key_slots_weakest(&c->state->table.slots)) : "None");
}
