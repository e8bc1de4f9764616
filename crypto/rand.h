/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes from OpenSSL's DRBG (SP 800-90A).  Thread-safe.
 */
#ifndef CMKFS_RAND_H
#define CMKFS_RAND_H

#include "base.h"

#define IV_LEN 12

/* Fill P with N random bytes.  0, or -EIO when the generator failed (P is wiped). */
int rand_bytes(void *p, size_t n);

/* The same from the generator kept for private keys (RAND_priv_bytes). */
int rand_secret(void *p, size_t n);

/*
 * A fresh 96-bit GCM nonce, out of a per-thread pool of random bytes
 * (SP 800-38D section 8.2.2, RBG-based construction).  0 or -EIO.
 * Never handed out twice: the pool is dropped in a forked child and by
 * rand_reseed().
 */
int rand_iv(uint8_t iv[static IV_LEN]);

/* Reseed the DRBGs from the kernel, and drop every thread's pool.  0 or -EIO. */
int rand_reseed(void);

#endif
