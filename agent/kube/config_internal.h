/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUBE_CONFIG_INTERNAL_H
#define KUBE_CONFIG_INTERNAL_H

#include "base/buf.h"
#include "kube/config.h"

/* kubeconfig.c, for config.c */

/* A file below a folder, or (AT_FDCWD) at an absolute path. */
int kube_config_read(int dirfd, const char *name, struct buf *out,
    struct err *err);
size_t kube_config_trim(const char *s, size_t len);	/* new length */
/* A token is one word; a line break in it would end a header. */
int kube_config_token(const struct buf *text, struct secret **ret,
    struct err *err);
/* kube_config_text, or with ${files}: the agent's own, which may name some. */
int kube_config_parse(const char *s, size_t len, int files,
    struct kube_config *ret, struct err *err);

#endif
