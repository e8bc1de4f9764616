/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of fs/store share.  store.h is the public face and has the
 * lock order.
 *
 * An object is *resident* while its backing descriptor is open and its header
 * loaded (struct loaded, in loaded.h).  object_pin() makes it so and holds it there;
 * a clean, unpinned, linked object may be made non-resident at any time.
 */
#ifndef CMKFS_STORE_INTERNAL_H
#define CMKFS_STORE_INTERNAL_H

#include <pthread.h>
#include <sys/queue.h>

#include "crypto/header.h"
#include "fs/store/backing.h"
#include "fs/store/loaded.h"
#include "fs/store/moved.h"
#include "fs/store/store.h"

#define TABLE_SHARDS 64

/* ---- zone ----------------------------------------------------------------- */

struct zone_keys { /* in secret memory; valid between zone_enter() and zone_leave() */
	uint8_t zik[KEY_LEN];
	uint8_t bk[KEY_LEN]; /* binding tags */
	_Atomic unsigned int ngens; /* grows while the zone is unlocked, too */
	struct {
		_Atomic uint32_t g; /* 0: it is gone */
		uint8_t kek[KEY_LEN];
	} gen[KEYRING_GENERATIONS];
	_Atomic uint32_t active; /* generation that new objects use */
	/*
	 * A zone that takes objects over (zone_take.c): the parent's keys, a copy.  TAKES
	 * ends while the zone is unlocked; the memory stays until it is locked.
	 */
	struct zone_keys *from;
	_Atomic bool takes;
};

struct zone {
	struct store *st; /* these three are immutable */
	struct zone *parent; /* NULL: the root's */
	struct zone_id id;
	uint8_t fingerprint[KEY_LEN]; /* of the root; of others when ENDORSED */
	_Atomic bool endorsed; /* its parent has vouched for the fingerprint */
	_Atomic bool gone;     /* destroyed: it will not be unlocked again */
	_Atomic uint64_t waited_in_vain; /* ms: for a generation's key (beside.c); 0: never */
	void *_Atomic owner;
	struct zone_counts counts;
	struct zone *_Atomic next; /* in the store's list */
	struct object *_Atomic top; /* its root directory, once it was seen; a reference */
	_Atomic int state;	/* enum zone_state */
	_Atomic int lock_errno;
	_Atomic unsigned int normal, drain; /* uses in flight */
	_Atomic bool held; /* who would enter waits (zone_hold) */
	struct zone_keys *keys; /* NULL while locked; immutable while unlocked; set under zones_lock */
	pthread_mutex_t unlock_lock; /* serialises unlock and wipe */
	pthread_mutex_t lock;	/* protects the list */
	LIST_HEAD(, loaded) resident; /* every loaded object of the zone */
	pthread_mutex_t sync_lock; /* protects all below */
	pthread_t sync_thread;	   /* a syncfs after a lock; joined before the next, and at the end */
	bool sync_started;
	_Atomic bool sync_done;
};

/* KEK of generation G, or NULL: no such generation. */
const uint8_t *keys_kek(const struct zone_keys *k, uint32_t g);
static inline const uint8_t *zone_kek(const struct zone *z, uint32_t g)
{
	return keys_kek(z->keys, g);
}
/* The keys under which objects that are still to be taken over lie, or NULL: there are none. */
static inline const struct zone_keys *zone_taken_keys(const struct zone *z)
{
	return z->keys->takes ? z->keys->from : NULL;
}

/*
 * zone_enter() from within a request of this or another zone: zone_hold() does
 * not keep it waiting, since it waits for that request.
 */
int zone_enter_within(struct zone *z, enum zone_use use);
/*
 * Let nobody into Z, unrefused, and wait until all in it have left: 0;
 * -EBUSY: not within TIMEOUT_MS, and it goes on.  zone_release() ends it.
 */
int zone_hold(struct zone *z, unsigned int timeout_ms);
void zone_release(struct zone *z);
void zone_pause(void); /* between two looks at who is in a gate */

/*
 * zones.c: the zone of what lies at STORED in PARENT (its descriptor is open;
 * NULL: tree/).  Only a directory can be of another zone than its parent's, and
 * only its header says so; that is believed when it has been authenticated.
 */
struct zone *zone_at(struct store *st, struct object *parent, const char *stored,
		     const struct stat *sb);
/* O, an object of this store, was found to be where its zone begins. */
void zone_found(struct object *o);
/* Whether O, whose lock is held, is the root directory of a zone inside another. */
bool zone_begins(const struct object *o);

/* ---- session (session.c) ---------------------------------------------------- */

/* The session that this mount writes; 0 on a read-only mount. */
uint64_t session_current(struct store *st);
/*
 * A batch of this object was begun by our session and is forgotten half-way: what
 * we wrote of it is unclean for us as well, and the session does not end clean.
 */
void session_tears(struct store *st, const uint8_t object_id[static ID_LEN]);
/* session_unclean(), and that. */
bool slot_unclean(struct store *st, uint64_t session, const uint8_t object_id[static ID_LEN]);
/*
 * Whether a slot written by SESSION is unclean for us: on the unclean list or,
 * for anyone but its writer, the open one.  A read-only mount that meets a
 * session above the seq it knows reads the session file again.
 */
bool session_unclean(struct store *st, uint64_t session);
/* All that unclean sessions wrote is settled and durable: empty the list on disk.  The zone is entered. */
int session_clear_unclean(struct store *st);
/* Sessions on the unclean list. */
unsigned int session_nunclean(struct store *st);
/* A read-only store: whether the session file, read again, has a session open.  The zone is entered. */
bool session_is_open(struct store *st);
/* Whether the session's writer, if there is one, is known to be gone: nobody holds cmkfs.lock. */
bool session_writer_gone(struct store *st);
/* Those whose slots are unclean for us: SESSION_UNCLEAN_MAX + 1 at most; how many. */
unsigned int session_unclean_list(struct store *st, uint64_t *ret);

/* ---- settling of the whole volume (settle_walk.c) ----------------------------- */

struct loaded;

struct settling *settling_new(void); /* NULL: -ENOMEM */
void settling_free(struct settling *s);
/* There are unclean sessions: from here on moves are kept in mind. */
void settling_on(struct store *st);
/* So it is still. */
bool settling_is_on(const struct store *st);
/*
 * Around a change that gives an object another name, so that settling, which
 * walks the names, misses nothing.  move_begin() comes before settle_moved(),
 * this before the change; PHASE is what move_begin() gave.
 */
unsigned int move_begin(struct store *st);
void move_end(struct store *st, unsigned int phase);
void settle_moved(struct object *o, struct loaded *l);
/* Wait for the moves that are under way.  -EINTR: STOP. */
int moves_wait(struct store *st, const _Atomic bool *stop);
/* rekey_walk.c: from settle_moved(): what may be under an older generation gets another name. */
void rekey_moved(struct object *o, const struct loaded *l);

/* ---- store --------------------------------------------------------------- */

struct shard {
	pthread_mutex_t lock;
	struct object **buckets; /* grows; protected by lock */
	size_t nbuckets, count;
};

struct session; /* session.c */
struct touched; /* touched.c */
struct settling; /* settle_walk.c */
struct dirstream; /* readdir.c */

struct store {
	struct store_options opt;
	LIST_ENTRY(store) open_link; /* store.c */
	bool open;
	char *dir;
	int root_fd; /* the backing directory, O_RDONLY|O_DIRECTORY */
	int lock_fd; /* cmkfs.lock, or -1 */
	dev_t dev;
	struct volume_block vol; /* as read; authenticated at the first unlock */
	uint8_t vol_raw[FIXED_BLOCK];
	struct zone *zone; /* the root's; the others follow by next */
	pthread_mutex_t zones_lock; /* to add one; to give any its keys, and to take them */
	/*
	 * Of session and record, which every zone's changes are noted in: in secret
	 * memory as long as any zone has keys.  NULL for who has entered a zone that was
	 * unlocked when all had been locked, and the root still was.
	 */
	uint8_t *_Atomic sm;
	_Atomic unsigned int nzones; /* beside the root's */
	_Atomic uint64_t zones_looked; /* ms */
	struct object *root;
	struct object *_Atomic taking; /* a directory that names neither leave nor enter (zone_take.c) */
	struct session *session;
	struct touched *touched;
	struct settling *settling;
	struct shard shards[TABLE_SHARDS];

	pthread_mutex_t dirty_lock;
	TAILQ_HEAD(dirty_list, loaded) dirty; /* oldest first; holds a reference of each object */
	pthread_mutex_t clock_lock;
	TAILQ_HEAD(clock_list, loaded) clock; /* all resident objects, for eviction */
	_Atomic uint64_t resident, resident_max;
	_Atomic uint64_t holds; /* read-only stores: files kept open for callers */
	_Atomic uint64_t stays; /* likewise: objects without a header that are open as long as they are known */
	_Atomic uint64_t removed_at; /* ms: when something lost its last name */
	_Atomic uint64_t groups, groups_max;
	_Atomic uint64_t groups_next; /* no trimming below, written under clock_lock */
	_Atomic unsigned int kept; /* descriptors of old symlinks */
	_Atomic uint64_t deployed; /* how often object_deploy() was, without undeploying */
	_Atomic unsigned int streams; /* of directories (readdir.c) */
	_Atomic bool foreign; /* some file is another user's: open.c */
	_Atomic bool rekeying; /* a walk of rekey_walk.c is under way */
	struct moved rekey_moved; /* meanwhile, of what may be under an older generation */
	_Atomic uint64_t pending, pending_max; /* bytes of held ciphertext */
	uint64_t batch_enough; /* of one file: worth a batch's barriers, while others write on beside it */
	_Atomic uint64_t tight_until, room_looked; /* ms (room.c) */
	_Atomic uint64_t names_made, names_synced; /* loaded.new_names: how often set; of these a syncfs covered */
	_Atomic uint64_t objects, ndirty, bytes_read, bytes_written, integrity_errors;
};

/* An integrity error is counted as well. */
void store_event(struct store *st, enum store_event_kind kind, struct object *o, uint64_t off,
		 uint64_t len, const char *reason);
/* Of this thread's, until as often taken back: what is damaged now may be whole soon (beside.c). */
void store_event_quiet(bool quiet);
static inline enum suite store_suite(const struct store *st)
{
	return (enum suite)st->vol.suite;
}

/* ---- objects ------------------------------------------------------------- */

struct object {
	struct store *st; /* these six are immutable; but a symlink's dev and ino (table_rekey) */
	struct zone *_Atomic zone; /* changes once, while nobody is in it (zone_take.c) */
	_Atomic dev_t dev;
	_Atomic ino_t ino;
	mode_t type; /* S_IFMT bits */
	_Atomic unsigned int refs;
	struct object *hash_next; /* protected by the shard */
	void *_Atomic owner;
	struct kept *_Atomic kept; /* symlinks that were made again: symlink.c */
	pthread_rwlock_t ns; /* directories: for reading by lookups, for writing to make or remove names in it */
	_Atomic unsigned int changes; /* directories: names made or removed in it so far */
	struct dirstream *_Atomic stream; /* directories: the last listing's place; taken by exchange */
	pthread_mutex_t lock; /* protects all below */
	struct object *parent; /* reference; NULL for tree/ and when unlinked: see object_path() */
	char *stored;	       /* name in the parent; NULL likewise */
	int fd;		       /* backing descriptor or -1; file: O_RDWR if may be, directory: O_RDONLY */
	bool fd_ro;	       /* a file's fd could only be opened for reading */
	bool unlinked;	       /* no name left that we know: fd must stay open */
	_Atomic bool erased;   /* its data key is, or is being, destroyed (erase.c); written under lock */
	_Atomic unsigned int deployed; /* so many deployments keep it, whatever becomes of its zone (deploy.c) */
	bool queued[MOVED_KINDS]; /* for a walk to come there; each protected by its queue's lock */
	bool check_binding;    /* a lookup since the last check */
	bool bound;	       /* the root of a zone: it was found to be bound to its name */
	bool unborn;	       /* read-only stores: its writer has not written a header yet */
	bool stays;	       /* it is one of st->stays */
	struct loaded *l;      /* NULL: not resident */
	unsigned int pins;
	_Atomic int error;     /* of a background write; reported once by fsync; negative */
};

/* table.c: find or make the object of (dev, ino).  A new reference.  PARENT and STORED (copied)
 * become its path (also when it is known already).  NULL: -ENOMEM. */
struct object *table_get(struct store *st, struct object *parent, const char *stored,
			 const struct stat *st_buf);
struct object *table_find(struct store *st, dev_t dev, ino_t ino); /* a reference, or NULL */
/* As table_get() for what was just made: never a known object; no binding to check. */
struct object *table_new(struct store *st, struct object *parent, const char *stored,
			 const struct stat *st_buf);
/* A symlink was made again as another inode. */
void table_rekey(struct object *o, const struct stat *st_buf);
/*
 * object.c: a reference, unless the last one is gone already: for who finds O on a list
 * that object_unload() takes it from.
 */
bool object_tryget(struct object *o);
/*
 * flush.c: before a change that makes an object dirty: dirty objects cannot be
 * unloaded, so when they are many the oldest go out first.  The zone is
 * entered; no lock is held.
 */
void store_throttle(struct store *st);
/* Set the path (rename).  PARENT NULL: unlinked; the object must have been pinned and its fd open. */
void object_set_path(struct object *o, struct object *parent, const char *stored);
/*
 * The path: a reference to the parent and a copy of the name.  -ENOENT when
 * unlinked.  tree/: NULL and "tree".  Takes O's lock.
 */
int object_path(struct object *o, struct object **ret_parent, char ret_stored[static 256]);
/*
 * The plain name of STORED in DIR (pinned), through its sidecar if it is long.
 * 0; -EBADMSG: does not authenticate; -ENOENT: no sidecar; or another I/O error.
 */
int entry_plain_name(struct object *dir, struct loaded *dl, const char *stored,
		     char ret[static 256], size_t *ret_n);

/*
 * open.c: open the backing descriptor of O (file or directory) beneath its
 * parent into o->fd, by openat2 without following links.  -ESTALE: another
 * inode is there now.  Called by object_pin() only, WITH o->lock HELD: read
 * o->parent and o->stored directly; object_pin(o->parent) is allowed (child
 * before parent is the order of object.lock).  BARE: its zone is not entered, so
 * that no header above may be needed; one of another zone never is.
 */
int object_open_fd(struct object *o, bool bare, bool *ret_ro);
/* The same with its zone entered, returned instead of put into o->fd. */
int object_open_again(struct object *o, bool *ret_ro);

/* ---- loaded objects ------------------------------------------------------- */

/*
 * resident.c.  Make O resident and pin it; *RET (may be NULL) is its loaded state,
 * NULL for symlinks and special files, which have none (then only the pin on
 * a path is taken).  Checks the binding when a lookup asked for it.
 * -EIO: integrity, an event was raised.  -ENODATA, read-only stores: o->unborn,
 * to be taken for an empty file.
 */
int object_pin(struct object *o, struct loaded **ret);
void object_unpin(struct object *o);

/*
 * Pin O with its descriptor open but without its header (o->l may be NULL): for
 * unlink and the like, which work on damaged objects too.
 */
int object_pin_fd(struct object *o);

/*
 * stay.c: O, without a header, is found by its descriptor (o->fd) as long as it
 * is known, wherever its name leads meanwhile, as what is resident is.  False:
 * too many are.  And: it has a header now, or goes.  o->lock is held.
 */
bool object_stays(struct object *o);
void object_stays_no_more(struct object *o);
/* The descriptor of a symlink that stays open, as long as O is referenced, or -1. */
int object_stays_open(struct object *o);

/* object.c calls this when the last reference went, before it frees O: drops loaded state and fd. */
void object_unload(struct object *o);

/* evict.c: wipe what is loaded of O, which nobody uses; its descriptor stays.  o->lock is held. */
void object_drop_loaded(struct object *o);
/* evict.c: what is loaded of O, pinned by the caller alone, is of no use any more; its descriptor stays. */
void object_unload_erased(struct object *o);
/* evict.c: close some idle descriptors, whatever locks are held; false: there are none. */
bool store_relieve(struct store *st);

/*
 * A fresh header for an object that is being made: object_id and DEK drawn,
 * DEK wrapped, one binding tag.  -ENOMEM, -EIO.
 */
int loaded_new(struct zone *z, enum object_type type, enum suite suite, const uint8_t tag[TAG_LEN],
	       struct loaded **ret);
void loaded_free(struct loaded *l); /* wipes; NULL-safe; not attached to an object */
/* Give O its fresh loaded state and descriptor FD (taken over), pinned once. */
void object_attach(struct object *o, struct loaded *l, int fd);

/* Serialise the header as the next generation by W1 and write it to FD; directories' .D at mkdir. */
int loaded_write_header(struct loaded *l, int fd);

/* If O is resident: its true size, and the mtime that a flush will give it. */
bool object_loaded_attr(struct object *o, struct stat *sb);
/* Set the times of a file by FD; no write of ours that is under way or comes later undoes it. */
int object_utimens(struct object *o, int fd, const struct timespec ts[2]);

/* tags.c: binding tags of the header, for link, rename, unlink.  The object is pinned. */
int loaded_add_tag(struct loaded *l, const uint8_t tag[TAG_LEN]);
/* That alone, in H: a tag that it has not, or that it has too many. */
void header_add_tag(struct header *h, const uint8_t tag[TAG_LEN]);
void loaded_drop_tag(struct loaded *l, const uint8_t tag[TAG_LEN]);
/* Write the header now, and a barrier if the object has a durable slot (cmkfs-format(5), Binding). */
int loaded_commit_tags(struct loaded *l);
/*
 * A rename left TAG behind.  It stays until the new name is durable, since a
 * power cut may bring the old name back; at once if nothing of L is durable.
 */
void loaded_drop_tag_late(struct loaded *l, const uint8_t tag[TAG_LEN]);
/* DIRFD: where the name is now.  It is synced, if there is such a tag, and that goes. */
int loaded_drop_late(struct loaded *l, int dirfd);

/* room.c: whether the backing store is nearly full, or was said to be; R is an error of a write. */
bool store_is_tight(struct store *st);
void store_room_error(struct store *st, int r);

/* flush.c: flush all dirty objects of Z until DEADLINE_MS (CLOCK_MONOTONIC); the number that failed. */
unsigned int store_flush_zone(struct zone *z, uint64_t deadline_ms);
int store_flush_all(struct zone *z); /* the zone is entered; the first error */
/* A batch of L, which is pinned; with SYNC, a barrier at the end. */
int loaded_flush(struct loaded *l, bool sync);
/* The same without one, unless a batch is under way. */
int loaded_flush_beside(struct loaded *l);
void loaded_mark_dirty(struct loaded *l);
/* Take L off the list of dirty objects; true: the caller owns the reference that the list held. */
bool loaded_take_dirty(struct loaded *l);
/* Let go of all that is loaded of O, which nobody uses; what was dirty is an EVENT_LOST. */
void object_wipe(struct object *o);
/* Wipe every resident object of Z that is not deployed; what is still dirty is an EVENT_LOST each. */
void store_wipe_zone(struct zone *z);

uint64_t now_ms(void); /* CLOCK_MONOTONIC */

#endif
