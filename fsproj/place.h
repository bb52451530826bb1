/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FSPROJ_PLACE_H
#define FSPROJ_PLACE_H

#include <sys/types.h>

/**
 * place_peer_dirs(list, peer, ret_path):
 * The directories of ${list} ("DIR[:DIR...]") become the peer's own, mode 0700:
 * where the peer has no right on the node's disk, this program makes the places
 * for its state and its sockets.  A missing last component is made; a symbolic
 * link in its place is refused.  Everything above must be root's, and nothing
 * that this program itself trusts may lie beneath.
 * 0, or -1 with errno and the path in *ret_path (which lives until the next
 * call).
 */
int place_peer_dirs(const char *list, uid_t peer, const char **ret_path);

#endif
