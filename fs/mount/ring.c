/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_uring by its system calls: io_uring_setup(2), io_uring_enter(2),
 * io_uring_register(2), and the rings as io_uring(7) lays them out.
 */
#include "fs/mount/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crypto/base.h"

#define SQE_SIZE 128u
#define SQES_SIZE (RING_ENTRIES * SQE_SIZE)

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static int enter(const struct ring *r, unsigned int submit, unsigned int wait)
{
	long n = syscall(SYS_io_uring_enter, r->fd, submit, wait,
			 wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);

	return n < 0 ? -errno : (int)n;
}

static int map(struct ring *r, const struct io_uring_params *p)
{
	uint8_t *m;

	if (!(p->features & IORING_FEAT_SINGLE_MMAP))
		return -EOPNOTSUPP;
	r->map_size = MAX(p->sq_off.array + p->sq_entries * sizeof(uint32_t),
			  p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe));
	r->map = mmap(NULL, r->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
		      IORING_OFF_SQ_RING);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return -errno;
	}
	r->sqes = mmap(NULL, SQES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
		       IORING_OFF_SQES);
	if (r->sqes == MAP_FAILED) {
		r->sqes = NULL;
		return -errno;
	}
	m = r->map;
	r->sq_head = (uint32_t *)(void *)(m + p->sq_off.head);
	r->sq_tail = (uint32_t *)(void *)(m + p->sq_off.tail);
	r->sq_array = (uint32_t *)(void *)(m + p->sq_off.array);
	r->sq_mask = *(uint32_t *)(void *)(m + p->sq_off.ring_mask);
	r->cq_head = (uint32_t *)(void *)(m + p->cq_off.head);
	r->cq_tail = (uint32_t *)(void *)(m + p->cq_off.tail);
	r->cq_mask = *(uint32_t *)(void *)(m + p->cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(void *)(m + p->cq_off.cqes);
	return 0;
}

int ring_open(struct ring *r, const int *fds, unsigned int n)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SQE128 | IORING_SETUP_SUBMIT_ALL |
			 IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
		.cq_entries = RING_COMPLETIONS,
	};
	int e;

	*r = (struct ring){ .fd = (int)syscall(SYS_io_uring_setup, RING_ENTRIES, &p) };
	if (r->fd < 0)
		return -errno;
	e = map(r, &p);
	if (!e && syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_FILES, fds, n) < 0)
		e = -errno;
	return e;
}

void ring_close(struct ring *r)
{
	if (r->sqes)
		munmap(r->sqes, SQES_SIZE);
	if (r->map)
		munmap(r->map, r->map_size);
	if (r->fd >= 0)
		close(r->fd);
	*r = (struct ring){ .fd = -1 };
}

struct io_uring_sqe *ring_next(struct ring *r, uint8_t opcode, int file, void *data)
{
	uint32_t tail = *r->sq_tail, i = tail & r->sq_mask;
	struct io_uring_sqe *sqe = (struct io_uring_sqe *)(void *)(r->sqes + (size_t)i * SQE_SIZE);

	while (tail - load(r->sq_head) >= RING_ENTRIES)
		ring_submit(r);
	memset(sqe, 0, SQE_SIZE);
	sqe->opcode = opcode;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->fd = file;
	sqe->user_data = (uintptr_t)data;
	r->sq_array[i] = i;
	store(r->sq_tail, tail + 1);
	r->unsent++;
	return sqe;
}

static int send(struct ring *r, unsigned int wait)
{
	int n = enter(r, r->unsent, wait);

	if (n < 0)
		return n;
	r->unsent -= MIN((uint32_t)n, r->unsent);
	return 0;
}

int ring_submit(struct ring *r)
{
	int e;

	do
		e = send(r, 0);
	while (e == -EINTR || e == -EAGAIN || e == -EBUSY);
	return e;
}

int ring_wait(struct ring *r)
{
	return send(r, 1);
}

bool ring_take(struct ring *r, void **ret_data, int32_t *ret_res)
{
	uint32_t head = *r->cq_head;
	const struct io_uring_cqe *c = &r->cqes[head & r->cq_mask];

	if (head == load(r->cq_tail))
		return false;
	*ret_data = (void *)(uintptr_t)c->user_data;
	*ret_res = c->res;
	store(r->cq_head, head + 1);
	return true;
}

bool ring_has(const struct ring *r, const void *data)
{
	uint32_t tail = load(r->cq_tail);

	for (uint32_t i = *r->cq_head; i != tail; i++)
		if (r->cqes[i & r->cq_mask].user_data == (uintptr_t)data)
			return true;
	return false;
}
