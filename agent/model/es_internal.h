/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_ES_INTERNAL_H
#define MODEL_ES_INTERNAL_H

#include "model/external_secret.h"
#include "model/schema.h"

/* The tables of an ExternalSecret, a file a part. */
extern const struct record es_record_store_ref;	/* of struct store_ref */
extern const struct record es_record_data;	/* of struct es_data */
extern const struct record es_record_from;	/* of struct es_data_from */
extern const struct record es_record_template;	/* of struct es_template */
extern const struct text_rule es_rule_decoding;

/* es_template_from(t, list): templateFrom, which a table cannot split. */
void es_template_from(struct es_template *t, const struct json *list);
void es_template_clear(struct es_template *t);

/* es_admission(es, spec, f): ESO's webhook. */
void es_admission(const struct external_secret *es, const struct json *spec,
    struct findings *f);

#endif
