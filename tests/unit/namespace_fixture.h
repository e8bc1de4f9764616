/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names in a test volume, in few words.  The zone is entered from setup to
 * teardown; remount() ends the session and begins another.
 */
#ifndef CMKFS_TEST_NAMESPACE_FIXTURE_H
#define CMKFS_TEST_NAMESPACE_FIXTURE_H

#include "volume_fixture.h"

static const struct cred ROOT = { .uid = 0, .gid = 0 };

static inline void enter(struct fixture *f)
{
	assert_int_equal(zone_enter(store_root_zone(f->st), ZONE_NORMAL), 0);
}

static inline void leave(struct fixture *f)
{
	zone_leave(store_root_zone(f->st), ZONE_NORMAL);
}

static inline int setup_suite(void **state, enum suite suite)
{
	struct fixture *f = calloc(1, sizeof(*f));

	umask(0);
	fixture_make(f, suite);
	enter(f);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_suite(state, SUITE_GCM);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->st)
		leave(f);
	fixture_destroy(f);
	free(f);
	return 0;
}

static inline void remount(struct fixture *f)
{
	leave(f);
	fixture_close(f);
	fixture_open(f, false);
	enter(f);
}

/* The object at PATH, a reference; NULL if there is none. */
static inline struct object *at(struct fixture *f, const char *path)
{
	struct object *o = object_get(store_root(f->st)), *next;
	char *copy = strdup(path), *save = NULL;
	struct stat sb;

	for (char *s = strtok_r(copy, "/", &save); s && o; s = strtok_r(NULL, "/", &save)) {
		int r = object_lookup(o, s, &next, &sb);

		object_put(o);
		o = r ? NULL : next;
		if (r && r != -ENOENT && r != -ENOTDIR)
			fail_msg("lookup %s: %s", path, strerror(-r));
	}
	free(copy);
	return o;
}

static inline bool there(struct fixture *f, const char *path)
{
	struct object *o = at(f, path);

	object_put(o);
	return o;
}

/* The directory of PATH, a reference, and the last step. */
static inline struct object *dir_of(struct fixture *f, const char *path, const char **ret_name)
{
	char *copy = strdup(path), *slash = strrchr(copy, '/');
	struct object *dir;

	*ret_name = slash ? path + (slash - copy) + 1 : path;
	if (slash)
		*slash = '\0';
	dir = at(f, slash ? copy : "");
	free(copy);
	assert_non_null(dir);
	return dir;
}

static inline int try_mkfile(struct fixture *f, const char *path, struct object **ret)
{
	const char *name;
	struct object *dir = dir_of(f, path, &name);
	struct stat sb;
	int r = object_mknod(dir, name, S_IFREG | 0644, 0, &ROOT, ret, &sb);

	object_put(dir);
	return r;
}

static inline int try_mkdir(struct fixture *f, const char *path)
{
	const char *name;
	struct object *dir = dir_of(f, path, &name), *o;
	struct stat sb;
	int r = object_mkdir(dir, name, 0755, &ROOT, &o, &sb);

	object_put(dir);
	if (!r)
		object_put(o);
	return r;
}

static inline int try_symlink(struct fixture *f, const char *target, const char *path)
{
	const char *name;
	struct object *dir = dir_of(f, path, &name), *o;
	struct stat sb;
	int r = object_symlink(dir, name, target, &ROOT, &o, &sb);

	object_put(dir);
	if (!r)
		object_put(o);
	return r;
}

static inline int try_unlink(struct fixture *f, const char *path)
{
	const char *name;
	struct object *dir = dir_of(f, path, &name);
	int r = object_unlink(dir, name);

	object_put(dir);
	return r;
}

static inline int try_rmdir(struct fixture *f, const char *path)
{
	const char *name;
	struct object *dir = dir_of(f, path, &name);
	int r = object_rmdir(dir, name);

	object_put(dir);
	return r;
}

static inline int try_link(struct fixture *f, const char *path, const char *to)
{
	const char *name;
	struct object *o = at(f, path), *dir = dir_of(f, to, &name);
	struct stat sb;
	int r = object_link(o, dir, name, &sb);

	object_put(dir);
	object_put(o);
	return r;
}

static inline int try_rename(struct fixture *f, const char *from, const char *to,
			     unsigned int flags)
{
	const char *a, *b;
	struct object *dir = dir_of(f, from, &a), *newdir = dir_of(f, to, &b);
	int r = object_rename(dir, a, newdir, b, flags);

	object_put(dir);
	object_put(newdir);
	return r;
}

static inline int write_text(struct object *o, const char *text)
{
	uint8_t buf[256];

	memcpy(buf, text, strlen(text));
	return object_write(o, buf, strlen(text), 0);
}

/* A file PATH that holds TEXT. */
static inline void mkfile(struct fixture *f, const char *path, const char *text)
{
	struct object *o;

	assert_int_equal(try_mkfile(f, path, &o), 0);
	assert_int_equal(write_text(o, text), 0);
	object_put(o);
}

static inline int read_text(struct object *o, char ret[static 256])
{
	uint8_t buf[3 * CHUNK], *p;
	ssize_t n = object_read(o, buf, sizeof(buf), 255, 0, &p);

	if (n < 0)
		return (int)n;
	memcpy(ret, p, (size_t)n);
	ret[n] = '\0';
	return 0;
}

#define assert_holds(f, path, text)                                     \
	do {                                                            \
		struct object *o_ = at(f, path);                        \
		char got_[256];                                         \
		assert_non_null(o_);                                    \
		assert_int_equal(read_text(o_, got_), 0);               \
		assert_string_equal(got_, text);                        \
		object_put(o_);                                         \
	} while (0)

/* What the backing directory of PATH (a directory) is. */
static inline void backing_path(struct fixture *f, const char *path, char ret[static 4096])
{
	struct object *o = at(f, path), *parent;
	char stored[256], rest[4096] = "", tmp[4096];

	assert_non_null(o);
	while (o) {
		assert_int_equal(object_path(o, &parent, stored), 0);
		snprintf(tmp, sizeof(tmp), "/%.255s%.3000s", stored, rest);
		strcpy(rest, tmp);
		object_put(o);
		o = parent;
	}
	snprintf(ret, 4096, "%s%.3000s", f->dir, rest);
}

/* Entries of the backing directory of PATH that begin with PREFIX. */
static inline unsigned int backing_count(struct fixture *f, const char *path, const char *prefix)
{
	char p[4096];
	const struct dirent *d;
	unsigned int n = 0;
	DIR *dir;

	backing_path(f, path, p);
	dir = opendir(p);
	assert_non_null(dir);
	while ((d = readdir(dir)))
		n += strcmp(d->d_name, ".") && strcmp(d->d_name, "..") &&
		     !strncmp(d->d_name, prefix, strlen(prefix));
	closedir(dir);
	return n;
}

#endif
