/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ipc/job.h"

/* A frame as it would arrive: its own block, so that a step too far shows. */
static void
arrive(struct frame *f, uint16_t type, const void *data, size_t len)
{
	frame_init(f, JOB_FRAME_MAX);
	f->type = type;
	buf_add(&f->body, data, len);
}

/* Every cut of a good frame is refused, and so is a byte too many. */
#define REFUSED(msg, type_id, out) do {				\
	struct job_##msg m_;						\
	for (size_t n_ = 0; n_ <= (out)->len + 1; n_++) {		\
		struct frame f_;					\
		cleanup_err struct err e_ = ERR_INIT;			\
		if (n_ == (out)->len)					\
			continue;					\
		arrive(&f_, type_id, (out)->data,			\
		    n_ > (out)->len ? (out)->len : n_);			\
		if (n_ > (out)->len)					\
			buf_addc(&f_.body, 'x');			\
		assert_int_equal(job_##msg##_read(&m_, &f_, &e_), -1);	\
		assert_int_equal(e_.kind, ERR_INVALID);			\
		frame_clear(&f_);					\
	}								\
} while (0)

static void
test_fork_exit(void **state)
{
	struct job_fork a = { JOB_KIND_FETCH, UINT64_C(1) << 40, 30000 }, b;
	struct job_exit x = { 77, 0x8b00 }, y;
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	struct frame f;

	(void)state;
	job_fork_write(&a, &out);
	arrive(&f, ZYGOTE_FORK, out.data, out.len);
	assert_int_equal(job_fork_read(&b, &f, NULL), 0);
	assert_int_equal(b.kind, JOB_KIND_FETCH);
	assert_true(b.id == a.id);
	assert_int_equal(b.deadline_ms, 30000);
	/* A frame of another type is another message. */
	f.type = ZYGOTE_EXIT;
	assert_int_equal(job_fork_read(&b, &f, NULL), -1);
	frame_clear(&f);
	REFUSED(fork, ZYGOTE_FORK, &out);
	a.kind = (enum job_kind)5;
	buf_clear(&out);
	job_fork_write(&a, &out);
	arrive(&f, ZYGOTE_FORK, out.data, out.len);
	assert_int_equal(job_fork_read(&b, &f, NULL), -1);
	frame_clear(&f);
	buf_clear(&out);
	job_exit_write(&x, &out);
	arrive(&f, ZYGOTE_EXIT, out.data, out.len);
	assert_int_equal(job_exit_read(&y, &f, NULL), 0);
	assert_true(y.id == 77 && y.status == 0x8b00);
	frame_clear(&f);
	REFUSED(exit, ZYGOTE_EXIT, &out);
}

static void
test_read(void **state)
{
	char name[] = "store.yaml";
	struct job_read a = { name, { 1, 2, 3 } }, b;
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	struct frame f;

	(void)state;
	job_read_write(&a, &out);
	arrive(&f, JOB_READ, out.data, out.len);
	assert_int_equal(job_read_read(&b, &f, NULL), 0);
	assert_string_equal(b.name, "store.yaml");
	assert_memory_equal(b.core_key, a.core_key, JOB_KEY_LEN);
	job_read_clear(&b);
	frame_clear(&f);
	REFUSED(read, JOB_READ, &out);
}

static void
test_object(void **state)
{
	char kind[] = "Secret", ns[] = "d", name[] = "n";
	char head[] = "{}", no[] = "";
	uint8_t body[] = { 0, 1, 2, 0, 255 };
	struct job_object a = { kind, ns, name, head, body, sizeof(body), no };
	struct job_object b;
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	struct frame f;

	(void)state;
	job_object_write(&a, &out);
	arrive(&f, JOB_OBJECT, out.data, out.len);
	assert_int_equal(job_object_read(&b, &f, NULL), 0);
	assert_string_equal(b.kind, "Secret");
	assert_string_equal(b.head, "{}");
	assert_string_equal(b.rejected, "");
	assert_int_equal(b.body_len, sizeof(body));
	assert_memory_equal(b.body, body, sizeof(body));
	job_object_clear(&b);
	frame_clear(&f);
	REFUSED(object, JOB_OBJECT, &out);
}

static void
test_finding(void **state)
{
	char object[] = "d/n", text[] = "does not parse";
	struct job_finding a = { 12, 1, object, text }, b;
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	struct frame f;

	(void)state;
	job_finding_write(&a, &out);
	arrive(&f, JOB_FINDING, out.data, out.len);
	assert_int_equal(job_finding_read(&b, &f, NULL), 0);
	assert_int_equal(b.line, 12);
	assert_int_equal(b.fatal, 1);
	assert_string_equal(b.object, "d/n");
	assert_string_equal(b.text, "does not parse");
	job_finding_clear(&b);
	frame_clear(&f);
	REFUSED(finding, JOB_FINDING, &out);
}

static void
test_fetch(void **state)
{
	char cls[] = "nodeseal", no[] = "", ns[] = "d";
	char one[] = "a", two[] = "b";
	struct job_body bodies[] = { { (const uint8_t *)"{}", 2 },
	    { NULL, 0 } };
	struct job_name items[] = { { ns, one }, { ns, two } };
	struct job_fetch a = { .core_key = { 9 },
		.flags = JOB_CLAIM_UNCLASSED | JOB_AMBIENT_IDENTITY,
		.class_name = cls, .delim_left = no, .delim_right = no,
		.bodies = bodies, .nbodies = 2, .items = items, .nitems = 2,
		.timeout_ms = 5000 }, b;
	cleanup_buf struct buf out = BUF_SECRET(JOB_FRAME_MAX);

	(void)state;
	job_fetch_write(&a, &out);
	assert_int_equal(job_fetch_read(&b, (uint8_t *)out.data, out.len,
	    NULL), 0);
	assert_int_equal(b.core_key[0], 9);
	assert_int_equal(b.flags, a.flags);
	assert_string_equal(b.class_name, "nodeseal");
	assert_int_equal(b.nbodies, 2);
	assert_memory_equal(b.bodies[0].data, "{}", 2);
	/* Borrowed, not copied: the plaintext has one home. */
	assert_true((const char *)b.bodies[0].data > out.data &&
	    (const char *)b.bodies[0].data < out.data + out.len);
	assert_int_equal(b.bodies[1].len, 0);
	assert_int_equal(b.nitems, 2);
	assert_string_equal(b.items[1].name, "b");
	assert_int_equal(b.timeout_ms, 5000);
	job_fetch_clear(&b);
	for (size_t n = 0; n < out.len; n++) {
		cleanup_free uint8_t *cut = malloc(n == 0 ? 1 : n);

		memcpy(cut, out.data, n);
		assert_int_equal(job_fetch_read(&b, cut, n, NULL), -1);
	}
	a.flags = 16;
	buf_clear(&out);
	job_fetch_write(&a, &out);
	assert_int_equal(job_fetch_read(&b, (uint8_t *)out.data, out.len,
	    NULL), -1);
}

/* Counts that no frame can hold cost no memory. */
static void
test_lying_counts(void **state)
{
	static const uint32_t lies[] = { 257, 0x10000, 0x7fffffff, 0xffffffff };
	struct job_fetch m;
	struct job_done d;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		cleanup_buf struct buf out = BUF_SECRET(4096);
		uint8_t key[JOB_KEY_LEN] = { 0 };
		struct frame f;

		wire_bytes(&out, key, sizeof(key));
		wire_u32(&out, 0);
		wire_str(&out, "");
		wire_str(&out, "");
		wire_str(&out, "");
		wire_u32(&out, 0);
		wire_u32(&out, lies[i]);
		wire_u32(&out, 0);
		assert_int_equal(job_fetch_read(&m, (uint8_t *)out.data,
		    out.len, NULL), -1);
		arrive(&f, JOB_DONE, &lies[i], sizeof(lies[i]));
		assert_int_equal(job_done_read(&d, &f, NULL), -1);
		frame_clear(&f);
	}
}

static struct job_item
sample_item(char *text, uint8_t *payload, size_t len)
{
	return ((struct job_item){ .index = 3, .outcome = JOB_FAILED,
		.err_kind = ERR_DENIED, .http_status = 403,
		.retry_after_ms = 1500, .host = text, .store = text,
		.reason = text, .message = text, .event_text = text,
		.error = text, .payload = payload, .payload_len = len });
}

static void
test_item(void **state)
{
	char text[] = "text";
	uint8_t payload[] = { 7, 0, 7 };
	struct job_item a = sample_item(text, payload, 3), b;
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	struct frame f;

	(void)state;
	job_item_write(&a, &out);
	arrive(&f, JOB_ITEM, out.data, out.len);
	assert_int_equal(job_item_read(&b, &f, NULL), 0);
	assert_int_equal(b.index, 3);
	assert_int_equal(b.outcome, JOB_FAILED);
	assert_int_equal(b.err_kind, ERR_DENIED);
	assert_int_equal(b.http_status, 403);
	assert_int_equal(b.retry_after_ms, 1500);
	assert_string_equal(b.event_text, "text");
	assert_int_equal(b.payload_len, 3);
	assert_memory_equal(b.payload, payload, 3);
	job_item_clear(&b);
	frame_clear(&f);
	REFUSED(item, JOB_ITEM, &out);
	/* No payload stays none. */
	a.payload = NULL;
	a.payload_len = 0;
	buf_clear(&out);
	job_item_write(&a, &out);
	arrive(&f, JOB_ITEM, out.data, out.len);
	assert_int_equal(job_item_read(&b, &f, NULL), 0);
	assert_null(b.payload);
	job_item_clear(&b);
	frame_clear(&f);
}

static void
test_item_ranges(void **state)
{
	char text[] = "";

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct job_item a = sample_item(text, NULL, 0), b;
		cleanup_buf struct buf out = BUF_PLAIN(4096);
		struct frame f;

		a.index = i == 0 ? JOB_ITEMS_MAX : 0;
		a.outcome = i == 1 ? (enum job_outcome)0 :
		    i == 2 ? (enum job_outcome)7 : JOB_READY;
		a.err_kind = i == 3 ? ERR_KINDS : 0;
		job_item_write(&a, &out);
		arrive(&f, JOB_ITEM, out.data, out.len);
		assert_int_equal(job_item_read(&b, &f, NULL), -1);
		frame_clear(&f);
	}
}

/* A message that quotes a whole template is cut between two letters. */
static void
test_long_text(void **state)
{
	size_t len = 400000;
	char *text = mem_alloc(len + 2);
	char no[] = "";
	struct job_item a = sample_item(no, NULL, 0), b;
	cleanup_buf struct buf out = BUF_PLAIN(JOB_ITEM_MAX);
	struct frame f;

	(void)state;
	for (size_t i = 0; i < len; i += 2)
		memcpy(text + i, "é", 2);
	memmove(text + 1, text, len);
	text[0] = 'x';
	a.event_text = text;
	job_item_write(&a, &out);
	arrive(&f, JOB_ITEM, out.data, out.len);
	assert_int_equal(job_item_read(&b, &f, NULL), 0);
	assert_int_equal(strlen(b.event_text), 256 * 1024 - 1);
	assert_memory_equal(b.event_text, text, 256 * 1024 - 1);
	job_item_clear(&b);
	frame_clear(&f);
	/* A name that long is nobody's. */
	a = sample_item(no, NULL, 0);
	a.host = text;
	buf_clear(&out);
	job_item_write(&a, &out);
	arrive(&f, JOB_ITEM, out.data, out.len);
	assert_int_equal(job_item_read(&b, &f, NULL), -1);
	frame_clear(&f);
	free(text);
}

static void
test_done(void **state)
{
	char store[] = "SecretStore/d/st", reason[] = "Valid";
	char message[] = "store validated";
	struct job_done_store stores[] = {
		{ store, 1000, 1, 1, reason, message },
		{ store, 0, 0, 0, reason, message },
	};
	struct job_done a = { stores, 2 }, b;
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	struct frame f;

	(void)state;
	job_done_write(&a, &out);
	arrive(&f, JOB_DONE, out.data, out.len);
	assert_int_equal(job_done_read(&b, &f, NULL), 0);
	assert_int_equal(b.nstores, 2);
	assert_string_equal(b.stores[0].store, store);
	assert_int_equal(b.stores[0].requests, 1000);
	assert_int_equal(b.stores[0].valid, 1);
	assert_int_equal(b.stores[1].valid, 0);
	assert_string_equal(b.stores[1].message, message);
	job_done_clear(&b);
	frame_clear(&f);
	REFUSED(done, JOB_DONE, &out);
	buf_clear(&out);
	a = (struct job_done){ NULL, 0 };
	job_done_write(&a, &out);
	arrive(&f, JOB_DONE, out.data, out.len);
	assert_int_equal(job_done_read(&b, &f, NULL), 0);
	assert_int_equal(b.nstores, 0);
	frame_clear(&f);
}

static struct job_want
sample_want(char *text, char **audiences, size_t n)
{
	return ((struct job_want){ .kind = text, .ns = text, .name = text,
		.audiences = audiences, .naudiences = n, .pod = text,
		.pod_uid = text, .node = text, .node_uid = text });
}

static void
test_resolve(void **state)
{
	char text[] = "text", no[] = "", vault[] = "vault", aws[] = "aws";
	char *audiences[] = { vault, aws };
	struct job_want wants[] = { sample_want(text, audiences, 2),
		sample_want(no, NULL, 0) };
	struct job_resolve a = { { 5 }, text, wants, 2 }, b;
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	struct frame f;

	(void)state;
	job_resolve_write(&a, &out);
	arrive(&f, JOB_RESOLVE, out.data, out.len);
	assert_int_equal(job_resolve_read(&b, &f, NULL), 0);
	assert_int_equal(b.fetch_key[0], 5);
	assert_string_equal(b.server, "text");
	assert_int_equal(b.nwants, 2);
	assert_int_equal(b.wants[0].naudiences, 2);
	assert_string_equal(b.wants[0].audiences[1], "aws");
	assert_string_equal(b.wants[0].node_uid, "text");
	assert_string_equal(b.wants[1].kind, "");
	job_resolve_clear(&b);
	frame_clear(&f);
	REFUSED(resolve, JOB_RESOLVE, &out);
}

/* More audiences or wants than there may be. */
static void
test_resolve_ceilings(void **state)
{
	char text[] = "";
	char *audiences[JOB_AUDIENCES_MAX + 1];
	cleanup_free struct job_want *wants = mem_array(JOB_WANTS_MAX + 1,
	    sizeof(*wants));
	struct job_resolve a = { { 0 }, text, wants, JOB_WANTS_MAX + 1 }, b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(audiences); i++)
		audiences[i] = text;
	for (size_t i = 0; i <= JOB_WANTS_MAX; i++)
		wants[i] = sample_want(text, audiences, 0);
	for (int i = 0; i < 2; i++) {
		cleanup_buf struct buf out = BUF_PLAIN(JOB_FRAME_MAX);
		struct frame f;

		job_resolve_write(&a, &out);
		arrive(&f, JOB_RESOLVE, out.data, out.len);
		assert_int_equal(job_resolve_read(&b, &f, NULL), -1);
		frame_clear(&f);
		a.nwants = 1;
		wants[0].naudiences = JOB_AUDIENCES_MAX + 1;
	}
}

static void
test_resolved(void **state)
{
	char text[] = "text", no[] = "";
	uint8_t body[] = { 1, 0, 2 };
	struct job_resolved a = { .index = 7, .object = text, .error = no,
		.version = text, .body = body, .body_len = sizeof(body) }, b;
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	struct frame f;

	(void)state;
	job_resolved_write(&a, &out);
	arrive(&f, JOB_RESOLVED, out.data, out.len);
	assert_int_equal(job_resolved_read(&b, &f, NULL), 0);
	assert_int_equal(b.index, 7);
	assert_string_equal(b.object, "text");
	assert_int_equal(b.body_len, 3);
	assert_memory_equal(b.body, body, 3);
	assert_string_equal(b.version, "text");
	job_resolved_clear(&b);
	frame_clear(&f);
	REFUSED(resolved, JOB_RESOLVED, &out);
	/* a failure has no body, an object has one */
	for (int i = 0; i < 4; i++) {
		a.err_kind = i & 1 ? ERR_DENIED : ERR_NONE;
		a.body = i & 2 ? body : NULL;
		a.body_len = i & 2 ? 3 : 0;
		a.http_status = 403;
		buf_clear(&out);
		job_resolved_write(&a, &out);
		arrive(&f, JOB_RESOLVED, out.data, out.len);
		assert_int_equal(job_resolved_read(&b, &f, NULL),
		    i == 1 || i == 2 ? 0 : -1);
		job_resolved_clear(&b);
		frame_clear(&f);
	}
}

static struct job_apply_item
sample_apply(char *text, const uint8_t *payload, size_t len)
{
	return ((struct job_apply_item){ .op = JOB_APPLY_MERGE, .ns = text,
		.name = text, .uid = text, .target = text,
		.last_version = text, .payload = payload,
		.payload_len = len });
}

static void
test_apply(void **state)
{
	char text[] = "text", no[] = "";
	uint8_t payload[] = { 9, 8 };
	struct job_apply_item items[] = { sample_apply(text, payload, 2),
		sample_apply(no, NULL, 0) };
	struct job_apply a = { text, items, 2 }, b;
	cleanup_buf struct buf out = BUF_SECRET(4096);

	(void)state;
	items[1].op = JOB_APPLY_DELETE;
	job_apply_write(&a, &out);
	assert_int_equal(job_apply_read(&b, (uint8_t *)out.data, out.len,
	    NULL), 0);
	assert_int_equal(b.nitems, 2);
	assert_int_equal(b.items[0].op, JOB_APPLY_MERGE);
	assert_string_equal(b.items[0].last_version, "text");
	/* Borrowed, not copied: the plaintext has one home. */
	assert_true((const char *)b.items[0].payload > out.data &&
	    (const char *)b.items[0].payload < out.data + out.len);
	assert_int_equal(b.items[1].op, JOB_APPLY_DELETE);
	assert_int_equal(b.items[1].payload_len, 0);
	job_apply_clear(&b);
	for (size_t n = 0; n < out.len; n++) {
		cleanup_free uint8_t *cut = malloc(n == 0 ? 1 : n);

		memcpy(cut, out.data, n);
		assert_int_equal(job_apply_read(&b, cut, n, NULL), -1);
	}
	for (int op = 0; op < 7; op += 6) {
		items[1].op = (enum job_apply_op)op;
		buf_clear(&out);
		job_apply_write(&a, &out);
		assert_int_equal(job_apply_read(&b, (uint8_t *)out.data,
		    out.len, NULL), -1);
	}
}

static void
test_applied(void **state)
{
	char text[] = "text";
	struct job_applied a = { 255, JOB_APPLIED_FAILED, ERR_DENIED, 403, 9,
		text, text, text, text, text, text, text }, b;
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	struct frame f;

	(void)state;
	job_applied_write(&a, &out);
	arrive(&f, JOB_APPLIED, out.data, out.len);
	assert_int_equal(job_applied_read(&b, &f, NULL), 0);
	assert_int_equal(b.index, 255);
	assert_int_equal(b.outcome, JOB_APPLIED_FAILED);
	assert_int_equal(b.retry_after_ms, 9);
	assert_string_equal(b.hash, "text");
	job_applied_clear(&b);
	frame_clear(&f);
	REFUSED(applied, JOB_APPLIED, &out);
	for (int i = 0; i < 4; i++) {
		a.index = i == 0 ? JOB_ITEMS_MAX : 0;
		a.outcome = i == 1 ? (enum job_applied_outcome)0 :
		    i == 2 ? (enum job_applied_outcome)7 : JOB_APPLIED_CREATED;
		a.err_kind = i == 3 ? ERR_KINDS : 0;
		buf_clear(&out);
		job_applied_write(&a, &out);
		arrive(&f, JOB_APPLIED, out.data, out.len);
		assert_int_equal(job_applied_read(&b, &f, NULL), -1);
		frame_clear(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fork_exit),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_object),
		cmocka_unit_test(test_finding),
		cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_lying_counts),
		cmocka_unit_test(test_item),
		cmocka_unit_test(test_item_ranges),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_done),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_resolve_ceilings),
		cmocka_unit_test(test_resolved),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_applied),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
