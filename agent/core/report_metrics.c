/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/mem.h"
#include "core/age.h"
#include "core/report_internal.h"
#include "core/state.h"

/*
 * Prometheus' text format 0.0.4.  ESO's names with ESO's labels where it has
 * one (eso.md 1.7; `reconcile_duration` in nanoseconds, as there), nodeseal_*
 * for the rest.  Samples of one name stand together, as the format asks.
 */
static const int64_t buckets_ms[PUBLISH_BUCKETS] = { 5, 10, 25, 50, 100, 250,
	1000, 5000 };

void
report_published(struct report *r, int64_t ms)
{
	size_t i;

	if (!r)
		return;
	for (i = 0; i < PUBLISH_BUCKETS && ms > buckets_ms[i]; i++)
		continue;
	r->published[i]++;
	r->published_n++;
	r->published_ms += ms;
	report_touch(r);
}

static void
head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and line feed are escaped. */
static void
label(struct buf *b, const char *key, const char *value)
{
	buf_addf(b, "%s=\"", key);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			buf_addc(b, '\\');
		if (*value == '\n')
			buf_adds(b, "\\n");
		else
			buf_addc(b, *value);
	}
	buf_addc(b, '"');
}

static void
gauge(struct buf *b, const char *name, const char *help, double value)
{
	head(b, name, "gauge", help);
	buf_addf(b, "%s %.15g\n", name, value);
}

/* --- ExternalSecrets ---------------------------------------------------- */

static void
item_labels(struct buf *b, const char *metric, const struct item *item)
{
	buf_addf(b, "%s{", metric);
	label(b, "name", item->name);
	buf_addc(b, ',');
	label(b, "namespace", item->ns);
}

/* One sample an item, and what it is. */
static void
each_item(const struct report *r, struct buf *b, const char *metric,
    void (*sample)(const struct report *r, struct buf *b, const char *metric,
    const struct item *item, const struct told *t))
{
	const struct told *t;
	const struct item *item;
	size_t i, n = 0;

	for (i = strmap_next(r->core->items, 0); i;
	    i = strmap_next(r->core->items, i)) {
		item = strmap_val(r->core->items, i);
		t = strmap_get(r->items, item->key);
		if (item->claims.n && t && ++n <= REPORT_SERIES)
			sample(r, b, metric, item, t);
	}
}

static void
sample_calls(const struct report *r, struct buf *b, const char *metric,
    const struct item *item, const struct told *t)
{
	(void)r;
	item_labels(b, metric, item);
	buf_addf(b, "} %llu\n", (unsigned long long)t->calls);
}

static void
sample_errors(const struct report *r, struct buf *b, const char *metric,
    const struct item *item, const struct told *t)
{
	(void)r;
	item_labels(b, metric, item);
	buf_addf(b, "} %llu\n", (unsigned long long)t->errors);
}

static void
sample_duration(const struct report *r, struct buf *b, const char *metric,
    const struct item *item, const struct told *t)
{
	(void)r;
	item_labels(b, metric, item);
	buf_addf(b, "} %lld\n", (long long)t->took_ms * 1000000);
}

static void
condition(struct buf *b, const char *metric, const struct item *item,
    const char *type, int yes)
{
	int i;

	for (i = 0; i < 2; i++) {
		item_labels(b, metric, item);
		buf_addf(b, ",condition=\"%s\",status=\"%s\"} %d\n", type,
		    i ? "True" : "False", yes == i);
	}
}

static void
sample_condition(const struct report *r, struct buf *b, const char *metric,
    const struct item *item, const struct told *t)
{
	(void)t;
	if (!item->outcome || item->outcome == JOB_SKIPPED)
		return;
	condition(b, metric, item, "Ready", item_ready(item));
	condition(b, metric, item, "Stale", age_stale(r->core, item));
}

static void
items_metrics(const struct report *r, struct buf *b)
{
	static const struct {
		const char *name, *type, *help;
		void (*sample)(const struct report *r, struct buf *b,
		    const char *metric, const struct item *item,
		    const struct told *t);
	} all[] = {
		{ "externalsecret_sync_calls_total", "counter",
		    "Attempts to sync the ExternalSecret.", sample_calls },
		{ "externalsecret_sync_calls_error", "counter",
		    "Attempts that failed.", sample_errors },
		{ "externalsecret_status_condition", "gauge",
		    "The status condition of an ExternalSecret.",
		    sample_condition },
		{ "externalsecret_reconcile_duration", "gauge",
		    "Nanoseconds that the last attempt took.",
		    sample_duration },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(all); i++) {
		head(b, all[i].name, all[i].type, all[i].help);
		each_item(r, b, all[i].name, all[i].sample);
	}
}

/* --- values ------------------------------------------------------------- */

enum { FROM_LIVE, FROM_MEMORY, FROM_SEALED, FROM_BUNDLE, FROMS };

struct values {
	size_t from[FROMS], stale, items, failed, bytes;
	int64_t oldest;
};

static void
values_count(const struct core *c, struct values *v)
{
	static const char *const names[FROMS] = { "live", "memory", "sealed",
		"bundle" };
	const struct item *item;
	size_t i, k;

	for (i = strmap_next(c->items, 0); i;
	    i = strmap_next(c->items, i)) {
		item = strmap_val(c->items, i);
		if (!item->claims.n)
			continue;
		v->items++;
		v->failed += item->outcome && !item_ready(item);
		v->stale += (size_t)age_stale(c, item);
		if (!item->content)
			continue;
		v->bytes += item->content->size;
		for (k = 0; k < FROMS; k++)
			v->from[k] += str_eq(age_source(item), names[k]);
		if (item->synced_at && (!v->oldest ||
		    item->synced_at < v->oldest))
			v->oldest = item->synced_at;
	}
}

static void
values_metrics(const struct core *c, struct buf *b)
{
	int64_t now = schedule_wall(c->schedule);
	struct values v = { .items = 0 };

	values_count(c, &v);
	gauge(b, "nodeseal_externalsecrets",
	    "ExternalSecrets that this node uses.", (double)v.items);
	gauge(b, "nodeseal_externalsecrets_failed",
	    "Those whose last attempt failed.", (double)v.failed);
	gauge(b, "nodeseal_series_left_out",
	    "ExternalSecrets without series of their own.",
	    v.items > REPORT_SERIES ? (double)(v.items - REPORT_SERIES) : 0);
	gauge(b, "nodeseal_values_stale",
	    "Values that are served although their refresh has failed for "
	    "longer than warn-after.", (double)v.stale);
	head(b, "nodeseal_values", "gauge",
	    "Values that are held, by where they are from.");
	buf_addf(b, "nodeseal_values{source=\"live\"} %zu\n"
	    "nodeseal_values{source=\"memory\"} %zu\n"
	    "nodeseal_values{source=\"sealed\"} %zu\n"
	    "nodeseal_values{source=\"bundle\"} %zu\n", v.from[FROM_LIVE],
	    v.from[FROM_MEMORY], v.from[FROM_SEALED], v.from[FROM_BUNDLE]);
	gauge(b, "nodeseal_values_bytes", "Their size.", (double)v.bytes);
	gauge(b, "nodeseal_oldest_value_age_seconds",
	    "Time since the last sync of the value for which it is longest "
	    "ago.", v.oldest && v.oldest < now ?
	    (double)((now - v.oldest) / 1000) : 0);
}

/* --- stores ------------------------------------------------------------- */

/* ESO's names of providers. */
static const char *
provider_label(const struct entry *e)
{
	static const struct { const char *key, *name; } names[] = {
		{ "vault", "HashiCorp/Vault" }, { "openBao", "OpenBao" },
		{ "kubernetes", "Kubernetes" }, { "fake", "Fake" },
	};
	size_t i;

	for (i = 0; e->store && i < ARRAY_LEN(names); i++)
		if (str_eq(e->store->provider, names[i].key))
			return (names[i].name);
	return (e->store ? e->store->provider : "");
}

static void
store_condition(struct buf *b, const struct entry *e, int ready)
{
	const char *metric = e->kind == OBJ_SECRET_STORE ?
	    "secretstore_status_condition" :
	    "clustersecretstore_status_condition";
	int i;

	for (i = 0; i < 2; i++) {
		buf_addf(b, "%s{", metric);
		label(b, "name", e->name);
		buf_addc(b, ',');
		label(b, "namespace", e->ns);
		buf_addf(b, ",condition=\"Ready\",status=\"%s\"} %d\n",
		    i ? "True" : "False", ready == i);
	}
}

static void
store_sample(struct buf *b, const char *metric, const struct entry *e,
    double value)
{
	buf_addf(b, "%s{", metric);
	label(b, "kind", e->kind_name);
	buf_addc(b, ',');
	label(b, "namespace", e->ns);
	buf_addc(b, ',');
	label(b, "name", e->name);
	buf_addf(b, "} %.15g\n", value);
}

/* Every store of this kind (0: of both) with what is known of it. */
static const struct entry *
next_store(const struct core *c, size_t *i, size_t *n, int kind,
    const struct store_state **ret)
{
	const struct entry *e;

	while ((*i = strmap_next(c->stores, *i))) {
		*ret = strmap_val(c->stores, *i);
		e = catalog_find(c->catalog, strmap_key(c->stores, *i));
		if (e && (!kind || (int)e->kind == kind) &&
		    ++*n <= REPORT_SERIES)
			return (e);
	}
	return (NULL);
}

static void
stores_conditions(const struct core *c, struct buf *b, int kind)
{
	const struct store_state *s;
	const struct entry *e;
	size_t i = 0, n = 0;

	while ((e = next_store(c, &i, &n, kind, &s)))
		if (s->known)
			store_condition(b, e, s->valid && !*e->rejected &&
			    s->circuit.state == CIRCUIT_CLOSED);
}

static void
stores_totals(const struct core *c, struct buf *b, const char *metric,
    const char *type, const char *help,
    double (*value)(const struct store_state *s))
{
	const struct store_state *s;
	const struct entry *e;
	size_t i = 0, n = 0;

	head(b, metric, type, help);
	while ((e = next_store(c, &i, &n, 0, &s)))
		store_sample(b, metric, e, value(s));
}

static double
of_requests(const struct store_state *s)
{
	return ((double)s->requests);
}

static double
of_logins(const struct store_state *s)
{
	return ((double)s->logins);
}

static double
of_errors(const struct store_state *s)
{
	return ((double)s->errors);
}

static double
of_circuit(const struct store_state *s)
{
	return (s->circuit.state == CIRCUIT_CLOSED ? 0 : 1);
}

/* ESO counts by its own functions' names; a job counts requests and logins. */
struct calls {
	uint64_t requests, logins, errors;
};

static void
call_sample(struct buf *b, const char *provider, const char *call,
    const char *status, uint64_t n)
{
	buf_adds(b, "externalsecret_provider_api_calls_count{");
	label(b, "provider", provider);
	buf_addf(b, ",call=\"%s\",status=\"%s\"} %llu\n", call, status,
	    (unsigned long long)n);
}

static void
provider_calls(const struct core *c, struct buf *b)
{
	cleanup_strmap struct strmap *sums = strmap_new(free);
	const struct store_state *s;
	const struct entry *e;
	struct calls *k;
	size_t i = 0, n = 0;

	while ((e = next_store(c, &i, &n, 0, &s))) {
		k = strmap_get(sums, provider_label(e));
		if (!k) {
			k = mem_alloc(sizeof(*k));
			strmap_put(sums, provider_label(e), k);
		}
		k->requests += s->requests;
		k->logins += s->logins;
		k->errors += s->errors < s->requests ? s->errors :
		    s->requests;
	}
	head(b, "externalsecret_provider_api_calls_count", "counter",
	    "Requests to providers.");
	for (i = strmap_next(sums, 0); i; i = strmap_next(sums, i)) {
		k = strmap_val(sums, i);
		call_sample(b, strmap_key(sums, i), "Login", "success",
		    k->logins);
		call_sample(b, strmap_key(sums, i), "Request", "success",
		    k->requests - k->errors);
		call_sample(b, strmap_key(sums, i), "Request", "error",
		    k->errors);
	}
}

static void
stores_metrics(const struct core *c, struct buf *b)
{
	head(b, "secretstore_status_condition", "gauge",
	    "The status condition of a SecretStore.");
	stores_conditions(c, b, OBJ_SECRET_STORE);
	head(b, "clustersecretstore_status_condition", "gauge",
	    "The status condition of a ClusterSecretStore.");
	stores_conditions(c, b, OBJ_CLUSTER_SECRET_STORE);
	stores_totals(c, b, "nodeseal_store_requests_total", "counter",
	    "Requests to the store, without logins.", of_requests);
	stores_totals(c, b, "nodeseal_store_logins_total", "counter",
	    "Logins at the store.", of_logins);
	stores_totals(c, b, "nodeseal_store_errors_total", "counter",
	    "ExternalSecrets that failed by an answer of the store, or by "
	    "none.", of_errors);
	stores_totals(c, b, "nodeseal_store_circuit_open", "gauge",
	    "The store does not answer and is left alone.", of_circuit);
	provider_calls(c, b);
}

/* --- the agent ---------------------------------------------------------- */

static void
cache_metrics(const struct core *c, struct buf *b)
{
	static const char *const states[] = { "ok", "empty", "partial",
		"foreign", "tampered", "rolled-back" };
	cleanup_json struct json *o = state_json(c);
	const char *is = json_str(json_get(o, "state"));
	size_t i;

	head(b, "nodeseal_cache_state", "gauge",
	    "Where the sealed cache stands: 1 for one of the states.");
	for (i = 0; i < ARRAY_LEN(states); i++)
		buf_addf(b, "nodeseal_cache_state{state=\"%s\"} %d\n",
		    states[i], str_eq(is, states[i]));
	gauge(b, "nodeseal_cache_records", "Values in the cache.",
	    json_num(json_get(o, "records"), 0));
	gauge(b, "nodeseal_cache_bytes", "Size of the sealed file.",
	    json_num(json_get(o, "bytes"), 0));
	gauge(b, "nodeseal_cache_generation", "Its generation.",
	    json_num(json_get(o, "generation"), 0));
}

static void
publish_metrics(const struct report *r, struct buf *b)
{
	uint64_t sum = 0;
	size_t i;

	head(b, "nodeseal_publish_seconds", "histogram",
	    "From a kubelet's NodePublishVolume to its answer.");
	for (i = 0; i < PUBLISH_BUCKETS; i++) {
		sum += r->published[i];
		buf_addf(b, "nodeseal_publish_seconds_bucket{le=\"%g\"} "
		    "%llu\n", (double)buckets_ms[i] / 1000,
		    (unsigned long long)sum);
	}
	buf_addf(b, "nodeseal_publish_seconds_bucket{le=\"+Inf\"} %llu\n"
	    "nodeseal_publish_seconds_sum %.3f\n"
	    "nodeseal_publish_seconds_count %llu\n",
	    (unsigned long long)r->published_n,
	    (double)r->published_ms / 1000,
	    (unsigned long long)r->published_n);
}

static void
agent_metrics(const struct report *r, struct buf *b)
{
	const struct core *c = r->core;

	head(b, "nodeseal_info", "gauge", "What runs here.");
	buf_adds(b, "nodeseal_info{");
	label(b, "node", c->cfg->node);
	buf_adds(b, ",version=\"" NODESEAL_VERSION "\",");
	label(b, "class", c->cfg->class_name);
	buf_addf(b, ",mode=\"%s\",key_source=\"%s\",memory_protection=\"%s\"}"
	    " 1\n", c->cfg->manifests ? "manifests" : "cluster",
	    state_key_source(c), keys_degraded(c->keys) ? "degraded" : "full");
	gauge(b, "nodeseal_ready", "As /readyz.", core_ready(c));
	if (r->wire.facts) {
		gauge(b, "nodeseal_problems", "What the cluster refuses or "
		    "lacks (kubectl get nodeseals).",
		    (double)strmap_len(r->problems));
		gauge(b, "nodeseal_api_connected", "The API server answers.",
		    r->disconnected ? 0 : 1);
	}
	gauge(b, "nodeseal_jobs_running", "Jobs that run now.",
	    (double)jobs_running(c->jobs));
	gauge(b, "nodeseal_jobs_waiting",
	    "ExternalSecrets that are due and wait.",
	    (double)plan_len(c->plan));
	gauge(b, "nodeseal_volumes", "CSI volumes that are published.",
	    (double)strmap_len(c->volumes));
	gauge(b, "nodeseal_host_projections", "HostProjections on this node.",
	    (double)strmap_len(c->projections));
}

void
report_metrics(const struct report *r, struct buf *b)
{
	if (!r)
		return;
	agent_metrics(r, b);
	items_metrics(r, b);
	values_metrics(r->core, b);
	stores_metrics(r->core, b);
	cache_metrics(r->core, b);
	publish_metrics(r, b);
}
