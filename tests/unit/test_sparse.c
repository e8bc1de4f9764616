/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of more hole runs than a header has room for, against a model of one
 * byte a chunk: writes here and there, punches, truncations, flushes, evictions,
 * new keys and remounts.  CMKFS_SEED replays one, CMKFS_OPS sets the number of
 * operations.
 */
#include "volume_fixture.h"

#include <linux/falloc.h>

#define GROUPS 300u
#define TRACKED 2u /* chunks of a group */

struct model {
	struct fixture f;
	struct object *o;
	uint8_t fill[GROUPS][TRACKED]; /* 0: a hole, or beyond the end */
	uint64_t size;
	uint8_t buf[4 * CHUNK];
	uint64_t rng;
	unsigned int op;
};

static uint64_t rnd(struct model *m)
{
	return fixture_rnd(&m->rng);
}

static uint64_t offset(uint32_t g, uint32_t i)
{
	return (group_first(g) + i * (group_chunks(g) - 1)) * CHUNK;
}

/* The first byte of a chunk and its last one. */
static void check(struct model *m, uint32_t g, uint32_t i)
{
	uint64_t off = offset(g, i), want = off < m->size ? MIN((uint64_t)CHUNK, m->size - off) : 0;
	uint8_t *p;
	ssize_t n = object_read(m->o, m->buf, sizeof(m->buf), CHUNK, off, &p);

	if (n != (ssize_t)want)
		fail_msg("op %u: group %u: %zd bytes, not %ju", m->op, g, n, (uintmax_t)want);
	if (n > 0 && (p[0] != m->fill[g][i] || p[n - 1] != m->fill[g][i]))
		fail_msg("op %u: group %u, chunk %u: %02x and %02x, not %02x", m->op, g, i, p[0], p[n - 1],
			 m->fill[g][i]);
}

static void check_all(struct model *m)
{
	for (uint32_t g = 0; g < GROUPS; g++)
		for (uint32_t i = 0; i < TRACKED; i++)
			check(m, g, i);
}

static void put(struct model *m, uint32_t g, uint32_t i)
{
	uint8_t fill = (uint8_t)(rnd(m) | 1);

	memset(m->buf, fill, CHUNK);
	assert_int_equal(object_write(m->o, m->buf, CHUNK, offset(g, i)), 0);
	m->fill[g][i] = fill;
	m->size = MAX(m->size, offset(g, i) + CHUNK);
}

static void punch(struct model *m, uint32_t g, uint32_t end)
{
	uint64_t off = offset(g, 0);

	assert_int_equal(object_fallocate(m->o, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off,
					  group_first(end) * CHUNK - off), 0);
	memset(m->fill[g], 0, (end - g) * sizeof(m->fill[0]));
}

/* To the end of a chunk that is looked at, so that none is cut in two. */
static void cut(struct model *m, uint32_t g, uint32_t i)
{
	uint64_t size = offset(g, i) + CHUNK;

	assert_int_equal(object_truncate(m->o, size), 0);
	for (uint32_t k = g; k < GROUPS; k++)
		for (uint32_t j = 0; j < TRACKED; j++)
			if (offset(k, j) >= size)
				m->fill[k][j] = 0;
	m->size = size;
}

static void remount(struct model *m)
{
	struct stat st;

	m->o = fixture_remount(&m->f, m->o);
	assert_int_equal(object_getattr(m->o, &st), 0);
	assert_int_equal(st.st_size, m->size);
	check_all(m);
}

static void step(struct model *m)
{
	uint32_t g = (uint32_t)(rnd(m) % GROUPS), i = (uint32_t)(rnd(m) % TRACKED);
	uint32_t more = (uint32_t)(rnd(m) % 8);
	uint64_t kind = rnd(m) % 64;

	if (kind < 40)
		put(m, g, i);
	else if (kind < 50)
		punch(m, g, MIN(g + 1 + more, GROUPS));
	else if (kind < 51)
		cut(m, g, i);
	else if (kind < 54)
		assert_int_equal(object_flush(m->o), 0);
	else if (kind < 56)
		assert_int_equal(object_fsync(m->o, kind % 2), 0);
	else if (kind < 58)
		fixture_evict(&m->f);
	else if (kind == 58)
		remount(m);
	else if (kind == 59 && store_volume(m->f.st)->suite == SUITE_GCM)
		fixture_rekey(m->o, &m->rng, m->op);
	else
		check(m, g, i);
}

static void begin(struct model *m, enum suite suite)
{
	fixture_make(&m->f, suite);
	m->o = fixture_file(&m->f);
}

static void end(struct model *m)
{
	remount(m);
	fixture_no_event(&m->f);
	fixture_let_go(&m->f, m->o);
}

static void shadow(enum suite suite)
{
	struct model m = { .rng = fixture_seed(suite) };
	unsigned int n = fixture_ops(2000);

	print_message("seed %ju, %u operations\n", (uintmax_t)m.rng, n);
	begin(&m, suite);
	for (m.op = 0; m.op < n; m.op++)
		step(&m);
	end(&m);
}

static void gcm_file_reads_as_the_model(void **state)
{
	(void)state;
	shadow(SUITE_GCM);
}

static void xts_file_reads_as_the_model(void **state)
{
	(void)state;
	shadow(SUITE_XTS);
}

/* The smallest hole run makes room for one more: it may be the one that is split. */
static void a_write_into_the_run_that_makes_room_stays(void **state)
{
	struct model m = { .rng = 1 };

	(void)state;
	begin(&m, SUITE_GCM);
	for (uint32_t i = 1; i <= MAX_RUNS; i++)
		put(&m, 4 * i, 0);
	assert_int_equal(object_fsync(m.o, false), 0);
	put(&m, 2, 0);
	assert_int_equal(object_fsync(m.o, false), 0);
	end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_into_the_run_that_makes_room_stays),
		cmocka_unit_test(gcm_file_reads_as_the_model),
		cmocka_unit_test(xts_file_reads_as_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
