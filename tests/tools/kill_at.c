/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends a process with SIGKILL at a chosen point: at its n-th system call from
 * now, on the way in (the call has not happened) or on the way out.
 *
 * usage: kill_at PID N [TIMEOUT_S [CHILD [SKIP]]]
 * N counts stops: odd on entry, even on exit.  With CHILD (not 0) it is the
 * CHILD-th process that PID forks from now on which is counted and killed, not
 * PID.  With SKIP, numbers with commas, it happens at the first call from the
 * N-th stop on that is none of these.
 * Prints the number of the system call and exits 0; exits 1 when the process
 * made fewer calls in time (it is then let go unharmed), 2 when it cannot be
 * traced.
 */
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t late;

static void
alarmed(int signo)
{
	(void)signo;
	late = 1;
}

static int
failed(const char *what)
{
	fprintf(stderr, "kill_at: %s: %s\n", what, strerror(errno));
	return (2);
}

static long
call_number(pid_t pid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info),
	    &info) <= 0)
		return (-1);
	return (info.op == PTRACE_SYSCALL_INFO_ENTRY ? (long)info.entry.nr :
	    -2);
}

/* Let it go on to its next stop at a system call; 0, or -1 when it ended. */
static int
next_stop(pid_t pid, int *stopped)
{
	int status, signo = 0;

	*stopped = 0;
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)signo) ==
		    -1)
			return (-1);
		if (waitpid(pid, &status, __WALL) == -1) {
			if (errno == EINTR && late)
				return (0);
			return (-1);
		}
		if (!WIFSTOPPED(status))
			return (-1);
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			*stopped = 1;
			return (0);
		}
		/* Its own signals are passed on; a group stop is not. */
		signo = status >> 16 == 0 ? WSTOPSIG(status) : 0;
	}
}

/* Is ${nr} among the numbers of ${list}? */
static int
is_in(const char *list, long nr)
{
	char *end;

	for (; *list; list = *end ? end + 1 : end)
		if (strtol(list, &end, 10) == nr && end != list)
			return (1);
	return (0);
}

static void
let_go(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0 &&
	    waitpid(pid, &status, __WALL) != -1)
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

/* Wait until ${parent} has forked ${n} times; the last of these processes,
 * stopped before its first call, the others and the parent let go.  0: none
 * in time. */
static pid_t
child_of(pid_t parent, int n)
{
	unsigned long forked;
	int status, signo;

	ptrace(PTRACE_CONT, parent, NULL, NULL);
	while (waitpid(parent, &status, __WALL) != -1 && !late) {
		if (!WIFSTOPPED(status))
			return (0);
		signo = status >> 16 == 0 ? WSTOPSIG(status) : 0;
		if (status >> 16 == PTRACE_EVENT_FORK ||
		    status >> 16 == PTRACE_EVENT_CLONE) {
			ptrace(PTRACE_GETEVENTMSG, parent, NULL, &forked);
			waitpid((pid_t)forked, &status, __WALL);
			if (--n == 0) {
				ptrace(PTRACE_DETACH, parent, NULL, NULL);
				return ((pid_t)forked);
			}
			ptrace(PTRACE_DETACH, (pid_t)forked, NULL, NULL);
		}
		ptrace(PTRACE_CONT, parent, NULL, (void *)(long)signo);
	}
	let_go(parent);
	return (0);
}

int
main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = alarmed };
	const char *skip = argc > 5 ? argv[5] : NULL;
	int child = argc > 4 ? atoi(argv[4]) : 0, stopped, status;
	long nr = -1, last = -1;
	pid_t pid;

	if (argc < 3)
		return (2);
	pid = (pid_t)atol(argv[1]);
	sigaction(SIGALRM, &sa, NULL);
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(long)(child ?
	    PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE :
	    PTRACE_O_TRACESYSGOOD)) == -1 ||
	    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == -1 ||
	    waitpid(pid, &status, __WALL) == -1)
		return (failed("ptrace"));
	alarm(argc > 3 ? (unsigned)atoi(argv[3]) : 10);
	if (child && (pid = child_of(pid, child)) == 0)
		return (1);
	for (long n = atol(argv[2]); n > 0 || (skip != NULL &&
	    is_in(skip, last)); n--) {
		if (next_stop(pid, &stopped) == -1)
			return (1);
		if (!stopped) {
			let_go(pid);
			return (1);
		}
		if ((nr = call_number(pid)) >= 0)
			last = nr;
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, __WALL);
	printf("%ld\n", last);
	return (0);
}
