/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted names: P is the padded name, T = MAC(P), the stored text
 * base64url(T[0…15] ‖ CTR(P)).  Names of files and of xattrs differ only in
 * what they may hold and in the length to which padding stops.
 */
#include "name.h"

#include <errno.h>
#include <openssl/err.h>

#include "ctx.h"
#include "secret.h"

#define SIV_LEN 16u
#define LONG_PADDING 16u
#define PADDED_MAX 256u
#define LONG_CHARS 45u /* ".L" and 43 characters */
#define TEMP_CHARS 24u
#define SIDECAR_MAGIC "CMKN"

/* A padded name, and its T. */
struct padded {
	size_t len;
	uint8_t p[PADDED_MAX];
	uint8_t tag[MAC_LEN];
};

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static size_t padded_len(size_t n, unsigned int padding)
{
	if (n > NAME_SHORT_LIMIT)
		return round_up(n, LONG_PADDING);
	return MIN(round_up(n, padding), (size_t)NAME_SHORT_LIMIT);
}

static size_t padded_xattr_len(size_t n)
{
	return MIN(round_up(n, 16), (size_t)XATTR_NAME_LIMIT);
}

static bool name_ok(const char *s, size_t n)
{
	if (!n || n > NAME_LIMIT || memchr(s, '\0', n) || memchr(s, '/', n))
		return false;
	return !(s[0] == '.' && (n == 1 || (n == 2 && s[1] == '.')));
}

/* C = AES-256-CTR under the second half of NK. */
static int ctr(const uint8_t *nk, const uint8_t *iv, const uint8_t *p, size_t n, uint8_t *ret)
{
	struct crypto_ctx *c = crypto_ctx();
	int len;

	if (!c)
		return -EIO;
	c->keyed |= CTX_CTR;
	if (EVP_CipherInit_ex(c->ctr, NULL, NULL, nk + 32, iv, 1) == 1 &&
	    EVP_CipherUpdate(c->ctr, ret, &len, p, (int)n) == 1 && len == (int)n)
		return 0;
	ERR_clear_error();
	return -EIO;
}

static int pad(const uint8_t *nk, const char *name, size_t n, size_t to, struct padded *ret)
{
	ret->len = to;
	memcpy(ret->p, name, n);
	memset(ret->p + n, 0, to - n);
	return mac(nk, 32, ret->p, to, ret->tag);
}

/* I ‖ C of X, SIV_LEN + X->len bytes. */
static int encrypt(const uint8_t *nk, const struct padded *x, uint8_t *ret)
{
	memcpy(ret, x->tag, SIV_LEN);
	return ctr(nk, ret, x->p, x->len, ret + SIV_LEN);
}

/* The reverse: C of N bytes under the synthetic IV.  RET_N is the length without padding. */
static int decrypt(const uint8_t *nk, const uint8_t *siv, const uint8_t *c, size_t n,
		   struct padded *ret, size_t *ret_n)
{
	int r;

	if (!n || n > PADDED_MAX)
		return -EBADMSG;
	ret->len = n;
	r = ctr(nk, siv, c, n, ret->p);
	if (!r)
		r = mac(nk, 32, ret->p, n, ret->tag);
	if (r)
		return r;
	if (!secret_equal(ret->tag, siv, SIV_LEN))
		return -EBADMSG;
	while (n && !ret->p[n - 1])
		n--;
	*ret_n = n;
	return 0;
}

/* ".L", ".N" or ".T" before base64url characters of the right number. */
static bool special(const char *s, size_t n, char kind, size_t chars)
{
	size_t i;

	if (n != chars || s[0] != '.' || s[1] != kind)
		return false;
	for (i = 2; i < n; i++)
		if (!((s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= 'a' && s[i] <= 'z') ||
		      (s[i] >= '0' && s[i] <= '9') || s[i] == '-' || s[i] == '_'))
			return false;
	return true;
}

enum stored_kind stored_kind(const char *stored, size_t n)
{
	if (n == 2 && stored[0] == '.' && stored[1] == 'D')
		return STORED_DIRHEADER;
	if (special(stored, n, 'T', TEMP_CHARS))
		return STORED_TEMP;
	if (special(stored, n, 'L', LONG_CHARS))
		return STORED_LONG;
	return special(stored, n, 'N', LONG_CHARS) ? STORED_SIDECAR : STORED_NAME;
}

/* Plain-names mode has no .L and .N, so these are names there. */
static bool reserved_plain(const char *s, size_t n)
{
	enum stored_kind k = stored_kind(s, n);

	return k == STORED_DIRHEADER || k == STORED_TEMP;
}

/* Fill RET from the padded name X. */
static int store_short(const uint8_t *nk, const struct padded *x, struct stored_name *ret)
{
	uint8_t raw[SIV_LEN + PADDED_MAX];
	int r = encrypt(nk, x, raw);

	if (!r)
		b64_encode(raw, SIV_LEN + x->len, ret->s);
	return r;
}

static int store_long(const uint8_t *nk, const struct padded *x, struct stored_name *ret)
{
	memcpy(ret->s, ".L", 2);
	b64_encode(x->tag, MAC_LEN, ret->s + 2);
	memcpy(ret->sidecar, SIDECAR_MAGIC, 4);
	ret->sidecar_len = (uint16_t)(4 + SIV_LEN + x->len);
	return encrypt(nk, x, ret->sidecar + 4);
}

int name_encrypt(const uint8_t nk[static NAME_KEY_LEN], enum name_mode mode, unsigned int padding,
		 const char *name, size_t n, struct stored_name *ret)
{
	struct padded x;
	int r;

	if (n > NAME_LIMIT)
		return -ENAMETOOLONG;
	if (!name_ok(name, n) || (mode == NAME_PLAIN && reserved_plain(name, n)))
		return -EINVAL;
	r = pad(nk, name, n, padded_len(n, padding), &x);
	ret->sidecar_len = 0;
	if (!r && mode == NAME_PLAIN) {
		memcpy(ret->s, name, n);
		ret->s[n] = '\0';
	} else if (!r) {
		r = n > NAME_SHORT_LIMIT ? store_long(nk, &x, ret) : store_short(nk, &x, ret);
	}
	memcpy(ret->tag, x.tag, MAC_LEN);
	secret_wipe(&x, sizeof(x));
	return r;
}

int name_tag(const uint8_t nk[static NAME_KEY_LEN], unsigned int padding, const char *name,
	     size_t n, uint8_t ret[static MAC_LEN])
{
	struct padded x;
	int r;

	if (n > NAME_LIMIT)
		return -ENAMETOOLONG;
	r = pad(nk, name, n, padded_len(n, padding), &x);
	memcpy(ret, x.tag, MAC_LEN);
	secret_wipe(&x, sizeof(x));
	return r;
}

static void give(const void *name, size_t n, char *ret, size_t *ret_n)
{
	memcpy(ret, name, n);
	ret[n] = '\0';
	*ret_n = n;
}

int name_decrypt(const uint8_t nk[static NAME_KEY_LEN], enum name_mode mode, unsigned int padding,
		 const char *stored, size_t n, char ret[static NAME_LIMIT + 1], size_t *ret_n)
{
	uint8_t raw[SIV_LEN + NAME_SHORT_LIMIT];
	struct padded x;
	size_t len;
	int r;

	if (mode == NAME_PLAIN) {
		if (!name_ok(stored, n) || reserved_plain(stored, n))
			return -EBADMSG;
		give(stored, n, ret, ret_n);
		return 0;
	}
	if (b64_decode(stored, n, raw, sizeof(raw), &len) || len <= SIV_LEN)
		return -EBADMSG;
	r = decrypt(nk, raw, raw + SIV_LEN, len - SIV_LEN, &x, &len);
	/* another padding would be a name that no lookup finds */
	if (!r && (!name_ok((char *)x.p, len) || x.len != padded_len(len, padding)))
		r = -EBADMSG;
	if (!r)
		give(x.p, len, ret, ret_n);
	secret_wipe(&x, sizeof(x));
	return r;
}

int name_decrypt_long(const uint8_t nk[static NAME_KEY_LEN], const char *stored, size_t n,
		      const uint8_t *sidecar, size_t sidecar_n, char ret[static NAME_LIMIT + 1],
		      size_t *ret_n)
{
	const uint8_t *siv = sidecar + 4;
	uint8_t tag[MAC_LEN];
	struct padded x;
	size_t len;
	int r;

	if (stored_kind(stored, n) != STORED_LONG ||
	    b64_decode(stored + 2, n - 2, tag, sizeof(tag), &len) || len != sizeof(tag))
		return -EBADMSG;
	if (sidecar_n <= 4 + SIV_LEN || memcmp(sidecar, SIDECAR_MAGIC, 4))
		return -EBADMSG;
	r = decrypt(nk, siv, siv + SIV_LEN, sidecar_n - 4 - SIV_LEN, &x, &len);
	if (!r && (!secret_equal(x.tag, tag, MAC_LEN) || !name_ok((char *)x.p, len) ||
		   len <= NAME_SHORT_LIMIT || x.len != padded_len(len, LONG_PADDING)))
		r = -EBADMSG;
	if (!r)
		give(x.p, len, ret, ret_n);
	secret_wipe(&x, sizeof(x));
	return r;
}

int xattr_name_encrypt(const uint8_t xn[static NAME_KEY_LEN], const char *name, size_t n,
		       char ret[static NAME_LIMIT + 1], uint8_t ret_tag[static MAC_LEN])
{
	uint8_t raw[SIV_LEN + PADDED_MAX];
	struct padded x;
	int r;

	if (n > XATTR_NAME_LIMIT)
		return -ERANGE;
	if (!n || memchr(name, '\0', n))
		return -EINVAL;
	r = pad(xn, name, n, padded_xattr_len(n), &x);
	if (!r)
		r = encrypt(xn, &x, raw);
	if (!r) {
		memcpy(ret, XATTR_PREFIX, strlen(XATTR_PREFIX));
		b64_encode(raw, SIV_LEN + x.len, ret + strlen(XATTR_PREFIX));
		memcpy(ret_tag, x.tag, MAC_LEN);
	}
	secret_wipe(&x, sizeof(x));
	return r;
}

int xattr_name_decrypt(const uint8_t xn[static NAME_KEY_LEN], const char *stored, size_t n,
		       char ret[static NAME_LIMIT + 1], size_t *ret_n)
{
	const size_t prefix = strlen(XATTR_PREFIX);
	uint8_t raw[SIV_LEN + XATTR_NAME_LIMIT];
	struct padded x;
	size_t len;
	int r;

	if (n < prefix || memcmp(stored, XATTR_PREFIX, prefix) ||
	    b64_decode(stored + prefix, n - prefix, raw, sizeof(raw), &len) || len <= SIV_LEN)
		return -EBADMSG;
	r = decrypt(xn, raw, raw + SIV_LEN, len - SIV_LEN, &x, &len);
	if (!r && (!len || memchr(x.p, '\0', len) || x.len != padded_xattr_len(len)))
		r = -EBADMSG;
	if (!r)
		give(x.p, len, ret, ret_n);
	secret_wipe(&x, sizeof(x));
	return r;
}
