/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_TPM_WIRE_H
#define SEAL_TPM_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "seal/box.h"

/*
 * Between core and nodeseal-tpm, over a stream socket (ipc/frame.h): a request,
 * its answer, at most TPM_REQUESTS_MAX times; then it ends.  The 32 bytes that
 * open a slot travel in a sealed box to the key that came with the request.
 *
 *	TPM_SEAL	make 32 bytes and seal them under the PCRs as they are
 *			now; make the NV counter when it is missing
 *	TPM_OPEN	give the bytes of a blob, and the counter
 *	TPM_COUNT	raise the counter to the target, which is at most one
 *			above it
 *	TPM_FORGET	take the counter away
 */
enum tpm_op { TPM_SEAL = 1, TPM_OPEN, TPM_COUNT, TPM_FORGET, TPM_ANSWER };

#define TPM_REQUESTS_MAX 16
#define TPM_FRAME_MAX 8192
#define TPM_BLOB_MAX 4096
#define TPM_KEY_LEN 32
/* All of a TPM's work for one request. */
#define TPM_ANSWER_MS 25000

/* What a TPM has to say.  Each means another thing to do. */
enum tpm_verdict {
	TPM_OK,
	TPM_ABSENT,		/* no such device */
	TPM_BUSY,		/* somebody else has it, or it is silent */
	TPM_LOCKOUT,		/* its dictionary lock-out forbids it now */
	TPM_PCRS,		/* the machine has not started as it had */
	TPM_REPLACED,		/* another TPM, or it was cleared */
	TPM_REFUSED,		/* a password or a right that we do not have */
	TPM_BROKEN,		/* it fails, or does not have what is needed */
	TPM_VERDICTS
};
/* "ok", "absent", "busy", "lockout", "pcrs", "replaced", "refused",
 * "broken". */
const char *tpm_verdict_name(enum tpm_verdict v);
/* What it is to the agent; ERR_NONE for TPM_OK. */
enum err_kind tpm_verdict_kind(enum tpm_verdict v);

struct tpm_request {
	enum tpm_op op;
	uint8_t pk[BOX_KEY_LEN];	/* SEAL, OPEN */
	uint32_t pcrs;			/* SEAL: a bit for each */
	uint32_t index;			/* SEAL: handle of the counter */
	const uint8_t *blob;		/* the others; borrowed */
	size_t blob_len;
	uint64_t target;		/* COUNT */
};

struct tpm_answer {
	enum tpm_verdict verdict;
	char *message;			/* owned */
	uint8_t *blob;			/* SEAL; owned */
	size_t blob_len;
	uint8_t box[TPM_KEY_LEN + BOX_OVERHEAD];	/* SEAL, OPEN */
	int counted;			/* the counter could be read */
	uint64_t counter;
};
void tpm_answer_clear(struct tpm_answer *a);

/* To and from a frame's body.  What is read is INVALID when malformed; the
 * request borrows from ${data}. */
void tpm_request_write(const struct tpm_request *q, struct buf *out);
int tpm_request_read(struct tpm_request *q, unsigned type, const void *data,
    size_t len, struct err *err);
void tpm_answer_write(const struct tpm_answer *a, struct buf *out);
int tpm_answer_read(struct tpm_answer *a, const void *data, size_t len,
    struct err *err);

/* tpm_pcrs(text): "0+7" or "0,7" as bits; 0 when it is neither. */
uint32_t tpm_pcrs(const char *text);

#endif
