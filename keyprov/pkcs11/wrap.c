/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA-OAEP-256: wrapping here, unwrapping in the token.
 */
#include "p11.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/rand.h"
#include "crypto/rsa.h"
#include "crypto/secret.h"

static int fail_memory(struct kp_error *e)
{
	return kp_fail(e, -EAGAIN, NULL, "no memory for keys");
}

int p11_key_wrap(const struct p11_key *k, const uint8_t *secret, uint8_t ret[static KP_BLOB_MAX],
		 size_t *ret_n, struct kp_error *e)
{
	struct rsa *rsa = NULL;
	uint8_t blob[RSA_MAX_BLOB];
	size_t n = 0;
	int r = rsa_public(k->modulus, k->modulus_len, k->exponent, k->exponent_len, &rsa);

	if (!r)
		r = rsa_oaep_wrap(rsa, secret, KP_SECRET_LEN, blob, &n);
	rsa_free(rsa);
	if (r == -ENOMEM)
		return fail_memory(e);
	if (r)
		return kp_fail(e, -EKEYREJECTED, "make an RSA key of 2048, 3072 or 4096 bits",
			       "the token's public key cannot wrap: %s", strerror(-r));
	memcpy(ret, blob, n);
	*ret_n = n;
	return 0;
}

/* A key that asks for the PIN at every use (CKA_ALWAYS_AUTHENTICATE). */
static int login_again(struct p11_session *s, const char *pin_file, struct kp_error *e)
{
	_cleanup_secret_ char *pin = s->token.pad ? NULL : secret_alloc(P11_PIN_MAX);
	size_t n = 0;
	ck_rv_t rv;
	int r;

	if (!s->token.pad) {
		r = pin ? p11_pin_get(&s->token, pin_file, pin, &n, e) : fail_memory(e);
		if (r)
			return r;
	}
	rv = p11_module_functions(s->m)->C_Login(s->h, CKU_CONTEXT_SPECIFIC, (unsigned char *)pin,
						 n);
	if (rv == CKR_PIN_INCORRECT && pin)
		p11_pin_refused(&s->token, pin, n);
	return rv == CKR_OK ? 0 : p11_session_fail(s, rv, "C_Login for this key", e);
}

/* OUT: at least the modulus's length.  A doubt is the caller's to settle. */
static int decrypt(struct p11_session *s, const struct p11_key *k, const char *pin_file,
		   const uint8_t *blob, size_t n, uint8_t *out, unsigned long *out_n,
		   struct kp_error *e)
{
	struct ck_rsa_pkcs_oaep_params oaep = { .hash_alg = CKM_SHA256, .mgf = CKG_MGF1_SHA256,
						.source = CKZ_DATA_SPECIFIED };
	struct ck_mechanism m = { CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep) };
	struct ck_function_list *f = p11_module_functions(s->m);
	ck_rv_t rv = f->C_DecryptInit(s->h, &m, k->h);
	int r = 0;

	if (rv != CKR_OK)
		return p11_session_fail(s, rv, "C_DecryptInit", e);
	if (k->each_time) {
		pthread_mutex_lock(p11_module_login_lock(s->m));
		r = login_again(s, pin_file, e);
		pthread_mutex_unlock(p11_module_login_lock(s->m));
	}
	if (r)
		return r;
	rv = f->C_Decrypt(s->h, (unsigned char *)(uintptr_t)blob, n, out, out_n);
	return rv == CKR_OK ? 0 : p11_session_fail(s, rv, "C_Decrypt", e);
}

/* Whether the key unwraps what is made for it now: then it is the data that is bad. */
static bool key_works(struct p11_session *s, const struct p11_key *k, const char *pin_file)
{
	_cleanup_secret_ uint8_t *secret = secret_alloc(KP_SECRET_LEN);
	_cleanup_secret_ uint8_t *back = secret_alloc(P11_MODULUS_MAX);
	unsigned long back_n = P11_MODULUS_MAX;
	uint8_t blob[KP_BLOB_MAX];
	size_t n = 0;

	return secret && back && !rand_secret(secret, KP_SECRET_LEN) &&
	       !p11_key_wrap(k, secret, blob, &n, NULL) &&
	       !decrypt(s, k, pin_file, blob, n, back, &back_n, NULL) && back_n == KP_SECRET_LEN &&
	       secret_equal(back, secret, KP_SECRET_LEN);
}

static int bad_blob(const struct p11_session *s, struct kp_error *e)
{
	return kp_fail(e, -EBADMSG, "cmkfs key restore DIR FILE puts a backup of the keyring back",
		       "the wrapped key does not unwrap under this key on token %s", s->token.label);
}

int p11_key_unwrap(struct p11_session *s, const struct p11_key *k, const char *pin_file,
		   const uint8_t *blob, size_t n, uint8_t *ret, struct kp_error *e)
{
	_cleanup_secret_ uint8_t *out = secret_alloc(P11_MODULUS_MAX);
	unsigned long out_n = P11_MODULUS_MAX;
	int r;

	if (!out)
		return fail_memory(e);
	if (n != k->modulus_len)
		return bad_blob(s, e);
	r = decrypt(s, k, pin_file, blob, n, out, &out_n, e);
	if (r && p11_error_row(s->rv)->remedy == P11_DOUBT && key_works(s, k, pin_file))
		return bad_blob(s, e);
	if (r)
		return r;
	if (out_n != KP_SECRET_LEN)
		return bad_blob(s, e);
	memcpy(ret, out, KP_SECRET_LEN);
	return 0;
}
