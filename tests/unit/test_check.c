/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking volumes: a sound one with every kind of object has no finding, each
 * kind of damage gives exactly its own, and repairs leave nothing to find.
 */
/* link: -Wl,--wrap=backing_read */
#include "namespace_fixture.h"

#include <sys/xattr.h>

#include "fs/store/check.h"

#define BIG ((uint64_t)(GROUP0_CHUNKS + GROUP_CHUNKS + 10) * CHUNK + 100)
#define LONG_NAME 200

struct found {
	unsigned int n[CHECK_KINDS], mended[CHECK_KINDS];
	char name[512]; /* of the last one */
	uint64_t offset, length;
	struct check_result result;
};

static void note(void *arg, const struct check_finding *f)
{
	struct found *x = arg;

	if (f->repaired)
		x->mended[f->kind]++;
	else
		x->n[f->kind]++;
	snprintf(x->name, sizeof(x->name), "%s", f->name ? f->name : f->stored);
	x->offset = f->offset;
	x->length = f->length;
	if (getenv("CMKFS_EVENTS"))
		print_message("  %s: %s at %ju, %s\n", check_word(f->kind), x->name,
			      (uintmax_t)f->offset, f->detail ? f->detail : "");
}

/* Check the volume of F, which is not opened by F now (but by a writer, perhaps). */
static void check(struct fixture *f, struct check_options opt, struct found *ret)
{
	struct store_options so = { .read_only = !opt.repair, .binding = BINDING_OFF, .crash = -1,
				    .adopt = opt.repair };
	struct store_error err = { .message = "" };
	struct store *st;
	int r;

	memset(ret, 0, sizeof(*ret));
	opt.finding = note;
	opt.arg = ret;
	opt.binding = BINDING_ENFORCE;
	opt.threads = 3;
	r = store_open(f->dir, &so, &st, &err);
	if (!r)
		r = zone_unlock(store_root_zone(st), f->vk, &err);
	if (r)
		fail_msg("open: %s", err.message);
	assert_int_equal(store_check(st, &opt, &ret->result), 0);
	assert_int_equal(store_end_session(st, false), 0);
	store_close(st);
}

static const struct check_options structure = { .contents = false },
				  contents = { .contents = true }, repair = { .repair = true };

/* KIND is found N times, and nothing else. */
static void expect(struct fixture *f, struct check_options opt, enum check_kind kind,
		   unsigned int n)
{
	struct found x;

	check(f, opt, &x);
	for (unsigned int k = 0; k < CHECK_KINDS; k++)
		if (x.n[k] != (k == kind ? n : 0))
			fail_msg("%s: %u findings, the last is %s", check_word(k), x.n[k], x.name);
}

static void expect_none(struct fixture *f)
{
	expect(f, structure, CHECK_UNKNOWN, 0);
	expect(f, contents, CHECK_UNKNOWN, 0);
}

static void expect_mended(struct fixture *f, struct check_options opt, enum check_kind kind,
			  unsigned int n)
{
	struct found x;

	check(f, opt, &x);
	assert_int_equal(x.mended[kind], n);
	assert_int_equal(x.result.repaired, n);
	assert_int_equal(x.result.damaged + x.result.failed, 0);
}

/* ---- a volume with everything ----------------------------------------------------- */

static void write_at(struct object *o, uint64_t n, uint64_t off)
{
	uint8_t *buf = malloc(n);

	memset(buf, 'x', n);
	assert_int_equal(object_write(o, buf, n, off), 0);
	free(buf);
}

static void make_file(struct fixture *f, const char *path, uint64_t n, uint64_t off)
{
	struct object *o;

	assert_int_equal(try_mkfile(f, path, &o), 0);
	if (n)
		write_at(o, n, off);
	object_put(o);
}

static void make_fifo(struct fixture *f, const char *name)
{
	struct object *o;
	struct stat sb;

	assert_int_equal(object_mknod(store_root(f->st), name, S_IFIFO | 0644, 0, &ROOT, &o, &sb), 0);
	object_put(o);
}

static const char *long_name(const char *dir)
{
	static char name[300];

	snprintf(name, sizeof(name), "%s%0*d", dir, LONG_NAME, 7);
	return name;
}

static void make_link(struct fixture *f, const char *path, const char *name)
{
	struct object *o = at(f, path);
	struct stat sb;

	assert_int_equal(object_link(o, store_root(f->st), name, &sb), 0);
	object_put(o);
}

static void close_volume(struct fixture *f)
{
	leave(f);
	fixture_close(f);
}

static void open_volume(struct fixture *f)
{
	fixture_open(f, false);
	enter(f);
}

/* All of it; the volume stays open. */
static void populate(struct fixture *f)
{
	struct object *o;

	assert_int_equal(try_mkdir(f, "d"), 0);
	assert_int_equal(try_mkdir(f, "d/e"), 0);
	assert_int_equal(try_mkdir(f, "d/e/empty"), 0);
	make_file(f, "d/small", 100, 0);
	make_file(f, "d/other", 100, 0);
	make_file(f, "d/zero", 0, 0);
	make_file(f, "d/big", BIG, 0);
	make_file(f, "d/e/sparse", 1000, UINT64_C(3) << 30);
	make_file(f, long_name(""), 5000, 0);
	assert_int_equal(try_mkdir(f, long_name("d/")), 0);
	assert_int_equal(try_symlink(f, "/nowhere", "link"), 0);
	make_link(f, "d/small", "hard");
	make_fifo(f, "fifo");
	o = at(f, "d/other");
	object_setxattr(o, "user.a", "value", 5, 0); /* where the backing filesystem has them */
	object_put(o);
	o = at(f, "d/big"); /* two slots of everything */
	assert_int_equal(object_fsync(o, false), 0);
	write_at(o, 3 * CHUNK, 10 * CHUNK);
	write_at(o, CHUNK, (GROUP0_CHUNKS + 5) * CHUNK);
	assert_int_equal(object_fsync(o, false), 0);
	object_put(o);
}

static int setup_full(void **state)
{
	int r = setup(state);

	populate(*state);
	return r;
}

/* ---- in the backing directory -------------------------------------------------------- */

/* Where PATH of the open volume lies. */
static void stored_path(struct fixture *f, const char *path, char ret[static 2048])
{
	struct object *o = at(f, path), *up;
	char name[256], below[1024] = "", more[1300];

	assert_non_null(o);
	while (o != store_root(f->st)) {
		assert_int_equal(object_path(o, &up, name), 0);
		snprintf(more, sizeof(more), "%s/%s", name, below);
		assert_true(strlen(more) < sizeof(below));
		strcpy(below, more);
		object_put(o);
		o = up;
	}
	object_put(o);
	if (*below)
		below[strlen(below) - 1] = '\0';
	snprintf(ret, 2048, "%s/tree/%s", f->dir, below);
}

/* The same, and the volume is closed. */
static void damage_begin(struct fixture *f, const char *path, char ret[static 2048])
{
	stored_path(f, path, ret);
	close_volume(f);
}

static void overwrite(const char *path, uint64_t off, int byte, size_t n)
{
	int fd = open(path, O_WRONLY);
	uint8_t *buf = malloc(n);

	memset(buf, byte, n);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, buf, n, (off_t)off), (ssize_t)n);
	close(fd);
	free(buf);
}

static void flip(const char *path, uint64_t off)
{
	int fd = open(path, O_RDWR);
	uint8_t b;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, (off_t)off), 1);
	b ^= 4;
	assert_int_equal(pwrite(fd, &b, 1, (off_t)off), 1);
	close(fd);
}

static void make_empty(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* ---- sound volumes ----------------------------------------------------------------- */

static void a_sound_volume_has_no_finding(void **state)
{
	struct fixture *f = *state;
	struct found x;

	close_volume(f);
	expect_none(f);
	check(f, contents, &x);
	assert_int_equal(x.result.objects, 13);
	assert_true(x.result.bytes > BIG);
	check(f, repair, &x);
	assert_int_equal(x.result.repaired + x.result.notes, 0);
	expect_none(f);
}

static void so_has_an_xts_volume(void **state)
{
	struct fixture f;

	(void)state;
	fixture_make(&f, SUITE_XTS);
	enter(&f);
	populate(&f);
	close_volume(&f);
	expect_none(&f);
	fixture_destroy(&f);
}

static void every_position_can_be_gone_on_from(void **state)
{
	struct fixture *f = *state;
	struct check_options opt = contents;
	char path[2048], *below;
	struct found all, x;
	uint64_t skipped;

	damage_begin(f, "d/big", path);
	below = strstr(path, "/tree/") + 6;
	check(f, contents, &all);
	/* Of one large file by its groups; its directory and what comes before are not looked at. */
	opt.from = (struct check_position){ below, 0 };
	check(f, opt, &x);
	skipped = all.result.objects - x.result.objects;
	for (uint64_t unit = 1; unit < 3; unit++) {
		uint64_t before = x.result.bytes;

		opt.from.unit = unit;
		check(f, opt, &x);
		assert_int_equal(all.result.objects - x.result.objects, skipped);
		assert_int_equal(before - x.result.bytes, group_chunks((uint32_t)unit - 1) * CHUNK);
	}
	opt.from.unit = UINT64_MAX;
	check(f, opt, &x);
	assert_int_equal(all.result.objects - x.result.objects, skipped + 1);
	open_volume(f);
}

/* ---- objects ----------------------------------------------------------------------- */

static void a_damaged_header_is_found(void **state)
{
	struct fixture *f = *state;
	char path[2048];

	damage_begin(f, "d/small", path);
	overwrite(path, 0, 'z', 2 * SLOT);
	expect(f, structure, CHECK_HEADER, 2); /* by both its names */
	expect(f, contents, CHECK_HEADER, 2);
	expect(f, repair, CHECK_HEADER, 2);
	open_volume(f);
}

static void a_header_that_never_came_is_found(void **state)
{
	struct fixture *f = *state;
	struct found x;
	char path[2048];

	damage_begin(f, "d/other", path);
	assert_int_equal(truncate(path, 0), 0);
	expect(f, structure, CHECK_NEVER_WRITTEN, 1);
	check(f, structure, &x);
	assert_string_equal(x.name, "/d/other");
	overwrite(path, 2 * SLOT, 'x', 10); /* bytes without a header */
	expect(f, contents, CHECK_NEVER_WRITTEN, 1);
	open_volume(f);
}

static void a_directory_without_its_header_is_found(void **state)
{
	struct fixture *f = *state;
	char path[2048];

	damage_begin(f, "d/e", path);
	strcat(path, "/.D");
	overwrite(path, 0, 'z', 2 * SLOT);
	expect(f, structure, CHECK_HEADER, 1);
	assert_int_equal(unlink(path), 0);
	expect(f, structure, CHECK_DIR_HEADER, 1);
	assert_int_equal(symlink("/dev/zero", path), 0);
	expect(f, structure, CHECK_DIR_HEADER, 1);
	open_volume(f);
}

static void a_damaged_spare_slot_is_found(void **state)
{
	struct fixture *f = *state;
	char path[2048];

	damage_begin(f, "d/zero", path);
	overwrite(path, 0, 'z', 100); /* it has one generation, in the other slot */
	expect(f, structure, CHECK_SPARE_SLOT, 1);
	expect(f, contents, CHECK_SPARE_SLOT, 1);
	open_volume(f);
}

static void a_group_without_a_slot_is_found(void **state)
{
	struct fixture *f = *state;
	struct found x;
	char path[2048];

	damage_begin(f, "d/big", path);
	overwrite(path, group_base(1), 'z', 2 * SLOT);
	expect(f, structure, CHECK_GROUP, 1);
	overwrite(path, group_base(1), 0, 2 * SLOT);
	expect(f, contents, CHECK_GROUP, 1);
	check(f, structure, &x);
	assert_int_equal(x.offset, group_first(1) * CHUNK);
	assert_int_equal(x.length, GROUP_CHUNKS * CHUNK);
	open_volume(f);
}

static void every_damaged_chunk_is_found(void **state)
{
	static const uint64_t chunks[] = { 0, 95, 96, 221, 222, BIG / CHUNK };
	struct fixture *f = *state;
	struct found x;
	char path[2048];

	damage_begin(f, "d/big", path);
	for (size_t i = 0; i < ARRAY_SIZE(chunks); i++) {
		flip(path, chunk_place(chunks[i]) + 7);
		expect(f, structure, CHECK_CHUNK, 0);
		expect(f, contents, CHECK_CHUNK, 1);
		check(f, contents, &x);
		assert_string_equal(x.name, "/d/big");
		assert_int_equal(x.offset, chunks[i] * CHUNK);
		assert_int_equal(x.length, MIN(CHUNK, BIG - x.offset));
		flip(path, chunk_place(chunks[i]) + 7);
	}
	flip(path, chunk_place(20));
	flip(path, chunk_place(21));
	expect(f, contents, CHECK_CHUNK, 1);
	check(f, contents, &x);
	assert_int_equal(x.length, 2 * CHUNK);
	open_volume(f);
}

static void a_file_that_was_cut_off_is_found_without_reading(void **state)
{
	struct fixture *f = *state;
	struct found x;
	char path[2048];

	damage_begin(f, "d/big", path);
	assert_int_equal(truncate(path, (off_t)chunk_place(225)), 0);
	check(f, structure, &x);
	assert_int_equal(x.n[CHECK_CHUNK], 1);
	assert_int_equal(x.n[CHECK_LENGTH], 1);
	assert_int_equal(x.result.damaged, 1);
	check(f, contents, &x);
	assert_int_equal(x.n[CHECK_CHUNK], 1);
	check(f, repair, &x); /* the length is right again, but the loss is not hidden */
	assert_int_equal(x.mended[CHECK_LENGTH], 1);
	expect(f, contents, CHECK_CHUNK, 1);
	open_volume(f);
}

static void a_wrong_length_is_corrected(void **state)
{
	struct fixture *f = *state;
	char path[2048];

	damage_begin(f, "d/other", path);
	assert_int_equal(truncate(path, 20000), 0);
	expect(f, structure, CHECK_LENGTH, 1);
	expect_mended(f, repair, CHECK_LENGTH, 1);
	expect_none(f);
	open_volume(f);
}

static void a_damaged_attribute_is_found(void **state)
{
	struct fixture *f = *state;
	char path[2048], list[512];

	damage_begin(f, "d/other", path);
	if (listxattr(path, list, sizeof(list)) <= 0) {
		open_volume(f);
		skip(); /* the backing filesystem has none */
	}
	assert_int_equal(setxattr(path, list, "nothing that would authenticate", 31, 0), 0);
	expect(f, contents, CHECK_XATTR, 1);
	assert_int_equal(removexattr(path, list), 0);
	assert_int_equal(setxattr(path, "user.cmkfs.AAAA", "x", 1, 0), 0);
	expect(f, contents, CHECK_XATTR, 1);
	open_volume(f);
}

/* ---- names ------------------------------------------------------------------------- */

static void swapped_files_are_found_and_bound_anew(void **state)
{
	struct check_options rebind = { .repair = true, .rebind = true };
	struct fixture *f = *state;
	char a[2048], b[2048];
	struct object *o;
	struct stat sb;

	stored_path(f, "d/zero", a);
	damage_begin(f, "d/other", b);
	assert_int_equal(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE), 0);
	expect(f, structure, CHECK_BINDING, 2);
	expect(f, repair, CHECK_BINDING, 2); /* not without being asked */
	expect_mended(f, rebind, CHECK_BINDING, 2);
	expect_none(f);
	open_volume(f);
	o = at(f, "d/zero");
	assert_int_equal(object_check(o), 0);
	assert_int_equal(object_getattr(o, &sb), 0);
	assert_int_equal(sb.st_size, 100);
	object_put(o);
}

static void foreign_names_are_found(void **state)
{
	static const char *const names[] = {
		"plain", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "..x", "with space",
	};
	struct fixture *f = *state;
	char path[2048];

	damage_begin(f, "d", path);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char made[4096];

		snprintf(made, sizeof(made), "%s/%s", path, names[i]);
		make_empty(made);
		expect(f, structure, CHECK_NAME, 1);
		expect(f, repair, CHECK_NAME, 1);
		assert_int_equal(unlink(made), 0);
	}
	open_volume(f);
}

static void sidecars_are_matched(void **state)
{
	struct fixture *f = *state;
	char object[2048], side[2048], away[2100];

	damage_begin(f, long_name(""), object);
	strcpy(side, object);
	strrchr(side, '/')[2] = 'N';
	snprintf(away, sizeof(away), "%s/away", f->dir);
	flip(side, 5);
	expect(f, structure, CHECK_SIDECAR_MISSING, 1);
	assert_int_equal(unlink(side), 0);
	expect(f, structure, CHECK_SIDECAR_MISSING, 1);
	expect(f, repair, CHECK_SIDECAR_MISSING, 1);
	make_empty(side);
	assert_int_equal(unlink(object), 0);
	expect(f, structure, CHECK_SIDECAR_ORPHAN, 1);
	expect_mended(f, repair, CHECK_SIDECAR_ORPHAN, 1);
	assert_int_equal(access(side, F_OK), -1);
	expect_none(f);
	open_volume(f);
}

static void a_damaged_symlink_is_found(void **state)
{
	struct fixture *f = *state;
	char path[2048];

	damage_begin(f, "link", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	expect(f, structure, CHECK_SYMLINK, 1);
	open_volume(f);
}

/* ---- leftovers --------------------------------------------------------------------- */

#define TEMP "/.TAAAAAAAAAAAAAAAAAAAAAA"

static void empty_temporaries_go(void **state)
{
	struct fixture *f = *state;
	char dir[2048], path[2100], inner[2200], source[2048], cmd[5000];

	stored_path(f, "d/e/empty", source);
	damage_begin(f, "d/e", dir);
	snprintf(path, sizeof(path), "%s" TEMP, dir);
	make_empty(path);
	expect(f, structure, CHECK_TEMPORARY, 1);
	expect_mended(f, repair, CHECK_TEMPORARY, 1);
	make_empty(path);
	overwrite(path, 0, 0, 2 * SLOT);
	expect_mended(f, repair, CHECK_TEMPORARY, 1);
	assert_int_equal(mkdir(path, 0755), 0);
	expect_mended(f, repair, CHECK_TEMPORARY, 1);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(inner, sizeof(inner), "%s/.D", path);
	snprintf(cmd, sizeof(cmd), "%s/.D", source);
	assert_int_equal(link(cmd, inner), 0);
	expect_mended(f, repair, CHECK_TEMPORARY, 1);
	expect_none(f);
	open_volume(f);
}

static void temporaries_that_hold_something_stay(void **state)
{
	struct fixture *f = *state;
	char dir[2048], path[2100], inner[2200];

	damage_begin(f, "d/e", dir);
	snprintf(path, sizeof(path), "%s" TEMP, dir);
	make_empty(path);
	overwrite(path, 0, 'x', 1);
	expect(f, repair, CHECK_TEMPORARY, 1);
	overwrite(path, 0, 0, 1);
	overwrite(path, 100000, 'x', 1);
	expect(f, repair, CHECK_TEMPORARY, 1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("x", path), 0);
	expect(f, repair, CHECK_TEMPORARY, 1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(inner, sizeof(inner), "%s/something", path);
	make_empty(inner);
	expect(f, repair, CHECK_TEMPORARY, 1);
	assert_int_equal(access(inner, F_OK), 0);
	open_volume(f);
}

static void other_files_are_noted(void **state)
{
	struct fixture *f = *state;
	char path[256];

	close_volume(f);
	snprintf(path, sizeof(path), "%s/notes.txt", f->dir);
	make_empty(path);
	expect(f, repair, CHECK_UNKNOWN, 1);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/cmkfs.volume.new", f->dir);
	make_empty(path);
	expect(f, structure, CHECK_TEMPORARY, 1);
	open_volume(f);
}

static void an_unclean_session_is_settled(void **state)
{
	struct fixture *f = *state;
	struct object *o = at(f, "d/big");

	write_at(o, 2 * CHUNK, 100 * CHUNK);
	assert_int_equal(object_fsync(o, false), 0);
	object_put(o);
	leave(f);
	store_close(f->st); /* as if it had died */
	f->st = NULL;
	expect(f, structure, CHECK_UNCLEAN, 1);
	expect(f, contents, CHECK_UNCLEAN, 1);
	expect_mended(f, repair, CHECK_UNCLEAN, 1);
	expect_none(f);
	open_volume(f);
}

/* The session file says that as many sessions as it can hold did not end, and one more. */
static void fill_list(struct fixture *f, const uint8_t sm[static KEY_LEN])
{
	uint8_t raw[FIXED_BLOCK];
	struct session_block b;
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/cmkfs.session", f->dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, raw, sizeof(raw)), sizeof(raw));
	assert_int_equal(session_parse(raw, &b, NULL), 0);
	assert_true(b.open);
	for (b.nunclean = 0; b.nunclean < SESSION_UNCLEAN_MAX; b.nunclean++)
		b.unclean[b.nunclean] = b.seq + 1 + b.nunclean;
	b.seq += SESSION_UNCLEAN_MAX;
	assert_int_equal(session_seal(&b, sm, raw), 0);
	assert_int_equal(pwrite(fd, raw, sizeof(raw), 0), sizeof(raw));
	close(fd);
}

static void even_a_full_list_of_sessions_is_settled(void **state)
{
	struct store_options opt = { .binding = -1, .crash = -1 };
	struct fixture *f = *state;
	struct object *o = at(f, "d/big");
	uint8_t sm[KEY_LEN];
	struct store_error err;
	char path[2048];
	struct store *st;

	stored_path(f, "d/big", path);
	write_at(o, 2 * CHUNK, 100 * CHUNK);
	assert_int_equal(object_fsync(o, false), 0);
	write_at(o, 2 * CHUNK, 100 * CHUNK);
	assert_int_equal(object_flush(o), 0);
	object_put(o);
	memcpy(sm, f->st->sm, KEY_LEN);
	leave(f);
	store_close(f->st);
	f->st = NULL;
	flip(path, chunk_place(100)); /* as a power cut leaves it: neither version is whole */
	fill_list(f, sm);
	assert_int_equal(store_open(f->dir, &opt, &st, &err), 0);
	assert_int_equal(zone_unlock(store_root_zone(st), f->vk, &err), -EUCLEAN);
	store_close(st);
	expect(f, structure, CHECK_UNCLEAN, 1);
	expect(f, repair, CHECK_UNCLEAN, 0);
	expect(f, contents, CHECK_CHUNK, 1); /* settled, so that it counts as damage */
	open_volume(f);
}

/* ---- beside a writer --------------------------------------------------------------- */

static void what_a_mount_has_not_written_yet_is_no_damage(void **state)
{
	struct fixture *f = *state;
	struct object *o;
	struct stat sb;

	assert_int_equal(try_mkfile(f, "d/new", &o), 0);
	expect_none(f); /* its header is in memory only */
	write_at(o, 3 * CHUNK, 5 * CHUNK);
	expect_none(f);
	assert_int_equal(object_getattr(o, &sb), 0);
	object_put(o);
}

struct busy {
	struct fixture *f;
	_Atomic bool end;
	_Atomic unsigned int rounds;
};

static void *be_busy(void *arg)
{
	struct busy *b = arg;
	struct object *dir = at(b->f, "d"), *o = at(b->f, "d/big"), *made;
	struct stat sb;

	for (unsigned int i = 0; !b->end; i++, b->rounds++) {
		write_at(o, 2 * CHUNK, (uint64_t)(i * 37 % 200) * CHUNK);
		object_fsync(o, false);
		if (!object_mknod(dir, "save", S_IFREG | 0644, 0, &ROOT, &made, &sb)) {
			write_at(made, 9000, 0);
			object_fsync(made, false);
			object_put(made);
		}
		object_rename(dir, "save", dir, "saved", 0);
		object_truncate(o, BIG - i % 3 * 200 * CHUNK);
		object_truncate(o, BIG);
	}
	object_put(o);
	object_put(dir);
	return NULL;
}

static void a_busy_volume_has_no_finding(void **state)
{
	struct busy b = { .f = *state };
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, be_busy, &b), 0);
	for (unsigned int i = 0; i < 20 || b.rounds < 100; i++) {
		expect(b.f, structure, CHECK_UNKNOWN, 0);
		expect(b.f, contents, CHECK_UNKNOWN, 0);
	}
	b.end = true;
	pthread_join(t, NULL);
}

/* ---- beside a writer that is at work in the middle of each look --------------------- */

static struct {
	pthread_mutex_t lock;
	struct object *o; /* NULL: nobody meddles */
	unsigned int looks;
} meddler = { .lock = PTHREAD_MUTEX_INITIALIZER };

ssize_t __real_backing_read(int fd, void *p, size_t n, uint64_t off);
ssize_t __wrap_backing_read(int fd, void *p, size_t n, uint64_t off);

/* The contents of a first group are about to be read, by slots that were read before. */
ssize_t __wrap_backing_read(int fd, void *p, size_t n, uint64_t off)
{
	if (n == GROUP0_CHUNKS * CHUNK && off == DATA_START) {
		pthread_mutex_lock(&meddler.lock);
		for (unsigned int i = 0; meddler.o && i < 3; i++) {
			write_at(meddler.o, 2 * CHUNK, 10 * CHUNK);
			assert_int_equal(object_fsync(meddler.o, false), 0);
			meddler.looks++;
		}
		pthread_mutex_unlock(&meddler.lock);
	}
	return __real_backing_read(fd, p, n, off);
}

static void meddle(struct object *o)
{
	pthread_mutex_lock(&meddler.lock);
	object_put(meddler.o);
	meddler.o = o;
	meddler.looks = 0;
	pthread_mutex_unlock(&meddler.lock);
}

static void what_changes_at_every_look_is_no_damage(void **state)
{
	struct fixture *f = *state;
	unsigned int looks;
	struct found x;

	meddle(at(f, "d/big"));
	check(f, contents, &x);
	looks = meddler.looks;
	meddle(NULL);
	assert_true(looks > 3);
	assert_int_equal(x.result.damaged + x.result.failed, 0);
	expect_none(f);
}

static void damage_beside_what_changes_is_found(void **state)
{
	struct fixture *f = *state;
	char path[2048];
	struct found x;

	stored_path(f, "d/big", path);
	flip(path, chunk_place(12));
	meddle(at(f, "d/big"));
	check(f, contents, &x);
	meddle(NULL);
	assert_int_equal(x.n[CHECK_CHUNK], 1);
	assert_int_equal(x.result.damaged + x.result.failed, 1);
	assert_int_equal(x.offset, 12 * CHUNK);
	assert_int_equal(x.length, CHUNK);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup_full, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_sound_volume_has_no_finding),
		cmocka_unit_test(so_has_an_xts_volume),
		T(every_position_can_be_gone_on_from),
		T(a_damaged_header_is_found),
		T(a_header_that_never_came_is_found),
		T(a_directory_without_its_header_is_found),
		T(a_damaged_spare_slot_is_found),
		T(a_group_without_a_slot_is_found),
		T(every_damaged_chunk_is_found),
		T(a_file_that_was_cut_off_is_found_without_reading),
		T(a_wrong_length_is_corrected),
		T(a_damaged_attribute_is_found),
		T(swapped_files_are_found_and_bound_anew),
		T(foreign_names_are_found),
		T(sidecars_are_matched),
		T(a_damaged_symlink_is_found),
		T(empty_temporaries_go),
		T(temporaries_that_hold_something_stay),
		T(other_files_are_noted),
		T(an_unclean_session_is_settled),
		T(even_a_full_list_of_sessions_is_settled),
		T(what_a_mount_has_not_written_yet_is_no_damage),
		T(a_busy_volume_has_no_finding),
		T(what_changes_at_every_look_is_no_damage),
		T(damage_beside_what_changes_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
