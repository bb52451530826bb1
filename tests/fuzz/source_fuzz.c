/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "seal/box.h"
#include "seal/key_source.h"

/*
 * Key sources: what --key-source may say, files of any content and mode, and a
 * slot's costs that were not verified yet.  Byte 0: the file's mode and what
 * stands in its place; byte 1: which source; then the costs' length and bytes;
 * then the words or the content.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64], path[96], second[96];

static void
words(const uint8_t *data, size_t size)
{
	cleanup_free char *spec = str_ndup((const char *)data, size);
	struct key_source s;

	if (key_source_parse(spec, &s, NULL) == -1)
		return;
	free(key_source_path(&s, NULL));
	key_source_clear(&s);
}

static void
place(unsigned how, const uint8_t *data, size_t size)
{
	static const mode_t modes[] = { 0600, 0400, 0640, 0604 };
	int fd;

	unlink(path);
	unlink(second);
	chmod(dir, how & 32 ? 0777 : 0700);
	if ((how & 12) == 4)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1 || write(fd, data, size) != (ssize_t)size ||
	    fchmod(fd, modes[how & 3]) == -1)
		abort();
	close(fd);
	if ((how & 12) == 8 && link(path, second) == -1)
		abort();
	if ((how & 12) == 12 && (rename(path, second) == -1 ||
	    symlink(second, path) == -1))
		abort();
}

/* Argon2id over a gigabyte is no bug, and no fuzzing either. */
static int
cheap(const struct key_slot *slot)
{
	uint32_t costs[2];

	if (slot->params_len != 24)
		return (1);
	memcpy(costs, slot->params + 16, sizeof(costs));
	return (costs[0] > 16 || costs[0] < 1 || costs[1] < 8 ||
	    costs[1] > 1 << 20 || (costs[0] <= 2 && costs[1] <= 64));
}

static void
material(const char *spec, int create, struct key_slot *slot)
{
	cleanup_close int fd = -1;
	struct key_source s;
	uint8_t a[32], b[32];

	if (key_source_parse(spec, &s, NULL) == -1)
		abort();
	fd = key_source_open(&s, create, NULL);
	if (fd != -1 && cheap(slot) && key_source_material(&s, fd, slot, NULL,
	    a, NULL) == 0 && (key_source_material(&s, fd, slot, NULL, b,
	    NULL) == -1 || memcmp(a, b, 32) != 0))
		abort();
	key_source_clear(&s);
}

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/nodeseal-fuzz-XXXXXX");
	if (seal_init(NULL) == -1 || mkdtemp(dir) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/key", dir);
	snprintf(second, sizeof(second), "%s/key.2", dir);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
}

static void
teardown(void)
{
	unlink(path);
	unlink(second);
	rmdir(dir);
	unsetenv("CREDENTIALS_DIRECTORY");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum slot_type types[] = { SLOT_FILE, SLOT_PASSPHRASE,
		SLOT_CREDENTIAL };
	struct key_slot slot = { .created = 0 };
	size_t n;

	if (size < 3 || size > 8192)
		return (0);
	words(data + 2, size - 2);
	n = data[2] % 32;
	if (n > size - 3)
		n = size - 3;
	setup();
	slot.type = types[data[1] % ARRAY_LEN(types)];
	if (slot.type == SLOT_PASSPHRASE && n) {
		slot.params = mem_dup(data + 3, n);
		slot.params_len = n;
	}
	place(data[0], data + 3 + n, size - 3 - n);
	{
		cleanup_free char *spec = str_fmt("%s:%s",
		    slot_type_name(slot.type), slot.type == SLOT_CREDENTIAL ?
		    "key" : path);

		material(spec, data[0] & 16, &slot);
	}
	free(slot.params);
	teardown();
	return (0);
}
