/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/mem.h"
#include "kube/config.h"

#define TOP "apiVersion: v1\nkind: Config\ncurrent-context: one\n"	\
	"contexts:\n- name: two\n  context: {cluster: no, user: no}\n"	\
	"- name: one\n  context: {cluster: c, user: u, namespace: shop}\n"
#define CLUSTER "clusters:\n- name: c\n  cluster:\n"			\
	"    server: https://10.0.0.1:6443/\n"				\
	"    certificate-authority-data: Q0E=\n"
#define USERS "users:\n- name: u\n  user:\n"

static void
refused(const char *text, const char *words)
{
	cleanup_err struct err err = ERR_INIT;
	struct kube_config c;

	assert_int_equal(kube_config_text(text, strlen(text), &c, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	if (strstr(err_msg(&err), words) == NULL)
		fail_msg("%s: not in: %s", words, err_msg(&err));
	assert_null(c.server);
	assert_null(c.token);
}

static void
test_token(void **state)
{
	const char *s = TOP CLUSTER "    tls-server-name: api.example\n"
	    USERS "    token: abc.def\n";
	cleanup_err struct err err = ERR_INIT;
	struct kube_config c;

	(void)state;
	assert_int_equal(kube_config_text(s, strlen(s), &c, &err), 0);
	assert_string_equal(c.server, "https://10.0.0.1:6443");
	assert_string_equal(c.ca_pem, "CA");
	assert_string_equal(c.tls_server_name, "api.example");
	assert_string_equal(c.ns, "shop");
	assert_int_equal(secret_len(c.token), 7);
	assert_memory_equal(secret_data(c.token), "abc.def", 7);
	assert_null(c.cert_pem);
	kube_config_clear(&c);
}

static void
test_certificate(void **state)
{
	const char *s = TOP CLUSTER USERS
	    "    client-certificate-data: Q0VSVA==\n"
	    "    client-key-data: S0VZ\n";
	cleanup_err struct err err = ERR_INIT;
	struct kube_config c;

	(void)state;
	assert_int_equal(kube_config_text(s, strlen(s), &c, &err), 0);
	assert_string_equal(c.cert_pem, "CERT");
	assert_memory_equal(secret_data(c.key_pem), "KEY", 3);
	assert_null(c.token);
	kube_config_clear(&c);
}

static void
test_refused(void **state)
{
	(void)state;
	refused(TOP CLUSTER USERS "    exec: {command: aws}\n", "user.exec: ");
	refused(TOP CLUSTER USERS "    auth-provider: {name: gcp}\n",
	    "user.auth-provider: ");
	refused(TOP CLUSTER USERS "    username: a\n    password: b\n",
	    "user.username: ");
	refused(TOP CLUSTER "    insecure-skip-tls-verify: true\n" USERS
	    "    token: t\n", "insecure-skip-tls-verify: ");
	refused(TOP CLUSTER USERS "    client-certificate-data: Q0VSVA==\n",
	    "go together");
	refused(TOP CLUSTER USERS "    token: \"\"\n", "neither token");
	refused(TOP CLUSTER USERS "    token: \"a\\nb\"\n", "not one word");
	refused(TOP CLUSTER USERS "    tokenFile: /etc/hostname\n",
	    "tokenFile: names a file of this machine");
	refused(TOP CLUSTER USERS "    client-certificate: /etc/hostname\n"
	    "    client-key: /etc/hostname\n",
	    "client-certificate: names a file of this machine");
	refused(TOP CLUSTER USERS "    client-certificate-data: '?'\n",
	    "not base64");
	refused(TOP "clusters:\n- name: c\n  cluster: {server: 'http://a'}\n"
	    USERS "    token: t\n", "not an https:// URL");
	refused(TOP CLUSTER, "is not there");
	refused("{}", "current-context: is missing");
	refused("a: [", "kubeconfig: ");
	refused("", "documents where one was due");
}

static void
put(const char *dir, const char *name, const char *text)
{
	cleanup_free char *path = str_fmt("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
test_account(void **state)
{
	char dir[] = "/tmp/kube_config_test.XXXXXX";
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *token = NULL, *ca = NULL, *ns = NULL;
	struct kube_config c;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(kube_config_account(fd, "https://h:1", &c, &err), -1);
	assert_non_null(strstr(err_msg(&err), "token"));
	put(dir, "token", "aaa.bbb.ccc\n");
	put(dir, "ca.crt", "PEM\n");
	put(dir, "namespace", "nodeseal-system\n");
	err_clear(&err);
	assert_int_equal(kube_config_account(fd, "https://h:1", &c, &err), 0);
	assert_string_equal(c.server, "https://h:1");
	assert_string_equal(c.ca_pem, "PEM\n");
	assert_string_equal(c.ns, "nodeseal-system");
	assert_int_equal(secret_len(c.token), 11);
	kube_config_clear(&c);
	/* read anew each time */
	put(dir, "token", "ddd");
	setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	assert_int_equal(kube_config_account(fd, "", &c, &err), 0);
	assert_string_equal(c.server, "https://[fd00::1]:443");
	assert_memory_equal(secret_data(c.token), "ddd", 3);
	kube_config_clear(&c);
	unsetenv("KUBERNETES_SERVICE_HOST");
	assert_int_equal(kube_config_account(fd, NULL, &c, &err), -1);
	assert_non_null(strstr(err_msg(&err), "--kubeconfig"));
	close(fd);
	token = str_fmt("%s/token", dir);
	ca = str_fmt("%s/ca.crt", dir);
	ns = str_fmt("%s/namespace", dir);
	assert_int_equal(unlink(token) + unlink(ca) + unlink(ns), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* Twice from its beginning: the descriptor is shared with others. */
static void
test_file_twice(void **state)
{
	const char *s = TOP CLUSTER USERS "    token: t\n";
	cleanup_err struct err err = ERR_INIT;
	struct kube_config c;
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	fputs(s, f);
	fflush(f);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(kube_config_file(fileno(f), &c, &err), 0);
		assert_string_equal(c.server, "https://10.0.0.1:6443");
		kube_config_clear(&c);
	}
	fclose(f);
}

/* The agent's own may name files. */
static void
test_files(void **state)
{
	char name[] = "/tmp/kube_config_test.XXXXXX";
	cleanup_err struct err err = ERR_INIT;
	struct kube_config c;
	int fd = mkstemp(name);

	(void)state;
	assert_int_equal(write(fd, "t0k\n", 4), 4);
	for (int i = 0; i < 2; i++) {
		FILE *f = tmpfile();

		fprintf(f, TOP CLUSTER USERS "    tokenFile: %s\n",
		    i == 0 ? name : "relative");
		fflush(f);
		assert_int_equal(kube_config_file(fileno(f), &c, &err),
		    i == 0 ? 0 : -1);
		if (i == 0)
			assert_memory_equal(secret_data(c.token), "t0k", 4);
		else
			assert_non_null(strstr(err_msg(&err), "absolute"));
		kube_config_clear(&c);
		fclose(f);
	}
	close(fd);
	unlink(name);
}

static struct secret *
token_of(const char *claims)
{
	struct buf b = BUF_PLAIN(65536);
	struct secret *s;

	buf_adds(&b, "e30.");
	codec_b64_encode(&b, claims, strlen(claims), CODEC_B64_URL, 0);
	buf_adds(&b, ".c2ln");
	s = secret_new(b.data, b.len);
	buf_clear(&b);
	return (s);
}

static void
test_claims(void **state)
{
	cleanup_secret struct secret *t = token_of("{\"exp\":1790000000,"
	    "\"sub\":\"system:serviceaccount:nodeseal-system:nodeseal\","
	    "\"aud\":[\"https://kubernetes.default.svc\",\"k3s\"],"
	    "\"kubernetes.io\":{\"node\":{\"name\":\"n1\",\"uid\":\"u-1\"},"
	    "\"pod\":{\"name\":\"p\",\"uid\":\"u-2\"}}}");
	cleanup_secret struct secret *bad = secret_new("not.a", 5);
	cleanup_secret struct secret *user = token_of(
	    "{\"sub\":\"someone\",\"aud\":\"api\"}");
	cleanup_free char *node = NULL, *node_uid = NULL, *pod_uid = NULL;
	cleanup_free char *a = NULL, *b = NULL, *c = NULL;
	struct kube_self self;
	int64_t end;

	(void)state;
	kube_token_claims(t, &node, &node_uid, &pod_uid, &end);
	assert_string_equal(node, "n1");
	assert_string_equal(node_uid, "u-1");
	assert_string_equal(pod_uid, "u-2");
	assert_true(end == 1790000000);
	kube_token_self(t, &self);
	assert_string_equal(self.ns, "nodeseal-system");
	assert_string_equal(self.account, "nodeseal");
	assert_int_equal(self.naudiences, 2);
	assert_string_equal(self.audiences[1], "k3s");
	kube_self_clear(&self);
	kube_token_claims(bad, &a, &b, &c, &end);
	assert_string_equal(a, "");
	assert_true(end == 0);
	kube_token_self(user, &self);
	assert_string_equal(self.account, "");
	assert_int_equal(self.naudiences, 1);
	assert_string_equal(self.audiences[0], "api");
	kube_self_clear(&self);
	kube_token_self(NULL, &self);
	assert_string_equal(self.ns, "");
	kube_self_clear(&self);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_account),
		cmocka_unit_test(test_file_twice),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_claims),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
