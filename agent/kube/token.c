/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/config.h"

/* Claims of a service account's token (k8s.io/kubernetes
 * pkg/serviceaccount/claims.go); its signature is the API server's matter. */

#define CLAIMS_MAX (64u << 10)
#define AUDIENCES_MAX 64
#define SUBJECT "system:serviceaccount:"

/* The part between the dots: base64url without padding.  NULL: no such. */
static struct json *
claims_of(const struct secret *token)
{
	cleanup_buf struct buf coded = BUF_SECRET(CLAIMS_MAX);
	cleanup_buf struct buf plain = BUF_SECRET(CLAIMS_MAX);
	const char *s, *from, *to;

	if (token == NULL)
		return (NULL);
	s = (const char *)secret_data(token);
	if ((from = strchr(s, '.')) == NULL ||
	    (to = strchr(from + 1, '.')) == NULL)
		return (NULL);
	buf_add(&coded, from + 1, (size_t)(to - from - 1));
	while (coded.len % 4 != 0)
		buf_addc(&coded, '=');
	if (!buf_ok(&coded) || codec_b64_decode(&plain, buf_str(&coded),
	    coded.len, CODEC_B64_URL, NULL) == -1)
		return (NULL);
	return (json_parse(buf_str(&plain), plain.len, NULL));
}

static char *
claim(const struct json *of, const char *what, const char *field)
{
	const struct json *j = json_get(json_get(json_get(of,
	    "kubernetes.io"), what), field);

	return (str_dup(str_or(json_str(j), "")));
}

void
kube_token_claims(const struct secret *token, char **ret_node,
    char **ret_node_uid, char **ret_pod_uid, int64_t *ret_expires)
{
	cleanup_json struct json *claims = claims_of(token);
	double end = json_num(json_get(claims, "exp"), 0);

	*ret_node = claim(claims, "node", "name");
	*ret_node_uid = claim(claims, "node", "uid");
	*ret_pod_uid = claim(claims, "pod", "uid");
	*ret_expires = end > 0 && end < 1e15 ? (int64_t)floor(end) : 0;
}

static void
take_audiences(const struct json *aud, struct kube_self *ret)
{
	const struct json *j;

	ret->audiences = mem_array(AUDIENCES_MAX, sizeof(*ret->audiences));
	if (json_str(aud) != NULL)
		ret->audiences[ret->naudiences++] = str_dup(json_str(aud));
	for (j = json_first(aud); j != NULL && ret->naudiences < AUDIENCES_MAX;
	    j = json_next(j))
		if (json_str(j) != NULL)
			ret->audiences[ret->naudiences++] =
			    str_dup(json_str(j));
}

void
kube_token_self(const struct secret *token, struct kube_self *ret)
{
	cleanup_json struct json *claims = claims_of(token);
	const char *sub = str_or(json_str(json_get(claims, "sub")), "");
	const char *colon = NULL;

	*ret = (struct kube_self){ 0 };
	if (strncmp(sub, SUBJECT, strlen(SUBJECT)) == 0) {
		sub += strlen(SUBJECT);
		colon = strchr(sub, ':');
	}
	ret->ns = colon == NULL ? str_dup("") :
	    str_ndup(sub, (size_t)(colon - sub));
	ret->account = str_dup(colon == NULL ? "" : colon + 1);
	take_audiences(json_get(claims, "aud"), ret);
}

void
kube_self_clear(struct kube_self *s)
{
	free(s->ns);
	free(s->account);
	for (size_t i = 0; i < s->naudiences; i++)
		free(s->audiences[i]);
	free(s->audiences);
	*s = (struct kube_self){ 0 };
}
