/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secret that opens recovery slots, from a file: a private RSA key in PEM or
 * DER, or a passphrase, which is the file's first line.
 */
#ifndef CMKFS_RECOVERY_H
#define CMKFS_RECOVERY_H

#include "crypto/ways.h"

#define RECOVERY_PASS_MIN 8u /* bytes of a passphrase that a slot is made with */

/*
 * 0; -EINVAL: it holds neither; another -errno of reading it.  On failure WHY
 * (256 bytes) says what is wrong.
 */
int recovery_load(const char *path, struct recovery **ret, char why[static 256]);
/* A public (or private) RSA key, for a slot to be made with. */
int recovery_load_public(const char *path, struct recovery **ret, char why[static 256]);
void recovery_free(struct recovery *r); /* wipes; NULL-safe */

#endif
