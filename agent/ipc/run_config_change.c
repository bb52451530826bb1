/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ipc/run_config_internal.h"

#define TEXT_MAX 65536	/* as the file that it came from, or more */

/* All others hold from the start on: rights, directories, descriptors and
 * mounts hang on them. */
static const struct {
	const char *name;
	enum run_live what;
} live[] = {
	{ "log-level", RUN_LOG },
	{ "log-format", RUN_LOG },
	{ "max-jobs", RUN_JOBS },
	{ "node-label", RUN_LABELS },
	{ "class", RUN_OBJECTS },
	{ "claim-unclassed", RUN_OBJECTS },
	{ "allow-ambient-identity", RUN_OBJECTS },
	{ "generic-targets", RUN_OBJECTS },
	{ "template-left-delimiter", RUN_OBJECTS },
	{ "template-right-delimiter", RUN_OBJECTS },
};

static enum run_live
live_of(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(live); i++)
		if (str_eq(live[i].name, name))
			return (live[i].what);
	return (RUN_FIXED);
}

static const void *
at(const struct run_config *c, size_t offset)
{
	return ((const char *)c + offset);
}

/* --- values as text ----------------------------------------------------- */

static const char *const levels[] = { [LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn", [LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug" };

static size_t
count(const struct run_config *c, const struct flag *f)
{
	return (*(const size_t *)at(c, f->count_at));
}

static char *
joined(const struct run_config *c, const struct flag *f)
{
	char *const *list = *(char *const *const *)at(c, f->at);
	cleanup_buf struct buf b = BUF_PLAIN(TEXT_MAX);
	size_t i;

	for (i = 0; i < count(c, f); i++) {
		buf_adds(&b, i ? ":" : "");
		buf_adds(&b, list[i]);
	}
	return (buf_take(&b));
}

/* NULL: not set.  Of a list, how it compares with another. */
static char *
text(const struct run_config *c, const struct flag *f)
{
	switch (f->type) {
	case FLAG_STRING:
		return (str_dup(*(char *const *)at(c, f->at)));
	case FLAG_BOOL:
		return (str_dup(*(const int *)at(c, f->at) ? "true" :
		    "false"));
	case FLAG_INT:
		return (str_fmt("%d", *(const int *)at(c, f->at)));
	case FLAG_UID:
		return (str_fmt("%u", (unsigned)*(const uid_t *)at(c,
		    f->at)));
	case FLAG_LEVEL:
		return (str_dup(levels[*(const enum log_level *)at(c,
		    f->at)]));
	case FLAG_FORMAT:
		return (str_dup(*(const enum log_format *)at(c, f->at) ==
		    LOG_JSON ? "json" : "text"));
	case FLAG_LIST:
	case FLAG_PATHS:
		return (joined(c, f));
	}
	return (NULL);
}

/* --- words -------------------------------------------------------------- */

struct words {
	char **v;
	size_t n;
};

static void
word(struct words *w, const char *name, const char *value)
{
	w->v = mem_grow(w->v, w->n + 2, sizeof(*w->v));
	w->v[w->n++] = str_fmt("--%s=%s", name, value);
	w->v[w->n] = NULL;
}

char **
run_config_words(const struct run_config *c)
{
	struct words w = { NULL, 0 };
	const struct flag *f;
	size_t i, k;

	for (i = 0; (f = run_flag(i)); i++) {
		cleanup_free char *value = NULL;

		if (str_eq(f->name, "config"))
			continue;
		if (f->type == FLAG_LIST) {
			for (k = 0; k < count(c, f); k++)
				word(&w, f->name, (*(char *const *const *)at(c,
				    f->at))[k]);
			continue;
		}
		value = text(c, f);
		if (value)
			word(&w, f->name, value);
	}
	return (w.v);
}

/* --- changes ------------------------------------------------------------ */

static void
exchange(void *a, void *b, size_t len)
{
	char *x = a, *y = b, byte;
	size_t i;

	for (i = 0; i < len; i++) {
		byte = x[i];
		x[i] = y[i];
		y[i] = byte;
	}
}

static size_t
size_of(const struct flag *f)
{
	switch (f->type) {
	case FLAG_STRING:
	case FLAG_LIST:
	case FLAG_PATHS:
		return (sizeof(char *));
	case FLAG_LEVEL:
		return (sizeof(enum log_level));
	case FLAG_FORMAT:
		return (sizeof(enum log_format));
	case FLAG_UID:
		return (sizeof(uid_t));
	case FLAG_BOOL:
	case FLAG_INT:
		break;
	}
	return (sizeof(int));
}

static void
take(struct run_config *c, struct run_config *fresh, const struct flag *f)
{
	exchange((char *)c + f->at, (char *)fresh + f->at, size_of(f));
	if (f->type == FLAG_LIST || f->type == FLAG_PATHS)
		exchange((char *)c + f->count_at, (char *)fresh + f->count_at,
		    sizeof(size_t));
}

unsigned
run_config_take(struct run_config *c, struct run_config *fresh,
    void (*told)(void *arg, const char *name, enum run_live what), void *arg)
{
	const struct flag *f;
	unsigned changed = 0;
	enum run_live what;
	size_t i;

	for (i = 0; (f = run_flag(i)); i++) {
		cleanup_free char *old = text(c, f);
		cleanup_free char *new = text(fresh, f);

		if (str_eq(str_or(old, ""), str_or(new, "")))
			continue;
		what = live_of(f->name);
		if (told)
			told(arg, f->name, what);
		if (what != RUN_FIXED)
			take(c, fresh, f);
		changed |= what;
	}
	return (changed);
}
