/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "link/link.h"

/* --- core's end of the socket ------------------------------------------- */
static void
stop(void *arg)
{
	const struct link *l = arg;

	loop_stop(l->loop);
}

static void
on_word(struct link *l, uint16_t type, const struct link_words *m)
{
	if (type == LINK_WANT && l->scopes != NULL)
		scopes_want(l->scopes, m->a, m->on);
	else if (type == LINK_WATCH && l->metas != NULL)
		metas_want(l->metas, m->a, m->b, m->c, m->on);
	else if (type == LINK_READY)
		serve_ready(l, m->on, m->a);
	else if (type == LINK_SCRAPED && l->httpd != NULL)
		httpd_scraped(l->httpd, m->tag, m->a);
}

/* Without an API server nobody is told. */
static int
on_report(struct link *l, const struct frame *f, struct err *err)
{
	struct link_report m;

	if (link_report_read(&m, f, err) == -1)
		return (-1);
	if (l->reports != NULL)
		reports_put(l->reports, &m);
	link_report_clear(&m);
	return (0);
}

static int
on_event(struct link *l, const struct frame *f, struct err *err)
{
	struct link_event m;

	if (link_event_read(&m, f, err) == -1)
		return (-1);
	if (l->events != NULL)
		events_put(l->events, &m);
	link_event_clear(&m);
	return (0);
}

static int
take(struct link *l, const struct frame *f, struct err *err)
{
	struct link_words m;

	switch (f->type) {
	case LINK_WANT:
	case LINK_WATCH:
	case LINK_READY:
	case LINK_SCRAPED:
		if (link_words_read(&m, f, err) == -1)
			return (-1);
		on_word(l, f->type, &m);
		link_words_clear(&m);
		return (0);
	case LINK_REPORT:
		return (on_report(l, f, err));
	case LINK_EVENT:
		return (on_event(l, f, err));
	default:
		return (err_set(err, ERR_INVALID, "a frame of type %u",
		    f->type));
	}
}

static void
on_frame(void *arg, struct frame *f)
{
	cleanup_err struct err err = ERR_INIT;

	if (take(arg, f, &err) == -1)
		log_warn("core: %s", err_msg(&err));
}

/* Everything starts anew with the next core: the keeper starts us again. */
static void
on_end(void *arg, const struct err *err)
{
	if (err->kind != ERR_NOTFOUND)
		log_warn("core: %s", err_msg(err));
	stop(arg);
}

static const struct chan_events core_events = { on_frame, on_end };

static void
on_signal(void *arg, int signo)
{
	(void)signo;
	stop(arg);
}

/* --- the line ----------------------------------------------------------- */
static void
on_state(void *arg, const char *problem)
{
	struct link *l = arg;
	cleanup_buf struct buf body = BUF_PLAIN(LINK_FRAME_MAX);
	struct link_state m = { .connected = problem == NULL };

	m.server = str_dup(api_server(l->api));
	m.problem = str_dup(str_or(problem, ""));
	link_state_write(&m, &body);
	link_state_clear(&m);
	outbox_frame(l->out, LINK_STATE, &body);
	if (problem == NULL)
		node_connected(l->node);
}

static void
on_reported(void *arg, const struct link_reported *m)
{
	const struct link *l = arg;
	cleanup_buf struct buf body = BUF_PLAIN(LINK_FRAME_MAX);

	link_reported_write(m, &body);
	outbox_frame(l->out, LINK_REPORTED, &body);
}

void
link_listed(struct link *l)
{
	cleanup_buf struct buf none = BUF_PLAIN(0);

	if (l->synced || !pods_ready(l->pods) || !scopes_ready(l->scopes) ||
	    !objects_ready(l->stores) || !objects_ready(l->projections))
		return;
	l->synced = 1;
	outbox_frame(l->out, LINK_SYNCED, &none);
}

/* --- made and unmade ---------------------------------------------------- */
static int
api_begin(struct link *l, struct err *err)
{
	const struct link_options *o = l->options;
	struct api_events events = { on_state, l };

	if (o->account_fd == -1 && o->kubeconfig_fd == -1)
		return (0);
	if (api_new(l->loop, o->account_fd, o->kubeconfig_fd, NULL, &events,
	    &l->api, err) == -1)
		return (err_wrap(err, "the API server"));
	l->reports = reports_new(l->loop, l->api, o->node, on_reported, l);
	l->events = events_new(l->loop, l->api, clock_system(), o->node);
	l->node = node_new(l);
	l->scopes = scopes_new(l);
	l->metas = metas_new(l);
	l->pods = pods_new(l);
	l->stores = objects_new(l, "ClusterSecretStore", "", 0);
	/* Where they are is not for pods to say: all of them. */
	l->projections = objects_new(l, "HostProjection", "", 1);
	return (0);
}

static void
link_clear(struct link *l)
{
	outbox_close(l->out);
	objects_free(l->projections);
	objects_free(l->stores);
	pods_free(l->pods);
	metas_free(l->metas);
	scopes_free(l->scopes);
	node_free(l->node);
	reports_free(l->reports);
	events_free(l->events);
	httpd_free(l->httpd);
	api_free(l->api);
	outbox_free(l->out);
	chan_free(l->core);
	loop_timer_free(l->listen_timer);
	loop_free(l->loop);
	free(l->why);
}

static int
begin(struct link *l, struct err *err)
{
	int fd = l->options->core_fd;

	if ((l->loop = loop_new(err)) == NULL ||
	    loop_signal_new(l->loop, SIGTERM, on_signal, l, err) == NULL ||
	    chan_new(l->loop, fd, LINK_FRAME_MAX, &core_events, l, &l->core,
	    err) == -1)
		return (-1);
	l->out = outbox_new(l->loop, l->core, stop, l);
	return (serve_begin(l, err) == -1 ? -1 : api_begin(l, err));
}

int
link_main(const struct link_options *o, struct err *err)
{
	struct link l = { .options = o };
	int rc = begin(&l, err);

	if (rc == 0)
		loop_run(l.loop);
	link_clear(&l);
	return (rc);
}
