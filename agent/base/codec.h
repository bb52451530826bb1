/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Pure conversions between bytes and text.  All append to ${out}. */

enum codec_b64 { CODEC_B64_STD, CODEC_B64_URL };

void codec_b64_encode(struct buf *out, const void *in, size_t len,
    enum codec_b64 alphabet, int padded);
/**
 * codec_b64_decode(out, in, len, alphabet, ret_bad):
 * Exactly Go's encoding/base64 StdEncoding/URLEncoding.DecodeString: padding
 * required, CR and LF skipped anywhere, non-zero trailing bits accepted.
 * Returns -1 on malformed input with *${ret_bad} = the offset that Go's
 * CorruptInputError names; bytes decoded before it stay in ${out} (Go returns
 * them too).  ${ret_bad} may be NULL.
 */
int codec_b64_decode(struct buf *out, const char *in, size_t len,
    enum codec_b64 alphabet, size_t *ret_bad);
void codec_hex_encode(struct buf *out, const void *in, size_t len);
int codec_hex_decode(struct buf *out, const char *in, size_t len);

/* Percent encoding as Go's url.PathEscape (one segment) and QueryEscape. */
void codec_path_escape(struct buf *out, const char *in, size_t len);
void codec_query_escape(struct buf *out, const char *in, size_t len);

/**
 * utf8_next(s, len, ret_rune):
 * Decode one rune as Go does: returns its length in bytes, 1..4; malformed
 * input gives *ret_rune = 0xFFFD and length 1.  len 0 returns 0.
 */
size_t utf8_next(const char *s, size_t len, uint32_t *ret_rune);
void utf8_add(struct buf *out, uint32_t rune);
int utf8_valid(const char *s, size_t len);
/* Unicode letter/number classes as Go's unicode.IsLetter / IsNumber. */
int rune_is_letter(uint32_t rune);
int rune_is_number(uint32_t rune);

/* RFC 8259 string with quotes, as encoding/json (Go 1.22 and later) writes it:
 * U+2028 and U+2029 are escaped, invalid UTF-8 becomes \ufffd.  html: < > &
 * are escaped too, as its Marshal does. */
void codec_json_string(struct buf *out, const char *in, size_t len, int html);

#endif
