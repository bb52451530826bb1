/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/frame.h"
#include "seal/key_tpm.h"
#include "seal/tpm_wire.h"

/* What core and nodeseal-tpm say to each other; the other end is played here.
 * A real TPM's behaviour is tests/scenario/tpm.py. */

static void
test_pcrs(void **state)
{
	static const char *const bad[] = { "", "x", "24", "7+", "+7", "7 8",
		"-1", "7++8", "99999999999999999999" };

	(void)state;
	assert_int_equal(tpm_pcrs("7"), 1u << 7);
	assert_int_equal(tpm_pcrs("0+7,23"), 1u | 1u << 7 | 1u << 23);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(tpm_pcrs(bad[i]), 0);
}

/* Every length of both frames is refused but the whole. */
static void
test_cut(void **state)
{
	cleanup_buf struct buf q = BUF_PLAIN(TPM_FRAME_MAX);
	cleanup_buf struct buf a = BUF_PLAIN(TPM_FRAME_MAX);
	struct tpm_request request = { .op = TPM_OPEN, .pcrs = 128,
		.index = 0x01800001, .blob = (const uint8_t *)"blob",
		.blob_len = 4, .target = 9 }, r;
	struct tpm_answer answer = { .verdict = TPM_PCRS, .message =
		str_dup("no"), .blob = mem_dup("b", 1), .blob_len = 1,
		.counted = 1, .counter = 77 }, b;
	cleanup_err struct err err = ERR_INIT;

	(void)state;
	tpm_request_write(&request, &q);
	tpm_answer_write(&answer, &a);
	tpm_answer_clear(&answer);
	for (size_t i = 0; i < q.len; i++)
		assert_int_equal(tpm_request_read(&r, TPM_OPEN, q.data, i,
		    &err), -1);
	for (size_t i = 0; i < a.len; i++)
		assert_int_equal(tpm_answer_read(&b, a.data, i, &err), -1);
	assert_int_equal(tpm_request_read(&r, TPM_ANSWER, q.data, q.len,
	    NULL), -1);
	assert_int_equal(tpm_request_read(&r, TPM_OPEN, q.data, q.len, NULL),
	    0);
	assert_int_equal(r.target, 9);
	assert_memory_equal(r.blob, "blob", 4);
	assert_int_equal(tpm_answer_read(&b, a.data, a.len, NULL), 0);
	assert_int_equal(b.verdict, TPM_PCRS);
	assert_string_equal(b.message, "no");
	assert_int_equal(b.counter, 77);
	tpm_answer_clear(&b);
	a.data[0] = TPM_VERDICTS;
	assert_int_equal(tpm_answer_read(&b, a.data, a.len, NULL), -1);
}

/* --- the other end ------------------------------------------------------ */

static uint64_t counter;
static enum tpm_verdict verdict;

/* One request: the key of every blob is its first byte, 32 times. */
static void
play(int fd)
{
	cleanup_buf struct buf box = BUF_PLAIN(1024);
	cleanup_buf struct buf b = BUF_PLAIN(TPM_FRAME_MAX);
	struct tpm_answer a = { .verdict = verdict, .message = str_dup("why"),
		.counted = counter != 0 };
	cleanup_frame struct frame f;
	struct tpm_request q;
	uint8_t key[32];

	frame_init(&f, TPM_FRAME_MAX);
	if (frame_recv(fd, &f, 5000, NULL) != 1 || tpm_request_read(&q,
	    f.type, f.body.data, f.body.len, NULL) == -1)
		_exit(1);
	memset(key, q.op == TPM_SEAL ? 'k' : q.blob[0], sizeof(key));
	if (q.op == TPM_SEAL) {
		a.blob = mem_dup("k", 1);
		a.blob_len = 1;
	}
	if (q.op == TPM_COUNT && q.target == counter + 1)
		counter++;
	a.counter = counter;
	box_seal(q.pk, key, sizeof(key), &box, NULL);
	memcpy(a.box, box.data, q.op <= TPM_OPEN ? sizeof(a.box) : 0);
	tpm_answer_write(&a, &b);
	frame_send(fd, TPM_ANSWER, b.data, b.len, NULL, 0, 5000, NULL);
	tpm_answer_clear(&a);
}

static int
begin(pid_t *ret_pid)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	*ret_pid = fork();
	if (*ret_pid == 0) {
		close(pair[0]);
		play(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	return (pair[0]);
}

static int
ask(struct key_slot *slot, struct key_counter *c, uint8_t *out,
    struct err *err)
{
	char pcrs[] = "7";
	struct key_source s = { SLOT_TPM2, pcrs };
	pid_t pid;
	int fd = begin(&pid), status;
	int rc = key_source_material(&s, fd, slot, c, out, err);

	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return (rc);
}

/* The node's scale goes on over another TPM's counter. */
static void
test_scale(void **state)
{
	struct key_slot slot = { .type = SLOT_TPM2 };
	struct key_counter c = { .value = 40 };
	uint8_t key[32], again[32];
	uint64_t now;
	pid_t pid;
	int fd, status;

	(void)state;
	verdict = TPM_OK;
	counter = 1000;
	assert_int_equal(ask(&slot, &c, key, NULL), 0);
	assert_int_equal(key[31], 'k');
	assert_true(c.known);
	assert_int_equal(c.value, 40);
	counter = 1002;
	assert_int_equal(ask(&slot, &c, again, NULL), 0);
	assert_memory_equal(key, again, 32);
	assert_int_equal(c.value, 42);
	fd = begin(&pid);
	assert_int_equal(key_counter_step(fd, &slot, 42, &now, NULL), 0);
	assert_int_equal(now, 43);
	close(fd);
	waitpid(pid, &status, 0);
	/* One that went back is none to hold a file against. */
	counter = 999;
	assert_int_equal(ask(&slot, &c, again, NULL), 0);
	assert_false(c.known);
	assert_non_null(strstr(c.problem, "lower"));
	counter = 0;
	assert_int_equal(ask(&slot, &c, again, NULL), 0);
	assert_false(c.known);
	assert_string_equal(c.problem, "why");
	key_counter_clear(&c);
	free(slot.params);
}

static void
test_verdicts(void **state)
{
	static const enum err_kind kinds[] = { [TPM_ABSENT] = ERR_NOTFOUND,
		[TPM_BUSY] = ERR_TRANSIENT, [TPM_LOCKOUT] = ERR_TRANSIENT,
		[TPM_PCRS] = ERR_DENIED, [TPM_REPLACED] = ERR_DENIED,
		[TPM_REFUSED] = ERR_DENIED, [TPM_BROKEN] = ERR_INTERNAL };
	uint8_t key[32];

	(void)state;
	for (verdict = TPM_ABSENT; verdict < TPM_VERDICTS; verdict++) {
		cleanup_err struct err err = ERR_INIT;
		struct key_slot slot = { .type = SLOT_TPM2 };

		assert_int_equal(ask(&slot, NULL, key, &err), -1);
		assert_int_equal(err.kind, kinds[verdict]);
		assert_non_null(strstr(err_msg(&err), "tpm2:7: why"));
		assert_null(slot.params);
	}
}

static void
test_bad_params(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	uint8_t params[] = { 255, 0, 0, 0, 1 }, key[32];
	char pcrs[] = "7";
	struct key_source s = { SLOT_TPM2, pcrs };
	struct key_slot slot = { .type = SLOT_TPM2, .params = params,
		.params_len = sizeof(params) };
	uint64_t now;

	(void)state;
	assert_int_equal(key_source_material(&s, -1, &slot, NULL, key, &err),
	    -1);
	assert_int_equal(err.kind, ERR_TAMPER);
	assert_int_equal(key_counter_step(-1, &slot, 0, &now, &err), -1);
	assert_int_equal(key_counter_forget(-1, &slot, &err), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcrs),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_scale),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_bad_params),
	};

	if (seal_init(NULL) == -1)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
