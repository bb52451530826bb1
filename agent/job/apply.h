/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_APPLY_H
#define JOB_APPLY_H

#include "base/err.h"

/**
 * apply_job(fd, require_sandbox, err):
 * The apply job on one end of the pair: says hello with a one-time public key,
 * opens the request that is sealed to it, writes its Secrets over a few
 * connections to the API server, and answers JOB_APPLIED each, as they are
 * done, then JOB_DONE.  Items that fail are answers, not failures.  It parses
 * no byte of a provider.
 *
 * Every write asks for metadata alone, so that no value comes back.  A Secret
 * that is there costs one request; a second one where keys of somebody else
 * are in it (Owner, Orphan), where we wrote keys that are no more (Merge), or
 * where it is to be deleted.
 */
int apply_job(int fd, int require_sandbox, struct err *err);

#endif
