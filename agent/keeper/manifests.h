/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEEPER_MANIFESTS_H
#define KEEPER_MANIFESTS_H

#include "base/err.h"

/*
 * Opening manifests for core: the folder may be readable by whoever started
 * the agent alone, and core can open nothing by itself.  Not a byte is read
 * here.
 */

/* manifests_folder(flag, dir, ret_dir, ret_inotify, err): the folder itself,
 * and a new inotify descriptor whose first watch is the folder (create, close
 * after write, move, delete, the folder's own end), and whose second one, where
 * that is possible, is its parent.  Both the caller's; ${flag} is for messages.
 */
int manifests_folder(const char *flag, const char *dir, int *ret_dir,
    int *ret_inotify, struct err *err);

/* manifests_file(dir, name, err): a regular file directly in ${dir}, whatever
 * links lead to it (a mounted ConfigMap is all links), named *.yaml, *.yml or
 * *.json; the descriptor, or -1. */
int manifests_file(const char *dir, const char *name, struct err *err);

/* manifests_bundle(dir, name, err): a regular file directly in ${dir}, named
 * *.bundle; links may lead to it that do not leave the folder (a mounted
 * ConfigMap). */
int manifests_bundle(const char *dir, const char *name, struct err *err);

#endif
