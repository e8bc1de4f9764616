/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate of a zone, its lock and its unlock.
 */
#include "namespace_fixture.h"

#define THREADS 6

static struct zone *zone_of(struct fixture *f)
{
	return store_root_zone(f->st);
}

static void lock(struct fixture *f, int lock_errno)
{
	zone_lock_begin(zone_of(f), lock_errno);
	assert_int_equal(zone_quiesce(zone_of(f), 1000), 0);
	assert_int_equal(zone_commit(zone_of(f), 1000), 0);
	zone_wipe(zone_of(f));
}

static void each_state_lets_through_what_it_should(void **state)
{
	struct fixture *f = *state;
	struct zone *z = zone_of(f);

	assert_int_equal(zone_state(z), ZONE_UNLOCKED);
	assert_int_equal(zone_errno(z), 0);
	assert_int_equal(zone_enter(z, ZONE_DRAIN), 0);
	zone_leave(z, ZONE_DRAIN);
	leave(f);
	zone_lock_begin(z, EKEYREVOKED);
	assert_int_equal(zone_state(z), ZONE_DRAINING);
	assert_int_equal(zone_enter(z, ZONE_NORMAL), -EKEYREVOKED);
	assert_int_equal(zone_enter(z, ZONE_DRAIN), 0);
	zone_leave(z, ZONE_DRAIN);
	assert_int_equal(zone_unlock(z, f->vk, NULL), -EBUSY);
	zone_wipe(z);
	assert_int_equal(zone_state(z), ZONE_LOCKED);
	assert_int_equal(zone_enter(z, ZONE_NORMAL), -EKEYREVOKED);
	assert_int_equal(zone_enter(z, ZONE_DRAIN), -EKEYREVOKED);
	assert_null(z->keys);
	zone_set_errno(z, EKEYEXPIRED);
	assert_int_equal(zone_enter(z, ZONE_NORMAL), -EKEYEXPIRED);
	zone_lock_begin(z, ENOKEY);
	assert_int_equal(zone_state(z), ZONE_LOCKED);
	assert_int_equal(zone_errno(z), ENOKEY);
	assert_int_equal(z->normal + z->drain, 0);
	assert_int_equal(zone_unlock(z, f->vk, NULL), 0);
	assert_int_equal(zone_unlock(z, f->vk, NULL), 0);
	enter(f);
}

static void another_key_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store_error err = { "", "" };
	uint8_t other[KEY_LEN];

	leave(f);
	lock(f, ENOKEY);
	memcpy(other, f->vk, KEY_LEN);
	other[31] ^= 1;
	assert_int_equal(zone_unlock(zone_of(f), other, &err), -EKEYREJECTED);
	assert_true(err.message[0]);
	assert_int_equal(zone_state(zone_of(f)), ZONE_LOCKED);
	assert_null(zone_of(f)->keys);
	assert_int_equal(zone_unlock(zone_of(f), f->vk, &err), 0);
	enter(f);
}

static void a_lock_loses_nothing_that_was_written(void **state)
{
	struct fixture *f = *state;
	struct object *held;
	char text[256];
	struct store_stats s;

	mkfile(f, "a", "written but not flushed");
	held = at(f, "a");
	leave(f);
	lock(f, EKEYREVOKED);
	store_stats(f->st, &s);
	assert_int_equal(s.loaded, 0);
	assert_int_equal(s.dirty_objects, 0);
	assert_int_equal(zone_unlock(zone_of(f), f->vk, NULL), 0);
	enter(f);
	assert_int_equal(read_text(held, text), 0);
	assert_string_equal(text, "written but not flushed");
	object_put(held);
	assert_int_equal(f->events[EVENT_LOST], 0);
}

static void an_unlinked_file_outlives_a_lock(void **state)
{
	struct fixture *f = *state;
	struct object *held;
	char text[256];

	mkfile(f, "a", "text");
	held = at(f, "a");
	assert_int_equal(try_unlink(f, "a"), 0);
	leave(f);
	lock(f, EKEYREVOKED);
	assert_int_equal(zone_unlock(zone_of(f), f->vk, NULL), 0);
	enter(f);
	assert_int_equal(read_text(held, text), 0);
	assert_string_equal(text, "text");
	object_put(held);
}

static int fail_writes(void *arg, const struct backing_call *c)
{
	(void)arg;
	return c->op == BACKING_WRITE ? -EIO : 0;
}

static void what_cannot_be_drained_is_reported(void **state)
{
	/* Not on the stack: the sync after a lock may still look at it. */
	static struct backing_hooks h = { .before = fail_writes };
	struct fixture *f = *state;
	uint8_t more[] = "more";
	struct object *o;
	unsigned int failed;

	/* The first bytes went out at once, with the header; what comes after them waits. */
	mkfile(f, "a", "text");
	o = at(f, "a");
	assert_int_equal(object_write(o, more, sizeof(more), 0), 0);
	object_put(o);
	leave(f);
	zone_lock_begin(zone_of(f), EKEYREVOKED);
	backing_hooks = &h;
	failed = zone_commit(zone_of(f), 1000);
	zone_wipe(zone_of(f));
	backing_hooks = NULL;
	assert_int_equal(failed, 1);
	assert_int_equal(f->events[EVENT_LOST], 1);
	assert_int_equal(zone_unlock(zone_of(f), f->vk, NULL), 0);
	enter(f);
}

static void *leave_later(void *arg)
{
	usleep(100000);
	zone_leave(arg, ZONE_NORMAL);
	return NULL;
}

static void quiesce_waits_for_who_is_inside_and_no_longer(void **state)
{
	struct fixture *f = *state;
	struct zone *z = zone_of(f);
	uint64_t begin;
	pthread_t t;

	zone_lock_begin(z, ENOKEY); /* the test itself is inside */
	begin = now_ms();
	assert_int_equal(zone_quiesce(z, 50), -ETIMEDOUT);
	assert_true(now_ms() - begin >= 50);
	assert_int_equal(pthread_create(&t, NULL, leave_later, z), 0);
	begin = now_ms();
	assert_int_equal(zone_quiesce(z, 10000), 0);
	assert_true(now_ms() - begin < 5000);
	pthread_join(t, NULL);
	zone_wipe(z);
	assert_int_equal(zone_unlock(z, f->vk, NULL), 0);
	enter(f);
}

static void a_wipe_waits_for_who_holds_the_keys(void **state)
{
	struct fixture *f = *state;
	struct zone *z = zone_of(f);
	uint64_t begin = now_ms();
	pthread_t t;

	zone_lock_begin(z, ENOKEY);
	assert_int_equal(pthread_create(&t, NULL, leave_later, z), 0);
	zone_wipe(z);
	assert_true(now_ms() - begin >= 90);
	assert_null(z->keys);
	pthread_join(t, NULL);
	assert_int_equal(zone_unlock(z, f->vk, NULL), 0);
	enter(f);
}

struct crowd {
	struct fixture *f;
	struct object *o;
	_Atomic bool stop;
	_Atomic unsigned int in, out;
};

static void *crowd_run(void *arg)
{
	struct crowd *c = arg;
	char text[256];

	while (!c->stop) {
		int r = zone_enter(zone_of(c->f), ZONE_NORMAL);

		if (r == -EKEYREVOKED) {
			c->out++;
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(read_text(c->o, text), 0);
		assert_string_equal(text, "text");
		zone_leave(zone_of(c->f), ZONE_NORMAL);
		c->in++;
	}
	return NULL;
}

/* Under the sanitizers: nobody inside ever meets a key that was wiped. */
static void locks_and_unlocks_do_not_disturb_who_is_inside(void **state)
{
	struct crowd c = { .f = *state };
	pthread_t t[THREADS];

	mkfile(c.f, "a", "text");
	c.o = at(c.f, "a");
	leave(c.f);
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, crowd_run, &c), 0);
	for (unsigned int i = 0; i < 60; i++) {
		usleep(3000);
		lock(c.f, EKEYREVOKED);
		assert_int_equal(zone_unlock(zone_of(c.f), c.f->vk, NULL), 0);
	}
	c.stop = true;
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_true(c.in > 0 && c.out > 0);
	enter(c.f);
	object_put(c.o);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_state_lets_through_what_it_should),
		T(another_key_is_refused),
		T(a_lock_loses_nothing_that_was_written),
		T(an_unlinked_file_outlives_a_lock),
		T(what_cannot_be_drained_is_reported),
		T(quiesce_waits_for_who_is_inside_and_no_longer),
		T(a_wipe_waits_for_who_holds_the_keys),
		T(locks_and_unlocks_do_not_disturb_who_is_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
