/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways into a generation of a keyring: which slot, or which slots
 * together, give its vault key (cmkfs-format(5), Keyring file).  Pure
 * functions over parsed keyrings, whose slots they point into; thread-safe.
 */
#ifndef CMKFS_WAYS_H
#define CMKFS_WAYS_H

#include "keyring.h"

enum slot_use {
	USE_NONE,     /* nothing that this version can open by */
	USE_ALONE,    /* a provider's; holds the vault key itself */
	USE_SHARE,    /* a provider's; one share of an all-of group */
	USE_COMBINER, /* of an all-of group: the vault key under its shares */
	USE_RECOVERY  /* passphrase or offline key: never by itself, only when asked for */
};

enum slot_use keyslot_use(const struct keyslot *s);

struct way {
	unsigned int n;				 /* 1, or the shares of an all-of group */
	const struct keyslot *slot[KEYRING_SLOTS]; /* in order of id */
	const struct keyslot *combiner;		 /* NULL: slot[0] holds the key itself */
};

/* The ways by providers, in the order of the slots; a group without all its parts is none. */
unsigned int generation_ways(const struct generation *gen, struct way ret[static KEYRING_SLOTS]);

/*
 * What the slots of W hold, N × KEY_LEN bytes in the order of W->slot, made into
 * the vault key of generation G.  0; -EBADMSG: shares that do not belong
 * together; -EIO.  RET is a secret, wiped on failure.
 */
int way_key(const struct way *w, const struct zone_id *z, uint32_t g, const uint8_t *held,
	    uint8_t ret[static KEY_LEN]);

/*
 * Fill *RET as the combiner of GROUP for VK under SHARES (N × KEY_LEN, in the
 * order of the share slots' ids); its blob is malloc'd.  0, -ENOMEM, -EINVAL, -EIO.
 */
int combiner_make(const struct zone_id *z, uint32_t g, uint8_t group, const uint8_t *shares,
		  unsigned int n, const uint8_t vk[static KEY_LEN], struct keyslot *ret);

/* ---- recovery slots --------------------------------------------------------- */

struct rsa;

/* What opens recovery slots: a private key, or a passphrase of N bytes (a secret). */
struct recovery {
	struct rsa *key; /* NULL: the passphrase */
	const uint8_t *pass;
	size_t n;
};

/*
 * Fill *RET (params and blob malloc'd) with VK under the passphrase, or under
 * KEY's public half.  0; -EKEYREJECTED: an RSA key under 2048 bits or over 4096;
 * -ENOMEM; -EIO.
 */
int recovery_make(const struct recovery *by, const uint8_t vk[static KEY_LEN],
		  struct keyslot *ret);

/*
 * VK of GEN by its recovery slots.  0 and *RET_SLOT (may be NULL); -ENOENT: GEN
 * has none of that kind; -EKEYREJECTED: none that this opens; -EIO.
 */
int recovery_open(const struct recovery *by, const struct zone_id *z, const struct generation *gen,
		  uint8_t ret_vk[static KEY_LEN], const struct keyslot **ret_slot);

#endif
