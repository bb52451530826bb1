/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our engine's side of the templates' figure; gopeer's is Go's.
 *
 * usage: run_templates CASES ROUNDS OUT
 *	CASES is a JSON list of {"template", "data"}.  Prints the milliseconds
 *	of each round over all cases, parse and execution; OUT gets the last
 *	round's results, each behind a line with its length.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "value/tmpl.h"

struct one {
	const char *text;
	struct kv data;
	struct buf out;
};

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6);
}

static int
execute(struct one *one, struct err *err)
{
	struct tmpl_options opts = { .missing_key_error = 1 };
	struct tmpl *t;
	int rc;

	buf_clear(&one->out);
	if (tmpl_parse("t", one->text, strlen(one->text), &opts, &t, err) ==
	    -1)
		return (-1);
	rc = tmpl_run(t, &one->data, &one->out, err);
	tmpl_free(t);
	return (rc);
}

static struct one *
read_cases(const struct json *list)
{
	struct one *v = mem_array(json_len(list), sizeof(*v)), *at = v;
	const struct json *c, *d;

	for (c = json_first(list); c; c = json_next(c), at++) {
		at->text = json_str(json_get(c, "template"));
		at->out = (struct buf)BUF_SECRET(1u << 24);
		kv_init(&at->data);
		for (d = json_first(json_get(c, "data")); d; d = json_next(d))
			kv_put_bytes(&at->data, json_key(d), json_str(d),
			    strlen(json_str(d)));
	}
	return (v);
}

static int
write_results(const char *path, const struct one *v, size_t n)
{
	FILE *f = fopen(path, "w");
	size_t i;

	if (f == NULL)
		return (-1);
	for (i = 0; i < n; i++) {
		fprintf(f, "%zu\n", v[i].out.len);
		fwrite(buf_str(&v[i].out), 1, v[i].out.len, f);
		fputc('\n', f);
	}
	return (fclose(f));
}

int
main(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf text = BUF_PLAIN(1u << 28);
	cleanup_json struct json *list = NULL;
	struct one *v;
	size_t i, n;

	if (argc != 4)
		return (2);
	if (file_read(argv[1], &text, &err) == -1 ||
	    (list = json_parse(buf_str(&text), text.len, &err)) == NULL)
		goto fail;
	v = read_cases(list);
	n = json_len(list);
	for (int round = 0; round < atoi(argv[2]); round++) {
		double start = now_ms();

		for (i = 0; i < n; i++)
			if (execute(&v[i], &err) == -1)
				goto fail;
		printf("%f\n", now_ms() - start);
	}
	if (write_results(argv[3], v, n) != 0)
		return (1);
	for (i = 0; i < n; i++) {
		kv_clear(&v[i].data);
		buf_clear(&v[i].out);
	}
	free(v);
	return (0);
fail:
	fprintf(stderr, "run_templates: %s\n", err_msg(&err));
	return (1);
}
