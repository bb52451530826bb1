/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/offline.h"
#include "model/schema.h"

/* --- one reader a kind of value ----------------------------------------- */

static int
read_duration(const char *value, int64_t *ret)
{
	int64_t ms;

	if (duration_parse(value, &ms, NULL) == -1 || ms < 0)
		return (-1);
	*ret = ms;
	return (0);
}

/* "Grace=24h": a word, and a duration of its own. */
static int
read_grace(const char *value, struct offline_policy *p)
{
	static const char grace[] = "Grace=";

	if (strncmp(value, grace, sizeof(grace) - 1) != 0)
		return (-1);
	p->on_denied = OFFLINE_GRACE;
	return (read_duration(value + sizeof(grace) - 1, &p->grace_ms));
}

/* --- the table ---------------------------------------------------------- */

#define AT(m) offsetof(struct offline_policy, m)
_Static_assert(sizeof(enum offline_mode) == sizeof(int), "enum");

static const struct annotation {
	const char *name;	/* behind OFFLINE_PREFIX; first member */
	size_t at;		/* an enum when there are words, else ms */
	const char *words[5];	/* in the order of the enum */
	int (*also)(const char *value, struct offline_policy *p);
	const char *may;
} annotations[] = {
	{ "max-stale", AT(max_stale_ms), { NULL }, NULL,
	    "a duration such as 168h" },
	{ "min-key-source", AT(key_source), { "tpm2", "any" }, NULL,
	    "any or tpm2" },
	{ "mode", AT(mode), { "Never", "FailClosed", "MemoryOnly",
	    "ServeStale" }, NULL,
	    "ServeStale, MemoryOnly, FailClosed or Never" },
	{ "new-pods", AT(new_pods), { "Deny", "Allow" }, NULL,
	    "Allow or Deny" },
	{ "on-denied", AT(on_denied), { "Purge", "Grace", "Keep" },
	    read_grace, "Grace=24h, Keep or Purge" },
	{ "on-expiry", AT(on_expiry), { "RemoveFiles", "KeepFiles" }, NULL,
	    "KeepFiles or RemoveFiles" },
	{ "warn-after", AT(warn_after_ms), { NULL }, NULL,
	    "a duration such as 2h" },
};
#undef AT

static int
read_value(const struct annotation *a, const char *value,
    struct offline_policy *p)
{
	void *field = (char *)p + a->at;
	int i;

	if (!a->words[0])
		return (read_duration(value, field));
	for (i = 0; a->words[i]; i++) {
		if (!str_eq(a->words[i], value))
			continue;
		*(int *)field = i;
		return (0);
	}
	return (a->also ? a->also(value, p) : -1);
}

void
offline_default(struct offline_policy *p)
{
	*p = (struct offline_policy){ .mode = OFFLINE_SERVE_STALE,
		.max_stale_ms = OFFLINE_MAX_STALE_MS, .warn_after_ms = -1,
		.new_pods = OFFLINE_ALLOW, .on_expiry = OFFLINE_KEEP_FILES,
		.on_denied = OFFLINE_GRACE, .grace_ms = OFFLINE_GRACE_MS,
		.key_source = OFFLINE_KEY_ANY };
}

/* 0; 1 when it is none of ours; -1 with the remedy (the caller's). */
static int
read_one(const char *key, const char *value, struct offline_policy *p,
    char **ret_remedy)
{
	const size_t prefix = sizeof(OFFLINE_PREFIX) - 1;
	const char *near;
	size_t i;

	if (strncmp(key, OFFLINE_PREFIX, prefix) != 0)
		return (1);
	for (i = 0; i < ARRAY_LEN(annotations); i++) {
		if (!str_eq(annotations[i].name, key + prefix))
			continue;
		if (read_value(&annotations[i], value, p) == 0)
			return (0);
		*ret_remedy = str_fmt("unknown value \"%.64s\": use %s", value,
		    annotations[i].may);
		return (-1);
	}
	near = schema_nearest(key + prefix, annotations,
	    sizeof(annotations[0]), ARRAY_LEN(annotations));
	*ret_remedy = near ? str_fmt("unknown annotation: did you mean %s%s?",
	    OFFLINE_PREFIX, near) : str_dup("unknown annotation of this "
	    "prefix: remove it");
	return (-1);
}

void
offline_parse(const struct strmap *map, const struct json *node,
    struct offline_policy *p, struct findings *f)
{
	size_t i;

	offline_default(p);
	for (i = strmap_next(map, 0); i; i = strmap_next(map, i)) {
		cleanup_free char *remedy = NULL;
		cleanup_free char *field = NULL;
		const char *key = strmap_key(map, i);

		if (read_one(key, strmap_val(map, i), p, &remedy) != -1)
			continue;
		field = str_fmt("metadata.annotations[%s]", key);
		findings_reject(f, FINDING_OURS, json_get(node, key), field,
		    "%s", remedy);
	}
}

/* --- what follows from it ------------------------------------------------ */

#define NARROW(p, c, m) \
	do { \
		if ((c)->m < (p)->m) \
			(p)->m = (c)->m; \
	} while (0)

void
offline_narrow(struct offline_policy *p, const struct offline_policy *c)
{
	NARROW(p, c, mode);
	NARROW(p, c, max_stale_ms);
	NARROW(p, c, new_pods);
	NARROW(p, c, on_expiry);
	NARROW(p, c, key_source);
	if (c->on_denied == OFFLINE_GRACE && p->on_denied == OFFLINE_GRACE)
		NARROW(p, c, grace_ms);
	else if (c->on_denied < p->on_denied)
		p->grace_ms = c->grace_ms;
	NARROW(p, c, on_denied);
	if (c->warn_after_ms != -1 && (p->warn_after_ms == -1 ||
	    c->warn_after_ms < p->warn_after_ms))
		p->warn_after_ms = c->warn_after_ms;
}

int64_t
offline_warn_ms(const struct offline_policy *p, int64_t refresh_interval_ms)
{
	if (p->warn_after_ms != -1)
		return (p->warn_after_ms);
	if (refresh_interval_ms <= 0)
		return (OFFLINE_WARN_LEAST_MS);
	return (refresh_interval_ms > INT64_MAX / 2 ? INT64_MAX :
	    2 * refresh_interval_ms);
}

static int64_t
later(int64_t at, int64_t ms)
{
	int64_t sum;

	return (__builtin_add_overflow(at, ms, &sum) ? INT64_MAX : sum);
}

int64_t
offline_expires_ms(const struct offline_policy *p,
    int64_t refresh_interval_ms, int64_t synced_at, int64_t failed_since)
{
	int64_t at = later(failed_since, p->max_stale_ms), never;

	if (p->mode != OFFLINE_NEVER)
		return (at);
	never = later(synced_at,
	    refresh_interval_ms > 0 ? refresh_interval_ms : 0);
	/* Not before the failure of what was due then is known. */
	if (never < failed_since)
		never = failed_since;
	return (never < at ? never : at);
}
