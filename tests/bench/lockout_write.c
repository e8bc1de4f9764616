/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a lockout loses what was acknowledged.
 *
 *	lockout_write MNT --revoke CMD --restore CMD [--writers 8] [--mib 16]
 *	              [--seconds 1] [--keep]
 *
 * WRITERS processes, half of them by write(2) and half by stores into shared
 * maps, rewrite the pages of a file of their own without pause, each page all
 * of words that say the round.  A page is acknowledged when pwrite(2) returned
 * or the last store was done.  The revoke command runs in the middle; each
 * writer goes on until it is refused, then asks fsync(2) and, after the
 * restore, close(2).  Afterwards every page must be of the round that was
 * acknowledged, or of the one after it, or the file's fsync or close must have
 * said that something was lost.
 *
 * Exit: 0 nothing lost in silence; 1 something; 2 the run itself failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/revoke.h"

#define WRITERS_MAX 64

struct writer { /* written by its process */
	volatile int refused, fsync_error, close_error; /* errno; refused -1: SIGBUS */
	volatile double last_ok;
	volatile uint64_t acknowledged;
	volatile bool done, close_now;
	volatile uint32_t round[]; /* last acknowledged, by page */
};

static struct {
	const char *mnt, *revoke, *restore;
	int writers;
	uint64_t pages;
	double seconds;
	bool keep;
} opt = { .writers = 8, .pages = 4096, .seconds = 1 };

static struct writer *w[WRITERS_MAX];
static sigjmp_buf bus;

static bool by_map(int id)
{
	return id & 1;
}

static uint64_t word_of(int id, uint64_t page, uint32_t round)
{
	return (uint64_t)round << 32 | (uint64_t)(id + 1) << 24 | (page & 0xffffff);
}

static void file_path(int id, char *ret, size_t n)
{
	snprintf(ret, n, "%s/lockout-write-%02d", opt.mnt, id);
}

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus, 1);
}

/* ---- writers --------------------------------------------------------------------------- */

static void acknowledge(int id, uint64_t page, uint32_t round)
{
	w[id]->round[page] = round;
	w[id]->last_ok = clock_ms();
	w[id]->acknowledged++;
}

static void write_pages(int id, int fd)
{
	uint64_t words[WORDS];

	for (uint32_t round = 1;; round++) {
		for (uint64_t p = 0; p < opt.pages; p++) {
			for (size_t i = 0; i < WORDS; i++)
				words[i] = word_of(id, p, round);
			if (pwrite(fd, words, PAGE, (off_t)(p * PAGE)) != PAGE) {
				w[id]->refused = errno;
				return;
			}
			acknowledge(id, p, round);
		}
	}
}

static void store_pages(int id, volatile uint64_t *map)
{
	signal(SIGBUS, on_bus);
	if (sigsetjmp(bus, 1)) {
		w[id]->refused = -1;
		return;
	}
	for (uint32_t round = 1;; round++) {
		for (uint64_t p = 0; p < opt.pages; p++) {
			for (size_t i = 0; i < WORDS; i++)
				map[p * WORDS + i] = word_of(id, p, round);
			acknowledge(id, p, round);
		}
	}
}

static void writer(int id)
{
	size_t size = opt.pages * PAGE;
	char path[4200];
	void *map;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	file_path(id, path, sizeof(path));
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		_exit(2);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		_exit(2);
	if (by_map(id))
		store_pages(id, map);
	else
		write_pages(id, fd);
	w[id]->fsync_error = fsync(fd) < 0 ? errno : 0;
	w[id]->done = true;
	while (!w[id]->close_now)
		usleep(1000);
	munmap(map, size);
	if (!w[id]->fsync_error && fsync(fd) < 0)
		w[id]->fsync_error = errno;
	w[id]->close_error = close(fd) < 0 ? errno : 0;
	_exit(0);
}

static bool has_begun(const struct writer *x)
{
	return x->acknowledged;
}

static bool is_done(const struct writer *x)
{
	return x->done;
}

/* Until IS says so of every writer, for at most MS. */
static void wait_for(bool (*is)(const struct writer *x), double ms, const char *never)
{
	double end = clock_ms() + ms;

	for (int i = 0; i < opt.writers; i++)
		while (!is(w[i])) {
			if (clock_ms() > end)
				die("writer %d %s", i, never);
			usleep(1000);
		}
}

static void start(void)
{
	size_t size = sizeof(struct writer) + opt.pages * sizeof(uint32_t);

	fflush(stdout);
	for (int i = 0; i < opt.writers; i++) {
		w[i] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (w[i] == MAP_FAILED)
			die("mmap: %s", strerror(errno));
		if (!fork())
			writer(i);
	}
	/* Where others want the processors, too, that takes longer than the revocation. */
	wait_for(has_begun, 60000, "never began");
	usleep((useconds_t)(opt.seconds * 1e6));
}

static void finish(void)
{
	int status;

	for (int i = 0; i < opt.writers; i++)
		w[i]->close_now = true;
	while (wait(&status) > 0)
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			die("a writer could not do its work");
}

/* ---- the comparing ------------------------------------------------------------------------ */

static bool page_kept(int id, uint64_t page, const uint64_t *words)
{
	uint32_t ack = w[id]->round[page];

	for (size_t i = 0; i < WORDS; i++) {
		uint32_t round = (uint32_t)(words[i] >> 32);

		if (!words[i] && !ack)
			continue; /* never written */
		if (words[i] != word_of(id, page, round) || round < ack || round > ack + 1)
			return false;
	}
	return true;
}

static uint64_t lost_pages(int id)
{
	uint64_t words[WORDS], lost = 0;
	char path[4200];
	int fd;

	file_path(id, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	for (uint64_t p = 0; p < opt.pages; p++)
		lost += pread(fd, words, PAGE, (off_t)(p * PAGE)) != PAGE ||
			!page_kept(id, p, words);
	close(fd);
	if (!opt.keep)
		unlink(path);
	return lost;
}

static const char *error_text(int e)
{
	return e < 0 ? "SIGBUS" : e ? strerrorname_np(e) : "ok";
}

static int compare(double begin)
{
	uint64_t silent = 0, acknowledged = 0;
	double last = 0;

	for (int i = 0; i < opt.writers; i++) {
		uint64_t lost = lost_pages(i);
		bool told = w[i]->fsync_error || w[i]->close_error;

		printf("writer %d by %-8s %9ju pages, refused by %s, fsync %s, close %s, lost %ju%s\n",
		       i, by_map(i) ? "map" : "write(2)", (uintmax_t)w[i]->acknowledged,
		       error_text(w[i]->refused), error_text(w[i]->fsync_error),
		       error_text(w[i]->close_error), (uintmax_t)lost,
		       lost && told ? " and said so" : "");
		acknowledged += w[i]->acknowledged;
		silent += told ? 0 : lost;
		last = w[i]->last_ok > last ? w[i]->last_ok : last;
	}
	printf("%ju pages acknowledged, the last one %.1f ms after the start of revoke\n"
	       "%ju lost in silence\n",
	       (uintmax_t)acknowledged, last - begin, (uintmax_t)silent);
	return silent ? 1 : 0;
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "revoke", 1, NULL, 'r' }, { "restore", 1, NULL, 's' }, { "writers", 1, NULL, 'n' },
		{ "mib", 1, NULL, 'm' },    { "seconds", 1, NULL, 't' }, { "keep", 0, NULL, 'k' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'r': opt.revoke = optarg; break;
		case 's': opt.restore = optarg; break;
		case 'n': opt.writers = atoi(optarg); break;
		case 'm': opt.pages = strtoull(optarg, NULL, 10) * 256; break;
		case 't': opt.seconds = atof(optarg); break;
		case 'k': opt.keep = true; break;
		default: die("see the head of tests/bench/lockout_write.c");
		}
	}
	if (optind + 1 != argc || !opt.revoke || !opt.restore || opt.writers < 1 ||
	    opt.writers > WRITERS_MAX || !opt.pages || opt.pages > 0xffffff)
		die("usage: lockout_write MNT --revoke CMD --restore CMD …");
	opt.mnt = argv[optind];
}

int main(int argc, char **argv)
{
	double begin, end;

	parse(argc, argv);
	start();
	if (run_command(opt.revoke, &begin, &end))
		die("the revoke command failed: %s", opt.revoke);
	printf("revoke command took %.1f ms\n", end - begin);
	wait_for(is_done, 15000, "was never refused");
	if (run_command(opt.restore, NULL, NULL))
		die("the restore command failed: %s", opt.restore);
	usleep(200000);
	finish();
	return compare(begin);
}
