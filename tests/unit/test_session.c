/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: what stands on disk before, during and after a mount, and which
 * slots count as unclean.
 */
#include "namespace_fixture.h"

#include <fcntl.h>

#include "fs/store/content.h"
#include "fs/store/volume.h"

/* The session block on disk; its structure is checked. */
static struct session_block on_disk(struct fixture *f)
{
	struct session_block b;
	uint8_t raw[FIXED_BLOCK];
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/" SESSION_FILE, f->dir);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fread(raw, 1, sizeof(raw), file), sizeof(raw));
	fclose(file);
	assert_int_equal(session_parse(raw, &b, NULL), 0);
	return b;
}

/* As if the daemon had died: nothing is flushed, no session ended. */
static void die(struct fixture *f)
{
	leave(f);
	store_close(f->st);
	f->st = NULL;
}

static void a_session_is_on_disk_while_it_lasts(void **state)
{
	struct fixture *f = *state;
	struct session_block b = on_disk(f);

	/* init was session 1 and ended with seq 2. */
	assert_int_equal(b.seq, 3);
	assert_int_equal(b.open, 3);
	assert_int_equal(session_current(f->st), 3);
	assert_false(session_unclean(f->st, 3));
	assert_false(session_unclean(f->st, 1));
	remount(f);
	b = on_disk(f);
	assert_int_equal(b.seq, 5);
	assert_int_equal(b.open, 5);
	assert_int_equal(b.nunclean, 0);
}

static void a_session_that_did_not_end_is_unclean(void **state)
{
	struct fixture *f = *state;
	struct session_block b;

	die(f);
	fixture_open(f, false);
	enter(f);
	b = on_disk(f);
	assert_int_equal(b.open, 4);
	assert_int_equal(b.nunclean, 1);
	assert_int_equal(b.unclean[0], 3);
	assert_true(session_unclean(f->st, 3));
	assert_false(session_unclean(f->st, 4));
	assert_int_equal(session_nunclean(f->st), 1);
	/* It stays so over a clean end, until it is settled. */
	remount(f);
	assert_true(session_unclean(f->st, 3));
	assert_int_equal(session_clear_unclean(f->st), 0);
	assert_false(session_unclean(f->st, 3));
	assert_int_equal(on_disk(f).nunclean, 0);
	assert_int_equal(on_disk(f).open, session_current(f->st));
	remount(f);
	assert_int_equal(session_nunclean(f->st), 0);
	assert_true(on_disk(f).seq > 6);
}

static void a_lost_session_is_not_ended(void **state)
{
	struct fixture *f = *state;

	leave(f);
	assert_int_equal(store_end_session(f->st, true), 0);
	store_close(f->st);
	assert_int_equal(on_disk(f).open, 3);
	fixture_open(f, false);
	enter(f);
	assert_true(session_unclean(f->st, 3));
}

static void the_end_needs_no_key(void **state)
{
	struct fixture *f = *state;

	leave(f);
	zone_lock_begin(store_root_zone(f->st), ENOKEY);
	zone_wipe(store_root_zone(f->st));
	assert_int_equal(store_end_session(f->st, false), 0);
	assert_int_equal(on_disk(f).open, 0);
	assert_int_equal(on_disk(f).seq, 4);
	store_close(f->st);
	fixture_open(f, false); /* its MAC holds */
	enter(f);
}

static void a_second_unlock_goes_on_with_the_session(void **state)
{
	struct fixture *f = *state;
	struct zone *z = store_root_zone(f->st);

	leave(f);
	zone_lock_begin(z, ENOKEY);
	zone_wipe(z);
	assert_int_equal(zone_unlock(z, f->vk, NULL), 0);
	enter(f);
	assert_int_equal(session_current(f->st), 3);
	assert_int_equal(on_disk(f).seq, 3);
}

static void a_reader_takes_what_the_writer_has_open_as_unclean(void **state)
{
	struct fixture *f = *state, reader = *f;

	fixture_open(&reader, true);
	enter(&reader);
	assert_true(session_unclean(reader.st, 3));
	/* The writer ends and comes again: the reader meets a session it does not know. */
	remount(f);
	assert_true(session_unclean(reader.st, 5));
	assert_false(session_unclean(reader.st, 3));
	assert_int_equal(session_current(reader.st), 0);
	leave(&reader);
	assert_int_equal(store_end_session(reader.st, false), 0);
	store_close(reader.st);
	assert_int_equal(on_disk(f).open, 5);
}

static void a_full_list_refuses_a_writer(void **state)
{
	struct fixture *f = *state;
	struct session_block b = { .seq = 1000, .open = 1000, .nunclean = SESSION_UNCLEAN_MAX };
	struct store_options opt = { .binding = -1, .crash = -1 };
	struct store_error err;
	uint8_t raw[FIXED_BLOCK];
	char path[128];
	FILE *file;

	for (uint32_t i = 0; i < SESSION_UNCLEAN_MAX; i++)
		b.unclean[i] = i + 1;
	memcpy(b.vol, store_volume(f->st)->root.vol, ID_LEN);
	assert_int_equal(session_seal(&b, f->st->sm, raw), 0);
	leave(f);
	fixture_close(f);
	snprintf(path, sizeof(path), "%s/" SESSION_FILE, f->dir);
	file = fopen(path, "w");
	assert_int_equal(fwrite(raw, 1, sizeof(raw), file), sizeof(raw));
	fclose(file);
	assert_int_equal(store_open(f->dir, &opt, &f->st, &err), 0);
	assert_int_equal(zone_unlock(store_root_zone(f->st), f->vk, &err), -EUCLEAN);
	assert_non_null(strstr(err.hint, "fsck"));
	store_close(f->st);
	f->st = NULL;
	fixture_open(f, true); /* reading is allowed */
	enter(f);
}

static void a_forged_session_file_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store_options opt = { .binding = -1, .crash = -1 };
	struct store_error err;
	char path[128];
	FILE *file;
	int c;

	leave(f);
	fixture_close(f);
	snprintf(path, sizeof(path), "%s/" SESSION_FILE, f->dir);
	file = fopen(path, "r+");
	assert_int_equal(fseek(file, 32, SEEK_SET), 0); /* seq */
	c = fgetc(file);
	assert_int_equal(fseek(file, 32, SEEK_SET), 0);
	fputc(c ^ 1, file);
	fclose(file);
	assert_int_equal(store_open(f->dir, &opt, &f->st, &err), 0);
	assert_int_equal(zone_unlock(store_root_zone(f->st), f->vk, &err), -EBADMSG);
	assert_int_equal(zone_state(store_root_zone(f->st)), ZONE_LOCKED);
	store_close(f->st);
	f->st = NULL;
}

static int setup_xts(void **state)
{
	return setup_suite(state, SUITE_XTS);
}

static void crash(struct fixture *f)
{
	struct fixture left = fixture_copy(f);

	leave(&left);
	fixture_destroy(&left);
	fixture_open(f, false);
	enter(f);
}

static void let_go(struct fixture *f, struct object *o)
{
	assert_int_equal(object_flush(o), 0);
	object_put(o);
	fixture_evict(f);
}

static void is_zero(struct object *o, uint64_t off, size_t n)
{
	static const uint8_t zero[CHUNK];
	uint8_t buf[4 * CHUNK], *p;

	assert_true(n <= CHUNK);
	assert_int_equal(object_read(o, buf, sizeof(buf), n, off, &p), n);
	assert_memory_equal(p, zero, n);
}

/* XTS has no entries: bytes beyond the end tell by nothing that they never were part of the file. */
static void what_lay_beyond_the_end_is_not_seen_when_an_xts_file_grows(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[5000];
	struct object *o;
	struct stat st;

	assert_int_equal(object_mknod(store_root(f->st), "file", S_IFREG | 0644, 0, &ROOT, &o, &st), 0);
	memset(buf, 'a', sizeof(buf));
	assert_int_equal(object_write(o, buf, sizeof(buf), 0), 0);
	object_put(o);
	remount(f);

	o = at(f, "file");
	memset(buf, 'b', 500);
	assert_int_equal(object_write(o, buf, 500, 5000), 0); /* in place; the header goes out later */
	object_put(o);
	crash(f);

	o = at(f, "file");
	memset(buf, 'c', 10);
	assert_int_equal(object_write(o, buf, 10, 0), 0); /* settles it */
	let_go(f, o);
	o = at(f, "file");
	assert_int_equal(object_getattr(o, &st), 0);
	assert_int_equal(st.st_size, 5000);
	assert_int_equal(object_truncate(o, 6000), 0);
	is_zero(o, 5000, 1000);
	object_put(o);
}

/* A power cut took the header that knows a link's name: the attribute does, whatever name it is settled by. */
static void a_link_learned_after_its_object_was_settled_is_not_forgotten(void **state)
{
	static const _Atomic bool never = false;
	struct fixture *f = *state;
	struct object *a, *b, *parent;
	uint8_t was[2 * SLOT] = { 0 };
	char stored[256], path[400];
	struct stat sb;
	int fd;

	assert_int_equal(object_mknod(store_root(f->st), "a", S_IFREG | 0644, 0, &ROOT, &a, &sb), 0);
	assert_int_equal(object_flush(a), 0);
	assert_int_equal(pread(a->fd, was, sizeof(was), 0), sizeof(was));
	assert_int_equal(object_path(a, &parent, stored), 0);
	object_put(parent);
	assert_int_equal(object_link(a, store_root(f->st), "b", &sb), 0);
	object_put(a);
	crash(f);
	snprintf(path, sizeof(path), "%s/tree/%s", f->dir, stored);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, was, sizeof(was), 0), sizeof(was));
	close(fd);
	a = at(f, "a");
	assert_int_equal(object_settle(a), 0);
	b = at(f, "b");
	assert_ptr_equal(a, b);
	assert_int_equal(object_check(b), 0);
	object_put(a);
	object_put(b);
	assert_int_equal(store_settle(f->st, &never), 0);
	remount(f);
	b = at(f, "b");
	assert_int_equal(object_check(b), 0);
	object_put(b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_session_is_on_disk_while_it_lasts),
		T(a_session_that_did_not_end_is_unclean),
		T(a_lost_session_is_not_ended),
		T(the_end_needs_no_key),
		T(a_second_unlock_goes_on_with_the_session),
		T(a_reader_takes_what_the_writer_has_open_as_unclean),
		T(a_full_list_refuses_a_writer),
		T(a_forged_session_file_is_refused),
		T(a_link_learned_after_its_object_was_settled_is_not_forgotten),
		cmocka_unit_test_setup_teardown(what_lay_beyond_the_end_is_not_seen_when_an_xts_file_grows,
						setup_xts, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
