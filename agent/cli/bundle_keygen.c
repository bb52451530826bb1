/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cli/bundle.h"

static const char help[] =
    "usage: nodeseal bundle keygen -o FILE\n\n"
    "Makes an issuer's key pair: FILE (0600, the secret key, which signs\n"
    "bundles; keep it off the nodes) and FILE.pub, for nodeseal run\n"
    "--issuer-key.  Prints the issuer's id.\n";

/* Never over a key that is there. */
static int
save(const char *path, unsigned mode, const struct buf *text, struct err *err)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL |
	    O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd == -1)
		return (err_sys(err, "%s", path));
	if (file_write_all(fd, text->data, text->len, err) == -1 ||
	    fsync(fd) == -1) {
		if (!err->kind)
			err_sys(err, "fsync");
		unlink(path);
		return (err_wrap(err, "%s", path));
	}
	return (0);
}

static int
make(const char *path, struct err *err)
{
	cleanup_buf struct buf secret = BUF_SECRET(BUNDLE_KEY_FILE_MAX);
	cleanup_buf struct buf public = BUF_PLAIN(BUNDLE_KEY_FILE_MAX);
	cleanup_free char *pub = str_fmt("%s.pub", path);
	uint8_t seed[BUNDLE_SEED_LEN], key[BUNDLE_KEY_LEN];
	uint8_t id[BUNDLE_ID_LEN];
	char hex[BUNDLE_HEX_LEN];
	int rc;

	bundle_issuer_make(seed);
	bundle_issuer_public(seed, key);
	bundle_issuer_text(seed, 1, &secret);
	secret_wipe(seed, sizeof(seed));
	bundle_issuer_text(key, 0, &public);
	rc = save(path, 0600, &secret, err);
	if (rc == 0 && save(pub, 0644, &public, err) == -1) {
		unlink(path);
		rc = -1;
	}
	if (rc == 0) {
		bundle_key_id(key, id);
		bundle_hex(id, hex);
		printf("issuer %s: secret key %s, public key %s\n", hex, path,
		    pub);
	}
	return (rc);
}

int
cli_bundle_keygen(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;

	if (argc == 1 && (str_eq(argv[0], "--help") ||
	    str_eq(argv[0], "-h"))) {
		fputs(help, stdout);
		return (0);
	}
	if (argc != 2 || (!str_eq(argv[0], "-o") &&
	    !str_eq(argv[0], "--output"))) {
		fputs(help, stderr);
		return (2);
	}
	return (make(argv[1], &err) == -1 ? bundle_complain("keygen", &err) :
	    0);
}
