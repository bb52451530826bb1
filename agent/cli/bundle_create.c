/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cli/bundle.h"
#include "seal/node_key.h"
#include "seal/record.h"

static const char help[] =
    "usage: nodeseal bundle create --issuer FILE --node-key KEY|FILE … \\\n"
    "           -f FILE|DIR … -o FILE [FLAG …]\n\n"
    "Renders every ExternalSecret of the manifests, as nodeseal render does,\n"
    "and writes a bundle of the values, with the ExternalSecrets, stores\n"
    "(names and policies alone) and HostProjections they belong to.\n\n"
    "  --issuer FILE        secret key of the issuer (nodeseal bundle keygen)\n"
    "  --node-key KEY|FILE  whom it is for: what nodeseal pubkey says there;\n"
    "                       repeatable\n"
    "  -o FILE              the bundle; FILE.index stays here, for a delta\n"
    "  --valid-for TIME     until it expires on the node (720h, at most "
    "2160h)\n"
    "  --since INDEX        a delta upon that bundle: its FILE.index\n"
    "  --sequence N         above all that the node has of this issuer (by "
    "default\n"
    "                       the time)\n"
    "  --revoke NS/NAME     withdraw this value from the node, whoever "
    "brought it\n"
    "  --revoke-bundle ID, --revoke-issuer ID\n"
    "                       withdraw what they brought, refuse them from now "
    "on\n"
    "  --new-issuer FILE    public key of one more issuer the node shall "
    "trust\n"
    "  -f, -n, --class, --generic-targets, --template-left-delimiter,\n"
    "  --template-right-delimiter, --allow-ambient-identity: as render's\n\n"
    "Exit status: 0 done, 1 something failed and nothing was written, 2 wrong "
    "use.\n";

/* What is secret, in memory that is neither swapped nor dumped. */
struct vault {
	struct arena *arena;
	uint8_t *seed, *hash_key, *sk, *room;
	struct bundle_writer *writer;
	uint8_t pk[BOX_KEY_LEN];
};

static int
vault_open(struct vault *v, const char *issuer, struct err *err)
{
	if (arena_open(BUNDLE_MESSAGE_MAX + 4096, &v->arena, err) == -1)
		return (-1);
	v->seed = arena_alloc(v->arena, BUNDLE_SEED_LEN);
	v->hash_key = arena_alloc(v->arena, RECORD_KEY_LEN);
	v->sk = arena_alloc(v->arena, BOX_KEY_LEN);
	v->writer = arena_alloc(v->arena, sizeof(*v->writer));
	v->room = arena_alloc(v->arena, BUNDLE_MESSAGE_MAX);
	if (bundle_key_read(issuer, 1, v->seed, err) == -1)
		return (err_wrap(err, "--issuer"));
	record_derive(v->seed, 1, "nsb-indx", v->hash_key);
	box_keypair(v->pk, v->sk);
	return (0);
}

/* --- the head ----------------------------------------------------------- */

/* The key itself, or a file of what `nodeseal pubkey` says: then the
 * fingerprint stands below it. */
static int
node_read(const char *word, uint8_t pk[static NODE_KEY_LEN], struct err *err)
{
	cleanup_buf struct buf text = BUF_PLAIN(BUNDLE_KEY_FILE_MAX);
	const char *at;

	if (access(word, F_OK) == 0) {
		if (file_read(word, &text, err) == -1)
			return (err_wrap(err, "--node-key"));
		at = text.data ? strstr(text.data, "fingerprint") : NULL;
		if (at)
			buf_cut(&text, (size_t)(at - text.data));
		word = buf_str(&text);
	}
	if (node_key_parse(word, pk, err) == -1)
		return (err_wrap(err, "--node-key"));
	return (0);
}

static int
lists_make(const struct bundle_words *w, struct bundle_head *h,
    struct err *err)
{
	size_t i;

	h->nrevoked = w->nrevoked;
	h->revoked = mem_dup(w->revoked ? w->revoked : (const uint8_t *)"",
	    w->nrevoked * BUNDLE_ID_LEN);
	h->nrevoked_issuers = w->nrevoked_issuers;
	h->revoked_issuers = mem_dup(w->revoked_issuers ?
	    w->revoked_issuers : (const uint8_t *)"",
	    w->nrevoked_issuers * BUNDLE_ID_LEN);
	h->nissuers = w->nnew_issuers;
	h->issuers = mem_array(w->nnew_issuers, BUNDLE_KEY_LEN);
	for (i = 0; i < w->nnew_issuers; i++)
		if (bundle_key_read(w->new_issuers[i], 0, h->issuers +
		    i * BUNDLE_KEY_LEN, err) == -1)
			return (err_wrap(err, "--new-issuer"));
	return (0);
}

static int
follow(const struct bundle_index *since, struct bundle_head *h,
    struct err *err)
{
	if (!since)
		return (0);
	if (memcmp(since->issuer, h->issuer, BUNDLE_ID_LEN) != 0)
		return (err_set(err, ERR_INVALID, "--since: that bundle is "
		    "another issuer's"));
	if (h->sequence <= since->sequence)
		return (err_set(err, ERR_INVALID, "--sequence: %llu is not "
		    "above %llu, that of the bundle before",
		    (unsigned long long)h->sequence,
		    (unsigned long long)since->sequence));
	h->mode = BUNDLE_DELTA;
	memcpy(h->previous, since->id, BUNDLE_ID_LEN);
	return (0);
}

static int
head_make(const struct bundle_words *w, const struct vault *v,
    const struct bundle_index *since, struct bundle_head *h, struct err *err)
{
	uint8_t key[BUNDLE_KEY_LEN];

	record_random(h->id, BUNDLE_ID_LEN);
	bundle_issuer_public(v->seed, key);
	bundle_key_id(key, h->issuer);
	h->issued_at = clock_system()->wall_ms(clock_system());
	h->not_before = h->issued_at;
	h->not_after = h->issued_at + w->valid_ms;
	h->sequence = w->sequence ? w->sequence : (uint64_t)h->issued_at;
	h->mode = BUNDLE_FULL;
	h->nrecipients = w->nnodes;
	if (lists_make(w, h, err) == -1)
		return (-1);
	return (follow(since, h, err));
}

/* --- the file ----------------------------------------------------------- */

static int
put(void *arg, const void *data, size_t len, struct err *err)
{
	return (file_write_all(*(const int *)arg, data, len, err));
}

static int
revokes_add(const struct bundle_words *w, struct bundle_writer *out,
    struct err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < w->nrevoke && rc == 0; i++) {
		const char *slash = strchr(w->revoke[i], '/');
		cleanup_free char *ns = str_ndup(w->revoke[i],
		    (size_t)(slash - w->revoke[i]));
		cleanup_free char *name = str_dup(slash + 1);
		struct bundle_message m = { .type = BUNDLE_REVOKE, .ns = ns,
			.name = name };

		rc = bundle_add(out, &m, err);
	}
	return (rc);
}

static int
content_write(const struct bundle_words *w, struct vault *v,
    struct bundle_head *h, int *fd, struct bundle_render *r, struct err *err)
{
	cleanup_free uint8_t *nodes = mem_array(w->nnodes, NODE_KEY_LEN);
	size_t i;

	for (i = 0; i < w->nnodes; i++)
		if (node_read(w->nodes[i], nodes + i * NODE_KEY_LEN,
		    err) == -1)
			return (-1);
	if (bundle_begin(v->writer, h, nodes, put, fd, err) == -1 ||
	    bundle_render_run(r, w->render, w->nrender, err) == -1 ||
	    revokes_add(w, v->writer, err) == -1 ||
	    bundle_finish(v->writer, v->seed, err) == -1)
		return (-1);
	if (fsync(*fd) == -1)
		return (err_sys(err, "fsync"));
	return (0);
}

/* Whole or not at all; only what is encrypted ever reaches it. */
static int
file_make(const struct bundle_words *w, struct vault *v,
    struct bundle_head *h, struct bundle_render *r, struct err *err)
{
	cleanup_free char *tmp = str_fmt("%s.tmp", w->output);
	cleanup_free char *index = str_fmt("%s.index", w->output);
	cleanup_close int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC |
	    O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd == -1)
		return (err_sys(err, "%s", tmp));
	if (content_write(w, v, h, &fd, r, err) == -1) {
		unlink(tmp);
		return (-1);
	}
	memcpy(r->index->id, h->id, BUNDLE_ID_LEN);
	memcpy(r->index->issuer, h->issuer, BUNDLE_ID_LEN);
	r->index->sequence = h->sequence;
	if (bundle_index_write(index, r->index, err) == -1 ||
	    rename(tmp, w->output) == -1) {
		if (!err->kind)
			err_sys(err, "%s", w->output);
		unlink(tmp);
		return (-1);
	}
	return (0);
}

static void
say(const struct bundle_words *w, const struct bundle_head *h,
    const struct bundle_render *r)
{
	cleanup_buf struct buf until = BUF_PLAIN(64);
	char id[BUNDLE_HEX_LEN];

	bundle_hex(h->id, id);
	time_rfc3339(&until, h->not_after);
	printf("%s: %s bundle %s, sequence %llu: %zu objects, %zu values, %zu "
	    "kept, for %zu node%s, valid until %s\n", w->output,
	    bundle_mode_name(h->mode), id, (unsigned long long)h->sequence,
	    r->nobjects, r->nvalues, r->nkept, h->nrecipients,
	    h->nrecipients == 1 ? "" : "s", buf_str(&until));
}

static int
create(const struct bundle_words *w, struct err *err)
{
	struct bundle_index index, since;
	struct bundle_head h = { .sequence = 0 };
	struct vault v = { .arena = NULL };
	struct bundle_render r = { .index = &index };
	int rc = -1;

	bundle_index_init(&index);
	bundle_index_init(&since);
	if (vault_open(&v, w->issuer, err) == 0 && (!w->since ||
	    bundle_index_read(w->since, &since, err) == 0) &&
	    head_make(w, &v, w->since ? &since : NULL, &h, err) == 0) {
		r.w = v.writer;
		r.pk = v.pk;
		r.sk = v.sk;
		r.room = v.room;
		r.hash_key = v.hash_key;
		r.since = w->since ? &since : NULL;
		rc = file_make(w, &v, &h, &r, err);
	}
	if (rc == 0)
		say(w, &h, &r);
	arena_close(v.arena);
	bundle_head_clear(&h);
	bundle_index_clear(&since);
	bundle_index_clear(&index);
	return (rc);
}

int
cli_bundle_create(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	struct bundle_words w;
	int rc = 0;

	if (bundle_words_parse(argc, argv, &w, &err) == -1) {
		bundle_complain("create", &err);
		return (2);
	}
	if (w.help)
		fputs(help, stdout);
	else if (create(&w, &err) == -1)
		rc = bundle_complain("create", &err);
	bundle_words_clear(&w);
	return (rc);
}
