/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on directories.  A listing is built in a buffer of the pool: the
 * answer in its first part; for READDIRPLUS the names are gathered in the
 * second first, because they are looked up one by one after the directory has
 * been let go.
 */
#include <dirent.h>
#include <errno.h>

#include "fs/mount/deploy.h"
#include "fs/mount/ops.h"
#include "fs/mount/session.h"

#define ANSWER_MAX (POOL_IO / 4) /* bytes of one answer */

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct inode *i = request_enter(req, ino, ZONE_NORMAL);

	/*
	 * After ENOSYS the kernel would open directories by itself, but keep
	 * listings, too.  Who goes on in one that another's has replaced, where
	 * his place is not found and the last page is full, gets its end: names
	 * would be missing.  Of what is deployed they are kept: the places in one
	 * that was begun unlocked and in one while the zone is locked differ.
	 */
	if (!i)
		return;
	fi->cache_readdir = fi->keep_cache = deploy_knows(mount_of(req), i->object);
	fuse_reply_open(req, fi);
	request_leave(ZONE_NORMAL);
}

void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	reply_err(req, 0);
}

struct listing {
	fuse_req_t req;
	char *buf;	  /* of the pool */
	size_t used, max; /* of the answer */
	size_t gathered;  /* READDIRPLUS: bytes of records */
};

static bool emit_entry(void *arg, const struct dir_entry *e)
{
	struct listing *l = arg;
	struct stat st = { .st_ino = e->ino, .st_mode = DTTOIF(e->d_type) };
	size_t need = fuse_add_direntry(l->req, l->buf + l->used, l->max - l->used, e->name, &st,
					e->next_off);

	if (need > l->max - l->used)
		return false;
	l->used += need;
	return true;
}

/* ---- with attributes ---------------------------------------------------------- */

struct record {
	int64_t next_off;
	uint64_t ino; /* then: the number that the kernel takes a lookup of, or 0 */
	uint8_t d_type;
	uint16_t size;	/* of the record */
	uint16_t stored; /* where in NAMES that name begins; 0: there is none */
	char names[2 * (NAME_MAX + 1)];
};

static struct record *record_at(const struct listing *l, size_t pos)
{
	return (struct record *)(void *)(l->buf + ANSWER_MAX + pos);
}

static bool gather(void *arg, const struct dir_entry *e)
{
	struct listing *l = arg;
	struct record *rec = record_at(l, l->gathered);
	size_t need = fuse_add_direntry_plus(l->req, NULL, 0, e->name, NULL, 0);
	size_t n = e->n + 1;

	if (need > l->max - l->used)
		return false;
	rec->next_off = e->next_off;
	rec->ino = e->ino;
	rec->d_type = e->d_type;
	rec->stored = e->stored ? (uint16_t)n : 0;
	memcpy(rec->names, e->name, n);
	if (e->stored)
		n = (size_t)(stpcpy(rec->names + n, e->stored) - rec->names) + 1;
	rec->size = (uint16_t)((offsetof(struct record, names) + n + 7) & ~(size_t)7);
	l->used += need;
	l->gathered += rec->size;
	return true;
}

static bool dots(const struct record *rec)
{
	return !strcmp(rec->names, ".") || !strcmp(rec->names, "..");
}

static int look_up(struct mount *m, struct object *dir, const struct record *rec,
		   struct object **ret, struct stat *ret_st)
{
	if (!this_request.zone)
		return deploy_lookup(m, dir, rec->names, ret, ret_st);
	return object_lookup_stored(dir, rec->names + rec->stored, ret, ret_st);
}

/* Look up one gathered name.  False: it is gone. */
static bool fill(struct mount *m, struct object *dir, struct record *rec,
		 struct fuse_entry_param *e)
{
	struct object *o;
	struct stat st;
	int r = 0;

	*e = (struct fuse_entry_param){
		.attr = { .st_ino = rec->ino, .st_mode = DTTOIF(rec->d_type) }
	};
	rec->ino = 0;
	if (dots(rec))
		return true;
	r = look_up(m, dir, rec, &o, &st);
	if (r == -ENOENT)
		return false;
	/* Without a number it is only listed; who looks it up gets the error. */
	if (!r && !entry_take(m, o, &st, 0, e))
		rec->ino = e->ino;
	return true;
}

static void answer(struct listing *l, struct mount *m, struct object *dir)
{
	size_t pos;

	l->used = 0;
	for (pos = 0; pos < l->gathered; pos += record_at(l, pos)->size) {
		struct record *rec = record_at(l, pos);
		struct fuse_entry_param e;

		if (fill(m, dir, rec, &e))
			l->used += fuse_add_direntry_plus(l->req, l->buf + l->used,
							  l->max - l->used, rec->names, &e,
							  rec->next_off);
	}
	if (!fuse_reply_buf(l->req, l->buf, l->used))
		return;
	for (pos = 0; pos < l->gathered; pos += record_at(l, pos)->size)
		if (record_at(l, pos)->ino)
			inode_forget(m->inodes, record_at(l, pos)->ino, 1);
}

/* ---- the two listings ---------------------------------------------------------- */

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	struct mount *m = mount_of(req);
	struct inode *i = request_enter(req, ino, ZONE_NORMAL);
	struct listing l = { .req = req, .max = MIN(size, ANSWER_MAX) };
	int r;

	if (!i)
		return;
	l.buf = (char *)pool_get(m->pool);
	r = this_request.zone ?
		    object_readdir(i->object, off, plus ? gather : emit_entry, &l) :
		    deploy_readdir(m, i->object, off, plus ? gather : emit_entry, &l);
	inode_touch_pages(m->inodes, i, 1);
	if (r == -ESTALE && m->opt->read_only)
		r = -ENOENT; /* removed by another mount: as if here */
	if (r < 0)
		reply_err(req, r);
	else if (plus)
		answer(&l, m, i->object);
	else
		fuse_reply_buf(req, l.buf, l.used);
	pool_put(m->pool, (uint8_t *)l.buf, ANSWER_MAX + l.gathered);
	request_leave(ZONE_NORMAL);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, true);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct inode *i = request_enter(req, ino, ZONE_DRAIN);

	(void)datasync;
	(void)fi;
	if (!i)
		return;
	reply_err(req, object_fsyncdir(i->object));
	request_leave(ZONE_DRAIN);
}
