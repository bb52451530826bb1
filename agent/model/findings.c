/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/object.h"
#include "model/schema.h"

#define TEXT_MAX (256u << 10)

static char *text_vfmt(const char *fmt, va_list ap)
    __attribute__((format(printf, 1, 0)));

static char *
text_vfmt(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) == -1)
		return (str_dup(""));
	return (s);
}

static void
add(struct findings *f, struct finding v)
{
	/* A document of a million mistakes is not worth a million lines; its
	 * first refusals are what counts. */
	if (f == NULL || f->n == FINDINGS_MAX) {
		free(v.field);
		free(v.what);
		free(v.remedy);
		return;
	}
	f->v = mem_grow(f->v, f->n + 1, sizeof(*f->v));
	f->v[f->n++] = v;
}

void
findings_add(struct findings *f, enum finding_level level,
    const struct json *node, const char *field, const char *remedy,
    const char *what_fmt, ...)
{
	va_list ap;

	if (f == NULL)
		return;
	va_start(ap, what_fmt);
	add(f, (struct finding){ .level = level, .field = str_dup(field),
	    .what = text_vfmt(what_fmt, ap), .remedy = str_dup(remedy),
	    .node = node });
	va_end(ap);
}

void
findings_reject(struct findings *f, enum finding_by by,
    const struct json *node, const char *field, const char *what_fmt, ...)
{
	va_list ap;

	if (f == NULL)
		return;
	va_start(ap, what_fmt);
	add(f, (struct finding){ .level = FINDING_REJECT, .by = by,
	    .field = str_dup(field), .what = text_vfmt(what_fmt, ap),
	    .remedy = str_dup(""), .node = node });
	va_end(ap);
}

const struct finding *
findings_first(const struct findings *f, enum finding_level level)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].level >= level)
			return (&f->v[i]);
	return (NULL);
}

void
findings_clear(struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].field);
		free(f->v[i].what);
		free(f->v[i].remedy);
	}
	free(f->v);
	*f = (struct findings){ 0 };
}

const char *
finding_by_name(enum finding_by by)
{
	static const char *const names[] = { "nodeseal", "api", "crd-schema",
		"decode", "webhook" };

	return ((size_t)by < ARRAY_LEN(names) ? names[by] : "nodeseal");
}

/* --- refusals ------------------------------------------------------------ */

/* "ExternalSecret.external-secrets.io", as schema.GroupKind prints. */
static void
group_kind(struct buf *out, const struct object_meta *m)
{
	const char *slash = strchr(m->api_version, '/');

	buf_adds(out, m->kind_name);
	if (slash != NULL) {
		buf_addc(out, '.');
		buf_add(out, m->api_version,
		    (size_t)(slash - m->api_version));
	}
}

static int
in_stage(const struct finding *v, enum finding_by stage)
{
	enum finding_by by = v->by == FINDING_API ? FINDING_SCHEMA : v->by;

	return (v->level == FINDING_REJECT && by == stage);
}

static int
said_before(const struct findings *f, size_t i, enum finding_by stage)
{
	for (size_t j = 0; j < i; j++)
		if (in_stage(&f->v[j], stage) &&
		    str_eq(f->v[j].field, f->v[i].field) &&
		    str_eq(f->v[j].what, f->v[i].what))
			return (1);
	return (0);
}

/* API server: "field: what", several in brackets, each once
 * (apimachinery pkg/util/errors aggregate). */
static void
say_invalid(struct buf *out, const struct findings *f,
    const struct object_meta *m)
{
	struct buf list = BUF_PLAIN(TEXT_MAX);
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (!in_stage(&f->v[i], FINDING_SCHEMA) ||
		    said_before(f, i, FINDING_SCHEMA))
			continue;
		if (n++ > 0)
			buf_adds(&list, ", ");
		if (f->v[i].field[0] != '\0') {
			buf_adds(&list, f->v[i].field);
			buf_adds(&list, ": ");
		}
		buf_adds(&list, f->v[i].what);
	}
	if (strchr(m->api_version, '/') != NULL) {
		group_kind(out, m);
		buf_addc(out, ' ');
		go_quote(out, m->name);
		buf_adds(out, " is invalid: ");
	}
	if (n > 1)
		buf_addc(out, '[');
	buf_adds(out, buf_str(&list));
	if (n > 1)
		buf_addc(out, ']');
	buf_clear(&list);
}

/* Webhook: errors.Join, a line each.  Decoding stops at the first. */
static void
say_lines(struct buf *out, const struct findings *f, enum finding_by stage)
{
	for (size_t i = 0; i < f->n; i++) {
		if (!in_stage(&f->v[i], stage))
			continue;
		if (out->len > 0)
			buf_addc(out, '\n');
		if (stage == FINDING_OURS && f->v[i].field[0] != '\0') {
			buf_adds(out, f->v[i].field);
			buf_adds(out, ": ");
		}
		buf_adds(out, f->v[i].what);
		if (stage == FINDING_OURS && f->v[i].remedy[0] != '\0') {
			buf_adds(out, ": ");
			buf_adds(out, f->v[i].remedy);
		}
		if (stage == FINDING_DECODE)
			break;
	}
}

char *
findings_refusal(const struct findings *f, const struct object_meta *m,
    enum finding_by *ret_by)
{
	static const enum finding_by stages[] = { FINDING_SCHEMA,
		FINDING_DECODE, FINDING_WEBHOOK, FINDING_OURS };
	struct buf out = BUF_PLAIN(TEXT_MAX);

	for (size_t s = 0; s < ARRAY_LEN(stages); s++)
		for (size_t i = 0; i < f->n; i++) {
			if (!in_stage(&f->v[i], stages[s]))
				continue;
			if (ret_by != NULL)
				*ret_by = f->v[i].by;
			if (stages[s] == FINDING_SCHEMA)
				say_invalid(&out, f, m);
			else
				say_lines(&out, f, stages[s]);
			return (buf_take(&out));
		}
	return (NULL);
}
