/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/queue.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "base/mem.h"
#include "net/http_async.h"
#include "net/http_curl.h"
#include "net/http_internal.h"

#define CONNECT_TIMEOUT_MS 10000u
#define TIMEOUT_MS 30000u
#define BODY_MAX (4u << 20)
#define STATUS_MIN 100L
#define STATUS_MAX 999L
/* HTTP/2 carries a server's limit of streams (Kubernetes: 100 to 250) on each;
 * a peer that speaks HTTP/1.1 wants one for every watch. */
#define CONNECTIONS_MAX 256L
#define READ_BUFFER 16384L
/* A peer that is gone without a word, under a watch that may be silent. */
#define KEEPALIVE_IDLE_S 30L
#define KEEPALIVE_EVERY_S 10L

/* What the calls that were started with it may still connect by. */
struct trust {
	struct http_peer peer;
	char *base, *connect_to;
	unsigned users;
};

TAILQ_HEAD(call_list, http_call);

struct http_async {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer *timer;
	struct trust *trust;
	uint32_t connect_timeout_ms, timeout_ms;
	struct call_list calls;
	struct call_list late;		/* to be added or taken out */
	/* The one that has no connection yet.  libcurl (7.88) opens a new one
	 * for each request that comes while the next one's is on its way, so
	 * they come one after another; on an open connection that takes no
	 * time. */
	struct http_call *opening;
	int inside;			/* curl is calling us */
	int turning, freed;		/* freed in a callback: at its end */
};

struct http_call {
	TAILQ_ENTRY(http_call) next;
	struct http_async *a;
	struct trust *trust;
	CURL *curl;
	struct curl_slist *headers;
	char *body;
	const struct http_async_handlers *h;
	void *arg;
	struct http_head head;
	struct buf in;			/* the body, or a line's beginning */
	struct loop_timer *head_timer;
	int head_late, too_large, head_too_large;
	int started, late, cancelled;
	char detail[CURL_ERROR_SIZE];
};

struct sock {
	struct http_async *a;
	struct loop_fd *fd;
	curl_socket_t number;
};

static void
turn(struct http_async *a, curl_socket_t s, int events);

/* --- curl and the loop ---------------------------------------------------- */

static void
on_socket_ready(void *arg, int events)
{
	const struct sock *s = arg;
	int set = 0;

	if (events & LOOP_READ)
		set |= CURL_CSELECT_IN;
	if (events & LOOP_WRITE)
		set |= CURL_CSELECT_OUT;
	turn(s->a, s->number, set);
}

static void
on_timer(void *arg)
{
	turn(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int
on_curl_timer(CURLM *multi, long ms, void *arg)
{
	struct http_async *a = arg;

	(void)multi;
	if (ms < 0)
		loop_timer_stop(a->timer);
	else
		loop_timer_start(a->timer, (uint64_t)ms);
	return (0);
}

static void
sock_watch(struct sock *s, int what)
{
	int set = 0;

	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		set |= LOOP_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		set |= LOOP_WRITE;
	loop_fd_watch(s->fd, set);
}

static int
on_curl_socket(CURL *curl, curl_socket_t number, int what, void *arg,
    void *sock_arg)
{
	struct http_async *a = arg;
	struct sock *s = sock_arg;

	(void)curl;
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL)
			loop_fd_free(s->fd);
		free(s);
		return (0);
	}
	if (s == NULL) {
		s = mem_alloc(sizeof(*s));
		s->a = a;
		s->number = number;
		s->fd = loop_fd_new(a->loop, number, on_socket_ready, s, NULL);
		if (s->fd == NULL) {
			free(s);
			return (-1);
		}
		curl_multi_assign(a->multi, number, s);
	}
	sock_watch(s, what);
	return (0);
}

/* --- what comes in -------------------------------------------------------- */

static long
status_of(const struct http_call *c)
{
	long status = 0;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	return (status);
}

static void
keep(struct http_call *c, const char *p, size_t n)
{
	buf_add(&c->in, p, n);
	if (!buf_ok(&c->in))
		c->too_large = 1;
}

/* Whole lines go up; what is left waits for its end. */
static void
each_line(struct http_call *c, const char *p, size_t n)
{
	const char *end;

	while (!c->cancelled && !c->too_large &&
	    (end = memchr(p, '\n', n)) != NULL) {
		size_t len = (size_t)(end - p);

		if (c->in.len > 0) {
			keep(c, p, len);
			if (!c->too_large)
				c->h->line(c->arg, c->in.data, c->in.len);
			buf_clear(&c->in);
		} else if (len > c->in.max) {
			c->too_large = 1;
		} else
			c->h->line(c->arg, p, len);
		p += len + 1;
		n -= len + 1;
	}
	if (!c->cancelled && !c->too_large)
		keep(c, p, n);
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;

	(void)size;		/* always 1 */
	loop_timer_stop(c->head_timer);
	if (c->h->line != NULL && status_of(c) == 200)
		each_line(c, p, n);
	else
		keep(c, p, n);
	return (c->cancelled || c->too_large ? 0 : n);
}

static size_t
on_head(char *p, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;

	(void)size;
	loop_timer_stop(c->head_timer);
	if (c->cancelled || http_head_line(&c->head, p, n,
	    (int64_t)time(NULL)) == -1) {
		c->head_too_large = 1;
		return (0);
	}
	/* An empty line ends it; interim answers have one, too. */
	if (n <= 2 && c->h->head != NULL && status_of(c) >= 200)
		c->h->head(c->arg, (int)status_of(c));
	return (c->cancelled ? 0 : n);
}

/* --- the end of a call ---------------------------------------------------- */

static void
trust_drop(struct trust *t)
{
	if (t == NULL || --t->users > 0)
		return;
	http_peer_clear(&t->peer);
	free(t->base);
	free(t->connect_to);
	free(t);
}

static void
call_free(struct http_call *c)
{
	TAILQ_REMOVE(c->late ? &c->a->late : &c->a->calls, c, next);
	if (c->a->opening == c)
		c->a->opening = NULL;
	if (c->started)
		curl_multi_remove_handle(c->a->multi, c->curl);
	curl_easy_cleanup(c->curl);
	curl_slist_free_all(c->headers);
	loop_timer_free(c->head_timer);
	http_head_clear(&c->head);
	buf_clear(&c->in);
	free(c->body);
	trust_drop(c->trust);
	free(c);
}

static int
failed(struct http_call *c, CURLcode code, struct err *err)
{
	if (c->head_late) {
		err_set(err, ERR_TRANSIENT, "timed out");
		err->sys = ETIMEDOUT;
		return (-1);
	}
	if (c->head_too_large)
		return (err_set(err, ERR_LIMIT, "the answer's head is larger "
		    "than %u bytes", HTTP_HEAD_MAX));
	if (c->too_large || code == CURLE_FILESIZE_EXCEEDED)
		return (err_set(err, ERR_LIMIT,
		    "the answer is larger than %zu bytes", c->in.max));
	return (http_curl_failed(c->curl, code, c->detail, err));
}

static void
call_done(struct http_call *c, CURLcode code)
{
	cleanup_err struct err err = ERR_INIT;
	struct http_response r = { .body = BUF_PLAIN(0) };
	const struct http_async_handlers *h = c->h;
	void *arg = c->arg;
	long status = status_of(c);
	int rc = 0;

	if (code != CURLE_OK || c->head_late)
		rc = failed(c, code, &err);
	else if (status < STATUS_MIN || status > STATUS_MAX)
		rc = err_set(&err, ERR_INVALID,
		    "the answer is not HTTP: status %ld", status);
	if (rc == 0) {
		r.status = (int)status;
		r.body = c->in;
		c->in = (struct buf)BUF_PLAIN(0);
		r.content_type = STEAL(c->head.content_type);
		r.retry_after_ms = c->head.retry_after_ms;
	}
	/* It may start another, or free the client: ours is gone by then. */
	call_free(c);
	h->done(arg, rc == 0 ? &r : NULL, &err);
	buf_clear(&r.body);
	free(r.content_type);
}

/* What curl's callbacks were not allowed to do at once.  Nonzero when a call
 * was added. */
static int
settle(struct http_async *a)
{
	struct http_call *c, *next;

	for (c = TAILQ_FIRST(&a->late); c != NULL; c = next) {
		next = TAILQ_NEXT(c, next);
		if (c->cancelled)
			call_free(c);
	}
	if (a->opening != NULL || (c = TAILQ_FIRST(&a->late)) == NULL)
		return (0);
	TAILQ_REMOVE(&a->late, c, next);
	TAILQ_INSERT_TAIL(&a->calls, c, next);
	c->late = 0;
	c->started = 1;
	a->opening = c;
	curl_multi_add_handle(a->multi, c->curl);
	return (1);
}

static int
on_connected(void *arg, char *peer_ip, char *own_ip, int peer_port,
    int own_port)
{
	struct http_call *c = arg;

	(void)peer_ip;
	(void)own_ip;
	(void)peer_port;
	(void)own_port;
	if (c->a->opening == c)
		c->a->opening = NULL;
	return (CURL_PREREQFUNC_OK);
}

static struct http_call *
next_done(struct http_async *a, CURLcode *ret)
{
	struct http_call *c = NULL;
	CURLMsg *m;
	int left;

	do
		m = curl_multi_info_read(a->multi, &left);
	while (m != NULL && m->msg != CURLMSG_DONE);
	if (m == NULL)
		return (NULL);
	*ret = m->data.result;
	curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
	return (c);
}

/* Callbacks have run: they may have freed everything, or left room for the
 * next call, which curl's timer then goes on with. */
static void
turned(struct http_async *a)
{
	a->turning = 0;
	if (a->freed)
		http_async_free(a);
	else
		settle(a);
}

static void
turn(struct http_async *a, curl_socket_t s, int events)
{
	struct http_call *c;
	CURLcode code;
	int running;

	a->turning = 1;
	do {
		a->inside = 1;
		curl_multi_socket_action(a->multi, s, events, &running);
		a->inside = 0;
		s = CURL_SOCKET_TIMEOUT;
		events = 0;
	} while (settle(a));
	while (!a->freed && (c = next_done(a, &code)) != NULL)
		call_done(c, code);
	turned(a);
}

/* --- the start of a call -------------------------------------------------- */

/* Ended by hand: curl knows no limit of time until the first byte. */
static void
on_head_late(void *arg)
{
	struct http_call *c = arg;
	struct http_async *a = c->a;

	c->head_late = 1;
	a->turning = 1;
	call_done(c, CURLE_OPERATION_TIMEDOUT);
	turned(a);
}

static void
set_bounds(const struct http_call *c, const struct http_async_request *req)
{
	CURL *h = c->curl;

	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)c->a->connect_timeout_ms);
	if (c->h->line == NULL)
		curl_easy_setopt(h, CURLOPT_MAXFILESIZE_LARGE,
		    (curl_off_t)c->in.max);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_EVERY_S);
	curl_easy_setopt(h, CURLOPT_BUFFERSIZE, READ_BUFFER);
}

static void
set_request(struct http_call *c, const struct http_async_request *req)
{
	const struct http_peer *p = &c->trust->peer;
	cleanup_free char *url = str_fmt("%s%s%s", p->url.origin,
	    p->url.path, req->path);
	CURL *h = c->curl;

	http_curl_peer(h, p);
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION,
	    (long)CURL_HTTP_VERSION_2TLS);
	/* Better one connection that is still to come than many. */
	curl_easy_setopt(h, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, c->headers);
	if (c->body != NULL) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)strlen(c->body));
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, c->body);
	}
	if (strcmp(req->method, "GET") != 0 || c->body != NULL)
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, req->method);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->detail);
	curl_easy_setopt(h, CURLOPT_PRIVATE, c);
	curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(h, CURLOPT_PREREQDATA, c);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, c);
}

static int
add_headers(struct http_call *c, const struct http_async_request *req,
    struct err *err)
{
	struct curl_slist *more;

	for (size_t i = 0; i < req->nheaders; i++) {
		const struct http_header *h = &req->headers[i];
		const char *v = h->secret != NULL ?
		    (const char *)secret_data(h->secret) : h->value;

		if (http_curl_header(&c->headers, h->name, v,
		    h->secret != NULL ? secret_len(h->secret) : strlen(v),
		    err) == -1)
			return (-1);
	}
	/* No waiting for 100 Continue. */
	if ((more = curl_slist_append(c->headers, "Expect:")) == NULL)
		return (err_set(err, ERR_INTERNAL, "libcurl: no memory"));
	c->headers = more;
	return (0);
}

static int
path_ok(const char *path)
{
	size_t len = strlen(path);

	if (path[0] != '/' || len > 2 * (size_t)URL_PATH_MAX)
		return (0);
	for (size_t i = 0; i < len; i++)
		if (path[i] <= ' ' || path[i] >= 0x7f || path[i] == '#')
			return (0);
	return (1);
}

struct http_call *
http_async_start(struct http_async *a, const struct http_async_request *req,
    const struct http_async_handlers *h, void *arg, struct err *err)
{
	struct http_call *c;

	if (!path_ok(req->path)) {
		err_set(err, ERR_INVALID, "not a path");
		return (NULL);
	}
	c = mem_alloc(sizeof(*c));
	c->a = a;
	c->h = h;
	c->arg = arg;
	c->trust = a->trust;
	c->trust->users++;
	c->in = (struct buf)BUF_PLAIN(req->max ? req->max : BODY_MAX);
#ifdef WEAKEN_ASYNC_MAX
	c->in.max = (size_t)1 << 40;
#endif
	c->body = str_dup(req->body);
	c->curl = curl_easy_init();
	c->late = 1;
	TAILQ_INSERT_TAIL(&a->late, c, next);
	if (c->curl == NULL || add_headers(c, req, err) == -1) {
		call_free(c);
		return (NULL);
	}
	set_request(c, req);
	set_bounds(c, req);
	c->head_timer = loop_timer_new(a->loop, on_head_late, c);
	loop_timer_start(c->head_timer,
	    req->head_ms ? req->head_ms : a->timeout_ms);
	if (!a->inside)
		settle(a);
	return (c);
}

void
http_async_cancel(struct http_call *c)
{
	if (c == NULL)
		return;
	if (!c->a->inside) {
		struct http_async *a = c->a;

		call_free(c);
		if (!a->turning)
			settle(a);
		return;
	}
	c->cancelled = 1;
	loop_timer_stop(c->head_timer);
	if (!c->late) {
		TAILQ_REMOVE(&c->a->calls, c, next);
		TAILQ_INSERT_TAIL(&c->a->late, c, next);
		c->late = 1;
	}
}

/* --- made and unmade ------------------------------------------------------ */

static int
trust_new(const char *base_url, const struct http_options *o,
    struct trust **ret, struct err *err)
{
	struct trust *t = mem_alloc(sizeof(*t));

	t->users = 1;
	t->base = str_dup(base_url);
	t->connect_to = str_dup(o->connect_to);
	if (http_peer_init(&t->peer, base_url, o, err) == -1) {
		trust_drop(t);
		return (-1);
	}
	*ret = t;
	return (0);
}

int
http_async_new(struct loop *l, const char *base_url,
    const struct http_options *opts, struct http_async **ret,
    struct err *err)
{
	struct http_async *a;

	if (http_global(err) == -1)
		return (-1);
	a = mem_alloc(sizeof(*a));
	TAILQ_INIT(&a->calls);
	TAILQ_INIT(&a->late);
	if (trust_new(base_url, opts, &a->trust, err) == -1) {
		free(a);
		return (-1);
	}
	a->loop = l;
	a->connect_timeout_ms = opts->connect_timeout_ms ?
	    opts->connect_timeout_ms : CONNECT_TIMEOUT_MS;
	a->timeout_ms = opts->timeout_ms ? opts->timeout_ms : TIMEOUT_MS;
	a->timer = loop_timer_new(l, on_timer, a);
	a->multi = curl_multi_init();
	if (a->multi == NULL) {
		http_async_free(a);
		return (err_set(err, ERR_INTERNAL, "libcurl gives no handle"));
	}
	curl_multi_setopt(a->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(a->multi, CURLMOPT_SOCKETDATA, a);
	curl_multi_setopt(a->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(a->multi, CURLMOPT_TIMERDATA, a);
	curl_multi_setopt(a->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
	    CONNECTIONS_MAX);
	*ret = a;
	return (0);
}

int
http_async_trust(struct http_async *a, const struct http_options *opts,
    struct err *err)
{
	struct http_options o = *opts;
	struct trust *t;

	o.connect_to = a->trust->connect_to;
	if (trust_new(a->trust->base, &o, &t, err) == -1)
		return (-1);
	trust_drop(a->trust);
	a->trust = t;
	return (0);
}

void
http_async_free(struct http_async *a)
{
	struct http_call *c;

	if (a == NULL)
		return;
	while ((c = TAILQ_FIRST(&a->calls)) != NULL)
		call_free(c);
	while ((c = TAILQ_FIRST(&a->late)) != NULL)
		call_free(c);
	a->freed = 1;
	if (a->turning)
		return;
	if (a->multi != NULL)
		curl_multi_cleanup(a->multi);
	loop_timer_free(a->timer);
	trust_drop(a->trust);
	free(a);
}
