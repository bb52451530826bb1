/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEEPER_COMMAND_H
#define KEEPER_COMMAND_H

/* `nodeseal run FLAGS`: argv are the words behind "run"; the exit status. */
int keeper_command(int argc, char **argv);

#endif
