/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CORE_FAKE_H
#define TESTS_CORE_FAKE_H

/*
 * A core of which the test plays the neighbours: the zygote and its children
 * at the other ends of socket pairs, fsproj as a log of writes, time by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/core_internal.h"
#include "seal/stream.h"

#define WALL 1795467323000LL

struct fake;
struct child {
	struct fake *f;
	struct child *next;
	struct chan *chan;
	uint64_t id;
	enum job_kind kind;
	uint8_t pk[BOX_KEY_LEN], sk[BOX_KEY_LEN];
	uint8_t core_key[BOX_KEY_LEN];
	struct stream out;
	int begun;		/* its key has been sent */
	int over;
	char **names;		/* of the items, "ns/name" */
	size_t nnames, nbodies;
	int passed;		/* answers of a resolve job that came */
};

struct fake {
	struct loop *loop;
	struct loop_timer *stop;
	struct clock_manual clock;
	struct run_config cfg;
	char *host_dirs[1];
	struct core c;
	struct source source;
	struct chan *zygote;
	struct stream out;	/* of what the test itself seals … */
	struct keys_stream *in;	/* … and core's end of it */
	struct child *children;
	int forks, kills;
	/* A fetch request has come, opened. */
	void (*fetch)(struct child *ch);
	void (*read)(struct child *ch, struct frame *frame);
	/* A resolve request; an apply request, opened. */
	void (*resolve)(struct child *ch, const struct job_resolve *m);
	void (*apply)(struct child *ch, const struct job_apply *m);
	/* fsproj */
	int writes, removes, nfiles;
	int fail_writes;
	char last_path[256], last_text[4096];
	struct proj_file last_file;
	struct pending {
		proj_done_fn done;
		void *arg;
		int fail;
	} pending[64];
	int npending;
	int reports;
};

/* --- loop --------------------------------------------------------------- */

static inline void
fake_stop(void *arg)
{
	loop_stop(arg);
}

static inline void
fake_flush(struct fake *f)
{
	cleanup_err struct err err = ERR_INIT;
	int i, n = f->npending;
	struct pending p[64];

	memcpy(p, f->pending, sizeof(p));
	f->npending = 0;
	err_set(&err, ERR_TRANSIENT, "fake");
	for (i = 0; i < n; i++)
		p[i].done(p[i].arg, p[i].fail ? &err : NULL);
}

/* Let everything that is due and on its way happen. */
static inline void
fake_spin(struct fake *f)
{
	int i;

	for (i = 0; i < 8; i++) {
		/* The clock stands: nobody waits for others to gather. */
		if (f->c.pump_due.pos &&
		    f->c.pump_due.at <= f->clock.boot + 1)
			schedule_in(f->c.schedule, &f->c.pump_due, 0);
		schedule_run(f->c.schedule);
		loop_timer_start(f->stop, 3);
		loop_run(f->loop);
		fake_flush(f);
	}
}

static inline void
fake_pass(struct fake *f, int64_t ms)
{
	f->clock.boot += ms;
	f->clock.wall += ms;
	fake_spin(f);
}

/* --- children ----------------------------------------------------------- */

static inline void
child_items(struct child *ch, const struct frame *frame)
{
	size_t len = frame->body.len - BOX_OVERHEAD, i;
	uint8_t *clear = mem_alloc(len);
	struct job_fetch m;

	assert_int_equal(box_open(ch->pk, ch->sk, frame->body.data,
	    frame->body.len, clear, NULL), 0);
	assert_int_equal(job_fetch_read(&m, clear, len, NULL), 0);
	memcpy(ch->core_key, m.core_key, BOX_KEY_LEN);
	ch->nbodies = m.nbodies;
	ch->nnames = m.nitems;
	ch->names = mem_array(m.nitems, sizeof(char *));
	for (i = 0; i < m.nitems; i++)
		ch->names[i] = str_fmt("%s/%s", m.items[i].ns,
		    m.items[i].name);
	job_fetch_clear(&m);
	free(clear);
	if (ch->f->fetch)
		ch->f->fetch(ch);
}

static inline void
child_resolve(struct child *ch, const struct frame *frame)
{
	struct job_resolve m;

	assert_int_equal(job_resolve_read(&m, frame, NULL), 0);
	memcpy(ch->core_key, m.fetch_key, BOX_KEY_LEN);
	if (ch->f->resolve)
		ch->f->resolve(ch, &m);
	job_resolve_clear(&m);
}

static inline void
child_apply(struct child *ch, const struct frame *frame)
{
	size_t len = frame->body.len - BOX_OVERHEAD;
	uint8_t *clear = mem_alloc(len);
	struct job_apply m;

	assert_int_equal(box_open(ch->pk, ch->sk, frame->body.data,
	    frame->body.len, clear, NULL), 0);
	assert_int_equal(job_apply_read(&m, clear, len, NULL), 0);
	if (ch->f->apply)
		ch->f->apply(ch, &m);
	job_apply_clear(&m);
	free(clear);
}

static inline void
child_frame(void *arg, struct frame *frame)
{
	struct child *ch = arg;

	if (frame->type == JOB_FETCH)
		child_items(ch, frame);
	else if (frame->type == JOB_RESOLVE)
		child_resolve(ch, frame);
	else if (frame->type == JOB_APPLY)
		child_apply(ch, frame);
	else if (frame->type == JOB_RESOLVED)
		ch->passed++;
	else if (frame->type == JOB_READ && ch->f->read)
		ch->f->read(ch, frame);
}

static inline void
child_end(void *arg, const struct err *err)
{
	struct child *ch = arg;

	(void)err;
	ch->over = 1;
}

static const struct chan_events child_events = { child_frame, child_end };

static inline void
zygote_frame(void *arg, struct frame *frame)
{
	struct fake *f = arg;
	struct job_fork m;
	struct child *ch;

	if (frame->type == ZYGOTE_KILL) {
		f->kills++;
		return;
	}
	assert_int_equal(job_fork_read(&m, frame, NULL), 0);
	f->forks++;
	ch = mem_alloc(sizeof(*ch));
	ch->f = f;
	ch->id = m.id;
	ch->kind = m.kind;
	box_keypair(ch->pk, ch->sk);
	assert_int_equal(chan_new(f->loop, fd_steal(&frame->fds[0]),
	    JOB_FRAME_MAX, &child_events, ch, &ch->chan, NULL), 0);
	ch->next = f->children;
	f->children = ch;
	if (m.kind == JOB_KIND_FETCH || m.kind == JOB_KIND_APPLY)
		chan_send(ch->chan, JOB_HELLO, ch->pk, BOX_KEY_LEN, NULL, 0,
		    NULL);
}

static inline void
zygote_end(void *arg, const struct err *err)
{
	(void)arg;
	(void)err;
}

static const struct chan_events zygote_side = { zygote_frame, zygote_end };

static inline void
fake_zygote(struct fake *f)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    pair), 0);
	chan_free(f->zygote);
	assert_int_equal(chan_new(f->loop, pair[0], 65536, &zygote_side, f,
	    &f->zygote, NULL), 0);
	assert_int_equal(jobs_set_zygote(f->c.jobs, pair[1], NULL), 0);
}

/* As a job seals to core; before the first, the key goes out. */
static inline void
child_seal(struct child *ch, const void *data, size_t len, struct buf *box)
{
	cleanup_buf struct buf hello = BUF_PLAIN(STREAM_HELLO_LEN);

	if (!ch->begun) {
		assert_int_equal(stream_begin(&ch->out, ch->core_key, &hello,
		    NULL), 0);
		chan_send(ch->chan, JOB_KEY, hello.data, hello.len, NULL, 0,
		    NULL);
	}
	ch->begun = 1;
	assert_int_equal(stream_seal(&ch->out, data, len, box, NULL), 0);
}

static inline void
fake_seal(struct fake *f, const void *data, size_t len, struct buf *box)
{
	cleanup_buf struct buf hello = BUF_PLAIN(STREAM_HELLO_LEN);

	if (!f->in) {
		assert_int_equal(stream_begin(&f->out, keys_public(f->c.keys),
		    &hello, NULL), 0);
		assert_int_equal(keys_stream_new(f->c.keys, hello.data,
		    hello.len, &f->in, NULL), 0);
	}
	assert_int_equal(stream_seal(&f->out, data, len, box, NULL), 0);
}

/* A payload with one key "k". */
static inline void
payload_make(const char *value, struct buf *out)
{
	struct payload_entry e = { "k", 1, (const uint8_t *)value,
		(uint32_t)strlen(value) };
	struct payload p = { .type = "Opaque", .typelen = 6, .data = &e,
		.ndata = 1 };

	assert_int_equal(payload_write(&p, out, NULL), 0);
}

static inline void
child_send_item(struct child *ch, struct job_item *m)
{
	cleanup_buf struct buf b = BUF_PLAIN(JOB_ITEM_MAX);

	job_item_write(m, &b);
	chan_send(ch->chan, JOB_ITEM, b.data, b.len, NULL, 0, NULL);
}

static char none[] = "";

static inline void
child_ready(struct child *ch, uint32_t index, const char *value)
{
	cleanup_buf struct buf clear = BUF_SECRET(1 << 20);
	cleanup_buf struct buf box = BUF_PLAIN(1 << 20);
	char reason[] = "SecretSynced", message[] = "secret synced";
	struct job_item m = { .index = index, .outcome = JOB_READY,
		.host = none, .store = none, .reason = reason,
		.message = message, .event_text = none, .error = none };

	payload_make(value, &clear);
	child_seal(ch, clear.data, clear.len, &box);
	m.payload = (uint8_t *)box.data;
	m.payload_len = box.len;
	child_send_item(ch, &m);
}

static inline void
child_failed(struct child *ch, uint32_t index, uint32_t kind, uint32_t status,
    uint32_t retry_after_ms)
{
	char reason[] = "SecretSyncedError";
	char message[] = "could not get secret data from provider";
	char store[] = "SecretStore/default/store";
	char host[] = "vault:8200", error[] = "store store: GET x: no";
	struct job_item m = { .index = index, .outcome = JOB_FAILED,
		.err_kind = kind, .http_status = status,
		.retry_after_ms = retry_after_ms, .host = host,
		.store = store, .reason = reason, .message = message,
		.event_text = none, .error = error };

	child_send_item(ch, &m);
}

static inline void
child_done(struct child *ch)
{
	cleanup_buf struct buf b = BUF_PLAIN(65536);
	char store[] = "SecretStore/default/store", valid[] = "Valid";
	struct job_done_store s = { .store = store, .requests = 1,
		.logins = 1, .valid = 1, .reason = valid, .message = valid };
	struct job_done m = { &s, 1 };

	job_done_write(&m, &b);
	chan_send(ch->chan, JOB_DONE, b.data, b.len, NULL, 0, NULL);
}

/* The zygote says that the child has ended so (as waitpid gives it). */
static inline void
child_exit(struct fake *f, uint64_t id, uint32_t status)
{
	cleanup_buf struct buf b = BUF_PLAIN(64);

	job_exit_write(&(struct job_exit){ id, status }, &b);
	chan_send(f->zygote, ZYGOTE_EXIT, b.data, b.len, NULL, 0, NULL);
}

static inline void
child_dies(struct child *ch)
{
	chan_free(STEAL(ch->chan));
	child_exit(ch->f, ch->id, 9);
}

/* --- fsproj ------------------------------------------------------------- */

static inline int
fp_connected(void *p)
{
	(void)p;
	return (1);
}

static inline unsigned
fp_degraded(void *p)
{
	(void)p;
	return (0);
}

static inline void
fp_aim(void *p, const struct proj_target *target)
{
	(void)p;
	(void)target;
}

static inline int
fp_write(void *p, const struct proj_target *target,
    const struct proj_file *files, size_t n, proj_fill_fn fill,
    proj_done_fn done, void *arg, struct err *err)
{
	struct fake *f = p;
	size_t i;

	f->writes++;
	f->nfiles = (int)n;
	f->last_text[0] = '\0';
	snprintf(f->last_path, sizeof(f->last_path), "%s", target->path);
	for (i = 0; i < n; i++) {
		int fd = memfd_create("fake", MFD_CLOEXEC);
		size_t at = strlen(f->last_text);
		ssize_t got;

		assert_int_equal(fill(arg, i, fd, err), 0);
		f->last_file = files[i];
		at += (size_t)snprintf(f->last_text + at,
		    sizeof(f->last_text) - at, "%s=", files[i].path);
		got = pread(fd, f->last_text + at,
		    sizeof(f->last_text) - at - 2, 0);
		assert_int_equal(got, (ssize_t)files[i].size);
		f->last_text[at + (size_t)got] = ';';
		f->last_text[at + (size_t)got + 1] = '\0';
		close(fd);
	}
	f->last_file.path = NULL;
	f->pending[f->npending++] = (struct pending){ done, arg,
		f->fail_writes };
	return (0);
}

static inline int
fp_remove(void *p, const struct proj_target *target, proj_done_fn done,
    void *arg, struct err *err)
{
	struct fake *f = p;

	(void)err;
	f->removes++;
	snprintf(f->last_path, sizeof(f->last_path), "%s", target->path);
	f->pending[f->npending++] = (struct pending){ done, arg, 0 };
	return (0);
}

static inline int
fp_list(void *p, proj_list_fn done, void *arg, struct err *err)
{
	(void)p;
	(void)err;
	done(arg, NULL, 0, NULL);
	return (0);
}

static inline int
fp_bind(void *p, const char *path, proj_bind_fn done, void *arg,
    struct err *err)
{
	(void)p;
	(void)path;
	(void)done;
	(void)arg;
	return (err_set(err, ERR_INTERNAL, "no sockets here"));
}

static inline void
fp_lull(void *p)
{
	(void)p;
}

static inline void
fp_free(void *p)
{
	struct fake *f = p;

	fake_flush(f);
}

static const struct projector fake_projector = { fp_connected,
	fp_degraded, fp_aim, fp_write, fp_remove, fp_list, fp_bind, fp_lull,
	fp_free };

/* --- the source: the test puts entries into the catalog itself ---------- */

static inline void
src_nothing(struct source *s)
{
	(void)s;
}

static inline int
src_pump(struct source *s)
{
	(void)s;
	return (0);
}

static inline void
src_report(struct source *s, const struct item *item)
{
	struct fake *f = (struct fake *)(void *)((char *)s -
	    offsetof(struct fake, source));

	(void)item;
	f->reports++;
}

static struct json *
src_problems(const struct source *s)
{
	(void)s;
	return (json_new_array());
}

static inline int
src_whole(const struct source *s)
{
	(void)s;
	return (1);
}

static inline int
src_has_list(const struct source *s, const char *kind, const char *ns)
{
	(void)s;
	(void)kind;
	(void)ns;
	return (1);
}

static const struct source_ops fake_source = { src_nothing, src_pump,
	src_report, src_problems, src_whole, src_has_list, src_nothing };

static inline struct entry *
fake_entry(struct fake *f, const char *kind, const char *ns, const char *name,
    const char *json)
{
	cleanup_buf struct buf box = BUF_PLAIN(1 << 20);
	cleanup_free char *k = str_dup(kind);
	cleanup_free char *n = str_dup(ns);
	cleanup_free char *m = str_dup(name);
	cleanup_free char *h = str_dup(json);
	struct job_object o = { .kind = k, .ns = n, .name = m, .head = h,
		.rejected = none };
	struct entry *e;

	fake_seal(f, json, strlen(json), &box);
	o.body = (uint8_t *)box.data;
	o.body_len = box.len;
	assert_int_equal(entry_new(f->c.keys, f->in, &o, NULL, &e, NULL), 0);
	return (e);
}

/* One object a file: the file's name is the object's. */
static inline void
fake_put(struct fake *f, const char *kind, const char *name, const char *json)
{
	struct entry *e = fake_entry(f, kind, "default", name, json);
	cleanup_free char *origin = str_fmt("%s-%s", kind, name);

	catalog_replace(f->c.catalog, origin, &e, 1);
}

static inline void
fake_drop(struct fake *f, const char *kind, const char *name)
{
	cleanup_free char *origin = str_fmt("%s-%s", kind, name);

	catalog_replace(f->c.catalog, origin, NULL, 0);
}

static inline void
fake_store(struct fake *f, const char *name)
{
	cleanup_free char *json = str_fmt("{\"apiVersion\":"
	    "\"external-secrets.io/v1\",\"kind\":\"SecretStore\",\"metadata\":"
	    "{\"name\":\"%s\",\"namespace\":\"default\"},\"spec\":{"
	    "\"provider\":{\"vault\":{}}},\"nodesealHost\":\"vault:8200\"}",
	    name);

	fake_put(f, "SecretStore", name, json);
}

/* ${annotations}: JSON members, "" none. */
static inline void
fake_es_offline(struct fake *f, const char *name, const char *store,
    const char *interval, const char *annotations)
{
	cleanup_free char *json = str_fmt("{\"apiVersion\":"
	    "\"external-secrets.io/v1\",\"kind\":\"ExternalSecret\","
	    "\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\","
	    "\"annotations\":{%s}},"
	    "\"spec\":{\"refreshInterval\":\"%s\",\"secretStoreRef\":{"
	    "\"name\":\"%s\",\"kind\":\"SecretStore\"},\"data\":[{"
	    "\"secretKey\":\"k\",\"remoteRef\":{\"key\":\"x\"}}]}}", name,
	    annotations, interval, store);

	fake_put(f, "ExternalSecret", name, json);
}

static inline void
fake_es(struct fake *f, const char *name, const char *store,
    const char *interval)
{
	fake_es_offline(f, name, store, interval, "");
}

static inline void
fake_hp(struct fake *f, const char *name, const char *path, const char *es)
{
	cleanup_free char *json = str_fmt("{\"apiVersion\":"
	    "\"nodeseal.dev/v1alpha1\",\"kind\":\"HostProjection\","
	    "\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\"},"
	    "\"spec\":{\"path\":\"%s\",\"externalSecrets\":[{\"name\":"
	    "\"%s\"}]}}", name, path, es);

	fake_put(f, "HostProjection", name, json);
}

/* --- made and unmade ---------------------------------------------------- */

static inline int
fake_setup(void **state)
{
	struct fake *f = mem_alloc(sizeof(*f));
	static char node[] = "node1", class_name[] = "nodeseal",
	    host[] = "/run/nodeseal/host", dir[] = "/manifests",
	    pods[] = "/pods", kubelet[] = "/kubelet";

	log_init("test", LOG_LEVEL_ERROR, LOG_TEXT);
	f->host_dirs[0] = host;
	f->cfg = (struct run_config){ .node = node, .class_name = class_name,
		.manifests = dir, .max_jobs = 4, .host_dirs = f->host_dirs,
		.nhost_dirs = 1, .csi_targets = pods, .kubelet_dir = kubelet };
	clock_manual_init(&f->clock, 1000000, WALL);
	f->loop = loop_new(NULL);
	f->stop = loop_timer_new(f->loop, fake_stop, f->loop);
	assert_int_equal(core_init(&f->c, &f->cfg, &f->clock.clock, f->loop,
	    NULL), 0);
	f->source.ops = &fake_source;
	f->c.source = &f->source;
	f->c.proj = f;
	f->c.projector = &fake_projector;
	f->c.listed = 1;
	fake_zygote(f);
	*state = f;
	return (0);
}

static inline int
fake_teardown(void **state)
{
	struct fake *f = *state;
	struct child *ch;

	core_clear(&f->c);
	while ((ch = f->children)) {
		f->children = ch->next;
		chan_free(ch->chan);
		while (ch->nnames)
			free(ch->names[--ch->nnames]);
		free(ch->names);
		free(ch);
	}
	chan_free(f->zygote);
	loop_timer_free(f->stop);
	loop_free(f->loop);
	free(f);
	return (0);
}

#endif
