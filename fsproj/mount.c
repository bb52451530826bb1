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
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	noswap = fs != -1 &&
	    fsconfig(fs, FSCONFIG_SET_FLAG, "noswap", NULL, 0) == 0;
	path_close(&fs);
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
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), mnt = -1;

	if (fs == -1)
		return (fail_sys(f, "fsopen tmpfs"));
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", spec->source, 0) ||
	    set_room(fs, spec->size, spec->inodes) ||
	    set_number(fs, "mode", "o", spec->mode) ||
	    (spec->gid && set_number(fs, "gid", "d", spec->gid)) ||
	    (spec->label && fsconfig(fs, FSCONFIG_SET_STRING, "context",
	    spec->label, 0)) ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		fail_sys(f, "tmpfs");
	else {
		mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID |
		    MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
		if (mnt == -1)
			fail_sys(f, "fsmount tmpfs");
	}
	path_close(&fs);
	return (mnt);
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
	int fs, rc;

	if (fstatfs(mnt, &st) == -1)
		return (fail_sys(f, "statfs"));
	has = (uint64_t)st.f_blocks * (uint64_t)st.f_bsize;
	if (has >= size && st.f_files >= inodes)
		return (0);
	fs = fspick(mnt, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
	if (fs == -1)
		return (fail_sys(f, "fspick"));
	rc = set_room(fs, has > size ? has : size,
	    st.f_files > inodes ? (uint32_t)st.f_files : inodes);
	if (rc == 0)
		rc = fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
	if (rc)
		fail_sys(f, "tmpfs cannot grow");
	path_close(&fs);
	return (rc);
}

uint64_t
mount_id(int fd, int *ret_root)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID,
	    &st) == -1 || !(st.stx_mask & STATX_MNT_ID))
		return (0);
	if (ret_root)
		*ret_root = !!(st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
	return (st.stx_mnt_id);
}

struct whose {
	uint64_t id;
	int answer;
};

static int
whose_line(void *arg, const struct mount_line *l)
{
	struct whose *w = arg;

	if (l->id != w->id)
		return (0);
	if (strcmp(l->type, "tmpfs") == 0 &&
	    strcmp(l->source, OWNER_VOLUME) == 0)
		w->answer = MOUNT_OURS;
	return (1);
}

int
mount_whose(int fd, struct fail *f)
{
	struct whose w = { .answer = MOUNT_FOREIGN };
	int is_root = 0;

	w.id = mount_id(fd, &is_root);
	if (w.id == 0)
		return (fail_sys(f, "statx"));
	if (!is_root)
		return (MOUNT_NONE);
#ifdef WEAKEN_FOREIGN
	return (MOUNT_OURS);
#endif
	if (mount_each(whose_line, &w) == -1)
		return (fail_sys(f, "/proc/self/mountinfo"));
	return (w.answer);
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
	int fd, whose, n;

	for (n = 0; n < STACK_MAX; n++) {
		fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW |
		    O_CLOEXEC);
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
static void
unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] && s[2] && s[3]) {
			*to++ = (char)(((s[1] & 3) << 6) | ((s[2] & 7) << 3) |
			    (s[3] & 7));
			s += 3;
		} else
			*to++ = *s;
	}
	*to = '\0';
}

/* id parent major:minor root path options [tags…] - type source options */
static int
parse_line(char *text, struct mount_line *l)
{
	char *save = NULL, *field, *type = NULL, *source = NULL;
	int n;

	*l = (struct mount_line){ 0 };
	for (n = 0, field = strtok_r(text, " ", &save); field;
	    n++, field = strtok_r(NULL, " ", &save)) {
		if (n == 0)
			l->id = strtoull(field, NULL, 10);
		else if (n == 4)
			l->path = field;
		else if (n > 5 && strncmp(field, "shared:", 7) == 0)
			l->shared = 1;
		else if (n > 5 && strcmp(field, "-") == 0) {
			type = strtok_r(NULL, " ", &save);
			source = strtok_r(NULL, " ", &save);
			break;
		}
	}
	if (!l->path || !type || !source)
		return (-1);
	unescape(l->path);
	unescape(source);
	l->type = type;
	l->source = source;
	return (0);
}

int
mount_each(int (*cb)(void *, const struct mount_line *), void *arg)
{
	static char buf[32768];	/* a line holds two paths and options */
	size_t have = 0;
	struct mount_line l;
	char *line, *end;
	ssize_t n = 1;
	int rc = 0, cut = 0, fd;

	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return (-1);
	while (rc == 0 && n > 0) {
		n = read(fd, buf + have, sizeof(buf) - 1 - have);
		if (n == -1)
			rc = -1;
		have += n > 0 ? (size_t)n : 0;
		buf[have] = '\0';
		for (line = buf; rc == 0 && (end = strchr(line, '\n'));
		    line = end + 1) {
			*end = '\0';
			if (!cut && parse_line(line, &l) == 0)
				rc = cb(arg, &l);
			cut = 0;
		}
		have -= (size_t)(line - buf);
		memmove(buf, line, have);
		if (have == sizeof(buf) - 1) {
			/* no line of ours is that long: skip all of it */
			have = 0;
			cut = 1;
		}
	}
	path_close(&fd);
	return (rc);
}

int
mount_in_ram(int fd)
{
	struct statfs st;

	return (fstatfs(fd, &st) == 0 && ((unsigned long)st.f_type ==
	    TMPFS_MAGIC || (unsigned long)st.f_type == RAMFS_MAGIC));
}
