/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a check share.
 */
#ifndef CMKFS_STORE_CHECK_INTERNAL_H
#define CMKFS_STORE_CHECK_INTERNAL_H

#include "fs/store/check.h"
#include "fs/store/content.h"
#include "fs/store/entry.h"

#define CHECK_TRIES 5 /* beside a writer: what fails is read again */

struct check_pool;
struct check_links;

struct check {
	struct store *st;
	const struct check_options *opt;
	struct check_pool *pool;
	struct check_links *links;	/* inodes of several names that have been seen */
	pthread_mutex_t lock;		/* protects findings and result */
	struct check_result result;
	_Atomic uint64_t bytes;
	_Atomic bool live;		/* a mount writes the volume meanwhile */
	uint64_t seq;			/* of the session file at the beginning */
	char *at;			/* struct check_position */
	uint64_t unit;
	uint64_t ticked, saved;		/* ms */
	int stop;			/* what the caller's tick said */
};

/* An object's two paths; both malloc'd.  NAME NULL: not known. */
struct check_path {
	char *stored, *name;
};

void check_path_done(struct check_path *p);
/* The child STORED, NAME (may be NULL) of UP.  -ENOMEM. */
int check_path_child(const struct check_path *up, const char *stored, const char *name,
		     struct check_path *ret);

/* ---- check.c ---- */

struct check_range {
	uint64_t offset, length;
};

void check_report(struct check *c, enum check_kind kind, const struct check_path *p,
		  struct check_range range, const char *detail);
/* The same of what has just been mended. */
void check_mended(struct check *c, enum check_kind kind, const struct check_path *p,
		  const char *detail);
/* An error of reading, unless the object went meanwhile. */
void check_unreadable(struct check *c, const struct check_path *p, struct check_range range,
		      int error);
/* Whether another process writes the volume now, or did since the check began. */
bool check_live(struct check *c);
/* What is done from time to time; not 0: stop. */
int check_tick(struct check *c);
/*
 * All before UNIT of the object at P has been given to the pool; UINT64_MAX:
 * all of it.  Not 0: stop, and this is where to go on.
 */
int check_reached(struct check *c, const struct check_path *p, uint64_t unit);
/* ---- check_count.c ---- */

/* Whether this inode of several names is seen for the first time.  -ENOMEM, 0, 1. */
int check_first_link(struct check *c, const struct stat *sb);

/* ---- check_view.c: an object's header as it is on disk ---- */

struct check_view {
	uint8_t blocks[2 * SLOT];
	struct header h[2];
	const char *why[2]; /* the slot does not count; NULL: it does */
	bool blank[2];
	unsigned int n;	    /* the slot that counts */
	bool unclean, have_base;
	uint64_t length;    /* of the backing file then */
	uint8_t (*dek[2])[KEY_LEN]; /* of each slot, two as in struct object_keys; secret memory */
};

struct check_view *check_view_new(void);
void check_view_free(struct check_view *v);
/*
 * Read the header of O, whose descriptor is open.  0; -ENODATA: it never
 * reached the disk; -EBADMSG: neither slot is valid; -ENOENT: a directory
 * without one; other errors of reading.
 */
int check_view_read(struct object *o, struct check_view *v);
static inline const struct header *check_header(const struct check_view *v)
{
	return &v->h[v->n];
}

/* ---- check_unit.c: jobs of the pool ---- */

struct check_file {
	_Atomic unsigned int refs;
	struct check *c;
	struct object *o; /* pinned */
	struct check_path path;
	struct check_view *v;
};

struct check_scratch; /* a worker's memory */
struct check_scratch *check_scratch_new(bool contents);
void check_scratch_free(struct check_scratch *s);

void check_file_put(struct check_file *f);
/*
 * The next unit to be checked, from UNIT on: a present group of a GCM file, a
 * stretch of an XTS file.  UINT64_MAX: none.
 */
uint64_t check_next_unit(const struct check_file *f, uint64_t unit);
void check_unit(struct check_file *f, uint64_t unit, struct check_scratch *s);

/* ---- check_group.c ---- */

struct check_verdict {
	int error;	  /* of reading */
	const char *why;  /* the whole group; NULL: it has a slot, or never had one */
	bool spare;	  /* the other slot is damaged */
	uint64_t bad[2];  /* chunks */
	uint64_t bytes;
};

/* What of the group G of F can be read, by the header in V.  S: a worker's own. */
void check_group(struct check_file *f, const struct check_view *v, uint32_t g,
		 struct check_scratch *s, struct check_verdict *ret);

struct check_scratch {
	uint8_t *p;		/* one chunk of plaintext, secret memory */
	uint8_t *gk[2];		/* secret memory, GK_LEN each */
	struct check_view *v;	/* read again, beside a writer */
	uint8_t slots[2 * SLOT];
	struct entry e[2][GROUP_CHUNKS];
	uint8_t *data;		/* ciphertext of a group; NULL: structure only */
	struct {		/* the look before this one, beside a writer */
		struct check_verdict d;
		uint8_t slots[2 * SLOT];
		struct entry e[GROUP_CHUNKS];
	} before;
};

/* ---- check_pool.c ---- */

int check_pool_start(struct check *c);
/* One unit of F (a reference is taken).  Waits for room. */
void check_pool_add(struct check *c, struct check_file *f, uint64_t unit);
/* Wait until all that was added is done. */
void check_pool_drain(struct check *c);
void check_pool_stop(struct check *c); /* NULL-safe */

/* ---- check_object.c ---- */

#define CHECK_TAGS (2 * TAG_LEN) /* of a name, and from before its zone: twice the same if there is none */

/*
 * Check O, to which P leads; TAG is CHECK_TAGS of its name (NULL: not known).  From
 * UNIT on; *RET_SOUND: a directory that can be walked.  Not 0: stop.
 */
int check_object(struct check *c, struct object *o, const struct check_path *p,
		 const uint8_t *tag, uint64_t unit, bool *ret_sound);

/* ---- check_tree.c ---- */

/* All below the directory DIR.  FROM: go on there, a path below it, or NULL. */
int check_tree(struct check *c, struct object *dir, const struct check_path *p, const char *from);

/* ---- check_volume.c ---- */

/* The files beside tree/, and the sessions.  0, -errno. */
int check_fixed(struct check *c);

/* ---- check_repair.c: each says what it did, or reports ---- */

/* Settle what unclean sessions left.  Not 0: stop. */
int repair_sessions(struct check *c);
void repair_length(struct check *c, struct object *o, const struct check_path *p);
void repair_binding(struct check *c, struct object *o, const struct check_path *p,
		    const uint8_t tag[static TAG_LEN]);
void repair_sidecar(struct check *c, struct object *dir, const char *stored,
		    const struct check_path *p);
void repair_temporary(struct check *c, struct object *dir, const char *stored,
		      const struct check_path *p);

#endif
