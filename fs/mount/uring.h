/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FUSE over io_uring (Linux 6.14, protocol 7.42): the kernel hands a request
 * to a thread of the processor on which it was made, and takes the answer and
 * asks for the next by one call.  What it does not send that way (INIT, FORGET,
 * INTERRUPT), and notifications, go on over the device.
 *
 * The rings are ours and not libfuse's, which only parses and answers (but for READs): its own
 * leave plaintext in buffers that nobody can wipe while the kernel may write
 * there, and hold a lock of the queue while a handler runs.  Here each thread,
 * a lane, has a ring of its own (ring.h) and one buffer, so that a request does
 * not wait behind another one of the same thread while others are idle; only
 * brief ones of several callers gather at one lane (uring_crew.c).
 */
#ifndef CMKFS_MOUNT_URING_H
#define CMKFS_MOUNT_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct mount;
struct uring;

/*
 * Make the lanes, before INIT is answered.  *RET is NULL, and why is logged, if
 * this kernel or this mount cannot; the device then serves alone.  0, -ENOMEM.
 */
int uring_start(struct mount *m, struct uring **ret);
/* INIT was answered (GO) with the flag: serve; else: it was not offered. */
void uring_go(struct uring *u, bool go);
/* Wait for each lane's request at hand, and end.  NULL-safe. */
void uring_stop(struct uring *u);
void uring_free(struct uring *u); /* after that: wipes.  NULL-safe */
/* Whether requests come this way.  NULL-safe. */
bool uring_active(const struct uring *u);

/*
 * Send the answer of IOV (its first is a struct fuse_out_header) if the request
 * came this way; false: it did not.  When this returns it is out.  Any thread.
 * NULL-safe.
 */
bool uring_reply(struct uring *u, const struct iovec *iov, int count);

/*
 * In a handler: where the answer may be put together, POOL_SIZE bytes of which
 * USED will be written, so that it is not copied.  NULL: the request did not
 * come this way, or it has contents of its own.
 */
uint8_t *uring_payload(size_t used);

/*
 * Wipe what answers have left, as pool_wipe() does: what the kernel has waits
 * for here, what is in use is wiped as it is answered.  Any thread.  NULL-safe.
 */
void uring_wipe(struct uring *u);

#endif
