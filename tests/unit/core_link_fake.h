/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CORE_LINK_FAKE_H
#define TESTS_CORE_LINK_FAKE_H

#include <stdio.h>

#include "core/lease.h"
#include "core/line.h"
#include "core/pods.h"
#include "core/report.h"
#include "core/resolve.h"
#include "core/secrets.h"
#include "core/source_link.h"
#include "core_fake.h"

/*
 * A core with an API server: the test is link at the other end of its line, and
 * the API server behind its jobs.
 */
#define SECOND 1000ll
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

struct world {
	struct fake *f;
	struct chan *link;
	struct buf block;	/* objects that gather for one frame */
	/* What core has said. */
	struct strmap *wants, *watches;
	int reports;
	char *status;		/* of the last ExternalSecret's report */
	char *events;		/* "Reason " of each */
	/* What jobs were asked, and what they say. */
	int fetches, resolves, applies, applied;
	char *wanted;		/* "Kind/ns/name[:audiences][@pod|@node] " … */
	const char *deny;	/* this name cannot be resolved */
	struct job_apply_item last;
	char last_target[64], last_version[64];
	char last_value[64];
	int version;		/* of Secrets: "v1", … */
	enum job_applied_outcome outcome;
	enum err_kind fail;
	const char *value;
	enum job_outcome fetched;
};

static struct world w;

/* --- core says --------------------------------------------------------- */

static inline void
keep(char **field, char *value)
{
	free(*field);
	*field = value;
}

static inline void
on_words(const struct frame *f)
{
	struct strmap *set = f->type == LINK_WANT ? w.wants : w.watches;
	struct link_words m;

	assert_int_equal(link_words_read(&m, f, NULL), 0);
	if (f->type == LINK_WANT || f->type == LINK_WATCH) {
		cleanup_free char *key = f->type == LINK_WANT ? str_dup(m.a) :
		    str_fmt("%s/%s/%s", m.a, m.b, m.c);

		if (m.on)
			strmap_put(set, key, NULL);
		else
			assert_int_equal(strmap_del(set, key), 1);
	}
	link_words_clear(&m);
}

static inline void
on_core(void *arg, struct frame *f)
{
	struct link_report r;
	struct link_event e;

	(void)arg;
	switch (f->type) {
	case LINK_REPORT:
		assert_int_equal(link_report_read(&r, f, NULL), 0);
		if (str_eq(r.kind, "ExternalSecret")) {
			w.reports++;
			keep(&w.status, str_dup(r.status));
		}
		link_report_clear(&r);
		break;
	case LINK_EVENT:
		assert_int_equal(link_event_read(&e, f, NULL), 0);
		keep(&w.events, str_fmt("%s%s ", str_or(w.events, ""),
		    e.reason));
		link_event_clear(&e);
		break;
	default:
		on_words(f);
	}
}

static inline void
on_core_end(void *arg, const struct err *err)
{
	(void)arg;
	(void)err;
}

static const struct chan_events core_side = { on_core, on_core_end };

static inline void
say(uint16_t type, const struct buf *b, int *fd)
{
	assert_true(buf_ok(b));
	assert_int_equal(chan_send(w.link, type, b->data, b->len, fd,
	    fd != NULL, NULL), 0);
}

static inline void
say_name(uint16_t type, const char *kind, const char *ns, const char *name)
{
	cleanup_buf struct buf b = BUF_PLAIN(4096);
	struct link_name m = { str_dup(kind), str_dup(ns), str_dup(name) };

	link_name_write(&m, &b);
	say(type, &b, NULL);
	link_name_clear(&m);
}

static inline void
say_synced(void)
{
	cleanup_buf struct buf b = BUF_PLAIN(64);

	say(LINK_SYNCED, &b, NULL);
}

static inline void
say_state(int connected, const char *problem)
{
	cleanup_buf struct buf b = BUF_PLAIN(4096);
	struct link_state m = { (uint8_t)connected, str_dup("https://api"),
		str_dup(problem) };

	link_state_write(&m, &b);
	say(LINK_STATE, &b, NULL);
	link_state_clear(&m);
}

static inline void
say_node(const char *uid, int minor, const char *label)
{
	cleanup_buf struct buf b = BUF_PLAIN(4096);
	char *labels[1] = { str_dup(label) };
	struct link_node m = { .name = str_dup("node1"), .uid = str_dup(uid),
		.labels = labels, .nlabels = 1, .has_labels = 1,
		.version_minor = (uint8_t)minor };

	link_node_write(&m, &b);
	say(LINK_NODE, &b, NULL);
	free(m.name);
	free(m.uid);
	free(labels[0]);
}

/* A pod of the account "app" that names one Secret ("" none). */
static inline void
say_pod(const char *name, const char *uid, const char *secret, int waits,
    int over)
{
	cleanup_buf struct buf b = BUF_PLAIN(4096);
	char *secrets[1] = { str_dup(secret) };
	struct link_pod m = { .ns = str_dup("default"), .name = str_dup(name),
		.uid = str_dup(uid), .service_account = str_dup("app"),
		.waits = (uint8_t)waits, .over = (uint8_t)over,
		.secrets = secrets, .nsecrets = *secret != '\0' };

	link_pod_write(&m, &b);
	say(LINK_POD, &b, NULL);
	free(m.ns);
	free(m.name);
	free(m.uid);
	free(m.service_account);
	free(secrets[0]);
}

static inline void
say_lease(const char *name, int64_t at, const char *version, int ready,
    const char *binding)
{
	cleanup_buf struct buf b = BUF_PLAIN(4096);
	struct link_lease m = { str_dup("default"), str_dup(name),
		str_dup("uid"), at, str_dup(version), (uint8_t)ready,
		str_dup("[]"), str_dup(binding) };

	link_lease_write(&m, &b);
	say(LINK_LEASE, &b, NULL);
	link_lease_clear(&m);
}

static inline void
say_meta(const char *kind, const char *name, int exists, const char *version,
    const char *hash)
{
	cleanup_buf struct buf b = BUF_PLAIN(4096);
	struct link_meta m = { .kind = str_dup(kind),
		.ns = str_dup("default"), .name = str_dup(name),
		.exists = (uint8_t)exists, .uid = str_dup("u"),
		.version = str_dup(version), .managed = 1,
		.hash = str_dup(hash), .owner_uid = str_dup("") };

	link_meta_write(&m, &b);
	say(LINK_META, &b, NULL);
	link_meta_clear(&m);
}

/* --- objects: {"kind","ns","name","head"}, one a line ------------------ */

static inline void
put(const char *kind, const char *ns, const char *name, const char *head)
{
	cleanup_json struct json *o = json_new_object();

	json_set_str(o, "kind", kind);
	json_set_str(o, "ns", ns);
	json_set_str(o, "name", name);
	json_set_str(o, "head", head);
	json_print(o, &w.block, 0);
	buf_addc(&w.block, '\n');
}

static inline void
put_store(const char *refs)
{
	cleanup_free char *head = str_fmt("{\"apiVersion\":"
	    "\"external-secrets.io/v1\",\"kind\":\"SecretStore\",\"metadata\":"
	    "{\"name\":\"store\",\"namespace\":\"default\"},\"spec\":{"
	    "\"controller\":\"nodeseal\",\"provider\":{\"vault\":{}}},"
	    "\"nodesealHost\":\"vault:8200\",\"nodesealRefs\":[%s]}", refs);

	put("SecretStore", "default", "store", head);
}

static inline void
put_es_uid(const char *name, const char *uid, int generation,
    const char *interval, const char *target)
{
	cleanup_free char *head = str_fmt("{\"apiVersion\":"
	    "\"external-secrets.io/v1\",\"kind\":\"ExternalSecret\","
	    "\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\","
	    "\"uid\":\"%s\",\"generation\":%d},\"spec\":{\"refreshInterval\":"
	    "\"%s\",\"secretStoreRef\":{\"name\":\"store\",\"kind\":"
	    "\"SecretStore\"},\"target\":{%s},\"data\":[{\"secretKey\":\"k\","
	    "\"remoteRef\":{\"key\":\"x\"}}]},\"nodesealMetaHash\":\"mh\"}",
	    name, uid, generation, interval, target);

	put("ExternalSecret", "default", name, head);
}

static inline void
put_es(const char *name, int generation, const char *interval,
    const char *target)
{
	put_es_uid(name, "uid", generation, interval, target);
}

/* The block goes out. */
static inline void
flush(const char *kind, const char *ns)
{
	cleanup_buf struct buf b = BUF_PLAIN(4096);
	int fd = memfd_create("objects", MFD_CLOEXEC);
	struct link_name m = { str_dup(kind), str_dup(ns), str_dup("") };

	assert_int_equal(write(fd, w.block.data, w.block.len),
	    (ssize_t)w.block.len);
	buf_clear(&w.block);
	w.block = (struct buf)BUF_PLAIN(4 << 20);
	link_name_write(&m, &b);
	say(LINK_OBJECTS, &b, &fd);
	link_name_clear(&m);
}

static inline void
read_line(struct child *ch, const char *line, size_t len)
{
	cleanup_buf struct buf box = BUF_PLAIN(1 << 20);
	cleanup_buf struct buf out = BUF_PLAIN(1 << 20);
	struct json *o = json_parse(line, len, NULL);
	struct job_object m = { .kind = str_dup(json_str(json_get(o, "kind"))),
		.ns = str_dup(json_str(json_get(o, "ns"))),
		.name = str_dup(json_str(json_get(o, "name"))),
		.head = str_dup(json_str(json_get(o, "head"))),
		.rejected = str_dup("") };

	child_seal(ch, m.head, strlen(m.head), &box);
	m.body_len = box.len;
	m.body = (uint8_t *)buf_take(&box);
	job_object_write(&m, &out);
	chan_send(ch->chan, JOB_OBJECT, out.data, out.len, NULL, 0, NULL);
	job_object_clear(&m);
	json_free(o);
}

/* As a read job; a line "!" is an object that cannot be read. */
static inline void
on_read(struct child *ch, struct frame *frame)
{
	static char text[1 << 20];
	char torn[] = "too large", empty[] = "";
	struct job_finding bad = { 1, 1, empty, torn };
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	struct job_read m;
	char *line, *end;
	ssize_t n;

	assert_int_equal(job_read_read(&m, frame, NULL), 0);
	assert_string_equal(m.name, SOURCE_LINK_ORIGIN);
	memcpy(ch->core_key, m.core_key, BOX_KEY_LEN);
	job_read_clear(&m);
	n = pread(frame->fds[0], text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	for (line = text; (end = strchr(line, '\n')); line = end + 1) {
		if (*line != '!') {
			read_line(ch, line, (size_t)(end - line));
			continue;
		}
		job_finding_write(&bad, &out);
		chan_send(ch->chan, JOB_FINDING, out.data, out.len, NULL, 0,
		    NULL);
	}
	chan_send(ch->chan, JOB_DONE, NULL, 0, NULL, 0, NULL);
}

/* --- jobs -------------------------------------------------------------- */

static inline void
on_fetch(struct child *ch)
{
	char reason[] = "SecretSynced", message[] = "secret synced";
	struct job_item m = { .outcome = w.fetched, .host = none,
		.store = none, .reason = reason, .message = message,
		.event_text = none, .error = none };
	uint32_t i;

	w.fetches++;
	for (i = 0; i < ch->nnames; i++) {
		if (w.fetched == JOB_READY)
			child_ready(ch, i, w.value);
		else if (w.fetched == JOB_FAILED)
			child_failed(ch, i, ERR_TRANSIENT, 0, 0);
		else {
			m.index = i;
			child_send_item(ch, &m);
		}
	}
	child_done(ch);
}

static inline void
want_note(const struct job_want *v)
{
	cleanup_free char *with = str_fmt("%s%s%s%s%s%s",
	    v->naudiences ? ":" : "", v->naudiences ? v->audiences[0] : "",
	    *v->pod_uid ? "@" : "", v->pod, *v->node_uid ? "@" : "",
	    v->node);

	keep(&w.wanted, str_fmt("%s%s/%s/%s%s ", str_or(w.wanted, ""), v->kind,
	    v->ns, v->name, with));
}

static inline void
on_resolve(struct child *ch, const struct job_resolve *m)
{
	char denied[] = "get secrets is refused: tier store-secrets grants it";
	char version[] = "r1";
	uint32_t i;

	w.resolves++;
	for (i = 0; i < m->nwants; i++) {
		cleanup_buf struct buf box = BUF_PLAIN(4096);
		cleanup_buf struct buf out = BUF_PLAIN(8192);
		int bad = str_eq(m->wants[i].name, w.deny);
		struct job_resolved r = { .index = i, .error = none,
			.version = version };

		want_note(&m->wants[i]);
		if (bad) {
			r.err_kind = ERR_DENIED;
			r.http_status = 403;
			r.error = denied;
		} else {
			child_seal(ch, "{}", 2, &box);
			r.body = (uint8_t *)box.data;
			r.body_len = box.len;
		}
		job_resolved_write(&r, &out);
		chan_send(ch->chan, JOB_RESOLVED, out.data, out.len, NULL, 0,
		    NULL);
	}
	chan_send(ch->chan, JOB_DONE, NULL, 0, NULL, 0, NULL);
}

static inline void
apply_note(const struct job_apply_item *m)
{
	struct payload p;

	w.last = *m;
	snprintf(w.last_target, sizeof(w.last_target), "%s", m->target);
	snprintf(w.last_version, sizeof(w.last_version), "%s",
	    m->last_version);
	w.last_value[0] = '\0';
	if (!m->payload_len)
		return;
	assert_int_equal(payload_read(&p, m->payload, m->payload_len, NULL),
	    0);
	snprintf(w.last_value, sizeof(w.last_value), "%.*s",
	    (int)p.data[0].len, (const char *)p.data[0].value);
	payload_clear(&p);
}

static inline void
on_apply(struct child *ch, const struct job_apply *m)
{
	char synced[] = "SecretSynced", text[] = "secret synced";
	char failed[] = "SecretSyncedError", no[] = "could not update secret";
	char why[] = "patch secrets: 403", hash[] = "h";
	uint32_t i;

	w.applies++;
	for (i = 0; i < m->nitems; i++) {
		cleanup_buf struct buf out = BUF_PLAIN(8192);
		cleanup_free char *version = str_fmt("v%d", ++w.version);
		struct job_applied r = { .index = i, .outcome = w.outcome,
			.reason = synced, .message = text, .event_text = none,
			.error = none, .version = version, .uid = none,
			.hash = hash };

		w.applied++;
		apply_note(&m->items[i]);
		if (w.outcome == JOB_APPLIED_FAILED) {
			r.err_kind = w.fail;
			r.reason = failed;
			r.message = no;
			r.error = why;
			r.version = none;
		}
		job_applied_write(&r, &out);
		chan_send(ch->chan, JOB_APPLIED, out.data, out.len, NULL, 0,
		    NULL);
	}
	chan_send(ch->chan, JOB_DONE, NULL, 0, NULL, 0, NULL);
}

/* --- made and unmade --------------------------------------------------- */

static inline void
link_begin(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    pair), 0);
	chan_free(w.link);
	strmap_free(w.wants);
	strmap_free(w.watches);
	w.wants = strmap_new(NULL);
	w.watches = strmap_new(NULL);
	assert_int_equal(chan_new(w.f->loop, pair[0], LINK_FRAME_MAX,
	    &core_side, NULL, &w.link, NULL), 0);
	assert_int_equal(line_arrived(&w.f->c, pair[1], NULL), 0);
}

static inline int
world_setup(void **state)
{
	struct fake *f;

	fake_setup(state);
	f = *state;
	memset(&w, 0, sizeof(w));
	w.f = f;
	w.block = (struct buf)BUF_PLAIN(4 << 20);
	w.outcome = JOB_APPLIED_UPDATED;
	w.fetched = JOB_READY;
	w.value = "one";
	f->fetch = on_fetch;
	f->read = on_read;
	f->resolve = on_resolve;
	f->apply = on_apply;
	f->cfg.manifests = NULL;
	line_new(&f->c);
	link_begin();
	return (0);
}

static inline int
world_teardown(void **state)
{
	int rc = fake_teardown(state);

	chan_free(w.link);
	strmap_free(w.wants);
	strmap_free(w.watches);
	buf_clear(&w.block);
	free(w.status);
	free(w.events);
	free(w.wanted);
	return (rc);
}

/* Time passes, and what follows from it happens. */
static inline void
pass(int64_t ms)
{
	int i;

	/* What was said before comes before. */
	fake_pass(w.f, 0);
	fake_pass(w.f, ms);
	for (i = 0; i < 3; i++)
		fake_pass(w.f, 60);
}

/* Everything is listed, as link does it at the start. */
static inline void
list_all(void)
{
	static const struct { const char *kind, *ns; } lists[] = {
		{ "SecretStore", "default" }, { "ClusterSecretStore", "" },
		{ "HostProjection", "" }, { "ExternalSecret", "default" } };
	size_t i;

	say_state(1, "");
	for (i = 0; i < ARRAY_LEN(lists); i++)
		say_name(LINK_RELIST, lists[i].kind, lists[i].ns, "");
	flush("ExternalSecret", "default");
	for (i = 0; i < ARRAY_LEN(lists); i++)
		say_name(LINK_LISTED, lists[i].kind, lists[i].ns, "");
	say_synced();
	pass(1000);
}

/* One ExternalSecret "app", one pod "p" of it. */
static inline struct item *
begin(const char *target, const char *refs)
{
	put_store(refs);
	put_es("app", 1, "1h", target);
	list_all();
	say_pod("p", "uid-p", "app", 0, 0);
	pass(1000);
	return (sync_item(&w.f->c, "default", "app"));
}

#endif
