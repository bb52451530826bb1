/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_BUNDLE_H
#define CORE_BUNDLE_H

#include "core/core_internal.h"
#include "seal/bundle.h"
#include "seal/snapshot.h"

/*
 * What bundles have brought to this node (seal/bundle.h): whom it trusts, what
 * it has imported, and the objects that came along.  An issuer's last bundle
 * states all that this node has of him: values that it does not name are
 * withdrawn, all others live until it expires.
 *
 * Precedence: an object of a local file hides one of a bundle; of two values of
 * one name the one that was fetched later stays.  A bundle is applied whole or
 * not at all, and only after its signature was verified.
 */
#define BUNDLE_ORIGIN "~bundle:"	/* sorts behind names of files */
#define BUNDLE_SOURCE "bundle:"		/* of a record: then the issuer's id */
#define BUNDLE_TOMBS_MAX 65536

struct bundle_object {
	char *kind, *ns, *name, *head;
};

struct bundle_issuer {
	uint8_t key[BUNDLE_KEY_LEN];
	uint8_t id[BUNDLE_ID_LEN];
	char hex[BUNDLE_HEX_LEN];
	char origin[sizeof(BUNDLE_ORIGIN) + BUNDLE_HEX_LEN];
	int known;		/* the key is there: he is trusted */
	int pinned;		/* by --issuer-key */
	int revoked;
	/* His last bundle; sequence 0: none yet. */
	uint8_t last[BUNDLE_ID_LEN];
	char last_hex[BUNDLE_HEX_LEN];
	uint64_t sequence;
	int64_t issued_at, not_after;	/* wall ms */
	int withdrawn;		/* that bundle was revoked */
	int fresh;		/* it was imported by this process */
	struct bundle_object *objects;
	size_t nobjects;
};

struct bundle_tomb {
	char *ns, *name;	/* ns "": name is a bundle's id */
	int64_t at;		/* wall ms */
};

struct bundle_folder;
struct bundle_server;

struct bundles {
	struct core *core;
	struct bundle_issuer **v;
	size_t n;
	struct strmap *tombs;	/* "ns/name" -> struct bundle_tomb */
	struct bundle_import *queue;	/* one after another; NULL */
	struct bundle_folder *folder, *inbox;	/* NULL none */
	struct bundle_server *server;
};

struct bundles *bundles_new(struct core *c);
void bundles_free(struct bundles *b);
/* bundles_pin(b, name, fd): the public key in ${fd} (taken over; -1 could not
 * be had), which --issuer-key ${name} names.  bundles_start: all of them have
 * come: look for bundles. */
void bundles_pin(struct bundles *b, const char *name, int fd);
void bundles_start(struct bundles *b);

/* --- importing (bundle.c) ------------------------------------------------ */

/* What became of it: ${text} in one line, or why not. */
typedef void (*bundle_done_fn)(void *arg, const char *text,
    const struct err *err);
/**
 * bundle_import(b, fd, again, done, arg):
 * Read, verify, check and apply the bundle in ${fd} (taken over).  ${again}: it
 * is no failure that it was imported already; it is applied once more when that
 * was before this process.  One after another; done() runs once, later.
 */
struct bundle_import *bundle_import(struct bundles *b, int fd, int again,
    bundle_done_fn done, void *arg);
/* bundle_import_cancel: done() does not run. */
void bundle_import_cancel(struct bundle_import *i);

/* bundle_ends(item): when the bundle of the item's value ends, boot ms. */
int64_t bundle_ends(const struct core *c, const struct item *item);

struct bundle_issuer *bundle_issuer_get(const struct bundles *b,
    const uint8_t id[static BUNDLE_ID_LEN]);
/* bundle_issuer_put: the one of that id, made when it is new. */
struct bundle_issuer *bundle_issuer_put(struct bundles *b,
    const uint8_t id[static BUNDLE_ID_LEN]);

/* --- applying (bundle_apply.c) ------------------------------------------- */

/* bundle_apply(b, bundle, from, again, ret_text, err): open and apply a
 * verified one. */
int bundle_apply(struct bundles *b, const struct bundle *bundle,
    struct bundle_issuer *from, char **ret_text, struct err *err);
/* bundle_catalog(b, i): his objects into the catalog. */
void bundle_catalog(struct bundles *b, struct bundle_issuer *i);
void bundle_objects_clear(struct bundle_issuer *i);
/* bundle_serve(b, item, i, fetched_at): its content is of his bundle. */
void bundle_serve(struct bundles *b, struct item *item,
    struct bundle_issuer *i, int64_t fetched_at);
void bundle_tomb_put(struct bundles *b, const char *ns, const char *name,
    int64_t at);

/* --- kept in the sealed file (bundle_state.c) ----------------------------- */

/* bundles_collect(b, out): add objects (borrowed, as state_objects_collect's),
 * tombs and issuers. */
void bundles_collect(const struct bundles *b, struct snapshot *out);
/* bundles_restore: before the values are. */
void bundles_restore(struct bundles *b, const struct snapshot *from);
/* bundle_of_source(b, source): whose a record is, by its source (BUNDLE_SOURCE
 * and his id); NULL when it is nobody's any more. */
struct bundle_issuer *bundle_of_source(const struct bundles *b,
    const char *source);
/* bundles_json: the object `bundles` of status.  bundles_problem: the i-th
 * line for `degraded`, the caller's; NULL behind the last. */
struct json *bundles_json(const struct bundles *b);
char *bundles_problem(const struct bundles *b, size_t i);

/* --- where they come from (bundle_folder.c, bundle_server.c) -------------- */

/* bundle_folder_new: --bundles, by the keeper; bundle_inbox_new: what `bundle
 * import` has left below the state directory, taken away once imported. */
struct bundle_folder *bundle_folder_new(struct bundles *b, const char *dir);
struct bundle_folder *bundle_inbox_new(struct bundles *b, int state_dir);
void bundle_folder_free(struct bundle_folder *f);
struct source_folder;
void bundle_folder_opened(struct bundle_folder *f,
    const struct source_folder *opened);
void bundle_folder_file(struct bundle_folder *f, const char *name, int fd,
    const char *why);
/* The n-th file, for status: 1, 0 behind the last.  ${error} "" when fine. */
int bundle_folder_at(const struct bundle_folder *f, size_t n,
    const char **ret_name, const char **ret_state, const char **ret_error);

/* bundle_server_new(b, fd, err): who listens; ${fd} is taken over. */
int bundle_server_new(struct bundles *b, int fd, struct err *err);
void bundle_server_free(struct bundle_server *s);

#endif
