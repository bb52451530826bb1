/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_DOC_INTERNAL_H
#define VALUE_DOC_INTERNAL_H

#include "value/doc.h"

/* Steps over a checked document, shared by doc*.c: each gives the offset
 * behind what starts at ${at}. */
size_t doc_skip_string(const char *s, size_t len, size_t at);
size_t doc_skip_scalar(const char *s, size_t len, size_t at);
size_t doc_skip_filling(const char *s, size_t len, size_t at); /* space , : */
enum doc_type doc_type_at(const char *s, size_t len, size_t at);

#endif
