/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What header, group, volume and session blocks have in common: a MAC over the
 * block, reserved bytes, entries, generations.
 * Not for other rooms.
 */
#ifndef CMKFS_CRYPTO_SLOT_H
#define CMKFS_CRYPTO_SLOT_H

#include "format.h"

/* Whether N bytes are zero.  Not in constant time: for public bytes. */
bool all_zero(const void *p, size_t n);

/* N entries at P are sane, see entry_sane(). */
bool entries_sane(const uint8_t *p, unsigned int n);

/* GEN ≥ 1, and BASE is 0 or an older generation that lies in the other slot. */
bool slot_order_ok(uint64_t gen, uint64_t base);

/*
 * MAC of BLOCK of SLOT bytes with the field of LEN bytes (16 or 32) at OFF
 * taken as zero: written into the field, or compared with it.
 * 0; -EIO; slot_verify() also -EBADMSG.
 */
int slot_mac(uint8_t block[static SLOT], size_t off, size_t len, const uint8_t key[static 32]);
int slot_verify(const uint8_t block[static SLOT], size_t off, size_t len,
		const uint8_t key[static 32]);

/* The same of a fixed file's block, whose MAC is its last 32 bytes and covers those before it. */
int block_mac(uint8_t block[static SLOT], const uint8_t key[static 32]);
int block_verify(const uint8_t block[static SLOT], const uint8_t key[static 32]);

#define BLOCK_MAC_OFFSET (SLOT - MAC_LEN)

#endif
