/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a generation of a keyring by its providers, and putting a secret
 * under a provider's key: one call each, without a lease.  For commands, and
 * for the moments when a mount needs a key again.  Thread-safe; each call
 * waits for providers.
 */
#ifndef CMKFS_KEYPROV_OPEN_H
#define CMKFS_KEYPROV_OPEN_H

#include "crypto/ways.h"
#include "keyprov/keyprov.h"

/*
 * What slot S holds (KP_SECRET_LEN bytes, wiped on failure).  JUDGE: the key and
 * its vault must be acceptable as well, as a lease demands it.
 */
int kp_open_slot(const struct kp_context *ctx, const struct keyslot *s, bool judge, uint8_t *ret,
		 struct kp_error *e);

/*
 * The vault key by the way W.  RET_FAILED (may be NULL): the slot that refused.
 * As kp_open_slot(); -EKEYREJECTED: it is not the key of GEN.
 */
int kp_open_way(const struct kp_context *ctx, const struct zone_id *z, const struct generation *gen,
		const struct way *w, bool judge, uint8_t ret_vk[static KP_SECRET_LEN],
		const struct keyslot **ret_failed, struct kp_error *e);

/*
 * The vault key of GEN by the first way that opens, but none that has the slot
 * SKIP (0: no such).  0 and *RET_WAY (may be NULL); -ENOENT: there is no way;
 * else the refusal that says most: one that could not be asked might have
 * opened it.
 */
int kp_open_generation(const struct kp_context *ctx, const struct zone_id *z,
		       const struct generation *gen, unsigned int skip,
		       uint8_t ret_vk[static KP_SECRET_LEN], struct way *ret_way,
		       struct kp_error *e);

/* What kp_protect() has to say of the key. */
struct kp_protected {
	bool follows;  /* the URI named no version */
	bool may_more; /* the policy grants more than is needed */
	char vault[128];
};

/*
 * Put SECRET (KP_SECRET_LEN bytes) under the key URI, after all that
 * cmkfs-security(7) refuses has been looked for, and with a trial unwrap.
 * Fills *RET (kid, params, blob malloc'd; type; role and group are the
 * caller's).  RET_INFO may be NULL.
 */
int kp_protect(const struct kp_context *ctx, const char *uri, const uint8_t *secret,
	       struct keyslot *ret, struct kp_protected *ret_info, struct kp_error *e);

/* Free what a slot points to. */
void kp_slot_done(struct keyslot *s);

#endif
