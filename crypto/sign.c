/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 over EVP_PKEY.
 */
#include "sign.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>

static EVP_PKEY *from_seed(const uint8_t *seed)
{
	return EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed, SIGN_SEED_LEN);
}

int sign_public(const uint8_t seed[static SIGN_SEED_LEN], uint8_t ret[static SIGN_PUBLIC_LEN])
{
	EVP_PKEY *k = from_seed(seed);
	size_t n = SIGN_PUBLIC_LEN;
	int r = k && EVP_PKEY_get_raw_public_key(k, ret, &n) == 1 && n == SIGN_PUBLIC_LEN ? 0 :
											    -EIO;

	EVP_PKEY_free(k);
	ERR_clear_error();
	return r;
}

int sign_message(const uint8_t seed[static SIGN_SEED_LEN], const void *p, size_t n,
		 uint8_t ret[static SIGN_LEN])
{
	EVP_PKEY *k = from_seed(seed);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t len = SIGN_LEN;
	int r = -EIO;

	if (k && c && EVP_DigestSignInit(c, NULL, NULL, NULL, k) == 1 &&
	    EVP_DigestSign(c, ret, &len, p, n) == 1 && len == SIGN_LEN)
		r = 0;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	ERR_clear_error();
	return r;
}

int sign_verify(const uint8_t public[static SIGN_PUBLIC_LEN], const void *p, size_t n,
		const uint8_t sig[static SIGN_LEN])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, public,
						     SIGN_PUBLIC_LEN);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	int r = -EIO;

	if (k && c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k) == 1)
		r = EVP_DigestVerify(c, sig, SIGN_LEN, p, n) == 1 ? 0 : -EBADMSG;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	ERR_clear_error();
	return r;
}
