/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of fs/mount share: the mount, its workers, and how a request
 * passes the zone's gate.
 *
 * Order of ending: workers stop → store_end_session() → everything is freed.
 */
#ifndef CMKFS_MOUNT_SESSION_H
#define CMKFS_MOUNT_SESSION_H

#include <fuse_lowlevel.h>
#include <pthread.h>

#include "fs/mount/inode.h"
#include "fs/mount/mount.h"
#include "fs/mount/pool.h"

struct mzone;
struct recovery;
struct control;
struct workers;
struct uring;
struct flusher;
struct aside;
struct audit;
struct settler;
struct rekeyer;
struct eraser;
struct deploys;
struct janitor;

struct mount {
	const struct mount_options *opt; /* immutable from here … */
	char *dir, *mountpoint;		 /* absolute */
	struct store *store;
	struct zone *zone;	/* the root's */
	struct inode_table *inodes;
	struct pool *pool;
	struct uring *uring;	/* if the kernel offers it and it is asked for; or NULL */
	bool by_hand;		/* libfuse sends by io_writev() */
	struct fuse_session *se;
	int fd;			/* of the device */
	bool writeback;
	double timeout;		/* of names and attributes, seconds */
	unsigned int dev_major, dev_minor; /* of the mounted filesystem */
	unsigned int nthreads;
	struct workers *workers;
	struct flusher *flusher;
	struct aside *aside;	/* NULL: read-only, where an OPEN tells the true size */
	struct settler *settler;
	struct rekeyer *rekeyer;
	struct eraser *eraser;
	struct deploys *deploys;
	struct audit *audit;
	struct mzone *zones;	/* the root's first; the list grows (zones.h) */
	struct recovery *recovery; /* what opens recovery slots, if the mount is to; or NULL */
	struct control *control;
	struct janitor *janitor;
	int end_fd;		/* eventfd: somebody asks for the end; … to here */

	pthread_mutex_t zones_lock; /* to add a zone; protects ended, hurry */
	pthread_cond_t zones_wake;  /* with these */
	bool ended;
	unsigned int hurry; /* looks at the keyrings soon */
	bool zones_watched;	    /* by zones_thread */
	pthread_t zones_thread;
	_Atomic bool mounted;	/* still in our mount table */
	_Atomic uint64_t requests, refused; /* refused: by the gate */
	_Atomic uint64_t lost;	/* refused page writes and ranges that the store lost */
};

/* Fill F and return R. */
int mount_fail(struct mount_failure *f, int exit_code, int r, const char *hint, const char *fmt,
	       ...) __attribute__((format(printf, 5, 6)));

/* ---- a request ------------------------------------------------------------ */

/* What a worker knows of the request that it handles; one per thread. */
struct request {
	uint32_t opcode;
	uint32_t write_flags; /* FUSE_WRITE_*, of a WRITE */
	uint64_t init_flags;  /* FUSE_*, offered by an INIT; the upper half: flags2 */
	const struct object *object; /* of the node that it is about */
	struct zone *zone;    /* whose gate was passed; NULL: it is locked, and that by a deployment */
	struct deploys *deploys; /* then: which let it in */
	bool way;	      /* then: the node is only on the way to what is deployed */
	bool sealed;	      /* the payload of this WRITE was encrypted in place */
};
extern _Thread_local struct request this_request;

/* Fill it from the N bytes of a request as the kernel gave it. */
void request_note(const void *mem, size_t n);

/* Then: have it answered. */
void request_handle(struct mount *m, const struct fuse_buf *buf);

/*
 * ops_read.c: answer the READ of N bytes at MEM.  False: it is not answered, and
 * for op_read().
 */
bool read_answer(struct mount *m, const void *mem, size_t n);

static inline struct mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/*
 * Answer with the outcome R of a call: 0 or -errno.  All handlers answer
 * errors here, and nowhere else is a sign flipped; but read_answer() sends it as it is.
 */
void reply_err(fuse_req_t req, int r);

/*
 * Pass the gate of the node ID's zone: the node, or NULL with the request
 * answered.  Each success is paired with one request_leave() AFTER the reply:
 * what was answered is then known to be out when the gate reports quiet.
 */
struct inode *request_enter(fuse_req_t req, uint64_t id, enum zone_use use);
void request_leave(enum zone_use use);
/* The gate alone: 0 or the lock errno, counted. */
int request_gate(struct mount *m, struct inode *i, enum zone_use use);

/*
 * Answer with an entry: takes over the reference of O.  FLAGS: INODE_*, beside
 * INODE_ATTRS.  The lookup is undone if the kernel did not take it.
 */
void reply_entry(fuse_req_t req, struct object *o, const struct stat *st, unsigned int flags);
/* The same, filled but not sent: for readdirplus. */
int entry_take(struct mount *m, struct object *o, const struct stat *st, unsigned int flags,
	       struct fuse_entry_param *ret);

/* ---- again.c: read-only mounts ---- */

/* Whether who asks was told ESTALE just now, so that the kernel walks his path again. */
bool again_told(fuse_req_t req);
/* He has his answer. */
void again_forget(fuse_req_t req);
/* He is about to be answered R: ESTALE is remembered. */
void again_note(fuse_req_t req, int r);

/* What ST says of a file's contents: another number when they are others; never 0. */
uint64_t attr_stamp(const struct stat *st);

/*
 * A buffer of POOL_SIZE bytes for an answer of which USED are written: where it
 * is sent from if it may be, else of the pool.  Put back after the reply.
 */
uint8_t *request_buffer(struct mount *m, size_t used);
void request_buffer_put(struct mount *m, uint8_t *buf, size_t used);

/* Clear what a write or a change of owner takes away: set-id bits, file capabilities.  1: there were bits. */
int kill_setid(struct object *o);

/* ---- session.c -------------------------------------------------------------- */

/*
 * Mount at m->mountpoint: fills se, fd.  No request is answered before
 * workers_start().  0, -errno; F says why.
 */
int session_mount(struct mount *m, struct mount_failure *f);
/* Take the mount off the tree (detached if it is busy), unless somebody did. */
void session_unmount(struct mount *m);

/* Answer the request UNIQUE past libfuse: N bytes at P, or N is -errno. */
void session_answer(struct mount *m, uint64_t unique, uint8_t *p, ssize_t n);

/* Epoch: every name that the kernel knows must be asked for again.  0, -ENOSYS. */
int session_new_epoch(struct mount *m);

/* ---- worker.c ---------------------------------------------------------------- */

int workers_start(struct mount *m, unsigned int n, struct workers **ret);
/* Stop them after the request at hand; waits.  NULL-safe. */
void workers_stop(struct workers *w);
/* A descriptor that becomes readable when the kernel ended the session. */
int workers_end_fd(const struct workers *w);
/* Wait until INIT has been answered, a second at most. */
void workers_wait_init(struct workers *w);

/* ---- flusher.c --------------------------------------------------------------- */

int flusher_start(struct mount *m, struct flusher **ret);
void flusher_stop(struct flusher *f); /* NULL-safe */
/*
 * What the kernel holds of I is stale: its attributes, and N bytes of pages at
 * OFF (N 0: none).  It is told soon, by the flusher.  Any thread, any lock;
 * never waits.
 */
void flusher_stale(struct flusher *f, const struct inode *i, uint64_t off, uint64_t n);

/* ---- settler.c ----------------------------------------------------------------- */

int settler_start(struct mount *m, struct settler **ret); /* read-only: does nothing */
void settler_stop(struct settler *s); /* NULL-safe */

#endif
