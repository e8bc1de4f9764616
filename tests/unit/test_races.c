/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads on the same files: four writers, each of whom owns a quarter of every
 * chunk, so that they always change chunks together; beside them flushes,
 * fsyncs, evictions, readers, and, where a test says so, truncations and
 * punches.  A writer always reads what it wrote last; nobody ever gets an error
 * or bytes that nobody wrote; a remount changes nothing.  The last test does so
 * on a copy made of the volume in use, as a crash leaves it, while it is settled.
 *
 * CMKFS_OPS sets the steps of each writer, CMKFS_SEED what they draw.  Meant for ThreadSanitizer too.
 */
#include "volume_fixture.h"

#include <linux/falloc.h>
#include <stdlib.h>

#define WRITERS 4u
#define WORKERS (WRITERS + 5)
#define FILES_MAX 6u
#define CELL (CHUNK / WRITERS)
#define SAFE 97u /* chunks from here on are cut and punched */
#define LIMIT ((uint64_t)230 * CHUNK)

static const uint32_t chunks[] = { 0, 1, 2, 3, 5, 93, 94, 95, 96, 97, 98, 99, 220, 221, 222, 223, 225 };

struct race {
	struct fixture f;
	struct object *o[FILES_MAX];
	unsigned int files, ops;
	bool cuts;
	_Atomic bool stop;
	_Atomic unsigned int failures;
	char why[200]; /* of the first failure */
};

struct worker {
	struct race *r;
	unsigned int id;
	uint64_t rng;
	uint32_t seq[FILES_MAX][ARRAY_SIZE(chunks)]; /* the last one written; 0: none */
	bool known[FILES_MAX][ARRAY_SIZE(chunks)];   /* that it is what the cell holds */
	uint8_t *buf;
};

static uint64_t rnd(struct worker *w)
{
	return fixture_rnd(&w->rng);
}

__attribute__((format(printf, 2, 3))) static void fail_with(struct race *r, const char *fmt, ...)
{
	va_list ap;

	if (atomic_fetch_add(&r->failures, 1))
		return;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	r->stop = true;
}

static bool enter(struct race *r)
{
	return !zone_enter(store_root_zone(r->f.st), ZONE_NORMAL);
}

static void leave(struct race *r)
{
	zone_leave(store_root_zone(r->f.st), ZONE_NORMAL);
}

/* ---- cells ---------------------------------------------------------------------------- */

static uint64_t word_of(unsigned int id, uint32_t chunk, uint32_t seq)
{
	return (uint64_t)(id + 1) << 56 | (uint64_t)chunk << 32 | seq;
}

static void cell_fill(uint8_t *p, uint64_t word)
{
	for (unsigned int i = 0; i < CELL; i += 8)
		put_le64(p + i, word);
}

/*
 * All of one write of its owner, or zeros; with CUTS in parts.  Not so in XTS,
 * which knows no whole chunks: there only what stands still is whole.
 */
static bool cell_whole(const uint8_t *p, uint64_t at, uint64_t n, bool cuts)
{
	uint64_t word = 0;

	for (unsigned int i = 0; i + 8 <= n; i += 8) {
		uint64_t v = get_le64(p + i);

		if (i && v != word && !(cuts && (!v || !word)))
			return false;
		word = v ? v : word;
	}
	return !word || (word >> 56 == at / CELL % WRITERS + 1 && (word >> 32 & 0xffffff) == at / CHUNK);
}

static void cell_write(struct worker *w, unsigned int file, unsigned int k)
{
	uint64_t off = (uint64_t)chunks[k] * CHUNK + w->id * CELL;
	int e;

	cell_fill(w->buf, word_of(w->id, chunks[k], ++w->seq[file][k]));
	e = object_write(w->r->o[file], w->buf, CELL, off);
	w->known[file][k] = true;
	if (e)
		fail_with(w->r, "write of chunk %u: %s", chunks[k], strerror(-e));
}

static void cell_check(struct worker *w, unsigned int file, unsigned int k)
{
	uint64_t off = (uint64_t)chunks[k] * CHUNK + w->id * CELL, want, got;
	uint8_t *p;
	ssize_t n = object_read(w->r->o[file], w->buf, 3 * CHUNK, CELL, off, &p);

	if (!w->known[file][k] || (w->r->cuts && chunks[k] >= SAFE)) {
		if (n < 0)
			fail_with(w->r, "read of chunk %u: %s", chunks[k], strerror((int)-n));
		return;
	}
	want = word_of(w->id, chunks[k], w->seq[file][k]);
	if (n != CELL) {
		fail_with(w->r, "read of chunk %u: %zd", chunks[k], n);
		return;
	}
	for (unsigned int i = 0; i < CELL; i += 8) {
		got = get_le64(p + i);
		if (got != want) {
			fail_with(w->r, "file %u chunk %u cell %u byte %u: %016jx, not %016jx", file, chunks[k],
				  w->id, i, (uintmax_t)got, (uintmax_t)want);
			return;
		}
	}
}

/* ---- threads ---------------------------------------------------------------------------- */

static void *writer(void *arg)
{
	struct worker *w = arg;

	for (unsigned int i = 0; i < w->r->ops && !w->r->stop && enter(w->r); i++) {
		unsigned int file = (unsigned int)(rnd(w) % w->r->files);
		unsigned int k = (unsigned int)(rnd(w) % ARRAY_SIZE(chunks));

		if (rnd(w) % 3)
			cell_write(w, file, k);
		else
			cell_check(w, file, k);
		leave(w->r);
	}
	return NULL;
}

static void read_some(struct worker *w, struct object *o)
{
	uint64_t off = rnd(w) % (LIMIT / CHUNK) * CHUNK;
	bool gcm = store_volume(w->r->f.st)->suite == SUITE_GCM;
	uint8_t *p;
	ssize_t n = object_read(o, w->buf, 35 * CHUNK, 32 * CHUNK, off, &p);

	if (n < 0)
		fail_with(w->r, "read at %ju: %s", (uintmax_t)off, strerror((int)-n));
	for (ssize_t i = 0; i < n && gcm; i += CELL)
		if (!cell_whole(p + i, off + (uint64_t)i, MIN((uint64_t)CELL, (uint64_t)(n - i)),
				w->r->cuts))
			fail_with(w->r, "byte %ju: a cell of different writes", (uintmax_t)(off + (uint64_t)i));
}

static void *reader(void *arg)
{
	struct worker *w = arg;
	struct stat st;

	while (!w->r->stop && enter(w->r)) {
		struct object *o = w->r->o[rnd(w) % w->r->files];

		if (rnd(w) % 4)
			read_some(w, o);
		else if (object_getattr(o, &st))
			fail_with(w->r, "getattr");
		leave(w->r);
	}
	return NULL;
}

static void *flusher(void *arg)
{
	struct worker *w = arg;

	while (!w->r->stop && enter(w->r)) {
		struct object *o = w->r->o[rnd(w) % w->r->files];
		int e = rnd(w) % 3 ? object_flush(o) : object_fsync(o, rnd(w) % 2);

		if (e)
			fail_with(w->r, "flush: %s", strerror(-e));
		leave(w->r);
	}
	return NULL;
}

/* Everything that is idle goes, groups and objects. */
static void *trimmer(void *arg)
{
	struct worker *w = arg;

	while (!w->r->stop && enter(w->r)) {
		store_trim(w->r->f.st);
		leave(w->r);
	}
	return NULL;
}

static void *cutter(void *arg)
{
	struct worker *w = arg;

	while (!w->r->stop && enter(w->r)) {
		struct object *o = w->r->o[rnd(w) % w->r->files];
		uint64_t at = (SAFE + rnd(w) % 130) * CHUNK + rnd(w) % 2 * 704; /* whole words */
		int e;

		if (rnd(w) % 2)
			e = object_truncate(o, at);
		else
			e = object_fallocate(o, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
					     (1 + rnd(w) % 60) * CHUNK);
		if (e)
			fail_with(w->r, "cut: %s", strerror(-e));
		leave(w->r);
	}
	return NULL;
}

/* What an unclean session left. */
static void *settler(void *arg)
{
	struct worker *w = arg;
	struct store *st = w->r->f.st;
	static const _Atomic bool never;

	while (!w->r->stop) {
		int e = store_settle(st, &never);

		if (e && e != -EAGAIN)
			fail_with(w->r, "settle: %s", strerror(-e));
	}
	return NULL;
}

/* ---- a race ------------------------------------------------------------------------------- */

static void open_files(struct race *r, bool create)
{
	struct cred cred = { .uid = geteuid(), .gid = getegid() };
	struct stat st;

	assert_true(enter(r));
	for (unsigned int i = 0; i < r->files; i++) {
		const char name[] = { 'f', (char)('0' + i), '\0' };

		if (create)
			assert_int_equal(object_mknod(store_root(r->f.st), name, S_IFREG | 0644, 0, &cred,
						      &r->o[i], &st), 0);
		else
			assert_int_equal(object_lookup(store_root(r->f.st), name, &r->o[i], &st), 0);
	}
	leave(r);
}

static void close_files(struct race *r)
{
	for (unsigned int i = 0; i < r->files; i++)
		object_put(r->o[i]);
}

/* What every file reads as now. */
static uint8_t *read_all(struct race *r, ssize_t *ret_n)
{
	uint8_t *all = malloc(r->files * (LIMIT + 3 * CHUNK)), *p;

	assert_true(enter(r));
	for (unsigned int i = 0; i < r->files; i++) {
		uint8_t *at = all + i * (LIMIT + 3 * CHUNK);

		ret_n[i] = object_read(r->o[i], at, LIMIT + 3 * CHUNK, LIMIT, 0, &p);
		if (ret_n[i] < 0)
			fail_msg("file %u: %s", i, strerror((int)-ret_n[i]));
	}
	leave(r);
	return all;
}

static void check_all(struct race *r, struct worker *w)
{
	assert_true(enter(r));
	for (unsigned int id = 0; id < WRITERS; id++)
		for (unsigned int i = 0; i < r->files; i++)
			for (unsigned int k = 0; k < ARRAY_SIZE(chunks); k++)
				cell_check(&w[id], i, k);
	leave(r);
	if (r->failures)
		fail_msg("%u failures, the first: %s", r->failures, r->why);
}

static void make_workers(struct race *r, struct worker *w)
{
	for (unsigned int i = 0; i < WORKERS; i++)
		w[i] = (struct worker){ .r = r, .id = i, .rng = (uint64_t)random() << 20 | (i + 1),
					.buf = malloc(40 * CHUNK) };
}

static void run_threads(struct race *r, struct worker *w)
{
	void *(*const beside[])(void *) = { flusher, trimmer, reader, settler, cutter };
	unsigned int n = r->cuts ? 5 : 4;
	pthread_t t[WORKERS];

	r->stop = false;
	for (unsigned int i = 0; i < WRITERS + n; i++) {
		assert_int_equal(pthread_create(&t[i], NULL, i < WRITERS ? writer : beside[i - WRITERS],
						&w[i]), 0);
	}
	for (unsigned int i = 0; i < WRITERS; i++)
		pthread_join(t[i], NULL);
	r->stop = true;
	for (unsigned int i = 0; i < n; i++)
		pthread_join(t[WRITERS + i], NULL);
}

static void run_race(enum suite suite, unsigned int files, bool cuts)
{
	const char *ops = getenv("CMKFS_OPS");
	struct race *r = calloc(1, sizeof(*r));
	struct worker *w = calloc(WORKERS, sizeof(*w));
	ssize_t before[FILES_MAX], after[FILES_MAX];
	uint8_t *a, *b;

	r->files = files;
	r->cuts = cuts;
	r->ops = ops ? (unsigned int)atoi(ops) : 1500;
	fixture_make(&r->f, suite);
	r->f.st->batch_enough = CHUNK;
	r->f.st->resident_max = 0;
	r->f.st->groups_max = 0;
	open_files(r, true);
	make_workers(r, w);
	run_threads(r, w);
	check_all(r, w);
	a = read_all(r, before);
	close_files(r);
	fixture_close(&r->f);

	fixture_open(&r->f, false);
	open_files(r, false);
	check_all(r, w);
	b = read_all(r, after);
	for (unsigned int i = 0; i < files; i++) {
		assert_int_equal(after[i], before[i]);
		assert_memory_equal(a + i * (LIMIT + 3 * CHUNK), b + i * (LIMIT + 3 * CHUNK), after[i]);
	}
	assert_int_equal(r->f.events[EVENT_INTEGRITY], 0);
	assert_int_equal(r->f.events[EVENT_HINT], 0);
	close_files(r);
	fixture_destroy(&r->f);
	for (unsigned int i = 0; i < WORKERS; i++)
		free(w[i].buf);
	free(a);
	free(b);
	free(w);
	free(r);
}

/* Which cells hold what was written last. */
static void learn(struct worker *w)
{
	struct race *r = w->r;
	uint8_t *p;

	for (unsigned int i = 0; i < r->files; i++)
		for (unsigned int k = 0; k < ARRAY_SIZE(chunks); k++) {
			ssize_t n = object_read(r->o[i], w->buf, 3 * CHUNK, CELL,
						(uint64_t)chunks[k] * CHUNK + w->id * CELL, &p);
			uint32_t seq = n == CELL ? (uint32_t)get_le64(p) : 0;

			assert_true(n >= 0);
			assert_true(seq <= w->seq[i][k]);
			w->known[i][k] = seq && seq == w->seq[i][k];
		}
}

static void crash(struct race *r)
{
	struct fixture left = fixture_copy(&r->f);

	close_files(r);
	fixture_destroy(&left);
	fixture_open(&r->f, false);
	r->f.st->resident_max = 0;
	r->f.st->groups_max = 0;
	r->f.st->batch_enough = 3 * CHUNK;
	open_files(r, false);
}

static void settling_beside_writers_loses_nothing(void **state)
{
	struct race *r = calloc(1, sizeof(*r));
	struct worker *w = calloc(WORKERS, sizeof(*w));
	const char *ops = getenv("CMKFS_OPS");

	(void)state;
	r->files = FILES_MAX;
	fixture_make(&r->f, SUITE_GCM);
	open_files(r, true);
	make_workers(r, w);
	for (unsigned int round = 0; round < 8; round++) {
		r->ops = (ops ? (unsigned int)atoi(ops) : 1500) / 8;
		run_threads(r, w);
		check_all(r, w);
		crash(r);
		assert_true(enter(r));
		for (unsigned int id = 0; id < WRITERS; id++) {
			memset(w[id].known, 0, sizeof(w[id].known));
			if (round % 2) /* else the threads are the first to look */
				learn(&w[id]);
		}
		leave(r);
	}
	assert_int_equal(r->f.events[EVENT_INTEGRITY], 0);
	close_files(r);
	fixture_destroy(&r->f);
	for (unsigned int i = 0; i < WORKERS; i++)
		free(w[i].buf);
	free(w);
	free(r);
}

static void writers_of_one_gcm_file_lose_nothing(void **state)
{
	(void)state;
	run_race(SUITE_GCM, 1, false);
}

static void writers_of_many_gcm_files_lose_nothing(void **state)
{
	(void)state;
	run_race(SUITE_GCM, FILES_MAX, false);
}

static void cutting_a_gcm_file_spares_the_rest(void **state)
{
	(void)state;
	run_race(SUITE_GCM, 1, true);
}

static void writers_of_one_xts_file_lose_nothing(void **state)
{
	(void)state;
	run_race(SUITE_XTS, 1, false);
}

static void cutting_an_xts_file_spares_the_rest(void **state)
{
	(void)state;
	run_race(SUITE_XTS, 2, true);
}

int main(void)
{
	const char *s = getenv("CMKFS_SEED");
	unsigned int seed;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writers_of_one_gcm_file_lose_nothing),
		cmocka_unit_test(writers_of_many_gcm_files_lose_nothing),
		cmocka_unit_test(cutting_a_gcm_file_spares_the_rest),
		cmocka_unit_test(writers_of_one_xts_file_lose_nothing),
		cmocka_unit_test(cutting_an_xts_file_spares_the_rest),
		cmocka_unit_test(settling_beside_writers_loses_nothing),
	};

	seed = s ? (unsigned int)strtoul(s, NULL, 0) : (unsigned int)now_ms();
	print_message("seed %u\n", seed);
	srandom(seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
