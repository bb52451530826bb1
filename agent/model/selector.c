/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "model/schema.h"
#include "model/store.h"

/* metav1.LabelSelector. */

static const struct field expression_fields[] = {
	{ .name = "key", .type = FIELD_TEXT, .flags = FIELD_REQUIRED },
	{ .name = "operator", .type = FIELD_TEXT, .flags = FIELD_REQUIRED },
	{ .name = "values", .type = FIELD_TEXTS },
};
static const struct record expression = {
	.fields = expression_fields, .nfields = ARRAY_LEN(expression_fields)
};
static const struct field selector_fields[] = {
	{ .name = "matchExpressions", .type = FIELD_OBJECTS,
	    .record = &expression },
	{ .name = "matchLabels", .type = FIELD_MAP },
};
const struct record selector_record = {
	.fields = selector_fields, .nfields = ARRAY_LEN(selector_fields)
};

enum op { OP_IN, OP_NOT_IN, OP_EXISTS, OP_ABSENT, OP_UNKNOWN };

static enum op
op_of(const struct json *e)
{
	static const char *const names[] = { "In", "NotIn", "Exists",
		"DoesNotExist" };
	const char *s = str_or(json_str(json_get(e, "operator")), "");

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], s) == 0)
			return ((enum op)i);
	return (OP_UNKNOWN);
}

/* labels.NewRequirement's rules for the number of values. */
static int
check_expression(const struct json *e, struct err *err)
{
	size_t n = json_is(json_get(e, "values"), JSON_ARRAY) ?
	    json_len(json_get(e, "values")) : 0;
	cleanup_buf struct buf q = BUF_PLAIN(64u << 10);

	switch (op_of(e)) {
	case OP_IN:
	case OP_NOT_IN:
		if (n == 0)
			return (err_set(err, ERR_INVALID, "values: Invalid "
			    "value: null: for 'in', 'notin' operators, values "
			    "set can't be empty"));
		return (0);
	case OP_EXISTS:
	case OP_ABSENT:
		if (n != 0)
			return (err_set(err, ERR_INVALID, "values: Invalid "
			    "value: values set must be empty for exists and "
			    "does not exist"));
		return (0);
	default:
		go_quote(&q, str_or(json_str(json_get(e, "operator")), ""));
		return (err_set(err, ERR_INVALID, "%s is not a valid label "
		    "selector operator", buf_str(&q)));
	}
}

int
selector_check(const struct json *selector, struct err *err)
{
	for (const struct json *e =
	    json_first(json_get(selector, "matchExpressions")); e != NULL;
	    e = json_next(e))
		if (check_expression(e, err) == -1)
			return (-1);
	return (0);
}

static int
expression_matches(const struct json *e, const struct strmap *labels)
{
	const char *key = json_str(json_get(e, "key"));
	const char *have = key == NULL ? NULL : strmap_get(labels, key);
	int in = 0;

	for (const struct json *v = json_first(json_get(e, "values"));
	    v != NULL && have != NULL; v = json_next(v))
		in |= str_eq(json_str(v), have);
	switch (op_of(e)) {
	case OP_IN:
		return (in);
	case OP_NOT_IN:
		return (!in);		/* absent counts as not in */
	case OP_EXISTS:
		return (have != NULL);
	case OP_ABSENT:
		return (have == NULL);
	default:
		return (0);
	}
}

int
selector_match(const struct json *selector, const struct strmap *labels)
{
	const struct json *v;

	/* What cannot be read selects nothing: a wrong selector must not open
	 * a store to everybody. */
	if (selector_check(selector, NULL) == -1)
		return (0);
	for (v = json_first(json_get(selector, "matchLabels")); v != NULL;
	    v = json_next(v))
		if (json_str(v) == NULL ||
		    !str_eq(json_str(v), strmap_get(labels, json_key(v))))
			return (0);
	for (v = json_first(json_get(selector, "matchExpressions")); v != NULL;
	    v = json_next(v))
		if (!expression_matches(v, labels))
			return (0);
	return (1);
}
