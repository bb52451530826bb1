/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "value/doc.h"
#include "value/tmpl_json.h"
#include "value/tmpl_yaml.h"

/* ESO's toYaml and fromYaml (runtime/template/v2/yaml.go): by way of JSON, as
 * sigs.k8s.io/yaml goes. */

#define YAML_TEXT_MAX (16u << 20)

/* Does libyaml's parser say this, and not its scanner? */
static int
is_parser_problem(const char *s)
{
	static const char *const words[] = { "did not find expected <",
		"did not find expected node content",
		"did not find expected '-' indicator",
		"did not find expected key", "did not find expected ','",
		"found undefined tag handle", "found duplicate %",
		"found incompatible YAML document" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(words); i++)
		if (strncmp(s, words[i], strlen(words[i])) == 0)
			return (1);
	return (0);
}

/* Without "column 7: ", which goyaml does not say. */
static void
cut_column(char *s)
{
	static const char word[] = "column ";
	size_t n = strlen(word);

	if (strncmp(s, word, n) != 0)
		return;
	n += strspn(s + n, "0123456789") + 2;
	memmove(s, s + n, strlen(s + n) + 1);
}

void
tmpl_yaml_words(struct err *err)
{
	cleanup_free char *copy = str_dup(err_msg(err));
	static const char not_json[] = ": JSON has no ";
	char *end = NULL;
	unsigned long line;

	if (strncmp(copy, "line ", 5) == 0) {
		line = strtoul(copy + 5, &end, 10);
		/* That is encoding/json's, and has no line. */
		if (strncmp(end, not_json, strlen(not_json)) == 0) {
			err_set(err, err->kind, "json: unsupported value: %s",
			    end + strlen(not_json));
			return;
		}
		if (strncmp(end, ": ", 2) == 0) {
			cut_column(end + 2);
			line -= line == 1 || is_parser_problem(end + 2);
			if (line > 0 && strncmp(end, ": unknown anchor",
			    16) != 0)
				err_set(err, err->kind, "line %lu%s", line,
				    end);
			else
				err_set(err, err->kind, "%s", end + 2);
		}
	}
	err_wrap(err, "yaml");
}

/* An integer that YAML reads as one, and that a double need not hold. */
static int
is_long(const struct doc *d)
{
	uint64_t u;
	int64_t i;

	return (d->type == DOC_NUMBER && d->len > 15 &&
	    (tmpl_parse_int(d->raw, d->len, 10, &i) == 0 ||
	    tmpl_parse_uint(d->raw, d->len, 10, &u) == 0));
}

/* Give the tree of a document the digits of its long integers. */
static void
add_digits(const struct doc *d, struct json *j)
{
	struct json *child = json_first(j);
	struct doc key, elem;
	size_t at = 0;

	if (is_long(d))
		json_set_digits(j, d->raw, d->len);
	if (d->type != DOC_ARRAY && d->type != DOC_OBJECT)
		return;
	while (child != NULL && doc_next(d, &at, &key, &elem)) {
		add_digits(&elem, child);
		child = json_next(child);
	}
}

/* Marshal, without the last line feed; "" for what cannot be printed. */
static int
fn_to_yaml(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_err struct err e = ERR_INIT;
	cleanup_buf struct buf json = tmpl_buf(c->run);
	cleanup_buf struct buf out = tmpl_buf(c->run);
	cleanup_json struct json *j = NULL;
	struct doc d;

	*ret = tv_str("");
	if (tmpl_json_print(c->run, &c->v[0], 0, &json, &e) == -1 ||
	    (j = json_parse(buf_str(&json), json.len, &e)) == NULL) {
		if (e.kind != ERR_INVALID)
			return (err_move(err, &e));
		return (0);
	}
	if (doc_parse(buf_str(&json), json.len, &d, NULL) == 0)
		add_digits(&d, j);
	yaml_print(j, &out);
	if (out.len > 0 && out.data[out.len - 1] == '\n')
		buf_cut(&out, out.len - 1);
	return (tv_buf(c->run, &out, ret, err));
}

/* The first document as JSON text; 1 when it is one that a map can take. */
static int
read_map(const struct tv *text, struct buf *json, struct err *err)
{
	static const char *const words[] = { "", "bool", "bool", "number",
		"string", "array", "" };
	struct yaml_docs docs = { 0 };
	const struct json *root;
	int rc = 0;

	if (yaml_read(text->u.s.p, text->u.s.n, &docs, err) == -1) {
		if (err->kind != ERR_INVALID)
			return (-1);
		tmpl_yaml_words(err);
		return (err_wrap(err, "error converting YAML to JSON"));
	}
	root = docs.n > 0 ? docs.v[0].root : NULL;
	if (json_is(root, JSON_OBJECT))
		json_print(root, json, 0);
	else if (root == NULL || json_is(root, JSON_NULL))
		buf_adds(json, "{}");
	else
		rc = err_set(err, ERR_INVALID, "error unmarshaling JSON: while "
		    "decoding JSON: json: cannot unmarshal %s into Go value "
		    "of type map[string]interface {}",
		    words[json_type(root)]);
	yaml_docs_clear(&docs);
	return (rc == 0 ? buf_finish(json, "fromYaml", err) : -1);
}

/* A map; the error's text is a value in it. */
static int
fn_from_yaml(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_err struct err e = ERR_INIT;
	cleanup_buf struct buf json = BUF_SECRET(YAML_TEXT_MAX);

	if (read_map(&c->v[0], &json, &e) == -1) {
		if (e.kind != ERR_INVALID)
			return (err_move(err, &e));
		buf_clear(&json);
		buf_adds(&json, "{\"Error\":");
		codec_json_string(&json, err_msg(&e), strlen(err_msg(&e)), 0);
		buf_adds(&json, "}");
	}
	return (tmpl_json_parse(c->run, buf_str(&json), json.len, ret, err));
}

const struct tmpl_func tmpl_funcs_yaml[] = {
	{ "toYaml", fn_to_yaml, &tt_string, 1, { &tt_any }, NULL },
	{ "fromYaml", fn_from_yaml, &tt_map, 1, { &tt_string }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
