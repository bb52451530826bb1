/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/secret.h"
#include "value/tmpl_case.h"
#include "value/tmpl_pem.h"

static const struct text begin_mark = { "-----BEGIN ", 11 };
static const struct text end_mark = { "\n-----END ", 10 };
static const struct text dashes = { "-----", 5 };

static struct text
from(struct text s, size_t at)
{
	return ((struct text){ s.p + at, s.n - at });
}

static int
ends_with(struct text s, struct text tail)
{
	return (s.n >= tail.n &&
	    memcmp(s.p + s.n - tail.n, tail.p, tail.n) == 0);
}

static int
starts_with(struct text s, struct text head)
{
	return (s.n >= head.n && (head.n == 0 ||
	    memcmp(s.p, head.p, head.n) == 0));
}

/* bytes.LastIndex */
static int64_t
find_last(struct text s, struct text sub)
{
	size_t i;

	for (i = s.n; i >= sub.n; i--)
		if (memcmp(s.p + i - sub.n, sub.p, sub.n) == 0)
			return ((int64_t)(i - sub.n));
	return (-1);
}

/* getLine: without the line's end and blanks before it; *s moves behind. */
static struct text
take_line(struct text *s)
{
	const char *nl = s->n > 0 ? memchr(s->p, '\n', s->n) : NULL;
	struct text line = *s;

	if (nl == NULL) {
		*s = from(*s, s->n);
	} else {
		line.n = (size_t)(nl - s->p);
		*s = from(*s, line.n + 1);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
	}
	while (line.n > 0 && (line.p[line.n - 1] == ' ' ||
	    line.p[line.n - 1] == '\t'))
		line.n--;
	return (line);
}

/* The lines with a colon at the front of *s; -1: nothing but those. */
static int
take_headers(struct text *s, size_t *count)
{
	struct text rest;

	for (*count = 0;; (*count)++, *s = rest) {
		struct text line;

		if (s->n == 0)
			return (-1);
		rest = *s;
		line = take_line(&rest);
		if (line.n == 0 || memchr(line.p, ':', line.n) == NULL)
			return (0);
	}
}

/* The base 64 text before the end line, blanks and all. */
static int
decode_body(struct tmpl_run *run, struct text body, struct text *ret,
    struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(run);
	cleanup_buf struct buf plain = tmpl_buf(run);
	struct tv v;
	size_t i;

	for (i = 0; i < body.n; i++)
		if (body.p[i] != ' ' && body.p[i] != '\t')
			buf_addc(&plain, body.p[i]);
	if (buf_finish(&plain, "the memory of a template", err) == -1)
		return (-1);
	if (codec_b64_decode(&out, buf_str(&plain), plain.len, CODEC_B64_STD,
	    NULL) == -1 && buf_ok(&out))
		return (0);
	if (tv_buf(run, &out, &v, err) == -1)
		return (-1);
	*ret = text_of(&v);
	return (1);
}

/*
 * What stands between the last BEGIN before the end line and that: ${rest}
 * starts behind "-----BEGIN ", the end line's newline is at rest->p + end.
 * 1: a block, and ${rest} is behind it; 0: none; 2: no more tries.
 */
static int
decode_block(struct tmpl_run *run, struct text *rest, int64_t end,
    struct pem_block *ret, struct err *err)
{
	const char *newline = rest->p + end;
	struct text s = *rest, type = take_line(&s), tail;
	int rc;

	if (!ends_with(type, dashes))
		return (0);
	type.n -= dashes.n;
	ret->headers = s;
	if (take_headers(&s, &ret->nheaders) == -1)
		return (2);
	ret->headers.n -= s.n;
	/* Headers ask for a newline between them and the end line. */
	if (ret->nheaders > 0 && newline < s.p)
		return (newline + end_mark.n < s.p ? 2 : 0);
	tail = from(*rest, (size_t)end + end_mark.n);
	if (tail.n < type.n + dashes.n || !starts_with(tail, type) ||
	    !starts_with(from(tail, type.n), dashes))
		return (0);
	tail = from(tail, type.n + dashes.n);
	if (take_line(&tail).n > 0)
		return (0);
	ret->type = type;
	ret->bytes = (struct text){ "", 0 };
	if (newline > s.p && (rc = decode_body(run, (struct text){ s.p,
	    (size_t)(newline - s.p) }, &ret->bytes, err)) != 1)
		return (rc);
	*rest = tail;
	return (1);
}

int
pem_decode(struct tmpl_run *run, struct text *s, struct pem_block *ret,
    struct err *err)
{
	struct text rest = *s;
	int64_t begin, end;
	int rc;

	while ((end = text_find(rest, end_mark)) >= 0) {
		if (tmpl_steps(run, 1 + (uint64_t)end / 64, err) == -1)
			return (-1);
		begin = find_last((struct text){ rest.p, (size_t)end },
		    begin_mark);
		if (begin < 0 || (begin > 0 && rest.p[begin - 1] != '\n')) {
			rest = from(rest, (size_t)end + end_mark.n);
			continue;
		}
		rest = from(rest, (size_t)begin + begin_mark.n);
		end -= begin + (int64_t)begin_mark.n;
		rc = decode_block(run, &rest, end, ret, err);
		if (rc == 1)
			*s = rest;
		if (rc != 0)
			return (rc == 2 ? 0 : rc);
		rest = from(rest, (size_t)end + end_mark.n);
	}
	return (0);
}

/* --- printing ----------------------------------------------------------- */

struct header {
	struct text key, value;
	size_t at;
};

static int
compare(const void *a, const void *b)
{
	const struct header *x = a, *y = b;
	size_t n = x->key.n < y->key.n ? x->key.n : y->key.n;
	int order = n == 0 ? 0 : memcmp(x->key.p, y->key.p, n);

	if (order == 0 && x->key.n != y->key.n)
		order = x->key.n < y->key.n ? -1 : 1;
	return (order != 0 ? order : x->at < y->at ? -1 : 1);
}

static void
print_header(const struct header *h, struct buf *out)
{
	buf_add(out, h->key.p, h->key.n);
	buf_adds(out, ": ");
	buf_add(out, h->value.p, h->value.n);
	buf_addc(out, '\n');
}

/* Sorted, the last of each name, but Proc-Type first (RFC 1421). */
static void
print_sorted(const struct header *v, size_t n, struct buf *out)
{
	int first, is_first;
	size_t i;

	for (first = 1; first >= 0; first--) {
		for (i = 0; i < n; i++) {
			is_first = text_is(v[i].key, "Proc-Type");
			if (is_first == first && (i + 1 == n ||
			    v[i].key.n != v[i + 1].key.n ||
			    !starts_with(v[i + 1].key, v[i].key)))
				print_header(&v[i], out);
		}
	}
	buf_addc(out, '\n');
}

static int
print_headers(struct tmpl_run *run, const struct pem_block *b,
    struct buf *out, struct err *err)
{
	struct header *v = tmpl_alloc(run, (b->nheaders + 1) * sizeof(*v),
	    err);
	struct text rest = b->headers;
	size_t i;

	if (v == NULL || tmpl_steps(run, b->nheaders, err) == -1)
		return (-1);
	for (i = 0; i < b->nheaders; i++) {
		struct text line = take_line(&rest);
		size_t n = (size_t)text_find(line, (struct text){ ":", 1 });

		v[i].at = i;
		v[i].key = (struct text){ line.p, n };
		v[i].value = from(line, n + 1);
		case_trim_space(&v[i].key.p, &v[i].key.n);
		case_trim_space(&v[i].value.p, &v[i].value.n);
	}
	qsort(v, b->nheaders, sizeof(*v), compare);
	print_sorted(v, b->nheaders, out);
	return (0);
}

static void
print_edge(const char *edge, struct text type, struct buf *out)
{
	buf_adds(out, edge);
	buf_add(out, type.p, type.n);
	buf_adds(out, "-----\n");
}

static void
print_body(const void *p, size_t n, struct buf *out)
{
	cleanup_buf struct buf text = BUF_SECRET(SIZE_MAX);
	size_t i;

	codec_b64_encode(&text, p, n, CODEC_B64_STD, 1);
	for (i = 0; i < text.len; i += 64) {
		buf_add(out, text.data + i, text.len - i < 64 ?
		    text.len - i : 64);
		buf_addc(out, '\n');
	}
}

int
pem_print(struct tmpl_run *run, const struct pem_block *b, struct buf *out,
    struct err *err)
{
	print_edge("-----BEGIN ", b->type, out);
	if (b->nheaders > 0 && print_headers(run, b, out, err) == -1)
		return (-1);
	print_body(b->bytes.p, b->bytes.n, out);
	print_edge("-----END ", b->type, out);
	return (0);
}

void
pem_encode(const char *type, const void *p, size_t n, struct buf *out)
{
	struct text name = { type, strlen(type) };

	print_edge("-----BEGIN ", name, out);
	print_body(p, n, out);
	print_edge("-----END ", name, out);
}
