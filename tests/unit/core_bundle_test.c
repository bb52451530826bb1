/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>

#include "core/age.h"
#include "core/bundle.h"
#include "core/state.h"
#include "core_fake.h"
#include "seal_bundle.h"

/* What bundles bring to a core, by a clock of the test's own. */
#define HOUR (3600ll * 1000)

struct site {
	struct fake *f;
	struct bundle_maker m;
	char dir[64], spec[128];
	char *specs[1];
	char said[512];
	int failed;
};

static struct site site;

static void
state_begin(struct fake *f)
{
	struct state_fds fds = { .witness = -1 };
	char path[96];
	int i;

	for (i = 0; i < KEY_SOURCES_MAX; i++)
		fds.sources[i] = -1;
	fds.dir = open(site.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/node.key", site.dir);
	fds.sources[0] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fds.sources[0], 32), 0);
	snprintf(site.spec, sizeof(site.spec), "file:%s", path);
	site.specs[0] = site.spec;
	f->cfg.key_sources = site.specs;
	f->cfg.nkey_sources = 1;
	loop_workers_one();
	state_open(&f->c, &fds);
	f->c.bundles = bundles_new(&f->c);
	state_restore(&f->c);
}

static void
pin(struct fake *f)
{
	cleanup_buf struct buf text = BUF_PLAIN(256);
	int fd = memfd_create("issuer", MFD_CLOEXEC);

	bundle_issuer_text(site.m.issuer, 0, &text);
	assert_int_equal(pwrite(fd, text.data, text.len, 0),
	    (ssize_t)text.len);
	bundles_pin(f->c.bundles, "issuer.pub", fd);
}

static int
setup(void **state)
{
	struct fake *f;

	assert_int_equal(fake_setup(state), 0);
	f = *state;
	site = (struct site){ .f = f };
	snprintf(site.dir, sizeof(site.dir), "/tmp/core-bundle-XXXXXX");
	assert_non_null(mkdtemp(site.dir));
	bundle_maker_init(&site.m);
	state_begin(f);
	assert_int_equal(state_node_key(&f->c, site.m.nodes, NULL), 0);
	pin(f);
	fake_hp(f, "web", "web", "app");
	sync_synced(&f->c);
	return (0);
}

static int
teardown(void **state)
{
	static const char *const names[] = { "node.key", "keyslots",
		"cache.seal", "cache.seal.prev" };
	char path[96];
	size_t i;

	bundle_maker_clear(&site.m);
	state_flush(&site.f->c);
	bundles_free(STEAL(site.f->c.bundles));
	fake_teardown(state);
	for (i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", site.dir, names[i]);
		unlink(path);
	}
	return (rmdir(site.dir));
}

/* --- bundles -------------------------------------------------------------- */

static void
payload(const char *value, struct buf *out)
{
	struct payload p = { .type = "Opaque", .typelen = 6, .ndata = 1 };

	p.data = mem_array(1, sizeof(*p.data));
	p.data[0] = (struct payload_entry){ "k", 1, (const uint8_t *)value,
		(uint32_t)strlen(value) };
	assert_int_equal(payload_write(&p, out, NULL), 0);
	payload_clear(&p);
}

/* One ExternalSecret `app`; ${value} NULL: kept. */
static void
write_one(const char *value, const char *annotations)
{
	static char kind[] = "ExternalSecret", ns[] = "default",
	    name[] = "app";
	cleanup_free char *head = str_fmt("{\"apiVersion\":\"external-secrets."
	    "io/v1\",\"kind\":\"ExternalSecret\",\"metadata\":{"
	    "\"name\":\"app\",\"namespace\":\"default\","
	    "\"annotations\":{%s}},\"spec\":{"
	    "\"refreshInterval\":\"1h\",\"secretStoreRef\":{\"name\":\"s\"},"
	    "\"data\":[{\"secretKey\":\"k\",\"remoteRef\":{\"key\":\"k\"}}]}}",
	    annotations);
	struct bundle_message msg = { .type = BUNDLE_OBJECT, .kind = kind,
		.ns = ns, .name = name, .head = head,
		.fetched_at = site.m.head.issued_at };
	cleanup_buf struct buf plain = BUF_SECRET(PAYLOAD_MAX);
	struct bundle_maker *m = &site.m;
	struct bundle_writer w;

	payload(value ? value : "", &plain);
	buf_clear(&m->out);
	free(STEAL(m->head.recipients));
	assert_int_equal(bundle_begin(&w, &m->head, m->nodes,
	    bundle_maker_put, &m->out, NULL), 0);
	assert_int_equal(bundle_add(&w, &msg, NULL), 0);
	msg.type = value ? BUNDLE_VALUE : BUNDLE_KEEP;
	msg.data = (const uint8_t *)plain.data;
	msg.len = plain.len;
	assert_int_equal(bundle_add(&w, &msg, NULL), 0);
	assert_int_equal(bundle_finish(&w, m->seed, NULL), 0);
}

static void
next(int64_t hours, enum bundle_mode mode)
{
	struct bundle_head *h = &site.m.head;

	memcpy(h->previous, h->id, BUNDLE_ID_LEN);
	record_random(h->id, BUNDLE_ID_LEN);
	h->sequence++;
	h->mode = mode;
	h->issued_at = h->not_before = site.f->clock.wall;
	h->not_after = h->issued_at + hours * HOUR;
}

static void
on_import(void *arg, const char *text, const struct err *err)
{
	struct site *s = arg;

	s->failed = err != NULL;
	snprintf(s->said, sizeof(s->said), "%s", err ? err_msg(err) : text);
}

static void
import(struct fake *f, int ok)
{
	int fd = memfd_create("bundle", MFD_CLOEXEC);

	assert_int_equal(pwrite(fd, site.m.out.data, site.m.out.len, 0),
	    (ssize_t)site.m.out.len);
	*site.said = '\0';
	bundle_import(f->c.bundles, fd, 0, on_import, &site);
	loop_work_wait(f->loop);
	fake_spin(f);
	if (*site.said == '\0')
		fail_msg("no answer");
	if (site.failed == ok)
		fail_msg("%s", site.said);
}

static struct item *
app(struct fake *f)
{
	return (sync_item(&f->c, "default", "app"));
}

/* --- tests ---------------------------------------------------------------- */

static void
test_served(void **state)
{
	struct fake *f = *state;
	cleanup_json struct json *j = NULL;

	write_one("one", "");
	import(f, 1);
	assert_string_equal(f->last_text, "k=one;");
	assert_string_equal(age_source(app(f)), "bundle");
	assert_true(item_ready(app(f)));
	assert_true(age_may_mount(&f->c, app(f), NULL));
	/* Nobody asks a store. */
	fake_pass(f, 12 * HOUR);
	assert_int_equal(f->forks, 0);
	import(f, 0);
	assert_non_null(strstr(site.said, "sequence: "));
	j = bundles_json(f->c.bundles);
	assert_int_equal(json_len(json_get(j, "issuers")), 1);
}

static void
test_keep_moves_the_end(void **state)
{
	struct fake *f = *state;

	write_one("one", "");
	import(f, 1);
	fake_pass(f, 20 * HOUR);
	next(24, BUNDLE_DELTA);
	write_one(NULL, "");
	import(f, 1);
	assert_string_equal(f->last_text, "k=one;");
	assert_int_equal(f->writes, 1);
	/* The first one would have ended. */
	fake_pass(f, 20 * HOUR);
	assert_int_equal(app(f)->gone, ITEM_HELD);
	fake_pass(f, 5 * HOUR);
	assert_int_equal(app(f)->gone, ITEM_EXPIRED);
	assert_true(age_stale(&f->c, app(f)));
	assert_false(age_may_mount(&f->c, app(f), NULL));
}

/* O6: setting the wall clock neither ends nor prolongs it. */
static void
test_the_clock(void **state)
{
	struct fake *f = *state;
	int64_t wall;

	write_one("one", "\"offline.nodeseal.dev/on-expiry\":\"RemoveFiles\"");
	import(f, 1);
	wall = f->clock.wall;
	f->clock.wall += 10ll * 365 * 24 * HOUR;
	fake_spin(f);
	assert_int_equal(app(f)->gone, ITEM_HELD);
	f->clock.wall = wall - 365ll * 24 * HOUR;
	fake_pass(f, 24 * HOUR - 2000);
	assert_int_equal(app(f)->gone, ITEM_HELD);
	fake_pass(f, 4000);
	assert_int_equal(app(f)->gone, ITEM_WITHDRAWN);
	assert_null(app(f)->content);
	assert_int_equal(f->nfiles, 0);
	import(f, 0);
	assert_non_null(strstr(site.said, "not_after: "));
}

/* A node without a clock of its own: what an issuer has signed is past. */
static void
test_a_late_clock(void **state)
{
	struct fake *f = *state;

	f->clock.wall += 365ll * 24 * HOUR;
	next(24, BUNDLE_FULL);
	f->clock.wall -= 365ll * 24 * HOUR;
	write_one("one", "");
	import(f, 1);
	assert_true(state_clock(&f->c) >= site.m.head.issued_at);
	assert_string_equal(f->last_text, "k=one;");
}

static void
test_a_local_store_wins(void **state)
{
	struct fake *f = *state;

	write_one("one", "");
	import(f, 1);
	assert_int_equal(f->forks, 0);
	/* The same object in the folder: now it is fetched, and fails. */
	fake_store(f, "store");
	fake_es(f, "app", "store", "1h");
	sync_commit(&f->c);
	fake_spin(f);
	assert_int_equal(f->forks, 1);
	assert_string_equal(f->last_text, "k=one;");
	assert_string_equal(age_source(app(f)), "bundle");
}

static void
test_restart(void **state)
{
	struct fake *f = *state;

	write_one("one", "");
	import(f, 1);
	fake_pass(f, HOUR);
	state_flush(&f->c);
	bundles_free(STEAL(f->c.bundles));
	fake_teardown(state);
	assert_int_equal(fake_setup(state), 0);
	site.f = f = *state;
	f->clock.boot += 2 * HOUR;
	f->clock.wall += 2 * HOUR;
	state_begin(f);
	fake_hp(f, "web", "web", "app");
	sync_synced(&f->c);
	fake_spin(f);
	assert_string_equal(f->last_text, "k=one;");
	assert_string_equal(age_source(app(f)), "bundle");
	assert_string_equal(app(f)->reason, "ServedFromBundle");
	fake_pass(f, 23 * HOUR);
	assert_int_equal(app(f)->gone, ITEM_EXPIRED);
	pin(f);
	import(f, 0);
	assert_non_null(strstr(site.said, "not_after: "));
}

/* A payload that is none, in a bundle that is signed as it should be: nothing
 * of it counts. */
static void
test_all_or_nothing(void **state)
{
	struct fake *f = *state;

	write_one("one", "");
	import(f, 1);
	next(24, BUNDLE_FULL);
	assert_int_equal(bundle_maker_write(&site.m, 3, 100, NULL), 0);
	import(f, 0);
	assert_non_null(strstr(site.said, "content: "));
	assert_string_equal(f->last_text, "k=one;");
	assert_true(item_ready(app(f)));
	next(24, BUNDLE_FULL);
	write_one("two", "");
	fake_pass(f, HOUR);
	import(f, 1);
	assert_string_equal(f->last_text, "k=two;");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_served, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keep_moves_the_end,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_clock, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_a_late_clock, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_a_local_store_wins,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_all_or_nothing, setup,
		    teardown),
	};

	if (seal_init(NULL) == -1)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
