/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zones in the store: made, opened by their own keys, locked alone, vouched
 * for by the zone that they lie in, destroyed; and every step of their making
 * failing.
 */
#include "volume_fixture.h"

#include <sys/stat.h>

#include "crypto/rand.h"
#include "fs/store/internal.h"
#include "fs/store/volume.h"

static const struct cred ROOT = { .uid = 0, .gid = 0 };

struct keys { /* of a zone, as a test keeps them */
	uint8_t id[ID_LEN], vk[KEY_LEN];
};

static const struct keyslot slot = {
	.type = SLOT_RSA, .role = ROLE_CUSTOMER, .kid = (char *)(uintptr_t)"local://test/keys/z/1",
	.blob = (uint8_t *)(uintptr_t)"sealed", .blob_len = 6,
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	umask(0);
	fixture_make(f, SUITE_GCM);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	backing_hooks = NULL;
	fixture_destroy(f);
	free(f);
	return 0;
}

static struct object *resolve(struct fixture *f, const char *path)
{
	struct object *o;
	int r = store_resolve(f->st, path, &o);

	if (r)
		fail_msg("%s: %s", path, strerror(-r));
	return o;
}

/* With the zone of the object at PATH entered. */
static struct object *entered(struct fixture *f, const char *path)
{
	struct object *o = resolve(f, path);

	assert_int_equal(zone_enter(object_zone(o), ZONE_NORMAL), 0);
	return o;
}

static void leave(struct object *o)
{
	zone_leave(object_zone(o), ZONE_NORMAL);
	object_put(o);
}

static void mkdir_at(struct fixture *f, const char *dir, const char *name)
{
	struct object *d = entered(f, dir), *o;
	struct stat sb;

	assert_int_equal(object_mkdir(d, name, 0755, &ROOT, &o, &sb), 0);
	object_put(o);
	leave(d);
}

static int put_file(struct fixture *f, const char *dir, const char *name, const char *text)
{
	struct object *d = entered(f, dir), *o;
	uint8_t buf[64] = { 0 };
	struct stat sb;
	int r = object_mknod(d, name, S_IFREG | 0644, 0, &ROOT, &o, &sb);

	if (!r) {
		memcpy(buf, text, strlen(text));
		r = object_write(o, buf, strlen(text), 0);
		if (!r)
			r = object_fsync(o, false);
		object_put(o);
	}
	leave(d);
	return r;
}

static int get_file(struct fixture *f, const char *path, char text[static 64])
{
	uint8_t *buf = calloc(3, CHUNK), *p;
	struct object *o;
	ssize_t n = store_resolve(f->st, path, &o);

	if (!n) {
		n = zone_enter(object_zone(o), ZONE_NORMAL);
		if (!n) {
			n = object_read(o, buf, 3 * CHUNK, 63, 0, &p);
			if (n >= 0) {
				memcpy(text, p, (size_t)n);
				text[n] = 0;
			}
			zone_leave(object_zone(o), ZONE_NORMAL);
		}
		object_put(o);
	}
	free(buf);
	return n < 0 ? (int)n : 0;
}

static void expect(struct fixture *f, const char *path, const char *text)
{
	char got[64];
	int r = get_file(f, path, got);

	if (r)
		fail_msg("%s: %s", path, strerror(-r));
	assert_string_equal(got, text);
}

static int make_zone(struct fixture *f, const char *dir, const char *name, struct keys *ret)
{
	struct object *d = entered(f, dir);
	struct store_error err;
	struct zone_draft *draft;
	struct zone *z;
	int r;

	assert_int_equal(zone_draft_new(f->st, NULL, &draft), 0);
	r = zone_make(d, name, draft, &slot, &z, &err);
	memcpy(ret->id, draft->id.zone, ID_LEN);
	memcpy(ret->vk, draft->vk, KEY_LEN);
	zone_draft_free(draft);
	leave(d);
	return r;
}

static int unlock(struct fixture *f, const struct keys *k)
{
	struct zone *z = store_zone(f->st, k->id);
	struct store_error err = { "", "" };

	assert_non_null(z);
	return zone_unlock(z, k->vk, &err);
}

static void lock(struct zone *z, int lock_errno)
{
	zone_lock_begin(z, lock_errno);
	assert_int_equal(zone_quiesce(z, 1000), 0);
	assert_int_equal(zone_commit(z, 10000), 0);
	zone_wipe(z);
}

/* Ends the session and opens the root's zone again; the others stay locked. */
static void again(struct fixture *f)
{
	for (struct zone *z = store_next_zone(f->st, store_root_zone(f->st)); z;
	     z = store_next_zone(f->st, z))
		lock(z, ENOKEY);
	fixture_close(f);
	fixture_open(f, false);
}

/* ---- what a zone is ---------------------------------------------------------------- */

static void zone_opens_by_its_own_key_only(void **state)
{
	struct fixture *f = *state;
	struct keys k, other = { { 0 }, { 0 } };
	char got[64];

	mkdir_at(f, "", "z");
	assert_int_equal(make_zone(f, "", "z", &k), 0);
	assert_int_equal(put_file(f, "z", "in", "of the zone"), 0);
	assert_int_equal(put_file(f, "", "out", "of the root"), 0);
	mkdir_at(f, "z", "d");
	assert_int_equal(put_file(f, "z/d", "deep", "deeper"), 0);
	again(f);
	expect(f, "out", "of the root");
	assert_int_equal(get_file(f, "z/in", got), -ENOKEY);
	memcpy(other.id, k.id, ID_LEN);
	memcpy(other.vk, f->vk, KEY_LEN); /* the root's */
	assert_int_equal(unlock(f, &other), -EKEYREJECTED);
	assert_int_equal(unlock(f, &k), 0);
	expect(f, "z/in", "of the zone");
	expect(f, "z/d/deep", "deeper");
	assert_int_equal(f->events[EVENT_INTEGRITY], 0);
}

static void locked_zone_leaves_the_others(void **state)
{
	struct fixture *f = *state;
	struct keys a, b;
	char got[64];

	mkdir_at(f, "", "a");
	mkdir_at(f, "", "b");
	assert_int_equal(make_zone(f, "", "a", &a), 0);
	assert_int_equal(make_zone(f, "", "b", &b), 0);
	assert_int_equal(put_file(f, "a", "x", "in a"), 0);
	assert_int_equal(put_file(f, "b", "x", "in b"), 0);
	lock(store_zone(f->st, a.id), EKEYREVOKED);
	assert_int_equal(get_file(f, "a/x", got), -EKEYREVOKED);
	expect(f, "b/x", "in b");
	assert_int_equal(put_file(f, "b", "y", "more in b"), 0);
	assert_int_equal(put_file(f, "", "y", "more in the root"), 0);
	assert_int_equal(unlock(f, &a), 0);
	expect(f, "a/x", "in a");
	expect(f, "b/y", "more in b");
}

static void zone_goes_on_while_the_one_above_is_locked(void **state)
{
	struct fixture *f = *state;
	struct object *d, *o, *n;
	uint8_t text[] = "written", *buf = calloc(3, CHUNK), *p;
	struct keys k;
	struct stat sb;

	mkdir_at(f, "", "up");
	mkdir_at(f, "up", "z");
	assert_int_equal(make_zone(f, "up", "z", &k), 0);
	assert_int_equal(put_file(f, "up/z", "x", "in it"), 0);
	d = resolve(f, "up/z");
	o = resolve(f, "up/z/x");
	lock(store_root_zone(f->st), ENOKEY);
	/* Again after all that was loaded has been wiped. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(zone_enter(object_zone(d), ZONE_NORMAL), 0);
		assert_int_equal(object_read(o, buf, 3 * CHUNK, 10, 0, &p), 5);
		assert_memory_equal(p, "in it", 5);
		assert_int_equal(object_mknod(d, i ? "n1" : "n0", S_IFREG | 0600, 0, &ROOT, &n, &sb), 0);
		assert_int_equal(object_write(n, text, sizeof(text), 0), 0);
		assert_int_equal(object_fsync(n, false), 0);
		object_put(n);
		assert_int_equal(object_rename(d, i ? "n1" : "n0", d, i ? "m1" : "m0", 0), 0);
		assert_int_equal(object_fsyncdir(d), 0);
		zone_leave(object_zone(d), ZONE_NORMAL);
		lock(object_zone(d), ENOKEY);
		assert_int_equal(unlock(f, &k), 0);
		memcpy(text, "written", 8);
	}
	object_put(o);
	object_put(d);
	free(buf);
	assert_int_equal(zone_unlock(store_root_zone(f->st), f->vk, NULL), 0);
	again(f);
	assert_int_equal(unlock(f, &k), 0);
	expect(f, "up/z/m1", "written");
	assert_int_equal(f->events[EVENT_INTEGRITY], 0);
}

static void nothing_crosses_the_border(void **state)
{
	struct fixture *f = *state;
	struct object *top, *z, *o;
	struct keys k;
	struct stat sb;

	mkdir_at(f, "", "z");
	mkdir_at(f, "", "d");
	assert_int_equal(make_zone(f, "", "z", &k), 0);
	assert_int_equal(put_file(f, "z", "x", "in"), 0);
	assert_int_equal(put_file(f, "", "x", "out"), 0);
	top = entered(f, "");
	z = entered(f, "z");
	o = resolve(f, "x");
	assert_int_equal(object_rename(z, "x", top, "y", 0), -EXDEV);
	assert_int_equal(object_rename(top, "x", z, "y", 0), -EXDEV);
	assert_int_equal(object_link(o, z, "y", &sb), -EXDEV);
	assert_int_equal(object_rmdir(top, "z"), -EBUSY);
	assert_int_equal(object_rename(top, "d", top, "z", 0), -EBUSY);
	assert_int_equal(make_zone(f, "", "z", &k), -EBUSY);
	assert_int_equal(make_zone(f, "", "x", &k), -ENOTDIR);
	/* Its own name is the root's, and changes there. */
	assert_int_equal(object_rename(top, "z", top, "w", 0), 0);
	object_put(o);
	leave(z);
	leave(top);
	expect(f, "w/x", "in");
}

/* ---- what is refused ------------------------------------------------------------------- */

static void file_name(const struct fixture *f, const struct keys *k, char ret[static 200])
{
	int n = snprintf(ret, 200, "%s/" ZONES_DIR "/", f->dir);

	for (int i = 0; i < ID_LEN; i++)
		n += snprintf(ret + n, 200 - (size_t)n, "%02x", k->id[i]);
	strcpy(ret + n, ".keys");
}

static void copy_file(const char *from, const char *to)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "cp '%s' '%s'", from, to);
	assert_int_equal(system(cmd), 0);
}

/* Whoever can write the store puts a keyring of his own there, whose key he knows. */
static void keyring_that_nobody_vouches_for_is_refused(void **state)
{
	struct fixture *f = *state;
	struct keys k, own;
	struct ring_place at = { .root = true, .shown = "" };
	struct keyring *ring;
	char path[200], forged[100];
	uint8_t zik[KEY_LEN];

	mkdir_at(f, "", "z");
	assert_int_equal(make_zone(f, "", "z", &k), 0);
	assert_int_equal(zone_keyring(store_zone(f->st, k.id), &ring, NULL), 0);
	assert_int_equal(rand_bytes(own.vk, KEY_LEN), 0);
	assert_int_equal(rand_bytes(zik, KEY_LEN), 0);
	memcpy(own.id, k.id, ID_LEN);
	generation_remove_slot(ring->gens, 1);
	assert_int_equal(keyring_new_generation(ring, ring->gens, 1, own.vk, zik, 1), 0);
	assert_int_equal(generation_add_slot(ring->gens, &slot, NULL), 0);
	again(f);
	file_name(f, &k, path);
	at.dirfd = open(f->dir, O_RDONLY | O_DIRECTORY);
	snprintf(at.name, sizeof(at.name), "forged");
	assert_int_equal(keyring_write(&at, ring, zik, NULL), 0);
	close(at.dirfd);
	keyring_free(ring);
	snprintf(forged, sizeof(forged), "%s/forged", f->dir);
	assert_int_equal(rename(forged, path), 0);
	assert_int_equal(unlock(f, &own), -EBADMSG);
	assert_int_equal(unlock(f, &k), -EKEYREJECTED);
}

static void zone_waits_until_the_one_above_can_vouch(void **state)
{
	struct fixture *f = *state;
	struct store_options opt = { .binding = -1, .crash = -1 };
	struct keys k, inner;

	mkdir_at(f, "", "z");
	assert_int_equal(make_zone(f, "", "z", &k), 0);
	mkdir_at(f, "z", "in");
	assert_int_equal(make_zone(f, "z", "in", &inner), 0);
	again(f);
	fixture_close(f);
	assert_int_equal(store_open(f->dir, &opt, &f->st, NULL), 0);
	assert_int_equal(unlock(f, &k), -EAGAIN);
	assert_int_equal(zone_unlock(store_root_zone(f->st), f->vk, NULL), 0);
	assert_int_equal(unlock(f, &inner), -EAGAIN);
	assert_int_equal(unlock(f, &k), 0);
	assert_int_equal(unlock(f, &inner), 0);
	/* Once is enough. */
	lock(store_zone(f->st, inner.id), ENOKEY);
	lock(store_zone(f->st, k.id), ENOKEY);
	assert_int_equal(unlock(f, &inner), 0);
}

/* A keyring_edit_fn: only its seq goes up. */
static int nothing(void *arg, struct keyring *ring)
{
	(void)arg;
	(void)ring;
	return 0;
}

static void old_keyring_of_a_zone_is_seen(void **state)
{
	struct fixture *f = *state;
	struct store_options opt = { .binding = -1, .crash = -1 };
	char dir[] = "/tmp/cmkfs-pins-XXXXXX", path[200], saved[250];
	struct store_error err;
	struct keys k;

	mkdir_at(f, "", "z");
	assert_int_equal(make_zone(f, "", "z", &k), 0);
	again(f);
	fixture_close(f);
	assert_non_null(mkdtemp(dir));
	opt.state_dir = dir;
	file_name(f, &k, path);
	snprintf(saved, sizeof(saved), "%s.saved", path);
	copy_file(path, saved);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_open(f->dir, &opt, &f->st, &err), 0);
		assert_int_equal(zone_unlock(store_root_zone(f->st), f->vk, &err), 0);
		assert_int_equal(unlock(f, &k), i == 1 ? -ESTALE : 0);
		if (!i) {
			struct zone *z = store_zone(f->st, k.id);
			assert_int_equal(zone_edit_keyring(z, nothing, NULL, &err), 0);
		}
		again(f);
		fixture_close(f);
		copy_file(saved, path);
		opt.accept_rollback = i == 1;
	}
	nftw(dir, fixture_rm, 16, FTW_DEPTH | FTW_PHYS);
}

/* The directory of a zone under another name, or another's header in its place. */
static void moved_ciphertext_of_a_zone_does_not_open(void **state)
{
	struct fixture *f = *state;
	struct object *a, *b;
	char sa[256], sb[256], cmd[1200], got[64];
	struct object *top;
	struct keys ka, kb;

	mkdir_at(f, "", "a");
	mkdir_at(f, "", "b");
	assert_int_equal(make_zone(f, "", "a", &ka), 0);
	assert_int_equal(make_zone(f, "", "b", &kb), 0);
	assert_int_equal(put_file(f, "a", "x", "in a"), 0);
	a = resolve(f, "a");
	b = resolve(f, "b");
	assert_int_equal(object_path(a, &top, sa), 0);
	object_put(top);
	assert_int_equal(object_path(b, &top, sb), 0);
	object_put(top);
	object_put(a);
	object_put(b);
	again(f);
	fixture_close(f);
	snprintf(cmd, sizeof(cmd), "cd '%s/tree' && mv ./%s t && mv ./%s ./%s && mv t ./%s", f->dir, sa, sb,
		 sa, sb);
	assert_int_equal(system(cmd), 0);
	fixture_open(f, false);
	assert_int_equal(unlock(f, &ka), 0);
	assert_int_equal(unlock(f, &kb), 0);
	assert_int_equal(get_file(f, "b/x", got), -EIO);
	assert_int_equal(get_file(f, "a/x", got), -EIO);
}

/* ---- its end --------------------------------------------------------------------------- */

static void destroyed_zone_is_gone_for_good(void **state)
{
	struct fixture *f = *state;
	struct keys k, inner;
	struct zone *z, *in;
	struct object *o;
	char path[200];

	mkdir_at(f, "", "z");
	assert_int_equal(make_zone(f, "", "z", &k), 0);
	assert_int_equal(put_file(f, "z", "x", "in"), 0);
	mkdir_at(f, "z", "in");
	assert_int_equal(make_zone(f, "z", "in", &inner), 0);
	z = store_zone(f->st, k.id);
	in = store_zone(f->st, inner.id);
	lock(in, ENOKEY);
	lock(z, ENOKEY);
	assert_int_equal(zone_destroy(z, NULL), -EBUSY);
	assert_int_equal(zone_destroy(in, NULL), 0);
	assert_int_equal(zone_destroy(z, NULL), 0);
	assert_int_equal(unlock(f, &k), -EBADMSG); /* there is no keyring */
	assert_int_equal(store_resolve(f->st, "z", &o), -ENOENT);
	file_name(f, &k, path);
	assert_int_equal(access(path, F_OK), -1);
	mkdir_at(f, "", "z");
	assert_int_equal(put_file(f, "z", "x", "of the root now"), 0);
	again(f);
	expect(f, "z/x", "of the root now");
	assert_null(store_zone(f->st, k.id));
}

/* ---- faults ------------------------------------------------------------------------------ */

struct faults {
	struct backing_hooks hooks;
	unsigned int calls, at;
};

static int on_call(void *arg, const struct backing_call *c)
{
	struct faults *x = arg;

	return c->op == BACKING_READ || ++x->calls != x->at ? 0 : -EIO;
}

/* Whatever step of making a zone fails: there is a zone, or an empty directory as before. */
static void half_a_zone_is_none(void **state)
{
	struct fixture *f = *state;
	struct faults x = { .at = 0 };
	unsigned int made = 0;

	x.hooks = (struct backing_hooks){ .before = on_call, .arg = &x };
	assert_int_equal(put_file(f, "", "file", "of the root"), 0);
	for (unsigned int at = 1; !made; at++) {
		struct keys k;
		int r;

		mkdir_at(f, "", "z");
		x.at = at;
		x.calls = 0;
		backing_hooks = &x.hooks;
		r = make_zone(f, "", "z", &k);
		backing_hooks = NULL;
		made = !r && x.calls < at; /* no step has failed */
		again(f);
		expect(f, "file", "of the root");
		if (store_zone(f->st, k.id) && !unlock(f, &k) && object_zone(resolve(f, "z")) ==
							     store_zone(f->st, k.id)) {
			assert_int_equal(put_file(f, "z", "x", "in the zone"), 0);
			expect(f, "z/x", "in the zone");
			lock(store_zone(f->st, k.id), ENOKEY);
			assert_int_equal(zone_destroy(store_zone(f->st, k.id), NULL), 0);
		} else {
			struct object *top = entered(f, "");

			assert_int_not_equal(r, 0);
			assert_int_equal(put_file(f, "z", "x", "in the root"), 0);
			expect(f, "z/x", "in the root");
			assert_int_equal(object_unlink(resolve(f, "z"), "x"), 0);
			assert_int_equal(object_rmdir(top, "z"), 0);
			leave(top);
		}
		assert_in_range(at, 1, 200);
	}
	assert_int_equal(f->events[EVENT_INTEGRITY], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(zone_opens_by_its_own_key_only),
		TEST(locked_zone_leaves_the_others),
		TEST(zone_goes_on_while_the_one_above_is_locked),
		TEST(nothing_crosses_the_border),
		TEST(keyring_that_nobody_vouches_for_is_refused),
		TEST(zone_waits_until_the_one_above_can_vouch),
		TEST(old_keyring_of_a_zone_is_seen),
		TEST(moved_ciphertext_of_a_zone_does_not_open),
		TEST(destroyed_zone_is_gone_for_good),
		TEST(half_a_zone_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
