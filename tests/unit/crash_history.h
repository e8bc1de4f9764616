/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A history of one file over the header and a second group, with every backing
 * write and barrier recorded, and its power cuts: states that a cut allows
 * (everything before the last barrier, any subset of the blocks and lengths
 * after it) are built in a copy of the volume and opened.  What was fsynced must
 * be there as that or a later version; nothing may read as other bytes; zeros
 * only where nothing was fsynced; after settling and a clean end it all still
 * reads the same.
 */
#ifndef CMKFS_TEST_CRASH_HISTORY_H
#define CMKFS_TEST_CRASH_HISTORY_H

#include "crash_record.h"

#include <fcntl.h>
#include <linux/falloc.h>

#define CHUNKS 116u		/* 0–95 in the header, 96–115 in group 1 */
#define LIMIT (CHUNKS * CHUNK)
#define STEPS 7u
#define CUTS 24u		/* states tried of each history */

struct version {
	uint64_t size;
	uint8_t *data; /* LIMIT bytes */
};

struct run {
	struct fixture f;
	struct object *o;
	uint64_t rng;
	struct crash_record rec;
	unsigned int at[STEPS + 1];	/* events before the end of step i */
	bool synced[STEPS + 1];
	struct version v[STEPS + 1];
	uint8_t *base;			/* backing bytes at the start, durable */
	uint64_t base_len;
	uint8_t *buf;
	char copy[80], file[400];
	uint8_t fill;
	bool faulty; /* some calls fail */
	bool no_barriers, no_headers; /* all barriers do, all writes of the header */
	struct backing_hooks hooks;
	unsigned int states;
};

static inline uint64_t rnd(struct run *r)
{
	return fixture_rnd(&r->rng);
}

/* ---- recording ---------------------------------------------------------------------- */

static inline int on_call(void *arg, const struct backing_call *c)
{
	struct run *r = arg;
	struct stat st;

	if (fstat(c->fd, &st) || st.st_ino != r->rec.ino)
		return 0;
	if (r->faulty && c->op != BACKING_READ && !(rnd(r) % 8))
		return -EIO;
	if (r->no_barriers && c->op == BACKING_BARRIER)
		return -EIO;
	if (r->no_headers && c->op == BACKING_WRITE && c->off < 2 * SLOT)
		return -EIO;
	crash_note(&r->rec, c);
	return 0;
}

/* ---- the history ----------------------------------------------------------------------- */

static inline void enter(struct run *r)
{
	assert_int_equal(zone_enter(store_root_zone(r->f.st), ZONE_NORMAL), 0);
}

static inline void leave(struct run *r)
{
	zone_leave(store_root_zone(r->f.st), ZONE_NORMAL);
}

/* The volume of F is opened, with its file; and the other way round. */
static inline struct object *open_file(struct fixture *f)
{
	struct object *o;
	struct stat st;

	f->st = NULL;
	fixture_open(f, false);
	assert_int_equal(zone_enter(store_root_zone(f->st), ZONE_NORMAL), 0);
	assert_int_equal(object_lookup(store_root(f->st), "file", &o, &st), 0);
	return o;
}

static inline void close_file(struct fixture *f, struct object *o)
{
	zone_leave(store_root_zone(f->st), ZONE_NORMAL);
	object_put(o);
	fixture_close(f);
}

static inline void remount(struct run *r)
{
	close_file(&r->f, r->o);
	r->o = open_file(&r->f);
}

/* V is what the file reads as: empty if it has no header, which it may lose where MAY_GO.  False: so it is. */
static inline bool version_read(struct run *r, struct version *v, bool may_go)
{
	uint8_t *buf = malloc(LIMIT + 3 * CHUNK), *p;
	ssize_t n = object_read(r->o, buf, LIMIT + 3 * CHUNK, LIMIT, 0, &p);

	assert_true(n >= 0 || (may_go && n == -EIO));
	memset(v->data, 0, LIMIT);
	if (n > 0)
		memcpy(v->data, p, (size_t)n);
	v->size = (uint64_t)MAX(n, 0);
	free(buf);
	return n >= 0;
}

/* An operation ended with E.  Where it failed the version is what the file reads as. */
static inline void done(struct run *r, struct version *v, int e)
{
	if (!e)
		return;
	assert_true((r->faulty || r->no_barriers || r->no_headers) && e == -EIO);
	version_read(r, v, false);
}

static inline void do_write(struct run *r, struct version *v, uint64_t off, uint64_t n)
{
	n = MIN(n, LIMIT - off);
	r->fill = r->fill == 255 ? 1 : r->fill + 1;
	memset(r->buf, r->fill, n);
	memset(v->data + off, r->fill, n);
	v->size = MAX(v->size, off + n);
	done(r, v, object_write(r->o, r->buf, n, off));
}

static inline void do_truncate(struct run *r, struct version *v, uint64_t size)
{
	int e = object_truncate(r->o, size);

	if (size < v->size)
		memset(v->data + size, 0, v->size - size);
	v->size = size;
	done(r, v, e);
}

static inline void do_punch(struct run *r, struct version *v, uint64_t off, uint64_t n)
{
	uint64_t end = MIN(off + n, v->size);
	int e = object_fallocate(r->o, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, n);

	if (off < end)
		memset(v->data + off, 0, end - off);
	done(r, v, e);
}

static inline void evict(struct run *r)
{
	assert_true(!object_flush(r->o) || r->faulty);
	fixture_evict(&r->f);
}

/* The faults end with the lock.  Objects that it could not write. */
static inline unsigned int lock_and_unlock(struct run *r)
{
	struct zone *z = store_root_zone(r->f.st);
	struct store_error err = { .message = "" };
	unsigned int lost;

	leave(r);
	zone_lock_begin(z, ENOKEY);
	assert_int_equal(zone_quiesce(z, 1000), 0);
	lost = zone_commit(z, 100);
	zone_wipe(z);
	r->no_barriers = r->no_headers = false;
	assert_int_equal(zone_unlock(z, r->f.vk, &err), 0);
	enter(r);
	return lost;
}

/* ---- building a state -------------------------------------------------------------------- */

/*
 * IMAGE, whose first *LEN bytes were durable, after the events [0, CUT) of REC:
 * those before the last barrier, those that are SURE, and a random subset of the others.
 */
static inline void cut_image(const struct crash_record *rec, unsigned int cut, uint64_t *rng,
			     bool (*sure)(const struct crash_event *e), uint8_t *image, uint64_t cap,
			     uint64_t *len)
{
	uint64_t odds = fixture_rnd(rng) % 4;
	unsigned int barrier = 0;

	for (unsigned int i = 0; i < cut; i++)
		if (rec->ev[i].op == CRASH_BARRIER)
			barrier = i;
	for (unsigned int i = 0; i < cut; i++)
		if (i < barrier || (sure && sure(&rec->ev[i])) || odds == 3 || fixture_rnd(rng) % 3 < odds)
			crash_apply(image, cap, len, &rec->ev[i]);
}

static inline uint64_t build(struct run *r, unsigned int cut, uint8_t *image, uint64_t cap)
{
	uint64_t len = r->base_len;

	memset(image, 0, cap);
	memcpy(image, r->base, r->base_len);
	cut_image(&r->rec, cut, &r->rng, NULL, image, cap, &len);
	return len;
}

/* ---- checking it ----------------------------------------------------------------------------- */

static inline bool chunk_is(const struct version *v, uint64_t c, const uint8_t *p, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = c * CHUNK + i;

		if (p[i] != (at < v->size ? v->data[at] : 0))
			return false;
	}
	return true;
}

static inline bool all_zero(const uint8_t *p, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static inline const char *judge(struct run *r, unsigned int from, unsigned int to, const uint8_t *p,
			 uint64_t size, bool synced)
{
	static char why[100];
	bool known = !synced && !size;

	for (unsigned int j = from; j <= to; j++)
		known |= r->v[j].size == size;
	if (!known) {
		snprintf(why, sizeof(why), "size %ju", (uintmax_t)size);
		return why;
	}
	for (uint64_t c = 0; c * CHUNK < size; c++) {
		uint64_t n = MIN(CHUNK, size - c * CHUNK);
		const uint8_t *q = p + c * CHUNK;
		/* Never fsynced: a hole then may be one again. */
		bool ok = all_zero(q, n) && (!synced || all_zero(r->v[from].data + c * CHUNK, CHUNK));

		for (unsigned int j = from; j <= to && !ok; j++)
			ok = chunk_is(&r->v[j], c, q, n);
		if (!ok) {
			snprintf(why, sizeof(why), "chunk %ju of size %ju reads %02x %02x", (uintmax_t)c,
				 (uintmax_t)size, q[0], q[n - 1]);
			return why;
		}
	}
	return NULL;
}

static inline void copy_volume(struct run *r)
{
	char cmd[300];

	snprintf(r->copy, sizeof(r->copy), "%s.cut", r->f.dir);
	snprintf(cmd, sizeof(cmd), "rm -rf %s && cp -a %s %s", r->copy, r->f.dir, r->copy);
	assert_int_equal(system(cmd), 0);
	snprintf(cmd, sizeof(cmd), "cp %s/cmkfs.session %s/session.saved", r->copy, r->copy);
	assert_int_equal(system(cmd), 0);
}

static inline void put_file(const char *path, const uint8_t *p, uint64_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	close(fd);
}

/* The session file as the cut left it. */
static inline void put_session(struct run *r)
{
	char from[120], to[120];
	uint8_t block[FIXED_BLOCK];
	int fd;

	snprintf(from, sizeof(from), "%s/session.saved", r->copy);
	snprintf(to, sizeof(to), "%s/cmkfs.session", r->copy);
	fd = open(from, O_RDONLY);
	assert_int_equal(read(fd, block, sizeof(block)), sizeof(block));
	close(fd);
	put_file(to, block, sizeof(block));
}

static inline void explain(struct run *r, unsigned int cut, const char *why)
{
	for (unsigned int i = 0; i < cut; i++)
		print_message("  event %u: op %d off %ju len %ju\n", i, r->rec.ev[i].op,
			      (uintmax_t)r->rec.ev[i].off, (uintmax_t)r->rec.ev[i].len);
	for (unsigned int i = 0; i <= STEPS; i++)
		print_message("  step %u: size %ju, %u events%s\n", i, (uintmax_t)r->v[i].size, r->at[i],
			      r->synced[i] ? ", fsynced" : "");
	fail_msg("cut after %u events: %s", cut, why);
}

static inline void check_state(struct run *r, unsigned int cut, unsigned int from, unsigned int to)
{
	struct fixture f = r->f;
	struct object *o;
	uint8_t *first = malloc(LIMIT), *buf = malloc(LIMIT + 3 * CHUNK), *p;
	uint64_t size = 0;
	bool synced = r->synced[from];

	memset(f.events, 0, sizeof(f.events));
	snprintf(f.dir, sizeof(f.dir), "%s", r->copy);
	put_session(r);
	for (int round = 0; round < 2; round++) {
		ssize_t got;
		const char *why;
		int e;

		o = open_file(&f);
		got = object_read(o, buf, LIMIT + 3 * CHUNK, LIMIT, 0, &p);
		if (got == -EIO && !synced && !round) { /* it never reached the disk */
			close_file(&f, o);
			break;
		}
		if (got < 0)
			explain(r, cut, strerror((int)-got));
		if (!round) {
			size = (uint64_t)got;
			why = judge(r, from, to, p, size, synced);
			if (why)
				explain(r, cut, why);
			memcpy(first, p, size);
			/* A change of one chunk settles the object; the others stay as they read. */
			memset(buf, 7, CHUNK);
			if ((e = object_write(o, buf, CHUNK, 0)) || (e = object_fsync(o, true)))
				explain(r, cut, strerror(-e));
			memset(first, 7, CHUNK);
			size = MAX(size, CHUNK);
		} else if ((uint64_t)got != size || memcmp(p, first, size)) {
			explain(r, cut, "reads otherwise after settling");
		}
		close_file(&f, o);
	}
	free(first);
	free(buf);
	r->states++;
}

static inline void cut_all(struct run *r)
{
	uint64_t cap = GROUP1_BASE + GROUP_STRIDE;
	uint8_t *image = malloc(cap);

	for (unsigned int i = 0; i < CUTS; i++) {
		unsigned int cut = (unsigned int)(rnd(r) % (r->rec.n + 1)), to = 0, from = 0;

		for (unsigned int j = 0; j <= STEPS && r->at[j] <= cut; j++) {
			to = j;
			if (r->synced[j])
				from = j;
		}
		to += to < STEPS && r->at[to] < cut; /* in the midst of the next step */
		put_file(r->file, image, build(r, cut, image, cap));
		check_state(r, cut, from, to);
	}
	free(image);
}

/* ---- a history --------------------------------------------------------------------------------- */

static inline void read_base(struct run *r)
{
	uint64_t cap = GROUP1_BASE + GROUP_STRIDE;

	r->base = calloc(1, cap);
	r->base_len = r->rec.length = (uint64_t)pread(r->o->fd, r->base, cap, 0);
}

/* A new file, or one that an earlier, clean session left, of which everything is recorded from now on. */
static inline struct run *begin_with(enum suite suite, uint64_t seed, uint64_t left)
{
	struct run *r = calloc(1, sizeof(*r));
	struct cred cred = { .uid = geteuid(), .gid = getegid() };
	struct stat st;
	char stored[256];
	struct object *parent;

	r->rng = seed;
	r->buf = malloc(LIMIT + 3 * CHUNK);
	for (unsigned int i = 0; i <= STEPS; i++)
		r->v[i].data = calloc(1, LIMIT);
	fixture_make(&r->f, suite);
	enter(r);
	assert_int_equal(object_mknod(store_root(r->f.st), "file", S_IFREG | 0644, 0, &cred, &r->o, &st), 0);
	if (left) {
		do_write(r, &r->v[0], 0, left);
		remount(r);
		assert_int_equal(object_pin(r->o, NULL), 0);
		object_unpin(r->o);
		r->synced[0] = true;
	}
	r->rec.ino = object_ino(r->o);
	read_base(r);
	assert_int_equal(object_path(r->o, &parent, stored), 0);
	object_put(parent);
	copy_volume(r);
	snprintf(r->file, sizeof(r->file), "%s/tree/%s", r->copy, stored);
	r->hooks = (struct backing_hooks){ .before = on_call, .arg = r };
	backing_hooks = &r->hooks;
	return r;
}

static inline struct run *begin(uint64_t seed, uint64_t left)
{
	return begin_with(SUITE_GCM, seed, left);
}

/* Version I is as the one before until it is changed. */
static inline struct version *next_version(struct run *r, unsigned int i)
{
	r->v[i].size = r->v[i - 1].size;
	memcpy(r->v[i].data, r->v[i - 1].data, LIMIT);
	return &r->v[i];
}

static inline void forget(struct run *r)
{
	backing_hooks = NULL;
	leave(r);
	object_put(r->o);
	fixture_destroy(&r->f);
	nftw(r->copy, fixture_rm, 16, FTW_DEPTH | FTW_PHYS);
	crash_forget(&r->rec);
	for (unsigned int i = 0; i <= STEPS; i++)
		free(r->v[i].data);
	free(r->base);
	free(r->buf);
	free(r);
}

/* All versions are made: cut the power at random moments. */
static inline unsigned int end(struct run *r)
{
	unsigned int states;

	backing_hooks = NULL;
	cut_all(r);
	states = r->states;
	forget(r);
	return states;
}

#endif
