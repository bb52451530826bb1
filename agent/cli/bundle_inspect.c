/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/bundle.h"

static const char help[] =
    "usage: nodeseal bundle inspect FILE [--issuer-key FILE …] "
    "[-o text|json]\n\n"
    "Prints what a carrier can read of a bundle.  With public keys of "
    "issuers, checks\nthe signature too: exit status 4 when the bundle was "
    "altered, 1 when none of them\nhas signed it.\n";

struct options {
	const char *file;
	char **keys;
	size_t nkeys;
	int json;
};

/* -1: go on; else the exit status. */
static int
parse(int argc, char **argv, struct options *o)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h")) {
			fputs(help, stdout);
			return (0);
		}
		if (argv[i][0] != '-' && !o->file)
			o->file = argv[i];
		else if (str_eq(argv[i], "--issuer-key") && i + 1 < argc) {
			o->keys = mem_grow(o->keys, o->nkeys + 1,
			    sizeof(*o->keys));
			o->keys[o->nkeys++] = argv[++i];
		} else if (str_eq(argv[i], "-o") && i + 1 < argc &&
		    (str_eq(argv[i + 1], "json") ||
		    str_eq(argv[i + 1], "text")))
			o->json = str_eq(argv[++i], "json");
		else
			break;
	}
	if (i == argc && o->file)
		return (-1);
	fputs(help, stderr);
	return (2);
}

static int
verify(struct bundle *b, const struct options *o, struct err *err)
{
	uint8_t key[BUNDLE_KEY_LEN], id[BUNDLE_ID_LEN];
	char hex[BUNDLE_HEX_LEN];
	size_t i;

	for (i = 0; i < o->nkeys; i++) {
		if (bundle_key_read(o->keys[i], 0, key, err) == -1)
			return (err_wrap(err, "--issuer-key"));
		bundle_key_id(key, id);
		if (memcmp(id, b->head.issuer, BUNDLE_ID_LEN) == 0)
			return (bundle_verify(b, key, err));
	}
	bundle_hex(b->head.issuer, hex);
	return (o->nkeys == 0 ? 0 : err_set(err, ERR_DENIED, "issuer: %s is "
	    "none of --issuer-key", hex));
}

/* --- what it says ------------------------------------------------------- */

static void
set_id(struct json *j, const char *key, const uint8_t *id)
{
	char hex[BUNDLE_HEX_LEN];

	bundle_hex(id, hex);
	json_set_str(j, key, hex);
}

static void
set_time(struct json *j, const char *key, int64_t at)
{
	cleanup_buf struct buf text = BUF_PLAIN(64);

	time_rfc3339(&text, at);
	json_set_str(j, key, buf_str(&text));
}

static void
set_ids(struct json *j, const char *key, const uint8_t *ids, size_t n)
{
	struct json *list = json_new_array();
	char hex[BUNDLE_HEX_LEN];
	size_t i;

	for (i = 0; i < n; i++) {
		bundle_hex(ids + i * BUNDLE_ID_LEN, hex);
		json_push(list, json_new_str(hex));
	}
	json_set(j, key, list);
}

static struct json *
describe(const struct bundle *b, const struct options *o)
{
	const struct bundle_head *h = &b->head;
	cleanup_free uint8_t *added = mem_array(h->nissuers, BUNDLE_ID_LEN);
	cleanup_free char *sequence = str_fmt("%llu",
	    (unsigned long long)h->sequence);
	struct json *j = json_new_object(), *number = json_new_num(0);
	size_t i;

	for (i = 0; i < h->nissuers; i++)
		bundle_key_id(h->issuers + i * BUNDLE_KEY_LEN,
		    added + i * BUNDLE_ID_LEN);
	json_set_digits(number, sequence, strlen(sequence));
	set_id(j, "bundle", h->id);
	set_id(j, "issuer", h->issuer);
	json_set_str(j, "signature", b->verified ? "good" : o->nkeys ?
	    "unknown issuer" : "not checked");
	json_set_str(j, "mode", bundle_mode_name(h->mode));
	json_set(j, "sequence", number);
	if (h->mode == BUNDLE_DELTA)
		set_id(j, "previous", h->previous);
	set_time(j, "issuedAt", h->issued_at);
	set_time(j, "notBefore", h->not_before);
	set_time(j, "notAfter", h->not_after);
	json_set_num(j, "bytes", (double)b->len);
	set_ids(j, "recipients", h->recipients, h->nrecipients);
	set_ids(j, "newIssuers", added, h->nissuers);
	set_ids(j, "revokedIssuers", h->revoked_issuers,
	    h->nrevoked_issuers);
	set_ids(j, "revokedBundles", h->revoked, h->nrevoked);
	return (j);
}

static void
print_text(const struct json *j)
{
	const struct json *m, *e;

	for (m = json_first(j); m; m = json_next(m)) {
		cleanup_buf struct buf text = BUF_PLAIN(1 << 20);

		if (json_is(m, JSON_ARRAY)) {
			for (e = json_first(m); e; e = json_next(e))
				buf_addf(&text, "%s%s", text.len ? " " : "",
				    json_str(e));
			if (!text.len)
				continue;
		} else if (json_str(m))
			buf_adds(&text, json_str(m));
		else
			json_print(m, &text, 0);
		printf("%-16s%s\n", json_key(m), buf_str(&text));
	}
}

static int
inspect(const struct options *o, struct err *err)
{
	cleanup_buf struct buf data = BUF_PLAIN(BUNDLE_MAX);
	cleanup_buf struct buf text = BUF_PLAIN(1 << 20);
	cleanup_close int fd = bundle_file_open(o->file, err);
	cleanup_json struct json *j = NULL;
	struct bundle b;
	int rc;

	if (fd == -1 || file_read_fd(fd, &data, err) == -1)
		return (-1);
	if (bundle_read(&b, buf_str(&data), data.len, err) == -1)
		return (err_wrap(err, "%s", o->file));
	rc = verify(&b, o, err);
	if (rc == 0) {
		j = describe(&b, o);
		if (o->json) {
			json_print(j, &text, 2);
			puts(buf_str(&text));
		} else
			print_text(j);
	}
	bundle_clear(&b);
	return (rc == -1 ? err_wrap(err, "%s", o->file) : 0);
}

int
cli_bundle_inspect(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	struct options o = { .file = NULL };
	int rc = parse(argc, argv, &o);

	if (rc == -1)
		rc = inspect(&o, &err) == -1 ? bundle_complain("inspect",
		    &err) : 0;
	free(o.keys);
	return (rc);
}
