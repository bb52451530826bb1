/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_HEAD_H
#define MODEL_HEAD_H

#include "model/object.h"

/*
 * The head of an object: all that core needs of it and no inline value.  Core
 * parses heads with the same functions as whole objects; the whole object
 * (the body) reaches core sealed and only a fetch job opens it.
 *
 *	ExternalSecret: target.template keeps type, engineVersion,
 *	    mergePolicy alone, rewrite is left out.
 *	SecretStore, ClusterSecretStore: spec.provider.<key> becomes {};
 *	    "nodesealRefs": [{kind, namespace, name}] and "nodesealHost" are
 *	    added by the caller that knows the drivers.  A reference to a
 *	    service account's token has kind ServiceAccountToken (ipc/job.h)
 *	    and "audiences": […].
 *	Secret, ConfigMap: type and metadata alone.
 *	HostProjection, Namespace, generators' metadata: as they are, generators
 *	    without spec but spec.controller.
 * metadata.managedFields and the annotation
 * kubectl.kubernetes.io/last-applied-configuration never come along.
 * ESO's hash of the metadata covers that annotation too, so the head of an
 * ExternalSecret carries the hash of the whole: HEAD_META_HASH at the top,
 * which es_parse takes up (external_secret.meta_hash).
 * The result is the caller's; NULL when ${obj} is no object.
 */
#define HEAD_META_HASH "nodesealMetaHash"
#define HEAD_REFS "nodesealRefs"
#define HEAD_HOST "nodesealHost"

struct json *head_make(const struct json *obj, enum object_kind kind);

#endif
