/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/http_internal.h"
#include "net/retry.h"
#include "net/url.h"

static void
test_url_good(void **state)
{
	static const struct {
		const char *in, *host_port, *origin, *path;
		int tls;
	} rows[] = {
		{ "https://vault.example", "vault.example:443",
		    "https://vault.example", "", 1 },
		{ "http://vault.example:8200/", "vault.example:8200",
		    "http://vault.example:8200", "", 0 },
		{ "HTTPS://Vault.Example:8200/x/y//", "vault.example:8200",
		    "https://Vault.Example:8200", "/x/y", 1 },
		{ "http://[::1]:8200", "[::1]:8200", "http://[::1]:8200", "",
		    0 },
		{ "http://127.0.0.1:1", "127.0.0.1:1", "http://127.0.0.1:1",
		    "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct url u;
		char *hp;

		assert_int_equal(url_parse(rows[i].in, &u, NULL), 0);
		hp = url_host_port(&u);
		assert_string_equal(hp, rows[i].host_port);
		assert_string_equal(u.origin, rows[i].origin);
		assert_string_equal(u.path, rows[i].path);
		assert_int_equal(u.tls, rows[i].tls);
		free(hp);
		url_clear(&u);
	}
}

static void
test_url_bad(void **state)
{
	static const char *const rows[] = { "", "vault:8200", "ftp://x",
	    "http://", "http:///x", "http://u:hunter2@x", "http://x:0",
	    "http://x:65536", "http://x:", "http://x:1a", "http://x?y",
	    "http://x/#f", "http://x y", "http://x/\xc3\xa9", "http://[::1",
	    "http://[]:1", "http://[g]:1", "file:///etc/passwd",
	    "http://x\r\nHost: y", "unix:///run/x", "http://x:123456" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		struct url u = { .path = NULL };

		assert_int_equal(url_parse(rows[i], &u, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_null(strstr(err_msg(&err), "hunter2"));
		assert_null(u.host);
		err_clear(&err);
	}
}

static void
test_clean_path(void **state)
{
	static const char *const rows[][2] = {
		{ "/v1/secret/data/a", "/v1/secret/data/a" },
		{ "v1//secret/./a/", "/v1/secret/a" },
		{ "/a b/%2F?x#y", "/a%20b/%252F%3Fx%23y" },
		{ "/\xc3\xa9", "/%C3%A9" },
		{ "/a$&+,:;=@b-_.~", "/a$&+,:;=@b-_.~" },
		{ "", "/" },
		{ "/...", "/..." },
	};
	static const char *const bad[] = { "/a/../b", "..", "/a/..", "../x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *got = NULL;

		assert_int_equal(url_clean_path(rows[i][0], &got, NULL), 0);
		assert_string_equal(got, rows[i][1]);
		free(got);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = ERR_INIT;
		char *got = NULL;

		assert_int_equal(url_clean_path(bad[i], &got, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_null(got);
		err_clear(&err);
	}
}

static void
test_clean_path_ceiling(void **state)
{
	struct err err = ERR_INIT;
	char *got = NULL, *in = mem_alloc(URL_PATH_MAX + 10);

	(void)state;
	memset(in, 'a', URL_PATH_MAX + 1);
	assert_int_equal(url_clean_path(in, &got, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	err_clear(&err);
	free(in);
}

static void
test_redirect(void **state)
{
	static const struct {
		const char *location, *want;
		enum err_kind kind;
	} rows[] = {
		{ "/v1/b?x=1", "/v1/b?x=1", ERR_NONE },
		{ "https://vault.example:8200/v1/b", "/v1/b", ERR_NONE },
		{ "https://VAULT.example:8200/v1/b", "/v1/b", ERR_NONE },
		{ "https://vault.example:8200", "/", ERR_NONE },
		{ "https://vault.example:8200?x", "/?x", ERR_NONE },
		{ "https://vault.example/v1/b", NULL, ERR_DENIED },
		{ "http://vault.example:8200/v1/b", NULL, ERR_DENIED },
		{ "https://evil.example:8200/v1/b", NULL, ERR_DENIED },
		{ "https://vault.example:8200@evil/v1", NULL, ERR_DENIED },
		{ "//evil.example/v1/b", NULL, ERR_DENIED },
		{ "v1/b", NULL, ERR_INVALID },
		{ "javascript:x", NULL, ERR_INVALID },
		{ "", NULL, ERR_INVALID },
		{ "/a\rb", NULL, ERR_INVALID },
		{ "/v1/a", NULL, ERR_INVALID },		/* itself */
	};
	struct url u;

	(void)state;
	assert_int_equal(url_parse("https://vault.example:8200", &u, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		char *got = NULL;
		int r = url_redirect(&u, "/v1/a", rows[i].location, &got,
		    &err);

		assert_int_equal(err.kind, rows[i].kind);
		assert_int_equal(r, rows[i].want ? 0 : -1);
		if (rows[i].want)
			assert_string_equal(got, rows[i].want);
		free(got);
		err_clear(&err);
	}
	url_clear(&u);
}

static void
test_retry(void **state)
{
	(void)state;
	assert_true(retry_worth(0, ERR_TRANSIENT));
	assert_false(retry_worth(0, ERR_DENIED));
	assert_false(retry_worth(0, ERR_LIMIT));
	assert_true(retry_worth(412, ERR_NONE));
	assert_true(retry_worth(429, ERR_NONE));
	assert_true(retry_worth(500, ERR_NONE));
	assert_true(retry_worth(503, ERR_NONE));
	assert_false(retry_worth(501, ERR_NONE));
	assert_false(retry_worth(403, ERR_NONE));
	assert_false(retry_worth(200, ERR_NONE));

	assert_int_equal(retry_wait_ms(0, 1000, 1500, 0), 1000);
	assert_int_equal(retry_wait_ms(1, 1000, 1500, 0), 1500);
	assert_int_equal(retry_wait_ms(4000000000u, 1000, 1500, 0), 1500);
	assert_int_equal(retry_wait_ms(3, 10, 1000, 0), 80);
	assert_int_equal(retry_wait_ms(0, 2000, 1000, 0), 2000);
	assert_int_equal(retry_wait_ms(0, 1000, 1500, 3000), 3000);
	assert_int_equal(retry_wait_ms(0, 1000, 1500, 4000000000u), 10000);
}

static void
line(struct http_head *h, const char *s)
{
	assert_int_equal(http_head_line(h, s, strlen(s), 1000000000), 0);
}

static void
test_head(void **state)
{
	struct http_head h = { 0 };

	(void)state;
	line(&h, "HTTP/1.1 100 Continue\r\n");
	line(&h, "Location: /never\r\n");
	line(&h, "HTTP/1.1 200 OK\r\n");
	line(&h, "Content-TYPE:  application/json \r\n");
	line(&h, "X-Vault-Index: abc\r\n");
	line(&h, "Retry-After: 7\r\n");
	line(&h, "Content-Typex: no\r\n");
	line(&h, "\r\n");
	assert_string_equal(h.content_type, "application/json");
	assert_string_equal(h.index, "abc");
	assert_null(h.location);
	assert_int_equal(h.retry_after_ms, 7000);
	line(&h, "Retry-After: Sun, 09 Sep 2001 01:46:50 GMT\r\n");
	assert_int_equal(h.retry_after_ms, 10000);
	line(&h, "Retry-After: Sun, 09 Sep 2001 01:46:30 GMT\r\n");
	assert_int_equal(h.retry_after_ms, 0);
	line(&h, "Retry-After: 99999999999999999999999\r\n");
	assert_int_equal(h.retry_after_ms, 86400000);
	line(&h, "Retry-After: soon\r\n");
	assert_int_equal(h.retry_after_ms, 0);
	line(&h, "Retry-After:\r\n");
	line(&h, "Location");
	assert_null(h.location);
	http_head_clear(&h);
}

static void
test_head_ceiling(void **state)
{
	struct http_head h = { 0 };
	char *big = mem_alloc(HTTP_HEAD_MAX + 2);

	(void)state;
	memset(big, 'x', HTTP_HEAD_MAX + 1);
	assert_int_equal(http_head_line(&h, big, HTTP_HEAD_MAX / 2, 0), 0);
	assert_int_equal(http_head_line(&h, "HTTP/1.1 200\r\n", 14, 0), 0);
	assert_int_equal(http_head_line(&h, big, HTTP_HEAD_MAX / 2, 0), -1);
	http_head_clear(&h);
	free(big);
}

static void
test_mem(void **state)
{
	unsigned char *p = http_mem_calloc(4, 8), *q;

	(void)state;
	for (int i = 0; i < 32; i++)
		assert_int_equal(p[i], 0);
	memcpy(p, "value", 6);
	q = http_mem_realloc(p, 64);
	assert_string_equal((char *)q, "value");
	q = http_mem_realloc(q, 3);
	assert_memory_equal(q, "val", 3);
	http_mem_free(q);
	http_mem_free(NULL);
	assert_null(http_mem_calloc(SIZE_MAX / 2, 4));
	assert_null(http_mem_alloc(SIZE_MAX));
	q = http_mem_realloc(NULL, 5);
	assert_non_null(q);
	http_mem_free(q);
	q = (unsigned char *)http_mem_strdup("x");
	assert_string_equal((char *)q, "x");
	http_mem_free(q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url_good),
		cmocka_unit_test(test_url_bad),
		cmocka_unit_test(test_clean_path),
		cmocka_unit_test(test_clean_path_ceiling),
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_head_ceiling),
		cmocka_unit_test(test_mem),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
