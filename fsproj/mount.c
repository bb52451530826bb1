/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fsproj/mount.h"
#include "fsproj/owner.h"
#include "fsproj/path.h"

#define STACK_MAX 64	/* mounts on one directory, then we give up */

static int noswap;

int
mount_probe(void)
{
	cleanup_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	noswap = fs != -1 &&
	    fsconfig(fs, FSCONFIG_SET_FLAG, "noswap", NULL, 0) == 0;
	return (noswap);
}

static int
set_number(int fs, const char *key, const char *fmt, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), fmt[0] == 'o' ? "%" PRIo64 : "%" PRIu64,
	    v);
	return (fsconfig(fs, FSCONFIG_SET_STRING, key, text, 0));
}

static int
set_room(int fs, uint64_t size, uint32_t inodes)
{
	if (set_number(fs, "size", "d", size) == -1 ||
	    set_number(fs, "nr_inodes", "d", inodes) == -1)
		return (-1);
	/* Also when it grows: the kernel takes its absence for a change. */
	if (noswap && fsconfig(fs, FSCONFIG_SET_FLAG, "noswap", NULL, 0))
		return (-1);
	return (0);
}

int
mount_new(const struct mount_spec *spec, struct fail *f)
{
	cleanup_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int mnt;

	if (fs == -1 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "source", spec->source, 0) ||
	    set_room(fs, spec->size, spec->inodes) ||
	    set_number(fs, "mode", "o", spec->mode) ||
	    (spec->gid && set_number(fs, "gid", "d", spec->gid)) ||
	    (spec->label && fsconfig(fs, FSCONFIG_SET_STRING, "context",
	    spec->label, 0)) ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return (fail_sys(f, "tmpfs"));
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID |
	    MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return (mnt == -1 ? fail_sys(f, "fsmount tmpfs") : mnt);
}

int
mount_attach(int mnt, int target, int writable, struct fail *f)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

#ifdef WEAKEN_READONLY
	writable = 1;
#endif
	if (!writable &&
	    mount_setattr(mnt, "", AT_EMPTY_PATH, &ro, sizeof(ro)) == -1)
		return (fail_sys(f, "read-only mount%s", errno == EBUSY ?
		    " (a descriptor is still open for writing)" : ""));
	if (move_mount(mnt, "", target, "",
	    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == -1)
		return (fail_sys(f, "move_mount"));
	return (0);
}

int
mount_clone(int fd, struct fail *f)
{
	struct mount_attr rw = { .attr_clr = MOUNT_ATTR_RDONLY };
	int mnt;

	mnt = open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE |
	    OPEN_TREE_CLOEXEC);
	if (mnt == -1)
		return (fail_sys(f, "open_tree"));
	if (mount_setattr(mnt, "", AT_EMPTY_PATH, &rw, sizeof(rw)) == -1) {
		fail_sys(f, "writable clone");
		path_close(&mnt);
	}
	return (mnt);
}

int
mount_grow(int mnt, uint64_t size, uint32_t inodes, struct fail *f)
{
	struct statfs st;
	uint64_t has;
	cleanup_fd int fs = -1;

	if (fstatfs(mnt, &st) == -1)
		return (fail_sys(f, "statfs"));
	has = (uint64_t)st.f_blocks * (uint64_t)st.f_bsize;
	if (has >= size && st.f_files >= inodes)
		return (0);
	fs = fspick(mnt, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
	if (fs == -1 || set_room(fs, has > size ? has : size,
	    st.f_files > inodes ? (uint32_t)st.f_files : inodes) ||
	    fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0))
		return (fail_sys(f, "tmpfs cannot grow"));
	return (0);
}

static int
match_id(void *arg, struct mount_line *l)
{
	struct mount_line *want = arg;

	if (l->id != want->id)
		return (0);
	*want = *l;
	return (1);
}

uint64_t
mount_of(int fd, struct mount_line *ret, int *ret_root)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID,
	    &st) == -1 || !(st.stx_mask & STATX_MNT_ID))
		return (0);
	*ret_root = !!(st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
	if (ret) {
		ret->id = st.stx_mnt_id;
		if (mount_each(match_id, ret) != 1)
			return (0);
	}
	return (st.stx_mnt_id);
}

int
mount_whose(int fd, struct fail *f)
{
	static struct mount_line line;
	int is_root = 0;

	if (!mount_of(fd, NULL, &is_root))
		return (fail_sys(f, "statx"));
	if (!is_root)
		return (MOUNT_NONE);
#ifdef WEAKEN_FOREIGN
	return (MOUNT_OURS);
#endif
	if (!mount_of(fd, &line, &is_root))
		return (fail_sys(f, "/proc/self/mountinfo"));
	return (line.ours ? MOUNT_OURS : MOUNT_FOREIGN);
}

/* umount2 takes a path; one component below the working directory, no link
 * followed, is as good as a descriptor. */
static int
take_off(int parent, const char *name, struct fail *f)
{
	int rc = -1;

	if (fchdir(parent) == 0) {
		rc = umount2(name, UMOUNT_NOFOLLOW);
		if (rc == -1 && errno == EBUSY)
			rc = umount2(name, UMOUNT_NOFOLLOW | MNT_DETACH);
	}
	if (rc == -1)
		fail_sys(f, "unmount %s", name);
	if (chdir("/") == -1)	/* hold no directory busy */
		return (fail_sys(f, "/"));
	return (rc);
}

int
mount_remove(int parent, const char *name, struct fail *f)
{
	int whose, n;

	for (n = 0; n < STACK_MAX; n++) {
		int fd = openat(parent, name, PATH_DIR_FLAGS);

		if (fd == -1)
			return (errno == ENOENT ? 0 :
			    fail_sys(f, "target %s", name));
		whose = mount_whose(fd, f);
		path_close(&fd);
		if (whose == MOUNT_NONE)
			break;
		if (whose == MOUNT_FOREIGN)
			return (fail_set(f, FSPROJ_DENIED,
			    "target %s: a mount that is not ours", name));
		if (whose == -1 || take_off(parent, name, f) == -1)
			return (-1);
	}
	if (unlinkat(parent, name, AT_REMOVEDIR) == -1 && errno != ENOENT) {
		if (errno != ENOTEMPTY)
			return (fail_sys(f, "rmdir %s", name));
		log_line("warn", "%s: not empty after unmount: left", name);
	}
	return (0);
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
void
mount_unescape(char *path)
{
	char *s, *to = path;

	for (s = path; *s; s++)
		if (s[0] == '\\' && s[1] && s[2] && s[3]) {
			*to++ = (char)(((s[1] & 3) << 6) | ((s[2] & 7) << 3) |
			    (s[3] & 7));
			s += 3;
		} else
			*to++ = *s;
	*to = '\0';
}

/* id parent major:minor root path options [tags…] - type source options */
static int
parse_line(const char *text, struct mount_line *l)
{
	char type[32], source[64];
	const char *dash, *tag;
	int n = 0;

	if (sscanf(text, "%" SCNu64 " %*s %*s %*s %4095s %*s%n", &l->id,
	    l->path, &n) != 2 || !(dash = strstr(text + n, " - ")) ||
	    sscanf(dash, " - %31s %63s", type, source) != 2)
		return (-1);
	tag = strstr(text + n, " shared:");
	l->shared = tag && tag < dash;
	l->ours = strcmp(type, "tmpfs") == 0 &&
	    strcmp(source, OWNER_VOLUME) == 0;
	return (0);
}

int
mount_each(int (*cb)(void *, struct mount_line *), void *arg)
{
	static struct mount_line l;
	FILE *table = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	int rc = 0;

	if (!table)
		return (-1);
	while (rc == 0 && getline(&line, &size, table) > 0)
		if (parse_line(line, &l) == 0)
			rc = cb(arg, &l);
	free(line);
	fclose(table);
	return (rc);
}

int
mount_in_ram(int fd)
{
	struct statfs st;

	return (fstatfs(fd, &st) == 0 && ((unsigned long)st.f_type ==
	    TMPFS_MAGIC || (unsigned long)st.f_type == RAMFS_MAGIC));
}
