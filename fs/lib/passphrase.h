/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passphrases from a file's first line, from a descriptor, or from the terminal
 * without echo; never from the command line or the environment.
 */
#ifndef CMKFS_PASSPHRASE_H
#define CMKFS_PASSPHRASE_H

#include "fs/lib/cmd.h"

#define PASSPHRASE_MAX 1024 /* bytes, with NUL */
#define PASSPHRASE_MIN 8    /* of one that is set */

/* Of a verb that takes one. */
struct passphrase_opt {
	const char *file, *fd;
};

#define OPT_PASSPHRASE(o)                                                                          \
	{ .name = "passphrase-file", .arg = "FILE", .help = "its first line is the passphrase",    \
	  .value = &(o).file },                                                                    \
	{ .name = "passphrase-fd", .arg = "N", .help = "read the passphrase from this descriptor", \
	  .value = &(o).fd }

/*
 * Read the passphrase of WHAT; from the terminal if O names nothing, twice if
 * it is NEW.  RET: secret memory with NUL, for secret_free().  Returns an enum
 * cmd_exit and has printed its error.
 */
int passphrase_read(const struct passphrase_opt *o, const char *what, bool new, char **ret,
		    size_t *ret_n);

/* Where a secret comes from: the first of these that is there, else the terminal. */
struct passphrase_source {
	const char *word;	 /* "passphrase", for the question and errors */
	const char *credential;	 /* of systemd */
	const char *file;	 /* or NULL */
	const char *fd_variable; /* in the environment: the number of a descriptor */
	const char *hint;	 /* where there is none */
};

/* RET: secret memory of PASSPHRASE_MAX bytes.  0; -EACCES. */
int passphrase_from(const struct passphrase_source *s, const char *what, char *ret, size_t *ret_n,
		    struct kp_error *e);

/*
 * Where the embedded vault gets its passphrase when it has one: the credential
 * `cmkfs-vault-passphrase` of systemd, `vault-passphrase-file` of CONF, the
 * descriptor whose number is in CMKFS_VAULT_PASSPHRASE_FD, the terminal; and
 * PINs by pin_setup().  CONF must outlive the process's use of vaults.
 */
void passphrase_setup(const struct conf *conf);

#endif
