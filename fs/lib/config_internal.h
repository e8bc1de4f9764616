/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the configuration share: the table of keys and the error.
 */
#ifndef CMKFS_CONFIG_INTERNAL_H
#define CMKFS_CONFIG_INTERNAL_H

#include "config.h"
#include "keyprov/keyprov.h"

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

/*
 * A setting in a provider's section.  Keys are those of the provider's table,
 * so that pointers tell them apart.
 */
struct conf_setting {
	struct conf_setting *next;
	const struct kp_conf_key *key;
	const char *section; /* the provider's name */
	bool seen;	     /* in the file that is being read */
	char value[];
};

/* The key KEY of the provider SECTION, or NULL. */
const struct kp_conf_key *conf_provider_key(const char *section, const char *key);
/*
 * Set K of the provider SECTION in C, over what another file said.
 * 0; -EINVAL; -EEXIST: the file has it already; -ENOMEM.
 */
int conf_provider_set(struct conf *c, const char *section, const struct kp_conf_key *k,
		      const char *value);
/* Begin with another file. */
void conf_provider_next_file(struct conf *c);
void conf_provider_free(struct conf *c);

/* Set K in C.  0; -EINVAL, -ERANGE, -ENOMEM. */
int conf_set(struct conf *c, const struct conf_key *k, const char *value);
/* What a good value of K is, for errors. */
void conf_describe(const struct conf_key *k, char *ret, size_t n);

#endif
