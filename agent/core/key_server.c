/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "core/key_server.h"
#include "core/state.h"
#include "ipc/chan.h"
#include "ipc/keys.h"

#define CLIENTS_MAX 4
#define REQUEST_MS 10000

struct client {
	struct key_server *server;
	struct chan *chan;	/* NULL: free, or gone while it waited */
	int waiting;		/* for its change */
	struct due end_due;	/* who never asks */
};

struct key_server {
	struct core *core;
	int fd;
	struct loop_fd *watch;
	struct client clients[CLIENTS_MAX];
};

static void
client_end(struct client *cl)
{
	schedule_cancel(cl->server->core->schedule, &cl->end_due);
	chan_free(STEAL(cl->chan));
	loop_fd_watch(cl->server->watch, LOOP_READ);
}

static void
on_end_due(void *arg)
{
	client_end(arg);
}

/* --- the answer ------------------------------------------------------ */

static void
list_write(const struct core *c, struct buf *out)
{
	struct json *o = key_table_json(&c->state->table);
	uint8_t pk[NODE_KEY_LEN];

	if (state_node_key(c, pk, NULL) == 0) {
		cleanup_free char *text = node_key_text(pk);
		cleanup_free char *print = node_key_fingerprint(pk);

		json_set_str(o, "publicKey", text);
		json_set_str(o, "fingerprint", print);
	}
	json_print(o, out, 0);
	json_free(o);
}

static void
answer(struct client *cl, const struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(KEYS_FRAME_MAX);
	cleanup_buf struct buf list = BUF_PLAIN(KEYS_FRAME_MAX / 2);

	if (!cl->chan)
		return;
	if (!err)
		list_write(cl->server->core, &list);
	wire_u8(&b, err ? (uint8_t)err->kind : 0);
	wire_str(&b, err ? err_msg(err) : "");
	wire_str(&b, buf_str(&list));
	if (!buf_ok(&b) || chan_send(cl->chan, KEYS_ANSWER, b.data, b.len,
	    NULL, 0, NULL) == -1)
		client_end(cl);
	else
		/* It closes when it has read. */
		schedule_in(cl->server->core->schedule, &cl->end_due,
		    REQUEST_MS);
}

static void
on_done(void *arg, const struct err *err)
{
	struct client *cl = arg;

	cl->waiting = 0;
	answer(cl, err);
}

/* --- the request ----------------------------------------------------- */

static void
ways_free(struct key_way *ways, size_t n)
{
	while (n--) {
		key_source_clear(&ways[n].source);
		mem_cleanup_close(&ways[n].fd);
	}
	free(ways);
}

static int
request_read(struct frame *f, uint32_t *ret_id, struct key_way **ret_ways,
    size_t *ret_n, struct err *err)
{
	struct key_way *ways;
	struct wire w;
	size_t i, n;
	int rc = 0;

	wire_init(&w, f->body.data, f->body.len);
	*ret_id = wire_get_u32(&w);
	n = wire_get_u32(&w);
	if (w.bad || n > KEYS_SOURCES_MAX || n != f->nfds)
		return (err_set(err, ERR_INVALID, "malformed request"));
	ways = mem_array(n, sizeof(*ways));
	for (i = 0; i < n && rc == 0; i++) {
		cleanup_free char *spec = wire_get_str(&w);

		ways[i].fd = fd_steal(&f->fds[i]);
		rc = key_source_parse(spec, &ways[i].source, err);
	}
	if (rc == -1 || wire_done(&w, "request", err) == -1) {
		ways_free(ways, i);
		return (-1);
	}
	*ret_ways = ways;
	*ret_n = n;
	return (0);
}

static int
needed(unsigned type, size_t n)
{
	return (type == KEYS_ADD ? n == 1 : type == KEYS_REMOVE ? n <= 1 :
	    type == KEYS_ROTATE ? n > 0 : n == 0);
}

static void
on_frame(void *arg, struct frame *f)
{
	static const enum key_op ops[] = { [KEYS_ADD] = KEY_ADD,
		[KEYS_REMOVE] = KEY_REMOVE, [KEYS_ROTATE] = KEY_ROTATE,
		[KEYS_EPOCH] = KEY_EPOCH };
	cleanup_err struct err err = ERR_INIT;
	struct client *cl = arg;
	struct core *c = cl->server->core;
	struct key_way *ways = NULL;
	uint32_t id;
	size_t n = 0;

	schedule_cancel(c->schedule, &cl->end_due);
	if (cl->waiting || f->type < KEYS_LIST || f->type > KEYS_EPOCH ||
	    request_read(f, &id, &ways, &n, &err) == -1) {
		client_end(cl);
		return;
	}
	if (!needed(f->type, n)) {
		err_set(&err, ERR_INVALID, "another number of sources than "
		    "the request needs");
		ways_free(ways, n);
		answer(cl, &err);
	} else if (f->type == KEYS_LIST) {
		ways_free(ways, n);
		answer(cl, NULL);
	} else {
		cl->waiting = 1;
		state_key_op(c, ops[f->type], id, ways, n, on_done, cl);
	}
}

/* One that waits for its change keeps its place until that is made. */
static void
on_end(void *arg, const struct err *err)
{
	(void)err;
	client_end(arg);
}

static const struct chan_events events = { on_frame, on_end };

/* --- connections ----------------------------------------------------- */

static struct client *
place(struct key_server *s)
{
	int i;

	for (i = 0; i < CLIENTS_MAX; i++)
		if (!s->clients[i].chan && !s->clients[i].waiting)
			return (&s->clients[i]);
	return (NULL);
}

static void
on_connect(void *arg, int what)
{
	struct key_server *s = arg;
	struct client *cl = place(s);
	int fd;

	(void)what;
	if (!cl) {
		loop_fd_watch(s->watch, 0);
		return;
	}
	fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd == -1 || chan_new(s->core->loop, fd, KEYS_FRAME_MAX, &events,
	    cl, &cl->chan, NULL) == -1)
		return;
	schedule_in(s->core->schedule, &cl->end_due, REQUEST_MS);
}

int
key_server_new(struct core *c, int fd, struct err *err)
{
	struct key_server *s;
	int i;

	key_server_free(c);
	s = mem_alloc(sizeof(*s));
	s->core = c;
	s->fd = fd;
	for (i = 0; i < CLIENTS_MAX; i++) {
		s->clients[i].server = s;
		due_init(&s->clients[i].end_due, on_end_due, &s->clients[i]);
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    !(s->watch = loop_fd_new(c->loop, fd, on_connect, s, err))) {
		close(fd);
		free(s);
		return (err_set(err, ERR_INTERNAL, "key socket"));
	}
	loop_fd_watch(s->watch, LOOP_READ);
	c->key_server = s;
	return (0);
}

void
key_server_free(struct core *c)
{
	struct key_server *s = STEAL(c->key_server);
	int i;

	if (!s)
		return;
	for (i = 0; i < CLIENTS_MAX; i++)
		client_end(&s->clients[i]);
	loop_fd_free(s->watch);
	close(s->fd);
	free(s);
}
