/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipc/frame.h"
#include "seal/tpm_wire.h"

static const struct {
	const char *name;
	enum err_kind kind;
} verdicts[TPM_VERDICTS] = {
	[TPM_OK] = { "ok", ERR_NONE },
	[TPM_ABSENT] = { "absent", ERR_NOTFOUND },
	[TPM_BUSY] = { "busy", ERR_TRANSIENT },
	[TPM_LOCKOUT] = { "lockout", ERR_TRANSIENT },
	[TPM_PCRS] = { "pcrs", ERR_DENIED },
	[TPM_REPLACED] = { "replaced", ERR_DENIED },
	[TPM_REFUSED] = { "refused", ERR_DENIED },
	[TPM_BROKEN] = { "broken", ERR_INTERNAL },
};

const char *
tpm_verdict_name(enum tpm_verdict v)
{
	return (verdicts[v].name);
}

enum err_kind
tpm_verdict_kind(enum tpm_verdict v)
{
	return (verdicts[v].kind);
}

void
tpm_answer_clear(struct tpm_answer *a)
{
	free(STEAL(a->message));
	free(STEAL(a->blob));
	a->blob_len = 0;
}

void
tpm_request_write(const struct tpm_request *q, struct buf *out)
{
	wire_bytes(out, q->pk, sizeof(q->pk));
	wire_u32(out, q->pcrs);
	wire_u32(out, q->index);
	wire_bytes(out, q->blob, q->blob_len);
	wire_u64(out, q->target);
}

int
tpm_request_read(struct tpm_request *q, unsigned type, const void *data,
    size_t len, struct err *err)
{
	const uint8_t *pk;
	struct wire w;
	size_t n;

	memset(q, 0, sizeof(*q));
	wire_init(&w, data, len);
	q->op = (enum tpm_op)type;
	pk = wire_get_bytes(&w, &n);
	if (n == sizeof(q->pk))
		memcpy(q->pk, pk, n);
	else
		w.bad = 1;
	q->pcrs = wire_get_u32(&w);
	q->index = wire_get_u32(&w);
	q->blob = wire_get_bytes(&w, &q->blob_len);
	q->target = wire_get_u64(&w);
	if (type < TPM_SEAL || type > TPM_FORGET ||
	    q->blob_len > TPM_BLOB_MAX)
		w.bad = 1;
	return (wire_done(&w, "request to the TPM", err));
}

void
tpm_answer_write(const struct tpm_answer *a, struct buf *out)
{
	wire_u8(out, (uint8_t)a->verdict);
	wire_str(out, a->message);
	wire_bytes(out, a->blob, a->blob_len);
	wire_bytes(out, a->box, sizeof(a->box));
	wire_u8(out, (uint8_t)a->counted);
	wire_u64(out, a->counter);
}

int
tpm_answer_read(struct tpm_answer *a, const void *data, size_t len,
    struct err *err)
{
	const uint8_t *p;
	struct wire w;
	size_t n;

	memset(a, 0, sizeof(*a));
	wire_init(&w, data, len);
	a->verdict = (enum tpm_verdict)wire_get_u8(&w);
	a->message = wire_get_str(&w);
	p = wire_get_bytes(&w, &n);
	if (n > TPM_BLOB_MAX || a->verdict >= TPM_VERDICTS)
		w.bad = 1;
	else if (n) {
		a->blob = mem_dup(p, n);
		a->blob_len = n;
	}
	p = wire_get_bytes(&w, &n);
#ifndef WEAKEN_TPM_WIRE_BOUNDS
	if (n == sizeof(a->box))
#else
	if (p)
#endif
		memcpy(a->box, p, sizeof(a->box));
	else
		w.bad = 1;
	a->counted = wire_get_u8(&w) != 0;
	a->counter = wire_get_u64(&w);
	if (wire_done(&w, "answer of the TPM", err) == -1) {
		tpm_answer_clear(a);
		return (-1);
	}
	return (0);
}

uint32_t
tpm_pcrs(const char *text)
{
	uint32_t bits = 0;
	char *end;
	long n;

	do {
		n = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : 24;
		if (n > 23)
			return (0);
		bits |= 1u << n;
		text = end + 1;
	} while (*end == '+' || *end == ',');
	return (*end == '\0' ? bits : 0);
}
