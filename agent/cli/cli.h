/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

/*
 * One function a subcommand, one file each.  argv are the words behind the
 * subcommand's name; the result is the exit status (INTERFACES.md §1: 0 done,
 * 1 failed, 2 wrong use, 3 not now, 4 tampering found).
 */
int cli_render(int argc, char **argv);	/* exec nodeseal-job render */
int cli_check(int argc, char **argv);	/* exec nodeseal-job check */
int cli_bundle(int argc, char **argv);	/* cli/bundle.h */
int cli_status(int argc, char **argv);
int cli_key(int argc, char **argv);
int cli_pubkey(int argc, char **argv);
int cli_version(int argc, char **argv);

#endif
