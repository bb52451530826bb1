/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ipc/link.h"

/* A frame as it would arrive: its own block, so that a step too far shows. */
static void
arrive(struct frame *f, uint16_t type, const void *data, size_t len)
{
	frame_init(f, LINK_FRAME_MAX);
	f->type = type;
	buf_add(&f->body, data, len);
}

/* Every cut of a good frame is refused, and so is a byte too many. */
#define REFUSED(msg, type_id, out) do {					\
	struct link_##msg m_;						\
	for (size_t n_ = 0; n_ <= (out)->len + 1; n_++) {		\
		struct frame cut_;					\
		cleanup_err struct err e_ = ERR_INIT;			\
		if (n_ == (out)->len)					\
			continue;					\
		arrive(&cut_, type_id, (out)->data,			\
		    n_ > (out)->len ? (out)->len : n_);			\
		if (n_ > (out)->len)					\
			buf_addc(&cut_.body, 'x');			\
		assert_int_equal(link_##msg##_read(&m_, &cut_, &e_),	\
		    -1);						\
		assert_int_equal(e_.kind, ERR_INVALID);			\
		frame_clear(&cut_);					\
	}								\
} while (0)

/* ${a} goes out and comes in as ${b}, whose texts are the caller's to clear;
 * as another type it is refused. */
#define ROUND(msg, type_id, a, b) do {					\
	cleanup_buf struct buf out_ = BUF_PLAIN(LINK_FRAME_MAX);	\
	struct frame f_;						\
	link_##msg##_write(a, &out_);					\
	assert_true(buf_ok(&out_));					\
	arrive(&f_, 200, out_.data, out_.len);				\
	assert_int_equal(link_##msg##_read(b, &f_, NULL), -1);		\
	f_.type = type_id;						\
	assert_int_equal(link_##msg##_read(b, &f_, NULL), 0);		\
	frame_clear(&f_);						\
	if (out_.len < 4096)						\
		REFUSED(msg, type_id, &out_);				\
} while (0)

/* The struct's texts are char *; a test's are constant. */
static char text_a[] = "alpha", text_b[] = "beta", text_c[] = "gamma",
    none[] = "";

static void
test_line(void **state)
{
	struct link_state s = { 1, text_a, none }, t;
	char *labels[] = { text_a, text_b };
	struct link_node n = { text_a, text_b, labels, 2, 1, 33 }, m;

	(void)state;
	ROUND(state, LINK_STATE, &s, &t);
	assert_int_equal(t.connected, 1);
	assert_string_equal(t.server, "alpha");
	assert_string_equal(t.problem, "");
	link_state_clear(&t);
	assert_null(t.server);
	ROUND(node, LINK_NODE, &n, &m);
	assert_string_equal(m.uid, "beta");
	assert_int_equal(m.nlabels, 2);
	assert_string_equal(m.labels[1], "beta");
	assert_true(m.has_labels == 1 && m.version_minor == 33);
	link_node_clear(&m);
	assert_int_equal(m.nlabels, 0);
}

static void
test_names(void **state)
{
	static const uint16_t types[] = { LINK_RELIST, LINK_OBJECTS, LINK_GONE,
		LINK_LISTED, LINK_UNWATCHED, LINK_POD_GONE };
	struct link_name a = { text_a, text_b, none }, b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		ROUND(name, types[i], &a, &b);
		assert_string_equal(b.kind, "alpha");
		assert_string_equal(b.ns, "beta");
		assert_string_equal(b.name, "");
		link_name_clear(&b);
	}
}

static void
test_pod(void **state)
{
	struct link_volume v[] = { { text_a, text_b, text_c },
	    { text_b, text_b, none } };
	char *secrets[] = { text_a, text_b, text_c };
	struct link_pod a = { text_a, text_b, text_c, none, 1, 0, v, 2,
		secrets, 3 }, b;

	(void)state;
	ROUND(pod, LINK_POD, &a, &b);
	assert_string_equal(b.uid, "gamma");
	assert_true(b.waits == 1 && b.over == 0);
	assert_int_equal(b.nvolumes, 2);
	assert_string_equal(b.volumes[0].external_secrets, "gamma");
	assert_string_equal(b.volumes[1].volume, "beta");
	assert_int_equal(b.nsecrets, 3);
	assert_string_equal(b.secrets[2], "gamma");
	link_pod_clear(&b);
	a.nvolumes = a.nsecrets = 0;
	ROUND(pod, LINK_POD, &a, &b);
	assert_null(b.volumes);
	assert_null(b.secrets);
	link_pod_clear(&b);
}

static void
test_lease_meta(void **state)
{
	struct link_lease a = { text_a, text_b, text_c, -7, none, 2, text_a,
		text_b }, b;
	struct link_meta m = { text_a, text_b, text_c, 1, text_a, text_b, 1,
		text_c, text_a }, n;

	(void)state;
	ROUND(lease, LINK_LEASE, &a, &b);
	assert_true(b.refreshed_at == -7 && b.ready == 2);
	assert_string_equal(b.conditions, "alpha");
	assert_string_equal(b.binding, "beta");
	link_lease_clear(&b);
	ROUND(meta, LINK_META, &m, &n);
	assert_true(n.exists == 1 && n.managed == 1);
	assert_string_equal(n.hash, "gamma");
	assert_string_equal(n.owner_uid, "alpha");
	link_meta_clear(&n);
}

static void
test_reports(void **state)
{
	struct link_report a = { UINT64_C(1) << 50, text_a, text_b, text_c,
		none, text_a, 1 }, b;
	struct link_reported r = { 9, 409, text_a }, s;
	struct link_event e = { text_a, text_b, text_c, none, 1, text_a,
		text_b }, g;

	(void)state;
	ROUND(report, LINK_REPORT, &a, &b);
	assert_true(b.tag == UINT64_C(1) << 50 && b.urgent == 1);
	assert_string_equal(b.status, "alpha");
	link_report_clear(&b);
	ROUND(reported, LINK_REPORTED, &r, &s);
	assert_int_equal(s.http_status, 409);
	assert_string_equal(s.error, "alpha");
	link_reported_clear(&s);
	ROUND(event, LINK_EVENT, &e, &g);
	assert_int_equal(g.warning, 1);
	assert_string_equal(g.message, "beta");
	link_event_clear(&g);
}

static void
test_words(void **state)
{
	static const uint16_t types[] = { LINK_SCRAPE, LINK_PROBLEM, LINK_WANT,
		LINK_WATCH, LINK_READY, LINK_SCRAPED };
	struct link_words a = { 1, 77, text_a, NULL, text_c }, b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		ROUND(words, types[i], &a, &b);
		assert_true(b.on == 1 && b.tag == 77);
		assert_string_equal(b.b, "");
		assert_string_equal(b.c, "gamma");
		link_words_clear(&b);
	}
}

/* Numbers and counts out of their bounds, names out of order. */
static void
test_out_of_bounds(void **state)
{
	char *wrong[] = { text_b, text_a }, *twice[] = { text_a, text_a };
	struct link_pod p = { text_a, text_b, text_c, none, 2, 0, NULL, 0,
		NULL, 0 }, q;
	struct link_lease l = { text_a, text_a, text_a, 0, none, 3, none,
		none }, k;
	cleanup_buf struct buf out = BUF_PLAIN(LINK_FRAME_MAX);
	struct frame f;

	(void)state;
	for (int i = 0; i < 4; i++) {
		p.waits = i == 0 ? 2 : 1;
		p.over = i == 1 ? 9 : 1;
		p.secrets = i == 2 ? wrong : twice;
		p.nsecrets = i >= 2 ? 2 : 0;
		buf_clear(&out);
		link_pod_write(&p, &out);
		arrive(&f, LINK_POD, out.data, out.len);
		assert_int_equal(link_pod_read(&q, &f, NULL), -1);
		assert_null(q.ns);
		frame_clear(&f);
	}
	buf_clear(&out);
	link_lease_write(&l, &out);
	arrive(&f, LINK_LEASE, out.data, out.len);
	assert_int_equal(link_lease_read(&k, &f, NULL), -1);
	frame_clear(&f);
}

/* Counts that no frame can hold cost no memory. */
static void
test_lying_counts(void **state)
{
	static const uint32_t lies[] = { 1025, 0x10000, 0x7fffffff,
		0xffffffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		cleanup_buf struct buf out = BUF_PLAIN(1 << 20);
		struct link_node n;
		struct frame f;

		wire_str(&out, "n");
		wire_str(&out, "");
		wire_u32(&out, lies[i]);
		/* Enough behind it for a count just above the bound. */
		for (int j = 0; j < 2000; j++)
			wire_str(&out, "k=v");
		arrive(&f, LINK_NODE, out.data, out.len);
		assert_int_equal(link_node_read(&n, &f, NULL), -1);
		assert_null(n.labels);
		frame_clear(&f);
	}
}

/* What grew too long is cut between two letters, or left out, and the other
 * side takes what there is. */
static void
test_cut(void **state)
{
	size_t len = LINK_STATUS_MAX + 1;
	cleanup_free char *text = mem_alloc(len + 1);
	cleanup_free char **names = mem_array(LINK_SECRETS_MAX + 5,
	    sizeof(*names));
	struct link_event e = { text_a, none, text_b, none, 0, text_a, text },
	    f;
	struct link_report r = { 1, text_a, none, text_b, none, text, 0 }, s;
	struct link_pod p = { text_a, text_b, text_c, none, 0, 0, NULL, 0,
		names, LINK_SECRETS_MAX + 5 }, q;

	(void)state;
	text[0] = 'x';
	for (size_t i = 1; i + 1 < len; i += 2)
		memcpy(text + i, "é", 2);
	ROUND(event, LINK_EVENT, &e, &f);
	assert_int_equal(strlen(f.message), (64 << 10) - 1);
	link_event_clear(&f);
	assert_true(strlen(text) == LINK_STATUS_MAX + 1);
	ROUND(report, LINK_REPORT, &r, &s);
	assert_string_equal(s.status, "");
	link_report_clear(&s);
	text[LINK_STATUS_MAX] = '\0';
	ROUND(report, LINK_REPORT, &r, &s);
	assert_int_equal(strlen(s.status), LINK_STATUS_MAX);
	link_report_clear(&s);
	for (size_t i = 0; i < LINK_SECRETS_MAX + 5; i++)
		names[i] = str_fmt("n%06zu", i);
	ROUND(pod, LINK_POD, &p, &q);
	assert_int_equal(q.nsecrets, LINK_SECRETS_MAX);
	assert_string_equal(q.secrets[LINK_SECRETS_MAX - 1], "n008191");
	link_pod_clear(&q);
	for (size_t i = 0; i < LINK_SECRETS_MAX + 5; i++)
		free(names[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_pod),
		cmocka_unit_test(test_lease_meta),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_out_of_bounds),
		cmocka_unit_test(test_lying_counts),
		cmocka_unit_test(test_cut),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
