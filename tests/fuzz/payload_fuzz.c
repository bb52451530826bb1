/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/payload.h"

/*
 * A block that claims to be a payload.  What is read lies inside it to the last
 * byte, and written again it is the same block: there is one form only.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned
touch(const struct payload_entry *v, size_t n)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < v[i].keylen; k++)
			sum += (unsigned char)v[i].key[k];
		for (uint32_t k = 0; k < v[i].len; k++)
			sum += v[i].value[k];
	}
	return (sum);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *own = malloc(size == 0 ? 1 : size);	/* exactly its size */
	struct buf again = BUF_SECRET(PAYLOAD_MAX);
	struct payload p;

	if (size > 0)
		memcpy(own, data, size);
	if (payload_read(&p, own, size, NULL) == 0) {
		if (touch(p.labels, p.nlabels) > UINT32_MAX / 2 ||
		    touch(p.annotations, p.nannotations) > UINT32_MAX / 2 ||
		    touch(p.data, p.ndata) > UINT32_MAX / 2)
			abort();
		payload_find(&p, "tls.crt");
		if (payload_write(&p, &again, NULL) == -1 ||
		    again.len != size || memcmp(again.data, own, size) != 0)
			abort();
		payload_clear(&p);
	}
	buf_clear(&again);
	free(own);
	return (0);
}
