/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/value_vector.h"
#include "value/tmpl.h"

#define OUT_MAX (32u << 20)

/* What the vectors were made with. */
static void
fill(struct kv *data)
{
	static const struct {
		const char *key, *value;
	} all[] = {
		{ "a", "" }, { "n", "42" }, { "t", "hello world" },
		{ "user", "admin" },
		{ "l", "[\"b\",\"a\",null,1.5,true,{\"q\":[1]}]" },
		{ "j", "{\"x\":{\"y\":1,\"z\":[1,2,{\"w\":null}]},"
		    "\"s\":\"str\",\"n\":null,\"f\":1e21,\"b\":true}" },
		{ "host", "db.example.com" },
		{ "u", "\xc5\xbelu\xc5\xa5\xe2\x80\xa8ok" },
		{ "port", "5432" }, { "q", "a\"b'c<d>&e=`f\\g\n\t" },
	};
	size_t i;

	kv_init(data);
	for (i = 0; i < ARRAY_LEN(all); i++)
		kv_put_bytes(data, all[i].key, all[i].value,
		    strlen(all[i].value));
	kv_put_bytes(data, "bin", "\xff\xfe\0" "abc", 6);
}

static int
render(const char *name, const char *text, size_t len,
    const struct tmpl_options *opts, const struct kv *data, struct buf *out,
    struct err *err)
{
	struct tmpl *t;
	int rc;

	if (tmpl_parse(name, text, len, opts, &t, err) == -1)
		return (-1);
	rc = tmpl_run(t, data, out, err);
	/* A tree may be run often. */
	if (rc == 0 && out->len < 4096) {
		cleanup_buf struct buf again = BUF_SECRET(OUT_MAX);

		assert_int_equal(tmpl_run(t, data, &again, err), 0);
		assert_int_equal(again.len, out->len);
	}
	tmpl_free(t);
	return (rc);
}

static void
run_vectors(const char *path)
{
	struct vector v;
	struct kv data;
	int bad = 0;

	fill(&data);
	assert_true(vector_open(&v, path));
	while (vector_next(&v)) {
		struct tmpl_options opts = { .missing_key_error =
		    strcmp(v.field[0], "error") == 0 };
		cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);
		cleanup_err struct err err = ERR_INIT;
		char *text = vector_exact(&v, 2);
		int rc = render(v.field[1], text, v.len[2], &opts, &data, &out,
		    &err);

		bad += !vector_is(&v, 3, v.field[2], rc == 0 ? "ok" : "error",
		    rc == 0 ? 2 : 5);
		if (rc == 0)
			bad += !vector_is(&v, 4, v.field[2], buf_str(&out),
			    out.len);
		else
			bad += !vector_is(&v, 4, v.field[2], err_msg(&err),
			    strlen(err_msg(&err)));
		if (rc == -1)
			bad += err.kind != ERR_INVALID;
		free(text);
	}
	kv_clear(&data);
	assert_int_equal(bad, 0);
}

static void
test_vectors(void **state)
{
	(void)state;
	run_vectors("tests/vector/value/tmpl.tsv");
}

static void
test_printf(void **state)
{
	(void)state;
	run_vectors("tests/vector/value/tmpl_printf.tsv");
}

static void
expect_with(const char *text, const struct tmpl_options *opts, int kind,
    const char *want)
{
	cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);
	cleanup_err struct err err = ERR_INIT;
	struct kv data;
	int rc;

	fill(&data);
	rc = render("n", text, strlen(text), opts, &data, &out, &err);
	kv_clear(&data);
	if (kind == ERR_NONE && rc == -1)
		fail_msg("%.200s: %s", text, err_msg(&err));
	assert_int_equal(rc == -1 ? (int)err.kind : ERR_NONE, kind);
	if (rc == 0)
		assert_string_equal(buf_str(&out), want);
	else if (strstr(err_msg(&err), want) == NULL)
		fail_msg("%.200s: %.500s", text, err_msg(&err));
}

static void
test_delimiters(void **state)
{
	struct tmpl_options o = { .left = "<<", .right = ">>",
		.missing_key_error = 1 };

	(void)state;
	expect_with("{{.t}} << .t >> <</* c */>>", &o, ERR_NONE,
	    "{{.t}} hello world ");
	expect_with("a <<- .n ->> b", &o, ERR_NONE, "a42b");
	expect_with("<< .t }}", &o, ERR_INVALID,
	    "template: n:1: unexpected \"}\" in operand");
	o.left = "\xc2\xab";
	o.right = "\xc2\xbb";
	expect_with("\xc2\xab.n\xc2\xbb", &o, ERR_NONE, "42");
	o.left = o.right = "";
	expect_with("{{.n}}", &o, ERR_NONE, "42");
}

/* A key that JSON made of \u0000. */
static void
test_nul_key(void **state)
{
	cleanup_buf struct buf out = BUF_SECRET(OUT_MAX);
	struct kv data;
	const char *text = "{{index . \"a\\x00b\"}}{{range $k, $v := .}}"
	    "{{printf \"%q\" $k}}{{end}}";

	(void)state;
	kv_init(&data);
	kv_put_bytes(&data, "a" KV_NUL "b", "v\0w", 3);
	assert_int_equal(render("n", text, strlen(text), NULL, &data, &out,
	    NULL), 0);
	assert_int_equal(out.len, 3 + 8);
	assert_memory_equal(out.data, "v\0w\"a\\x00b\"", 11);
	kv_clear(&data);
}

/* --- ceilings ------------------------------------------------------------- */

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((double)ts.tv_sec + (double)ts.tv_nsec / 1e9);
}

static void
test_steps(void **state)
{
	struct tmpl_options o = { .steps_max = 10000 };
	double start = now_s();

	(void)state;
	expect_with("{{range 1000000}}{{end}}", &o, ERR_LIMIT,
	    "template takes more than 10000 steps");
	expect_with("{{range 100}}x{{end}}", &o, ERR_NONE,
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	expect_with("{{range 9223372036854775807}}{{end}}", NULL, ERR_LIMIT,
	    "executing \"n\": template takes more than 10000000 steps");
	/* Large values looked at often: two texts of 8 MiB, compared. */
	expect_with("{{$x := printf \"%01000000d\" 1}}{{$x = print $x $x $x $x"
	    " $x $x $x $x}}{{$y := print $x}}{{range 1000000}}{{if eq $x $y}}"
	    "{{end}}{{end}}", NULL, ERR_LIMIT, "steps");
	assert_true(now_s() - start < 20);
}

static void
test_depth(void **state)
{
	static const char open[] = "(", close[] = ")";
	cleanup_buf struct buf b = BUF_PLAIN(1u << 20);
	int i;

	(void)state;
	/* Go's texts, though Go gets a hundred times as deep. */
	expect_with("{{define \"a\"}}{{template \"a\" .}}{{end}}"
	    "{{template \"a\" .}}", NULL, ERR_LIMIT, "template: n:1:25: "
	    "executing \"a\" at <{{template \"a\" .}}>: exceeded maximum "
	    "template depth (100000)");
	expect_with("{{block \"a\" .}}{{template \"a\" .}}{{end}}", NULL,
	    ERR_LIMIT, "template: n:1:26: executing \"a\" at <{{template "
	    "\"a\" .}}>: exceeded maximum template depth (100000)");
	expect_with("{{define \"a\"}}{{template \"b\" .}}{{end}}{{define "
	    "\"b\"}}{{if true}}{{template \"a\"}}{{end}}{{end}}"
	    "{{template \"a\" .}}", NULL, ERR_LIMIT,
	    "exceeded maximum template depth (100000)");
	expect_with("{{define \"a\"}}{{if 1}}{{if 1}}{{if 1}}{{if 1}}"
	    "{{with (((((((((1)))))))))}}{{template \"a\"}}{{end}}{{end}}"
	    "{{end}}{{end}}{{end}}{{end}}{{template \"a\" .}}", NULL,
	    ERR_LIMIT, "exceeded maximum template depth (100000)");
	buf_adds(&b, "{{");
	for (i = 0; i < 5000; i++)
		buf_adds(&b, open);
	buf_addc(&b, '1');
	for (i = 0; i < 5000; i++)
		buf_adds(&b, close);
	buf_adds(&b, "}}");
	expect_with(buf_str(&b), NULL, ERR_LIMIT,
	    "template: n:1: nested deeper than 1000 levels");
	buf_clear(&b);
	for (i = 0; i < 900; i++)
		buf_adds(&b, "{{if true}}");
	buf_addc(&b, 'x');
	for (i = 0; i < 900; i++)
		buf_adds(&b, "{{end}}");
	expect_with(buf_str(&b), NULL, ERR_NONE, "x");
	buf_clear(&b);
	for (i = 0; i < 100000; i++)
		buf_adds(&b, "{{if 1}}");
	expect_with(buf_str(&b), NULL, ERR_LIMIT, "levels");
	buf_clear(&b);
	buf_adds(&b, "{{if false}}");
	for (i = 0; i < 900; i++)
		buf_adds(&b, "{{else if false}}");
	buf_adds(&b, "{{else}}y{{end}}");
	expect_with(buf_str(&b), NULL, ERR_NONE, "y");
}

static void
test_output(void **state)
{
	struct tmpl_options o = { .out_max = 1000 };

	(void)state;
	expect_with("{{range 100000}}0123456789{{end}}", &o, ERR_LIMIT,
	    "template prints more than 1000 bytes");
	expect_with("{{range 100000}}{{.}}{{end}}", &o, ERR_LIMIT,
	    "template prints more than 1000 bytes");
	expect_with("{{printf \"%1000000d\" 1}}", &o, ERR_LIMIT,
	    "template prints more than 1000 bytes");
}

static void
test_memory(void **state)
{
	struct tmpl_options o = { .memory_max = 1u << 20 };
	double start = now_s();

	(void)state;
	expect_with("{{$x := print . .}}{{range 100}}{{$x = print $x $x}}"
	    "{{end}}", &o, ERR_LIMIT,
	    "template needs more than 1048576 bytes of memory");
	expect_with("{{$x := \"a\"}}{{range 1000000}}{{$x = printf \"%s%s\""
	    " $x $x}}{{end}}", NULL, ERR_LIMIT, "bytes of memory");
	expect_with("{{printf \"%1000000d%1000000d\" 1 2 | len}}", &o,
	    ERR_LIMIT, "bytes of memory");
	expect_with("{{printf \"%1000000d\" 1 | len}}", NULL, ERR_NONE,
	    "1000000");
	assert_true(now_s() - start < 20);
}

/* Declarations and uses in great numbers: Go looks through them one by one. */
static void
test_many(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(64u << 20);
	double start = now_s();
	int i;

	(void)state;
	for (i = 0; i < 100000; i++)
		buf_addf(&b, "{{$a%d := 1}}", i);
	for (i = 0; i < 100000; i++)
		buf_adds(&b, "{{$a0}}");
	expect_with(buf_str(&b), NULL, ERR_LIMIT, "steps");
	buf_clear(&b);
	for (i = 0; i < 20000; i++)
		buf_addf(&b, "{{define \"a%d\"}}{{end}}", i);
	expect_with(buf_str(&b), NULL, ERR_LIMIT,
	    "defines more than 10000 templates");
	buf_clear(&b);
	for (i = 0; i < 2000; i++)
		buf_addf(&b, "{{define \"a%d\"}}x{{end}}", i);
	buf_adds(&b, "{{template \"a1999\"}}");
	expect_with(buf_str(&b), NULL, ERR_NONE, "x");
	assert_true(now_s() - start < 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_printf),
		cmocka_unit_test(test_delimiters),
		cmocka_unit_test(test_nul_key),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_many),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
