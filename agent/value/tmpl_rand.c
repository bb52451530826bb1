/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/random.h>

#include "base/secret.h"
#include "value/tmpl_rand.h"

int
tmpl_rand(void *p, size_t n, struct err *err)
{
	unsigned char *at = p;
	ssize_t got;

	for (; n > 0; at += got, n -= (size_t)got) {
		got = getrandom(at, n < 256 ? n : 256, 0);
		if (got <= 0 && errno != EINTR)
			return (err_sys(err, "cannot read randomness"));
		if (got < 0)
			got = 0;
	}
	return (0);
}

int
tmpl_rand_below(uint64_t bound, uint64_t *ret, struct err *err)
{
	uint64_t v, top = UINT64_MAX - (UINT64_MAX % bound + 1) % bound;

	do {
		if (tmpl_rand(&v, sizeof(v), err) == -1)
			return (-1);
	} while (v > top);
	*ret = v % bound;
	return (0);
}

int
tmpl_rand_chars(size_t n, const char *alphabet, size_t count,
    struct buf *out, struct err *err)
{
	unsigned char raw[256];
	size_t i, even = 256 - 256 % count;
	char *at = buf_space(out, n);

	if (at == NULL)
		return (0);
	while (n > 0) {
		if (tmpl_rand(raw, sizeof(raw), err) == -1)
			return (-1);
		for (i = 0; i < sizeof(raw) && n > 0; i++)
			if (raw[i] < even) {
				buf_addc(out, alphabet[raw[i] % count]);
				n--;
			}
	}
	secret_wipe(raw, sizeof(raw));
	return (0);
}
