/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a grant: the ways into the zone as the keyring has them, each slot
 * with a lease, and the judgement over all of them.
 *
 * Lock order: apply → lock.  apply is held over a judgement and what it does,
 * which may wait for the locker and, where a zone has older generations, for a
 * provider; lock is held shortly.
 */
#ifndef CMKFS_MOUNT_GRANT_SET_H
#define CMKFS_MOUNT_GRANT_SET_H

#include <pthread.h>

#include "crypto/ways.h"
#include "fs/lib/state.h"
#include "fs/mount/grant.h"

struct grant_set;

struct part { /* a slot */
	struct grant_set *set;
	struct lease *lease;
	const struct keyslot *slot; /* of set->ring */
	unsigned int way, at; /* which way, and which of its slots */
	uint8_t *secret; /* what the slot holds, until it is used */
	bool told, have; /* the lease has spoken; SECRET is filled */
	bool said;	 /* that it is lost is in the log */
	struct lease_status status; /* as last told */
};

struct grant_set {
	struct grant *g;
	struct keyring *ring;
	struct state_context ctx; /* as whom it asks */
	unsigned int nways, n;
	struct way ways[KEYRING_SLOTS];
	struct part parts[KEYRING_SLOTS];
	bool retired; /* under apply: what its leases say does not count any more */
};

struct grant {
	struct mzone *z;
	pthread_mutex_t apply; /* protects what the leases have said */
	bool granted;	       /* under apply: the locker has been given the keys */
	_Atomic bool suspended; /* the zone was locked with the one above: GRANTED is not so */
	pthread_cond_t decided; /* with apply */
	pthread_mutex_t lock;	/* protects all below */
	struct grant_set *set;	/* in force; NULL: opened by a recovery slot, or retired */
	bool retired;		/* no set comes into force any more */
	bool trying;		/* to open, and to find the zone above locked, perhaps */
	bool waiting;		/* for the zone above */
	int unlock_error;	/* what the last key met; 0: it opened the zone */
	struct store_error store; /* why */
	unsigned int recovered;	/* id of a recovery slot */
	/* Of grant_look() alone. */
	struct grant_set *next; /* of a changed keyring, not decided yet */
	uint64_t stamp;
};

static inline bool part_usable(const struct part *p)
{
	return p->told && (p->status.state == LEASE_GRANTED || p->status.state == LEASE_GRACE);
}

/* grant_tell.c, under apply. */
void grant_tell_near(const struct part *p); /* its key ends soon */
void grant_tell_loss(struct part *p, const struct grant_set *s); /* one of several is lost, or is back */
void grant_tell_grace(const struct part *p);
/* For the record: the first answer, and what is another one. */
void grant_note_answer(const struct part *p, const struct lease_status *new);

/* grant_set.c: the set of RING (taken over) with its leases running; not in force yet.  0, -errno. */
int grant_set_new(struct grant *g, struct keyring *ring, struct grant_set **ret,
		  struct store_error *err);
/* Ends the leases; neither lock is held.  NULL-safe. */
void grant_set_free(struct grant_set *s);
/* Under apply: whether its leases have said enough to open the zone, or all they will. */
bool grant_set_decided(const struct grant_set *s);
/* Under apply: do to the zone what the set now means.  0; what the key met that BY brought. */
int grant_set_judge(struct grant_set *s, struct part *by);

/*
 * grant_open.c: the keys of all live generations of RING, the active one's
 * (VK) first; what cannot be had of the older ones is said in the log.  RET in
 * secret memory, freed with secret_free().  0, -ENOMEM.
 */
int grant_generations(struct grant *g, struct keyring *ring, const uint8_t vk[static KEY_LEN],
		      struct zone_vk **ret, unsigned int *ret_n);
/* The same by a recovery slot: 0; as recovery_open(). */
int grant_recover(struct grant *g, struct keyring *ring, const struct recovery *by,
		  struct store_error *err);

/* grant_status.c */
bool grant_is_open(const struct lease_status *s);
int grant_fail_lease(const struct kp_error *e, struct mount_failure *f);

#endif
