/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process on a few files: everything that changes contents, sizes or
 * names, through descriptors, maps and around the page cache.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/shadow/shadow.h"

#define FILES 5
#define REMOUNT_EVERY 2500

struct file {
	int fd;
	uint8_t *data; /* LIMIT bytes; those from SIZE on are 0 */
	uint64_t size;
};

static struct file files[FILES];
static uint8_t *buf; /* LIMIT and some, aligned for O_DIRECT */
static struct rng r;

static const char *name_of(const struct file *f)
{
	static const char *const names[FILES] = { "a", "b", "c", "d", "e" };

	return names[f - files];
}

static void open_file(struct file *f)
{
	if (f->fd < 0)
		f->fd = (int)must(open(name_of(f), O_RDWR | O_CREAT, 0644));
}

static void close_file(struct file *f)
{
	if (f->fd >= 0)
		must(close(f->fd));
	f->fd = -1;
}

static uint64_t within(const struct file *f, uint64_t off, uint64_t n)
{
	return off >= f->size ? 0 : n < f->size - off ? n : f->size - off;
}

static void check_size(struct file *f)
{
	struct stat st;

	must(fstat(f->fd, &st));
	if ((uint64_t)st.st_size != f->size)
		wrong("the size is %jd, not %ju", (intmax_t)st.st_size, (uintmax_t)f->size);
}

static void check_range(struct file *f, int fd, uint64_t off, uint64_t n)
{
	n = within(f, off, n);
	read_all(fd, buf, n, off);
	compare(buf, f->data + off, n, off);
}

static void check_all(struct file *f)
{
	check_size(f);
	check_range(f, f->fd, 0, LIMIT);
	if (must(pread(f->fd, buf, 1, (off_t)f->size)))
		wrong("something is read past the end");
}

/* ---- changes ------------------------------------------------------------------------- */

static void fill(uint8_t *p, uint64_t n)
{
	uint64_t word = r.state | 0x0101010101010101u, at = 0;

	for (; at + 8 <= n; at += 8, word = word * 6364136223846793005u + 0x0101010101010101u)
		memcpy(p + at, &word, 8);
	memset(p + at, (int)(word >> 56 | 1), n - at);
	rnd(&r, 2);
}

static void grow(struct file *f, uint64_t size)
{
	if (size > f->size)
		f->size = size;
}

static void do_write(struct file *f)
{
	uint64_t off = rnd_offset(&r), n = rnd_length(&r, off, LIMIT);

	fill(f->data + off, n);
	write_all(f->fd, f->data + off, n, off);
	if (n)
		grow(f, off + n);
}

static void do_append(struct file *f)
{
	uint64_t n = rnd_length(&r, f->size, 50000);
	int fd = (int)must(open(name_of(f), O_WRONLY | O_APPEND));

	fill(f->data + f->size, n);
	write_all(fd, f->data + f->size, n, 0);
	f->size += n;
	must(close(fd));
}

static void do_truncate(struct file *f)
{
	uint64_t size = rnd_offset(&r);

	if (rnd(&r, 2))
		must(ftruncate(f->fd, (off_t)size));
	else
		must(truncate(name_of(f), (off_t)size));
	if (size < f->size)
		memset(f->data + size, 0, f->size - size);
	f->size = size;
}

static void do_fallocate(struct file *f)
{
	static const int modes[] = { FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
				     FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0 };
	int mode = modes[rnd(&r, sizeof(modes) / sizeof(modes[0]))];
	uint64_t off = rnd_offset(&r), n = rnd_length(&r, off, LIMIT);

	if (!n)
		return;
	must(fallocate(f->fd, mode, (off_t)off, (off_t)n));
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		memset(f->data + off, 0, within(f, off, n));
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		grow(f, off + n);
}

static void do_copy(struct file *f)
{
	struct file *to = &files[rnd(&r, FILES)];
	uint64_t off = rnd_offset(&r), at = rnd_offset(&r), n = rnd_length(&r, at, LIMIT);
	off_t in = (off_t)off, out = (off_t)at;

	n = within(f, off, n);
	if (to == f || !n)
		return;
	for (uint64_t left = n; left;) {
		ssize_t done = must(copy_file_range(f->fd, &in, to->fd, &out, left, 0));

		if (!done)
			wrong("nothing was copied at %jd", (intmax_t)in);
		left -= (uint64_t)done;
	}
	memcpy(to->data + at, f->data + off, n);
	grow(to, at + n);
}

static void do_map(struct file *f)
{
	uint64_t off = rnd_offset(&r), page = off / CHUNK * CHUNK, n;
	uint8_t *m;

	n = within(f, off, rnd_length(&r, off, LIMIT));
	if (!n)
		return;
	m = mmap(NULL, off - page + n, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, (off_t)page);
	if (m == MAP_FAILED)
		must(-1);
	compare(m + off - page, f->data + off, n, off);
	if (rnd(&r, 2)) {
		fill(f->data + off, n);
		memcpy(m + off - page, f->data + off, n);
		if (!rnd(&r, 4))
			must(msync(m, off - page + n, rnd(&r, 2) ? MS_SYNC : MS_ASYNC));
	}
	must(munmap(m, off - page + n));
}

/* Around the page cache, a whole number of pages. */
static void do_direct(struct file *f)
{
	uint64_t off = rnd_offset(&r) / CHUNK * CHUNK;
	uint64_t n = (rnd_length(&r, off, 300000) + CHUNK - 1) / CHUNK * CHUNK;
	int fd = (int)must(open(name_of(f), O_RDWR | O_DIRECT));

	if (rnd(&r, 2)) {
		ssize_t got = must(pread(fd, buf, n, (off_t)off));

		if ((uint64_t)got != within(f, off, n))
			wrong("%zd bytes are read directly at %ju", got, (uintmax_t)off);
		compare(buf, f->data + off, (uint64_t)got, off);
	} else if (n && off + n <= LIMIT) {
		fill(buf, n);
		memcpy(f->data + off, buf, n);
		write_all(fd, buf, n, off);
		grow(f, off + n);
	}
	must(close(fd));
}

/* ---- names --------------------------------------------------------------------------- */

static void drop(struct file *f)
{
	memset(f->data, 0, f->size);
	f->size = 0;
}

/* F takes the place of another, which stays as it is for who has it open. */
static void do_rename(struct file *f)
{
	struct file *to = &files[rnd(&r, FILES)], old = *to;

	if (to == f)
		return;
	if (!rnd(&r, 4)) {
		must(renameat2(AT_FDCWD, name_of(f), AT_FDCWD, name_of(to), RENAME_EXCHANGE));
		*to = *f;
		*f = old;
		return;
	}
	must(rename(name_of(f), name_of(to)));
	check_all(&old);
	*to = *f;
	*f = old;
	close_file(f);
	drop(f);
	open_file(f);
}

static void do_link(struct file *f)
{
	int fd;

	must(link(name_of(f), "link"));
	fd = (int)must(open("link", O_RDONLY));
	check_range(f, fd, rnd_offset(&r), 50000);
	must(unlink(rnd(&r, 2) ? "link" : name_of(f)));
	rename("link", name_of(f)); /* which of the two is left */
	must(close(fd));
}

static void do_remove(struct file *f)
{
	must(unlink(name_of(f)));
	check_all(f);
	close_file(f);
	drop(f);
	open_file(f);
}

/* ---- looking -------------------------------------------------------------------------- */

/* What SEEK_DATA passes over is zero. */
static void check_seek(struct file *f)
{
	uint64_t pos = 0;

	while (pos < f->size) {
		off_t d = lseek(f->fd, (off_t)pos, SEEK_DATA);
		uint64_t end = d < 0 ? f->size : (uint64_t)d;

		for (; pos < end; pos++)
			if (f->data[pos])
				wrong("data at %ju is hidden", (uintmax_t)pos);
		if (d < 0)
			break;
		pos = (uint64_t)must(lseek(f->fd, d, SEEK_HOLE));
		if (pos <= (uint64_t)d || pos > f->size)
			wrong("a hole at %ju after data at %jd", (uintmax_t)pos, (intmax_t)d);
	}
}

static void reopen(struct file *f)
{
	close_file(f);
	open_file(f);
	check_size(f);
}

static const struct {
	const char *name;
	unsigned int weight;
	void (*run)(struct file *f);
} table[] = {
	{ "write", 24, do_write }, { "append", 5, do_append }, { "truncate", 6, do_truncate },
	{ "fallocate", 8, do_fallocate }, { "copy", 3, do_copy }, { "map", 12, do_map },
	{ "direct", 3, do_direct }, { "rename", 2, do_rename }, { "link", 1, do_link },
	{ "remove", 1, do_remove }, { "reopen", 4, reopen }, { "seek", 1, check_seek },
	{ "all", 2, check_all },
};

static void step(struct file *f)
{
	unsigned int n = (unsigned int)rnd(&r, 100);
	uint64_t off;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (n < table[i].weight) {
			strncat(doing, table[i].name, 20);
			table[i].run(f);
			return;
		}
		n -= table[i].weight;
	}
	if (n < 4) {
		strcat(doing, "sync");
		must(n ? fdatasync(f->fd) : fsync(f->fd));
	} else if (n < 6) {
		strcat(doing, "drop of its pages");
		must(fsync(f->fd));
		posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
	} else {
		off = rnd_offset(&r);
		strcat(doing, "read");
		check_range(f, f->fd, off, rnd_length(&r, off, LIMIT));
	}
}

static void remount_all(const char *command, uint64_t op)
{
	char here[4096];

	if (!getcwd(here, sizeof(here)))
		must(-1);
	for (struct file *f = files; f < files + FILES; f++)
		close_file(f);
	snprintf(doing, sizeof(doing), "operation %ju: remount", (uintmax_t)op);
	must(chdir("/"));
	if (system(command))
		wrong("%s failed", command);
	must(chdir(here));
	for (struct file *f = files; f < files + FILES; f++) {
		open_file(f);
		check_all(f);
	}
}

void alone(uint64_t ops, uint64_t seed, const char *remount)
{
	r.state = seed;
	if (posix_memalign((void **)&buf, CHUNK, LIMIT + 2 * CHUNK))
		must(-1);
	for (struct file *f = files; f < files + FILES; f++) {
		f->data = calloc(1, LIMIT + CHUNK);
		f->fd = -1;
		unlink(name_of(f)); /* of a run before */
		open_file(f);
	}
	for (uint64_t op = 0; op < ops; op++) {
		struct file *f = &files[rnd(&r, FILES)];

		snprintf(doing, sizeof(doing), "operation %ju, file %s: ", (uintmax_t)op, name_of(f));
		step(f);
		if (remount && op % REMOUNT_EVERY == REMOUNT_EVERY - 1)
			remount_all(remount, op);
	}
	for (struct file *f = files; f < files + FILES; f++) {
		check_all(f);
		close_file(f);
		free(f->data);
	}
	free(buf);
}
