/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sandbox_internal.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "name this machine's audit architecture"
#endif

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

/* Which roles a system call is for. */
enum { C = 1 << SANDBOX_CORE, Z = 1 << SANDBOX_ZYGOTE,
	R = 1 << SANDBOX_READ, F = 1 << SANDBOX_FETCH, K = 1 << SANDBOX_KUBE,
	L = 1 << SANDBOX_LINK, T = 1 << SANDBOX_TPM,
	ALL = C | Z | R | F | K | L, NET = Z | F | K | L,
	JOBS = Z | R | F | K | L, ANY = ALL | T };

/*
 * A role's list is the rows that carry its letter.  The zygote's list holds
 * its children's, because a filter is inherited: they narrow it further.
 */
static const struct {
	int nr;
	unsigned roles;
} allowed[] = {
	/* bytes in and out of open descriptors */
	{ SYS_read, ANY }, { SYS_write, ANY }, { SYS_readv, ALL },
	{ SYS_writev, ALL }, { SYS_pread64, ALL }, { SYS_pwrite64, ALL },
	{ SYS_close, ANY }, { SYS_lseek, ALL }, { SYS_fcntl, ANY },
	{ SYS_fstat, ANY }, { SYS_recvmsg, ANY }, { SYS_sendmsg, ANY },
	{ SYS_recvfrom, ALL }, { SYS_sendto, ANY }, { SYS_shutdown, ALL },
	{ SYS_dup, ALL }, { SYS_dup3, ALL }, { SYS_ioctl, ALL },
	{ SYS_newfstatat, ANY }, { SYS_statx, ALL }, { SYS_close_range, ALL },
	/* memory */
	{ SYS_mmap, ANY }, { SYS_munmap, ANY }, { SYS_mremap, ANY },
	{ SYS_mprotect, ANY }, { SYS_madvise, ANY }, { SYS_brk, ANY },
	{ SYS_mlock, ALL }, { SYS_mlock2, ALL }, { SYS_munlock, ALL },
	{ SYS_memfd_secret, ALL }, { SYS_ftruncate, ALL },
	/* time, waiting, threads of libraries */
	{ SYS_clock_gettime, ANY }, { SYS_clock_nanosleep, ANY },
	{ SYS_nanosleep, ANY }, { SYS_clock_getres, ALL },
	{ SYS_gettimeofday, ALL }, { SYS_ppoll, ANY }, { SYS_pselect6, ALL },
	{ SYS_futex, ANY }, { SYS_rseq, ALL }, { SYS_set_robust_list, ALL },
	{ SYS_sched_yield, ALL }, { SYS_sched_getaffinity, ALL },
	{ SYS_restart_syscall, ANY }, { SYS_membarrier, ALL },
	{ SYS_eventfd2, ALL }, { SYS_epoll_create1, ALL },
	{ SYS_epoll_ctl, ALL }, { SYS_epoll_pwait, ALL },
	{ SYS_timerfd_create, C }, { SYS_timerfd_settime, C },
	/* signals and the end; abort(3) sends itself one */
	{ SYS_rt_sigaction, ANY }, { SYS_rt_sigprocmask, ANY },
	{ SYS_rt_sigreturn, ANY }, { SYS_sigaltstack, ALL },
	{ SYS_tgkill, ANY }, { SYS_exit, ANY }, { SYS_exit_group, ANY },
	/* who we are */
	{ SYS_getpid, ANY }, { SYS_gettid, ANY }, { SYS_getppid, ALL },
	{ SYS_getuid, ALL }, { SYS_geteuid, ALL }, { SYS_getgid, ALL },
	{ SYS_getegid, ALL }, { SYS_getrandom, ANY }, { SYS_uname, ALL },
	{ SYS_sysinfo, ALL }, { SYS_prlimit64, ALL }, { SYS_getcwd, NET | C },
	{ SYS_prctl, ALL },
	/* core: unix sockets, inotify, statvfs of volumes */
	{ SYS_accept4, C | L }, { SYS_accept, C | L }, { SYS_inotify_init1, C },
	{ SYS_inotify_add_watch, C }, { SYS_inotify_rm_watch, C },
	{ SYS_statfs, C }, { SYS_fstatfs, C }, { SYS_getdents64, C | NET },
	{ SYS_pipe2, C | NET }, { SYS_faccessat, C | NET },
	{ SYS_faccessat2, C | NET },
	{ SYS_readlinkat, C | NET }, { SYS_openat, C | JOBS | T },
	/* core: the sealed file, by names below its directory (Landlock) */
	{ SYS_fsync, C }, { SYS_fdatasync, C }, { SYS_linkat, C },
	{ SYS_unlinkat, C }, { SYS_renameat, C }, { SYS_renameat2, C },
	/* the network, and unix sockets (core's by the argument below) */
	{ SYS_socket, C | NET }, { SYS_socketpair, C | NET },
	{ SYS_connect, C | NET }, { SYS_getsockopt, C | NET },
	{ SYS_setsockopt, C | NET }, { SYS_getsockname, C | NET },
	{ SYS_getpeername, C | NET }, { SYS_bind, NET },
	{ SYS_sendmmsg, NET }, { SYS_recvmmsg, NET },
	/* link: who asks for /metrics, and objects on their way to core */
	{ SYS_listen, L }, { SYS_memfd_create, L },
	/* the zygote and its children's way into their own list */
	{ SYS_clone, Z }, { SYS_clone3, Z }, { SYS_wait4, Z },
	{ SYS_waitid, Z }, { SYS_kill, Z }, { SYS_pidfd_open, Z },
	{ SYS_pidfd_send_signal, Z }, { SYS_signalfd4, Z | C },
	{ SYS_seccomp, Z }, { SYS_capset, Z }, { SYS_capget, Z },
	{ SYS_landlock_create_ruleset, Z }, { SYS_landlock_add_rule, Z },
	{ SYS_landlock_restrict_self, Z },
#if defined(__x86_64__)
	{ SYS_poll, ANY }, { SYS_select, ALL }, { SYS_epoll_wait, ALL },
	{ SYS_stat, ALL }, { SYS_lstat, ALL }, { SYS_access, C | NET },
	{ SYS_open, C | JOBS }, { SYS_readlink, C | NET },
	{ SYS_arch_prctl, ALL }, { SYS_dup2, ALL }, { SYS_time, ALL },
	{ SYS_pipe, C | NET }, { SYS_fork, Z }, { SYS_vfork, Z },
	{ SYS_eventfd, ALL }, { SYS_getrlimit, ALL },
#endif
};

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define LOAD(f) BPF_STMT(BPF_LD | BPF_W | BPF_ABS,			\
	(uint32_t)offsetof(struct seccomp_data, f))
#define RETURN(v) BPF_STMT(BPF_RET | BPF_K, (v))
/* skip the next instruction unless equal */
#define UNLESS(v) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(v), 0, 1)

#define FILTER_MAX (2 * ARRAY_LEN(allowed) + 16)

static size_t
build(enum sandbox_role role, struct sock_filter *f)
{
	const struct sock_filter head[] = { LOAD(arch),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
	    RETURN(SECCOMP_RET_KILL_PROCESS), LOAD(nr) };
	/* Core opens no network socket: AF_UNIX or death. */
	const struct sock_filter unix_only[] = {
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4),
	    LOAD(args[0]), UNLESS(AF_UNIX), RETURN(SECCOMP_RET_ALLOW),
	    RETURN(SECCOMP_RET_KILL_PROCESS) };
	/* libcurl looks names up in a thread, core writes the sealed file in
	 * one: threads, but no processes.
	 * glibc takes clone(2), whose flags can be seen, where clone3(2) does
	 * not exist. */
	const struct sock_filter threads_only[] = {
	    UNLESS(SYS_clone3), RETURN(SECCOMP_RET_ERRNO | ENOSYS),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
	    LOAD(args[0]),
	    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
	    RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_KILL_PROCESS) };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		f[n++] = head[i];
	for (size_t i = 0; (role == SANDBOX_FETCH || role == SANDBOX_KUBE ||
	    role == SANDBOX_CORE || role == SANDBOX_LINK) &&
	    i < ARRAY_LEN(threads_only); i++)
		f[n++] = threads_only[i];
	for (size_t i = 0; role == SANDBOX_CORE && i < ARRAY_LEN(unix_only);
	    i++)
		f[n++] = unix_only[i];
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		if ((allowed[i].roles & (1u << role)) == 0)
			continue;
		f[n++] = (struct sock_filter)UNLESS(allowed[i].nr);
		f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	}
	f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
	return (n);
}

int
sandbox_seccomp(enum sandbox_role role, struct err *err)
{
	struct sock_filter filter[FILTER_MAX];
	struct sock_fprog prog = { .filter = filter };

	if (SANITIZED)
		return (0);
	prog.len = (unsigned short)build(role, filter);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == -1)
		return (err_sys(err, "seccomp"));
	return (1);
}
