/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shadow alone|disjoint|shared DIR OPERATIONS SEED [REMOUNT-COMMAND]
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/shadow/shadow.h"

_Thread_local char doing[160];
static uint64_t the_seed;

void wrong(const char *fmt, ...)
{
	va_list ap;

	printf("seed %ju: %s: ", (uintmax_t)the_seed, doing);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

ssize_t must(ssize_t r)
{
	if (r < 0)
		wrong("%s", strerror(errno));
	return r;
}

uint64_t rnd(struct rng *r, uint64_t n)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return (r->state >> 11) % n;
}

uint64_t rnd_offset(struct rng *r)
{
	/* Where a tail fits, ends of chunks, and of the three groups with their slots. */
	static const uint32_t border[] = { 0, 3040, 4096, 8192, 20480, 95 * 4096, 96 * 4096, 97 * 4096,
					   221 * 4096, 222 * 4096, 223 * 4096, 348 * 4096, LIMIT };
	uint64_t off;

	if (rnd(r, 2))
		return rnd(r, LIMIT + 1);
	off = border[rnd(r, sizeof(border) / sizeof(border[0]))] + rnd(r, 3);
	return off ? off - 1 < LIMIT ? off - 1 : LIMIT : 0;
}

uint64_t rnd_length(struct rng *r, uint64_t off, uint64_t most)
{
	static const uint32_t longest[] = { 16, 16, 4096, 4096, 8192, 8192, 20000, 20000, 60000, 600000 };
	uint64_t n = 1 + rnd(r, longest[rnd(r, sizeof(longest) / sizeof(longest[0]))]);

	if (n > most)
		n = most;
	return n < LIMIT - off ? n : LIMIT - off;
}

void write_all(int fd, const uint8_t *p, uint64_t n, uint64_t off)
{
	while (n) {
		ssize_t done = must(pwrite(fd, p, n, (off_t)off));

		p += done;
		off += (uint64_t)done;
		n -= (uint64_t)done;
	}
}

void read_all(int fd, uint8_t *p, uint64_t n, uint64_t off)
{
	while (n) {
		ssize_t done = must(pread(fd, p, n, (off_t)off));

		if (!done)
			wrong("the file ends at %ju", (uintmax_t)off);
		p += done;
		off += (uint64_t)done;
		n -= (uint64_t)done;
	}
}

void compare(const uint8_t *got, const uint8_t *want, uint64_t n, uint64_t off)
{
	if (!memcmp(got, want, n))
		return;
	for (uint64_t i = 0; i < n; i++)
		if (got[i] != want[i])
			wrong("byte %ju is %02x, not %02x", (uintmax_t)(off + i), got[i], want[i]);
}

int main(int argc, char **argv)
{
	uint64_t ops;

	if (argc < 5 || argc > 6) {
		fprintf(stderr, "usage: shadow alone|disjoint|shared DIR OPERATIONS SEED [REMOUNT]\n");
		return 2;
	}
	ops = strtoull(argv[3], NULL, 0);
	the_seed = strtoull(argv[4], NULL, 0);
	if (!the_seed || chdir(argv[2])) {
		fprintf(stderr, "shadow: a seed that is not 0, and a directory\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	if (!strcmp(argv[1], "alone"))
		alone(ops, the_seed, argc > 5 ? argv[5] : NULL);
	else if (!strcmp(argv[1], "disjoint"))
		disjoint(ops, the_seed);
	else
		shared(ops, the_seed);
	printf("%s, seed %ju: %ju operations, no difference\n", argv[1], (uintmax_t)the_seed,
	       (uintmax_t)ops);
	return 0;
}
