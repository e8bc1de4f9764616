/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share: the algorithms, fetched once, and each
 * thread's set of contexts.  Not for other rooms.
 *
 * A context keeps the expanded key of its last use until crypto_forget() or
 * the next key; `keyed` says which of them hold one.
 */
#ifndef CMKFS_CRYPTO_CTX_H
#define CMKFS_CRYPTO_CTX_H

#include <openssl/evp.h>

#include "base.h"

enum { CTX_HMAC = 1, CTX_GCM = 2, CTX_XTS = 4, CTX_CTR = 8, CTX_KW = 16 };

/* A cipher context lent out between begin and end. */
struct aead {
	EVP_CIPHER_CTX *evp;
	const uint8_t *key; /* the caller's, which the first message sets; then NULL */
	bool busy, seal;
};

struct xts {
	EVP_CIPHER_CTX *evp;
	const uint8_t *key; /* as above */
	bool busy, encrypt;
};

struct iv_pool;

struct crypto_ctx {
	EVP_MAC_CTX *hmac;
	EVP_CIPHER_CTX *ctr, *kw;
	struct aead aead;
	struct xts xts;
	unsigned int keyed;   /* CTX_* bits */
	struct iv_pool *pool; /* one page of its own, see rand.c; may be NULL */
};

/* This thread's contexts, made at its first call.  NULL with errno EIO or ENOMEM. */
struct crypto_ctx *crypto_ctx(void);

/* The same, or NULL if this thread has none. */
struct crypto_ctx *crypto_ctx_peek(void);

/* rand.c: a page for nonces, or NULL; and its release. */
struct iv_pool *iv_pool_new(void);
void iv_pool_free(struct iv_pool *p);

/* Key one lent context with zeros. */
void ctx_forget_gcm(struct crypto_ctx *c);
void ctx_forget_xts(struct crypto_ctx *c);

#endif
