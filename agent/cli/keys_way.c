/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "seal/key_table.h"
#include "seal/key_tpm.h"

#include "cli/keys.h"

int
keys_way_open(struct keys_ways *w, const char *spec, int create,
    const char *tpm, uid_t uid, struct err *err)
{
	struct key_source s;
	int fd, rc;

	if (key_source_parse(spec, &s, err) == -1)
		return (-1);
	if (s.type == SLOT_TPM2)
		rc = key_tpm_start(tpm, uid, &fd, NULL, err);
	else
		rc = (fd = key_source_open(&s, create, err)) == -1 ? -1 : 0;
	if (rc == -1) {
		key_source_clear(&s);
		return (-1);
	}
	w->v = mem_grow(w->v, w->n + 1, sizeof(*w->v));
	w->v[w->n++] = (struct key_way){ s, fd };
	return (0);
}

void
keys_ways_clear(struct keys_ways *w)
{
	while (w->n) {
		w->n--;
		close(w->v[w->n].fd);
		key_source_clear(&w->v[w->n].source);
	}
	free(STEAL(w->v));
	free(STEAL(w->missing));
}

static int
is_tpm(const struct json *slot)
{
	const char *source = json_str(json_get(slot, "source"));

	return (source != NULL && strncmp(source, "tpm2", 4) == 0);
}

/* The only slot of a TPM, and it goes. */
static const char *
last_tpm(const struct json *slots, uint32_t id)
{
	const struct json *s, *found = NULL;

	for (s = json_first(slots); s != NULL; s = json_next(s)) {
		if (!is_tpm(s))
			continue;
		if (found != NULL ||
		    (uint32_t)json_num(json_get(s, "id"), 0) != id)
			return (NULL);
		found = s;
	}
	return (found ? json_str(json_get(found, "source")) : NULL);
}

static int
all_ways(struct keys_ways *w, const struct keys_ask *q,
    const struct json *slots, uid_t uid, struct err *err)
{
	const struct json *s;

	for (s = json_first(slots); s != NULL; s = json_next(s))
		if (keys_way_open(w, str_or(json_str(json_get(s, "source")),
		    ""), 0, q->tpm, uid, err) == -1)
			return (err_wrap(err, "key slot %.0f",
			    json_num(json_get(s, "id"), 0)));
	return (0);
}

int
keys_ways_for(struct keys_ways *w, const struct keys_ask *q,
    const struct json *list, uid_t uid, struct err *err)
{
	const struct json *slots = json_get(list, "slots");
	const char *tpm;

	if (q->what == KEYS_ADD)
		return (keys_way_open(w, q->source, 1, q->tpm, uid, err));
	if (q->what == KEYS_ROTATE)
		return (all_ways(w, q, slots, uid, err));
	tpm = q->what == KEYS_REMOVE ? last_tpm(slots, q->id) : NULL;
	/* A TPM that is gone keeps nobody from removing its slot. */
	if (tpm != NULL)
		keys_way_open(w, tpm, 0, q->tpm, uid, NULL);
	return (0);
}
