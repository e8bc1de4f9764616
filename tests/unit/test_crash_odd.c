/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts that random histories hardly meet: after a barrier or a write that
 * failed and a lock, or after another power cut.
 */
#include "crash_history.h"

#include "fs/store/content.h"

/*
 * The newest slot calls chunks holes, but is not durable, and was read anew: the
 * slot beside it may be what a power cut leaves, and names their places.
 */
static void a_hole_that_is_not_durable_is_not_written_over(void **state)
{
	static const uint64_t chunks[] = { 1, 97 }; /* of the header's group, and of another */

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct run *r = begin(seed, LIMIT);
		unsigned int i = 1;

		r->no_barriers = true; /* so that the holes stay, and the places with them */
		for (; i <= 2; i++) {
			do_punch(r, next_version(r, i), chunks[i - 1] * CHUNK, CHUNK);
			r->at[i] = r->rec.n;
		}
		r->no_barriers = false;
		evict(r);
		for (; i <= STEPS; i++) {
			do_write(r, next_version(r, i), chunks[i % 2] * CHUNK, CHUNK);
			if (i % 3 == 2)
				assert_int_equal(object_flush(r->o), 0);
			r->at[i] = r->rec.n;
		}
		end(r);
	}
}

/* ---- what a lock cannot write ------------------------------------------------------------ */

static void read_chunk(struct object *o, uint64_t c, uint8_t ret[static CHUNK])
{
	uint8_t *buf = malloc(4 * CHUNK), *p;

	assert_int_equal(object_read(o, buf, 4 * CHUNK, CHUNK, c * CHUNK, &p), CHUNK);
	memcpy(ret, p, CHUNK);
	free(buf);
}

static void a_batch_that_a_lock_ends_half_way_leaves_what_was(void **state)
{
	struct run *r = begin(1, LIMIT);
	uint8_t p[CHUNK];
	struct stat st;

	(void)state;
	r->no_barriers = true; /* so that the new slot names bytes that are not in place */
	do_write(r, next_version(r, 1), 97 * CHUNK, CHUNK);
	assert_int_equal(object_flush(r->o), -EIO);
	assert_int_equal(lock_and_unlock(r), 1);
	read_chunk(r->o, 97, p);
	assert_memory_equal(p, r->v[0].data + 97 * CHUNK, CHUNK);
	/* A change of the same group does not take that away, nor does an unmount. */
	do_write(r, next_version(r, 2), 98 * CHUNK, CHUNK);
	assert_int_equal(object_flush(r->o), 0);
	leave(r);
	object_put(r->o);
	fixture_close(&r->f);
	fixture_open(&r->f, false);
	enter(r);
	assert_int_equal(object_lookup(store_root(r->f.st), "file", &r->o, &st), 0);
	read_chunk(r->o, 97, p);
	assert_memory_equal(p, r->v[0].data + 97 * CHUNK, CHUNK);
	read_chunk(r->o, 98, p);
	assert_memory_equal(p, r->v[2].data + 98 * CHUNK, CHUNK);
	forget(r);
}

static void a_hole_that_a_lock_ends_half_way_is_not_discarded(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct run *r = begin(seed, LIMIT);

		r->no_headers = true;
		do_punch(r, next_version(r, 1), 97 * CHUNK, CHUNK);
		assert_int_equal(lock_and_unlock(r), 1);
		r->at[1] = r->rec.n;
		for (unsigned int i = 2; i <= STEPS; i++) {
			do_punch(r, next_version(r, i), 97 * CHUNK, CHUNK);
			r->at[i] = r->rec.n;
		}
		end(r);
	}
}

/* XTS has no entries: that its cut is not durable is known in memory alone. */
static void a_cut_whose_barrier_fails_is_not_forgotten(void **state)
{
	struct run *r = begin_with(SUITE_XTS, 1, LIMIT);

	(void)state;
	r->no_barriers = true;
	do_truncate(r, next_version(r, 1), 50 * CHUNK + 1000);
	assert_int_equal(object_flush(r->o), -EIO);
	fixture_evict(&r->f);
	assert_non_null(r->o->l);
	r->no_barriers = false;
	assert_int_equal(object_flush(r->o), 0);
	forget(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hole_that_is_not_durable_is_not_written_over),
		cmocka_unit_test(a_batch_that_a_lock_ends_half_way_leaves_what_was),
		cmocka_unit_test(a_hole_that_a_lock_ends_half_way_is_not_discarded),
		cmocka_unit_test(a_cut_whose_barrier_fails_is_not_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
