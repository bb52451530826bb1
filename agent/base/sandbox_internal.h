/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SANDBOX_INTERNAL_H
#define BASE_SANDBOX_INTERNAL_H

#include "base/sandbox.h"

/* sandbox_seccomp(role, err): allow the system calls of the role's list and
 * kill the process at any other.  1 in force, 0 not in this build (the
 * sanitizers need more than any list would say), -1 failed. */
int sandbox_seccomp(enum sandbox_role role, struct err *err);

#endif
