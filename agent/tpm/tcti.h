/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_TCTI_H
#define TPM_TCTI_H

#include <tss2/tss2_tcti.h>

#include "base/err.h"

/*
 * How tss2 reaches a TPM: over one open descriptor, so that the process can
 * give up opening anything before it speaks to it.  Either a character device
 * of the kernel (one write is a command, one read its response; Linux
 * Documentation/security/tpm, drivers/char/tpm/tpm-dev-common.c) or a unix
 * socket on which commands and responses follow each other, as swtpm and
 * virtual machines' emulators offer it (swtpm(8), --server type=unixio).
 */
#define TCTI_RESPONSE_MAX 4096

struct tcti {
	TSS2_TCTI_CONTEXT_COMMON_V1 common;	/* first */
	int fd;
	int stream;
	int64_t by;		/* monotonic ms: when patience ends */
	int late;		/* it did */
	uint8_t response[TCTI_RESPONSE_MAX];
	size_t have;
};

/**
 * tcti_open(path, ret_fd, ret_stream, err):
 * Open a character device or connect to a unix socket.  ${err}: NOTFOUND when
 * there is none, TRANSIENT when somebody else has it (EBUSY), DENIED without
 * the right.
 */
int tcti_open(const char *path, int *ret_fd, int *ret_stream,
    struct err *err);
/* tcti_init(t, fd, stream): borrowed descriptor; tcti_patience(t, ms): how long
 * all that follows may take. */
void tcti_init(struct tcti *t, int fd, int stream);
void tcti_patience(struct tcti *t, int ms);

#endif
