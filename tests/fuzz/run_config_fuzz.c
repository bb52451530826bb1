/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/run_config.h"

/*
 * The flags of `run`: lines are words of the command line, what stands behind
 * a line of "%%" is the file that --config @ names.  What is taken must be
 * whole, and the words that are made of it give the same once more; help is
 * printed from the same table.
 */
#define WORDS 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file = -1;
static char name[64], config[80], empty[1];

static void
write_file(const char *text)
{
	size_t len = strlen(text);

	if (file == -1) {
		file = memfd_create("config", MFD_CLOEXEC);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
		snprintf(config, sizeof(config), "--config=%s", name);
	}
	if (ftruncate(file, 0) == -1 ||
	    pwrite(file, text, len, 0) != (ssize_t)len)
		abort();
}

static void
fits(const struct run_config *c)
{
	size_t i;

	if (c->help)
		return;
	if ((!c->manifests && !c->kubeconfig &&
	    !getenv("KUBERNETES_SERVICE_HOST")) ||
	    (c->manifests && c->kubeconfig) || !c->class_name ||
	    !c->node || c->max_jobs < 1 ||
	    c->max_jobs > 1024 || c->nhost_dirs == 0 || c->user == 0 ||
	    c->state[0] != '/' || c->run[0] != '/' ||
	    c->csi_targets[0] != '/' || c->kubelet_dir[0] != '/' ||
	    (c->csi & ~1) || (c->claim_unclassed & ~1))
		abort();
	for (i = 0; i < c->nhost_dirs; i++)
		if (c->host_dirs[i][0] != '/')
			abort();
	for (i = 0; i < c->nnode_labels; i++)
		if (!strchr(c->node_labels[i], '='))
			abort();
}

/* --config alone: what it said is among the words. */
static void
differs(void *arg, const char *flag, enum run_live what)
{
	(void)arg, (void)what;
	if (strcmp(flag, "config") != 0)
		abort();
}

static void
comes_back(struct run_config *c)
{
	char **v = run_config_words(c);
	struct run_config d;
	int n = 0;

	while (v[n])
		n++;
	if (run_config_parse(n, v, &d, NULL) == -1 ||
	    run_config_take(c, &d, differs, NULL))
		abort();
	run_config_clear(&d);
	while (n > 0)
		free(v[--n]);
	free(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *text = str_ndup((const char *)data, size);
	char *words[WORDS], *line, *rest = text, *behind;
	struct run_config c;
	int n = 0, i;

	behind = strstr(text, "\n%%\n");
	if (behind)
		*behind = '\0';
	write_file(behind ? behind + 4 : empty);
	/* Each word in memory of exactly its size. */
	while (n < WORDS && (line = strsep(&rest, "\n")))
		words[n++] = str_dup(str_eq(line, "@") ? config : line);
	if (run_config_parse(n, words, &c, &err) == 0) {
		fits(&c);
		if (!c.help)
			comes_back(&c);
		run_config_clear(&c);
	} else if (*err_msg(&err) == '\0')
		abort();
	free(run_config_help());
	for (i = 0; i < n; i++)
		free(words[i]);
	return (0);
}
