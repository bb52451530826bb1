/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "model/schema.h"

/*
 * The names of Kubernetes, by hand: the patterns are fixed, and a regular
 * expression library belongs to a higher floor.
 */

#define SUBDOMAIN_FMT \
	"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
#define LABEL_FMT "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define KEY_FMT "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

static int
is_low(char c)
{
	return ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
}

static int
is_alnum(char c)
{
	return (is_low(c) || (c >= 'A' && c <= 'Z'));
}

static int
label_span(const char *s, size_t n)
{
#ifdef WEAKEN_NAME_BOUNDS
	if (s[n + 1] == '-')
		return (0);
#endif
	if (n == 0 || !is_low(s[0]) || !is_low(s[n - 1]))
		return (0);
	for (size_t i = 0; i < n; i++)
		if (!is_low(s[i]) && s[i] != '-')
			return (0);
	return (1);
}

int
name_is_label(const char *s)
{
	return (label_span(s, strlen(s)));
}

int
name_is_subdomain(const char *s)
{
	for (;;) {
		size_t n = strcspn(s, ".");

		if (!label_span(s, n))
			return (0);
		if (s[n] == '\0')
			return (1);
		s += n + 1;
	}
}

int
name_is_secret_key(const char *s)
{
	const char *p = s;

	while (is_alnum(*p) || *p == '-' || *p == '.' || *p == '_')
		p++;
	return (p > s && *p == '\0');
}

int
name_is_base64(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
	    "uvwxyz0123456789+/"), pad = strspn(s + n, "=");

	return (s[n + pad] == '\0' && n + pad > 0 && (n + pad) % 4 == 0 &&
	    pad <= 2);
}

const struct text_rule rule_subdomain = {
	.pattern = "^" SUBDOMAIN_FMT "$", .matches = name_is_subdomain,
	.min = 1, .max = 253
};
const struct text_rule rule_label = {
	.pattern = "^" LABEL_FMT "$", .matches = name_is_label,
	.min = 1, .max = 63
};
const struct text_rule rule_byte = {
	.format = "byte", .matches = name_is_base64
};
const struct text_rule rule_secret_key = {
	.pattern = "^[-._a-zA-Z0-9]+$", .matches = name_is_secret_key,
	.min = 1, .max = 253
};

/* --- apimachinery's complaints (pkg/util/validation, 2026) --------------- */

char *
name_subdomain_problem(const char *s)
{
	if (strlen(s) > 253)
		return (str_dup("must be no more than 253 bytes"));
	if (name_is_subdomain(s))
		return (NULL);
	return (str_dup("a lowercase RFC 1123 subdomain must consist of lower "
	    "case alphanumeric characters, '-' or '.', and must start and end "
	    "with an alphanumeric character (e.g. 'example.com', regex used "
	    "for validation is '" SUBDOMAIN_FMT "')"));
}

char *
name_dns_label_problem(const char *s)
{
	if (strlen(s) > 63)
		return (str_dup("must be no more than 63 bytes"));
	if (name_is_label(s))
		return (NULL);
	if (name_is_subdomain(s))
		return (str_dup("must not contain dots"));
	return (str_dup("a lowercase RFC 1123 label must consist of lower case "
	    "alphanumeric characters or '-', and must start and end with an "
	    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
	    "for validation is '" LABEL_FMT "')"));
}

static int
is_key_name(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || !is_alnum(s[0]) || !is_alnum(s[n - 1]))
		return (0);
	for (size_t i = 0; i < n; i++)
		if (!is_alnum(s[i]) && strchr("-_.", s[i]) == NULL)
			return (0);
	return (1);
}

#define KEY_REGEX "must consist of alphanumeric characters, '-', '_' or '.', " \
	"and must start and end with an alphanumeric character (e.g. " \
	"'MyName',  or 'my.name',  or '123-abc', regex used for validation " \
	"is '" KEY_FMT "')"

char *
name_label_key(const char *s)
{
	const char *slash = strchr(s, '/');
	const char *name = slash == NULL ? s : slash + 1;

	if (slash != NULL && strchr(slash + 1, '/') != NULL)
		return (str_dup("a valid label key " KEY_REGEX " with an "
		    "optional DNS subdomain prefix and '/' (e.g. "
		    "'example.com/MyName')"));
	if (slash == s)
		return (str_dup("prefix part must be non-empty"));
	if (slash != NULL) {
		cleanup_free char *prefix = str_ndup(s, (size_t)(slash - s));
		cleanup_free char *why = name_subdomain_problem(prefix);

		if (why != NULL)
			return (str_fmt("prefix part %s", why));
	}
	if (name[0] == '\0')
		return (str_dup("name part must be non-empty"));
	if (strlen(name) > 63)
		return (str_dup("name part must be no more than 63 bytes"));
	return (is_key_name(name) ? NULL : str_dup("name part " KEY_REGEX));
}

char *
name_label_value(const char *s)
{
	if (strlen(s) > 63)
		return (str_dup("must be no more than 63 bytes"));
	if (s[0] == '\0' || is_key_name(s))
		return (NULL);
	return (str_dup("a valid label must be an empty string or consist of "
	    "alphanumeric characters, '-', '_' or '.', and must start and end "
	    "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
	    "or '12345', regex used for validation is '(" KEY_FMT ")?')"));
}
