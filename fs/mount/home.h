/* SPDX-License-Identifier: Apache-2.0 */
/*
 * At home: where several callers keep all the workers busy, each worker stays
 * on a processor of its own, and lets whoever else is there go first before it
 * looks for a request.  So it finds mostly what was asked on its own processor,
 * and wakes few on another one, which costs more than most requests, above all
 * in a virtual machine; and the kernel spreads the callers as evenly as the
 * workers are.
 *
 * Who is at home never sleeps for a request: it leaves before.  It leaves, too,
 * where a program that computes wants its processor, and stays away for a time.
 * From a real-time task it cannot get away before that lets it run, which the
 * kernel sees to.
 */
#ifndef CMKFS_MOUNT_HOME_H
#define CMKFS_MOUNT_HOME_H

#include <stdbool.h>
#include <stdint.h>

struct homes;

/*
 * For the N threads that serve one mount.  NULL if they are fewer than the
 * processors, if there is but one of these, or without memory.  All functions
 * take NULL for nobody ever at home.
 */
struct homes *homes_new(unsigned int n);
void homes_free(struct homes *h); /* when all have left */

/*
 * The calling thread is about to handle a request of PID (0: the kernel's own),
 * which it FOUND or had to wait for, BRIEF or not: perhaps it goes home, or leaves.
 */
void home_note(struct homes *h, uint32_t pid, bool found, bool brief);
/* Whether any thread is at home; whether the calling one is. */
bool homes_any(const struct homes *h);
bool home_is_in(const struct homes *h);
/* If the calling thread is, others go first. */
void home_yield(struct homes *h);
/* The calling thread leaves, if it is: before it waits. */
void home_leave(struct homes *h);

#endif
