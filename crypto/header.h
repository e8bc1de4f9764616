/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two kinds of metadata slot: the object header and the group slot
 * (cmkfs-format(5), Object header and GCM layout).  They work on blocks of
 * SLOT bytes in memory; nothing here reads a file.  Thread-safe.
 */
#ifndef CMKFS_HEADER_H
#define CMKFS_HEADER_H

#include "format.h"

#define HEADER_MAC_OFFSET 992u

struct hole_run {
	uint32_t first, count; /* groups */
};

/* A header's fields, in host order; entries and tail are in the block's last 3072 bytes. */
struct header {
	uint16_t suite;
	uint8_t type, flags;
	struct zone_id zone;
	uint8_t object_id[ID_LEN];
	uint64_t gen, base, session, size;
	uint32_t epoch, vk_gen;
	uint8_t wrapped[WRAP_LEN];
	uint32_t old_vk_gen; /* while REKEY, else 0 */
	uint8_t old_wrapped[WRAP_LEN];
	uint32_t group_count, s, xts_done;
	uint64_t uses;
	uint32_t incompat, ro_compat;
	uint16_t ntags, nruns;
	uint8_t tags[MAX_TAGS][TAG_LEN];
	struct hole_run runs[MAX_RUNS];
};

/*
 * Parse BLOCK without keys: magic, version, known suite and type, numbers and
 * runs within bounds, reserved bytes zero, tail and entries within bounds.
 * 0; -ENODATA: all zero (never written); -EBADMSG: anything else that is
 * wrong, with *RET_WHY naming the field (static string; may be NULL).
 */
int header_parse(const uint8_t block[static SLOT], struct header *ret, const char **ret_why);

/* Check the MAC under HK.  0; -EBADMSG; -EIO. */
int header_verify(const uint8_t block[static SLOT], const uint8_t hk[static KEY_LEN]);

/*
 * Serialise H, with AREA as bytes 1024–4095 (may be RET + TAIL_OFFSET), and MAC
 * it.  0; -EINVAL: header_parse() would refuse it; -EIO.
 */
int header_seal(const struct header *h, const uint8_t area[static TAIL_AREA],
		const uint8_t hk[static KEY_LEN], uint8_t ret[static SLOT]);

/*
 * Where the tail of a header lies: *RET_CHUNK, *RET_OFF within the block and
 * *RET_LEN.  false if it has none.
 */
bool header_tail(const struct header *h, const uint8_t block[static SLOT], uint32_t *ret_chunk,
		 uint32_t *ret_off, uint32_t *ret_len);

/* A group slot's fields; its 126 entries are in the block from byte 64. */
struct group_slot {
	uint32_t g;
	uint64_t gen, base, session;
	uint32_t epoch, s;
	uint64_t uses;
};

#define GROUP_ENTRIES_OFFSET 64u

/* As header_parse().  That g is the one expected is left to the caller. */
int group_parse(const uint8_t block[static SLOT], struct group_slot *ret, const char **ret_why);
/*
 * MK is the second half of GK(g,s).  0; -EBADMSG (verify); -EINVAL (seal: group_parse() would
 * refuse it); -EIO.  E may be the entries in RET.
 */
int group_verify(const uint8_t block[static SLOT], const uint8_t mk[static 32]);
int group_seal(const struct group_slot *s, const struct entry e[static GROUP_CHUNKS],
	       const uint8_t mk[static 32], uint8_t ret[static SLOT]);

/* An entry is sane: hole (all zero) or a length of 1 … CHUNK. */
bool entry_sane(const struct entry *e);

#endif
