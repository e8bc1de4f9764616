/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the file of the master key (master_file.c) and its form under a
 * passphrase (master_sealed.c) have of each other.
 */
#ifndef CMKFS_LOCAL_MASTER_FILE_H
#define CMKFS_LOCAL_MASTER_FILE_H

#include "crypto/aead.h"
#include "master.h"

#define MASTER_FILE_LEN (16 + PASSPHRASE_SALT + MASTER_LEN + SEALED_EXTRA) /* a sealed one has */

/* The master key at PATH is of no use: -EIO, with the hint to restore it. */
int master_bad(struct kp_error *e, const char *path, const char *why);

/* ---- master_sealed.c; thread-safe ---- */

/* Whether the N bytes at P are a sealed file. */
bool master_is_sealed(const uint8_t *p, ssize_t n);
/* The key in FILE: the one that is kept, or by the passphrase, which is asked for.  -EIO, -EACCES, -EAGAIN. */
int master_unseal(const uint8_t *file, uint8_t *ret, const char *path, struct kp_error *e);
/* FILE, which has MASTER sealed under the passphrase of N bytes.  -EIO. */
int master_seal_file(const uint8_t *master, const char *pass, size_t n,
		     uint8_t file[static MASTER_FILE_LEN]);
/* Keep MASTER: nobody is asked for what was just set. */
void master_keep(const uint8_t *master);

#endif
