/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Erasing in the store: which names are found and what is refused, damaged
 * headers, users meanwhile, and each backing call failing in turn: what an
 * erasure that failed has left reads as it was or not at all, and the next one
 * finishes it.
 */
#include "namespace_fixture.h"

#include <pthread.h>

#include "fs/store/deploy.h"
#include "fs/store/erase.h"

static _Atomic bool never;

static int erase(struct fixture *f, const char *path, bool recursive, struct erasure *e,
		 struct store_error *err)
{
	*e = (struct erasure){ .recursive = recursive, .stop = &never };
	*err = (struct store_error){ "", "" };
	return store_erase(f->st, &path, 1, e, err);
}

static void make_tree(struct fixture *f)
{
	assert_int_equal(try_mkdir(f, "d"), 0);
	assert_int_equal(try_mkdir(f, "d/e"), 0);
	mkfile(f, "d/x", "one");
	mkfile(f, "d/e/y", "two");
	mkfile(f, "kept", "kept");
	assert_int_equal(try_link(f, "d/x", "other"), 0);
	assert_int_equal(try_symlink(f, "target", "d/e/l"), 0);
	assert_int_equal(store_flush_all(store_root_zone(f->st)), 0);
}

static void erases_all_names_and_directories(void **state)
{
	struct fixture *f = *state;
	struct store_error err;
	struct erasure e;

	make_tree(f);
	assert_int_equal(erase(f, "d", false, &e, &err), -EISDIR);
	assert_int_equal(erase(f, "", true, &e, &err), -EINVAL);
	assert_true(there(f, "d/x"));
	assert_int_equal(erase(f, "d", true, &e, &err), 0);
	assert_int_equal(e.files, 2);
	assert_int_equal(e.dirs, 2);
	assert_int_equal(e.bytes, 6);
	assert_false(there(f, "d"));
	assert_false(there(f, "other"));
	assert_holds(f, "kept", "kept");
	remount(f);
	assert_false(there(f, "d"));
	assert_holds(f, "kept", "kept");
	assert_int_equal(f->events[EVENT_INTEGRITY], 0);
}

static void refuses_a_file_with_a_name_outside(void **state)
{
	struct fixture *f = *state;
	char p[4096], outside[sizeof(p) + 8];
	struct store_error err;
	struct erasure e;

	make_tree(f);
	backing_path(f, "d/x", p);
	snprintf(outside, sizeof(outside), "%s/outside", f->dir);
	assert_int_equal(link(p, outside), 0);
	assert_int_equal(erase(f, "d", true, &e, &err), -EMLINK);
	assert_non_null(strstr(err.message, "3 names, of which 2"));
	assert_int_equal(e.files, 0);
	assert_holds(f, "d/x", "one");
	assert_holds(f, "d/e/y", "two");
	assert_int_equal(unlink(outside), 0);
	assert_int_equal(erase(f, "other", false, &e, &err), 0);
	assert_false(there(f, "d/x"));
}

static void refuses_what_is_deployed(void **state)
{
	struct fixture *f = *state;
	struct object *o;
	struct store_error err;
	struct erasure e;

	make_tree(f);
	o = at(f, "d/e/y");
	assert_int_equal(object_deploy(o), 0);
	assert_int_equal(erase(f, "d", true, &e, &err), -EBUSY);
	assert_holds(f, "d/x", "one");
	object_undeploy(o);
	assert_int_equal(erase(f, "d", true, &e, &err), 0);
	object_put(o);
}

static void erases_what_is_damaged(void **state)
{
	struct fixture *f = *state;
	static const uint8_t noise[16] = "damaged";
	struct store_error err;
	struct erasure e;
	char p[4096];
	int fd;

	make_tree(f);
	backing_path(f, "d/x", p);
	remount(f);
	fd = open(p, O_WRONLY);
	assert_int_equal(pwrite(fd, noise, sizeof(noise), 4096 + 300), sizeof(noise));
	assert_int_equal(pwrite(fd, noise, sizeof(noise), 300), sizeof(noise));
	close(fd);
	assert_int_equal(erase(f, "d/x", false, &e, &err), 0);
	assert_false(there(f, "other"));
	assert_false(there(f, "d/x"));
}

/* ---- users meanwhile ---------------------------------------------------------------------- */

struct user {
	struct object *o;
	unsigned int good;
	int error;
	bool wrong;
};

static void *use(void *arg)
{
	struct user *u = arg;
	char got[256];

	while (!(u->error = read_text(u->o, got))) {
		u->wrong |= strcmp(got, "one") != 0;
		u->error = write_text(u->o, "one");
		if (u->error)
			break;
		object_flush(u->o);
		u->good++;
	}
	return NULL;
}

static void cuts_off_who_uses_it(void **state)
{
	struct fixture *f = *state;
	struct user u[3] = { { .wrong = false } };
	const struct timespec while_used = { 0, 20000000 };
	pthread_t t[ARRAY_SIZE(u)];
	struct store_error err;
	struct erasure e;
	struct stat sb;
	char p[4096];
	uint8_t head[2 * SLOT];
	int fd;

	make_tree(f);
	backing_path(f, "d/x", p);
	fd = open(p, O_RDONLY);
	for (size_t i = 0; i < ARRAY_SIZE(u); i++) {
		u[i].o = at(f, "d/x");
		assert_int_equal(pthread_create(&t[i], NULL, use, &u[i]), 0);
	}
	nanosleep(&while_used, NULL);
	assert_int_equal(erase(f, "d/x", false, &e, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(u); i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(u[i].error, -EIO);
		assert_true(u[i].good);
		assert_false(u[i].wrong);
		assert_true(object_is_erased(u[i].o));
		object_put(u[i].o);
	}
	/* Nobody wrote a header again. */
	assert_int_equal(fstat(fd, &sb), 0);
	assert_int_equal(sb.st_nlink, 0);
	memset(head, 0, sizeof(head));
	assert_true(pread(fd, head, sizeof(head), 0) >= 0);
	for (size_t i = 0; i < sizeof(head); i++)
		assert_int_equal(head[i], 0);
	close(fd);
}

/* ---- faults ------------------------------------------------------------------------------- */

struct fault {
	unsigned int calls, at;
	bool fired;
};

static int fail_one(void *arg, const struct backing_call *c)
{
	struct fault *x = arg;

	if (c->op == BACKING_READ || ++x->calls != x->at)
		return 0;
	x->fired = true;
	return -EIO;
}

/* As it was, gone, or not to be read: never other bytes. */
static void check_left(struct fixture *f, const char *path, const char *text, unsigned int call)
{
	struct object *o = at(f, path);
	char got[256];
	int r;

	if (!o)
		return;
	r = read_text(o, got);
	if (r ? r != -EIO : strcmp(got, text) != 0)
		fail_msg("call %u fails: %s is \"%s\" (%s)", call, path, r ? "" : got, strerror(-r));
	object_put(o);
}

static bool round_with_fault(unsigned int call)
{
	struct fault x = { .at = call };
	struct backing_hooks hooks = { .before = fail_one, .arg = &x };
	struct store_error err;
	struct fixture f;
	struct erasure e;
	int r;

	fixture_make(&f, SUITE_GCM);
	enter(&f);
	make_tree(&f);
	backing_hooks = &hooks;
	r = erase(&f, "d", true, &e, &err);
	backing_hooks = NULL;
	assert_true(x.fired || !r);
	if (r) {
		if (!*err.message)
			fail_msg("call %u fails: no word of it", call);
		assert_holds(&f, "kept", "kept");
		if (there(&f, "d")) {
			struct object *d = at(&f, "d");

			if (!object_check(d))
				check_left(&f, "d/x", "one", call);
			object_put(d);
		}
		check_left(&f, "other", "one", call);
		r = erase(&f, "d", true, &e, &err);
		if (r)
			fail_msg("call %u failed, then again: %s", call, err.message);
	}
	assert_false(there(&f, "d"));
	remount(&f);
	assert_false(there(&f, "d"));
	assert_false(there(&f, "other"));
	assert_holds(&f, "kept", "kept");
	leave(&f);
	fixture_destroy(&f);
	return x.fired;
}

static void finishes_after_any_fault(void **state)
{
	unsigned int call = 1;

	(void)state;
	while (round_with_fault(call))
		call++;
	print_message("%u calls failed in turn\n", call - 1);
	assert_true(call > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(erases_all_names_and_directories, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_a_file_with_a_name_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_is_deployed, setup, teardown),
		cmocka_unit_test_setup_teardown(erases_what_is_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(cuts_off_who_uses_it, setup, teardown),
		cmocka_unit_test(finishes_after_any_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
