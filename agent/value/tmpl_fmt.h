/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_FMT_H
#define VALUE_TMPL_FMT_H

#include "value/tmpl_internal.h"

/* Go's fmt: print.go in tmpl_fmt.c, format.go in tmpl_fmt_pad.c. */

struct fmt {
	struct tmpl_run *run;
	struct buf *out;
	struct err *err;
	int rc;				/* -1 after the first failure */
	/* The flags of one verb. */
	uint8_t wid_present, prec_present, minus, plus, sharp, space, zero;
	uint8_t plus_v, sharp_v;
	int wid, prec;
	/* The state of a whole call. */
	uint8_t erroring, reordered, good_arg_num;
	const struct tv *arg;
	size_t narg;
};

void fmt_clear_flags(struct fmt *f);
void fmt_pad(struct fmt *f, const char *s, size_t n);
void fmt_pads(struct fmt *f, const char *s);
void fmt_padding(struct fmt *f, int n);
void fmt_integer(struct fmt *f, uint64_t u, unsigned base, int is_signed,
    uint32_t verb, int upper);
void fmt_unicode(struct fmt *f, uint64_t u);
void fmt_string(struct fmt *f, const char *s, size_t n);
void fmt_hex(struct fmt *f, const char *s, size_t n, int upper);
void fmt_quote(struct fmt *f, const char *s, size_t n);
void fmt_char(struct fmt *f, uint64_t c, int quoted);
void fmt_float(struct fmt *f, double v, char verb, int prec);

#endif
