/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wrapping of 32-byte keys.  Thread-safe.
 *
 * Limits: AES-KW has no nonce, so there is no limit on the number of wraps.
 */
#ifndef CMKFS_WRAP_H
#define CMKFS_WRAP_H

#include "base.h"

#define KEY_LEN 32
#define WRAP_LEN 40
#define PBKDF2_SALT_LEN 16
#define PBKDF2_MIN_ITERATIONS 600000

/* AES-256-KW (SP 800-38F section 6.2, RFC 3394 IV).  0 or -EIO (RET wiped). */
int wrap_key(const uint8_t kek[static KEY_LEN], const uint8_t key[static KEY_LEN],
	     uint8_t ret[static WRAP_LEN]);

/* 0; -EBADMSG: not wrapped under KEK; -EIO.  RET is a secret: wiped on failure. */
int unwrap_key(const uint8_t kek[static KEY_LEN], const uint8_t wrapped[static WRAP_LEN],
	       uint8_t ret[static KEY_LEN]);

/*
 * PBKDF2-HMAC-SHA-256 (SP 800-132) of a passphrase of N bytes.
 * 0; -EINVAL: fewer than PBKDF2_MIN_ITERATIONS; -EIO.
 */
int passphrase_key(const void *pass, size_t n, const uint8_t salt[static PBKDF2_SALT_LEN],
		   uint32_t iterations, uint8_t ret[static KEY_LEN]);

#endif
