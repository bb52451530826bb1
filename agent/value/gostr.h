/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_GOSTR_H
#define VALUE_GOSTR_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Strings as Go's strconv quotes them, for error texts and %q. */

/* gostr_is_print(rune): strconv.IsPrint (Unicode 15). */
int gostr_is_print(uint32_t rune);
/* gostr_is_digit(rune): unicode.IsDigit (Nd). */
int gostr_is_digit(uint32_t rune);
/* gostr_rune(rune, quote, out): one rune inside quotes of kind ${quote}. */
void gostr_rune(uint32_t rune, char quote, struct buf *out);
/* gostr_quote(s, len, out): strconv.Quote(s): "…", bad UTF-8 as \x... */
void gostr_quote(const char *s, size_t len, struct buf *out);

#endif
