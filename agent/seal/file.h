/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_FILE_H
#define SEAL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "seal/snapshot.h"

/*
 * The sealed file on its disk: <state>/cache.seal, the one before it
 * cache.seal.prev, what cannot be trusted cache.seal.quarantine; and the
 * witness, a file in another place that knows the newest generation.  Both are
 * descriptors: whoever opened them decided where.  Blocking; the agent calls
 * seal_file_write in the loop's worker.
 */
#define SEAL_FILE "cache.seal"
#define SEAL_FILE_PREV "cache.seal.prev"
#define SEAL_FILE_QUARANTINE "cache.seal.quarantine"

struct seal_place {
	int dir;		/* of the sealed file */
	int witness;		/* open for reading and writing; -1: none */
};

/* seal_file_replace(dir, name, data, len, err): a file of the state directory,
 * old or new whatever dies when: written under another name, fsync, rename,
 * fsync of the directory. */
int seal_file_replace(int dir, const char *name, const void *data, size_t len,
    struct err *err);

/**
 * seal_file_write(p, data, len, head, err):
 * Make ${data} the sealed file: a new file without a name or with a temporary
 * one, written whole, fsync, the present file linked as cache.seal.prev,
 * rename, fsync of the directory; then the witness, which has two rows that
 * take turns (it never knows more than the disk holds).  Whatever fails or
 * dies when: the file is old or new.  A descriptor whose fsync failed is never
 * fsynced again; the temporary file goes away.  TRANSIENT (ENOSPC …), DENIED
 * (EROFS, EACCES), INTERNAL (EIO).
 */
int seal_file_write(const struct seal_place *p, const void *data, size_t len,
    const struct snapshot_head *head, struct err *err);

enum seal_state { SEAL_OK, SEAL_EMPTY, SEAL_PARTIAL, SEAL_FOREIGN,
	SEAL_TAMPERED, SEAL_ROLLED_BACK };
/* "ok", "empty" … as in cache.state of `status`. */
const char *seal_state_name(enum seal_state s);

struct seal_loaded {
	enum seal_state state;
	char *problem;		/* in words, NULL when there is none */
	struct snapshot snapshot;	/* empty unless OK or PARTIAL */
	uint64_t generation;	/* highest that anybody knows of: the next
				 * write takes one more */
	int64_t sealed_at;	/* mtime of what was loaded, wall ms; 0 */
	size_t bytes;
	int by_before;		/* it is sealed by trust->before */
};

/* What a file is held against. */
struct seal_trust {
	const uint8_t *root;	/* RECORD_KEY_LEN bytes */
	const uint8_t *before;	/* the root key before it, while a rotation is
				 * under way; NULL */
	const uint8_t *node, *cluster;	/* SNAPSHOT_ID_LEN each */
	uint64_t min_generation;	/* what others know (the NodeSeal
					 * object); 0 nothing */
	uint32_t min_epoch;	/* of the table of key slots */
	int counted;		/* a TPM was asked: */
	uint64_t counter;	/* what it says (struct key_counter) */
	uint8_t *scratch;	/* SNAPSHOT_SCRATCH bytes fit for keys */
};

/**
 * seal_file_load(p, trust, ret, err):
 * Load the newest that can be trusted.
 *
 *	no file, no witness			EMPTY
 *	whole, as new as all that is known	OK
 *	damaged, the one before whole		PARTIAL, that one is given; the
 *						damaged one goes to quarantine
 *	whole, but older than the witness,
 *	min_generation, the TPM's counter or
 *	the epoch				ROLLED_BACK, quarantine
 *	gone, but the witness knows of one	ROLLED_BACK
 *	of another key, node or cluster		FOREIGN, quarantine
 *	damaged, and no good one before		TAMPERED, quarantine
 *	a newer format				FOREIGN, quarantine, saying so
 *
 * The TPM's counter is raised after a file with a higher one is durable, so a
 * file may be ahead of it.  cache.seal.prev counts as good when it is whole and
 * exactly as old as a file before the newest known may be (one generation, one
 * step of the counter, one epoch).  Temporary files of a write that died are
 * removed.  Fails (-1) only when the directory itself cannot be used; wrong
 * owner or mode of the directory or of a file is DENIED, naming what to do.
 */
int seal_file_load(const struct seal_place *p, const struct seal_trust *trust,
    struct seal_loaded *ret, struct err *err);
void seal_loaded_clear(struct seal_loaded *l);

#endif
