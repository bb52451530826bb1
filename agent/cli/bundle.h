/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_BUNDLE_H
#define CLI_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/strmap.h"
#include "seal/bundle.h"

/* What the subcommands of `nodeseal bundle` share. */

/* One subcommand each; argv are the words behind it, the exit status. */
int cli_bundle_keygen(int argc, char **argv);
int cli_bundle_create(int argc, char **argv);
int cli_bundle_inspect(int argc, char **argv);
int cli_bundle_import(int argc, char **argv);

/* bundle_complain(what, err): on standard error; the exit status. */
int bundle_complain(const char *what, const struct err *err);

/* bundle_key_read(path, is_secret, key, err): an issuer's key file; a secret
 * one must belong to us alone (0600).  ${key} is fit for keys then. */
int bundle_key_read(const char *path, int is_secret,
    uint8_t key[static BUNDLE_KEY_LEN], struct err *err);
/* bundle_file_open(path, err): a bundle's file, regular and not too large. */
int bundle_file_open(const char *path, struct err *err);

/* --- bundle_words.c: the words of create --------------------------------- */

struct bundle_words {
	const char *issuer;		/* file of the secret key */
	const char *output;
	const char *since;		/* index of the bundle before, NULL */
	int64_t valid_ms;
	uint64_t sequence;		/* 0: by the clock */
	const char **nodes, **revoke, **new_issuers;
	size_t nnodes, nrevoke, nnew_issuers;
	uint8_t *revoked, *revoked_issuers;	/* ids, back to back */
	size_t nrevoked, nrevoked_issuers;
	char **render;			/* for the job: borrowed words */
	size_t nrender;
	int help;
};
int bundle_words_parse(int argc, char **argv, struct bundle_words *ret,
    struct err *err);
void bundle_words_clear(struct bundle_words *w);

/* --- bundle_index.c: what a bundle held, for the delta after it ----------- */

/*
 * OUT.index, JSON, on the connected machine alone: ids, the sequence, and of
 * each value a hash keyed by the issuer's secret key.
 */
struct bundle_index {
	uint8_t id[BUNDLE_ID_LEN], issuer[BUNDLE_ID_LEN];
	uint64_t sequence;
	struct strmap *values;		/* "ns/name" -> hex hash, owned */
};
void bundle_index_init(struct bundle_index *x);
void bundle_index_clear(struct bundle_index *x);
int bundle_index_read(const char *path, struct bundle_index *ret,
    struct err *err);
int bundle_index_write(const char *path, const struct bundle_index *x,
    struct err *err);

/* --- bundle_render.c: the job and what it sends --------------------------- */

struct bundle_render {
	struct bundle_writer *w;
	uint8_t *pk, *sk;		/* once, for the job's stream */
	uint8_t *room;			/* BUNDLE_MESSAGE_MAX, fit for values */
	uint8_t *hash_key;		/* of the index */
	const struct bundle_index *since;	/* NULL: all in full */
	struct bundle_index *index;	/* filled in */
	size_t nobjects, nvalues, nkept;
};
/* bundle_render_run(r, words, n, err): start `nodeseal-job bundle` with these
 * words and put what it renders into r->w.  What failed the job has said
 * itself: then err is INVALID with the count. */
int bundle_render_run(struct bundle_render *r, char *const *words, size_t n,
    struct err *err);

#endif
