/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket of a mount, STATE/mounts/VOLUME-DEVICE.sock: its name, its life.
 * Of one thread at a time.
 */
#ifndef CMKFS_MOUNT_CONTROL_SOCKET_H
#define CMKFS_MOUNT_CONTROL_SOCKET_H

#include <sys/types.h>

struct mount;

#define CONTROL_NAME 64

struct control_socket {
	int dir_fd, fd; /* STATE/mounts, the listening socket; -1: none */
	char name[CONTROL_NAME];
	ino_t ino; /* of the name */
};

/* Make the directory, bind and listen; no descriptor of S is open yet.  0, -errno; S is to be closed in either case. */
int control_socket_open(struct control_socket *s, const struct mount *m, const char *state_dir);
/* Take the name away, unless a newer mount at the same place has put its own there. */
void control_socket_remove(const struct control_socket *s);
void control_socket_close(struct control_socket *s);

#endif
