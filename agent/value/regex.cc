// SPDX-License-Identifier: Apache-2.0
//
// The gate to RE2, and the only C++ here.
#include <re2/re2.h>

#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include "value/regex_re2.h"

// Enough for any pattern in use; a program that does not fit is refused, and
// a DFA that does not fit falls back to RE2's NFA, which is linear too.
static const int64_t MEMORY_MAX = 16 << 20;
// The NFA keeps the groups of every thread: instructions times groups.
static const size_t THREADS_MAX = 4 << 20;

static RE2::Options
options()
{
	RE2::Options o;

	o.set_log_errors(false);
	o.set_max_mem(MEMORY_MAX);
	return (o);
}

extern "C" size_t
re2_groups(const void *re)
{
	return (static_cast<size_t>(
	    static_cast<const RE2 *>(re)->NumberOfCapturingGroups()));
}

extern "C" size_t
re2_size(const void *re)
{
	return (static_cast<size_t>(
	    static_cast<const RE2 *>(re)->ProgramSize()));
}

extern "C" void *
re2_new(const char *pattern, size_t len)
{
	RE2 *re = new (std::nothrow) RE2(re2::StringPiece(pattern, len),
	    options());

	if (re && (!re->ok() ||
	    re2_size(re) * (re2_groups(re) + 1) > THREADS_MAX)) {
		delete re;
		return (nullptr);
	}
	return (re);
}

extern "C" void
re2_free(void *re)
{
	delete static_cast<RE2 *>(re);
}

extern "C" int
re2_has_class(const char *name)
{
	RE2 re(std::string("\\p{") + name + "}", options());

	return (re.ok());
}

extern "C" int
re2_find(const void *re, const char *s, size_t len, size_t at, size_t n,
    long *loc)
{
	std::vector<re2::StringPiece> groups(n);
	const re2::StringPiece text(s ? s : "", len);
	size_t i;

	if (!static_cast<const RE2 *>(re)->Match(text, at, len,
	    RE2::UNANCHORED, groups.data(), static_cast<int>(n)))
		return (0);
	for (i = 0; i < n; i++) {
		const char *p = groups[i].data();

		loc[2 * i] = p ? p - text.data() : -1;
		loc[2 * i + 1] = p ? p - text.data() +
		    static_cast<long>(groups[i].size()) : -1;
	}
	return (1);
}
