/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A volume in a temporary directory for tests of the store: made, opened and
 * unlocked with a vault key that the test knows.
 */
#ifndef CMKFS_TEST_VOLUME_FIXTURE_H
#define CMKFS_TEST_VOLUME_FIXTURE_H

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "fs/store/internal.h"
#include "fs/store/rekey.h"

struct fixture {
	char dir[80];
	uint8_t vk[KEY_LEN];
	struct store *st;
	unsigned int events[EVENT_NAME + 1];
};

static int fixture_slot(void *arg, const uint8_t vk[static KEY_LEN], const struct zone_id *z,
			struct keyslot *ret)
{
	struct fixture *f = arg;

	(void)z;
	memcpy(f->vk, vk, KEY_LEN);
	*ret = (struct keyslot){ .type = SLOT_RSA, .role = ROLE_SERVICE };
	ret->kid = strdup("local://test/keys/test/1");
	ret->blob = calloc(1, 256);
	ret->blob_len = 256;
	return ret->kid && ret->blob ? 0 : -ENOMEM;
}

static void fixture_event(void *arg, const struct store_event *e)
{
	struct fixture *f = arg;

	__atomic_fetch_add(&f->events[e->kind], 1, __ATOMIC_RELAXED); /* from any thread */
	if (getenv("CMKFS_EVENTS"))
		print_message("  event: %s at %ju\n", e->reason, (uintmax_t)e->offset);
}

static inline void fixture_open(struct fixture *f, bool read_only)
{
	struct store_options opt = { .read_only = read_only, .binding = -1, .crash = -1,
				     .event = fixture_event, .event_arg = f };
	struct store_error err = { .message = "" };
	int r = store_open(f->dir, &opt, &f->st, &err);

	if (!r)
		r = zone_unlock(store_root_zone(f->st), f->vk, &err);
	if (r)
		fail_msg("open: %s: %s", strerror(-r), err.message);
}

static inline void fixture_make(struct fixture *f, enum suite suite)
{
	struct init_options opt = { .suite = suite, .names = NAME_ENCRYPTED, .padding = 16,
				    .binding = BINDING_ENFORCE, .crash = CRASH_ORDERED };
	struct store_error err = { .message = "" };
	struct zone_id z;
	int r;

	memset(f, 0, sizeof(*f));
	strcpy(f->dir, access("/dev/shm", W_OK) ? "/tmp/cmkfs-XXXXXX" : "/dev/shm/cmkfs-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	r = volume_init(f->dir, &opt, fixture_slot, f, &z, &err);
	if (r)
		fail_msg("init: %s: %s", strerror(-r), err.message);
	fixture_open(f, false);
}

static inline void fixture_close(struct fixture *f)
{
	if (!f->st)
		return;
	zone_lock_begin(store_root_zone(f->st), ENOKEY);
	assert_int_equal(zone_quiesce(store_root_zone(f->st), 1000), 0);
	assert_int_equal(zone_commit(store_root_zone(f->st), 10000), 0);
	zone_wipe(store_root_zone(f->st));
	assert_int_equal(store_end_session(f->st, false), 0);
	store_close(f->st);
	f->st = NULL;
}

static int fixture_rm(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void fixture_destroy(struct fixture *f)
{
	fixture_close(f);
	nftw(f->dir, fixture_rm, 16, FTW_DEPTH | FTW_PHYS);
}

/*
 * F is from now on a copy, not open yet, of its directory as a daemon that dies
 * leaves it: what is not flushed is lost.  Returns the original, still open.
 */
static inline struct fixture fixture_copy(struct fixture *f)
{
	struct fixture left = *f;
	char cmd[300];

	snprintf(f->dir, sizeof(f->dir), "%.60s.crash", left.dir);
	snprintf(cmd, sizeof(cmd), "cp -a %s %s", left.dir, f->dir);
	assert_int_equal(system(cmd), 0);
	return left;
}

/* Let go of every loaded object that nobody uses and that is not dirty. */
static inline void fixture_evict(struct fixture *f)
{
	uint64_t max = f->st->resident_max;

	f->st->resident_max = 0;
	store_trim(f->st);
	store_trim(f->st); /* what was used since the last time goes later */
	f->st->resident_max = max;
}

/* ---- random operations on one file --------------------------------------------- */

/* Xorshift (Marsaglia 2003): the numbers after *RNG, which is not 0. */
static inline uint64_t fixture_rnd(uint64_t *rng)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return *rng;
}

/* A new empty file, in a zone that is entered until fixture_let_go(). */
static inline struct object *fixture_file(struct fixture *f)
{
	struct cred cred = { .uid = geteuid(), .gid = getegid() };
	struct object *o;
	struct stat st;

	assert_int_equal(zone_enter(store_root_zone(f->st), ZONE_NORMAL), 0);
	assert_int_equal(object_mknod(store_root(f->st), "file", S_IFREG | 0644, 0, &cred, &o, &st), 0);
	return o;
}

/* The same file O after a remount. */
static inline struct object *fixture_remount(struct fixture *f, struct object *o)
{
	struct stat st;

	zone_leave(store_root_zone(f->st), ZONE_NORMAL);
	object_put(o);
	fixture_close(f);
	fixture_open(f, false);
	assert_int_equal(zone_enter(store_root_zone(f->st), ZONE_NORMAL), 0);
	assert_int_equal(object_lookup(store_root(f->st), "file", &o, &st), 0);
	return o;
}

static inline void fixture_let_go(struct fixture *f, struct object *o)
{
	zone_leave(store_root_zone(f->st), ZONE_NORMAL);
	object_put(o);
	fixture_destroy(f);
}

/* Nothing was found wrong with what is on disk. */
static inline void fixture_no_event(const struct fixture *f)
{
	assert_int_equal(f->events[EVENT_INTEGRITY], 0);
	assert_int_equal(f->events[EVENT_HINT], 0);
	assert_int_equal(f->events[EVENT_LOST], 0);
}

static inline int fixture_stop_sometimes(void *rng, uint64_t bytes)
{
	(void)bytes;
	return fixture_rnd(rng) % 3 ? 0 : -EINTR;
}

/* A new data key, perhaps only half-way. */
static inline void fixture_rekey(struct object *o, uint64_t *rng, unsigned int op)
{
	int r = object_rekey(o, fixture_stop_sometimes, rng);

	if (r && r != -EINTR)
		fail_msg("op %u: rekey: %s", op, strerror(-r));
}

/* CMKFS_SEED, or another one each time. */
static inline uint64_t fixture_seed(enum suite suite)
{
	const char *seed = getenv("CMKFS_SEED");

	return seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) << 8 | suite;
}

/* CMKFS_OPS, or N. */
static inline unsigned int fixture_ops(unsigned int n)
{
	const char *ops = getenv("CMKFS_OPS");

	return ops ? (unsigned int)atoi(ops) : n;
}

#endif
