/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on files of a directory beside a model in memory.  Which
 * they are follows from the seed alone.  The first difference is told and ends
 * the program.
 */
#ifndef CMKFS_TEST_SHADOW_H
#define CMKFS_TEST_SHADOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHUNK 4096u
#define LIMIT (1600u << 10) /* the largest file: three groups */

struct rng {
	uint64_t state;
};

/* Below N, which is not 0. */
uint64_t rnd(struct rng *r, uint64_t n);
/* An offset at most LIMIT: at a border of chunk or group, one beside it, or anywhere. */
uint64_t rnd_offset(struct rng *r);
/* Of a range of at most MOST bytes from OFF on, within LIMIT: often a part of a chunk, sometimes a group. */
uint64_t rnd_length(struct rng *r, uint64_t off, uint64_t most);

/* What is being done, for a complaint; a thread's own. */
extern _Thread_local char doing[160];

/* Say what went wrong in what is being done, and end with 1. */
_Noreturn void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* R, or the end with errno's text if it is below 0. */
ssize_t must(ssize_t r);
/* All N bytes are written, or read. */
void write_all(int fd, const uint8_t *p, uint64_t n, uint64_t off);
void read_all(int fd, uint8_t *p, uint64_t n, uint64_t off);
/* The first byte of N at which GOT and WANT differ is told, if there is one. */
void compare(const uint8_t *got, const uint8_t *want, uint64_t n, uint64_t off);

/*
 * OPS operations of one process on a few files.  Every REMOUNT_EVERY of them,
 * if REMOUNT is not NULL, this command is run with all files closed.
 */
void alone(uint64_t ops, uint64_t seed, const char *remount);

/* The same by several threads: each in a range of its own, whose ends lie within chunks. */
void disjoint(uint64_t ops, uint64_t seed);
/* Each in the same range: whoever reads sees cells that somebody wrote, none older than due. */
void shared(uint64_t ops, uint64_t seed);

#endif
