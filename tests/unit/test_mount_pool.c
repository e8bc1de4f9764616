/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of plaintext buffers: each thread's own first, and nothing left by a wipe.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "fs/mount/pool.h"

static bool zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static void the_last_one_put_is_the_next_one_got(void **state)
{
	struct pool *p;
	uint8_t *a, *b;

	(void)state;
	assert_int_equal(pool_new(3, &p), 0);
	a = pool_get(p);
	b = pool_get(p);
	assert_ptr_not_equal(a, b);
	pool_put(p, a, 1);
	assert_ptr_equal(pool_get(p), a);
	pool_put(p, a, 1);
	pool_put(p, b, 1);
	assert_ptr_equal(pool_get(p), b);
	pool_put(p, b, 1);
	pool_free(p);
}

struct other {
	struct pool *p;
	uint8_t *b;
};

static void *other_get(void *arg)
{
	struct other *o = arg;

	o->b = pool_get(o->p);
	return NULL;
}

static void *other_put(void *arg)
{
	struct other *o = arg;

	pool_put(o->p, o->b, 1);
	return NULL;
}

static void in_another_thread(void *(*fn)(void *), struct other *o)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, fn, o), 0);
	pthread_join(t, NULL);
}

static void a_thread_gets_the_one_that_it_had(void **state)
{
	struct other o;
	uint8_t *a;

	(void)state;
	assert_int_equal(pool_new(2, &o.p), 0);
	a = pool_get(o.p);
	in_another_thread(other_get, &o);
	assert_ptr_not_equal(o.b, a);
	pool_put(o.p, a, 1);
	in_another_thread(other_put, &o); /* later, and still not for us */
	assert_ptr_equal(pool_get(o.p), a);
	pool_put(o.p, a, 1);
	pool_free(o.p);
}

static void a_wipe_clears_idle_buffers_at_once(void **state)
{
	struct pool *p;
	uint8_t *a;

	(void)state;
	assert_int_equal(pool_new(1, &p), 0);
	a = pool_get(p);
	memset(a, 'x', POOL_SIZE);
	pool_put(p, a, POOL_SIZE);
	a = pool_get(p); /* used less this time: the old bytes count all the same */
	pool_put(p, a, 1);
	pool_wipe(p);
	assert_true(zero(a, POOL_SIZE));
	pool_free(p);
}

static void a_buffer_that_is_out_is_wiped_as_it_comes_back(void **state)
{
	struct pool *p;
	uint8_t *a;

	(void)state;
	assert_int_equal(pool_new(1, &p), 0);
	a = pool_get(p);
	memset(a, 'x', 5000);
	pool_wipe(p);
	assert_int_equal(a[0], 'x');
	pool_put(p, a, 5000);
	assert_true(zero(a, 5000));
	pool_free(p);
}

static void *get_one(void *arg)
{
	return pool_get(arg);
}

static void who_comes_too_late_waits(void **state)
{
	struct pool *p;
	pthread_t t;
	uint8_t *a;
	void *b;

	(void)state;
	assert_int_equal(pool_new(1, &p), 0);
	a = pool_get(p);
	assert_int_equal(pthread_create(&t, NULL, get_one, p), 0);
	pool_put(p, a, 0);
	pthread_join(t, &b);
	assert_ptr_equal(b, a);
	pool_put(p, a, 0);
	pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_one_put_is_the_next_one_got),
		cmocka_unit_test(a_thread_gets_the_one_that_it_had),
		cmocka_unit_test(a_wipe_clears_idle_buffers_at_once),
		cmocka_unit_test(a_buffer_that_is_out_is_wiped_as_it_comes_back),
		cmocka_unit_test(who_comes_too_late_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
