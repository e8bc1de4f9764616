/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generations of a zone, and objects brought to the newest: everything is
 * there afterwards, by the new key alone, and nothing under the old one.
 */
#include "namespace_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "fs/store/rekey.h"

#define BIG (300u * CHUNK + 17) /* four groups */

static uint8_t new_vk[KEY_LEN];

static int add_generation(void *arg, struct keyring *k)
{
	struct fixture *f = arg;
	uint8_t vk[KEY_LEN];
	struct keyslot s;
	struct generation *gen;
	int r = keyring_add_generation(k, new_vk, f->st->zone->keys->zik, 1, &gen);

	if (!r)
		r = fixture_slot(&(struct fixture){ .vk = { 0 } }, vk, &k->zone, &s);
	if (!r)
		r = generation_add_slot(gen, &s, NULL);
	free(s.kid);
	free(s.blob);
	return r;
}

static int destroy_first(void *arg, struct keyring *k)
{
	(void)arg;
	return keyring_destroy_generation(k, 1);
}

/* A second generation in the keyring and in the zone. */
static void second_generation(struct fixture *f)
{
	struct zone_vk vk = { .g = 2 };
	struct store_error err = { .message = "" };
	unsigned int n;

	memset(new_vk, 0x42, sizeof(new_vk));
	memcpy(vk.vk, new_vk, KEY_LEN);
	assert_int_equal(zone_edit_keyring(f->st->zone, add_generation, f, &err), 0);
	assert_int_equal(zone_take_generation(f->st->zone, &vk, &err), 0);
	assert_int_equal(zone_generation(f->st->zone, &n), 2);
	assert_int_equal(n, 2);
}

/* Another mount, with these of the two keys. */
static void remount_with(struct fixture *f, bool old, bool new)
{
	struct store_options opt = { .binding = -1, .crash = -1, .event = fixture_event,
				     .event_arg = f };
	struct store_error err = { .message = "" };
	struct zone_vk vk[2];
	unsigned int n = 0;

	leave(f);
	fixture_close(f);
	if (old) {
		vk[n].g = 1;
		memcpy(vk[n++].vk, f->vk, KEY_LEN);
	}
	if (new) {
		vk[n].g = 2;
		memcpy(vk[n++].vk, new_vk, KEY_LEN);
	}
	assert_int_equal(store_open(f->dir, &opt, &f->st, &err), 0);
	if (zone_unlock_all(store_root_zone(f->st), vk, n, &err))
		fail_msg("%s", err.message);
	enter(f);
}

static _Atomic bool never;

static int go_on(void *arg, uint64_t bytes)
{
	(void)arg;
	(void)bytes;
	return 0;
}

/* The zone's gate is the walk's own. */
static int bring(struct fixture *f, bool contents)
{
	struct zone_rekey k = { .contents = contents, .stop = &never, .pace = go_on };

	return zone_rekey(store_root_zone(f->st), &k);
}

/* ---- a tree of all kinds ------------------------------------------------------------- */

static void fill(uint8_t *p, size_t n, unsigned int seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 31 + i / 251 + seed);
}

static void make_tree(struct fixture *f)
{
	static const uint32_t sizes[] = { 0, 1, 13, 3041, 4096, 20480, 96 * CHUNK, 97 * CHUNK + 5,
					  BIG };
	uint8_t *p = malloc(BIG);
	char path[300];

	assert_int_equal(try_mkdir(f, "dir"), 0);
	assert_int_equal(try_mkdir(f, "dir/sub"), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct object *o;

		snprintf(path, sizeof(path), "dir/f%u", sizes[i]);
		assert_int_equal(try_mkfile(f, path, &o), 0);
		fill(p, sizes[i], i);
		if (sizes[i])
			assert_int_equal(object_write(o, p, sizes[i], 0), 0);
		assert_int_equal(object_setxattr(o, "user.one", "1", 1, 0), 0);
		assert_int_equal(object_setxattr(o, "user.two", path, strlen(path), 0), 0);
		object_put(o);
	}
	memset(path, 'l', 250);
	path[250] = 0;
	mkfile(f, path, "behind a long name");
	mkfile(f, "dir/sub/a", "linked");
	assert_int_equal(try_link(f, "dir/sub/a", "b"), 0);
	assert_int_equal(try_symlink(f, "dir/sub/a", "symlink"), 0);
	free(p);
}

static void check_text(struct fixture *f, const char *path, const char *text)
{
	struct object *o = at(f, path);
	char got[256];

	assert_non_null(o);
	assert_int_equal(read_text(o, got), 0);
	assert_string_equal(got, text);
	object_put(o);
}

static void check_tree(struct fixture *f)
{
	static const uint32_t sizes[] = { 0, 1, 13, 3041, 4096, 20480, 96 * CHUNK, 97 * CHUNK + 5,
					  BIG };
	uint8_t *p = malloc(BIG), *buf = malloc(BIG + 2 * CHUNK), *got;
	char path[300], value[300];

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct object *o;

		snprintf(path, sizeof(path), "dir/f%u", sizes[i]);
		o = at(f, path);
		assert_non_null(o);
		fill(p, sizes[i], i);
		assert_int_equal(object_read(o, buf, BIG + 2 * CHUNK, BIG, 0, &got), sizes[i]);
		assert_memory_equal(got, p, sizes[i]);
		assert_int_equal(object_getxattr(o, "user.one", value, sizeof(value)), 1);
		assert_int_equal(object_getxattr(o, "user.two", value, sizeof(value)),
				 strlen(path));
		assert_memory_equal(value, path, strlen(path));
		assert_int_equal(object_listxattr(o, value, sizeof(value)), 18);
		object_put(o);
	}
	memset(path, 'l', 250);
	path[250] = 0;
	check_text(f, path, "behind a long name");
	check_text(f, "b", "linked");
	check_text(f, "dir/sub/a", "linked");
	assert_true(there(f, "symlink"));
	assert_int_equal(f->events[EVENT_INTEGRITY], 0);
	assert_int_equal(f->events[EVENT_NAME], 0);
	free(p);
	free(buf);
}

/* ---- what is on disk ------------------------------------------------------------------- */

static unsigned int old_slots, new_slots;

static int count_slots(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	uint8_t block[2 * SLOT] = { 0 };
	struct header h;
	int fd;

	(void)st;
	(void)ftw;
	if (type != FTW_F || !strstr(path, "/tree"))
		return 0;
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	if (read(fd, block, sizeof(block)) > 0)
		for (unsigned int i = 0; i < 2; i++)
			if (!header_parse(block + i * SLOT, &h, NULL)) {
				old_slots += h.vk_gen == 1 || h.old_vk_gen == 1;
				new_slots += h.vk_gen == 2 && !h.old_vk_gen;
			}
	close(fd);
	return 0;
}

static void count(struct fixture *f)
{
	old_slots = new_slots = 0;
	nftw(f->dir, count_slots, 16, FTW_PHYS);
}

static void by_the_new_key_alone(struct fixture *f, bool contents)
{
	struct store_error err = { .message = "" };

	make_tree(f);
	second_generation(f);
	mkfile(f, "dir/later", "of the new generation from the first");
	assert_int_equal(bring(f, contents), 0);
	check_tree(f);
	remount_with(f, true, true);
	check_tree(f);
	count(f);
	assert_int_equal(old_slots, 0);
	assert_true(new_slots > 12);
	assert_int_equal(zone_edit_keyring(f->st->zone, destroy_first, NULL, &err), 0);
	assert_int_equal(zone_drop_generations(f->st->zone, &err), 0);
	check_tree(f);
	remount_with(f, false, true);
	check_tree(f);
	check_text(f, "dir/later", "of the new generation from the first");
}

static void all_keys_are_wrapped_anew(void **state)
{
	by_the_new_key_alone(*state, false);
}

static void all_files_get_new_keys(void **state)
{
	by_the_new_key_alone(*state, true);
}

static void the_data_key_is_another_one(void **state)
{
	struct fixture *f = *state;
	struct object *o;
	uint8_t was[KEY_LEN];
	uint64_t gen;

	mkfile(f, "file", "text");
	second_generation(f);
	o = at(f, "file");
	assert_int_equal(object_check(o), 0);
	memcpy(was, o->l->k->dek[1], KEY_LEN);
	assert_int_equal(object_rewrap(o, &gen), 0);
	assert_memory_equal(o->l->k->dek[1], was, KEY_LEN);
	assert_int_equal(object_rekey(o, go_on, NULL), 0);
	assert_int_equal(o->l->h.epoch, 2);
	assert_memory_not_equal(o->l->k->dek[0], was, KEY_LEN);
	assert_memory_not_equal(o->l->k->dek[1], was, KEY_LEN); /* wiped */
	assert_int_equal(object_needs_rekey(o), REKEY_NONE);
	object_put(o);
	check_text(f, "file", "text");
}

/* ---- interrupted ------------------------------------------------------------------------- */

static int countdown(void *arg, uint64_t bytes)
{
	unsigned int *left = arg;

	if (!bytes) /* nothing was done */
		return 0;
	return (*left)-- ? 0 : -EINTR;
}

static void an_interrupted_one_reads_and_goes_on(void **state)
{
	struct fixture *f = *state;
	unsigned int stops = 0;
	int r = -EINTR;

	make_tree(f);
	second_generation(f);
	while (r) {
		unsigned int left = 0; /* one step further each time */
		struct zone_rekey k = { .contents = true, .stop = &never, .pace = countdown,
					.arg = &left };

		r = zone_rekey(store_root_zone(f->st), &k);
		assert_true(r == 0 || r == -EINTR);
		check_tree(f);
		if (stops++ % 3 == 0)
			remount_with(f, true, true);
		assert_true(stops < 100);
	}
	assert_true(stops > 8);
	check_tree(f);
	count(f);
	assert_int_equal(old_slots, 0);
}

static void attributes_change_while_it_is_half_done(void **state)
{
	struct fixture *f = *state;
	unsigned int left = 0;
	struct object *o;
	char value[8], list[64];

	mkfile(f, "file", "text");
	o = at(f, "file");
	assert_int_equal(object_setxattr(o, "user.kept", "1", 1, 0), 0);
	assert_int_equal(object_setxattr(o, "user.changed", "1", 1, 0), 0);
	assert_int_equal(object_setxattr(o, "user.removed", "1", 1, 0), 0);
	second_generation(f);
	assert_int_equal(object_rekey(o, countdown, &left), -EINTR);
	assert_int_equal(object_needs_rekey(o), REKEY_UNFINISHED);
	assert_int_equal(object_setxattr(o, "user.changed", "2", 1, XATTR_CREATE), -EEXIST);
	assert_int_equal(object_setxattr(o, "user.changed", "2", 1, XATTR_REPLACE), 0);
	assert_int_equal(object_removexattr(o, "user.removed"), 0);
	assert_int_equal(object_removexattr(o, "user.removed"), -ENODATA);
	assert_int_equal(object_setxattr(o, "user.added", "3", 1, XATTR_CREATE), 0);
	for (int i = 0; i < 2; i++) { /* before and after the rest of it */
		assert_int_equal(object_getxattr(o, "user.kept", value, sizeof(value)), 1);
		assert_int_equal(value[0], '1');
		assert_int_equal(object_getxattr(o, "user.changed", value, sizeof(value)), 1);
		assert_int_equal(value[0], '2');
		assert_int_equal(object_getxattr(o, "user.removed", value, sizeof(value)), -ENODATA);
		assert_int_equal(object_listxattr(o, list, sizeof(list)),
				 sizeof("user.kept") + sizeof("user.changed") + sizeof("user.added"));
		if (!i)
			assert_int_equal(object_rekey(o, go_on, NULL), 0);
	}
	object_put(o);
}

static void what_is_damaged_keeps_its_key(void **state)
{
	struct fixture *f = *state;
	struct zone_rekey k = { .contents = true, .stop = &never, .pace = go_on };
	uint8_t *buf = malloc(BIG + 2 * CHUNK), *got;
	char path[4096];
	struct object *o;
	int fd;

	make_tree(f);
	remount(f);
	snprintf(path, sizeof(path), "dir/f%u", BIG);
	backing_path(f, path, path);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "damage", 6, (off_t)chunk_place(200) + 9), 6);
	close(fd);
	second_generation(f);
	assert_int_equal(zone_rekey(store_root_zone(f->st), &k), -EUCLEAN);
	assert_true(k.failed > 0);
	snprintf(path, sizeof(path), "dir/f%u", BIG);
	o = at(f, path);
	assert_int_equal(object_read(o, buf, BIG + 2 * CHUNK, CHUNK, 0, &got), CHUNK);
	assert_int_equal(object_read(o, buf, BIG + 2 * CHUNK, CHUNK, 299 * CHUNK, &got), CHUNK);
	assert_int_equal(object_read(o, buf, BIG + 2 * CHUNK, CHUNK, 200 * CHUNK, &got), -EIO);
	object_put(o);
	free(buf);
}

/* Nobody can tell what is there, nor may its key go. */
static void what_has_a_damaged_name_keeps_its_key(void **state)
{
	struct fixture *f = *state;
	struct zone_rekey k = { .stop = &never, .pace = go_on };
	char path[4096], other[4096];
	size_t n;

	make_tree(f);
	remount(f);
	backing_path(f, "dir/sub/a", path);
	strcpy(other, path);
	n = strlen(other) - 9;
	other[n] = other[n] == 'A' ? 'B' : 'A';
	assert_int_equal(rename(path, other), 0);
	second_generation(f);
	assert_int_equal(zone_rekey(store_root_zone(f->st), &k), -EUCLEAN);
	assert_int_equal(k.failed, 1);
}

/* ---- beside readers and writers ------------------------------------------------------------ */

struct busy {
	struct object *o;
	_Atomic bool stop;
	_Atomic unsigned int rounds, wrong;
};

#define BLOCKS 300u

/*
 * A chunk is one byte all through, whatever version of it is read.  XTS has
 * nothing to tell one that is half overwritten at that moment, as the backing
 * filesystem has not: then each unit of the cipher is of one version.
 */
static bool is_whole(const struct busy *b, const uint8_t *p)
{
	size_t unit = store_suite(b->o->st) == SUITE_XTS ? 16 : CHUNK;

	for (size_t i = 0; i < CHUNK; i += unit)
		if (memcmp(p + i, p + i + 1, unit - 1))
			return false;
	return true;
}

static void *use(void *arg)
{
	struct busy *b = arg;
	uint8_t *p = malloc(CHUNK), *buf = malloc(3 * CHUNK), *got;

	for (unsigned int n = 0; !b->stop; n++) {
		uint64_t c = n * 7919u % BLOCKS;

		memset(p, (int)(n % 255 + 1), CHUNK);
		if (object_write(b->o, p, CHUNK, c * CHUNK))
			b->wrong++;
		c = n * 104729u % BLOCKS;
		if (object_read(b->o, buf, 3 * CHUNK, CHUNK, c * CHUNK, &got) != CHUNK ||
		    !is_whole(b, got))
			b->wrong++;
		b->rounds++;
	}
	free(p);
	free(buf);
	return NULL;
}

static void readers_and_writers_go_on(void **state)
{
	struct fixture *f = *state;
	struct busy b = { .stop = false };
	uint8_t *p = calloc(BLOCKS, CHUNK);
	pthread_t t[2];

	assert_int_equal(try_mkfile(f, "file", &b.o), 0);
	memset(p, 'a', BLOCKS * CHUNK);
	assert_int_equal(object_write(b.o, p, BLOCKS * CHUNK, 0), 0);
	second_generation(f);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, use, &b), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(object_rekey(b.o, go_on, NULL), 0);
	b.stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_true(b.rounds > 0);
	assert_int_equal(b.wrong, 0);
	assert_int_equal(b.o->l->h.epoch, 11);
	object_put(b.o);
	free(p);
}

/* ---- while names move -------------------------------------------------------------------------- */

struct mover {
	struct fixture *f;
	_Atomic bool stop;
	_Atomic unsigned int moves;
};

/* Each directory between two others, so that a walk passes where it is not. */
static void *move_about(void *arg)
{
	struct mover *m = arg;
	char from[20], to[20];

	for (unsigned int n = 0; !m->stop; n++) {
		snprintf(from, sizeof(from), "%s/d%u", n / 16 % 2 ? "two" : "one", n % 16);
		snprintf(to, sizeof(to), "%s/d%u", n / 16 % 2 ? "one" : "two", n % 16);
		assert_int_equal(try_rename(m->f, from, to, 0), 0);
		m->moves++;
	}
	return NULL;
}

static void it_misses_nothing_and_ends_while_names_move(void **state)
{
	struct fixture *f = *state;
	struct mover m = { .f = f };
	struct store_error err = { .message = "" };
	char path[30];
	pthread_t t;

	try_mkdir(f, "one");
	try_mkdir(f, "two");
	for (unsigned int i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "one/d%u", i);
		assert_int_equal(try_mkdir(f, path), 0);
		for (unsigned int k = 0; k < 8; k++) {
			snprintf(path, sizeof(path), "one/d%u/f%u", i, k);
			mkfile(f, path, path);
		}
	}
	remount(f);
	second_generation(f);
	assert_int_equal(pthread_create(&t, NULL, move_about, &m), 0);
	while (m.moves < 100)
		usleep(100);
	assert_int_equal(bring(f, false), 0);
	m.stop = true;
	pthread_join(t, NULL);
	count(f);
	assert_int_equal(old_slots, 0);
	assert_int_equal(zone_edit_keyring(f->st->zone, destroy_first, NULL, &err), 0);
	remount_with(f, false, true);
	for (unsigned int i = 0; i < 16 * 8; i++) {
		char text[30];

		snprintf(text, sizeof(text), "one/d%u/f%u", i / 8, i % 8);
		snprintf(path, sizeof(path), "two/d%u/f%u", i / 8, i % 8);
		check_text(f, there(f, text) ? text : path, text);
	}
}

/* ---- attributes without room for two ---------------------------------------------------------- */

struct no_room {
	unsigned int xattrs, calls, dies; /* made so far; from that call on all fail, 0: never */
};

/* There is no room for a second attribute, and the process may die at any call after that. */
static int refuse_room(void *arg, const struct backing_call *c)
{
	struct no_room *n = arg;

	if (c->op == BACKING_XATTR && !n->xattrs++)
		return -ENOSPC;
	if (!n->xattrs)
		return 0;
	return n->dies && ++n->calls >= n->dies ? -EIO : 0;
}

static void check_attribute(struct fixture *f)
{
	struct object *o = at(f, "file");
	char value[40], list[64];

	assert_int_equal(object_getxattr(o, "user.kept", value, sizeof(value)), 5);
	assert_memory_equal(value, "value", 5);
	assert_int_equal(object_getxattr(o, "user.kept", NULL, 0), 5);
	assert_int_equal(object_listxattr(o, list, sizeof(list)), sizeof("user.kept"));
	object_put(o);
}

static void an_attribute_without_room_is_never_lost(void **state)
{
	struct fixture *f = *state;
	bool died = true;

	second_generation(f);
	for (unsigned int dies = 1; died; dies++) {
		struct no_room n = { .dies = dies };
		struct backing_hooks hooks = { .before = refuse_room, .arg = &n };
		struct object *o;

		if (!at(f, "file"))
			mkfile(f, "file", "text");
		o = at(f, "file");
		assert_int_equal(object_setxattr(o, "user.kept", "value", 5, 0), 0);
		assert_int_equal(object_fsync(o, false), 0);
		backing_hooks = &hooks;
		died = object_rekey(o, go_on, NULL) != 0;
		backing_hooks = NULL;
		assert_true(n.xattrs > 0);
		check_attribute(f);
		object_put(o);
		remount_with(f, true, true);
		check_attribute(f);
		o = at(f, "file");
		assert_int_equal(object_rekey(o, go_on, NULL), 0);
		object_put(o);
		check_attribute(f);
		assert_true(dies < 60);
	}
}

/* ---- a store that fails for good, and comes back -------------------------------------------------- */

struct gone_store {
	unsigned int calls, from;
};

static int fail_from(void *arg, const struct backing_call *c)
{
	struct gone_store *g = arg;

	return c->op != BACKING_READ && ++g->calls >= g->from ? -EIO : 0;
}

static void check_filled(struct object *o, const uint8_t *want, uint8_t *buf)
{
	uint8_t *got;

	assert_int_equal(object_read(o, buf, BIG + 2 * CHUNK, BIG, 0, &got), BIG);
	assert_memory_equal(got, want, BIG);
}

static void what_could_not_be_undone_is_when_it_can_be(void **state)
{
	struct fixture *f = *state;
	uint8_t *want = malloc(BIG), *buf = malloc(BIG + 2 * CHUNK), byte[CHUNK];
	struct backing_hooks hooks = { .before = fail_from };
	struct object *o;
	int r = -EIO;

	fill(want, BIG, 3);
	mkfile(f, "file", "");
	second_generation(f);
	for (unsigned int from = 1; r; from++) {
		struct gone_store g = { .from = from };

		assert_true(from < 200);
		o = at(f, "file");
		memcpy(buf, want, BIG);
		assert_int_equal(object_write(o, buf, BIG, 0), 0);
		assert_int_equal(object_fsync(o, false), 0);
		hooks.arg = &g;
		backing_hooks = &hooks;
		r = object_rekey(o, go_on, NULL);
		check_filled(o, want, buf);
		backing_hooks = NULL;
		check_filled(o, want, buf);
		object_fsync(o, false); /* tells of the error */
		if (from % 2) { /* into the window, which is back */
			want[7 * CHUNK] = byte[0] = (uint8_t)from;
			assert_int_equal(object_write(o, byte, 1, 7 * CHUNK), 0);
			assert_int_equal(object_fsync(o, false), 0);
		}
		object_put(o);
		remount_with(f, true, true);
		o = at(f, "file");
		check_filled(o, want, buf);
		object_put(o);
	}
	o = at(f, "file");
	assert_int_equal(object_needs_rekey(o), REKEY_NONE);
	object_put(o);
	free(want);
	free(buf);
}

/* ---- what a read-only mount makes of a death ----------------------------------------------------- */

struct death {
	struct fixture *f;
	char copy[100];
};

/* The volume is copied as it is when the first place is to be written. */
static int copy_then(void *arg, const struct backing_call *c)
{
	struct death *d = arg;
	char cmd[300];

	if (c->op != BACKING_WRITE || c->off < 2 * SLOT || *d->copy)
		return 0;
	strcpy(stpcpy(d->copy, d->f->dir), ".dead");
	snprintf(cmd, sizeof(cmd), "cp -a %s %s", d->f->dir, d->copy);
	assert_int_equal(system(cmd), 0);
	return 0;
}

static void a_header_alone_of_the_new_key_is_read(void **state)
{
	struct fixture *f = *state, g = { .vk = { 0 } };
	struct death d = { .f = f };
	struct backing_hooks hooks = { .before = copy_then, .arg = &d };
	struct store_options opt = { .read_only = true, .binding = -1, .crash = -1,
				     .event = fixture_event, .event_arg = &g };
	struct zone_vk vk[2] = { { .g = 1 }, { .g = 2 } };
	struct store_error err = { .message = "" };
	uint8_t *p = malloc(20 * CHUNK), *buf = malloc(23 * CHUNK), *got;
	struct object *o;

	assert_int_equal(try_mkfile(f, "file", &o), 0);
	fill(p, 20 * CHUNK, 7);
	memcpy(buf, p, 20 * CHUNK);
	assert_int_equal(object_write(o, buf, 20 * CHUNK, 0), 0);
	assert_int_equal(object_fsync(o, false), 0);
	second_generation(f);
	backing_hooks = &hooks;
	assert_int_equal(object_rekey(o, go_on, NULL), 0);
	backing_hooks = NULL;
	object_put(o);

	assert_true(*d.copy);
	strcpy(g.dir, d.copy);
	memcpy(vk[0].vk, f->vk, KEY_LEN);
	memcpy(vk[1].vk, new_vk, KEY_LEN);
	assert_int_equal(store_open(g.dir, &opt, &g.st, &err), 0);
	assert_int_equal(zone_unlock_all(store_root_zone(g.st), vk, 2, &err), 0);
	enter(&g);
	o = at(&g, "file");
	assert_int_equal(object_read(o, buf, 23 * CHUNK, 20 * CHUNK, 0, &got), 20 * CHUNK);
	assert_memory_equal(got, p, 20 * CHUNK);
	object_put(o);
	leave(&g);
	store_close(g.st);
	nftw(g.dir, fixture_rm, 16, FTW_DEPTH | FTW_PHYS);
	free(p);
	free(buf);
}

/* ---- a read-only store beside a new generation -------------------------------------------------- */

struct waits {
	struct fixture g;
	_Atomic bool asked;
};

static void ask(void *arg, const struct store_event *e)
{
	struct waits *w = arg;

	if (e->kind == EVENT_GENERATION)
		w->asked = true;
	else
		fixture_event(&w->g, e);
}

/* The key comes when it has been asked for. */
static void *bring_key(void *arg)
{
	struct waits *w = arg;
	struct zone_vk vk = { .g = 2 };
	struct store_error err;

	while (!w->asked)
		usleep(1000);
	memcpy(vk.vk, new_vk, KEY_LEN);
	assert_int_equal(zone_take_generation(store_root_zone(w->g.st), &vk, &err), 0);
	return NULL;
}

static void a_read_only_store_waits_for_the_key(void **state)
{
	struct fixture *f = *state;
	struct waits w = { .asked = false };
	struct store_options opt = { .read_only = true, .binding = -1, .crash = -1, .event = ask,
				     .event_arg = &w, .brings_keys = true };
	struct store_error err = { .message = "" };
	pthread_t t;

	mkfile(f, "file", "text");
	remount(f);
	assert_int_equal(store_open(f->dir, &opt, &w.g.st, &err), 0);
	assert_int_equal(zone_unlock(store_root_zone(w.g.st), f->vk, &err), 0);
	enter(&w.g);
	second_generation(f);
	assert_int_equal(bring(f, false), 0);
	assert_int_equal(pthread_create(&t, NULL, bring_key, &w), 0);
	check_text(&w.g, "file", "text");
	pthread_join(t, NULL);
	assert_true(w.asked);
	assert_int_equal(w.g.events[EVENT_INTEGRITY], 0);
	leave(&w.g);
	store_close(w.g.st);
}

/* ---- the keyring ------------------------------------------------------------------------------ */

static void a_key_of_another_zone_is_not_taken(void **state)
{
	struct fixture *f = *state;
	struct zone_vk vk = { .g = 2 };
	struct store_error err;
	unsigned int n;

	second_generation(f);
	vk.g = 3; /* there is none */
	assert_int_equal(zone_take_generation(f->st->zone, &vk, &err), -EKEYREJECTED);
	vk.g = 2;
	memset(vk.vk, 0x43, KEY_LEN);
	assert_int_equal(zone_take_generation(f->st->zone, &vk, &err), -EKEYREJECTED);
	assert_int_equal(zone_generation(f->st->zone, &n), 2);
}

static int destroy_second(void *arg, struct keyring *k)
{
	(void)arg;
	return keyring_destroy_generation(k, 2);
}

static void the_active_generation_is_not_destroyed(void **state)
{
	struct fixture *f = *state;
	struct store_error err;

	second_generation(f);
	assert_int_equal(zone_edit_keyring(f->st->zone, destroy_second, NULL, &err), -EBUSY);
}

static int setup_xts(void **state)
{
	return setup_suite(state, SUITE_XTS);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define X(test) { #test " (xts)", test, setup_xts, teardown, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_keys_are_wrapped_anew),
		T(all_files_get_new_keys),
		T(the_data_key_is_another_one),
		T(an_interrupted_one_reads_and_goes_on),
		T(attributes_change_while_it_is_half_done),
		T(what_is_damaged_keeps_its_key),
		T(what_has_a_damaged_name_keeps_its_key),
		T(readers_and_writers_go_on),
		T(it_misses_nothing_and_ends_while_names_move),
		T(an_attribute_without_room_is_never_lost),
		T(what_could_not_be_undone_is_when_it_can_be),
		T(a_header_alone_of_the_new_key_is_read),
		T(a_read_only_store_waits_for_the_key),
		T(a_key_of_another_zone_is_not_taken),
		T(the_active_generation_is_not_destroyed),
		X(all_keys_are_wrapped_anew),
		X(all_files_get_new_keys),
		X(the_data_key_is_another_one),
		X(an_interrupted_one_reads_and_goes_on),
		X(attributes_change_while_it_is_half_done),
		X(an_attribute_without_room_is_never_lost),
		X(readers_and_writers_go_on),
		X(what_could_not_be_undone_is_when_it_can_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
