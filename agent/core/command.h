/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_COMMAND_H
#define CORE_COMMAND_H

/* `nodeseal _core FLAGS`: how the keeper starts core, with the words of `run`
 * and its channel as descriptor KEEPER_CHILD_FD.  Not for people. */
int core_command(int argc, char **argv);

#endif
