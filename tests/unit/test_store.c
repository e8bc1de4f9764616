/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making, opening and guarding a volume: its fixed files, its one writer, what
 * the host remembers of it.
 */
#include "namespace_fixture.h"

#include "fs/store/volume.h"

static void path_of(struct fixture *f, const char *name, char ret[static 256])
{
	snprintf(ret, 256, "%s/%s", f->dir, name);
}

static size_t slurp(const char *path, uint8_t *buf, size_t cap)
{
	FILE *file = fopen(path, "r");
	size_t n;

	assert_non_null(file);
	n = fread(buf, 1, cap, file);
	fclose(file);
	return n;
}

static void spit(const char *path, const uint8_t *buf, size_t n)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(buf, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

/* Open and unlock; the store is closed again. */
static int try_open(struct fixture *f, struct store_options opt, struct store_error *err)
{
	struct store *st;
	int r;

	opt.binding = opt.crash = -1;
	r = store_open(f->dir, &opt, &st, err);
	if (r)
		return r;
	r = zone_unlock(store_root_zone(st), f->vk, err);
	if (!r)
		assert_int_equal(store_end_session(st, false), 0);
	store_close(st);
	return r;
}

static void stop(struct fixture *f)
{
	leave(f);
	fixture_close(f);
}

/* ---- init ------------------------------------------------------------------- */

static const struct init_options plain_init = {
	.suite = SUITE_GCM, .names = NAME_ENCRYPTED, .padding = 16, .binding = BINDING_ENFORCE,
	.crash = CRASH_ORDERED,
};

static int no_slot(void *arg, const uint8_t vk[static KEY_LEN], const struct zone_id *z,
		   struct keyslot *ret)
{
	(void)arg;
	(void)vk;
	(void)z;
	(void)ret;
	return -EKEYREJECTED;
}

static unsigned int entries(const char *dir)
{
	unsigned int n = 0;
	DIR *d = opendir(dir);

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void init_wants_a_place_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct store_error err;
	struct zone_id z;
	char path[256];

	assert_int_equal(volume_init(f->dir, &plain_init, fixture_slot, f, &z, &err), -EEXIST);
	path_of(f, "tree", path);
	assert_int_equal(volume_init(path, &plain_init, fixture_slot, f, &z, &err), -ENOTEMPTY);
	assert_true(err.message[0] && err.hint[0]);
	path_of(f, "none/deeper", path);
	assert_int_equal(volume_init(path, &plain_init, fixture_slot, f, &z, &err), -ENOENT);
	path_of(f, VOLUME_FILE, path);
	assert_int_equal(volume_init(path, &plain_init, fixture_slot, f, &z, &err), -ENOTDIR);
	assert_int_equal(entries(f->dir), 7); /* volume, keys, session and its spare, its record, lock, tree */
}

static void a_refused_key_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct zone_id z;
	char path[256], inner[300];

	path_of(f, "new", path);
	assert_int_equal(volume_init(path, &plain_init, no_slot, NULL, &z, NULL), -EKEYREJECTED);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(inner, sizeof(inner), "%s/lost+found", path);
	assert_int_equal(mkdir(inner, 0700), 0);
	assert_int_equal(volume_init(path, &plain_init, no_slot, NULL, &z, NULL), -EKEYREJECTED);
	assert_int_equal(entries(path), 1);
}

struct failing {
	int after;
	bool failed;
};

static int fail_on(void *arg, const struct backing_call *c)
{
	struct failing *x = arg;

	if (c->op == BACKING_READ || x->after-- != 0)
		return 0;
	x->failed = true;
	return -ENOSPC;
}

static void init_is_whole_or_not_there(void **state)
{
	struct fixture *f = *state, g = *f;
	struct failing x = { .failed = true };
	struct backing_hooks h = { .before = fail_on, .arg = &x };
	int r = -1;

	snprintf(g.dir, sizeof(g.dir), "%.60s/new", f->dir);
	for (int n = 0; x.failed; n++) {
		struct zone_id z;

		x = (struct failing){ .after = n };
		backing_hooks = &h;
		r = volume_init(g.dir, &plain_init, fixture_slot, &g, &z, NULL);
		backing_hooks = NULL;
		assert_int_equal(r, x.failed ? -ENOSPC : 0);
		assert_int_equal(access(g.dir, F_OK), x.failed ? -1 : 0);
		assert_true(n < 64);
	}
	assert_int_equal(r, 0);
	assert_int_equal(try_open(&g, (struct store_options){ 0 }, NULL), 0);
}

/* ---- what is there without keys --------------------------------------------- */

static void peek_tells_a_volume_from_other_things(void **state)
{
	struct fixture *f = *state;
	struct volume_block v;
	struct store_error err;
	struct keyring *k;
	uint8_t block[FIXED_BLOCK];
	char path[256];

	assert_int_equal(volume_peek(f->dir, &v, &k, &err), 0);
	assert_memory_equal(&v.root, &store_volume(f->st)->root, sizeof(v.root));
	assert_int_equal(k->ngens, 1);
	assert_string_equal(k->gens[0].slots[0].kid, "local://test/keys/test/1");
	keyring_free(k);
	path_of(f, "tree", path);
	assert_int_equal(volume_peek(path, &v, &k, &err), -EMEDIUMTYPE);
	path_of(f, "none", path);
	assert_int_equal(volume_peek(path, &v, &k, &err), -ENOENT);
	path_of(f, VOLUME_FILE, path);
	assert_int_equal(volume_peek(path, &v, &k, &err), -ENOTDIR);
	assert_int_equal(slurp(path, block, sizeof(block)), sizeof(block));
	spit(path, block, sizeof(block) - 1);
	assert_int_equal(volume_peek(f->dir, &v, &k, &err), -EBADMSG);
	block[8] = 2; /* version */
	block[9] = 0;
	spit(path, block, sizeof(block));
	assert_int_equal(volume_peek(f->dir, &v, &k, &err), -EPROTONOSUPPORT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_int_equal(volume_peek(f->dir, &v, &k, &err), -EBADMSG);
}

/* Every byte of NAME flipped in turn: never opened. */
static void flip_all(struct fixture *f, const char *name, size_t step)
{
	static uint8_t buf[8192];
	char path[256];
	size_t n;

	path_of(f, name, path);
	n = slurp(path, buf, sizeof(buf));
	for (size_t i = 0; i < n; i += i < 256 || i > n - 64 ? 1 : step) {
		int r;

		buf[i] ^= 0x10;
		spit(path, buf, n);
		r = try_open(f, (struct store_options){ .read_only = true }, NULL);
		buf[i] ^= 0x10;
		if (r != -EBADMSG && r != -EKEYREJECTED && r != -EPROTONOSUPPORT)
			fail_msg("%s: byte %zu flipped: %d", name, i, r);
	}
	spit(path, buf, n);
	assert_int_equal(try_open(f, (struct store_options){ .read_only = true }, NULL), 0);
}

static void a_flipped_byte_of_a_fixed_file_is_refused(void **state)
{
	struct fixture *f = *state;

	stop(f);
	flip_all(f, VOLUME_FILE, 37);
	flip_all(f, KEYRING_FILE, 3);
	flip_all(f, SESSION_FILE, 37);
}

static void the_keyring_of_another_volume_is_refused(void **state)
{
	struct fixture *f = *state, other;
	uint8_t buf[8192];
	char path[256];
	size_t n;

	fixture_make(&other, SUITE_GCM);
	path_of(&other, KEYRING_FILE, path);
	n = slurp(path, buf, sizeof(buf));
	stop(f);
	path_of(f, KEYRING_FILE, path);
	spit(path, buf, n);
	memcpy(f->vk, other.vk, KEY_LEN); /* the attacker's own key would open it */
	assert_int_equal(try_open(f, (struct store_options){ 0 }, NULL), -EBADMSG);
	fixture_destroy(&other);
}

/* ---- the one writer --------------------------------------------------------- */

static void there_is_one_writer_and_any_number_of_readers(void **state)
{
	struct fixture *f = *state;
	struct store_options opt = { .holder = "mounted at /mnt/data" };
	struct store_error err;
	char pid[32];

	assert_int_equal(try_open(f, opt, &err), -EBUSY);
	snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	assert_non_null(strstr(err.message, pid));
	opt.read_only = true;
	assert_int_equal(try_open(f, opt, &err), 0);
	stop(f);
	opt.read_only = false;
	opt.binding = opt.crash = -1;
	assert_int_equal(store_open(f->dir, &opt, &f->st, &err), 0);
	assert_int_equal(try_open(f, (struct store_options){ 0 }, &err), -EBUSY);
	assert_non_null(strstr(err.message, "mounted at /mnt/data"));
	store_close(f->st);
	fixture_open(f, false);
	enter(f);
}

static void statfs_counts_in_chunks(void **state)
{
	struct fixture *f = *state;
	struct statvfs v, own;

	assert_int_equal(store_statfs(f->st, &v), 0);
	assert_int_equal(statvfs(f->dir, &own), 0);
	assert_int_equal(v.f_frsize, CHUNK);
	assert_int_equal(v.f_namemax, 255);
	assert_true(v.f_blocks * CHUNK <= own.f_blocks * own.f_frsize);
	assert_true(v.f_blocks * CHUNK + CHUNK > own.f_blocks * own.f_frsize);
}

/* ---- the keyring's edits ---------------------------------------------------- */

static int add_one(void *arg, struct keyring *k)
{
	const struct keyslot s = { .type = SLOT_RSA, .role = ROLE_CUSTOMER,
				   .kid = (char *)"local://other/keys/k/2",
				   .blob = (uint8_t[256]){ 1 }, .blob_len = 256 };

	(void)arg;
	return generation_add_slot(keyring_generation(k, k->active), &s, NULL);
}

static int refuse(void *arg, struct keyring *k)
{
	(void)arg;
	k->active = 7;
	return -EPERM;
}

static void an_edit_replaces_the_keyring_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct store_error err;
	struct keyring *k;
	uint8_t before[8192], after[8192], wrong[KEY_LEN];
	char path[256];
	size_t n;

	path_of(f, KEYRING_FILE, path);
	n = slurp(path, before, sizeof(before));
	memcpy(wrong, f->vk, KEY_LEN);
	wrong[0] ^= 1;
	assert_int_equal(volume_edit_keyring(f->dir, NULL, wrong, add_one, NULL, NULL, &err),
			 -EKEYREJECTED);
	assert_int_equal(volume_edit_keyring(f->dir, NULL, f->vk, refuse, NULL, NULL, &err), -EPERM);
	assert_int_equal(slurp(path, after, sizeof(after)), n);
	assert_memory_equal(before, after, n);
	/* Beside a running mount. */
	assert_int_equal(volume_edit_keyring(f->dir, NULL, f->vk, add_one, NULL, NULL, &err), 0);
	assert_int_equal(zone_keyring(store_root_zone(f->st), &k, &err), 0);
	assert_int_equal(k->seq, 2);
	assert_int_equal(k->gens[0].nslots, 2);
	keyring_free(k);
	assert_int_equal(entries(f->dir), 7);
	remount(f);
}

/* ---- what the host remembers ------------------------------------------------ */

struct known {
	char state[96];
	struct store_options opt;
};

static void remember(struct fixture *f, struct known *k)
{
	memset(k, 0, sizeof(*k));
	snprintf(k->state, sizeof(k->state), "%.60s.state", f->dir);
	k->opt.state_dir = k->state;
	stop(f);
	assert_int_equal(try_open(f, k->opt, NULL), 0);
}

static void forget(struct known *k)
{
	nftw(k->state, fixture_rm, 16, FTW_DEPTH | FTW_PHYS);
}

static void an_old_session_file_is_a_rollback(void **state)
{
	struct fixture *f = *state;
	struct store_error err;
	struct known k;
	uint8_t old[FIXED_BLOCK];
	char path[256];

	remember(f, &k);
	path_of(f, SESSION_FILE, path);
	slurp(path, old, sizeof(old));
	assert_int_equal(try_open(f, k.opt, NULL), 0);
	spit(path, old, sizeof(old));
	assert_int_equal(try_open(f, k.opt, &err), -ESTALE);
	assert_non_null(strstr(err.hint, "--accept-rollback"));
	k.opt.read_only = true;
	assert_int_equal(try_open(f, k.opt, &err), -ESTALE);
	k.opt.accept_rollback = true;
	assert_int_equal(try_open(f, k.opt, &err), 0);
	k.opt.accept_rollback = k.opt.read_only = false;
	assert_int_equal(try_open(f, k.opt, &err), 0); /* accepted once is accepted */
	forget(&k);
}

static void an_old_keyring_is_a_rollback(void **state)
{
	struct fixture *f = *state;
	struct store_error err;
	struct known k;
	uint8_t old[8192];
	char path[256];
	size_t n;

	remember(f, &k);
	path_of(f, KEYRING_FILE, path);
	n = slurp(path, old, sizeof(old));
	assert_int_equal(volume_edit_keyring(f->dir, NULL, f->vk, add_one, NULL, k.state, &err), 0);
	spit(path, old, n);
	assert_int_equal(try_open(f, k.opt, &err), -ESTALE);
	assert_int_equal(volume_edit_keyring(f->dir, NULL, f->vk, add_one, NULL, k.state, &err), -ESTALE);
	forget(&k);
}

static void another_fingerprint_is_another_volume(void **state)
{
	struct fixture *f = *state;
	struct store_error err;
	struct known k;
	struct pin p;

	remember(f, &k);
	fixture_open(f, true);
	assert_int_equal(pin_read(k.state, &store_volume(f->st)->root, true, &p), 0);
	assert_memory_equal(p.fingerprint, zone_fingerprint(store_root_zone(f->st)), KEY_LEN);
	p.fingerprint[0] ^= 1;
	assert_int_equal(pin_store(k.state, &store_volume(f->st)->root, true, &p, true), 0);
	store_close(f->st);
	f->st = NULL;
	assert_int_equal(try_open(f, k.opt, &err), -EBADMSG);
	k.opt.accept_rollback = true;
	assert_int_equal(try_open(f, k.opt, &err), -EBADMSG);
	forget(&k);
}

static void a_damaged_memory_is_not_taken_for_none(void **state)
{
	struct fixture *f = *state;
	struct store_error err;
	struct known k;
	char path[256];
	struct dirent *d;
	DIR *dir;

	remember(f, &k);
	snprintf(path, sizeof(path), "%s/volumes", k.state);
	dir = opendir(path);
	assert_non_null(dir);
	while ((d = readdir(dir)) && d->d_name[0] == '.')
		;
	assert_non_null(d);
	snprintf(path, sizeof(path), "%.96s/volumes/%.100s", k.state, d->d_name);
	closedir(dir);
	spit(path, (const uint8_t *)"{", 1);
	assert_int_equal(try_open(f, k.opt, &err), -EBADMSG);
	assert_true(err.message[0] && err.hint[0]);
	forget(&k);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(init_wants_a_place_of_its_own),
		T(a_refused_key_leaves_nothing),
		T(init_is_whole_or_not_there),
		T(peek_tells_a_volume_from_other_things),
		T(a_flipped_byte_of_a_fixed_file_is_refused),
		T(the_keyring_of_another_volume_is_refused),
		T(there_is_one_writer_and_any_number_of_readers),
		T(statfs_counts_in_chunks),
		T(an_edit_replaces_the_keyring_and_nothing_else),
		T(an_old_session_file_is_a_rollback),
		T(an_old_keyring_is_a_rollback),
		T(another_fingerprint_is_another_volume),
		T(a_damaged_memory_is_not_taken_for_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
