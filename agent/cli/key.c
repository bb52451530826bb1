/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "seal/key_source.h"

#include "cli/cli.h"
#include "cli/keys.h"

struct options {
	struct keys_ask ask;
	int json;
	int words;		/* that were no flag, behind the operation */
	const char *word;
};

static int
usage(FILE *out)
{
	fputs("usage: nodeseal key list [-o table|json]\n"
	    "       nodeseal key add SOURCE\n"
	    "       nodeseal key remove ID\n"
	    "       nodeseal key rotate [--epoch]\n\n"
	    "Key slots: what opens the sealed cache.  SOURCE is one of\n"
	    "  file:PATH             a key file, made when it is missing\n"
	    "  tpm2[:PCRS]           a TPM 2.0 (--tpm PATH: /dev/tpmrm0)\n"
	    "  passphrase-file:PATH  a passphrase, hashed by Argon2id\n"
	    "  credential:NAME       of systemd, in $CREDENTIALS_DIRECTORY\n"
	    "Any slot opens it, so give the agent a --key-source for each.\n\n"
	    "rotate makes a new root key and every slot anew, and seals the\n"
	    "cache anew; nothing is unreadable in between.  With --epoch the\n"
	    "root key stays and only what is derived from it changes.\n\n"
	    "A running agent is asked over DIR/key.sock (--run DIR:\n"
	    "/run/nodeseal); without one, the state directory (--state DIR:\n"
	    "/var/lib/nodeseal) is worked on.  Needs root.\n"
	    "Exit status: 0 done, 1 failed, 2 wrong use, 3 not now (locked,\n"
	    "another change under way), 4 tampering found.\n", out);
	return (out == stderr ? 2 : 0);
}

static int
flag(struct options *o, const char *name, const char *value)
{
	if (str_eq(name, "--run"))
		o->ask.run = value;
	else if (str_eq(name, "--state"))
		o->ask.state = value;
	else if (str_eq(name, "--tpm"))
		o->ask.tpm = value;
	else if (str_eq(name, "-o") && (str_eq(value, "json") ||
	    str_eq(value, "table")))
		o->json = str_eq(value, "json");
	else
		return (-1);
	return (0);
}

static int
operation(struct options *o, const char *name)
{
	static const struct {
		const char *name;
		enum keys_frame what;
	} known[] = { { "list", KEYS_LIST }, { "add", KEYS_ADD },
		{ "remove", KEYS_REMOVE }, { "rotate", KEYS_ROTATE } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_eq(known[i].name, name)) {
			o->ask.what = known[i].what;
			return (0);
		}
	return (-1);
}

/* The one word behind `add` and `remove`. */
static int
word_check(struct options *o)
{
	struct err err = ERR_INIT;
	struct key_source s;
	char *end;
	unsigned long id;

	if (o->words != (o->ask.what == KEYS_ADD ||
	    o->ask.what == KEYS_REMOVE))
		return (usage(stderr));
	if (o->ask.what == KEYS_REMOVE) {
		id = strtoul(o->word, &end, 10);
		if (end == o->word || *end || id > UINT32_MAX)
			return (usage(stderr));
		o->ask.id = (uint32_t)id;
	}
	if (o->ask.what != KEYS_ADD)
		return (-1);
	if (key_source_parse(o->word, &s, &err) == -1) {
		fprintf(stderr, "nodeseal key: %s\n", err_msg(&err));
		err_clear(&err);
		return (2);
	}
	key_source_clear(&s);
	o->ask.source = o->word;
	return (-1);
}

/* -1: go on; else the exit status. */
static int
parse(int argc, char **argv, struct options *o)
{
	for (int i = 0; i < argc; i++)
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h"))
			return (usage(stdout));
	if (argc < 1 || operation(o, argv[0]) == -1)
		return (usage(stderr));
	for (int i = 1; i < argc; i++) {
		if (str_eq(argv[i], "--epoch") && o->ask.what == KEYS_ROTATE)
			o->ask.what = KEYS_EPOCH;
		else if (argv[i][0] != '-') {
			o->word = argv[i];
			o->words++;
		} else if (i + 1 >= argc || flag(o, argv[i],
		    argv[i + 1]) == -1)
			return (usage(stderr));
		else
			i++;
	}
	return (word_check(o));
}

static void
print_list(const struct json *list)
{
	const struct json *s;

	printf("node %s · epoch %.0f · %s%s\n\n%-3s %-1s %-44s %-16s %s\n",
	    str_or(json_str(json_get(list, "node")), "-"),
	    json_num(json_get(list, "epoch"), 0),
	    str_or(json_str(json_get(list, "strength")), "-"),
	    json_bool(json_get(list, "rotating"), 0) ?
	    " · being rotated" : "", "ID", "", "SOURCE", "STRENGTH",
	    "CREATED");
	for (s = json_first(json_get(list, "slots")); s != NULL;
	    s = json_next(s))
		printf("%-3.0f %-1s %-44s %-16s %s\n",
		    json_num(json_get(s, "id"), 0),
		    json_bool(json_get(s, "opened"), 0) ? "*" : "",
		    str_or(json_str(json_get(s, "source")), "-"),
		    str_or(json_str(json_get(s, "strength")), "-"),
		    str_or(json_str(json_get(s, "created")), "-"));
}

static void
print(const struct options *o, const struct json *list, int agent)
{
	if (o->json) {
		cleanup_buf struct buf b = BUF_PLAIN(KEYS_FRAME_MAX);

		json_print(list, &b, 0);
		puts(buf_str(&b));
		return;
	}
	print_list(list);
	if (json_get(list, "locked") != NULL)
		printf("\n%s\n", str_or(json_str(json_get(list, "locked")),
		    "locked"));
	if (o->ask.what == KEYS_ROTATE && !agent)
		puts("\nThe cache is sealed anew when the agent starts; until "
		    "then both keys open it.");
}

int
cli_key(int argc, char **argv)
{
	struct options o = { .ask = { .run = "/run/nodeseal",
		.state = "/var/lib/nodeseal", .tpm = "/dev/tpmrm0" } };
	cleanup_err struct err err = ERR_INIT;
	struct json *list = NULL;
	int rc, agent;

	if ((rc = parse(argc, argv, &o)) != -1)
		return (rc);
	if (keys_do(&o.ask, &list, &agent, &err) == -1) {
		fprintf(stderr, "nodeseal key: %s\n", err_msg(&err));
		return (err_reaction(err.kind)->exit_status);
	}
	print(&o, list, agent);
	json_free(list);
	return (0);
}
