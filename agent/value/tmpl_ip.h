/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_IP_H
#define VALUE_TMPL_IP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl_text.h"

struct ip {
	uint8_t bytes[16];		/* of an IPv4 address the first four */
	int is4;
	int has_zone;
};

/* ip_parse: Go's netip.ParseAddr, INVALID with its text. */
int ip_parse(struct text s, struct ip *ret, struct err *err);
/* ip_print: net.IP.String() of 4 or 16 bytes; an IPv4 address that is mapped
 * into IPv6 with dots. */
void ip_print(const uint8_t *p, size_t n, struct buf *out);

#endif
