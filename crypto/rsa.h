/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA keys of a vault: generation, encoding, RSA-OAEP-256 (RFC 8017 section
 * 7.1 with SHA-256, MGF1-SHA-256 and an empty label).  A struct rsa may be
 * used by several threads at once.
 *
 * Limits: RSA-2048 carries at most 190 bytes; we wrap 32.
 */
#ifndef CMKFS_RSA_H
#define CMKFS_RSA_H

#include "base.h"

#define RSA_MAX_BLOB 512 /* modulus of 4096 bits */

struct rsa; /* a public or a private key; opaque */

/* A new key of 2048, 3072 or 4096 BITS.  0; -EINVAL: other size; -EIO. */
int rsa_generate(unsigned int bits, struct rsa **ret);

/*
 * Parse PEM or DER: PKCS#8 or PKCS#1 private key, or SubjectPublicKeyInfo.
 * 0; -EBADMSG: not a key; -EKEYREJECTED: not RSA (then *RET is not set).
 * Any size is parsed, so that the caller can say what is wrong with it.
 */
int rsa_parse(const void *p, size_t n, struct rsa **ret);
/* The same of one encrypted under a passphrase of PASS_LEN bytes; -EBADMSG: also when it is wrong. */
int rsa_parse_encrypted(const void *p, size_t n, const char *pass, size_t pass_len,
			struct rsa **ret);

/*
 * The public key of modulus N and exponent E, big-endian.  0; -EBADMSG: not the
 * numbers of a key; -ENOMEM.
 */
int rsa_public(const uint8_t *n, size_t n_len, const uint8_t *e, size_t e_len, struct rsa **ret);

void rsa_free(struct rsa *r); /* NULL-safe; wipes */
unsigned int rsa_bits(const struct rsa *r);
bool rsa_is_private(const struct rsa *r);

/*
 * DER: PKCS#8 (private) into secret memory, freed with secret_free();
 * SubjectPublicKeyInfo (public) into malloc memory.  0, -ENOMEM, -EIO.
 */
int rsa_private_der(const struct rsa *r, uint8_t **ret, size_t *ret_n);
int rsa_public_der(const struct rsa *r, uint8_t **ret, size_t *ret_n);

/*
 * RSA-OAEP-256.  *RET_N = modulus length.  0; -EMSGSIZE: N too long, or a key
 * above 4096 bits; -EIO.
 */
int rsa_oaep_wrap(const struct rsa *r, const void *p, size_t n, uint8_t ret[static RSA_MAX_BLOB],
		  size_t *ret_n);

/*
 * Unwrap into RET of CAP bytes (secret).  0; -EBADMSG: not wrapped for this
 * key (one answer for every cause); -EMSGSIZE: longer than CAP; -EPERM: no
 * private key.  RET wiped on failure.
 */
int rsa_oaep_unwrap(const struct rsa *r, const uint8_t *blob, size_t n, uint8_t *ret, size_t cap,
		    size_t *ret_n);

#endif
