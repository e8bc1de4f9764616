/* SPDX-License-Identifier: Apache-2.0 */
/* The bound on bytes a second: it is held, and a pause is not made up for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/lib/pace.h"

#define MIB (UINT64_C(1) << 20)

/* Do N steps of a MiB, each of which takes STEP ms: how long that is. */
static uint64_t run(struct pace *p, uint64_t begin, unsigned int n, uint64_t step)
{
	uint64_t now = begin;

	while (n--) {
		now += step;
		now += pace_wait(p, MIB, now);
	}
	return now - begin;
}

static void the_rate_is_held_whatever_the_work_takes(void **state)
{
	struct pace p;

	(void)state;
	pace_begin(&p, 10 * MIB, 5000);
	assert_in_range(run(&p, 5000, 100, 0), 9990, 10010);
	pace_begin(&p, 10 * MIB, 5000);
	assert_in_range(run(&p, 5000, 100, 60), 9990, 10070);
	pace_begin(&p, 10 * MIB, 5000);
	assert_int_equal(run(&p, 5000, 100, 150), 15000); /* slower than the bound */
}

static void a_pause_is_not_made_up_for(void **state)
{
	struct pace p;

	(void)state;
	pace_begin(&p, 10 * MIB, 0);
	run(&p, 0, 10, 0);
	assert_in_range(run(&p, 3600 * 1000, 100, 0), 10000 - PACE_SAVED_MS - 10, 10010);
}

static void without_a_rate_nothing_waits(void **state)
{
	struct pace p;

	(void)state;
	pace_begin(&p, 0, 0);
	assert_int_equal(run(&p, 0, 1000, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_is_held_whatever_the_work_takes),
		cmocka_unit_test(a_pause_is_not_made_up_for),
		cmocka_unit_test(without_a_rate_nothing_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
