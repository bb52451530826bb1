/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what yaml-peer writes (tests/tools/yaml-peer/main.go) and holds it
 * against our own reader.  usage: yaml_compare [-v] < RECORDS
 *
 * A difference is a document that both take and that is not the same, one that
 * only the peer takes, or one that only we take; and what both take must print
 * as the same YAML.  Exit 1 when there is one of the first or the last, or the
 * second in more than one of a thousand: they never look behind the first
 * document of a file.  The third is counted: libyaml knows %YAML 1.2, a '?' in
 * flow, "--- text" on one line.
 * -v prints every difference, else the first twenty.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/yaml.h"

static struct counts {
	size_t both, neither, skipped, printed, differ, theirs, ours, shown;
} counts;
static int verbose;

static int
same(const struct json *a, const struct json *b)
{
	const struct json *x, *y;

	if (json_type(a) != json_type(b))
		return (0);
	switch (json_type(a)) {
	case JSON_NUMBER:
		return (json_num(a, 0) == json_num(b, 0));
	case JSON_STRING:
		return (strcmp(json_str(a), json_str(b)) == 0);
	case JSON_ARRAY:
		for (x = json_first(a), y = json_first(b); x && y;
		    x = json_next(x), y = json_next(y))
			if (!same(x, y))
				return (0);
		return (!x && !y);
	case JSON_OBJECT:
		for (x = json_first(a); x; x = json_next(x)) {
			y = json_get(b, json_key(x));
			if (!y || !same(x, y))
				return (0);
		}
		return (json_len(a) == json_len(b));
	default:
		return (1);
	}
}

/* All documents but those that are nothing, as one list. */
static struct json *
ours(const char *text, size_t len, struct err *err)
{
	struct yaml_docs docs = { NULL, 0 };
	struct json *list;
	size_t i;

	if (yaml_read(text, len, &docs, err) == -1)
		return (NULL);
	list = json_new_array();
	for (i = 0; i < docs.n; i++)
		if (docs.v[i].root && !json_is(docs.v[i].root, JSON_NULL))
			json_push(list, json_copy(docs.v[i].root));
	yaml_docs_clear(&docs);
	return (list);
}

static struct json *
theirs(const char *text, size_t len)
{
	cleanup_json struct json *all = json_parse(text, len, NULL);
	struct json *list;
	const struct json *at;

	if (!all)
		return (NULL);
	list = json_new_array();
	for (at = json_first(all); at; at = json_next(at))
		if (!json_is(at, JSON_NULL))
			json_push(list, json_copy(at));
	return (list);
}

static void
show(const char *what, const char *text, const char *theirs_text,
    const struct json *mine, const struct err *err)
{
	cleanup_buf struct buf out = BUF_PLAIN(1u << 24);

	if (!verbose && counts.shown++ >= 20)
		return;
	if (mine)
		json_print(mine, &out, 0);
	printf("=== %s\n%s\n--- theirs\n%s\n--- ours\n%s\n", what, text,
	    theirs_text, mine ? buf_str(&out) : err_msg(err));
}

/* A comma or a bracket in a tag ends it for one of the two. */
static int
odd_tag(const char *text)
{
	const char *at = text;

	while ((at = strchr(at, '!'))) {
		at += strcspn(at, " \t\r\n,[]{}");
		if (*at && strchr(",[]{}", *at))
			return (1);
	}
	return (0);
}

/* A space of Unicode's before a comment; a document's mark before or behind
 * one of YAML's other line breaks; or a comment that touches the first of all
 * marks: only we begin a document. */
static int
odd_mark(const char *text)
{
	const char *cr = text;

	while ((cr = strchr(cr, '\r')))
		if (*++cr != '\n')
			return (1);
	return (strncmp(text, "---#", 4) == 0 || strstr(text, "\xc2\xa0#") ||
	    strstr(text, "\xe2\x80\xa8---") ||
	    strstr(text, "\xe2\x80\xa9---") ||
	    strstr(text, "\xc2\x85---"));
}

/* What is known to be otherwise; base/yaml.h says the first three. */
static int
known(const char *text, size_t len, const char *theirs_text,
    const struct err *err)
{
	static const char bom[] = "\xef\xbb\xbf", utf16[] = "\xff\xfe";
	static const char *const refused[] = {
		"NUL character",
		/* No error there when the key comes again with a value. */
		"JSON has no ",
		/* YAML knows no such escape. */
		"found unknown escape character",
		/* {a:} is the key a to libyaml 0.2 and the text "a:" there. */
		"found unexpected ':'",
		/* ',' and brackets in a tag. */
		"expected whitespace or line break",
		"did not find expected tag URI",
		/* They read the first document and never look behind it. */
		"did not find expected <document start>",
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(refused); i++)
		if (strstr(err_msg(err), refused[i]))
			return (1);
	/* A mark behind a mark is text there: no object for anybody. */
	if (strstr(theirs_text, "\"---#"))
		return (1);
	/* libyaml drops a byte order mark wherever a token may begin. */
	if (len > 1 && (memmem(text + 1, len - 1, bom, 3) ||
	    memcmp(text, utf16, 2) == 0))
		return (1);
	return (strstr(theirs_text, "\\u0000") != NULL ||
	    strstr(text, "\n...") != NULL || strncmp(text, "...", 3) == 0 ||
	    err->kind == ERR_LIMIT || odd_tag(text) || odd_mark(text));
}

/* Integers that a double does not hold. */
static int
large_number(const struct json *j)
{
	const struct json *at;

	for (at = json_first(j); at; at = json_next(at))
		if (large_number(at))
			return (1);
	return (json_num(j, 0) > 0x1p53 || json_num(j, 0) < -0x1p53);
}

/* Some key has digits, and another one there too. */
static int
in_a_circle(const struct json *j)
{
	const struct json *at;
	int n = 0;

	for (at = json_first(j); at; at = json_next(at)) {
		const char *key = json_key(at);

		if (in_a_circle(at))
			return (1);
		n += key && strpbrk(key, "0123456789") != NULL;
	}
	return (n > 2);
}

/* The list, printed. */
static void
compare_again(const char *result, const char *again)
{
	cleanup_json struct json *list = json_parse(result, strlen(result),
	    NULL);
	cleanup_buf struct buf out = BUF_PLAIN(1u << 24);

	/* A mark prints as it is here and escaped there, or the other way
	 * round; both read back. */
	if (!list || !*again || strstr(result, "\\u0000") ||
	    strstr(result, "\xef\xbb\xbf") || strstr(result, "\xc2\x85") ||
	    strstr(result, "\\u2028") || strstr(result, "\\u2029") ||
	    large_number(list))
		return;
	yaml_print(list, &out);
	/* goyaml's order of keys is not a total one: where three of them run
	 * in a circle the order depends on the sort. */
	if (out.len == strlen(again) && (strcmp(buf_str(&out), again) == 0 ||
	    in_a_circle(list)))
		return;
	counts.printed++;
	if (verbose || counts.shown++ < 20)
		printf("=== print\n%s\n--- theirs\n%s\n--- ours\n%s\n",
		    result, again, buf_str(&out));
}

static void
compare(const char *text, size_t len, int ok, const char *result)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_json struct json *mine = ours(text, len, &err);
	cleanup_json struct json *want = ok ? theirs(result, strlen(result)) :
	    NULL;

	if (ok == 2 || known(text, len, result, &err) || (ok && !want)) {
		counts.skipped++;
	} else if (mine && want) {
		counts.both++;
		if (!same(mine, want)) {
			counts.differ++;
			show("differ", text, result, mine, &err);
		}
	} else if (want) {
		counts.theirs++;
		show("only they", text, result, mine, &err);
	} else if (mine) {
		counts.ours++;
		if (verbose)
			show("only we", text, result, mine, &err);
	} else {
		counts.neither++;
	}
}

/* A length and so many bytes, with a NUL behind; NULL at the end. */
static char *
block(size_t *len)
{
	uint8_t n[4];
	char *p;

	if (fread(n, 1, 4, stdin) != 4)
		return (NULL);
	*len = n[0] | (size_t)n[1] << 8 | (size_t)n[2] << 16 |
	    (size_t)n[3] << 24;
	p = mem_alloc(*len + 1);
	if (fread(p, 1, *len, stdin) != *len) {
		free(p);
		return (NULL);
	}
	return (p);
}

int
main(int argc, char **argv)
{
	char *text, *result, *again;
	size_t len, n;
	int ok;

	verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
	while ((text = block(&len))) {
		ok = getchar();
		result = block(&n);
		again = result ? block(&n) : NULL;
		if (!again)
			return (2);
		compare(text, len, ok, result);
		if (ok == 1)
			compare_again(result, again);
		free(text);
		free(result);
		free(again);
	}
	printf("%zu equal, %zu refused by both, %zu differ, %zu only they, "
	    "%zu only we, %zu known, %zu printed otherwise\n",
	    counts.both - counts.differ,
	    counts.neither, counts.differ, counts.theirs, counts.ours,
	    counts.skipped,
	    counts.printed);
	if (counts.both < 100)
		printf("too few documents to say anything\n");
	return (counts.differ || counts.theirs > counts.both / 1000 ||
	    counts.printed || counts.both < 100);
}
