/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching the keyrings on disk: another host's mount, or a command there, may
 * have made a zone, changed its slots, or destroyed it.  A thread of its own,
 * since what it finds may mean a lock.
 */
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

#include "crypto/mac.h"
#include "fs/lib/log.h"
#include "fs/lib/state.h"
#include "fs/lib/uses.h"
#include "fs/mount/audit.h"
#include "fs/mount/grant.h"

#define PERIOD_MS 1000
#define HURRY_MS 20
#define HURRY_LOOKS 100 /* a provider that was asked has answered by then */
#define MISSING_LOOKS 2 /* in a row: it is gone */

/* Its keyring is gone, and so is what opens it: as a revocation that nobody takes back. */
static void zone_lost(struct mzone *z)
{
	struct lock_report rep = { 0 };

	log_warning("it was destroyed by another host", "%sits keyring is gone", zones_label(z));
	audit_note(z->m->audit, "zone.destroy", 0, "seen", "zone %s", z->id);
	if (z->grant)
		grant_retire(z->grant);
	lock_end(&z->locker, 1, &rep);
	zone_set_errno(z->zone, EKEYREVOKED);
	z->gone = true;
}

static void look_at(struct mzone *z)
{
	uint64_t stamp;

	if (z->gone || zone_gone(z->zone))
		return;
	stamp = zone_keyring_stamp(z->zone);
	z->missing = stamp ? 0 : z->missing + 1;
	if (z->grant && stamp)
		grant_look(z->grant, stamp);
	else if (!stamp && zone_parent(z->zone) && z->missing >= MISSING_LOOKS)
		zone_lost(z);
}

/* The host keeps in mind which keys the volume needs: another may delete one while it is away. */
static void note_uses(struct mount *m, uint64_t *noted)
{
	_cleanup_free_ char *state = NULL;
	uint64_t stamp = 0;

	for (struct mzone *z = m->zones; z; z = z->next)
		stamp = stamp * 1000003 + zone_keyring_stamp(z->zone);
	if (stamp == *noted || state_dir(m->opt->conf, &state))
		return;
	uses_note(state, m->dir);
	*noted = stamp;
}

static void look(struct mount *m)
{
	struct zone *z = store_next_zone(m->store, store_root_zone(m->store));

	for (; z; z = store_next_zone(m->store, z))
		if (!zone_owner(z))
			zones_adopt(m, z, NULL);
	for (struct mzone *n = m->zones; n; n = n->next)
		look_at(n);
	crypto_forget();
}

/* When the next look is due.  zones_lock is held. */
static struct timespec next_look(struct mount *m)
{
	unsigned int ms = m->hurry ? HURRY_MS : PERIOD_MS;
	struct timespec t;

	m->hurry -= m->hurry > 0;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += (long)ms * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static void *watch_main(void *arg)
{
	struct mount *m = arg;
	struct timespec until;
	uint64_t noted = 0;

	prctl(PR_SET_NAME, "cmkfs-zones");
	pthread_mutex_lock(&m->zones_lock);
	while (!m->ended) {
		until = next_look(m);
		if (pthread_cond_timedwait(&m->zones_wake, &m->zones_lock, &until) != ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&m->zones_lock);
		look(m);
		note_uses(m, &noted);
		pthread_mutex_lock(&m->zones_lock);
	}
	pthread_mutex_unlock(&m->zones_lock);
	return NULL;
}

int zones_watch(struct mount *m)
{
	int r = -pthread_create(&m->zones_thread, NULL, watch_main, m);

	m->zones_watched = !r;
	return r;
}

void zones_hurry(struct mount *m)
{
	pthread_mutex_lock(&m->zones_lock);
	m->hurry = HURRY_LOOKS;
	pthread_cond_signal(&m->zones_wake);
	pthread_mutex_unlock(&m->zones_lock);
}

void zones_unwatch(struct mount *m)
{
	pthread_mutex_lock(&m->zones_lock);
	m->ended = true; /* no zone comes any more */
	pthread_cond_signal(&m->zones_wake);
	pthread_mutex_unlock(&m->zones_lock);
	if (m->zones_watched)
		pthread_join(m->zones_thread, NULL);
	m->zones_watched = false;
}
