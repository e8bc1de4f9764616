/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nodes that the kernel knows: numbers, lookups, forgetting, flags.
 */
#include <pthread.h>

#include "namespace_fixture.h"

#include "fs/mount/inode.h"

#define NFILES 64
#define THREADS 4
#define ROUNDS 20000

static struct inode_table *table(struct fixture *f)
{
	struct inode_table *t;

	assert_int_equal(inode_table_new(store_root(f->st), &t), 0);
	return t;
}

static struct object *file(struct fixture *f, unsigned int n)
{
	char name[16];
	struct object *o;
	struct stat st;

	snprintf(name, sizeof(name), "f%u", n);
	if (!object_lookup(store_root(f->st), name, &o, &st))
		return o;
	assert_int_equal(object_mknod(store_root(f->st), name, S_IFREG | 0600, 0, &ROOT, &o, &st),
			 0);
	return o;
}

static struct inode *take(struct inode_table *t, struct object *o)
{
	struct inode *i;

	assert_int_equal(inode_take(t, o, &i), 0);
	return i;
}

static void root_is_number_one_and_stays(void **state)
{
	struct fixture *f = *state;
	struct inode_table *t = table(f);
	struct inode *i = inode_of(t, INODE_ROOT);

	assert_ptr_equal(i->object, store_root(f->st));
	assert_int_equal(i->id, INODE_ROOT);
	inode_forget(t, INODE_ROOT, 1000000);
	assert_ptr_equal(inode_of(t, INODE_ROOT)->object, store_root(f->st));
	assert_null(inode_of(t, 0));
	assert_null(inode_of(t, UINT64_MAX));
	inode_table_free(t);
}

static void an_object_has_one_node_until_its_last_lookup_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct inode_table *t = table(f);
	struct inode *i = take(t, file(f, 0));
	uint32_t id = i->id, generation = i->generation;

	assert_ptr_equal(take(t, file(f, 0)), i);
	assert_ptr_equal(take(t, file(f, 0)), i);
	assert_int_equal(inode_count(t), 2);
	inode_forget(t, id, 2);
	assert_non_null(i->object);
	inode_forget(t, id, 1);
	assert_null(i->object);
	assert_int_equal(inode_count(t), 1);
	/* The number comes again, as something else. */
	assert_int_equal(take(t, file(f, 1))->id, id);
	assert_int_not_equal(inode_of(t, id)->generation, generation);
	inode_table_free(t);
}

static void numbers_are_dense(void **state)
{
	struct fixture *f = *state;
	struct inode_table *t = table(f);
	bool seen[NFILES + 2] = { false };

	for (unsigned int round = 0; round < 3; round++) {
		memset(seen, 0, sizeof(seen));
		for (unsigned int n = 0; n < NFILES; n++) {
			uint32_t id = take(t, file(f, n))->id;

			assert_in_range(id, 2, NFILES + 1);
			assert_false(seen[id]);
			seen[id] = true;
		}
		assert_int_equal(inode_high_water(t), NFILES + 1);
		for (uint32_t id = 2; id <= NFILES + 1; id++)
			inode_forget(t, id, 1);
	}
	inode_table_free(t);
}

static void flags_and_reach_begin_anew_with_a_new_object(void **state)
{
	struct fixture *f = *state;
	struct inode_table *t = table(f);
	struct inode *i = take(t, file(f, 0));
	_Atomic uint32_t *reach = &inode_shared(t)->reach[i->id];

	assert_int_equal(i->flags, 0);
	inode_touch_pages(t, i, 1);
	assert_int_equal(*reach, 1);
	inode_touch_pages(t, i, (UINT64_C(3) << 40) + 1);
	assert_int_equal(*reach, (3u << 20) + 1);
	inode_touch_pages(t, i, 4096);
	assert_int_equal(*reach, (3u << 20) + 1);
	inode_touch(i, INODE_WRITTEN);
	assert_int_equal(i->flags, INODE_ATTRS | INODE_PAGES | INODE_WRITTEN);
	inode_forget(t, i->id, 1);
	assert_null(i->zone);
	assert_ptr_equal(take(t, file(f, 1)), i);
	assert_int_equal(i->flags, 0);
	assert_int_equal(*reach, 0);
	assert_ptr_equal(i->zone, store_root_zone(f->st));
	inode_table_free(t);
}

struct race {
	struct inode_table *t;
	struct object *o[NFILES];
	unsigned int seed;
};

static void *race(void *arg)
{
	struct race *r = arg;

	for (unsigned int n = 0; n < ROUNDS; n++) {
		struct object *o = r->o[rand_r(&r->seed) % NFILES];
		struct inode *i;

		if (inode_take(r->t, object_get(o), &i))
			return (void *)"take";
		if (i->object != o || inode_of(r->t, i->id) != i)
			return (void *)"node of another object";
		inode_touch(i, INODE_ATTRS);
		inode_forget(r->t, i->id, 1);
	}
	return NULL;
}

static void lookups_race_with_forgets(void **state)
{
	struct fixture *f = *state;
	struct race r[THREADS] = { { .t = table(f) } };
	pthread_t threads[THREADS];
	void *why;

	for (unsigned int n = 0; n < NFILES; n++)
		r[0].o[n] = file(f, n);
	for (unsigned int n = 0; n < THREADS; n++) {
		r[n] = r[0];
		r[n].seed = n;
		assert_int_equal(pthread_create(&threads[n], NULL, race, &r[n]), 0);
	}
	for (unsigned int n = 0; n < THREADS; n++) {
		pthread_join(threads[n], &why);
		if (why)
			fail_msg("%s", (char *)why);
	}
	assert_int_equal(inode_count(r[0].t), 1);
	for (unsigned int n = 0; n < NFILES; n++) {
		assert_null(object_owner(r[0].o[n]));
		object_put(r[0].o[n]);
	}
	inode_table_free(r[0].t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(root_is_number_one_and_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_object_has_one_node_until_its_last_lookup_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_are_dense, setup, teardown),
		cmocka_unit_test_setup_teardown(flags_and_reach_begin_anew_with_a_new_object, setup,
						teardown),
		cmocka_unit_test_setup_teardown(lookups_race_with_forgets, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
