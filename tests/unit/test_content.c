/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents of files through the store, against a model in memory: random
 * writes, truncations, punches, flushes, evictions and remounts around the
 * borders of chunks and groups.  The seed is printed; CMKFS_SEED replays one,
 * CMKFS_OPS sets the number of operations.
 */
#include "volume_fixture.h"

#include <linux/falloc.h>
#include <sys/fsuid.h>

#define LIMIT (1600u << 10) /* three groups */
#define OTHER 54321	    /* a user */

struct model {
	struct fixture f;
	struct object *o;
	uint8_t *data;
	uint64_t size;
	uint8_t *buf;
	uint64_t rng;
	unsigned int op;
};

static uint64_t rnd(struct model *m)
{
	return fixture_rnd(&m->rng);
}

/* An offset at, just before or just after a border of chunk or group, or anywhere. */
static uint64_t rnd_offset(struct model *m)
{
	static const uint64_t border[] = { 0, 3040, 3041, 4096, 8192, 94 * 4096, 95 * 4096, 96 * 4096,
					   97 * 4096, 221 * 4096, 222 * 4096, 223 * 4096, 348 * 4096 };
	uint64_t off;

	if (rnd(m) % 2)
		return rnd(m) % LIMIT;
	off = border[rnd(m) % ARRAY_SIZE(border)] + rnd(m) % 3;
	return off ? off - 1 : 0;
}

static void check_range(struct model *m, uint64_t off, uint64_t n)
{
	uint64_t want = off < m->size ? MIN(n, m->size - off) : 0;
	uint8_t *p;
	ssize_t r = object_read(m->o, m->buf, LIMIT + 3 * CHUNK, n, off, &p);

	if (r != (ssize_t)want)
		fail_msg("op %u: read %zd at %ju, wanted %ju", m->op, r, (uintmax_t)off, (uintmax_t)want);
	for (uint64_t i = 0; i < want; i++)
		if (p[i] != m->data[off + i])
			fail_msg("op %u: byte %ju is %02x, not %02x", m->op, (uintmax_t)(off + i), p[i],
				 m->data[off + i]);
}

static void check_seek(struct model *m)
{
	uint64_t pos = 0;

	/* Data is never hidden: what SEEK_DATA passes over is zero. */
	while (pos < m->size) {
		int64_t d = object_seek(m->o, pos, SEEK_DATA), h;
		uint64_t end = d == -ENXIO ? m->size : (uint64_t)d;

		assert_true(d == -ENXIO || (d >= (int64_t)pos && d < (int64_t)m->size));
		for (; pos < end; pos++)
			if (m->data[pos])
				fail_msg("op %u: data at %ju hidden", m->op, (uintmax_t)pos);
		if (d == -ENXIO)
			break;
		h = object_seek(m->o, pos, SEEK_HOLE);
		assert_true(h > (int64_t)pos && h <= (int64_t)m->size);
		pos = (uint64_t)h;
	}
}

static void do_write(struct model *m)
{
	uint64_t off = rnd_offset(m), n = rnd(m) % 4 ? rnd(m) % 20000 : rnd(m) % 600000;

	n = MIN(n + 1, LIMIT - off);
	if (!n)
		return;
	for (uint64_t i = 0; i < n; i++)
		m->buf[i] = m->data[off + i] = (uint8_t)(rnd(m) | 1);
	assert_int_equal(object_write(m->o, m->buf, n, off), 0);
	m->size = MAX(m->size, off + n);
}

static void do_truncate(struct model *m)
{
	uint64_t size = rnd_offset(m);

	assert_int_equal(object_truncate(m->o, size), 0);
	if (size < m->size)
		memset(m->data + size, 0, m->size - size);
	m->size = size;
}

static void do_zero(struct model *m, int mode)
{
	uint64_t off = rnd_offset(m), end = off + 1 + rnd(m) % 700000;

	end = MIN(end, (uint64_t)LIMIT);
	if (off >= end)
		return;
	assert_int_equal(object_fallocate(m->o, mode, off, end - off), 0);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
		uint64_t stop = MIN(end, m->size);

		if (off < stop)
			memset(m->data + off, 0, stop - off);
	}
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		m->size = MAX(m->size, end);
}

static void evict(struct model *m)
{
	assert_int_equal(object_flush(m->o), 0);
	fixture_evict(&m->f);
}

static void remount(struct model *m)
{
	struct stat st;

	m->o = fixture_remount(&m->f, m->o);
	m->f.st->batch_enough = rnd(m) % 200 * CHUNK;
	assert_int_equal(object_getattr(m->o, &st), 0);
	assert_int_equal(st.st_size, m->size); /* by the hint */
	check_range(m, 0, LIMIT);
}

static void step(struct model *m)
{
	switch (rnd(m) % 32) {
	case 0:
		do_truncate(m);
		break;
	case 1:
		do_zero(m, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
		break;
	case 2:
		do_zero(m, FALLOC_FL_ZERO_RANGE);
		break;
	case 3:
		do_zero(m, rnd(m) % 2 ? 0 : FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
		break;
	case 4:
	case 5:
		assert_int_equal(object_flush(m->o), 0);
		break;
	case 6:
		assert_int_equal(object_fsync(m->o, rnd(m) % 2), 0);
		break;
	case 7:
		evict(m);
		break;
	case 8:
		if (!(rnd(m) % 8))
			remount(m);
		break;
	case 9:
		if (store_volume(m->f.st)->suite == SUITE_GCM && !(rnd(m) % 4))
			fixture_rekey(m->o, &m->rng, m->op);
		else
			check_seek(m);
		break;
	case 10:
		check_range(m, 0, LIMIT);
		break;
	case 11: case 12: case 13: case 14: case 15: case 16:
		check_range(m, rnd_offset(m), rnd(m) % 100000 + 1);
		break;
	default:
		do_write(m);
	}
}

static void begin(struct model *m, enum suite suite)
{
	m->data = calloc(1, LIMIT + CHUNK);
	m->buf = malloc(LIMIT + 3 * CHUNK);
	fixture_make(&m->f, suite);
	m->o = fixture_file(&m->f);
}

static void end(struct model *m)
{
	fixture_let_go(&m->f, m->o);
	free(m->data);
	free(m->buf);
}

static void shadow(enum suite suite)
{
	struct model m = { .rng = fixture_seed(suite) };
	unsigned int n = fixture_ops(3000);

	print_message("seed %ju, %u operations\n", (uintmax_t)m.rng, n);
	begin(&m, suite);
	for (m.op = 0; m.op < n; m.op++)
		step(&m);
	remount(&m);
	fixture_no_event(&m.f);
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

/* For the backing filesystem a large file is one extent, or few. */
static void between_groups_there_is_no_hole(void **state)
{
	struct model m = { .rng = 1 };
	off_t size;

	(void)state;
	begin(&m, SUITE_GCM);
	assert_int_equal(object_write(m.o, m.buf, 1 << 20, 0), 0);
	assert_int_equal(object_fsync(m.o, false), 0);
	size = lseek(m.o->fd, 0, SEEK_END);
	assert_true(size > 1 << 20);
	assert_int_equal(lseek(m.o->fd, 2 * SLOT, SEEK_HOLE), size);
	end(&m);
}

/* Of M's backing file, after a read of it, as if it were last read long ago. */
static time_t accessed_at(struct model *m)
{
	const struct timespec ago[2] = { { .tv_sec = 1000000000 }, { .tv_nsec = UTIME_OMIT } };
	struct stat sb;

	assert_int_equal(object_pin(m->o, NULL), 0);
	assert_int_equal(futimens(m->o->fd, ago), 0);
	check_range(m, 0, m->size);
	assert_int_equal(fstat(m->o->fd, &sb), 0);
	object_unpin(m->o);
	return sb.st_atim.tv_sec;
}

static void reading_writes_no_time(void **state)
{
	struct model m = { .rng = 1, .size = 100000 };

	(void)state;
	begin(&m, SUITE_GCM);
	assert_int_equal(object_write(m.o, memset(m.buf, 0, m.size), m.size, 0), 0);
	assert_int_equal(object_flush(m.o), 0);
	assert_int_equal(accessed_at(&m), 1000000000); /* by the descriptor that made it */
	evict(&m);
	assert_int_equal(accessed_at(&m), 1000000000);
	end(&m);
}

static void the_files_of_another_user_are_read(void **state)
{
	struct model m = { .rng = 1, .size = 100000 };

	(void)state;
	setfsuid(OTHER);
	if (setfsuid(geteuid()) != OTHER) {
		print_message("only root, and where that user is known, can be another user\n");
		skip();
	}
	begin(&m, SUITE_GCM);
	assert_int_equal(chmod(m.f.dir, 0755), 0);
	assert_int_equal(object_write(m.o, memset(m.buf, 0, m.size), m.size, 0), 0);
	assert_int_equal(object_flush(m.o), 0);
	assert_int_equal(fchown(m.o->fd, OTHER + 1, OTHER + 1), 0);
	assert_int_equal(fchmod(m.o->fd, 0666), 0);
	evict(&m);
	setfsuid(OTHER); /* without the capabilities about files */
	check_range(&m, 0, m.size);
	setfsuid(0);
	assert_true(m.f.st->foreign);
	end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(between_groups_there_is_no_hole),
		cmocka_unit_test(reading_writes_no_time),
		cmocka_unit_test(the_files_of_another_user_are_read),
		cmocka_unit_test(gcm_file_reads_as_the_model),
		cmocka_unit_test(xts_file_reads_as_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
