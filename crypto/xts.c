/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-XTS over the thread's context.
 */
#include "xts.h"

#include <errno.h>
#include <openssl/err.h>

#include "ctx.h"
#include "secret.h"

#define UNIT_MIN 16u
#define UNIT_MAX 4096u

bool xts_key_ok(const uint8_t key[static XTS_KEY_LEN])
{
	return !secret_equal(key, key + XTS_KEY_LEN / 2, XTS_KEY_LEN / 2);
}

struct xts *xts_begin(const uint8_t key[static XTS_KEY_LEN], bool encrypt)
{
	struct crypto_ctx *c = crypto_ctx();

	if (!c)
		return NULL;
	if (c->xts.busy || !xts_key_ok(key)) {
		errno = c->xts.busy ? EBUSY : EINVAL;
		return NULL;
	}
	c->keyed |= CTX_XTS;
	c->xts.key = key;
	c->xts.encrypt = encrypt;
	c->xts.busy = true;
	return &c->xts;
}

void xts_end(struct xts *x)
{
	if (x)
		ctx_forget_xts(crypto_ctx_peek());
}

int xts_crypt(struct xts *x, uint64_t index, const uint8_t *p, size_t n, uint8_t *ret)
{
	uint8_t tweak[16] = { 0 };
	int len;

	put_le64(tweak, index);
	if (x->busy && n >= UNIT_MIN && n <= UNIT_MAX &&
	    EVP_CipherInit_ex(x->evp, NULL, NULL, x->key, tweak, x->encrypt) == 1) {
		x->key = NULL;
		if (EVP_CipherUpdate(x->evp, ret, &len, p, (int)n) == 1 && len == (int)n)
			return 0;
	}
	ERR_clear_error();
	secret_wipe(ret, n);
	return -EIO;
}
