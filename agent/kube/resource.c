/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "kube/resource.h"

#define ES "external-secrets.io"
#define GEN "generators.external-secrets.io"
#define OWN "nodeseal.dev"
#define MESSAGE_MAX 2048	/* of a server's words that are passed on */

/* What grants it is the tiers of daemonset/components; "files" is the base. */
static const struct kube_resource resources[] = {
	{ "Secret", "", "v1", "secrets", 1, "store-secrets", "sync" },
	{ "ConfigMap", "", "v1", "configmaps", 1, "store-secrets", "" },
	{ "ServiceAccount", "", "v1", "serviceaccounts", 1, "tokens",
	    "tokens" },
	{ "Pod", "", "v1", "pods", 1, "files", "" },
	{ "Node", "", "v1", "nodes", 0, "files", "" },
	{ "Namespace", "", "v1", "namespaces", 0, "files", "" },
	{ "Event", "", "v1", "events", 1, "", "files" },
	{ "ExternalSecret", ES, "v1", "externalsecrets", 1, "files",
	    "files" },
	{ "SecretStore", ES, "v1", "secretstores", 1, "files", "files" },
	{ "ClusterSecretStore", ES, "v1", "clustersecretstores", 0, "files",
	    "files" },
	{ "Fake", GEN, "v1alpha1", "fakes", 1, "files", "" },
	{ "Password", GEN, "v1alpha1", "passwords", 1, "files", "" },
	{ "UUID", GEN, "v1alpha1", "uuids", 1, "files", "" },
	{ "HostProjection", OWN, "v1alpha1", "hostprojections", 1, "files",
	    "files" },
	{ "NodeSeal", OWN, "v1alpha1", "nodeseals", 0, "files", "files" },
};

const struct kube_resource *
kube_resource_find(const char *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(resources); i++)
		if (strcmp(resources[i].kind, kind) == 0)
			return (&resources[i]);
	return (NULL);
}

static void
add_segment(struct buf *b, const char *s)
{
	cleanup_buf struct buf once = BUF_PLAIN(64u << 10);

	if (s == NULL || s[0] == '\0')
		return;
	buf_addc(b, '/');
	/* the API server looks at the path when it is decoded, so that a slash
	 * would still lead elsewhere: what no name has is encoded twice */
	if (strcmp(s, ".") == 0 || strcmp(s, "..") == 0 ||
	    strchr(s, '/') != NULL) {
		codec_path_escape(&once, s, strlen(s));
		codec_path_escape(b, buf_str(&once), once.len);
		if (strchr(s, '/') == NULL)
			buf_adds(b, "%25");
	} else {
		codec_path_escape(b, s, strlen(s));
	}
}

char *
kube_path(const struct kube_resource *r, const char *ns, const char *name,
    const char *sub, const char *query)
{
	struct buf b = BUF_PLAIN(64u << 10);

	buf_adds(&b, r->group[0] == '\0' ? "/api" : "/apis");
	add_segment(&b, r->group);
	add_segment(&b, r->version);
	if (r->namespaced && ns != NULL && ns[0] != '\0') {
		buf_adds(&b, "/namespaces");
		add_segment(&b, ns);
	}
	add_segment(&b, r->plural);
	add_segment(&b, name);
	add_segment(&b, sub);
	if (query != NULL && query[0] != '\0') {
		buf_addc(&b, '?');
		buf_adds(&b, query);
	}
	return (buf_take(&b));
}

/* --- answers -------------------------------------------------------------- */

static int
writes(const char *verb)
{
	return (strcmp(verb, "get") != 0 && strcmp(verb, "list") != 0 &&
	    strcmp(verb, "watch") != 0);
}

/* The server's own words, on one line and not too long. */
static char *
words_of(const struct json *body)
{
	const char *s = str_or(json_str(json_get(body, "message")), "");
	size_t len = strlen(s);
	char *copy;

	if (len > MESSAGE_MAX) {
		len = MESSAGE_MAX;
		while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
			len--;
	}
	copy = str_ndup(s, len);
	for (char *p = copy; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	return (copy);
}

/* What would have to be granted: a tier, where one does. */
static char *
remedy(const struct kube_resource *r, const char *verb, const char *ns)
{
	const char *tier = writes(verb) ? r->write_tier : r->read_tier;

	/* the list of what has changed is drift's */
	if (strcmp(r->kind, "Secret") == 0 && (strcmp(verb, "list") == 0 ||
	    strcmp(verb, "watch") == 0))
		tier = "drift or store-secrets";
	if (tier[0] == '\0')
		return (str_dup("no tier grants it"));
	if (strcmp(tier, "files") == 0)
		return (str_dup("the base of daemonset/ grants it"));
	return (str_fmt("tier %s grants it: bind it in namespace %s "
	    "(daemonset/bind)", tier, ns));
}

static int
denied(const struct kube_resource *r, const char *verb, const char *ns,
    const char *what, const struct json *body, struct err *err)
{
	cleanup_free char *words = words_of(body);
	cleanup_free char *how = remedy(r, verb, ns);
	const char *sub = strcmp(r->kind, "ServiceAccount") == 0 &&
	    writes(verb) ? "/token" : "";

	/* an admission policy of ours says in full what is wrong */
	if (strstr(words, "nodeseal: ") != NULL)
		return (err_set(err, ERR_DENIED, "%s %s%s %s: refused: %s",
		    verb, r->plural, sub, what,
		    strstr(words, "nodeseal: ")));
	return (err_set(err, ERR_DENIED, "may not %s %s%s%s%s: %s (%s)", verb,
	    r->plural, sub, ns[0] == '\0' ? "" : " in namespace ", ns, how,
	    words[0] == '\0' ? "403" : words));
}

int
kube_refused(const struct kube_resource *r, const char *verb,
    const char *ns, const char *name, int status, const struct json *body,
    struct err *err)
{
	cleanup_free char *words = words_of(body);
	cleanup_free char *what = NULL;

	ns = r->namespaced && ns != NULL ? ns : "";
	name = name != NULL ? name : "";
	what = str_fmt("%s%s%s", ns, ns[0] != '\0' && name[0] != '\0' ? "/" :
	    "", name);
	switch (status) {
	case 401:
		return (err_set(err, ERR_DENIED, "%s %s %s: the API server "
		    "does not know the agent's account (401): its token or "
		    "certificate is of no use", verb, r->plural, what));
	case 403:
		return (denied(r, verb, ns, what, body, err));
	case 404:
		return (err_set(err, ERR_NOTFOUND, "%s",
		    words[0] != '\0' ? words : "not found"));
	case 408: case 409: case 410: case 429:
		return (err_set(err, ERR_TRANSIENT, "%s %s %s: %d: %s", verb,
		    r->plural, what, status, words));
	default:
		return (err_set(err, status >= 500 ? ERR_TRANSIENT :
		    ERR_INVALID, "%s %s %s: %d: %s", verb, r->plural, what,
		    status, words));
	}
}
