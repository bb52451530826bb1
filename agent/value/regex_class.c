/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/regex_internal.h"

#define RUNE_MAX 0x10ffff

/* unicode.CategoryAliases in regexp/syntax's canonical spelling. */
static const char *const aliases[][2] = {
	{ "Casedletter", "LC" }, { "Closepunctuation", "Pe" },
	{ "Cntrl", "Cc" }, { "Combiningmark", "M" },
	{ "Connectorpunctuation", "Pc" }, { "Control", "Cc" },
	{ "Currencysymbol", "Sc" }, { "Dashpunctuation", "Pd" },
	{ "Decimalnumber", "Nd" }, { "Digit", "Nd" },
	{ "Enclosingmark", "Me" }, { "Finalpunctuation", "Pf" },
	{ "Format", "Cf" }, { "Initialpunctuation", "Pi" }, { "Letter", "L" },
	{ "Letternumber", "Nl" }, { "Lineseparator", "Zl" },
	{ "Lowercaseletter", "Ll" }, { "Mark", "M" }, { "Mathsymbol", "Sm" },
	{ "Modifierletter", "Lm" }, { "Modifiersymbol", "Sk" },
	{ "Nonspacingmark", "Mn" }, { "Number", "N" },
	{ "Openpunctuation", "Ps" }, { "Other", "C" },
	{ "Otherletter", "Lo" }, { "Othernumber", "No" },
	{ "Otherpunctuation", "Po" }, { "Othersymbol", "So" },
	{ "Paragraphseparator", "Zp" }, { "Privateuse", "Co" },
	{ "Punct", "P" }, { "Punctuation", "P" }, { "Separator", "Z" },
	{ "Spaceseparator", "Zs" }, { "Spacingmark", "Mc" },
	{ "Surrogate", "Cs" }, { "Symbol", "S" }, { "Titlecaseletter", "Lt" },
	{ "Unassigned", "Cn" }, { "Uppercaseletter", "Lu" },
};

/*
 * Classes that RE2 has not, as sets of those it has: what is in them and, for
 * the ones whose complement is such a set, what is not.
 */
#define ASSIGNED_BUT_C "\\pL\\pM\\pN\\pP\\pS\\pZ"
static const struct special {
	const char *name;
	const char *in;		/* NULL: everything but out */
	const char *out;
} specials[] = {
	{ "Assigned", ASSIGNED_BUT_C "\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}", NULL },
	{ "Cn", NULL, ASSIGNED_BUT_C "\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}" },
	{ "C", NULL, ASSIGNED_BUT_C },
	{ "LC", "\\p{Lu}\\p{Ll}\\p{Lt}", NULL },
	{ "Lc", "\\p{Lu}\\p{Ll}\\p{Lt}", NULL },
	{ "Ascii", "\\x00-\\x7f", "\\x{80}-\\x{10ffff}" },
};

/* canonicalName: one capital, then small letters; no _, - or space. */
static void
canonical(const char *s, size_t n, char *out, size_t size)
{
	size_t i, k = 0;

	for (i = 0; i < n && k + 1 < size; i++) {
		char c = s[i];

		if (c == '_' || c == '-' || c == ' ')
			continue;
		if (k == 0 && c >= 'a' && c <= 'z')
			c = (char)(c - 32);
		else if (k && c >= 'A' && c <= 'Z')
			c = (char)(c + 32);
		out[k++] = c;
	}
	out[k] = '\0';
}

static const struct special *
find_special(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(specials); i++)
		if (strcmp(specials[i].name, name) == 0)
			return (&specials[i]);
	return (NULL);
}

/* 0 when a bracket expression cannot say it: a complement among others. */
static int
add_special(struct regex_syntax *p, const struct special *s, int negated,
    int in_brackets)
{
	const char *set = negated ? s->out : s->in;
	const char *complement = negated ? s->in : s->out;
	int ascii_fold = p->fold && s->in && s->out;

	if (ascii_fold) {
		/* The long s and the Kelvin sign fold into ASCII. */
		set = negated ? "\\x{80}-\\x{17e}\\x{180}-\\x{2129}"
		    "\\x{212b}-\\x{10ffff}" :
		    "\\x00-\\x7f\\x{17f}\\x{212a}";
	}
	if (!set && in_brackets)
		return (0);
	if (!in_brackets)
		buf_adds(&p->out, set ? "[" : "[^");
	buf_adds(&p->out, set ? set : complement);
	if (!in_brackets)
		buf_adds(&p->out, "]");
	return (1);
}

static int
add_unicode(struct regex_syntax *p, const char *name, int negated,
    int in_brackets)
{
	const struct special *s;
	size_t i;

	for (i = 0; i < ARRAY_LEN(aliases); i++)
		if (strcmp(aliases[i][0], name) == 0)
			name = aliases[i][1];
	s = find_special(name);
	if (s)
		return (add_special(p, s, negated, in_brackets));
	/* What is in the name goes into a pattern: letters and digits only,
	 * and a capital first is what Go's own tables have. */
	for (i = 0; name[i]; i++)
		if (!((name[i] >= 'a' && name[i] <= 'z') || (i == 0 &&
		    name[i] >= 'A' && name[i] <= 'Z')))
			return (0);
	if (i == 0 || !re2_has_class(name))
		return (0);
	buf_addf(&p->out, "\\%c{%s}", negated ? 'P' : 'p', name);
	return (1);
}

/* At \p or \P. */
static int
unicode_class(struct regex_syntax *p, int in_brackets)
{
	size_t start = p->at, name, end;
	int negated = p->s[p->at + 1] == 'P';
	const char *brace;
	uint32_t rune;
	char text[40];

	p->at += 2;
	name = p->at;
	if (regex_rune(p, &rune) == -1)
		return (-1);
	end = p->at;
	if (rune == '{' && p->at > name) {
		brace = memchr(p->s + start, '}', p->n - start);
		if (!brace) {
			if (regex_check_utf8(p, start, p->n) == -1)
				return (-1);
			return (regex_fail(p, "invalid character class range",
			    start, p->n));
		}
		name++;
		end = (size_t)(brace - p->s);
		p->at = end + 1;
		if (regex_check_utf8(p, name, end) == -1)
			return (-1);
	}
	if (name < end && p->s[name] == '^') {
		negated = !negated;
		name++;
	}
	canonical(p->s + name, end - name, text, sizeof(text));
	if (end - name >= sizeof(text) || !add_unicode(p, text, negated,
	    in_brackets))
		return (regex_fail(p, "invalid character class range", start,
		    p->at));
	if (++p->nclasses > REGEX_CLASSES_MAX)
		return (regex_fail(p, "expression too large", 0, p->n));
	return (1);
}

int
regex_class_escape(struct regex_syntax *p, int in_brackets)
{
	char c;

	if (p->n - p->at < 2 || p->s[p->at] != '\\')
		return (0);
	c = p->s[p->at + 1];
	if (c == 'p' || c == 'P')
		return (unicode_class(p, in_brackets));
	if (!c || !strchr("dDsSwW", c))
		return (0);
	buf_add(&p->out, p->s + p->at, 2);
	p->at += 2;
	return (1);
}

/* [:alpha:]: 1 taken, 0 there is none, -1 an unknown name. */
static int
named_class(struct regex_syntax *p)
{
	static const char *const names[] = { "alnum", "alpha", "ascii",
	    "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
	    "space", "upper", "word", "xdigit" };
	const char *s = p->s + p->at + 2, *end;
	size_t i, n;

	if (p->n - p->at <= 2 || p->s[p->at] != '[' || s[-1] != ':')
		return (0);
	end = memmem(s, p->n - p->at - 2, ":]", 2);
	if (!end)
		return (0);
	n = (size_t)(end - s);
	if (n && *s == '^') {
		s++;
		n--;
	}
	for (i = 0; i < ARRAY_LEN(names); i++)
		if (n == strlen(names[i]) && memcmp(s, names[i], n) == 0)
			break;
	n = (size_t)(end + 2 - (p->s + p->at));
	if (i == ARRAY_LEN(names))
		return (regex_fail(p, "invalid character class range", p->at,
		    p->at + n));
	buf_add(&p->out, p->s + p->at, n);
	p->at += n;
	return (1);
}

static int
class_char(struct regex_syntax *p, size_t whole, uint32_t *ret)
{
	if (p->at >= p->n)
		return (regex_fail(p, "missing closing ]", whole, p->n));
	if (p->s[p->at] == '\\')
		return (regex_escape(p, ret));
	return (regex_rune(p, ret));
}

static int
class_range(struct regex_syntax *p, size_t whole)
{
	size_t start = p->at;
	uint32_t low, high;

	if (class_char(p, whole, &low) == -1)
		return (-1);
	high = low;
	if (p->n - p->at >= 2 && p->s[p->at] == '-' &&
	    p->s[p->at + 1] != ']') {
		p->at++;
		if (class_char(p, whole, &high) == -1)
			return (-1);
		if (high < low)
			return (regex_fail(p, "invalid character class range",
			    start, p->at));
	}
	buf_addf(&p->out, "\\x{%x}", (unsigned)low);
	if (high != low)
		buf_addf(&p->out, "-\\x{%x}", (unsigned)high);
	return (0);
}

int
regex_brackets(struct regex_syntax *p)
{
	size_t whole = p->at++;
	int first = 1, r;

	buf_addc(&p->out, '[');
	if (p->at < p->n && p->s[p->at] == '^') {
		buf_addc(&p->out, '^');
		p->at++;
	}
	while (p->at >= p->n || p->s[p->at] != ']' || first) {
		first = 0;
		r = p->at < p->n ? named_class(p) : 0;
		if (r == 0)
			r = regex_class_escape(p, 1);
		if (r == -1 || (r == 0 && class_range(p, whole) == -1))
			return (-1);
	}
	p->at++;
	buf_addc(&p->out, ']');
	return (0);
}
