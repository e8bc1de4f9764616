/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which lane of a processor is to serve.
 */
#include <linux/fuse.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fs/lib/clock.h"
#include "fs/mount/uring_lane.h"

#define LANES 3
#define MANY 400
#define PAGE 4096u

static struct crew crew;
static struct lane lanes[LANES];

static int start(void **state)
{
	(void)state;
	crew = (struct crew){ .first = &lanes[0] };
	for (int i = 0; i < LANES; i++)
		lanes[i] = (struct lane){ .crew = &crew, .held = 1, .next = i + 1 < LANES ? &lanes[i + 1] : NULL };
	return 0;
}

static struct lane *ask(int lane, unsigned int pid)
{
	return crew_server(&lanes[lane], FUSE_READ, pid, PAGE);
}

/* N requests of CALLERS in turn, to one lane or another. */
static void ask_many(unsigned int n, unsigned int callers)
{
	for (unsigned int i = 0; i < n; i++)
		ask(i % LANES, 1 + i % callers);
}

/* As a lane does that gives away what it got. */
static void give(struct lane *from, struct lane *to)
{
	from->held--;
	to->held++;
}

static void expect_gathered(void)
{
	for (int i = 0; i < LANES; i++)
		assert_ptr_equal(ask(i, 1), &lanes[0]);
}

static void expect_spread(void)
{
	for (int i = 0; i < LANES; i++)
		assert_ptr_equal(ask(i, 1), &lanes[i]);
}

static void brief_requests_of_several_gather_at_the_first(void **state)
{
	(void)state;
	expect_spread();
	ask_many(20, 2);
	expect_spread();
	ask_many(MANY, 2);
	expect_gathered();
	ask_many(MANY, 1); /* one alone changes nothing any more */
	expect_gathered();
}

static void those_of_one_do_not(void **state)
{
	(void)state;
	ask_many(MANY, 1);
	expect_spread();
}

static void what_may_wait_for_the_disk_ends_it_and_goes_elsewhere(void **state)
{
	static const uint32_t waits[] = { FUSE_FSYNC, FUSE_FSYNCDIR, FUSE_SYNCFS, FUSE_WRITE,
					  FUSE_FLUSH, FUSE_RENAME, FUSE_CREATE, FUSE_SETATTR,
					  FUSE_LSEEK, FUSE_READDIR, FUSE_FALLOCATE };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(waits); i++) {
		start(NULL);
		ask_many(MANY, 2);
		give(&lanes[1], &lanes[0]);
		assert_ptr_equal(crew_server(&lanes[0], waits[i], 1, 0), &lanes[1]);
		give(&lanes[0], &lanes[1]);
		expect_spread();
	}
}

static void what_only_looks_gathers(void **state)
{
	static const uint32_t looks[] = { FUSE_LOOKUP, FUSE_GETATTR, FUSE_READLINK, FUSE_GETXATTR,
					  FUSE_LISTXATTR, FUSE_OPEN, FUSE_RELEASE, FUSE_ACCESS };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(looks); i++) {
		start(NULL);
		for (unsigned int n = 0; n < MANY; n++)
			crew_server(&lanes[n % LANES], looks[i], 1 + n % 2, 0);
		expect_gathered();
	}
}

static void bulk_ends_it(void **state)
{
	(void)state;
	ask_many(MANY, 2);
	expect_gathered();
	crew_server(&lanes[0], FUSE_READ, 1, LANE_BULK);
	expect_spread();
}

static void bulk_alone_never_gathers(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < MANY; i++)
		crew_server(&lanes[i % LANES], FUSE_READ, 1 + i % 2, LANE_BULK);
	expect_spread();
}

static void slow_answers_end_it_by_how_long_they_took(void **state)
{
	(void)state;
	ask_many(MANY, 2);
	for (int i = 0; i < MANY; i++)
		crew_took(&crew, 5000); /* as from memory */
	expect_gathered();
	crew_took(&crew, 50000);
	expect_gathered(); /* that can happen */
	crew_took(&crew, 10000000);
	expect_spread();
	ask_many(MANY, 2);
	expect_gathered();
	for (int i = 0; i < 20; i++) {
		ask_many(2, 2);
		crew_took(&crew, 100000);
	}
	expect_spread();
}

static void nothing_is_given_to_who_is_held_up(void **state)
{
	(void)state;
	ask_many(MANY, 2);
	lanes[0].began = clock_ns(CLOCK_MONOTONIC) + 1000000000;
	assert_ptr_equal(ask(1, 1), &lanes[0]);
	lanes[0].began = clock_ns(CLOCK_MONOTONIC) - 1000000;
	assert_ptr_equal(ask(0, 1), &lanes[0]); /* its own, which it takes when it can */
	assert_ptr_equal(ask(1, 1), &lanes[1]);
	expect_spread();
}

static void an_endless_answer_is_no_overflow(void **state)
{
	(void)state;
	ask_many(MANY, 2);
	crew_took(&crew, INT64_MAX);
	expect_spread();
}

/* When they are spread again each goes to one that has none. */
static void they_spread_to_the_idle_ones(void **state)
{
	struct lane *to;

	(void)state;
	ask_many(MANY, 2);
	give(&lanes[1], &lanes[0]);
	give(&lanes[2], &lanes[0]);
	for (int i = 1; i < LANES; i++) {
		to = crew_server(&lanes[0], FUSE_FSYNC, 1, 0);
		assert_ptr_not_equal(to, &lanes[0]);
		assert_int_equal(to->held, 0);
		give(&lanes[0], to);
	}
	assert_ptr_equal(crew_server(&lanes[0], FUSE_FSYNC, 1, 0), &lanes[0]);
	lanes[0].held++; /* one more, and no lane without */
	assert_ptr_equal(crew_server(&lanes[0], FUSE_FSYNC, 1, 0), &lanes[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(brief_requests_of_several_gather_at_the_first, start),
		cmocka_unit_test_setup(those_of_one_do_not, start),
		cmocka_unit_test_setup(what_may_wait_for_the_disk_ends_it_and_goes_elsewhere, start),
		cmocka_unit_test_setup(what_only_looks_gathers, start),
		cmocka_unit_test_setup(bulk_ends_it, start),
		cmocka_unit_test_setup(bulk_alone_never_gathers, start),
		cmocka_unit_test_setup(slow_answers_end_it_by_how_long_they_took, start),
		cmocka_unit_test_setup(nothing_is_given_to_who_is_held_up, start),
		cmocka_unit_test_setup(an_endless_answer_is_no_overflow, start),
		cmocka_unit_test_setup(they_spread_to_the_idle_ones, start),
	};

	return cmocka_run_group_tests_name("mount_crew", tests, NULL, NULL);
}
