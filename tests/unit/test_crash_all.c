/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every state that a power cut allows, of every short history: a file over the
 * header and two later groups, four ways it may have begun, and all sequences of
 * three (CMKFS_LONG: four; CMKFS_STEPS: so many) of overwrite, append, truncate,
 * punch, trim, fsync, flush and eviction, and some longer ones, are run on the real
 * write path.  Of what lies between two barriers each subset of blocks is
 * combined with each prefix of the changes of length, which a journal keeps in
 * order.  Each state is opened, judged, settled, and read again.
 */
#include "crash_record.h"

#include <fcntl.h>
#include <linux/falloc.h>

#include "fs/store/content.h"

#define LIMIT ((uint64_t)230 * CHUNK)
#define STEPS_MAX 8u
#define CAP (GROUP1_BASE + 2 * GROUP_STRIDE)

static const uint64_t chunks[] = { 0, 1, 2, 96, 97, 222, 223 }; /* that anything touches */
#define NCHUNKS ARRAY_SIZE(chunks)

enum begin { BEGIN_NEW, BEGIN_TAIL, BEGIN_PLACE, BEGIN_GROUPS, BEGINS };
enum what {
	W_HEADER, W_GROUP1, W_GROUP2, W_APPEND, W_CUT, W_PUNCH, W_FSYNC, W_FLUSH, W_EVICT, W_TRIM,
	KINDS_OF_ACT,
};

/* What the file is to read as: a byte for each chunk of interest, up to the size. */
struct version {
	uint64_t size;
	uint8_t fill[NCHUNKS][CHUNK];
};

struct model {
	struct fixture f, cut; /* where histories run, and where states are opened */
	char path[BEGINS][400], cut_path[BEGINS][400];
	uint8_t *base[BEGINS];
	uint64_t base_len[BEGINS];
	struct crash_record rec;
	struct version v[STEPS_MAX + 1];
	unsigned int at[STEPS_MAX + 1]; /* events before the end of a step */
	bool synced[STEPS_MAX + 1];
	unsigned int steps;
	enum what what[STEPS_MAX];
	enum begin begin;
	uint8_t *image, *buf, fill;
	uint64_t *seen; /* hashes of states of this history that were judged */
	size_t nseen, seen_cap;
	unsigned long histories, states, judged;
};

static const char *name_of(enum begin b)
{
	static const char *const names[] = { "new", "tail", "place", "groups" };

	return names[b];
}

static void enter(struct fixture *f)
{
	assert_int_equal(zone_enter(store_root_zone(f->st), ZONE_NORMAL), 0);
}

static void leave(struct fixture *f)
{
	zone_leave(store_root_zone(f->st), ZONE_NORMAL);
}

static struct object *make_file(struct model *m, enum begin b)
{
	struct cred cred = { .uid = geteuid(), .gid = getegid() };
	struct object *o;
	struct stat st;

	assert_int_equal(object_mknod(store_root(m->f.st), name_of(b), S_IFREG | 0644, 0, &cred, &o, &st), 0);
	return o;
}

static struct object *find(struct fixture *f, enum begin b)
{
	struct object *o;
	struct stat st;

	assert_int_equal(object_lookup(store_root(f->st), name_of(b), &o, &st), 0);
	return o;
}

/* ---- the model's file ------------------------------------------------------------------ */

static unsigned int index_of(uint64_t chunk)
{
	unsigned int i = 0;

	while (chunks[i] != chunk)
		assert_true(++i < NCHUNKS);
	return i;
}

static void version_put(struct version *v, uint64_t off, uint64_t n, uint8_t fill)
{
	for (uint64_t i = off; i < off + n; i++)
		v->fill[index_of(i / CHUNK)][i % CHUNK] = fill;
	v->size = MAX(v->size, off + n);
}

static void version_cut(struct version *v, uint64_t size)
{
	for (unsigned int i = 0; i < NCHUNKS; i++) {
		uint64_t at = chunks[i] * CHUNK, keep = size > at ? MIN(size - at, (uint64_t)CHUNK) : 0;

		memset(v->fill[i] + keep, 0, CHUNK - keep);
	}
	v->size = size;
}

/* ---- a history ---------------------------------------------------------------------------- */

static void put(struct model *m, struct object *o, struct version *v, uint64_t off, uint64_t n)
{
	m->fill = m->fill == 255 ? 1 : m->fill + 1;
	memset(m->buf, m->fill, n);
	version_put(v, off, n, m->fill);
	assert_int_equal(object_write(o, m->buf, n, off), 0);
}

static void append(struct model *m, struct object *o, struct version *v)
{
	uint64_t last = v->size ? (v->size - 1) / CHUNK : 0;

	/* Only onto chunks of interest. */
	for (unsigned int i = 0; i < NCHUNKS; i++)
		if (chunks[i] == last && v->size + 1500 <= (chunks[i] + 2) * CHUNK &&
		    (v->size % CHUNK + 1500 <= CHUNK || (i + 1 < NCHUNKS && chunks[i + 1] == last + 1)))
			put(m, o, v, v->size, 1500);
}

static void evict(struct fixture *f, struct object *o)
{
	assert_int_equal(object_flush(o), 0);
	fixture_evict(f);
}

static void step(struct model *m, struct object *o, unsigned int i)
{
	struct version *v = &m->v[i + 1];
	uint64_t cut = v->size > 97 * CHUNK ? 97 * CHUNK : v->size / 2;

	switch (m->what[i]) {
	case W_HEADER:
		put(m, o, v, 0, v->size > CHUNK || !v->size ? CHUNK : v->size);
		break;
	case W_GROUP1:
		put(m, o, v, 96 * CHUNK, CHUNK);
		break;
	case W_GROUP2:
		put(m, o, v, 222 * CHUNK + 100, 2000);
		break;
	case W_APPEND:
		append(m, o, v);
		break;
	case W_CUT:
		assert_int_equal(object_truncate(o, cut), 0);
		version_cut(v, cut);
		break;
	case W_PUNCH:
		assert_int_equal(object_fallocate(o, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 96 * CHUNK,
						  CHUNK), 0);
		memset(v->fill[index_of(96)], 0, CHUNK);
		break;
	case W_FSYNC:
		assert_int_equal(object_fsync(o, true), 0);
		m->synced[i + 1] = true;
		break;
	case W_FLUSH:
		assert_int_equal(object_flush(o), 0);
		break;
	case W_TRIM: /* within the last chunk */
		assert_int_equal(object_truncate(o, v->size - v->size % CHUNK / 9), 0);
		version_cut(v, v->size - v->size % CHUNK / 9);
		break;
	default:
		evict(&m->f, o);
	}
}

static int on_call(void *arg, const struct backing_call *c)
{
	struct model *m = arg;

	crash_note(&m->rec, c);
	return 0;
}

/* The backing file PATH, in place: the blocks of IMAGE that are not zero. */
static void put_file(const char *path, const uint8_t *image, uint64_t len)
{
	static const uint8_t zero[CHUNK];
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	for (uint64_t at = 0; at < len; at += CHUNK) {
		uint64_t n = MIN(len - at, (uint64_t)CHUNK);

		if (memcmp(image + at, zero, n))
			assert_int_equal(pwrite(fd, image + at, n, (off_t)at), n);
	}
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	close(fd);
}

static void run(struct model *m)
{
	struct backing_hooks hooks = { .before = on_call, .arg = m };
	struct object *o;

	crash_forget(&m->rec);
	m->rec.length = m->base_len[m->begin];
	if (m->begin == BEGIN_NEW) {
		assert_int_equal(object_unlink(store_root(m->f.st), name_of(BEGIN_NEW)), 0);
		o = make_file(m, BEGIN_NEW);
	} else {
		put_file(m->path[m->begin], m->base[m->begin], m->base_len[m->begin]);
		o = find(&m->f, m->begin);
	}
	m->rec.ino = object_ino(o);
	memset(m->synced, 0, sizeof(m->synced));
	m->synced[0] = m->begin != BEGIN_NEW;
	backing_hooks = &hooks;
	for (unsigned int i = 0; i < m->steps; i++) {
		m->v[i + 1] = m->v[i];
		step(m, o, i);
		m->at[i + 1] = m->rec.n;
	}
	backing_hooks = NULL;
	evict(&m->f, o);
	object_put(o);
	m->histories++;
}

/* ---- a state -------------------------------------------------------------------------------- */

static void explain(struct model *m, unsigned int from, unsigned int to, const char *why, uint64_t n)
{
	static const char *const what[] = { "header", "group1", "group2", "append", "cut", "punch",
					    "fsync", "flush", "evict", "trim" };
	static const char *const op[] = { "data", "length", "cut", "punch", "barrier" };

	print_message("file \"%s\":", name_of(m->begin));
	for (unsigned int i = 0; i < m->steps; i++)
		print_message(" %s (%u events)", what[m->what[i]], m->at[i + 1]);
	print_message("\n");
	for (unsigned int i = 0; i < m->rec.n; i++)
		print_message("  event %u: %s %ju %ju\n", i, op[m->rec.ev[i].op],
			      (uintmax_t)m->rec.ev[i].off, (uintmax_t)m->rec.ev[i].len);
	fail_msg("versions %u to %u: %s %ju", from, to, why, (uintmax_t)n);
}

static ssize_t read_chunk(struct model *m, struct object *o, unsigned int i, uint8_t **ret)
{
	return object_read(o, m->buf, 3 * CHUNK, CHUNK, chunks[i] * CHUNK, ret);
}

/* What the state reads as; READ[i] < 0: an error. */
struct found {
	uint64_t size;
	ssize_t n[NCHUNKS];
	uint8_t p[NCHUNKS][CHUNK];
};

static int look(struct model *m, struct object *o, struct found *ret)
{
	struct stat st;
	uint8_t *p;
	int r = object_check(o);

	memset(ret, 0, sizeof(*ret));
	if (r)
		return r;
	assert_int_equal(object_getattr(o, &st), 0);
	ret->size = (uint64_t)st.st_size;
	for (unsigned int i = 0; i < NCHUNKS; i++) {
		ret->n[i] = read_chunk(m, o, i, &p);
		if (ret->n[i] > 0)
			memcpy(ret->p[i], p, (size_t)ret->n[i]);
	}
	return 0;
}

static bool all_zero(const uint8_t *p, uint64_t n)
{
	return !n || (!p[0] && !memcmp(p, p + 1, n - 1));
}

static void judge(struct model *m, const struct found *f, unsigned int from, unsigned int to)
{
	bool synced = m->synced[from], known = !synced && !f->size;

	m->judged++;
	for (unsigned int j = from; j <= to; j++)
		known |= m->v[j].size == f->size;
	if (!known)
		explain(m, from, to, "size", f->size);
	for (unsigned int i = 0; i < NCHUNKS; i++) {
		uint64_t at = chunks[i] * CHUNK;
		uint64_t n = f->size > at ? MIN(f->size - at, (uint64_t)CHUNK) : 0;
		bool ok;

		if (f->n[i] != (ssize_t)n)
			explain(m, from, to, f->n[i] < 0 ? "error in chunk" : "short chunk", chunks[i]);
		/* Never fsynced: a hole then may be one again. */
		ok = all_zero(f->p[i], n) && (!synced || all_zero(m->v[from].fill[i], CHUNK));
		for (unsigned int j = from; j <= to && !ok; j++)
			ok = !memcmp(m->v[j].fill[i], f->p[i], n);
		if (!ok)
			explain(m, from, to, "other bytes in chunk", chunks[i]);
	}
}

/* Open the state in m->image, LEN bytes, which a cut after some event in [FIRST, LAST] leaves. */
static void check_state(struct model *m, uint64_t len, unsigned int first, unsigned int last)
{
	struct found f, again;
	struct object *o;
	unsigned int from = 0, to = 0, was_from = ~0u, was_to = ~0u;
	int r;

	put_file(m->cut_path[m->begin], m->image, len);
	o = find(&m->cut, m->begin);
	r = look(m, o, &f);
	for (unsigned int c = first; c <= last; c++) {
		from = to = 0;
		for (unsigned int j = 1; j <= m->steps && m->at[j] <= c; j++) {
			to = j;
			if (m->synced[j])
				from = j;
		}
		to += to < m->steps && m->at[to] < c; /* in the midst of the next step */
		if (from == was_from && to == was_to)
			continue;
		was_from = from;
		was_to = to;
		if (r)
			explain(m, from, to, strerror(-r), 0);
		judge(m, &f, from, to);
	}
	r = object_settle(o);
	if (!r)
		r = object_flush(o);
	object_put(o);
	if (r)
		explain(m, from, to, strerror(-r), 0);
	o = find(&m->cut, m->begin);
	if (look(m, o, &again) || again.size != f.size || memcmp(&again, &f, sizeof(f)))
		explain(m, from, to, "reads otherwise when it is settled", f.size);
	object_put(o);
	m->states++;
}

static bool is_new(struct model *m, uint64_t len, unsigned int first, unsigned int last)
{
	uint64_t h = len * 31 + first * 1009 + last;

	for (uint64_t i = 0; i + 8 <= MIN(len, CAP); i += 8) {
		uint64_t w = get_le64(m->image + i);

		if (w)
			h = (h ^ w ^ i << 40) * 0x9E3779B97F4A7C15, h ^= h >> 29;
	}
	for (size_t i = 0; i < m->nseen; i++)
		if (m->seen[i] == h)
			return false;
	if (m->nseen == m->seen_cap) {
		m->seen_cap = m->seen_cap ? 2 * m->seen_cap : 256;
		m->seen = realloc(m->seen, m->seen_cap * sizeof(*m->seen));
	}
	m->seen[m->nseen++] = h;
	return true;
}

/* ---- all states of a history ------------------------------------------------------------------ */

/* Events [LOW, HIGH) came after one barrier and before the next: each subset of blocks, each prefix of lengths. */
static void window(struct model *m, const uint8_t *base, uint64_t base_len, unsigned int low,
		   unsigned int high)
{
	unsigned int nd = 0, nm = 0;

	for (unsigned int i = low; i < high; i++)
		*(m->rec.ev[i].op == CRASH_DATA ? &nd : &nm) += 1;
	assert_true(nd < 20);
	for (unsigned int k = 0; k <= nm; k++)
		for (uint32_t set = 0; set < 1u << nd; set++) {
			unsigned int first = low;
			uint64_t len = base_len;

			memcpy(m->image, base, CAP);
			for (unsigned int i = low, d = 0, n = 0; i < high; i++) {
				bool in = m->rec.ev[i].op == CRASH_DATA ? set >> d++ & 1 : n++ < k;

				if (!in)
					continue;
				crash_apply(m->image, CAP, &len, &m->rec.ev[i]);
				first = i + 1;
			}
			memset(m->image + len, 0, CAP - len);
			if (is_new(m, len, first, high))
				check_state(m, len, first, high);
		}
}

static void cut_all(struct model *m)
{
	uint8_t *base = malloc(CAP);
	uint64_t len = m->base_len[m->begin];
	unsigned int low = 0;

	memcpy(base, m->base[m->begin], CAP);
	m->nseen = 0;
	for (unsigned int i = 0; i <= m->rec.n; i++) {
		if (i < m->rec.n && m->rec.ev[i].op != CRASH_BARRIER)
			continue;
		window(m, base, len, low, i);
		for (; low < i; low++)
			crash_apply(base, CAP, &len, &m->rec.ev[low]);
		memset(base + len, 0, CAP - len);
		low = i + 1;
	}
	free(base);
}

/* ---- all histories ---------------------------------------------------------------------------- */

static void every(struct model *m, unsigned int i)
{
	if (i == m->steps) {
		run(m);
		cut_all(m);
		return;
	}
	for (unsigned int w = 0; w < KINDS_OF_ACT; w++) {
		m->what[i] = (enum what)w;
		every(m, i + 1);
	}
}

static void make_begin(struct model *m, enum begin b)
{
	struct version v = { 0 };
	struct object *o = make_file(m, b);

	switch (b) {
	case BEGIN_TAIL:
		put(m, o, &v, 0, 1000);
		break;
	case BEGIN_PLACE:
		put(m, o, &v, 0, CHUNK + 3500);
		break;
	case BEGIN_GROUPS:
		put(m, o, &v, 0, CHUNK);
		put(m, o, &v, 96 * CHUNK, CHUNK);
		put(m, o, &v, 222 * CHUNK, 3000);
		break;
	default:
		break;
	}
	assert_int_equal(object_flush(o), 0);
	object_put(o);
}

/* The file as it stands, and where it lies in both volumes. */
static void read_begin(struct model *m, enum begin b)
{
	struct object *o = find(&m->f, b), *parent;
	char stored[256];
	int fd;

	assert_int_equal(object_path(o, &parent, stored), 0);
	snprintf(m->path[b], sizeof(m->path[b]), "%s/tree/%s", m->f.dir, stored);
	snprintf(m->cut_path[b], sizeof(m->cut_path[b]), "%.70s.cut/tree/%s", m->f.dir, stored);
	m->base[b] = calloc(1, CAP);
	if (b != BEGIN_NEW) {
		fd = open(m->path[b], O_RDONLY);
		m->base_len[b] = (uint64_t)pread(fd, m->base[b], CAP, 0);
		close(fd);
	}
	object_put(parent);
	object_put(o);
}

static void read_version(struct model *m, enum begin b)
{
	struct object *o = find(&m->f, b);
	struct found f;

	memset(&m->v[0], 0, sizeof(m->v[0]));
	if (b != BEGIN_NEW) {
		assert_int_equal(look(m, o, &f), 0);
		m->v[0].size = f.size;
		memcpy(m->v[0].fill, f.p, sizeof(f.p));
	}
	object_put(o);
}

/* Files of a session that ended well, and one that this session made. */
static void make_model(struct model *m)
{
	char cmd[300];

	m->buf = malloc(LIMIT);
	m->image = malloc(CAP);
	fixture_make(&m->f, SUITE_GCM);
	enter(&m->f);
	for (unsigned int b = BEGIN_TAIL; b < BEGINS; b++)
		make_begin(m, (enum begin)b);
	leave(&m->f);
	fixture_close(&m->f);
	fixture_open(&m->f, false);
	enter(&m->f);
	make_begin(m, BEGIN_NEW);
	for (unsigned int b = 0; b < BEGINS; b++)
		read_begin(m, (enum begin)b);
	snprintf(cmd, sizeof(cmd), "cp -a %s %s.cut", m->f.dir, m->f.dir);
	assert_int_equal(system(cmd), 0);
	m->cut = m->f;
	snprintf(m->cut.dir, sizeof(m->cut.dir), "%.70s.cut", m->f.dir);
	fixture_open(&m->cut, false);
	enter(&m->cut);
}

static void for_each_begin(struct model *m, void (*histories)(struct model *m))
{
	make_model(m);
	for (unsigned int b = 0; b < BEGINS; b++) {
		m->begin = (enum begin)b;
		read_version(m, m->begin);
		histories(m);
	}
	print_message("%lu histories, %lu states, judged %lu times\n", m->histories, m->states, m->judged);
	crash_forget(&m->rec);
	leave(&m->cut);
	fixture_destroy(&m->cut);
	leave(&m->f);
	fixture_destroy(&m->f);
	for (unsigned int b = 0; b < BEGINS; b++)
		free(m->base[b]);
	free(m->image);
	free(m->buf);
	free(m->seen);
	free(m);
}

static void all_of_so_many_steps(struct model *m)
{
	every(m, 0);
}

static void every_state_of_every_short_history_is_sound(void **state)
{
	const char *steps = getenv("CMKFS_STEPS");
	struct model *m = calloc(1, sizeof(*m));

	(void)state;
	m->steps = steps ? (unsigned int)atoi(steps) : getenv("CMKFS_LONG") ? 4 : 3;
	assert_in_range(m->steps, 1, STEPS_MAX);
	for_each_begin(m, all_of_so_many_steps);
}

static void chosen(struct model *m)
{
	static const struct {
		unsigned int n;
		enum what what[STEPS_MAX];
	} all[] = {
		/* The barrier that a batch begins with makes durable what was not when entries were emptied. */
		{ 6, { W_GROUP1, W_HEADER, W_FLUSH, W_PUNCH, W_GROUP1, W_FLUSH } },
		{ 7, { W_GROUP1, W_HEADER, W_FLUSH, W_EVICT, W_PUNCH, W_GROUP1, W_FLUSH } },
		{ 7, { W_GROUP1, W_APPEND, W_HEADER, W_FLUSH, W_CUT, W_APPEND, W_FLUSH } },
		{ 8, { W_GROUP1, W_APPEND, W_HEADER, W_FLUSH, W_EVICT, W_CUT, W_APPEND, W_FLUSH } },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
		m->steps = all[i].n;
		memcpy(m->what, all[i].what, sizeof(m->what));
		run(m);
		cut_all(m);
	}
}

static void every_state_of_some_longer_histories_is_sound(void **state)
{
	(void)state;
	for_each_begin(calloc(1, sizeof(struct model)), chosen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_of_every_short_history_is_sound),
		cmocka_unit_test(every_state_of_some_longer_histories_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
