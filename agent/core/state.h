/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include "core/core_internal.h"
#include "seal/file.h"
#include "seal/key_slots.h"
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

struct state {
	struct core *core;
	struct seal_place place;
	struct key_slots slots;
	int open;		/* the root key is there */
	enum slot_type source;	/* that opened it */
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

/* state_key_source(c): for status: "file", "tpm2" …, "memory" without. */
const char *state_key_source(const struct core *c);
/* state_json(c): the object `cache` of status. */
struct json *state_json(const struct core *c);

#endif
