/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"

struct scene {
	struct loop *loop;
	struct loop_timer *a, *b;
	struct loop_fd *fd;
	struct loop_signal *sig;
	char order[32];
	size_t n;
	int events;
};

static void
note(struct scene *s, char c)
{
	s->order[s->n++] = c;
}

static void
on_a(void *arg)
{
	struct scene *s = arg;

	note(s, 'a');
	/* One's own handle, and another's that is due in the same turn. */
	loop_timer_free(s->a);
	loop_timer_free(s->b);
}

static void
on_b(void *arg)
{
	note(arg, 'b');
}

static void
test_freed_in_its_callback(void **state)
{
	struct scene s = { .loop = loop_new(NULL) };

	(void)state;
	s.a = loop_timer_new(s.loop, on_a, &s);
	s.b = loop_timer_new(s.loop, on_b, &s);
	loop_timer_start(s.a, 0);
	loop_timer_start(s.b, 0);
	assert_int_equal(s.n, 0);
	loop_run(s.loop);
	assert_string_equal(s.order, "a");
	loop_free(s.loop);
}

static void
test_timers(void **state)
{
	struct scene s = { .loop = loop_new(NULL) };
	const struct clock *c = clock_system();
	int64_t start = c->boot_ms(c);

	(void)state;
	s.b = loop_timer_new(s.loop, on_b, &s);
	assert_false(loop_timer_active(s.b));
	loop_timer_start(s.b, 100000);
	assert_true(loop_timer_active(s.b));
	loop_timer_start(s.b, 30);
	loop_run(s.loop);
	assert_true(c->boot_ms(c) - start >= 29);
	assert_string_equal(s.order, "b");
	assert_false(loop_timer_active(s.b));
	loop_timer_start(s.b, 5);
	loop_timer_stop(s.b);
	loop_run(s.loop);
	assert_string_equal(s.order, "b");
	loop_timer_free(NULL);
	/* What is left is freed with the loop. */
	loop_timer_start(s.b, 100000);
	loop_free(s.loop);
	loop_free(NULL);
}

static void
on_fd(void *arg, int events)
{
	struct scene *s = arg;

	s->events = events;
	note(s, 'f');
	if (s->n == 3) {
		loop_fd_free(s->fd);
		s->fd = NULL;
		return;
	}
	loop_fd_watch(s->fd, s->n == 1 ? LOOP_READ : 0);
	if (s->n == 2)
		loop_stop(s->loop);
}

static void
test_descriptors(void **state)
{
	struct scene s = { .loop = loop_new(NULL) };
	struct err err = ERR_INIT;
	int pair[2], file;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, pair), 0);
	s.fd = loop_fd_new(s.loop, pair[0], on_fd, &s, NULL);
	assert_non_null(s.fd);
	assert_int_equal(write(pair[1], "x", 1), 1);
	loop_fd_watch(s.fd, LOOP_WRITE);
	loop_run(s.loop);
	assert_int_equal(s.n, 2);
	assert_true(s.events & LOOP_READ);
	/* Paused: nothing is active. */
	loop_run(s.loop);
	assert_int_equal(s.n, 2);
	close(pair[1]);
	loop_fd_watch(s.fd, LOOP_READ);
	loop_run(s.loop);
	assert_int_equal(s.n, 3);
	assert_null(s.fd);
	loop_fd_free(NULL);
	/* A plain file cannot be watched. */
	file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	assert_null(loop_fd_new(s.loop, file, on_fd, &s, &err));
	assert_int_equal(err.kind, ERR_DENIED);
	err_clear(&err);
	close(file);
	close(pair[0]);
	loop_free(s.loop);
}

static void
on_broken(void *arg, int events)
{
	struct scene *s = arg;

	s->events = events;
	note(s, 'e');
	/* uv has let go of it; asked for the same, it must watch again. */
	loop_fd_watch(s->fd, s->n < 3 ? LOOP_WRITE : 0);
}

static void
test_broken_descriptor(void **state)
{
	struct scene s = { .loop = loop_new(NULL) };
	int pair[2];

	(void)state;
	assert_int_equal(pipe2(pair, O_NONBLOCK | O_CLOEXEC), 0);
	s.fd = loop_fd_new(s.loop, pair[1], on_broken, &s, NULL);
	close(pair[0]);
	loop_fd_watch(s.fd, LOOP_WRITE);
	loop_fd_watch(s.fd, LOOP_WRITE);
	loop_run(s.loop);
	assert_string_equal(s.order, "eee");
	assert_int_equal(s.events, LOOP_READ | LOOP_WRITE);
	loop_fd_free(s.fd);
	close(pair[1]);
	loop_free(s.loop);
}

static void
on_sig(void *arg, int signo)
{
	struct scene *s = arg;

	assert_int_equal(signo, SIGUSR1);
	note(s, 's');
	loop_signal_free(s->sig);
}

static void
test_signals(void **state)
{
	struct scene s = { .loop = loop_new(NULL) };
	struct err err = ERR_INIT;

	(void)state;
	s.sig = loop_signal_new(s.loop, SIGUSR1, on_sig, &s, NULL);
	assert_non_null(s.sig);
	kill(getpid(), SIGUSR1);
	assert_int_equal(s.n, 0);
	loop_run(s.loop);
	assert_string_equal(s.order, "s");
	assert_null(loop_signal_new(s.loop, SIGKILL, on_sig, &s, &err));
	assert_int_equal(err.sys, EINVAL);
	err_clear(&err);
	loop_signal_free(NULL);
	loop_free(s.loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_freed_in_its_callback),
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_broken_descriptor),
		cmocka_unit_test(test_signals),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
