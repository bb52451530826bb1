/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include "base/err.h"

/**
 * program_path(name, err):
 * Where our program ${name} is: beside the running one, else in
 * ../libexec/nodeseal of its folder (as installed).  The caller's; NULL and
 * NOTFOUND when in neither.
 */
char *program_path(const char *name, struct err *err);

#endif
