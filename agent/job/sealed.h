/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_SEALED_H
#define JOB_SEALED_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ipc/frame.h"

/*
 * Requests that are sealed to a child's one-time key: JOB_HELLO goes out, one
 * sealed frame comes back.
 */

/* Memory that is neither swapped nor dumped, where the limits allow. */
struct locked {
	uint8_t *data;
	size_t size;
};
int locked_new(struct locked *l, size_t size, struct err *err);
void locked_free(struct locked *l);	/* wiped first */
#define cleanup_locked __attribute__((cleanup(locked_free)))

/* sealed_hello(fd, keys, err): a new pair (public key, then secret key), and
 * its public half sent. */
int sealed_hello(int fd, struct locked *keys, struct err *err);
/* sealed_open(keys, f, plain, ret_len, err): the frame's body, opened. */
int sealed_open(const struct locked *keys, const struct frame *f,
    struct locked *plain, size_t *ret_len, struct err *err);

#endif
