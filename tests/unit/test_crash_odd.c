/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts that random histories hardly meet: after a barrier or a write that
 * failed and a lock, or after another power cut.
 */
#include "crash_history.h"

#include "fs/store/content.h"

/*
 * The newest slot calls chunks holes, but is not durable, and was read anew: the
 * slot beside it may be what a power cut leaves, and names their places.
 */
static void a_hole_that_is_not_durable_is_not_written_over(void **state)
{
	static const uint64_t chunks[] = { 1, 97 }; /* of the header's group, and of another */

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct run *r = begin(seed, LIMIT);
		unsigned int i = 1;

		r->no_barriers = true; /* so that the holes stay, and the places with them */
		for (; i <= 2; i++) {
			do_punch(r, next_version(r, i), chunks[i - 1] * CHUNK, CHUNK);
			r->at[i] = r->rec.n;
		}
		r->no_barriers = false;
		evict(r);
		for (; i <= STEPS; i++) {
			do_write(r, next_version(r, i), chunks[i % 2] * CHUNK, CHUNK);
			if (i % 3 == 2)
				assert_int_equal(object_flush(r->o), 0);
			r->at[i] = r->rec.n;
		}
		end(r);
	}
}

/* ---- what a lock cannot write ------------------------------------------------------------ */

static void read_chunk(struct object *o, uint64_t c, uint8_t ret[static CHUNK])
{
	uint8_t *buf = malloc(4 * CHUNK), *p;

	assert_int_equal(object_read(o, buf, 4 * CHUNK, CHUNK, c * CHUNK, &p), CHUNK);
	memcpy(ret, p, CHUNK);
	free(buf);
}

static void a_batch_that_a_lock_ends_half_way_leaves_what_was(void **state)
{
	struct run *r = begin(1, LIMIT);
	uint8_t p[CHUNK];

	(void)state;
	r->no_barriers = true; /* so that the new slot names bytes that are not in place */
	do_write(r, next_version(r, 1), 97 * CHUNK, CHUNK);
	assert_int_equal(object_flush(r->o), -EIO);
	assert_int_equal(lock_and_unlock(r), 1);
	read_chunk(r->o, 97, p);
	assert_memory_equal(p, r->v[0].data + 97 * CHUNK, CHUNK);
	/* A change of the same group does not take that away, nor does an unmount. */
	do_write(r, next_version(r, 2), 98 * CHUNK, CHUNK);
	assert_int_equal(object_flush(r->o), 0);
	remount(r);
	read_chunk(r->o, 97, p);
	assert_memory_equal(p, r->v[0].data + 97 * CHUNK, CHUNK);
	read_chunk(r->o, 98, p);
	assert_memory_equal(p, r->v[2].data + 98 * CHUNK, CHUNK);
	forget(r);
}

static void a_hole_that_a_lock_ends_half_way_is_not_discarded(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct run *r = begin(seed, LIMIT);

		r->no_headers = true;
		do_punch(r, next_version(r, 1), 97 * CHUNK, CHUNK);
		assert_int_equal(lock_and_unlock(r), 1);
		r->at[1] = r->rec.n;
		for (unsigned int i = 2; i <= STEPS; i++) {
			do_punch(r, next_version(r, i), 97 * CHUNK, CHUNK);
			r->at[i] = r->rec.n;
		}
		end(r);
	}
}

/* XTS has no entries: that its cut is not durable is known in memory alone. */
static void a_cut_whose_barrier_fails_is_not_forgotten(void **state)
{
	struct run *r = begin_with(SUITE_XTS, 1, LIMIT);

	(void)state;
	r->no_barriers = true;
	do_truncate(r, next_version(r, 1), 50 * CHUNK + 1000);
	assert_int_equal(object_flush(r->o), -EIO);
	fixture_evict(&r->f);
	assert_non_null(r->o->l);
	r->no_barriers = false;
	assert_int_equal(object_flush(r->o), 0);
	forget(r);
}

/* Nor is it by a lock: what is cut off is cut after a barrier. */
static void a_cut_that_a_lock_ends_half_way_waits_for_a_barrier(void **state)
{
	struct run *r = begin_with(SUITE_XTS, 1, LIMIT);
	unsigned int i;

	(void)state;
	r->no_barriers = true;
	do_truncate(r, next_version(r, 1), 50 * CHUNK + 1000);
	assert_int_equal(lock_and_unlock(r), 1);
	i = r->rec.n;
	assert_int_equal(object_truncate(r->o, 50 * CHUNK), 0);
	for (; i < r->rec.n && r->rec.ev[i].op != CRASH_BARRIER; i++)
		assert_true(r->rec.ev[i].op != CRASH_CUT && r->rec.ev[i].off < 2 * SLOT);
	assert_true(i < r->rec.n);
	forget(r);
}

/* ---- two power cuts ------------------------------------------------------------------------ */

/* A session in what a power cut left, recorded as the first one. */
struct second {
	struct fixture f;
	struct object *o;
	struct crash_record rec;
	uint8_t *image; /* what it begins with, CAP bytes */
	uint64_t len, cap;
	struct backing_hooks hooks;
};

static int on_call_again(void *arg, const struct backing_call *c)
{
	struct second *s = arg;

	crash_note(&s->rec, c);
	return 0;
}

static bool of_header(const struct crash_event *e)
{
	return e->op == CRASH_DATA && e->off < 2 * SLOT;
}

/* All that R wrote reached the disk but the last header. */
static void cut_before_header(struct run *r, struct second *s, uint64_t cap)
{
	unsigned int last = r->rec.n;

	memset(s, 0, sizeof(*s));
	s->cap = cap;
	s->image = calloc(1, cap);
	s->len = r->base_len;
	memcpy(s->image, r->base, r->base_len);
	backing_hooks = NULL;
	while (last && !of_header(&r->rec.ev[--last]))
		;
	for (unsigned int i = 0; i < r->rec.n; i++)
		if (i != last)
			crash_apply(s->image, cap, &s->len, &r->rec.ev[i]);
	put_file(r->file, s->image, s->len);
	put_session(r);
	s->f = r->f;
	snprintf(s->f.dir, sizeof(s->f.dir), "%s", r->copy);
	s->o = open_file(&s->f);
	s->rec.ino = object_ino(s->o);
	s->rec.length = s->len;
	s->hooks = (struct backing_hooks){ .before = on_call_again, .arg = s };
	backing_hooks = &s->hooks;
}

static void write_chunk(struct second *s, struct run *r, uint64_t c)
{
	memset(r->buf, 0xbb, CHUNK);
	assert_int_equal(object_write(s->o, r->buf, CHUNK, c * CHUNK), 0);
}

/* Chunk C, a hole in the second session, is none of the first's after another cut. */
static void cut_again(struct run *r, struct second *s, uint64_t c)
{
	uint8_t *image = malloc(s->cap), p[CHUNK];
	char path[500], cmd[300];

	backing_hooks = NULL;
	for (unsigned int i = 0; i < CUTS; i++) {
		struct fixture f = s->f;
		struct object *o;
		uint64_t len = s->len;

		snprintf(f.dir, sizeof(f.dir), "%.60s2", s->f.dir);
		snprintf(cmd, sizeof(cmd), "cp -a %s %s", s->f.dir, f.dir);
		assert_int_equal(system(cmd), 0);
		memcpy(image, s->image, s->cap);
		cut_image(&s->rec, s->rec.n, &r->rng, of_header, image, s->cap, &len);
		snprintf(path, sizeof(path), "%s%s", f.dir, r->file + strlen(r->copy));
		put_file(path, image, len);
		o = open_file(&f);
		read_chunk(o, c, p);
		assert_true(all_zero(p, CHUNK));
		close_file(&f, o);
		fixture_destroy(&f);
	}
	free(image);
	close_file(&s->f, s->o);
	crash_forget(&s->rec);
	free(s->image);
	forget(r);
}

/* The end is corrected as the file is looked at, which no slot tells after an eviction. */
static void what_a_cut_left_beyond_the_end_does_not_come_back(void **state)
{
	struct run *r = begin(1, 1000);
	struct second s;

	(void)state;
	do_write(r, next_version(r, 1), 96 * CHUNK, CHUNK);
	assert_int_equal(object_flush(r->o), 0);
	cut_before_header(r, &s, GROUP1_BASE + GROUP_STRIDE);
	assert_int_equal(object_check(s.o), 0);
	fixture_evict(&s.f);
	write_chunk(&s, r, 97);
	assert_int_equal(object_flush(s.o), 0);
	cut_again(r, &s, 96);
}

/* The groups of a run are made present where it would be one too many. */
static void what_a_cut_left_in_a_run_of_holes_does_not_come_back(void **state)
{
	struct run *r = begin(1, 1000);
	struct second s;

	(void)state;
	do_write(r, next_version(r, 1), 0, 1000); /* an unclean header's end is not corrected */
	assert_int_equal(object_flush(r->o), 0);
	do_write(r, next_version(r, 2), 96 * CHUNK, CHUNK);
	assert_int_equal(object_flush(r->o), 0);
	cut_before_header(r, &s, GROUP1_BASE + 2 * MAX_RUNS * GROUP_STRIDE + 3 * GROUP_STRIDE);
	for (uint32_t g = 2; g <= 2 * (MAX_RUNS + 1); g += 2)
		write_chunk(&s, r, group_first(g));
	assert_int_equal(object_flush(s.o), 0);
	cut_again(r, &s, 96);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hole_that_is_not_durable_is_not_written_over),
		cmocka_unit_test(a_batch_that_a_lock_ends_half_way_leaves_what_was),
		cmocka_unit_test(a_hole_that_a_lock_ends_half_way_is_not_discarded),
		cmocka_unit_test(a_cut_whose_barrier_fails_is_not_forgotten),
		cmocka_unit_test(a_cut_that_a_lock_ends_half_way_waits_for_a_barrier),
		cmocka_unit_test(what_a_cut_left_beyond_the_end_does_not_come_back),
		cmocka_unit_test(what_a_cut_left_in_a_run_of_holes_does_not_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
