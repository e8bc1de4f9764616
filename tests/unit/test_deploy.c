/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployed objects in the store: what a locked zone leaves readable and what
 * not, what comes of changes that could not be written, and the end of it.
 */
#include "namespace_fixture.h"

#include "fs/store/deploy.h"

static void lock_zone(struct fixture *f, unsigned int failed)
{
	struct zone *z = store_root_zone(f->st);

	leave(f);
	zone_lock_begin(z, EKEYREVOKED);
	assert_int_equal(zone_quiesce(z, 1000), 0);
	assert_int_equal(zone_commit(z, 1000), failed);
	zone_wipe(z);
	assert_int_equal(zone_enter(z, ZONE_NORMAL), -EKEYREVOKED);
}

static void unlock_zone(struct fixture *f)
{
	struct store_error err;

	assert_int_equal(zone_unlock(store_root_zone(f->st), f->vk, &err), 0);
	enter(f);
}

static void assert_reads(struct object *o, const char *text)
{
	char got[256];

	assert_int_equal(read_text(o, got), 0);
	assert_string_equal(got, text);
}

static void reads_while_the_zone_is_locked(void **state)
{
	struct fixture *f = *state;
	struct object *d, *x, *y;
	struct stat sb;

	assert_int_equal(try_mkdir(f, "d"), 0);
	mkfile(f, "d/x", "deployed");
	mkfile(f, "d/y", "not deployed");
	d = at(f, "d");
	x = at(f, "d/x");
	y = at(f, "d/y");
	assert_int_equal(object_deploy(d), 0);
	assert_int_equal(object_deploy(x), 0);
	for (int i = 0; i < 2; i++) {
		lock_zone(f, 0);
		assert_null(store_root_zone(f->st)->keys);
		assert_null(f->st->sm);
		assert_reads(x, "deployed");
		assert_null(y->l);
		assert_null(store_root(f->st)->l);
		assert_int_equal(object_getattr(x, &sb), 0);
		assert_int_equal(sb.st_size, 8);
		assert_int_equal(deployed_stat(d, "x", x, &sb), 0);
		assert_int_equal(deployed_stat(d, "x", y, &sb), -ESTALE);
		assert_int_equal(deployed_stat(d, "y", NULL, &sb), -ESTALE);
		assert_int_equal(deployed_stat(d, "none", NULL, &sb), -ENOENT);
		unlock_zone(f);
		assert_reads(y, "not deployed");
		assert_reads(x, "deployed");
	}
	lock_zone(f, 0);
	object_undeploy(x);
	assert_null(x->l);
	object_undeploy(d);
	assert_null(d->l);
	assert_true(LIST_EMPTY(&store_root_zone(f->st)->resident));
	assert_int_equal(f->st->deployed, 0);
	unlock_zone(f);
	assert_reads(x, "deployed");
	object_put(d);
	object_put(x);
	object_put(y);
}

static void is_counted(void **state)
{
	struct fixture *f = *state;
	struct object *x;

	mkfile(f, "x", "twice");
	x = at(f, "x");
	assert_int_equal(object_deploy(x), 0);
	assert_int_equal(object_deploy(x), 0);
	lock_zone(f, 0);
	object_undeploy(x);
	assert_reads(x, "twice");
	object_undeploy(x);
	assert_null(x->l);
	unlock_zone(f);
	object_put(x);
}

static int fail_writes(void *arg, const struct backing_call *c)
{
	(void)arg;
	return c->op == BACKING_WRITE ? -EIO : 0;
}

/* The file x, deployed, whose change from before to after! could not be written at the lock. */
static struct object *unwritten_at_the_lock(struct fixture *f)
{
	struct backing_hooks hooks = { .before = fail_writes };
	struct object *x;

	mkfile(f, "x", "before");
	assert_int_equal(store_flush_all(store_root_zone(f->st)), 0);
	x = at(f, "x");
	assert_int_equal(object_deploy(x), 0);
	assert_int_equal(write_text(x, "after!"), 0);
	backing_hooks = &hooks;
	lock_zone(f, 1);
	backing_hooks = NULL;
	return x;
}

/* What could not be written at the lock waits in memory, and is written after the unlock. */
static void keeps_what_could_not_be_written(void **state)
{
	struct fixture *f = *state;
	struct object *x = unwritten_at_the_lock(f);

	assert_reads(x, "after!");
	unlock_zone(f);
	assert_reads(x, "after!");
	object_undeploy(x);
	object_put(x);
	remount(f);
	assert_holds(f, "x", "after!");
}

/* The same, and it ends while the zone is locked: that is a loss, and said. */
static void says_what_was_lost(void **state)
{
	struct fixture *f = *state;
	struct object *x = unwritten_at_the_lock(f);

	object_undeploy(x);
	assert_int_equal(f->events[EVENT_LOST], 1);
	assert_null(x->l);
	unlock_zone(f);
	assert_reads(x, "before");
	object_put(x);
}

static void refuses_what_is_not_bound_to_its_name(void **state)
{
	struct fixture *f = *state;
	char from[4096], to[4096];
	struct object *o;

	mkfile(f, "x", "one");
	mkfile(f, "y", "two");
	backing_path(f, "x", from);
	backing_path(f, "y", to);
	remount(f);
	assert_int_equal(rename(from, to), 0);
	o = at(f, "y");
	assert_int_equal(object_deploy(o), -EIO);
	assert_int_equal(f->st->deployed, 0);
	object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_while_the_zone_is_locked, setup, teardown),
		cmocka_unit_test_setup_teardown(is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_what_could_not_be_written, setup, teardown),
		cmocka_unit_test_setup_teardown(says_what_was_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_is_not_bound_to_its_name, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
