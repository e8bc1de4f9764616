/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC-SHA-256 (FIPS 198-1).  One context a thread, keyed anew for each call
 * and re-keyed with zeros by crypto_forget(), so that no expanded key outlives
 * the request it was used in.  Thread-safe.
 */
#ifndef CMKFS_MAC_H
#define CMKFS_MAC_H

#include <sys/uio.h>

#include "base.h"

#define MAC_LEN 32

/*
 * MAC of the concatenation of IOV[0 … N-1] under KEY of KEYLEN bytes (16 … 64).
 * 0; -EINVAL: KEYLEN; -EIO: OpenSSL failed (RET_MAC is wiped in both cases).
 */
int mac_v(const uint8_t *key, size_t keylen, const struct iovec *iov, int n,
	  uint8_t ret_mac[static MAC_LEN]);

/* The same of one buffer. */
int mac(const uint8_t *key, size_t keylen, const void *p, size_t n,
	uint8_t ret_mac[static MAC_LEN]);

/*
 * Key this thread's HMAC, GCM, XTS, CTR and KW contexts with zeros: at the end of a request.
 * What aead_begin() or xts_begin() gave is ended by it.
 */
void crypto_forget(void);

#endif
