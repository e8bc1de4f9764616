/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slabs: pieces do not overlap and begin as zeros, and what is free goes back to
 * the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fs/store/slab.h"

#define PIECES 100000u
#define SIZE 200u

static SLAB_CACHE(cache, SIZE);

static uint8_t *pieces[PIECES];

/* Pages that are mapped. */
static size_t mapped(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	size_t n = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%zu", &n), 1);
	fclose(f);
	return n;
}

static void take(unsigned int i)
{
	pieces[i] = slab_alloc(&cache);
	assert_non_null(pieces[i]);
	for (unsigned int k = 0; k < SIZE; k++)
		assert_int_equal(pieces[i][k], 0);
	memset(pieces[i], (int)(i % 255 + 1), SIZE);
}

static void give(unsigned int i)
{
	for (unsigned int k = 0; k < SIZE; k++)
		if (pieces[i][k] != i % 255 + 1)
			fail_msg("piece %u: another one was written into it", i);
	slab_free(&cache, pieces[i]);
	pieces[i] = NULL;
}

static void pieces_are_apart_and_zero(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < PIECES; i++)
		take(i);
	for (unsigned int i = 0; i < PIECES; i += 3)
		give(i);
	for (unsigned int i = 0; i < PIECES; i += 3)
		take(i);
	for (unsigned int i = PIECES; i; i--)
		give(i - 1);
	slab_free(&cache, NULL);
}

static void what_is_free_is_given_back(void **state)
{
	size_t before = mapped(), most;

	(void)state;
	for (unsigned int i = 0; i < PIECES; i++)
		take(i);
	most = mapped();
	assert_true(most > before);
	for (unsigned int i = 0; i < PIECES; i++) /* one in a thousand stays for a while */
		if (i % 1000)
			give(i);
	for (unsigned int i = 0; i < PIECES; i += 1000)
		give(i);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what is free */
	assert_true(mapped() < before + (most - before) / 10);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_apart_and_zero),
		cmocka_unit_test(what_is_free_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
