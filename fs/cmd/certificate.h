/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Erasure certificates: a statement of what was erased, when, and under which
 * keys, signed by the host's key (that of its audit logs).  Functions return an
 * enum cmd_exit and have printed their error.
 */
#ifndef CMKFS_CERTIFICATE_H
#define CMKFS_CERTIFICATE_H

#include <jansson.h>

#include "volkeys.h"

#define OPT_CERTIFICATE(var) \
	{ .name = "certificate", .arg = "FILE", \
	  .help = "write a signed statement of what was erased to this new file", .value = (var) }

struct certificate {
	const char *file; /* NULL: none is asked for */
	int fd;
	char digest[2 * KEY_LEN + 1]; /* SHA-256 of the statement, when it is written */
};

/* Make the file, so that nothing is erased that could not be certified. */
int certificate_open(const char *file, struct certificate *ret);
/*
 * The statement BODY (taken over) about the volume in DIR: who, when and where
 * are added, it is signed and written.
 */
int certificate_write(struct certificate *t, const struct cmd *c, const char *dir, json_t *body);
/* Nothing was erased: no file is left. */
void certificate_drop(struct certificate *t);

/* "keys" of a statement: what each zone's generations are under, of the zones that WANTED names (NULL: all). */
json_t *certificate_keys(const struct cmd *c, const char *dir, const json_t *wanted);

#endif
