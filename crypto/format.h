/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes, places and identities of the on-disk format: cmkfs-format(5).
 * Pure functions and constants; thread-safe.
 */
#ifndef CMKFS_FORMAT_H
#define CMKFS_FORMAT_H

#include "base.h"
#include "kdf.h"
#include "mac.h"
#include "wrap.h"

#define ID_LEN 16
#define FORMAT_VERSION 1
#define FORMAT_DRAFT 0x8001 /* in cmkfs.volume until the format is frozen */

#define CHUNK 4096u
#define SLOT 4096u		 /* one block of metadata */
#define GROUP0_CHUNKS 96u
#define GROUP_CHUNKS 126u
#define GROUP_STRIDE 524288u
#define DATA_START 8192u	 /* place of chunk 0 */
#define GROUP1_BASE 401408u
#define ENTRY_LEN 32u
#define TAIL_AREA 3072u		 /* entries of group 0 and tail */
#define TAIL_OFFSET 1024u
#define FILE_LIMIT (UINT64_C(1) << 50)
#define MAX_TAGS 16u
#define MAX_RUNS 60u

enum suite { SUITE_GCM = 1, SUITE_XTS = 2 };
enum object_type { OBJECT_FILE = 1, OBJECT_DIR = 2 };
enum { FLAG_TAIL = 1, FLAG_REKEY = 2, FLAG_BIND_OVERFLOW = 4, FLAG_ZONE_ROOT = 8 };

/* One chunk: IV 12 ‖ tag 16 ‖ length 4.  All zero = hole. */
struct entry {
	uint8_t iv[12];
	uint8_t tag[16];
	uint8_t len[4];
};
_Static_assert(sizeof(struct entry) == ENTRY_LEN, "entry is 32 bytes");

static inline uint32_t entry_len(const struct entry *e)
{
	return get_le32(e->len);
}

static inline uint64_t chunk_count(uint64_t size)
{
	return (size + CHUNK - 1) / CHUNK;
}

static inline uint32_t chunk_group(uint64_t i)
{
	return i < GROUP0_CHUNKS ? 0 : (uint32_t)(1 + (i - GROUP0_CHUNKS) / GROUP_CHUNKS);
}

static inline uint32_t chunk_slot(uint64_t i)
{
	return (uint32_t)(i < GROUP0_CHUNKS ? i : (i - GROUP0_CHUNKS) % GROUP_CHUNKS);
}

static inline uint64_t group_first(uint32_t g) /* its first chunk */
{
	return g ? GROUP0_CHUNKS + (uint64_t)(g - 1) * GROUP_CHUNKS : 0;
}

static inline uint32_t group_chunks(uint32_t g)
{
	return g ? GROUP_CHUNKS : GROUP0_CHUNKS;
}

static inline uint64_t group_base(uint32_t g) /* offset of its slot pair */
{
	return g ? GROUP1_BASE + (uint64_t)(g - 1) * GROUP_STRIDE : 0;
}

static inline uint64_t chunk_place(uint64_t i) /* GCM layout */
{
	uint32_t g = chunk_group(i);

	return g ? group_base(g) + 2 * SLOT + (uint64_t)CHUNK * chunk_slot(i) :
		   DATA_START + (uint64_t)CHUNK * i;
}

static inline uint64_t xts_place(uint64_t i)
{
	return DATA_START + (uint64_t)CHUNK * i;
}

/* Backing length of a regular file of SIZE bytes, and back (any length gives a size). */
uint64_t backing_length(enum suite suite, uint64_t size);
uint64_t size_hint(enum suite suite, uint64_t length);

/* Contexts of the key derivations: Z, V and O of cmkfs-format(5). */
struct zone_id {
	uint8_t vol[ID_LEN];
	uint8_t zone[ID_LEN];
};
_Static_assert(sizeof(struct zone_id) == 32, "V is 32 bytes");

/* KDF(VK, label, vol ‖ zone ‖ LE32 g) for KDF_KEY_ID, KDF_KEK, KDF_ZIK.  As kdf(). */
int kdf_vk(const uint8_t vk[static KEY_LEN], enum kdf_label label, const struct zone_id *z,
	   uint32_t g, uint8_t ret[static KEY_LEN]);
/* KDF(ZIK, label, vol ‖ zone). */
int kdf_zik(const uint8_t zik[static KEY_LEN], enum kdf_label label, const struct zone_id *z,
	    uint8_t ret[static KEY_LEN]);
/* KDF(DEK, label, object_id ‖ LE32 epoch): N = 32 or 64. */
int kdf_object(const uint8_t dek[static KEY_LEN], enum kdf_label label,
	       const uint8_t object_id[static ID_LEN], uint32_t epoch, uint8_t *ret, size_t n);
/* GK(g, s): 32 GCM key ‖ 32 slot MAC key. */
#define GK_LEN 64
int kdf_group(const uint8_t dek[static KEY_LEN], const uint8_t object_id[static ID_LEN],
	      uint32_t epoch, uint32_t g, uint32_t s, uint8_t ret[static GK_LEN]);

/* Binding tag: MAC16(BK, directory object_id ‖ 01 ‖ name). */
#define TAG_LEN 16
int binding_tag(const uint8_t bk[static KEY_LEN], const uint8_t dir_id[static ID_LEN],
		const char *name, size_t n, uint8_t ret[static TAG_LEN]);

#endif
