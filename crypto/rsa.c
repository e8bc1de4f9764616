/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA keys over EVP_PKEY.
 */
#include "rsa.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "secret.h"

#define OAEP_OVERHEAD 66u /* 2 · hash + 2 */

struct rsa {
	EVP_PKEY *pkey; /* immutable; OpenSSL allows parallel use */
	unsigned int bits;
	bool private;
};

static bool has_private(const EVP_PKEY *pkey)
{
	BIGNUM *d = NULL;
	bool yes = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_D, &d) == 1;

	BN_clear_free(d);
	ERR_clear_error();
	return yes;
}

/* Takes PKEY, also when it fails. */
static int rsa_new(EVP_PKEY *pkey, struct rsa **ret)
{
	struct rsa *r = malloc(sizeof(*r));

	if (!r) {
		EVP_PKEY_free(pkey);
		return -ENOMEM;
	}
	r->pkey = pkey;
	r->bits = (unsigned int)EVP_PKEY_get_bits(pkey);
	r->private = has_private(pkey);
	*ret = r;
	return 0;
}

int rsa_generate(unsigned int bits, struct rsa **ret)
{
	EVP_PKEY *pkey;

	if (bits != 2048 && bits != 3072 && bits != 4096)
		return -EINVAL;
	pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
	if (!pkey) {
		ERR_clear_error();
		return -EIO;
	}
	return rsa_new(pkey, ret);
}

/* No passphrase is ever asked for: an encrypted key is not a key to us. */
static int no_passphrase(char *buf, int size, int rwflag, void *u)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)u;
	return -1;
}

static int parse(const void *p, size_t n, const char *pass, size_t pass_len, struct rsa **ret)
{
	const unsigned char *c = p;
	bool der = n && *c == 0x30;
	EVP_PKEY *pkey = NULL;
	OSSL_DECODER_CTX *d;
	int ok;

	d = OSSL_DECODER_CTX_new_for_pkey(&pkey, NULL, NULL, NULL, 0, NULL, NULL);
	if (!d)
		return -ENOMEM;
	ok = n && (pass ? OSSL_DECODER_CTX_set_passphrase(d, (const unsigned char *)pass, pass_len) :
			  OSSL_DECODER_CTX_set_pem_password_cb(d, no_passphrase, NULL)) == 1 &&
	     OSSL_DECODER_from_data(d, &c, &n) == 1 && pkey;
	OSSL_DECODER_CTX_free(d);
	ERR_clear_error();
	if (!ok || (der && n)) { /* DER ends where the key ends */
		EVP_PKEY_free(pkey);
		return -EBADMSG;
	}
	if (!EVP_PKEY_is_a(pkey, "RSA")) {
		EVP_PKEY_free(pkey);
		return -EKEYREJECTED;
	}
	return rsa_new(pkey, ret);
}

int rsa_parse(const void *p, size_t n, struct rsa **ret)
{
	return parse(p, n, NULL, 0, ret);
}

int rsa_parse_encrypted(const void *p, size_t n, const char *pass, size_t pass_len,
			struct rsa **ret)
{
	return parse(p, n, pass, pass_len, ret);
}

static int from_params(OSSL_PARAM *params, struct rsa **ret)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *pkey = NULL;
	bool ok = ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
		  EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1;

	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok ? rsa_new(pkey, ret) : -EBADMSG;
}

int rsa_public(const uint8_t *n, size_t n_len, const uint8_t *e, size_t e_len, struct rsa **ret)
{
	BIGNUM *bn = n_len <= INT_MAX ? BN_bin2bn(n, (int)n_len, NULL) : NULL;
	BIGNUM *be = e_len <= INT_MAX ? BN_bin2bn(e, (int)e_len, NULL) : NULL;
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	int r = -ENOMEM;

	if (b && bn && be && OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, be) == 1)
		params = OSSL_PARAM_BLD_to_param(b);
	/* OpenSSL takes any numbers for a key. */
	if (params)
		r = BN_num_bits(bn) < 512 || !BN_is_odd(bn) || !BN_is_odd(be) || BN_is_one(be) ?
			    -EBADMSG : from_params(params, ret);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_free(be);
	BN_free(bn);
	ERR_clear_error();
	return r;
}

void rsa_free(struct rsa *r)
{
	if (!r)
		return;
	EVP_PKEY_free(r->pkey); /* clears the private numbers */
	free(r);
}

unsigned int rsa_bits(const struct rsa *r)
{
	return r->bits;
}

bool rsa_is_private(const struct rsa *r)
{
	return r->private;
}

int rsa_private_der(const struct rsa *r, uint8_t **ret, size_t *ret_n)
{
	PKCS8_PRIV_KEY_INFO *info = r->private ? EVP_PKEY2PKCS8(r->pkey) : NULL;
	unsigned char *der = NULL, *end;
	int n = info ? i2d_PKCS8_PRIV_KEY_INFO(info, NULL) : -1, e = -EIO;

	if (n > 0) {
		end = der = secret_alloc((size_t)n);
		if (!der)
			e = -ENOMEM;
		else if (i2d_PKCS8_PRIV_KEY_INFO(info, &end) == n)
			e = 0;
	}
	PKCS8_PRIV_KEY_INFO_free(info); /* clears */
	if (e) {
		ERR_clear_error();
		secret_free(der);
		return e;
	}
	*ret = der;
	*ret_n = (size_t)n;
	return 0;
}

int rsa_public_der(const struct rsa *r, uint8_t **ret, size_t *ret_n)
{
	int n = i2d_PUBKEY(r->pkey, NULL);
	unsigned char *der, *end;

	if (n <= 0) {
		ERR_clear_error();
		return -EIO;
	}
	end = der = malloc((size_t)n);
	if (!der)
		return -ENOMEM;
	if (i2d_PUBKEY(r->pkey, &end) != n) {
		ERR_clear_error();
		free(der);
		return -EIO;
	}
	*ret = der;
	*ret_n = (size_t)n;
	return 0;
}

static EVP_PKEY_CTX *oaep_ctx(const struct rsa *r, bool wrap)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, r->pkey, NULL);

	if (c && (wrap ? EVP_PKEY_encrypt_init(c) : EVP_PKEY_decrypt_init(c)) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_oaep_md_name(c, "SHA256", NULL) == 1 &&
	    EVP_PKEY_CTX_set_rsa_mgf1_md_name(c, "SHA256", NULL) == 1)
		return c;
	ERR_clear_error();
	EVP_PKEY_CTX_free(c);
	return NULL;
}

static size_t modulus(const struct rsa *r)
{
	return (r->bits + 7) / 8;
}

int rsa_oaep_wrap(const struct rsa *r, const void *p, size_t n, uint8_t ret[static RSA_MAX_BLOB],
		  size_t *ret_n)
{
	size_t len = RSA_MAX_BLOB;
	EVP_PKEY_CTX *c;
	int e = -EIO;

	if (modulus(r) > RSA_MAX_BLOB || modulus(r) < OAEP_OVERHEAD ||
	    n > modulus(r) - OAEP_OVERHEAD)
		return -EMSGSIZE;
	c = oaep_ctx(r, true);
	if (c && EVP_PKEY_encrypt(c, ret, &len, p, n) == 1) {
		*ret_n = len;
		e = 0;
	}
	ERR_clear_error();
	EVP_PKEY_CTX_free(c);
	return e;
}

/* BUF has RSA_MAX_BLOB bytes. */
static int unwrap(const struct rsa *r, const uint8_t *blob, size_t n, uint8_t *buf, size_t *ret_n)
{
	EVP_PKEY_CTX *c = oaep_ctx(r, false);
	int e = -EIO;

	*ret_n = RSA_MAX_BLOB;
	if (c)
		e = EVP_PKEY_decrypt(c, buf, ret_n, blob, n) == 1 ? 0 : -EBADMSG;
	ERR_clear_error();
	EVP_PKEY_CTX_free(c);
	return e;
}

int rsa_oaep_unwrap(const struct rsa *r, const uint8_t *blob, size_t n, uint8_t *ret, size_t cap,
		    size_t *ret_n)
{
	_cleanup_secret_ uint8_t *buf = NULL;
	size_t len = 0;
	int e;

	secret_wipe(ret, cap);
	if (!r->private)
		return -EPERM;
	if (modulus(r) > RSA_MAX_BLOB || n != modulus(r))
		return -EBADMSG;
	buf = secret_alloc(RSA_MAX_BLOB);
	if (!buf)
		return -ENOMEM;
	e = unwrap(r, blob, n, buf, &len);
	if (!e && len > cap)
		e = -EMSGSIZE;
	if (e)
		return e;
	memcpy(ret, buf, len);
	*ret_n = len;
	return 0;
}
