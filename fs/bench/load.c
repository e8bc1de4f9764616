/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of loads, and what they share: threads, time, random data.
 */
#include "load.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

_Atomic bool load_stop;

const struct load loads[] = {
	{ "write", "MiB/s", "AMOUNT MiB, 1 MiB at a time; each thread a file of its own, PATH.N",
	  load_write },
	{ "read", "MiB/s", "the same files from their beginnings to their ends", load_read },
	{ "pread", "/s", "4 KiB at random for AMOUNT seconds, one file, no block twice", load_pread },
	{ "mmap", "/s", "a byte of a random page of a map, for AMOUNT seconds, no page twice",
	  load_mmap },
	{ "scan", "MiB/s", "all of a map, copied from its beginning to its end", load_scan },
	{ "overwrite", "/s", "4 KiB at random, AMOUNT times, then fsync", load_overwrite },
	{ "make", "s", "AMOUNT files around 20 KiB below PATH, fifty to a directory", load_make },
	{ "epoch", "s", "all files below PATH, open, read, close, in random order", load_epoch },
	{ "list", "s", "all names below PATH with their attributes", load_list },
	{ "remove", "s", "all below PATH, and PATH", load_remove },
	{ .name = NULL },
};

const struct load *load_named(const char *name)
{
	for (const struct load *l = loads; l->name; l++)
		if (!strcmp(l->name, name))
			return l;
	return NULL;
}

double load_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

uint64_t load_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint8_t *load_buffer(size_t n)
{
	uint64_t seed = 1;
	uint8_t *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	for (size_t i = 0; i + 8 <= n; i += 8) {
		uint64_t r = load_random(&seed);

		memcpy(p + i, &r, 8);
	}
	return p;
}

int load_drain(int fd, uint8_t *buf, size_t n, uint64_t *done)
{
	ssize_t got;

	while ((got = read(fd, buf, n)) > 0 && !load_stop)
		*done += (uint64_t)got;
	return got < 0 ? -errno : load_stop ? -EINTR : 0;
}

struct thread {
	pthread_t id;
	struct load_job job;
	int r;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	t->r = t->job.run(&t->job);
	return NULL;
}

int load_run(const struct load_args *a, int (*run)(struct load_job *j), void *shared,
	     uint64_t *ret_done, double *ret_seconds)
{
	struct thread t[LOAD_THREADS_MAX];
	double begin = load_now();
	unsigned int n;
	int r = 0;

	*ret_done = 0;
	for (n = 0; n < a->threads && n < LOAD_THREADS_MAX && !r; n++) {
		t[n].job = (struct load_job){ .args = a, .number = n, .end = begin + a->amount,
					      .shared = shared, .run = run };
		r = -pthread_create(&t[n].id, NULL, thread_main, &t[n]);
		if (r)
			break;
	}
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(t[i].id, NULL);
		*ret_done += t[i].job.done;
		if (!r)
			r = t[i].r;
	}
	*ret_seconds = load_now() - begin;
	return r;
}
