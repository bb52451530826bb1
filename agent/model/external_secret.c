/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/keccak.h"
#include "base/mem.h"
#include "model/cron.h"
#include "model/es_internal.h"
#include "model/head.h"

#define RECORD(table, ...) { .fields = (table), \
	.nfields = ARRAY_LEN(table), __VA_ARGS__ }

/* --- syncWindows --------------------------------------------------------- */

static size_t
word_span(const char *s)
{
	return (strcspn(s, "\t\n\f\r "));
}

/* ^(@(annually|…|hourly)|@every [^\s]+.*|[^\s]+( [^\s]+){4})$ */
static int
is_schedule(const char *s)
{
	static const char *const words[] = { "@annually", "@yearly",
		"@monthly", "@weekly", "@daily", "@midnight", "@hourly" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(s, words[i]) == 0)
			return (1);
	if (strncmp(s, "@every ", 7) == 0 && word_span(s + 7) > 0)
		return (strchr(s + 7, '\n') == NULL);
	for (int left = 5;; s++) {
		size_t n = word_span(s);

		if (n == 0)
			return (0);
		s += n;
		if (--left == 0)
			return (*s == '\0');
		if (*s != ' ')
			return (0);
	}
}

static const struct text_rule rule_schedule = {
	.pattern = "^(@(annually|yearly|monthly|weekly|daily|midnight|hourly)|"
	    "@every [^\\s]+.*|[^\\s]+( [^\\s]+){4})$",
	.matches = is_schedule, .min = 1
};

#define WINDOW __typeof__(*((struct sync_window *)0)->windows)
static const struct field window_fields[] = {
	{ .name = "duration", .type = FIELD_DURATION, .flags = FIELD_REQUIRED,
	    .at = offsetof(WINDOW, duration_ms) },
	{ .name = "schedule", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = offsetof(WINDOW, schedule), .rule = &rule_schedule },
};
static const struct record window = RECORD(window_fields,
	.size = sizeof(WINDOW));

static const char *const window_kinds[] = { "allow", "deny", NULL };
static const struct text_rule rule_window_kind = { .choices = window_kinds };

#define AT(m) offsetof(struct sync_window, m)
static const struct field windows_fields[] = {
	{ .name = "kind", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = AT(kind), .rule = &rule_window_kind },
	{ .name = "windows", .type = FIELD_OBJECTS, .flags = FIELD_REQUIRED,
	    .at = AT(windows), .count_at = AT(n), .record = &window,
	    .min_items = 1 },
};
#undef AT
static const struct record windows = RECORD(windows_fields,
	.size = sizeof(struct sync_window));

/* --- target -------------------------------------------------------------- */

static const char *const creations[] = { "Owner", "Orphan", "Merge", "None",
	"CreateOrMerge", NULL };
static const int creation_codes[] = { ES_OWNER, ES_ORPHAN, ES_MERGE, ES_NONE,
	ES_CREATE_OR_MERGE };
static const struct text_rule rule_creation = {
	.choices = creations, .codes = creation_codes
};

static const char *const deletions[] = { "Delete", "Merge", "Retain", NULL };
static const int deletion_codes[] = { ES_DELETE, ES_DELETION_MERGE, ES_RETAIN };
static const struct text_rule rule_deletion = {
	.choices = deletions, .codes = deletion_codes
};

static const struct text_rule rule_not_empty = { .min = 1 };

#define AT(m) offsetof(struct external_secret, m)
static const struct field manifest_fields[] = {
	{ .name = "apiVersion", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = AT(manifest_api_version), .rule = &rule_not_empty },
	{ .name = "kind", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = AT(manifest_kind), .rule = &rule_not_empty },
};
static const struct record manifest = RECORD(manifest_fields);

static const struct field target_fields[] = {
	{ .name = "creationPolicy", .type = FIELD_CHOICE, .at = AT(creation),
	    .rule = &rule_creation, .value = "Owner" },
	{ .name = "deletionPolicy", .type = FIELD_CHOICE, .at = AT(deletion),
	    .rule = &rule_deletion, .value = "Retain" },
	{ .name = "immutable", .type = FIELD_BOOL, .at = AT(immutable) },
	{ .name = "manifest", .type = FIELD_OBJECT, .record = &manifest },
	{ .name = "name", .type = FIELD_TEXT, .at = AT(target_name),
	    .rule = &rule_subdomain },
	{ .name = "template", .type = FIELD_OBJECT, .flags = FIELD_POINTER,
	    .at = AT(tmpl), .record = &es_record_template },
};
static const struct record target = RECORD(target_fields);

/* --- spec ---------------------------------------------------------------- */

static const char *const refreshes[] = { "CreatedOnce", "Periodic", "OnChange",
	NULL };
static const int refresh_codes[] = { ES_CREATED_ONCE, ES_PERIODIC,
	ES_ON_CHANGE };
static const struct text_rule rule_refresh = {
	.choices = refreshes, .codes = refresh_codes
};

static const struct field spec_fields[] = {
	{ .name = "data", .type = FIELD_OBJECTS, .at = AT(data),
	    .count_at = AT(ndata), .record = &es_record_data },
	{ .name = "dataFrom", .type = FIELD_OBJECTS, .at = AT(from),
	    .count_at = AT(nfrom), .record = &es_record_from },
	{ .name = "refreshInterval", .type = FIELD_DURATION,
	    .at = AT(refresh_interval_ms), .value = "1h0m0s" },
	{ .name = "refreshPolicy", .type = FIELD_CHOICE, .at = AT(refresh),
	    .rule = &rule_refresh, .value = "Periodic" },
	{ .name = "secretStoreRef", .type = FIELD_OBJECT, .at = AT(store),
	    .record = &es_record_store_ref },
	{ .name = "syncWindows", .type = FIELD_OBJECT, .at = AT(window),
	    .record = &windows },
	{ .name = "target", .type = FIELD_OBJECT, .record = &target },
};
static const struct record spec = RECORD(spec_fields);

static const struct field root_fields[] = {
	{ .name = "apiVersion", .type = FIELD_KNOWN },
	{ .name = "kind", .type = FIELD_KNOWN },
	{ .name = "metadata", .type = FIELD_OBJECT, .flags = FIELD_CHECK,
	    .record = &object_metadata },
	{ .name = "spec", .type = FIELD_OBJECT, .record = &spec },
	{ .name = "status", .type = FIELD_KNOWN },
	{ .name = HEAD_META_HASH, .type = FIELD_TEXT, .at = AT(meta_hash) },
};
#undef AT
static const struct record root = RECORD(root_fields);

/* --- parsing ------------------------------------------------------------- */

/* ESO takes "" for SecretStore, and so do older objects that say it. */
static void
default_kind(struct store_ref *ref)
{
	if (ref->kind[0] == '\0') {
		free(ref->kind);
		ref->kind = str_dup("SecretStore");
	}
}

static void
complete(struct external_secret *es, const struct json *obj)
{
	if (!json_is(json_get(obj, "spec"), JSON_OBJECT))
		es->refresh_interval_ms = 3600 * 1000;
	if (es->target_name[0] == '\0') {
		free(es->target_name);
		es->target_name = str_dup(es->meta.name);
	}
	default_kind(&es->store);
	for (size_t i = 0; i < es->ndata; i++)
		default_kind(&es->data[i].store);
	for (size_t i = 0; i < es->nfrom; i++)
		default_kind(&es->from[i].store);
	if (es->tmpl != NULL)
		es_template_from(es->tmpl,
		    json_path(obj, "spec.target.template.templateFrom"));
}

/* The CRD's pattern lets through what cron does not understand; ESO then
 * ignores the window without a word. */
static void
check_schedules(const struct external_secret *es, const struct json *obj,
    struct findings *f)
{
	const struct json *node =
	    json_path(obj, "spec.syncWindows.windows");

	for (size_t i = 0; i < es->window.n; i++) {
		cleanup_err struct err err = ERR_INIT;
		cleanup_free char *where = NULL;
		struct cron c;

		if (!is_schedule(es->window.windows[i].schedule) ||
		    cron_parse(es->window.windows[i].schedule, &c, &err) == 0)
			continue;
		where = str_fmt("spec.syncWindows.windows[%zu].schedule", i);
		findings_add(f, FINDING_WARN, node, where,
		    "correct it: the window is never open", "%s",
		    err_msg(&err));
	}
}

int
es_parse(const struct json *obj, const char *ns, struct external_secret **ret,
    struct findings *f, struct err *err)
{
	struct object_meta meta;
	struct external_secret *es;

	if (object_meta_parse(obj, ns, &meta, err) == -1)
		return (-1);
	if (meta.kind != OBJ_EXTERNAL_SECRET) {
		object_meta_clear(&meta);
		return (err_set(err, ERR_INVALID, "not an ExternalSecret"));
	}
	es = mem_alloc(sizeof(*es));
	es->meta = meta;
	object_meta_check(obj, &es->meta, f);
	record_parse(&root, obj, NULL, es, f);
	complete(es, obj);
	offline_parse(es->meta.annotations, json_path(obj,
	    "metadata.annotations"), &es->offline, f);
	if (f != NULL) {
		es_admission(es, json_get(obj, "spec"), f);
		check_schedules(es, obj, f);
	}
	*ret = es;
	return (0);
}

void
es_free(struct external_secret *es)
{
	if (es == NULL)
		return;
	es_template_clear(es->tmpl);
	record_free_fields(&root, es);
	object_meta_clear(&es->meta);
	free(es);
}

/* --- what it refers to --------------------------------------------------- */

static void
tell_store(struct strmap *seen, const struct store_ref *ref,
    void (*cb)(void *arg, const struct store_ref *ref), void *arg)
{
	cleanup_free char *key = NULL;

	if (ref->name[0] == '\0')
		return;
	key = str_fmt("%s/%s", ref->kind, ref->name);
	if (strmap_has(seen, key))
		return;
	strmap_put(seen, key, seen);
	cb(arg, ref);
}

void
es_stores(const struct external_secret *es,
    void (*cb)(void *arg, const struct store_ref *ref), void *arg)
{
	cleanup_strmap struct strmap *seen = strmap_new(NULL);

	tell_store(seen, &es->store, cb, arg);
	for (size_t i = 0; i < es->ndata; i++)
		tell_store(seen, &es->data[i].store, cb, arg);
	for (size_t i = 0; i < es->nfrom; i++)
		tell_store(seen, &es->from[i].store, cb, arg);
}

/* --- status.syncedResourceVersion ---------------------------------------- */

static void
hash_text(struct sha3_224 *h, const char *s)
{
	sha3_224_update(h, s, strlen(s));
}

/* Go prints a map in the order of its keys: "map[a:1 b:2]". */
static void
hash_map(struct sha3_224 *h, const struct strmap *m)
{
	cleanup_free const char **keys = NULL;
	size_t n;

	keys = strmap_sorted(m, &n);
	hash_text(h, "map[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			hash_text(h, " ");
		hash_text(h, keys[i]);
		hash_text(h, ":");
		hash_text(h, strmap_get(m, keys[i]));
	}
	hash_text(h, "]");
}

char *
es_meta_hash(const struct object_meta *m)
{
	uint8_t digest[SHA3_224_LEN];
	char hex[2 * SHA3_224_LEN + 1];
	struct sha3_224 h;

	sha3_224_init(&h);
	hash_text(&h, "{annotations:");
	hash_map(&h, m->annotations);
	hash_text(&h, " labels:");
	hash_map(&h, m->labels);
	hash_text(&h, "}");
	sha3_224_final(&h, digest);
	for (size_t i = 0; i < sizeof(digest); i++) {
		hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	hex[2 * sizeof(digest)] = '\0';
	return (str_dup(hex));
}

char *
es_synced_version(const struct external_secret *es)
{
	cleanup_free char *hash = es->meta_hash[0] != '\0' ?
	    str_dup(es->meta_hash) : es_meta_hash(&es->meta);

	return (str_fmt("%lld-%s", (long long)es->meta.generation, hash));
}
