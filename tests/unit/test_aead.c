/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM: known answers, and that nothing forged is opened.
 */
#include "crypto/aead.h"

#include <errno.h>

#include "crypto/mac.h"
#include "kat.h"

static const uint8_t zero[4096];

/* Seal and compare; open and compare. */
static void check(const struct bytes *key, const struct bytes *iv, const struct bytes *aad,
		  const struct bytes *msg, const struct bytes *c, const struct bytes *tag)
{
	uint8_t out[4096], t[AEAD_TAG_LEN];
	struct aead *a = aead_begin(key->p, true);

	assert_non_null(a);
	assert_int_equal(key->n, AEAD_KEY_LEN);
	assert_int_equal(iv->n, IV_LEN);
	assert_int_equal(aead_seal(a, iv->p, aad->p, aad->n, msg->p, msg->n, out, t), 0);
	assert_memory_equal(out, c->p, c->n);
	assert_memory_equal(t, tag->p, AEAD_TAG_LEN);
	aead_end(a);
	a = aead_begin(key->p, false);
	assert_int_equal(aead_open(a, iv->p, aad->p, aad->n, c->p, c->n, tag->p, out), 0);
	assert_memory_equal(out, msg->p, msg->n);
	aead_end(a);
}

static void check_refused(const struct bytes *key, const struct bytes *iv, const struct bytes *aad,
			  const struct bytes *c, const struct bytes *tag)
{
	uint8_t out[4096];
	struct aead *a = aead_begin(key->p, false);

	memset(out, 1, sizeof(out));
	assert_int_equal(aead_open(a, iv->p, aad->p, aad->n, c->p, c->n, tag->p, out), -EBADMSG);
	assert_memory_equal(out, zero, c->n);
	aead_end(a);
}

static unsigned int rows, refused;

static void wycheproof_row(const json_t *group, const json_t *test)
{
	_cleanup_bytes_ struct bytes key = jhex(test, "key"), iv = jhex(test, "iv"),
				     aad = jhex(test, "aad"), msg = jhex(test, "msg"),
				     c = jhex(test, "ct"), tag = jhex(test, "tag");

	if (json_integer_value(json_object_get(group, "ivSize")) != 96)
		return;
	rows++;
	if (jvalid(test)) {
		check(&key, &iv, &aad, &msg, &c, &tag);
	} else {
		refused++;
		check_refused(&key, &iv, &aad, &c, &tag);
	}
}

static void wycheproof_answers(void **state)
{
	(void)state;
	wycheproof("aes_gcm", "keySize", 256, wycheproof_row);
	assert_int_equal(rows, 66);
	assert_true(refused > 20);
}

static void nist_row(const struct stanza *s)
{
	_cleanup_bytes_ struct bytes key = shex(s, "Key"), iv = shex(s, "IV"), aad = shex(s, "AAD"),
				     c = shex(s, "CT"), tag = shex(s, "Tag"),
				     msg = s->fail ? from_hex("") : shex(s, "PT");

	if (s->fail) {
		refused++;
		check_refused(&key, &iv, &aad, &c, &tag);
	} else {
		check(&key, &iv, &aad, &msg, &c, &tag);
	}
}

static void nist_answers(void **state)
{
	(void)state;
	assert_int_equal(nist("gcmEncryptExtIV256.rsp", nist_row), 75);
	refused = 0;
	assert_int_equal(nist("gcmDecrypt256.rsp", nist_row), 150);
	assert_int_equal(refused, 74);
}

/* Everything that a chunk's tag covers, side by side, so that one loop flips it all. */
struct sealed {
	uint8_t key[AEAD_KEY_LEN], iv[IV_LEN], aad[8], c[100], tag[AEAD_TAG_LEN];
};

static int open_sealed(const struct sealed *s, uint8_t ret[100])
{
	struct aead *a = aead_begin(s->key, false);
	int r;

	assert_non_null(a);
	r = aead_open(a, s->iv, s->aad, sizeof(s->aad), s->c, sizeof(s->c), s->tag, ret);
	aead_end(a);
	return r;
}

static void every_flipped_bit_is_refused_and_the_output_wiped(void **state)
{
	struct sealed s;
	uint8_t msg[100], out[100], *p = (uint8_t *)&s;
	struct aead *a;

	(void)state;
	assert_int_equal(rand_bytes(&s, sizeof(s)), 0);
	assert_int_equal(rand_bytes(msg, sizeof(msg)), 0);
	a = aead_begin(s.key, true);
	assert_int_equal(aead_seal(a, s.iv, s.aad, sizeof(s.aad), msg, 100, s.c, s.tag), 0);
	aead_end(a);
	for (unsigned int bit = 0; bit < 8 * sizeof(s); bit++) {
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		memset(out, 1, sizeof(out));
		assert_int_equal(open_sealed(&s, out), -EBADMSG);
		assert_memory_equal(out, zero, sizeof(out));
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(open_sealed(&s, out), 0);
	assert_memory_equal(out, msg, sizeof(out));
}

static void aad_and_text_of_other_lengths_are_refused(void **state)
{
	uint8_t key[32] = { 1 }, iv[IV_LEN] = { 2 }, aad[16] = { 3 }, msg[64] = { 4 }, c[64],
		out[64],
		tag[16];
	struct aead *a = aead_begin(key, true);

	(void)state;
	assert_int_equal(aead_seal(a, iv, aad, 8, msg, 32, c, tag), 0);
	aead_end(a);
	a = aead_begin(key, false);
	for (size_t n = 0; n <= 32; n++)
		for (size_t m = 0; m <= 16; m++)
			assert_int_equal(aead_open(a, iv, aad, m, c, n, tag, out),
					 n == 32 && m == 8 ? 0 : -EBADMSG);
	aead_end(a);
}

static void run_of_chunks_in_place_opens_after_a_failure(void **state)
{
	enum { N = 16 };
	static uint8_t data[N][4096], was[N][4096];
	uint8_t key[32] = { 9 }, iv[N][IV_LEN], tag[N][16], aad[8];
	struct aead *a = aead_begin(key, true);

	(void)state;
	assert_int_equal(rand_bytes(data, sizeof(data)), 0);
	memcpy(was, data, sizeof(data));
	for (unsigned int i = 0; i < N; i++) {
		put_le64(aad, i);
		assert_int_equal(rand_iv(iv[i]), 0);
		assert_int_equal(aead_seal(a, iv[i], aad, 8, data[i], 4096, data[i], tag[i]), 0);
		assert_memory_not_equal(data[i], was[i], 4096);
	}
	aead_end(a);
	data[5][4095] ^= 1;
	a = aead_begin(key, false);
	for (unsigned int i = 0; i < N; i++) {
		put_le64(aad, i);
		assert_int_equal(aead_open(a, iv[i], aad, 8, data[i], 4096, tag[i], data[i]),
				 i == 5 ? -EBADMSG : 0);
		assert_memory_equal(data[i], i == 5 ? zero : was[i], 4096);
	}
	aead_end(a);
}

static void misuse_of_the_context_never_seals(void **state)
{
	uint8_t key[32] = { 9 }, iv[IV_LEN] = { 0 }, out[16], tag[16];
	struct aead *a = aead_begin(key, true);

	(void)state;
	errno = 0;
	assert_null(aead_begin(key, true)); /* not ended */
	assert_int_equal(errno, EBUSY);
	assert_int_equal(aead_open(a, iv, NULL, 0, zero, 16, zero, out), -EIO); /* begun to seal */
	aead_end(a);
	assert_int_equal(aead_seal(a, iv, NULL, 0, zero, 16, out, tag), -EIO); /* ended */
	a = aead_begin(key, true);
	crypto_forget(); /* ends it: the context's key is zeros now */
	assert_int_equal(aead_seal(a, iv, NULL, 0, zero, 16, out, tag), -EIO);
	aead_end(NULL);
}

static void message_opens_only_whole(void **state)
{
	const char *text = "a message of fifty bytes, to be sealed in parts of it";
	uint8_t key[32] = { 5 }, sealed[50 + SEALED_EXTRA], again[50 + SEALED_EXTRA], out[50];

	(void)state;
	for (size_t n = 0; n <= 50; n++) {
		assert_int_equal(aead_seal_message(key, "aad", 3, text, n, sealed), 0);
		assert_int_equal(aead_open_message(key, "aad", 3, sealed, n + SEALED_EXTRA, out),
				 0);
		assert_memory_equal(out, text, n);
		assert_int_equal(aead_seal_message(key, "aad", 3, text, n, again), 0);
		assert_memory_not_equal(sealed, again, IV_LEN);
		for (size_t cut = 1; cut <= n + SEALED_EXTRA; cut++)
			assert_int_equal(aead_open_message(key, "aad", 3, sealed,
							   n + SEALED_EXTRA - cut, out), -EBADMSG);
		assert_int_equal(aead_open_message(key, "aae", 3, sealed, n + SEALED_EXTRA, out),
				 -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wycheproof_answers),
		cmocka_unit_test(nist_answers),
		cmocka_unit_test(every_flipped_bit_is_refused_and_the_output_wiped),
		cmocka_unit_test(aad_and_text_of_other_lengths_are_refused),
		cmocka_unit_test(run_of_chunks_in_place_opens_after_a_failure),
		cmocka_unit_test(misuse_of_the_context_never_seals),
		cmocka_unit_test(message_opens_only_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
