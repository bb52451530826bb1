/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_CASE_H
#define VALUE_TMPL_CASE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Go's package unicode (Unicode 15) beyond what base/codec.h has. */

int case_is_upper(uint32_t rune);	/* Lu */
int case_is_lower(uint32_t rune);	/* Ll */
int case_is_title(uint32_t rune);	/* Lt */
int case_is_punct(uint32_t rune);	/* P* */
int case_is_space(uint32_t rune);	/* White_Space */
uint32_t case_to_upper(uint32_t rune);
uint32_t case_to_lower(uint32_t rune);
uint32_t case_to_title(uint32_t rune);

/* case_each(s, n, to, out): strings.Map: each rune through ${to}; bad UTF-8
 * becomes U+FFFD. */
void case_each(const char *s, size_t n, uint32_t (*to)(uint32_t),
    struct buf *out);

/* case_last_rune(s, n, ret): utf8.DecodeLastRune: the last rune's length. */
size_t case_last_rune(const char *s, size_t n, uint32_t *ret);
/* case_trim_space(s, n): strings.TrimSpace: moves both. */
void case_trim_space(const char **s, size_t *n);

#endif
