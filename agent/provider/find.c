/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "provider/provider.h"
#include "value/gostr.h"

static void
quote(struct buf *out, const char *s)
{
	gostr_quote(s, strlen(s), out);
}

void
provider_find_text(const struct find_ref *ref, struct buf *out)
{
	cleanup_free const char **tags = NULL;
	size_t n = 0;

	buf_adds(out, "v1.ExternalSecretFind{Path:(*string)(");
	buf_adds(out, ref->path != NULL ? "0xc000000000" : "nil");
	buf_adds(out, "), Name:(*v1.FindName)(nil), Tags:map[string]string");
	if (ref->tags != NULL)
		tags = strmap_sorted(ref->tags, &n);
	buf_adds(out, ref->tags != NULL ? "{" : "(nil)");
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, i > 0 ? ", " : "");
		quote(out, tags[i]);
		buf_addc(out, ':');
		quote(out, strmap_get(ref->tags, tags[i]));
	}
	buf_adds(out, ref->tags != NULL ? "}" : "");
	buf_adds(out, ", ConversionStrategy:");
	quote(out, ref->conversion);
	buf_adds(out, ", DecodingStrategy:");
	quote(out, ref->decoding);
	buf_adds(out, ", NullBytePolicy:");
	quote(out, ref->null_byte);
	buf_addc(out, '}');
}
