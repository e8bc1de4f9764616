/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane: a thread, its ring and its buffers (uring.h).
 */
#ifndef CMKFS_MOUNT_URING_LANE_H
#define CMKFS_MOUNT_URING_LANE_H

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "fs/mount/ring.h"
#include "fs/mount/session.h"
#include "fs/mount/uring.h"
#include "fs/mount/uring_slot.h"

#define LANE_BULK (64u << 10) /* what is better done on another processor than the asker's */

enum { LANE_DEVICE, LANE_WAKE }; /* what its ring knows by index */

struct lane {
	struct uring *u;
	struct crew *crew;
	struct lane *next; /* of the crew's */
	pthread_t thread;
	unsigned int cpu; /* the kernel's queue */
	bool pinned;
	cpu_set_t allowed; /* without pinning */
	unsigned int small; /* requests in a row */
	struct step *step;
	int wake_fd;
	struct ring ring;
	_Atomic unsigned int held; /* slots whose lane it is, but for those whose request waits */
	unsigned int owes;	   /* so many are due for those, and its first one */
	_Atomic int64_t began;	   /* what it serves, by CLOCK_MONOTONIC in ns; 0: nothing */
	bool ended;		   /* and takes no slot any more; under uring.lock */
	_Atomic uint64_t wiped;
	struct slot *_Atomic back;  /* answered by another thread; written under uring.lock */
	struct slot *_Atomic given; /* with requests that another lane got; the same */
};

/*
 * The lanes of one processor, which the kernel has one queue for.  What several
 * write without order is only a guess.
 */
struct crew {
	struct lane *first;
	unsigned int nlanes;
	struct slot *_Atomic slots; /* grows */
	_Atomic unsigned int n;	   /* of slots */
	_Atomic unsigned int live; /* slots, but for those whose request waits for another one */
	_Atomic uint32_t pid; /* who asked last */
	_Atomic int score;
	_Atomic bool gathered; /* all slots go to the first */
};

enum uring_phase { URING_WAITING, URING_GO, URING_END };

struct uring {
	struct mount *m;
	pthread_mutex_t lock;
	pthread_cond_t change; /* of ready, failed, phase; a commit; a wipe; a lane's end */
	enum uring_phase phase;
	unsigned int ready, failed;
	_Atomic bool stop, active;
	_Atomic uint64_t wipes;
	pthread_t lookout;
	bool has_lookout;
	sem_t look;		/* it rests here */
	_Atomic bool rests;	/* nobody is in step: who will be wakes it, and clears this */
	unsigned int cpus, n;
	struct crew *crews; /* CPUS of them */
	struct lane lanes[];
};

void *lane_main(void *arg);
/* Another thread's answer in IOV to the request in S: waits until it is out. */
void lane_return(struct slot *s, const struct iovec *iov, int count);
/* The same by the lane's own thread. */
void lane_answer(struct slot *s, const struct iovec *iov, int count);
/* What this thread handles: NULL if it is no lane or handles nothing. */
struct slot *lane_serving(void);
void lane_wake(struct lane *l);
void lane_free(struct lane *l); /* after its thread's end */

/*
 * uring_crew.c: which of the lanes of a processor is to serve what L got, a
 * request of PID that asks for or brings so many BYTES; and that an answer took so
 * long.  Thread-safe.
 */
struct lane *crew_server(struct lane *l, uint32_t opcode, uint32_t pid, size_t bytes);
void crew_took(struct crew *c, int64_t ns);

/* uring_lookout.c: the thread that sees to lanes in step (step.h).  It ends when u->stop is set. */
int uring_lookout_start(struct uring *u);
void uring_lookout_stop(struct uring *u);
/* A lane is in step: cheap if that is known. */
void uring_lookout_wake(struct uring *u);

#endif
