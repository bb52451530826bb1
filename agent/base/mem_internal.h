/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MEM_INTERNAL_H
#define BASE_MEM_INTERNAL_H

#include <stdarg.h>

/* mem_vfmt(fmt, ap): a malloc'd formatted text; never NULL. */
char *mem_vfmt(const char *fmt, va_list ap)
    __attribute__((format(printf, 1, 0)));
/* mem_abort(why): one line on stderr, then abort. */
void mem_abort(const char *why) __attribute__((noreturn));

#endif
