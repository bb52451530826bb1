/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"

/*
 * Every block that the program gives back is looked at: none may hold the
 * marker.  Without the sanitizers only, which bring an allocator of their own.
 */
#define MARKER "tRuStNo1-tRuStNo1-tRuStNo1-tRuStNo1"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#define PLAIN_RUNTIME 1
extern void __libc_free(void *p);

static int watching;
static int seen;

void
free(void *p)
{
	if (watching && p && memmem(p, malloc_usable_size(p), MARKER + 16,
	    sizeof(MARKER) - 17))
		seen++;
	__libc_free(p);
}
#else
#define PLAIN_RUNTIME 0
static int watching;
static int seen;
#endif

static void
test_secret(void **state)
{
	cleanup_secret struct secret *a = NULL, *b = NULL, *c = NULL;
	cleanup_buf struct buf buf = BUF_SECRET(100);

	(void)state;
	a = secret_new("ab\0cd", 5);
	assert_int_equal(secret_len(a), 5);
	assert_memory_equal(secret_data(a), "ab\0cd", 6);
	buf_add(&buf, "ab\0cd", 5);
	b = secret_from_buf(&buf);
	assert_int_equal(buf.len, 0);
	assert_null(buf.data);
	assert_true(secret_equal(a, b));
	c = secret_new("ab\0ce", 5);
	assert_false(secret_equal(a, c));
	assert_false(secret_equal(a, NULL));
	assert_false(secret_equal(NULL, NULL));
	secret_free(c);
	c = secret_from_buf(&buf);
	assert_int_equal(secret_len(c), 0);
	assert_false(secret_equal(a, c));
	secret_free(NULL);
}

static void
test_wipe(void **state)
{
	char bytes[64];
	size_t i;

	(void)state;
	memset(bytes, 0x5a, sizeof(bytes));
	secret_wipe(bytes, sizeof(bytes));
	for (i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], 0);
	secret_wipe(NULL, 0);
}

static void
use_secrets(void)
{
	static const char document[] = "{\"a\":[\"" MARKER "\"],\"" MARKER
	    "\":\"\\u0000" MARKER "\"}";
	struct buf b = BUF_SECRET(100000);
	struct json *j;
	struct secret *s;
	int i;

	for (i = 0; i < 200; i++)
		buf_adds(&b, MARKER);
	buf_cut(&b, sizeof(MARKER) * 2);
	s = secret_from_buf(&b);
	secret_free(s);
	buf_adds(&b, MARKER);
	buf_clear(&b);
	j = json_parse(document, sizeof(document) - 1, NULL);
	assert_non_null(j);
	json_set_str(j, "a", MARKER);
	json_set_str(j, "a", "x");
	json_free(j);
}

static void
test_nothing_stays_behind(void **state)
{
	(void)state;
	seen = 0;
	watching = 1;
	use_secrets();
	watching = 0;
	assert_int_equal(seen, 0);
#if PLAIN_RUNTIME
	/* The watch itself sees. */
	watching = 1;
	free(str_dup(MARKER));
	watching = 0;
	assert_int_equal(seen, 1);
#endif
}

static void
test_buf_cut_wipes_the_tail(void **state)
{
	cleanup_buf struct buf b = BUF_SECRET(100);

	(void)state;
	buf_adds(&b, "public" MARKER);
	buf_cut(&b, 6);
	assert_null(memmem(b.data, b.cap < 40 ? b.cap : 40, "tRuSt", 5));
	assert_string_equal(buf_str(&b), "public");
}

static void
test_arena(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct arena *a = NULL;
	size_t mark, left, i;
	uint8_t *p, *q;

	(void)state;
	assert_int_equal(arena_open(1, &a, &err), 0);
	left = arena_left(a);
	assert_int_equal(left, sysconf(_SC_PAGESIZE));
	if (arena_degraded(a))
		print_message("arena: %s\n", arena_degraded(a));
	p = arena_alloc(a, 5);
	assert_non_null(p);
	memcpy(p, "hello", 5);
	mark = arena_mark(a);
	q = arena_alloc(a, 17);
	assert_int_equal((uintptr_t)q % 16, 0);
	assert_true(q - p == 16);
	memset(q, 0xff, 17);
	assert_null(arena_alloc(a, left));
	arena_release(a, mark);
	assert_int_equal(arena_mark(a), mark);
	q = arena_alloc(a, 17);
	for (i = 0; i < 17; i++)
		assert_int_equal(q[i], 0);
	assert_memory_equal(p, "hello", 5);
	arena_release(a, 0);
	assert_int_equal(arena_left(a), left);
	assert_non_null(arena_alloc(a, left));
	assert_null(arena_alloc(a, 1));
	arena_close(a);
	arena_close(NULL);
	assert_int_equal(arena_open(0, &a, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
}

/* A child that touches the arena dies. */
static void
test_arena_is_not_inherited(void **state)
{
	struct arena *a = NULL;
	volatile uint8_t *p;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(arena_open(4096, &a, NULL), 0);
	p = arena_alloc(a, 16);
	p[0] = 7;
	pid = fork();
	if (pid == 0) {
		/* cmocka and the sanitizers would report the signal. */
		signal(SIGSEGV, SIG_DFL);
		_exit(p[0] == 7 ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	arena_close(a);
}

/* In a child: the kernel refuses memfd_secret, and mlock when asked to. */
static int
open_degraded(int refuse_mlock, const char *expect)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_secret, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		    refuse_mlock ? SYS_mlock : SYS_memfd_secret, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog prog = { ARRAY_LEN(code), code };
	struct arena *a = NULL;
	uint8_t *p;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == -1)
		return (10);
	if (arena_open(10000, &a, NULL) == -1)
		return (11);
	if (!arena_degraded(a) || !strstr(arena_degraded(a), expect))
		return (12);
	p = arena_alloc(a, 10000);
	if (!p)
		return (13);
	memset(p, 1, 10000);
	arena_close(a);
	return (0);
}

static void
test_arena_says_what_it_lacks(void **state)
{
	static const char *const expect[] = { "locked memory instead",
		"may be swapped" };
	int i, status;
	pid_t pid;

	(void)state;
	/* The address sanitizer makes mlock a call that always succeeds. */
	for (i = 0; i < 1 + PLAIN_RUNTIME; i++) {
		pid = fork();
		if (pid == 0)
			_exit(open_degraded(i, expect[i]));
		assert_true(pid > 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_wipe),
		cmocka_unit_test(test_nothing_stays_behind),
		cmocka_unit_test(test_buf_cut_wipes_the_tail),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_arena_is_not_inherited),
		cmocka_unit_test(test_arena_says_what_it_lacks),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
