/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key material: generated, or read from a file.
 */
#include "db.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "crypto/rsa.h"
#include "crypto/secret.h"

#define FILE_MAX 65536 /* bytes of a key file */

void material_clear(struct material *m)
{
	free(m->public);
	secret_free(m->private);
	memset(m, 0, sizeof(*m));
}

static int from_rsa(const struct rsa *k, struct material *ret, struct kp_error *e)
{
	struct material m = { .type = "RSA", .bits = rsa_bits(k) };
	int r = rsa_public_der(k, &m.public, &m.public_len);

	if (!r && rsa_is_private(k))
		r = rsa_private_der(k, &m.private, &m.private_len);
	if (r) {
		material_clear(&m);
		return kp_fail(e, -EIO, NULL, "encoding an RSA key failed");
	}
	*ret = m;
	return 0;
}

int material_generate(unsigned int bits, struct material *ret, struct kp_error *e)
{
	struct rsa *k = NULL;
	int r;

	if (bits != 2048 && bits != 3072 && bits != 4096) {
		kp_fail(e, -EKEYREJECTED, NULL, "a key of %u bits is not made", bits);
		return kp_hint(e, -EKEYREJECTED, "give --size 2048, 3072 or 4096");
	}
	if (rsa_generate(bits, &k))
		return kp_fail(e, -EIO, NULL, "generating an RSA key failed");
	r = from_rsa(k, ret, e);
	rsa_free(k);
	return r;
}

/* ---- what was imported --------------------------------------------------------- */

/* Not RSA: its kind and public half, so that it can be shown and refused. */
static EVP_PKEY *read_other(const void *p, size_t n)
{
	BIO *b = BIO_new_mem_buf(p, (int)n);
	EVP_PKEY *k = NULL;

	if (!b)
		return NULL;
	k = PEM_read_bio_PrivateKey(b, NULL, NULL, (void *)(uintptr_t)"");
	if (!k && BIO_reset(b) == 1)
		k = PEM_read_bio_PUBKEY(b, NULL, NULL, NULL);
	if (!k && BIO_reset(b) == 1)
		k = d2i_PrivateKey_bio(b, NULL);
	if (!k && BIO_reset(b) == 1)
		k = d2i_PUBKEY_bio(b, NULL);
	BIO_free(b);
	return k;
}

static int not_a_key(struct kp_error *e)
{
	return kp_fail(e, -EINVAL, "give a PEM or DER file: PKCS#8, PKCS#1 or SubjectPublicKeyInfo",
		       "the file holds no key that can be read");
}

static int from_other(const void *p, size_t n, struct material *ret, struct kp_error *e)
{
	struct material m = { .bits = 0 };
	EVP_PKEY *k = read_other(p, n);
	const char *type = k ? EVP_PKEY_get0_type_name(k) : NULL;
	int len;

	if (!type) {
		EVP_PKEY_free(k);
		return not_a_key(e);
	}
	snprintf(m.type, sizeof(m.type), "%s", type);
	m.bits = (unsigned int)MAX(EVP_PKEY_get_bits(k), 0);
	len = i2d_PUBKEY(k, &m.public);
	EVP_PKEY_free(k);
	if (len <= 0)
		return kp_fail(e, -EIO, NULL, "encoding a public key failed");
	/* A copy in malloc memory, for free(). */
	ret->public = malloc((size_t)len);
	if (!ret->public) {
		OPENSSL_free(m.public);
		return kp_fail(e, -EAGAIN, NULL, "no memory for a key");
	}
	memcpy(ret->public, m.public, (size_t)len);
	OPENSSL_free(m.public);
	ret->public_len = (size_t)len;
	ret->bits = m.bits;
	memcpy(ret->type, m.type, sizeof(m.type));
	return 0;
}

/* PEM says so; DER is EncryptedPrivateKeyInfo: a sequence of a sequence. */
bool local_key_encrypted(const void *p, size_t n)
{
	X509_SIG *s = NULL;
	const unsigned char *c = p;
	bool yes = memmem(p, n, "ENCRYPTED", 9) != NULL;

	if (!yes && n && *c == 0x30)
		s = d2i_X509_SIG(NULL, &c, (long)n);
	yes |= s != NULL;
	X509_SIG_free(s);
	ERR_clear_error();
	return yes;
}

int material_parse(const void *p, size_t n, const char *pass, size_t pass_len,
		   struct material *ret, struct kp_error *e)
{
	struct rsa *k = NULL;
	int r;

	if (n > FILE_MAX)
		return not_a_key(e);
	r = pass ? rsa_parse_encrypted(p, n, pass, pass_len, &k) : rsa_parse(p, n, &k);
	if (r == -EKEYREJECTED && !pass)
		return from_other(p, n, ret, e);
	if (r == -EKEYREJECTED)
		return kp_fail(e, -EINVAL, "give an RSA key", "the encrypted key is not RSA");
	if (r && local_key_encrypted(p, n))
		return kp_fail(e, -EACCES, "give the passphrase by --passphrase-file, or take it "
			       "away: openssl pkcs8 -topk8 -nocrypt",
			       pass ? "the passphrase does not open the key, or the file is "
				      "damaged" :
				      "the key is encrypted, and its passphrase was not given");
	if (r)
		return not_a_key(e);
	r = from_rsa(k, ret, e);
	rsa_free(k);
	return r;
}
