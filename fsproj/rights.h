/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FSPROJ_RIGHTS_H
#define FSPROJ_RIGHTS_H

/*
 * What this process gives up right after its start, step by step: core dumps,
 * new privileges, every capability but SYS_ADMIN, CHOWN, FOWNER and
 * DAC_OVERRIDE, and every system call that it does not need (anything else
 * kills it).  No Landlock: a Landlocked process cannot mount.
 */

/* rights_drop(): 0, or -1 and the step that failed in *ret_step with errno. */
int rights_drop(const char **ret_step);

#endif
