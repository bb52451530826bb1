/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_INTERNAL_H
#define VALUE_TMPL_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "value/tmpl.h"

/*
 * What the evaluator and the families of functions share: Go's types and
 * values, the memory of a run, and how a function is declared and called.
 *
 * A family is one file, tmpl_fn_FAMILY.c, with one table that ends with a NULL
 * name.  A row has Go's signature, so that the number of arguments and their
 * types are checked (and Go's texts given) before the function is entered:
 *
 *	static int
 *	f_repeat(struct tmpl_call *c, struct tv *ret, struct err *err)
 *	{
 *		... c->v[0].u.i, c->v[1].u.s ...
 *		return (tv_text(c->run, p, n, ret, err));
 *	}
 *
 *	const struct tmpl_func tmpl_funcs_strings[] = {
 *		{ "repeat", f_repeat, &tt_string, 2, { &tt_int, &tt_string } },
 *		{ "add", f_add, &tt_int64, 0, { NULL }, &tt_any },  // ...any
 *		{ NULL, NULL, NULL, 0, { NULL } },
 *	};
 *
 * A function returns 0 and its result, or -1 with the text of Go's error or
 * panic alone (kind INVALID): the evaluator puts `template: …: error calling
 * NAME: ` before it.
 */

/* --- types ---------------------------------------------------------------- */

/* reflect.Kind, as far as it occurs. */
enum tkind { TK_NIL, TK_BOOL, TK_INT, TK_INT8, TK_INT16, TK_INT32, TK_INT64,
	TK_UINT, TK_UINT8, TK_UINT16, TK_UINT32, TK_UINT64, TK_FLOAT64,
	TK_COMPLEX128, TK_STRING, TK_SLICE, TK_MAP, TK_STRUCT, TK_PTR,
	TK_INTERFACE };

struct tmpl_func;
struct tmpl_run;
struct tv;

/*
 * A Go type; identity is the pointer.  Maps have string keys, always.
 * string is the method String() (or Error()), which %v and %s use: appends to
 * ${out}; NULL when there is none.  A field or method in lower case exists and
 * cannot be used, as in Go.
 */
struct tt {
	enum tkind kind;
	const char *name;		/* as %T prints it */
	const struct tt *elem;		/* of a slice, map or pointer */
	const char *const *fields;	/* of a struct, NULL at the end */
	const struct tmpl_func *methods;	/* NULL-named at the end */
	int (*string)(struct tmpl_run *run, const struct tv *v,
	    struct buf *out, struct err *err);
	/* GoString(), which %#v uses; NULL when there is none. */
	int (*gostring)(struct tmpl_run *run, const struct tv *v,
	    struct buf *out, struct err *err);
	/* Go's == of two values whose bytes are behind u.p; NULL: the same
	 * pointer. */
	int (*equal)(const struct tv *a, const struct tv *b);
};

extern const struct tt tt_bool, tt_int, tt_int8, tt_int16, tt_int32, tt_int64,
	tt_uint, tt_uint8, tt_uint16, tt_uint32, tt_uint64, tt_float64,
	tt_complex128, tt_string;
extern const struct tt tt_any;		/* interface {} */
extern const struct tt tt_value;	/* reflect.Value, as a parameter */
extern const struct tt tt_anys;		/* []interface {} */
extern const struct tt tt_strings;	/* []string */
extern const struct tt tt_ints;		/* []int */
extern const struct tt tt_bytes;	/* []uint8 */
extern const struct tt tt_chunks;	/* [][]interface {} */
extern const struct tt tt_map;		/* map[string]interface {} */
extern const struct tt tt_smap;		/* map[string]string */
/* Defined by the families: dates, semver, crypto. */
extern const struct tt tt_time;		/* time.Time: a struct, u.p */
extern const struct tt tt_duration;	/* time.Duration: an int64, u.i */
extern const struct tt tt_semver;	/* *semver.Version: a pointer, u.p */
extern const struct tt tt_certificate;	/* sprig.certificate {Cert, Key} */

/* tt_kind(t): reflect.Kind's name ("invalid", "bool", "slice", "ptr", …). */
const char *tt_kind(const struct tt *t);

/* --- values --------------------------------------------------------------- */

/*
 * A value.  type NULL is nil.  iface says that Go holds it in a variable of
 * type interface {} (an element of a []interface {}, the result of a function
 * that returns one): the evaluator wants to know, because texts differ; a
 * function may forget about it.  A nil slice, map or pointer has a type and a
 * NULL inside.
 *
 * Strings are bytes, not NUL-terminated by promise, and never changed.  The
 * elements of a slice have its element type (and are iface in a slice of
 * interface {}); slices may share elements, as in Go.
 */
struct tv {
	const struct tt *type;
	uint32_t iface;
	uint32_t cap;			/* of a slice, at least u.l.n */
	union {
		int b;			/* TK_BOOL: 0 or 1 */
		int64_t i;		/* TK_INT* */
		uint64_t u;		/* TK_UINT* */
		double f;		/* TK_FLOAT64 */
		struct { double re, im; } c;
		struct { const char *p; size_t n; } s;
		struct { struct tv *v; size_t n; } l;	/* TK_SLICE */
		struct tmap *m;		/* TK_MAP */
		struct tv *fields;	/* TK_STRUCT with tt.fields */
		void *p;		/* what else a type needs */
	} u;
};

/* Values of Go's types, without allocation. */
struct tv tv_nil(void);
struct tv tv_bool(int b);
struct tv tv_int(int64_t i);		/* int */
struct tv tv_int64(int64_t i);		/* int64 */
struct tv tv_float(double f);		/* float64 */
struct tv tv_str(const char *literal);	/* borrowed: a literal, or pool */
struct tv tv_strn(const char *p, size_t n);	/* borrowed likewise */

/* tv_text: a string with a copy of the bytes. */
int tv_text(struct tmpl_run *run, const void *p, size_t n, struct tv *ret,
    struct err *err);
/* tv_buf: a string with what a buffer of tmpl_buf() holds; the buffer is
 * empty afterwards.  LIMIT when it had overflowed. */
int tv_buf(struct tmpl_run *run, struct buf *b, struct tv *ret,
    struct err *err);
/* tv_list: a slice of ${type} with ${n} elements (zero values of the element
 * type, for the caller to fill; n 0 gives an empty one, not nil). */
int tv_list(struct tmpl_run *run, const struct tt *type, size_t n,
    struct tv *ret, struct err *err);
/* tv_zero(t): reflect.Zero: nil slices and maps, "", 0, nil. */
struct tv tv_zero(const struct tt *t);
/* tv_elem(v): ${v} as an element of a []interface {} or map of them. */
struct tv tv_elem(struct tv v);
/* tv_concrete(v): without iface: what reflect.ValueOf(v) sees. */
struct tv tv_concrete(struct tv v);

int tv_is_nil(const struct tv *v);	/* nil, or a nil of its type */
int tv_is_int(const struct tv *v);	/* a signed kind */
int tv_is_uint(const struct tv *v);
int tv_is_float(const struct tv *v);
enum tkind tv_kind(const struct tv *v);	/* TK_NIL for nil */
/* tv_truth(v): text/template's IsTrue (and the opposite of sprig's empty for
 * what is no struct). */
int tv_truth(const struct tv *v);
/* tv_len(v): of a string, slice or map, else 0. */
size_t tv_len(const struct tv *v);
/* tv_equal(run, a, b, ret, err): reflect.DeepEqual. */
int tv_equal(struct tmpl_run *run, const struct tv *a, const struct tv *b,
    int *ret, struct err *err);

/*
 * Maps with string keys, ordered by the bytes of the keys.  A map is shared by
 * all values that hold it, as in Go.
 */
int tv_new_map(struct tmpl_run *run, const struct tt *type, struct tv *ret,
    struct err *err);
/* tmap_get: the value, or NULL.  ${m} may be NULL (a nil map). */
const struct tv *tmap_get(const struct tmap *m, const char *key, size_t n);
/* tmap_set: insert or replace.  Key and value are borrowed from the pool (or
 * are literals); in a map of interface {} the value is held as tv_elem. */
int tmap_set(struct tmpl_run *run, struct tmap *m, const char *key, size_t n,
    struct tv value, struct err *err);
void tmap_del(struct tmap *m, const char *key, size_t n);
size_t tmap_len(const struct tmap *m);
/* Iteration in order: const struct tment *e; for (e = tmap_first(m); e; e =
 * e->next).  The map may change meanwhile, but what is deleted behind the
 * current entry may still be seen. */
struct tment {
	const char *key;
	size_t len;
	struct tv value;
	struct tment *next, *prev;
	struct tment *left, *right;	/* of the tree; tmap's alone */
	uint64_t rank;
};
const struct tment *tmap_first(const struct tmap *m);	/* NULL is fine */

/* --- a run ---------------------------------------------------------------- */

/*
 * Everything that a run makes lives until its end, then it is wiped and freed
 * at once.  All of these are LIMIT when a ceiling is hit.
 */
/* tmpl_alloc: zeroed, 16-aligned memory; NULL and LIMIT. */
void *tmpl_alloc(struct tmpl_run *run, size_t size, struct err *err);
/* tmpl_buf(run): a secret buffer whose ceiling is what memory is left. */
struct buf tmpl_buf(struct tmpl_run *run);
/* tmpl_check: 0, or LIMIT when such a buffer has overflowed. */
int tmpl_check(const struct tmpl_run *run, const struct buf *b,
    struct err *err);
/* tmpl_steps: count ${n} steps of work (elements, searches…). */
int tmpl_steps(struct tmpl_run *run, uint64_t n, struct err *err);
/* tmpl_regex_work: what this run's searches may still take. */
struct regex_work *tmpl_regex_work(struct tmpl_run *run);
/* tmpl_enter / tmpl_leave: around each recursion into a value, because a map
 * may hold itself.  After a failure of tmpl_enter there is nothing to leave. */
int tmpl_enter(struct tmpl_run *run, struct err *err);
void tmpl_leave(struct tmpl_run *run);

/* --- functions ------------------------------------------------------------ */

struct tmpl_call {
	struct tmpl_run *run;
	struct tv *v;		/* arguments, checked and converted; the
				 * array is gone after the call */
	size_t n;
	struct tv self;		/* of a method: its receiver */
};

typedef int tmpl_fn(struct tmpl_call *c, struct tv *ret, struct err *err);

#define TMPL_PARAMS_MAX 6

struct tmpl_func {
	const char *name;
	tmpl_fn *fn;
	/* The result's type; &tt_any and &tt_value: whatever ret holds, as an
	 * interface {} or as it is. */
	const struct tt *out;
	size_t nin;			/* fixed parameters */
	const struct tt *in[TMPL_PARAMS_MAX];
	const struct tt *rest;		/* ... of this type; NULL: none */
};

extern const struct tmpl_func tmpl_funcs_builtin[];	/* Go's own */
extern const struct tmpl_func tmpl_funcs_strings[], tmpl_funcs_numbers[],
	tmpl_funcs_lists[], tmpl_funcs_dicts[], tmpl_funcs_encoding[],
	tmpl_funcs_json[], tmpl_funcs_dates[], tmpl_funcs_regex[],
	tmpl_funcs_paths[], tmpl_funcs_crypto[], tmpl_funcs_semver[],
	tmpl_funcs_types[];
extern const struct tmpl_func tmpl_funcs_pki[], tmpl_funcs_yaml[];

/* tmpl_func_find: by name; a later family never hides an earlier one, and
 * Go's builtins come last. */
const struct tmpl_func *tmpl_func_find(const char *name, size_t n);

/* --- printing (fmt) ------------------------------------------------------- */

/* tmpl_print(run, v, out, err): fmt.Fprint(out, v), that is %v. */
int tmpl_print(struct tmpl_run *run, const struct tv *v, struct buf *out,
    struct err *err);
/* fmt.Sprint, Sprintln, Sprintf of ${n} values. */
int tmpl_sprint(struct tmpl_run *run, const struct tv *v, size_t n,
    struct buf *out, struct err *err);
int tmpl_sprintln(struct tmpl_run *run, const struct tv *v, size_t n,
    struct buf *out, struct err *err);
int tmpl_sprintf(struct tmpl_run *run, const char *fmt, size_t len,
    const struct tv *v, size_t n, struct buf *out, struct err *err);
/* tmpl_float(f, fmt, precision, out): strconv.FormatFloat of 64 bits, fmt one
 * of e E f g G b x X, precision -1 for the shortest. */
void tmpl_float(double f, char fmt, int precision, struct buf *out);
/* tmpl_parse_int / tmpl_parse_uint: strconv.ParseInt(s, base, 64): 0; 1 out of
 * range (the nearest value in *ret); -1 bad syntax (0). */
int tmpl_parse_int(const char *s, size_t n, int base, int64_t *ret);
int tmpl_parse_uint(const char *s, size_t n, int base, uint64_t *ret);

#endif
