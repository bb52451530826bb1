/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/frame.h"
#include "seal/key_table.h"

#include "cli/keys.h"

/* The agent's socket; -1 with NOTFOUND when no agent is there. */
static int
agent_connect(const char *run, struct err *err)
{
	cleanup_close int fd = -1;
	cleanup_free char *path = str_fmt("%s/key.sock", run);
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(un.sun_path))
		return (err_set(err, ERR_INVALID, "--run: %s: longer than a "
		    "socket's path may be", run));
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return (err_sys(err, "socket"));
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == -1) {
		err_sys(err, "%s", path);
		if (errno == ECONNREFUSED)
			err->kind = ERR_NOTFOUND;
		return (-1);
	}
	return (fd_steal(&fd));
}

static int
answer_read(struct frame *f, struct json **ret, struct err *err)
{
	cleanup_free char *message = NULL;
	cleanup_free char *list = NULL;
	struct wire w;
	unsigned kind;

	wire_init(&w, f->body.data, f->body.len);
	kind = wire_get_u8(&w);
	message = wire_get_str(&w);
	list = wire_get_str(&w);
	if (f->type != KEYS_ANSWER || kind >= ERR_KINDS)
		w.bad = 1;
	if (wire_done(&w, "the agent's answer", err) == -1)
		return (-1);
	if (kind != ERR_NONE)
		return (err_set(err, (enum err_kind)kind, "%s", message));
	*ret = json_parse(list, strlen(list), err);
	return (*ret ? 0 : -1);
}

/* One request to the agent. */
static int
ask(const struct keys_ask *q, enum keys_frame what,
    struct keys_ways *ways, struct json **ret, struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(KEYS_FRAME_MAX);
	cleanup_close int fd = agent_connect(q->run, err);
	cleanup_frame struct frame f;
	int fds[KEYS_SOURCES_MAX], rc;
	size_t i, n = ways ? ways->n : 0;

	frame_init(&f, KEYS_FRAME_MAX);
	if (fd == -1)
		return (-1);
	wire_u32(&b, q->id);
	wire_u32(&b, (uint32_t)n);
	for (i = 0; i < n; i++) {
		cleanup_free char *spec = str_fmt("%s:%s", slot_type_name(
		    ways->v[i].source.type), ways->v[i].source.arg);

		wire_str(&b, spec);
		fds[i] = ways->v[i].fd;
	}
	if (buf_finish(&b, "request", err) == -1 || frame_send(fd, what,
	    b.data, b.len, fds, n, KEYS_ANSWER_MS, err) == -1)
		return (-1);
	/* They are the agent's now: a TPM that serves one at a time is free as
	 * soon as that one lets go. */
	if (ways)
		keys_ways_clear(ways);
	rc = frame_recv(fd, &f, KEYS_ANSWER_MS, err);
	if (rc == 0)
		return (err_set(err, ERR_TRANSIENT, "the agent has ended: "
		    "nodeseal key list says how far it came"));
	return (rc == -1 ? -1 : answer_read(&f, ret, err));
}

static int
agent_do(const struct keys_ask *q, const struct json *list,
    struct json **ret, struct err *err)
{
	struct keys_ways ways = { .n = 0 };
	int rc = keys_ways_for(&ways, q, list, geteuid(), err);

	if (rc == 0 && ways.n > KEYS_SOURCES_MAX)
		rc = err_set(err, ERR_LIMIT, "more than %d key slots",
		    KEYS_SOURCES_MAX);
	if (rc == 0)
		rc = ask(q, q->what, &ways, ret, err);
	keys_ways_clear(&ways);
	return (rc);
}

int
keys_do(const struct keys_ask *q, struct json **ret, int *ret_agent,
    struct err *err)
{
	cleanup_err struct err why = ERR_INIT;
	struct json *list = NULL;
	int rc;

	*ret_agent = 1;
	if (ask(q, KEYS_LIST, NULL, &list, &why) == -1) {
		if (why.kind != ERR_NOTFOUND)
			return (err_move(err, &why));
		*ret_agent = 0;
		return (keys_state_do(q, ret, err));
	}
	if (q->what == KEYS_LIST) {
		*ret = list;
		return (0);
	}
	rc = agent_do(q, list, ret, err);
	json_free(list);
	return (rc);
}
