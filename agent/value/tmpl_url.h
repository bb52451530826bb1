/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_URL_H
#define VALUE_TMPL_URL_H

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_internal.h"
#include "value/tmpl_text.h"

/* Go 1.26's net/url as far as sprig's urlParse and urlJoin, and the URIs of
 * certificates show it. */
struct tmpl_url {
	struct text scheme, opaque, host, path, query, fragment;
	int has_user, has_password;
	struct text user, password;
	/* What was parsed, as it was spelt; empty in one put together. */
	struct text raw_path, raw_fragment;
	int force_query, omit_host;
};

/* url_split: url.Parse, into the pool.  INVALID with Go's text: `parse "x":
 * …`. */
int url_split(struct tmpl_run *run, struct text s, struct tmpl_url *ret,
    struct err *err);
/* url_hostname: Hostname(): without the port and brackets. */
struct text url_hostname(struct text host);
/* url_userinfo: Userinfo.String(). */
void url_userinfo(const struct tmpl_url *u, struct buf *out);
/* url_print: String(). */
void url_print(const struct tmpl_url *u, struct buf *out);

#endif
