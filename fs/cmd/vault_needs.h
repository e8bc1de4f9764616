/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of the embedded vaults that volumes of this host still need: told to who
 * takes one away, and refused where that could never be taken back.
 */
#ifndef CMKFS_VAULT_NEEDS_H
#define CMKFS_VAULT_NEEDS_H

#include "vault_common.h"

enum needs_act { NEEDS_DELETE, NEEDS_PURGE };

/*
 * Before WHAT, a vault or a key URI with or without version, is deleted or
 * purged: name the zones that stand under it, and whether each has another way.
 * An exit code: CMD_LOCKED, printed, where that is the last way into a zone and
 * could not be taken back, unless FORCE.
 */
int needs_check(const struct vault_session *s, const char *what, enum needs_act act, bool force);

/* Name the zones under keys of VAULT that ask as PRINCIPAL, who loses it. */
void needs_tell_policy(const struct vault_session *s, const char *vault, const char *principal);

/* "zone 0 of DIR" of each that stands under the version KID: an array of texts. */
json_t *needs_of(const struct vault_session *s, const char *kid);

#endif
