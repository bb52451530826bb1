/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_KEY_SERVER_H
#define CORE_KEY_SERVER_H

#include "core/core_internal.h"

/* Where `nodeseal key` asks (ipc/keys.h).  key_server_new(c, fd, err): serve
 * this listening socket, which is taken over; one of before ends. */
int key_server_new(struct core *c, int fd, struct err *err);
void key_server_free(struct core *c);

#endif
