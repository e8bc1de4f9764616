/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyring: what is refused, by which field, and how it is opened.
 */
#include "crypto/keyring.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/rand.h"

#define HEAD 128u
#define GEN 96u

static uint8_t vk[KEY_LEN], vk2[KEY_LEN], zik[KEY_LEN], km[KEY_LEN];
static const struct zone_id zone = { { 1 }, { 2 } };

static void add(struct generation *gen, uint8_t type, uint8_t role, uint8_t group, const char *kid,
		const void *params, uint16_t nparams, uint16_t nblob)
{
	static uint8_t blob[65535];
	struct keyslot s = {
		.type = type, .role = role, .group = group, .kid = (char *)(uintptr_t)kid,
		.params = (uint8_t *)(uintptr_t)params, .params_len = nparams,
		.blob = blob, .blob_len = nblob,
	};

	memset(blob, 0x5b, sizeof(blob));
	assert_int_equal(generation_add_slot(gen, &s, NULL), 0);
}

/* Two generations; the active one has every type of slot. */
static struct keyring *make(void)
{
	static const uint8_t follow = SLOT_FOLLOW;
	uint8_t pass[PBKDF2_SALT_LEN + 4] = { 0 };
	struct keyring *k = calloc(1, sizeof(*k));

	k->zone = zone;
	k->seq = 9;
	k->written = 1700000000;
	k->active = 2;
	k->ngens = 2;
	k->gens = calloc(2, sizeof(*k->gens));
	assert_int_equal(keyring_new_generation(k, &k->gens[0], 2, vk2, zik, 1700000000), 0);
	assert_int_equal(keyring_new_generation(k, &k->gens[1], 1, vk, zik, 1600000000), 0);
	k->gens[1].state = GEN_UNWRAP_ONLY;
	put_le32(pass + PBKDF2_SALT_LEN, 600000);
	add(&k->gens[0], SLOT_RSA, ROLE_SERVICE, 0, "local://v/keys/k/1", &follow, 1, 256);
	add(&k->gens[0], SLOT_SYMMETRIC, ROLE_SHARE, 1, "awskms:///ключ", NULL, 0, 77);
	add(&k->gens[0], SLOT_PASSPHRASE, ROLE_RECOVERY, 0, "", pass, sizeof(pass), WRAP_LEN);
	add(&k->gens[0], SLOT_OFFLINE, ROLE_RECOVERY, 0, "x", NULL, 0, 384);
	add(&k->gens[0], SLOT_COMBINER, ROLE_CUSTOMER, 1, "", NULL, 0, WRAP_LEN);
	add(&k->gens[1], SLOT_RSA, ROLE_SERVICE, 0, "local://v/keys/k/1", NULL, 0, 256);
	return k;
}

static uint8_t *serialise(const struct keyring *k, size_t *n)
{
	uint8_t *p = NULL;

	assert_int_equal(keyring_serialise(k, km, &p, n), 0);
	return p;
}

static uint8_t *make_bytes(size_t *n)
{
	struct keyring *k = make();
	uint8_t *p = serialise(k, n);

	keyring_free(k);
	return p;
}

static int setup(void **state)
{
	(void)state;
	return rand_secret(vk, 32) || rand_secret(vk2, 32) || rand_secret(zik, 32) ||
	       kdf_zik(zik, KDF_KEYRING, &zone, km);
}

static void keyring_comes_back(void **state)
{
	struct keyring *k;
	size_t n, m;
	uint8_t *p = make_bytes(&n), *again;

	(void)state;
	assert_int_equal(keyring_parse(p, n, &k, NULL), 0);
	assert_int_equal(k->ngens, 2);
	assert_int_equal(k->gens[0].nslots, 5);
	assert_string_equal(k->gens[0].slots[1].kid, "awskms:///ключ");
	assert_int_equal(k->gens[0].slots[0].params[0], SLOT_FOLLOW);
	assert_int_equal(k->gens[0].slots[3].blob_len, 384);
	assert_int_equal(k->gens[1].state, GEN_UNWRAP_ONLY);
	assert_int_equal(k->seq, 9);
	assert_ptr_equal(keyring_generation(k, 1), &k->gens[1]);
	assert_null(keyring_generation(k, 3));
	again = serialise(k, &m);
	assert_int_equal(n, m);
	assert_memory_equal(p, again, n);
	keyring_free(k);
	keyring_free(NULL);
	free(p);
	free(again);
}

static void opens_with_its_own_key_only(void **state)
{
	uint8_t got[KEY_LEN], fp[KEY_LEN], want[KEY_LEN], zero[KEY_LEN] = { 0 };
	struct keyring *k;
	size_t n;
	uint8_t *p = make_bytes(&n);

	(void)state;
	assert_int_equal(keyring_parse(p, n, &k, NULL), 0);
	assert_int_equal(keyring_take(k, &k->gens[0], vk2, got), 0);
	assert_memory_equal(got, zik, KEY_LEN);
	assert_int_equal(keyring_take(k, &k->gens[1], vk, got), 0);
	assert_memory_equal(got, zik, KEY_LEN);
	assert_int_equal(keyring_take(k, &k->gens[0], vk, got), -EKEYREJECTED);
	assert_memory_equal(got, zero, KEY_LEN);
	for (unsigned int i = 0; i < KEY_LEN; i++) {
		vk2[i] ^= 1;
		assert_int_equal(keyring_take(k, &k->gens[0], vk2, got), -EKEYREJECTED);
		vk2[i] ^= 1;
	}
	for (unsigned int i = 0; i < WRAP_LEN; i++) {
		memset(got, 1, sizeof(got));
		k->gens[0].zik[i] ^= 1;
		assert_int_equal(keyring_take(k, &k->gens[0], vk2, got), -EBADMSG);
		assert_memory_equal(got, zero, KEY_LEN);
		k->gens[0].zik[i] ^= 1;
	}
	assert_int_equal(keyring_verify(k, zik), 0);
	assert_int_equal(keyring_verify(k, vk), -EBADMSG);
	assert_int_equal(keyring_fingerprint(k, zik, fp), 0);
	assert_int_equal(kdf_zik(zik, KDF_FINGERPRINT, &zone, want), 0);
	assert_memory_equal(fp, want, KEY_LEN);
	keyring_free(k);
	free(p);
}

static void every_flipped_bit_is_refused(void **state)
{
	struct keyring *k;
	size_t n;
	uint8_t *p = make_bytes(&n);
	int r;

	(void)state;
	for (size_t bit = 0; bit < 8 * n; bit++) {
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		r = keyring_parse(p, n, &k, NULL);
		if (r == 0) { /* it still looks like one */
			r = keyring_verify(k, zik);
			keyring_free(k);
		}
		assert_int_equal(r, -EBADMSG);
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(p);
}

static void every_other_length_is_refused(void **state)
{
	struct keyring *k;
	size_t n;
	uint8_t *p = make_bytes(&n), *exact;

	(void)state;
	for (size_t m = 0; m < n; m++) {
		exact = malloc(m ? m : 1); /* so that the sanitizer sees a byte too far */
		memcpy(exact, p, m);
		assert_int_equal(keyring_parse(exact, m, &k, NULL), -EBADMSG);
		if (m >= 16) {
			put_le32(exact + 12, (uint32_t)m); /* the length says so too */
			assert_int_equal(keyring_parse(exact, m, &k, NULL), -EBADMSG);
		}
		free(exact);
	}
	free(p);
}

static void fields_are_refused_by_name(void **state)
{
	/* offsets: of the file, of the first generation, of its first slot */
	enum { F = 0, G = HEAD, S = HEAD + GEN, KID = S + 16 };
	static const struct {
		unsigned int off;
		uint8_t b[4];
		unsigned int n;
		const char *field;
	} rows[] = {
		{ F, "c", 1, "magic" },
		{ F + 8, { 2 }, 1, "version" },
		{ F + 9, { 0x80 }, 1, "version" },
		{ F + 10, { 1 }, 1, "flags" },
		{ F + 12, { 0 }, 1, "total length" },
		{ F + 56, { 1 }, 4, "generation state" },  /* active 1, but 2 says it is */
		{ F + 56, { 3 }, 4, "generation state" },
		{ F + 60, { 0 }, 4, "number of generations" },
		{ F + 60, { 65 }, 4, "number of generations" },
		{ F + 60, { 1 }, 4, "total length" },
		{ F + 60, { 3 }, 4, "generation length" },
		{ F + 80, { 1 }, 1, "endorsement" },
		{ F + 120, { 1 }, 1, "reserved bytes" },
		{ F + 127, { 1 }, 1, "reserved bytes" },
		{ G, "g", 1, "generation length" },
		{ G + 4, { 0 }, 4, "generation length" },
		{ G + 4, { 95 }, 4, "generation length" },
		{ G + 4, { 255, 255, 255, 255 }, 4, "generation length" },
		{ G + 8, { 0 }, 4, "order of generations" },
		{ G + 8, { 1 }, 4, "generation state" },
		{ G + 12, { 0 }, 1, "generation state" },
		{ G + 12, { 2 }, 1, "generation state" },
		{ G + 12, { 4 }, 1, "generation state" },
		{ G + 13, { 17 }, 1, "number of slots" },
		{ G + 13, { 4 }, 1, "generation length" },
		{ G + 13, { 6 }, 1, "slot length" },
		{ G + 14, { 1 }, 1, "reserved bytes of a generation" },
		{ S, { 0 }, 1, "slot length" },
		{ S, { 255, 255, 255, 255 }, 4, "slot length" },
		{ S + 4, { 0 }, 1, "slot id" },
		{ S + 5, { 0 }, 1, "slot type" },
		{ S + 5, { 6 }, 1, "slot type" },
		{ S + 5, { SLOT_PASSPHRASE }, 1, "slot parameters" },
		{ S + 5, { SLOT_COMBINER }, 1, "slot parameters" },
		{ S + 6, { 0 }, 1, "slot role" },
		{ S + 6, { 5 }, 1, "slot role" },
		{ S + 6, { ROLE_SHARE }, 1, "slot group" },
		{ S + 8, { 1 }, 1, "reserved bytes of a slot" },
		{ S + 10, { 255, 255 }, 2, "slot length" },
		{ S + 12, { 255, 255 }, 2, "slot length" },
		{ S + 14, { 255, 255 }, 2, "slot length" },
		{ KID, { 0 }, 1, "slot kid" },
		{ KID, { '\n' }, 1, "slot kid" },
		{ KID, { 0x7f }, 1, "slot kid" },
		{ KID, { 0xff }, 1, "slot kid" },
		{ KID, { 0xc0, 0xaf }, 2, "slot kid" },	      /* overlong */
		{ KID, { 0xed, 0xa0, 0x80 }, 3, "slot kid" }, /* a surrogate */
		{ KID, { 0xf4, 0x90, 0x80, 0x80 }, 4, "slot kid" },
		{ KID, { 0xc2, 0x85 }, 2, "slot kid" },	      /* a control character */
		{ KID + 17, { 0xe2 }, 1, "slot kid" },	      /* cut off */
		{ KID + 18, { 2 }, 1, "slot parameters" },
		{ KID + 19 + 256, { 1 }, 1, "reserved bytes of a slot" },
	};
	const char *why;
	struct keyring *k;
	uint8_t *p;
	size_t n;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		p = make_bytes(&n);
		memcpy(p + rows[i].off, rows[i].b, rows[i].n);
		why = "nothing";
		if (keyring_parse(p, n, &k, &why) != -EBADMSG || strcmp(why, rows[i].field))
			fail_msg("row %u: '%s', not '%s'", i, why, rows[i].field);
		free(p);
	}
}

/* A keyring with CHANGE made to it is neither written nor, then, read. */
static void not_written(void (*change)(struct keyring *k), int err)
{
	struct keyring *k = make();
	uint8_t *p = NULL;
	size_t n;

	change(k);
	assert_int_equal(keyring_serialise(k, km, &p, &n), err);
	assert_null(p);
	keyring_free(k);
}

static void same_id_twice(struct keyring *k)
{
	k->gens[0].slots[1].id = k->gens[0].slots[0].id;
}

static void same_generation_twice(struct keyring *k)
{
	k->gens[1].g = 2;
}

static void two_active(struct keyring *k)
{
	k->gens[1].state = GEN_ACTIVE;
}

static void unknown_active(struct keyring *k)
{
	k->active = 7;
	k->gens[0].state = GEN_UNWRAP_ONLY;
}

static void destroyed_with_slots(struct keyring *k)
{
	k->gens[1].state = GEN_DESTROYED;
	memset(k->gens[1].zik, 0, WRAP_LEN);
}

static void destroyed_with_wrap(struct keyring *k)
{
	k->gens[1].state = GEN_DESTROYED;
	assert_int_equal(generation_remove_slot(&k->gens[1], 1), 0);
}

static void few_iterations(struct keyring *k)
{
	put_le32(k->gens[0].slots[2].params + PBKDF2_SALT_LEN, 599999);
}

static void combiner_without_group(struct keyring *k)
{
	k->gens[0].slots[4].group = 0;
}

static void empty_blob(struct keyring *k)
{
	k->gens[0].slots[0].blob_len = 0;
}

static void too_many_bytes(struct keyring *k)
{
	for (unsigned int i = k->gens[0].nslots; i < KEYRING_SLOTS; i++)
		add(&k->gens[0], SLOT_SYMMETRIC, ROLE_CUSTOMER, 0, "", NULL, 0, 65535);
	for (unsigned int i = k->gens[1].nslots; i < KEYRING_SLOTS; i++)
		add(&k->gens[1], SLOT_SYMMETRIC, ROLE_CUSTOMER, 0, "", NULL, 0, 65535);
}

static void what_could_not_be_read_is_not_written(void **state)
{
	(void)state;
	not_written(same_id_twice, -EINVAL);
	not_written(same_generation_twice, -EINVAL);
	not_written(two_active, -EINVAL);
	not_written(unknown_active, -EINVAL);
	not_written(destroyed_with_slots, -EINVAL);
	not_written(destroyed_with_wrap, -EINVAL);
	not_written(few_iterations, -EINVAL);
	not_written(combiner_without_group, -EINVAL);
	not_written(empty_blob, -EINVAL);
	not_written(too_many_bytes, -E2BIG);
}

static void largest_keyring_comes_back(void **state)
{
	struct keyring *k = calloc(1, sizeof(*k)), *parsed;
	uint8_t *p;
	size_t n;

	(void)state;
	k->zone = zone;
	k->active = 64;
	k->ngens = KEYRING_GENERATIONS;
	k->gens = calloc(k->ngens, sizeof(*k->gens));
	for (unsigned int i = 0; i < k->ngens; i++) {
		assert_int_equal(keyring_new_generation(k, &k->gens[i], 64 - i, vk, zik, 0), 0);
		k->gens[i].state = i == 0 ? GEN_ACTIVE : GEN_UNWRAP_ONLY;
		for (unsigned int s = 0; s < KEYRING_SLOTS; s++)
			add(&k->gens[i], SLOT_RSA, ROLE_CUSTOMER, 0, "local://v/keys/k/1", NULL, 0,
			    512);
	}
	p = serialise(k, &n);
	assert_true(n <= KEYRING_MAX);
	assert_int_equal(keyring_parse(p, n, &parsed, NULL), 0);
	assert_int_equal(keyring_verify(parsed, zik), 0);
	keyring_free(parsed);
	free(p);
	k->ngens++; /* one too many: it is not even looked at */
	assert_int_equal(keyring_serialise(k, km, &p, &n), -E2BIG);
	k->ngens--;
	keyring_free(k);
}

static void slots_are_added_at_the_lowest_free_id(void **state)
{
	struct generation gen = { 0 };
	struct keyslot s = { .type = SLOT_RSA, .role = ROLE_SERVICE, .kid = NULL };
	uint8_t id;

	(void)state;
	for (unsigned int i = 1; i <= KEYRING_SLOTS; i++) {
		assert_int_equal(generation_add_slot(&gen, &s, &id), 0);
		assert_int_equal(id, i);
	}
	assert_int_equal(generation_add_slot(&gen, &s, &id), -ENOSPC);
	assert_int_equal(generation_remove_slot(&gen, 3), 0);
	assert_int_equal(generation_remove_slot(&gen, 3), -ENOENT);
	assert_int_equal(generation_remove_slot(&gen, 16), 0);
	assert_int_equal(gen.nslots, 14);
	assert_int_equal(generation_add_slot(&gen, &s, &id), 0);
	assert_int_equal(id, 3);
	for (unsigned int i = 1; i <= 15; i++)
		assert_int_equal(generation_remove_slot(&gen, (uint8_t)i), 0);
	assert_int_equal(gen.nslots, 0);
}

static void all_of_key_depends_on_every_share_their_order_and_number(void **state)
{
	uint8_t shares[3 * KEY_LEN], a[KEY_LEN], b[KEY_LEN], swapped[2 * KEY_LEN];

	(void)state;
	assert_int_equal(rand_bytes(shares, sizeof(shares)), 0);
	assert_int_equal(all_of_key(&zone, 1, shares, 2, a), 0);
	for (unsigned int i = 0; i < 2 * KEY_LEN; i++) {
		shares[i] ^= 1;
		assert_int_equal(all_of_key(&zone, 1, shares, 2, b), 0);
		assert_memory_not_equal(a, b, KEY_LEN);
		shares[i] ^= 1;
	}
	memcpy(swapped, shares + KEY_LEN, KEY_LEN);
	memcpy(swapped + KEY_LEN, shares, KEY_LEN);
	assert_int_equal(all_of_key(&zone, 1, swapped, 2, b), 0);
	assert_memory_not_equal(a, b, KEY_LEN);
	assert_int_equal(all_of_key(&zone, 1, shares, 3, b), 0);
	assert_memory_not_equal(a, b, KEY_LEN);
	assert_int_equal(all_of_key(&zone, 2, shares, 2, b), 0);
	assert_memory_not_equal(a, b, KEY_LEN);
	assert_int_equal(all_of_key(&zone, 1, shares, 1, b), -EINVAL);
	assert_int_equal(all_of_key(&zone, 1, shares, 17, b), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keyring_comes_back),
		cmocka_unit_test(opens_with_its_own_key_only),
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(every_other_length_is_refused),
		cmocka_unit_test(fields_are_refused_by_name),
		cmocka_unit_test(what_could_not_be_read_is_not_written),
		cmocka_unit_test(largest_keyring_comes_back),
		cmocka_unit_test(slots_are_added_at_the_lowest_free_id),
		cmocka_unit_test(all_of_key_depends_on_every_share_their_order_and_number),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
