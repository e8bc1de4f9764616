/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts while an XTS file gets a new data key: the file and its record in
 * the journal are recorded block by block, and states that a cut allows of both
 * (everything before the last barrier of each, any subset after it) are built
 * and opened, for reading only and for good.  Between the windows the file is
 * written and cut.  Each chunk reads as one of the versions that it may be of,
 * never as noise; and the re-keying goes on to its end.
 *
 * CMKFS_SEED replays a run.
 */
#include "crash_record.h"

#include <time.h>
#include <unistd.h>

#include "fs/store/rekey.h"

#define CHUNKS 600u /* three windows of it */
#define LIMIT (CHUNKS * CHUNK)
#define VERSIONS 16u
#define CUTS 40u

struct version {
	uint64_t size;
	uint8_t fill[CHUNKS]; /* each chunk is of one byte */
	unsigned int at;      /* events before it was done */
	bool synced;
};

struct run {
	struct fixture f;
	struct object *o;
	uint64_t rng;
	struct crash_record *rec; /* the file, and its record */
	unsigned int n, mark[4096][2]; /* events of each after so many calls */
	struct version v[VERSIONS];
	unsigned int nv;
	uint8_t *base;
	uint64_t base_len;
	char copy[80], file[300], journal[300];
};

static uint64_t rnd(struct run *r)
{
	return fixture_rnd(&r->rng);
}

/* ---- recording ------------------------------------------------------------------------ */

static bool is_journal(struct run *r, int fd)
{
	char link[64], path[400] = "";
	struct stat st;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0 || !strstr(path, "/cmkfs.journal/") ||
	    fstat(fd, &st))
		return false;
	r->rec[1].ino = st.st_ino;
	snprintf(r->journal, sizeof(r->journal), "%s", strstr(path, "/cmkfs.journal/"));
	return true;
}

static int on_call(void *arg, const struct backing_call *c)
{
	struct run *r = arg;
	bool ours = c->op != BACKING_READ && c->op != BACKING_NAME &&
		    (crash_note(&r->rec[0], c) || (is_journal(r, c->fd) && crash_note(&r->rec[1], c)));

	if (!ours)
		return 0;
	assert_true(r->n < ARRAY_SIZE(r->mark));
	for (int i = 0; i < 2; i++)
		r->mark[r->n][i] = r->rec[i].n;
	r->n++;
	return 0;
}

/* ---- the history ------------------------------------------------------------------------- */

static struct version *next_version(struct run *r)
{
	struct version *v = &r->v[r->nv];

	assert_true(r->nv < VERSIONS);
	*v = r->v[r->nv - 1];
	v->synced = false;
	v->at = UINT32_MAX;
	r->nv++;
	return v;
}

static void change(struct run *r)
{
	struct version *v = next_version(r);
	uint64_t c = rnd(r) % CHUNKS, n = 1 + rnd(r) % 40;
	uint8_t *p;

	n = MIN(n, CHUNKS - c);
	p = malloc(n * CHUNK);
	if (rnd(r) % 4 == 0) {
		v->size = (200 + rnd(r) % 400) * CHUNK;
		assert_int_equal(object_truncate(r->o, v->size), 0);
		for (uint64_t i = v->size / CHUNK; i < CHUNKS; i++)
			v->fill[i] = 0;
	} else {
		memset(p, (int)(r->nv + 100), n * CHUNK);
		memset(v->fill + c, (int)(r->nv + 100), n);
		v->size = MAX(v->size, (c + n) * CHUNK);
		assert_int_equal(object_write(r->o, p, n * CHUNK, c * CHUNK), 0);
	}
	free(p);
	if (rnd(r) % 2) {
		assert_int_equal(object_fsync(r->o, false), 0);
		v->synced = true;
	}
	v->at = r->n;
}

static int pace(void *arg, uint64_t bytes)
{
	for (unsigned int n = bytes ? (unsigned int)rnd(arg) % 3 : 0; n; n--)
		change(arg);
	return 0;
}

static int go_on(void *arg, uint64_t bytes)
{
	(void)arg;
	(void)bytes;
	return 0;
}

static void enter(struct fixture *f)
{
	assert_int_equal(zone_enter(store_root_zone(f->st), ZONE_NORMAL), 0);
}

static void leave(struct fixture *f)
{
	zone_leave(store_root_zone(f->st), ZONE_NORMAL);
}

static void prepare(struct run *r)
{
	const struct cred cred = { geteuid(), getegid(), 022 };
	uint8_t *p = malloc(LIMIT);
	struct stat st;
	char name[256];
	int fd;

	fixture_make(&r->f, SUITE_XTS);
	enter(&r->f);
	assert_int_equal(object_mknod(store_root(r->f.st), "file", S_IFREG | 0644, 0, &cred, &r->o,
				      &st), 0);
	r->nv = 1;
	r->v[0] = (struct version){ .size = (CHUNKS - rnd(r) % 300) * CHUNK, .synced = true };
	for (uint64_t i = 0; i * CHUNK < r->v[0].size; i++) {
		r->v[0].fill[i] = (uint8_t)(1 + i % 90);
		memset(p + i * CHUNK, r->v[0].fill[i], CHUNK);
	}
	assert_int_equal(object_write(r->o, p, r->v[0].size, 0), 0);
	assert_int_equal(object_fsync(r->o, false), 0);
	assert_int_equal(object_path(r->o, &(struct object *){ NULL }, name), 0);
	snprintf(r->file, sizeof(r->file), "/tree/%s", name);
	free(p);
	assert_int_equal(object_pin(r->o, NULL), 0);
	fd = r->o->fd;
	assert_int_equal(fstat(fd, &st), 0);
	r->rec[0].ino = st.st_ino;
	r->rec[0].length = r->base_len = (uint64_t)st.st_size;
	r->base = malloc(r->base_len);
	assert_int_equal(pread(fd, r->base, r->base_len, 0), r->base_len);
	object_unpin(r->o);
}

/* ---- a cut -------------------------------------------------------------------------------- */

/* The events of record I before the moment CUT; what a barrier did not see, at random. */
static uint64_t image_of(struct run *r, int i, unsigned int cut, uint8_t *image, uint64_t len)
{
	unsigned int end = cut ? r->mark[cut - 1][i] : 0, sure = 0;

	for (unsigned int e = 0; e < end; e++)
		if (r->rec[i].ev[e].op == CRASH_BARRIER)
			sure = e;
	for (unsigned int e = 0; e < end; e++)
		if (e < sure || rnd(r) % 2)
			crash_apply(image, 4 * LIMIT, &len, &r->rec[i].ev[e]);
	return len;
}

static void put_file(const char *dir, const char *name, const uint8_t *p, uint64_t n)
{
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	close(fd);
}

static void put_state(struct run *r, unsigned int cut)
{
	uint8_t *image = calloc(4, LIMIT);
	char cmd[400];
	uint64_t len;

	snprintf(cmd, sizeof(cmd), "rm -rf %s && cp -a %s %s && rm -rf %s/cmkfs.journal/*", r->copy,
		 r->f.dir, r->copy, r->copy);
	assert_int_equal(system(cmd), 0);
	memcpy(image, r->base, r->base_len);
	len = image_of(r, 0, cut, image, r->base_len);
	put_file(r->copy, r->file, image, len);
	if (cut && r->mark[cut - 1][1]) {
		memset(image, 0, 4 * LIMIT);
		len = image_of(r, 1, cut, image, 0);
		put_file(r->copy, r->journal, image, len);
	}
	free(image);
}

/* Of one of the versions from the last that was durable to the last that had begun. */
static void judge(struct run *r, unsigned int cut, const uint8_t *p, uint64_t size, const char *when)
{
	unsigned int from = 0, to = 0;
	bool known = false;

	for (unsigned int j = 0; j < r->nv; j++) {
		if (r->v[j].synced && r->v[j].at <= cut)
			from = j;
		if (!j || r->v[j - 1].at <= cut)
			to = j;
	}
	for (unsigned int j = from; j <= to; j++)
		known |= r->v[j].size == size;
	if (!known)
		fail_msg("%s, cut after %u calls: size %ju", when, cut, (uintmax_t)size);
	for (uint64_t c = 0; c * CHUNK < size; c++) {
		const uint8_t *q = p + c * CHUNK;
		bool ok = false;

		for (unsigned int j = from; j <= to && !ok; j++)
			ok = q[0] == r->v[j].fill[c];
		if (!ok || memcmp(q, q + 1, CHUNK - 1))
			fail_msg("%s, cut after %u calls: chunk %ju reads %02x %02x, not %02x to %02x",
				 when, cut, (uintmax_t)c, q[0], q[1], r->v[from].fill[c],
				 r->v[to].fill[c]);
	}
}

static void read_and_judge(struct run *r, struct object *o, unsigned int cut, const char *when)
{
	uint8_t *buf = malloc(LIMIT + 3 * CHUNK), *p;
	ssize_t got = object_read(o, buf, LIMIT + 3 * CHUNK, LIMIT, 0, &p);

	if (got < 0)
		fail_msg("%s, cut after %u calls: %s", when, cut, strerror((int)-got));
	judge(r, cut, p, (uint64_t)got, when);
	free(buf);
}

static void check_cut(struct run *r, unsigned int cut)
{
	struct fixture f = r->f;
	struct object *o;
	struct stat st;

	put_state(r, cut);
	snprintf(f.dir, sizeof(f.dir), "%s", r->copy);
	fixture_open(&f, true);
	enter(&f);
	assert_int_equal(object_lookup(store_root(f.st), "file", &o, &st), 0);
	read_and_judge(r, o, cut, "read-only");
	object_put(o);
	leave(&f);
	store_close(f.st);

	for (int round = 0; round < 3; round++) {
		static const char *const when[] = { "loaded", "finished", "loaded again" };

		f.st = NULL;
		fixture_open(&f, false);
		enter(&f);
		assert_int_equal(object_lookup(store_root(f.st), "file", &o, &st), 0);
		if (round == 1)
			assert_int_equal(object_rekey(o, go_on, NULL), 0);
		read_and_judge(r, o, cut, when[round]);
		if (round == 1)
			assert_true(o->l->h.epoch >= 2 && !(o->l->h.flags & FLAG_REKEY));
		object_put(o);
		leave(&f);
		fixture_close(&f);
	}
}

/* ---- the test ------------------------------------------------------------------------------- */

static void one_history(struct run *r)
{
	struct backing_hooks hooks = { .before = on_call, .arg = r };

	r->rec = calloc(2, sizeof(*r->rec));
	prepare(r);
	strcpy(stpcpy(r->copy, r->f.dir), ".cut");
	backing_hooks = &hooks;
	assert_int_equal(object_rekey(r->o, pace, r), 0);
	backing_hooks = NULL;
	for (unsigned int i = 0; i < CUTS; i++)
		check_cut(r, (unsigned int)(rnd(r) % (r->n + 1)));
	object_put(r->o);
	leave(&r->f);
	fixture_destroy(&r->f);
	snprintf(r->f.dir, sizeof(r->f.dir), "%s", r->copy);
	fixture_destroy(&r->f);
	for (int i = 0; i < 2; i++)
		crash_forget(&r->rec[i]);
	free(r->rec);
	free(r->base);
}

static void a_power_cut_leaves_each_chunk_whole(void **state)
{
	const char *seed = getenv("CMKFS_SEED");
	uint64_t first = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) << 16 | (uint64_t)getpid();

	(void)state;
	umask(0);
	print_message("CMKFS_SEED=%ju\n", (uintmax_t)first);
	for (unsigned int i = 0; i < 4; i++) {
		struct run *r = calloc(1, sizeof(*r));

		r->rng = first + i * UINT64_C(0x9e3779b97f4a7c15) + 1;
		one_history(r);
		free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_power_cut_leaves_each_chunk_whole) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
