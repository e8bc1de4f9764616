/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KBKDF in counter mode.  A loop over the thread's HMAC context, since
 * OpenSSL 3.0 can neither reuse cheaply nor duplicate a KBKDF context.
 */
#include "kdf.h"

#include <errno.h>
#include <openssl/err.h>

#include "ctx.h"
#include "mac.h"
#include "secret.h"

#define KDF_MAX 64u

static const struct {
	const char *text;
	size_t ctxlen;
} labels[] = {
	[KDF_KEY_ID] = { "cmkfs1 key-id", 36 },
	[KDF_KEK] = { "cmkfs1 kek", 36 },
	[KDF_ZIK] = { "cmkfs1 zik", 36 },
	[KDF_ALL_OF] = { "cmkfs1 all-of", 40 },
	[KDF_FINGERPRINT] = { "cmkfs1 fingerprint", 32 },
	[KDF_KEYRING] = { "cmkfs1 keyring", 32 },
	[KDF_ENDORSE] = { "cmkfs1 endorse", 32 },
	[KDF_BIND] = { "cmkfs1 bind", 32 },
	[KDF_VOLUME] = { "cmkfs1 volume", 32 },
	[KDF_SESSION] = { "cmkfs1 session", 32 },
	[KDF_SEAL] = { "cmkfs1 seal", 32 },
	[KDF_HEADER] = { "cmkfs1 header", 20 },
	[KDF_GROUP] = { "cmkfs1 group", 28 },
	[KDF_XTS] = { "cmkfs1 xts", 20 },
	[KDF_NAMES] = { "cmkfs1 names", 20 },
	[KDF_SYMLINK] = { "cmkfs1 symlink", 20 },
	[KDF_XATTR_NAME] = { "cmkfs1 xattr-name", 20 },
	[KDF_XATTR_VALUE] = { "cmkfs1 xattr-value", 20 },
};

const char *kdf_label_text(enum kdf_label label)
{
	return labels[label].text;
}

/* Block I: PRF(key, [I] ‖ FIXED).  KEY NULL: as in the block before. */
static int block(struct crypto_ctx *c, const uint8_t *key, size_t keylen, uint32_t i,
		 const uint8_t *fixed, size_t n, uint8_t ret[static MAC_LEN])
{
	uint8_t counter[4];
	size_t len;

	c->keyed |= CTX_HMAC;
	put_be32(counter, i);
	if (EVP_MAC_init(c->hmac, key, keylen, NULL) != 1 ||
	    EVP_MAC_update(c->hmac, counter, sizeof(counter)) != 1 ||
	    EVP_MAC_update(c->hmac, fixed, n) != 1 ||
	    EVP_MAC_final(c->hmac, ret, &len, MAC_LEN) != 1)
		return -EIO;
	return 0;
}

int kdf_counter(const uint8_t *key, size_t keylen, const void *fixed, size_t fixedlen, uint8_t *ret,
		size_t n)
{
	struct crypto_ctx *c = crypto_ctx();
	uint8_t out[KDF_MAX];
	size_t m;
	int r = c ? 0 : -EIO;

	if (!keylen || !n || n > KDF_MAX)
		r = -EINVAL;
	for (m = 0; !r && m < n; m += MAC_LEN)
		r = block(c, m ? NULL : key, m ? 0 : keylen, (uint32_t)(m / MAC_LEN + 1), fixed,
			  fixedlen, out + m);
	if (r) {
		ERR_clear_error();
		secret_wipe(ret, n);
	} else {
		memcpy(ret, out, n);
	}
	secret_wipe(out, sizeof(out));
	return r;
}

int kdf(const uint8_t *key, size_t keylen, enum kdf_label label, const void *ctx, size_t ctxlen,
	uint8_t *ret, size_t n)
{
	uint8_t fixed[32 + 1 + 40 + 4];
	size_t len = strlen(labels[label].text) + 1; /* the NUL is the separator */

	if (ctxlen != labels[label].ctxlen) {
		secret_wipe(ret, n);
		return -EINVAL;
	}
	memcpy(fixed, labels[label].text, len);
	memcpy(fixed + len, ctx, ctxlen);
	len += ctxlen;
	put_be32(fixed + len, (uint32_t)(8 * n));
	return kdf_counter(key, keylen, fixed, len + 4, ret, n);
}
