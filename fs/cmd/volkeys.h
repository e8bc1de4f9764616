/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What init and the `key` verbs share: a volume's keyring and its identity,
 * wrapping under a provider's key, and replacing the provider's slots.  Functions that
 * return an enum cmd_exit have printed their error.
 */
#ifndef CMKFS_VOLKEYS_H
#define CMKFS_VOLKEYS_H

#include "fs/lib/cmd.h"
#include "fs/lib/state.h"

/* A volume that has been read without its keys. */
struct volkeys {
	const char *dir;
	struct volume_block vol;
	struct keyring *ring;
	struct state_context ctx;
};

/* Free with volkeys_done(), also after a failure. */
int volkeys_load(const struct cmd *c, const char *dir, struct volkeys *ret);
void volkeys_done(struct volkeys *k);

/* Whether slot S is a provider's, that holds a vault key itself. */
bool volkeys_of_provider(const struct keyslot *s);

/* The vault key of GEN into RET_VK (KEY_LEN bytes of secret memory). */
int volkeys_unwrap(const struct volkeys *k, const struct generation *gen, uint8_t *ret_vk);

/*
 * Wrap VK under the key URI as the identity of CTX, after all that
 * cmkfs-security(7) refuses has been looked for and a trial unwrap.  Fills
 * *RET_SLOT (kid, params and blob malloc'd).  Says when the policy grants more
 * than is needed; prints no error: 0, or E is the provider's.
 */
int volkeys_wrap(const struct kp_context *ctx, const char *uri, enum slot_role role,
	      const uint8_t *vk, struct keyslot *ret_slot, struct kp_error *e);
void volkeys_slot_done(struct keyslot *s);

/*
 * Put URI in place of all provider slots of all live generations: the new
 * slots are on disk before the old ones go; no other file is touched.  A
 * mount of the volume is told.  WHAT is for the audit log: "key.set".
 */
int volkeys_replace(const struct volkeys *k, const char *uri, enum slot_role role,
		    const char *what);

/*
 * The two halves of a kid: URI without the version, and the version ("" when
 * there is none).
 */
void volkeys_split(const char *kid, char ret_uri[static KP_URI_MAX],
		   char ret_version[static KP_URI_MAX]);

#endif
