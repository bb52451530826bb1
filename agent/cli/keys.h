/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_KEYS_H
#define CLI_KEYS_H

#include <sys/types.h>

#include "base/json.h"
#include "ipc/keys.h"

/*
 * What `nodeseal key` and `nodeseal pubkey` do, whoever holds the keys: the
 * running agent is asked over its socket; without one the state directory is
 * locked and worked on here.
 */
struct keys_ask {
	const char *run, *state, *tpm;
	enum keys_frame what;
	uint32_t id;		/* KEYS_REMOVE */
	const char *source;	/* KEYS_ADD: as behind --key-source */
};

/* keys_do(q, ret, ret_agent, err): the list as it is then (ipc/keys.h; the
 * caller's); *ret_agent: a running agent did it. */
int keys_do(const struct keys_ask *q, struct json **ret, int *ret_agent,
    struct err *err);

/* --- keys_way.c: the sources that a request takes -------------------- */

struct key_way;
struct keys_ways {
	struct key_way *v;
	size_t n;
	char *missing;		/* what could not be opened, and why; NULL */
};
/* keys_way_open(w, spec, create, tpm, uid, err): one more; a TPM's is a
 * nodeseal-tpm that asks ${tpm} as ${uid}. */
int keys_way_open(struct keys_ways *w, const char *spec, int create,
    const char *tpm, uid_t uid, struct err *err);
/* keys_ways_for(w, q, list, uid, err): what ${q} takes, of the slots in
 * ${list}: of a new one its source, of a rotation every slot's, of the last
 * TPM's slot that TPM. */
int keys_ways_for(struct keys_ways *w, const struct keys_ask *q,
    const struct json *list, uid_t uid, struct err *err);
void keys_ways_clear(struct keys_ways *w);

/* --- keys_state.c ---------------------------------------------------- */

/* keys_state_do: keys_do on the state directory. */
int keys_state_do(const struct keys_ask *q, struct json **ret,
    struct err *err);

#endif
