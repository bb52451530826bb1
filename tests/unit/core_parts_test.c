/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "core_fake.h"

#include "core/deliver_files.h"
#include "core/slots.h"
#include "core/volume.h"

/* --- schedule ----------------------------------------------------------- */

struct mark {
	struct due due;
	int64_t *last;
	int *count;
};

static void
on_mark(void *arg)
{
	struct mark *m = arg;

	assert_true(m->due.at >= *m->last);
	*m->last = m->due.at;
	(*m->count)++;
}

static void
test_schedule_order(void **state)
{
	struct clock_manual clock;
	struct schedule *s;
	struct mark marks[500];
	int64_t last = 0;
	int i, count = 0;

	(void)state;
	clock_manual_init(&clock, 0, WALL);
	s = schedule_new(NULL, &clock.clock);
	srandom(7);
	for (i = 0; i < 500; i++) {
		marks[i] = (struct mark){ .last = &last, .count = &count };
		due_init(&marks[i].due, on_mark, &marks[i]);
		schedule_at(s, &marks[i].due, random() % 1000);
	}
	for (i = 0; i < 500; i += 3)
		schedule_at(s, &marks[i].due, random() % 1000);
	for (i = 0; i < 500; i += 5)
		schedule_cancel(s, &marks[i].due);
	assert_int_equal(schedule_len(s), 400);
	for (clock.boot = 0; clock.boot <= 1000; clock.boot += 100)
		schedule_run(s);
	assert_int_equal(count, 400);
	assert_int_equal(schedule_next(s), INT64_MAX);
	schedule_free(s);
}

static void
on_again(void *arg)
{
	struct mark *m = arg;

	(*m->count)++;
}

/* What asks for "now" from its own callback waits for the next turn. */
static void
test_schedule_does_not_spin(void **state)
{
	struct clock_manual clock;
	struct schedule *s;
	struct mark m;
	int count = 0;

	(void)state;
	clock_manual_init(&clock, 5, WALL);
	s = schedule_new(NULL, &clock.clock);
	m.count = &count;
	due_init(&m.due, on_again, &m);
	schedule_in(s, &m.due, 0);
	schedule_in(s, &m.due, INT64_MAX);
	assert_int_equal(schedule_next(s), INT64_MAX);
	schedule_in(s, &m.due, 0);
	assert_int_equal(schedule_run(s), 1);
	assert_int_equal(schedule_run(s), 0);
	assert_int_equal(count, 1);
	schedule_free(s);
}

static void
test_backoff(void **state)
{
	(void)state;
	assert_int_equal(schedule_backoff_ms(1), 1000);
	assert_int_equal(schedule_backoff_ms(2), 2000);
	assert_int_equal(schedule_backoff_ms(9), 256000);
	assert_int_equal(schedule_backoff_ms(10), 420000);
	assert_int_equal(schedule_backoff_ms(4000000000u), 420000);
}

static void
test_jitter(void **state)
{
	struct external_secret es = { .refresh = ES_PERIODIC };
	int64_t due = WALL + 3600000;

	(void)state;
	assert_int_equal(schedule_early_ms(&es, WALL, due, 0), due);
	assert_int_equal(schedule_early_ms(&es, WALL, due, UINT32_MAX),
	    due - 360000);
	assert_int_equal(schedule_early_ms(&es, WALL, INT64_MAX, 1),
	    INT64_MAX);
	assert_int_equal(schedule_early_ms(&es, WALL, WALL, UINT32_MAX), WALL);
	/* Centuries. */
	assert_true(schedule_early_ms(&es, WALL, INT64_MAX - 1, UINT32_MAX) >
	    INT64_MAX / 10 * 8);
}

/* --- circuit, bucket, slots --------------------------------------------- */

static void
test_circuit(void **state)
{
	static const int64_t delays[] = { 1000, 2000, 4000, 8000, 16000,
		32000, 60000, 60000 };
	struct circuit c = { CIRCUIT_CLOSED, 0, 0, 0 };
	int64_t now = 1000;
	size_t i;

	(void)state;
	assert_int_equal(circuit_failure(&c, now), 0);
	assert_int_equal(circuit_failure(&c, now), 0);
	assert_int_equal(circuit_answer(&c), 0);
	assert_int_equal(circuit_failure(&c, now), 0);
	assert_int_equal(circuit_failure(&c, now), 0);
	assert_int_equal(circuit_ask(&c, now), CIRCUIT_ALL);
	assert_int_equal(circuit_failure(&c, now), 1);
	for (i = 0; i < ARRAY_LEN(delays); i++) {
		assert_int_equal(c.state, CIRCUIT_OPEN);
		assert_int_equal(circuit_failure(&c, now), 0);
		now += delays[i] - 1;
		assert_int_equal(circuit_ask(&c, now), CIRCUIT_NONE);
		now++;
		assert_int_equal(circuit_ask(&c, now), CIRCUIT_PROBE);
		circuit_probe(&c);
		assert_string_equal(circuit_name(&c), "half-open");
		assert_int_equal(circuit_ask(&c, now + 99999), CIRCUIT_NONE);
		if (i & 1)
			circuit_unsure(&c, now);
		else
			assert_int_equal(circuit_failure(&c, now), 1);
	}
	assert_int_equal(circuit_answer(&c), 1);
	assert_int_equal(circuit_ask(&c, now), CIRCUIT_ALL);
}

static void
test_bucket(void **state)
{
	struct bucket b = { 0, 0, 0, 0 };
	int64_t now = 5000;
	unsigned sum = 0;
	int i;

	(void)state;
	assert_int_equal(bucket_take(&b, now, 1000), 1000);
	bucket_asked(&b, now, 2000);
	assert_int_equal(bucket_take(&b, now + 1999, 10), 0);
	assert_int_equal(bucket_next(&b, now), 7000);
	now = 7000;
	assert_int_equal(bucket_take(&b, now, 10), 1);
	assert_int_equal(bucket_take(&b, now, 10), 0);
	assert_int_equal(bucket_next(&b, now), now + 100);
	for (i = 0; i < 100; i++)
		sum += bucket_take(&b, now += 100, 10);
	assert_in_range(sum, 99, 101);
	assert_int_equal(bucket_take(&b, now + 60000, 1000), BUCKET_BURST);
	assert_int_equal(bucket_take(&b, 7000 + BUCKET_LIFE_MS, 1000), 1000);
	bucket_asked(&b, now, UINT32_MAX);
	assert_int_equal(b.not_before, now + BUCKET_WAIT_MAX_MS);
}

static void
test_slots(void **state)
{
	struct slots s;
	char name[16];
	int i;

	(void)state;
	slots_init(&s, 2);
	slots_take(&s);
	slots_take(&s);
	assert_false(slots_may_start(&s, "b"));
	assert_int_equal(slots_stalled(&s, "a"), SLOTS_GAVE_BACK);
	assert_true(slots_may_start(&s, "b"));
	assert_false(slots_may_start(&s, "a"));
	assert_int_equal(slots_stalled(&s, "a"), SLOTS_YIELD);
	slots_release(&s, "a", 0);
	slots_release(&s, "a", 1);
	assert_true(slots_may_start(&s, "a"));
	for (i = 0; i < SLOTS_SLOW_MAX; i++) {
		snprintf(name, sizeof(name), "h%d", i);
		slots_take(&s);
		assert_int_equal(slots_stalled(&s, name), SLOTS_GAVE_BACK);
	}
	slots_take(&s);
	assert_int_equal(slots_stalled(&s, "one more"), SLOTS_KEEP);
	assert_int_equal(s.used, 1);
	slots_clear(&s);
}

/* --- claims ------------------------------------------------------------- */

static void
test_claims(void **state)
{
	struct claims c = { NULL, 0, 0 };

	(void)state;
	assert_int_equal(claims_put(&c, "csi:a/v", CLAIM_FOREVER), 1);
	assert_int_equal(claims_put(&c, "csi:b/v", 500), 1);
	assert_int_equal(claims_put(&c, "csi:b/v", 700), 0);
	assert_int_equal(claims_next(&c), 700);
	assert_int_equal(claims_expire(&c, 699), 2);
	assert_int_equal(claims_expire(&c, 700), 1);
	assert_int_equal(claims_next(&c), CLAIM_FOREVER);
	assert_int_equal(claims_drop(&c, "csi:b/v"), 0);
	assert_int_equal(claims_drop(&c, "csi:a/v"), 1);
	assert_int_equal(c.n, 0);
	claims_clear(&c);
}

/* --- catalog ------------------------------------------------------------ */

static void
test_catalog(void **state)
{
	struct fake *f = *state;
	struct catalog *c = f->c.catalog;
	struct strmap *changes;
	struct entry *v[2];
	uint64_t g;

	v[0] = fake_entry(f, "Secret", "default", "x", "{\"a\":1}");
	v[1] = fake_entry(f, "ConfigMap", "default", "x", "{\"a\":1}");
	catalog_replace(c, "b.yaml", v, 2);
	changes = catalog_take_changes(c);
	assert_int_equal(strmap_len(changes), 2);
	strmap_free(changes);
	g = catalog_find(c, "Secret/default/x")->generation;
	/* The same bytes from an earlier file: it wins, nothing changes. */
	v[0] = fake_entry(f, "Secret", "default", "x", "{\"a\":1}");
	catalog_replace(c, "a.yaml", v, 1);
	assert_null(catalog_take_changes(c));
	assert_string_equal(catalog_find(c, "Secret/default/x")->origin,
	    "a.yaml");
	assert_int_equal(catalog_find(c, "Secret/default/x")->generation, g);
	/* Gone from there, others below: one comes into view. */
	v[0] = fake_entry(f, "Secret", "default", "x", "{\"a\":2}");
	catalog_replace(c, "a.yaml", v, 1);
	changes = catalog_take_changes(c);
	assert_int_equal(strmap_len(changes), 1);
	strmap_free(changes);
	catalog_replace(c, "a.yaml", NULL, 0);
	assert_true(catalog_find(c, "Secret/default/x")->generation > g + 1);
	strmap_free(catalog_take_changes(c));
	catalog_replace(c, "b.yaml", NULL, 0);
	changes = catalog_take_changes(c);
	assert_int_equal(strmap_len(changes), 2);
	strmap_free(changes);
	assert_int_equal(catalog_len(c), 0);
}

static void
test_bodies_are_sealed_and_bound(void **state)
{
	struct fake *f = *state;
	cleanup_err struct err err = ERR_INIT;
	struct entry *a = fake_entry(f, "Secret", "default", "a",
	    "{\"data\":\"MARKER-1234\"}");
	struct entry *b = fake_entry(f, "ConfigMap", "default", "a",
	    "{\"data\":\"MARKER-1234\"}");
	struct record swap = a->body;
	const uint8_t *plain;
	size_t len;

	assert_null(memmem(a->body.data, a->body.len, "MARKER", 6));
	assert_int_equal(entry_open(f->c.keys, a, &plain, &len, &err), 0);
	assert_memory_equal(plain, "{\"data\":\"MARKER-1234\"}", len);
	keys_close(f->c.keys);
	/* A Secret's record is no ConfigMap's. */
	a->body = b->body;
	b->body = swap;
	assert_int_equal(entry_open(f->c.keys, a, &plain, &len, &err), -1);
	assert_int_equal(err.kind, ERR_TAMPER);
	entry_free(a);
	entry_free(b);
}

/* --- plan --------------------------------------------------------------- */

static struct item *
queued(struct fake *f, const char *name, const char *store,
    enum item_priority priority)
{
	struct item *item = item_new("default", name);

	fake_es(f, name, store, "1h");
	item->core = &f->c;
	due_init(&item->due, NULL, item);
	due_init(&item->claims_due, NULL, item);
	strmap_put(f->c.items, item->key, item);
	plan_add(f->c.plan, f->c.catalog, item, sync_entry(&f->c, item)->es,
	    priority);
	return (item);
}

static void
test_plan(void **state)
{
	struct fake *f = *state;
	struct plan *p = f->c.plan;
	struct item *out[300], *late;
	struct group *g;
	char name[24];
	int i;

	fake_store(f, "one");
	fake_store(f, "two");
	for (i = 0; i < 260; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		queued(f, name, "one", PRIORITY_REFRESH);
	}
	queued(f, "first", "two", PRIORITY_FIRST);
	late = queued(f, "late", "one", PRIORITY_REFRESH);
	assert_int_equal(plan_len(p), 262);
	/* A first sync comes before refreshes, a waiting pod before both. */
	g = plan_next(p);
	assert_int_equal(g->nstores, 1);
	assert_string_equal(g->stores[0], "SecretStore/default/two");
	assert_string_equal(g->host, "vault:8200");
	plan_add(p, f->c.catalog, late, sync_entry(&f->c, late)->es,
	    PRIORITY_WAITING);
	g = plan_next(p);
	assert_string_equal(g->stores[0], "SecretStore/default/one");
	assert_int_equal(plan_take(p, g, out, JOB_ITEMS_MAX), 256);
	assert_ptr_equal(out[0], late);
	assert_string_equal(out[1]->name, "a0");
	/* Blocked: out of sight, and back. */
	g = plan_next(p);
	plan_block(p, g, "SecretStore/default/two");
	g = plan_next(p);
	assert_string_equal(g->stores[0], "SecretStore/default/one");
	assert_int_equal(plan_take(p, g, out, JOB_ITEMS_MAX), 5);
	assert_null(plan_next(p));
	assert_int_equal(plan_unblock(p, "another"), 0);
	assert_int_equal(plan_unblock(p, "SecretStore/default/two"), 1);
	assert_int_equal(plan_take(p, plan_next(p), out, JOB_ITEMS_MAX), 1);
	assert_int_equal(plan_len(p), 0);
	/* fake_teardown frees the items. */
}

/* --- cache, files ------------------------------------------------------- */

static void
stored(struct fake *f, struct content **slot, struct payload *p,
    int *ret_changed)
{
	cleanup_buf struct buf clear = BUF_SECRET(1 << 21);
	cleanup_buf struct buf box = BUF_PLAIN(1 << 21);
	struct cache_origin o = { "default", "app", "s", "1-a", WALL, NULL };

	p->type = "Opaque";
	p->typelen = 6;
	assert_int_equal(payload_write(p, &clear, NULL), 0);
	fake_seal(f, clear.data, clear.len, &box);
	assert_int_equal(cache_store(&f->c.cache, &o, f->in,
	    (uint8_t *)box.data, box.len, slot, ret_changed, NULL), 0);
}

static void
answer_one(struct child *ch)
{
	child_ready(ch, 0, "one");
	child_done(ch);
}

static void
test_streams_are_counted(void **state)
{
	struct fake *f = *state;
	struct keys_stream *s[KEYS_STREAMS_MAX], *more = NULL;
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf hello = BUF_PLAIN(STREAM_HELLO_LEN);
	struct stream out;
	int i;

	assert_int_equal(stream_begin(&out, keys_public(f->c.keys), &hello,
	    NULL), 0);
	for (i = 0; i < KEYS_STREAMS_MAX; i++)
		assert_int_equal(keys_stream_new(f->c.keys, hello.data,
		    hello.len, &s[i], NULL), 0);
	assert_int_equal(keys_stream_new(f->c.keys, hello.data, hello.len,
	    &more, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	keys_stream_free(s[7]);
	assert_int_equal(keys_stream_new(f->c.keys, hello.data, hello.len,
	    &more, NULL), 0);
	assert_ptr_equal(more, s[7]);
}

/* A job that has ended leaves none behind. */
static void
test_no_stream_stays(void **state)
{
	struct fake *f = *state;
	cleanup_buf struct buf hello = BUF_PLAIN(STREAM_HELLO_LEN);
	struct keys_stream *s;
	struct stream out;
	int i;

	f->fetch = answer_one;
	fake_store(f, "store");
	fake_es(f, "app", "store", "1h");
	sync_synced(&f->c);
	sync_claim(&f->c, "default", "app", "csi:pod/v", CLAIM_FOREVER);
	for (i = 0; i < 40; i++)
		fake_pass(f, 3600000);
	assert_in_range(f->forks, 40, 45);
	assert_int_equal(stream_begin(&out, keys_public(f->c.keys), &hello,
	    NULL), 0);
	/* One is the test's own. */
	for (i = 1; i < KEYS_STREAMS_MAX; i++)
		assert_int_equal(keys_stream_new(f->c.keys, hello.data,
		    hello.len, &s, NULL), 0);
}

static void
test_cache(void **state)
{
	struct fake *f = *state;
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf box = BUF_PLAIN(4096);
	struct cache_origin o = { "default", "app", "s", "1-a", WALL, NULL };
	struct payload_entry e = { "k", 1, (const uint8_t *)"MARKER-99", 9 };
	struct payload p = { .data = &e, .ndata = 1 };
	struct content *c = NULL, *before;
	int changed;

	stored(f, &c, &p, &changed);
	assert_int_equal(changed, 1);
	assert_null(memmem(c->record.data, c->record.len, "MARKER", 6));
	before = c;
	stored(f, &c, &p, &changed);
	assert_int_equal(changed, 0);
	assert_ptr_equal(c, before);
	/* No payload: refused, and what is there stays. */
	fake_seal(f, "NSP1 nonsense", 13, &box);
	assert_int_equal(cache_store(&f->c.cache, &o, f->in,
	    (uint8_t *)box.data, box.len, &c, &changed, &err), -1);
	assert_int_equal(err.kind, ERR_TAMPER);
	assert_ptr_equal(c, before);
	/* It has been opened: not once more. */
	assert_int_equal(cache_store(&f->c.cache, &o, f->in,
	    (uint8_t *)box.data, box.len, &c, &changed, &err), -1);
	assert_int_equal(f->c.cache.records, 1);
	cache_drop(&f->c.cache, &c);
	assert_int_equal(f->c.cache.records, 0);
	assert_int_equal(f->c.cache.bytes, 0);
}

static void
no_news(struct delivery *d)
{
	(void)d;
}

static struct delivery_source *
source_with(struct fake *f, struct delivery *d, const char *name,
    const char *const *keys, size_t n)
{
	struct delivery_source *s = delivery_source_add(d, "default", name);
	struct payload_entry e[8];
	struct payload p = { .data = e, .ndata = n };
	struct cache_origin o = { "default", name, "s", "1-a", WALL, NULL };
	cleanup_buf struct buf clear = BUF_SECRET(1 << 21);
	cleanup_buf struct buf box = BUF_PLAIN(1 << 21);
	int changed;
	size_t i;

	for (i = 0; i < n; i++)
		e[i] = (struct payload_entry){ keys[i],
		    (uint32_t)strlen(keys[i]), (const uint8_t *)"value", 5 };
	p.type = "Opaque";
	p.typelen = 6;
	assert_int_equal(payload_write(&p, &clear, NULL), 0);
	fake_seal(f, clear.data, clear.len, &box);
	assert_int_equal(cache_store(&f->c.cache, &o, f->in,
	    (uint8_t *)box.data, box.len, &s->item->content, &changed, NULL),
	    0);
	return (s);
}

static void
add_item(struct delivery_source *s, const char *key, const char *path)
{
	s->items = mem_grow(s->items, s->nitems + 1, sizeof(*s->items));
	s->items[s->nitems++] = (struct delivery_item){ str_dup(key),
		str_dup(path), 0400 };
}

static void
expect_error(struct delivery *d, enum err_kind kind, const char *text)
{
	cleanup_err struct err err = ERR_INIT;
	struct file_list *l = NULL;

	assert_int_equal(file_list_make(d, &l, &err), -1);
	assert_int_equal(err.kind, kind);
	if (!strstr(err_msg(&err), text))
		fail_msg("\"%s\" without \"%s\"", err_msg(&err), text);
}

static void
test_files(void **state)
{
	static const char *const one[] = { "a", "b" };
	static const char *const two[] = { "b", "c" };
	static const char *const bad[] = { "../x" };
	struct fake *f = *state;
	cleanup_err struct err err = ERR_INIT;
	struct delivery d = { .mode = 0644, .uid = 3, .gid = 4 };
	struct delivery_source *s;
	struct file_list *l = NULL;

	delivery_init(&d, &f->c, PROJ_HOST, "/x", "host:x");
	d.news = no_news;
	source_with(f, &d, "one", one, 2)->all = 1;
	assert_int_equal(file_list_make(&d, &l, &err), 0);
	assert_int_equal(l->n, 2);
	assert_string_equal(l->files[1].path, "b");
	assert_int_equal(l->files[1].mode, 0644);
	assert_int_equal(l->files[1].size, 5);
	file_list_free(l);
	/* The same path from two: both are named. */
	source_with(f, &d, "two", two, 2)->all = 1;
	expect_error(&d, ERR_INVALID, "default/one and default/two");
	delivery_let_go(&d, 0);
	s = source_with(f, &d, "two", two, 2);
	add_item(s, "b", "deep/er/b");
	add_item(s, "c", "c");
	d.status_file = 1;
	assert_int_equal(file_list_make(&d, &l, &err), 0);
	assert_int_equal(l->n, 3);
	assert_int_equal(l->files[0].mode, 0400);
	assert_string_equal(l->files[2].path, "..nodeseal/status.json");
	file_list_free(l);
	/* A file where a folder is. */
	add_item(s, "c", "deep/er");
	expect_error(&d, ERR_INVALID, "deep/er");
	s->nitems--;
	free(s->items[2].key);
	free(s->items[2].path);
	add_item(s, "nope", "n");
	expect_error(&d, ERR_NOTFOUND, "key nope");
	s->optional = 1;
	assert_int_equal(file_list_make(&d, &l, &err), 0);
	file_list_free(l);
	delivery_let_go(&d, 0);
	source_with(f, &d, "bad", bad, 1)->all = 1;
	expect_error(&d, ERR_INVALID, "default/bad");
	delivery_clear(&d);
}

/* --- notes -------------------------------------------------------------- */

static void
found_add(struct fake *f, const char *path)
{
	struct found *found = mem_alloc(sizeof(*found));

	found->place = PROJ_VOLUME;
	strmap_put(f->c.found, path, found);
}

static int
notes_have(struct fake *f, int fd)
{
	struct volume *v;

	volumes_clear(&f->c);
	f->c.volumes = strmap_new(NULL);
	found_add(f, "/pods/a/mount");
	notes_open(&f->c, dup(fd));
	v = strmap_get(f->c.volumes, "id1");
	return (v && str_eq(v->d.path, "/pods/a/mount") &&
	    v->d.nsources == 1 && v->d.sources[0].nitems == 1 &&
	    v->d.sources[0].items[0].mode == 0400 && v->d.gid == 77 &&
	    v->d.attached && str_eq(v->pod, "pod1"));
}

static void
test_notes(void **state)
{
	struct fake *f = *state;
	struct delivery_source *s;
	struct volume *v;
	int fd = memfd_create("notes", MFD_CLOEXEC);
	char byte;
	off_t at;
	int i;

	notes_open(&f->c, dup(fd));
	found_add(f, "/pods/a/mount");
	v = volume_begin(&f->c, "id1", "/pods/a/mount", "csi:pod1/v");
	v->pod_ns = str_dup("default");
	v->pod = str_dup("pod1");
	v->pod_uid = str_dup("u");
	v->d.gid = 77;
	s = delivery_source_add(&v->d, "default", "app");
	add_item(s, "k", "p");
	notes_published(&f->c, v);
	assert_true(notes_have(f, fd));
	assert_int_equal(sync_item(&f->c, "default", "app")->claims.n, 1);
	v = strmap_get(f->c.volumes, "id1");
	/* An entry that was cut is none; those before it are whole. */
	assert_int_equal(notes_write(&f->c), 0);
	at = f->c.notes_generation % 2 ? 16 << 20 : 0;
	at += f->c.notes_end;
	notes_unpublished(&f->c, "id1");
	assert_int_equal(pread(fd, &byte, 1, at + 50), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at + 50), 1);
	assert_true(notes_have(f, fd));
	/* Cut anywhere in writing anew: the other place counts. */
	for (i = 0; i < 50; i++) {
		off_t other;

		assert_int_equal(notes_write(&f->c), 0);
		other = f->c.notes_generation % 2 ? 16 << 20 : 0;
		byte = 0;
		assert_int_equal(pwrite(fd, &byte, 1, other + i % 40), 1);
		assert_true(notes_have(f, fd));
	}
	/* Many entries: the row is shortened and stays small. */
	for (i = 0; i < 2000; i++) {
		v = strmap_get(f->c.volumes, "id1");
		notes_published(&f->c, v);
	}
	assert_in_range(f->c.notes_end, 1, 140000);
	assert_true(notes_have(f, fd));
	/* Unpublished, and not mounted: neither comes back. */
	volumes_clear(&f->c);
	f->c.volumes = strmap_new(NULL);
	notes_unpublished(&f->c, "id1");
	assert_false(notes_have(f, fd));
	volumes_clear(&f->c);
	f->c.volumes = strmap_new(NULL);
	strmap_del(f->c.found, "/pods/a/mount");
	notes_open(&f->c, dup(fd));
	assert_int_equal(strmap_len(f->c.volumes), 0);
	close(fd);
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, fake_setup, fake_teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedule_order),
		cmocka_unit_test(test_schedule_does_not_spin),
		cmocka_unit_test(test_backoff), cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_circuit), cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_slots), cmocka_unit_test(test_claims),
		T(catalog), T(bodies_are_sealed_and_bound), T(plan), T(cache),
		T(streams_are_counted), T(no_stream_stays), T(files), T(notes),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
