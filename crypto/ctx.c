/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching and context allocation cost more than most of our operations, so
 * the first is done once a process and the second once a thread.  Contexts
 * live in OpenSSL's heap; its providers wipe them when they are freed.
 */
#include "ctx.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <pthread.h>

#include "mac.h"

static struct {
	EVP_MAC *hmac;
	EVP_CIPHER *gcm, *xts, *ctr, *kw;
	pthread_key_t key; /* its destructor frees a thread's contexts */
	bool ok;
} alg;

static pthread_once_t alg_once = PTHREAD_ONCE_INIT;
static __thread struct crypto_ctx *thread_ctx;

static const uint8_t zeros[32];
/* XTS refuses equal halves, so its blank key is not all zero. */
static const uint8_t xts_blank[64] = { [32] = 1 };

static void ctx_free(void *p)
{
	struct crypto_ctx *c = p;

	EVP_MAC_CTX_free(c->hmac);
	EVP_CIPHER_CTX_free(c->aead.evp);
	EVP_CIPHER_CTX_free(c->xts.evp);
	EVP_CIPHER_CTX_free(c->ctr);
	EVP_CIPHER_CTX_free(c->kw);
	iv_pool_free(c->pool);
	free(c);
	thread_ctx = NULL;
}

static void alg_fetch(void)
{
	alg.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	alg.gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	alg.xts = EVP_CIPHER_fetch(NULL, "AES-256-XTS", NULL);
	alg.ctr = EVP_CIPHER_fetch(NULL, "AES-256-CTR", NULL);
	alg.kw = EVP_CIPHER_fetch(NULL, "AES-256-WRAP", NULL);
	alg.ok = alg.hmac && alg.gcm && alg.xts && alg.ctr && alg.kw &&
		 pthread_key_create(&alg.key, ctx_free) == 0;
}

static EVP_CIPHER_CTX *cipher_ctx(const EVP_CIPHER *cipher, const uint8_t *blank)
{
	EVP_CIPHER_CTX *e = EVP_CIPHER_CTX_new();

	if (!e)
		return NULL;
	EVP_CIPHER_CTX_set_flags(e, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_CipherInit_ex(e, cipher, NULL, blank, NULL, 1) != 1) {
		EVP_CIPHER_CTX_free(e);
		return NULL;
	}
	return e;
}

static EVP_MAC_CTX *hmac_ctx(void)
{
	char sha256[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *m = EVP_MAC_CTX_new(alg.hmac);

	if (m && EVP_MAC_init(m, zeros, sizeof(zeros), params) != 1) {
		EVP_MAC_CTX_free(m);
		return NULL;
	}
	return m;
}

static struct crypto_ctx *ctx_new(void)
{
	struct crypto_ctx *c;

	pthread_once(&alg_once, alg_fetch);
	if (!alg.ok) {
		errno = EIO;
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->hmac = hmac_ctx();
	c->aead.evp = cipher_ctx(alg.gcm, zeros);
	c->xts.evp = cipher_ctx(alg.xts, xts_blank);
	c->ctr = cipher_ctx(alg.ctr, zeros);
	c->kw = cipher_ctx(alg.kw, zeros);
	c->pool = iv_pool_new();
	if (!c->hmac || !c->aead.evp || !c->xts.evp || !c->ctr || !c->kw ||
	    pthread_setspecific(alg.key, c)) {
		ERR_clear_error();
		ctx_free(c);
		errno = ENOMEM;
		return NULL;
	}
	thread_ctx = c;
	return c;
}

struct crypto_ctx *crypto_ctx(void)
{
	return thread_ctx ? thread_ctx : ctx_new();
}

struct crypto_ctx *crypto_ctx_peek(void)
{
	return thread_ctx;
}

/* Blank E.  If even that fails the context is emptied: it can then do nothing. */
static void blank(EVP_CIPHER_CTX *e, const uint8_t *key)
{
	if (EVP_CipherInit_ex(e, NULL, NULL, key, NULL, 1) != 1)
		EVP_CIPHER_CTX_reset(e);
}

void ctx_forget_gcm(struct crypto_ctx *c)
{
	blank(c->aead.evp, zeros);
	c->aead.key = NULL;
	c->aead.busy = false;
	c->keyed &= ~(unsigned int)CTX_GCM;
}

void ctx_forget_xts(struct crypto_ctx *c)
{
	blank(c->xts.evp, xts_blank);
	c->xts.key = NULL;
	c->xts.busy = false;
	c->keyed &= ~(unsigned int)CTX_XTS;
}

/* A partial block leaves its key stream in the context: push it out with a byte. */
static void forget_ctr(struct crypto_ctx *c)
{
	uint8_t b = 0;
	int n;

	if (EVP_CipherInit_ex(c->ctr, NULL, NULL, zeros, zeros, 1) != 1 ||
	    EVP_CipherUpdate(c->ctr, &b, &n, &b, 1) != 1)
		EVP_CIPHER_CTX_reset(c->ctr);
}

void crypto_forget(void)
{
	struct crypto_ctx *c = thread_ctx;

	if (!c || !c->keyed)
		return;
	if (c->keyed & CTX_HMAC)
		EVP_MAC_init(c->hmac, zeros, sizeof(zeros), NULL);
	if (c->keyed & CTX_GCM)
		ctx_forget_gcm(c);
	if (c->keyed & CTX_XTS)
		ctx_forget_xts(c);
	if (c->keyed & CTX_CTR)
		forget_ctr(c);
	if (c->keyed & CTX_KW)
		blank(c->kw, zeros);
	c->keyed = 0;
}
