/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM over the thread's context: keyed once for a run of messages, in
 * the call that sets the first one's nonce; after that only the nonce is set.
 */
#include "aead.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>

#include "ctx.h"
#include "secret.h"

struct aead *aead_begin(const uint8_t key[static AEAD_KEY_LEN], bool seal)
{
	struct crypto_ctx *c = crypto_ctx();
	struct aead *a;

	if (!c)
		return NULL;
	a = &c->aead;
	if (a->busy) {
		errno = EBUSY;
		return NULL;
	}
	c->keyed |= CTX_GCM;
	a->key = key;
	a->busy = true;
	a->seal = seal;
	return a;
}

void aead_end(struct aead *a)
{
	if (a)
		ctx_forget_gcm(crypto_ctx_peek());
}

/* Nonce, AAD, text: the part that sealing and opening have in common. */
static bool run(struct aead *a, const uint8_t *iv, const void *aad, size_t aadlen,
		const uint8_t *p, size_t n, uint8_t *ret)
{
	int len;

	if (n > INT_MAX || aadlen > INT_MAX)
		return false;
	if (EVP_CipherInit_ex(a->evp, NULL, NULL, a->key, iv, a->seal) != 1)
		return false;
	a->key = NULL;
	return (!aadlen || EVP_CipherUpdate(a->evp, NULL, &len, aad, (int)aadlen) == 1) &&
	       (!n || (EVP_CipherUpdate(a->evp, ret, &len, p, (int)n) == 1 && len == (int)n));
}

int aead_seal(struct aead *a, const uint8_t iv[static IV_LEN], const void *aad, size_t aadlen,
	      const uint8_t *p, size_t n, uint8_t *ret, uint8_t ret_tag[static AEAD_TAG_LEN])
{
	uint8_t none[16];
	int len;

	if (a->busy && a->seal && run(a, iv, aad, aadlen, p, n, ret) &&
	    EVP_CipherFinal_ex(a->evp, none, &len) == 1 &&
	    EVP_CIPHER_CTX_ctrl(a->evp, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_LEN, ret_tag) == 1)
		return 0;
	ERR_clear_error();
	secret_wipe(ret, n);
	secret_wipe(ret_tag, AEAD_TAG_LEN);
	return -EIO;
}

int aead_open(struct aead *a, const uint8_t iv[static IV_LEN], const void *aad, size_t aadlen,
	      const uint8_t *c, size_t n, const uint8_t tag[static AEAD_TAG_LEN], uint8_t *ret)
{
	uint8_t none[16];
	int len, r = -EIO;

	if (a->busy && !a->seal && run(a, iv, aad, aadlen, c, n, ret) &&
	    EVP_CIPHER_CTX_ctrl(a->evp, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_LEN,
				(void *)(uintptr_t)tag) == 1) {
		if (EVP_CipherFinal_ex(a->evp, none, &len) == 1)
			return 0;
		r = -EBADMSG;
	}
	ERR_clear_error();
	secret_wipe(ret, n);
	return r;
}

int aead_seal_message(const uint8_t key[static AEAD_KEY_LEN], const void *aad, size_t aadlen,
		      const void *p, size_t n, uint8_t *ret)
{
	struct aead *a;
	int r = rand_iv(ret);

	if (r)
		return r;
	a = aead_begin(key, true);
	if (!a)
		return -errno;
	r = aead_seal(a, ret, aad, aadlen, p, n, ret + IV_LEN, ret + IV_LEN + n);
	aead_end(a);
	return r;
}

int aead_open_message(const uint8_t key[static AEAD_KEY_LEN], const void *aad, size_t aadlen,
		      const uint8_t *sealed, size_t n, uint8_t *ret)
{
	struct aead *a;
	int r;

	if (n < SEALED_EXTRA)
		return -EBADMSG;
	n -= SEALED_EXTRA;
	a = aead_begin(key, false);
	if (!a)
		return -errno;
	r = aead_open(a, sealed, aad, aadlen, sealed + IV_LEN, n, sealed + IV_LEN + n, ret);
	aead_end(a);
	return r;
}
