/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyring of a zone (cmkfs-format(5), Keyring file): its generations and
 * slots, as one block of bytes in memory.  A struct keyring belongs to its
 * caller and may be read by several threads.
 */
#ifndef CMKFS_KEYRING_H
#define CMKFS_KEYRING_H

#include "format.h"

#define KEYRING_MAX (1u << 20) /* bytes of a file */
#define KEYRING_GENERATIONS 64u
#define KEYRING_SLOTS 16u

enum gen_state { GEN_ACTIVE = 1, GEN_UNWRAP_ONLY = 2, GEN_DESTROYED = 3 };
enum slot_type {
	SLOT_RSA = 1,
	SLOT_SYMMETRIC = 2,
	SLOT_PASSPHRASE = 3,
	SLOT_OFFLINE = 4,
	SLOT_COMBINER = 5
};
enum slot_role { ROLE_SERVICE = 1, ROLE_CUSTOMER = 2, ROLE_RECOVERY = 3, ROLE_SHARE = 4 };

/*
 * PARAMS of a provider slot (types 1 and 2): empty, or one byte of flags:
 * SLOT_FOLLOW: the operator named no version, so the newest one is followed.
 */
#define SLOT_FOLLOW 0x01

struct keyslot {
	uint8_t id, type, role, group;
	char *kid;	 /* provider URI with key version, NUL-terminated; owned */
	uint8_t *params; /* owned */
	uint16_t params_len;
	uint8_t *blob; /* owned */
	uint16_t blob_len;
};

struct generation {
	uint32_t g;
	uint8_t state;
	uint64_t created; /* unix seconds */
	uint8_t key_id[KEY_LEN];
	uint8_t zik[WRAP_LEN]; /* WRAP(KZ, ZIK) */
	unsigned int nslots;
	struct keyslot slots[KEYRING_SLOTS];
};

/*
 * KEYRING_TAKES: the zone was made of a directory that was not empty.  As long as
 * generation 1 is live, an object below may still have the header that it had in
 * the parent zone.
 */
#define KEYRING_TAKES 0x0001

struct keyring {
	struct zone_id zone;
	uint16_t flags;
	uint64_t seq, written;
	uint32_t active;
	uint8_t parent[ID_LEN];
	uint8_t endorsement[MAC_LEN];
	unsigned int ngens;
	struct generation *gens; /* newest first; owned */
	/* As parsed: the bytes that the MAC covers, and the MAC, for keyring_verify(). */
	uint8_t *raw;
	size_t raw_len;
};

/*
 * Parse N untrusted bytes.  0; -EBADMSG: malformed, *RET_WHY names the field;
 * -ENOMEM.  Free with keyring_free() (NULL-safe).
 */
int keyring_parse(const void *p, size_t n, struct keyring **ret, const char **ret_why);
void keyring_free(struct keyring *k);

/*
 * Serialise with MAC under KM; *RET is malloc'd.  0, -ENOMEM, -EIO, -E2BIG;
 * -EINVAL: keyring_parse() would refuse it.
 */
int keyring_serialise(const struct keyring *k, const uint8_t km[static KEY_LEN], uint8_t **ret,
		      size_t *ret_n);

/* The generation numbered G, or NULL. */
struct generation *keyring_generation(struct keyring *k, uint32_t g);
/* Whether objects of the parent zone are still taken over (KEYRING_TAKES). */
bool keyring_takes(const struct keyring *k);

/*
 * Take VK as that of generation GEN: compare its key_id, unwrap ZIK.
 * 0; -EKEYREJECTED: not the key of this generation; -EBADMSG: the wrap of ZIK
 * is damaged.  RET_ZIK is a secret, wiped on failure.
 */
int keyring_take(const struct keyring *k, const struct generation *gen,
		 const uint8_t vk[static KEY_LEN], uint8_t ret_zik[static KEY_LEN]);

/* Check the MAC of a parsed keyring under ZIK.  0; -EBADMSG; -EIO. */
int keyring_verify(const struct keyring *k, const uint8_t zik[static KEY_LEN]);

/* Fingerprint of the zone, from ZIK. */
int keyring_fingerprint(const struct keyring *k, const uint8_t zik[static KEY_LEN],
			uint8_t ret[static KEY_LEN]);

/*
 * Fill GEN as a new generation G of the keyring: key_id of VK, ZIK wrapped,
 * state active, created NOW, no slots.  0 or -EIO.
 */
int keyring_new_generation(const struct keyring *k, struct generation *gen, uint32_t g,
			   const uint8_t vk[static KEY_LEN], const uint8_t zik[static KEY_LEN],
			   uint64_t now);

/*
 * A new generation with the vault key VK, one above the highest, becomes the
 * active one; the active one so far is for unwrapping only.  *RET is in K, and
 * has no slots yet.  0; -E2BIG: 64 of them are live; -ENOMEM; -EIO.
 */
int keyring_add_generation(struct keyring *k, const uint8_t vk[static KEY_LEN],
			   const uint8_t zik[static KEY_LEN], uint64_t now,
			   struct generation **ret);
/* Nothing is under generation G any more: its slots and wrap go.  0; -ENOENT; -EBUSY: the active one. */
int keyring_destroy_generation(struct keyring *k, uint32_t g);

/*
 * Add a copy of S (id chosen: lowest free from 1).  0, -ENOSPC: 16 slots,
 * -ENOMEM.  RET_ID may be NULL.
 */
int generation_add_slot(struct generation *gen, const struct keyslot *s, uint8_t *ret_id);
/* Put a copy of S in the place of the slot ID, whose id it gets.  0; -ENOENT; -ENOMEM. */
int generation_replace_slot(struct generation *gen, uint8_t id, const struct keyslot *s);
/* 0; -ENOENT. */
int generation_remove_slot(struct generation *gen, uint8_t id);

/*
 * The key that wraps VK in an all-of group: KDF over the N shares (2 … 16, KEY_LEN bytes each) in
 * order of slot id.  0; -EINVAL: N; -EIO.
 */
int all_of_key(const struct zone_id *z, uint32_t g, const uint8_t *shares, unsigned int n,
	       uint8_t ret[static KEY_LEN]);

#endif
