/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-XTS (IEEE 1619, SP 800-38E): one data unit of 4096 bytes a chunk,
 * tweak = chunk index as 16 bytes little-endian.
 *
 * Limits: XTS hides, it does not authenticate.  2^44 AES blocks a key.  The
 * two halves of the key must differ (xts_key_ok).
 *
 * As struct aead: the thread's own context, from begin to end.
 */
#ifndef CMKFS_XTS_H
#define CMKFS_XTS_H

#include "base.h"

#define XTS_KEY_LEN 64

struct xts;

/* Whether the halves differ (IG C.I), in constant time. */
bool xts_key_ok(const uint8_t key[static XTS_KEY_LEN]);

/* KEY stays there until xts_end().  NULL with errno EINVAL (equal halves), EBUSY (not ended), EIO or ENOMEM. */
struct xts *xts_begin(const uint8_t key[static XTS_KEY_LEN], bool encrypt);
void xts_end(struct xts *x);

/* En- or decrypt one data unit of N bytes (16 … 4096); P may be RET.  0 or -EIO. */
int xts_crypt(struct xts *x, uint64_t index, const uint8_t *p, size_t n, uint8_t *ret);

#endif
