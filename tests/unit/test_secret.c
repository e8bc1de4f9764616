/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena: what it promises of its pieces, and of the pages below them.
 */
#include "crypto/secret.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <cmocka.h>

#define MAX_PIECE 65536u

/* Runs FN in a child; its return value is the exit code, 128 + signal if it died. */
static int in_child(int (*fn)(void *), void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(arg));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int setup_without_memlock(void *arg)
{
	struct rlimit none = { 0, 0 };

	(void)arg;
	if (setrlimit(RLIMIT_MEMLOCK, &none) || (geteuid() == 0 && setresuid(65534, 65534, 65534)))
		return 2;
	if (secret_setup(65536, true) != -EPERM || secret_locked())
		return 3;
	return secret_setup(65536, false) == 0 && !secret_locked() && secret_alloc(32) ? 0 : 4;
}

static void must_lock_refuses_pages_that_cannot_be_locked(void **state)
{
	(void)state; /* first of all: the child must find no arena */
	assert_int_equal(in_child(setup_without_memlock, NULL), 0);
}

static void second_setup_changes_nothing(void **state)
{
	size_t used, total, total2;

	(void)state;
	assert_int_equal(secret_setup(8u << 20, false), 0);
	secret_usage(&used, &total);
	assert_int_equal(total, 8u << 20);
	assert_int_equal(secret_setup(64u << 20, false), 0);
	secret_usage(&used, &total2);
	assert_int_equal(total2, total);
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

static void pieces_are_zeroed_and_aligned(void **state)
{
	(void)state;
	for (size_t n = 1; n <= MAX_PIECE; n += n < 300 ? 1 : 977) {
		for (int round = 0; round < 2; round++) { /* fresh, then used before */
			uint8_t *p = secret_alloc(n);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % 16, 0);
			assert_true(is_zero(p, n));
			memset(p, 0xa5, n);
			secret_free(p);
		}
	}
}

static void freed_piece_is_wiped(void **state)
{
	(void)state;
	for (size_t n = 32; n <= MAX_PIECE; n *= 2) {
		uint8_t *p = secret_alloc(n);

		assert_non_null(p);
		memset(p, 0x5a, n);
		secret_free(p);
		/* the arena stays mapped; the first 4 bytes are the list's */
		assert_true(is_zero(p + 4, n - 4));
		assert_int_not_equal(get_le32(p), 0x5a5a5a5a);
	}
}

static void wrong_sizes_are_refused(void **state)
{
	(void)state;
	errno = 0;
	assert_null(secret_alloc(0));
	assert_int_equal(errno, ENOMEM);
	assert_null(secret_alloc(MAX_PIECE + 1));
	secret_free(NULL);
}

static void *churn(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg, k, n;
	uint8_t *p[64] = { NULL }, mark[64] = { 0 };
	uint16_t len[64] = { 0 };

	for (unsigned int i = 0; i < 40000; i++) {
		k = (unsigned int)rand_r(&seed) % 64;
		for (n = 0; n < len[k]; n++)
			if (p[k][n] != mark[k])
				return "two pieces overlap";
		secret_free(p[k]);
		len[k] = (uint16_t)(1 + rand_r(&seed) % (i % 16 ? 100 : 5000));
		mark[k] = (uint8_t)rand_r(&seed);
		p[k] = secret_alloc(len[k]);
		if (!p[k] || !is_zero(p[k], len[k]))
			return "a piece is missing or not zero";
		memset(p[k], mark[k], len[k]);
	}
	for (k = 0; k < 64; k++)
		secret_free(p[k]);
	return NULL;
}

static void pieces_of_four_threads_never_overlap(void **state)
{
	size_t before, after, total;
	pthread_t t[4];
	void *why;

	(void)state;
	secret_usage(&before, &total);
	for (uintptr_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, churn, (void *)(i + 1)), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		pthread_join(t[i], &why);
		if (why)
			fail_msg("%s", (char *)why);
	}
	secret_usage(&after, &total);
	assert_int_equal(after, before);
}

/* The line of /proc/self/smaps whose map holds P, with its VmFlags; maps before and after it. */
struct map {
	unsigned long start, end;
	char perms[8], before[8], after[8], flags[256];
	unsigned long before_end, after_start;
};

static bool find_map(const void *p, struct map *m)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long a, b, prev_end = 0;
	char line[512], perms[8], prev[8] = "";
	int where = 0; /* 0 before, 1 inside, 2 after */

	memset(m, 0, sizeof(*m));
	if (!f)
		return false;
	while (where < 2 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s", &a, &b, perms) == 3) {
			if (where == 1) {
				strcpy(m->after, perms);
				m->after_start = a;
				where = 2;
			} else if ((unsigned long)p >= a && (unsigned long)p < b) {
				*m = (struct map){ .start = a, .end = b, .before_end = prev_end };
				strcpy(m->perms, perms);
				strcpy(m->before, prev);
				where = 1;
			}
			prev_end = b;
			strcpy(prev, perms);
		} else if (where == 1 && strncmp(line, "VmFlags:", 8) == 0) {
			snprintf(m->flags, sizeof(m->flags), "%.250s", line + 8);
			m->flags[strcspn(m->flags, "\n")] = ' ';
		}
	}
	fclose(f);
	return where == 2 && m->flags[0];
}

static void pages_are_kept_out_of_dumps_and_children(void **state)
{
	uint8_t *p = secret_alloc(32);
	struct map m;

	(void)state;
	if (!find_map(p, &m))
		skip();
	assert_non_null(strstr(m.flags, " dd ")); /* MADV_DONTDUMP */
	assert_non_null(strstr(m.flags, " wf ")); /* MADV_WIPEONFORK */
	if (secret_locked())
		assert_non_null(strstr(m.flags, " lo "));
	secret_free(p);
}

static void arena_lies_between_guard_pages(void **state)
{
	uint8_t *p = secret_alloc(32);
	struct map m;

	(void)state;
	if (!find_map(p, &m))
		skip();
	assert_string_equal(m.perms, "rw-p");
	assert_string_equal(m.before, "---p");
	assert_string_equal(m.after, "---p");
	assert_int_equal(m.before_end, m.start);
	assert_int_equal(m.after_start, m.end);
	secret_free(p);
}

static int child_sees_zeros(void *arg)
{
	uint8_t *p = arg, *q[200];

	if (!is_zero(p, 64))
		return 2;
	for (unsigned int i = 0; i < ARRAY_SIZE(q); i++) { /* and its lists still work */
		q[i] = secret_alloc(64);
		if (!q[i] || !is_zero(q[i], 64))
			return 3;
		memset(q[i], (int)i + 1, 64);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(q); i++) {
		for (unsigned int k = 0; k < 64; k++)
			if (q[i][k] != (uint8_t)(i + 1))
				return 4;
		secret_free(q[i]);
	}
	return 0;
}

static void forked_child_reads_zeros_and_can_allocate(void **state)
{
	uint8_t *p = secret_alloc(64), *q[8];

	(void)state;
	memset(p, 0x77, 64);
	for (unsigned int i = 0; i < ARRAY_SIZE(q); i++)
		q[i] = secret_alloc(64);
	for (unsigned int i = 0; i < ARRAY_SIZE(q); i++)
		secret_free(q[i]); /* so that the child inherits a list */
	assert_int_equal(in_child(child_sees_zeros, p), 0);
	assert_int_equal(p[63], 0x77);
	secret_free(p);
}

static void full_arena_says_so_and_recovers(void **state)
{
	static void *p[1u << 20];
	size_t n = 0, used, total, after;

	(void)state;
	secret_usage(&after, &total);
	while (n < ARRAY_SIZE(p) && (p[n] = secret_alloc(MAX_PIECE)))
		n++;
	assert_int_equal(errno, ENOMEM);
	assert_true(n > 100);
	while (n < ARRAY_SIZE(p) && (p[n] = secret_alloc(32)))
		n++;
	secret_usage(&used, &total);
	assert_true(used > total - 2 * MAX_PIECE);
	for (size_t i = 0; i < n; i++)
		secret_free(p[i]);
	secret_usage(&used, &total);
	assert_int_equal(used, after);
	/* every page belongs to large pieces now; these serve for small ones too */
	for (n = 0; n < 100; n++) {
		p[n] = secret_alloc(2048);
		assert_non_null(p[n]);
	}
	while (n)
		secret_free(p[--n]);
}

static void equal_compares_every_byte(void **state)
{
	uint8_t a[33] = { 0 }, b[33] = { 0 };

	(void)state;
	assert_true(secret_equal(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] = 0x80;
		assert_false(secret_equal(a, b, sizeof(a)));
		assert_true(secret_equal(a, b, i));
		b[i] = 0;
	}
	memset(a, 0xff, sizeof(a));
	secret_wipe(a, 32);
	assert_true(is_zero(a, 32));
	assert_int_equal(a[32], 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(must_lock_refuses_pages_that_cannot_be_locked),
		cmocka_unit_test(second_setup_changes_nothing),
		cmocka_unit_test(pieces_are_zeroed_and_aligned),
		cmocka_unit_test(freed_piece_is_wiped),
		cmocka_unit_test(wrong_sizes_are_refused),
		cmocka_unit_test(pieces_of_four_threads_never_overlap),
		cmocka_unit_test(pages_are_kept_out_of_dumps_and_children),
		cmocka_unit_test(arena_lies_between_guard_pages),
		cmocka_unit_test(forked_child_reads_zeros_and_can_allocate),
		cmocka_unit_test(full_arena_says_so_and_recovers),
		cmocka_unit_test(equal_compares_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
