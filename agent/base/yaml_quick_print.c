/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "base/yaml_internal.h"

/*
 * The emitter's text for a tree of mappings whose texts are words: what a
 * Secret looks like.  Anything that needs an escape, a fold or a block is the
 * emitter's.
 */
#define KEY_MAX 100		/* longer ones get a "? " */

/* What base64 and names are made of. */
static const char word_chars[256] = {
	['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['.' ... '9'] = 1,
	['+'] = 1, ['='] = 1, ['-'] = 1, ['_'] = 1,
};

static int
add_word(const char *s, size_t max, struct buf *out)
{
	size_t n = 0;
	int quotes;

	while (word_chars[(unsigned char)s[n]])
		n++;
	if (n == 0 || s[n] != '\0' || n > max || strchr("-+=.", *s))
		return (0);
	quotes = !yaml_plain_ok(s);
	if (quotes)
		buf_addc(out, '"');
	buf_add(out, s, n);
	if (quotes)
		buf_addc(out, '"');
	return (1);
}

static void
add_indent(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_add(out, "  ", 2);
}

static int add_members(const struct json *obj, size_t depth, struct buf *out);

static int
add_value(const struct json *j, size_t depth, struct buf *out)
{
	switch (json_type(j)) {
	case JSON_STRING:
		buf_addc(out, ' ');
		if (!add_word(json_str(j), SIZE_MAX, out))
			return (0);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_adds(out, json_bool(j, 0) ? " true" : " false");
		break;
	case JSON_OBJECT:
		if (json_first(j) == NULL) {
			buf_adds(out, " {}");
			break;
		}
		buf_addc(out, '\n');
		return (add_members(j, depth + 1, out));
	case JSON_ARRAY:
	case JSON_NUMBER:
	case JSON_NULL:
		return (0);
	}
	buf_addc(out, '\n');
	return (1);
}

static int
add_members(const struct json *obj, size_t depth, struct buf *out)
{
	size_t n = 0, i;
	cleanup_free const struct json **members =
	    mem_array(json_len(obj), sizeof(*members));
	const struct json *at;

	for (at = json_first(obj); at; at = json_next(at))
		members[n++] = at;
	yaml_keys_sort(members, n);
	for (i = 0; i < n; i++) {
		add_indent(out, depth);
		if (!add_word(json_key(members[i]), KEY_MAX, out))
			return (0);
		buf_addc(out, ':');
		if (!add_value(members[i], depth, out))
			return (0);
	}
	return (1);
}

int
yaml_quick_print(const struct json *j, struct buf *out)
{
	size_t before = out->len;

	if (json_is(j, JSON_OBJECT) && json_first(j) &&
	    add_members(j, 0, out))
		return (1);
	buf_cut(out, before);
	return (0);
}
