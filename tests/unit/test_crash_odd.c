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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hole_that_is_not_durable_is_not_written_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
