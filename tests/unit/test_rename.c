/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rename in all its forms, by many threads at once, and with each call on the
 * backing files failing in turn.
 */
#include "namespace_fixture.h"

#include "fs/store/backing.h"

static const char long_name[] =
	"a name that is longer than the hundred and seventy-five bytes that the stored form of a "
	"name can hold, so that its object has a short name of its own and this text stands in "
	"the sidecar file beside it";

static void a_file_is_read_by_its_new_name_only(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(try_mkdir(f, "d"), 0);
	mkfile(f, "a", "text");
	assert_int_equal(try_rename(f, "a", "b", 0), 0);
	assert_false(there(f, "a"));
	assert_holds(f, "b", "text");
	assert_int_equal(try_rename(f, "b", "d/c", 0), 0);
	remount(f);
	assert_false(there(f, "b"));
	assert_holds(f, "d/c", "text");
	/* One that was durable before. */
	assert_int_equal(try_rename(f, "d/c", "e", 0), 0);
	remount(f);
	assert_holds(f, "e", "text");
	assert_int_equal(try_rename(f, "e", "e", 0), 0);
	assert_holds(f, "e", "text");
	assert_int_equal(f->events[EVENT_INTEGRITY], 0);
}

static void a_held_object_follows_its_file(void **state)
{
	struct fixture *f = *state;
	struct object *o;
	char text[256];

	assert_int_equal(try_mkdir(f, "d"), 0);
	mkfile(f, "a", "text");
	remount(f);
	o = at(f, "a");
	assert_int_equal(try_rename(f, "a", "d/b", 0), 0);
	assert_int_equal(try_rename(f, "d", "e", 0), 0);
	assert_int_equal(read_text(o, text), 0);
	assert_string_equal(text, "text");
	object_put(o);
	assert_holds(f, "e/b", "text");
}

static void what_is_replaced_stays_for_its_holders(void **state)
{
	struct fixture *f = *state;
	struct object *old;
	char text[256];

	mkfile(f, "a", "new");
	mkfile(f, "b", "old");
	remount(f);
	old = at(f, "b");
	assert_int_equal(try_rename(f, "a", "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(try_rename(f, "a", "b", 0), 0);
	assert_holds(f, "b", "new");
	assert_int_equal(read_text(old, text), 0);
	assert_string_equal(text, "old");
	object_put(old);
	remount(f);
	assert_false(there(f, "a"));
	assert_holds(f, "b", "new");
}

static void two_links_of_one_file_stay_two(void **state)
{
	struct fixture *f = *state;

	mkfile(f, "a", "text");
	assert_int_equal(try_link(f, "a", "b"), 0);
	assert_int_equal(try_rename(f, "a", "b", 0), 0);
	assert_true(there(f, "a") && there(f, "b"));
	assert_int_equal(try_rename(f, "b", "c", 0), 0);
	remount(f);
	assert_holds(f, "a", "text");
	assert_holds(f, "c", "text");
}

static void kinds_are_not_mixed(void **state)
{
	struct fixture *f = *state;

	mkfile(f, "file", "text");
	assert_int_equal(try_mkdir(f, "d"), 0);
	assert_int_equal(try_mkdir(f, "d/inner"), 0);
	assert_int_equal(try_mkdir(f, "full"), 0);
	mkfile(f, "full/x", "x");
	assert_int_equal(try_rename(f, "file", "d", 0), -EISDIR);
	assert_int_equal(try_rename(f, "d", "file", 0), -ENOTDIR);
	assert_int_equal(try_rename(f, "d", "full", 0), -ENOTEMPTY);
	assert_int_equal(try_rename(f, "d", "d/inner/deeper", 0), -EINVAL);
	assert_int_equal(try_rename(f, "d", "d/deeper", 0), -EINVAL);
	assert_int_equal(try_rename(f, "d/inner", "d", 0), -ENOTEMPTY);
	assert_int_equal(try_rename(f, "file", "x", RENAME_WHITEOUT), -EINVAL);
	assert_int_equal(try_rename(f, "file", "x", RENAME_EXCHANGE), -ENOENT);
	remount(f);
	assert_holds(f, "file", "text");
	assert_holds(f, "full/x", "x");
	assert_true(there(f, "d/inner"));
}

static void a_directory_takes_the_place_of_an_empty_one(void **state)
{
	struct fixture *f = *state;
	struct object *old;
	struct stat sb;

	assert_int_equal(try_mkdir(f, "d"), 0);
	mkfile(f, "d/x", "x");
	assert_int_equal(try_mkdir(f, "empty"), 0);
	old = at(f, "empty");
	assert_int_equal(try_rename(f, "d", "empty", 0), 0);
	assert_int_equal(object_getattr(old, &sb), 0);
	object_put(old);
	assert_false(there(f, "d"));
	assert_holds(f, "empty/x", "x");
	assert_int_equal(backing_count(f, "", ""), 2);
	remount(f);
	assert_holds(f, "empty/x", "x");
}

static void exchange_swaps_any_two(void **state)
{
	static const char *const names[] = { "file", "other", "dir", "link", "link2", "fifo" };
	struct fixture *f = *state;
	char got[SYMLINK_LIMIT + 1];
	struct object *o;
	struct stat sb;

	mkfile(f, "file", "text");
	mkfile(f, "other", "other");
	assert_int_equal(try_mkdir(f, "dir"), 0);
	mkfile(f, "dir/x", "x");
	assert_int_equal(try_symlink(f, "target", "link"), 0);
	assert_int_equal(try_symlink(f, "target2", "link2"), 0);
	assert_int_equal(object_mknod(store_root(f->st), "fifo", S_IFIFO | 0600, 0, &ROOT, &o, &sb),
			 0);
	object_put(o);
	/* Every pair, there and back. */
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		for (unsigned int j = 0; j < 2 * ARRAY_SIZE(names); j++)
			assert_int_equal(try_rename(f, names[i], names[j / 2], RENAME_EXCHANGE), 0);
	assert_int_equal(try_rename(f, "file", "other", RENAME_EXCHANGE), 0);
	assert_int_equal(try_rename(f, "dir", "link", RENAME_EXCHANGE), 0);
	remount(f);
	assert_holds(f, "file", "other");
	assert_holds(f, "other", "text");
	assert_holds(f, "link/x", "x");
	o = at(f, "dir");
	assert_int_equal(object_readlink(o, got, sizeof(got)), 6);
	assert_string_equal(got, "target");
	object_put(o);
	assert_int_equal(backing_count(f, "", ".T"), 0);
	assert_int_equal(f->events[EVENT_INTEGRITY], 0);
}

static void a_symlink_keeps_all_but_its_place(void **state)
{
	const struct stat want = { .st_uid = 1234, .st_gid = 5678, .st_mtim = { 1000000001, 5 } };
	struct fixture *f = *state;
	char got[SYMLINK_LIMIT + 1];
	struct object *o, *found;
	struct stat sb;

	if (geteuid())
		skip();
	assert_int_equal(try_mkdir(f, "d"), 0);
	assert_int_equal(try_symlink(f, "target", "a"), 0);
	o = at(f, "a");
	assert_int_equal(object_setattr(o, &want, SET_UID | SET_GID | SET_MTIME), 0);
	assert_int_equal(object_setxattr(o, "trusted.note", "v", 1, 0), 0);
	assert_int_equal(try_rename(f, "a", "d/b", 0), 0);
	assert_int_equal(try_rename(f, "d/b", long_name, 0), 0);
	/* Who holds it goes on with it. */
	assert_int_equal(object_readlink(o, got, sizeof(got)), 6);
	found = at(f, long_name);
	assert_ptr_equal(found, o);
	object_put(found);
	object_put(o);
	remount(f);
	assert_false(there(f, "a") || there(f, "d/b"));
	o = at(f, long_name);
	assert_int_equal(object_readlink(o, got, sizeof(got)), 6);
	assert_string_equal(got, "target");
	assert_int_equal(object_getattr(o, &sb), 0);
	assert_int_equal(sb.st_uid, 1234);
	assert_int_equal(sb.st_gid, 5678);
	assert_int_equal(sb.st_mtim.tv_sec, 1000000001);
	assert_int_equal(object_getxattr(o, "trusted.note", got, 8), 1);
	object_put(o);
}

static void long_names_take_their_sidecars_along(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(try_mkdir(f, "d"), 0);
	mkfile(f, "a", "text");
	assert_int_equal(try_rename(f, "a", long_name, 0), 0);
	assert_int_equal(backing_count(f, "", ".N"), 1);
	remount(f);
	assert_holds(f, long_name, "text");
	mkfile(f, "b", "new");
	assert_int_equal(try_rename(f, "b", long_name, 0), 0);
	assert_int_equal(backing_count(f, "", ".N"), 1);
	remount(f);
	assert_holds(f, long_name, "new");
	assert_int_equal(try_rename(f, long_name, "d/c", 0), 0);
	assert_int_equal(backing_count(f, "", ".N"), 0);
	assert_int_equal(backing_count(f, "", ".L"), 0);
	remount(f);
	assert_holds(f, "d/c", "new");
}

/* ---- threads ---------------------------------------------------------------- */

#define DIRS 3
#define NAMES 4
#define THREADS 8

struct storm {
	struct fixture *f;
	struct object *dir[DIRS];
	_Atomic bool stop;
	_Atomic unsigned int done;
};

static unsigned int next(unsigned int *seed, unsigned int n)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % n;
}

static void storm_step(struct storm *s, unsigned int *seed)
{
	struct object *a = s->dir[next(seed, DIRS)], *b = s->dir[next(seed, DIRS)], *o;
	char x[2] = { (char)('a' + next(seed, NAMES)) }, y[2] = { (char)('a' + next(seed, NAMES)) };
	struct stat sb;
	int r = 0;

	switch (next(seed, 8)) {
	case 0:
		r = object_mknod(a, x, S_IFREG | 0644, 0, &ROOT, &o, &sb);
		break;
	case 1:
		r = object_mkdir(a, x, 0755, &ROOT, &o, &sb);
		break;
	case 2:
		r = object_symlink(a, x, "t", &ROOT, &o, &sb);
		break;
	case 3:
		r = object_lookup(a, x, &o, &sb);
		break;
	case 4:
		r = object_unlink(a, x);
		o = NULL;
		break;
	case 5:
		r = object_rmdir(a, x);
		o = NULL;
		break;
	case 6:
		r = object_rename(a, x, b, y, next(seed, 2) ? RENAME_EXCHANGE : 0);
		o = NULL;
		break;
	default:
		r = object_lookup(a, x, &o, &sb);
		if (!r && S_ISREG(sb.st_mode))
			object_link(o, b, y, &sb);
	}
	if (!r)
		object_put(o);
	else if (r != -ENOENT && r != -EEXIST && r != -EISDIR && r != -ENOTDIR && r != -ENOTEMPTY)
		fail_msg("%s", strerror(-r));
	s->done++;
}

static void *storm_run(void *arg)
{
	static _Atomic unsigned int threads;
	struct storm *s = arg;
	unsigned int seed = ++threads;

	while (!s->stop)
		storm_step(s, &seed);
	return NULL;
}

static bool count_entry(void *arg, const struct dir_entry *e)
{
	(void)e;
	(*(unsigned int *)arg)++;
	return true;
}

static void a_storm_of_threads_loses_no_name(void **state)
{
	struct storm s = { .f = *state };
	pthread_t t[THREADS];
	char name[8];

	for (unsigned int i = 0; i < DIRS; i++) {
		snprintf(name, sizeof(name), "dir%u", i);
		assert_int_equal(try_mkdir(s.f, name), 0);
		s.dir[i] = at(s.f, name);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, storm_run, &s), 0);
	usleep(700000);
	s.stop = true;
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_true(s.done > 100);
	for (unsigned int i = 0; i < DIRS; i++)
		object_put(s.dir[i]);
	remount(s.f);
	/* All that is there opens by its name, and is listed. */
	for (unsigned int i = 0; i < DIRS; i++) {
		unsigned int listed = 0, found = 2;

		snprintf(name, sizeof(name), "dir%u", i);
		s.dir[i] = at(s.f, name);
		assert_int_equal(object_readdir(s.dir[i], 0, count_entry, &listed), 0);
		for (char c = 'a'; c < 'a' + NAMES; c++) {
			char one[2] = { c }, text[256];
			struct object *o;
			struct stat sb;

			if (object_lookup(s.dir[i], one, &o, &sb))
				continue;
			found++;
			if (S_ISREG(sb.st_mode))
				assert_int_equal(read_text(o, text), 0);
			else if (S_ISDIR(sb.st_mode))
				assert_int_equal(object_readdir(o, 0, count_entry, &(unsigned int){ 0 }), 0);
			else
				assert_int_equal(object_readlink(o, text, sizeof(text)), 1);
			object_put(o);
		}
		assert_int_equal(listed, found);
		assert_int_equal(backing_count(s.f, name, ".T"), 0);
		object_put(s.dir[i]);
	}
	assert_int_equal(s.f->events[EVENT_INTEGRITY] + s.f->events[EVENT_NAME], 0);
}

/* ---- failures --------------------------------------------------------------- */

struct failing {
	int after; /* calls that go well yet */
	bool failed;
};

static int fail_one(void *arg, const struct backing_call *c)
{
	struct failing *x = arg;

	if (c->op == BACKING_READ || x->after-- != 0)
		return 0;
	x->failed = true;
	return -EIO;
}

static int act(struct fixture *f, unsigned int what)
{
	struct object *o;
	int r;

	switch (what) {
	case 0:
		r = try_mkfile(f, "new", &o);
		if (!r)
			object_put(o);
		return r;
	case 1:
		return try_mkdir(f, "new");
	case 2:
		return try_symlink(f, "t", "new");
	case 3:
		return try_link(f, "file", "new");
	case 4:
		return try_rename(f, "file", "new", 0);
	case 5:
		return try_rename(f, "file", "other", 0);
	case 6:
		return try_rename(f, "dir", "empty", 0);
	case 7:
		return try_rename(f, "link", "new", 0);
	case 8:
		return try_rename(f, "file", "dir", RENAME_EXCHANGE);
	case 9:
		return try_rename(f, "file", long_name, 0);
	default:
		return try_unlink(f, "file");
	}
}

#define ACTS 11

static bool reads(struct fixture *f, const char *name, const char *text)
{
	struct object *o = at(f, name);
	char got[256];
	bool r = o && S_ISREG(object_type(o)) && !read_text(o, got) && !strcmp(got, text);

	object_put(o);
	return r;
}

/* Whatever failed: nothing that was there before is lost or unreadable. */
static void check_after(struct fixture *f, unsigned int what, int r)
{
	if (what < 10)
		assert_true(reads(f, "file", "text") || reads(f, "new", "text") ||
			    reads(f, "other", "text") || reads(f, "dir", "text") ||
			    reads(f, long_name, "text"));
	assert_true(reads(f, "dir/x", "x") || reads(f, "empty/x", "x") || reads(f, "file/x", "x"));
	if (r && what <= 3)
		assert_false(there(f, "new"));
	if (r)
		assert_true(what == 10 || reads(f, "file", "text"));
	assert_int_equal(f->events[EVENT_INTEGRITY], 0);
}

static void every_call_may_fail(void **state)
{
	(void)state;
	for (unsigned int what = 0; what < ACTS; what++) {
		struct failing x = { .failed = true };
		struct backing_hooks h = { .before = fail_one, .arg = &x };

		for (int n = 0; x.failed; n++) {
			struct fixture f;
			int r;

			fixture_make(&f, SUITE_GCM);
			enter(&f);
			mkfile(&f, "file", "text");
			mkfile(&f, "other", "other");
			assert_int_equal(try_mkdir(&f, "dir"), 0);
			assert_int_equal(try_mkdir(&f, "empty"), 0);
			mkfile(&f, "dir/x", "x");
			assert_int_equal(try_symlink(&f, "t", "link"), 0);
			remount(&f);
			x = (struct failing){ .after = n };
			backing_hooks = &h;
			r = act(&f, what);
			backing_hooks = NULL;
			check_after(&f, what, r);
			leave(&f);
			fixture_close(&f);
			fixture_open(&f, false);
			enter(&f);
			check_after(&f, what, r);
			leave(&f);
			fixture_destroy(&f);
			assert_true(n < 64);
		}
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_file_is_read_by_its_new_name_only),
		T(a_held_object_follows_its_file),
		T(what_is_replaced_stays_for_its_holders),
		T(two_links_of_one_file_stay_two),
		T(kinds_are_not_mixed),
		T(a_directory_takes_the_place_of_an_empty_one),
		T(exchange_swaps_any_two),
		T(a_symlink_keeps_all_but_its_place),
		T(long_names_take_their_sidecars_along),
		T(a_storm_of_threads_loses_no_name),
		cmocka_unit_test(every_call_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
