/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/bundle.h"
#include "core/state.h"
#include "ipc/bundle.h"

/* `nodeseal bundle import`: who may connect may import (the socket's mode); an
 * answer is given when what was imported is on the disk. */
#define CLIENTS_MAX 4
#define CLIENT_MS 60000
#define DURABLE_MS 50
#define DURABLE_TRIES 200

struct client {
	struct bundle_server *server;
	struct chan *chan;		/* NULL: free */
	struct bundle_import *import;
	struct due due, durable_due;
	char *text;			/* the answer, while it waits */
	int tries;
};

struct bundle_server {
	struct bundles *b;
	int fd;
	struct loop_fd *watch;
	struct client clients[CLIENTS_MAX];
};

static void
client_end(struct client *k)
{
	struct core *c = k->server->b->core;

	schedule_cancel(c->schedule, &k->due);
	schedule_cancel(c->schedule, &k->durable_due);
	if (k->import)
		bundle_import_cancel(STEAL(k->import));
	chan_free(STEAL(k->chan));
	free(STEAL(k->text));
	loop_fd_watch(k->server->watch, LOOP_READ);
}

static void
on_client_due(void *arg)
{
	client_end(arg);
}

static void
answer(struct client *k, enum err_kind kind, const char *text)
{
	cleanup_buf struct buf b = BUF_PLAIN(BUNDLE_FRAME_MAX);

	wire_u32(&b, kind);
	wire_str(&b, text);
	/* The client closes when it has read; the time is bounded. */
	if (chan_send(k->chan, BUNDLE_ANSWER, b.data, b.len, NULL, 0,
	    NULL) == -1)
		client_end(k);
}

static void
on_durable_due(void *arg)
{
	struct client *k = arg;
	struct core *c = k->server->b->core;

	if (!state_is_durable(c) && ++k->tries < DURABLE_TRIES)
		schedule_in(c->schedule, &k->durable_due, DURABLE_MS);
	else if (state_is_durable(c))
		answer(k, ERR_NONE, k->text);
	else
		answer(k, ERR_TRANSIENT, "it is imported and served, but the "
		    "sealed cache could not be written: see nodeseal status");
}

static void
on_imported(void *arg, const char *text, const struct err *err)
{
	struct client *k = arg;

	k->import = NULL;
	if (err) {
		answer(k, err->kind, err_msg(err));
		return;
	}
	k->text = str_dup(text);
	k->tries = 0;
	on_durable_due(k);
}

static void
on_frame(void *arg, struct frame *f)
{
	struct client *k = arg;
	struct stat st;

	if (f->type != BUNDLE_IMPORT || f->nfds != 1 || k->import || k->text ||
	    fstat(f->fds[0], &st) == -1) {
		client_end(k);
		return;
	}
	if (!S_ISREG(st.st_mode))
		answer(k, ERR_INVALID, "not a regular file");
	else if (st.st_size > (off_t)BUNDLE_MAX)
		answer(k, ERR_LIMIT, "length: larger than a bundle may be");
	else
		k->import = bundle_import(k->server->b,
		    fd_steal(&f->fds[0]), 0, on_imported, k);
}

static void
on_end(void *arg, const struct err *err)
{
	(void)err;
	client_end(arg);
}

static const struct chan_events client_events = { on_frame, on_end };

static void
client_begin(struct client *k, int fd)
{
	struct core *c = k->server->b->core;

	if (chan_new(c->loop, fd, BUNDLE_FRAME_MAX, &client_events, k,
	    &k->chan, NULL) == 0)
		schedule_in(c->schedule, &k->due, CLIENT_MS);
}

static void
on_connect(void *arg, int events)
{
	struct bundle_server *s = arg;
	int fd, i;

	(void)events;
	for (i = 0; i < CLIENTS_MAX; i++) {
		if (s->clients[i].chan)
			continue;
		fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd == -1)
			return;
		client_begin(&s->clients[i], fd);
	}
	/* Full: the rest wait in the kernel's queue. */
	loop_fd_watch(s->watch, 0);
}

int
bundle_server_new(struct bundles *b, int fd, struct err *err)
{
	struct bundle_server *s = mem_alloc(sizeof(*s));
	int i;

	bundle_server_free(STEAL(b->server));
	s->b = b;
	s->fd = fd;
	for (i = 0; i < CLIENTS_MAX; i++) {
		s->clients[i].server = s;
		due_init(&s->clients[i].due, on_client_due, &s->clients[i]);
		due_init(&s->clients[i].durable_due, on_durable_due,
		    &s->clients[i]);
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    !(s->watch = loop_fd_new(b->core->loop, fd, on_connect, s,
	    err))) {
		close(fd);
		free(s);
		return (err_set(err, ERR_INTERNAL, "socket for bundles"));
	}
	loop_fd_watch(s->watch, LOOP_READ);
	b->server = s;
	return (0);
}

void
bundle_server_free(struct bundle_server *s)
{
	int i;

	if (!s)
		return;
	for (i = 0; i < CLIENTS_MAX; i++)
		if (s->clients[i].chan)
			client_end(&s->clients[i]);
	loop_fd_free(s->watch);
	close(s->fd);
	free(s);
}
