/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/bundle.h"

#define VALID_MS (30ll * 24 * 3600 * 1000)

enum type { TEXT, LIST, IDS, DURATION, NUMBER, HELP };

static const struct word {
	const char *name;
	enum type type;
	size_t at, count_at;
} table[] = {
#define AT(f) offsetof(struct bundle_words, f)
	{ "--issuer", TEXT, AT(issuer), 0 },
	{ "-o", TEXT, AT(output), 0 },
	{ "--output", TEXT, AT(output), 0 },
	{ "--since", TEXT, AT(since), 0 },
	{ "--valid-for", DURATION, 0, 0 },
	{ "--sequence", NUMBER, 0, 0 },
	{ "--node-key", LIST, AT(nodes), AT(nnodes) },
	{ "--revoke", LIST, AT(revoke), AT(nrevoke) },
	{ "--new-issuer", LIST, AT(new_issuers), AT(nnew_issuers) },
	{ "--revoke-bundle", IDS, AT(revoked), AT(nrevoked) },
	{ "--revoke-issuer", IDS, AT(revoked_issuers), AT(nrevoked_issuers) },
	{ "--help", HELP, 0, 0 },
	{ "-h", HELP, 0, 0 },
};

static const struct word *
find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return (&table[i]);
	return (NULL);
}

static int
valid_set(struct bundle_words *w, const char *value, struct err *err)
{
	if (duration_parse(value, &w->valid_ms, err) == -1)
		return (err_wrap(err, "--valid-for"));
	if (w->valid_ms < 1000 || w->valid_ms > BUNDLE_VALID_MAX_MS)
		return (err_set(err, ERR_INVALID, "--valid-for: %s: from 1s "
		    "to 2160h (90 days)", value));
	return (0);
}

static int
sequence_set(struct bundle_words *w, const char *value, struct err *err)
{
	char *end;

	errno = 0;
	w->sequence = strtoull(value, &end, 10);
	if (errno || *end || *value == '-' || w->sequence == 0)
		return (err_set(err, ERR_INVALID, "--sequence: %s is no "
		    "number from 1", value));
	return (0);
}

static int
take(struct bundle_words *w, const struct word *t, const char *value,
    struct err *err)
{
	char *base = (char *)w;
	const char ***list = (const char ***)(void *)(base + t->at);
	uint8_t **ids = (uint8_t **)(void *)(base + t->at);
	size_t *n = (size_t *)(void *)(base + t->count_at);

	switch (t->type) {
	case TEXT:
		*(const char **)(void *)(base + t->at) = value;
		return (0);
	case LIST:
		*list = mem_grow(*list, *n + 1, sizeof(**list));
		(*list)[(*n)++] = value;
		return (0);
	case IDS:
		*ids = mem_grow(*ids, *n + 1, BUNDLE_ID_LEN);
		if (bundle_unhex(value, *ids + *n * BUNDLE_ID_LEN, err) == -1)
			return (err_wrap(err, "%s", t->name));
		(*n)++;
		return (0);
	case DURATION:
		return (valid_set(w, value, err));
	case NUMBER:
		return (sequence_set(w, value, err));
	case HELP:
		w->help = 1;
	}
	return (0);
}

/* What is not ours is render's. */
static void
pass(struct bundle_words *w, char *word)
{
	w->render = mem_grow(w->render, w->nrender + 1, sizeof(*w->render));
	w->render[w->nrender++] = word;
}

static int
check(const struct bundle_words *w, struct err *err)
{
	size_t i;

	if (w->help)
		return (0);
	if (!w->issuer)
		return (err_set(err, ERR_INVALID, "--issuer: missing: the "
		    "secret key file of nodeseal bundle keygen"));
	if (!w->nnodes)
		return (err_set(err, ERR_INVALID, "--node-key: missing: what "
		    "nodeseal pubkey says on the node, or a file with it"));
	if (!w->output)
		return (err_set(err, ERR_INVALID, "-o: missing: the file to "
		    "write"));
	for (i = 0; i < w->nrevoke; i++)
		if (!strchr(w->revoke[i], '/'))
			return (err_set(err, ERR_INVALID, "--revoke: %s: "
			    "write NAMESPACE/NAME", w->revoke[i]));
	return (0);
}

int
bundle_words_parse(int argc, char **argv, struct bundle_words *ret,
    struct err *err)
{
	const struct word *t;
	int i, rc = 0;

	memset(ret, 0, sizeof(*ret));
	ret->valid_ms = VALID_MS;
	for (i = 0; i < argc && rc == 0; i++) {
		t = find(argv[i]);
		if (!t)
			pass(ret, argv[i]);
		else if (t->type != HELP && i + 1 == argc)
			rc = err_set(err, ERR_INVALID, "%s: needs a value",
			    argv[i]);
		else
			rc = take(ret, t, t->type == HELP ? "" : argv[++i],
			    err);
	}
	if (rc == 0)
		rc = check(ret, err);
	if (rc == -1)
		bundle_words_clear(ret);
	return (rc);
}

void
bundle_words_clear(struct bundle_words *w)
{
	free(w->nodes);
	free(w->revoke);
	free(w->new_issuers);
	free(w->revoked);
	free(w->revoked_issuers);
	free(w->render);
	memset(w, 0, sizeof(*w));
}
