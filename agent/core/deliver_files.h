/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_DELIVER_FILES_H
#define CORE_DELIVER_FILES_H

#include "core/deliver.h"

/*
 * The files of a delivery, as proj_write wants them, and where each one's bytes
 * are.  Holds its contents, so that newer ones do not disturb a write that is
 * under way.
 */
struct file_origin {
	struct content *content;	/* NULL: ${text} */
	size_t entry;			/* index of payload.data */
	char *text;
};

struct file_list {
	struct keys *keys;
	struct proj_file *files;	/* paths owned */
	struct file_origin *origins;
	size_t n, cap;
	struct content **held;
	size_t nheld;
	/* The content that lies open in the arena, while the serial holds. */
	const struct content *open;
	uint64_t serial;
	struct payload payload;
};

/**
 * file_list_make(d, ret, err):
 * What ${d} is to show now.  INVALID names the item, key or path and, where
 * two ExternalSecrets offer the same path, both of them; NOTFOUND a key that
 * is not there.
 */
int file_list_make(const struct delivery *d, struct file_list **ret,
    struct err *err);
/* file_list_fill: a proj_fill_fn but for its argument's type. */
int file_list_fill(struct file_list *l, size_t i, int fd, struct err *err);
/* file_list_shut: all are filled: no content lies open any more. */
void file_list_shut(struct file_list *l);
void file_list_free(struct file_list *l);

#endif
