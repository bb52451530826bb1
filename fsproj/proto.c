/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "fsproj/fsproj.h"

#define OWN_FOLDER "..nodeseal"	/* our own files in a volume */

struct fail fail;

static enum fsproj_status
status_of(int sys)
{
	switch (sys) {
	case ENOENT:
		return (FSPROJ_NOTFOUND);
	case EACCES: case EPERM: case EROFS: case EXDEV: case ELOOP:
		return (FSPROJ_DENIED);
	case EAGAIN: case EBUSY: case EINTR:
		return (FSPROJ_TRANSIENT);
	case ENOSPC: case EDQUOT: case EMFILE: case ENFILE: case ENOMEM:
	case ENAMETOOLONG: case EFBIG:
		return (FSPROJ_LIMIT);
	case EINVAL: case ENOTDIR: case EISDIR: case EEXIST:
		return (FSPROJ_INVALID);
	default:
		return (FSPROJ_INTERNAL);
	}
}

int
fail_set(enum fsproj_status status, const char *fmt, ...)
{
	int sys = status == FSPROJ_OK ? errno : 0;
	size_t len;
	va_list ap;

	fail.status = status == FSPROJ_OK ? status_of(sys) : status;
	fail.sys = sys;
	va_start(ap, fmt);
	vsnprintf(fail.msg, sizeof(fail.msg), fmt, ap);
	va_end(ap);
	len = strlen(fail.msg);
	if (sys)
		snprintf(fail.msg + len, sizeof(fail.msg) - len, ": %s",
		    strerror(sys));
	return (-1);
}

/* The bytes of one well-formed UTF-8 character that is no control; 0: none. */
static size_t
char_len(const unsigned char *s, size_t left)
{
	/* the least code point of each length, controls left out */
	static const uint32_t least[] = { 0, 0x20, 0xa0, 0x800, 0x10000 };
	size_t n = *s < 0x80 ? 1 : *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2, i;
	uint32_t rune = n == 1 ? *s : *s & (0x7fu >> n);

	if ((*s & 0xc0) == 0x80 || *s > 0xf4 || n > left)
		return (0);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return (0);
		rune = rune << 6 | (s[i] & 0x3f);
	}
	return (rune < least[n] || rune == 0x7f || rune > 0x10ffff ||
	    (rune >= 0xd800 && rune <= 0xdfff) ? 0 : n);
}

/* The components of ${s}: how many, or -1. */
static int
components(const char *s)
{
	size_t len = strcspn(s, "/");
	int n = 1;

	for (;; s += len + 1, len = strcspn(s, "/"), n++) {
		if (len == 0 || len > 255 || (len == 1 && *s == '.') ||
		    (len == 2 && memcmp(s, "..", 2) == 0))
			return (-1);
		if (!s[len])
			return (n);
	}
}

static int
check_name(const char *name, size_t len)
{
	size_t i, n;
	int depth = components(name);

#ifdef WEAKEN_NAME
	return (0);
#endif
	if (len == 0 || len > FSPROJ_NAME_MAX || depth > FSPROJ_DEPTH_MAX)
		return (fail_invalid("file name of %zu bytes, %d components",
		    len, depth));
	/* before a message repeats such a byte */
	for (i = 0; i < len; i += n)
		if (!(n = char_len((const unsigned char *)name + i, len - i)))
			return (fail_invalid("file name: control character or "
			    "bad UTF-8 at byte %zu", i));
	if (depth < 0)
		return (fail_invalid("file name \"%s\": a component is empty, "
		    "\".\", \"..\" or too long", name));
	if (strncmp(name, "..", 2) == 0 && strcmp(name, OWN_FOLDER) != 0 &&
	    strncmp(name, OWN_FOLDER "/", strlen(OWN_FOLDER "/")) != 0)
		return (fail_invalid("file name \"%s\" begins with \"..\"",
		    name));
	return (0);
}

/* Cut a string of ${want} bytes and its NUL off the rest of the frame. */
static const char *
take_string(const char **at, size_t *left, size_t want)
{
	const char *s = *at;

#ifdef WEAKEN_FSPROJ_BOUNDS
	*left = SIZE_MAX;
#endif
	if (want >= *left || memchr(s, '\0', want + 1) != s + want)
		return (NULL);
	*at += want + 1;
	*left -= want + 1;
	return (s);
}

static int
check_numbers(const struct fsproj_request *q, unsigned has)
{
	const struct field {
		const char *name;
		unsigned of;
		uintmax_t is, max;
	} fields[] = {
		{ "place", HAS_PLACE, q->place, FSPROJ_HOST },
		{ "target path", HAS_PATH, q->path_len, FSPROJ_PATH_MAX },
		{ "mode", HAS_SPEC, q->dir_mode, 0777 },
		{ "group", HAS_SPEC, q->gid, UINT32_MAX - 1 },
		{ "size", HAS_SPEC, q->size, FSPROJ_SIZE_MAX },
		{ "inodes", HAS_SPEC, q->inodes, FSPROJ_INODES_MAX },
		{ "files", HAS_SPEC, q->files, FSPROJ_FILES_MAX },
		{ "names", HAS_ENTRIES, q->count, FSPROJ_BATCH },
		{ "next files", HAS_NEXT, q->next, FSPROJ_BATCH },
	}, *f;

	for (f = fields; f < fields + COUNT(fields); f++)
		if (f->is > (has & f->of ? f->max : 0))
			return (fail_set(FSPROJ_LIMIT, "%s: %ju is above %ju",
			    f->name, f->is, has & f->of ? f->max : 0));
	return (has & HAS_PLACE && !q->place ? fail_invalid("no place") : 0);
}

int
proto_parse(const void *frame, size_t len, unsigned has, struct request *ret)
{
	const struct fsproj_request *q = frame;
	const struct fsproj_entry *e = (const struct fsproj_entry *)(q + 1);
	const char *at;
	size_t left = len - sizeof(*q), i;

	if (len < sizeof(*q) || len > FSPROJ_REQUEST_MAX ||
	    q->head.magic != FSPROJ_MAGIC || q->head.len != len ||
	    q->head.version != FSPROJ_VERSION)
		return (fail_invalid("no frame of version %d", FSPROJ_VERSION));
	if (check_numbers(q, has) == -1)
		return (-1);
	if (left < q->count * sizeof(*e))
		return (fail_invalid("frame too short"));
	at = (const char *)(e + q->count);
	left -= q->count * sizeof(*e);
	ret->fixed = q;
	ret->entries = e;
	ret->path = q->path_len ? take_string(&at, &left, q->path_len) : "";
	if (!ret->path)
		return (fail_invalid("target path: no end"));
	if (q->path_len &&
	    (*ret->path != '/' || components(ret->path + 1) == -1))
		return (fail_invalid("target \"%s\": no clean absolute path",
		    ret->path));
	for (i = 0; i < q->count; i++, e++) {
		ret->names[i] = take_string(&at, &left, e->path_len);
		if (!ret->names[i])
			return (fail_invalid("file name: no end"));
		if (check_name(ret->names[i], e->path_len) == -1)
			return (-1);
		if (e->mode > 0777 || e->uid == UINT32_MAX ||
		    e->gid == UINT32_MAX)
			return (fail_invalid("file %s: mode or owner",
			    ret->names[i]));
	}
	return (left ? fail_invalid("bytes behind the frame") : 0);
}
