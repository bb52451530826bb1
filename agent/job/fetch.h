/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_FETCH_H
#define JOB_FETCH_H

#include "base/err.h"
#include "job/pipeline.h"
#include "seal/stream.h"

/**
 * fetch_job(fd, require_sandbox, err):
 * The fetch job on one end of the pair: says hello with a one-time public key,
 * opens the request that is sealed to it, and answers every item: JOB_ITEM
 * with its payload sealed to core's key, the plaintext wiped before the next
 * one starts; then JOB_DONE.  Items that fail are answers, not failures.
 */
int fetch_job(int fd, int require_sandbox, struct err *err);

/* fetch_answer(fd, index, r, stream, err): JOB_ITEM; its payload is the next
 * message of ${stream}. */
int fetch_answer(int fd, uint32_t index, const struct pipeline_result *r,
    struct stream *stream, struct err *err);

#endif
