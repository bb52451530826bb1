/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "fsproj/request.h"

/* Cut a string of ${want} bytes and its NUL off the rest of the frame. */
static const char *
take_string(const char **at, size_t *left, size_t want)
{
	const char *s = *at;

	if (want >= *left || memchr(s, '\0', want + 1) != s + want)
		return (NULL);
	*at += want + 1;
	*left -= want + 1;
	return (s);
}

static int
check_numbers(const struct fsproj_request *q, struct fail *f)
{
	if (q->count > FSPROJ_BATCH || q->next > FSPROJ_BATCH ||
	    q->files > FSPROJ_FILES_MAX)
		return (fail_set(f, FSPROJ_LIMIT, "too many files (%d, %d a "
		    "frame)", FSPROJ_FILES_MAX, FSPROJ_BATCH));
	if (q->size > FSPROJ_SIZE_MAX || q->inodes > FSPROJ_INODES_MAX)
		return (fail_set(f, FSPROJ_LIMIT, "volume too large"));
	if (q->path_len > FSPROJ_PATH_MAX)
		return (fail_set(f, FSPROJ_LIMIT, "target path too long"));
	if (q->dir_mode > 0777 || q->gid == UINT32_MAX)
		return (fail_set(f, FSPROJ_INVALID, "mode or group"));
	return (0);
}

static int
check_entry(const struct fsproj_entry *e, const char *name, struct fail *f)
{
	if (path_name_check(name, e->path_len, f) == -1)
		return (-1);
	if (e->mode > 0777 || e->uid == UINT32_MAX || e->gid == UINT32_MAX)
		return (fail_set(f, FSPROJ_INVALID,
		    "file %s: mode or owner", name));
	return (0);
}

int
proto_parse(const void *frame, size_t len, struct request *ret,
    struct fail *f)
{
	const struct fsproj_request *q = frame;
	const char *at;
	size_t left, i;

	if (len < sizeof(*q) || len > FSPROJ_REQUEST_MAX ||
	    q->head.magic != FSPROJ_MAGIC || q->head.len != len)
		return (fail_set(f, FSPROJ_INVALID, "malformed frame"));
	if (q->head.version != FSPROJ_VERSION)
		return (fail_set(f, FSPROJ_INVALID, "version %u, not %d",
		    q->head.version, FSPROJ_VERSION));
	if (check_numbers(q, f) == -1)
		return (-1);
	left = len - sizeof(*q);
	if (left < q->count * sizeof(*ret->entries))
		return (fail_set(f, FSPROJ_INVALID, "frame too short"));
	ret->fixed = q;
	ret->entries = (const struct fsproj_entry *)(q + 1);
	at = (const char *)(ret->entries + q->count);
	left -= q->count * sizeof(*ret->entries);
	ret->path = q->path_len ? take_string(&at, &left, q->path_len) : "";
	if (!ret->path)
		return (fail_set(f, FSPROJ_INVALID, "target path: no end"));
	if (q->path_len && path_target_check(ret->path, f) == -1)
		return (-1);
	for (i = 0; i < q->count; i++) {
		ret->names[i] = take_string(&at, &left,
		    ret->entries[i].path_len);
		if (!ret->names[i])
			return (fail_set(f, FSPROJ_INVALID,
			    "file name: no end"));
		if (check_entry(&ret->entries[i], ret->names[i], f) == -1)
			return (-1);
	}
	if (left)
		return (fail_set(f, FSPROJ_INVALID, "bytes behind the frame"));
	return (0);
}
