/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sandbox.h"
#include "base/secret.h"
#include "seal/box.h"
#include "seal/key_table.h"
#include "seal/node_key.h"

#include "cli/keys.h"

/* Without an agent: the same code, on the same file, under its lock. */
struct work {
	const struct keys_ask *q;
	int dir;
	uid_t uid;		/* the state directory's */
	struct arena *arena;
	struct key_table table;
	uint8_t *next;
	struct keys_ways all;	/* what may open it */
	struct keys_ways ways;	/* of a new slot */
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (ts.tv_sec * 1000ll + ts.tv_nsec / 1000000);
}

static int
begin(struct work *w, struct err *err)
{
	const char *path = w->q->state;
	struct stat st;
	int is_new;

	w->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dir == -1 || fstat(w->dir, &st) == -1) {
		err_sys(err, "--state: %s", path);
		return (err_wrap(err, "no agent answers"));
	}
	w->uid = st.st_uid;
	if (key_table_lock(w->dir, err) == -1 ||
	    arena_open(4096, &w->arena, err) == -1)
		return (err_wrap(err, "--state: %s", path));
	w->table.dir = w->dir;
	w->table.root = arena_alloc(w->arena, SLOTS_ROOT_LEN);
	w->table.material = arena_alloc(w->arena, SLOTS_ROOT_LEN);
	w->next = arena_alloc(w->arena, SLOTS_ROOT_LEN);
	if (key_table_load(&w->table, &is_new, err) == -1)
		return (err_wrap(err, "--state: %s", path));
	if (is_new)
		return (err_set(err, ERR_TRANSIENT, "--state: %s: there are "
		    "no key slots yet: nodeseal run makes them", path));
	return (0);
}

/* Every source that can be had. */
static void
sources(struct work *w, const struct json *list)
{
	const struct json *s;

	for (s = json_first(json_get(list, "slots")); s != NULL;
	    s = json_next(s)) {
		cleanup_err struct err why = ERR_INIT;
		char *all;

		if (keys_way_open(&w->all, str_or(json_str(json_get(s,
		    "source")), ""), 0, w->q->tpm, w->uid, &why) == 0)
			continue;
		all = str_fmt("%s%s%s", str_or(w->all.missing, ""),
		    w->all.missing ? "; " : "", err_msg(&why));
		mem_cleanup_free(&w->all.missing);
		w->all.missing = all;
	}
}

static int
unlock(struct work *w, struct err *err)
{
	if (w->all.n == 0)
		return (err_set(err, ERR_TRANSIENT, "locked: %s",
		    str_or(w->all.missing, "no source")));
	if (key_table_open(&w->table, w->all.v, w->all.n, err) == 0)
		return (0);
	if (err->kind != ERR_TAMPER)
		err->kind = ERR_TRANSIENT;
	return (err_wrap(err, "locked"));
}

/* What is added comes instead of what has opened the table: a TPM may serve
 * one at a time.  Then no right of root's is left. */
static int
narrow(struct work *w, struct err *err)
{
	if (w->q->what == KEYS_ADD) {
		keys_ways_clear(&w->all);
		if (keys_way_open(&w->ways, w->q->source, 1, w->q->tpm,
		    w->uid, err) == -1)
			return (-1);
	}
	return (sandbox_user(w->uid, err));
}

static int
change(struct work *w, struct err *err)
{
	switch (w->q->what) {
	case KEYS_ADD:
		return (key_table_put(&w->table, w->ways.v, now_ms(), err));
	case KEYS_REMOVE:
		return (key_table_remove(&w->table, w->q->id, w->all.v,
		    w->all.n, err));
	case KEYS_ROTATE:
		return (key_table_rotate(&w->table, w->all.v, w->all.n,
		    now_ms(), w->next, err));
	case KEYS_EPOCH:
		return (err_set(err, ERR_TRANSIENT, "only a running agent "
		    "begins an epoch: it seals anew at once"));
	default:
		return (0);
	}
}

static int
public_key(struct work *w, struct json *o, struct err *err)
{
	cleanup_free char *text = NULL;
	cleanup_free char *print = NULL;
	uint8_t pk[NODE_KEY_LEN];
	int rc = key_slots_box(&w->table.slots, w->table.root, pk, w->next,
	    err);

	secret_wipe(w->next, NODE_KEY_LEN);
	if (rc == -1)
		return (-1);
	text = node_key_text(pk);
	print = node_key_fingerprint(pk);
	json_set_str(o, "publicKey", text);
	json_set_str(o, "fingerprint", print);
	return (0);
}

static int
work(struct work *w, struct json **ret, struct err *err)
{
	cleanup_err struct err why = ERR_INIT;
	struct json *list = NULL;
	int rc;

	if (begin(w, err) == -1)
		return (-1);
	list = key_table_json(&w->table);
	sources(w, list);
	if ((rc = unlock(w, &why)) == -1) {
		/* What is there may be said; not that it is true. */
		if (w->q->what == KEYS_LIST && why.kind != ERR_TAMPER) {
			json_set_str(list, "locked", err_msg(&why));
			*ret = list;
			return (0);
		}
		err_move(err, &why);
	}
	if (rc == 0)
		rc = narrow(w, err) == -1 ? -1 : change(w, err);
	json_free(list);
	if (rc == -1)
		return (-1);
	list = key_table_json(&w->table);
	if (public_key(w, list, err) == -1) {
		json_free(list);
		return (-1);
	}
	*ret = list;
	return (0);
}

int
keys_state_do(const struct keys_ask *q, struct json **ret, struct err *err)
{
	struct work w = { .q = q, .dir = -1 };
	int rc;

	/* It may start nodeseal-tpm, as the keeper does. */
	if (seal_init(err) == -1 || sandbox_enter(SANDBOX_KEEPER, NULL, 0,
	    NULL, err) == -1)
		return (-1);
	rc = work(&w, ret, err);
	keys_ways_clear(&w.all);
	keys_ways_clear(&w.ways);
	key_table_clear(&w.table);
	if (w.arena)
		arena_close(w.arena);
	if (w.dir != -1)
		close(w.dir);
	return (rc);
}
