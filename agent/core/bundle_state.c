/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/bundle.h"
#include "core/state.h"

/* --- into the sealed file ----------------------------------------------- */

/* Borrowed, as all objects of a snapshot that is written. */
static void
objects_collect(struct bundle_issuer *i, struct snapshot *out)
{
	static char none[] = "";
	size_t k;

	out->objects = mem_grow(out->objects, out->nobjects + i->nobjects,
	    sizeof(*out->objects));
	for (k = 0; k < i->nobjects; k++)
		out->objects[out->nobjects++] = (struct snapshot_object){
		    .origin = i->origin, .kind = i->objects[k].kind,
		    .ns = i->objects[k].ns, .name = i->objects[k].name,
		    .head = i->objects[k].head, .rejected = none };
}

static struct snapshot_issuer
issuer_out(const struct bundle_issuer *i)
{
	struct snapshot_issuer o = { .sequence = i->sequence,
		.issued_at = i->issued_at, .not_after = i->not_after,
		.revoked = (uint8_t)i->revoked };

	memcpy(o.key_id, i->id, sizeof(o.key_id));
	if (i->known)
		memcpy(o.key, i->key, sizeof(o.key));
	memcpy(o.last, i->last, sizeof(o.last));
	return (o);
}

void
bundles_collect(const struct bundles *b, struct snapshot *out)
{
	const struct bundle_tomb *t;
	size_t i;

	if (!b)
		return;
	out->issuers = mem_array(b->n, sizeof(*out->issuers));
	for (i = 0; i < b->n; i++) {
		objects_collect(b->v[i], out);
		out->issuers[out->nissuers++] = issuer_out(b->v[i]);
	}
	out->tombs = mem_array(strmap_len(b->tombs), sizeof(*out->tombs));
	for (i = strmap_next(b->tombs, 0); i; i = strmap_next(b->tombs, i)) {
		t = strmap_val(b->tombs, i);
		out->tombs[out->ntombs++] = (struct snapshot_tomb){
		    .ns = str_dup(t->ns), .name = str_dup(t->name),
		    .reason = str_dup("revoked"), .at = t->at };
	}
}

/* --- and out of it ------------------------------------------------------ */

static struct bundle_issuer *
of_text(const struct bundles *b, const char *text, const char *prefix)
{
	uint8_t id[BUNDLE_ID_LEN];
	size_t n = strlen(prefix);

	if (strncmp(text, prefix, n) != 0 ||
	    bundle_unhex(text + n, id, NULL) == -1)
		return (NULL);
	return (bundle_issuer_get(b, id));
}

struct bundle_issuer *
bundle_of_source(const struct bundles *b, const char *source)
{
	return (b ? of_text(b, source, BUNDLE_SOURCE) : NULL);
}

/* Who was introduced by another one stays; a key of the words is believed
 * before one of the file. */
static void
issuer_in(struct bundles *b, const struct snapshot_issuer *s)
{
	static const uint8_t none[BUNDLE_KEY_LEN];
	struct bundle_issuer *i = bundle_issuer_put(b, s->key_id);

	if (!i->known && memcmp(s->key, none, sizeof(none)) != 0) {
		memcpy(i->key, s->key, sizeof(i->key));
		i->known = 1;
	}
	i->sequence = s->sequence;
	memcpy(i->last, s->last, sizeof(i->last));
	bundle_hex(i->last, i->last_hex);
	i->issued_at = s->issued_at;
	i->not_after = s->not_after;
	i->revoked = s->revoked;
}

static void
object_in(struct bundles *b, const struct snapshot_object *o)
{
	struct bundle_issuer *i = of_text(b, o->origin, BUNDLE_ORIGIN);

	if (!i || i->revoked)
		return;
	i->objects = mem_grow(i->objects, i->nobjects + 1,
	    sizeof(*i->objects));
	i->objects[i->nobjects++] = (struct bundle_object){ str_dup(o->kind),
		str_dup(o->ns), str_dup(o->name), str_dup(o->head) };
}

void
bundles_restore(struct bundles *b, const struct snapshot *from)
{
	size_t i;

	if (!b)
		return;
	for (i = 0; i < from->nissuers; i++)
		issuer_in(b, &from->issuers[i]);
	for (i = 0; i < from->ntombs; i++)
		bundle_tomb_put(b, from->tombs[i].ns, from->tombs[i].name,
		    from->tombs[i].at);
	for (i = 0; i < from->nobjects; i++)
		object_in(b, &from->objects[i]);
	for (i = 0; i < b->n; i++)
		if (b->v[i]->nobjects)
			bundle_catalog(b, b->v[i]);
}

/* --- status ------------------------------------------------------------- */

static void
set_time(struct json *o, const char *key, int64_t wall_ms)
{
	cleanup_buf struct buf text = BUF_PLAIN(64);

	if (wall_ms)
		time_rfc3339(&text, wall_ms);
	json_set_str(o, key, wall_ms ? buf_str(&text) : NULL);
}

static struct json *
issuer_json(const struct bundles *b, const struct bundle_issuer *i)
{
	cleanup_free char *digits = str_fmt("%llu",
	    (unsigned long long)i->sequence);
	struct json *o = json_new_object(), *sequence = json_new_num(0);
	const struct core *c = b->core;
	const struct item *item;
	size_t k, n = 0;

	for (k = strmap_next(c->items, 0); k; k = strmap_next(c->items, k)) {
		item = strmap_val(c->items, k);
		n += item->issuer == i && item->content != NULL;
	}
	json_set_digits(sequence, digits, strlen(digits));
	json_set_str(o, "issuer", i->hex);
	json_set_str(o, "state", i->revoked ? "revoked" : !i->known ?
	    "unknown" : i->sequence && i->not_after <= state_clock(c) ?
	    "expired" : "trusted");
	json_set_str(o, "bundle", i->sequence ? i->last_hex : NULL);
	json_set(o, "sequence", sequence);
	set_time(o, "issuedAt", i->issued_at);
	set_time(o, "notAfter", i->not_after);
	json_set_num(o, "values", (double)n);
	return (o);
}

static void
files_json(const struct bundle_folder *f, struct json *list)
{
	const char *name, *state, *error;
	struct json *o;
	size_t i;

	for (i = 0; f && bundle_folder_at(f, i, &name, &state, &error); i++) {
		o = json_new_object();
		json_set_str(o, "file", name);
		json_set_str(o, "state", state);
		json_set_str(o, "error", *error ? error : NULL);
		json_push(list, o);
	}
}

struct json *
bundles_json(const struct bundles *b)
{
	struct json *o = json_new_object();
	struct json *issuers = json_new_array(), *files = json_new_array();
	uint8_t pk[NODE_KEY_LEN];
	cleanup_free char *key = b && state_node_key(b->core, pk, NULL) == 0 ?
	    node_key_text(pk) : NULL;
	size_t i;

	for (i = 0; b && i < b->n; i++)
		json_push(issuers, issuer_json(b, b->v[i]));
	if (b) {
		files_json(b->folder, files);
		files_json(b->inbox, files);
	}
	json_set_str(o, "nodeKey", key);
	json_set(o, "issuers", issuers);
	json_set(o, "files", files);
	return (o);
}

static char *
file_problem(const struct bundle_folder *f, size_t *i)
{
	const char *name, *state, *error;
	size_t k;

	for (k = 0; f && bundle_folder_at(f, k, &name, &state, &error); k++)
		if (*error && (*i)-- == 0)
			return (str_fmt("bundle %s: %s", name, error));
	return (NULL);
}

char *
bundles_problem(const struct bundles *b, size_t i)
{
	char *line;
	size_t k;

	if (!b)
		return (NULL);
	for (k = 0; k < b->n; k++)
		if (!b->v[k]->revoked && b->v[k]->sequence &&
		    b->v[k]->not_after <= state_clock(b->core) && i-- == 0) {
			cleanup_buf struct buf at = BUF_PLAIN(64);

			time_rfc3339(&at, b->v[k]->not_after);
			return (str_fmt("bundle %s of issuer %s expired at "
			    "%s: import a newer one", b->v[k]->last_hex,
			    b->v[k]->hex, buf_str(&at)));
		}
	line = file_problem(b->folder, &i);
	return (line ? line : file_problem(b->inbox, &i));
}
