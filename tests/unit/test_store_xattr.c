/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes through the store.
 */
#include "namespace_fixture.h"

#include <sys/xattr.h>

static struct object *file(struct fixture *f)
{
	struct object *o;

	assert_int_equal(try_mkfile(f, "a", &o), 0);
	return o;
}

static void a_value_comes_back_and_is_nowhere_in_clear(void **state)
{
	static const char value[] = "a picture of a cat";
	struct fixture *f = *state;
	struct object *o = file(f);
	char buf[256], p[4096], names[1024];
	ssize_t n;

	assert_int_equal(object_setxattr(o, "user.comment", value, sizeof(value), 0), 0);
	assert_int_equal(object_getxattr(o, "user.comment", NULL, 0), sizeof(value));
	assert_int_equal(object_getxattr(o, "user.comment", buf, sizeof(buf)), sizeof(value));
	assert_string_equal(buf, value);
	assert_int_equal(object_getxattr(o, "user.comment", buf, 5), -ERANGE);
	assert_int_equal(object_getxattr(o, "user.none", buf, sizeof(buf)), -ENODATA);
	object_put(o);
	backing_path(f, "a", p);
	n = listxattr(p, names, sizeof(names));
	assert_true(n > 0);
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
		ssize_t len = getxattr(p, names + i, buf, sizeof(buf));

		assert_null(strstr(names + i, "comment"));
		assert_null(memmem(buf, (size_t)MAX(len, 0), "cat", 3));
	}
	remount(f);
	o = at(f, "a");
	assert_int_equal(object_getxattr(o, "user.comment", buf, sizeof(buf)), sizeof(value));
	assert_string_equal(buf, value);
	object_put(o);
}

static void flags_and_removal_are_those_of_the_system(void **state)
{
	struct fixture *f = *state;
	struct object *o = file(f);
	char buf[8];

	assert_int_equal(object_setxattr(o, "user.a", "1", 1, XATTR_REPLACE), -ENODATA);
	assert_int_equal(object_setxattr(o, "user.a", "1", 1, XATTR_CREATE), 0);
	assert_int_equal(object_setxattr(o, "user.a", "2", 1, XATTR_CREATE), -EEXIST);
	assert_int_equal(object_setxattr(o, "user.a", "", 0, XATTR_REPLACE), 0);
	assert_int_equal(object_getxattr(o, "user.a", buf, sizeof(buf)), 0);
	assert_int_equal(object_removexattr(o, "user.a"), 0);
	assert_int_equal(object_removexattr(o, "user.a"), -ENODATA);
	assert_int_equal(object_getxattr(o, "user.a", buf, sizeof(buf)), -ENODATA);
	assert_int_equal(object_setxattr(o, "user.", "1", 1, 0), -EINVAL);
	assert_int_equal(object_setxattr(o, "other.a", "1", 1, 0), -EOPNOTSUPP);
	object_put(o);
}

static void names_have_a_limit(void **state)
{
	struct fixture *f = *state;
	struct object *o = file(f);
	char name[256] = "user.", buf[8];

	memset(name + 5, 'n', 168);
	assert_int_equal(object_setxattr(o, name, "1", 1, 0), -ERANGE);
	assert_int_equal(object_getxattr(o, name, buf, sizeof(buf)), -ENODATA);
	name[5 + XATTR_NAME_LIMIT] = '\0';
	assert_int_equal(object_setxattr(o, name, "1", 1, 0), 0);
	assert_int_equal(object_getxattr(o, name, buf, sizeof(buf)), 1);
	object_put(o);
}

static void a_list_has_plain_names_and_nothing_foreign(void **state)
{
	struct fixture *f = *state;
	struct object *o = file(f);
	char p[4096], list[256];
	ssize_t n;

	assert_int_equal(object_listxattr(o, list, sizeof(list)), 0);
	assert_int_equal(object_setxattr(o, "user.one", "1", 1, 0), 0);
	assert_int_equal(object_setxattr(o, "user.two", "2", 1, 0), 0);
	backing_path(f, "a", p);
	assert_int_equal(setxattr(p, "user.planted", "x", 1, 0), 0);
	assert_int_equal(setxattr(p, "user.cmkfs.planted", "x", 1, 0), 0);
	n = object_listxattr(o, NULL, 0);
	assert_int_equal(n, 18);
	assert_int_equal(object_listxattr(o, list, 17), -ERANGE);
	assert_int_equal(object_listxattr(o, list, sizeof(list)), 18);
	assert_non_null(memmem(list, 18, "user.one", 9));
	assert_non_null(memmem(list, 18, "user.two", 9));
	assert_true(f->events[EVENT_NAME] > 0);
	object_put(o);
}

static void security_attributes_pass_in_clear(void **state)
{
	struct fixture *f = *state;
	struct object *o = file(f);
	char p[4096], buf[16], list[256];

	if (geteuid())
		skip();
	assert_int_equal(object_setxattr(o, "trusted.note", "clear", 5, 0), 0);
	backing_path(f, "a", p);
	assert_int_equal(getxattr(p, "trusted.note", buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "clear", 5);
	assert_int_equal(object_getxattr(o, "trusted.note", buf, sizeof(buf)), 5);
	assert_int_equal(object_listxattr(o, list, sizeof(list)), 13);
	assert_int_equal(object_removexattr(o, "trusted.note"), 0);
	assert_int_equal(object_getxattr(o, "security.capability", buf, sizeof(buf)), -ENODATA);
	object_put(o);
}

static void a_value_moved_to_another_name_or_object_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct object *o = file(f), *d;
	char p[4096], q[4096], names[1024], sealed[64], buf[64];
	ssize_t n, len = 0;

	assert_int_equal(object_setxattr(o, "user.cat", "cat", 3, 0), 0);
	assert_int_equal(object_setxattr(o, "user.dog", "dog", 3, 0), 0);
	assert_int_equal(try_mkdir(f, "d"), 0);
	d = at(f, "d");
	assert_int_equal(object_setxattr(d, "user.cat", "cow", 3, 0), 0);
	backing_path(f, "a", p);
	backing_path(f, "d", q);
	/* Both attributes of the file get the value of the one. */
	n = listxattr(p, names, sizeof(names));
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
		if (!i)
			len = getxattr(p, names, sealed, sizeof(sealed));
		assert_int_equal(setxattr(p, names + i, sealed, (size_t)len, 0), 0);
		setxattr(q, names + i, sealed, (size_t)len, 0);
	}
	n = object_getxattr(o, "user.cat", buf, sizeof(buf));
	assert_true(n == 3 || n == -EIO);
	assert_int_equal(object_getxattr(o, "user.dog", buf, sizeof(buf)), n == 3 ? -EIO : 3);
	/* Names of the one object are strange to the other. */
	assert_int_equal(object_getxattr(d, "user.cat", buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "cow", 3);
	assert_int_equal(object_listxattr(d, names, sizeof(names)), 9);
	assert_true(f->events[EVENT_INTEGRITY] > 0);
	object_put(o);
	object_put(d);
}

static void symlinks_have_no_user_attributes(void **state)
{
	struct fixture *f = *state;
	struct object *o;
	char buf[8];

	assert_int_equal(try_symlink(f, "t", "link"), 0);
	o = at(f, "link");
	assert_int_equal(object_setxattr(o, "user.a", "1", 1, 0), -EPERM);
	assert_int_equal(object_getxattr(o, "user.a", buf, sizeof(buf)), -ENODATA);
	assert_int_equal(object_listxattr(o, buf, sizeof(buf)), 0);
	object_put(o);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_value_comes_back_and_is_nowhere_in_clear),
		T(flags_and_removal_are_those_of_the_system),
		T(names_have_a_limit),
		T(a_list_has_plain_names_and_nothing_foreign),
		T(security_attributes_pass_in_clear),
		T(a_value_moved_to_another_name_or_object_is_an_error),
		T(symlinks_have_no_user_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
