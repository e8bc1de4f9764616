/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults of the backing store: one history of a file is run again and again,
 * and each time another of its backing calls fails, once or from there to the
 * end, with EIO or ENOSPC; a write that fails has put half of its bytes.  What
 * an operation that failed was to change may be old or new, all else is as it
 * was; once the fault is over everything goes on, and a remount reads the same.
 * A second history does the same to names.
 *
 * CMKFS_OPS sets how many calls are skipped from one run to the next, 1 being
 * all of them.
 */
#include "volume_fixture.h"

#include <linux/falloc.h>

#include "fs/store/internal.h"
#include "fs/store/rekey.h"

#define LIMIT ((uint64_t)225 * CHUNK) /* into the second group after the header */

struct run {
	struct fixture f;
	struct object *o;
	struct backing_hooks hooks;
	uint8_t *data, *was, *buf; /* the model, the same before the operation, scratch */
	uint64_t size;
	unsigned int calls, at; /* made so far; the one that fails */
	int error;
	bool stays, over; /* fails from there on; the fault is gone */
	uint8_t fill;
	unsigned int step;
};

/* ---- the fault ------------------------------------------------------------------------ */

static int on_call(void *arg, const struct backing_call *c)
{
	struct run *r = arg;

	if (r->over || (r->stays && c->op == BACKING_READ))
		return 0;
	r->calls++;
	if (r->calls < r->at || (r->calls > r->at && !r->stays))
		return 0;
	if (c->op == BACKING_WRITE && c->len > 1) {
		size_t n = MIN((size_t)c->len / 2, c->iov[0].iov_len);

		if (store_volume(r->f.st)->suite == SUITE_XTS)
			n -= n % CHUNK; /* which cannot tell half a chunk */
		assert_int_equal(pwrite(c->fd, c->iov[0].iov_base, n, (off_t)c->off), n);
	}
	return -r->error;
}

static void enter(struct run *r)
{
	assert_int_equal(zone_enter(store_root_zone(r->f.st), ZONE_NORMAL), 0);
}

static void leave(struct run *r)
{
	zone_leave(store_root_zone(r->f.st), ZONE_NORMAL);
}

__attribute__((format(printf, 2, 3), noreturn)) static void give_up(const struct run *r, const char *fmt, ...)
{
	char why[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	backing_hooks = NULL;
	fail_msg("call %u %s %s, step %u: %s", r->at, r->stays ? "and all after it fail with" : "fails with",
		 strerror(r->error), r->step, why);
	abort();
}

/* ---- the model --------------------------------------------------------------------------- */

/* Everything reads: bytes [FROM, TO) and the size as now or before, all else as now. */
static void check(struct run *r, uint64_t from, uint64_t to, uint64_t old_size)
{
	bool over = r->over;
	uint8_t *p;
	ssize_t n;

	r->over = true; /* a look at what there is, not a step of the history */
	n = object_read(r->o, r->buf, LIMIT + 3 * CHUNK, LIMIT, 0, &p);
	r->over = over;
	if (n < 0)
		give_up(r, "read: %s", strerror((int)-n));
	if ((uint64_t)n != r->size && (uint64_t)n != old_size)
		give_up(r, "size %zd, not %ju or %ju", n, (uintmax_t)r->size, (uintmax_t)old_size);
	r->size = (uint64_t)n;
	for (uint64_t i = 0; i < r->size; i++)
		if (p[i] != r->data[i] && (i < from || i >= to || p[i] != r->was[i]))
			give_up(r, "byte %ju is %02x, not %02x", (uintmax_t)i, p[i], r->data[i]);
	memcpy(r->data, p, r->size);
	memset(r->data + r->size, 0, LIMIT - r->size);
	memcpy(r->was, r->data, LIMIT);
}

static void after(struct run *r, int e, uint64_t from, uint64_t to, uint64_t old_size)
{
	r->step++;
	if (e && e != -r->error)
		give_up(r, "another error: %s", strerror(-e));
	if (e)
		check(r, from, to, old_size);
	else
		memcpy(r->was, r->data, LIMIT);
}

static void put(struct run *r, uint64_t off, uint64_t n)
{
	uint64_t old = r->size;
	uint8_t *p = malloc(n);

	r->fill = r->fill == 250 ? 1 : r->fill + 1;
	memset(p, r->fill, n);
	memset(r->data + off, r->fill, n);
	r->size = MAX(r->size, off + n);
	after(r, object_write(r->o, p, n, off), off, off + n, old);
	free(p);
}

static void cut(struct run *r, uint64_t size)
{
	uint64_t old = r->size;

	if (size < old)
		memset(r->data + size, 0, old - size);
	r->size = size;
	after(r, object_truncate(r->o, size), MIN(size, old), MAX(size, old), old);
}

static void punch(struct run *r, uint64_t off, uint64_t n)
{
	memset(r->data + off, 0, n);
	after(r, object_fallocate(r->o, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, n), off, off + n,
	      r->size);
}

static void flush(struct run *r)
{
	after(r, object_flush(r->o), 0, 0, r->size);
}

static void sync_it(struct run *r)
{
	after(r, object_fsync(r->o, true), 0, 0, r->size);
}

static int go_on(void *arg, uint64_t bytes)
{
	(void)arg;
	(void)bytes;
	return 0;
}

static void rekey(struct run *r)
{
	after(r, object_rekey(r->o, go_on, NULL), 0, 0, r->size);
}

static void evict(struct run *r)
{
	store_trim(r->f.st);
	store_trim(r->f.st);
}

/* ---- the history of a file ------------------------------------------------------------------ */

static void history(struct run *r)
{
	put(r, 0, 20000);
	sync_it(r);
	put(r, CHUNK, 2 * CHUNK); /* over durable chunks … */
	put(r, 2 * CHUNK, 6 * CHUNK); /* … and beyond them in one write */
	flush(r);
	put(r, 100, 50);
	sync_it(r);
	evict(r);
	put(r, 90 * CHUNK, 20 * CHUNK); /* across the border of group 0 */
	put(r, 91 * CHUNK + 5, 10 * CHUNK);
	sync_it(r);
	put(r, 100 * CHUNK, 3 * CHUNK);
	put(r, 101 * CHUNK, CHUNK);
	flush(r);
	put(r, 101 * CHUNK + 9, 3);
	cut(r, 99 * CHUNK + 77);
	put(r, 220 * CHUNK, 4 * CHUNK); /* a third group */
	rekey(r);
	put(r, 221 * CHUNK, 7);
	sync_it(r);
	punch(r, 2 * CHUNK + 100, 96 * CHUNK);
	put(r, 50 * CHUNK, 3 * CHUNK);
	cut(r, 221 * CHUNK);
	cut(r, 2000); /* groups go */
	evict(r);
	put(r, 120 * CHUNK + 9, 5000); /* and come back */
	rekey(r);
	put(r, 3000, 100);
	evict(r);
	sync_it(r);
	cut(r, 130 * CHUNK);
	put(r, 129 * CHUNK, CHUNK / 2);
	flush(r);
}

static void fault_over(struct run *r)
{
	r->over = true;
	check(r, 0, 0, r->size);
	put(r, 10, 5000); /* work goes on */
	put(r, 119 * CHUNK, 3 * CHUNK);
	object_fsync(r->o, false); /* may still tell of the fault, once */
	r->step++;
	if (object_fsync(r->o, false))
		give_up(r, "fsync after the fault");
	if (r->f.st->pending)
		give_up(r, "%ju bytes pend for ever", (uintmax_t)r->f.st->pending);
	check(r, 0, 0, r->size);
}

static void look_up(struct run *r)
{
	struct stat st;

	enter(r);
	assert_int_equal(object_lookup(store_root(r->f.st), "file", &r->o, &st), 0);
}

/* False: the history has fewer calls than AT. */
static bool run_once(struct run *r)
{
	struct cred cred = { .uid = geteuid(), .gid = getegid() };
	struct stat st;

	r->hooks = (struct backing_hooks){ .before = on_call, .arg = r };
	r->f.st->resident_max = 0;
	enter(r);
	assert_int_equal(object_mknod(store_root(r->f.st), "file", S_IFREG | 0644, 0, &cred, &r->o, &st), 0);
	backing_hooks = &r->hooks;
	history(r);
	fault_over(r);
	backing_hooks = NULL;
	if (r->f.events[EVENT_INTEGRITY] || r->f.events[EVENT_LOST])
		give_up(r, "integrity or loss reported");
	leave(r);
	object_put(r->o);
	fixture_close(&r->f);
	memset(r->f.events, 0, sizeof(r->f.events));
	fixture_open(&r->f, false);
	look_up(r);
	r->step++;
	check(r, 0, 0, r->size);
	if (r->f.events[EVENT_INTEGRITY] || r->f.events[EVENT_HINT])
		give_up(r, "integrity, or a wrong length, after a remount");
	assert_int_equal(object_unlink(store_root(r->f.st), "file"), 0);
	leave(r);
	object_put(r->o);
	return r->calls >= r->at;
}

static unsigned int stride(unsigned int usual)
{
	const char *ops = getenv("CMKFS_OPS");

	return ops && atoi(ops) > 0 ? (unsigned int)atoi(ops) : usual;
}

/* Each call of a new volume's file fails in turn. */
static void sweep(enum suite suite, int error, bool stays, unsigned int skip)
{
	struct fixture f;
	uint8_t *mem = malloc(3 * LIMIT + 3 * CHUNK);
	bool more = true;
	unsigned int at = 1;

	fixture_make(&f, suite);
	for (; more; at += skip) {
		struct run r = { .f = f, .error = error, .stays = stays, .at = at };

		memset(mem, 0, 2 * LIMIT);
		r.data = mem;
		r.was = mem + LIMIT;
		r.buf = mem + 2 * LIMIT;
		memset(r.f.events, 0, sizeof(r.f.events));
		r.f.st->opt.event_arg = &r.f;
		more = run_once(&r);
		f.st = r.f.st;
		f.st->opt.event_arg = &f;
	}
	print_message("%u runs\n", at / skip);
	free(mem);
	fixture_destroy(&f);
}

static void a_call_of_a_gcm_file_fails_once(void **state)
{
	(void)state;
	sweep(SUITE_GCM, EIO, false, stride(1));
}

static void calls_of_a_gcm_file_fail_until_there_is_room(void **state)
{
	(void)state;
	sweep(SUITE_GCM, ENOSPC, true, stride(1));
}

static void a_call_of_an_xts_file_fails_once(void **state)
{
	(void)state;
	sweep(SUITE_XTS, ENOSPC, false, stride(1));
}

static int no_room(void *arg, const struct backing_call *c)
{
	(void)arg;
	return c->op == BACKING_WRITE && c->len == SLOT ? -ENOSPC : 0;
}

/* An error of a write tells that there is none: a quota shows nowhere else. */
static void a_full_store_makes_no_file_without_a_header(void **state)
{
	struct run *r = calloc(1, sizeof(*r));
	struct backing_hooks hooks = { .before = no_room };
	struct cred cred = { .uid = geteuid(), .gid = getegid() };
	struct object *first, *o;
	struct stat st;

	(void)state;
	fixture_make(&r->f, SUITE_GCM);
	enter(r);
	backing_hooks = &hooks;
	assert_int_equal(object_mknod(store_root(r->f.st), "first", S_IFREG | 0644, 0, &cred, &first,
				      &st), 0);
	assert_int_equal(object_fsync(first, false), -ENOSPC);
	assert_int_equal(object_mknod(store_root(r->f.st), "second", S_IFREG | 0644, 0, &cred, &o, &st),
			 -ENOSPC);
	assert_int_equal(object_lookup(store_root(r->f.st), "second", &o, &st), -ENOENT);
	backing_hooks = NULL;
	/* Room again: both can be had. */
	assert_int_equal(object_fsync(first, false), 0);
	assert_int_equal(object_mknod(store_root(r->f.st), "second", S_IFREG | 0644, 0, &cred, &o, &st), 0);
	object_put(first);
	object_put(o);
	zone_leave(store_root_zone(r->f.st), ZONE_NORMAL);
	fixture_close(&r->f);
	fixture_open(&r->f, false);
	enter(r);
	assert_int_equal(object_lookup(store_root(r->f.st), "second", &o, &st), 0);
	assert_int_equal(object_check(o), 0);
	object_put(o);
	zone_leave(store_root_zone(r->f.st), ZONE_NORMAL);
	fixture_destroy(&r->f);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_of_a_gcm_file_fails_once),
		cmocka_unit_test(calls_of_a_gcm_file_fail_until_there_is_room),
		cmocka_unit_test(a_call_of_an_xts_file_fails_once),
		cmocka_unit_test(a_full_store_makes_no_file_without_a_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
