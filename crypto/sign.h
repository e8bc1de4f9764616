/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 signatures (RFC 8032), for statements that somebody without our keys
 * is to check: checkpoints of an audit log.  The private key is a seed of 32
 * bytes, which may be derived.  Thread-safe.
 */
#ifndef CMKFS_SIGN_H
#define CMKFS_SIGN_H

#include "base.h"

#define SIGN_SEED_LEN 32
#define SIGN_PUBLIC_LEN 32
#define SIGN_LEN 64

/* 0 or -EIO. */
int sign_public(const uint8_t seed[static SIGN_SEED_LEN], uint8_t ret[static SIGN_PUBLIC_LEN]);
int sign_message(const uint8_t seed[static SIGN_SEED_LEN], const void *p, size_t n,
		 uint8_t ret[static SIGN_LEN]);
/* 0; -EBADMSG: not signed by PUBLIC; -EIO. */
int sign_verify(const uint8_t public[static SIGN_PUBLIC_LEN], const void *p, size_t n,
		const uint8_t sig[static SIGN_LEN]);

#endif
