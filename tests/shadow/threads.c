/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight threads on one file.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/shadow/shadow.h"

#define THREADS 8u
#define NAME "file"

struct worker {
	pthread_t thread;
	unsigned int id;
	uint64_t ops;
	struct rng r;
	int fd;
	uint8_t *buf;
	uint8_t *data; /* disjoint: what its range holds */
};

static void sync_or_reopen(struct worker *w)
{
	if (rnd(&w->r, 3)) {
		must(rnd(&w->r, 2) ? fsync(w->fd) : fdatasync(w->fd));
	} else {
		must(close(w->fd));
		w->fd = (int)must(open(NAME, O_RDWR));
	}
}

static void run(void *(*work)(void *), uint64_t ops, uint64_t seed, uint64_t size,
		struct worker *w)
{
	int fd = (int)must(open(NAME, O_RDWR | O_CREAT | O_TRUNC, 0644));

	must(ftruncate(fd, (off_t)size));
	must(close(fd));
	for (unsigned int i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .id = i, .ops = ops / THREADS, .buf = malloc(size),
					.data = calloc(1, size) };
		w[i].r.state = seed + i * 0x9e3779b97f4a7c15u;
		w[i].fd = (int)must(open(NAME, O_RDWR));
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			wrong("no thread");
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
}

static void end(struct worker *w)
{
	for (unsigned int i = 0; i < THREADS; i++) {
		must(close(w[i].fd));
		free(w[i].buf);
		free(w[i].data);
	}
}

/* ---- each in its own range -------------------------------------------------------------- */

#define RANGE (37u * CHUNK + 1234u) /* so that neighbours share a chunk */

static void own_map(struct worker *w, uint64_t at, uint64_t n)
{
	uint64_t off = w->id * RANGE + at, page = off / CHUNK * CHUNK;
	uint8_t *m = mmap(NULL, off - page + n, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, (off_t)page);

	if (m == MAP_FAILED)
		must(-1);
	compare(m + off - page, w->data + at, n, off);
	memset(w->data + at, (int)(1 + rnd(&w->r, 255)), n);
	memcpy(m + off - page, w->data + at, n);
	must(munmap(m, off - page + n));
}

static void own_step(struct worker *w)
{
	uint64_t at = rnd(&w->r, RANGE), n = rnd_length(&w->r, at, RANGE - at), base = w->id * RANGE;

	switch (rnd(&w->r, 16)) {
	case 0:
		sync_or_reopen(w);
		break;
	case 1:
		must(fallocate(w->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(base + at),
			       (off_t)n));
		memset(w->data + at, 0, n);
		break;
	case 2: case 3:
		own_map(w, at, n);
		break;
	case 4: case 5: case 6: case 7: case 8:
		read_all(w->fd, w->buf, n, base + at);
		compare(w->buf, w->data + at, n, base + at);
		break;
	default:
		memset(w->data + at, (int)(1 + rnd(&w->r, 255)), n);
		write_all(w->fd, w->data + at, n, base + at);
	}
}

static void *own_range(void *arg)
{
	struct worker *w = arg;

	for (uint64_t op = 0; op < w->ops; op++) {
		snprintf(doing, sizeof(doing), "thread %u, operation %ju", w->id, (uintmax_t)op);
		own_step(w);
	}
	return NULL;
}

void disjoint(uint64_t ops, uint64_t seed)
{
	struct worker w[THREADS];

	run(own_range, ops, seed, THREADS * RANGE, w);
	for (unsigned int i = 0; i < THREADS; i++) {
		snprintf(doing, sizeof(doing), "the range of thread %u at the end", i);
		read_all(w[i].fd, w[i].buf, RANGE, i * RANGE);
		compare(w[i].buf, w[i].data, RANGE, i * RANGE);
	}
	end(w);
}

/* ---- all in the same range ---------------------------------------------------------------- */

#define CELL 8u
#define CELLS (110u * CHUNK / CELL) /* over the border of the first group */

/*
 * Of each thread and cell: the last write begun, and the last one that was
 * done.  A cell holds the thread and its count, or 0.
 */
static _Atomic uint32_t begun[THREADS][CELLS], done[THREADS][CELLS];

static uint64_t cell_value(unsigned int id, uint64_t cell, uint32_t count)
{
	return (uint64_t)(id + 1) << 56 | cell << 32 | count;
}

/* Whether CELL could hold, where MASK is set, what VALUE does there. */
static bool could_be(uint64_t cell, uint64_t value, uint64_t mask, const uint32_t due[static THREADS])
{
	bool written = false;

	for (unsigned int id = 0; id < THREADS; id++) {
		for (uint32_t n = due[id] ? due[id] : 1, end = begun[id][cell]; n <= end; n++)
			if (!((cell_value(id, cell, n) ^ value) & mask))
				return true;
		written |= due[id];
	}
	return !written && !(value & mask);
}

/*
 * A reader and a writer may copy at the same time, in any filesystem, and an
 * interrupt halts a copy at any byte: then a cell is one write's up to there,
 * and another one's from there on.  On ext4 a run of half a million operations
 * has such a cell or two.
 */
static bool is_cut(uint64_t cell, uint64_t value, const uint32_t due[static THREADS])
{
	for (unsigned int bits = 8; bits < 64; bits += 8) {
		uint64_t low = ((uint64_t)1 << bits) - 1;

		if (could_be(cell, value, low, due) && could_be(cell, value, ~low, due))
			return true;
	}
	return false;
}

/* could_be() of all bytes; since each cell is asked this, only the thread that it names is looked at. */
static bool is_whole(uint64_t cell, uint64_t value, const uint32_t due[static THREADS])
{
	unsigned int id = (unsigned int)(value >> 56) - 1;
	uint32_t count = (uint32_t)value;

	if (!value || id >= THREADS)
		return could_be(cell, value, ~(uint64_t)0, due);
	return value == cell_value(id, cell, count) && count >= due[id] && count <= begun[id][cell];
}

/* DUE: counts that were done when the reading began, for each thread. */
static void check_cell(uint64_t cell, uint64_t value, const uint32_t due[static THREADS])
{
	char last[THREADS * 24] = "";

	if (is_whole(cell, value, due) || is_cut(cell, value, due))
		return;
	for (unsigned int id = 0; id < THREADS; id++)
		snprintf(last + strlen(last), sizeof(last) - strlen(last), " %u..%u", due[id],
			 begun[id][cell]);
	wrong("cell %ju holds %016jx, which it cannot: the writes of each thread are%s",
	      (uintmax_t)cell, (uintmax_t)value, last);
}

static void shared_write(struct worker *w, uint64_t first, uint64_t n, uint32_t count)
{
	uint64_t *p = (uint64_t *)(void *)w->buf;

	for (uint64_t i = 0; i < n; i++) {
		p[i] = cell_value(w->id, first + i, count);
		begun[w->id][first + i] = count;
	}
	write_all(w->fd, w->buf, n * CELL, first * CELL);
	for (uint64_t i = 0; i < n; i++)
		done[w->id][first + i] = count;
}

static void shared_read(struct worker *w, uint64_t first, uint64_t n)
{
	uint32_t (*due)[THREADS] = malloc(n * sizeof(*due));
	uint64_t *p = (uint64_t *)(void *)w->buf;

	for (uint64_t i = 0; i < n; i++)
		for (unsigned int id = 0; id < THREADS; id++)
			due[i][id] = done[id][first + i];
	read_all(w->fd, w->buf, n * CELL, first * CELL);
	for (uint64_t i = 0; i < n; i++)
		check_cell(first + i, p[i], due[i]);
	free(due);
}

static void *same_range(void *arg)
{
	struct worker *w = arg;

	for (uint64_t op = 0; op < w->ops; op++) {
		uint64_t first = rnd(&w->r, CELLS), n = 1 + rnd(&w->r, rnd(&w->r, 4) ? 600 : 6000);
		uint64_t what = rnd(&w->r, 20);

		if (n > CELLS - first)
			n = CELLS - first;
		snprintf(doing, sizeof(doing), "thread %u, operation %ju", w->id, (uintmax_t)op);
		if (!what)
			sync_or_reopen(w);
		else if (what < 9)
			shared_write(w, first, n, (uint32_t)op + 1);
		else
			shared_read(w, first, n);
	}
	return NULL;
}

void shared(uint64_t ops, uint64_t seed)
{
	struct worker w[THREADS];

	run(same_range, ops, seed, (uint64_t)CELLS * CELL, w);
	snprintf(doing, sizeof(doing), "all at the end");
	shared_read(&w[0], 0, CELLS);
	end(w);
}
