/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES key wrap over the thread's context, and the passphrase key.
 */
#include "wrap.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>

#include "ctx.h"
#include "secret.h"

/* Key the context; -EIO if that is not possible. */
static int kw_init(struct crypto_ctx *c, const uint8_t *kek, int enc)
{
	if (!c)
		return -EIO;
	c->keyed |= CTX_KW;
	return EVP_CipherInit_ex(c->kw, NULL, NULL, kek, NULL, enc) == 1 ? 0 : -EIO;
}

int wrap_key(const uint8_t kek[static KEY_LEN], const uint8_t key[static KEY_LEN],
	     uint8_t ret[static WRAP_LEN])
{
	struct crypto_ctx *c = crypto_ctx();
	int len = 0, r = kw_init(c, kek, 1);

	if (!r && (EVP_CipherUpdate(c->kw, ret, &len, key, KEY_LEN) != 1 || len != WRAP_LEN))
		r = -EIO;
	if (r) {
		ERR_clear_error();
		secret_wipe(ret, WRAP_LEN);
	}
	return r;
}

int unwrap_key(const uint8_t kek[static KEY_LEN], const uint8_t wrapped[static WRAP_LEN],
	       uint8_t ret[static KEY_LEN])
{
	struct crypto_ctx *c = crypto_ctx();
	uint8_t out[WRAP_LEN]; /* OpenSSL uses the room of the last block too */
	int len = 0, r = kw_init(c, kek, 0);

	if (!r && (EVP_CipherUpdate(c->kw, out, &len, wrapped, WRAP_LEN) != 1 || len != KEY_LEN))
		r = -EBADMSG;
	if (r) {
		ERR_clear_error();
		secret_wipe(ret, KEY_LEN);
	} else {
		memcpy(ret, out, KEY_LEN);
	}
	secret_wipe(out, sizeof(out));
	return r;
}

int passphrase_key(const void *pass, size_t n, const uint8_t salt[static PBKDF2_SALT_LEN],
		   uint32_t iterations, uint8_t ret[static KEY_LEN])
{
	int r = -EIO;

	if (iterations < PBKDF2_MIN_ITERATIONS || iterations > INT_MAX || n > INT_MAX)
		r = -EINVAL;
	else if (PKCS5_PBKDF2_HMAC(pass, (int)n, salt, PBKDF2_SALT_LEN, (int)iterations,
				   EVP_sha256(), KEY_LEN, ret) == 1)
		return 0;
	ERR_clear_error();
	secret_wipe(ret, KEY_LEN);
	return r;
}
