/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/model_test.h"

#include "model/schema.h"

/* A small schema with one field of every type. */
struct inner {
	char *a;
	int n;
};
struct thing {
	char *text, *maybe, *preset;
	int choice, flag, number, seen;
	int64_t wait_ms;
	struct strmap *map;
	char **list;
	size_t nlist;
	struct inner in, *ptr, *many;
	size_t nmany;
	struct json *raw;
};

static const struct field inner_fields[] = {
	{ .name = "a", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
	    .at = offsetof(struct inner, a) },
	{ .name = "n", .type = FIELD_INT, .at = offsetof(struct inner, n) },
};
static const struct record inner = {
	.fields = inner_fields, .nfields = 2, .size = sizeof(struct inner)
};
static const char *const colours[] = { "red", "green", NULL };
static const int colour_codes[] = { 7, 9 };
static const struct text_rule rule_colour = {
	.choices = colours, .codes = colour_codes
};
static const struct text_rule rule_short = { .min = 2, .max = 3 };

#define AT(m) .at = offsetof(struct thing, m)
static const struct field thing_fields[] = {
	{ .name = "choice", .type = FIELD_CHOICE, AT(choice),
	    .rule = &rule_colour, .value = "green" },
	{ .name = "flag", .type = FIELD_BOOL, AT(flag) },
	{ .name = "in", .type = FIELD_OBJECT, AT(in),
	    .count_at = offsetof(struct thing, seen), .record = &inner },
	{ .name = "list", .type = FIELD_TEXTS, AT(list),
	    .count_at = offsetof(struct thing, nlist), .rule = &rule_short },
	{ .name = "many", .type = FIELD_OBJECTS, AT(many),
	    .count_at = offsetof(struct thing, nmany), .record = &inner,
	    .min_items = 1 },
	{ .name = "map", .type = FIELD_MAP, AT(map) },
	{ .name = "maybe", .type = FIELD_TEXT, .flags = FIELD_NULL,
	    AT(maybe) },
	{ .name = "name", .type = FIELD_TEXT, AT(text),
	    .rule = &rule_subdomain },
	{ .name = "number", .type = FIELD_INT, AT(number) },
	{ .name = "preset", .type = FIELD_TEXT, AT(preset), .value = "yes" },
	{ .name = "ptr", .type = FIELD_OBJECT, .flags = FIELD_POINTER,
	    AT(ptr), .record = &inner },
	{ .name = "raw", .type = FIELD_JSON, AT(raw) },
	{ .name = "wait", .type = FIELD_DURATION, AT(wait_ms),
	    .value = "90s" },
	{ .name = "either", .type = FIELD_KNOWN, .flags = FIELD_INT_OR_TEXT },
};
#undef AT
static const struct record thing = {
	.fields = thing_fields, .nfields = ARRAY_LEN(thing_fields)
};

static const struct field_path spec = { NULL, "spec", 0 };

static void
test_absent(void **state)
{
	cleanup_json struct json *j = quoted("{'maybe':null,'preset':null,"
	    "'name':null,'in':null,'map':null,'choice':null}");
	struct findings f = { 0 };
	struct thing t = { 0 };

	(void)state;
	record_parse(&thing, j, &spec, &t, &f);
	assert_int_equal(f.n, 0);
	assert_string_equal(t.text, "");
	assert_null(t.maybe);
	assert_string_equal(t.preset, "yes");
	assert_int_equal(t.choice, 9);
	assert_int_equal(t.wait_ms, 90000);
	assert_string_equal(t.in.a, "");
	assert_int_equal(t.seen, 0);
	assert_null(t.ptr);
	assert_null(t.map);
	assert_int_equal(t.nmany, 0);
	record_free_fields(&thing, &t);
}

static void
test_present(void **state)
{
	cleanup_json struct json *j = quoted("{'name':'a.b','maybe':'',"
	    "'preset':'','choice':'red','flag':true,'number':-3,"
	    "'wait':'1h0m1.5s',"
	    "'map':{'x':'1','y':'2','z':null},'list':['ab','abc'],"
	    "'in':{'a':'i','n':1},'ptr':{'a':'p'},'many':[{'a':'0'},"
	    "{'a':'1','n':2147483647}],'raw':{'k':[1,2]},'either':5}");
	struct findings f = { 0 };
	struct thing t = { 0 };

	(void)state;
	record_parse(&thing, j, &spec, &t, &f);
	assert_int_equal(f.n, 0);
	assert_string_equal(t.text, "a.b");
	assert_string_equal(t.maybe, "");
	assert_string_equal(t.preset, "");
	assert_int_equal(t.choice, 7);
	assert_int_equal(t.flag, 1);
	assert_int_equal(t.number, -3);
	assert_int_equal(t.wait_ms, 3601500);
	assert_int_equal(strmap_len(t.map), 2);
	assert_string_equal(t.list[1], "abc");
	assert_int_equal(t.seen, 1);
	assert_string_equal(t.in.a, "i");
	assert_string_equal(t.ptr->a, "p");
	assert_int_equal(t.nmany, 2);
	assert_int_equal(t.many[1].n, INT32_MAX);
	assert_int_equal(json_len(json_get(t.raw, "k")), 2);
	record_free_fields(&thing, &t);
	assert_null(t.ptr);
	assert_null(t.text);
}

/* kube-openapi's and apimachinery's words, one by one. */
static void
test_words(void **state)
{
	static const struct {
		const char *doc, *field, *what;
	} rows[] = {
		{ "{'name':5}", "spec.name", "Invalid value: \"integer\": "
		    "spec.name in body must be of type string: \"integer\"" },
		{ "{'name':1.5}", "spec.name", "Invalid value: \"number\": "
		    "spec.name in body must be of type string: \"number\"" },
		{ "{'name':''}", "spec.name", "Invalid value: \"\": spec.name "
		    "in body should be at least 1 chars long" },
		{ "{'name':'A'}", "spec.name", "Invalid value: \"A\": "
		    "spec.name in body should match '^[a-z0-9]([-a-z0-9]*"
		    "[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'" },
		{ "{'list':['abcd']}", "spec.list[0]",
		    "Too long: may not be more than 3 bytes" },
		{ "{'list':['ab',null]}", "spec.list[1]", "Invalid value: "
		    "\"null\": spec.list[1] in body must be of type string: "
		    "\"null\"" },
		{ "{'list':{}}", "spec.list", "Invalid value: \"object\": "
		    "spec.list in body must be of type array: \"object\"" },
		{ "{'choice':'blue'}", "spec.choice", "Unsupported value: "
		    "\"blue\": supported values: \"red\", \"green\"" },
		{ "{'choice':3}", "spec.choice", "Unsupported value: 3: "
		    "supported values: \"red\", \"green\"" },
		{ "{'flag':'yes'}", "spec.flag", "Invalid value: \"string\": "
		    "spec.flag in body must be of type boolean: \"string\"" },
		{ "{'in':{}}", "spec.in.a", "Required value" },
		{ "{'many':[]}", "spec.many", "Invalid value: 0: spec.many in "
		    "body should have at least 1 items" },
		{ "{'many':[{'a':'x'},[]]}", "spec.many[1]", "Invalid value: "
		    "\"array\": spec.many[1] in body must be of type object: "
		    "\"array\"" },
		{ "{'many':[{'a':'x','n':'y'}]}", "spec.many[0].n", "must be "
		    "of type integer: \"string\"" },
		{ "{'map':{'k':true}}", "spec.map.k", "must be of type string: "
		    "\"boolean\"" },
		{ "{'wait':'1d'}", "spec.wait", "time: unknown unit \"d\" in "
		    "duration \"1d\"" },
		{ "{'either':true}", "spec.either", "must be of type "
		    "integer,string: \"boolean\"" },
		{ "{'number':2147483648}", "spec.number", "Invalid value: "
		    "2147483648: spec.number in body should be less than or "
		    "equal to 2147483647" },
		{ "{'number':-1e300}", "spec.number",
		    "should be greater than or equal to -2147483648" },
		{ "[]", "spec", "Invalid value: \"array\": spec in body must "
		    "be of type object: \"array\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_json struct json *j = quoted(rows[i].doc);
		struct findings f = { 0 };
		struct thing t = { 0 };

		record_parse(&thing, j, &spec, &t, &f);
		assert_true(found(&f, FINDING_REJECT, rows[i].field,
		    rows[i].what));
		/* Whatever was wrong, the struct is whole. */
		assert_non_null(t.text);
		assert_non_null(t.in.a);
		record_free_fields(&thing, &t);
		findings_clear(&f);
	}
}

static void
test_remedies(void **state)
{
	cleanup_json struct json *j = quoted("{'naem':'x','Flag':1,'qqqqqq':1,"
	    "'in':{'a':5}}");
	struct findings f = { 0 };

	(void)state;
	record_parse(&thing, j, &spec, NULL, &f);
	assert_int_equal(f.n, 4);
	assert_string_equal(f.v[0].field, "spec.naem");
	assert_string_equal(f.v[0].what, "unknown field");
	assert_string_equal(f.v[0].remedy, "did you mean \"name\"?");
	assert_string_equal(f.v[1].remedy, "did you mean \"flag\"?");
	assert_non_null(strstr(f.v[2].remedy, "remove it"));
	assert_string_equal(f.v[3].remedy, "put it in quotes");
	findings_clear(&f);
}

static void
test_nearest(void **state)
{
	static const char *const names[] = { "secretStoreRef",
		"refreshInterval", "refreshPolicy", "target", "data",
		"dataFrom" };
	static const char *const rows[][2] = {
		{ "secretStoreref", "secretStoreRef" },
		{ "secretStore", "secretStoreRef" },
		{ "dataform", "dataFrom" }, { "dta", "data" },
		{ "refreshIntreval", "refreshInterval" },
		{ "traget", "target" }, { "zzz", NULL }, { "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = schema_nearest(rows[i][0], names,
		    sizeof(names[0]), ARRAY_LEN(names));

		if (rows[i][1] == NULL)
			assert_null(got);
		else
			assert_string_equal(got, rows[i][1]);
	}
}

static void
test_quote(void **state)
{
	static const char *const rows[][2] = {
		{ "plain", "\"plain\"" }, { "a\"b\\", "\"a\\\"b\\\\\"" },
		{ "\n\t\r\a\b\f\v", "\"\\n\\t\\r\\a\\b\\f\\v\"" },
		{ "\x01\x7f", "\"\\x01\\x7f\"" }, { "\xff", "\"\\xff\"" },
		{ "é€😀", "\"é€😀\"" }, { "\xc2\xa0", "\"\\u00a0\"" },
		{ "\xe2\x80\x8b", "\"\\u200b\"" },
		{ "\xef\xbb\xbf", "\"\\ufeff\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_buf struct buf b = BUF_PLAIN(256);

		go_quote(&b, rows[i][0]);
		assert_string_equal(buf_str(&b), rows[i][1]);
	}
}

/* A hostile document costs neither memory nor minutes. */
static void
test_bounds(void **state)
{
	struct json *j = json_new_object(), *list = json_new_array();
	struct findings f = { 0 };
	struct thing t = { 0 };

	(void)state;
	for (int i = 0; i < RECORD_LIST_MAX + 1; i++)
		json_push(list, json_new_object());
	json_set(j, "many", list);
	for (int i = 0; i < 2000; i++) {
		cleanup_free char *key = str_fmt("unknown%d", i);

		json_set_num(j, key, 1);
	}
	record_parse(&thing, j, &spec, &t, &f);
	assert_int_equal(f.n, FINDINGS_MAX);
	assert_int_equal(t.nmany, 0);
	record_free_fields(&thing, &t);
	findings_clear(&f);
	json_free(j);
}

static void
test_names(void **state)
{
	static const struct { const char *s; int sub, label, key; } rows[] = {
		{ "", 0, 0, 0 }, { "a", 1, 1, 1 }, { "a-b", 1, 1, 1 },
		{ "a.b", 1, 0, 1 }, { "-a", 0, 0, 1 }, { "a-", 0, 0, 1 },
		{ "a..b", 0, 0, 1 }, { "A", 0, 0, 1 }, { "a_b", 0, 0, 1 },
		{ "a b", 0, 0, 0 }, { "a/b", 0, 0, 0 }, { "a\n", 0, 0, 0 },
		{ "9", 1, 1, 1 }, { "é", 0, 0, 0 }, { ".", 0, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(name_is_subdomain(rows[i].s), rows[i].sub);
		assert_int_equal(name_is_label(rows[i].s), rows[i].label);
		assert_int_equal(name_is_secret_key(rows[i].s), rows[i].key);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_present),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_remedies),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_names),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
