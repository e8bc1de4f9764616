/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA keys: what is a key and what is not, and RSA-OAEP-256.
 */
#include "crypto/rsa.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "crypto/rand.h"
#include "crypto/secret.h"
#include "kat.h"

static unsigned int opened, refused;

static void wycheproof_row(const json_t *group, const json_t *test)
{
	_cleanup_bytes_ struct bytes der = jhex(group, "privateKeyPkcs8"), c = jhex(test, "ct"),
				     msg = jhex(test, "msg"), label = jhex(test, "label");
	const char *pem = jstr(group, "privateKeyPem");
	uint8_t out[RSA_MAX_BLOB];
	struct rsa *r, *p;
	size_t n;

	assert_int_equal(rsa_parse(der.p, der.n, &r), 0);
	assert_int_equal(rsa_parse(pem, strlen(pem), &p), 0);
	if (jvalid(test) && !label.n) {
		assert_int_equal(rsa_oaep_unwrap(r, c.p, c.n, out, sizeof(out), &n), 0);
		assert_int_equal(n, msg.n);
		assert_memory_equal(out, msg.p, n);
		assert_int_equal(rsa_oaep_unwrap(p, c.p, c.n, out, sizeof(out), &n), 0);
		opened++;
	} else { /* forged, or under a label that is not ours */
		assert_int_equal(rsa_oaep_unwrap(r, c.p, c.n, out, sizeof(out), &n), -EBADMSG);
		refused++;
	}
	rsa_free(r);
	rsa_free(p);
}

static void wycheproof_answers(void **state)
{
	(void)state;
	assert_int_equal(wycheproof("rsa_oaep_2048_sha256_mgf1sha256", NULL, 0, wycheproof_row),
			 37);
	assert_true(opened >= 8 && refused >= 10);
}

static struct rsa *key2048, *other2048;

static int make_keys(void **state)
{
	(void)state;
	return rsa_generate(2048, &key2048) || rsa_generate(2048, &other2048);
}

static int free_keys(void **state)
{
	(void)state;
	rsa_free(key2048);
	rsa_free(other2048);
	rsa_free(NULL);
	return 0;
}

static void sizes_other_than_the_vaults_are_not_made(void **state)
{
	static const unsigned int sizes[] = { 0, 1024, 2047, 2049, 8192 };
	struct rsa *r;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++)
		assert_int_equal(rsa_generate(sizes[i], &r), -EINVAL);
	assert_int_equal(rsa_generate(3072, &r), 0);
	assert_int_equal(rsa_bits(r), 3072);
	assert_true(rsa_is_private(r));
	rsa_free(r);
}

static void every_length_up_to_190_comes_back(void **state)
{
	uint8_t p[191], blob[RSA_MAX_BLOB], out[190];
	size_t n, m;

	(void)state;
	assert_int_equal(rand_bytes(p, sizeof(p)), 0);
	for (size_t len = 0; len <= 190; len += len < 3 ? 1 : 17) {
		assert_int_equal(rsa_oaep_wrap(key2048, p, len, blob, &n), 0);
		assert_int_equal(n, 256);
		assert_int_equal(rsa_oaep_unwrap(key2048, blob, n, out, sizeof(out), &m), 0);
		assert_int_equal(m, len);
		assert_memory_equal(out, p, len);
	}
	assert_int_equal(rsa_oaep_wrap(key2048, p, 191, blob, &n), -EMSGSIZE);
}

static void every_flipped_byte_and_the_wrong_key_are_refused(void **state)
{
	uint8_t p[32] = { 1 }, blob[RSA_MAX_BLOB], out[32], zero[32] = { 0 };
	size_t n, m;

	(void)state;
	assert_int_equal(rsa_oaep_wrap(key2048, p, sizeof(p), blob, &n), 0);
	for (size_t i = 0; i < n; i++) {
		blob[i] ^= 0x40;
		memset(out, 7, sizeof(out));
		assert_int_equal(rsa_oaep_unwrap(key2048, blob, n, out, sizeof(out), &m), -EBADMSG);
		assert_memory_equal(out, zero, sizeof(out));
		blob[i] ^= 0x40;
	}
	assert_int_equal(rsa_oaep_unwrap(other2048, blob, n, out, sizeof(out), &m), -EBADMSG);
	assert_int_equal(rsa_oaep_unwrap(key2048, blob, n - 1, out, sizeof(out), &m), -EBADMSG);
	assert_int_equal(rsa_oaep_unwrap(key2048, blob, 0, out, sizeof(out), &m), -EBADMSG);
	assert_int_equal(rsa_oaep_unwrap(key2048, blob, n, out, 31, &m), -EMSGSIZE);
	assert_memory_equal(out, zero, 31);
	assert_int_equal(rsa_oaep_unwrap(key2048, blob, n, out, sizeof(out), &m), 0);
	assert_memory_equal(out, p, sizeof(p));
}

static void der_of_both_kinds_comes_back(void **state)
{
	uint8_t p[32] = { 1 }, blob[RSA_MAX_BLOB], out[32], *der;
	struct rsa *private, *public;
	size_t n, m;

	(void)state;
	assert_int_equal(rsa_private_der(key2048, &der, &n), 0);
	assert_int_equal(rsa_parse(der, n, &private), 0);
	for (size_t cut = 1; cut < n; cut += 97) {
		struct rsa *none;

		assert_int_equal(rsa_parse(der, n - cut, &none), -EBADMSG);
	}
	secret_free(der);
	assert_int_equal(rsa_public_der(private, &der, &n), 0);
	assert_int_equal(rsa_parse(der, n, &public), 0);
	free(der);
	assert_true(rsa_is_private(private));
	assert_false(rsa_is_private(public));
	assert_int_equal(rsa_bits(public), 2048);

	assert_int_equal(rsa_oaep_wrap(public, p, sizeof(p), blob, &n), 0);
	assert_int_equal(rsa_oaep_unwrap(private, blob, n, out, sizeof(out), &m), 0);
	assert_memory_equal(out, p, sizeof(p));
	assert_int_equal(rsa_oaep_unwrap(public, blob, n, out, sizeof(out), &m), -EPERM);
	assert_int_equal(rsa_private_der(public, &der, &n), -EIO);
	rsa_free(private);
	rsa_free(public);
}

/* What rsa_parse() says of a key that OpenSSL wrote in one of its ways. */
enum way { PKCS8_PEM, PKCS8_DER, PKCS1_PEM, PKCS1_DER, SPKI_PEM, SPKI_DER, ENCRYPTED_PEM };

static int parse_written(EVP_PKEY *k, enum way way, const char *trailer, struct rsa **ret)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;
	int ok = 0, r;

	switch (way) {
	case PKCS8_PEM:
		ok = PEM_write_bio_PKCS8PrivateKey(b, k, NULL, NULL, 0, NULL, NULL);
		break;
	case PKCS8_DER:
		ok = i2d_PKCS8PrivateKey_bio(b, k, NULL, NULL, 0, NULL, NULL);
		break;
	case PKCS1_PEM:
		ok = PEM_write_bio_PrivateKey_traditional(b, k, NULL, NULL, 0, NULL, NULL);
		break;
	case PKCS1_DER:
		ok = i2d_PrivateKey_bio(b, k);
		break;
	case SPKI_PEM:
		ok = PEM_write_bio_PUBKEY(b, k);
		break;
	case SPKI_DER:
		ok = i2d_PUBKEY_bio(b, k);
		break;
	case ENCRYPTED_PEM:
		ok = PEM_write_bio_PKCS8PrivateKey(b, k, EVP_aes_256_cbc(), "pass", 4, NULL, NULL);
		break;
	}
	assert_int_equal(ok, 1);
	BIO_puts(b, trailer);
	n = BIO_get_mem_data(b, &p);
	r = rsa_parse(p, (size_t)n, ret);
	BIO_free(b);
	return r;
}

static void every_encoding_of_rsa_is_parsed(void **state)
{
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);

	(void)state;
	for (int way = PKCS8_PEM; way <= SPKI_DER; way++) {
		struct rsa *r;

		assert_int_equal(parse_written(k, way, "", &r), 0);
		assert_int_equal(rsa_bits(r), 1024); /* the caller refuses it, with the reason */
		assert_int_equal(rsa_is_private(r), way < SPKI_PEM);
		rsa_free(r);
	}
	EVP_PKEY_free(k);
}

static EVP_PKEY *rsa_pss_key(void)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	EVP_PKEY *k = NULL;

	assert_int_equal(EVP_PKEY_keygen_init(c), 1);
	assert_int_equal(EVP_PKEY_generate(c, &k), 1);
	EVP_PKEY_CTX_free(c);
	return k;
}

static void numbers_of_a_public_key_make_it(void **state)
{
	static const uint8_t e[] = { 0, 1, 0, 1 }, one[] = { 1 }, even[] = { 4 };
	uint8_t n[256] = { 0 }, blob[RSA_MAX_BLOB], out[RSA_MAX_BLOB], *der;
	struct rsa *r = NULL;
	size_t len, der_n;

	(void)state;
	/* SubjectPublicKeyInfo of 2048 bits ends in the modulus and 02 03 01 00 01. */
	assert_int_equal(rsa_public_der(key2048, &der, &der_n), 0);
	memcpy(n, der + der_n - 5 - sizeof(n), sizeof(n));
	free(der);
	assert_int_equal(rsa_public(n, sizeof(n), e, sizeof(e), &r), 0);
	assert_int_equal(rsa_bits(r), 2048);
	assert_false(rsa_is_private(r));
	assert_int_equal(rsa_oaep_wrap(r, "secret", 6, blob, &len), 0);
	assert_int_equal(rsa_oaep_unwrap(key2048, blob, len, out, sizeof(out), &len), 0);
	assert_memory_equal(out, "secret", 6);
	rsa_free(r);
	assert_int_equal(rsa_public(n, sizeof(n), one, 1, &r), -EBADMSG);
	assert_int_equal(rsa_public(n, sizeof(n), even, 1, &r), -EBADMSG);
	assert_int_equal(rsa_public(n, 8, e, sizeof(e), &r), -EBADMSG);
	assert_int_equal(rsa_public(n, 0, e, 0, &r), -EBADMSG);
	n[255] &= 0xfe;
	assert_int_equal(rsa_public(n, sizeof(n), e, sizeof(e), &r), -EBADMSG);
}

static void other_kinds_of_key_are_rejected_as_such(void **state)
{
	EVP_PKEY *ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_PKEY *pss = rsa_pss_key();
	struct rsa *r;

	(void)state;
	for (int way = PKCS8_PEM; way <= SPKI_DER; way++) {
		assert_int_equal(parse_written(ec, way, "", &r), -EKEYREJECTED);
		if (way != PKCS1_PEM && way != PKCS1_DER) {
			assert_int_equal(parse_written(ed, way, "", &r), -EKEYREJECTED);
			assert_int_equal(parse_written(pss, way, "", &r), -EKEYREJECTED);
		}
	}
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ed);
	EVP_PKEY_free(pss);
}

static void what_is_no_key_is_refused_without_a_question(void **state)
{
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	uint8_t noise[600];
	struct rsa *r;

	(void)state;
	assert_int_equal(parse_written(k, ENCRYPTED_PEM, "", &r), -EBADMSG);
	assert_int_equal(parse_written(k, PKCS8_DER, "x", &r), -EBADMSG);
	assert_int_equal(rsa_parse("", 0, &r), -EBADMSG);
	assert_int_equal(rsa_parse("-----BEGIN PRIVATE KEY-----\n", 28, &r), -EBADMSG);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(rand_bytes(noise, sizeof(noise)), 0);
		noise[0] = 0x30;
		assert_int_equal(rsa_parse(noise, sizeof(noise), &r), -EBADMSG);
	}
	EVP_PKEY_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wycheproof_answers),
		cmocka_unit_test(sizes_other_than_the_vaults_are_not_made),
		cmocka_unit_test(every_length_up_to_190_comes_back),
		cmocka_unit_test(every_flipped_byte_and_the_wrong_key_are_refused),
		cmocka_unit_test(der_of_both_kinds_comes_back),
		cmocka_unit_test(every_encoding_of_rsa_is_parsed),
		cmocka_unit_test(numbers_of_a_public_key_make_it),
		cmocka_unit_test(other_kinds_of_key_are_rejected_as_such),
		cmocka_unit_test(what_is_no_key_is_refused_without_a_question),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
