/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <linux/capability.h>
#include <linux/landlock.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sandbox.h"
#include "base/sandbox_internal.h"

static void __attribute__((format(printf, 2, 3)))
note(struct sandbox_report *r, const char *fmt, ...)
{
	va_list ap;

	if (r == NULL || r->n == ARRAY_LEN(r->lines))
		return;
	va_start(ap, fmt);
	vsnprintf(r->lines[r->n++], sizeof(r->lines[0]), fmt, ap);
	va_end(ap);
}

/* --- identity ------------------------------------------------------------- */

static int
drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	/* The bounding set can only be cut while we hold CAP_SETPCAP; without
	 * it we have nothing to cut. */
	for (int cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) == -1)
		return (err_sys(err, "capset"));
	return (0);
}

int
sandbox_user(uid_t uid, struct err *err)
{
	if (geteuid() == 0 && uid != 0) {
		if (setgroups(0, NULL) == -1 ||
		    setresgid(uid, uid, uid) == -1 ||
		    setresuid(uid, uid, uid) == -1)
			return (err_sys(err, "become uid %u", (unsigned)uid));
	}
	return (drop_capabilities(err));
}

/* --- the file system ---------------------------------------------------- */

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE (FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE |		\
	LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |	\
	LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_MAKE_SOCK)
/* All rights of the first Landlock; what later ones added is not in Debian
 * 12's headers, and opening for writing is in this set. */
#define FS_ALL (FS_WRITE | LANDLOCK_ACCESS_FS_EXECUTE |			\
	LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_FIFO |	\
	LANDLOCK_ACCESS_FS_MAKE_BLOCK)

static int
allow(int ruleset, int fd, const char *what, uint64_t access, struct err *err)
{
	struct landlock_path_beneath_attr attr = {
		.allowed_access = access, .parent_fd = fd };

	if (syscall(SYS_landlock_add_rule, ruleset,
	    LANDLOCK_RULE_PATH_BENEATH, &attr, 0) == -1)
		return (err_sys(err, "landlock: %s", what));
	return (0);
}

static int
allow_beneath(int ruleset, const char *const *paths, uint64_t access,
    struct err *err)
{
	for (size_t i = 0; paths != NULL && paths[i] != NULL; i++) {
		cleanup_close int fd = open(paths[i], O_PATH | O_CLOEXEC);

		if (fd == -1) {
			if (errno == ENOENT)
				continue;	/* nothing there to allow */
			return (err_sys(err, "landlock: %s", paths[i]));
		}
		if (allow(ruleset, fd, paths[i], access, err) == -1)
			return (-1);
	}
	return (0);
}

/* 1: in force; 0: this kernel has none; -1: failed. */
static int
landlock_enter(const struct sandbox_paths *paths, struct err *err)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = FS_ALL };
	cleanup_close int ruleset = -1;

	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
	    sizeof(attr), 0);
	if (ruleset == -1) {
		if (errno == ENOSYS || errno == EOPNOTSUPP)
			return (0);
		return (err_sys(err, "landlock_create_ruleset"));
	}
	if (paths != NULL && (allow_beneath(ruleset, paths->read, FS_READ |
	    LANDLOCK_ACCESS_FS_EXECUTE, err) == -1 ||
	    allow_beneath(ruleset, paths->write, FS_WRITE, err) == -1 ||
	    (paths->write_fd > 0 && allow(ruleset, paths->write_fd,
	    "a directory", FS_WRITE, err) == -1) ||
	    (paths->read_fd > 0 && allow(ruleset, paths->read_fd,
	    "a directory", FS_READ, err) == -1)))
		return (-1);
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) == -1)
		return (err_sys(err, "landlock_restrict_self"));
	return (1);
}

/* --- all of it ---------------------------------------------------------- */

static int
no_traces(struct err *err)
{
	struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return (err_sys(err, "no_new_privs"));
	/* With a core_pattern that is a pipe, the limit alone does not stop a
	 * core file (reference security-offline.md M2). */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return (err_sys(err, "not dumpable"));
	if (setrlimit(RLIMIT_CORE, &none) == -1)
		return (err_sys(err, "RLIMIT_CORE"));
	return (0);
}

int
sandbox_enter(enum sandbox_role role, const struct sandbox_paths *paths,
    int required, struct sandbox_report *report, struct err *err)
{
	int rc;

	if (no_traces(err) == -1)
		return (err_wrap(err, "sandbox"));
	/* The keeper executes programs that need more than itself. */
	if (role == SANDBOX_KEEPER)
		return (0);
	if (role != SANDBOX_ZYGOTE && drop_capabilities(err) == -1)
		return (err_wrap(err, "sandbox"));
	if (role == SANDBOX_CORE || role == SANDBOX_READ || paths != NULL) {
		if ((rc = landlock_enter(paths, err)) == -1)
			return (err_wrap(err, "sandbox"));
		if (rc == 0) {
			note(report, "landlock: not supported by this kernel");
			if (required)
				return (err_set(err, ERR_DENIED, "sandbox: "
				    "landlock: not supported by this kernel: "
				    "run without --require-sandbox"));
		}
	}
	if ((rc = sandbox_seccomp(role, err)) == -1)
		return (err_wrap(err, "sandbox"));
	if (rc == 0) {
		note(report, "seccomp: not in force in this build");
		if (required)
			return (err_set(err, ERR_DENIED, "sandbox: seccomp: "
			    "not in force: run without --require-sandbox"));
	}
	return (0);
}
