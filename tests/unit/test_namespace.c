/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: made, found, listed, removed.
 */
#include "namespace_fixture.h"

#include <sys/wait.h>

static void a_name_that_is_not_there_is_ENOENT(void **state)
{
	struct fixture *f = *state;
	struct object *o;
	struct stat sb;

	assert_int_equal(object_lookup(store_root(f->st), "none", &o, &sb), -ENOENT);
	assert_int_equal(object_lookup(store_root(f->st), "..", &o, &sb), -ENOENT);
	assert_int_equal(try_unlink(f, "none"), -ENOENT);
	assert_int_equal(try_rmdir(f, "none"), -ENOENT);
	assert_int_equal(try_rename(f, "none", "other", 0), -ENOENT);
}

static void a_file_is_found_under_its_name_only(void **state)
{
	struct fixture *f = *state;
	struct object *made, *o;
	struct stat sb;

	assert_int_equal(try_mkfile(f, "label.txt", &made), 0);
	assert_int_equal(try_mkfile(f, "label.txt", &o), -EEXIST);
	assert_int_equal(object_lookup(store_root(f->st), "label.txt", &o, &sb), 0);
	assert_ptr_equal(o, made);
	assert_true(S_ISREG(sb.st_mode));
	assert_int_equal(sb.st_size, 0);
	assert_int_equal(sb.st_mode & 07777, 0644);
	assert_int_equal(object_lookup(o, "x", &made, &sb), -ENOTDIR);
	assert_int_equal(object_lookup(store_root(f->st), "Label.txt", &made, &sb), -ENOENT);
	assert_int_equal(backing_count(f, "", "label"), 0);
	assert_int_equal(backing_count(f, "", ""), 2); /* .D and the file */
	object_put(o);
	object_put(o);
}

static void the_size_of_an_unloaded_file_comes_from_its_length(void **state)
{
	struct fixture *f = *state;
	struct object *o;
	struct stat sb;

	mkfile(f, "a", "thirteen byte");
	remount(f);
	assert_int_equal(object_lookup(store_root(f->st), "a", &o, &sb), 0);
	assert_int_equal(sb.st_size, 13);
	assert_null(o->l);
	assert_int_equal(object_getattr(o, &sb), 0);
	assert_int_equal(sb.st_size, 13);
	assert_null(o->l);
	object_put(o);
	assert_holds(f, "a", "thirteen byte");
}

static void names_are_any_bytes_up_to_255(void **state)
{
	static const size_t lengths[] = { 1, 15, 16, 17, 175, 176, 254, 255 };
	struct fixture *f = *state;
	struct object *o;
	char name[257];

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (size_t j = 0; j < lengths[i]; j++)
			name[j] = (char)(j % 255 + 1 == '/' ? 'x' : j % 255 + 1);
		name[lengths[i]] = '\0';
		assert_int_equal(try_mkfile(f, name, &o), 0);
		assert_int_equal(write_text(o, "text"), 0);
		object_put(o);
	}
	memset(name, 'n', 256);
	name[256] = '\0';
	assert_int_equal(try_mkfile(f, name, &o), -ENAMETOOLONG);
	assert_int_equal(backing_count(f, "", ".N"), 3);
	remount(f);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (size_t j = 0; j < lengths[i]; j++)
			name[j] = (char)(j % 255 + 1 == '/' ? 'x' : j % 255 + 1);
		name[lengths[i]] = '\0';
		o = at(f, name);
		assert_non_null(o);
		object_put(o);
		assert_int_equal(try_unlink(f, name), 0);
	}
	assert_int_equal(backing_count(f, "", ""), 1);
}

static void an_owner_and_a_mode_are_as_asked(void **state)
{
	static const struct cred other = { .uid = 1234, .gid = 5678 };
	struct fixture *f = *state;
	struct object *root = store_root(f->st), *o, *dir;
	struct stat sb;

	if (geteuid())
		skip();
	assert_int_equal(object_mknod(root, "suid", S_IFREG | 04755, 0, &other, &o, &sb), 0);
	assert_int_equal(sb.st_uid, 1234);
	assert_int_equal(sb.st_gid, 5678);
	assert_int_equal(sb.st_mode & 07777, 04755);
	object_put(o);
	assert_int_equal(object_mkdir(root, "shared", 02775, &other, &dir, &sb), 0);
	assert_int_equal(sb.st_mode & 07777, 02775);
	/* A set-group-ID directory gives its group, and to directories the bit as well. */
	assert_int_equal(object_mknod(dir, "f", S_IFREG | 0600, 0, &ROOT, &o, &sb), 0);
	assert_int_equal(sb.st_uid, 0);
	assert_int_equal(sb.st_gid, 5678);
	object_put(o);
	assert_int_equal(object_mkdir(dir, "d", 0700, &ROOT, &o, &sb), 0);
	assert_int_equal(sb.st_gid, 5678);
	assert_int_equal(sb.st_mode & 07777, 02700);
	object_put(o);
	assert_int_equal(object_symlink(dir, "s", "t", &other, &o, &sb), 0);
	assert_int_equal(sb.st_uid, 1234);
	object_put(o);
	object_put(dir);
}

static void special_files_pass_through(void **state)
{
	struct fixture *f = *state;
	struct object *o, *found;
	struct stat sb;

	assert_int_equal(object_mknod(store_root(f->st), "fifo", S_IFIFO | 0640, 0, &ROOT, &o, &sb),
			 0);
	assert_true(S_ISFIFO(sb.st_mode));
	assert_int_equal(try_link(f, "fifo", "second"), 0);
	found = at(f, "second");
	assert_ptr_equal(found, o);
	assert_int_equal(try_rename(f, "second", "third", 0), 0);
	assert_int_equal(try_unlink(f, "fifo"), 0);
	assert_int_equal(try_unlink(f, "third"), 0);
	assert_int_equal(object_getattr(o, &sb), 0); /* it may be held open */
	assert_int_equal(sb.st_nlink, 0);
	object_put(o);
	object_put(found);
}

/* ---- directories ------------------------------------------------------------ */

static void a_directory_is_made_whole_and_removed_whole(void **state)
{
	struct fixture *f = *state;
	struct object *d;
	struct stat sb;

	assert_int_equal(try_mkdir(f, "d"), 0);
	assert_int_equal(try_mkdir(f, "d"), -EEXIST);
	assert_int_equal(try_mkdir(f, "d/e"), 0);
	mkfile(f, "d/e/file", "deep");
	assert_int_equal(backing_count(f, "", ".T"), 0);
	assert_int_equal(backing_count(f, "d", ".D"), 1);
	remount(f);
	assert_holds(f, "d/e/file", "deep");
	assert_int_equal(try_rmdir(f, "d"), -ENOTEMPTY);
	assert_int_equal(try_unlink(f, "d"), -EISDIR);
	assert_int_equal(try_rmdir(f, "d/e/file"), -ENOTDIR);
	assert_int_equal(try_unlink(f, "d/e/file"), 0);
	d = at(f, "d/e");
	assert_int_equal(try_rmdir(f, "d/e"), 0);
	assert_int_equal(try_rmdir(f, "d"), 0);
	assert_false(there(f, "d"));
	/* One that a process stands in has attributes, and takes no more names. */
	assert_int_equal(object_getattr(d, &sb), 0);
	assert_int_equal(object_mkdir(d, "x", 0755, &ROOT, &(struct object *){ NULL }, &sb),
			 -ENOENT);
	object_put(d);
	assert_int_equal(backing_count(f, "", ""), 1);
}

static void leftovers_do_not_keep_a_directory(void **state)
{
	struct fixture *f = *state;
	char p[4096], q[4600];

	assert_int_equal(try_mkdir(f, "d"), 0);
	backing_path(f, "d", p);
	snprintf(q, sizeof(q), "%s/.TAAAAAAAAAAAAAAAAAAAAAA", p);
	assert_int_equal(mkdir(q, 0500), 0);
	snprintf(q, sizeof(q), "%s/.TAAAAAAAAAAAAAAAAAAAAAA/.D", p);
	assert_int_equal(mknod(q, S_IFREG | 0600, 0), 0);
	snprintf(q, sizeof(q), "%s/.TBAAAAAAAAAAAAAAAAAAAAA", p);
	assert_int_equal(symlink("x", q), 0);
	snprintf(q, sizeof(q), "%s/.NAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", p);
	assert_int_equal(mknod(q, S_IFREG | 0600, 0), 0);
	assert_int_equal(try_rmdir(f, "d"), 0);
	assert_int_equal(access(p, F_OK), -1);
	assert_int_equal(backing_count(f, "", ""), 1);
}

static void a_foreign_file_keeps_a_directory(void **state)
{
	struct fixture *f = *state;
	char p[4096], q[4600];

	assert_int_equal(try_mkdir(f, "d"), 0);
	backing_path(f, "d", p);
	snprintf(q, sizeof(q), "%s/precious", p);
	assert_int_equal(mknod(q, S_IFREG | 0600, 0), 0);
	assert_int_equal(try_rmdir(f, "d"), -ENOTEMPTY);
	assert_int_equal(access(q, F_OK), 0);
	assert_int_equal(unlink(q), 0);
}

struct listed {
	char names[64][256];
	int64_t next[64];
	unsigned int n, max;
};

static bool take(void *arg, const struct dir_entry *e)
{
	struct listed *l = arg;

	if (l->n == l->max)
		return false;
	assert_true(e->d_type == DT_DIR || e->d_type == DT_REG || e->d_type == DT_LNK);
	assert_int_equal(strlen(e->name), e->n);
	strcpy(l->names[l->n], e->name);
	l->next[l->n++] = e->next_off;
	return true;
}

static bool has(const struct listed *l, const char *name)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < l->n; i++)
		found += !strcmp(l->names[i], name);
	assert_true(found <= 1);
	return found;
}

static void fill_directory(struct fixture *f)
{
	char name[256];

	for (unsigned int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		mkfile(f, name, "x");
	}
	memset(name, 'l', 200);
	name[200] = '\0';
	assert_int_equal(try_mkdir(f, name), 0);
	assert_int_equal(try_symlink(f, "file-1", "link"), 0);
}

static void a_listing_names_all_once_from_any_place(void **state)
{
	struct fixture *f = *state;
	struct listed all = { .max = 64 }, part;
	char name[256];

	fill_directory(f);
	assert_int_equal(object_readdir(store_root(f->st), 0, take, &all), 0);
	assert_int_equal(all.n, 24);
	assert_true(has(&all, ".") && has(&all, "..") && has(&all, "link"));
	for (unsigned int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		assert_true(has(&all, name));
	}
	memset(name, 'l', 200);
	name[200] = '\0';
	assert_true(has(&all, name));
	/* From each cookie, one at a time. */
	for (unsigned int i = 0; i < all.n; i++) {
		part = (struct listed){ .max = 1 };
		assert_int_equal(object_readdir(store_root(f->st), i ? all.next[i - 1] : 0, take,
						&part), 0);
		assert_int_equal(part.n, 1);
		assert_string_equal(part.names[0], all.names[i]);
	}
	part = (struct listed){ .max = 1 };
	assert_int_equal(object_readdir(store_root(f->st), all.next[all.n - 1], take, &part), 0);
	assert_int_equal(part.n, 0);
}

static void a_listing_sees_what_changed_before_it_went_on(void **state)
{
	struct fixture *f = *state;
	struct listed first = { .max = 5 }, rest = { .max = 64 };

	fill_directory(f);
	assert_int_equal(object_readdir(store_root(f->st), 0, take, &first), 0);
	for (unsigned int i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "file-%u", i);
		assert_int_equal(try_unlink(f, name), 0);
	}
	assert_int_equal(object_readdir(store_root(f->st), first.next[4], take, &rest), 0);
	for (unsigned int i = 0; i < rest.n; i++)
		assert_null(strstr(rest.names[i], "file-"));
}

struct marks {
	unsigned char seen[3000];
	unsigned int left; /* of this page */
	int64_t off;
};

static bool mark(void *arg, const struct dir_entry *e)
{
	struct marks *m = arg;
	unsigned int i;

	if (!m->left)
		return false;
	m->left--;
	if (sscanf(e->name, "n%u", &i) == 1)
		m->seen[i]++;
	m->off = e->next_off;
	return true;
}

static void a_large_directory_that_shrinks_shows_what_stays_once(void **state)
{
	struct fixture *f = *state;
	struct marks m = { .left = 0 };
	char name[16];
	struct object *o;
	unsigned int gone = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(m.seen); i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(try_mkfile(f, name, &o), 0);
		object_put(o);
	}
	do {
		m.left = 100;
		assert_int_equal(object_readdir(store_root(f->st), m.off, mark, &m), 0);
		/* Odd names go meanwhile, a few each time. */
		for (unsigned int i = 0; i < 30 && gone + 1 < ARRAY_SIZE(m.seen); i++, gone += 2) {
			snprintf(name, sizeof(name), "n%u", gone + 1);
			assert_int_equal(try_unlink(f, name), 0);
		}
	} while (!m.left);
	for (unsigned int i = 0; i < ARRAY_SIZE(m.seen); i++)
		assert_true(i % 2 ? m.seen[i] <= 1 : m.seen[i] == 1);
}

static void what_does_not_authenticate_is_not_listed(void **state)
{
	struct fixture *f = *state;
	struct listed l = { .max = 64 };
	struct object *o;
	struct stat sb;
	char p[4096], q[4600];

	mkfile(f, "good", "x");
	backing_path(f, "", p);
	snprintf(q, sizeof(q), "%s/cHJlY2lvdXM", p);
	assert_int_equal(mknod(q, S_IFREG | 0600, 0), 0);
	snprintf(q, sizeof(q), "%s/.LAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", p);
	assert_int_equal(mknod(q, S_IFREG | 0600, 0), 0);
	assert_int_equal(object_readdir(store_root(f->st), 0, take, &l), 0);
	assert_int_equal(l.n, 3);
	assert_int_equal(f->events[EVENT_NAME], 2);
	assert_int_equal(object_lookup(store_root(f->st), "cHJlY2lvdXM", &o, &sb), -ENOENT);
}

static void plain_names_are_kept_as_they_are(void **state)
{
	static const struct init_options opt = { .suite = SUITE_XTS, .names = NAME_PLAIN,
						 .padding = 16, .binding = BINDING_ENFORCE,
						 .crash = CRASH_ORDERED };
	struct fixture *f = *state, g = *f;
	struct listed l = { .max = 64 };
	struct zone_id z;
	struct object *o;
	struct stat sb;

	snprintf(g.dir, sizeof(g.dir), "%.60s/plain", f->dir);
	assert_int_equal(volume_init(g.dir, &opt, fixture_slot, &g, &z, NULL), 0);
	fixture_open(&g, false);
	enter(&g);
	mkfile(&g, "label.txt", "text");
	mkfile(&g, ".Labels", "text");
	mkfile(&g, ".Notes", "text");
	assert_int_equal(try_mkdir(&g, "d"), 0);
	assert_int_equal(try_symlink(&g, "label.txt", "link"), 0);
	assert_int_equal(try_mkfile(&g, ".D", &o), -EINVAL);
	assert_int_equal(try_mkfile(&g, ".TAAAAAAAAAAAAAAAAAAAAAA", &o), -EINVAL);
	assert_int_equal(object_lookup(store_root(g.st), ".D", &o, &sb), -ENOENT);
	assert_int_equal(backing_count(&g, "", "label.txt"), 1);
	assert_int_equal(try_rename(&g, "label.txt", "d/label.txt", 0), 0);
	remount(&g);
	assert_holds(&g, "d/label.txt", "text");
	assert_holds(&g, ".Labels", "text");
	assert_int_equal(object_readdir(store_root(g.st), 0, take, &l), 0);
	assert_int_equal(l.n, 6);
	assert_true(has(&l, ".Labels") && has(&l, ".Notes") && has(&l, "d") && has(&l, "link"));
	assert_int_equal(try_rmdir(&g, "d"), -ENOTEMPTY);
	leave(&g);
	fixture_close(&g);
}

/* ---- links ------------------------------------------------------------------ */

static void a_file_with_two_names_reads_by_both(void **state)
{
	struct fixture *f = *state;
	struct object *a, *b;
	struct stat sb;

	mkfile(f, "a", "shared");
	assert_int_equal(try_mkdir(f, "d"), 0);
	assert_int_equal(try_link(f, "a", "d/b"), 0);
	assert_int_equal(try_link(f, "a", "d/b"), -EEXIST);
	assert_int_equal(try_link(f, "d", "e"), -EPERM);
	remount(f);
	assert_holds(f, "d/b", "shared");
	assert_holds(f, "a", "shared");
	a = at(f, "a");
	b = at(f, "d/b");
	assert_ptr_equal(a, b);
	assert_int_equal(object_getattr(a, &sb), 0);
	assert_int_equal(sb.st_nlink, 2);
	/* The name it was found by last goes: the object stays usable. */
	assert_int_equal(try_unlink(f, "d/b"), 0);
	assert_int_equal(write_text(a, "SHARED"), 0);
	object_put(a);
	object_put(b);
	remount(f);
	assert_holds(f, "a", "SHARED");
}

static void an_unlinked_file_lives_while_it_is_held(void **state)
{
	struct fixture *f = *state;
	struct object *o, *fresh;
	char text[256];
	struct stat sb;

	mkfile(f, "a", "old");
	remount(f);
	fresh = at(f, "a"); /* not loaded: nobody has read it yet */
	assert_int_equal(try_unlink(f, "a"), 0);
	assert_int_equal(read_text(fresh, text), 0);
	assert_string_equal(text, "old");
	assert_int_equal(try_mkfile(f, "a", &o), 0);
	assert_ptr_not_equal(o, fresh);
	assert_int_equal(write_text(fresh, "gone"), 0);
	assert_int_equal(object_getattr(fresh, &sb), 0);
	assert_int_equal(sb.st_nlink, 0);
	assert_int_equal(sb.st_size, 4);
	object_put(fresh);
	object_put(o);
}

static void a_file_that_was_swapped_is_not_read_by_the_other_name(void **state)
{
	struct fixture *f = *state;
	char cat[4096], dog[4096], text[256];
	struct object *o;

	mkfile(f, "cat", "meow");
	mkfile(f, "dog", "woof");
	backing_path(f, "cat", cat);
	backing_path(f, "dog", dog);
	remount(f);
	assert_int_equal(renameat2(AT_FDCWD, cat, AT_FDCWD, dog, RENAME_EXCHANGE), 0);
	o = at(f, "cat");
	assert_int_equal(read_text(o, text), -EIO);
	/* Not by removing it first, either. */
	assert_int_equal(try_unlink(f, "cat"), 0);
	assert_int_equal(read_text(o, text), -EIO);
	object_put(o);
	o = at(f, "dog");
	assert_int_equal(try_unlink(f, "dog"), 0);
	assert_int_equal(read_text(o, text), -EIO);
	object_put(o);
	assert_true(f->events[EVENT_INTEGRITY] >= 3);
}

static void a_planted_symlink_or_fifo_is_never_opened(void **state)
{
	struct fixture *f = *state;
	struct object *o;
	char p[4096], text[256];

	mkfile(f, "a", "text");
	backing_path(f, "a", p);
	remount(f);
	o = at(f, "a");
	assert_int_equal(unlink(p), 0);
	assert_int_equal(symlink("/etc/passwd", p), 0);
	assert_true(read_text(o, text) < 0);
	assert_int_equal(unlink(p), 0);
	assert_int_equal(mkfifo(p, 0600), 0);
	assert_true(read_text(o, text) < 0);
	object_put(o);
}

/* ---- symlinks --------------------------------------------------------------- */

static void a_symlink_gives_back_its_target(void **state)
{
	struct fixture *f = *state;
	char target[SYMLINK_LIMIT + 2], got[SYMLINK_LIMIT + 1];
	struct object *o;
	struct stat sb;

	memset(target, 't', sizeof(target));
	target[SYMLINK_LIMIT + 1] = '\0';
	assert_int_equal(try_symlink(f, target, "long"), -ENAMETOOLONG);
	target[SYMLINK_LIMIT] = '\0';
	assert_int_equal(try_symlink(f, target, "long"), 0);
	assert_int_equal(try_symlink(f, "../label.txt", "link"), 0);
	assert_int_equal(try_symlink(f, "x", "link"), -EEXIST);
	remount(f);
	assert_int_equal(object_lookup(store_root(f->st), "link", &o, &sb), 0);
	assert_int_equal(sb.st_size, 12);
	assert_int_equal(object_readlink(o, got, sizeof(got)), 12);
	assert_string_equal(got, "../label.txt");
	assert_int_equal(try_link(f, "link", "second"), -EPERM);
	object_put(o);
	o = at(f, "long");
	assert_int_equal(object_readlink(o, got, sizeof(got)), SYMLINK_LIMIT);
	assert_string_equal(got, target);
	object_put(o);
}

static void a_symlink_moved_behind_our_back_is_an_error(void **state)
{
	struct fixture *f = *state;
	char p[4096], q[4096], got[SYMLINK_LIMIT + 1];
	struct object *o;

	assert_int_equal(try_symlink(f, "one", "a"), 0);
	assert_int_equal(try_symlink(f, "two", "b"), 0);
	backing_path(f, "a", p);
	backing_path(f, "b", q);
	remount(f);
	assert_int_equal(rename(p, q), 0);
	o = at(f, "b");
	assert_int_equal(object_readlink(o, got, sizeof(got)), -EIO);
	assert_int_equal(f->events[EVENT_INTEGRITY], 1);
	object_put(o);
}

/* ---- attributes ------------------------------------------------------------- */

static void attributes_are_set_on_what_is_meant(void **state)
{
	const struct stat want = { .st_mode = 0600, .st_mtim = { 1000000001, 123456789 },
				   .st_atim = { 1000000002, 987654321 } };
	struct fixture *f = *state;
	struct object *o, *link;
	struct stat sb;

	mkfile(f, "a", "text");
	assert_int_equal(try_symlink(f, "a", "link"), 0);
	remount(f);
	o = at(f, "a");
	link = at(f, "link");
	assert_int_equal(object_setattr(o, &want, SET_MODE | SET_MTIME | SET_ATIME), 0);
	assert_int_equal(object_getattr(o, &sb), 0);
	assert_int_equal(sb.st_mode & 07777, 0600);
	assert_int_equal(sb.st_mtim.tv_sec, 1000000001);
	assert_int_equal(sb.st_mtim.tv_nsec, 123456789);
	assert_int_equal(sb.st_atim.tv_sec, 1000000002);
	assert_int_equal(object_setattr(link, &want, SET_MTIME), 0);
	assert_int_equal(object_getattr(link, &sb), 0);
	assert_int_equal(sb.st_mtim.tv_sec, 1000000001);
	/* Reading needs the header: the time stays. */
	assert_holds(f, "a", "text");
	assert_int_equal(object_getattr(o, &sb), 0);
	assert_int_equal(sb.st_mtim.tv_sec, 1000000001);
	object_put(o);
	object_put(link);
}

static void times_set_after_a_write_stay(void **state)
{
	const struct stat want = { .st_mtim = { 1000000001, 5 } };
	struct fixture *f = *state;
	struct object *o;
	struct stat sb;

	assert_int_equal(try_mkfile(f, "a", &o), 0);
	assert_int_equal(write_text(o, "text"), 0);
	assert_int_equal(object_setattr(o, &want, SET_MTIME), 0);
	assert_int_equal(object_fsync(o, false), 0);
	assert_int_equal(try_link(f, "a", "b"), 0);
	assert_int_equal(try_rename(f, "b", "c", 0), 0);
	object_put(o);
	remount(f);
	o = at(f, "a");
	assert_int_equal(object_getattr(o, &sb), 0);
	assert_int_equal(sb.st_mtim.tv_sec, 1000000001);
	assert_int_equal(sb.st_mtim.tv_nsec, 5);
	object_put(o);
}

static void a_read_only_store_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct object *o;
	struct stat sb;

	mkfile(f, "a", "text");
	leave(f);
	fixture_close(f);
	fixture_open(f, true);
	enter(f);
	o = at(f, "a");
	assert_holds(f, "a", "text");
	assert_int_equal(try_mkfile(f, "b", &o), -EROFS);
	assert_int_equal(try_mkdir(f, "b"), -EROFS);
	assert_int_equal(try_symlink(f, "x", "b"), -EROFS);
	assert_int_equal(try_link(f, "a", "b"), -EROFS);
	assert_int_equal(try_unlink(f, "a"), -EROFS);
	assert_int_equal(try_rename(f, "a", "b", 0), -EROFS);
	assert_int_equal(object_setattr(o, &sb, SET_MODE), -EROFS);
	object_put(o);
}

/* ---- without privileges ----------------------------------------------------------------- */

static int mode_of(struct fixture *f, const char *path)
{
	struct object *o = at(f, path);
	struct stat sb;
	int r = object_getattr(o, &sb);

	object_put(o);
	return r ? r : (int)(sb.st_mode & 07777);
}

/* In a process of its own: 0, or 1 and the line that failed. */
static int owner_without_permission(void)
{
	const struct cred me = { .uid = 65534, .gid = 65534 };
	struct object *o;
	struct fixture f;
	struct stat sb;
	char text[256];

#define CHECK(x)                                                           \
	do {                                                               \
		if (!(x))                                                  \
			return fprintf(stderr, "line %d\n", __LINE__), 1; \
	} while (0)
	fixture_make(&f, SUITE_GCM);
	enter(&f);
	CHECK(!object_mknod(store_root(f.st), "f", S_IFREG | 0444, 0, &me, &o, &sb));
	CHECK(!write_text(o, "one"));
	object_put(o);
	CHECK(!object_mkdir(store_root(f.st), "d", 0300, &me, &o, &sb));
	object_put(o);
	CHECK(!object_mkdir(store_root(f.st), "none", 0, &me, &o, &sb));
	object_put(o);
	CHECK(object_mknod(store_root(f.st), "g", S_IFREG | 0644, 0, &ROOT, &o, &sb) == -EPERM);
	CHECK(backing_count(&f, "", "") == 4);
	remount(&f);
	CHECK(!object_lookup(store_root(f.st), "f", &o, &sb));
	CHECK(!write_text(o, "two"));
	object_put(o);
	remount(&f);
	CHECK(!object_lookup(store_root(f.st), "f", &o, &sb));
	CHECK(!read_text(o, text) && !strcmp(text, "two"));
	object_put(o);
	CHECK(mode_of(&f, "f") == 0444);
	o = at(&f, "d");
	CHECK(!object_readdir(o, 0, take, &(struct listed){ .max = 64 }));
	object_put(o);
	CHECK(mode_of(&f, "d") == 0300);
	CHECK(!try_rmdir(&f, "none"));
	CHECK(!try_rmdir(&f, "d"));
	leave(&f);
	fixture_destroy(&f);
	return 0;
}

static void an_owner_without_permission_is_lent_it(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid())
		skip();
	pid = fork();
	if (!pid) {
		umask(0);
		_exit(setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534) ?
			      1 : owner_without_permission());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("status %x", (unsigned int)status);
}

/* ---- the table -------------------------------------------------------------- */

static void objects_go_with_their_last_reference(void **state)
{
	struct fixture *f = *state;
	struct store_stats s;
	struct object *o;

	assert_int_equal(try_mkdir(f, "a"), 0);
	assert_int_equal(try_mkdir(f, "a/b"), 0);
	assert_int_equal(try_mkdir(f, "a/b/c"), 0);
	o = at(f, "a/b/c");
	store_stats(f->st, &s);
	assert_int_equal(s.objects, 4); /* its ancestors are held by it */
	object_put(o);
	store_stats(f->st, &s);
	assert_int_equal(s.objects, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_name_that_is_not_there_is_ENOENT),
		T(a_file_is_found_under_its_name_only),
		T(the_size_of_an_unloaded_file_comes_from_its_length),
		T(names_are_any_bytes_up_to_255),
		T(an_owner_and_a_mode_are_as_asked),
		T(special_files_pass_through),
		T(a_directory_is_made_whole_and_removed_whole),
		T(leftovers_do_not_keep_a_directory),
		T(a_foreign_file_keeps_a_directory),
		T(a_listing_names_all_once_from_any_place),
		T(a_listing_sees_what_changed_before_it_went_on),
		T(a_large_directory_that_shrinks_shows_what_stays_once),
		T(what_does_not_authenticate_is_not_listed),
		T(plain_names_are_kept_as_they_are),
		T(a_file_with_two_names_reads_by_both),
		T(an_unlinked_file_lives_while_it_is_held),
		T(a_file_that_was_swapped_is_not_read_by_the_other_name),
		T(a_planted_symlink_or_fifo_is_never_opened),
		T(a_symlink_gives_back_its_target),
		T(a_symlink_moved_behind_our_back_is_an_error),
		T(attributes_are_set_on_what_is_meant),
		T(times_set_after_a_write_stay),
		T(a_read_only_store_changes_nothing),
		T(objects_go_with_their_last_reference),
		cmocka_unit_test(an_owner_without_permission_is_lent_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
