/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM (SP 800-38D), 96-bit nonce, 128-bit tag.
 *
 * Limits of safe use: a key is one group and subkey number; at 2^28 sealings
 * the group goes to a new subkey (GCM_MAX_USES).  Nonces come from rand_iv()
 * and nowhere else, except in known-answer tests.
 *
 * A struct aead belongs to the thread that began it, until aead_end(): it is
 * the thread's own context, keyed once for a run of chunks.  Beginning another
 * one before the end is a programmer's error.
 */
#ifndef CMKFS_AEAD_H
#define CMKFS_AEAD_H

#include "rand.h"

#define AEAD_KEY_LEN 32
#define AEAD_TAG_LEN 16
#define GCM_MAX_USES (UINT64_C(1) << 28)

struct aead;

/*
 * This thread's context, for KEY, which stays the caller's and must stay there until aead_end().
 * NULL with errno EIO, ENOMEM, or EBUSY: begun before and not ended.
 * No key outlives aead_end(), which allows NULL.
 */
struct aead *aead_begin(const uint8_t key[static AEAD_KEY_LEN], bool seal);
void aead_end(struct aead *a);

/*
 * Seal N bytes (≤ 2^31-1) of P under IV into RET (may be P: in place); the
 * tag goes to RET_TAG.  0 or -EIO.
 */
int aead_seal(struct aead *a, const uint8_t iv[static IV_LEN], const void *aad, size_t aadlen,
	      const uint8_t *p, size_t n, uint8_t *ret, uint8_t ret_tag[static AEAD_TAG_LEN]);

/* Open; in place too.  0; -EBADMSG: does not authenticate (RET is wiped); -EIO. */
int aead_open(struct aead *a, const uint8_t iv[static IV_LEN], const void *aad, size_t aadlen,
	      const uint8_t *c, size_t n, const uint8_t tag[static AEAD_TAG_LEN], uint8_t *ret);

/*
 * One message in one call, not between begin and end: sealed text is IV ‖ C ‖ tag, N + 28 bytes,
 * with a fresh IV.  RET is another buffer.  As above, or -EBUSY, -ENOMEM.
 */
#define SEALED_EXTRA (IV_LEN + AEAD_TAG_LEN)
int aead_seal_message(const uint8_t key[static AEAD_KEY_LEN], const void *aad, size_t aadlen,
		      const void *p, size_t n, uint8_t *ret);
int aead_open_message(const uint8_t key[static AEAD_KEY_LEN], const void *aad, size_t aadlen,
		      const uint8_t *sealed, size_t n, uint8_t *ret);

#endif
