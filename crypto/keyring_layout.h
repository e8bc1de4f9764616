/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offsets of the keyring file, and what its reader and writers share.
 */
#ifndef CMKFS_CRYPTO_KEYRING_LAYOUT_H
#define CMKFS_CRYPTO_KEYRING_LAYOUT_H

#define KEYRING_MAGIC "CMKFSKEY"
#define GEN_MAGIC "GEN1"

enum {
	KR_VERSION = 8, KR_FLAGS = 10, KR_LENGTH = 12, KR_ZONE = 16, KR_SEQ = 48, KR_ACTIVE = 56,
	KR_COUNT = 60, KR_PARENT = 64, KR_ENDORSEMENT = 80, KR_WRITTEN = 112, KR_RESERVED = 120,
	KR_FIXED = 128
};

enum {
	GEN_LENGTH = 4, GEN_NUMBER = 8, GEN_STATE = 12, GEN_SLOTS = 13, GEN_RESERVED = 14,
	GEN_CREATED = 16, GEN_KEY_ID = 24, GEN_ZIK = 56, GEN_FIXED = 96
};

enum {
	SLOT_LENGTH = 0, SLOT_ID = 4, SLOT_TYPE = 5, SLOT_ROLE = 6, SLOT_GROUP = 7,
	SLOT_RESERVED = 8, SLOT_KID_LEN = 10, SLOT_PARAMS_LEN = 12, SLOT_BLOB_LEN = 14,
	SLOT_FIXED = 16
};

struct keyslot;
/* Free what is in S and empty it (keyring.c). */
void slot_clear(struct keyslot *s);

#endif
