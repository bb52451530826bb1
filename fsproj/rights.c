/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "fsproj/fsproj.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif			/* another machine: not without its number here */

#define KEPT (1u << CAP_SYS_ADMIN | 1u << CAP_CHOWN | 1u << CAP_FOWNER | \
	1u << CAP_DAC_OVERRIDE)

/* The system calls of this program, the frequent ones first.  socket is
 * looked at more closely below. */
static const unsigned short allowed[] = {
	/* the peer, and sockets for others */
	SYS_ppoll, SYS_recvfrom, SYS_sendmsg, SYS_close, SYS_accept4,
	SYS_getsockopt, SYS_bind, SYS_listen,
	/* paths and files */
	SYS_openat2, SYS_openat, SYS_linkat, SYS_fchown, SYS_fchmod,
	SYS_symlinkat, SYS_mkdirat, SYS_statx, SYS_newfstatat, SYS_fstat,
	SYS_getdents64, SYS_readlinkat, SYS_renameat, SYS_unlinkat,
	SYS_fchownat, SYS_fchmodat, SYS_fchdir, SYS_chdir, SYS_fcntl,
	SYS_fstatfs, SYS_read, SYS_lseek, SYS_fgetxattr, SYS_fsetxattr,
	SYS_syncfs,
	/* mounts */
	SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_open_tree,
	SYS_move_mount, SYS_mount_setattr, SYS_umount2,
	/* the rest of a C program */
	SYS_write, SYS_clock_gettime, SYS_getrandom, SYS_brk, SYS_mmap,
	SYS_munmap, SYS_mremap, SYS_rt_sigreturn, SYS_restart_syscall,
	SYS_exit_group, SYS_exit,
#ifdef RIGHTS_MORE	/* a sanitizer's own: tests/lib/sanitized.h */
	RIGHTS_MORE
#endif
};

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_EQUAL(k, yes, no) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (yes), (no))
#define RETURN(k) BPF_STMT(BPF_RET | BPF_K, (k))

/* Default: kill.  Another ABI's numbers (x32 has its bit set) are not ours. */
static int
filter_calls(void)
{
	struct sock_filter code[COUNT(allowed) * 2 + 16];
	struct sock_fprog prog = { .filter = code };
	unsigned short n = 0;
	size_t i;

	code[n++] = (struct sock_filter)LOAD(arch);
	code[n++] = (struct sock_filter)IF_EQUAL(ARCH, 1, 0);
	code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)LOAD(nr);
	for (i = 0; i < COUNT(allowed); i++) {
		code[n++] = (struct sock_filter)IF_EQUAL(allowed[i], 0, 1);
		code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	}
	code[n++] = (struct sock_filter)IF_EQUAL(SYS_socket, 0, 3);
	code[n++] = (struct sock_filter)LOAD(args[0]);
	code[n++] = (struct sock_filter)IF_EQUAL(AF_UNIX, 0, 1);
	code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
	prog.len = n;
#ifdef WEAKEN_SECCOMP
	return (0);
#endif
	return (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
}

static int
keep_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2] = { { 0 } };
	int cap;

	if (syscall(SYS_capget, &head, data) == -1)
		return (-1);
	errno = EPERM;
	if (!(data[0].permitted & 1u << CAP_SYS_ADMIN))
		return (-1);
	/* Whoever may not shrink the bounding set has no right to regain
	 * anything through it: nothing is executed from here. */
	for (cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if ((cap > 31 || !(KEPT >> cap & 1)) &&
		    prctl(PR_CAPBSET_DROP, cap) == -1 && errno != EPERM)
			return (-1);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	data[0].permitted &= KEPT;
	data[0].effective = data[0].permitted;
	data[0].inheritable = 0;
	data[1] = (struct __user_cap_data_struct){ 0 };
	return ((int)syscall(SYS_capset, &head, data));
}

const char *
rights_drop(void)
{
	const struct rlimit none = { 0, 0 }, files = { 256, 256 };
	cleanup_fd int root = -1;

	umask(022);
	if (setrlimit(RLIMIT_CORE, &none) == -1 ||
	    setrlimit(RLIMIT_NOFILE, &files) == -1 ||
	    prctl(PR_SET_DUMPABLE, 0) == -1)
		return ("core files, limit of open files");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return ("no_new_privs");
	if (keep_capabilities() == -1)
		return ("capabilities (needs root with CAP_SYS_ADMIN)");
	/* Now, and not at each request. */
	if ((root = path_dir(AT_FDCWD, ".")) == -1)
		return ("openat2 (needs Linux 5.12)");
	return (filter_calls() == -1 ? "seccomp" : NULL);
}
