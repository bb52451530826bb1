/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINK_EVENT_H
#define LINK_EVENT_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/loop.h"
#include "ipc/link.h"
#include "link/api.h"

/*
 * Events, as client-go's recorder makes them (core/v1, so that `kubectl
 * describe` and get events show them): the source's component is ESO's for
 * that kind, its host this node.  The same event on the same object within ten
 * minutes is a patch of the first one's count.  EVENTS_BURST at once, then one
 * every EVENTS_SPACE_MS; what is beyond is counted, not kept.  An event that
 * the API server does not take is not tried again: the condition says the same.
 */
#define EVENTS_BURST 50
#define EVENTS_SPACE_MS 5000
#define EVENT_MESSAGE_MAX 1024
struct events;

struct events *events_new(struct loop *l, struct api *a,
    const struct clock *clock, const char *node);
void events_free(struct events *e);
void events_put(struct events *e, const struct link_event *m);
/* events_metrics: nodeseal_events… in Prometheus' text format. */
void events_metrics(const struct events *e, struct buf *out);

#endif
