/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: /etc/cmkfs/cmkfs.conf, then the user's
 * $XDG_CONFIG_HOME/cmkfs/cmkfs.conf, whose settings win; or, when CMKFS_CONFIG
 * is set, that file alone.  Every key is in the table below, or in the
 * conf_keys of the key provider after which the section is named, and in
 * cmkfs.conf(5); anything else in a file is an error with file and line.
 *
 * A struct conf is read-only after it has been loaded; thread-safe then.
 */
#ifndef CMKFS_CONFIG_H
#define CMKFS_CONFIG_H

#include "crypto/base.h"

enum conf_type { CONF_TEXT, CONF_PATH, CONF_DURATION, CONF_NUMBER, CONF_BOOL, CONF_CHOICE };

/*
 * X(section, key, type, field, minimum, maximum, default, choices)
 * Durations are kept in milliseconds; choices as the index of the word.
 */
#define CONF_KEYS(X)                                                                               \
	X("host", "state-dir", CONF_PATH, state_dir, 0, 0, NULL, NULL)                             \
	X("host", "tenant", CONF_TEXT, tenant, 0, 0, NULL, NULL)                                   \
	X("host", "region", CONF_TEXT, region, 0, 0, NULL, NULL)                                   \
	X("host", "audit", CONF_CHOICE, audit, 0, 0, "best-effort", "best-effort required")        \
	X("host", "vault-passphrase-file", CONF_PATH, vault_passphrase_file, 0, 0, NULL, NULL)     \
	X("init", "cipher", CONF_CHOICE, cipher, 0, 0, "gcm", "gcm xts")                           \
	X("init", "plain-names", CONF_BOOL, plain_names, 0, 0, "no", NULL)                         \
	X("init", "binding", CONF_CHOICE, binding, 0, 0, "enforce", "off audit enforce")           \
	X("init", "crash", CONF_CHOICE, crash, 0, 0, "ordered", "relaxed ordered")                 \
	X("mount", "lease", CONF_DURATION, lease_ms, 1000, 3600000, "60s", NULL)                   \
	X("mount", "grace", CONF_DURATION, grace_ms, 0, 86400000, "10min", NULL)                   \
	X("mount", "drain", CONF_DURATION, drain_ms, 0, 60000, "5s", NULL)                         \
	X("mount", "threads", CONF_NUMBER, threads, 0, 256, "0", NULL)                             \
	X("mount", "allow-other", CONF_BOOL, allow_other, 0, 0, "no", NULL)                        \
	X("mount", "allow-deployments", CONF_BOOL, allow_deployments, 0, 0, "no", NULL)            \
	X("mount", "io-uring", CONF_BOOL, io_uring, 0, 0, "no", NULL)

struct conf {
	char *state_dir, *tenant, *region; /* NULL: not set */
	char *vault_passphrase_file;
	unsigned int audit;		   /* 0 best-effort, 1 required */
	unsigned int cipher;		   /* 0 gcm, 1 xts */
	unsigned int plain_names;	   /* 0, 1 */
	unsigned int binding;		   /* enum binding_mode */
	unsigned int crash;		   /* enum crash_mode */
	unsigned int lease_ms, grace_ms, drain_ms;
	unsigned int threads; /* 0: by the number of processors */
	unsigned int allow_other, allow_deployments, io_uring;
	struct conf_setting *provider; /* what is set in the sections of key providers */
};

struct conf_error {
	char message[320], hint[256]; /* message begins with file:line */
};

/*
 * Defaults, then the files.  A file that does not exist is no error unless
 * CMKFS_CONFIG names it.  Free with conf_free() (NULL-safe).
 * 0; -EINVAL, -errno of reading, -ENOMEM, with ERR.
 */
int conf_load(struct conf **ret, struct conf_error *err);
struct conf *conf_new(void); /* defaults alone; NULL: out of memory */
void conf_free(struct conf *c);

/* Parse N bytes of text as file NAME over what C has.  On failure C may hold a part. */
int conf_parse(struct conf *c, const char *name, const char *text, size_t n,
	       struct conf_error *err);

/*
 * "250ms", "60s", "10min", "1h", "2d"; a number alone is seconds.  Within
 * [MIN, MAX] milliseconds.  0; -EINVAL; -ERANGE.
 */
int conf_duration(const char *s, uint64_t min, uint64_t max, uint64_t *ret_ms);

/*
 * The value of KEY in the section of a key provider; NULL: not set.  ARG is a
 * struct conf; for struct kp_context.  A thread that a provider holds up may
 * ask until the process ends, so programs do not free theirs.
 */
const char *conf_provider(void *arg, const char *section, const char *key);

/* An unsigned number in [MIN, MAX].  0; -EINVAL; -ERANGE. */
int conf_number(const char *s, uint64_t min, uint64_t max, uint64_t *ret);

/* The index of WORD in LIST, words with single spaces between.  0; -EINVAL. */
int conf_choice(const char *word, const char *list, uint64_t *ret);

#endif
