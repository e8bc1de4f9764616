/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads on large files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "load.h"

#define MIB (1u << 20)
#define BLOCK 4096u

/* 0 … n − 1 in a random order, each once: a generator of full period over a power of two. */
struct order {
	uint64_t n, mask, at, left;
};

static struct order order_of(uint64_t n)
{
	struct order o = { .n = n, .mask = 1, .left = n };

	while (o.mask < n - 1)
		o.mask = o.mask << 1 | 1;
	return o;
}

static bool order_next(struct order *o, uint64_t *ret)
{
	if (!o->left)
		return false;
	o->left--;
	do
		o->at = (o->at * 0x5851f42d4c957f2du + 0x14057b7ef767814fu) & o->mask;
	while (o->at >= o->n);
	*ret = o->at;
	return true;
}

/* What a thread works with: its file, and a buffer of MIB bytes. */
struct hand {
	int fd;
	uint8_t *buf;
};

static void hand_done(struct hand *h)
{
	if (h->buf)
		munmap(h->buf, MIB);
	cleanup_close(&h->fd);
}

#define _cleanup_hand_ __attribute__((cleanup(hand_done)))

static int hand_open(struct hand *h, const char *path, int flags)
{
	h->buf = load_buffer(MIB);
	h->fd = h->buf ? open(path, flags | O_CLOEXEC, 0644) : -1;
	if (!h->buf)
		return -ENOMEM;
	return h->fd < 0 ? -errno : 0;
}

/* The thread's own file. */
static int hand_open_own(struct hand *h, const struct load_job *j, int flags)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s.%u", j->args->path, j->number);
	return hand_open(h, path, flags);
}

/* Of a file that has at least one for each thread. */
static int blocks_of(int fd, unsigned int threads, uint64_t *ret)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	*ret = (uint64_t)st.st_size / BLOCK;
	return *ret >= threads ? 0 : -EINVAL;
}

/* A write or read of N bytes that gave R. */
static int whole(ssize_t r, size_t n)
{
	if (load_stop)
		return -EINTR;
	return r < 0 ? -errno : (size_t)r == n ? 0 : -EIO;
}

/* How many times UNIT a second all threads do. */
static int rate_of(const struct load_args *a, int (*run)(struct load_job *j), double unit,
		   double *ret)
{
	uint64_t done;
	double s;
	int r = load_run(a, run, NULL, &done, &s);

	*ret = (double)done / unit / s;
	return r;
}

/* ---- from beginning to end --------------------------------------------------------- */

static int run_write(struct load_job *j)
{
	_cleanup_hand_ struct hand h = { .fd = -1 };
	int r = hand_open_own(&h, j, O_WRONLY | O_CREAT | O_TRUNC);

	for (; !r && j->done < (uint64_t)j->args->amount; j->done++) {
		memcpy(h.buf, &j->done, sizeof(j->done));
		r = whole(write(h.fd, h.buf, MIB), MIB);
	}
	if (!r && close(steal_fd(&h.fd)))
		r = -errno;
	return r;
}

int load_write(const struct load_args *a, double *ret)
{
	return rate_of(a, run_write, 1, ret);
}

static int run_read(struct load_job *j)
{
	_cleanup_hand_ struct hand h = { .fd = -1 };
	int r = hand_open_own(&h, j, O_RDONLY);

	return r ? r : load_drain(h.fd, h.buf, MIB, &j->done);
}

int load_read(const struct load_args *a, double *ret)
{
	return rate_of(a, run_read, MIB, ret);
}

/* ---- at random --------------------------------------------------------------------- */

static int run_pread(struct load_job *j)
{
	_cleanup_hand_ struct hand h = { .fd = -1 };
	unsigned int threads = j->args->threads;
	uint64_t block, blocks = 0;
	struct order o;
	int r = hand_open(&h, j->args->path, O_RDONLY);

	if (!r)
		r = blocks_of(h.fd, threads, &blocks);
	posix_fadvise(h.fd, 0, 0, POSIX_FADV_RANDOM);
	for (o = order_of(blocks / threads); !r && load_now() < j->end && order_next(&o, &block);) {
		block = block * threads + j->number;
		r = whole(pread(h.fd, h.buf, BLOCK, (off_t)(block * BLOCK)), BLOCK);
		j->done++;
	}
	return r;
}

int load_pread(const struct load_args *a, double *ret)
{
	return rate_of(a, run_pread, 1, ret);
}

/* All of PATH, mapped; *RET_N bytes of whole blocks.  0, -errno. */
static int map_file(const char *path, unsigned int threads, uint8_t **ret, uint64_t *ret_n)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t blocks = 0;
	int r = fd < 0 ? -errno : blocks_of(fd, threads, &blocks);

	if (r)
		return r;
	*ret_n = blocks * BLOCK;
	*ret = mmap(NULL, *ret_n, PROT_READ, MAP_SHARED, fd, 0);
	return *ret == MAP_FAILED ? -errno : 0;
}

static int run_mmap(struct load_job *j)
{
	unsigned int threads = j->args->threads;
	uint64_t n, page;
	struct order o;
	uint8_t *p;
	int r = map_file(j->args->path, threads, &p, &n);

	if (r)
		return r;
	madvise(p, n, MADV_RANDOM);
	for (o = order_of(n / BLOCK / threads); load_now() < j->end && order_next(&o, &page); j->done++)
		(void)*(volatile uint8_t *)&p[(page * threads + j->number) * BLOCK];
	munmap(p, n);
	return load_stop ? -EINTR : 0;
}

int load_mmap(const struct load_args *a, double *ret)
{
	return rate_of(a, run_mmap, 1, ret);
}

/* As a file of tensors is loaded: each page of the map once, from beginning to end. */
int load_scan(const struct load_args *a, double *ret)
{
	double begin = load_now();
	uint8_t *p, *to;
	uint64_t n;
	int r = map_file(a->path, 1, &p, &n);

	if (r)
		return r;
	to = load_buffer(MIB);
	for (uint64_t at = 0; to && at < n && !load_stop; at += MIB)
		memcpy(to, p + at, MIN(n - at, MIB));
	*ret = (double)n / MIB / (load_now() - begin);
	munmap(p, n);
	if (!to)
		return -ENOMEM;
	munmap(to, MIB);
	return load_stop ? -EINTR : 0;
}

int load_overwrite(const struct load_args *a, double *ret)
{
	_cleanup_hand_ struct hand h = { .fd = -1 };
	uint64_t seed = 7, blocks = 0, done = 0;
	double begin = load_now();
	int r = hand_open(&h, a->path, O_WRONLY);

	if (!r)
		r = blocks_of(h.fd, 1, &blocks);
	for (; !r && done < (uint64_t)a->amount; done++) {
		off_t at = (off_t)(load_random(&seed) % blocks * BLOCK);

		memcpy(h.buf, &done, sizeof(done));
		r = whole(pwrite(h.fd, h.buf, BLOCK, at), BLOCK);
	}
	if (!r && (fsync(h.fd) || close(steal_fd(&h.fd))))
		r = -errno;
	*ret = (double)done / (load_now() - begin);
	return r;
}
