/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of what a session touched: settling looks there and nowhere else,
 * at everything where the record is damaged, and it ends while names move.
 * And what an unclean session made that never reached the disk: empty, but
 * nothing that was whole before is ever taken for that.
 */
#include "namespace_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/xattr.h>

#include "fs/store/touched.h"

#define DIRS 20u
#define FILES 10u /* in each */

#define mkdirs(f, path) assert_int_equal(try_mkdir(f, path), 0)
#define rmdirs(f, path) assert_int_equal(try_rmdir(f, path), 0)
#define rmfile(f, path) assert_int_equal(try_unlink(f, path), 0)
#define mv(f, from, to) assert_int_equal(try_rename(f, from, to, 0), 0)
#define ln(f, from, to) assert_int_equal(try_link(f, from, to), 0)

static const _Atomic bool never;
static _Atomic unsigned int loads; /* headers read */

static int count_loads(void *arg, const struct backing_call *c)
{
	(void)arg;
	if (c->op == BACKING_READ && !c->off && c->len == 2 * SLOT)
		loads++;
	return 0;
}

static struct backing_hooks counting = { .before = count_loads };

/* A new file of N bytes C. */
static void fill(struct fixture *f, const char *path, size_t n, char c)
{
	struct object *o;
	uint8_t buf[3 * CHUNK];

	assert_int_equal(try_mkfile(f, path, &o), 0);
	memset(buf, c, sizeof(buf));
	assert_int_equal(object_write(o, buf, n, 0), 0);
	assert_int_equal(object_flush(o), 0);
	object_put(o);
}

/* DIRS directories of FILES files of BIG bytes, all of a session that ended well. */
static void make_tree(struct fixture *f, size_t big)
{
	char path[40];

	for (unsigned int d = 0; d < DIRS; d++) {
		snprintf(path, sizeof(path), "d%u", d);
		mkdirs(f, path);
		for (unsigned int i = 0; i < FILES; i++) {
			snprintf(path, sizeof(path), "d%u/f%u", d, i);
			fill(f, path, big, 'o');
		}
	}
	remount(f);
}

static void overwrite(struct fixture *f, const char *path, uint64_t off, char c)
{
	struct object *o = at(f, path);
	uint8_t buf[CHUNK];

	assert_non_null(o);
	memset(buf, c, sizeof(buf));
	assert_int_equal(object_write(o, buf, sizeof(buf), off), 0);
	assert_int_equal(object_flush(o), 0);
	object_put(o);
}

/* As if the daemon had died: nothing is flushed, no session ended. */
static void die(struct fixture *f)
{
	leave(f);
	store_close(f->st);
	fixture_open(f, false);
	enter(f);
}

/* Headers that settling read. */
static unsigned int settle(struct fixture *f)
{
	int r;

	leave(f);
	loads = 0;
	backing_hooks = &counting;
	r = store_settle(f->st, &never);
	backing_hooks = NULL;
	enter(f);
	assert_int_equal(r, 0);
	assert_int_equal(session_nunclean(f->st), 0);
	return loads;
}

/* The session that wrote the header of PATH on disk. */
static uint64_t writer_of(struct fixture *f, const char *path)
{
	struct object *o = at(f, path);
	struct loaded *l;
	uint64_t s;

	assert_non_null(o);
	assert_int_equal(object_pin(o, &l), 0);
	s = l->h.session;
	object_unpin(o);
	object_put(o);
	return s;
}

static void record_of(struct fixture *f, uint64_t session, char ret[static 200])
{
	snprintf(ret, 200, "%s/" TOUCHED_PREFIX "%016jx", f->dir, (uintmax_t)session);
}

/* ---- in proportion ----------------------------------------------------------------------- */

static void settling_looks_at_what_was_touched_alone(void **state)
{
	struct fixture *f = *state;
	unsigned int n;

	make_tree(f, 3 * CHUNK);
	overwrite(f, "d7/f3", CHUNK, 'n');
	fill(f, "d8/new", 100, 'n');
	die(f);
	n = settle(f);
	if (n > 8) /* tree/, d7, d8, and two files */
		fail_msg("%u headers were read", n);
	remount(f);
	assert_true(writer_of(f, "d7/f3") >= 5); /* settled, by the session after the one that died */
}

static void the_record_goes_when_it_is_settled_or_ends_well(void **state)
{
	struct fixture *f = *state;
	uint64_t dead = session_current(f->st);
	char path[200];

	fill(f, "f", 100, 'n');
	record_of(f, dead, path);
	assert_int_equal(access(path, F_OK), 0);
	die(f);
	assert_int_equal(access(path, F_OK), 0);
	settle(f);
	assert_int_not_equal(access(path, F_OK), 0);
	record_of(f, session_current(f->st), path);
	assert_int_equal(access(path, F_OK), 0);
	remount(f);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void sizes_are_true_before_it_is_settled(void **state)
{
	struct fixture *f = *state;
	char full[4096];
	struct object *o;
	struct stat sb;

	make_tree(f, 100);
	fill(f, "f", 2 * CHUNK, 'n');
	backing_path(f, "f", full);
	die(f);
	assert_int_equal(truncate(full, 40 * CHUNK), 0); /* a write that the header does not know */
	loads = 0;
	backing_hooks = &counting;
	assert_int_equal(object_lookup(store_root(f->st), "f", &o, &sb), 0);
	assert_int_equal(sb.st_size, 2 * CHUNK);
	object_put(o);
	assert_true(loads);
	o = at(f, "d3");
	loads = 0;
	object_put(at(f, "d3/f3")); /* nobody touched it */
	backing_hooks = NULL;
	object_put(o);
	assert_in_range(loads, 0, 1); /* the directory's own */
	settle(f);
	assert_int_equal(stat(full, &sb), 0);
	assert_int_equal(sb.st_size, 2 * CHUNK + 2 * SLOT);
}

enum harm { HARM_NONE, HARM_GONE, HARM_BYTE, HARM_GAP, HARM_EMPTY };

static void do_harm(const char *path, enum harm harm)
{
	int fd = open(path, O_RDWR);
	uint8_t zero[TOUCHED_UNIT] = { 0 }, c;

	assert_true(fd >= 0);
	switch (harm) {
	case HARM_GONE:
		unlink(path);
		break;
	case HARM_BYTE:
		assert_int_equal(pread(fd, &c, 1, 50), 1);
		c ^= 1;
		assert_int_equal(pwrite(fd, &c, 1, 50), 1);
		break;
	case HARM_GAP: /* a unit in the midst */
		assert_int_equal(pwrite(fd, zero, sizeof(zero), TOUCHED_UNIT), sizeof(zero));
		break;
	case HARM_EMPTY:
		assert_int_equal(ftruncate(fd, 0), 0);
		break;
	case HARM_NONE:
		break;
	}
	close(fd);
}

static void without_a_whole_record_everything_is_settled(void **state)
{
	struct fixture *f = *state;

	make_tree(f, 100);
	for (int harm = HARM_NONE; harm <= HARM_EMPTY; harm++) {
		uint64_t dead = session_current(f->st);
		char path[200], name[40];
		unsigned int n;

		for (unsigned int d = 0; d < DIRS; d++) { /* three units of notes */
			snprintf(name, sizeof(name), "d%u/n%d", d, harm);
			fill(f, name, 100, 'n');
		}
		record_of(f, dead, path);
		die(f);
		do_harm(path, (enum harm)harm);
		n = settle(f);
		if (harm == HARM_NONE ? n > 3 * DIRS : n < DIRS * FILES)
			fail_msg("harm %d: %u headers were read", harm, n);
	}
}

static void an_old_record_serves_no_other_session(void **state)
{
	struct fixture *f = *state;
	char from[200], to[200], cmd[450];
	uint64_t first = session_current(f->st);

	record_of(f, first, from);
	make_tree(f, 100); /* and ends it well */
	overwrite(f, "d1/f1", 0, 'n');
	record_of(f, session_current(f->st), from);
	snprintf(cmd, sizeof(cmd), "cp %s %s/kept", from, f->dir);
	assert_int_equal(system(cmd), 0);
	die(f);
	settle(f);
	overwrite(f, "d2/f2", 0, 'n');
	record_of(f, session_current(f->st), to);
	snprintf(cmd, sizeof(cmd), "mv %s/kept %s", f->dir, to);
	die(f);
	assert_int_equal(system(cmd), 0);
	assert_true(settle(f) >= DIRS * FILES);
}

/* ---- what moves ------------------------------------------------------------------------------ */

static void what_moved_is_found_under_its_new_name(void **state)
{
	struct fixture *f = *state;

	make_tree(f, 3 * CHUNK);
	overwrite(f, "d7/f3", 0, 'n');
	mv(f, "d7", "d8/deep");
	fill(f, "d9/other", 100, 'n');
	die(f);
	/* Nor does a second death before it was settled lose it. */
	mv(f, "d8/deep", "d9/deeper");
	die(f);
	assert_true(settle(f) < DIRS * FILES / 2);
	remount(f);
	assert_true(writer_of(f, "d9/deeper/f3") >= 6);
}

static void another_link_of_what_was_touched_is_found(void **state)
{
	struct fixture *f = *state;
	struct object *o;
	unsigned int n;

	make_tree(f, 3 * CHUNK);
	o = at(f, "d7/f3"); /* known, as to a kernel that looked it up */
	overwrite(f, "d7/f3", 0, 'n');
	ln(f, "d7/f3", "d8/link");
	rmfile(f, "d7/f3");
	object_put(o);
	die(f);
	n = settle(f);
	if (n > 10)
		fail_msg("%u headers were read", n);
	/* Made by another session, a link cannot be known: everything is looked at. */
	ln(f, "d1/f1", "d2/link");
	remount(f);
	overwrite(f, "d1/f1", 0, 'n');
	rmfile(f, "d1/f1");
	die(f);
	assert_true(settle(f) >= DIRS * FILES - 2);
	remount(f);
	assert_true(writer_of(f, "d2/link") >= 8);
}

struct mover {
	struct fixture *f;
	_Atomic bool stop;
	unsigned int moves;
};

static void *move_about(void *arg)
{
	struct mover *m = arg;

	while (!m->stop) {
		enter(m->f);
		mv(m->f, "d1/sub", "d2/sub");
		mv(m->f, "d2/sub", "d1/sub");
		leave(m->f);
		m->moves += 2;
	}
	return NULL;
}

static void settling_ends_while_names_move(void **state)
{
	struct fixture *f = *state;
	struct mover m = { .f = f };
	unsigned int whole = 0;
	uint64_t settler;
	pthread_t t;
	char path[200];

	make_tree(f, 100);
	mkdirs(f, "d1/sub");
	for (unsigned int i = 0; i < 30; i++) {
		snprintf(path, sizeof(path), "d1/sub/f%u", i);
		fill(f, path, 100, 'n');
	}
	remount(f);
	for (int round = 0; round < 6; round++, whole ^= 1) {
		record_of(f, session_current(f->st), path);
		overwrite(f, "d1/sub/f7", 0, 'n');
		die(f);
		if (whole)
			unlink(path);
		leave(f);
		m.stop = false;
		assert_int_equal(pthread_create(&t, NULL, move_about, &m), 0);
		usleep(2000);
		assert_int_equal(store_settle(f->st, &never), 0);
		m.stop = true;
		pthread_join(t, NULL);
		enter(f);
		assert_int_equal(session_nunclean(f->st), 0);
		settler = session_current(f->st);
		remount(f);
		assert_int_equal(writer_of(f, "d1/sub/f7"), settler);
	}
	assert_true(m.moves > 10);
}

/* ---- the order -------------------------------------------------------------------------------- */

struct order {
	ino_t record, file;
	unsigned int notes, barriers, early; /* since the last write of the file */
};

static int watch(void *arg, const struct backing_call *c)
{
	struct order *w = arg;
	struct stat st;

	if (fstat(c->fd, &st))
		return 0;
	if (st.st_ino == w->record && c->op == BACKING_WRITE)
		w->notes++;
	if (st.st_ino == w->record && c->op == BACKING_BARRIER)
		w->barriers++;
	if (st.st_ino == w->file && c->op == BACKING_WRITE && c->len == SLOT && !w->barriers)
		w->early++;
	return 0;
}

static void what_is_durable_is_noted_on_disk_before_it_changes(void **state)
{
	struct fixture *f = *state;
	struct order w = { 0 };
	struct backing_hooks hooks = { .before = watch, .arg = &w };
	struct object *o;
	struct stat sb;
	char path[200];

	make_tree(f, 3 * CHUNK);
	record_of(f, session_current(f->st), path);
	assert_int_equal(stat(path, &sb), 0);
	w.record = sb.st_ino;
	o = at(f, "d3/f3");
	w.file = object_ino(o);
	object_put(o);
	backing_hooks = &hooks;
	overwrite(f, "d3/f3", 0, 'n');
	assert_true(w.notes && w.barriers);
	assert_int_equal(w.early, 0);
	/* Once is enough, and what is new needs no barrier. */
	w.notes = w.barriers = 0;
	w.file = 0;
	overwrite(f, "d3/f3", CHUNK, 'n');
	assert_int_equal(w.notes, 0);
	fill(f, "d3/new", 3 * CHUNK, 'n');
	assert_true(w.notes);
	assert_int_equal(w.barriers, 0);
	backing_hooks = NULL;
}

static void many_names_of_a_directory_become_one_note(void **state)
{
	struct fixture *f = *state;
	struct order w = { 0 };
	struct backing_hooks hooks = { .before = watch, .arg = &w };
	struct object *dir;
	char path[200];
	struct stat sb;

	mkdirs(f, "d");
	for (unsigned int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "d/f%u", i);
		fill(f, path, 2 * CHUNK, 'o');
	}
	remount(f);
	record_of(f, session_current(f->st), path);
	assert_int_equal(stat(path, &sb), 0);
	w.record = sb.st_ino;
	dir = at(f, "d");
	backing_hooks = &hooks;
	for (unsigned int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "d/f%u", i);
		overwrite(f, path, 0, 'n');
	}
	backing_hooks = NULL;
	object_put(dir);
	assert_in_range(w.notes, TOUCHED_NAMES, TOUCHED_NAMES + 6);
	die(f);
	assert_true(settle(f) >= 100);
}

/* ---- what never reached the disk -------------------------------------------------------------- */

/* As a death or a cut before the header was written leaves a file. */
static void cut_to_nothing(struct fixture *f, const char *path)
{
	char full[4096];

	backing_path(f, path, full);
	assert_int_equal(truncate(full, 0), 0);
}

static bool has_own_xattr(struct fixture *f, const char *path)
{
	char full[4096], names[4096];
	ssize_t n;

	backing_path(f, path, full);
	n = listxattr(full, names, sizeof(names));
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1)
		if (!strncmp(names + i, "user.cmkfs.", 11))
			return true;
	return false;
}

static ssize_t read_one(struct fixture *f, const char *path)
{
	struct object *o = at(f, path);
	uint8_t buf[3 * CHUNK], *p;
	ssize_t n = object_read(o, buf, sizeof(buf), 1, 0, &p);

	object_put(o);
	return n;
}

static void what_is_made_is_noted_after_all_hope_is_lost(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(touched_anything(f->st), 0);
	fill(f, "unborn", 100, 'n');
	die(f);
	assert_true(touched_was(f->st, TOUCHED_DIR, (const uint8_t *)"no such directory", NULL));
	cut_to_nothing(f, "unborn");
	assert_int_equal(read_one(f, "unborn"), 0);
}

static void a_file_of_a_dead_session_without_a_header_is_empty(void **state)
{
	struct fixture *f = *state;
	struct object *o;
	struct stat sb;

	fill(f, "healthy", 100, 'h');
	remount(f);
	fill(f, "unborn", 100, 'n');
	o = at(f, "unborn");
	assert_int_equal(object_setxattr(o, "user.lost", "value", 5, 0), 0);
	assert_true(has_own_xattr(f, "unborn"));
	object_put(o);
	assert_int_equal(try_mkfile(f, "renamed", &o), 0);
	assert_int_equal(write_text(o, "bytes"), 0);
	mv(f, "renamed", "journal");
	object_put(o);
	die(f);
	cut_to_nothing(f, "unborn");
	cut_to_nothing(f, "journal");
	cut_to_nothing(f, "healthy");
	memset(f->events, 0, sizeof(f->events));
	assert_int_equal(read_one(f, "unborn"), 0);
	assert_int_equal(f->events[EVENT_RECOVERED], 1);
	/* Nobody could read it, and a check would call it damage for ever. */
	assert_false(has_own_xattr(f, "unborn"));
	o = at(f, "journal");
	assert_int_equal(object_getattr(o, &sb), 0);
	assert_int_equal(sb.st_size, 0);
	object_put(o);
	assert_int_equal(f->events[EVENT_INTEGRITY], 0);
	/* What was there before is nothing of that, however it looks. */
	assert_int_equal(read_one(f, "healthy"), -EIO);
	settle(f);
	assert_int_equal(read_one(f, "unborn"), 0);
	die(f); /* settled is settled */
	assert_int_equal(read_one(f, "unborn"), 0);
	settle(f);
	assert_int_equal(read_one(f, "unborn"), 0);
	assert_int_equal(read_one(f, "journal"), 0);
	assert_int_equal(read_one(f, "healthy"), -EIO);
	/* Once the session is settled, nor is this: it was there before, too. */
	cut_to_nothing(f, "unborn");
	remount(f);
	assert_int_equal(read_one(f, "unborn"), -EIO);
}

static void a_directory_of_a_dead_session_without_a_header_is_empty(void **state)
{
	struct fixture *f = *state;
	char unborn[4100], healthy[4100];
	struct object *o;

	mkdirs(f, "healthy");
	remount(f);
	mkdirs(f, "unborn");
	mkdirs(f, "unborn/sub");
	fill(f, "unborn/file", 100, 'n');
	backing_path(f, "unborn", unborn);
	backing_path(f, "healthy", healthy);
	assert_int_equal(truncate(strcat(unborn, "/.D"), 0), 0);
	assert_int_equal(unlink(strcat(healthy, "/.D")), 0);
	die(f);
	o = at(f, "healthy");
	assert_int_equal(object_check(o), -EIO);
	object_put(o);
	assert_false(there(f, "unborn/file"));
	fill(f, "unborn/file", 10, 'm');
	rmfile(f, "unborn/file");
	rmdirs(f, "unborn"); /* with all that was in it */
	assert_false(there(f, "unborn"));
	settle(f);
}

/* A new file TMP, flushed, gets the name TO: its header from before, and a descriptor. */
static int make_and_move(struct fixture *f, const char *to, uint8_t ret_header[static SLOT])
{
	char full[4096];
	struct object *o;
	int fd;

	assert_int_equal(try_mkfile(f, "tmp", &o), 0);
	assert_int_equal(write_text(o, "bytes"), 0);
	assert_int_equal(object_flush(o), 0);
	backing_path(f, "tmp", full);
	fd = open(full, O_RDWR);
	assert_int_equal(pread(fd, ret_header, SLOT, SLOT), SLOT);
	assert_int_equal(try_rename(f, "tmp", to, 0), 0);
	object_put(o);
	assert_int_equal(fgetxattr(fd, "user.cmkfs-new", NULL, 0), 40);
	return fd;
}

/* A name that reached the disk before the header that knows it. */
static void a_new_file_is_known_by_a_name_that_its_header_lacks(void **state)
{
	struct fixture *f = *state;
	uint8_t old[2][SLOT];
	int fd[2] = { make_and_move(f, "marked", old[0]), make_and_move(f, "plain", old[1]) };

	die(f);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pwrite(fd[i], old[i], SLOT, SLOT), SLOT);
	assert_int_equal(fremovexattr(fd[1], "user.cmkfs-new"), 0);
	memset(f->events, 0, sizeof(f->events));
	assert_holds(f, "marked", "bytes");
	assert_int_equal(f->events[EVENT_RECOVERED], 1);
	assert_int_equal(read_one(f, "plain"), -EIO);
	settle(f);
	remount(f);
	memset(f->events, 0, sizeof(f->events));
	assert_holds(f, "marked", "bytes");
	assert_int_equal(f->events[EVENT_RECOVERED], 0);
	assert_int_equal(read_one(f, "plain"), -EIO);
	close(fd[0]);
	close(fd[1]);
}

static void the_mark_of_one_file_serves_no_other(void **state)
{
	struct fixture *f = *state;
	char one[4096], two[4096];
	uint8_t mark[40];
	struct object *o;

	assert_int_equal(try_mkfile(f, "tmp", &o), 0);
	assert_int_equal(write_text(o, "one"), 0);
	mv(f, "tmp", "one");
	object_put(o);
	fill(f, "two", 100, 'n');
	backing_path(f, "one", one);
	backing_path(f, "two", two);
	assert_int_equal(getxattr(one, "user.cmkfs-new", mark, sizeof(mark)), sizeof(mark));
	assert_int_equal(setxattr(two, "user.cmkfs-new", mark, sizeof(mark), 0), 0);
	die(f);
	assert_int_equal(rename(two, one), 0);
	assert_int_equal(read_one(f, "one"), -EIO);
}

static void a_new_directory_is_known_without_the_record(void **state)
{
	struct fixture *f = *state;
	char unborn[4100], record[200];

	mkdirs(f, "unborn");
	fill(f, "unborn/file", 100, 'n');
	backing_path(f, "unborn", unborn);
	record_of(f, session_current(f->st), record);
	assert_int_equal(truncate(strcat(unborn, "/.D"), 0), 0);
	assert_int_equal(unlink(record), 0);
	die(f);
	assert_false(there(f, "unborn/file"));
	fill(f, "unborn/file", 10, 'm');
	settle(f);
	remount(f);
	assert_true(there(f, "unborn/file"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(settling_looks_at_what_was_touched_alone),
		T(the_record_goes_when_it_is_settled_or_ends_well),
		T(sizes_are_true_before_it_is_settled),
		T(without_a_whole_record_everything_is_settled),
		T(an_old_record_serves_no_other_session),
		T(what_moved_is_found_under_its_new_name),
		T(another_link_of_what_was_touched_is_found),
		T(settling_ends_while_names_move),
		T(what_is_durable_is_noted_on_disk_before_it_changes),
		T(many_names_of_a_directory_become_one_note),
		T(what_is_made_is_noted_after_all_hope_is_lost),
		T(a_file_of_a_dead_session_without_a_header_is_empty),
		T(a_new_file_is_known_by_a_name_that_its_header_lacks),
		T(the_mark_of_one_file_serves_no_other),
		T(a_new_directory_is_known_without_the_record),
		T(a_directory_of_a_dead_session_without_a_header_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
