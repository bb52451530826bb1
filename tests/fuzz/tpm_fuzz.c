/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "seal/tpm_wire.h"
#include "tpm/ops.h"
#include "tpm/tcti.h"

/*
 * Byte 0: a request that nodeseal-tpm reads, an answer that core reads, the
 * PCRs of --key-source, or a TPM that answers the request in the first half
 * with the second half.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
answer(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf b = BUF_PLAIN(TPM_FRAME_MAX);
	uint8_t *exact = mem_dup(data, size);
	struct tpm_answer a, again;

	if (tpm_answer_read(&a, exact, size, NULL) == 0) {
		tpm_verdict_name(a.verdict);
		tpm_verdict_kind(a.verdict);
		tpm_answer_write(&a, &b);
		if (buf_ok(&b) && (tpm_answer_read(&again, b.data, b.len,
		    NULL) == -1 || again.counter != a.counter))
			abort();
		if (buf_ok(&b))
			tpm_answer_clear(&again);
		tpm_answer_clear(&a);
	}
	free(exact);
}

/* What a device's file may be. */
static void
devices(void)
{
	static const char *const paths[] = { "/dev/null", "/nowhere", "/tmp",
		"/dev/tpm-none" };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char longest[200];
	int fd, stream, server;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (tcti_open(paths[i], &fd, &stream, NULL) == 0)
			close(fd);
	snprintf(un.sun_path, sizeof(un.sun_path), "/tmp/nodeseal-fuzz-%d",
	    (int)getpid());
	unlink(un.sun_path);
	server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server == -1 || bind(server, (const struct sockaddr *)&un,
	    sizeof(un)) == -1)
		abort();
	tcti_open(un.sun_path, &fd, &stream, NULL);
	if (listen(server, 1) == -1 ||
	    tcti_open(un.sun_path, &fd, &stream, NULL) == -1 || !stream)
		abort();
	close(fd);
	unlink(un.sun_path);
	close(server);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	tcti_open(longest, &fd, &stream, NULL);
}

/* One command, to a stream or a device, whose response is the bytes. */
static void
command(const uint8_t *data, size_t size, int stream, int hangs)
{
	static const uint8_t question[12] = { 0x80, 1, 0, 0, 0, 12 };
	uint8_t response[TCTI_RESPONSE_MAX];
	TSS2_TCTI_CONTEXT_COMMON_V1 *c;
	size_t len = sizeof(response), least = 4;
	struct tcti t;
	int pair[2];

	if (socketpair(AF_UNIX, stream ? SOCK_STREAM : SOCK_SEQPACKET, 0,
	    pair) == -1)
		abort();
	if (size && write(pair[1], data, size) == -1)
		abort();
	if (!hangs)
		shutdown(pair[1], SHUT_WR);
	tcti_init(&t, pair[0], stream);
	tcti_patience(&t, hangs ? 5 : 1000);
	c = &t.common;
	if (c->transmit((TSS2_TCTI_CONTEXT *)&t, sizeof(question),
	    question) == TSS2_RC_SUCCESS && c->receive(
	    (TSS2_TCTI_CONTEXT *)&t, &len, NULL, -1) == TSS2_RC_SUCCESS) {
		if (len > sizeof(response))
			abort();
		c->receive((TSS2_TCTI_CONTEXT *)&t, &least, response, -1);
		c->receive((TSS2_TCTI_CONTEXT *)&t, &len, response, -1);
	}
	c->cancel((TSS2_TCTI_CONTEXT *)&t);
	c->getPollHandles((TSS2_TCTI_CONTEXT *)&t, NULL, NULL);
	c->setLocality((TSS2_TCTI_CONTEXT *)&t, 1);
	c->finalize((TSS2_TCTI_CONTEXT *)&t);
	close(pair[1]);
	if (stream)
		c->transmit((TSS2_TCTI_CONTEXT *)&t, sizeof(question),
		    question);
	close(pair[0]);
}

/* The whole of nodeseal-tpm's work, with such a TPM. */
static void
play(const struct tpm_request *q, const uint8_t *data, size_t size)
{
	struct tpm_answer a;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		abort();
	if (size && write(pair[1], data, size) == -1)
		abort();
	shutdown(pair[1], SHUT_WR);
	tpm_do(pair[0], 1, q, &a);
	if (a.verdict == TPM_OK && (q->op == TPM_SEAL || q->op == TPM_OPEN))
		abort();
	tpm_answer_clear(&a);
	close(pair[0]);
	close(pair[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf b = BUF_PLAIN(TPM_FRAME_MAX);
	cleanup_free char *text = NULL;
	struct tpm_request q;
	static int once;
	size_t half;

	setenv("TSS2_LOG", "all+none", 1);
	if (size < 2 || size > 8192 || seal_init(NULL) == -1)
		return (0);
	if (!once++)
		devices();
	text = str_ndup((const char *)data + 1, size - 1);
	tpm_pcrs(text);
	answer(data + 1, size - 1);
	command(data + 1, size - 1, data[0] & 1, (data[0] & 6) == 6);
	half = data[0] & 8 ? (size - 2) / 2 : size - 2;
	if (tpm_request_read(&q, TPM_SEAL + data[1] % 4, data + 2, half,
	    NULL) == 0) {
		tpm_request_write(&q, &b);
		play(&q, data + 2 + half, size - 2 - half);
	}
	return (0);
}
