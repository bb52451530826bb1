/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/codec.h"
#include "value/gostr.h"
#include "value/num.h"
#include "value/tmpl_run.h"
#include "value/tmpl_tree.h"

/* src/text/template/parse/node.go of Go 1.26, and strconv.Unquote. */

/* --- printing ------------------------------------------------------------- */

static void
add_span(struct buf *out, struct span s)
{
	buf_add(out, s.p, s.n);
}

static void
print_list(const struct node *n, struct buf *out)
{
	uint32_t i;

	for (i = 0; i < n->u.list.n; i++)
		node_print(n->u.list.v[i], out);
}

static void
print_operand(const struct node *n, struct buf *out)
{
	if (n->type == NODE_PIPE)
		buf_addc(out, '(');
	node_print(n, out);
	if (n->type == NODE_PIPE)
		buf_addc(out, ')');
}

static void
print_command(const struct node *n, struct buf *out)
{
	uint32_t i;

	for (i = 0; i < n->u.list.n; i++) {
		if (i > 0)
			buf_addc(out, ' ');
		print_operand(n->u.list.v[i], out);
	}
}

static void
print_pipe(const struct node *n, struct buf *out)
{
	uint32_t i;

	for (i = 0; i < n->u.pipe.ndecl; i++) {
		if (i > 0)
			buf_adds(out, ", ");
		node_print(n->u.pipe.decl[i], out);
	}
	if (n->u.pipe.ndecl > 0)
		buf_adds(out, n->flag ? " = " : " := ");
	for (i = 0; i < n->u.pipe.n; i++) {
		if (i > 0)
			buf_adds(out, " | ");
		node_print(n->u.pipe.cmds[i], out);
	}
}

static void
print_branch(const struct node *n, const char *word, struct buf *out)
{
	buf_adds(out, "{{");
	buf_adds(out, word);
	print_pipe(n->u.branch.pipe, out);
	buf_adds(out, "}}");
	print_list(n->u.branch.list, out);
	if (n->u.branch.els != NULL) {
		buf_adds(out, "{{else}}");
		print_list(n->u.branch.els, out);
	}
	buf_adds(out, "{{end}}");
}

static void
print_names(const struct node *n, int dot_first, struct buf *out)
{
	uint32_t i;

	for (i = 0; i < n->u.chain.n; i++) {
		if (i > 0 || dot_first)
			buf_addc(out, '.');
		add_span(out, n->u.chain.names[i]);
	}
}

static void
print_template(const struct node *n, struct buf *out)
{
	buf_adds(out, "{{template ");
	gostr_quote(n->u.tmpl.name.p, n->u.tmpl.name.n, out);
	if (n->u.tmpl.pipe != NULL) {
		buf_addc(out, ' ');
		print_pipe(n->u.tmpl.pipe, out);
	}
	buf_adds(out, "}}");
}

static const char *
fixed_text(const struct node *n)
{
	switch (n->type) {
	case NODE_BOOL:
		return (n->flag ? "true" : "false");
	case NODE_DOT:
		return (".");
	case NODE_NIL:
		return ("nil");
	case NODE_ELSE:
		return ("{{else}}");
	case NODE_END:
		return ("{{end}}");
	case NODE_BREAK:
		return ("{{break}}");
	default:
		return ("{{continue}}");
	}
}

void
node_print(const struct node *n, struct buf *out)
{
	if (!buf_ok(out))
		return;
	switch (n->type) {
	case NODE_TEXT:
		add_span(out, n->u.text);
		break;
	case NODE_ACTION:
		buf_adds(out, "{{");
		print_pipe(n->u.branch.pipe, out);
		buf_adds(out, "}}");
		break;
	case NODE_CHAIN:
		print_operand(n->u.chain.node, out);
		print_names(n, 1, out);
		break;
	case NODE_FIELD:
	case NODE_VARIABLE:
		print_names(n, n->type == NODE_FIELD, out);
		break;
	case NODE_COMMAND:
		print_command(n, out);
		break;
	case NODE_IDENT:
		add_span(out, n->u.ident.name);
		break;
	case NODE_IF:
		print_branch(n, "if ", out);
		break;
	case NODE_RANGE:
		print_branch(n, "range ", out);
		break;
	case NODE_WITH:
		print_branch(n, "with ", out);
		break;
	case NODE_LIST:
		print_list(n, out);
		break;
	case NODE_NUMBER:
		add_span(out, n->u.num->text);
		break;
	case NODE_PIPE:
		print_pipe(n, out);
		break;
	case NODE_STRING:
		buf_add(out, n->u.str.quoted, n->u.str.nquoted);
		break;
	case NODE_TEMPLATE:
		print_template(n, out);
		break;
	default:
		buf_adds(out, fixed_text(n));
	}
}

void
tmpl_position(const struct tmpl *t, size_t pos, size_t *ret_line,
    size_t *ret_column)
{
	size_t i, start = 0, line = 1;

	for (i = 0; i < pos; i++) {
		if (t->text[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	*ret_line = line;
	*ret_column = pos - start;
}

/* Nothing of a run exists yet, or it has just failed: printing has ceilings of
 * its own here. */
int
tmpl_errorf(struct buf *format, const struct tv *args, size_t n,
    struct err *err)
{
	struct tmpl_run run = { .pool = POOL_INIT(16u << 20),
		.steps_max = 1000000, .depth_max = 1000 };
	struct buf out = BUF_SECRET(16u << 20);
	int rc;

	rc = buf_finish(format, "the text of an error", err);
	if (rc == 0)
		rc = tmpl_sprintf(&run, buf_str(format), format->len, args, n,
		    &out, err);
	if (rc == 0)
		err_set(err, ERR_INVALID, "%s", buf_str(&out));
	buf_clear(&out);
	pool_clear(&run.pool);
	return (-1);
}

/* --- strings -------------------------------------------------------------- */

static int
invalid_syntax(struct err *err)
{
	return (err_set(err, ERR_INVALID, "invalid syntax"));
}

static int
hex_digits(const char *s, size_t n, size_t count, uint32_t *ret)
{
	uint64_t v;

	if (n < count || memchr(s, '_', count) != NULL ||
	    tmpl_parse_uint(s, count, 16, &v) != 0)
		return (-1);
	*ret = (uint32_t)v;
	return (0);
}

/* The escape behind a backslash: its length; 0 when there is none such. */
static size_t
escape(const char *s, size_t n, char quote, uint32_t *ret, int *ret_is_rune)
{
	static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
	const char *at;
	size_t count;

	*ret_is_rune = 0;
	if (n == 0)
		return (0);
	if (s[0] != '\0' && (at = strchr(from, s[0])) != NULL) {
		*ret = (unsigned char)to[at - from];
		return (1);
	}
	if (s[0] == '\\' || s[0] == quote) {
		*ret = (unsigned char)s[0];
		return (1);
	}
	if (s[0] >= '0' && s[0] <= '7') {
		if (n < 3 || s[1] < '0' || s[1] > '7' || s[2] < '0' ||
		    s[2] > '7')
			return (0);
		*ret = (uint32_t)((s[0] - '0') << 6 | (s[1] - '0') << 3 |
		    (s[2] - '0'));
		return (*ret > 255 ? 0 : 3);
	}
	count = s[0] == 'x' ? 2 : s[0] == 'u' ? 4 : s[0] == 'U' ? 8 : 0;
	if (count == 0 || hex_digits(s + 1, n - 1, count, ret) == -1)
		return (0);
	*ret_is_rune = s[0] != 'x';
	if (*ret_is_rune && (*ret > 0x10ffff || (*ret >= 0xd800 &&
	    *ret <= 0xdfff)))
		return (0);
	return (1 + count);
}

/* strconv.UnquoteChar: one character; 0 when it is none. */
static size_t
unquote_char(const char *s, size_t n, char quote, uint32_t *ret,
    int *ret_is_rune)
{
	size_t len;

	if (n == 0 || s[0] == quote)
		return (0);
	if (s[0] == '\\') {
		len = escape(s + 1, n - 1, quote, ret, ret_is_rune);
		return (len == 0 ? 0 : 1 + len);
	}
	*ret_is_rune = 1;
	return (utf8_next(s, n, ret));
}

static void
unquote_raw(struct span quoted, struct buf *out)
{
	size_t i;

	for (i = 1; i + 1 < quoted.n; i++)
		if (quoted.p[i] != '\r')
			buf_addc(out, quoted.p[i]);
}

int
tmpl_unquote(struct pool *pool, struct span quoted, struct span *ret,
    struct err *err)
{
	struct buf out = BUF_SECRET(quoted.n * 4);
	const char *s = quoted.p + 1;
	size_t n = quoted.n - 2, len;
	uint32_t rune;
	int is_rune, rc = 0;

	if (quoted.p[0] == '`') {
		unquote_raw(quoted, &out);
		n = 0;
	}
	for (; n > 0 && rc == 0; s += len, n -= len) {
		len = unquote_char(s, n, quoted.p[0], &rune, &is_rune);
		if (len == 0 || (len == 1 && *s == '\n'))
			rc = invalid_syntax(err);
		else if (is_rune)
			utf8_add(&out, rune);
		else
			buf_addc(&out, (char)rune);
		if (len == 0)
			break;
	}
	if (rc == 0) {
		ret->n = out.len;
		ret->p = pool_copy(pool, out.data, out.len, err);
		rc = ret->p == NULL ? -1 : 0;
	}
	buf_clear(&out);
	return (rc);
}

/* --- numbers -------------------------------------------------------------- */

static int
number_char(struct number *n, struct err *err)
{
	const char *s = n->text.p;
	size_t len;
	uint32_t rune;
	int is_rune;

	len = unquote_char(s + 1, n->text.n - 1, '\'', &rune, &is_rune);
	if (len == 0)
		return (invalid_syntax(err));
	if (1 + len + 1 != n->text.n)
		return (err_set(err, ERR_INVALID,
		    "malformed character constant: %.*s", (int)n->text.n, s));
	n->is_int = n->is_uint = n->is_float = 1;
	n->i = (int64_t)rune;
	n->u = rune;
	n->f = rune;
	return (0);
}

/* Go's conversion of a float to an integer that may not fit, on amd64. */
static int64_t
to_int64(double f)
{
	return (f >= -0x1p63 && f < 0x1p63 ? (int64_t)f : INT64_MIN);
}

static uint64_t
to_uint64(double f)
{
	if (f < 0x1p63)
		return ((uint64_t)to_int64(f));
	return (f < 0x1p64 ? (uint64_t)f : 1ULL << 63);
}

static void
float_as_int(struct number *n)
{
	if (!n->is_int && (double)to_int64(n->f) == n->f) {
		n->is_int = 1;
		n->i = to_int64(n->f);
	}
	if (!n->is_uint && (double)to_uint64(n->f) == n->f) {
		n->is_uint = 1;
		n->u = to_uint64(n->f);
	}
}

static void
simplify_complex(struct number *n)
{
	n->is_complex = 1;
	n->is_float = n->im == 0;
	if (n->is_float)
		float_as_int(n);
}

/* a+bi: the second sign that belongs to no exponent parts it. */
static int
number_complex(struct number *n, struct err *err)
{
	const char *s = n->text.p;
	size_t at, len = n->text.n - 1;	/* without the i */
	int hex = 0;

	for (at = 1; at < len; at++) {
		if ((s[at - 1] | 0x20) == 'x')
			hex = 1;
		if ((s[at] == '+' || s[at] == '-') &&
		    (s[at - 1] | 0x20) != (hex ? 'p' : 'e'))
			break;
	}
	if (num_parse(s, at, &n->f) != 0 ||
	    num_parse(s + at, len - at, &n->im) != 0)
		return (err_set(err, ERR_INVALID,
		    "syntax error scanning complex number"));
	simplify_complex(n);
	return (0);
}

static int
quoted_error(const char *what, struct span text, struct err *err)
{
	cleanup_buf struct buf b = BUF_SECRET(SIZE_MAX / 4);

	gostr_quote(text.p, text.n, &b);
	return (err_set(err, ERR_INVALID, "%s: %s", what, buf_str(&b)));
}

static int
has_any(struct span s, const char *set)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (strchr(set, s.p[i]) != NULL)
			return (1);
	return (0);
}

static int
number_plain(struct number *n, struct err *err)
{
	const char *s = n->text.p;
	size_t len = n->text.n;

	n->is_uint = tmpl_parse_uint(s, len, 0, &n->u) == 0;
	n->is_int = tmpl_parse_int(s, len, 0, &n->i) == 0;
	if (n->is_int && n->i == 0)
		n->is_uint = 1;
	if (n->is_int || n->is_uint) {
		n->is_float = 1;
		n->f = n->is_int ? (double)n->i : (double)n->u;
		return (0);
	}
	n->u = 0;
	n->i = 0;
	if (num_parse(s, len, &n->f) != 0)
		return (quoted_error("illegal number syntax", n->text, err));
	if (!has_any(n->text, ".eEpP"))
		return (quoted_error("integer overflow", n->text, err));
	n->is_float = 1;
	float_as_int(n);
	return (0);
}

int
number_parse(struct pool *pool, struct span text, int is_char,
    int is_complex, struct number **ret, struct err *err)
{
	struct number *n = pool_alloc(pool, sizeof(*n), err);
	int rc;

	if (n == NULL)
		return (-1);
	n->text = text;
	if (is_char) {
		rc = number_char(n, err);
	} else if (is_complex) {
		rc = number_complex(n, err);
	} else if (text.p[text.n - 1] == 'i' &&
	    num_parse(text.p, text.n - 1, &n->im) == 0) {
		n->f = 0;
		simplify_complex(n);
		rc = 0;
	} else {
		rc = number_plain(n, err);
	}
	*ret = n;
	return (rc);
}
