/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "link/httpd.h"

/*
 * The metrics server on a loopback port, its clients in the same thread.
 */
struct scene {
	struct loop *loop;
	struct loop_timer *stop;
	struct httpd *h;
	struct sockaddr_in at;
	int scrapes;
	uint64_t tag;
	char text[65536];
};

static void
on_stop(void *arg)
{
	loop_stop(arg);
}

static void
spin(struct scene *s, unsigned ms)
{
	loop_timer_start(s->stop, ms);
	loop_run(s->loop);
}

static void
on_scrape(void *arg, uint64_t tag)
{
	struct scene *s = arg;

	s->scrapes++;
	s->tag = tag;
}

static void
on_metrics(void *arg, struct buf *out)
{
	(void)arg;
	buf_adds(out, "own 1\n");
}

static int
setup(void **state)
{
	struct scene *s = mem_alloc(sizeof(*s));
	struct httpd_hooks hooks = { on_scrape, on_metrics, s };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(s->at);

	log_init("test", LOG_LEVEL_ERROR, LOG_TEXT);
	s->at.sin_family = AF_INET;
	s->at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&s->at, len), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&s->at, &len), 0);
	s->loop = loop_new(NULL);
	s->stop = loop_timer_new(s->loop, on_stop, s->loop);
	assert_int_equal(httpd_new(s->loop, fd, &hooks, &s->h, NULL), 0);
	*state = s;
	return (0);
}

static int
teardown(void **state)
{
	struct scene *s = *state;

	httpd_free(s->h);
	loop_timer_free(s->stop);
	loop_free(s->loop);
	free(s);
	return (0);
}

static int
ask(struct scene *s, const char *request)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&s->at,
	    sizeof(s->at)), 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL),
	    (ssize_t)strlen(request));
	return (fd);
}

static const char *
hear(struct scene *s, int fd)
{
	size_t have = 0;
	ssize_t n;

	while ((n = recv(fd, s->text + have, sizeof(s->text) - 1 - have,
	    MSG_DONTWAIT)) > 0)
		have += (size_t)n;
	s->text[have] = '\0';
	return (s->text);
}

static const char *
get(struct scene *s, const char *path)
{
	cleanup_free char *request = str_fmt("GET %s HTTP/1.1\r\n"
	    "Host: x\r\nConnection: close\r\n\r\n", path);
	cleanup_close int fd = ask(s, request);

	spin(s, 30);
	return (hear(s, fd));
}

static int
is(const char *answer, int status)
{
	char head[32];

	snprintf(head, sizeof(head), "HTTP/1.1 %d ", status);
	return (strncmp(answer, head, strlen(head)) == 0);
}

/* --- tests ----------------------------------------------------------- */

static void
test_probes(void **state)
{
	struct scene *s = *state;
	const char *a;

	assert_true(is(get(s, "/livez"), 200));
	a = get(s, "/readyz");
	assert_true(is(a, 503));
	assert_non_null(strstr(a, "core is not there"));
	httpd_core(s->h, 1);
	assert_non_null(strstr(get(s, "/readyz"), "\r\n\r\nstarting\n"));
	httpd_ready(s->h, 0, "externalsecrets: no such kind");
	assert_non_null(strstr(get(s, "/readyz"),
	    "\r\n\r\nexternalsecrets: no such kind\n"));
	httpd_ready(s->h, 1, "");
	assert_true(is(get(s, "/readyz"), 200));
	httpd_core(s->h, 0);
	assert_true(is(get(s, "/readyz"), 503));
	assert_true(is(get(s, "/livez"), 200));
}

static void
test_metrics_of_both(void **state)
{
	struct scene *s = *state;
	int first, second;
	const char *a;

	httpd_core(s->h, 1);
	first = ask(s, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	second = ask(s, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	spin(s, 30);
	assert_int_equal(s->scrapes, 1);
	httpd_scraped(s->h, s->tag + 1, "wrong 1\n");
	spin(s, 10);
	assert_string_equal(hear(s, first), "");
	httpd_scraped(s->h, s->tag, "theirs 1\n");
	spin(s, 30);
	a = hear(s, first);
	assert_true(is(a, 200));
	assert_non_null(strstr(a, "theirs 1\n"));
	assert_non_null(strstr(a, "own 1\n"));
	assert_non_null(strstr(a, "nodeseal_core_up 1\n"));
	assert_non_null(strstr(a, "version=0.0.4"));
	assert_non_null(strstr(hear(s, second), "theirs 1\n"));
	close(first);
	close(second);
	/* The next one asks anew. */
	first = ask(s, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	spin(s, 30);
	assert_int_equal(s->scrapes, 2);
	close(first);
	spin(s, 30);
	httpd_scraped(s->h, s->tag, "theirs 2\n");
	spin(s, 10);
}

static void
test_metrics_without_core(void **state)
{
	struct scene *s = *state;
	const char *a = get(s, "/metrics");
	int fd;

	assert_int_equal(s->scrapes, 0);
	assert_true(is(a, 200));
	assert_non_null(strstr(a, "nodeseal_core_up 0\n"));
	assert_non_null(strstr(a, "own 1\n"));
	/* It ends while it is asked. */
	httpd_core(s->h, 1);
	fd = ask(s, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	spin(s, 30);
	httpd_core(s->h, 0);
	spin(s, 30);
	assert_non_null(strstr(hear(s, fd), "nodeseal_core_up 0\n"));
	close(fd);
}

static void
test_core_is_silent(void **state)
{
	struct scene *s = *state;
	int fd;

	httpd_core(s->h, 1);
	fd = ask(s, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	spin(s, HTTPD_SCRAPE_MS + 200);
	assert_true(is(hear(s, fd), 503));
	close(fd);
}

static void
test_bad_requests(void **state)
{
	struct scene *s = *state;
	cleanup_free char *huge = mem_alloc(40000);
	int fd;

	assert_true(is(get(s, "/"), 404));
	assert_true(is(get(s, "/metrics/../../etc/passwd"), 404));
	fd = ask(s, "POST /metrics HTTP/1.1\r\nHost: x\r\n"
	    "Content-Length: 1000000\r\n\r\n");
	spin(s, 30);
	assert_true(is(hear(s, fd), 413));
	close(fd);
	fd = ask(s, "DELETE /livez HTTP/1.1\r\nHost: x\r\n\r\n");
	spin(s, 30);
	assert_true(is(hear(s, fd), 405));
	close(fd);
	fd = ask(s, "HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n");
	spin(s, 30);
	assert_true(is(hear(s, fd), 200));
	close(fd);
	/* A head beyond what a connection may hold, and no HTTP at all. */
	memset(huge, 'a', 39999);
	memcpy(huge, "GET /livez?", 11);
	fd = ask(s, huge);
	spin(s, 30);
	assert_false(is(hear(s, fd), 200));
	close(fd);
	fd = ask(s, "\x16\x03\x01\x02 \r\n\r\n");
	spin(s, 30);
	assert_false(is(hear(s, fd), 200));
	close(fd);
	assert_true(is(get(s, "/livez"), 200));
}

/* Who holds many connections open keeps no more than his part. */
static void
test_connections_are_bounded(void **state)
{
	struct scene *s = *state;
	int fds[HTTPD_PER_IP + 20], held = 0;
	size_t i;
	char c;

	for (i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = ask(s, "GET /livez HTTP/1.1\r\n");
		spin(s, 2);
	}
	spin(s, 30);
	for (i = 0; i < ARRAY_LEN(fds); i++)
		held += recv(fds[i], &c, 1, MSG_DONTWAIT | MSG_PEEK) == -1 &&
		    errno == EAGAIN;
	assert_int_equal(held, HTTPD_PER_IP);
	for (i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	spin(s, 30);
	assert_true(is(get(s, "/livez"), 200));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_probes),
		T(test_metrics_of_both),
		T(test_metrics_without_core),
		T(test_core_is_silent),
		T(test_bad_requests),
		T(test_connections_are_bounded),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
