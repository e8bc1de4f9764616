/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in memory of a resident object: its header and keys, what is known of
 * its durability, and its groups with the chunks that are held.
 */
#ifndef CMKFS_STORE_LOADED_H
#define CMKFS_STORE_LOADED_H

#include <pthread.h>
#include <sys/queue.h>
#include <time.h>

#include "crypto/header.h"
#include "crypto/name.h"

struct object;

struct object_keys { /* in secret memory */
	uint8_t dek[2][KEY_LEN]; /* by the parity of its epoch: see loaded_dek() */
	uint8_t hk[KEY_LEN];
	union {
		uint8_t xk[2][64];			/* XTS file; as dek */
		struct {
			uint8_t nk[NAME_KEY_LEN];	/* directory */
			uint8_t sk[KEY_LEN];
		};
	};
};

/* One held chunk: ciphertext that must not go to its place yet, or a tail. */
struct held {
	uint32_t len;
	bool inflight; /* a batch is writing it */
	bool owed;     /* a batch failed when it was to put it in place (owed.c) */
	bool counted;  /* as pending: it waits for its batch, and is no tail */
	uint8_t c[];   /* len bytes */
};

/* Write-rule state of a pair of slots (cmkfs-format(5), Writing). */
struct pair {
	uint64_t gen;	/* newest slot on disk; 0: none */
	uint64_t dur;	/* durable slot; 0: none */
	bool overwrote; /* W2: bytes were overwritten under gen */
	bool unknown;	/* as loaded, not known durable */
	bool torn;	/* slot gen, or bytes that it names, are not all in the file: no barrier makes it durable */
	uint64_t disk_names[2]; /* chunks whose places slot gen names */
	uint64_t dur_names[2];	/* chunks whose places slot dur names */
};

/* A power cut may leave something of it. */
static inline bool pair_may_be_durable(const struct pair *p)
{
	return p->dur || p->unknown;
}

/* The durable slot names a place that the newest does not. */
static inline bool pair_leaves_names(const struct pair *p)
{
	return (p->dur_names[0] & ~p->disk_names[0]) || (p->dur_names[1] & ~p->disk_names[1]);
}

struct group {
	uint32_t g;
	_Atomic unsigned int refs; /* of the table and of users */
	_Atomic bool used;   /* for eviction */
	pthread_rwlock_t lock; /* protects all below */
	struct pair pair;
	uint32_t epoch, s;
	uint64_t uses;
	uint8_t *gk;	     /* GK_LEN bytes of secret memory */
	int error;	     /* it could not be loaded; then it is not in the table */
	_Atomic bool dirty;
	bool settle;	     /* settle: unclean, to be settled before its first change */
	uint64_t bad[2];     /* chunks that read EIO */
	uint32_t tail;	     /* group 0: chunk whose ciphertext is the tail in the newest slot, or UINT32_MAX */
	struct held **held;  /* NULL, or one pointer a chunk */
	struct held **owed;  /* the same, of what newer versions took the place of (owed.c) */
	struct entry e[];    /* group_chunks(g) of them; none for directories and XTS */
};

enum touch_state { TOUCH_NONE, TOUCH_NOTED, TOUCH_SYNCED };

/* A backing file when its slots were read (read-only stores): a later write shows. */
struct seen {
	struct timespec mtime, ctime;
	off_t size;
};

/* Contents of an XTS file: which chunk is of which epoch.  Protected by the lock of group 0. */
struct xts_state {
	uint32_t epoch;
	bool rekey;	/* chunks from DONE on are of the epoch before */
	uint64_t done;
	/*
	 * Chunks [FIRST, LAST) are just being re-keyed: who would write them waits for
	 * loaded.flush, which who does it holds, unless they are stuck: that is -EIO.
	 */
	uint64_t first, last;
	bool stuck;	/* see xts_stick() */
	uint8_t *was;	/* these chunks as they were, to be read; NULL: they are in their places */
	void *kept;	/* what WAS lies in, when it is stuck */
	uint8_t slot_macs[2][32]; /* read-only stores: of the header's slots as they were loaded */
};

struct loaded {
	struct object *o;
	struct object_keys *k;
	LIST_ENTRY(loaded) zone_link;
	TAILQ_ENTRY(loaded) dirty_link, clock_link;
	_Atomic bool on_dirty;	/* written under store.dirty_lock */
	uint64_t dirty_since;	/* ms, CLOCK_MONOTONIC; the same */
	_Atomic bool used;	/* for eviction */
	pthread_rwlock_t resize; /* outside flush: for reading by writes, for writing by changes of size and holes */
	pthread_mutex_t flush;	/* one batch at a time */
	pthread_rwlock_t lock;	/* protects the header's fields and the group table */
	struct header h;	/* h.size is the size */
	uint32_t slot_vk[2];	/* generation whose key wraps that of each slot on disk, the older if two; 0: none */
	_Atomic bool header_dirty;
	_Atomic bool header_settle; /* the header's slot is unclean */
	struct header *base;	/* the slot that an unclean header was written beside, if that is valid */
	_Atomic bool discarded;	/* W3: bytes were discarded since the last barrier */
	bool discard_waits;	/* W3: a durable slot may name bytes that the one after it does not; protected by flush */
	bool torn;		/* a batch began and is not through; protected by flush */
	bool owes;		/* some group does (owed.c); protected by flush */
	_Atomic bool unsynced;	/* something was written since the last barrier */
	_Atomic uint64_t pending; /* its part of store.pending */
	_Atomic bool unclean_end; /* W4: a slot on disk may name something beyond the end */
	bool cut_undone;	/* a cut failed half-way: a durable slot may name what memory knows no more */
	_Atomic bool stale_length; /* the backing length disagreed when it was loaded, or after a fault */
	bool synced_once;	/* path made durable by an fsync */
	bool late;		/* late_tag is an old name's, and goes when the new name is durable */
	uint8_t late_tag[TAG_LEN];
	_Atomic int touch;	/* enum touch_state: whether the path is in the session's record (touch.c) */
	bool made;		/* in this session; not known after an eviction */
	bool links_noted;	/* it has two names, and both are noted */
	_Atomic bool dir_noted, path_noted; /* directories: it, and the names that lead there */
	_Atomic unsigned int names_noted;   /* directories: so many names in it */
	_Atomic bool new_names;	/* directories: perhaps a name's header (of a directory) or sidecar is not on disk */
	_Atomic bool xattr_finished; /* no attribute is on record only (xattr_rekey.c); written under lock */
	struct timespec mtime;	/* what the file is to have; tv_nsec UTIME_OMIT: what the backing file has */
	bool attrs_moved;	/* writes of ours have, or will have, changed it and these of the backing file */
	mode_t setid;		/* then, else 0: set-id bits */
	uint8_t ncaps, caps[24];/* then, else 0: its XATTR_CAPS, of NCAPS bytes */
	_Atomic uint64_t length; /* backing length as we left it */
	struct seen seen;	 /* protected by o->lock */
	_Atomic uint64_t hopeless; /* ms: when reading again and again was last in vain; 0: never */
	pthread_mutex_t turn;	 /* of long writes by place_write(); innermost */
	pthread_rwlock_t extent; /* innermost but for turn: for reading by who writes beyond length, for writing by who sets it */
	struct xts_state xts;
	struct group *g0;	/* files; also the write-rule pair of every header */
	struct group **groups;	/* open hash of later groups */
	_Atomic uint32_t ngroups;
	uint32_t groups_cap;
};

#endif
