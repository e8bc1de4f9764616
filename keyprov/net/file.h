/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials in files: read anew whenever they are needed, since others
 * replace them.  Thread-safe.
 */
#ifndef CMKFS_NET_FILE_H
#define CMKFS_NET_FILE_H

#include "keyprov/keyprov.h"

/*
 * All of PATH, at most CAP - 1 bytes, and a NUL into RET (secret memory of the
 * caller); *RET_N may be NULL.  OWN: a secret that was put there for us, which
 * others must not be able to read or write; else the file is as its maker
 * left it (a token that a platform projects).
 * 0; -EIO: it cannot be read, is too large or open to others.
 */
int net_read_file(const char *path, bool own, char *ret, size_t cap, size_t *ret_n,
		  struct kp_error *e);

/* The same without white space at the end, of one line: a token, a password.  -EIO: empty too. */
int net_read_word(const char *path, bool own, char *ret, size_t cap, struct kp_error *e);

#endif
