/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot: a buffer of a request and its answer, which the kernel knows as a ring
 * entry.  It is written by its lane, if nothing else is said.
 */
#ifndef CMKFS_MOUNT_URING_SLOT_H
#define CMKFS_MOUNT_URING_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct crew;
struct fuse_buf;
struct fuse_in_header;
struct lane;

/* A buffer, which the kernel has, or a handler, or which is on its way to another lane. */
struct slot {
	struct lane *_Atomic lane; /* whose ring it is on; changed by that lane alone, when it gives it away */
	struct slot *next, *next_in; /* of the crew's; of lane.back or lane.given */
	uint8_t *map, *payload;	/* the headers are at the beginning of MAP */
	struct iovec iov[2];
	_Atomic uint64_t unique; /* of the request that is not answered; 0: none */
	uint64_t commit_id;
	bool sent;	 /* the kernel has it */
	bool taken;	 /* it has had a request: the kernel took it as a buffer */
	size_t asked;	 /* bytes of the request's payload */
	size_t dirty;	 /* bytes written since the last wipe */
	uint64_t wiped;	 /* uring.wipes at that time */
};

/* One more of L's for the kernel, which the next ring_wait() gives to it.  0, -ENOMEM. */
int slot_add(struct lane *l);
/* The answer that it is filled with goes out by the next ring_submit(), and it is the kernel's again. */
void slot_commit(struct slot *s);
void crew_free(struct crew *c); /* after the end of all its lanes: wipes */

/* The request that has come in it. */
const struct fuse_in_header *slot_request(const struct slot *s);
/* Bytes of the payload that came with it; that came, or are asked for by it. */
size_t slot_brought(const struct slot *s);
size_t slot_bytes(const struct slot *s);
/* *RET is it as the device gives it, in the slot.  0, -EPROTO: it cannot be one. */
int slot_message(struct slot *s, struct fuse_buf *ret);
/*
 * The answer IOV into the payload; nothing else of the request, unless that was
 * SEALED, or of an answer before it stays.  By whoever answers.
 */
void slot_fill(struct slot *s, const struct iovec *iov, int count, bool sealed);
/* What is left, behind the first N bytes, of answers before the wipe of this number. */
void slot_wipe_behind(struct slot *s, size_t n, uint64_t wipes);

#endif
