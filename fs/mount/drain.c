/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock procedure.
 */
#include <time.h>

#include "fs/lib/log.h"
#include "fs/mount/audit.h"
#include "fs/mount/deploy.h"
#include "fs/mount/drain.h"
#include "fs/mount/uring.h"
#include "fs/mount/zones.h"

#define SETTLE_MS 150	    /* for what is on its way into the kernel's cache */
#define SETTLE_STEP_US 8000 /* about a turn of the scheduler */
#define LAST_SWEEP_MS 2000  /* to wait for what no time limit can cut short */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Milliseconds until END, at least one. */
static unsigned int left(double end)
{
	return (unsigned int)MAX(end - now(), 1);
}

/*
 * What was let in before the gate closed may come to the kernel's cache only
 * now: a reply that who asked has not looked at, a write(2) that has passed
 * its checks and waits for a processor.  So all is swept again after a pause,
 * until nothing more comes or it has been tried long enough.
 */
static int settle(struct sweeper *s, struct zone *z, double end)
{
	_Atomic uint64_t *count = &zone_counts(z)->page_writes;
	double enough = MIN(end, now() + SETTLE_MS);
	uint64_t writes, before;
	int r;

	do {
		before = atomic_load(count);
		usleep(SETTLE_STEP_US);
		r = sweep(s, z, SWEEP_ALL, left(end));
		if (r < 0)
			return r;
		writes = atomic_load(count);
	} while ((sweep_missed(s) || writes != before) && now() < enough);
	return 0;
}

/*
 * 1. The gate refuses all but what a drain needs.  2. Attributes go: write(2),
 * walks, stats and listings fail from here.  3. Pages go, dirty ones by way of
 * the store.  4. When no request of before is in flight, what those brought in
 * goes as well.  5. All is made durable; the gate closes, keys and plaintext
 * are wiped.  6. The pages of writes that were refused since must not stay.
 */
static void drain(struct mount *m, struct sweeper *s, struct zone *z, struct lock_report *rep)
{
	double end = now() + m->opt->drain_ms;

	if (sweep(s, z, SWEEP_ATTRS, left(end)) < 0 ||
	    sweep(s, z, SWEEP_PAGES, left(end)) < 0 ||
	    sweep(s, z, SWEEP_ALL, left(end)) < 0 || zone_quiesce(z, left(end)) < 0 ||
	    settle(s, z, end) < 0)
		rep->timed_out = true;
	if (!m->opt->read_only)
		rep->failed = zone_commit(z, left(end));
}

static void wipe(struct mount *m, struct sweeper *s, struct zone *z)
{
	zone_wipe(z);
	pool_wipe(m->pool);
	uring_wipe(m->uring);
	if (sweep(s, z, SWEEP_LAST, LAST_SWEEP_MS) < 0)
		log_warning("look at the processes that use the mount",
			    "the kernel is still writing what it must throw out");
	/*
	 * Names too; kernels before 6.18 do without.  Where a directory still answers,
	 * since a deployment is reached by it, no other name in it may.
	 */
	if (zones_all_locked(m) || deploys_any(m))
		session_new_epoch(m);
}

static void report(struct mzone *mz, int lock_errno, const struct lock_report *rep)
{
	const char *label = zones_label(mz);
	struct mount *m = mz->m;

	log_notice("%slocked: %s: %.1f ms, %ju requests refused", label, strerror(lock_errno), rep->ms,
		   (uintmax_t)rep->refused);
	audit_note(m->audit, "mount.lock", 0, strerrorname_np(lock_errno),
		   "zone %s, %.1f ms, %ju requests refused, %ju ranges and %u objects lost%s", mz->id,
		   rep->ms, (uintmax_t)rep->refused, (uintmax_t)rep->lost, rep->failed,
		   rep->timed_out ? ", the drain was cut short" : "");
	if (rep->timed_out)
		log_warning("a longer drain= waits longer for a slow store",
			    "%sthe drain was cut short after %u ms", label, m->opt->drain_ms);
	if (rep->lost || rep->failed)
		log_error("writers got an error from fsync(2) or close(2)",
			  "%slocking lost data: %ju ranges, %u objects", label,
			  (uintmax_t)rep->lost, rep->failed);
}

void drain_zone(struct mzone *mz, struct sweeper *s, int lock_errno, struct lock_report *rep)
{
	struct zone *z = mz->zone;
	struct zone_counts *c = zone_counts(z);
	double begin = now();
	uint64_t refused = atomic_load(&c->refused), lost = atomic_load(&c->lost);

	if (mz == mz->m->zones)
		atomic_store(&inode_shared(mz->m->inodes)->lock_errno, lock_errno);
	if (zone_state(z) == ZONE_LOCKED) {
		zone_set_errno(z, lock_errno);
		return;
	}
	zone_lock_begin(z, lock_errno);
	drain(mz->m, s, z, rep);
	wipe(mz->m, s, z);
	rep->locked = true;
	rep->ms = now() - begin;
	rep->refused = atomic_load(&c->refused) - refused;
	rep->lost = atomic_load(&c->lost) - lost;
	report(mz, lock_errno, rep);
	deploys_note_lock(mz->m, mz);
}
