/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mman.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "link/outbox.h"

#define HEAD "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":["
#define TAIL "]}"
#define ROOM (LINK_OBJECTS_MAX - sizeof(HEAD) - sizeof(TAIL))
/* Events that come together are one read job's. */
#define GATHER_MS 10

struct outbox {
	struct chan *core;
	struct loop_timer *timer;
	void (*failed)(void *arg);
	void *arg;
	int broken;
	char *kind, *ns;		/* of the objects that wait */
	struct buf items;		/* without brackets */
	struct buf leases;		/* each with its length before it */
	struct strmap *problems;
};

static void
broken(struct outbox *o, const struct err *err)
{
	if (o->broken)
		return;
	o->broken = 1;
	log_warn("core takes no frames: %s", err_msg(err));
	o->failed(o->arg);
}

static void
send(struct outbox *o, uint16_t type, const void *body, size_t len, int *fds,
    size_t nfds)
{
	cleanup_err struct err err = ERR_INIT;

	if (o->broken) {
		for (size_t i = 0; i < nfds; i++)
			close(fd_steal(&fds[i]));
		return;
	}
	if (chan_send(o->core, type, body, len, fds, nfds, &err) == -1)
		broken(o, &err);
}

/* Nobody can alter it any more, not even we. */
static int
sealed_file(const struct buf *items, int *ret_fd, struct err *err)
{
	cleanup_close int fd = memfd_create("objects",
	    MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return (err_sys(err, "memfd"));
	if (file_write_all(fd, HEAD, sizeof(HEAD) - 1, err) == -1 ||
	    file_write_all(fd, items->data, items->len, err) == -1 ||
	    file_write_all(fd, TAIL, sizeof(TAIL) - 1, err) == -1)
		return (-1);
#ifndef WEAKEN_LINK_SEAL
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK |
	    F_SEAL_GROW | F_SEAL_SEAL) == -1)
		return (err_sys(err, "seal a memfd"));
#endif
	if (lseek(fd, 0, SEEK_SET) == -1)
		return (err_sys(err, "memfd"));
	*ret_fd = fd_steal(&fd);
	return (0);
}

static void
send_leases(struct outbox *o)
{
	const char *p = o->leases.data, *end;
	size_t len;

	if (o->leases.len == 0)
		return;
	for (end = p + o->leases.len; p < end; p += len) {
		memcpy(&len, p, sizeof(len));
		p += sizeof(len);
		send(o, LINK_LEASE, p, len, NULL, 0);
	}
	buf_clear(&o->leases);
}

static void
flush(struct outbox *o)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf body = BUF_PLAIN(LINK_FRAME_MAX);
	int fd = -1;

	loop_timer_stop(o->timer);
	if (o->items.len > 0) {
		struct link_name m = { o->kind, o->ns, NULL };

		link_name_write(&m, &body);
		if (sealed_file(&o->items, &fd, &err) == -1)
			broken(o, &err);
		else
			send(o, LINK_OBJECTS, body.data, body.len, &fd, 1);
		buf_clear(&o->items);
	}
	send_leases(o);
}

static void
on_timer(void *arg)
{
	flush(arg);
}

struct outbox *
outbox_new(struct loop *l, struct chan *c, void (*failed)(void *arg),
    void *arg)
{
	struct outbox *o = mem_alloc(sizeof(*o));

	o->core = c;
	o->timer = loop_timer_new(l, on_timer, o);
	o->failed = failed;
	o->arg = arg;
	o->items = (struct buf)BUF_PLAIN(LINK_OBJECTS_MAX);
	o->leases = (struct buf)BUF_PLAIN(LINK_OBJECTS_MAX);
	o->problems = strmap_new(free);
	return (o);
}

void
outbox_close(struct outbox *o)
{
	if (o != NULL)
		o->broken = 1;
}

void
outbox_free(struct outbox *o)
{
	if (o == NULL)
		return;
	loop_timer_free(o->timer);
	buf_clear(&o->items);
	buf_clear(&o->leases);
	strmap_free(o->problems);
	free(o->kind);
	free(o->ns);
	free(o);
}

void
outbox_object(struct outbox *o, const char *kind, const char *ns,
    const char *text, size_t len)
{
	if (len > ROOM) {
		/* The API server takes no such object: 1.5 MiB are etcd's
		 * limit. */
		log_warn("%s in %s: an object of %zu bytes is left out", kind,
		    ns, len);
		return;
	}
	if (o->items.len > 0 && (!str_eq(o->kind, kind) ||
	    !str_eq(o->ns, ns) || o->items.len + len + 1 > ROOM))
		flush(o);
	if (o->items.len == 0) {
		free(o->kind);
		free(o->ns);
		o->kind = str_dup(kind);
		o->ns = str_dup(ns);
		loop_timer_start(o->timer, GATHER_MS);
	} else
		buf_addc(&o->items, ',');
	buf_add(&o->items, text, len);
}

void
outbox_lease(struct outbox *o, const struct link_lease *m)
{
	cleanup_buf struct buf body = BUF_PLAIN(LINK_FRAME_MAX);

	link_lease_write(m, &body);
	if (o->leases.len + sizeof(body.len) + body.len > o->leases.max)
		flush(o);
	buf_add(&o->leases, &body.len, sizeof(body.len));
	buf_add(&o->leases, body.data, body.len);
	if (!loop_timer_active(o->timer))
		loop_timer_start(o->timer, GATHER_MS);
}

void
outbox_frame(struct outbox *o, uint16_t type, const struct buf *body)
{
	flush(o);
	send(o, type, body->data, body->len, NULL, 0);
}

void
outbox_name(struct outbox *o, uint16_t type, const char *kind,
    const char *ns, const char *name)
{
	cleanup_buf struct buf body = BUF_PLAIN(LINK_FRAME_MAX);

	flush(o);
	wire_str(&body, kind);
	wire_str(&body, ns);
	wire_str(&body, name);
	send(o, type, body.data, body.len, NULL, 0);
}

void
outbox_problem(struct outbox *o, const char *key, const char *text)
{
	cleanup_buf struct buf body = BUF_PLAIN(LINK_FRAME_MAX);
	cleanup_free char *a = str_dup(key), *b = str_dup(str_or(text, ""));
	struct link_words m = { .a = a, .b = b };

	if (str_eq(strmap_get(o->problems, key), text))
		return;
	if (text == NULL)
		strmap_del(o->problems, key);
	else {
		strmap_put(o->problems, key, str_dup(text));
		log_warn("%s", text);
	}
	link_words_write(&m, &body);
	outbox_frame(o, LINK_PROBLEM, &body);
}
