/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that re-keys, and what the control socket asks of it.
 */
#include "fs/mount/rekeyer.h"

#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "crypto/secret.h"
#include "fs/lib/clock.h"
#include "fs/lib/cmd.h"
#include "fs/lib/log.h"
#include "fs/lib/pace.h"
#include "fs/mount/audit.h"
#include "fs/mount/control_answer.h"
#include "fs/mount/grant_set.h"
#include "fs/store/rekey.h"
#include "keyprov/open.h"

#define RETRY_MS 500 /* while the zone is locked */
#define LEFT_MAX 20u
#define LOW_NICE 19
#define SLICE_MS 5   /* of a pause: a lock must not wait for one */

enum state { NONE, RUNNING, WAITING, DONE, STOPPED, FAILED };
static const char *const state_words[] = { "none", "running", "waiting", "done", "stopped",
					   "failed" };

struct rekeyer {
	struct mount *m;
	pthread_mutex_t lock; /* protects thread, started, ended */
	pthread_t thread;
	bool started, ended; /* there is a thread to be joined; none may begin any more */
	_Atomic bool stop;
	_Atomic int state;
	struct mzone *z; /* these are set before the thread begins */
	struct zone_rekey job;
	struct pace pace;
	uint32_t g;
	char error[400]; /* after it has ended */
	pthread_mutex_t left_lock; /* protects all below */
	unsigned int nleft; /* the first of what is damaged, by inode number or path */
	char *left[LEFT_MAX];
};

static void pause_ms(unsigned int ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* ---- the work ---------------------------------------------------------------------- */

/* A rekey_pace_fn: never longer in the way of a lock than a slice. */
static int pace(void *arg, uint64_t bytes)
{
	struct rekeyer *k = arg;
	struct zone *z = k->z->zone;
	uint64_t until = clock_ms();

	k->job.bytes += bytes;
	until += pace_wait(&k->pace, bytes, until);
	for (;;) {
		if (k->stop)
			return -EINTR;
		if (zone_state(z) != ZONE_UNLOCKED)
			return -zone_errno(z);
		if (clock_ms() >= until)
			return 0;
		pause_ms(SLICE_MS);
	}
}

static void forget_left(struct rekeyer *k)
{
	pthread_mutex_lock(&k->left_lock);
	while (k->nleft)
		free(k->left[--k->nleft]);
	pthread_mutex_unlock(&k->left_lock);
}

/* A rekey_left_fn. */
static void note_left(void *arg, struct object *o)
{
	struct rekeyer *k = arg;
	char *path = NULL;

	if (!o) {
		forget_left(k);
		return;
	}
	if (k->nleft == LEFT_MAX || object_plain_path(o, &path))
		return;
	pthread_mutex_lock(&k->left_lock);
	k->left[k->nleft++] = path;
	pthread_mutex_unlock(&k->left_lock);
}

/* A keyring_edit_fn: those below the generation that all is under now. */
static int destroy_older(void *arg, struct keyring *ring)
{
	const struct rekeyer *k = arg;
	int r = 0;

	for (unsigned int i = 0; i < ring->ngens && !r; i++)
		if (ring->gens[i].g < k->g && ring->gens[i].state != GEN_DESTROYED)
			r = keyring_destroy_generation(ring, ring->gens[i].g);
	return r;
}

static int destroy(struct rekeyer *k)
{
	struct store_error err = { "", "" };
	int r = zone_edit_keyring(k->z->zone, destroy_older, k, &err);

	if (!r)
		r = zone_drop_generations(k->z->zone, &err);
	if (r)
		snprintf(k->error, sizeof(k->error), "the older generations are still in the keyring: %s",
			 err.message[0] ? err.message : strerror(-r));
	return r;
}

static bool is_locked(struct rekeyer *k, int r)
{
	return r == -ENOKEY || r == -EKEYREVOKED || r == -EKEYEXPIRED ||
	       (r && zone_state(k->z->zone) != ZONE_UNLOCKED);
}

static int work(struct rekeyer *k)
{
	int r;

	for (;;) {
		r = zone_rekey(k->z->zone, &k->job);
		crypto_forget();
		if (!is_locked(k, r) || k->stop)
			break;
		k->state = WAITING;
		pause_ms(RETRY_MS);
		k->state = RUNNING;
	}
	if (r == -EUCLEAN)
		snprintf(k->error, sizeof(k->error),
			 "%ju objects are damaged and keep their keys, and so the older generations stay",
			 (uintmax_t)k->job.failed);
	else if (r && r != -EINTR)
		snprintf(k->error, sizeof(k->error), "%s", strerror(-r));
	return r ? r : destroy(k);
}

static void tell_end(struct rekeyer *k, int r)
{
	const char *what = k->job.contents ? "key.reencrypt" : "key.rewrap";

	audit_note(k->m->audit, what, 0, !r ? "ok" : r == -EINTR ? "stopped" : "failed",
		   "zone %s, generation %u, %ju objects", k->z->id, k->g,
		   (uintmax_t)k->job.changed);
	if (!r)
		log_notice("%sall is under generation %u now: %ju objects changed",
			   zones_label(k->z), k->g, (uintmax_t)k->job.changed);
	else if (r != -EINTR)
		log_error("cmkfs verify DIR says what is damaged",
			  "%snot all is under generation %u: %s", zones_label(k->z), k->g,
			  k->error);
}

static void *rekeyer_main(void *arg)
{
	struct rekeyer *k = arg;
	int r;

	prctl(PR_SET_NAME, "cmkfs-rekeyer");
	setpriority(PRIO_PROCESS, 0, LOW_NICE); /* of this thread, on Linux */
	r = work(k);
	crypto_forget();
	tell_end(k, r);
	k->state = !r ? DONE : r == -EINTR ? STOPPED : FAILED;
	return NULL;
}

/* ---- beginning and ending ------------------------------------------------------------ */

int rekeyer_start(struct mount *m, struct rekeyer **ret)
{
	struct rekeyer *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->m = m;
	pthread_mutex_init(&k->lock, NULL);
	pthread_mutex_init(&k->left_lock, NULL);
	*ret = k;
	return 0;
}

static void join(struct rekeyer *k) /* lock is held */
{
	if (k->started)
		pthread_join(k->thread, NULL);
	k->started = false;
}

void rekeyer_halt(struct rekeyer *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	k->ended = true;
	k->stop = true;
	join(k);
	pthread_mutex_unlock(&k->lock);
}

void rekeyer_free(struct rekeyer *k)
{
	if (!k)
		return;
	forget_left(k);
	pthread_mutex_destroy(&k->left_lock);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

/* The key of the keyring's active generation, by the provider, for the zone. */
static int take_active(struct mzone *z, struct mount_failure *f)
{
	_cleanup_secret_ struct zone_vk *vk = secret_alloc(sizeof(*vk));
	struct store_error err = { "", "" };
	struct kp_error e = { 0 };
	struct keyring *ring = NULL;
	int r = vk ? zone_keyring(z->zone, &ring, &err) : -ENOMEM;

	if (r)
		return mount_fail(f, cmd_exit_of(r), r, err.hint, "%s",
				  err.message[0] ? err.message : strerror(-r));
	vk->g = ring->active;
	r = z->grant ? grant_unwrap(z->grant, ring, vk->vk, &e) : -ENOKEY;
	if (r)
		mount_fail(f, cmd_exit_of(r), r, e.hint, "the key of generation %u: %s",
			   ring->active, e.message);
	if (!r && (r = zone_take_generation(z->zone, vk, &err)))
		mount_fail(f, cmd_exit_of(r), r, err.hint, "%s", err.message);
	keyring_free(ring);
	return r;
}

static int begin_locked(struct rekeyer *k, struct mzone *z, bool contents, uint64_t bandwidth,
			struct mount_failure *f)
{
	unsigned int n;
	int r;

	if (k->ended)
		return mount_fail(f, CMD_FAILED, -EBUSY, NULL, "the mount is ending");
	if (k->m->opt->read_only)
		return mount_fail(f, CMD_FAILED, -EROFS, "mount it read-write",
				  "the mount is read-only");
	if (k->state == RUNNING || k->state == WAITING)
		return mount_fail(f, CMD_BUSY, -EBUSY, "cmkfs key rotate DIR --stop stops it",
				  "a zone of this mount is being re-keyed already");
	r = take_active(z, f);
	if (r)
		return r;
	join(k);
	k->stop = false;
	k->z = z;
	k->job = (struct zone_rekey){ .contents = contents, .stop = &k->stop, .pace = pace,
				      .left = note_left, .arg = k };
	forget_left(k);
	pace_begin(&k->pace, bandwidth, clock_ms());
	k->g = zone_generation(z->zone, &n);
	k->error[0] = 0;
	k->state = RUNNING;
	r = -pthread_create(&k->thread, NULL, rekeyer_main, k);
	if (r) {
		k->state = FAILED;
		return mount_fail(f, CMD_FAILED, r, NULL, "cannot start a thread: %s", strerror(-r));
	}
	k->started = true;
	return 0;
}

json_t *rekeyer_begin(struct mount *m, const json_t *req)
{
	const char *name = json_string_value(json_object_get(req, "zone"));
	json_int_t bandwidth = json_integer_value(json_object_get(req, "bandwidth"));
	struct mzone *z = zones_find(m, name ? name : "0");
	struct mount_failure f = { 0, "", "" };
	int r;

	if (!z) {
		mount_fail(&f, CMD_USAGE, -ENOENT, "cmkfs zone list MNT lists them",
			   "there is no such zone");
		return answer_failure(&f);
	}
	pthread_mutex_lock(&m->rekeyer->lock);
	r = begin_locked(m->rekeyer, z, json_is_true(json_object_get(req, "contents")),
			 bandwidth > 0 ? (uint64_t)bandwidth : 0, &f);
	pthread_mutex_unlock(&m->rekeyer->lock);
	return r ? answer_failure(&f) : rekeyer_status(m, req);
}

/* What kept its key. */
static json_t *damaged(struct rekeyer *k)
{
	json_t *a = json_array();

	pthread_mutex_lock(&k->left_lock);
	for (unsigned int i = 0; i < k->nleft; i++)
		json_array_append_new(a, json_string(k->left[i]));
	pthread_mutex_unlock(&k->left_lock);
	return a;
}

json_t *rekeyer_status(struct mount *m, const json_t *req)
{
	struct rekeyer *k = m->rekeyer;
	int state = k->state;

	(void)req;
	return json_pack("{s:b, s:s, s:s, s:b, s:i, s:I, s:I, s:I, s:I, s:i, s:s, s:b, s:o}", "ok", 1,
			 "state", state_words[state], "zone", state ? k->z->id : "", "contents",
			 k->job.contents, "generation", (int)k->g, "changed",
			 (json_int_t)k->job.changed, "seen", (json_int_t)k->job.seen, "bytes",
			 (json_int_t)k->job.bytes, "failed", (json_int_t)k->job.failed, "pass",
			 (int)k->job.pass, "error", state == FAILED ? k->error : "", "read-only",
			 m->opt->read_only, "damaged", damaged(k));
}

json_t *rekeyer_stop(struct mount *m, const json_t *req)
{
	struct rekeyer *k = m->rekeyer;

	pthread_mutex_lock(&k->lock);
	k->stop = true;
	join(k);
	pthread_mutex_unlock(&k->lock);
	return rekeyer_status(m, req);
}
