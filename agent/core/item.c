/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/mem.h"
#include "core/item.h"

struct item *
item_new(const char *ns, const char *name)
{
	struct item *i = mem_alloc(sizeof(*i));

	i->ns = str_dup(ns);
	i->name = str_dup(name);
	i->key = str_fmt("%s/%s", ns, name);
	i->reason = str_dup("");
	i->message = str_dup("");
	return (i);
}

void
item_free(struct item *i)
{
	claims_clear(&i->claims);
	content_unref(i->content);
	free(i->secret.target);
	free(i->secret.version);
	free(i->secret.data_hash);
	free(i->secret.seen);
	free(i->users);
	free(i->reason);
	free(i->message);
	free(i->error);
	free(i->event_text);
	free(i->reported);
	free(i->version);
	free(i->uid);
	free(i->running_version);
	free(i->key);
	free(i->ns);
	free(i->name);
	free(i);
}

/* Copied first: the new texts may be the old ones. */
static void
replace(char **field, const char *s)
{
	char *copy = str_dup(s);

	free(*field);
	*field = copy;
}

void
item_say(struct item *i, const char *reason, const char *message,
    const char *error)
{
	replace(&i->reason, str_or(reason, ""));
	replace(&i->message, str_or(message, ""));
	replace(&i->error, error);
	replace(&i->event_text, NULL);
}

int
item_ready(const struct item *i)
{
	return (item_fetched(i) && !i->secret.failed);
}

int
item_fetched(const struct item *i)
{
	return (i->outcome == JOB_READY || i->outcome == JOB_UNCHANGED_NONE ||
	    i->outcome == JOB_DELETED);
}
