/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/bundle.h"
#include "cli/cli.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "keygen", cli_bundle_keygen },
	{ "create", cli_bundle_create },
	{ "inspect", cli_bundle_inspect },
	{ "import", cli_bundle_import },
};

static int
usage(FILE *out)
{
	fputs("usage: nodeseal bundle keygen -o FILE\n"
	    "       nodeseal bundle create --issuer FILE --node-key KEY|FILE … "
	    "-f FILE|DIR … -o FILE\n"
	    "       nodeseal bundle inspect FILE [--issuer-key FILE …] "
	    "[-o text|json]\n"
	    "       nodeseal bundle import FILE [--run DIR] [--state DIR]\n\n"
	    "Values for a node that never meets their store: rendered, signed "
	    "by an issuer\nand encrypted to the node's key (nodeseal pubkey) "
	    "on a connected machine,\ncarried by any means, and imported, by "
	    "this command or by dropping the file\ninto the folder of "
	    "nodeseal run --bundles.\n"
	    "nodeseal bundle COMMAND --help says more.\n", out);
	return (out == stderr ? 2 : 0);
}

int
cli_bundle(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	size_t i;

	if (argc > 0 && (str_eq(argv[0], "--help") || str_eq(argv[0], "-h")))
		return (usage(stdout));
	if (seal_init(&err) == -1)
		return (bundle_complain("", &err));
	for (i = 0; argc > 0 && i < ARRAY_LEN(commands); i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return (commands[i].run(argc - 1, argv + 1));
	return (usage(stderr));
}

int
bundle_complain(const char *what, const struct err *err)
{
	fprintf(stderr, "nodeseal bundle %s: %s\n", what, err_msg(err));
	return (err_reaction(err->kind)->exit_status);
}

int
bundle_key_read(const char *path, int is_secret,
    uint8_t key[static BUNDLE_KEY_LEN], struct err *err)
{
	cleanup_buf struct buf text = BUF_SECRET(BUNDLE_KEY_FILE_MAX);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
	    O_NOCTTY);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		return (err_sys(err, "%s", path));
	if (!S_ISREG(st.st_mode))
		return (err_set(err, ERR_INVALID, "%s: not a regular file",
		    path));
	if (is_secret && (st.st_mode & 077))
		return (err_set(err, ERR_DENIED, "%s: others may read the "
		    "issuer's secret key: chmod 600", path));
	if (file_read_fd(fd, &text, err) == -1 || bundle_issuer_parse(
	    buf_str(&text), text.len, is_secret, key, err) == -1)
		return (err_wrap(err, "%s", path));
	return (0);
}

int
bundle_file_open(const char *path, struct err *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
	    O_NOCTTY);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		return (err_sys(err, "%s", path));
	if (!S_ISREG(st.st_mode))
		return (err_set(err, ERR_INVALID, "%s: not a regular file",
		    path));
	if (st.st_size > (off_t)BUNDLE_MAX)
		return (err_set(err, ERR_LIMIT, "%s: %lld bytes, a bundle has "
		    "%u at most", path, (long long)st.st_size, BUNDLE_MAX));
	return (fd_steal(&fd));
}
