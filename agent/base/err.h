/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * The one error object.  It lives on the caller's stack and is the last
 * argument of every function that can fail:
 *
 *	cleanup_err struct err err = ERR_INIT;
 *	if (thing_open(path, &thing, &err) == -1)
 *		return err_wrap(&err, "thing %s", path);
 *
 * A failing function returns -1 (or NULL for a constructor) and fills the
 * object; a succeeding one leaves it untouched.  Each floor adds at most one
 * phrase with err_wrap.  A message never holds a response body, a token or a
 * value.  A function logs or returns, never both.
 */

/* A kind means a reaction; err_reaction() is the table. */
enum err_kind {
	ERR_NONE = 0,
	ERR_INVALID,	/* the input is wrong; another try changes nothing */
	ERR_NOTFOUND,	/* what was asked for does not exist */
	ERR_DENIED,	/* the peer or the kernel refuses us */
	ERR_TRANSIENT,	/* another try may succeed */
	ERR_LIMIT,	/* a ceiling was hit */
	ERR_TAMPER,	/* something was altered by somebody else */
	ERR_INTERNAL,	/* our own fault, or the machine's */
	ERR_KINDS
};

struct err {
	enum err_kind kind;
	int sys;	/* errno of the failing call, or 0 */
	char *msg;	/* owned; NULL until set */
};

#define ERR_INIT { ERR_NONE, 0, 0 }

/* What a kind of error means to the outside. */
struct err_reaction {
	const char *name;	/* "invalid", "not-found", … for logs */
	int grpc_code;		/* numeric gRPC status */
	int exit_status;	/* a command: 1 failed, 3 not now, 4 tamper */
	int retry;		/* nonzero: worth another try by itself */
};

/**
 * err_set(err, kind, fmt, ...):
 * Replace whatever ${err} holds by ${kind} and the formatted message, with sys
 * = 0.  ${err} may be NULL (the failure is then only the return value).  The
 * arguments may point into the old message.  Always returns -1.
 */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * err_sys(err, fmt, ...):
 * As err_set, with errno's text appended (": No such file or directory"), sys
 * = errno and the kind derived from errno (ENOENT → NOTFOUND, EACCES, EPERM,
 * EROFS → DENIED, EAGAIN, EINTR, ETIMEDOUT, ECONN*, EPIPE, ENOSPC →
 * TRANSIENT, EMFILE, ENFILE, ENOMEM, EMSGSIZE, EFBIG, ENAMETOOLONG, ELOOP →
 * LIMIT, EINVAL, ENOTDIR, EISDIR, EEXIST → INVALID, else INTERNAL).
 * Always returns -1; preserves errno.
 */
int err_sys(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * err_wrap(err, fmt, ...):
 * Put the formatted phrase and ": " before the message.  Kind and sys stay.
 * Nothing happens when ${err} is NULL or holds no error.  Always returns -1.
 */
int err_wrap(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * err_move(dst, src):
 * Free what ${dst} holds, move ${src} into it and leave ${src} empty.
 * ${dst} may be NULL: then ${src} is cleared.  Always returns -1.
 */
int err_move(struct err *dst, struct err *src);

/* err_msg(err): the message, never NULL ("" when none). */
const char *err_msg(const struct err *err);

/* err_clear(err): free the message and make ${err} empty.  NULL is fine. */
void err_clear(struct err *err);

/* err_reaction(kind): the table's row; never NULL. */
const struct err_reaction *err_reaction(enum err_kind kind);

#define cleanup_err __attribute__((cleanup(err_clear)))

#endif
