/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sandbox.h"
#include "ipc/frame.h"
#include "seal/box.h"

#include "tpm/ops.h"
#include "tpm/tcti.h"

/*
 * nodeseal-tpm: asks a TPM for one key, and ends.  It alone links tss2 and its
 * OpenSSL.  The agent starts it with one end of a socket pair; the device is
 * opened, then every right is given up, then the first request is read.
 */
#define EXIT_NOT_NOW 3

struct options {
	const char *device;
	long fd, uid;
};

static int
usage(void)
{
	fputs("usage: nodeseal-tpm --fd N --device PATH [--user UID]\n"
	    "nodeseal run and nodeseal key start it.\n"
	    "Exit status: 0 done, 1 the TPM refuses or fails, 2 wrong use,\n"
	    "3 not now: no TPM, busy, or locked out.\n", stderr);
	return (2);
}

static int
parse(int argc, char **argv, struct options *o)
{
	int i;

	for (i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--fd") == 0)
			o->fd = strtol(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--device") == 0)
			o->device = argv[i + 1];
		else if (strcmp(argv[i], "--user") == 0)
			o->uid = strtol(argv[i + 1], NULL, 10);
		else
			return (-1);
	}
	return (i == argc && o->fd > 2 && o->device ? 0 : -1);
}

static enum tpm_verdict
verdict_of(const struct err *err)
{
	switch (err->kind) {
	case ERR_NOTFOUND:
		return (TPM_ABSENT);
	case ERR_TRANSIENT:
		return (TPM_BUSY);
	case ERR_DENIED:
		return (TPM_REFUSED);
	default:
		return (TPM_BROKEN);
	}
}

/* The device first: the uid that follows has no right to it. */
static int
prepare(const struct options *o, int *ret_fd, int *ret_stream,
    struct err *err)
{
	static const char *const nothing[] = { NULL };
	struct sandbox_paths paths = { .read = nothing };
	struct sandbox_report report = { .n = 0 };

	if (tcti_open(o->device, ret_fd, ret_stream, err) == -1)
		return (-1);
	if (sandbox_user((uid_t)o->uid, err) == -1)
		return (-1);
	return (sandbox_enter(SANDBOX_TPM, &paths, 0, &report, err));
}

static int
answer(int fd, const struct tpm_answer *a)
{
	cleanup_buf struct buf b = BUF_PLAIN(TPM_FRAME_MAX);

	tpm_answer_write(a, &b);
	if (!buf_ok(&b))
		return (-1);
	return (frame_send(fd, TPM_ANSWER, b.data, b.len, NULL, 0,
	    TPM_ANSWER_MS, NULL));
}

/* One request and its answer; 0 at the end. */
static int
serve(int fd, int tpm, int stream, const struct err *broken,
    enum tpm_verdict *ret)
{
	struct tpm_answer a = { .verdict = TPM_OK };
	struct tpm_request q;
	cleanup_frame struct frame f;
	int rc;

	frame_init(&f, TPM_FRAME_MAX);
	if (frame_recv(fd, &f, -1, NULL) != 1 ||
	    tpm_request_read(&q, f.type, f.body.data, f.body.len, NULL) == -1)
		return (0);
	if (broken->kind == ERR_NONE) {
		tpm_do(tpm, stream, &q, &a);
	} else {
		a.verdict = verdict_of(broken);
		a.message = str_dup(err_msg(broken));
	}
	rc = answer(fd, &a) == 0;
	*ret = a.verdict;
	tpm_answer_clear(&a);
	return (rc);
}

int
main(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	struct options o = { .fd = -1, .uid = 65532 };
	enum tpm_verdict last = TPM_OK;
	int tpm = -1, stream = 0;

	if (parse(argc, argv, &o) == -1)
		return (usage());
	/* Ours are the words about what a TPM refuses. */
	setenv("TSS2_LOG", "all+none", 1);
	if (seal_init(&err) == -1 || prepare(&o, &tpm, &stream, &err) == -1)
		fprintf(stderr, "nodeseal-tpm: %s\n", err_msg(&err));
	for (int i = 0; i < TPM_REQUESTS_MAX; i++)
		if (!serve((int)o.fd, tpm, stream, &err, &last))
			break;
	if (last == TPM_OK)
		return (0);
	return (tpm_verdict_kind(last) == ERR_DENIED ||
	    tpm_verdict_kind(last) == ERR_INTERNAL ? 1 : EXIT_NOT_NOW);
}
