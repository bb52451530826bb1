/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

/*
 * The YAML gate: the only file that knows libyaml.  Reads what
 * sigs.k8s.io/yaml's YAMLToJSON reads, into JSON trees, with lines for
 * messages.  YAML 1.1 as its goyaml.v2 resolves it (sigs.k8s.io/yaml v1.4.0,
 * goyaml.v2/resolve.go and decode.go): y/n, yes/no, on/off and true/false in
 * their spellings are booleans, ~ and null and nothing are null, 0x 0o 0b and
 * leading-0 octal, 1_000, .inf/.nan (refused: no JSON for them), !!binary,
 * timestamps stay strings, << merges in the order of the text, non-string keys
 * become text as there.  Keys that occur twice: the last one wins, and is
 * listed.  Documents are apart where kubectl cuts a file, "---# text" included
 * (k8s.io/apimachinery, pkg/util/yaml, YAMLReader).
 *
 * Integers of up to 64 bits keep their digits (json_digits).
 *
 * Otherwise than there: a string with a NUL is refused; what is libyaml's: the
 * escapes \/ (taken) and \' (refused), {a:} is refused and not the text "a:",
 * a byte order mark goes away before any token; what stands behind "..." is
 * read, and must be YAML.  tests/scenario/peer_yaml.py holds the rest equal.
 */
struct yaml_dup {
	int line;		/* of the second occurrence, from 1 */
	char *key;
};

struct yaml_doc {
	struct json *root;	/* NULL for an empty document */
	int line;		/* first line of the document, from 1 */
	struct yaml_dup *dups;
	size_t ndups;
	int partial;		/* root has the wanted members alone */
	/* Its piece of the text, for yaml_read_again; NULL when it has none
	 * of its own. */
	const char *text;
	size_t len;
	int text_line;
};

struct yaml_docs {
	struct yaml_doc *v;
	size_t n;
};

/* Nodes after expansion of aliases: a document, and a stream. */
#define YAML_NODES_MAX 1000000
#define YAML_STREAM_NODES_MAX 4000000
#define YAML_INPUT_MAX (192u << 20)

/**
 * yaml_read(text, len, ret, err):
 * Parse all documents of a stream.  JSON text is YAML and is read by the same
 * path.  On failure -1 with a message "line L: …" ("line L: column C: …" where
 * libyaml speaks) that holds no text from the document but tag, anchor and key
 * names; ${ret} is untouched.  Ceilings:
 * YAML_INPUT_MAX bytes, YAML_NODES_MAX and YAML_STREAM_NODES_MAX nodes,
 * JSON_DEPTH_MAX levels (LIMIT).
 */
int yaml_read(const char *text, size_t len, struct yaml_docs *ret,
    struct err *err);
/**
 * yaml_each(text, len, heads, fn, arg, err):
 * As yaml_read, one document after the other, so that the trees need not all
 * be there at once.  ${heads} (NULL, or a list that ends with NULL) names the
 * members of the root that are wanted: a document that has a piece of the text
 * may come without the others, which is quicker, and then it is partial.
 * ${fn} may take the root (and set it to NULL); what it leaves is freed.  On
 * failure it may have been called for the documents before the bad one.
 */
typedef void yaml_fn(void *arg, struct yaml_doc *doc);
int yaml_each(const char *text, size_t len, const char *const *heads,
    yaml_fn *fn, void *arg, struct err *err);
/* yaml_read_again(text, len, line, ret): the whole document that yaml_each
 * showed with this piece; -1 when the text is another one by now. */
int yaml_read_again(const char *text, size_t len, int line,
    struct yaml_doc *ret);
void yaml_doc_clear(struct yaml_doc *doc);
/* yaml_line(doc, node): the line on which a node of ${doc} starts; what an
 * alias stands for starts where it was anchored.  0 when unknown. */
int yaml_line(const struct yaml_doc *doc, const struct json *node);
void yaml_docs_clear(struct yaml_docs *d);

/* yaml_print(j, out): one document as sigs.k8s.io/yaml.Marshal prints it: keys
 * sorted, strings quoted only where another reader would take them for
 * something else, block scalars for text with line breaks, two-space indent,
 * sequences not indented below their key, folded at 80 columns.  Bytes that are
 * not UTF-8 become U+FFFD, as in encoding/json. */
void yaml_print(const struct json *j, struct buf *out);

#endif
