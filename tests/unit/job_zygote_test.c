/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ipc/frame.h"
#include "ipc/job.h"
#include "job/zygote.h"

/* Kinds of work that exist in this program alone. */
enum { WORK_ECHO = 1, WORK_HANG, WORK_CRASH, WORK_DRIP };

static int
work_run(enum job_kind kind, int fd, void *arg)
{
	cleanup_err struct err err = ERR_INIT;
	struct frame f;
	int rc;

	(void)arg;
	alarm(30);	/* whatever a control lets live ends by itself */
	switch ((int)kind) {
	case WORK_ECHO:
		frame_init(&f, 4096);
		rc = frame_recv(fd, &f, 5000, &err);
		if (rc == 1)
			rc = frame_send(fd, f.type, f.body.data, f.body.len,
			    NULL, 0, 5000, &err);
		frame_clear(&f);
		return (rc == 0 ? 0 : 1);
	case WORK_CRASH:
		signal(SIGSEGV, SIG_DFL);	/* not cmocka's */
		raise(SIGSEGV);
		return (0);
	case WORK_DRIP:
		/* says something, and never the rest */
		frame_send(fd, JOB_ITEM, "x", 1, NULL, 0, 5000, &err);
		for (;;)
			pause();
	default:
		signal(SIGTERM, SIG_IGN);
		for (;;)
			pause();
	}
}

struct fixture {
	pid_t pid;		/* the zygote */
	int fd;
};

static int
setup(void **state)
{
	static const struct zygote_work work = { work_run, NULL };
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    pair), 0);
	f->pid = fork();
	assert_int_not_equal(f->pid, -1);
	if (f->pid == 0) {
		cleanup_err struct err err = ERR_INIT;

		close(pair[1]);
		_exit(zygote_run(pair[0], &work, &err) == 0 ? 0 : 1);
	}
	close(pair[0]);
	f->fd = pair[1];
	*state = f;
	return (0);
}

/* Closing the socket ends it: no other word is needed. */
static int
teardown(void **state)
{
	struct fixture *f = *state;
	int status;

	if (f->fd != -1)
		close(f->fd);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	free(f);
	return (0);
}

/* Ask for a child; the test's end of its pair. */
static int
ask(const struct fixture *f, int kind, uint64_t id, uint32_t deadline_ms)
{
	struct job_fork m = { (enum job_kind)kind, id, deadline_ms };
	struct buf out = BUF_PLAIN(4096);
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    pair), 0);
	job_fork_write(&m, &out);
	assert_int_equal(frame_send(f->fd, ZYGOTE_FORK, out.data, out.len,
	    &pair[0], 1, 5000, NULL), 0);
	buf_clear(&out);
	close(pair[0]);
	return (pair[1]);
}

/* The next ZYGOTE_EXIT within ${ms}; 0 when none came. */
static int
exit_of(const struct fixture *f, struct job_exit *ret, int ms)
{
	cleanup_err struct err err = ERR_INIT;
	struct frame in;
	int rc;

	frame_init(&in, 4096);
	rc = frame_recv(f->fd, &in, ms, &err);
	if (rc == 1) {
		assert_int_equal(in.type, ZYGOTE_EXIT);
		assert_int_equal(job_exit_read(ret, &in, &err), 0);
	}
	frame_clear(&in);
	return (rc == 1);
}

static int64_t
now(void)
{
	return (clock_system()->boot_ms(clock_system()));
}

static void
echo_works(const struct fixture *f, uint64_t id)
{
	struct job_exit m;
	struct frame in;
	int fd = ask(f, WORK_ECHO, id, 5000);

	assert_int_equal(frame_send(fd, 77, "hello", 5, NULL, 0, 5000, NULL),
	    0);
	frame_init(&in, 4096);
	assert_int_equal(frame_recv(fd, &in, 5000, NULL), 1);
	assert_int_equal(in.type, 77);
	assert_int_equal(in.body.len, 5);
	assert_memory_equal(in.body.data, "hello", 5);
	frame_clear(&in);
	close(fd);
	assert_true(exit_of(f, &m, 5000));
	assert_int_equal(m.id, id);
	assert_true(WIFEXITED(m.status) && WEXITSTATUS(m.status) == 0);
}

static void
test_echo(void **state)
{
	echo_works(*state, 1);
	echo_works(*state, 2);
}

/* A crash is told with its signal and costs nobody else anything. */
static void
test_crash(void **state)
{
	struct fixture *f = *state;
	int hang = ask(f, WORK_HANG, 5, 60000), fd;
	struct job_exit m;

	fd = ask(f, WORK_CRASH, 6, 5000);
	assert_true(exit_of(f, &m, 5000));
	assert_int_equal(m.id, 6);
#if defined(__SANITIZE_ADDRESS__)
	assert_int_not_equal(m.status, 0);	/* ASan reports and exits */
#else
	assert_true(WIFSIGNALED(m.status));
	assert_int_equal(WTERMSIG(m.status), SIGSEGV);
#endif
	close(fd);
	echo_works(f, 7);
	close(hang);
}

/* The deadline kills a child that ignores everything else. */
static void
test_deadline(void **state)
{
	struct fixture *f = *state;
	int64_t start = now();
	int slow = ask(f, WORK_HANG, 11, 60000);
	int fd = ask(f, WORK_DRIP, 12, 200);
	struct job_exit m;

	assert_true(exit_of(f, &m, 3000));
	assert_int_equal(m.id, 12);
	assert_true(WIFSIGNALED(m.status));
	assert_int_equal(WTERMSIG(m.status), SIGKILL);
	assert_in_range((uint64_t)(now() - start), 190, 2500);
	close(fd);
	echo_works(f, 13);
	close(slow);
}

static void
send_kill(const struct fixture *f, uint64_t id)
{
	struct buf out = BUF_PLAIN(64);

	wire_u64(&out, id);
	assert_int_equal(frame_send(f->fd, ZYGOTE_KILL, out.data, out.len,
	    NULL, 0, 5000, NULL), 0);
	buf_clear(&out);
}

static void
test_kill(void **state)
{
	struct fixture *f = *state;
	int a = ask(f, WORK_HANG, 21, 60000);
	int b = ask(f, WORK_HANG, 22, 60000);
	struct job_exit m;

	send_kill(f, 999);		/* nobody: no answer */
	send_kill(f, 22);
	assert_true(exit_of(f, &m, 5000));
	assert_int_equal(m.id, 22);
	assert_int_equal(WTERMSIG(m.status), SIGKILL);
	assert_false(exit_of(f, &m, 100));
	close(a);
	close(b);
}

/* The 65th is refused at once; the 64 live on. */
static void
test_full(void **state)
{
	struct fixture *f = *state;
	int fd[ZYGOTE_CHILDREN_MAX + 1];
	struct job_exit m;
	uint64_t i;

	for (i = 0; i <= ZYGOTE_CHILDREN_MAX; i++)
		fd[i] = ask(f, WORK_HANG, 100 + i, 60000);
	assert_true(exit_of(f, &m, 5000));
	assert_int_equal(m.id, 100 + ZYGOTE_CHILDREN_MAX);
	assert_true(WIFEXITED(m.status) && WEXITSTATUS(m.status) != 0);
	assert_false(exit_of(f, &m, 100));
	send_kill(f, 100);
	assert_true(exit_of(f, &m, 5000));
	assert_int_equal(m.id, 100);
	echo_works(f, 300);
	for (i = 0; i <= ZYGOTE_CHILDREN_MAX; i++)
		close(fd[i]);
}

/* When the other end goes, the children go first: their pairs read EOF. */
static void
test_orphans(void **state)
{
	struct fixture *f = *state;
	int fd = ask(f, WORK_DRIP, 31, 60000);
	struct frame in;

	frame_init(&in, 4096);
	assert_int_equal(frame_recv(fd, &in, 5000, NULL), 1);
	close(f->fd);
	f->fd = -1;
	assert_int_equal(frame_recv(fd, &in, 5000, NULL), 0);
	frame_clear(&in);
	close(fd);
}

/* kill -9 of the zygote takes its children along. */
static void
test_zygote_killed(void **state)
{
	struct fixture *f = *state;
	int fd = ask(f, WORK_DRIP, 41, 60000);
	struct frame in;
	int status, last;

	frame_init(&in, 4096);
	assert_int_equal(frame_recv(fd, &in, 5000, NULL), 1);
	kill(f->pid, SIGKILL);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	last = frame_recv(fd, &in, 3000, NULL);
	frame_clear(&in);
	close(fd);
	close(f->fd);
	free(f);
	/* teardown expects a zygote that ends by itself */
	setup(state);
	assert_int_equal(last, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_echo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crash, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deadline, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_kill, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_orphans, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zygote_killed, setup,
		    teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
