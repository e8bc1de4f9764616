/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leader/Followers (Schmidt and others, Pattern-Oriented Software Architecture
 * 2): of the threads that serve the FUSE device one waits for a request, the
 * leader; the others rest until they are needed, so that a request wakes one
 * thread at most.  The leader looks at the device without sleeping while
 * requests come in quick succession, as waking a thread costs more than most
 * requests; it yields the processor meanwhile to whoever wants it.
 */
#ifndef CMKFS_MOUNT_LEADER_H
#define CMKFS_MOUNT_LEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct leader;

/*
 * For the requests of FD, which is made non-blocking and stays the caller's, and
 * N threads.  0, -ENOMEM, -errno.
 */
int leader_new(int fd, unsigned int n, struct leader **ret);
void leader_free(struct leader *l); /* when no thread is in leader_receive() */

/*
 * The next request, into BUF of N bytes, as read(2) gives it; from any number
 * of threads.  -1 and errno, EINTR also after leader_stop() and by a signal.
 */
ssize_t leader_receive(struct leader *l, uint8_t *buf, size_t n);

/*
 * The request that was just received, and is not yet handled, is one of PID, and
 * BRIEF or not (step.h, home.h).
 */
void leader_note(struct leader *l, uint32_t pid, bool brief);
/* The calling thread receives no more. */
void leader_leave(struct leader *l);
bool leader_in_step(const struct leader *l);

/* What was just received takes long: somebody else is to wait for the next. */
void leader_call(struct leader *l);

/* Nobody rests any more.  The leader must be woken by a signal. */
void leader_stop(struct leader *l);

#endif
