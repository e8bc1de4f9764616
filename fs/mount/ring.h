/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One io_uring instance with 128-byte entries, of the thread that made it:
 * nobody else may use it.  The kernel then does what completions need only
 * within ring_submit() and ring_wait() (IORING_SETUP_DEFER_TASKRUN), so that
 * between these calls it writes to no buffer that was given to it.
 */
#ifndef CMKFS_MOUNT_RING_H
#define CMKFS_MOUNT_RING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_ENTRIES 16u
#define RING_COMPLETIONS 256u /* as many as may be outstanding: ring_has() sees none that overflowed */

struct ring {
	int fd;
	uint32_t *sq_head, *sq_tail, *sq_array, *cq_head, *cq_tail;
	uint32_t sq_mask, cq_mask, unsent;
	uint8_t *sqes; /* 128 bytes each */
	struct io_uring_cqe *cqes;
	void *map;
	size_t map_size;
};

/* For the descriptors FDS, N of them, which entries name by index.  0, -errno. */
int ring_open(struct ring *r, const int *fds, unsigned int n);
void ring_close(struct ring *r); /* also of one that could not be opened, or zeroed with fd -1 */

/*
 * The next entry, zeroed but for the file's index and DATA, which comes back
 * with the completion.  Never NULL: what waits is sent first if need be.
 */
struct io_uring_sqe *ring_next(struct ring *r, uint8_t opcode, int file, void *data);
/* Send what was prepared.  0, -errno. */
int ring_submit(struct ring *r);
/* Send it, and wait for a completion.  0, -EINTR, -errno. */
int ring_wait(struct ring *r);

/* Take a completion; false: there is none. */
bool ring_take(struct ring *r, void **ret_data, int32_t *ret_res);
/* Whether a completion with DATA is there to be taken. */
bool ring_has(const struct ring *r, const void *data);

#endif
