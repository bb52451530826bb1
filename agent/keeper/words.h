/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEEPER_WORDS_H
#define KEEPER_WORDS_H

#include <stddef.h>

/* Command lines: lists of words, NULL behind the last. */

/* words_add(n, list, first, ..., NULL): the list (NULL: a new one), *n words
 * long, with copies of these behind it. */
char **words_add(size_t *n, char **list, const char *first, ...)
    __attribute__((sentinel));
void words_free(char **list);
/* words_join(v, n): "A:B:C"; the caller's. */
char *words_join(char **v, size_t n);

#endif
