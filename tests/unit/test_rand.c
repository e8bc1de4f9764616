/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes and nonces.  RAND_bytes() is wrapped, to count its calls and to
 * let it fail.
 */
/* link: -Wl,--wrap=RAND_bytes */
#include "crypto/rand.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <cmocka.h>

#define POOL 340u /* nonces of one filling */

int __real_RAND_bytes(unsigned char *p, int n);
int __wrap_RAND_bytes(unsigned char *p, int n);

static __thread unsigned int calls;
static bool broken;

int __wrap_RAND_bytes(unsigned char *p, int n)
{
	calls++;
	if (broken) {
		memset(p, 0xee, (size_t)n);
		return 0;
	}
	return __real_RAND_bytes(p, n);
}

static void bytes_differ_every_time(void **state)
{
	uint8_t a[64], b[64], zero[64] = { 0 };

	(void)state;
	for (int secret = 0; secret < 2; secret++) {
		assert_int_equal(secret ? rand_secret(a, 64) : rand_bytes(a, 64), 0);
		assert_int_equal(secret ? rand_secret(b, 64) : rand_bytes(b, 64), 0);
		assert_memory_not_equal(a, b, 64);
		assert_memory_not_equal(a + 32, zero, 32);
	}
}

static void failure_wipes_and_says_so(void **state)
{
	uint8_t a[64], zero[64] = { 0 };

	(void)state;
	broken = true;
	memset(a, 1, sizeof(a));
	assert_int_equal(rand_bytes(a, sizeof(a)), -EIO);
	assert_memory_equal(a, zero, sizeof(a));
	broken = false;
}

static void nonce_is_never_made_by_a_broken_generator(void **state)
{
	uint8_t iv[IV_LEN];

	(void)state;
	assert_int_equal(rand_reseed(), 0); /* the pool is empty now */
	broken = true;
	for (int i = 0; i < 3; i++)
		assert_int_equal(rand_iv(iv), -EIO);
	broken = false;
	assert_int_equal(rand_iv(iv), 0);
}

static void pool_is_filled_once_for_340_nonces(void **state)
{
	uint8_t iv[IV_LEN];

	(void)state;
	assert_int_equal(rand_reseed(), 0);
	calls = 0;
	for (unsigned int i = 0; i < 3 * POOL; i++) {
		assert_int_equal(rand_iv(iv), 0);
		assert_int_equal(calls, 1 + i / POOL);
	}
}

static void *count_after_reseed(void *barrier)
{
	uint8_t iv[IV_LEN];
	bool ok = rand_iv(iv) == 0;

	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier); /* the other thread reseeds in between */
	calls = 0;
	return ok && rand_iv(iv) == 0 && calls == 1 ? NULL : "the pool outlived the reseed";
}

static void reseed_drops_the_pool_of_every_thread(void **state)
{
	uint8_t iv[IV_LEN];
	pthread_barrier_t barrier;
	pthread_t t;
	void *why;

	(void)state;
	pthread_barrier_init(&barrier, NULL, 2);
	assert_int_equal(rand_iv(iv), 0);
	assert_int_equal(pthread_create(&t, NULL, count_after_reseed, &barrier), 0);
	pthread_barrier_wait(&barrier);
	assert_int_equal(rand_reseed(), 0);
	pthread_barrier_wait(&barrier);
	pthread_join(t, &why);
	if (why)
		fail_msg("%s", (char *)why);
	calls = 0;
	assert_int_equal(rand_iv(iv), 0);
	assert_int_equal(calls, 1);
	pthread_barrier_destroy(&barrier);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, IV_LEN);
}

static void assert_distinct(uint8_t (*iv)[IV_LEN], size_t n)
{
	qsort(iv, n, IV_LEN, compare);
	for (size_t i = 1; i < n; i++)
		if (compare(iv[i - 1], iv[i]) == 0)
			fail_msg("a nonce was handed out twice");
}

#define EACH 50000u

static uint8_t drawn[4 * EACH][IV_LEN];

static void *draw(void *arg)
{
	uint8_t (*iv)[IV_LEN] = arg;

	for (unsigned int i = 0; i < EACH; i++)
		if (rand_iv(iv[i]))
			return "no nonce";
	return NULL;
}

static void nonces_of_four_threads_are_distinct(void **state)
{
	pthread_t t[4];
	void *why;

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, draw, drawn[i * EACH]), 0);
	for (unsigned int i = 0; i < 4; i++) {
		pthread_join(t[i], &why);
		assert_null(why);
	}
	assert_distinct(drawn, ARRAY_SIZE(drawn));
}

static void child_shares_no_nonce_with_its_parent(void **state)
{
	enum { N = 300 };
	static uint8_t iv[2 * N][IV_LEN];
	int fd[2];
	pid_t pid;

	(void)state;
	assert_int_equal(rand_iv(iv[0]), 0); /* the pool holds nonces when we fork */
	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		for (unsigned int i = 0; i < N; i++)
			if (rand_iv(iv[i]))
				_exit(1);
		_exit(write(fd[1], iv, N * IV_LEN) != N * IV_LEN);
	}
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(rand_iv(iv[N + i]), 0);
	assert_int_equal(read(fd[0], iv, N * IV_LEN), N * IV_LEN);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(fd[0]);
	close(fd[1]);
	assert_distinct(iv, ARRAY_SIZE(iv));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_differ_every_time),
		cmocka_unit_test(failure_wipes_and_says_so),
		cmocka_unit_test(nonce_is_never_made_by_a_broken_generator),
		cmocka_unit_test(pool_is_filled_once_for_340_nonces),
		cmocka_unit_test(reseed_drops_the_pool_of_every_thread),
		cmocka_unit_test(nonces_of_four_threads_are_distinct),
		cmocka_unit_test(child_shares_no_nonce_with_its_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
