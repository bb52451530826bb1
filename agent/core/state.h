/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include "core/core_internal.h"
#include "seal/file.h"
#include "seal/key_table.h"
#include "seal/node_key.h"

/*
 * What this node keeps over its own end: the root key out of its slots, the
 * sealed file, when it is written and what comes back from it (DESIGN.md §2,
 * reference security-offline.md d).  Without a key source that opens anything
 * the node serves from memory alone and says so; no file of before is touched
 * then.
 *
 * The node's own clock, on which ages in the file are counted: the wall clock
 * of the first start, from then on moved by the boot clock alone; over a reboot
 * by the wall clock, never back.
 */

/* Descriptors by which core reaches its state; -1: not to be had. */
struct state_fds {
	int dir, witness;
	int sources[KEY_SOURCES_MAX];
};

/* What `nodeseal key` asks of a running agent. */
enum key_op { KEY_LIST = 1, KEY_ADD, KEY_REMOVE, KEY_ROTATE, KEY_EPOCH };

/* How it went; ${err} NULL when well.  Called once. */
typedef void (*key_done_fn)(void *arg, const struct err *err);

struct state {
	struct core *core;
	struct seal_place place;
	struct key_table table;
	int open;		/* the root key is there */
	enum seal_state found;	/* what was there at the start */
	char *problem;		/* of then, NULL; both stay as long as the
				 * process, for whoever looks later */
	char *write_problem;	/* of the last write, NULL */
	struct seal_loaded loaded;	/* until state_restore */
	uint64_t generation;	/* of the newest file */
	int64_t sealed_at;	/* wall ms, 0 never */
	size_t bytes, records;	/* of it */
	size_t kept_out;	/* values that policy keeps out of it */

	int64_t node_ms, node_boot;	/* the node's clock, anchored */
	int dirty;		/* content has changed */
	uint64_t seen;		/* of the cache, when it was last looked at */
	size_t seen_records;
	uint8_t boot_id[SNAPSHOT_ID_LEN];
	struct due due;
	int64_t written_at;	/* boot ms of the last begin */
	unsigned recent;	/* writes in a row without a pause */
	struct state_write *writing;	/* in the worker; NULL */
	unsigned failures;

	/* --- state_keys.c --- */
	uint32_t epoch;		/* of what is sealed now */
	int64_t epoch_at;	/* the node's clock at its beginning */
	int turning;		/* files still to be written until the keys of
				 * before may go; 0: none are there */
	int turn_skip;		/* the one under way was built before */
	struct key_work *work;	/* in the worker: the table is its; NULL */
	key_done_fn turned;	/* who waits for the turn's end; NULL */
	void *turned_arg;
	struct key_way ways[KEY_SOURCES_MAX];	/* until all have a slot */
	size_t nways;
	uint64_t counter;	/* the TPM's; in the next file one more when
				 * it is to be raised behind it */
	int tpm_fd;		/* to raise it; -1 */
	int tpm_asked;
	int64_t counted_at;	/* boot ms of the last step; 0 never */
};

/**
 * state_open(c, fds):
 * Before anything is sealed: open or make the key slots, load the sealed file.
 * ${fds} are taken over.  What goes wrong is in found and problem; the node
 * goes on without.  The values come back with state_restore, before any source
 * of objects has spoken.
 */
void state_open(struct core *c, const struct state_fds *fds);
void state_restore(struct core *c);
/* state_touch(c): what is sealed has changed: write it soon.
 * state_news(c): after a job or a forgetting: soon when the cache has changed,
 * within the hour when only a time has. */
void state_touch(struct core *c);
void state_news(struct core *c);
/* state_is_durable(c): all that was changed is on the disk, or nothing ever
 * will be. */
int state_is_durable(const struct core *c);
/* state_clock(c): the node's own clock, in wall ms.  state_not_before(c, ms):
 * it is at least so late, as a trusted issuer has signed: a node without a
 * clock of its own learns the time so. */
int64_t state_clock(const struct core *c);
void state_not_before(struct core *c, int64_t ms);
/* state_flush(c): at the end: write what is not written, and wait for it. */
void state_flush(struct core *c);
void state_close(struct core *c);

/* state_node_key(c, pk): the node's public key (seal/node_key.h) into ${pk};
 * NOTFOUND while no key source has opened anything.
 * state_unbox(c, box, len, out, err): open what was sealed to it into ${out},
 * which has room for len - BOX_OVERHEAD bytes; as node_key_open. */
int state_node_key(const struct core *c, uint8_t pk[static NODE_KEY_LEN],
    struct err *err);
int state_unbox(struct core *c, const void *box, size_t len, uint8_t *out,
    struct err *err);

/* state_key_source(c): for status: "file", "tpm2" …, "memory" without;
 * state_key_strength(c): "ObfuscationOnly" …: of the weakest slot, because any
 * of them opens; "None" without. */
const char *state_key_source(const struct core *c);
const char *state_key_strength(const struct core *c);
/* state_json(c): the object `cache` of status. */
struct json *state_json(const struct core *c);

/* --- state_keys.c: the root key, its slots, epochs, the TPM's counter --- */

/* state_unlock(s, fds, err): open or make the key slots; takes over the
 * sources' descriptors.  state_trust(s, t): what a file is held against.
 * state_keys_use(s, l): derive the keys of what was loaded. */
int state_unlock(struct state *s, const struct state_fds *fds,
    struct err *err);
int state_trust(struct state *s, struct seal_trust *t, struct err *err);
void state_keys_use(struct state *s, const struct seal_loaded *l);
/* After state_restore: what an interrupted rotation has left is brought to the
 * present keys. */
void state_keys_restored(struct state *s);
/* state_keys_due(s): before a file is built: 0 go on, 1 not yet (it comes back
 * by itself).  state_keys_head(s, h): epoch and counter of it.
 * state_keys_wrote(s, h): it is durable; in the worker state_keys_count(s, h,
 * ret) has raised the counter before. */
int state_keys_due(struct state *s);
void state_keys_head(struct state *s, struct snapshot_head *h);
void state_keys_count(struct state *s, const struct snapshot_head *h,
    uint64_t *ret, struct err *err);
void state_keys_wrote(struct state *s, const struct snapshot_head *h);
void state_keys_close(struct state *s);
/* state_tpm(c, fd): a new nodeseal-tpm has come; -1: there is none. */
void state_tpm(struct core *c, int fd);
/* state_now(s): the node's own clock. */
int64_t state_now(const struct state *s);

/**
 * state_key_op(c, op, id, ways, n, done, arg):
 * Change the slots while the agent runs: ${ways} (taken over, descriptors too)
 * are the new source of KEY_ADD, every slot's of KEY_ROTATE, the TPM's of
 * KEY_REMOVE.  ${done} of a rotation comes when the keys of before are gone.
 * TRANSIENT while another one is under way, or nothing has opened the slots.
 */
void state_key_op(struct core *c, enum key_op op, uint32_t id,
    struct key_way *ways, size_t n, key_done_fn done, void *arg);

#endif
