/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "tests/fake/fake_vault.h"

static struct fake_vault plain, secure, other;

static int
start(void **state)
{
	(void)state;
	if (http_global(NULL) == -1)
		return (-1);
	fake_start(&plain, 0);
	fake_start(&secure, FAKE_TLS | FAKE_CLIENT_CA);
	fake_start(&other, 0);
	return (0);
}

static int
stop(void **state)
{
	(void)state;
	fake_stop(&plain);
	fake_stop(&secure);
	fake_stop(&other);
	return (0);
}

static int
calm(void **state)
{
	(void)state;
	fake_tell(&plain, "fault", "{\"kind\":\"\"}");
	return (0);
}

static struct http_client *
client(const struct fake_vault *v, struct http_options o)
{
	struct http_client *c = NULL;
	struct err err = ERR_INIT;

	if (o.ca_pem == NULL)
		o.ca_pem = v->ca;
	if (http_client_new(v->url, &o, &c, &err) == -1)
		fail_msg("%s", err_msg(&err));
	return (c);
}

/* GET with one try; the kind of the failure or ERR_NONE. */
static enum err_kind
get(struct http_client *c, const char *path, struct http_response *r,
    char **ret_msg)
{
	struct http_request req = { .method = "GET", .path = path };
	struct err err = ERR_INIT;
	enum err_kind kind = ERR_NONE;

	if (http_do(c, &req, r, &err) == -1)
		kind = err.kind;
	if (ret_msg != NULL)
		*ret_msg = str_dup(err_msg(&err));
	err_clear(&err);
	return (kind);
}

static void
test_keep_alive(void **state)
{
	struct http_client *c = client(&secure, (struct http_options){ 0 });
	int before = fake_count(&secure, "connections");

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct http_response r;

		assert_int_equal(get(c, "/v1/secret/data/none", &r, NULL),
		    ERR_NONE);
		assert_int_equal(r.status, 403);
		assert_string_equal(r.content_type, "application/json");
		http_response_clear(&r);
	}
	assert_int_equal(http_client_requests(c), 20);
	/* One for all of them, one for the question itself. */
	assert_int_equal(fake_count(&secure, "connections"), before + 2);
	http_client_free(c);
}

static void
test_trust(void **state)
{
	char *wrong = fake_file(&secure, "other-ca.pem");
	struct http_client *c;
	struct http_response r;
	char *msg;

	(void)state;
	c = client(&secure, (struct http_options){ .ca_pem = wrong });
	assert_int_equal(get(c, "/v1/x", &r, &msg), ERR_DENIED);
	assert_non_null(strstr(msg, "certificate"));
	assert_int_equal(r.status, 0);
	assert_int_equal(http_client_requests(c), 0);
	http_response_clear(&r);
	http_client_free(c);
	free(msg);
	/* The system's bundle does not know it either. */
	assert_int_equal(http_client_new(secure.url,
	    &(struct http_options){ 0 }, &c, NULL), 0);
	assert_int_equal(get(c, "/v1/x", &r, NULL), ERR_DENIED);
	http_response_clear(&r);
	http_client_free(c);
	free(wrong);
}

static void
refused(const struct http_options *o, const char *words)
{
	struct http_client *c = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(http_client_new(secure.url, o, &c, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_non_null(strstr(err_msg(&err), words));
	assert_null(c);
	err_clear(&err);
}

static void
test_bad_pem(void **state)
{
	char *cert = fake_file(&secure, "client.pem");
	char *key = fake_file(&secure, "client.key");
	char *wrong = fake_file(&secure, "server.key");
	struct secret *k = secret_new(key, strlen(key));
	struct secret *w = secret_new(wrong, strlen(wrong));
	struct secret *junk = secret_new("junk", 4);

	(void)state;
	refused(&(struct http_options){ .ca_pem = "junk" }, "CertPool");
	refused(&(struct http_options){ .ca_pem = secure.ca,
	    .cert_pem = "junk", .key_pem = k }, "certificate input");
	refused(&(struct http_options){ .ca_pem = secure.ca,
	    .cert_pem = cert, .key_pem = junk }, "key input");
	refused(&(struct http_options){ .ca_pem = secure.ca,
	    .cert_pem = cert, .key_pem = NULL }, "key input");
	refused(&(struct http_options){ .ca_pem = secure.ca,
	    .cert_pem = cert, .key_pem = w }, "does not match");
	secret_free(k);
	secret_free(w);
	secret_free(junk);
	free(cert);
	free(key);
	free(wrong);
}

static void
test_bad_tls(void **state)
{
	struct fake_vault noise;
	struct http_client *c;
	struct http_response r;

	(void)state;
	fake_start(&noise, FAKE_BAD_TLS);
	c = client(&noise, (struct http_options){ .max_retries = 0 });
	assert_int_equal(get(c, "/v1/x", &r, NULL), ERR_TRANSIENT);
	http_response_clear(&r);
	http_client_free(c);
	fake_stop(&noise);
}

static void
test_refused(void **state)
{
	struct http_client *c = NULL;
	struct http_response r;
	char *msg;

	(void)state;
	assert_int_equal(http_client_new("http://127.0.0.1:1",
	    &(struct http_options){ .max_retries = 0 }, &c, NULL), 0);
	assert_string_equal(http_client_host(c), "127.0.0.1:1");
	assert_int_equal(get(c, "/v1/x?list=true", &r, &msg), ERR_TRANSIENT);
	assert_string_equal(msg,
	    "GET http://127.0.0.1:1/v1/x: connection refused");
	free(msg);
	http_response_clear(&r);
	http_client_free(c);
}

/* --- a peer that misbehaves ---------------------------------------------- */

struct fault_row {
	const char *fault;
	enum err_kind kind;
	int64_t at_most_ms;
};

static void
run_fault(const struct fault_row *row)
{
	struct http_client *c = client(&plain, (struct http_options){
	    .timeout_ms = 900, .max_retries = 0, .response_max = 1 << 20 });
	struct http_response r;
	int64_t start_ms;
	char *msg;

	fake_tell(&plain, "fault", row->fault);
	start_ms = fake_now_ms();
	assert_int_equal(get(c, "/v1/secret/data/x", &r, &msg), row->kind);
	assert_true(fake_now_ms() - start_ms <= row->at_most_ms);
	if (row->kind != ERR_NONE) {
		assert_null(strstr(msg, "password"));
		assert_int_equal(r.body.len, 0);
	}
	free(msg);
	http_response_clear(&r);
	http_client_free(c);
}

static void
test_faults(void **state)
{
	static const struct fault_row rows[] = {
		{ "{\"kind\":\"hang\",\"seconds\":3}", ERR_TRANSIENT, 1500 },
		{ "{\"kind\":\"drip\"}", ERR_TRANSIENT, 1500 },
		{ "{\"kind\":\"short\"}", ERR_TRANSIENT, 800 },
		{ "{\"kind\":\"reset\"}", ERR_TRANSIENT, 800 },
		{ "{\"kind\":\"empty\"}", ERR_NONE, 800 },
		{ "{\"kind\":\"truncated\"}", ERR_NONE, 800 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		run_fault(&rows[i]);
}

static void
test_longer_than_announced(void **state)
{
	struct http_client *c = client(&plain, (struct http_options){ 0 });
	struct http_response r;

	(void)state;
	fake_tell(&plain, "fault", "{\"kind\":\"long\"}");
	assert_int_equal(get(c, "/v1/x", &r, NULL), ERR_NONE);
	assert_int_equal(r.body.len, 12);
	http_response_clear(&r);
	fake_tell(&plain, "fault", "{\"kind\":\"\"}");
	/* What followed is no answer to the next question. */
	assert_int_equal(get(c, "/v1/x", &r, NULL), ERR_NONE);
	assert_int_equal(r.status, 403);
	http_response_clear(&r);
	http_client_free(c);
}

static void
huge(const char *fault)
{
	struct http_client *c = client(&plain, (struct http_options){
	    .timeout_ms = 20000, .response_max = 1 << 20 });
	struct http_response r;
	struct rusage before, after;
	int64_t start_ms = fake_now_ms();

	fake_tell(&plain, "fault", fault);
	getrusage(RUSAGE_SELF, &before);
	assert_int_equal(get(c, "/v1/x", &r, NULL), ERR_LIMIT);
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < FAKE_RSS_MAX_KIB);
	assert_true(fake_now_ms() - start_ms < 5000);
	http_response_clear(&r);
	http_client_free(c);
}

/* Control: WEAKEN_HTTP_MAX. */
static void
test_huge(void **state)
{
	(void)state;
	huge("{\"kind\":\"huge\"}");
	huge("{\"kind\":\"huge\",\"chunked\":true}");
}

/* Control: WEAKEN_REDIRECT. */
static void
test_redirect_elsewhere(void **state)
{
	struct http_client *c = client(&plain, (struct http_options){ 0 });
	char *fault = str_fmt("{\"kind\":\"redirect\",\"to\":\"%s/v1/x\"}",
	    other.url);
	struct secret *token = secret_new("root", 4);
	struct http_header h = { "X-Vault-Token", NULL, token };
	struct http_request req = { .method = "GET", .path = "/v1/x",
	    .headers = &h, .nheaders = 1 };
	struct http_response r;
	struct err err = ERR_INIT;
	int connections = fake_count(&other, "connections");

	(void)state;
	fake_tell(&plain, "fault", fault);
	assert_int_equal(http_do(c, &req, &r, &err), -1);
	assert_int_equal(err.kind, ERR_DENIED);
	assert_non_null(strstr(err_msg(&err), "another origin"));
	assert_int_equal(fake_count(&other, "connections"), connections + 1);
	err_clear(&err);
	http_response_clear(&r);
	http_client_free(c);
	secret_free(token);
	free(fault);
}

static void
test_redirect_within(void **state)
{
	struct http_client *c = client(&plain, (struct http_options){ 0 });
	struct http_response r;

	(void)state;
	fake_tell(&plain, "fault", "{\"kind\":\"redirect\",\"to\":"
	    "\"/v1/other\",\"match\":\"/v1/x\"}");
	assert_int_equal(get(c, "/v1/x", &r, NULL), ERR_NONE);
	assert_int_equal(r.status, 403);
	assert_int_equal(http_client_requests(c), 2);
	http_response_clear(&r);
	/* a -> b -> b?… never ends by itself */
	fake_tell(&plain, "fault", "{\"kind\":\"redirect\",\"to\":"
	    "\"/v1/x?again\",\"match\":\"/v1/x\"}");
	assert_int_equal(get(c, "/v1/x", &r, NULL), ERR_INVALID);
	http_response_clear(&r);
	http_client_free(c);
}

static void
test_retries(void **state)
{
	struct http_client *c = client(&plain, (struct http_options){
	    .max_retries = 2, .retry_min_ms = 10, .retry_max_ms = 20 });
	struct http_response r;
	struct http_request once = { .method = "GET", .path = "/v1/x",
	    .once = 1 };
	int64_t start_ms;

	(void)state;
	fake_tell(&plain, "fault",
	    "{\"kind\":\"status\",\"status\":503,\"times\":2}");
	assert_int_equal(get(c, "/v1/x", &r, NULL), ERR_NONE);
	assert_int_equal(r.status, 403);
	assert_int_equal(http_client_requests(c), 3);
	http_response_clear(&r);
	fake_tell(&plain, "fault", "{\"kind\":\"reset\",\"times\":1}");
	assert_int_equal(get(c, "/v1/x", &r, NULL), ERR_NONE);
	assert_int_equal(r.status, 403);
	http_response_clear(&r);
	fake_tell(&plain, "fault", "{\"kind\":\"status\",\"status\":503}");
	assert_int_equal(get(c, "/v1/x", &r, NULL), ERR_NONE);
	assert_int_equal(r.status, 503);
	http_response_clear(&r);
	fake_tell(&plain, "fault", "{\"kind\":\"status\",\"status\":429,"
	    "\"retry_after\":1,\"times\":1}");
	start_ms = fake_now_ms();
	assert_int_equal(get(c, "/v1/x", &r, NULL), ERR_NONE);
	assert_int_equal(r.status, 403);
	assert_true(fake_now_ms() - start_ms >= 1000);
	http_response_clear(&r);
	fake_tell(&plain, "fault", "{\"kind\":\"status\",\"status\":429,"
	    "\"retry_after\":7}");
	assert_int_equal(http_do(c, &once, &r, NULL), 0);
	assert_int_equal(r.status, 429);
	assert_int_equal(r.retry_after_ms, 7000);
	http_response_clear(&r);
	http_client_free(c);
}

/* --- what we send -------------------------------------------------------- */

static void
test_header_rules(void **state)
{
	static const struct http_header bad[] = {
		{ "X-A", "b\r\nX-Evil: 1", NULL },
		{ "X-A\r\nX-Evil", "b", NULL },
		{ "X A", "b", NULL },
		{ "", "b", NULL },
		{ "X-A", "b\x7f", NULL },
	};
	struct http_client *c = client(&plain, (struct http_options){ 0 });

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct http_request req = { .method = "GET", .path = "/v1/x",
		    .headers = &bad[i], .nheaders = 1 };
		struct http_response r;
		struct err err = ERR_INIT;

		assert_int_equal(http_do(c, &req, &r, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		err_clear(&err);
		http_response_clear(&r);
	}
	for (size_t i = 0; i < 3; i++) {
		static const char *const paths[] = { "v1/x", "/v1/x y",
		    "/v1/x\r\nX-Evil: 1" };
		struct http_response r;

		assert_int_equal(get(c, paths[i], &r, NULL), ERR_INVALID);
		http_response_clear(&r);
	}
	assert_int_equal(http_client_requests(c), 0);
	http_client_free(c);
}

static void
test_proxy(void **state)
{
	struct http_client *c = NULL;
	struct http_response r;
	char *log;

	(void)state;
	setenv("http_proxy", plain.url, 1);
	assert_int_equal(http_client_new("http://store.invalid:99",
	    &(struct http_options){ .max_retries = 0 }, &c, NULL), 0);
	assert_int_equal(get(c, "/v1/through-the-proxy", &r, NULL),
	    ERR_NONE);
	assert_int_equal(r.status, 403);
	http_response_clear(&r);
	http_client_free(c);
	log = fake_file(&plain, "log");
	assert_non_null(strstr(log,
	    "http://store.invalid:99/v1/through-the-proxy"));
	free(log);
	setenv("no_proxy", "store.invalid", 1);
	assert_int_equal(http_client_new("http://store.invalid:99",
	    &(struct http_options){ .max_retries = 0 }, &c, NULL), 0);
	assert_int_equal(get(c, "/v1/x", &r, NULL), ERR_TRANSIENT);
	http_response_clear(&r);
	http_client_free(c);
	unsetenv("http_proxy");
	unsetenv("no_proxy");
}

/* --- nothing stays behind ------------------------------------------------ */

/* Not under AddressSanitizer, whose shadow cannot be read and which keeps what
 * was freed. */
#ifndef __SANITIZE_ADDRESS__
#define MASK 0x5a

/* Is it (masked) anywhere in our writable memory but the stack? */
static int
in_memory(const unsigned char *masked, size_t len)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char row[512];
	int found = 0;

	while (maps != NULL && fgets(row, sizeof(row), maps) != NULL) {
		unsigned long from, to;
		char perms[8];

		if (sscanf(row, "%lx-%lx %7s", &from, &to, perms) != 3 ||
		    strncmp(perms, "rw", 2) != 0 ||
		    strstr(row, "[stack]") != NULL)
			continue;
		for (const unsigned char *p = (unsigned char *)from;
		    p + len <= (unsigned char *)to; p++) {
			size_t i = 0;

			while (i < len && (p[i] ^ MASK) == masked[i])
				i++;
			found += i == len;
		}
	}
	if (maps != NULL)
		fclose(maps);
	return (found);
}

/* Control: WEAKEN_WIPE. */
static void
test_wiped(void **state)
{
	struct http_client *c = client(&secure, (struct http_options){ 0 });
	struct secret *body = secret_new("{\"password\":\"p\"}", 16);
	struct http_request req = { .method = "PUT", .path =
	    "/v1/auth/userpass/login/wipe", .body = body };
	unsigned char masked[24];
	struct http_response r;
	const char *at;

	(void)state;
	fake_tell(&secure, "login",
	    "{\"path\":\"userpass/wipe\",\"password\":\"p\"}");
	assert_int_equal(http_do(c, &req, &r, NULL), 0);
	assert_int_equal(r.status, 200);
	at = strstr(buf_str(&r.body), "hvs.");
	assert_non_null(at);
	for (size_t i = 0; i < sizeof(masked); i++)
		masked[i] = (unsigned char)at[i] ^ MASK;
	assert_true(in_memory(masked, sizeof(masked)) > 0);
	http_response_clear(&r);
	http_client_free(c);
	secret_free(body);
	assert_int_equal(in_memory(masked, sizeof(masked)), 0);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_bad_pem),
		cmocka_unit_test(test_bad_tls),
		cmocka_unit_test(test_refused),
		cmocka_unit_test_teardown(test_faults, calm),
		cmocka_unit_test_teardown(test_longer_than_announced, calm),
		cmocka_unit_test_teardown(test_huge, calm),
		cmocka_unit_test_teardown(test_redirect_elsewhere, calm),
		cmocka_unit_test_teardown(test_redirect_within, calm),
		cmocka_unit_test_teardown(test_retries, calm),
		cmocka_unit_test(test_header_rules),
		cmocka_unit_test(test_proxy),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(test_wiped),
#endif
	};

	return (cmocka_run_group_tests(tests, start, stop));
}
