/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loads of bench.py, with as little of their own cost as can be:
 *
 *   load write FILE MIB THREADS        1 MiB at a time; each thread a file of its own, FILE.N
 *   load read FILE THREADS             the same files from their beginnings to their ends
 *   load pread FILE SECONDS THREADS    4 KiB at random, one file, no block twice
 *   load mmap FILE SECONDS             a byte of a random page of a map, no page twice
 *   load overwrite FILE COUNT          4 KiB at random, then fsync
 *   load epoch DIR THREADS SEED        all files below DIR, open, read, close, in random order
 *
 * Prints one figure: MiB/s, operations a second, or seconds for an epoch.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB (1u << 20)
#define BLOCK 4096u
#define MAX_THREADS 64

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t next_random(uint64_t *state) /* splitmix64 */
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

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
	if (!o->left--)
		return false;
	do
		o->at = (o->at * 0x5851f42d4c957f2du + 0x14057b7ef767814fu) & o->mask;
	while (o->at >= o->n);
	*ret = o->at;
	return true;
}

static uint8_t *buffer(size_t n)
{
	uint64_t seed = 1;
	uint8_t *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("buffer");
	for (size_t i = 0; i + 8 <= n; i += 8) {
		uint64_t r = next_random(&seed);

		memcpy(p + i, &r, 8);
	}
	return p;
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	if (fd < 0)
		die(path);
	return fd;
}

static uint64_t size_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		die("fstat");
	return (uint64_t)st.st_size;
}

/* ---- threads ------------------------------------------------------------------------ */

struct job {
	const char *path;
	unsigned int number, threads;
	uint64_t amount; /* MiB, blocks or, as a double's bits, the end of the time */
	double end;
	uint64_t done;
	void (*run)(struct job *j);
};

static void *thread_main(void *arg)
{
	struct job *j = arg;

	j->run(j);
	return NULL;
}

/* Run in THREADS threads; what they did together, and the seconds. */
static uint64_t run_jobs(const struct job *model, unsigned int threads, double *ret_seconds)
{
	pthread_t t[MAX_THREADS];
	struct job j[MAX_THREADS];
	double begin = now();
	uint64_t done = 0;

	for (unsigned int i = 0; i < threads; i++) {
		j[i] = *model;
		j[i].number = i;
		j[i].threads = threads;
		if (pthread_create(&t[i], NULL, thread_main, &j[i]))
			die("pthread_create");
	}
	for (unsigned int i = 0; i < threads; i++) {
		pthread_join(t[i], NULL);
		done += j[i].done;
	}
	*ret_seconds = now() - begin;
	return done;
}

static void name_of(const struct job *j, char ret[4096])
{
	snprintf(ret, 4096, "%s.%u", j->path, j->number);
}

/* ---- the loads ------------------------------------------------------------------------ */

static void run_write(struct job *j)
{
	uint8_t *buf = buffer(MIB);
	char name[4096];
	int fd;

	name_of(j, name);
	fd = open_or_die(name, O_WRONLY | O_CREAT | O_TRUNC);
	for (uint64_t i = 0; i < j->amount; i++) {
		memcpy(buf, &i, sizeof(i));
		if (write(fd, buf, MIB) != MIB)
			die("write");
		j->done++;
	}
	if (close(fd))
		die("close");
}

static void run_read(struct job *j)
{
	uint8_t *buf = buffer(MIB);
	char name[4096];
	ssize_t n;
	int fd;

	name_of(j, name);
	fd = open_or_die(name, O_RDONLY);
	while ((n = read(fd, buf, MIB)) > 0)
		j->done += (uint64_t)n;
	if (n < 0)
		die("read");
	close(fd);
}

static void run_pread(struct job *j)
{
	uint8_t buf[BLOCK];
	int fd = open_or_die(j->path, O_RDONLY);
	struct order o = order_of(size_of(fd) / BLOCK / j->threads);
	uint64_t block;

	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	while (now() < j->end && order_next(&o, &block)) {
		block = block * j->threads + j->number;
		if (pread(fd, buf, BLOCK, (off_t)(block * BLOCK)) != BLOCK)
			die("pread");
		j->done++;
	}
	close(fd);
}

static void run_mmap(struct job *j)
{
	int fd = open_or_die(j->path, O_RDONLY);
	uint64_t size = size_of(fd), page;
	struct order o = order_of(size / BLOCK);
	const volatile uint8_t *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	madvise((void *)(uintptr_t)p, size, MADV_RANDOM);
	while (now() < j->end && order_next(&o, &page)) {
		(void)p[page * BLOCK];
		j->done++;
	}
	munmap((void *)(uintptr_t)p, size);
	close(fd);
}

static void run_overwrite(struct job *j)
{
	uint8_t *buf = buffer(BLOCK);
	uint64_t seed = 7;
	int fd = open_or_die(j->path, O_WRONLY);
	uint64_t blocks = size_of(fd) / BLOCK;

	for (uint64_t i = 0; i < j->amount; i++) {
		memcpy(buf, &i, sizeof(i));
		if (pwrite(fd, buf, BLOCK, (off_t)(next_random(&seed) % blocks * BLOCK)) != BLOCK)
			die("pwrite");
		j->done++;
	}
	if (fsync(fd) || close(fd))
		die("fsync");
}

/* ---- epochs ------------------------------------------------------------------------------ */

static char **files;
static size_t count, room;
static _Atomic size_t next_file;

static void collect(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		die(dir);
	while ((e = readdir(d))) {
		char path[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_type == DT_DIR) {
			collect(path);
			continue;
		}
		if (e->d_type != DT_REG)
			continue;
		if (count == room) {
			room = room ? 2 * room : 1024;
			files = realloc(files, room * sizeof(*files));
			if (!files)
				die("realloc");
		}
		files[count++] = strdup(path);
	}
	closedir(d);
}

static void run_epoch(struct job *j)
{
	uint8_t *buf = buffer(MIB);
	size_t i;

	while ((i = next_file++) < count) {
		int fd = open_or_die(files[i], O_RDONLY);
		ssize_t n;

		while ((n = read(fd, buf, MIB)) > 0)
			j->done += (uint64_t)n;
		if (n < 0)
			die(files[i]);
		close(fd);
	}
}

static void shuffle(uint64_t seed)
{
	for (size_t i = count; i > 1; i--) {
		size_t k = next_random(&seed) % i;
		char *p = files[k];

		files[k] = files[i - 1];
		files[i - 1] = p;
	}
}

/* ---- which ---------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	double number[4] = { 0 }, seconds;
	struct job j = { .path = argc > 2 ? argv[2] : NULL };
	uint64_t done;

	for (int i = 3; i < argc && i < 7; i++)
		number[i - 3] = atof(argv[i]);
	if (!strcmp(what, "write") && argc == 5) {
		j.run = run_write;
		j.amount = (uint64_t)number[0];
		done = run_jobs(&j, (unsigned int)number[1], &seconds);
		printf("%.1f\n", (double)done / seconds);
	} else if (!strcmp(what, "read") && argc == 4) {
		j.run = run_read;
		done = run_jobs(&j, (unsigned int)number[0], &seconds);
		printf("%.1f\n", (double)done / MIB / seconds);
	} else if ((!strcmp(what, "pread") && argc == 5) || (!strcmp(what, "mmap") && argc == 4)) {
		j.run = *what == 'p' ? run_pread : run_mmap;
		j.end = now() + number[0];
		done = run_jobs(&j, *what == 'p' ? (unsigned int)number[1] : 1, &seconds);
		printf("%.0f\n", (double)done / seconds);
	} else if (!strcmp(what, "overwrite") && argc == 4) {
		j.run = run_overwrite;
		j.amount = (uint64_t)number[0];
		done = run_jobs(&j, 1, &seconds);
		printf("%.0f\n", (double)done / seconds);
	} else if (!strcmp(what, "epoch") && argc == 5) {
		/* The order is the application's: the walk is not part of the epoch's time. */
		collect(j.path);
		shuffle((uint64_t)number[1]);
		j.run = run_epoch;
		run_jobs(&j, (unsigned int)number[0], &seconds);
		printf("%.4f\n", seconds);
	} else {
		fprintf(stderr, "usage: see the head of tests/bench/load.c\n");
		return 2;
	}
	return 0;
}
