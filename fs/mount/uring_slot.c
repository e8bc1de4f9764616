/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buffers of the lanes: given to the kernel, filled with answers, wiped.  A
 * request comes in pieces: libfuse's header, the operation's, and the payload.
 * The first two are copied in front of the payload, which makes it what the
 * device gives; the answer goes into the payload.
 */
#include "fs/mount/uring_slot.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "fs/mount/uring_lane.h"

#define HEADERS 4096u /* in front of the payload */
#define SLOT_SIZE (HEADERS + POOL_SIZE)
#define SLOTS_MAX 192u /* of a processor */

_Static_assert(SLOTS_MAX + 8 <= RING_COMPLETIONS, "as many as may come at once, and wakes");

#define FUSE_HEADER_ROOM 128u /* of each of the two headers */

/* As include/uapi/linux/fuse.h of Linux 6.14 has it; Debian 12's has not. */
struct ring_headers {
	uint8_t in_out[FUSE_HEADER_ROOM]; /* struct fuse_in_header; struct fuse_out_header */
	uint8_t op_in[FUSE_HEADER_ROOM];
	struct {
		uint64_t flags, commit_id;
		uint32_t payload_size, padding;
		uint64_t reserved;
	} entry;
};
_Static_assert(sizeof(struct ring_headers) == 288, "the kernel's layout");

enum { CMD_REGISTER = 1, CMD_COMMIT_AND_FETCH = 2 }; /* enum fuse_uring_cmd */

struct command { /* struct fuse_uring_cmd_req */
	uint64_t flags, commit_id;
	uint16_t qid;
	uint8_t padding[6];
};

static struct ring_headers *headers(const struct slot *s)
{
	return (struct ring_headers *)(void *)s->map;
}

const struct fuse_in_header *slot_request(const struct slot *s)
{
	return (const void *)headers(s)->in_out;
}

size_t slot_brought(const struct slot *s)
{
	return headers(s)->entry.payload_size;
}

size_t slot_bytes(const struct slot *s)
{
	const struct fuse_read_in *read = (const void *)headers(s)->op_in;

	return slot_request(s)->opcode == FUSE_READ ? read->size : slot_brought(s);
}

int slot_message(struct slot *s, struct fuse_buf *ret)
{
	const struct ring_headers *h = headers(s);
	const struct fuse_in_header *in = slot_request(s);
	size_t payload = slot_brought(s), op;

	if (in->len < sizeof(*in) + payload || in->len > sizeof(*in) + FUSE_HEADER_ROOM + payload ||
	    payload > POOL_IO)
		return -EPROTO;
	op = in->len - sizeof(*in) - payload;
	s->asked = payload;
	s->dirty = MAX(s->dirty, payload);
	s->commit_id = h->entry.commit_id;
	s->taken = true;
	memcpy(s->payload - op, h->op_in, op);
	*ret = (struct fuse_buf){ .size = in->len };
	ret->mem = memcpy(s->payload - op - sizeof(*in), in, sizeof(*in));
	return 0;
}

static void send(struct slot *s, uint32_t op)
{
	struct lane *l = s->lane;
	struct io_uring_sqe *sqe = ring_next(&l->ring, IORING_OP_URING_CMD, LANE_DEVICE, s);
	struct command c = { .commit_id = s->commit_id, .qid = (uint16_t)l->cpu };

	sqe->cmd_op = op;
	if (op == CMD_REGISTER) {
		sqe->addr = (uintptr_t)s->iov;
		sqe->len = 2;
	}
	memcpy(sqe->cmd, &c, sizeof(c));
	s->sent = true;
}

int slot_add(struct lane *l)
{
	struct crew *c = l->crew;
	struct slot *s = atomic_load(&c->n) < SLOTS_MAX ? calloc(1, sizeof(*s)) : NULL;

	if (s)
		s->map = pool_map(SLOT_SIZE);
	if (!s || !s->map) {
		free(s);
		return -ENOMEM;
	}
	atomic_store(&s->lane, l);
	s->payload = s->map + HEADERS;
	s->iov[0] = (struct iovec){ s->map, sizeof(struct ring_headers) };
	s->iov[1] = (struct iovec){ s->payload, POOL_IO };
	s->wiped = atomic_load(&l->u->wipes);
	s->next = atomic_load(&c->slots);
	while (!atomic_compare_exchange_weak(&c->slots, &s->next, s))
		;
	atomic_fetch_add(&c->n, 1);
	atomic_fetch_add(&c->live, 1);
	atomic_fetch_add(&l->held, 1);
	send(s, CMD_REGISTER);
	return 0;
}

void slot_commit(struct slot *s)
{
	send(s, CMD_COMMIT_AND_FETCH);
}

void crew_free(struct crew *c)
{
	struct slot *s = c->slots;

	while (s) {
		struct slot *next = s->next;

		pool_unmap(s->map, SLOT_SIZE);
		free(s);
		s = next;
	}
}

void slot_wipe_behind(struct slot *s, size_t n, uint64_t wipes)
{
	if (s->wiped != wipes && s->dirty > n) {
		secret_wipe(s->payload + n, s->dirty - n);
		s->dirty = n;
	}
	s->wiped = wipes;
}

void slot_fill(struct slot *s, const struct iovec *iov, int count, bool sealed)
{
	uint64_t wipes = atomic_load(&s->lane->u->wipes);
	struct fuse_out_header out;
	size_t n = 0;

	memcpy(&out, iov[0].iov_base, sizeof(out));
	for (int i = 1; i < count && !out.error; i++) {
		if (iov[i].iov_len > POOL_IO - n) {
			out.error = -EIO;
			break;
		}
		memmove(s->payload + n, iov[i].iov_base, iov[i].iov_len);
		n += iov[i].iov_len;
	}
	if (!sealed && s->asked > n)
		secret_wipe(s->payload + n, s->asked - n);
	s->dirty = MAX(s->dirty, n);
	slot_wipe_behind(s, n, wipes);
	memcpy(headers(s)->in_out, &out, sizeof(out));
	headers(s)->entry.payload_size = (uint32_t)n;
}
