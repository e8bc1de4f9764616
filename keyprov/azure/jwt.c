/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signed statement of who we are, in place of a password: RFC 7523 section
 * 2.2, PS256 of RFC 7518 section 3.5, x5t#S256 of RFC 7515 section 4.1.8.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "azure.h"
#include "crypto/rand.h"
#include "crypto/secret.h"
#include "keyprov/net/file.h"

#define PEM_MAX 32768
#define LIFE_S 600
#define SKEW_S 60 /* our clock may be ahead of theirs */
#define SIGNATURE_MAX 1024

static int no_certificate(const char *path, const char *what, struct kp_error *e)
{
	return kp_fail(e, -EIO, "it is PEM with the certificate and its RSA private key, without a passphrase",
		       "%.150s: %s", path, what);
}

/* A passphrase is asked for by nobody. */
static int no_passphrase(char *buf, int size, int rw, void *arg)
{
	(void)buf;
	(void)size;
	(void)rw;
	(void)arg;
	return -1;
}

static int load(const char *path, EVP_PKEY **ret_key, X509 **ret_cert, struct kp_error *e)
{
	_cleanup_secret_ char *pem = secret_alloc(PEM_MAX);
	size_t n = 0;
	BIO *in;
	int r;

	if (!pem)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a certificate");
	r = net_read_file(path, true, pem, PEM_MAX, &n, e);
	if (r)
		return r;
	in = BIO_new_mem_buf(pem, (int)n);
	*ret_key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);
	BIO_free(in);
	in = BIO_new_mem_buf(pem, (int)n);
	*ret_cert = PEM_read_bio_X509(in, NULL, no_passphrase, NULL);
	BIO_free(in);
	if (!*ret_key || EVP_PKEY_get_base_id(*ret_key) != EVP_PKEY_RSA)
		return no_certificate(path, "no RSA private key in it", e);
	if (!*ret_cert)
		return no_certificate(path, "no certificate in it", e);
	if (X509_check_private_key(*ret_cert, *ret_key) != 1)
		return no_certificate(path, "the private key is not that of the certificate", e);
	return 0;
}

/* ---- the parts ------------------------------------------------------------------------ */

static void add_part(struct text *t, const struct text *json)
{
	if (text_ok(json))
		text_b64url(t, json->s, json->n);
	else
		t->cut = true;
}

static void add_head(struct text *t, const X509 *cert)
{
	_cleanup_text_ struct text json = { 0 };
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	text_begin(&json, 512);
	X509_digest(cert, EVP_sha256(), digest, &n);
	text_add(&json, "{\"alg\":\"PS256\",\"typ\":\"JWT\",\"x5t#S256\":\"");
	text_b64url(&json, digest, n);
	text_add(&json, "\"}");
	add_part(t, &json);
}

static void add_claims(struct text *t, const char *client, const char *audience, int64_t now)
{
	_cleanup_text_ struct text json = { 0 };
	uint8_t id[16];

	text_begin(&json, 2048);
	if (rand_bytes(id, sizeof(id)))
		t->cut = true;
	text_add(&json, "{\"aud\":");
	text_json(&json, audience);
	text_add(&json, ",\"iss\":");
	text_json(&json, client);
	text_add(&json, ",\"sub\":");
	text_json(&json, client);
	text_add(&json, ",\"jti\":\"");
	text_b64url(&json, id, sizeof(id));
	text_addf(&json, "\",\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld}", (long long)now,
		  (long long)(now - SKEW_S), (long long)(now + LIFE_S));
	add_part(t, &json);
}

static int sign(EVP_PKEY *key, const char *p, size_t n, uint8_t ret[static SIGNATURE_MAX],
		size_t *ret_n)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pk = NULL;
	bool ok = md && EVP_DigestSignInit(md, &pk, EVP_sha256(), NULL, key) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(pk, RSA_PKCS1_PSS_PADDING) == 1 &&
		  EVP_PKEY_CTX_set_rsa_pss_saltlen(pk, RSA_PSS_SALTLEN_DIGEST) == 1;

	*ret_n = SIGNATURE_MAX;
	ok = ok && EVP_DigestSign(md, ret, ret_n, (const uint8_t *)p, n) == 1;
	EVP_MD_CTX_free(md);
	return ok ? 0 : -EIO;
}

int az_jwt(const char *pem, const char *client, const char *audience, int64_t now, struct text *t,
	   struct kp_error *e)
{
	size_t begin = t->n, n = 0;
	uint8_t signature[SIGNATURE_MAX];
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	int r = load(pem, &key, &cert, e);

	if (r)
		goto out;
	add_head(t, cert);
	text_add(t, ".");
	add_claims(t, client, audience, now);
	if (!text_ok(t))
		r = kp_fail(e, -EAGAIN, NULL, "no memory for a statement");
	else if (sign(key, t->s + begin, t->n - begin, signature, &n))
		r = no_certificate(pem, "its key cannot sign", e);
	text_add(t, ".");
	text_b64url(t, signature, n);
out:
	EVP_PKEY_free(key);
	X509_free(cert);
	return r;
}
