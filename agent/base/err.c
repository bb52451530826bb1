/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/mem_internal.h"

static const struct err_reaction reactions[ERR_KINDS] = {
	/* name, gRPC code (google.rpc.Code), exit status, retry */
	[ERR_NONE]	= { "none",		0,	0, 0 },
	[ERR_INVALID]	= { "invalid",		3,	1, 0 },
	[ERR_NOTFOUND]	= { "not-found",	5,	1, 0 },
	[ERR_DENIED]	= { "denied",		7,	1, 0 },
	[ERR_TRANSIENT]	= { "transient",	14,	3, 1 },
	[ERR_LIMIT]	= { "limit",		8,	1, 0 },
	[ERR_TAMPER]	= { "tamper",		15,	4, 0 },
	[ERR_INTERNAL]	= { "internal",		13,	1, 0 },
};

/* Takes ${msg} over.  Formatting comes first, so that the arguments may point
 * into the message that goes. */
static int
replace(struct err *err, enum err_kind kind, int sys, char *msg)
{
	free(err->msg);
	err->kind = kind;
	err->sys = sys;
	err->msg = msg;
	return (-1);
}

int
err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;
	char *msg;

	if (!err)
		return (-1);
	va_start(ap, fmt);
	msg = mem_vfmt(fmt, ap);
	va_end(ap);
	return (replace(err, kind, 0, msg));
}

static enum err_kind
kind_of_errno(int sys)
{
	switch (sys) {
	case ENOENT:
		return (ERR_NOTFOUND);
	case EACCES:
	case EPERM:
	case EROFS:
		return (ERR_DENIED);
	case EAGAIN:
	case EINTR:
	case ETIMEDOUT:
	case ECONNREFUSED:
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
	case ENOSPC:
		return (ERR_TRANSIENT);
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EMSGSIZE:
	case EFBIG:
	case ENAMETOOLONG:
	case ELOOP:
		return (ERR_LIMIT);
	case EINVAL:
	case ENOTDIR:
	case EISDIR:
	case EEXIST:
		return (ERR_INVALID);
	default:
		return (ERR_INTERNAL);
	}
}

int
err_sys(struct err *err, const char *fmt, ...)
{
	int sys = errno;
	const char *text;
	char *phrase;
	va_list ap;

	if (!err)
		return (-1);
	va_start(ap, fmt);
	phrase = mem_vfmt(fmt, ap);
	va_end(ap);
	text = strerrordesc_np(sys);
	replace(err, kind_of_errno(sys), sys, text ?
	    str_fmt("%s: %s", phrase, text) :
	    str_fmt("%s: error %d", phrase, sys));
	free(phrase);
	errno = sys;
	return (-1);
}

int
err_wrap(struct err *err, const char *fmt, ...)
{
	char *phrase;
	va_list ap;

	if (!err || err->kind == ERR_NONE)
		return (-1);
	va_start(ap, fmt);
	phrase = mem_vfmt(fmt, ap);
	va_end(ap);
	replace(err, err->kind, err->sys,
	    str_fmt("%s: %s", phrase, err_msg(err)));
	free(phrase);
	return (-1);
}

int
err_move(struct err *dst, struct err *src)
{
	if (!dst)
		err_clear(src);
	else if (dst != src) {
		replace(dst, src->kind, src->sys, src->msg);
		*src = (struct err)ERR_INIT;
	}
	return (-1);
}

const char *
err_msg(const struct err *err)
{
	return (err && err->msg ? err->msg : "");
}

void
err_clear(struct err *err)
{
	int saved = errno;

	if (!err)
		return;
	free(err->msg);
	*err = (struct err)ERR_INIT;
	errno = saved;
}

const struct err_reaction *
err_reaction(enum err_kind kind)
{
	if ((unsigned)kind >= ERR_KINDS)
		kind = ERR_INTERNAL;
	return (&reactions[kind]);
}
