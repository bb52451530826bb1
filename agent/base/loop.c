/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <uv.h>

#include "base/loop.h"
#include "base/mem.h"

/*
 * Each of our handles begins with its uv handle.  Freeing is uv_close, and
 * the memory goes in the close callback: that is what makes freeing inside
 * one's own callback safe.  uv delivers nothing after uv_close.
 */
struct loop {
	uv_loop_t uv;
	unsigned works;		/* under way */
};

struct loop_timer {
	uv_timer_t uv;
	void (*cb)(void *);
	void *arg;
};

struct loop_fd {
	uv_poll_t uv;
	int set;		/* what uv watches for */
	void (*cb)(void *, int);
	void *arg;
};

struct loop_work {
	uv_work_t uv;
	struct loop *l;
	void (*work)(void *);
	void (*done)(void *);
	void *arg;
};

struct loop_signal {
	uv_signal_t uv;
	void (*cb)(void *, int);
	void *arg;
};

/* uv's error is a negated errno. */
static int
uv_fail(struct err *err, int rc, const char *what)
{
	errno = -rc;
	return (err_sys(err, "%s", what));
}

struct loop *
loop_new(struct err *err)
{
	struct loop *l = mem_alloc(sizeof(*l));
	int rc;

	rc = uv_loop_init(&l->uv);
	if (rc) {
		uv_fail(err, rc, "event loop");
		free(l);
		return (NULL);
	}
	return (l);
}

void
loop_run(struct loop *l)
{
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

void
loop_stop(struct loop *l)
{
	uv_stop(&l->uv);
}

static void
on_close(uv_handle_t *h)
{
	free(h);
}

static void
close_handle(uv_handle_t *h)
{
	if (!uv_is_closing(h))
		uv_close(h, on_close);
}

static void
close_left(uv_handle_t *h, void *arg)
{
	(void)arg;
	close_handle(h);
}

void
loop_free(struct loop *l)
{
	if (!l)
		return;
	/* uv's own internal handles are not walked. */
	uv_walk(&l->uv, close_left, NULL);
	while (uv_run(&l->uv, UV_RUN_DEFAULT))
		continue;
	uv_loop_close(&l->uv);
	free(l);
}

struct loop_timer *
loop_timer_new(struct loop *l, void (*cb)(void *), void *arg)
{
	struct loop_timer *t = mem_alloc(sizeof(*t));

	uv_timer_init(&l->uv, &t->uv);
	t->cb = cb;
	t->arg = arg;
	return (t);
}

static void
on_timer(uv_timer_t *uv)
{
	struct loop_timer *t = (struct loop_timer *)uv;

	t->cb(t->arg);
}

void
loop_timer_start(struct loop_timer *t, uint64_t after_ms)
{
	/* uv's clock stands still during a turn; a long callback would make
	 * the timer early without this. */
	uv_update_time(t->uv.loop);
	uv_timer_start(&t->uv, on_timer, after_ms, 0);
}

void
loop_timer_stop(struct loop_timer *t)
{
	uv_timer_stop(&t->uv);
}

int
loop_timer_active(const struct loop_timer *t)
{
	return (uv_is_active((const uv_handle_t *)&t->uv));
}

void
loop_timer_free(struct loop_timer *t)
{
	if (t)
		close_handle((uv_handle_t *)&t->uv);
}

struct loop_fd *
loop_fd_new(struct loop *l, int fd, void (*cb)(void *, int), void *arg,
    struct err *err)
{
	struct loop_fd *h = mem_alloc(sizeof(*h));
	int rc;

	rc = uv_poll_init(&l->uv, &h->uv, fd);
	if (rc) {
		uv_fail(err, rc, "watch a descriptor");
		free(h);
		return (NULL);
	}
	h->cb = cb;
	h->arg = arg;
	return (h);
}

static void
on_poll(uv_poll_t *uv, int status, int events)
{
	struct loop_fd *h = (struct loop_fd *)uv;
	int set = 0;

	if (status < 0)
		h->set = 0;	/* uv watches no more */
	if (status < 0 || (events & UV_DISCONNECT))
		set = LOOP_READ | LOOP_WRITE;
	if (events & UV_READABLE)
		set |= LOOP_READ;
	if (events & UV_WRITABLE)
		set |= LOOP_WRITE;
	h->cb(h->arg, set);
}

void
loop_fd_watch(struct loop_fd *h, int events)
{
	int set = 0;

	if (events & LOOP_READ)
		set |= UV_READABLE;
	if (events & LOOP_WRITE)
		set |= UV_WRITABLE;
	/* uv takes the descriptor out of epoll and puts it in again, even
	 * for what it watches already. */
	if (set == h->set)
		return;
	h->set = set;
	if (set)
		uv_poll_start(&h->uv, set, on_poll);
	else
		uv_poll_stop(&h->uv);
}

void
loop_fd_free(struct loop_fd *h)
{
	if (h)
		close_handle((uv_handle_t *)&h->uv);
}

static void
on_signal(uv_signal_t *uv, int signo)
{
	struct loop_signal *s = (struct loop_signal *)uv;

	s->cb(s->arg, signo);
}

struct loop_signal *
loop_signal_new(struct loop *l, int signo, void (*cb)(void *, int), void *arg,
    struct err *err)
{
	struct loop_signal *s = mem_alloc(sizeof(*s));
	int rc;

	uv_signal_init(&l->uv, &s->uv);
	s->cb = cb;
	s->arg = arg;
	rc = uv_signal_start(&s->uv, on_signal, signo);
	if (rc) {
		uv_fail(err, rc, "watch a signal");
		close_handle((uv_handle_t *)&s->uv);
		return (NULL);
	}
	return (s);
}

void
loop_signal_free(struct loop_signal *s)
{
	if (s)
		close_handle((uv_handle_t *)&s->uv);
}

/* --- work ---------------------------------------------------------------- */

void
loop_workers_one(void)
{
	setenv("UV_THREADPOOL_SIZE", "1", 1);
}

static void
on_work(uv_work_t *uv)
{
	struct loop_work *w = (struct loop_work *)(void *)uv;

	w->work(w->arg);
}

static void
on_work_done(uv_work_t *uv, int status)
{
	struct loop_work *w = (struct loop_work *)(void *)uv;
	void (*done)(void *) = w->done;
	void *arg = w->arg;

	(void)status;		/* nobody cancels */
	w->l->works--;
	free(w);
	done(arg);
}

int
loop_work(struct loop *l, void (*work)(void *arg), void (*done)(void *arg),
    void *arg, struct err *err)
{
	struct loop_work *w = mem_alloc(sizeof(*w));
	int rc;

	w->l = l;
	w->work = work;
	w->done = done;
	w->arg = arg;
	rc = uv_queue_work(&l->uv, &w->uv, on_work, on_work_done);
	if (rc) {
		free(w);
		return (uv_fail(err, rc, "worker"));
	}
	l->works++;
	return (0);
}

void
loop_work_wait(struct loop *l)
{
	while (l->works)
		uv_run(&l->uv, UV_RUN_ONCE);
}
