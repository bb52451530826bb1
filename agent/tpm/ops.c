/* SPDX-License-Identifier: Apache-2.0 */
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/secret.h"
#include "ipc/frame.h"
#include "seal/box.h"
#include "seal/record.h"

#include "tpm/ops.h"
#include "tpm/tcti.h"

#define BLOB_VERSION 1
#define NONE ESYS_TR_NONE
/* A TPM that is busy is asked again for so long. */
#define PATIENCE_MS 15000
#define BUSY_TRIES 20
#define BUSY_WAIT_MS 200

struct tpm {
	struct tcti tcti;
	ESYS_CONTEXT *esys;
	ESYS_TR primary;
	struct tpm_answer *a;
};

/* What a blob says. */
struct parts {
	uint32_t pcrs, index;
	TPM2B_NAME parent;
	TPM2B_PUBLIC public;
	TPM2B_PRIVATE private;
};

/* --- what a refusal means -------------------------------------------- */

static const struct {
	TSS2_RC rc;
	enum tpm_verdict verdict;
	const char *say;
} meanings[] = {
	{ TPM2_RC_LOCKOUT, TPM_LOCKOUT, "the TPM is in its dictionary attack "
	    "lock-out: wait, or tpm2_dictionarylockout --clear-lockout" },
	{ TPM2_RC_RETRY, TPM_BUSY, "the TPM is busy" },
	{ TPM2_RC_YIELDED, TPM_BUSY, "the TPM is busy" },
	{ TPM2_RC_TESTING, TPM_BUSY, "the TPM is testing itself" },
	{ TPM2_RC_CANCELED, TPM_BUSY, "the TPM was told to stop" },
	{ TPM2_RC_NV_RATE, TPM_BUSY, "the TPM spares its counter: too many "
	    "steps in a row" },
	{ TPM2_RC_OBJECT_MEMORY, TPM_BUSY, "the TPM has no room for another "
	    "object: use its resource manager /dev/tpmrm0" },
	{ TPM2_RC_SESSION_MEMORY, TPM_BUSY, "the TPM has no room for another "
	    "session: use its resource manager /dev/tpmrm0" },
	{ TPM2_RC_POLICY_FAIL, TPM_PCRS, "the machine was not started as it "
	    "was when the key was sealed: the PCRs have changed" },
	{ TPM2_RC_PCR_CHANGED, TPM_BUSY, "the PCRs change just now" },
	{ TPM2_RC_INTEGRITY, TPM_REPLACED, "this TPM did not seal the key" },
	{ TPM2_RC_BAD_AUTH, TPM_REFUSED, "the TPM's owner hierarchy has a "
	    "password" },
	{ TPM2_RC_AUTH_FAIL, TPM_REFUSED, "the TPM wants a password" },
	{ TPM2_RC_INITIALIZE, TPM_BROKEN, "the TPM was not started "
	    "(TPM2_Startup)" },
	{ TPM2_RC_FAILURE, TPM_BROKEN, "the TPM is in failure mode" },
	{ TPM2_RC_NV_SPACE, TPM_BROKEN, "the TPM has no room for a counter" },
	{ TPM2_RC_HIERARCHY, TPM_REFUSED, "the TPM's owner hierarchy is "
	    "switched off" },
};

static int
say(struct tpm *t, enum tpm_verdict verdict, char *message)
{
	t->a->verdict = verdict;
	mem_cleanup_free(&t->a->message);
	t->a->message = message;
	return (-1);
}

/* Without the number of the handle, session or parameter. */
static TSS2_RC
plain(TSS2_RC rc)
{
	if (rc & TPM2_RC_FMT1)
		return (rc & ~(TPM2_RC_N_MASK | TPM2_RC_P));
	return (rc);
}

static int
refused(struct tpm *t, const char *what, TSS2_RC rc)
{
	size_t i;

	if (t->tcti.late)
		return (say(t, TPM_BUSY, str_fmt("%s: the TPM does not "
		    "answer: somebody else has it, or it hangs", what)));
	for (i = 0; i < ARRAY_LEN(meanings); i++)
		if (meanings[i].rc == plain(rc))
			return (say(t, meanings[i].verdict, str_fmt("%s: %s",
			    what, meanings[i].say)));
	return (say(t, TPM_BROKEN, str_fmt("%s: the TPM answers 0x%x", what,
	    (unsigned)rc)));
}

/* --- the parent ------------------------------------------------------ */

static const TPM2B_PUBLIC primary_template = { .publicArea = {
	.type = TPM2_ALG_ECC, .nameAlg = TPM2_ALG_SHA256,
	.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
	    TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
	    TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_NODA,
	.parameters.eccDetail = {
	    .symmetric = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128,
		.mode.aes = TPM2_ALG_CFB },
	    .scheme.scheme = TPM2_ALG_NULL, .curveID = TPM2_ECC_NIST_P256,
	    .kdf.scheme = TPM2_ALG_NULL } } };
static const TPM2B_SENSITIVE_CREATE no_sensitive;
static const TPM2B_DATA no_data;
static const TPML_PCR_SELECTION no_pcrs;
static const TPMT_SYM_DEF aes = { .algorithm = TPM2_ALG_AES,
	.keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB };

/* ${expect}: the name that it must have; NULL any. */
static int
parent_make(struct tpm *t, const TPM2B_NAME *expect)
{
	TPM2B_NAME *name = NULL;
	int same;
	TSS2_RC rc = Esys_CreatePrimary(t->esys, ESYS_TR_RH_OWNER,
	    ESYS_TR_PASSWORD, NONE, NONE, &no_sensitive, &primary_template,
	    &no_data, &no_pcrs, &t->primary, NULL, NULL, NULL, NULL);

	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_TR_GetName(t->esys, t->primary, &name);
	if (rc != TSS2_RC_SUCCESS)
		return (refused(t, "storage key", rc));
	same = !expect || (name->size == expect->size &&
	    memcmp(name->name, expect->name, name->size) == 0);
	Esys_Free(name);
	return (same ? 0 : say(t, TPM_REPLACED, str_dup("this is not the TPM "
	    "that sealed the key, or it was cleared since")));
}

static int
name_of_parent(struct tpm *t, TPM2B_NAME *ret)
{
	TPM2B_NAME *name = NULL;
	TSS2_RC rc = Esys_TR_GetName(t->esys, t->primary, &name);

	if (rc != TSS2_RC_SUCCESS)
		return (refused(t, "storage key", rc));
	*ret = *name;
	Esys_Free(name);
	return (0);
}

static int
session_new(struct tpm *t, TPM2_SE type, TPMA_SESSION how, ESYS_TR *ret)
{
	TSS2_RC rc = Esys_StartAuthSession(t->esys, t->primary, NONE, NONE,
	    NONE, NONE, NULL, type, &aes, TPM2_ALG_SHA256, ret);

	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_TRSess_SetAttributes(t->esys, *ret,
		    how | TPMA_SESSION_CONTINUESESSION, 0xff);
	return (rc == TSS2_RC_SUCCESS ? 0 : refused(t, "session", rc));
}

static void
flush(struct tpm *t, ESYS_TR *handle)
{
	if (*handle != NONE)
		Esys_FlushContext(t->esys, *handle);
	*handle = NONE;
}

/* --- PCRs ------------------------------------------------------------ */

static TPML_PCR_SELECTION
selection(uint32_t pcrs)
{
	return ((TPML_PCR_SELECTION){ .count = 1, .pcrSelections = { {
	    .hash = TPM2_ALG_SHA256, .sizeofSelect = 3, .pcrSelect = {
	    pcrs & 0xff, pcrs >> 8 & 0xff, pcrs >> 16 & 0xff } } } });
}

/* A bank that is switched off would make a policy that asks for nothing. */
static int
pcrs_check(struct tpm *t, uint32_t pcrs)
{
	TPMS_CAPABILITY_DATA *cap = NULL;
	uint32_t has = 0;
	TPMI_YES_NO more;
	TSS2_RC rc = Esys_GetCapability(t->esys, NONE, NONE, NONE,
	    TPM2_CAP_PCRS, 0, 1, &more, &cap);

	if (rc != TSS2_RC_SUCCESS)
		return (refused(t, "PCRs", rc));
	for (uint32_t i = 0; i < cap->data.assignedPCR.count; i++) {
		const TPMS_PCR_SELECTION *s =
		    &cap->data.assignedPCR.pcrSelections[i];

		if (s->hash == TPM2_ALG_SHA256)
			for (uint32_t j = 0; j < s->sizeofSelect && j < 3; j++)
				has |= (uint32_t)s->pcrSelect[j] << 8 * j;
	}
	Esys_Free(cap);
	if (pcrs == 0 || (has & pcrs) != pcrs)
		return (say(t, TPM_BROKEN, str_dup("the TPM has no SHA-256 "
		    "bank with these PCRs")));
	return (0);
}

static int
policy(struct tpm *t, TPM2_SE type, uint32_t pcrs, ESYS_TR *ret)
{
	TPML_PCR_SELECTION which = selection(pcrs);
	TSS2_RC rc = TSS2_RC_SUCCESS;

	if (session_new(t, type, type == TPM2_SE_TRIAL ? 0 :
	    TPMA_SESSION_ENCRYPT, ret) == -1)
		return (-1);
#ifndef WEAKEN_TPM_PCRS
	rc = Esys_PolicyPCR(t->esys, *ret, NONE, NONE, NONE, NULL, &which);
#else
	(void)which;
#endif
	return (rc == TSS2_RC_SUCCESS ? 0 : refused(t, "policy", rc));
}

static int
policy_digest(struct tpm *t, uint32_t pcrs, TPM2B_DIGEST *ret)
{
	TPM2B_DIGEST *digest = NULL;
	ESYS_TR session = NONE;
	TSS2_RC rc;
	int ok = policy(t, TPM2_SE_TRIAL, pcrs, &session);

	if (ok == 0) {
		rc = Esys_PolicyGetDigest(t->esys, session, NONE, NONE, NONE,
		    &digest);
		if (rc == TSS2_RC_SUCCESS)
			*ret = *digest;
		else
			ok = refused(t, "policy", rc);
	}
	Esys_Free(digest);
	flush(t, &session);
	return (ok);
}

/* --- blobs ----------------------------------------------------------- */

static void
blob_write(struct tpm *t, const struct parts *p)
{
	cleanup_buf struct buf b = BUF_PLAIN(TPM_BLOB_MAX);
	uint8_t public[sizeof(TPM2B_PUBLIC)];
	size_t len = 0;

	Tss2_MU_TPM2B_PUBLIC_Marshal(&p->public, public, sizeof(public),
	    &len);
	wire_u32(&b, BLOB_VERSION);
	wire_u32(&b, p->pcrs);
	wire_u32(&b, p->index);
	wire_bytes(&b, p->parent.name, p->parent.size);
	wire_bytes(&b, public, len);
	wire_bytes(&b, p->private.buffer, p->private.size);
	t->a->blob = mem_dup(b.data, b.len);
	t->a->blob_len = b.len;
}

static void
fixed(struct wire *w, void *out, uint16_t *ret_len, size_t max)
{
	size_t n;
	const uint8_t *p = wire_get_bytes(w, &n);

	if (!p || n > max) {
		w->bad = 1;
		return;
	}
	memcpy(out, p, n);
	*ret_len = (uint16_t)n;
}

static int
blob_read(struct tpm *t, const struct tpm_request *q, struct parts *p)
{
	const uint8_t *public;
	size_t n, at = 0;
	struct wire w;

	memset(p, 0, sizeof(*p));
	wire_init(&w, q->blob, q->blob_len);
	if (wire_get_u32(&w) != BLOB_VERSION)
		w.bad = 1;
	p->pcrs = wire_get_u32(&w);
	p->index = wire_get_u32(&w);
	fixed(&w, p->parent.name, &p->parent.size, sizeof(p->parent.name));
	public = wire_get_bytes(&w, &n);
	if (!public || Tss2_MU_TPM2B_PUBLIC_Unmarshal(public, n, &at,
	    &p->public) != TSS2_RC_SUCCESS || at != n)
		w.bad = 1;
	fixed(&w, p->private.buffer, &p->private.size,
	    sizeof(p->private.buffer));
	if (wire_done(&w, "blob", NULL) == -1)
		return (say(t, TPM_BROKEN, str_dup("the slot's blob is "
		    "malformed")));
	return (0);
}

/* --- the counter ----------------------------------------------------- */

static int
counter_find(struct tpm *t, uint32_t index, ESYS_TR *ret)
{
	TSS2_RC rc = Esys_TR_FromTPMPublic(t->esys, index, NONE, NONE, NONE,
	    ret);

	if (plain(rc) == TPM2_RC_HANDLE)
		return (say(t, TPM_REPLACED, str_dup("the TPM has no counter "
		    "of this node any more")));
	return (rc == TSS2_RC_SUCCESS ? 0 : refused(t, "counter", rc));
}

static int
counter_define(struct tpm *t, uint32_t index, ESYS_TR *ret)
{
	TPM2B_NV_PUBLIC public = { .nvPublic = { .nvIndex = index,
		.nameAlg = TPM2_ALG_SHA256, .dataSize = 8,
		.attributes = TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE |
#ifndef WEAKEN_TPM_NODA
		    TPMA_NV_NO_DA |
#endif
		    TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT } };
	static const TPM2B_AUTH empty;
	TSS2_RC rc = Esys_NV_DefineSpace(t->esys, ESYS_TR_RH_OWNER,
	    ESYS_TR_PASSWORD, NONE, NONE, &empty, &public, ret);

	return (rc == TSS2_RC_SUCCESS ? 0 : refused(t, "counter", rc));
}

static int
counter_read(struct tpm *t, ESYS_TR index, ESYS_TR session)
{
	TPM2B_MAX_NV_BUFFER *data = NULL;
	uint64_t v = 0;
	TSS2_RC rc = Esys_NV_Read(t->esys, index, index, session, NONE, NONE,
	    8, 0, &data);

	if (rc != TSS2_RC_SUCCESS)
		return (refused(t, "counter", rc));
	for (uint16_t i = 0; i < data->size && i < 8; i++)
		v = v << 8 | data->buffer[i];
	Esys_Free(data);
	t->a->counter = v;
	t->a->counted = 1;
	return (0);
}

static int
counter_step(struct tpm *t, ESYS_TR index, ESYS_TR session)
{
	TSS2_RC rc = Esys_NV_Increment(t->esys, index, index, session, NONE,
	    NONE);

	return (rc == TSS2_RC_SUCCESS ? 0 : refused(t, "counter", rc));
}

/* Read it; before that make it, or take the one step to ${target}. */
static int
counter_do(struct tpm *t, uint32_t index, int make, uint64_t target)
{
	ESYS_TR nv = NONE, session = NONE;
	int ok, is_new = 0;

	ok = counter_find(t, index, &nv);
	if (ok == -1 && make && t->a->verdict == TPM_REPLACED) {
		say(t, TPM_OK, NULL);
		ok = counter_define(t, index, &nv);
		is_new = 1;
	}
	if (ok == 0)
		ok = session_new(t, TPM2_SE_HMAC, 0, &session);
	/* One that was never raised cannot be read. */
	if (ok == 0 && is_new)
		ok = counter_step(t, nv, session);
	if (ok == 0)
		ok = counter_read(t, nv, session);
	if (ok == 0 && target && t->a->counter + 1 == target &&
	    (ok = counter_step(t, nv, session)) == 0)
		ok = counter_read(t, nv, session);
	flush(t, &session);
	return (ok);
}

/* --- the four requests ----------------------------------------------- */

static int
seal_under(struct tpm *t, struct parts *p, const uint8_t *key,
    const TPM2B_DIGEST *digest)
{
	TPM2B_PUBLIC template = { .publicArea = { .type = TPM2_ALG_KEYEDHASH,
		.nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = TPMA_OBJECT_FIXEDTPM |
		    TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA,
		.authPolicy = *digest,
		.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL } };
	TPM2B_SENSITIVE_CREATE in = { .sensitive.data.size = TPM_KEY_LEN };
	TPM2B_PRIVATE *private = NULL;
	TPM2B_PUBLIC *public = NULL;
	ESYS_TR session = NONE;
	TSS2_RC rc;
	int ok = session_new(t, TPM2_SE_HMAC, TPMA_SESSION_DECRYPT, &session);

	if (ok == 0) {
		memcpy(in.sensitive.data.buffer, key, TPM_KEY_LEN);
		rc = Esys_Create(t->esys, t->primary, session, NONE, NONE,
		    &in, &template, &no_data, &no_pcrs, &private, &public,
		    NULL, NULL, NULL);
		secret_wipe(&in, sizeof(in));
		if (rc == TSS2_RC_SUCCESS) {
			p->private = *private;
			p->public = *public;
		} else
			ok = refused(t, "sealing", rc);
	}
	Esys_Free(private);
	Esys_Free(public);
	flush(t, &session);
	return (ok);
}

static int
box_it(struct tpm *t, const struct tpm_request *q, const uint8_t *key)
{
	cleanup_buf struct buf b = BUF_PLAIN(sizeof(t->a->box));

	if (box_seal(q->pk, key, TPM_KEY_LEN, &b, NULL) == -1)
		return (say(t, TPM_BROKEN, str_dup("no key came to seal "
		    "to")));
	memcpy(t->a->box, b.data, sizeof(t->a->box));
	return (0);
}

static int
do_seal(struct tpm *t, const struct tpm_request *q)
{
	struct parts p = { .pcrs = q->pcrs, .index = q->index };
	uint8_t key[TPM_KEY_LEN];
	TPM2B_DIGEST digest;
	int ok;

	record_random(key, sizeof(key));
	ok = pcrs_check(t, q->pcrs) == -1 || parent_make(t, NULL) == -1 ||
	    name_of_parent(t, &p.parent) == -1 ||
	    policy_digest(t, q->pcrs, &digest) == -1 ||
	    seal_under(t, &p, key, &digest) == -1 ||
	    counter_do(t, q->index, 1, 0) == -1 ||
	    box_it(t, q, key) == -1 ? -1 : 0;
	secret_wipe(key, sizeof(key));
	if (ok == 0)
		blob_write(t, &p);
	return (ok);
}

static int
unseal(struct tpm *t, const struct tpm_request *q, const struct parts *p)
{
	ESYS_TR item = NONE, session = NONE;
	TPM2B_SENSITIVE_DATA *data = NULL;
	TSS2_RC rc = Esys_Load(t->esys, t->primary, ESYS_TR_PASSWORD, NONE,
	    NONE, &p->private, &p->public, &item);
	int ok = rc == TSS2_RC_SUCCESS ? policy(t, TPM2_SE_POLICY, p->pcrs,
	    &session) : refused(t, "key", rc);

	if (ok == 0) {
		rc = Esys_Unseal(t->esys, item, session, NONE, NONE, &data);
		if (rc != TSS2_RC_SUCCESS)
			ok = refused(t, "key", rc);
		else if (data->size != TPM_KEY_LEN)
			ok = say(t, TPM_BROKEN, str_dup("the TPM gave "
			    "something else"));
		else
			ok = box_it(t, q, data->buffer);
	}
	if (data) {
		secret_wipe(data, sizeof(*data));
		Esys_Free(data);
	}
	flush(t, &session);
	flush(t, &item);
	return (ok);
}

/* The key is worth more than the counter: without that one it is given too,
 * with what is wrong. */
static int
do_open(struct tpm *t, const struct tpm_request *q, const struct parts *p)
{
	if (parent_make(t, &p->parent) == -1 || unseal(t, q, p) == -1)
		return (-1);
	if (counter_do(t, p->index, 0, 0) == -1)
		t->a->verdict = TPM_OK;
	return (0);
}

static int
do_forget(struct tpm *t, const struct parts *p)
{
	ESYS_TR nv = NONE;
	TSS2_RC rc;

	if (counter_find(t, p->index, &nv) == -1)
		return (-1);
	rc = Esys_NV_UndefineSpace(t->esys, ESYS_TR_RH_OWNER, nv,
	    ESYS_TR_PASSWORD, NONE, NONE);
	return (rc == TSS2_RC_SUCCESS ? 0 : refused(t, "counter", rc));
}

static int
request(struct tpm *t, const struct tpm_request *q)
{
	struct parts p;

	if (q->op == TPM_SEAL)
		return (do_seal(t, q));
	if (blob_read(t, q, &p) == -1)
		return (-1);
	if (q->op == TPM_OPEN)
		return (do_open(t, q, &p));
	if (parent_make(t, &p.parent) == -1)
		return (-1);
	return (q->op == TPM_COUNT ? counter_do(t, p.index, 0, q->target) :
	    do_forget(t, &p));
}

static int
once(int fd, int stream, int patience_ms, const struct tpm_request *q,
    struct tpm_answer *a)
{
	struct tpm t = { .primary = NONE, .a = a };
	TSS2_RC rc;
	int ok;

	tcti_init(&t.tcti, fd, stream);
	tcti_patience(&t.tcti, patience_ms);
	rc = Esys_Initialize(&t.esys, (TSS2_TCTI_CONTEXT *)&t.tcti, NULL);
	if (rc != TSS2_RC_SUCCESS)
		return (refused(&t, "start", rc));
	ok = request(&t, q);
	flush(&t, &t.primary);
	Esys_Finalize(&t.esys);
	return (ok);
}

void
tpm_do(int fd, int stream, const struct tpm_request *q, struct tpm_answer *a)
{
	struct timespec pause = { 0, BUSY_WAIT_MS * 1000000l };
	struct timespec start, now;
	int64_t gone = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < BUSY_TRIES; i++) {
		memset(a, 0, sizeof(*a));
		if (once(fd, stream, PATIENCE_MS - (int)gone, q, a) == 0 ||
		    a->verdict != TPM_BUSY)
			return;
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		gone = (now.tv_sec - start.tv_sec) * 1000ll +
		    (now.tv_nsec - start.tv_nsec) / 1000000;
		if (gone + BUSY_WAIT_MS >= PATIENCE_MS)
			return;
		if (i + 1 < BUSY_TRIES)
			tpm_answer_clear(a);
	}
}
