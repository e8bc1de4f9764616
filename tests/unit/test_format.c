/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places and lengths, and that contexts keep derivations apart.
 */
#include "crypto/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void chunks_and_slots_never_share_a_place(void **state)
{
	uint64_t next = DATA_START; /* the header's slots lie before */

	(void)state;
	for (uint64_t i = 0; i < 5000; i++) {
		uint32_t g = chunk_group(i), k = chunk_slot(i);

		if (g && k == 0) {
			assert_int_equal(group_base(g), next);
			next += 2 * SLOT;
		}
		assert_int_equal(chunk_place(i), next);
		assert_true(k < group_chunks(g));
		assert_int_equal(group_first(g) + k, i);
		next += CHUNK;
	}
}

static void places_hold_at_the_largest_size(void **state)
{
	uint64_t last = chunk_count(FILE_LIMIT) - 1;
	uint32_t g = chunk_group(last);

	(void)state;
	assert_int_equal(group_first(g) + chunk_slot(last), last);
	assert_int_equal(chunk_place(last),
			 group_base(g) + 2 * SLOT + chunk_slot(last) * (uint64_t)CHUNK);
	assert_int_equal(size_hint(SUITE_GCM, backing_length(SUITE_GCM, FILE_LIMIT)), FILE_LIMIT);
	assert_int_equal(size_hint(SUITE_XTS, backing_length(SUITE_XTS, FILE_LIMIT)), FILE_LIMIT);
	assert_int_equal(size_hint(SUITE_GCM, INT64_MAX), FILE_LIMIT);
	assert_int_equal(size_hint(SUITE_XTS, UINT64_MAX), FILE_LIMIT);
}

static void size_comes_back(enum suite suite, uint64_t size)
{
	assert_int_equal(size_hint(suite, backing_length(suite, size)), size);
}

static void every_size_comes_back_from_its_backing_length(void **state)
{
	(void)state;
	for (int suite = SUITE_GCM; suite <= SUITE_XTS; suite++) {
		for (uint64_t size = 0; size < 3u << 20; size += size % 4096 < 4 ? 1 : 511)
			size_comes_back(suite, size);
		for (unsigned int bit = 20; bit <= 50; bit++)
			for (int d = -4097; d <= 4097; d += 17)
				if ((1ull << bit) + (uint64_t)d <= FILE_LIMIT)
					size_comes_back(suite, (1ull << bit) + (uint64_t)d);
		for (uint32_t g = 1; g < 20; g++)
			for (int d = -2; d <= 2; d++)
				size_comes_back(suite, group_first(g) * CHUNK + (uint64_t)d);
	}
}

static void backing_length_grows_with_the_size(void **state)
{
	(void)state;
	for (uint64_t size = 0; size < 2u << 20; size += 1021)
		assert_true(backing_length(SUITE_GCM, size) <
			    backing_length(SUITE_GCM, size + 1021));
	/* XTS: distinct, but not in order, since the rest is added behind whole chunks */
	assert_int_equal(backing_length(SUITE_XTS, 0), 8192);
	assert_int_equal(backing_length(SUITE_XTS, 1), 12289);
	assert_int_equal(backing_length(SUITE_XTS, 4096), 12288);
}

static void length_that_falls_on_slots_means_the_end_before(void **state)
{
	(void)state;
	for (uint64_t len = 0; len <= DATA_START; len += 512) {
		assert_int_equal(size_hint(SUITE_GCM, len), 0);
		assert_int_equal(size_hint(SUITE_XTS, len), 0);
	}
	for (uint32_t g = 1; g < 5; g++)
		for (uint64_t d = 0; d <= 2 * SLOT; d += 256)
			assert_int_equal(size_hint(SUITE_GCM, group_base(g) + d),
					 group_first(g) * CHUNK);
}

static void hint_never_jumps_back(void **state)
{
	uint64_t was = 0;

	(void)state;
	for (uint64_t len = 0; len < 3u << 20; len += 127) {
		uint64_t now = size_hint(SUITE_GCM, len);

		assert_true(now >= was && now <= len);
		was = now;
	}
}

static void derivations_differ_by_every_part_of_their_context(void **state)
{
	static const uint8_t key[KEY_LEN] = { 1 };
	struct zone_id z = { { 1 }, { 2 } };
	uint8_t id[ID_LEN] = { 3 }, a[6][GK_LEN];

	(void)state;
	assert_int_equal(kdf_group(key, id, 1, 1, 1, a[0]), 0);
	assert_int_equal(kdf_group(key, id, 2, 1, 1, a[1]), 0);
	assert_int_equal(kdf_group(key, id, 1, 2, 1, a[2]), 0);
	assert_int_equal(kdf_group(key, id, 1, 1, 2, a[3]), 0);
	id[15] ^= 1;
	assert_int_equal(kdf_group(key, id, 1, 1, 1, a[4]), 0);
	assert_int_equal(kdf_object(key, KDF_XTS, id, 1, a[5], 64), 0);
	for (unsigned int i = 0; i < 6; i++)
		for (unsigned int k = 0; k < i; k++)
			assert_memory_not_equal(a[i], a[k], 32);
	assert_int_equal(kdf_vk(key, KDF_KEK, &z, 1, a[0]), 0);
	assert_int_equal(kdf_vk(key, KDF_KEK, &z, 2, a[1]), 0);
	z.zone[0] ^= 1;
	assert_int_equal(kdf_vk(key, KDF_KEK, &z, 1, a[2]), 0);
	assert_int_equal(kdf_zik(key, KDF_BIND, &z, a[3]), 0);
	assert_int_equal(kdf_zik(key, KDF_KEYRING, &z, a[4]), 0);
	for (unsigned int i = 0; i < 5; i++)
		for (unsigned int k = 0; k < i; k++)
			assert_memory_not_equal(a[i], a[k], 32);
}

static void label_of_another_key_is_refused(void **state)
{
	static const uint8_t key[KEY_LEN] = { 1 };
	struct zone_id z = { { 1 }, { 2 } };
	uint8_t out[KEY_LEN];

	(void)state;
	assert_int_not_equal(kdf_vk(key, KDF_BIND, &z, 1, out), 0);
	assert_int_not_equal(kdf_zik(key, KDF_KEK, &z, out), 0);
	assert_int_not_equal(kdf_object(key, KDF_GROUP, z.vol, 1, out, 32), 0);
}

static void binding_tag_differs_by_directory_name_and_key(void **state)
{
	uint8_t bk[KEY_LEN] = { 1 }, dir[ID_LEN] = { 2 }, a[TAG_LEN], b[TAG_LEN];

	(void)state;
	assert_int_equal(binding_tag(bk, dir, "ab", 2, a), 0);
	assert_int_equal(binding_tag(bk, dir, "ab", 1, b), 0);
	assert_memory_not_equal(a, b, TAG_LEN);
	assert_int_equal(binding_tag(bk, dir, "", 0, b), 0);
	assert_memory_not_equal(a, b, TAG_LEN);
	for (unsigned int i = 0; i < KEY_LEN + ID_LEN; i++) {
		uint8_t *p = i < KEY_LEN ? &bk[i] : &dir[i - KEY_LEN];

		*p ^= 1;
		assert_int_equal(binding_tag(bk, dir, "ab", 2, b), 0);
		assert_memory_not_equal(a, b, TAG_LEN);
		*p ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_and_slots_never_share_a_place),
		cmocka_unit_test(places_hold_at_the_largest_size),
		cmocka_unit_test(every_size_comes_back_from_its_backing_length),
		cmocka_unit_test(backing_length_grows_with_the_size),
		cmocka_unit_test(length_that_falls_on_slots_means_the_end_before),
		cmocka_unit_test(hint_never_jumps_back),
		cmocka_unit_test(derivations_differ_by_every_part_of_their_context),
		cmocka_unit_test(label_of_another_key_is_refused),
		cmocka_unit_test(binding_tag_differs_by_directory_name_and_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
