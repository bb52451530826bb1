/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#include "base/program.h"

char *
program_path(const char *name, struct err *err)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n == -1) {
		err_sys(err, "/proc/self/exe");
		return (NULL);
	}
	self[n] = '\0';
	if ((slash = strrchr(self, '/')) != NULL)
		*slash = '\0';
	for (size_t i = 0; i < 2; i++) {
		char *path = i == 0 ? str_fmt("%s/%s", self, name) :
		    str_fmt("%s/../libexec/nodeseal/%s", self, name);

		if (access(path, X_OK) == 0)
			return (path);
		free(path);
	}
	err_set(err, ERR_NOTFOUND, "%s: neither beside %s/nodeseal nor in "
	    "../libexec/nodeseal: install all programs together", name, self);
	return (NULL);
}
