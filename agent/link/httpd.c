/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/log.h"
#include "base/mem.h"
#include "link/httpd.h"

#define MEMORY_PER_CONNECTION ((size_t)16 << 10)
#ifdef WEAKEN_HTTPD_PER_IP
#define PER_IP HTTPD_CONNECTIONS
#else
#define PER_IP HTTPD_PER_IP
#endif
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define TEXT_TYPE "text/plain; charset=utf-8"

/* One text for everybody who asked meanwhile. */
struct text {
	unsigned refs;
	size_t len;
	char *data;
};

struct request {
	struct request *next;	/* in httpd.waiting */
	struct MHD_Connection *connection;
	struct text *answer;	/* of a scrape; NULL not yet */
	unsigned status;
	int begun, waits;
};

struct httpd {
	struct loop *loop;
	struct httpd_hooks hooks;
	struct MHD_Daemon *daemon;
	struct loop_fd *watch;
	struct loop_timer *turn;	/* what the daemon wants to do later */
	struct loop_timer *deadline;	/* of the scrape */
	struct request *waiting;
	uint64_t tag;
	int asked;		/* a scrape is under way */
	int core, ready;
	char *why;
	uint64_t requests;
};

/* --- the daemon on the loop ------------------------------------------ */

static void
run(struct httpd *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(h->daemon);
	if (MHD_get_timeout(h->daemon, &ms) == MHD_YES)
		loop_timer_start(h->turn, (uint64_t)ms);
	else
		loop_timer_stop(h->turn);
}

static void
on_turn(void *arg)
{
	run(arg);
}

static void
on_readable(void *arg, int events)
{
	(void)events;
	run(arg);
}

/* --- answers --------------------------------------------------------- */

static struct text *
text_new(char *data, size_t len)
{
	struct text *t = mem_alloc(sizeof(*t));

	t->refs = 1;
	t->data = data;
	t->len = len;
	return (t);
}

static void
text_unref(void *p)
{
	struct text *t = p;

	if (!t || --t->refs)
		return;
	free(t->data);
	free(t);
}

/* ${t} is taken over. */
static struct MHD_Response *
response(struct text *t, const char *type)
{
	struct MHD_Response *r;

	r = MHD_create_response_from_buffer_with_free_callback_cls(t->len,
	    t->data, text_unref, t);
	if (!r) {
		text_unref(t);
		return (NULL);
	}
	MHD_add_response_header(r, "Content-Type", type);
	MHD_add_response_header(r, "Cache-Control", "no-store");
	return (r);
}

static enum MHD_Result
queue(struct MHD_Connection *c, unsigned status, struct MHD_Response *r)
{
	enum MHD_Result rc;

	if (!r)
		return (MHD_NO);
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return (rc);
}

static enum MHD_Result
say(struct MHD_Connection *c, unsigned status, const char *text)
{
	char *line = str_fmt("%s\n", text);

	return (queue(c, status, response(text_new(line, strlen(line)),
	    TEXT_TYPE)));
}

static enum MHD_Result
readyz(const struct httpd *h, struct MHD_Connection *c)
{
	if (!h->core)
		return (say(c, 503, "core is not there"));
	return (h->ready ? say(c, 200, "ok") : say(c, 503, h->why));
}

/* --- /metrics -------------------------------------------------------- */

static void
own_metrics(const struct httpd *h, struct buf *b)
{
	buf_addf(b, "# HELP nodeseal_core_up Core answers.\n"
	    "# TYPE nodeseal_core_up gauge\nnodeseal_core_up %d\n"
	    "# HELP nodeseal_http_requests_total Requests to this server.\n"
	    "# TYPE nodeseal_http_requests_total counter\n"
	    "nodeseal_http_requests_total %llu\n", h->core,
	    (unsigned long long)h->requests);
	if (h->hooks.metrics)
		h->hooks.metrics(h->hooks.arg, b);
}

/* ${core}: its part, NULL when it has none to give. */
static struct text *
metrics(const struct httpd *h, const char *core)
{
	struct buf b = BUF_PLAIN(HTTPD_TEXT_MAX);
	size_t len;

	if (core)
		buf_adds(&b, core);
	own_metrics(h, &b);
	if (!buf_ok(&b)) {
		buf_clear(&b);
		buf_adds(&b, "# too large\n");
	}
	len = b.len;
	return (text_new(buf_take(&b), len));
}

/* Everybody who waits gets the same; ${t} is taken over. */
static void
answer_waiting(struct httpd *h, unsigned status, struct text *t)
{
	struct request *q;

	h->asked = 0;
	loop_timer_stop(h->deadline);
	while ((q = h->waiting)) {
		h->waiting = q->next;
		q->waits = 0;
		q->status = status;
		q->answer = t;
		if (t)
			t->refs++;
		MHD_resume_connection(q->connection);
	}
	text_unref(t);
	loop_timer_start(h->turn, 0);
}

static void
on_deadline(void *arg)
{
	static const char late[] = "# core has not answered in time\n";

	answer_waiting(arg, 503, text_new(str_dup(late), sizeof(late) - 1));
}

static enum MHD_Result
wait_for_core(struct httpd *h, struct request *q)
{
	q->waits = 1;
	q->next = h->waiting;
	h->waiting = q;
	MHD_suspend_connection(q->connection);
	if (h->asked)
		return (MHD_YES);
	h->asked = 1;
	loop_timer_start(h->deadline, HTTPD_SCRAPE_MS);
	h->hooks.scrape(h->hooks.arg, ++h->tag);
	return (MHD_YES);
}

static enum MHD_Result
scrape(struct httpd *h, struct request *q)
{
	if (q->answer)
		return (queue(q->connection, q->status, response(
		    STEAL(q->answer), METRICS_TYPE)));
	if (!h->core)
		return (queue(q->connection, 200, response(metrics(h, NULL),
		    METRICS_TYPE)));
	return (wait_for_core(h, q));
}

/* --- requests -------------------------------------------------------- */

static int
has_body(struct MHD_Connection *c)
{
	const char *len = MHD_lookup_connection_value(c, MHD_HEADER_KIND,
	    "Content-Length");

	return ((len && !str_eq(len, "0")) || MHD_lookup_connection_value(c,
	    MHD_HEADER_KIND, "Transfer-Encoding"));
}

static enum MHD_Result
route(struct httpd *h, struct request *q, const char *url)
{
	struct MHD_Connection *c = q->connection;

	if (str_eq(url, "/metrics"))
		return (scrape(h, q));
	if (str_eq(url, "/readyz"))
		return (readyz(h, c));
	if (str_eq(url, "/livez") || str_eq(url, "/healthz"))
		return (say(c, 200, "ok"));
	return (say(c, 404, "here are /metrics, /livez and /readyz"));
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *c, const char *url,
    const char *method, const char *version, const char *data, size_t *len,
    void **state)
{
	struct request *q = *state;
	struct httpd *h = arg;

	(void)version;
	(void)data;
	if (!q) {
		/* The head alone: an answer now would cost the connection,
		 * which is meant where a body would follow. */
		h->requests++;
		*state = q = mem_alloc(sizeof(*q));
		q->connection = c;
		return (has_body(c) ? say(c, 413, "no body is read here") :
		    MHD_YES);
	}
	if (*len) {
		*len = 0;
		return (MHD_YES);
	}
	if (!str_eq(method, "GET") && !str_eq(method, "HEAD"))
		return (say(c, 405, "GET or HEAD"));
	return (route(h, q, url));
}

static void
on_completed(void *arg, struct MHD_Connection *c, void **state,
    enum MHD_RequestTerminationCode why)
{
	struct request *q = *state, **at;
	struct httpd *h = arg;

	(void)c;
	(void)why;
	if (!q)
		return;
	for (at = &h->waiting; q->waits && *at; at = &(*at)->next)
		if (*at == q) {
			*at = q->next;
			break;
		}
	text_unref(q->answer);
	free(q);
	*state = NULL;
}

/* --- made and unmade ------------------------------------------------- */

static struct MHD_Daemon *
daemon_start(struct httpd *h, int fd)
{
	return (MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0,
	    NULL, NULL, on_request, h, MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTPD_CONNECTIONS,
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PER_IP,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTPD_IDLE_S,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_PER_CONNECTION,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_END));
}

static int
watch_start(struct httpd *h, struct err *err)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon,
	    MHD_DAEMON_INFO_EPOLL_FD);

	if (!info)
		return (err_set(err, ERR_INTERNAL, "metrics server: no epoll"));
	h->watch = loop_fd_new(h->loop, info->epoll_fd, on_readable, h, err);
	if (!h->watch)
		return (err_wrap(err, "metrics server"));
	loop_fd_watch(h->watch, LOOP_READ);
	return (0);
}

int
httpd_new(struct loop *l, int listen_fd, const struct httpd_hooks *hooks,
    struct httpd **ret, struct err *err)
{
	struct httpd *h = mem_alloc(sizeof(*h));

	h->loop = l;
	h->hooks = *hooks;
	h->why = str_dup("starting");
	h->turn = loop_timer_new(l, on_turn, h);
	h->deadline = loop_timer_new(l, on_deadline, h);
	fcntl(listen_fd, F_SETFL, fcntl(listen_fd, F_GETFL) | O_NONBLOCK);
	h->daemon = daemon_start(h, listen_fd);
	if (!h->daemon) {
		close(listen_fd);
		httpd_free(h);
		return (err_set(err, ERR_INTERNAL,
		    "metrics server: it does not start"));
	}
	if (watch_start(h, err) == -1) {
		httpd_free(h);
		return (-1);
	}
	*ret = h;
	return (0);
}

void
httpd_free(struct httpd *h)
{
	if (!h)
		return;
	/* A suspended connection must not be left to the daemon's end. */
	if (h->daemon)
		answer_waiting(h, 503, NULL);
	loop_fd_free(h->watch);
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	loop_timer_free(h->turn);
	loop_timer_free(h->deadline);
	free(h->why);
	free(h);
}

/* --- from core ------------------------------------------------------- */

void
httpd_ready(struct httpd *h, int ready, const char *why)
{
	free(h->why);
	h->ready = ready;
	h->why = str_dup(str_or(why, "not ready"));
}

void
httpd_core(struct httpd *h, int there)
{
	h->core = there;
	if (there)
		return;
	httpd_ready(h, 0, "starting");
	if (h->asked)
		answer_waiting(h, 200, metrics(h, NULL));
}

void
httpd_scraped(struct httpd *h, uint64_t tag, const char *text)
{
	if (h->asked && tag == h->tag)
		answer_waiting(h, 200, metrics(h, text));
}
