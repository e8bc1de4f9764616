/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See revoke.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "revoke.h"

#define SHADOW (1ull << 34) /* a mapping of more bytes holds no data */

double clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("error: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void canary_make(uint64_t seed, char ret[CANARY_LEN + 1])
{
	/* In parts, so that the program's own text does not hold it. */
	snprintf(ret, CANARY_LEN + 1, "%s%s%016jx%s", "CAN", "ARY--", (uintmax_t)mix(seed),
		 "--------");
}

static void page_head(uint64_t seed, uint64_t file, uint64_t page, uint8_t ret[48])
{
	char canary[CANARY_LEN + 1];

	canary_make(seed, canary);
	memcpy(ret, canary, CANARY_LEN);
	memcpy(ret + CANARY_LEN, &file, 8);
	memcpy(ret + CANARY_LEN + 8, &page, 8);
}

void page_fill(uint64_t seed, uint64_t file, uint64_t page, uint8_t ret[PAGE])
{
	uint64_t x = mix(seed ^ mix(file + 1) ^ mix(page << 20)), w;

	page_head(seed, file, page, ret);
	for (size_t i = 48; i < PAGE; i += 8) {
		x += UINT64_C(0x9e3779b97f4a7c15);
		w = mix(x);
		memcpy(ret + i, &w, 8);
	}
}

bool page_right(uint64_t seed, uint64_t file, uint64_t page, const uint8_t *p)
{
	uint8_t want[PAGE];

	page_fill(seed, file, page, want);
	return !memcmp(p, want, PAGE);
}

int run_command(const char *cmd, double *ret_begin, double *ret_end)
{
	double begin = clock_ms();
	int r = system(cmd);

	if (ret_begin)
		*ret_begin = begin;
	if (ret_end)
		*ret_end = clock_ms();
	return r < 0 || !WIFEXITED(r) ? -1 : WEXITSTATUS(r);
}

static long search_range(int fd, uint64_t from, uint64_t to, const char *needle, uint64_t *bytes)
{
	enum { BLOCK = 1 << 20 };
	static uint8_t buf[BLOCK + 256];
	size_t n = strlen(needle), keep = 0;
	long found = 0;

	while (from < to) {
		size_t want = to - from < BLOCK ? (size_t)(to - from) : BLOCK;
		ssize_t r = pread(fd, buf + keep, want, (off_t)from);
		uint8_t *p = buf;
		size_t len;

		if (r <= 0) { /* a page that is not there */
			from += PAGE;
			keep = 0;
			continue;
		}
		len = keep + (size_t)r;
		while ((p = memmem(p, len - (size_t)(p - buf), needle, n))) {
			found++;
			p++;
		}
		from += (uint64_t)r;
		*bytes += (uint64_t)r;
		keep = len < n - 1 ? len : n - 1;
		memmove(buf, buf + len - keep, keep);
	}
	return found;
}

long search_memory(int pid, const char *needle, uint64_t *ret_bytes)
{
	char path[64], line[512], perms[8];
	unsigned long long from, to;
	long found = 0;
	FILE *maps;
	int fd;

	*ret_bytes = 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!maps || fd < 0)
		found = -1;
	while (found >= 0 && fgets(line, sizeof(line), maps))
		/* A sanitizer's shadow takes terabytes of addresses, and no copy of data. */
		if (sscanf(line, "%llx-%llx %7s", &from, &to, perms) == 3 && perms[1] == 'w' &&
		    to - from < SHADOW)
			found += search_range(fd, from, to, needle, ret_bytes);
	if (maps)
		fclose(maps);
	if (fd >= 0)
		close(fd);
	return found;
}

int errno_of(const char *name)
{
	for (int e = 1; e < 134; e++) {
		const char *s = strerrorname_np(e);

		if (s && !strcmp(s, name))
			return e;
	}
	return 0;
}
