/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts under the real write path: random short histories (crash_history.h),
 * and the same where calls fail before that, and locks come before what failed is made good.
 *
 * CMKFS_SEED replays a run, CMKFS_OPS sets the number of histories.
 */
#include "crash_history.h"

#include <time.h>

#define MANY (20 * CHUNK)	/* enough for a new group's slots to be written with them */

static uint64_t rnd_chunk(struct run *r)
{
	static const uint64_t some[] = { 0, 1, 2, 94, 95, 96, 97, 98 };

	return some[rnd(r) % ARRAY_SIZE(some)];
}

/* One operation; the new version is V.  True: it ended with an fsync. */
static bool step(struct run *r, struct version *v)
{
	int e;

	switch (rnd(r) % 10) {
	case 0:
		do_truncate(r, v, rnd_chunk(r) * CHUNK + rnd(r) % 3 * 1000);
		break;
	case 1:
		do_punch(r, v, rnd_chunk(r) * CHUNK, CHUNK * (1 + rnd(r) % 2));
		break;
	case 2:
		do_write(r, v, v->size, 1 + rnd(r) % 6000); /* append */
		break;
	case 3:
		evict(r);
		break;
	case 4:
		assert_true(!object_flush(r->o) || r->faulty);
		break;
	case 5:
	case 6:
		e = object_fsync(r->o, true);
		assert_true(!e || r->faulty);
		return !e;
	default:
		do_write(r, v, rnd_chunk(r) * CHUNK + (rnd(r) % 4 ? 0 : 500),
			 rnd(r) % 2 ? CHUNK : rnd(r) % 3 ? 1 + rnd(r) % 9000 : MANY);
	}
	return false;
}

/* What a lock could not write is lost, but no more than by a power cut.  False: the file never reached the disk. */
static bool lock_half_way(struct run *r, struct version *v, unsigned int i)
{
	unsigned int from = i - 1;
	const char *why;

	while (from && !r->synced[from])
		from--;
	lock_and_unlock(r);
	if (!version_read(r, v, !r->synced[from]))
		return false;
	why = judge(r, from, i - 1, v->data, v->size, r->synced[from]);
	if (why)
		explain(r, r->rec.n, why);
	return true;
}

static unsigned int history(uint64_t seed, bool faulty)
{
	struct run *r = begin(seed, seed % 4 ? (seed >> 2) % 2 ? LIMIT : 1 + (seed >> 3) % 20000 : 0);
	bool gone = false;

	if (rnd(r) % 2)
		r->f.st->batch_enough = rnd(r) % 20 * CHUNK;
	r->faulty = faulty;
	for (unsigned int i = 1; i <= STEPS; i++) {
		struct version *v = next_version(r, i);

		if (!gone && faulty && !(rnd(r) % 8))
			gone = !lock_half_way(r, v, i);
		else if (!gone)
			r->synced[i] = step(r, v);
		r->at[i] = r->rec.n;
	}
	return end(r);
}

static void histories(bool faulty)
{
	const char *seed = getenv("CMKFS_SEED"), *ops = getenv("CMKFS_OPS");
	uint64_t first = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) << 16 | 1;
	unsigned int n = ops ? (unsigned int)atoi(ops) : 40, states = 0;

	for (unsigned int i = 0; i < n; i++) {
		print_message("seed %ju\n", (uintmax_t)(first + i * UINT64_C(0x9E3779B97F4A7C15)));
		states += history(first + i * UINT64_C(0x9E3779B97F4A7C15), faulty);
	}
	print_message("%u histories, %u cuts\n", n, states);
}

static void what_was_fsynced_survives_a_power_cut(void **state)
{
	(void)state;
	histories(false);
}

static void what_was_fsynced_survives_faults_and_a_power_cut(void **state)
{
	(void)state;
	histories(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_fsynced_survives_a_power_cut),
		cmocka_unit_test(what_was_fsynced_survives_faults_and_a_power_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
