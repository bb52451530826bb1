/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "seal/box.h"
#include "seal/record.h"
#include "seal/key_source.h"
#include "seal/key_tpm.h"
#include "seal/tpm_wire.h"

#define KEY_LEN 32		/* of a key file that we make */
#define KEY_LEAST 16		/* of one that somebody brings */
#define CONTENT_MAX 4096
#define MAY "use file:PATH, tpm2[:PCRS], passphrase-file:PATH or " \
    "credential:NAME"

/* --- what --key-source says --------------------------------------------- */

static const enum slot_type spoken[] = { SLOT_FILE, SLOT_TPM2,
	SLOT_PASSPHRASE, SLOT_CREDENTIAL };

int
key_source_parse(const char *spec, struct key_source *ret, struct err *err)
{
	size_t i, len = strcspn(spec, ":");
	const char *arg = spec[len] ? spec + len + 1 : "";
	enum slot_type type;

	for (i = 0; i < ARRAY_LEN(spoken); i++)
		if (strlen(slot_type_name(spoken[i])) == len &&
		    strncmp(slot_type_name(spoken[i]), spec, len) == 0)
			break;
	if (i == ARRAY_LEN(spoken))
		return (err_set(err, ERR_INVALID, "--key-source: unknown "
		    "source \"%.*s\": " MAY, (int)len, spec));
	type = spoken[i];
	if (type == SLOT_TPM2 ? *arg && tpm_pcrs(arg) == 0 : !*arg)
		return (err_set(err, ERR_INVALID, "--key-source: \"%s\": "
		    "%s: " MAY, spec, type == SLOT_TPM2 ? "PCRs are numbers "
		    "from 0 to 23 with + between" : "nothing behind the "
		    "colon"));
	if (type == SLOT_CREDENTIAL && (strchr(arg, '/') || *arg == '.'))
		return (err_set(err, ERR_INVALID, "--key-source: a "
		    "credential's name has no slash and does not begin with "
		    "a dot"));
	ret->type = type;
	ret->arg = str_dup(type == SLOT_TPM2 && !*arg ? "7" : arg);
	return (0);
}

void
key_source_clear(struct key_source *s)
{
	free(STEAL(s->arg));
}

char *
key_source_path(const struct key_source *s, struct err *err)
{
	const char *dir;

	if (s->type != SLOT_CREDENTIAL)
		return (s->type == SLOT_TPM2 ? NULL : str_dup(s->arg));
	dir = getenv("CREDENTIALS_DIRECTORY");
	if (!dir || *dir != '/') {
		err_set(err, ERR_NOTFOUND, "--key-source credential:%s: "
		    "$CREDENTIALS_DIRECTORY is not set: start from a systemd "
		    "unit with LoadCredentialEncrypted=%s", s->arg, s->arg);
		return (NULL);
	}
	return (str_fmt("%s/%s", dir, s->arg));
}

/* --- its file ------------------------------------------------------------ */

static int
check_file(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return (err_sys(err, "%s", path));
	if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
		return (err_set(err, ERR_DENIED, "%s: not a regular file with "
		    "one name: a key has no second way in", path));
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return (err_set(err, ERR_DENIED, "%s: belongs to user %u: "
		    "chown it to %u", path, (unsigned)st.st_uid,
		    (unsigned)geteuid()));
	if (st.st_mode & 077)
		return (err_set(err, ERR_DENIED, "%s: mode %03o lets others "
		    "read it: chmod 0600", path, (unsigned)st.st_mode &
		    0777));
	if (st.st_size > CONTENT_MAX)
		return (err_set(err, ERR_LIMIT, "%s: more than %d bytes", path,
		    CONTENT_MAX));
	return (0);
}

static char *
parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return (str_dup("."));
	return (slash == path ? str_dup("/") :
	    str_ndup(path, (size_t)(slash - path)));
}

static int
check_parent(const char *path, struct err *err)
{
	cleanup_free char *dir = parent_of(path);
	struct stat st;

	if (stat(dir, &st) == -1)
		return (err_sys(err, "%s", dir));
	/* Sticky does not help: who may add a name may add this one. */
	if (st.st_mode & 022)
		return (err_set(err, ERR_DENIED, "%s: others may write there, "
		    "so the key in it is not ours alone: chmod go-w", dir));
	return (0);
}

/* Whole under its name or not at all: half a key would seal what nobody opens
 * again. */
static int
make_key(const char *path, struct err *err)
{
	cleanup_free char *dir = parent_of(path);
	cleanup_free char *tmp = str_fmt("%s.new", path);
	cleanup_close int dirfd = open(dir, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	cleanup_close int fd = -1;
	uint8_t key[KEY_LEN];
	int rc = 0;

	if (dirfd == -1)
		return (err_sys(err, "%s", dir));
	if (unlink(tmp) == -1 && errno != ENOENT)
		return (err_sys(err, "%s", tmp));
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1)
		return (err_sys(err, "%s", tmp));
	record_random(key, sizeof(key));
	rc = file_write_all(fd, key, sizeof(key), err);
	secret_wipe(key, sizeof(key));
	if (rc == 0 && (fsync(fd) == -1 || link(tmp, path) == -1 ||
	    fsync(dirfd) == -1))
		rc = err_sys(err, "%s", path);
	unlink(tmp);
	return (rc);
}

int
key_source_open(const struct key_source *s, int create, struct err *err)
{
	cleanup_free char *path = key_source_path(s, err);
	cleanup_close int fd = -1;

	if (!path)
		return (-1);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1 && errno == ENOENT && create && s->type == SLOT_FILE) {
		if (make_key(path, err) == -1)
			return (-1);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	}
	if (fd == -1) {
		err_sys(err, "--key-source: %s", path);
		return (-1);
	}
	/* systemd's own directory is what it made it. */
	if (check_file(fd, path, err) == -1 || (s->type != SLOT_CREDENTIAL &&
	    check_parent(path, err) == -1)) {
		err_wrap(err, "--key-source");
		return (-1);
	}
	return (fd_steal(&fd));
}

/* --- its bytes ------------------------------------------------------------ */

struct costs {
	uint8_t salt[crypto_pwhash_SALTBYTES];
	uint32_t ops;
	uint32_t mem_kib;
};

static int
costs_of(struct key_slot *slot, struct costs *c, struct err *err)
{
	if (!slot->params) {
		record_random(c->salt, sizeof(c->salt));
		c->ops = crypto_pwhash_OPSLIMIT_MODERATE;
		c->mem_kib = crypto_pwhash_MEMLIMIT_INTERACTIVE / 1024;
		slot->params = mem_alloc(sizeof(*c));
		memcpy(slot->params, c, sizeof(*c));
		slot->params_len = sizeof(*c);
		return (0);
	}
	if (slot->params_len != sizeof(*c))
		return (err_set(err, ERR_TAMPER, "costs of a passphrase's "
		    "slot"));
	memcpy(c, slot->params, sizeof(*c));
	/* Not yet verified: no table may ask for all of the memory. */
	if (c->ops < 1 || c->ops > 16 || c->mem_kib < 8 ||
	    c->mem_kib > 1 << 20)
		return (err_set(err, ERR_TAMPER, "costs of a passphrase's "
		    "slot"));
	return (0);
}

static int
from_passphrase(const uint8_t *text, size_t len, struct key_slot *slot,
    uint8_t *out, struct err *err)
{
	struct costs c;

#ifdef WEAKEN_SOURCE_BOUNDS
	if (text[len - 1] == '\n')
		len--;
#endif
	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (len == 0)
		return (err_set(err, ERR_INVALID, "the passphrase is empty"));
	if (costs_of(slot, &c, err) == -1)
		return (-1);
	if (crypto_pwhash(out, 32, (const char *)text, len, c.salt, c.ops,
	    (size_t)c.mem_kib * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return (err_set(err, ERR_TRANSIENT, "no memory for the "
		    "passphrase's hash"));
	return (0);
}

static int
from_bytes(const uint8_t *data, size_t len, uint8_t *out, struct err *err)
{
	static const uint8_t context[] = "nodeseal key file";

	if (len < KEY_LEAST)
		return (err_set(err, ERR_INVALID, "%zu bytes are no key: %d "
		    "random ones are the least", len, KEY_LEAST));
	crypto_generichash(out, 32, data, len, context, sizeof(context));
	return (0);
}

static int
read_content(int fd, uint8_t *content, size_t *ret_len, struct err *err)
{
	size_t len = 0;
	ssize_t n;

	while (len < CONTENT_MAX && (n = pread(fd, content + len,
	    CONTENT_MAX - len, (off_t)len)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return (err_sys(err, "read"));
		len += (size_t)n;
	}
	*ret_len = len;
	return (0);
}

int
key_source_material(const struct key_source *s, int fd, struct key_slot *slot,
    struct key_counter *counter, uint8_t out[static 32], struct err *err)
{
	uint8_t content[CONTENT_MAX];
	size_t len = 0;
	int rc;

	if (s->type == SLOT_TPM2)
		return (key_tpm_material(s, fd, slot, counter, out, err));
	rc = read_content(fd, content, &len, err);
	if (rc == 0)
		rc = s->type == SLOT_PASSPHRASE ?
		    from_passphrase(content, len, slot, out, err) :
		    from_bytes(content, len, out, err);
	secret_wipe(content, sizeof(content));
	seal_forget();
	return (rc == -1 ? err_wrap(err, "--key-source %s:%s",
	    slot_type_name(s->type), s->arg) : 0);
}
