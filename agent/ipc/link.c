/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipc/link.h"

/*
 * Every message is a struct whose members travel in the order of a table.  A
 * table says for each of them where it stands and how much of it there may be:
 * longer is a frame that nobody of us sent.
 */
#define NAME_MAX_LEN 4096
#define TEXT_MAX_LEN (64u << 10)	/* messages, attributes */

enum type {
	U8, U32, U64,
	TEXT,			/* char *; cut when it is too long */
	WHOLE,			/* char *; left out when it is too long */
	LIST,			/* char **, and its size_t */
	NAMES,			/* the same, sorted, no doubles */
	VOLUMES			/* struct link_volume *, and its size_t */
};

struct field {
	enum type type;
	size_t at;		/* offset */
	size_t max;		/* of a number, a length, a count */
	size_t count_at;	/* of a list's size_t */
};

struct message {
	const char *what;
	uint16_t frames[8];	/* that carry it */
	size_t size;
	const struct field *fields;
	size_t nfields;
};

#define MESSAGE(name, what, ...) static const struct message name = {	\
	what, { __VA_ARGS__ }, sizeof(struct link_##name), name##_fields, \
	ARRAY_LEN(name##_fields) }
#define AT(member) offsetof(struct MESSAGE_OF, member)

#define MESSAGE_OF link_state
static const struct field state_fields[] = {
	{ U8, AT(connected), 1, 0 },
	{ TEXT, AT(server), NAME_MAX_LEN, 0 },
	{ TEXT, AT(problem), TEXT_MAX_LEN, 0 },
};
MESSAGE(state, "state of the line", LINK_STATE);
#undef MESSAGE_OF

#define MESSAGE_OF link_node
static const struct field node_fields[] = {
	{ TEXT, AT(name), NAME_MAX_LEN, 0 },
	{ TEXT, AT(uid), NAME_MAX_LEN, 0 },
	{ LIST, AT(labels), LINK_LABELS_MAX, AT(nlabels) },
	{ U8, AT(has_labels), 1, 0 },
	{ U8, AT(version_minor), 255, 0 },
};
MESSAGE(node, "node", LINK_NODE);
#undef MESSAGE_OF

#define MESSAGE_OF link_name
static const struct field name_fields[] = {
	{ TEXT, AT(kind), NAME_MAX_LEN, 0 },
	{ TEXT, AT(ns), NAME_MAX_LEN, 0 },
	{ TEXT, AT(name), NAME_MAX_LEN, 0 },
};
MESSAGE(name, "name", LINK_RELIST, LINK_OBJECTS, LINK_GONE, LINK_LISTED,
    LINK_UNWATCHED, LINK_POD_GONE);
#undef MESSAGE_OF

#define MESSAGE_OF link_volume
static const struct field volume_fields[] = {
	{ TEXT, AT(volume), NAME_MAX_LEN, 0 },
	{ TEXT, AT(driver), NAME_MAX_LEN, 0 },
	{ TEXT, AT(external_secrets), TEXT_MAX_LEN, 0 },
};
MESSAGE(volume, "volume", 0);
#undef MESSAGE_OF

#define MESSAGE_OF link_pod
static const struct field pod_fields[] = {
	{ TEXT, AT(ns), NAME_MAX_LEN, 0 },
	{ TEXT, AT(name), NAME_MAX_LEN, 0 },
	{ TEXT, AT(uid), NAME_MAX_LEN, 0 },
	{ TEXT, AT(service_account), NAME_MAX_LEN, 0 },
	{ U8, AT(waits), 1, 0 },
	{ U8, AT(over), 1, 0 },
	{ VOLUMES, AT(volumes), LINK_VOLUMES_MAX, AT(nvolumes) },
	{ NAMES, AT(secrets), LINK_SECRETS_MAX, AT(nsecrets) },
};
MESSAGE(pod, "pod", LINK_POD);
#undef MESSAGE_OF

#define MESSAGE_OF link_lease
static const struct field lease_fields[] = {
	{ TEXT, AT(ns), NAME_MAX_LEN, 0 },
	{ TEXT, AT(name), NAME_MAX_LEN, 0 },
	{ TEXT, AT(uid), NAME_MAX_LEN, 0 },
	{ U64, AT(refreshed_at), 0, 0 },
	{ TEXT, AT(synced_version), NAME_MAX_LEN, 0 },
	{ U8, AT(ready), 2, 0 },
	{ WHOLE, AT(conditions), LINK_STATUS_MAX, 0 },
	{ TEXT, AT(binding), NAME_MAX_LEN, 0 },
};
MESSAGE(lease, "lease", LINK_LEASE);
#undef MESSAGE_OF

#define MESSAGE_OF link_meta
static const struct field meta_fields[] = {
	{ TEXT, AT(kind), NAME_MAX_LEN, 0 },
	{ TEXT, AT(ns), NAME_MAX_LEN, 0 },
	{ TEXT, AT(name), NAME_MAX_LEN, 0 },
	{ U8, AT(exists), 1, 0 },
	{ TEXT, AT(uid), NAME_MAX_LEN, 0 },
	{ TEXT, AT(version), NAME_MAX_LEN, 0 },
	{ U8, AT(managed), 1, 0 },
	{ TEXT, AT(hash), NAME_MAX_LEN, 0 },
	{ TEXT, AT(owner_uid), NAME_MAX_LEN, 0 },
};
MESSAGE(meta, "metadata", LINK_META);
#undef MESSAGE_OF

#define MESSAGE_OF link_report
static const struct field report_fields[] = {
	{ U64, AT(tag), 0, 0 },
	{ TEXT, AT(kind), NAME_MAX_LEN, 0 },
	{ TEXT, AT(ns), NAME_MAX_LEN, 0 },
	{ TEXT, AT(name), NAME_MAX_LEN, 0 },
	{ TEXT, AT(uid), NAME_MAX_LEN, 0 },
	{ WHOLE, AT(status), LINK_STATUS_MAX, 0 },
	{ U8, AT(urgent), 1, 0 },
};
MESSAGE(report, "report", LINK_REPORT);
#undef MESSAGE_OF

#define MESSAGE_OF link_reported
static const struct field reported_fields[] = {
	{ U64, AT(tag), 0, 0 },
	{ U32, AT(http_status), 0, 0 },
	{ TEXT, AT(error), TEXT_MAX_LEN, 0 },
};
MESSAGE(reported, "answer to a report", LINK_REPORTED);
#undef MESSAGE_OF

#define MESSAGE_OF link_event
static const struct field event_fields[] = {
	{ TEXT, AT(kind), NAME_MAX_LEN, 0 },
	{ TEXT, AT(ns), NAME_MAX_LEN, 0 },
	{ TEXT, AT(name), NAME_MAX_LEN, 0 },
	{ TEXT, AT(uid), NAME_MAX_LEN, 0 },
	{ U8, AT(warning), 1, 0 },
	{ TEXT, AT(reason), NAME_MAX_LEN, 0 },
	{ TEXT, AT(message), TEXT_MAX_LEN, 0 },
};
MESSAGE(event, "event", LINK_EVENT);
#undef MESSAGE_OF

#define MESSAGE_OF link_words
static const struct field words_fields[] = {
	{ U8, AT(on), 1, 0 },
	{ U64, AT(tag), 0, 0 },
	{ TEXT, AT(a), LINK_WORDS_MAX, 0 },
	{ TEXT, AT(b), LINK_WORDS_MAX, 0 },
	{ TEXT, AT(c), LINK_WORDS_MAX, 0 },
};
MESSAGE(words, "words", LINK_SCRAPE, LINK_PROBLEM, LINK_WANT, LINK_WATCH,
    LINK_READY, LINK_SCRAPED);
#undef MESSAGE_OF

/* --- out ------------------------------------------------------------------ */

static void
put(const struct message *msg, const void *m, struct buf *out);

static const void *
member(const void *m, size_t at)
{
	return ((const char *)m + at);
}

static size_t
count(const void *m, const struct field *f)
{
	size_t n = *(const size_t *)member(m, f->count_at);

	return (n < f->max ? n : f->max);
}

/* A text of ours that grew too long is cut, between runes: better than a frame
 * that the other side refuses. */
static void
put_text(struct buf *out, const char *s, size_t max, int whole)
{
	size_t len = s == NULL ? 0 : strlen(s);

	if (len > max) {
		len = whole ? 0 : max;
		while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
			len--;
	}
	wire_bytes(out, s == NULL ? "" : s, len);
}

static void
put_list(struct buf *out, char *const *list, size_t n)
{
	wire_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		put_text(out, list[i], NAME_MAX_LEN, 0);
}

static void
put_volumes(struct buf *out, const struct link_volume *v, size_t n)
{
	wire_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		put(&volume, &v[i], out);
}

static void
put_field(const struct field *f, const void *m, struct buf *out)
{
	const void *p = member(m, f->at);

	switch (f->type) {
	case U8:
		wire_u8(out, *(const uint8_t *)p);
		break;
	case U32:
		wire_u32(out, *(const uint32_t *)p);
		break;
	case U64:
		wire_u64(out, *(const uint64_t *)p);
		break;
	case TEXT:
	case WHOLE:
		put_text(out, *(char *const *)p, f->max, f->type == WHOLE);
		break;
	case LIST:
	case NAMES:
		put_list(out, *(char **const *)p, count(m, f));
		break;
	case VOLUMES:
		put_volumes(out, *(struct link_volume *const *)p, count(m, f));
		break;
	}
}

static void
put(const struct message *msg, const void *m, struct buf *out)
{
	for (size_t i = 0; i < msg->nfields; i++)
		put_field(&msg->fields[i], m, out);
}

/* --- in ------------------------------------------------------------------- */

static void
get(const struct message *msg, void *m, struct wire *w);

static char *
get_text(struct wire *w, size_t max)
{
	char *s = wire_get_str(w);

	if (strlen(s) <= max)
		return (s);
	w->bad = 1;
	s[0] = '\0';
	return (s);
}

/* A count is believed when its elements, ${least} bytes each, can be there. */
static size_t
get_count(struct wire *w, size_t max, size_t least)
{
	uint32_t n = wire_get_u32(w);

	if (n <= max && n <= w->left / least)
		return (n);
	w->bad = 1;
	return (0);
}

static char **
get_list(struct wire *w, size_t max, int sorted, size_t *ret_n)
{
	size_t n = get_count(w, max, sizeof(uint32_t));
	char **list = n == 0 ? NULL : mem_array(n, sizeof(*list));

	*ret_n = n;
	for (size_t i = 0; i < n; i++) {
		list[i] = get_text(w, NAME_MAX_LEN);
#ifdef WEAKEN_LINK_BOUNDS
		if (sorted && strcmp(list[i - 1], list[i]) >= 0)
#else
		if (sorted && i > 0 && strcmp(list[i - 1], list[i]) >= 0)
#endif
			w->bad = 1;
	}
	return (list);
}

static struct link_volume *
get_volumes(struct wire *w, size_t max, size_t *ret_n)
{
	size_t n = get_count(w, max, 3 * sizeof(uint32_t));
	struct link_volume *v = n == 0 ? NULL : mem_array(n, sizeof(*v));

	*ret_n = n;
	for (size_t i = 0; i < n; i++)
		get(&volume, &v[i], w);
	return (v);
}

static uint8_t
get_u8(struct wire *w, size_t max)
{
	uint8_t v = wire_get_u8(w);

	if (v > max)
		w->bad = 1;
	return (v);
}

static void
get_field(const struct field *f, char *m, struct wire *w)
{
	void *p = m + f->at;
	size_t *n = (size_t *)(void *)(m + f->count_at);

	switch (f->type) {
	case U8:
		*(uint8_t *)p = get_u8(w, f->max);
		break;
	case U32:
		*(uint32_t *)p = wire_get_u32(w);
		break;
	case U64:
		*(uint64_t *)p = wire_get_u64(w);
		break;
	case TEXT:
	case WHOLE:
		*(char **)p = get_text(w, f->max);
		break;
	case LIST:
	case NAMES:
		*(char ***)p = get_list(w, f->max, f->type == NAMES, n);
		break;
	case VOLUMES:
		*(struct link_volume **)p = get_volumes(w, f->max, n);
		break;
	}
}

static void
get(const struct message *msg, void *m, struct wire *w)
{
	for (size_t i = 0; i < msg->nfields; i++)
		get_field(&msg->fields[i], m, w);
}

/* --- the end -------------------------------------------------------------- */

static void
clear(const struct message *msg, void *m);

static void
clear_list(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

static void
clear_volumes(struct link_volume *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		clear(&volume, &v[i]);
	free(v);
}

static void
clear(const struct message *msg, void *m)
{
	for (size_t i = 0; i < msg->nfields; i++) {
		const struct field *f = &msg->fields[i];
		void *p = (char *)m + f->at;
		size_t n = f->count_at == 0 ? 0 :
		    *(size_t *)(void *)((char *)m + f->count_at);

		if (f->type == TEXT || f->type == WHOLE)
			free(*(char **)p);
		else if (f->type == LIST || f->type == NAMES)
			clear_list(*(char ***)p, n);
		else if (f->type == VOLUMES)
			clear_volumes(*(struct link_volume **)p, n);
	}
	memset(m, 0, msg->size);
}

static int
carries(const struct message *msg, uint16_t type)
{
	for (size_t i = 0; msg->frames[i] != 0; i++)
		if (msg->frames[i] == type)
			return (1);
	return (0);
}

static int
get_all(const struct message *msg, void *m, const struct frame *f,
    struct err *err)
{
	struct wire w;

	memset(m, 0, msg->size);
	if (!carries(msg, f->type))
		return (err_set(err, ERR_INVALID,
		    "a frame of type %u is no %s", f->type, msg->what));
	wire_init(&w, f->body.data, f->body.len);
	get(msg, m, &w);
	if (wire_done(&w, msg->what, err) == 0)
		return (0);
	clear(msg, m);
	return (-1);
}

#define FUNCTIONS(name)							\
void									\
link_##name##_write(const struct link_##name *m, struct buf *out)	\
{									\
	put(&name, m, out);						\
}									\
int									\
link_##name##_read(struct link_##name *m, const struct frame *f,	\
    struct err *err)							\
{									\
	return (get_all(&name, m, f, err));				\
}									\
void									\
link_##name##_clear(struct link_##name *m)				\
{									\
	clear(&name, m);						\
}

FUNCTIONS(state)
FUNCTIONS(node)
FUNCTIONS(name)
FUNCTIONS(pod)
FUNCTIONS(lease)
FUNCTIONS(meta)
FUNCTIONS(report)
FUNCTIONS(reported)
FUNCTIONS(event)
FUNCTIONS(words)
