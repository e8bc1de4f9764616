/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC-SHA-256 over the thread's context.
 */
#include "mac.h"

#include <errno.h>
#include <openssl/err.h>

#include "ctx.h"
#include "secret.h"

#define KEY_MIN 16u
#define KEY_MAX 64u

static int mac_run(struct crypto_ctx *c, const uint8_t *key, size_t keylen, const struct iovec *iov,
		   int n, uint8_t *ret)
{
	size_t len;
	int i;

	c->keyed |= CTX_HMAC;
	if (EVP_MAC_init(c->hmac, key, keylen, NULL) != 1)
		return -EIO;
	for (i = 0; i < n; i++)
		if (EVP_MAC_update(c->hmac, iov[i].iov_base, iov[i].iov_len) != 1)
			return -EIO;
	return EVP_MAC_final(c->hmac, ret, &len, MAC_LEN) == 1 && len == MAC_LEN ? 0 : -EIO;
}

int mac_v(const uint8_t *key, size_t keylen, const struct iovec *iov, int n,
	  uint8_t ret_mac[static MAC_LEN])
{
	struct crypto_ctx *c = crypto_ctx();
	int r = -EIO;

	if (keylen < KEY_MIN || keylen > KEY_MAX)
		r = -EINVAL;
	else if (c)
		r = mac_run(c, key, keylen, iov, n, ret_mac);
	if (r) {
		ERR_clear_error();
		secret_wipe(ret_mac, MAC_LEN);
	}
	return r;
}

int mac(const uint8_t *key, size_t keylen, const void *p, size_t n, uint8_t ret_mac[static MAC_LEN])
{
	struct iovec v = { (void *)(uintptr_t)p, n };

	return mac_v(key, keylen, &v, 1, ret_mac);
}
