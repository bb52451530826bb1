/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mman.h>

#include "base/secret.h"
#include "ipc/job.h"
#include "job/sealed.h"
#include "seal/box.h"

#define SEND_TIMEOUT_MS 30000

int
locked_new(struct locked *l, size_t size, struct err *err)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return (err_sys(err, "memory for the request"));
	/* best effort: the limit may be small, the life is short */
	(void)mlock(p, size);
	(void)madvise(p, size, MADV_DONTDUMP);
	l->data = p;
	l->size = size;
	return (0);
}

void
locked_free(struct locked *l)
{
	if (l->data == NULL)
		return;
	secret_wipe(l->data, l->size);
	munmap(l->data, l->size);
	l->data = NULL;
}

int
sealed_hello(int fd, struct locked *keys, struct err *err)
{
	if (locked_new(keys, 2 * BOX_KEY_LEN, err) == -1)
		return (-1);
	box_keypair(keys->data, keys->data + BOX_KEY_LEN);
	return (frame_send(fd, JOB_HELLO, keys->data, BOX_KEY_LEN, NULL, 0,
	    SEND_TIMEOUT_MS, err));
}

int
sealed_open(const struct locked *keys, const struct frame *f,
    struct locked *plain, size_t *ret_len, struct err *err)
{
	if (f->body.len < BOX_OVERHEAD)
		return (err_set(err, ERR_INVALID, "no request"));
	*ret_len = f->body.len - BOX_OVERHEAD;
	if (locked_new(plain, *ret_len + 1, err) == -1)
		return (-1);
	return (box_open(keys->data, keys->data + BOX_KEY_LEN, f->body.data,
	    f->body.len, plain->data, err));
}
