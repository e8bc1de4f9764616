/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads on many small files.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "load.h"

#define MIB (1u << 20)
#define DIR_FILES 50u
#define FDS 16 /* that a walk may hold */

/* ---- making ------------------------------------------------------------------------ */

/* 20 KiB on the average, most of them smaller. */
static size_t file_size(uint64_t *seed)
{
	double u = (double)(load_random(seed) >> 11) / (double)(1ull << 53);

	return (size_t)(4096.0 + 3 * 16384.0 * u * u);
}

static int make_file(const char *dir, unsigned int number, const uint8_t *buf, size_t n)
{
	_cleanup_close_ int fd = -1;
	char path[4096];
	ssize_t put;

	snprintf(path, sizeof(path), "%s/f%06u", dir, number);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	put = write(fd, buf, n);
	if (put < 0)
		return -errno;
	if ((size_t)put != n)
		return -ENOSPC;
	return close(steal_fd(&fd)) ? -errno : 0;
}

static int make_all(const char *top, unsigned int n, const uint8_t *buf)
{
	uint64_t seed = 1;
	char dir[4000];
	int r = mkdir(top, 0755) ? -errno : 0;

	for (unsigned int i = 0; i < n && !r; i++) {
		size_t len = file_size(&seed);

		snprintf(dir, sizeof(dir), "%s/d%04u", top, i / DIR_FILES);
		if (i % DIR_FILES == 0 && mkdir(dir, 0755))
			return -errno;
		r = make_file(dir, i, buf + load_random(&seed) % (MIB - len), len);
		if (load_stop)
			r = -EINTR;
	}
	return r;
}

int load_make(const struct load_args *a, double *ret)
{
	uint8_t *buf = load_buffer(MIB);
	double begin;
	int r;

	if (!buf)
		return -ENOMEM;
	begin = load_now();
	r = make_all(a->path, (unsigned int)a->amount, buf);
	*ret = load_now() - begin;
	munmap(buf, MIB);
	return r;
}

/* ---- walking: nftw() has no argument for its caller ------------------------------------ */

struct paths {
	char **path;
	size_t n, room;
	_Atomic size_t next;
};

static struct paths *found;

static int take_path(const char *path, const struct stat *st, int type, struct FTW *at)
{
	struct paths *p = found;

	(void)st;
	(void)at;
	if (type != FTW_F)
		return 0;
	if (p->n == p->room) {
		size_t room = p->room ? 2 * p->room : 1024;
		char **more = realloc(p->path, room * sizeof(*more));

		if (!more)
			return -1;
		p->path = more;
		p->room = room;
	}
	p->path[p->n] = strdup(path);
	return p->path[p->n++] ? 0 : -1;
}

static int count_path(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)path;
	(void)st;
	(void)at;
	return load_stop || type == FTW_NS || type == FTW_DNR ? -1 : 0;
}

static int remove_path(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return load_stop ? -1 : remove(path);
}

static int walk(const struct load_args *a, __nftw_func_t fn, int flags, double *ret)
{
	double begin = load_now();
	int r = nftw(a->path, fn, FDS, FTW_PHYS | flags);

	*ret = load_now() - begin;
	if (load_stop)
		return -EINTR;
	return r ? -(errno ? errno : EIO) : 0;
}

int load_list(const struct load_args *a, double *ret)
{
	return walk(a, count_path, 0, ret);
}

int load_remove(const struct load_args *a, double *ret)
{
	return walk(a, remove_path, FTW_DEPTH, ret);
}

/* ---- an epoch of training ---------------------------------------------------------------- */

static int run_epoch(struct load_job *j)
{
	struct paths *p = j->shared;
	uint8_t *buf = load_buffer(MIB);
	int r = buf ? 0 : -ENOMEM;
	size_t i;

	while (!r && (i = p->next++) < p->n) {
		_cleanup_close_ int fd = open(p->path[i], O_RDONLY | O_CLOEXEC);

		r = fd < 0 ? -errno : load_drain(fd, buf, MIB, &j->done);
	}
	if (buf)
		munmap(buf, MIB);
	return r;
}

static void shuffle(struct paths *p, uint64_t seed)
{
	for (size_t i = p->n; i > 1; i--) {
		size_t k = load_random(&seed) % i;
		char *path = p->path[k];

		p->path[k] = p->path[i - 1];
		p->path[i - 1] = path;
	}
}

/* The order is the application's: the walk is not part of the epoch's time. */
int load_epoch(const struct load_args *a, double *ret)
{
	struct paths p = { 0 };
	uint64_t done;
	int r;

	found = &p;
	r = walk(a, take_path, 0, ret);
	if (!r) {
		shuffle(&p, a->seed);
		r = load_run(a, run_epoch, &p, &done, ret);
	}
	for (size_t i = 0; i < p.n; i++)
		free(p.path[i]);
	free(p.path);
	return r;
}
