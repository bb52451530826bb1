/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "fsproj/fsproj.h"

#define TABLE "/proc/self/mountinfo"

static int noswap;

int
mount_probe(void)
{
	cleanup_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	noswap = fs != -1 &&
	    fsconfig(fs, FSCONFIG_SET_FLAG, "noswap", NULL, 0) == 0;
	return (noswap);
}

static int __attribute__((format(printf, 3, 4)))
set(int fs, const char *key, const char *fmt, ...)
{
	char value[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	return (fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0));
}

static int
set_room(int fs, uint64_t size, uint32_t inodes)
{
	/* noswap also when it grows: its absence is taken for a change. */
	return (set(fs, "size", "%" PRIu64, size) == -1 ||
	    set(fs, "nr_inodes", "%" PRIu32, inodes) == -1 || (noswap &&
	    fsconfig(fs, FSCONFIG_SET_FLAG, "noswap", NULL, 0)) ? -1 : 0);
}

int
mount_new(const char *source, const char *label, uint64_t size,
    uint32_t inodes)
{
	cleanup_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int mnt;

	if (label && set(fs, "context", "%s", label) == -1)
		return (fail_sys("--volume-context %s (no SELinux?)", label));
	if (fs == -1 || set(fs, "source", "%s", source) == -1 ||
	    set_room(fs, size, inodes) == -1 ||
	    set(fs, "mode", "755") == -1 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == -1)
		return (fail_sys("tmpfs"));
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID |
	    MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return (mnt == -1 ? fail_sys("fsmount") : mnt);
}

int
mount_attach(int mnt, int target, int writable)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

#ifdef WEAKEN_READONLY
	writable = 1;
#endif
	if (!writable &&
	    mount_setattr(mnt, "", AT_EMPTY_PATH, &ro, sizeof(ro)) == -1)
		return (fail_sys("read-only mount%s", errno == EBUSY ?
		    " (a descriptor is still open for writing)" : ""));
	return (move_mount(mnt, "", target, "", MOVE_MOUNT_F_EMPTY_PATH |
	    MOVE_MOUNT_T_EMPTY_PATH) == -1 ? fail_sys("move_mount") : 0);
}

int
mount_clone(int fd)
{
	struct mount_attr rw = { .attr_clr = MOUNT_ATTR_RDONLY };
	int mnt = open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE |
	    OPEN_TREE_CLOEXEC);

	if (mnt == -1 ||
	    mount_setattr(mnt, "", AT_EMPTY_PATH, &rw, sizeof(rw)) == -1) {
		fail_sys("writable clone");
		path_close(&mnt);
	}
	return (mnt);
}

int
mount_grow(int mnt, uint64_t size, uint32_t inodes)
{
	cleanup_fd int fs = -1;
	struct statfs st;
	uint64_t has;

	if (fstatfs(mnt, &st) == -1)
		return (fail_sys("statfs"));
	has = (uint64_t)st.f_blocks * (uint64_t)st.f_bsize;
	if (has >= size && st.f_files >= inodes)
		return (0);
	fs = fspick(mnt, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
	return (fs == -1 || set_room(fs, has > size ? has : size,
	    st.f_files > inodes ? (uint32_t)st.f_files : inodes) == -1 ||
	    fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) == -1 ?
	    fail_sys("tmpfs cannot grow") : 0);
}

/* umount2 takes a path; one component below the working directory, no link
 * followed, is as good as a descriptor. */
int
mount_remove(int parent, const char *name)
{
	int rc = fchdir(parent) == -1 ||
	    umount2(name, UMOUNT_NOFOLLOW | MNT_DETACH) == -1 ?
	    fail_sys("unmount %s", name) : 0;

	/* hold no directory busy */
	return (chdir("/") == -1 ? fail_sys("/") : rc);
}

uint64_t
mount_id(int fd, int *ret_root)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID,
	    &st) == -1)
		return (0);
	*ret_root = !!(st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
	return (st.stx_mnt_id);
}

/* Space, tab, newline and backslash are written as \ooo. */
static void
unescape(char *s)
{
	unsigned c;
	char *to;

	for (to = s; *s; to++, s++) {
		*to = *s;
		if (*s == '\\' && sscanf(s, "\\%3o", &c) == 1) {
			*to = (char)c;
			s += 3;
		}
	}
	*to = '\0';
}

/* id parent major:minor root path options [tags…] - type source options */
int
mount_next(struct mount_line *l, int first)
{
	static FILE *table;
	static char *line;	/* one for all: some are very long */
	static size_t size;
	char type[32] = "", source[64] = "", *dash, *tag;

	if (!table && !(table = fopen(TABLE, "re")))
		return (fail_sys(TABLE));
	if (first)
		rewind(table);
	do {
		if (getline(&line, &size, table) <= 0)
			return (0);
		dash = strstr(line, " - ");
	} while (!dash || sscanf(line, "%" SCNu64 " %*s %*s %*s %4095s",
	    &l->id, l->path) != 2);
	sscanf(dash, " - %31s %63s", type, source);
	tag = strstr(line, " shared:");
	l->shared = tag && tag < dash;
	l->ours = !strcmp(type, "tmpfs") && !strcmp(source, MOUNT_VOLUME);
	unescape(l->path);
	return (1);
}

int
mount_of(int fd, struct mount_line *l)
{
	int is_root, rc;
	uint64_t id = mount_id(fd, &is_root);

	for (rc = mount_next(l, 1); rc == 1; rc = mount_next(l, 0))
		if (l->id == id)
			return (0);
	return (fail_set(FSPROJ_INTERNAL, TABLE ": a mount is missing"));
}

int
mount_ours(int fd)
{
	struct mount_line l;
	int is_root;

	if (!mount_id(fd, &is_root))
		return (fail_sys("statx"));
	if (!is_root)
		return (0);
#ifdef WEAKEN_FOREIGN
	return (1);
#endif
	if (mount_of(fd, &l) == -1)
		return (-1);
	return (l.ours ? 1 : fail_set(FSPROJ_DENIED,
	    "%s: a mount that is not ours", l.path));
}
