/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "value/tmpl_cast.h"
#include "value/tmpl_url.h"

/* Paths, Go's packages path and path/filepath, which agree on Unix; and sprig's
 * url.go. */

static struct text
arg(const struct tmpl_call *c)
{
	return (text_of(&c->v[0]));
}

static int
give(struct text t, struct tv *ret)
{
	*ret = tv_strn(t.p, t.n);
	return (0);
}

/* --- paths -------------------------------------------------------------- */

/* ".." over what was printed: not over ${keep} bytes of it. */
static void
go_back(struct buf *out, size_t *keep, int rooted)
{
	size_t at = out->len;

	if (at > *keep) {
		for (at--; at > *keep && out->data[at] != '/';)
			at--;
		buf_cut(out, at);
	} else if (!rooted) {
		if (at > 0)
			buf_addc(out, '/');
		buf_adds(out, "..");
		*keep = out->len;
	}
}

/* path.Clean */
static void
clean(struct text s, struct buf *out)
{
	int rooted = s.n > 0 && s.p[0] == '/';
	size_t i = rooted ? 1 : 0, end, keep = rooted ? 1 : 0;

	if (rooted)
		buf_addc(out, '/');
	for (; i < s.n; i = end) {
		for (end = i; end < s.n && s.p[end] != '/';)
			end++;
		if (end == i) {
			end++;
		} else if (end - i == 2 && s.p[i] == '.' &&
		    s.p[i + 1] == '.') {
			go_back(out, &keep, rooted);
		} else if (end - i != 1 || s.p[i] != '.') {
			if (out->len != (rooted ? 1u : 0u))
				buf_addc(out, '/');
			buf_add(out, s.p + i, end - i);
		}
	}
	if (out->len == 0)
		buf_addc(out, '.');
}

static int
give_clean(struct tmpl_call *c, struct text s, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	clean(s, &out);
	return (tv_buf(c->run, &out, ret, err));
}

static int
fn_clean(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (give_clean(c, arg(c), ret, err));
}

static int
fn_dir(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct text s = arg(c);

	while (s.n > 0 && s.p[s.n - 1] != '/')
		s.n--;
	return (give_clean(c, s, ret, err));
}

static int
fn_base(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct text s = arg(c);
	size_t at;

	(void)err;
	if (s.n == 0)
		return (give((struct text){ ".", 1 }, ret));
	while (s.n > 0 && s.p[s.n - 1] == '/')
		s.n--;
	if (s.n == 0)
		return (give((struct text){ "/", 1 }, ret));
	for (at = s.n; at > 0 && s.p[at - 1] != '/';)
		at--;
	return (give((struct text){ s.p + at, s.n - at }, ret));
}

static int
fn_ext(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct text s = arg(c);
	size_t i;

	(void)err;
	for (i = s.n; i > 0 && s.p[i - 1] != '/'; i--)
		if (s.p[i - 1] == '.')
			return (give((struct text){ s.p + i - 1,
			    s.n - i + 1 }, ret));
	*ret = tv_str("");
	return (0);
}

static int
fn_is_abs(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(arg(c).n > 0 && arg(c).p[0] == '/');
	return (0);
}

/* --- URLs --------------------------------------------------------------- */

static int
put(struct tmpl_run *run, const struct tv *map, const char *key,
    struct text value, struct err *err)
{
	return (tmap_set(run, map->u.m, key, strlen(key),
	    tv_strn(value.p, value.n), err));
}

static int
fn_url_parse(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf user = tmpl_buf(c->run);
	struct tmpl_url u;
	struct tv text;

	if (url_split(c->run, arg(c), &u, err) == -1)
		return (err != NULL && err->kind == ERR_INVALID ?
		    err_wrap(err, "unable to parse url") : -1);
	url_userinfo(&u, &user);
	if (tv_buf(c->run, &user, &text, err) == -1 ||
	    tv_new_map(c->run, &tt_map, ret, err) == -1 ||
	    put(c->run, ret, "scheme", u.scheme, err) == -1 ||
	    put(c->run, ret, "host", u.host, err) == -1 ||
	    put(c->run, ret, "hostname", url_hostname(u.host), err) == -1 ||
	    put(c->run, ret, "path", u.path, err) == -1 ||
	    put(c->run, ret, "query", u.query, err) == -1 ||
	    put(c->run, ret, "opaque", u.opaque, err) == -1 ||
	    put(c->run, ret, "fragment", u.fragment, err) == -1)
		return (-1);
	return (put(c->run, ret, "userinfo", text_of(&text), err));
}

/* dictGetOrEmpty */
static int
get(const struct tv *map, const char *key, struct text *ret, struct err *err)
{
	const struct tv *v = tmap_get(map->u.m, key, strlen(key));

	*ret = (struct text){ "", 0 };
	if (v == NULL)
		return (0);
	if (cast_is_nil(v))
		return (err_set(err, ERR_INVALID, "%s", cast_nil_pointer));
	if (tv_kind(v) != TK_STRING)
		return (err_set(err, ERR_INVALID, "unable to parse %s key, "
		    "must be of type string, but %s found", key,
		    tt_kind(v->type)));
	*ret = text_of(v);
	return (0);
}

/* The user and password of "proto://USERINFO@host". */
static int
set_user(struct tmpl_run *run, struct text info, struct tmpl_url *u,
    struct err *err)
{
	cleanup_buf struct buf text = tmpl_buf(run);
	struct tmpl_url made;
	struct tv url;

	buf_adds(&text, "proto://");
	buf_add(&text, info.p, info.n);
	buf_adds(&text, "@host");
	if (tv_buf(run, &text, &url, err) == -1)
		return (-1);
	if (url_split(run, text_of(&url), &made, err) == -1)
		return (err != NULL && err->kind == ERR_INVALID ?
		    err_wrap(err, "unable to parse userinfo in dict") : -1);
	u->has_user = made.has_user;
	u->has_password = made.has_password;
	u->user = made.user;
	u->password = made.password;
	return (0);
}

static int
fn_url_join(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct tmpl_url u = { .has_user = 0 };
	struct text user;

	if (get(&c->v[0], "scheme", &u.scheme, err) == -1 ||
	    get(&c->v[0], "host", &u.host, err) == -1 ||
	    get(&c->v[0], "path", &u.path, err) == -1 ||
	    get(&c->v[0], "query", &u.query, err) == -1 ||
	    get(&c->v[0], "opaque", &u.opaque, err) == -1 ||
	    get(&c->v[0], "fragment", &u.fragment, err) == -1 ||
	    get(&c->v[0], "userinfo", &user, err) == -1)
		return (-1);
	if (user.n > 0 && set_user(c->run, user, &u, err) == -1)
		return (-1);
	url_print(&u, &out);
	return (tv_buf(c->run, &out, ret, err));
}

#define S &tt_string
#define B &tt_bool

const struct tmpl_func tmpl_funcs_paths[] = {
	{ "base", fn_base, S, 1, { S }, NULL },
	{ "dir", fn_dir, S, 1, { S }, NULL },
	{ "clean", fn_clean, S, 1, { S }, NULL },
	{ "ext", fn_ext, S, 1, { S }, NULL },
	{ "isAbs", fn_is_abs, B, 1, { S }, NULL },
	{ "osBase", fn_base, S, 1, { S }, NULL },
	{ "osDir", fn_dir, S, 1, { S }, NULL },
	{ "osClean", fn_clean, S, 1, { S }, NULL },
	{ "osExt", fn_ext, S, 1, { S }, NULL },
	{ "osIsAbs", fn_is_abs, B, 1, { S }, NULL },
	{ "urlParse", fn_url_parse, &tt_map, 1, { S }, NULL },
	{ "urlJoin", fn_url_join, S, 1, { &tt_map }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
