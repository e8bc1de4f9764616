/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/mount/thread_stat.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/base.h"

enum { STATE = 3, PROCESSOR = 39 };

#define STAT_SIZE 1024

/* The field NUMBER, STATE or a later one, or NULL. */
static const char *field(pid_t tid, int number, char stat[static STAT_SIZE])
{
	_cleanup_close_ int fd = -1;
	char path[32], *p;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, stat, STAT_SIZE - 1);
	if (n < 0)
		return NULL;
	stat[n] = 0;
	p = strrchr(stat, ')'); /* the name, field 2, may hold anything */
	for (int i = 2; p && i < number; i++)
		p = strchr(p + 1, ' ');
	return p ? p + 1 : NULL;
}

int thread_cpu(pid_t tid)
{
	char stat[STAT_SIZE];
	const char *p = field(tid, PROCESSOR, stat);

	return p ? atoi(p) : -1;
}

bool thread_runs(pid_t tid)
{
	char stat[STAT_SIZE];
	const char *p = field(tid, STATE, stat);

	return p && *p == 'R';
}
