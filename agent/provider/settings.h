/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_SETTINGS_H
#define PROVIDER_SETTINGS_H

#include "base/json.h"
#include "model/object.h"
#include "model/store.h"

/**
 * settings_check_ref(store, ref, field, phrase, f):
 * ESO's ValidateReferentSecretSelector: a SecretStore refers to its own
 * namespace only.  Otherwise a REJECT "PHRASE: namespace should …" at ${field}
 * (${phrase} may be ""), and -1.  An absent ${ref} is fine.
 */
int settings_check_ref(const struct store *store, const struct json *ref,
    const char *field, const char *phrase, struct findings *f);

/* settings_audiences(ref, more, def, ret_n): what a ServiceAccountSelector's
 * token is for (provider_token).  The array is the caller's. */
const char **settings_audiences(const struct json *ref,
    const struct json *more, const char *def, size_t *ret_n);

#endif
