/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on contents, but for reading them.
 */
#include <errno.h>
#include <linux/fuse.h>

#include "fs/lib/log.h"
#include "fs/mount/aside.h"
#include "fs/mount/audit.h"
#include "fs/mount/ops.h"
#include "fs/mount/session.h"
#include "fs/store/erase.h"

#define STAMP_SETTLED_S 2

/*
 * An open(2) of I, which is as ST says: whether the kernel may keep its pages.
 * Attributes that it was given before are taken back: waits for nothing.
 */
static bool note_open(struct mount *m, struct inode *i, const struct stat *st)
{
	uint64_t stamp = attr_stamp(st);

	if (atomic_exchange(&i->stale_size, false) || atomic_load(&i->told) != stamp)
		fuse_lowlevel_notify_inval_inode(m->se, i->id, -1, 0);
	/* A second change within a tick of the clock leaves the times as they are. */
	return atomic_exchange(&i->stamp, stamp) == stamp &&
	       time(NULL) - st->st_ctim.tv_sec > STAMP_SETTLED_S;
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct inode *i;
	struct stat st;
	int r;

	/* The kernel then opens by itself, and keeps the cache. */
	if (!mount_of(req)->opt->read_only) {
		reply_err(req, -ENOSYS);
		return;
	}
	i = request_enter(req, ino, ZONE_NORMAL);
	if (!i)
		return;
	/*
	 * The header is read now, so that the size is the true one.  Another
	 * mount may have written since: close-to-open.  After ESTALE the kernel
	 * looks the name up again.
	 */
	r = this_request.zone ? object_reopen(i->object) : object_check(i->object);
	if (r == -ESTALE && again_told(req))
		r = object_check(i->object); /* replaced meanwhile: what he found is open */
	if (!r)
		r = object_hold(i->object);
	fi->fh = !r;
	if (!r || r == -EMFILE) /* beyond that number a replaced file is ESTALE to who has it open */
		r = object_getattr(i->object, &st);
	if (r < 0) {
		if (fi->fh)
			object_let_go(i->object);
		reply_err(req, r);
	} else {
		again_forget(req);
		fi->keep_cache = note_open(mount_of(req), i, &st);
		if (fuse_reply_open(req, fi) < 0 && fi->fh) /* interrupted: no release follows */
			object_let_go(i->object);
	}
	request_leave(ZONE_NORMAL);
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (fi->fh)
		object_let_go(inode_of(mount_of(req)->inodes, ino)->object);
	reply_err(req, 0);
}

/*
 * A page that could not be stored stays in the kernel's cache as if it had
 * been: throw it out, so that nobody reads what is not there.
 */
static void page_lost(struct mount *m, struct inode *i, uint64_t off, size_t n, int r)
{
	static struct log_rate rate;

	if (object_is_erased(i->object)) { /* there is nothing that could be lost */
		flusher_stale(m->flusher, i, off, n);
		return;
	}
	atomic_fetch_add_explicit(&m->lost, 1, memory_order_relaxed);
	atomic_fetch_add(&zone_counts(object_zone(i->object))->lost, 1);
	inode_touch_pages(m->inodes, i, off + n);
	flusher_stale(m->flusher, i, off, n);
	audit_note(m->audit, "mount.write", object_ino(i->object), "lost", "bytes %ju to %ju: %s",
		   (uintmax_t)off, (uintmax_t)(off + n), strerror(-r));
	if (log_allow(&rate))
		log_error("the writer gets the error from fsync(2) or close(2)",
			  "data lost: inode %ju, bytes %ju to %ju: %s",
			  (uintmax_t)object_ino(i->object), (uintmax_t)off, (uintmax_t)(off + n),
			  strerror(-r));
}

/* The kernel, which has not been told by its own request, asks for the mode before it is used again. */
static int write_kills_setid(struct mount *m, struct inode *i)
{
	int r = kill_setid(i->object);

	if (r > 0)
		fuse_lowlevel_notify_inval_inode(m->se, i->id, -1, 0);
	return MIN(r, 0);
}

static int write_to(struct mount *m, struct inode *i, const char *buf, size_t size, off_t off)
{
	uint8_t *own = (uint8_t *)(uintptr_t)buf; /* the worker's or the lane's own (worker.c, uring_lane.c) */
	int r;

	this_request.sealed = true;
	r = m->writeback ? object_write_pages(i->object, own, size, (uint64_t)off) :
			   object_write(i->object, own, size, (uint64_t)off);
	if (!r && this_request.write_flags & FUSE_WRITE_KILL_SUIDGID)
		r = write_kills_setid(m, i);
	return r;
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
	      struct fuse_file_info *fi)
{
	enum zone_use use = fi->writepage ? ZONE_DRAIN : ZONE_NORMAL;
	struct mount *m = mount_of(req);
	struct inode *i = inode_of(m->inodes, ino);
	int r;

	atomic_fetch_add_explicit(&m->requests, 1, memory_order_relaxed);
	if (!i || !i->object) {
		reply_err(req, -ESTALE);
		return;
	}
	inode_touch(i, INODE_WRITTEN);
	r = request_gate(m, i, use);
	if (r < 0) {
		if (fi->writepage)
			page_lost(m, i, (uint64_t)off, size, r);
		reply_err(req, r);
		return;
	}
	if (fi->writepage)
		atomic_fetch_add_explicit(&zone_counts(this_request.zone)->page_writes, 1,
					  memory_order_relaxed);
	r = write_to(m, i, buf, size, off);
	if (r < 0 && fi->writepage)
		page_lost(m, i, (uint64_t)off, size, r);
	else if (!r)
		inode_touch_pages(m->inodes, i, (uint64_t)off + size);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_write(req, size);
	request_leave(use);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct inode *i = request_enter(req, ino, ZONE_DRAIN);

	(void)fi;
	if (!i)
		return;
	reply_err(req, object_fsync(i->object, datasync));
	request_leave(ZONE_DRAIN);
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
		  struct fuse_file_info *fi)
{
	struct inode *i = request_enter(req, ino, ZONE_NORMAL);
	int r;

	(void)fi;
	if (!i)
		return;
	r = object_fallocate(i->object, mode, (uint64_t)off, (uint64_t)len);
	/* The kernel says nothing of set-id bits here. */
	if (!r && fuse_req_ctx(req)->uid)
		r = write_kills_setid(mount_of(req), i);
	reply_err(req, r);
	request_leave(ZONE_NORMAL);
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct inode *i;
	int64_t r;

	(void)fi;
	i = request_enter(req, ino, ZONE_NORMAL);
	if (!i)
		return;
	if (m->writeback && this_request.zone &&
	    !aside_take(m->aside, &(struct aside_job){ .run = aside_seek, .req = req,
								 .i = i, .off = (uint64_t)off,
								 .whence = whence }))
		return;
	r = object_seek(i->object, (uint64_t)off, whence);
	if (r < 0)
		reply_err(req, (int)r);
	else
		fuse_reply_lseek(req, r);
	request_leave(ZONE_NORMAL);
}
