/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/aws_sign.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/mem.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define CANONICAL_MAX (64u << 10)
#define HASH_LEN 32
#define KEY_MAX 512

void
aws_creds_clear(struct aws_creds *c)
{
	free(c->key_id);
	secret_free(c->secret);
	secret_free(c->token);
	*c = (struct aws_creds){ 0 };
}

static int
hash_hex(const void *p, size_t len, struct buf *out, struct err *err)
{
	uint8_t hash[HASH_LEN];

	if (EVP_Digest(p, len, hash, NULL, EVP_sha256(), NULL) != 1)
		return (err_set(err, ERR_INTERNAL, "SHA-256 failed"));
	codec_hex_encode(out, hash, sizeof(hash));
	return (0);
}

static int
hmac(const uint8_t *key, size_t keylen, const char *text,
    uint8_t ret[static HASH_LEN], struct err *err)
{
	if (HMAC(EVP_sha256(), key, (int)keylen, (const uint8_t *)text,
	    strlen(text), ret, NULL) == NULL)
		return (err_set(err, ERR_INTERNAL, "HMAC failed"));
	return (0);
}

/* --- the canonical request ------------------------------------------------ */

/* One signed header, in the order of the alphabet. */
static void
header(struct buf *headers, struct buf *names, const char *name,
    const char *value)
{
	if (value == NULL)
		return;
	buf_addf(headers, "%s:%s\n", name, value);
	buf_addf(names, "%s%s", names->len > 0 ? ";" : "", name);
}

static int
canonical(const struct aws_creds *c, const struct aws_request *r,
    const char *date, struct buf *names, struct buf *out, struct err *err)
{
	buf_addf(out, "%s\n%s\n%s\n", r->method, r->path, r->query);
	header(out, names, "content-type", r->content_type);
	header(out, names, "host", r->host);
	header(out, names, "x-amz-date", date);
	if (c->token != NULL) {
		buf_adds(out, "x-amz-security-token:");
		buf_add(out, secret_data(c->token), secret_len(c->token));
		buf_addc(out, '\n');
		buf_adds(names, ";x-amz-security-token");
	}
#ifndef WEAKEN_AWS_SIGNED_TARGET
	header(out, names, "x-amz-target", r->target);
#endif
	buf_addf(out, "\n%s\n", buf_str(names));
	if (hash_hex(r->body, r->len, out, err) == -1)
		return (-1);
	return (buf_finish(out, "canonical request", err));
}

/* --- the signature -------------------------------------------------------- */

static int
signing_key(const struct aws_creds *c, const char *day, const char *region,
    const char *service, uint8_t key[static HASH_LEN], struct err *err)
{
	uint8_t first[KEY_MAX + 4];
	size_t len = secret_len(c->secret);
	int r;

	if (len > KEY_MAX)
		return (err_set(err, ERR_INVALID,
		    "the secret access key is too long"));
	memcpy(first, "AWS4", 4);
	memcpy(first + 4, secret_data(c->secret), len);
	r = hmac(first, len + 4, day, key, err);
	secret_wipe(first, sizeof(first));
	if (r == 0)
		r = hmac(key, HASH_LEN, region, key, err);
	if (r == 0)
		r = hmac(key, HASH_LEN, service, key, err);
	return (r == 0 ? hmac(key, HASH_LEN, "aws4_request", key, err) : -1);
}

static int
authorization(const struct aws_creds *c, const char *scope,
    const uint8_t *key, const char *to_sign, const char *names,
    struct secret **ret, struct err *err)
{
	cleanup_buf struct buf out = BUF_SECRET(CANONICAL_MAX);
	uint8_t mac[HASH_LEN];

	if (hmac(key, HASH_LEN, to_sign, mac, err) == -1)
		return (-1);
	buf_addf(&out, "%s Credential=%s/%s, SignedHeaders=%s, Signature=",
	    ALGORITHM, c->key_id, scope, names);
	codec_hex_encode(&out, mac, sizeof(mac));
	if (buf_finish(&out, "Authorization header", err) == -1)
		return (-1);
	*ret = secret_from_buf(&out);
	return (0);
}

int
aws_sign(const struct aws_creds *c, const char *region, const char *service,
    const struct aws_request *r, char ret_date[static AWS_DATE_LEN],
    struct secret **ret_authorization, struct err *err)
{
	cleanup_buf struct buf request = BUF_SECRET(CANONICAL_MAX);
	cleanup_buf struct buf names = BUF_PLAIN(512);
	cleanup_buf struct buf hash = BUF_PLAIN(2 * HASH_LEN);
	cleanup_free char *scope = NULL, *to_sign = NULL;
	char day[9];
	uint8_t key[HASH_LEN];
	time_t now = (time_t)r->now_s;
	struct tm tm;
	int rc;

	gmtime_r(&now, &tm);
	strftime(ret_date, AWS_DATE_LEN, "%Y%m%dT%H%M%SZ", &tm);
	strftime(day, sizeof(day), "%Y%m%d", &tm);
	if (canonical(c, r, ret_date, &names, &request, err) == -1 ||
	    hash_hex(request.data, request.len, &hash, err) == -1)
		return (-1);
	scope = str_fmt("%s/%s/%s/aws4_request", day, region, service);
	to_sign = str_fmt("%s\n%s\n%s\n%s", ALGORITHM, ret_date, scope,
	    buf_str(&hash));
	rc = signing_key(c, day, region, service, key, err);
	if (rc == 0)
		rc = authorization(c, scope, key, to_sign, buf_str(&names),
		    ret_authorization, err);
	secret_wipe(key, sizeof(key));
	return (rc);
}
