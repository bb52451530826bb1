/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_YAML_H
#define VALUE_TMPL_YAML_H

#include "base/err.h"

/* tmpl_yaml_words(err): what base/yaml says ("line N: …") as goyaml v2 words
 * it (decode.go, fail): "yaml: line N: …", without the line when it is the
 * first one; the parser's problems are counted from 0. */
void tmpl_yaml_words(struct err *err);

#endif
