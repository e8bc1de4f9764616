/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading contents.  Nearly every READ is answered without libfuse, which
 * allocates each request and puts it on a list that all threads share: of a
 * page at random that is a twentieth.  The list is for INTERRUPT, which nothing
 * here looks at (request.c).
 */
#include <linux/fuse.h>

#include "fs/mount/aside.h"
#include "fs/mount/ops.h"
#include "fs/mount/session.h"

struct reading {
	struct inode *i;
	uint64_t off;
	size_t n;
	uint8_t *buf, *p; /* P: the answer, in BUF */
	ssize_t r;
};

/* The gate has been passed. */
static void read_in(struct mount *m, struct reading *a)
{
	a->n = MIN(a->n, POOL_IO);
	a->buf = request_buffer(m, a->n + 2 * CHUNK);
	a->r = object_read(a->i->object, a->buf, POOL_SIZE, a->n, a->off, &a->p);
	inode_touch_pages(m->inodes, a->i, a->off + a->n);
}

static void put_back(struct mount *m, struct reading *a)
{
	request_buffer_put(m, a->buf, a->n + 2 * CHUNK);
}

static bool has_wrong_size(const struct mount *m, const struct inode *i)
{
	return m->aside && atomic_load_explicit(&i->stale_size, memory_order_relaxed);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct reading a = { .i = request_enter(req, ino, ZONE_NORMAL), .off = (uint64_t)off,
			     .n = size };

	(void)fi;
	if (!a.i)
		return;
	read_in(m, &a);
	if (this_request.zone && has_wrong_size(m, a.i) &&
	    !aside_take(m->aside, &(struct aside_job){ .run = aside_resize, .req = req, .i = a.i,
						       .off = a.off, .n = a.n })) {
		put_back(m, &a);
		return;
	}
	if (a.r < 0)
		reply_err(req, (int)a.r);
	else
		fuse_reply_buf(req, (char *)a.p, (size_t)a.r);
	put_back(m, &a);
	request_leave(ZONE_NORMAL);
}

static void answer(struct mount *m, uint64_t unique, uint8_t *p, ssize_t n)
{
	atomic_fetch_add_explicit(&m->requests, 1, memory_order_relaxed);
	session_answer(m, unique, p, n);
}

bool read_answer(struct mount *m, const void *mem, size_t n)
{
	const struct fuse_in_header *h = mem;
	const struct fuse_read_in *in = (const void *)(h + 1);
	struct reading a;
	bool wrong;
	int r;

	if (n < sizeof(*h) + sizeof(*in))
		return false;
	a = (struct reading){ .i = inode_of(m->inodes, h->nodeid), .off = in->offset, .n = in->size };
	if (!a.i || !a.i->object || has_wrong_size(m, a.i))
		return false;
	r = request_gate(m, a.i, ZONE_NORMAL);
	if (r < 0) {
		answer(m, h->unique, NULL, r);
		return true;
	}
	read_in(m, &a);
	wrong = this_request.zone && has_wrong_size(m, a.i);
	if (!wrong)
		answer(m, h->unique, a.p, a.r);
	put_back(m, &a);
	request_leave(ZONE_NORMAL);
	return !wrong;
}
