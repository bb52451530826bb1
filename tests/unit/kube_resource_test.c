/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kube/resource.h"

static void
path_is(const char *kind, const char *ns, const char *name, const char *sub,
    const char *query, const char *want)
{
	cleanup_free char *got = kube_path(kube_resource_find(kind), ns, name,
	    sub, query);

	assert_string_equal(got, want);
}

static void
test_paths(void **state)
{
	(void)state;
	path_is("Secret", "shop", "db", NULL, NULL,
	    "/api/v1/namespaces/shop/secrets/db");
	path_is("ServiceAccount", "shop", "app", "token", NULL,
	    "/api/v1/namespaces/shop/serviceaccounts/app/token");
	path_is("Pod", "", NULL, NULL, "watch=1", "/api/v1/pods?watch=1");
	path_is("ExternalSecret", "shop", "a b", "status", NULL,
	    "/apis/external-secrets.io/v1/namespaces/shop/externalsecrets/"
	    "a%20b/status");
	path_is("ClusterSecretStore", "shop", "main", NULL, NULL,
	    "/apis/external-secrets.io/v1/clustersecretstores/main");
	path_is("UUID", "shop", "u", NULL, NULL, "/apis/generators.external-"
	    "secrets.io/v1alpha1/namespaces/shop/uuids/u");
	/* a name is one step, whatever is in it */
	path_is("Secret", "shop", "../../../nodes", NULL, NULL,
	    "/api/v1/namespaces/shop/secrets/..%252F..%252F..%252Fnodes");
	path_is("Secret", "..", "..", NULL, NULL,
	    "/api/v1/namespaces/..%25/secrets/..%25");
	path_is("Secret", "a?b", "c#d", NULL, NULL,
	    "/api/v1/namespaces/a%3Fb/secrets/c%23d");
	assert_null(kube_resource_find("Deployment"));
}

static void
answer_is(const char *kind, const char *verb, int status, const char *message,
    enum err_kind want, const char *words)
{
	cleanup_json struct json *body = json_new_object();
	cleanup_err struct err err = ERR_INIT;

	json_set_str(body, "message", message);
	assert_int_equal(kube_refused(kube_resource_find(kind), verb, "shop",
	    "db", status, body, &err), -1);
	assert_int_equal(err.kind, want);
	if (strstr(err_msg(&err), words) == NULL)
		fail_msg("%s: not in: %s", words, err_msg(&err));
}

static void
test_refused(void **state)
{
	cleanup_err struct err err = ERR_INIT;

	(void)state;
	answer_is("Secret", "get", 403, "forbidden", ERR_DENIED,
	    "may not get secrets in namespace shop: tier store-secrets grants");
	answer_is("Secret", "patch", 403, "forbidden", ERR_DENIED,
	    "may not patch secrets in namespace shop: tier sync grants");
	answer_is("Secret", "watch", 403, "forbidden", ERR_DENIED,
	    "tier drift or store-secrets grants");
	answer_is("ServiceAccount", "create", 403, "forbidden", ERR_DENIED,
	    "may not create serviceaccounts/token in namespace shop: tier "
	    "tokens grants");
	answer_is("ClusterSecretStore", "list", 403, "forbidden", ERR_DENIED,
	    "may not list clustersecretstores: the base of daemonset/");
	answer_is("Node", "patch", 403, "forbidden", ERR_DENIED,
	    "no tier grants it");
	answer_is("Secret", "patch", 403, "secrets \"db\" is forbidden: "
	    "ValidatingAdmissionPolicy 'nodeseal-secrets' denied request: "
	    "nodeseal: this Secret is not ours", ERR_DENIED,
	    "patch secrets shop/db: refused: nodeseal: this Secret is not");
	answer_is("Secret", "get", 401, "Unauthorized", ERR_DENIED, "(401)");
	answer_is("Secret", "get", 404, "secrets \"db\" not found",
	    ERR_NOTFOUND, "secrets \"db\" not found");
	answer_is("Secret", "patch", 409, "the object has been modified",
	    ERR_TRANSIENT, "409: the object");
	answer_is("Secret", "patch", 429, "slow down", ERR_TRANSIENT, "429");
	answer_is("Secret", "patch", 503, "etcd", ERR_TRANSIENT, "503");
	answer_is("Secret", "patch", 422, "line\nbreak", ERR_INVALID,
	    "422: line break");
	/* an answer that is no Status object */
	assert_int_equal(kube_refused(kube_resource_find("Secret"), "get",
	    "shop", "db", 502, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_TRANSIENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
