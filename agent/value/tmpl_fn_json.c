/* SPDX-License-Identifier: Apache-2.0 */
#include "value/tmpl_cast.h"
#include "value/tmpl_json.h"

/* JSON: sprig's defaults.go. */

/* Errors of the language are dropped, ceilings are not. */
static int
drop(struct err *e, struct err *err)
{
	if (e->kind != ERR_INVALID)
		return (err_move(err, e));
	err_clear(e);
	return (0);
}

static int
fn_must_from_json(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (tmpl_json_parse(c->run, c->v[0].u.s.p, c->v[0].u.s.n, ret,
	    err));
}

static int
fn_from_json(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_err struct err e = ERR_INIT;

	if (fn_must_from_json(c, ret, &e) == -1)
		return (drop(&e, err));
	return (0);
}

static int
must_to_json(struct tmpl_call *c, int flags, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	if (tmpl_json_print(c->run, &c->v[0], flags, &out, err) == -1)
		return (-1);
	return (tv_buf(c->run, &out, ret, err));
}

/* Without must: "" for what cannot be printed. */
static int
to_json(struct tmpl_call *c, int flags, struct tv *ret, struct err *err)
{
	cleanup_err struct err e = ERR_INIT;

	*ret = tv_str("");
	if (must_to_json(c, flags, ret, &e) == -1)
		return (drop(&e, err));
	return (0);
}

static int
fn_to_json(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (to_json(c, TMPL_JSON_HTML, ret, err));
}

static int
fn_must_to_json(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (must_to_json(c, TMPL_JSON_HTML, ret, err));
}

static int
fn_to_pretty_json(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (to_json(c, TMPL_JSON_HTML | TMPL_JSON_PRETTY, ret, err));
}

static int
fn_must_to_pretty_json(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (must_to_json(c, TMPL_JSON_HTML | TMPL_JSON_PRETTY, ret, err));
}

/* Panics where its twin gives an error: one text. */
static int
fn_to_raw_json(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (must_to_json(c, TMPL_JSON_POINTER, ret, err));
}

#define A &tt_any
#define S &tt_string

const struct tmpl_func tmpl_funcs_json[] = {
	{ "fromJson", fn_from_json, A, 1, { S }, NULL },
	{ "mustFromJson", fn_must_from_json, A, 1, { S }, NULL },
	{ "toJson", fn_to_json, S, 1, { A }, NULL },
	{ "mustToJson", fn_must_to_json, S, 1, { A }, NULL },
	{ "toPrettyJson", fn_to_pretty_json, S, 1, { A }, NULL },
	{ "mustToPrettyJson", fn_must_to_pretty_json, S, 1, { A }, NULL },
	{ "toRawJson", fn_to_raw_json, S, 1, { A }, NULL },
	{ "mustToRawJson", fn_to_raw_json, S, 1, { A }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
