/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program on a kernel that lacks something.
 *
 * usage: deny FEATURE[,FEATURE…] PROGRAM [ARGUMENT…]
 * Features: landlock, memfd_secret, openat2 (ENOSYS, as an older kernel says),
 * noswap (EINVAL for flags of a new file system: tmpfs gets no other), mlock
 * (EPERM).
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOAD(field)							\
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS,				\
	    offsetof(struct seccomp_data, field))
#define UNLESS(value, skip)						\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define ANSWER(e) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (e))
#define ANY UINT32_MAX

static const struct {
	const char *name;
	unsigned nr, second, answer;	/* second: argument 1, or ANY */
} features[] = {
	{ "landlock", SYS_landlock_create_ruleset, ANY, ENOSYS },
	{ "memfd_secret", SYS_memfd_secret, ANY, ENOSYS },
	{ "openat2", SYS_openat2, ANY, ENOSYS },
	{ "noswap", SYS_fsconfig, FSCONFIG_SET_FLAG, EINVAL },
	{ "mlock", SYS_mlock, ANY, EPERM },
};

static int
deny(const char *name)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		struct sock_filter code[] = {
			LOAD(nr), UNLESS(features[i].nr, 3),
			LOAD(args[1]), UNLESS(features[i].second, 1),
			ANSWER(features[i].answer),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		struct sock_fprog prog = { 6, code };

		if (strcmp(name, features[i].name) != 0)
			continue;
		if (features[i].second == ANY)
			code[3] = (struct sock_filter)BPF_JUMP(BPF_JMP |
			    BPF_JA, 0, 0, 0);
		return (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
	}
	errno = EINVAL;
	return (-1);
}

int
main(int argc, char **argv)
{
	if (argc < 3 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return (2);
	for (char *name = strtok(argv[1], ","); name != NULL;
	    name = strtok(NULL, ","))
		if (deny(name) == -1) {
			perror(name);
			return (2);
		}
	execv(argv[2], argv + 2);
	perror(argv[2]);
	return (2);
}
