/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "auth/aws_sign.h"
#include "base/mem.h"

/*
 * AWS's published test suite for Signature Version 4 (aws-sig-v4-test-suite:
 * get-vanilla, post-vanilla, post-x-www-form-urlencoded,
 * get-vanilla-query-order-key-case, post-sts-header-before).
 */
#define KEY "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define NOW 1440938160		/* 20150830T123600Z */

static struct aws_creds creds;

static int
setup(void **state)
{
	(void)state;
	creds.key_id = str_dup("AKIDEXAMPLE");
	creds.secret = secret_new(KEY, strlen(KEY));
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	aws_creds_clear(&creds);
	return (0);
}

static void
check(const struct aws_request *r, const char *names, const char *signature)
{
	cleanup_free char *want = str_fmt("AWS4-HMAC-SHA256 Credential="
	    "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
	    "SignedHeaders=%s, Signature=%s", names, signature);
	cleanup_secret struct secret *got = NULL;
	cleanup_err struct err err = ERR_INIT;
	char date[AWS_DATE_LEN];

	assert_int_equal(aws_sign(&creds, "us-east-1", "service", r, date,
	    &got, &err), 0);
	assert_string_equal(date, "20150830T123600Z");
	assert_string_equal((const char *)secret_data(got), want);
}

static void
test_published_vectors(void **state)
{
	struct aws_request r = { .method = "GET", .path = "/", .query = "",
	    .host = "example.amazonaws.com", .body = "", .now_s = NOW };

	(void)state;
	check(&r, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a"
	    "2260956d9b8aae1d763fbf31");
	r.query = "Param1=value1&Param2=value2";
	check(&r, "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221"
	    "646efd99d3219ec94cdf2500");
	r.query = "";
	r.method = "POST";
	check(&r, "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c3086"
	    "2966e37dddb68e92efbe5d6b");
	r.content_type = "application/x-www-form-urlencoded";
	r.body = "Param1=value1";
	r.len = strlen(r.body);
	check(&r, "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722"
	    "051e5ac45fc38421b1da7b9d196a0fe09473a");
}

static void
test_session_token(void **state)
{
	static const char token[] = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SA"
	    "PBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfK"
	    "D8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsb"
	    "urEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+"
	    "xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9F"
	    "X9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
	struct aws_request r = { .method = "POST", .path = "/", .query = "",
	    .host = "example.amazonaws.com", .body = "", .now_s = NOW };

	(void)state;
	creds.token = secret_new(token, sizeof(token) - 1);
	check(&r, "host;x-amz-date;x-amz-security-token", "85d96828115b5dc0cfc"
	    "3bd16ad9e210dd772bbebba041836c64533a82be05ead");
	secret_free(STEAL(creds.token));
}

static void
test_a_key_that_is_none(void **state)
{
	char big[600];
	struct aws_request r = { .method = "GET", .path = "/", .query = "",
	    .host = "h", .body = "" };
	struct aws_creds c = { .key_id = str_dup("A") };
	struct secret *got = NULL;
	struct err err = ERR_INIT;
	char date[AWS_DATE_LEN];

	(void)state;
	memset(big, 'x', sizeof(big));
	c.secret = secret_new(big, sizeof(big));
	assert_int_equal(aws_sign(&c, "r", "s", &r, date, &got, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_null(got);
	err_clear(&err);
	aws_creds_clear(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_published_vectors, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_session_token, setup,
		    teardown),
		cmocka_unit_test(test_a_key_that_is_none),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
