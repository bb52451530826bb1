/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "proj/proj_internal.h"

#define COMPONENT_MAX 255
#define OWN_FOLDER "..nodeseal"

/* The whole path is not repeated in the message before its bytes are known to
 * be printable. */
static int
check_bytes(const char *path, struct err *err)
{
	size_t left = strlen(path), n;
	uint32_t rune;
	const char *at;

	if (left == 0)
		return (err_set(err, ERR_INVALID, "path is empty"));
	if (left > FSPROJ_NAME_MAX)
		return (err_set(err, ERR_INVALID,
		    "path has %zu bytes, at most %d are possible", left,
		    FSPROJ_NAME_MAX));
	for (at = path; left > 0; at += n, left -= n) {
		n = utf8_next(at, left, &rune);
		if (rune < 0x20 || (rune >= 0x7f && rune < 0xa0) ||
		    (rune == 0xfffd && n == 1))
			return (err_set(err, ERR_INVALID, "path has a control "
			    "character or bad UTF-8 at byte %zu",
			    (size_t)(at - path)));
	}
	return (0);
}

int
proj_path_projected(const char *path, struct err *err)
{
	const char *at = path;
	size_t n, depth = 0, own = strlen(OWN_FOLDER);

	if (check_bytes(path, err) == -1)
		return (-1);
	if (path[0] == '/')
		return (err_set(err, ERR_INVALID,
		    "path \"%s\" is absolute", path));
	if (strncmp(path, "..", 2) == 0 && path[2] != '/' && path[2] &&
	    (strncmp(path, OWN_FOLDER, own) || (path[own] && path[own] != '/')))
		return (err_set(err, ERR_INVALID,
		    "path \"%s\" begins with \"..\"", path));
	for (;; at += n + 1) {
		n = strcspn(at, "/");
		if (n == 0)
			return (err_set(err, ERR_INVALID,
			    "path \"%s\" has an empty component", path));
		if ((n == 1 && at[0] == '.') ||
		    (n == 2 && strncmp(at, "..", 2) == 0))
			return (err_set(err, ERR_INVALID,
			    "path \"%s\" has a component \"%.*s\"", path,
			    (int)n, at));
		if (n > COMPONENT_MAX)
			return (err_set(err, ERR_INVALID,
			    "path has a component of %zu bytes, at most %d "
			    "are possible", n, COMPONENT_MAX));
		if (++depth > FSPROJ_DEPTH_MAX)
			return (err_set(err, ERR_INVALID,
			    "path has more than %d components",
			    FSPROJ_DEPTH_MAX));
		if (!at[n])
			return (0);
	}
}

int
proj_path_check(const char *path, struct err *err)
{
	size_t own = strlen(OWN_FOLDER);

	if (proj_path_projected(path, err) == -1)
		return (-1);
	if (strncmp(path, OWN_FOLDER, own) == 0)
		return (err_set(err, ERR_INVALID,
		    "path \"%s\" begins with \"..\"", path));
	return (0);
}
