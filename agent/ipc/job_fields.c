/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "ipc/job_internal.h"

int
job_begin(struct wire *w, const struct frame *f, enum job_frame type,
    struct err *err)
{
	if (f->type != (uint16_t)type)
		return (err_set(err, ERR_INVALID,
		    "a frame of type %u where %u was due", f->type,
		    (unsigned)type));
	wire_init(w, f->body.data, f->body.len);
	return (0);
}

char *
job_get_text(struct wire *w, size_t max)
{
	char *s = wire_get_str(w);

	if (strlen(s) <= max)
		return (s);
	w->bad = 1;
	s[0] = '\0';
	return (s);
}

uint8_t *
job_get_copy(struct wire *w, size_t max, size_t *ret_len)
{
	const uint8_t *p = wire_get_bytes(w, ret_len);

	if (p != NULL && *ret_len <= max)
		return (mem_dup(p, *ret_len));
	w->bad = 1;
	*ret_len = 0;
	return (NULL);
}

void
job_get_key(struct wire *w, uint8_t key[static JOB_KEY_LEN])
{
	size_t len;
	const uint8_t *p = wire_get_bytes(w, &len);

#ifdef WEAKEN_JOB_BOUNDS
	if (p != NULL)
#else
	if (p != NULL && len == JOB_KEY_LEN)
#endif
		memcpy(key, p, JOB_KEY_LEN);
	else
		w->bad = 1;
}

size_t
job_get_count(struct wire *w, size_t max, size_t least)
{
	uint32_t n = wire_get_u32(w);

	if (n <= max && n <= w->left / least)
		return (n);
	w->bad = 1;
	return (0);
}

uint32_t
job_get_word(struct wire *w, uint32_t max)
{
	uint32_t v = wire_get_u32(w);

	if (v < 1 || v > max)
		w->bad = 1;
	return (v);
}

void
job_put_text(struct buf *out, const char *s, size_t max)
{
	size_t len = s == NULL ? 0 : strlen(s);

	if (len > max) {
		len = max;
		while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
			len--;
	}
	wire_bytes(out, s == NULL ? "" : s, len);
}
