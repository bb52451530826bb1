/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/bundle.h"

#define INDEX_MAX (64u << 20)

void
bundle_index_init(struct bundle_index *x)
{
	memset(x, 0, sizeof(*x));
	x->values = strmap_new(free);
}

void
bundle_index_clear(struct bundle_index *x)
{
	strmap_free(STEAL(x->values));
}

static int
fields_read(const struct json *j, struct bundle_index *x, struct err *err)
{
	const char *sequence = json_str(json_get(j, "sequence"));
	const struct json *v;

	if (!sequence || bundle_unhex(str_or(json_str(json_get(j, "bundle")),
	    ""), x->id, NULL) == -1 || bundle_unhex(str_or(json_str(json_get(
	    j, "issuer")), ""), x->issuer, NULL) == -1)
		return (err_set(err, ERR_INVALID, "not an index that nodeseal "
		    "bundle create has written"));
	x->sequence = strtoull(sequence, NULL, 10);
	for (v = json_first(json_get(j, "values")); v; v = json_next(v))
		strmap_put(x->values, json_key(v), str_dup(str_or(json_str(v),
		    "")));
	return (0);
}

int
bundle_index_read(const char *path, struct bundle_index *ret, struct err *err)
{
	cleanup_buf struct buf text = BUF_PLAIN(INDEX_MAX);
	cleanup_json struct json *j = NULL;

	if (file_read(path, &text, err) == -1)
		return (err_wrap(err, "--since"));
	j = json_parse(buf_str(&text), text.len, err);
	if (!j || fields_read(j, ret, err) == -1)
		return (err_wrap(err, "--since: %s", path));
	return (0);
}

static struct json *
to_json(const struct bundle_index *x)
{
	cleanup_free char *sequence = str_fmt("%llu",
	    (unsigned long long)x->sequence);
	struct json *j = json_new_object(), *values = json_new_object();
	char hex[BUNDLE_HEX_LEN];
	size_t i;

	bundle_hex(x->id, hex);
	json_set_str(j, "bundle", hex);
	bundle_hex(x->issuer, hex);
	json_set_str(j, "issuer", hex);
	json_set_str(j, "sequence", sequence);
	for (i = strmap_next(x->values, 0); i; i = strmap_next(x->values, i))
		json_set_str(values, strmap_key(x->values, i),
		    strmap_val(x->values, i));
	json_set(j, "values", values);
	return (j);
}

int
bundle_index_write(const char *path, const struct bundle_index *x,
    struct err *err)
{
	cleanup_buf struct buf text = BUF_PLAIN(INDEX_MAX);
	cleanup_free char *tmp = str_fmt("%s.tmp", path);
	cleanup_json struct json *j = to_json(x);
	cleanup_close int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC |
	    O_CLOEXEC | O_NOFOLLOW, 0600);

	json_print(j, &text, 2);
	buf_addc(&text, '\n');
	if (fd == -1)
		return (err_sys(err, "%s", tmp));
	if (buf_finish(&text, "index", err) == -1 ||
	    file_write_all(fd, text.data, text.len, err) == -1)
		return (err_wrap(err, "%s", tmp));
	if (rename(tmp, path) == -1)
		return (err_sys(err, "%s", path));
	return (0);
}
