/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "proj/proj_internal.h"

#ifndef CLEAN_AFTER_MS		/* a test is more impatient */
#define CLEAN_AFTER_MS 10000	/* the generation before, for slow readers */
#endif
#define ANSWER_MS 30000		/* a silent fsproj is a dead one */
#define PAGE 4096ull
#define ROOM (64ull << 10)	/* in a volume, for metadata */
#define RESTOCK_MS 3		/* unless proj_lull comes first */
#define STOCK_PATIENCE 8	/* smaller volumes, until one file less */

/* A generation before that goes away some seconds after the swap. */
struct clean {
	struct clean *next;
	struct proj *p;
	struct proj_target target;
	char *path;
	struct loop_timer *timer;
};

/*
 * One operation runs at a time, the first of the queue; its frames go back and
 * forth in lockstep.  The next one starts before the callback of the last one
 * runs, so that fsproj works meanwhile and the callback may do what it likes,
 * proj_free included.
 */
struct proj {
	struct loop *loop;
	int fd;			/* -1: not connected */
	struct loop_fd *io;
	struct loop_timer *deadline;
	struct op *first, **last;
	int running;
	uint32_t serial;
	uint32_t flags;
	struct buf out;		/* the frame that is being sent */
	int out_waits;		/* it did not fit into the socket */
	int store[STORE_FILES];	/* of a volume in store */
	size_t nstore;		/* 0: there is none */
	char *aim;		/* the path that it goes to; NULL: none yet */
	size_t stock, smaller;	/* how many files the next one is to have */
	int restocks;		/* when there is nothing else to do */
	struct loop_timer *restock;
	struct clean *cleans;
	void (*lost)(void *arg);
	void *lost_arg;
	char in[sizeof(struct fsproj_reply) + FSPROJ_TEXT_MAX];
};

static void start_next(struct proj *p);

/* --- the life of an operation --- */

static struct op *
op_new(enum op_kind kind, const struct proj_target *target, const char *path,
    void *arg)
{
	struct op *op = mem_alloc(sizeof(*op));

	op->kind = kind;
	op->arg = arg;
	op->path = str_dup(path);
	if (target)
		op->target = *target;
	op->target.path = op->path;
	return (op);
}

/* Free a path that the struct shows to others as const. */
static void
free_path(const char *const *at)
{
	char *path;

	memcpy(&path, at, sizeof(path));
	free(path);
}

static void
op_free(struct op *op)
{
	size_t i;

	for (i = 0; i < op->n; i++)
		free_path(&op->files[i].path);
	for (i = 0; i < op->nfound; i++)
		free_path(&op->found[i].path);
	free(op->files);
	free(op->found);
	free(op->path);
	err_clear(&op->failed);
	free(op);
}

/* Tell whoever asked, once; ${op} is off the queue.  ${fd} of a bind. */
static void
op_finish(struct op *op, struct err *err, int fd)
{
	if (err)
		err_wrap(err, op->path ? "fsproj: %s" : "fsproj",
		    op->path);
	if (op->done)
		op->done(op->arg, err);
	else if (op->listed)
		op->listed(op->arg, op->found, err ? 0 : op->nfound, err);
	else if (op->bound)
		op->bound(op->arg, fd, err);
	op_free(op);
}

static void
op_queue(struct proj *p, struct op *op)
{
	*p->last = op;
	p->last = &op->next;
	start_next(p);
}

/* The running operation leaves the queue, the next one starts. */
static struct op *
op_leave(struct proj *p)
{
	struct op *op = p->first;

	p->first = op->next;
	if (!p->first)
		p->last = &p->first;
	p->running = 0;
	loop_timer_stop(p->deadline);
	start_next(p);
	if (!p->first && p->restocks)
		loop_timer_start(p->restock, RESTOCK_MS);
	return (op);
}

/* What is in store is gone as soon as fsproj is asked for anything else. */
static void
store_drop(struct proj *p)
{
	while (p->nstore)
		mem_cleanup_close(&p->store[--p->nstore]);
	free(STEAL(p->aim));
}

/* Forget the connection; nothing of ${p} is touched once callbacks run. */
static void
lose(struct proj *p, const char *why)
{
	struct op *op = p->first, *next;

	p->first = NULL;
	p->last = &p->first;
	p->running = p->out_waits = 0;
	loop_timer_stop(p->deadline);
	loop_timer_stop(p->restock);
	p->restocks = 0;
	store_drop(p);
	loop_fd_free(p->io);
	p->io = NULL;
	mem_cleanup_close(&p->fd);
	p->fd = -1;
	for (; op; op = next) {
		cleanup_err struct err err = ERR_INIT;

		next = op->next;
		err_set(&err, ERR_TRANSIENT, "%s", why);
		op_finish(op, &err, -1);
	}
}

/* The connection broke by itself. */
static void
broken(struct proj *p, const char *why)
{
	void (*lost)(void *) = p->lost;
	void *arg = p->lost_arg;

	lose(p, why);
	if (lost)
		lost(arg);
}

/* --- frames --- */

/* Send the frame in p->out; -1 and errno. */
static ssize_t
transmit(const struct proj *p)
{
	ssize_t n;

	do
		n = send(p->fd, p->out.data, p->out.len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return (n);
}

static void
push(struct proj *p)
{
	ssize_t n = transmit(p);

	p->out_waits = n == -1 && errno == EAGAIN;
	/* Whoever asked must not be told before we have returned to him: a
	 * dead connection shows as readable on the next turn. */
	if (n == -1 && !p->out_waits)
		shutdown(p->fd, SHUT_RDWR);
	loop_fd_watch(p->io, LOOP_READ | (p->out_waits ? LOOP_WRITE : 0));
}

static void
ask(struct proj *p, struct op *op, uint16_t type)
{
	op->asked = type;
	proj_wire_request(&p->out, op, type, ++p->serial);
	loop_timer_start(p->deadline, ANSWER_MS);
	push(p);
}

static int
fill_one(const struct op *op, size_t i, int fd, struct err *err)
{
	struct stat st;

	if (op->fill(op->arg, i, fd, err) == -1)
		return (-1);
	if (fstat(fd, &st) == -1)
		return (err_sys(err, "fstat"));
	if ((size_t)st.st_size != op->files[i].size)
		return (err_set(err, ERR_INTERNAL,
		    "file %s: %zu bytes written, not %zu", op->files[i].path,
		    (size_t)st.st_size, op->files[i].size));
	return (0);
}

/* --- what is in store --- */

static int
store_may_be(const struct proj_target *target)
{
	return (target->place == PROJ_VOLUME && target->fresh &&
	    !target->size_max && !target->gid && target->dir_mode == 0755);
}

/* Have it on its way to ${path}.  There is no answer to this. */
static int
store_aim(struct proj *p, const char *path)
{
	struct op op = { .path = p->aim };

	if (p->aim)
		return (str_eq(p->aim, path) ? 0 : -1);
	op.path = p->aim = str_dup(path);
	proj_wire_request(&p->out, &op, FSPROJ_PLACE, ++p->serial);
	return (transmit(p) == -1 ? -1 : 0);
}

/* Fill what is in store: then nobody waits for a volume to be made.  -1: it
 * has to be made from the beginning. */
static int
store_fill(struct proj *p, struct op *op)
{
	size_t i;
	int rc = 0;

	if (p->nstore == 0 || op->kind != OP_WRITE ||
	    !store_may_be(&op->target) || op->n > p->nstore ||
	    op->size > STORE_SIZE || op->inodes > STORE_INODES ||
	    store_aim(p, op->path) == -1)
		return (-1);
	for (i = 0; rc == 0 && i < op->n; i++)
		rc = fill_one(op, i, p->store[i], NULL);
	store_drop(p);
	op->stored = rc == 0;
	if (rc == 0)
		op->named = op->batch = op->n;
	return (rc);
}

/* Remember how many files are of use. */
static void
stock_learn(struct proj *p, size_t n)
{
	if (n < p->stock && ++p->smaller < STOCK_PATIENCE)
		return;
	p->smaller = 0;
	if (n < p->stock)
		p->stock--;
	else if (n <= STORE_FILES)
		p->stock = n ? n : 1;
}

static void
on_restock(void *arg)
{
	struct proj *p = arg;
	struct op *op;

	loop_timer_stop(p->restock);
	if (p->first || p->nstore)
		return;
	p->restocks = 0;
	op = op_new(OP_STORE, NULL, NULL, NULL);
	op->stock = (uint32_t)p->stock;
	op_queue(p, op);
}

static void
start_next(struct proj *p)
{
	static const uint16_t first[] = {
		[OP_HELLO] = FSPROJ_HELLO, [OP_WRITE] = FSPROJ_BEGIN,
		[OP_REMOVE] = FSPROJ_REMOVE, [OP_CLEAN] = FSPROJ_CLEAN,
		[OP_LIST] = FSPROJ_LIST, [OP_BIND] = FSPROJ_BIND,
		[OP_STORE] = FSPROJ_STORE,
	};

	if (p->running || !p->first || p->fd == -1)
		return;
	p->running = 1;
	if (store_fill(p, p->first) == 0) {
		ask(p, p->first, FSPROJ_COMMIT);
		return;
	}
	p->restocks |= p->nstore > 0;
	store_drop(p);
	ask(p, p->first, first[p->first->kind]);
}

/* --- cleaning up after a swap --- */

/* ${path} NULL: all of them. */
static void
clean_drop(struct proj *p, const char *path)
{
	struct clean **at = &p->cleans, *c;

	while ((c = *at)) {
		if (path && !str_eq(c->path, path)) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		loop_timer_free(c->timer);
		free(c->path);
		free(c);
		if (path)	/* one a path; it may have been c's own */
			return;
	}
}

static void
on_clean(void *arg)
{
	struct clean *c = arg;
	struct proj *p = c->p;
	struct op *op;

	if (p->fd != -1) {
		op = op_new(OP_CLEAN, &c->target, c->path, NULL);
		op_queue(p, op);
	}
	/* Without a connection it stays until the next write there. */
	clean_drop(p, c->path);
}

static void
clean_later(struct proj *p, const struct op *op)
{
	struct clean *c;

	clean_drop(p, op->path);
	c = mem_alloc(sizeof(*c));
	c->p = p;
	c->path = str_dup(op->path);
	c->target = op->target;
	c->timer = loop_timer_new(p->loop, on_clean, c);
	c->next = p->cleans;
	p->cleans = c;
	loop_timer_start(c->timer, CLEAN_AFTER_MS);
}

/* --- answers --- */

/* The descriptors of the next files are here: have them written.  All must be
 * closed before COMMIT, or the volume cannot become read-only. */
static void
answer_files(struct proj *p, struct op *op, struct answer *a)
{
	size_t i;
	int rc = 0;

	op->batch = proj_wire_batch(op);
	if (a->nfds != op->batch)
		rc = err_set(&op->failed, ERR_INTERNAL, "%zu descriptors "
		    "instead of %zu", a->nfds, op->batch);
	for (i = 0; rc == 0 && i < a->nfds; i++)
		rc = fill_one(op, op->named + i, a->fds[i], &op->failed);
	for (i = 0; i < a->nfds; i++)
		mem_cleanup_close(&a->fds[i]);
	a->nfds = 0;
	op->named += op->batch;
	if (rc == -1)
		ask(p, op, FSPROJ_ABORT);
	else
		ask(p, op, op->named == op->n ? FSPROJ_COMMIT : FSPROJ_FILES);
}

static void
answer_write(struct proj *p, struct op *op, struct answer *a)
{
	struct err *err = NULL;

	if (op->asked == FSPROJ_BEGIN || op->asked == FSPROJ_FILES) {
		answer_files(p, op, a);
		return;
	}
	if (op->asked == FSPROJ_ABORT)
		err = &op->failed;
	else if (a->fixed.flags & FSPROJ_F_SWAPPED)
		clean_later(p, op);
	p->restocks |= op->target.fresh;
	op_leave(p);
	op_finish(op, err, -1);
}

/* One projection a frame, and an empty one at the end. */
static void
answer_list(struct proj *p, struct op *op, const struct answer *a)
{
	struct proj_found *f;

	if (!(a->fixed.flags & FSPROJ_F_MORE)) {
		op_leave(p);
		op_finish(op, NULL, -1);
		return;
	}
	/* fsproj counts them too; this holds for a false one */
	if (op->nfound == FSPROJ_ITEMS_MAX)
		return;
	op->found = mem_grow(op->found, op->nfound + 1, sizeof(*op->found));
	f = &op->found[op->nfound++];
	f->place = a->fixed.place == FSPROJ_HOST ? PROJ_HOST : PROJ_VOLUME;
	f->generation = a->fixed.generation;
	f->path = str_ndup(a->text, a->fixed.text_len);
}

static void
answer_bind(struct proj *p, struct op *op, struct answer *a)
{
	cleanup_err struct err err = ERR_INIT;
	int fd = a->nfds == 1 ? a->fds[0] : -1;

	if (fd == -1)
		err_set(&err, ERR_INTERNAL, "no descriptor came");
	else
		a->nfds = 0;
	op_leave(p);
	op_finish(op, fd == -1 ? &err : NULL, fd);
}

/* Nothing of ${p} is touched after the callback. */
static void
take_answer(struct proj *p, struct answer *a)
{
	cleanup_err struct err err = ERR_INIT;
	struct op *op = p->first;

	if (proj_wire_failure(a, &err) == -1) {
		if (op->asked == FSPROJ_COMMIT && op->stored) {
			/* What was in store has gone: as without it. */
			op->stored = 0;
			op->named = op->batch = 0;
			ask(p, op, FSPROJ_BEGIN);
			return;
		}
		op_leave(p);
		op_finish(op, &err, -1);
		return;
	}
	switch (op->kind) {
	case OP_WRITE:
		answer_write(p, op, a);
		return;
	case OP_LIST:
		answer_list(p, op, a);
		return;
	case OP_BIND:
		answer_bind(p, op, a);
		return;
	case OP_HELLO:
		p->flags = a->fixed.flags;
		break;
	case OP_STORE:
		if (a->nfds != op->stock)
			break;
		memcpy(p->store, a->fds, a->nfds * sizeof(*a->fds));
		p->nstore = a->nfds;
		a->nfds = 0;
		break;
	case OP_REMOVE:
	case OP_CLEAN:
		break;
	}
	op_leave(p);
	op_finish(op, NULL, -1);
}

static ssize_t
receive(struct proj *p, struct answer *a)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(a->fds))];
	} control;
	struct iovec iov = { p->in, sizeof(p->in) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(p->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return (n);
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		a->nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(a->fds, CMSG_DATA(c), a->nfds * sizeof(int));
	}
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		n = 0;
	return (n);
}

static void
on_io(void *arg, int events)
{
	struct proj *p = arg;
	struct answer a = { .nfds = 0 };
	ssize_t n;
	size_t i;
	int sound;

	if (p->out_waits && (events & LOOP_WRITE))
		push(p);
	if (!(events & LOOP_READ))
		return;
	n = receive(p, &a);
	if (n == -1 && errno == EAGAIN)
		return;
	sound = n > 0 && proj_wire_answer(p->in, (size_t)n, &a) == 0 &&
	    p->running && a.fixed.head.serial == p->serial &&
	    a.fixed.head.type == p->first->asked;
	if (sound)
		take_answer(p, &a);
	for (i = 0; i < a.nfds; i++)	/* whatever nobody took */
		mem_cleanup_close(&a.fds[i]);
	if (!sound)
		broken(p, n > 0 ? "connection lost: malformed answer" :
		    "connection lost");
}

static void
on_deadline(void *arg)
{
	broken(arg, "connection lost: no answer");
}

/* --- what others call --- */

static int
connect_fd(struct proj *p, int fd, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return (err_sys(err, "fsproj socket"));
	p->io = loop_fd_new(p->loop, fd, on_io, p, err);
	if (!p->io)
		return (err_wrap(err, "fsproj socket"));
	p->fd = fd;
	loop_fd_watch(p->io, LOOP_READ);
	op_queue(p, op_new(OP_HELLO, NULL, NULL, NULL));
	return (0);
}

int
proj_new(struct loop *loop, int fd, struct proj **ret, struct err *err)
{
	struct proj *p = mem_alloc(sizeof(*p));

	p->loop = loop;
	p->fd = -1;
	p->last = &p->first;
	p->out.max = FSPROJ_REQUEST_MAX;
	p->deadline = loop_timer_new(loop, on_deadline, p);
	p->restock = loop_timer_new(loop, on_restock, p);
	if (connect_fd(p, fd, err) == -1) {
		mem_cleanup_close(&fd);
		proj_free(p);
		return (-1);
	}
	*ret = p;
	return (0);
}

int
proj_replace(struct proj *p, int fd, struct err *err)
{
	lose(p, "connection replaced");
	if (connect_fd(p, fd, err) == -1) {
		mem_cleanup_close(&fd);
		return (-1);
	}
	return (0);
}

int
proj_connected(const struct proj *p)
{
	return (p->fd != -1);
}

void
proj_on_lost(struct proj *p, void (*lost)(void *arg), void *arg)
{
	p->lost = lost;
	p->lost_arg = arg;
}

unsigned
proj_degraded(const struct proj *p)
{
	return ((p->flags & FSPROJ_F_SWAPPABLE ? PROJ_SWAPPABLE : 0) |
	    (p->flags & FSPROJ_F_NOT_SHARED ? PROJ_NOT_SHARED : 0) |
	    (p->flags & FSPROJ_F_HOST_ON_DISK ? PROJ_HOST_ON_DISK : 0));
}

void
proj_free(struct proj *p)
{
	if (!p)
		return;
	lose(p, "shutting down");
	clean_drop(p, NULL);
	loop_timer_free(p->deadline);
	loop_timer_free(p->restock);
	buf_clear(&p->out);
	free(p);
}

static int
check_start(const struct proj *p, const char *path, struct err *err)
{
	size_t len = strlen(path);

	if (p->fd == -1)
		return (err_set(err, ERR_TRANSIENT,
		    "fsproj: not connected"));
	if (path[0] != '/' || len > FSPROJ_PATH_MAX)
		return (err_set(err, ERR_INVALID, "target \"%s\" is no "
		    "absolute path of at most %d bytes", path,
		    FSPROJ_PATH_MAX));
	return (0);
}

static int
check_file(const struct proj_file *f, struct err *err)
{
	if (proj_path_projected(f->path, err) == -1)
		return (-1);
	if (f->mode > 0777)
		return (err_set(err, ERR_INVALID,
		    "%s: mode %o is above 0777", f->path, f->mode));
	if (f->uid == (uid_t)-1 || f->gid == (gid_t)-1)
		return (err_set(err, ERR_INVALID, "%s: no such owner",
		    f->path));
	return (0);
}

/* Room for two generations: the old one stands while the new one is filled. */
static int
measure(struct op *op, struct err *err)
{
	uint64_t size = 0, inodes = 16, names = 0;
	const char *at;
	size_t i;

	for (i = 0; i < op->n; i++) {
		if (op->files[i].size > FSPROJ_SIZE_MAX)
			size = FSPROJ_SIZE_MAX;
		else
			size += (op->files[i].size + PAGE - 1) & ~(PAGE - 1);
		names += strlen(op->files[i].path);
		inodes += 4;	/* file and link, twice; then its folders */
		for (at = op->files[i].path; *at; at++)
			inodes += *at == '/' ? 2 : 0;
	}
	op->inodes = (uint32_t)inodes;
	op->size = op->target.size_max ? op->target.size_max :
	    2 * size + ROOM;
	if (names > FSPROJ_NAMES_MAX || inodes > FSPROJ_INODES_MAX)
		return (err_set(err, ERR_LIMIT,
		    "the names of the files are too long together"));
	if (op->size > FSPROJ_SIZE_MAX)
		return (err_set(err, ERR_LIMIT, "a volume of %llu bytes, at "
		    "most %llu are possible", (unsigned long long)op->size,
		    FSPROJ_SIZE_MAX));
	return (0);
}

int
proj_write(struct proj *p, const struct proj_target *target,
    const struct proj_file *files, size_t n, proj_fill_fn fill,
    proj_done_fn done, void *arg, struct err *err)
{
	struct op *op;
	size_t i;

	if (check_start(p, target->path, err) == -1)
		return (-1);
	if (target->dir_mode > 0777)
		return (err_set(err, ERR_INVALID, "%s: mode %o is above 0777",
		    target->path, target->dir_mode));
	if (n > FSPROJ_FILES_MAX)
		return (err_set(err, ERR_LIMIT, "%s: %zu files, at most %d "
		    "are possible", target->path, n, FSPROJ_FILES_MAX));
	for (i = 0; i < n; i++)
		if (check_file(&files[i], err) == -1)
			return (err_wrap(err, "%s", target->path));
	op = op_new(OP_WRITE, target, target->path, arg);
	op->files = mem_array(n, sizeof(*files));
	for (i = 0; i < n; i++) {
		op->files[i] = files[i];
		op->files[i].path = str_dup(files[i].path);
	}
	if (store_may_be(target))
		stock_learn(p, n);
	op->n = n;
	op->fill = fill;
	op->done = done;
	if (measure(op, err) == -1) {
		op_free(op);
		return (err_wrap(err, "%s", target->path));
	}
	op_queue(p, op);
	return (0);
}

void
proj_aim(struct proj *p, const struct proj_target *target)
{
	if (p->fd != -1 && !p->first && p->nstore && store_may_be(target))
		(void)store_aim(p, target->path);
}

void
proj_lull(struct proj *p)
{
	if (loop_timer_active(p->restock))
		on_restock(p);
}

int
proj_remove(struct proj *p, const struct proj_target *target,
    proj_done_fn done, void *arg, struct err *err)
{
	struct op *op;

	if (check_start(p, target->path, err) == -1)
		return (-1);
	clean_drop(p, target->path);
	op = op_new(OP_REMOVE, target, target->path, arg);
	op->done = done;
	op_queue(p, op);
	return (0);
}

int
proj_list(struct proj *p, proj_list_fn done, void *arg, struct err *err)
{
	struct op *op;

	if (check_start(p, "/", err) == -1)
		return (-1);
	op = op_new(OP_LIST, NULL, NULL, arg);
	op->listed = done;
	op_queue(p, op);
	return (0);
}

int
proj_bind(struct proj *p, const char *path, proj_bind_fn done, void *arg,
    struct err *err)
{
	struct op *op;

	if (check_start(p, path, err) == -1)
		return (-1);
	op = op_new(OP_BIND, NULL, path, arg);
	op->bound = done;
	op_queue(p, op);
	return (0);
}
