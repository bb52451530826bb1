/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipc/frame.h"
#include "seal/box.h"
#include "seal/snapshot.h"

/*
 * Bytes that claim to be a sealed file; or, behind a first byte that is odd,
 * the messages of one that is sealed as it should be (reference
 * security-offline.md S11: below the AEAD).  Each message lies behind its
 * length in two bytes; the counts at both ends are written here, unless the
 * first byte's second bit asks for a lie.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 180
#define TYPES 8

static const uint8_t root[RECORD_KEY_LEN] = { 1 };
static uint8_t scratch[SNAPSHOT_SCRATCH];

struct maker {
	struct buf out;
	uint8_t head[HEAD];
	crypto_secretstream_xchacha20poly1305_state stream;
	crypto_generichash_state sum;
	uint32_t counts[TYPES];
};

static void
hash(const uint8_t *key, size_t keylen, const char *word, const void *data,
    size_t len, uint8_t *out, size_t outlen)
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, key, keylen, outlen);
	crypto_generichash_update(&st, (const uint8_t *)word, strlen(word));
	crypto_generichash_update(&st, data, len);
	crypto_generichash_final(&st, out, outlen);
}

/* seal/snapshot.h has the layout. */
static void
begin(struct maker *m)
{
	static const uint8_t start[8] = { 'N', 'S', 'E', 'A', 'L', 0, 0, 1 };
	uint8_t kek[32], key[32], stream[24], *h = m->head;
	uint16_t format = SNAPSHOT_FORMAT, suite = 1;
	uint32_t len = HEAD, epoch = 1;

	memcpy(h, start, 8);
	memcpy(h + 8, &format, 2);
	memcpy(h + 10, &suite, 2);
	memcpy(h + 12, &len, 4);
	memcpy(h + 16, &epoch, 4);
	snapshot_epoch_key(root, epoch, kek);
	hash(kek, 32, "stream", h + HEAD - 80, 32, key, 32);
	hash(key, 32, "commit", h, HEAD - 48, h + HEAD - 48, 32);
	crypto_generichash(h + HEAD - 16, 16, h, HEAD - 16, NULL, 0);
	buf_add(&m->out, h, HEAD);
	crypto_secretstream_xchacha20poly1305_init_push(&m->stream, stream,
	    key);
	buf_add(&m->out, stream, sizeof(stream));
	crypto_generichash_init(&m->sum, NULL, 0, 32);
}

static void
push(struct maker *m, const void *data, size_t len, uint8_t tag)
{
	char *at;

	if (!tag)
		crypto_generichash_update(&m->sum, data, len);
	wire_u32(&m->out, (uint32_t)len + 17);
	at = buf_space(&m->out, len + 17);
	if (!at)
		abort();
	crypto_secretstream_xchacha20poly1305_push(&m->stream, (uint8_t *)at,
	    NULL, data, len, m->head, HEAD, tag);
	m->out.len += len + 17;
}

static void
ends(struct maker *m, uint8_t type)
{
	cleanup_buf struct buf b = BUF_PLAIN(256);
	uint8_t sum[32];

	wire_u8(&b, type);
	for (int i = 2; i < 7; i++)
		wire_u32(&b, m->counts[i]);
	if (type == 7) {
		crypto_generichash_final(&m->sum, sum, sizeof(sum));
		buf_add(&b, sum, sizeof(sum));
	}
	push(m, b.data, b.len, type == 7 ?
	    crypto_secretstream_xchacha20poly1305_TAG_FINAL : 0);
}

/* The next message, and what is behind it; NULL at the end. */
static const uint8_t *
next(const uint8_t **data, size_t *left, size_t *ret_len)
{
	const uint8_t *at = *data + 2;
	size_t n;

	if (*left < 3)
		return (NULL);
	n = (size_t)((*data)[0] | (*data)[1] << 8);
	n = n < *left - 2 ? n : *left - 2;
	*data = at + n;
	*left -= n + 2;
	*ret_len = n;
	return (at);
}

static void
messages(struct maker *m, const uint8_t *data, size_t size, int lie)
{
	const uint8_t *at = data, *p;
	size_t left = size, n;

	while ((p = next(&at, &left, &n)))
		if (n && p[0] < TYPES)
			m->counts[p[0]]++;
	begin(m);
	ends(m, 1);
	while ((p = next(&data, &size, &n)))
		push(m, p, n, 0);
	m->counts[3] += (uint32_t)lie;
	ends(m, 7);
}

static void
read_it(const void *data, size_t size)
{
	cleanup_buf struct buf b = BUF_PLAIN(1 << 20);
	struct snapshot s, again;
	unsigned format;

	snapshot_peek(data, size, &s.head, &format, NULL);
	if (snapshot_read(root, data, size, scratch, &s, NULL) == -1)
		return;
	/* What was read is written, and read again. */
	if (snapshot_write(root, &s, scratch, &b, NULL) == 0) {
		if (snapshot_read(root, b.data, b.len, scratch, &again,
		    NULL) == -1 || again.nvalues != s.nvalues ||
		    again.nobjects != s.nobjects)
			abort();
		snapshot_clear(&again);
	}
	snapshot_clear(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct maker m = { .out = BUF_PLAIN(1 << 20) };
	uint8_t *exact;

	if (size == 0 || size > 65536 || seal_init(NULL) == -1)
		return (0);
	if (data[0] & 1) {
		messages(&m, data + 1, size - 1, data[0] & 2);
		exact = mem_dup(m.out.data, m.out.len);
		read_it(exact, m.out.len);
		free(exact);
	} else
		read_it(data + 1, size - 1);
	buf_clear(&m.out);
	return (0);
}
