/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/seal_snapshot.h"

#include "ipc/frame.h"

#define HEAD_LEN 180

static enum err_kind
kind_of(const void *data, size_t len)
{
	cleanup_err struct err err = ERR_INIT;
	struct snapshot s;

	if (snapshot_read(root, data, len, scratch, &s, &err) == 0) {
		snapshot_clear(&s);
		return (ERR_NONE);
	}
	return (err.kind);
}

static void
test_round(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);
	struct snapshot_head h;
	struct snapshot s;
	unsigned format;

	(void)state;
	sealed(17, 3, &b);
	assert_int_equal(snapshot_peek(b.data, b.len, &h, &format, NULL), 0);
	assert_int_equal(format, SNAPSHOT_FORMAT);
	assert_int_equal(h.generation, 17);
	assert_int_equal(snapshot_read(root, b.data, b.len, scratch, &s,
	    NULL), 0);
	assert_int_equal(s.head.epoch, 1);
	assert_int_equal(s.head.counter, 5);
	assert_int_equal(s.head.highwater_ms, 1795467323000);
	assert_int_equal(s.head.node[0], 7);
	assert_int_equal(s.head.cluster[0], 8);
	assert_int_equal(s.head.boot_id[0], 9);
	assert_int_equal(s.head.boot_ms, 11);
	assert_int_equal(s.nns, 1);
	assert_string_equal(s.ns[0].ns, "default");
	assert_int_equal(s.ns[0].salt[15], 4);
	assert_string_equal(s.objects[0].origin, "bundle:1");
	assert_string_equal(s.objects[0].head, "{\"kind\":\"ExternalSecret\"}");
	assert_true(s.objects[0].body.len > 0);
	assert_int_equal(s.nvalues, 3);
	assert_int_equal(s.values[2].synced_wall, 999);
	assert_int_equal(s.values[2].synced_at, 1002);
	assert_int_equal(s.values[2].denied, 2);
	assert_int_equal(s.values[2].not_after, 4000);
	assert_string_equal(s.tombs[0].reason, "on-denied");
	assert_int_equal(s.issuers[0].key[0], 7);
	assert_int_equal(s.issuers[0].last[0], 8);
	assert_int_equal(s.issuers[0].sequence, 42);
	assert_int_equal(s.issuers[0].issued_at, 6000);
	assert_int_equal(s.issuers[0].not_after, 7000);
	assert_int_equal(s.issuers[0].revoked, 1);
	snapshot_clear(&s);
	/* The key and what is derived from it do not stay behind. */
	for (size_t i = 0; i < sizeof(scratch); i++)
		assert_int_equal(scratch[i], 0);
}

static void
test_empty(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);
	struct snapshot s = { .head = { .generation = 1 } };

	(void)state;
	assert_int_equal(snapshot_write(root, &s, scratch, &b, NULL), 0);
	assert_int_equal(kind_of(b.data, b.len), ERR_NONE);
}

/* S3: every byte, every length, anything behind the end. */
static void
test_flips_and_cuts(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);
	uint8_t *copy;
	size_t i;

	(void)state;
	sealed(17, 2, &b);
	for (i = 0; i < b.len; i++) {
		b.data[i] ^= 1;
		/* A flip in the number of the format is another format. */
		if (i == 8 || i == 9)
			assert_int_equal(kind_of(b.data, b.len), i == 8 &&
			    (SNAPSHOT_FORMAT ^ 1) < SNAPSHOT_FORMAT ?
			    ERR_TAMPER : ERR_INVALID);
		else
			assert_int_equal(kind_of(b.data, b.len), ERR_TAMPER);
		b.data[i] ^= 1;
	}
	/* In a block of its own: a read beyond the end is seen by ASan. */
	for (i = 0; i < b.len; i++) {
		copy = mem_array(i + 1, 1);
		memcpy(copy, b.data, i);
		assert_int_equal(kind_of(copy, i), ERR_TAMPER);
		free(copy);
	}
	buf_addc(&b, 0);
	assert_int_equal(kind_of(b.data, b.len), ERR_TAMPER);
}

static size_t
message_end(const struct buf *b, size_t at)
{
	uint32_t len;

	memcpy(&len, b->data + at, sizeof(len));
	return (at + sizeof(len) + len);
}

/* S4: messages of this very file dropped, doubled, exchanged; the tail of
 * another file of the same key. */
static void
test_splices(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);
	cleanup_buf struct buf other = BUF_PLAIN(SNAPSHOT_MAX);
	size_t start = HEAD_LEN + 24, one, two, three;

	(void)state;
	sealed(17, 3, &b);
	sealed(17, 3, &other);
	one = message_end(&b, message_end(&b, message_end(&b, start)));
	two = message_end(&b, one);
	three = message_end(&b, two);
	assert_true(three < b.len);
	for (int how = 0; how < 4; how++) {
		cleanup_buf struct buf m = BUF_PLAIN(SNAPSHOT_MAX);

		buf_add(&m, b.data, one);
		if (how == 0) {			/* dropped */
			buf_add(&m, b.data + two, b.len - two);
		} else if (how == 1) {		/* doubled */
			buf_add(&m, b.data + one, two - one);
			buf_add(&m, b.data + one, b.len - one);
		} else if (how == 2) {		/* exchanged */
			buf_add(&m, b.data + two, three - two);
			buf_add(&m, b.data + one, two - one);
			buf_add(&m, b.data + three, b.len - three);
		} else				/* another's tail */
			buf_add(&m, other.data + one, other.len - one);
		assert_int_equal(kind_of(m.data, m.len), ERR_TAMPER);
	}
	assert_int_equal(kind_of(b.data, b.len), ERR_NONE);
}

static void
test_whose(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);

	(void)state;
	sealed(17, 1, &b);
	root[0] ^= 1;
	assert_int_equal(kind_of(b.data, b.len), ERR_DENIED);
	root[0] ^= 1;
	b.data[8] = SNAPSHOT_FORMAT + 1;
	assert_int_equal(kind_of(b.data, b.len), ERR_INVALID);
	assert_int_equal(kind_of("NSEAL", 5), ERR_TAMPER);
	assert_int_equal(kind_of("", 0), ERR_TAMPER);
}

static void
test_two_of_one_name(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);
	struct snapshot s = snapshot_make(1, 2);

	(void)state;
	record_clear(&s.values[1].record);
	s.values[1].record = record_make("default", "app-0", "other");
	assert_int_equal(snapshot_write(root, &s, scratch, &b, NULL), 0);
	assert_int_equal(kind_of(b.data, b.len), ERR_TAMPER);
	snapshot_clear(&s);
}

/* S6: no name, no value, and a size that tells only the class. */
static void
test_tells_little(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(SNAPSHOT_MAX);
	cleanup_buf struct buf c = BUF_PLAIN(SNAPSHOT_MAX);
	static const char *const words[] = { "hunter2", "default", "app-0",
		"ExternalSecret", "bundle", "on-denied" };
	struct snapshot s = snapshot_make(1, 1);

	(void)state;
	assert_int_equal(snapshot_write(root, &s, scratch, &b, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		assert_null(memmem(b.data, b.len, words[i],
		    strlen(words[i])));
	free(s.ns[0].ns);
	s.ns[0].ns = str_dup("default-and-more");
	assert_int_equal(snapshot_write(root, &s, scratch, &c, NULL), 0);
	assert_int_equal(b.len, c.len);
	snapshot_clear(&s);
}

static void
test_namespace_keys(void **state)
{
	uint8_t kek[32], kek2[32], salt[16] = { 1 }, salt2[16] = { 2 };
	uint8_t a[32], b[32];

	(void)state;
	snapshot_epoch_key(root, 1, kek);
	snapshot_epoch_key(root, 2, kek2);
	assert_memory_not_equal(kek, kek2, 32);
	snapshot_ns_key(kek, "a", salt, a);
	snapshot_ns_key(kek, "a", salt, b);
	assert_memory_equal(a, b, 32);
	snapshot_ns_key(kek, "a", salt2, b);
	assert_memory_not_equal(a, b, 32);
	snapshot_ns_key(kek, "b", salt, b);
	assert_memory_not_equal(a, b, 32);
	snapshot_ns_key(kek2, "a", salt, b);
	assert_memory_not_equal(a, b, 32);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_flips_and_cuts),
		cmocka_unit_test(test_splices),
		cmocka_unit_test(test_whose),
		cmocka_unit_test(test_two_of_one_name),
		cmocka_unit_test(test_tells_little),
		cmocka_unit_test(test_namespace_keys),
	};

	if (seal_init(NULL) == -1)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
