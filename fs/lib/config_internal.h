/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the configuration share: the table of keys and the error.
 */
#ifndef CMKFS_CONFIG_INTERNAL_H
#define CMKFS_CONFIG_INTERNAL_H

#include "config.h"

struct conf_key {
	const char *section, *key;
	enum conf_type type;
	size_t offset;
	uint64_t min, max;
	const char *fallback, *choices;
};

#define CONF_ONE(...) + 1
enum { CONF_NKEYS = 0 CONF_KEYS(CONF_ONE) };
extern const struct conf_key conf_keys[CONF_NKEYS];

/* Fill ERR and return CODE. */
int conf_fail(struct conf_error *err, int code, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Set K in C.  0; -EINVAL, -ERANGE, -ENOMEM. */
int conf_set(struct conf *c, const struct conf_key *k, const char *value);
/* What a good value of K is, for errors. */
void conf_describe(const struct conf_key *k, char *ret, size_t n);

#endif
