/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/random.h>

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "generator/registry.h"

/*
 * Password (ESO generators/v1/password/password.go over sethvargo/go-password):
 * letters, digits and symbols in the wished numbers, each put at a random
 * place; without allowRepeat no character twice.
 */
#define PASSWORD_MAX 4096

static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char digits[] = "0123456789";
static const char symbols_default[] = "~!@#$%^&*()_+`-={}|[]\\:\"<>?,./";

static const char *const encodings[] = { "base64", "base64url", "base32",
	"hex", "raw", NULL };
static const struct text_rule encoding_rule = { .choices = encodings };
static const struct field fields[] = {
	{ .name = "length", .type = FIELD_INT, .flags = FIELD_CHECK },
	{ .name = "digits", .type = FIELD_INT, .flags = FIELD_CHECK },
	{ .name = "symbols", .type = FIELD_INT, .flags = FIELD_CHECK },
	{ .name = "symbolCharacters", .type = FIELD_TEXT,
	    .flags = FIELD_CHECK },
	{ .name = "noUpper", .type = FIELD_BOOL, .flags = FIELD_CHECK },
	{ .name = "allowRepeat", .type = FIELD_BOOL, .flags = FIELD_CHECK },
	{ .name = "secretKeys", .type = FIELD_TEXTS, .flags = FIELD_CHECK,
	    .min_items = 1 },
	{ .name = "encoding", .type = FIELD_TEXT, .flags = FIELD_CHECK,
	    .rule = &encoding_rule },
};
static const struct record password_spec = { .fields = fields,
	.nfields = ARRAY_LEN(fields) };

struct password_spec {
	size_t length, digits, symbols;
	const char *alphabet;
	const char *encoding;
	int no_upper, repeat;
};

/* Uniform in [0, n): values from the uneven end are thrown away. */
static int
random_below(size_t n, size_t *ret, struct err *err)
{
	uint32_t v, limit = UINT32_MAX - UINT32_MAX % (uint32_t)n;

	do {
		if (getrandom(&v, sizeof(v), 0) != (ssize_t)sizeof(v))
			return (err_sys(err, "random numbers"));
	} while (v >= limit);
	*ret = v % n;
	secret_wipe(&v, sizeof(v));
	return (0);
}

static size_t
whole(const struct json *spec, const char *key, size_t otherwise)
{
	double v = json_num(json_get(spec, key), -1);

	if (v < 0)
		return (otherwise);
	return (v > PASSWORD_MAX + 1 ? PASSWORD_MAX + 1 : (size_t)v);
}

static int
read_spec(const struct json *spec, struct password_spec *p, struct err *err)
{
	p->length = whole(spec, "length", 24);
	if (p->length == 0)
		p->length = 24;
	p->digits = whole(spec, "digits", p->length / 4);
	p->symbols = whole(spec, "symbols", p->length / 4);
	p->alphabet = json_str(json_get(spec, "symbolCharacters"));
	if (p->alphabet == NULL)
		p->alphabet = symbols_default;
	p->encoding = str_or(json_str(json_get(spec, "encoding")), "raw");
	p->no_upper = json_bool(json_get(spec, "noUpper"), 0);
	p->repeat = json_bool(json_get(spec, "allowRepeat"), 0);
	if (p->length > PASSWORD_MAX)
		return (err_set(err, ERR_LIMIT,
		    "spec.length: at most %d characters", PASSWORD_MAX));
	if (p->digits + p->symbols > p->length)
		return (err_set(err, ERR_INVALID, "number of digits and "
		    "symbols must be less than total length"));
	if (p->repeat)
		return (0);
	if (p->length - p->digits - p->symbols >
	    (p->no_upper ? 26u : 52u))
		return (err_set(err, ERR_INVALID, "number of letters exceeds "
		    "available letters and repeats are not allowed"));
	if (p->digits > 10)
		return (err_set(err, ERR_INVALID, "number of digits exceeds "
		    "available digits and repeats are not allowed"));
	if (p->symbols > strlen(p->alphabet))
		return (err_set(err, ERR_INVALID, "number of symbols exceeds "
		    "available symbols and repeats are not allowed"));
	return (0);
}

/* Put ${n} characters of ${from} into ${word} at random places. */
static int
sprinkle(char *word, size_t *len, const char *from, size_t n, int repeat,
    struct err *err)
{
	size_t size = strlen(from), pick, at;

	if (n > 0 && size == 0)
		return (err_set(err, ERR_INVALID,
		    "spec.symbolCharacters is empty"));
	while (n > 0) {
		if (random_below(size, &pick, err) == -1 ||
		    random_below(*len + 1, &at, err) == -1)
			return (-1);
		if (!repeat && memchr(word, from[pick], *len) != NULL)
			continue;
		memmove(word + at + 1, word + at, *len - at);
		word[at] = from[pick];
		(*len)++;
		n--;
	}
	return (0);
}

/* RFC 4648 6, padded. */
static void
base32(const char *in, size_t len, struct buf *out)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	size_t i, bits = 0, n = 0;
	uint32_t acc = 0;

	for (i = 0; i < len; i++) {
		acc = acc << 8 | (uint8_t)in[i];
		for (bits += 8; bits >= 5; bits -= 5, n++)
			buf_addc(out, set[acc >> (bits - 5) & 31]);
	}
	if (bits > 0) {
		buf_addc(out, set[acc << (5 - bits) & 31]);
		n++;
	}
	for (; n % 8 != 0; n++)
		buf_addc(out, '=');
	secret_wipe(&acc, sizeof(acc));
}

static int
encode(const char *word, size_t len, const char *encoding, struct buf *out,
    struct err *err)
{
	if (strcmp(encoding, "hex") == 0)
		codec_hex_encode(out, word, len);
	else if (strcmp(encoding, "base64") == 0)
		codec_b64_encode(out, word, len, CODEC_B64_STD, 1);
	else if (strcmp(encoding, "base64url") == 0)
		codec_b64_encode(out, word, len, CODEC_B64_URL, 1);
	else if (strcmp(encoding, "base32") == 0)
		base32(word, len, out);
	else
		buf_add(out, word, len);
	return (buf_finish(out, "password", err));
}

static int
one_password(const struct password_spec *p, struct secret **ret,
    struct err *err)
{
	struct buf text = BUF_SECRET(2 * PASSWORD_MAX + 16);
	char letters[64], word[PASSWORD_MAX + 1];
	size_t len = 0;
	int rc = -1;

	strcpy(letters, lower);
	if (!p->no_upper)
		strcat(letters, upper);
	if (sprinkle(word, &len, letters, p->length - p->digits - p->symbols,
	    p->repeat, err) == -1 ||
	    sprinkle(word, &len, digits, p->digits, p->repeat, err) == -1 ||
	    sprinkle(word, &len, p->alphabet, p->symbols, p->repeat,
	    err) == -1 ||
	    encode(word, len, p->encoding, &text, err) == -1)
		goto done;
	*ret = secret_from_buf(&text);
	rc = 0;
done:
	secret_wipe(word, sizeof(word));
	buf_clear(&text);
	return (rc);
}

static int
put_password(const struct password_spec *p, const char *key, struct kv *ret,
    struct err *err)
{
	struct secret *v;

	if (key == NULL || key[0] == '\0' || kv_get(ret, key) != NULL)
		return (err_set(err, ERR_INVALID,
		    "secretKeys must be non-empty and unique"));
	if (one_password(p, &v, err) == -1)
		return (-1);
	kv_put(ret, key, v);
	return (0);
}

static int
password_generate(const struct json *spec, struct kv *ret, struct err *err)
{
	const struct json *keys = json_get(spec, "secretKeys"), *k;
	struct password_spec p;

	if (read_spec(spec, &p, err) == -1)
		return (-1);
	if (json_len(keys) == 0)
		return (put_password(&p, "password", ret, err));
	for (k = json_first(keys); k != NULL; k = json_next(k)) {
		if (put_password(&p, json_str(k), ret, err) == -1)
			return (-1);
	}
	return (0);
}

const struct generator generator_password = {
	.kind = "Password",
	.cluster_key = "passwordSpec",
	.spec = &password_spec,
	.generate = password_generate,
};
