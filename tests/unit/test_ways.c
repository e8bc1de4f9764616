/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways into a generation: which slots open it, alone, together, or never by
 * themselves.
 */
#include "crypto/ways.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/rand.h"
#include "crypto/rsa.h"

static const struct zone_id zone = { { 1 }, { 2 } };
static uint8_t vk[KEY_LEN], zik[KEY_LEN], zero[KEY_LEN];
static struct generation gen;
static struct keyring ring = { .zone = { { 1 }, { 2 } } };

static void add(uint8_t type, uint8_t role, uint8_t group, const char *kid)
{
	static uint8_t blob[256];
	const struct keyslot s = { .type = type, .role = role, .group = group,
				   .kid = (char *)(uintptr_t)kid, .blob = blob, .blob_len = 40 };

	assert_int_equal(generation_add_slot(&gen, &s, NULL), 0);
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(rand_secret(vk, KEY_LEN), 0);
	assert_int_equal(rand_secret(zik, KEY_LEN), 0);
	return keyring_new_generation(&ring, &gen, 3, vk, zik, 1700000000);
}

static int teardown(void **state)
{
	(void)state;
	while (gen.nslots)
		generation_remove_slot(&gen, gen.slots[0].id);
	return 0;
}

static void only_service_and_customer_slots_open_alone(void **state)
{
	struct way w[KEYRING_SLOTS];

	(void)state;
	add(SLOT_RSA, ROLE_SERVICE, 0, "a");
	add(SLOT_SYMMETRIC, ROLE_CUSTOMER, 0, "b");
	add(SLOT_PASSPHRASE, ROLE_RECOVERY, 0, "");
	add(SLOT_OFFLINE, ROLE_RECOVERY, 0, "");
	add(SLOT_RSA, ROLE_RECOVERY, 0, "c"); /* a provider's, but for recovery: never by itself */
	add(SLOT_RSA, ROLE_CUSTOMER, 4, "d"); /* of a group, but no share */
	add(SLOT_PASSPHRASE, ROLE_CUSTOMER, 0, "");
	assert_int_equal(generation_ways(&gen, w), 2);
	assert_string_equal(w[0].slot[0]->kid, "a");
	assert_string_equal(w[1].slot[0]->kid, "b");
	assert_int_equal(w[0].n, 1);
	assert_int_equal(keyslot_use(&gen.slots[2]), USE_RECOVERY);
	assert_int_equal(keyslot_use(&gen.slots[3]), USE_RECOVERY);
	assert_int_equal(keyslot_use(&gen.slots[4]), USE_NONE);
	assert_int_equal(keyslot_use(&gen.slots[5]), USE_NONE);
	assert_int_equal(keyslot_use(&gen.slots[6]), USE_NONE);
}

static void group_is_a_way_with_all_its_parts(void **state)
{
	struct way w[KEYRING_SLOTS];

	(void)state;
	add(SLOT_COMBINER, ROLE_CUSTOMER, 1, "");
	assert_int_equal(generation_ways(&gen, w), 0);
	add(SLOT_RSA, ROLE_SHARE, 1, "a");
	assert_int_equal(generation_ways(&gen, w), 0); /* a group of one */
	add(SLOT_RSA, ROLE_SHARE, 2, "of another");
	assert_int_equal(generation_ways(&gen, w), 0);
	add(SLOT_SYMMETRIC, ROLE_SHARE, 1, "b");
	assert_int_equal(generation_ways(&gen, w), 1);
	assert_int_equal(w[0].n, 2);
	assert_string_equal(w[0].slot[0]->kid, "a");
	assert_string_equal(w[0].slot[1]->kid, "b");
	/* A second combiner of the group makes no slot count twice. */
	add(SLOT_COMBINER, ROLE_CUSTOMER, 1, "");
	assert_int_equal(generation_ways(&gen, w), 1);
	/* A share that no provider holds closes it. */
	add(SLOT_PASSPHRASE, ROLE_SHARE, 1, "");
	assert_int_equal(generation_ways(&gen, w), 0);
}

static void shares_give_the_key_in_the_order_of_their_ids(void **state)
{
	uint8_t shares[3 * KEY_LEN], swapped[3 * KEY_LEN], got[KEY_LEN];
	struct keyslot combiner;
	struct way w[KEYRING_SLOTS];

	(void)state;
	assert_int_equal(rand_bytes(shares, sizeof(shares)), 0);
	add(SLOT_RSA, ROLE_SHARE, 1, "1");
	add(SLOT_RSA, ROLE_SHARE, 1, "2");
	add(SLOT_RSA, ROLE_SHARE, 1, "3");
	assert_int_equal(combiner_make(&zone, 3, 1, shares, 3, vk, &combiner), 0);
	assert_int_equal(generation_add_slot(&gen, &combiner, NULL), 0);
	free(combiner.blob);
	/* The second is replaced: it keeps its id, and so its place. */
	combiner = gen.slots[1];
	combiner.kid = (char *)(uintptr_t)"2 of another version";
	assert_int_equal(generation_replace_slot(&gen, 2, &combiner), 0);
	assert_int_equal(generation_replace_slot(&gen, 9, &combiner), -ENOENT);

	assert_int_equal(generation_ways(&gen, w), 1);
	assert_int_equal(w[0].slot[1]->id, 2);
	assert_string_equal(w[0].slot[1]->kid, "2 of another version");
	assert_int_equal(way_key(&w[0], &zone, 3, shares, got), 0);
	assert_memory_equal(got, vk, KEY_LEN);
	memcpy(swapped, shares, sizeof(shares));
	memcpy(swapped, shares + KEY_LEN, KEY_LEN);
	memcpy(swapped + KEY_LEN, shares, KEY_LEN);
	assert_int_equal(way_key(&w[0], &zone, 3, swapped, got), -EBADMSG);
	assert_memory_equal(got, zero, KEY_LEN);
	assert_int_equal(way_key(&w[0], &zone, 4, shares, got), -EBADMSG); /* of another generation */
}

static void recovery_opens_by_its_own_secret_only(void **state)
{
	const struct recovery good = { .pass = (const uint8_t *)"correct horse", .n = 13 };
	const struct recovery bad = { .pass = (const uint8_t *)"Correct horse", .n = 13 };
	struct recovery offline = { 0 }, other = { 0 };
	const struct keyslot *used = NULL;
	struct keyslot s;
	uint8_t got[KEY_LEN];

	(void)state;
	assert_int_equal(rsa_generate(2048, &offline.key), 0);
	assert_int_equal(rsa_generate(2048, &other.key), 0);
	assert_int_equal(recovery_open(&good, &zone, &gen, got, NULL), -ENOENT);
	assert_int_equal(recovery_make(&good, vk, &s), 0);
	assert_int_equal(generation_add_slot(&gen, &s, NULL), 0);
	free(s.params);
	free(s.blob);
	assert_int_equal(recovery_make(&offline, vk, &s), 0);
	assert_int_equal(generation_add_slot(&gen, &s, NULL), 0);
	free(s.blob);

	assert_int_equal(recovery_open(&good, &zone, &gen, got, &used), 0);
	assert_memory_equal(got, vk, KEY_LEN);
	assert_int_equal(used->id, 1);
	assert_int_equal(recovery_open(&bad, &zone, &gen, got, NULL), -EKEYREJECTED);
	assert_memory_equal(got, zero, KEY_LEN);
	assert_int_equal(recovery_open(&offline, &zone, &gen, got, &used), 0);
	assert_memory_equal(got, vk, KEY_LEN);
	assert_int_equal(used->id, 2);
	assert_int_equal(recovery_open(&other, &zone, &gen, got, NULL), -EKEYREJECTED);
	/* A slot that opens, but not with the key of this generation. */
	gen.key_id[0] ^= 1;
	assert_int_equal(recovery_open(&good, &zone, &gen, got, NULL), -EKEYREJECTED);
	assert_memory_equal(got, zero, KEY_LEN);
	rsa_free(offline.key);
	rsa_free(other.key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_service_and_customer_slots_open_alone),
		TEST(group_is_a_way_with_all_its_parts),
		TEST(shares_give_the_key_in_the_order_of_their_ids),
		TEST(recovery_opens_by_its_own_secret_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
