/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "ipc/job.h"
#include "ipc/keeper.h"
#include "model/payload.h"
#include "seal/stream.h"

/*
 * Speaks to `nodeseal-job zygote` as core does: for tests of the jobs that meet
 * the API server.
 *
 * usage: job_client [--job PROGRAM] [--account DIR] [--kubeconfig FILE] WHAT
 *
 * A request is one JSON object on standard input, answers are JSON lines:
 *
 *	resolve	{"server","wants":[{kind,namespace,name,audiences,pod,podUID,
 *		node,nodeUID}]}: one line each, with the opened body
 *	apply	{"server","items":[{op,namespace,name,uid,target,lastVersion,
 *		payload:{type,immutable,labels,annotations,data}}]}; data's
 *		values are text
 *	fetch	{"server","wants":[…],"bodies":[…],"items":[{namespace,name}]}:
 *		a resolve job's answers go unread to the fetch job
 *	fds	no request: the descriptors of a waiting child of each kind
 *
 * The last line says how the job ended: {"status": as waitpid gives it}.
 */
#define TIMEOUT_MS 120000
#define INPUT_MAX (64u << 20)

static pid_t zygote;
static int zygote_fd = -1;

static void __attribute__((noreturn))
die(const char *what, const struct err *err)
{
	fprintf(stderr, "job_client: %s: %s\n", what, err_msg(err));
	exit(2);
}

/* --- the zygote ----------------------------------------------------------- */

static void
give(const char *path, int flags, int as)
{
	int fd = path != NULL ? open(path, flags | O_CLOEXEC) : -1;

	if (path != NULL && (fd == -1 || dup2(fd, as) == -1)) {
		perror(path);
		exit(2);
	}
}

static void
start(const char *program, const char *account, const char *kubeconfig)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1 ||
	    (zygote = fork()) == -1)
		exit(2);
	if (zygote == 0) {
		close(pair[1]);
		dup2(pair[0], KEEPER_CHILD_FD);
		give(account, O_RDONLY | O_DIRECTORY, KEEPER_ACCOUNT_FD);
		give(kubeconfig, O_RDONLY, KEEPER_KUBECONFIG_FD);
		execl(program, program, "zygote", "--fd", "3",
		    (char *)NULL);
		perror(program);
		_exit(2);
	}
	close(pair[0]);
	zygote_fd = pair[1];
}

static int
child(enum job_kind kind, uint64_t id)
{
	cleanup_err struct err err = ERR_INIT;
	struct job_fork m = { kind, id, TIMEOUT_MS };
	cleanup_buf struct buf out = BUF_PLAIN(4096);
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		exit(2);
	job_fork_write(&m, &out);
	if (frame_send(zygote_fd, ZYGOTE_FORK, out.data, out.len, &pair[0],
	    1, 5000, &err) == -1)
		die("fork", &err);
	close(pair[0]);
	return (pair[1]);
}

static void
report_end(void)
{
	cleanup_err struct err err = ERR_INIT;
	struct job_exit m;
	struct frame f;

	frame_init(&f, 4096);
	if (frame_recv(zygote_fd, &f, TIMEOUT_MS, &err) != 1 ||
	    job_exit_read(&m, &f, &err) == -1)
		die("the zygote", &err);
	frame_clear(&f);
	printf("{\"status\":%u}\n", m.status);
}

static void
stop(void)
{
	close(zygote_fd);
	waitpid(zygote, NULL, 0);
}

/* --- requests ------------------------------------------------------------- */

static char *
text(const struct json *obj, const char *key)
{
	return (str_dup(str_or(json_str(json_get(obj, key)), "")));
}

static struct json *
read_request(void)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf in = BUF_PLAIN(INPUT_MAX);
	struct json *j;

	if (file_read("-", &in, &err) == -1 ||
	    (j = json_parse(buf_str(&in), in.len, &err)) == NULL)
		die("request", &err);
	return (j);
}

static void
send_resolve(int fd, const struct json *req, const uint8_t *key)
{
	const struct json *list = json_get(req, "wants"), *j, *a;
	struct job_resolve m = { .server = text(req, "server") };
	cleanup_buf struct buf out = BUF_PLAIN(JOB_FRAME_MAX);
	cleanup_err struct err err = ERR_INIT;

	memcpy(m.fetch_key, key, JOB_KEY_LEN);
	m.wants = mem_array(json_len(list), sizeof(*m.wants));
	for (j = json_first(list); j != NULL; j = json_next(j)) {
		struct job_want *v = &m.wants[m.nwants++];
		const struct json *aud = json_get(j, "audiences");

		*v = (struct job_want){ .kind = text(j, "kind"),
			.ns = text(j, "namespace"), .name = text(j, "name"),
			.pod = text(j, "pod"), .pod_uid = text(j, "podUID"),
			.node = text(j, "node"),
			.node_uid = text(j, "nodeUID") };
		v->audiences = mem_array(json_len(aud),
		    sizeof(*v->audiences));
		for (a = json_first(aud); a != NULL; a = json_next(a))
			v->audiences[v->naudiences++] = str_dup(json_str(a));
	}
	job_resolve_write(&m, &out);
	job_resolve_clear(&m);
	if (frame_send(fd, JOB_RESOLVE, out.data, out.len, NULL, 0, 5000,
	    &err) == -1)
		die("JOB_RESOLVE", &err);
}

static struct payload_entry *
entries(const struct json *obj, size_t *ret_n)
{
	struct payload_entry *v = mem_array(json_len(obj), sizeof(*v));
	const struct json *j;

	for (j = json_first(obj); j != NULL; j = json_next(j)) {
		struct payload_entry *e = &v[(*ret_n)++];

		e->key = json_key(j);
		e->keylen = (uint32_t)strlen(e->key);
		e->value = (const uint8_t *)json_str(j);
		e->len = (uint32_t)strlen(json_str(j));
	}
	return (v);
}

static void
payload_of(const struct json *j, struct buf *out)
{
	cleanup_err struct err err = ERR_INIT;
	struct payload p = { .immutable = json_bool(json_get(j, "immutable"),
	    0), .type = str_or(json_str(json_get(j, "type")), "Opaque") };

	p.typelen = (uint32_t)strlen(p.type);
	p.labels = entries(json_get(j, "labels"), &p.nlabels);
	p.annotations = entries(json_get(j, "annotations"), &p.nannotations);
	p.data = entries(json_get(j, "data"), &p.ndata);
	if (payload_write(&p, out, &err) == -1)
		die("payload", &err);
	payload_clear(&p);
}

static enum job_apply_op
op_of(const char *name)
{
	static const char *const names[] = { "", "Owner", "Orphan", "Merge",
		"CreateOrMerge", "Delete" };

	for (size_t i = 1; i < ARRAY_LEN(names); i++)
		if (str_eq(names[i], name))
			return ((enum job_apply_op)i);
	fprintf(stderr, "job_client: no such op\n");
	exit(2);
}

static void
send_apply(int fd, const struct json *req, const uint8_t *key)
{
	const struct json *list = json_get(req, "items"), *j;
	size_t n = json_len(list);
	struct job_apply m = { .server = text(req, "server") };
	struct buf *payloads = mem_array(n, sizeof(*payloads));
	cleanup_buf struct buf out = BUF_SECRET(JOB_FRAME_MAX);
	cleanup_buf struct buf box = BUF_PLAIN(JOB_FRAME_MAX);
	cleanup_err struct err err = ERR_INIT;

	m.items = mem_array(n, sizeof(*m.items));
	for (j = json_first(list); j != NULL; j = json_next(j)) {
		struct buf *p = &payloads[m.nitems];

		*p = (struct buf)BUF_SECRET(PAYLOAD_MAX);
		payload_of(json_get(j, "payload"), p);
		m.items[m.nitems++] = (struct job_apply_item){
			.op = op_of(json_str(json_get(j, "op"))),
			.ns = text(j, "namespace"), .name = text(j, "name"),
			.uid = text(j, "uid"), .target = text(j, "target"),
			.last_version = text(j, "lastVersion"),
			.payload = (const uint8_t *)p->data,
			.payload_len = p->len };
	}
	job_apply_write(&m, &out);
	if (box_seal(key, out.data, out.len, &box, &err) == -1 ||
	    frame_send(fd, JOB_APPLY, box.data, box.len, NULL, 0, 5000,
	    &err) == -1)
		die("JOB_APPLY", &err);
	for (size_t i = 0; i < n; i++)
		buf_clear(&payloads[i]);
	free(payloads);
	job_apply_clear(&m);
}

/* The objects' texts have to live until the frame is written. */
static void
send_fetch(int fd, const struct json *req, const uint8_t *key,
    const uint8_t *core_key)
{
	const struct json *bodies = json_get(req, "bodies"), *j;
	const struct json *items = json_get(req, "items");
	char empty[] = "", class[] = "nodeseal";
	struct job_fetch m = { .class_name = class, .delim_left = empty,
		.delim_right = empty, .timeout_ms = 10000,
		.flags = JOB_CLAIM_UNCLASSED | JOB_TARGETS_UNKNOWN };
	struct buf *texts = mem_array(json_len(bodies), sizeof(*texts));
	cleanup_buf struct buf out = BUF_SECRET(JOB_FRAME_MAX);
	cleanup_buf struct buf box = BUF_PLAIN(JOB_FRAME_MAX);
	cleanup_err struct err err = ERR_INIT;

	memcpy(m.core_key, core_key, JOB_KEY_LEN);
	m.bodies = mem_array(json_len(bodies), sizeof(*m.bodies));
	m.items = mem_array(json_len(items), sizeof(*m.items));
	for (j = json_first(bodies); j != NULL; j = json_next(j)) {
		struct buf *b = &texts[m.nbodies];

		*b = (struct buf)BUF_SECRET(JOB_ITEM_MAX);
		json_print(j, b, 0);
		m.bodies[m.nbodies++] = (struct job_body){
			(const uint8_t *)b->data, b->len };
	}
	for (j = json_first(items); j != NULL; j = json_next(j))
		m.items[m.nitems++] = (struct job_name){
			text(j, "namespace"), text(j, "name") };
	job_fetch_write(&m, &out);
	if (box_seal(key, out.data, out.len, &box, &err) == -1 ||
	    frame_send(fd, JOB_FETCH, box.data, box.len, NULL, 0, 5000,
	    &err) == -1)
		die("JOB_FETCH", &err);
	for (size_t i = 0; i < m.nbodies; i++)
		buf_clear(&texts[i]);
	free(texts);
	m.class_name = m.delim_left = m.delim_right = NULL;
	job_fetch_clear(&m);
}

/* --- answers -------------------------------------------------------------- */

static void
print(struct json *line)
{
	cleanup_buf struct buf out = BUF_SECRET(INPUT_MAX);

	json_print(line, &out, 0);
	puts(buf_str(&out));
	json_free(line);
}

static struct json *
opened(struct stream *s, const uint8_t *data, size_t len, uint8_t **ret)
{
	cleanup_err struct err err = ERR_INIT;

	*ret = mem_alloc(len);
	if (len < STREAM_OVERHEAD ||
	    stream_open(s, data, len, *ret, &err) == -1)
		die("stream", &err);
	return (json_parse((const char *)*ret, len - STREAM_OVERHEAD, NULL));
}

static void
print_resolved(struct stream *s, const struct frame *f)
{
	struct json *line = json_new_object();
	cleanup_err struct err err = ERR_INIT;
	struct job_resolved m;
	uint8_t *plain = NULL;

	if (job_resolved_read(&m, f, &err) == -1)
		die("JOB_RESOLVED", &err);
	json_set_num(line, "index", m.index);
	json_set_str(line, "object", m.object);
	json_set_str(line, "kind", err_reaction((enum err_kind)
	    m.err_kind)->name);
	json_set_num(line, "httpStatus", m.http_status);
	json_set_str(line, "error", m.error);
	json_set_str(line, "version", m.version);
	if (m.body != NULL)
		json_set(line, "body", opened(s, m.body, m.body_len, &plain));
	free(plain);
	job_resolved_clear(&m);
	print(line);
}

static void
print_applied(const struct frame *f)
{
	static const char *const names[] = { "", "created", "updated",
		"unchanged", "deleted", "missing", "failed" };
	struct json *line = json_new_object();
	cleanup_err struct err err = ERR_INIT;
	struct job_applied m;

	if (job_applied_read(&m, f, &err) == -1)
		die("JOB_APPLIED", &err);
	json_set_num(line, "index", m.index);
	json_set_str(line, "outcome", names[m.outcome]);
	json_set_str(line, "kind", err_reaction((enum err_kind)
	    m.err_kind)->name);
	json_set_num(line, "httpStatus", m.http_status);
	json_set_num(line, "retryAfterMs", m.retry_after_ms);
	json_set_str(line, "reason", m.reason);
	json_set_str(line, "message", m.message);
	json_set_str(line, "event", m.event_text);
	json_set_str(line, "error", m.error);
	json_set_str(line, "version", m.version);
	json_set_str(line, "uid", m.uid);
	json_set_str(line, "hash", m.hash);
	job_applied_clear(&m);
	print(line);
}

static struct json *
data_of(const uint8_t *block, size_t len)
{
	struct json *all = json_new_object();
	cleanup_err struct err err = ERR_INIT;
	struct payload p;

	if (payload_read(&p, block, len, &err) == -1)
		die("payload", &err);
	for (size_t i = 0; i < p.ndata; i++) {
		cleanup_free char *key = str_ndup(p.data[i].key,
		    p.data[i].keylen);

		json_set(all, key, json_new_strn(
		    (const char *)p.data[i].value, p.data[i].len));
	}
	payload_clear(&p);
	return (all);
}

static void
print_item(struct stream *s, const struct frame *f)
{
	struct json *line = json_new_object();
	cleanup_err struct err err = ERR_INIT;
	struct job_item m;
	uint8_t *plain;

	if (job_item_read(&m, f, &err) == -1)
		die("JOB_ITEM", &err);
	json_set_num(line, "index", m.index);
	json_set_num(line, "outcome", m.outcome);
	json_set_str(line, "kind", err_reaction((enum err_kind)
	    m.err_kind)->name);
	json_set_str(line, "reason", m.reason);
	json_set_str(line, "message", m.message);
	json_set_str(line, "event", m.event_text);
	json_set_str(line, "error", m.error);
	if (m.payload != NULL) {
		json_free(opened(s, m.payload, m.payload_len, &plain));
		json_set(line, "data", data_of(plain, m.payload_len -
		    STREAM_OVERHEAD));
		free(plain);
	}
	job_item_clear(&m);
	print(line);
}

/* --- conversations -------------------------------------------------------- */

static void
hello(int fd, uint8_t key[static JOB_KEY_LEN])
{
	cleanup_err struct err err = ERR_INIT;
	struct frame f;

	frame_init(&f, JOB_FRAME_MAX);
	if (frame_recv(fd, &f, TIMEOUT_MS, &err) != 1 ||
	    f.type != JOB_HELLO || f.body.len != JOB_KEY_LEN)
		die("JOB_HELLO", &err);
	memcpy(key, f.body.data, JOB_KEY_LEN);
	frame_clear(&f);
}

struct keys {
	uint8_t pk[BOX_KEY_LEN], sk[BOX_KEY_LEN];
	struct stream stream;
};

static void
one_answer(struct keys *k, const struct frame *f)
{
	cleanup_err struct err err = ERR_INIT;

	switch (f->type) {
	case JOB_KEY:
		if (stream_accept(&k->stream, k->pk, k->sk, f->body.data,
		    f->body.len, &err) == -1)
			die("JOB_KEY", &err);
		break;
	case JOB_RESOLVED:
		print_resolved(&k->stream, f);
		break;
	case JOB_APPLIED:
		print_applied(f);
		break;
	case JOB_ITEM:
		print_item(&k->stream, f);
		break;
	default:
		break;
	}
}

/* Until JOB_DONE or the end. */
static void
answers(int fd, struct keys *k)
{
	cleanup_err struct err err = ERR_INIT;
	struct frame f;
	int rc, over = 0;

	frame_init(&f, JOB_FRAME_MAX);
	while (!over && (rc = frame_recv(fd, &f, TIMEOUT_MS, &err)) == 1) {
		over = f.type == JOB_DONE;
		one_answer(k, &f);
	}
	if (!over)
		puts("{\"cut\":true}");
	frame_clear(&f);
	close(fd);
	report_end();
}

/* A resolve job's frames, unread, to the fetch job. */
static void
forward(int from, int to)
{
	cleanup_err struct err err = ERR_INIT;
	struct frame f;
	int over = 0;

	frame_init(&f, JOB_FRAME_MAX);
	while (!over && frame_recv(from, &f, TIMEOUT_MS, &err) == 1) {
		over = f.type == JOB_DONE;
		if (!over && frame_send(to, f.type, f.body.data, f.body.len,
		    NULL, 0, 5000, &err) == -1)
			die("forward", &err);
	}
	if (!over)
		die("resolve", &err);
	frame_clear(&f);
	close(from);
	report_end();
}

static void
run_fetch(const struct json *req, struct keys *k)
{
	int fetch = child(JOB_KIND_FETCH, 1), resolve;
	uint8_t key[JOB_KEY_LEN];

	hello(fetch, key);
	if (json_len(json_get(req, "wants")) > 0) {
		resolve = child(JOB_KIND_RESOLVE, 2);
		send_resolve(resolve, req, key);
		forward(resolve, fetch);
	}
	send_fetch(fetch, req, key, k->pk);
	answers(fetch, k);
}

/* --- descriptors ---------------------------------------------------------- */

static pid_t
child_of(pid_t parent)
{
	cleanup_free char *path = str_fmt("/proc/%d/task/%d/children",
	    (int)parent, (int)parent);
	cleanup_buf struct buf out = BUF_PLAIN(4096);

	if (file_read(path, &out, NULL) == -1)
		return (0);
	return ((pid_t)atol(buf_str(&out)));
}

static void
list_fds(enum job_kind kind, const char *name)
{
	struct json *line = json_new_object(), *list = json_new_array();
	int fd = child(kind, 9);
	cleanup_free char *dir = NULL;
	struct dirent *e;
	pid_t pid;
	DIR *d;

	usleep(300000);		/* it waits for its request by then */
	pid = child_of(zygote);
	dir = str_fmt("/proc/%d/fd", (int)pid);
	d = opendir(dir);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			json_push(list, json_new_num(atof(e->d_name)));
	if (d != NULL)
		closedir(d);
	json_set_str(line, "job", name);
	json_set(line, "fds", list);
	print(line);
	close(fd);
	report_end();
}

int
main(int argc, char **argv)
{
	const char *job = "build/nodeseal-job", *account = NULL;
	const char *kubeconfig = NULL, *what;
	cleanup_err struct err err = ERR_INIT;
	struct keys k;
	struct json *req = NULL;
	int i, fd;

	for (i = 1; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		if (strcmp(argv[i], "--job") == 0)
			job = argv[i + 1];
		else if (strcmp(argv[i], "--account") == 0)
			account = argv[i + 1];
		else if (strcmp(argv[i], "--kubeconfig") == 0)
			kubeconfig = argv[i + 1];
	}
	what = i < argc ? argv[i] : "";
	if (seal_init(&err) == -1)
		die("sodium", &err);
	signal(SIGPIPE, SIG_IGN);
	box_keypair(k.pk, k.sk);
	start(job, account, kubeconfig);
	if (strcmp(what, "fds") == 0) {
		list_fds(JOB_KIND_READ, "read");
		list_fds(JOB_KIND_FETCH, "fetch");
		list_fds(JOB_KIND_RESOLVE, "resolve");
		list_fds(JOB_KIND_APPLY, "apply");
	} else if (strcmp(what, "resolve") == 0) {
		req = read_request();
		fd = child(JOB_KIND_RESOLVE, 1);
		send_resolve(fd, req, k.pk);
		answers(fd, &k);
	} else if (strcmp(what, "apply") == 0) {
		uint8_t key[JOB_KEY_LEN];

		req = read_request();
		fd = child(JOB_KIND_APPLY, 1);
		hello(fd, key);
		send_apply(fd, req, key);
		answers(fd, &k);
	} else if (strcmp(what, "fetch") == 0) {
		req = read_request();
		run_fetch(req, &k);
	} else {
		fprintf(stderr, "job_client: what? see its first lines\n");
		return (2);
	}
	json_free(req);
	stop();
	return (0);
}
