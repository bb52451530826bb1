/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of the sanitizers, for the sandbox of nodeseal-fsproj: builds
 * with sanitizers include this before everything (Makefile). */
#define RIGHTS_MORE SYS_madvise, SYS_mprotect, SYS_futex, SYS_sched_yield, \
	SYS_getpid, SYS_gettid, SYS_sigaltstack, SYS_rt_sigaction, \
	SYS_rt_sigprocmask, SYS_tgkill, SYS_prlimit64, SYS_ioctl, SYS_prctl,
