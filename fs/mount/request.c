/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a request passes the zone's gate, and how it is answered.
 */
#include <errno.h>
#include <linux/fuse.h>

#include "fs/mount/deploy.h"
#include "fs/mount/session.h"
#include "fs/mount/uring.h"

_Thread_local struct request this_request;

void request_note(const void *mem, size_t n)
{
	const struct fuse_in_header *h = mem;
	const struct fuse_write_in *w = (const void *)(h + 1);
	const struct fuse_init_in *init = (const void *)(h + 1);

	this_request = (struct request){ .opcode = h->opcode };
	if (h->opcode == FUSE_WRITE && n >= sizeof(*h) + sizeof(*w))
		this_request.write_flags = w->write_flags;
	else if (h->opcode == FUSE_INIT && n >= sizeof(*h) + offsetof(struct fuse_init_in, unused))
		this_request.init_flags = init->flags |
					  (init->flags & FUSE_INIT_EXT ? (uint64_t)init->flags2 << 32 : 0);
}

/*
 * No handler looks at an INTERRUPT, and libfuse would keep that of a READ, which
 * it knows nothing of.  The kernel sends no more if what it is about is still
 * being done.
 */
void request_handle(struct mount *m, const struct fuse_buf *buf)
{
	const struct fuse_in_header *h = buf->mem;

	if (this_request.opcode == FUSE_INTERRUPT)
		session_answer(m, h->unique, NULL, -ENOSYS);
	else if (this_request.opcode != FUSE_READ || !read_answer(m, buf->mem, buf->size))
		fuse_session_process_buf(m->se, buf);
}

uint8_t *request_buffer(struct mount *m, size_t used)
{
	uint8_t *buf = uring_payload(used);

	return buf ? buf : pool_get(m->pool);
}

void request_buffer_put(struct mount *m, uint8_t *buf, size_t used)
{
	if (buf != uring_payload(0))
		pool_put(m->pool, buf, used);
}

void reply_err(fuse_req_t req, int r)
{
	again_note(req, r);
	fuse_reply_err(req, -r);
}

struct inode *request_enter(fuse_req_t req, uint64_t id, enum zone_use use)
{
	struct mount *m = mount_of(req);
	struct inode *i = inode_of(m->inodes, id);
	int r;

	atomic_fetch_add_explicit(&m->requests, 1, memory_order_relaxed);
	if (!i || !i->object) {
		reply_err(req, -ESTALE);
		return NULL;
	}
	r = request_gate(m, i, use);
	if (r < 0) {
		reply_err(req, r);
		return NULL;
	}
	return i;
}

int request_gate(struct mount *m, struct inode *i, enum zone_use use)
{
	int r = object_enter(i->object, use);

	this_request.object = i->object;
	this_request.zone = r == 0 ? object_zone(i->object) : NULL;
	if (r == 0)
		return 0;
	r = deploy_gate(m, i, r);
	if (r < 0)
		atomic_fetch_add_explicit(&m->refused, 1, memory_order_relaxed);
	return r;
}

/* After the reply the kernel may forget the node at once: it is not looked at any more. */
void request_leave(enum zone_use use)
{
	if (this_request.zone)
		zone_leave(this_request.zone, use);
	else
		deploy_leave(this_request.deploys);
}

uint64_t attr_stamp(const struct stat *st)
{
	uint64_t h = (uint64_t)st->st_mtim.tv_sec * 1000000007u + (uint64_t)st->st_mtim.tv_nsec;

	h = h * 1000003u + (uint64_t)st->st_ctim.tv_sec * 1000000007u +
	    (uint64_t)st->st_ctim.tv_nsec;
	return (h * 1000003u + (uint64_t)st->st_size) | 1;
}

int entry_take(struct mount *m, struct object *o, const struct stat *st, unsigned int flags,
	       struct fuse_entry_param *ret)
{
	struct inode *i;
	int r = 0;

	/* Where another zone begins, that one must be open for it.  A deployment has looked already. */
	if (this_request.zone && object_zone(o) != this_request.zone)
		r = -zone_errno(object_zone(o));
	if (r < 0 && deploy_knows(m, o))
		r = 0;
	if (r < 0) {
		object_put(o);
		return r;
	}
	r = inode_take(m->inodes, o, &i);
	if (r < 0)
		return r;
	inode_touch(i, INODE_ATTRS | flags);
	if (m->opt->read_only)
		atomic_store_explicit(&i->told, attr_stamp(st), memory_order_relaxed);
	*ret = (struct fuse_entry_param){
		.ino = i->id,
		.generation = i->generation,
		.attr = *st,
		.attr_timeout = m->timeout,
		.entry_timeout = m->timeout,
	};
	return 0;
}

void reply_entry(fuse_req_t req, struct object *o, const struct stat *st, unsigned int flags)
{
	struct mount *m = mount_of(req);
	struct fuse_entry_param e;
	int r = entry_take(m, o, st, flags, &e);

	if (r < 0)
		reply_err(req, r);
	else if (fuse_reply_entry(req, &e) < 0)
		inode_forget(m->inodes, e.ino, 1);
}
