/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was erased, as JSON: the same from a mount and without one.
 */
#ifndef CMKFS_ERASED_H
#define CMKFS_ERASED_H

#include <jansson.h>

#include "fs/store/erase.h"

/*
 * {"type": "file" | "directory", "names": […], "object_id", "zone", "generation",
 * "epoch", "size", "wrapped_key_sha256", "time"}.  Names are paths from the
 * root, in which what is no UTF-8 stands as \xNN.  NULL: no memory.
 */
json_t *erased_json(const struct erased *e, const char *const *names, unsigned int n);

/* S as a JSON string; bytes of what is no UTF-8 as \xNN. */
json_t *erased_text(const char *s);

#endif
