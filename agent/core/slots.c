/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "core/slots.h"

void
slots_init(struct slots *s, int max)
{
	*s = (struct slots){ max < 1 ? 1 : max, 0, 0, strmap_new(NULL) };
}

void
slots_clear(struct slots *s)
{
	strmap_free(s->hosts);
	s->hosts = NULL;
}

int
slots_may_start(const struct slots *s, const char *host)
{
	return (s->used < s->max && !strmap_has(s->hosts, host));
}

void
slots_take(struct slots *s)
{
	s->used++;
}

enum slots_verdict
slots_stalled(struct slots *s, const char *host)
{
#ifdef WEAKEN_SLOTS
	(void)s;
	(void)host;
	return (SLOTS_KEEP);
#else
	if (strmap_has(s->hosts, host))
		return (SLOTS_YIELD);
	if (s->slow >= SLOTS_SLOW_MAX)
		return (SLOTS_KEEP);
	strmap_put(s->hosts, host, NULL);
	s->slow++;
	s->used--;
	return (SLOTS_GAVE_BACK);
#endif
}

void
slots_release(struct slots *s, const char *host, int slow)
{
	if (!slow) {
		s->used--;
		return;
	}
	s->slow--;
	strmap_del(s->hosts, host);
}
