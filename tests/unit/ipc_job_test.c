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
	a.flags = 8;
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
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
