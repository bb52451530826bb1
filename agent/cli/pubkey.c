/* SPDX-License-Identifier: Apache-2.0 */
#include <qrencode.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#include "cli/cli.h"
#include "cli/keys.h"

#define QUIET 4			/* light modules around (ISO 18004, 9.1) */

struct options {
	struct keys_ask ask;
	const char *form;
};

static int
usage(FILE *out)
{
	fputs("usage: nodeseal pubkey [-o text|json|qr]\n\n"
	    "The node's public key, to which bundles are sealed, and its\n"
	    "fingerprint.  The text may be read aloud: there is no I, L, O or\n"
	    "U in it, capitals do not matter, and a slip is noticed.  qr\n"
	    "draws it on a terminal.\n\n"
	    "A running agent is asked over DIR/key.sock (--run DIR:\n"
	    "/run/nodeseal); without one, the key is opened in the state\n"
	    "directory (--state DIR: /var/lib/nodeseal; --tpm PATH:\n"
	    "/dev/tpmrm0).  Needs root.\n"
	    "Exit status: 0 done, 1 failed, 2 wrong use, 3 not now (locked).\n",
	    out);
	return (out == stderr ? 2 : 0);
}

/* -1: go on; else the exit status. */
static int
parse(int argc, char **argv, struct options *o)
{
	for (int i = 0; i < argc; i++) {
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h"))
			return (usage(stdout));
		if (i + 1 >= argc)
			return (usage(stderr));
		if (str_eq(argv[i], "--run"))
			o->ask.run = argv[++i];
		else if (str_eq(argv[i], "--state"))
			o->ask.state = argv[++i];
		else if (str_eq(argv[i], "--tpm"))
			o->ask.tpm = argv[++i];
		else if (str_eq(argv[i], "-o") && (str_eq(argv[i + 1],
		    "text") || str_eq(argv[i + 1], "json") ||
		    str_eq(argv[i + 1], "qr")))
			o->form = argv[++i];
		else
			return (usage(stderr));
	}
	return (-1);
}

/* A module's colour; what is outside is light. */
static int
dark(const QRcode *q, int x, int y)
{
	return (x >= 0 && y >= 0 && x < q->width && y < q->width &&
	    (q->data[y * q->width + x] & 1));
}

/* Two rows of modules a line, light on black whatever the terminal's own
 * colours are. */
static void
draw(const QRcode *q)
{
	static const char *const halves[] = { "\xe2\x96\x88", "\xe2\x96\x80",
		"\xe2\x96\x84", " " };

	for (int y = -QUIET; y < q->width + QUIET; y += 2) {
		fputs("\033[40;97m", stdout);
		for (int x = -QUIET; x < q->width + QUIET; x++)
			fputs(halves[2 * dark(q, x, y) + dark(q, x, y + 1)],
			    stdout);
		puts("\033[0m");
	}
}

/* Capitals without spaces: QR's alphanumeric form has no others, and is the
 * densest. */
static int
print_qr(const char *key)
{
	char text[128];
	size_t n = 0;
	QRcode *q;

	for (; *key && n + 1 < sizeof(text); key++)
		if (*key != ' ')
			text[n++] = (char)toupper((unsigned char)*key);
	text[n] = '\0';
	q = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
	if (q == NULL) {
		perror("nodeseal pubkey: QR code");
		return (1);
	}
	draw(q);
	QRcode_free(q);
	return (0);
}

static int
print(const char *form, const char *key, const char *fingerprint)
{
	if (str_eq(form, "json")) {
		printf("{\"publicKey\":\"%s\",\"fingerprint\":\"%s\"}\n", key,
		    fingerprint);
		return (0);
	}
	if (str_eq(form, "qr") && print_qr(key) != 0)
		return (1);
	printf("%s\nfingerprint %s\n", key, fingerprint);
	return (0);
}

int
cli_pubkey(int argc, char **argv)
{
	struct options o = { .ask = { .run = "/run/nodeseal",
		.state = "/var/lib/nodeseal", .tpm = "/dev/tpmrm0",
		.what = KEYS_LIST }, .form = "text" };
	cleanup_err struct err err = ERR_INIT;
	cleanup_json struct json *list = NULL;
	const char *key, *fingerprint;
	int rc, agent;

	if ((rc = parse(argc, argv, &o)) != -1)
		return (rc);
	if (keys_do(&o.ask, &list, &agent, &err) == -1) {
		fprintf(stderr, "nodeseal pubkey: %s\n", err_msg(&err));
		return (err_reaction(err.kind)->exit_status);
	}
	key = json_str(json_get(list, "publicKey"));
	fingerprint = json_str(json_get(list, "fingerprint"));
	if (key == NULL || fingerprint == NULL) {
		fprintf(stderr, "nodeseal pubkey: %s\n", str_or(json_str(
		    json_get(list, "locked")), "the agent runs without its "
		    "key: nodeseal status says why"));
		return (3);
	}
	return (print(o.form, key, fingerprint));
}
