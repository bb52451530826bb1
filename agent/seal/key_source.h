/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_KEY_SOURCE_H
#define SEAL_KEY_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "seal/key_slots.h"

/*
 * Key sources: from what --key-source says to the 32 bytes that open a slot.
 * One table of drivers, one for each type.  What must be opened (a key file, a
 * passphrase file, a credential) is opened by the caller, who has the right;
 * a TPM is asked by nodeseal-tpm, over a socket.
 */
struct key_source {
	enum slot_type type;
	char *arg;	/* path, name, PCRs */
};

/* key_source_parse(spec, ret, err): `file:PATH`, `tpm2[:PCRS]`,
 * `passphrase-file:PATH`, `credential:NAME`.  INVALID names --key-source and
 * what may stand there. */
int key_source_parse(const char *spec, struct key_source *ret,
    struct err *err);
void key_source_clear(struct key_source *s);
/* key_source_path(s): the file to open, the caller's: of a credential below
 * $CREDENTIALS_DIRECTORY; NULL for a TPM. */
char *key_source_path(const struct key_source *s, struct err *err);

/* key_source_open(s, create, err): open its file for reading, with systemd's
 * checks: regular, one link, owned by us or root, mode 0600 or less, in a
 * directory that others cannot write; DENIED names the remedy.  A missing key
 * file (SLOT_FILE alone) is made when ${create}: 32 random bytes, 0600,
 * fsynced.  The descriptor, or -1. */
int key_source_open(const struct key_source *s, int create, struct err *err);

/* What a TPM's counter says, on a scale of the node's own: it goes on where
 * another TPM's ended (reference security-offline.md d.3, "T2"). */
struct key_counter {
	uint32_t index;		/* in: its handle, for a new slot */
	uint64_t value;		/* in, for a new slot: where it is; out */
	int known;		/* out: ${value} is what it says */
	char *problem;		/* out: why not; owned */
};
void key_counter_clear(struct key_counter *c);

/**
 * key_source_material(s, fd, slot, counter, out, err):
 * The 32 bytes of ${slot} (params: salt and Argon2id costs of a passphrase, a
 * TPM's blob) into ${out}, which is fit for keys.  ${slot} with no params: make
 * them (a new slot).  ${fd} is what key_source_open gave, or a socket to
 * nodeseal-tpm (seal/tpm_wire.h), which answers within TPM_ANSWER_MS;
 * ${counter} is a TPM's alone, and may be NULL elsewhere.  Nothing of the
 * source stays in ordinary memory.  Kinds of a TPM's failures:
 * tpm_verdict_kind.
 */
int key_source_material(const struct key_source *s, int fd,
    struct key_slot *slot, struct key_counter *counter,
    uint8_t out[static 32], struct err *err);

/* key_counter_step(fd, slot, from, ret, err): raise the counter of a TPM's
 * ${slot} from ${from} by one; *ret is what it says then (${from} + 1, also
 * when it was there already).  Blocks as above. */
int key_counter_step(int fd, const struct key_slot *slot, uint64_t from,
    uint64_t *ret, struct err *err);
/* key_counter_forget(fd, slot, err): take it away with its last slot. */
int key_counter_forget(int fd, const struct key_slot *slot, struct err *err);

#endif
