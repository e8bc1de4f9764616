/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON object a line, over a stream socket; both ends of the control socket.
 */
#ifndef CMKFS_MOUNT_CONTROL_IO_H
#define CMKFS_MOUNT_CONTROL_IO_H

#include <jansson.h>

#define CONTROL_LINE_MAX (1u << 20)

/* 0, -EPIPE, -ENOMEM, -errno.  No SIGPIPE. */
int control_send(int fd, const json_t *o);

/*
 * One line.  0 and an object (caller's reference); -EPIPE: the other end
 * closed; -EPROTO: no object, or more than CONTROL_LINE_MAX bytes.
 */
int control_receive(int fd, json_t **ret);

#endif
