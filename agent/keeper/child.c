/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/keeper.h"

#include "keeper/child.h"

#define LONG_LIFE_MS 10000
#define WAIT_FIRST_MS 100
#define WAIT_MAX_MS 4000
#define HIGH_FD 64		/* above every number that a child is given */

/* Out of the way of the numbers that they are to have, then there. */
static int
hand_over(const struct child *c)
{
	int high[CHILD_MORE];

	for (size_t i = 0; i < c->nmore; i++) {
		int fd = c->more[i].fd;

		high[i] = fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
		if (high[i] == -1 && fd != -1)
			return (-1);
	}
	for (size_t i = 0; i < c->nmore; i++) {
		if (high[i] == -1)
			close(c->more[i].at);
		else if (dup2(high[i], c->more[i].at) == -1)
			return (-1);
	}
	return (0);
}

/* Between fork and exec: only what is safe there. */
static void
become(const struct child *c, int fd, pid_t keeper)
{
	sigset_t none;

	if (fd != KEEPER_CHILD_FD) {
		if (dup2(fd, KEEPER_CHILD_FD) == -1)
			_exit(127);
	} else if (fcntl(fd, F_SETFD, 0) == -1)
		_exit(127);
	if (hand_over(c) == -1)
		_exit(127);
	if (c->uid != (uid_t)-1 && (setgroups(0, NULL) == -1 ||
	    setresgid(c->uid, c->uid, c->uid) == -1 ||
	    setresuid(c->uid, c->uid, c->uid) == -1))
		_exit(127);
	/* After the change of uid, which would clear it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != keeper)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(c->argv[0], c->argv);
	_exit(127);
}

int
child_start(struct child *c, int64_t now, struct err *err)
{
	pid_t keeper = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, c->socket_type | SOCK_CLOEXEC, 0, pair) == -1)
		return (err_sys(err, "%s: socketpair", c->name));
	if ((c->pid = fork()) == -1) {
		c->pid = 0;
		close(pair[0]);
		close(pair[1]);
		return (err_sys(err, "%s: fork", c->name));
	}
	if (c->pid == 0)
		become(c, pair[1], keeper);
	close(pair[1]);
	if (c->peer != -1)
		close(c->peer);
	c->peer = pair[0];
	c->started_at = now;
	log_debug("%s: started as process %d", c->name, (int)c->pid);
	return (0);
}

void
child_ended(struct child *c, int status, int64_t now)
{
	int64_t wait = 0;

	if (now - c->started_at >= LONG_LIFE_MS)
		c->quick_deaths = 0;
	else if (c->quick_deaths < 16)
		c->quick_deaths++;
	if (c->quick_deaths > 0) {
		wait = (int64_t)WAIT_FIRST_MS << (c->quick_deaths - 1);
		if (wait > WAIT_MAX_MS)
			wait = WAIT_MAX_MS;
	}
	c->again_at = now + wait;
	if (WIFSIGNALED(status))
		log_warn("%s (process %d) was ended by signal %d; again in "
		    "%lld ms", c->name, (int)c->pid, WTERMSIG(status),
		    (long long)wait);
	else
		log_warn("%s (process %d) ended with status %d; again in "
		    "%lld ms", c->name, (int)c->pid, WEXITSTATUS(status),
		    (long long)wait);
	c->pid = 0;
}

int64_t
child_wait_ms(const struct child *c, int64_t now)
{
	if (c->pid != 0)
		return (-1);
	return (c->again_at > now ? c->again_at - now : 0);
}

void
child_stop(const struct child *c, int signo)
{
	if (c->pid > 0)
		kill(c->pid, signo);
}
