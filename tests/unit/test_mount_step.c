/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets into step with a caller, and out of it: the processor that a thread
 * may use and its scheduling tell.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/lib/clock.h"
#include "fs/mount/step.h"
#include "fs/mount/thread_stat.h"
#include "cpu_fixture.h"

#define MANY 400
#define APART_MS 50 /* step.c's */

static bool apart_since(int64_t begin)
{
	return clock_ns(CLOCK_MONOTONIC) - begin < APART_MS * 1000000LL;
}

static struct step *step;
static cpu_set_t all;

static int start(void **state)
{
	(void)state;
	sched_getaffinity(0, sizeof(all), &all);
	step = step_new(-1);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	step_leave(step);
	step_free(step);
	step = NULL;
	sched_setaffinity(0, sizeof(all), &all);
	return 0;
}

static void need_step(void)
{
	if (step)
		return;
	print_message("one processor, or no CAP_SYS_NICE: never in step\n");
	skip();
}

static void note(unsigned int n, pid_t pid, bool brief)
{
	while (n--)
		step_note(step, (uint32_t)pid, brief);
}

static bool is_idle(void)
{
	return sched_getscheduler(0) == SCHED_IDLE;
}

static void expect_in(void)
{
	assert_true(step_is_in(step));
	assert_true(step_any(step));
	assert_true(is_idle());
	assert_int_equal(cpus_of(0), 1);
}

static void expect_out(void)
{
	assert_false(step_is_in(step));
	assert_false(is_idle());
	assert_true(cpus_of(0) > 1);
}

static void one_caller_is_followed(void **state)
{
	(void)state;
	need_step();
	note(3, gettid(), true);
	expect_out();
	note(MANY, gettid(), true);
	expect_in();
	note(MANY, 0, true); /* the kernel's own say nothing */
	expect_in();
	step_leave(step);
	expect_out();
	assert_false(step_any(step));
}

static void of_two_callers_neither_is(void **state)
{
	(void)state;
	need_step();
	for (int i = 0; i < MANY; i++) {
		note(1, gettid(), true);
		note(1, 1, true);
	}
	expect_out();
}

static void another_caller_ends_it(void **state)
{
	(void)state;
	need_step();
	note(MANY, gettid(), true);
	expect_in();
	note(4, 1, true);
	expect_out();
}

static void long_requests_end_it(void **state)
{
	(void)state;
	need_step();
	note(MANY, gettid(), true);
	note(1, gettid(), false);
	expect_in();
	note(20, gettid(), false);
	expect_out();
	note(MANY, gettid(), true);
	expect_in();
	note(1, 0, false); /* the kernel writes pages out */
	expect_out();
}

static void a_caller_that_is_gone_is_not_followed(void **state)
{
	pid_t pid;

	(void)state;
	need_step();
	pid = fork();
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	note(MANY, pid, true);
	expect_out();
	assert_false(step_any(step));
}

static _Atomic int found;

static void *made_meanwhile(void *arg)
{
	(void)arg;
	found = !is_idle();
	step_end(step, true);
	return NULL;
}

static void who_is_late_is_brought_out_and_stays_out(void **state)
{
	int64_t begin;
	pthread_t t;

	(void)state;
	need_step();
	note(MANY, gettid(), true);
	expect_in();
	begin = clock_ns(CLOCK_MONOTONIC);
	assert_int_equal(pthread_create(&t, NULL, made_meanwhile, NULL), 0);
	pthread_join(t, NULL);
	assert_true(found); /* a thread that is made in step is not itself */
	expect_out();
	note(MANY, gettid(), true);
	if (apart_since(begin)) /* unless the machine stood still */
		expect_out();
	step_leave(step);
	usleep(100000);
	note(MANY, gettid(), true);
	expect_in();
}

static pid_t looked_at;

static void *looks(void *ticks)
{
	while (thread_runs(looked_at)) /* it is about to wait for us */
		usleep(1000);
	for (int i = 0; i < *(int *)ticks; i++)
		step_look(step);
	return NULL;
}

static void look_elsewhere(int ticks)
{
	pthread_t t;

	looked_at = gettid();
	assert_int_equal(pthread_create(&t, NULL, looks, &ticks), 0);
	pthread_join(t, NULL);
}

static void who_has_nothing_to_do_is_brought_out(void **state)
{
	(void)state;
	need_step();
	assert_false(step_look(step));
	note(MANY, gettid(), true);
	look_elsewhere(2);
	expect_in();
	note(1, gettid(), true);
	look_elsewhere(4);
	expect_in();
	look_elsewhere(30);
	expect_out();
	note(1, gettid(), true);
	expect_in(); /* nobody waited for it */
}

static _Atomic int phase;

static void *works(void *caller)
{
	note(MANY, *(pid_t *)caller, true);
	phase = step_is_in(step) ? 1 : -1;
	while (phase == 1)
		;
	note(MANY, *(pid_t *)caller, true);
	phase = step_is_in(step) ? -2 : 3;
	return NULL;
}

/* Whether the thread with the processor time CLOCK ran for most of each tick. */
static bool look_for(int ms, clockid_t clock)
{
	bool ran_all = true;

	for (int i = 0; i < ms && step_any(step); i++) {
		int64_t begin = clock_ns(CLOCK_MONOTONIC), ran = clock_ns(clock);

		usleep(1000);
		step_look(step);
		ran_all &= 10 * (clock_ns(clock) - ran) > 6 * (clock_ns(CLOCK_MONOTONIC) - begin);
	}
	return ran_all;
}

static void who_could_run_and_does_not_is_late(void **state)
{
	pid_t caller, other;
	clockid_t clock;
	bool alone;
	int64_t begin;
	pthread_t t;

	(void)state;
	need_step();
	keep_on(0, 0);
	caller = child_on(1, false);
	usleep(100000);
	assert_int_equal(pthread_create(&t, NULL, works, &caller), 0);
	while (!phase)
		usleep(1000);
	assert_int_equal(phase, 1);
	assert_int_equal(pthread_getcpuclockid(t, &clock), 0);
	alone = look_for(60, clock); /* others may want that processor, too */
	if (alone)
		assert_true(step_any(step));
	other = child_on(1, true);
	if (alone) {
		usleep(50000);
		step_look(step);
		assert_true(step_any(step)); /* for all that one look tells it has just been woken */
	}
	look_for(5000, clock);
	begin = clock_ns(CLOCK_MONOTONIC);
	assert_false(step_any(step));
	phase = 2;
	pthread_join(t, NULL);
	if (apart_since(begin))
		assert_int_equal(phase, 3);
	end_child(other);
	end_child(caller);
}

static void one_that_is_kept_where_it_is_stays_there(void **state)
{
	struct step *fixed = step_new(0);

	(void)state;
	need_step();
	for (int i = 0; i < MANY; i++)
		step_note(fixed, (uint32_t)gettid(), true);
	assert_true(step_is_in(fixed));
	assert_true(is_idle());
	assert_true(cpus_of(0) > 1);
	step_miss(fixed);
	step_miss(fixed);
	assert_true(step_is_in(fixed));
	step_leave(fixed);
	assert_false(is_idle());
	step_free(fixed);
}

static void without_a_step_nothing_happens(void **state)
{
	(void)state;
	step_note(NULL, (uint32_t)gettid(), true);
	step_leave(NULL);
	step_end(NULL, true);
	assert_false(step_is_in(NULL));
	assert_false(step_any(NULL));
	expect_out();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_caller_is_followed, start, stop),
		cmocka_unit_test_setup_teardown(of_two_callers_neither_is, start, stop),
		cmocka_unit_test_setup_teardown(another_caller_ends_it, start, stop),
		cmocka_unit_test_setup_teardown(long_requests_end_it, start, stop),
		cmocka_unit_test_setup_teardown(a_caller_that_is_gone_is_not_followed, start, stop),
		cmocka_unit_test_setup_teardown(who_is_late_is_brought_out_and_stays_out, start,
						stop),
		cmocka_unit_test_setup_teardown(who_has_nothing_to_do_is_brought_out, start, stop),
		cmocka_unit_test_setup_teardown(who_could_run_and_does_not_is_late, start, stop),
		cmocka_unit_test_setup_teardown(one_that_is_kept_where_it_is_stays_there, start, stop),
		cmocka_unit_test(without_a_step_nothing_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
