/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "seal/box.h"
#include "seal/key_source.h"

/* Key slots and what opens them.  Control: -DWEAKEN_SLOTS_MAC. */
static const uint8_t one[32] = { 1 }, two[32] = { 2 };

static void
add(struct key_slots *s, const uint8_t *root, enum slot_type type,
    const uint8_t *material)
{
	struct key_slot v = { .type = type, .created = 5,
		.label = str_dup("label") };

	assert_int_equal(key_slots_add(s, root, material, &v, NULL), 0);
	assert_null(v.label);
}

static void
again(struct key_slots *s, const uint8_t *root, struct key_slots *ret)
{
	cleanup_buf struct buf b = BUF_PLAIN(SLOTS_FILE_MAX);

	assert_int_equal(key_slots_write(s, root, &b, NULL), 0);
	assert_int_equal(key_slots_read(ret, b.data, b.len, NULL), 0);
}

static void
test_any_slot_opens(void **state)
{
	uint8_t root[32], got[32], pk[32], sk[32], pk2[32];
	cleanup_err struct err err = ERR_INIT;
	struct key_slots s, r;

	(void)state;
	key_slots_make(&s, root);
	add(&s, root, SLOT_FILE, one);
	add(&s, root, SLOT_PASSPHRASE, two);
	again(&s, root, &r);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.v[1].type, SLOT_PASSPHRASE);
	assert_memory_equal(r.node, s.node, 16);
	assert_int_equal(key_slots_open(&r, &r.v[0], one, got, NULL), 0);
	assert_memory_equal(got, root, 32);
	assert_int_equal(key_slots_open(&r, &r.v[1], two, got, NULL), 0);
	assert_memory_equal(got, root, 32);
	assert_int_equal(key_slots_open(&r, &r.v[0], two, got, &err), -1);
	assert_int_equal(err.kind, ERR_DENIED);
	assert_int_equal(got[0] | got[31], 0);
	assert_int_equal(key_slots_box(&r, root, pk, sk, NULL), 0);
	assert_int_equal(key_slots_box(&s, root, pk2, sk, NULL), 0);
	assert_memory_equal(pk, pk2, 32);
	key_slots_clear(&s);
	key_slots_clear(&r);
}

static void
test_added_and_removed(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct key_slots s;
	uint8_t root[32];

	(void)state;
	key_slots_make(&s, root);
	add(&s, root, SLOT_FILE, one);
	assert_int_equal(key_slots_remove(&s, 1, &err), -1);
	assert_non_null(strstr(err_msg(&err), "add another first"));
	add(&s, root, SLOT_FILE, two);
	assert_int_equal(key_slots_remove(&s, 9, NULL), -1);
	assert_int_equal(key_slots_remove(&s, 1, NULL), 0);
	assert_int_equal(s.v[0].id, 2);
	add(&s, root, SLOT_FILE, one);
	assert_int_equal(s.v[1].id, 3);
	while (s.n < SLOTS_MAX)
		add(&s, root, SLOT_FILE, one);
	struct key_slot v = { .type = SLOT_FILE, .label = str_dup("x") };
	assert_int_equal(key_slots_add(&s, root, one, &v, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	free(v.label);
	key_slots_clear(&s);
}

static enum err_kind
opens(const void *data, size_t len)
{
	cleanup_err struct err err = ERR_INIT;
	uint8_t got[32];
	struct key_slots s;
	int rc;

	if (key_slots_read(&s, data, len, &err) == -1)
		return (err.kind);
	rc = key_slots_open(&s, &s.v[0], one, got, &err);
	key_slots_clear(&s);
	return (rc == 0 ? ERR_NONE : err.kind);
}

/* Every byte and every length. */
static void
test_altered(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(SLOTS_FILE_MAX);
	struct key_slots s;
	uint8_t root[32];
	enum err_kind k;
	size_t i;

	(void)state;
	key_slots_make(&s, root);
	add(&s, root, SLOT_FILE, one);
	add(&s, root, SLOT_TPM2, two);
	assert_int_equal(key_slots_write(&s, root, &b, NULL), 0);
	assert_int_equal(opens(b.data, b.len), ERR_NONE);
	for (i = 0; i < b.len; i++) {
		b.data[i] ^= 0x10;
		k = opens(b.data, b.len);
		if (i >= 8 && i < 12)
			assert_int_equal(k, ERR_INVALID);
		else
			assert_true(k == ERR_TAMPER || k == ERR_DENIED);
		b.data[i] ^= 0x10;
	}
	for (i = 0; i < b.len; i++)
		assert_int_equal(opens(b.data, i), ERR_TAMPER);
	buf_addc(&b, 0);
	assert_int_equal(opens(b.data, b.len), ERR_TAMPER);
	key_slots_clear(&s);
}

/* A table of one's own with somebody else's slot in it. */
static void
test_slot_of_another_node(void **state)
{
	struct key_slots a, b;
	uint8_t ra[32], rb[32], got[32];

	(void)state;
	key_slots_make(&a, ra);
	key_slots_make(&b, rb);
	add(&a, ra, SLOT_FILE, one);
	add(&b, rb, SLOT_FILE, one);
	memcpy(b.v[0].wrapped, a.v[0].wrapped, a.v[0].wrapped_len);
	assert_int_equal(key_slots_open(&b, &b.v[0], one, got, NULL), -1);
	key_slots_clear(&a);
	key_slots_clear(&b);
}

static void
test_rotated(void **state)
{
	uint8_t root[32], next[32], got[32], pk[32], pk2[32], sk[32];
	cleanup_err struct err err = ERR_INIT;
	struct key_slots s, r;

	(void)state;
	key_slots_make(&s, root);
	add(&s, root, SLOT_FILE, one);
	assert_int_equal(key_slots_box(&s, root, pk, sk, NULL), 0);
	assert_int_equal(key_slots_before(&s, root, got, &err), -1);
	assert_int_equal(err.kind, ERR_NOTFOUND);
	assert_int_equal(key_slots_rotate(&s, root, next, NULL), 0);
	assert_memory_not_equal(root, next, 32);
	add(&s, next, SLOT_FILE, two);
	again(&s, next, &r);
	assert_int_equal(key_slots_open(&r, &r.v[0], two, got, NULL), 0);
	assert_memory_equal(got, next, 32);
	assert_int_equal(key_slots_before(&r, next, got, NULL), 0);
	assert_memory_equal(got, root, 32);
	/* Who the node is has not changed. */
	assert_int_equal(key_slots_box(&r, next, pk2, sk, NULL), 0);
	assert_memory_equal(pk, pk2, 32);
	key_slots_rotated(&r);
	assert_int_equal(key_slots_before(&r, next, got, NULL), -1);
	key_slots_clear(&s);
	key_slots_clear(&r);
}

/* --- sources ------------------------------------------------------------ */

static void
test_spec(void **state)
{
	static const struct {
		const char *spec;
		enum slot_type type;
		const char *arg;
	} good[] = {
		{ "file:/a/b", SLOT_FILE, "/a/b" },
		{ "tpm2", SLOT_TPM2, "7" },
		{ "tpm2:0+7", SLOT_TPM2, "0+7" },
		{ "passphrase-file:/p", SLOT_PASSPHRASE, "/p" },
		{ "credential:node", SLOT_CREDENTIAL, "node" },
	};
	static const char *const bad[] = { "", "file", "file:", "fil:/x",
		"tpm2:x", "tpm2:24", "tpm2:7+", "credential:../x",
		"credential:", "recovery:x" };
	struct key_source s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(key_source_parse(good[i].spec, &s, NULL), 0);
		assert_int_equal(s.type, good[i].type);
		assert_string_equal(s.arg, good[i].arg);
		key_source_clear(&s);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup_err struct err err = ERR_INIT;

		assert_int_equal(key_source_parse(bad[i], &s, &err), -1);
		assert_non_null(strstr(err_msg(&err), "--key-source"));
	}
}

static char dir[64], path[96];

static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/nodeseal-key-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/node.key", dir);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	unlink(path);
	return (rmdir(dir));
}

static int
material(const char *type, uint8_t *out, struct key_slot *slot, int create,
    struct err *err)
{
	cleanup_free char *spec = str_fmt("%s:%s", type, path);
	cleanup_close int fd = -1;
	struct key_source s;
	int rc = -1;

	assert_int_equal(key_source_parse(spec, &s, NULL), 0);
	fd = key_source_open(&s, create, err);
	if (fd != -1)
		rc = key_source_material(&s, fd, slot, NULL, out, err);
	key_source_clear(&s);
	return (rc);
}

static void
test_key_file(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct key_slot slot = { .type = SLOT_FILE };
	uint8_t a[32], b[32];
	struct stat st;

	(void)state;
	assert_int_equal(material("file", a, &slot, 0, &err), -1);
	assert_int_equal(err.kind, ERR_NOTFOUND);
	assert_int_equal(material("file", a, &slot, 1, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 32);
	assert_int_equal(material("file", b, &slot, 1, NULL), 0);
	assert_memory_equal(a, b, 32);
}

static void
refused(const char *part)
{
	cleanup_err struct err err = ERR_INIT;
	struct key_slot slot = { .type = SLOT_FILE };
	uint8_t a[32];

	assert_int_equal(material("file", a, &slot, 1, &err), -1);
	assert_non_null(strstr(err_msg(&err), part));
}

static void
test_key_file_refused(void **state)
{
	struct key_slot slot = { .type = SLOT_FILE };
	char second[128];
	uint8_t a[32];

	(void)state;
	assert_int_equal(material("file", a, &slot, 1, NULL), 0);
	assert_int_equal(chmod(path, 0640), 0);
	refused("chmod 0600");
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(chmod(dir, 01777), 0);
	refused("chmod go-w");
	assert_int_equal(chmod(dir, 0700), 0);
	snprintf(second, sizeof(second), "%s.2", path);
	assert_int_equal(link(path, second), 0);
	refused("no second way in");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(second, path), 0);
	refused("node.key");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused("not a regular file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rename(second, path), 0);
	assert_int_equal(truncate(path, 8), 0);
	refused("8 bytes are no key");
}

static void
write_text(const char *text)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC |
	    O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, strlen(text)),
	    (ssize_t)strlen(text));
}

static void
test_passphrase(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct key_slot slot = { .type = SLOT_PASSPHRASE };
	struct key_slot other = { .type = SLOT_PASSPHRASE };
	uint8_t a[32], b[32];

	(void)state;
	write_text("correct horse\n");
	assert_int_equal(material("passphrase-file", a, &slot, 0, NULL), 0);
	assert_non_null(slot.params);
	/* With or without the line's end. */
	write_text("correct horse");
	assert_int_equal(material("passphrase-file", b, &slot, 0, NULL), 0);
	assert_memory_equal(a, b, 32);
	assert_int_equal(material("passphrase-file", b, &other, 0, NULL), 0);
	assert_memory_not_equal(a, b, 32);
	write_text("correct house");
	assert_int_equal(material("passphrase-file", b, &slot, 0, NULL), 0);
	assert_memory_not_equal(a, b, 32);
	write_text("\n");
	assert_int_equal(material("passphrase-file", b, &slot, 0, &err), -1);
	assert_non_null(strstr(err_msg(&err), "empty"));
	/* Costs that would take all memory. */
	memset(slot.params + 16, 0xff, slot.params_len - 16);
	write_text("x");
	assert_int_equal(material("passphrase-file", b, &slot, 0, &err), -1);
	assert_int_equal(err.kind, ERR_TAMPER);
	free(slot.params);
	free(other.params);
}

static void
test_credential(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct key_slot slot = { .type = SLOT_CREDENTIAL };
	struct key_source s;
	uint8_t a[32];
	int fd;

	(void)state;
	assert_int_equal(key_source_parse("credential:node.key", &s, NULL),
	    0);
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(key_source_open(&s, 0, &err), -1);
	assert_non_null(strstr(err_msg(&err), "LoadCredentialEncrypted"));
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	write_text("0123456789abcdef0123456789abcdef");
	fd = key_source_open(&s, 0, NULL);
	assert_true(fd >= 0);
	assert_int_equal(key_source_material(&s, fd, &slot, NULL, a, NULL), 0);
	close(fd);
	key_source_clear(&s);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_slot_opens),
		cmocka_unit_test(test_added_and_removed),
		cmocka_unit_test(test_altered),
		cmocka_unit_test(test_slot_of_another_node),
		cmocka_unit_test(test_rotated),
		cmocka_unit_test(test_spec),
		T(test_key_file),
		T(test_key_file_refused),
		T(test_passphrase),
		T(test_credential),
	};

	if (seal_init(NULL) == -1)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
