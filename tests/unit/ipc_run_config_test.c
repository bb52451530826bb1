/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ipc/run_config_internal.h"

#define PARSE(c, ...) parse(c, (const char *const[]){ __VA_ARGS__, NULL })

static void
parse(struct run_config *c, const char *const *words)
{
	cleanup_err struct err err = ERR_INIT;
	char *v[64];
	int n;

	for (n = 0; words[n]; n++)
		v[n] = str_dup(words[n]);
	if (run_config_parse(n, v, c, &err) == -1)
		fail_msg("%s", err_msg(&err));
	while (n > 0)
		free(v[--n]);
}

static void
words_free(char **v)
{
	size_t i;

	for (i = 0; v[i]; i++)
		free(v[i]);
	free(v);
}

static int
words_have(char **v, const char *word)
{
	for (; *v; v++)
		if (strcmp(*v, word) == 0)
			return (1);
	return (0);
}

static unsigned changes;
static char names[512];

static void
told(void *arg, const char *name, enum run_live what)
{
	assert_ptr_equal(arg, names);
	changes++;
	snprintf(names + strlen(names), sizeof(names) - strlen(names),
	    "%s%s ", name, what == RUN_FIXED ? "!" : "");
}

static unsigned
take(struct run_config *c, struct run_config *fresh)
{
	changes = 0;
	names[0] = '\0';
	return (run_config_take(c, fresh, told, names));
}

/* Words of a configuration give the same one, with every default in place. */
static void
test_words(void **state)
{
	struct run_config a, b;
	char **v, **again;
	size_t i;

	(void)state;
	PARSE(&a, "--manifests", "/m", "--node", "n 1", "--node-label", "a=b",
	    "--node-label=c=", "--host-dirs", "/x:/y", "--no-claim-unclassed",
	    "--log-format", "json", "--log-level=debug", "--user", "7",
	    "--max-jobs", "12", "--csi", "--key-source", "file:/k",
	    "--key-source", "credential:c", "--volume-context", "a:b:c",
	    "--template-left-delimiter", "", "--template-right-delimiter",
	    "]]");
	v = run_config_words(&a);
	assert_true(words_have(v, "--node=n 1"));
	assert_true(words_have(v, "--node-label=c="));
	assert_true(words_have(v, "--host-dirs=/x:/y"));
	assert_true(words_have(v, "--claim-unclassed=false"));
	assert_true(words_have(v, "--csi-targets=/var/lib/kubelet/pods"));
	parse(&b, (const char *const *)v);
	again = run_config_words(&b);
	for (i = 0; v[i] && again[i]; i++)
		assert_string_equal(v[i], again[i]);
	assert_null(v[i]);
	assert_null(again[i]);
	assert_int_equal(take(&a, &b), 0);
	assert_int_equal(changes, 0);
	words_free(v);
	words_free(again);
	run_config_clear(&a);
	run_config_clear(&b);
}

static void
test_take(void **state)
{
	struct run_config a, b;

	(void)state;
	PARSE(&a, "--manifests=/m", "--node=n", "--class=one",
	    "--node-label=x=1", "--run=/run/a");
	PARSE(&b, "--manifests=/m", "--node=n", "--class=two",
	    "--node-label=x=1", "--node-label=y=2", "--run=/run/b",
	    "--max-jobs=9", "--log-level=error");
	assert_int_equal(take(&a, &b),
	    RUN_OBJECTS | RUN_LABELS | RUN_JOBS | RUN_LOG);
	assert_string_equal(names, "class run! host-dirs! max-jobs log-level "
	    "node-label ");
	assert_string_equal(a.class_name, "two");
	assert_int_equal(a.nnode_labels, 2);
	assert_string_equal(a.node_labels[1], "y=2");
	assert_int_equal(a.max_jobs, 9);
	assert_int_equal(a.log_level, LOG_LEVEL_ERROR);
	/* What hangs on rights, descriptors and mounts stays. */
	assert_string_equal(a.run, "/run/a");
	assert_string_equal(a.host_dirs[0], "/run/a/host");
	assert_int_equal(take(&a, &b), RUN_OBJECTS | RUN_LABELS | RUN_JOBS |
	    RUN_LOG);		/* they were exchanged */
	assert_string_equal(a.class_name, "one");
	run_config_clear(&a);
	run_config_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_take),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
