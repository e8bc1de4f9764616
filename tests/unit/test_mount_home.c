/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who goes home to a processor of its own, and who leaves it: the processors
 * that a thread may use tell.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/lib/clock.h"
#include "fs/mount/backoff.h"
#include "fs/mount/home.h"
#include "cpu_fixture.h"

#define MANY 400
#define MS 1000000LL

static struct homes *homes;
static cpu_set_t all;

static int start(void **state)
{
	(void)state;
	sched_getaffinity(0, sizeof(all), &all);
	homes = homes_new((unsigned int)CPU_COUNT(&all));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	home_leave(homes);
	homes_free(homes);
	homes = NULL;
	sched_setaffinity(0, sizeof(all), &all);
	return 0;
}

static void need_homes(void)
{
	assert_true(homes || CPU_COUNT(&all) < 2);
	if (homes)
		return;
	print_message("one processor: nobody ever at home\n");
	skip();
}

/* N requests of CALLERS, one after the other. */
static void note(unsigned int n, unsigned int callers, bool found, bool brief)
{
	for (unsigned int i = 0; i < n; i++)
		home_note(homes, 1 + i % callers, found, brief);
}

static void expect_in(void)
{
	assert_true(homes_any(homes));
	assert_true(home_is_in(homes));
	assert_int_equal(cpus_of(0), 1);
}

static void expect_out(void)
{
	assert_false(home_is_in(homes));
	assert_true(cpus_of(0) > 1);
}

static void requests_of_several_that_are_found_bring_it_home(void **state)
{
	(void)state;
	need_homes();
	note(100, 3, true, true);
	expect_out();
	note(MANY, 3, true, true);
	expect_in();
	for (int i = 0; i < MANY; i++)
		home_note(homes, 0, false, true); /* the kernel's own say nothing */
	expect_in();
	home_leave(homes);
	expect_out();
	note(100, 3, true, true);
	expect_out(); /* it begins anew */
}

static void those_of_one_do_not_nor_any_that_are_waited_for(void **state)
{
	(void)state;
	need_homes();
	note(MANY, 1, true, true);
	expect_out();
	note(MANY, 3, false, true);
	expect_out();
	note(MANY, 3, true, false);
	expect_out();
}

static void one_caller_ends_it(void **state)
{
	(void)state;
	need_homes();
	note(MANY, 3, true, true);
	note(20, 1, true, true);
	expect_in();
	note(MANY, 1, true, true);
	expect_out();
}

static void waits_end_it(void **state)
{
	(void)state;
	need_homes();
	note(MANY, 3, true, true);
	note(5, 3, false, true);
	expect_in();
	note(40, 3, false, true);
	expect_out();
}

static void long_requests_end_it(void **state)
{
	(void)state;
	need_homes();
	note(MANY, 3, true, true);
	note(2, 3, true, false);
	expect_in();
	note(20, 3, true, false);
	expect_out();
	note(MANY, 3, true, true);
	expect_in();
	for (int i = 0; i < 20; i++)
		home_note(homes, 0, true, false); /* the kernel writes pages out */
	expect_out();
}

static _Atomic int in, apart; /* threads at home; where nobody was */
static _Atomic bool taken[CPU_SETSIZE], done;

static void *goes_home(void *arg)
{
	(void)arg;
	note(MANY, 3, true, true);
	if (home_is_in(homes)) {
		apart += !atomic_exchange(&taken[sched_getcpu()], true);
		in++;
	}
	while (!done)
		usleep(1000);
	home_leave(homes);
	return NULL;
}

static void each_has_a_processor_of_its_own(void **state)
{
	int n = MIN(CPU_COUNT(&all), 16);
	pthread_t t[16];

	(void)state;
	need_homes();
	for (int i = 0; i < n; i++)
		assert_int_equal(pthread_create(&t[i], NULL, goes_home, NULL), 0);
	for (int i = 0; i < 5000 && in < n; i++)
		usleep(1000);
	assert_int_equal(in, n);
	assert_int_equal(apart, n);
	if (n == CPU_COUNT(&all)) { /* for one more there is none */
		note(MANY, 3, true, true);
		expect_out();
	}
	done = true;
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	note(MANY, 3, true, true);
	expect_in(); /* what they left can be had again */
}

static void it_gives_way_to_a_program_that_computes(void **state)
{
	int64_t begin, end;
	pid_t pid;

	(void)state;
	need_homes();
	note(MANY, 3, true, true);
	expect_in();
	pid = child_on(sched_getcpu(), true);
	begin = clock_ns(CLOCK_MONOTONIC);
	do {
		end = clock_ns(CLOCK_MONOTONIC);
		home_yield(homes);
	} while (home_is_in(homes) && end - begin < 10000 * MS);
	expect_out();
	note(MANY, 3, true, true);
	if (clock_ns(CLOCK_MONOTONIC) - end < 10 * MS)
		expect_out();
	else
		print_message("the yield took so long that it may be home again\n");
	end_child(pid);
	usleep(20000);
	note(MANY, 3, true, true);
	expect_in();
}

static void who_has_been_given_one_processor_stays_there(void **state)
{
	(void)state;
	need_homes();
	keep_on(0, sched_getcpu());
	note(MANY, 3, true, true);
	assert_false(home_is_in(homes));
	home_leave(homes);
	assert_int_equal(cpus_of(0), 1);
}

static void too_few_for_all_processors_have_no_home(void **state)
{
	(void)state;
	assert_null(homes_new((unsigned int)CPU_COUNT(&all) - 1));
	homes_free(NULL);
	home_note(NULL, 1, true, true);
	home_yield(NULL);
	home_leave(NULL);
	assert_false(home_is_in(NULL));
	assert_false(homes_any(NULL));
}

static void what_turns_out_badly_again_lasts_twice_as_long(void **state)
{
	struct backoff b = { 0 };
	int64_t now = 1000000 * MS, last = 50 * MS;

	(void)state;
	assert_false(backoff_lasts(&b, now));
	backoff_extend(&b, now, 50 * MS);
	assert_true(backoff_lasts(&b, now + 50 * MS - 1));
	assert_false(backoff_lasts(&b, now + 50 * MS));
	for (int i = 0; i < 10; i++) {
		now += last;
		last = MIN(2 * last, 3200 * MS);
		backoff_extend(&b, now, 50 * MS);
		assert_true(backoff_lasts(&b, now + last - 1));
		assert_false(backoff_lasts(&b, now + last));
	}
	now += 3 * last; /* long ago */
	backoff_extend(&b, now, 50 * MS);
	assert_false(backoff_lasts(&b, now + 50 * MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_of_several_that_are_found_bring_it_home,
						start, stop),
		cmocka_unit_test_setup_teardown(those_of_one_do_not_nor_any_that_are_waited_for,
						start, stop),
		cmocka_unit_test_setup_teardown(one_caller_ends_it, start, stop),
		cmocka_unit_test_setup_teardown(waits_end_it, start, stop),
		cmocka_unit_test_setup_teardown(long_requests_end_it, start, stop),
		cmocka_unit_test_setup_teardown(each_has_a_processor_of_its_own, start, stop),
		cmocka_unit_test_setup_teardown(it_gives_way_to_a_program_that_computes, start,
						stop),
		cmocka_unit_test_setup_teardown(who_has_been_given_one_processor_stays_there,
						start, stop),
		cmocka_unit_test_setup_teardown(too_few_for_all_processors_have_no_home, start,
						stop),
		cmocka_unit_test(what_turns_out_badly_again_lasts_twice_as_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
