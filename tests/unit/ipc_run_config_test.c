/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ipc/run_config.h"

#define IN_A_POD "KUBERNETES_SERVICE_HOST"

/* The words are a row of strings, NULL at the end. */
static int
parse(struct run_config *c, struct err *err, const char *const *words)
{
	char *argv[8];
	int argc = 0, rc;

	for (; words[argc] != NULL; argc++)
		argv[argc] = str_dup(words[argc]);
	rc = run_config_parse(argc, argv, c, err);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return (rc);
}

#define PARSE(c, err, ...) parse(c, err, \
	(const char *const[]){ __VA_ARGS__, NULL })

/* A folder or a cluster: what follows from it. */
static void
test_source(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct run_config c;

	(void)state;
	unsetenv(IN_A_POD);
	assert_int_equal(PARSE(&c, &err, "--node=n"), -1);
	assert_non_null(strstr(err_msg(&err), "name one"));
	assert_int_equal(PARSE(&c, &err, "--manifests=/m",
	    "--kubeconfig=/k"), -1);
	assert_int_equal(PARSE(&c, &err, "--kubeconfig=k"), -1);
	assert_int_equal(PARSE(&c, NULL, "--manifests=/m"), 0);
	assert_null(c.listen);
	assert_true(c.claim_unclassed == 1 && c.csi == 0);
	run_config_clear(&c);
	assert_int_equal(PARSE(&c, NULL, "--kubeconfig=/k"), 0);
	assert_string_equal(c.listen, ":8080");
	assert_true(c.claim_unclassed == 0 && c.csi == 1);
	run_config_clear(&c);
	setenv(IN_A_POD, "10.0.0.1", 1);
	assert_int_equal(PARSE(&c, NULL, "--listen="), 0);
	assert_null(c.listen);
	assert_null(c.manifests);
	run_config_clear(&c);
	unsetenv(IN_A_POD);
}

static void
test_listen(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;		/* 0: refused */
	} rows[] = {
		{ ":8080", "", 8080 }, { "127.0.0.1:1", "127.0.0.1", 1 },
		{ "[::1]:65535", "::1", 65535 }, { "[::]:80", "::", 80 },
		{ "", "", 0 }, { "8080", "", 0 }, { ":0", "", 0 },
		{ ":65536", "", 0 }, { ":-1", "", 0 }, { ": 80", "", 0 },
		{ ":80x", "", 0 }, { "::1:80", "", 0 }, { "[::1]", "", 0 },
		{ "[127.0.0.1]:80", "", 0 }, { "host:80", "", 0 },
		{ "1.2.3.4.5:80", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_err struct err err = ERR_INIT;
		cleanup_free char *host = NULL;
		uint16_t port = 0;
		int rc = run_config_listen(rows[i].text, &host, &port, &err);

		assert_int_equal(rc, rows[i].port > 0 ? 0 : -1);
		assert_int_equal(port, rows[i].port);
		if (rc == 0)
			assert_string_equal(host, rows[i].host);
		else
			assert_non_null(strstr(err_msg(&err), "--listen"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_listen),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
