/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/report.h"
#include "core/scrape.h"
#include "ipc/chan.h"

struct scrape {
	struct core *core;
	struct chan *chan;	/* NULL: no link */
};

/* There is nobody to whom a status could go. */
static void
on_send(void *arg, uint16_t type, const struct buf *body)
{
	cleanup_err struct err err = ERR_INIT;
	const struct scrape *s = arg;

	if (!s->chan || (type != LINK_READY && type != LINK_SCRAPED))
		return;
	if (chan_send(s->chan, type, body->data, body->len, NULL, 0,
	    &err) == -1)
		log_warn("to link: %s", err_msg(&err));
}

static void
on_frame(void *arg, struct frame *f)
{
	cleanup_err struct err err = ERR_INIT;
	struct scrape *s = arg;

	if (f->type == LINK_SCRAPE &&
	    report_scrape(s->core->report, f, &err) == 0)
		return;
	log_error("from link: %s", err.kind ? err_msg(&err) :
	    "a frame of no use");
	chan_free(STEAL(s->chan));
}

static void
on_end(void *arg, const struct err *err)
{
	struct scrape *s = arg;

	log_warn("link is gone: %s", err_msg(err));
	chan_free(STEAL(s->chan));
}

static const struct chan_events events = { on_frame, on_end };

int
scrape_arrived(struct scrape *s, int fd, struct err *err)
{
	chan_free(STEAL(s->chan));
	if (chan_new(s->core->loop, fd, LINK_FRAME_MAX, &events, s, &s->chan,
	    err) == -1)
		return (err_wrap(err, "link"));
	report_again(s->core->report);
	report_ready(s->core->report);
	return (0);
}

struct scrape *
scrape_new(struct core *c)
{
	struct scrape *s = mem_alloc(sizeof(*s));
	const struct report_wire wire = { on_send, NULL, s };

	s->core = c;
	c->report = report_new(c, &wire);
	return (s);
}

void
scrape_free(struct scrape *s)
{
	if (!s)
		return;
	chan_free(s->chan);
	free(s);
}
