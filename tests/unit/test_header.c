/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object headers and group slots: what is refused, and by which field.
 */
#include "crypto/header.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/rand.h"

static uint8_t hk[KEY_LEN];
static uint8_t area[TAIL_AREA]; /* of the header at hand */

static void put_entry(uint8_t *p, uint32_t len)
{
	memset(p, 0x11, ENTRY_LEN - 4);
	put_le32(p + ENTRY_LEN - 4, len);
}

static void make_file(struct header *h, uint64_t size)
{
	memset(h, 0, sizeof(*h));
	memset(area, 0, sizeof(area));
	h->suite = SUITE_GCM;
	h->type = OBJECT_FILE;
	memset(&h->zone, 0xa1, sizeof(h->zone));
	memset(h->object_id, 0xc1, ID_LEN);
	memset(h->wrapped, 0xd1, WRAP_LEN);
	h->gen = 7;
	h->base = 6;
	h->session = 3;
	h->size = size;
	h->epoch = h->vk_gen = 1;
	h->uses = 5;
	h->s = 2;
	h->group_count = 1 + (size ? chunk_group(chunk_count(size) - 1) : 0);
}

static void make_dir(struct header *h)
{
	make_file(h, 0);
	h->type = OBJECT_DIR;
	h->group_count = h->s = 0;
	h->uses = 0;
}

static void make_xts(struct header *h, uint64_t size)
{
	make_file(h, size);
	h->suite = SUITE_XTS;
	h->group_count = h->s = 0;
	h->uses = 0;
}

/* A file of SIZE bytes whose last chunk, of LEN bytes, is the tail. */
static void make_tail(struct header *h, uint64_t size, uint32_t len)
{
	uint32_t n = (uint32_t)chunk_count(size);

	make_file(h, size);
	h->flags = FLAG_TAIL;
	put_entry(area + (n - 1) * ENTRY_LEN, len);
	memset(area + n * ENTRY_LEN, 0x77, MIN(len, TAIL_AREA - n * ENTRY_LEN));
}

static int seal(const struct header *h)
{
	uint8_t block[SLOT];

	return header_seal(h, area, hk, block);
}

static void accepted(const struct header *h)
{
	uint8_t block[SLOT], again[SLOT];
	struct header parsed;
	const char *why = "";

	if (header_seal(h, area, hk, block))
		fail_msg("not sealed");
	if (header_parse(block, &parsed, &why))
		fail_msg("%s", why);
	assert_int_equal(header_verify(block, hk), 0);
	assert_int_equal(header_seal(&parsed, block + TAIL_OFFSET, hk, again), 0);
	assert_memory_equal(block, again, SLOT);
}

#define refused(h) assert_int_equal(seal(h), -EINVAL)

/* header_parse() of a good block with BYTES put at OFF names FIELD. */
static void refused_bytes(const struct header *h, unsigned int off, const void *bytes, size_t n,
			  const char *field)
{
	uint8_t block[SLOT];
	struct header parsed;
	const char *why = "nothing";

	assert_int_equal(header_seal(h, area, hk, block), 0);
	memcpy(block + off, bytes, n);
	if (header_parse(block, &parsed, &why) != -EBADMSG || strcmp(why, field))
		fail_msg("%u: '%s', not '%s'", off, why, field);
	assert_int_equal(header_parse(block, &parsed, NULL), -EBADMSG);
}

static void every_kind_of_object_comes_back(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 4096, 4097, 393216, 393217, 1u << 30, FILE_LIMIT };
	struct header h;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		make_file(&h, sizes[i]);
		for (unsigned int k = 0; k < GROUP0_CHUNKS; k += 2)
			put_entry(area + k * ENTRY_LEN, 1 + k * 43);
		accepted(&h);
		make_xts(&h, sizes[i]);
		accepted(&h);
	}
	make_dir(&h);
	h.flags = FLAG_ZONE_ROOT | FLAG_BIND_OVERFLOW;
	accepted(&h);
	h.suite = SUITE_XTS;
	accepted(&h);
}

static void full_lists_come_back(void **state)
{
	struct header h;

	(void)state;
	make_file(&h, 1u << 30);
	h.ntags = MAX_TAGS;
	memset(h.tags, 0xee, sizeof(h.tags));
	h.nruns = MAX_RUNS;
	for (unsigned int i = 0; i < MAX_RUNS; i++)
		h.runs[i] = (struct hole_run){ 1 + 4 * i, 3 };
	accepted(&h);
	h.flags = FLAG_REKEY;
	h.epoch = 2;
	h.old_vk_gen = 1;
	memset(h.old_wrapped, 0x99, WRAP_LEN);
	accepted(&h);
}

static void written_zeros_are_told_from_damage(void **state)
{
	static uint8_t block[SLOT];
	struct group_slot s;
	struct header h;

	(void)state;
	memset(block, 0, sizeof(block));
	assert_int_equal(header_parse(block, &h, NULL), -ENODATA);
	assert_int_equal(group_parse(block, &s, NULL), -ENODATA);
	for (unsigned int i = 0; i < SLOT; i++) {
		block[i] = 1;
		assert_int_equal(header_parse(block, &h, NULL), -EBADMSG);
		assert_int_equal(group_parse(block, &s, NULL), -EBADMSG);
		block[i] = 0;
	}
}

static void fixed_fields_are_refused_by_name(void **state)
{
	static const struct {
		unsigned int off;
		uint8_t b[8];
		unsigned int n;
		const char *field;
	} rows[] = {
		{ 0, "c", 1, "magic" },
		{ 7, "j", 1, "magic" },
		{ 8, { 2 }, 1, "version" },
		{ 8, { 1, 0x80 }, 2, "version" },
		{ 10, { 0 }, 1, "suite" },
		{ 10, { 3 }, 1, "suite" },
		{ 12, { 0 }, 1, "type" },
		{ 12, { 3 }, 1, "type" },
		{ 13, { 16 }, 1, "flags" },
		{ 13, { FLAG_ZONE_ROOT }, 1, "flags" },
		{ 14, { 1 }, 1, "reserved bytes" },
		{ 15, { 1 }, 1, "reserved bytes" },
		{ 64, { 0 }, 8, "generation" },
		{ 72, { 7 }, 8, "generation" },
		{ 72, { 5 }, 8, "generation" },
		{ 72, { 8 }, 8, "generation" },
		{ 88, { 1, 0, 0, 0, 0, 0, 4 }, 8, "size" },
		{ 96, { 0 }, 4, "epoch" },
		{ 100, { 0 }, 4, "vault key generation" },
		{ 144, { 1 }, 4, "old key" },
		{ 187, { 1 }, 1, "old key" },
		{ 188, { 0 }, 4, "group count" },
		{ 188, { 3 }, 4, "group count" },
		{ 196, { 1 }, 4, "re-keyed chunks" },
		{ 208, { 1 }, 4, "incompatible bits" },
		{ 216, { 17 }, 2, "binding tags" },
		{ 218, { 61 }, 2, "number of hole runs" },
		{ 218, { 1 }, 2, "hole runs" },
		{ 220, { 1 }, 1, "reserved bytes" },
		{ 255, { 1 }, 1, "reserved bytes" },
		{ 256, { 1 }, 1, "binding tags" },
		{ 511, { 1 }, 1, "binding tags" },
		{ 512, { 1 }, 1, "hole runs" },
		{ 516, { 1 }, 1, "hole runs" },
		{ 991, { 1 }, 1, "hole runs" },
		{ 1024, { 1 }, 1, "entries" },
		{ 1052, { 1, 16 }, 2, "entries" },
		{ 4095, { 1 }, 1, "entries" },
	};
	struct header h;

	(void)state;
	make_file(&h, 400000); /* two groups */
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		refused_bytes(&h, rows[i].off, rows[i].b, rows[i].n, rows[i].field);
}

static void runs_out_of_order_or_bounds_are_refused(void **state)
{
	static const struct hole_run bad[][2] = {
		{ { 0, 1 }, { 2, 1 } },		 /* group 0 is never a hole */
		{ { 2, 0 }, { 3, 1 } },		 /* empty */
		{ { 2, 2 }, { 3, 1 } },		 /* overlap */
		{ { 4, 1 }, { 2, 1 } },		 /* not sorted */
		{ { 2, 1 }, { 2, 1 } },		 /* twice */
		{ { 2, 1 }, { 3, 8 } },		 /* beyond the groups */
		{ { 2, 1 }, { 3, UINT32_MAX } }, /* wraps */
		{ { UINT32_MAX, UINT32_MAX }, { 3, 1 } },
	};
	struct header h;

	(void)state;
	make_file(&h, 9 * 126 * 4096); /* ten groups */
	assert_int_equal(h.group_count, 10);
	h.nruns = 2;
	h.runs[0] = (struct hole_run){ 2, 1 };
	h.runs[1] = (struct hole_run){ 3, 7 };
	accepted(&h);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(h.runs, bad[i], sizeof(bad[i]));
		refused(&h);
	}
}

static void tail_fits_or_is_refused(void **state)
{
	static uint8_t block[SLOT];
	uint32_t chunk, off, len;
	struct header h;

	(void)state;
	for (uint32_t n = 1; n <= 95; n++) {
		uint32_t room = TAIL_AREA - ENTRY_LEN * n, fit = MIN(room, CHUNK);

		make_tail(&h, (n - 1) * 4096ull + 1, fit);
		accepted(&h);
		assert_int_equal(header_seal(&h, area, hk, block), 0);
		assert_true(header_tail(&h, block, &chunk, &off, &len));
		assert_int_equal(chunk, n - 1);
		assert_int_equal(off, 1024 + 32 * n);
		assert_int_equal(len, fit);
		make_tail(&h, n * 4096ull, 1);
		accepted(&h);
		make_tail(&h, n * 4096ull, room + 1);
		refused(&h);
		if (room > 1) { /* a byte behind the tail */
			make_tail(&h, n * 4096ull, 1);
			area[n * ENTRY_LEN + 1] = 1;
			refused(&h);
		}
	}
	make_tail(&h, 4096, 0); /* a hole has no tail */
	refused(&h);
	make_file(&h, 0);
	h.flags = FLAG_TAIL;
	refused(&h);
	make_file(&h, 96 * 4096);
	h.flags = FLAG_TAIL;
	put_entry(area + 95 * ENTRY_LEN, 1);
	refused(&h);
	make_file(&h, 100);
	assert_int_equal(header_seal(&h, area, hk, block), 0);
	assert_false(header_tail(&h, block, &chunk, &off, &len));
}

static void directories_and_xts_files_have_no_groups(void **state)
{
	struct header h;

	(void)state;
	for (int dir = 0; dir < 2; dir++) {
#define MAKE() (dir ? make_dir(&h) : make_xts(&h, 10000))
		MAKE();
		h.group_count = 1;
		refused(&h);
		MAKE();
		h.s = 1;
		refused(&h);
		MAKE();
		h.uses = 1;
		refused(&h);
		MAKE();
		h.flags = FLAG_TAIL;
		refused(&h);
		MAKE();
		h.nruns = 1;
		h.runs[0] = (struct hole_run){ 1, 1 };
		refused(&h);
		MAKE();
		put_entry(area, 5);
		refused(&h);
		MAKE();
		area[TAIL_AREA - 1] = 1;
		refused(&h);
#undef MAKE
	}
	make_dir(&h);
	h.size = 1;
	refused(&h);
}

static void rekey_fields_stand_only_with_their_flag(void **state)
{
	struct header h;

	(void)state;
	make_xts(&h, 10 * 4096);
	h.flags = FLAG_REKEY;
	h.epoch = 2;
	h.old_vk_gen = 1;
	h.xts_done = 10;
	accepted(&h);
	h.xts_done = 11;
	refused(&h);
	h.xts_done = 0;
	h.old_vk_gen = 0;
	refused(&h);
	h.old_vk_gen = 1;
	h.epoch = 1;
	refused(&h);
}

static void verify_refuses_every_flipped_bit(void **state)
{
	static uint8_t block[SLOT];
	struct header h;

	(void)state;
	make_tail(&h, 5000, 904);
	assert_int_equal(header_seal(&h, area, hk, block), 0);
	for (unsigned int bit = 0; bit < 8 * SLOT; bit += 1 + bit % 3) {
		block[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(header_verify(block, hk), -EBADMSG);
		block[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (unsigned int i = 0; i < SLOT; i++) { /* and no byte is left out */
		block[i] ^= 0x80;
		assert_int_equal(header_verify(block, hk), -EBADMSG);
		block[i] ^= 0x80;
	}
	for (unsigned int i = 0; i < KEY_LEN; i++) {
		hk[i] ^= 1;
		assert_int_equal(header_verify(block, hk), -EBADMSG);
		hk[i] ^= 1;
	}
	assert_int_equal(header_verify(block, hk), 0);
}

/* ---- group slots ------------------------------------------------------------- */

static struct entry entries[GROUP_CHUNKS];

static void make_group(struct group_slot *s)
{
	*s = (struct group_slot){ .g = 3, .gen = 4, .base = 1, .session = 9, .epoch = 1, .s = 2,
				  .uses = 77 };
	memset(entries, 0, sizeof(entries));
	for (unsigned int i = 0; i < GROUP_CHUNKS; i += 5)
		put_entry((uint8_t *)&entries[i], 1 + i * 32);
}

static void group_comes_back(void **state)
{
	uint8_t block[SLOT], again[SLOT];
	struct group_slot s, p;

	(void)state;
	make_group(&s);
	assert_int_equal(group_seal(&s, entries, hk, block), 0);
	assert_int_equal(group_parse(block, &p, NULL), 0);
	assert_int_equal(group_verify(block, hk), 0);
	assert_int_equal(p.g, 3);
	assert_int_equal(p.gen, 4);
	assert_int_equal(p.base, 1);
	assert_int_equal(p.session, 9);
	assert_int_equal(p.epoch, 1);
	assert_int_equal(p.s, 2);
	assert_int_equal(p.uses, 77);
	assert_memory_equal(block + GROUP_ENTRIES_OFFSET, entries, sizeof(entries));
	memcpy(again, block, SLOT); /* in place: the entries stay where they are */
	assert_int_equal(group_seal(&p, (struct entry *)(again + GROUP_ENTRIES_OFFSET), hk, again),
			 0);
	assert_memory_equal(block, again, SLOT);
}

static void group_fields_are_refused_by_name(void **state)
{
	static const struct {
		unsigned int off;
		uint8_t b[8];
		unsigned int n;
		const char *field;
	} rows[] = {
		{ 3, "g", 1, "magic" },
		{ 4, { 0 }, 4, "group number" },
		{ 4, { 255, 255, 255, 255 }, 4, "group number" },
		{ 8, { 0 }, 8, "generation" },
		{ 16, { 4 }, 8, "generation" },
		{ 16, { 2 }, 8, "generation" },
		{ 32, { 0 }, 4, "epoch" },
		{ 64 + 28, { 1, 16 }, 4, "entries" },	 /* 4097 bytes */
		{ 64 + 28, { 0 }, 4, "entries" },	 /* a hole with a tag */
		{ 64 + 32, { 1 }, 1, "entries" },	 /* a hole with an IV */
		{ SLOT - 5, { 1 }, 1, "entries" },
	};
	uint8_t block[SLOT];
	struct group_slot s;
	const char *why;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		make_group(&s);
		memset(&entries[GROUP_CHUNKS - 1], 0, ENTRY_LEN);
		assert_int_equal(group_seal(&s, entries, hk, block), 0);
		memcpy(block + rows[i].off, rows[i].b, rows[i].n);
		why = "nothing";
		assert_int_equal(group_parse(block, &s, &why), -EBADMSG);
		assert_string_equal(why, rows[i].field);
	}
	make_group(&s);
	s.gen = 0;
	assert_int_equal(group_seal(&s, entries, hk, block), -EINVAL);
}

static void group_verify_refuses_every_flipped_byte(void **state)
{
	static uint8_t block[SLOT];
	struct group_slot s;

	(void)state;
	make_group(&s);
	assert_int_equal(group_seal(&s, entries, hk, block), 0);
	for (unsigned int i = 0; i < SLOT + KEY_LEN; i++) {
		uint8_t *p = i < SLOT ? &block[i] : &hk[i - SLOT];

		for (unsigned int bit = i % 4; bit < 8; bit += 4) {
			*p ^= (uint8_t)(1 << bit);
			assert_int_equal(group_verify(block, hk), -EBADMSG);
			*p ^= (uint8_t)(1 << bit);
		}
	}
	assert_int_equal(group_verify(block, hk), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_object_comes_back),
		cmocka_unit_test(full_lists_come_back),
		cmocka_unit_test(written_zeros_are_told_from_damage),
		cmocka_unit_test(fixed_fields_are_refused_by_name),
		cmocka_unit_test(runs_out_of_order_or_bounds_are_refused),
		cmocka_unit_test(tail_fits_or_is_refused),
		cmocka_unit_test(directories_and_xts_files_have_no_groups),
		cmocka_unit_test(rekey_fields_stand_only_with_their_flag),
		cmocka_unit_test(verify_refuses_every_flipped_bit),
		cmocka_unit_test(group_comes_back),
		cmocka_unit_test(group_fields_are_refused_by_name),
		cmocka_unit_test(group_verify_refuses_every_flipped_byte),
	};

	if (rand_secret(hk, sizeof(hk)))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
