/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"
#include "base/program.h"
#include "base/secret.h"
#include "cli/bundle.h"
#include "ipc/job.h"
#include "seal/record.h"
#include "seal/stream.h"

/* nodeseal-job meets what a provider sends; here arrive objects' heads and
 * sealed payloads. */
#define JOB_FD 3
#define WAIT_MS (10 * 60 * 1000)	/* for the next frame */

struct name {
	char *ns, *name;
};

struct receiver {
	struct bundle_render *r;
	struct stream *stream;	/* in the room's beginning */
	uint8_t *room;		/* behind it */
	size_t size;
	int begun, done;
	struct name *names;	/* of the ExternalSecrets, as they came */
	size_t n, failed;
};

static void
receiver_clear(struct receiver *v)
{
	while (v->n--) {
		free(v->names[v->n].ns);
		free(v->names[v->n].name);
	}
	free(v->names);
	stream_end(v->stream);
}

/* --- frames ------------------------------------------------------------- */

static int
on_key(struct receiver *v, const struct frame *f, struct err *err)
{
	if (v->begun)
		return (err_set(err, ERR_INTERNAL, "a second key"));
	v->begun = 1;
	return (stream_accept(v->stream, v->r->pk, v->r->sk, f->body.data,
	    f->body.len, err));
}

static int
on_object(struct receiver *v, const struct frame *f, struct err *err)
{
	struct bundle_message m = { .type = BUNDLE_OBJECT };
	struct job_object o;
	int rc;

	if (job_object_read(&o, f, err) == -1)
		return (-1);
	m.kind = o.kind;
	m.ns = o.ns;
	m.name = o.name;
	m.head = o.head;
	rc = bundle_add(v->r->w, &m, err);
	if (rc == 0 && str_eq(o.kind, "ExternalSecret")) {
		v->names = mem_grow(v->names, v->n + 1, sizeof(*v->names));
		v->names[v->n++] = (struct name){ STEAL(o.ns),
			STEAL(o.name) };
	}
	v->r->nobjects++;
	job_object_clear(&o);
	return (rc);
}

/* The same content as the bundle before had is not sent again. */
static int
value_add(struct receiver *v, const struct name *who, size_t len,
    struct err *err)
{
	cleanup_free char *key = str_fmt("%s/%s", who->ns, who->name);
	cleanup_buf struct buf hex = BUF_PLAIN(256);
	struct bundle_message m = { .type = BUNDLE_VALUE, .ns = who->ns,
		.name = who->name, .data = v->room, .len = len,
		.fetched_at = clock_system()->wall_ms(clock_system()) };
	struct bundle_render *r = v->r;
	uint8_t hash[RECORD_HASH_LEN];

	record_hash(r->hash_key, v->room, len, hash);
	codec_hex_encode(&hex, hash, sizeof(hash));
	strmap_put(r->index->values, key, str_dup(buf_str(&hex)));
	if (r->since && str_eq(strmap_get(r->since->values, key),
	    buf_str(&hex))) {
		m.type = BUNDLE_KEEP;
		r->nkept++;
	} else
		r->nvalues++;
	return (bundle_add(r->w, &m, err));
}

static int
payload_take(struct receiver *v, const struct job_item *item,
    struct err *err)
{
	size_t len = item->payload_len < STREAM_OVERHEAD ? 0 :
	    item->payload_len - STREAM_OVERHEAD;
	int rc;

	if (!v->begun || len > v->size)
		return (err_set(err, ERR_LIMIT, "a value of %zu bytes", len));
	rc = stream_open(v->stream, item->payload, item->payload_len, v->room,
	    err);
	if (rc == 0)
		rc = value_add(v, &v->names[item->index], len, err);
	secret_wipe(v->room, len);
	return (rc);
}

static int
on_item(struct receiver *v, const struct frame *f, struct err *err)
{
	struct job_item item;
	int rc = 0;

	if (job_item_read(&item, f, err) == -1)
		return (-1);
	if (item.index >= v->n)
		rc = err_set(err, ERR_INTERNAL, "an answer that was not "
		    "asked for");
	else if (item.outcome == JOB_SKIPPED)
		rc = err_set(err, ERR_INVALID, "%s/%s: its store's "
		    "spec.controller is another class: name it with --class",
		    v->names[item.index].ns, v->names[item.index].name);
	else if (item.outcome == JOB_FAILED || item.outcome == JOB_REJECTED)
		v->failed++;
	else if (item.payload)
		rc = payload_take(v, &item, err);
	job_item_clear(&item);
	return (rc);
}

static int
on_frame(struct receiver *v, const struct frame *f, struct err *err)
{
	switch (f->type) {
	case JOB_KEY:
		return (on_key(v, f, err));
	case JOB_OBJECT:
		return (on_object(v, f, err));
	case JOB_ITEM:
		return (on_item(v, f, err));
	case JOB_DONE:
		v->done = 1;
		return (0);
	default:
		return (err_set(err, ERR_INTERNAL, "nodeseal-job sent frame "
		    "%u", f->type));
	}
}

static int
receive(struct receiver *v, int fd, struct err *err)
{
	struct frame f;
	int rc;

	frame_init(&f, JOB_FRAME_MAX);
	do {
		rc = frame_recv(fd, &f, WAIT_MS, err);
		if (rc == 1)
			rc = on_frame(v, &f, err) == -1 ? -1 : 1;
	} while (rc == 1 && !v->done);
	frame_clear(&f);
	return (rc == -1 ? -1 : 0);
}

/* --- the job ------------------------------------------------------------ */

static void __attribute__((noreturn))
exec_job(char **argv, int fd)
{
	if (fd == JOB_FD)
		fcntl(fd, F_SETFD, 0);
	else
		dup2(fd, JOB_FD);
	execv(argv[0], argv);
	_exit(127);
}

static int
spawn(const uint8_t *pk, char *const *words, size_t n, int *ret_fd,
    pid_t *ret_pid, struct err *err)
{
	static char bundle[] = "bundle", fd_word[] = "--fd", three[] = "3",
	    key_word[] = "--key";
	cleanup_free char *path = program_path("nodeseal-job", err);
	cleanup_buf struct buf key = BUF_PLAIN(128);
	cleanup_free char **argv = mem_array(n + 7, sizeof(*argv));
	int pair[2];

	if (!path)
		return (-1);
	codec_hex_encode(&key, pk, BOX_KEY_LEN);
	argv[0] = path;
	argv[1] = bundle;
	argv[2] = fd_word;
	argv[3] = three;
	argv[4] = key_word;
	argv[5] = key.data;
	memcpy(argv + 6, words, n * sizeof(*words));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return (err_sys(err, "socketpair"));
	*ret_pid = fork();
	if (*ret_pid == 0)
		exec_job(argv, pair[1]);
	close(pair[1]);
	*ret_fd = pair[0];
	return (*ret_pid == -1 ? err_sys(err, "fork") : 0);
}

/* Its words and its manifests it has judged itself, on standard error. */
static int
ended(pid_t pid, const struct receiver *v, struct err *err)
{
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return (err_sys(err, "nodeseal-job"));
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 127)
		return (err_set(err, ERR_INTERNAL, "nodeseal-job died"));
	if (WEXITSTATUS(status) != 0 || !v->done)
		return (err_set(err, ERR_INVALID, "nothing was written: see "
		    "above"));
	if (v->failed)
		return (err_set(err, ERR_INVALID, "%zu of %zu ExternalSecrets "
		    "failed, nothing was written: see above", v->failed,
		    v->n));
	return (0);
}

int
bundle_render_run(struct bundle_render *r, char *const *words, size_t n,
    struct err *err)
{
	struct receiver v = { .r = r, .stream = (void *)r->room };
	cleanup_err struct err why = ERR_INIT;
	cleanup_close int fd = -1;
	pid_t pid;
	int rc;

	v.room = r->room + sizeof(struct stream);
	v.size = BUNDLE_MESSAGE_MAX - sizeof(struct stream);
	if (spawn(r->pk, words, n, &fd, &pid, err) == -1)
		return (-1);
	rc = receive(&v, fd, &why);
	close(fd_steal(&fd));
	if (rc == -1) {
		waitpid(pid, NULL, 0);
		err_move(err, &why);
	} else
		rc = ended(pid, &v, err);
	receiver_clear(&v);
	return (rc);
}
