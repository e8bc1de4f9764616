/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long plaintext stays readable after access was taken away.
 *
 *	lockout MNT --revoke CMD [--restore CMD] [--pid PID] [--errno NAME]
 *	        [--mib 1024] [--files 10000] [--readers 8] [--limit 1000] [--keep]
 *
 * Fills MNT with one big file and many small ones, keeps all in the cache, the
 * big one mapped and the small ones open, and lets READERS processes read
 * without pause: through the map, by pread(2) of the big file, and by pread(2)
 * of the held small files.  Runs the revoke command and prints the
 * milliseconds from its start (and its return) to the last byte that any of
 * them got.  Then every kind of access must fail with the errno, and the
 * daemon's memory must hold no canary; after the restore command every byte
 * must be there again, by the same descriptors and the same map.  Without one
 * (the mount was ended, the daemon killed) that part is left out.
 *
 * Exit: 0 all held; 1 something did not; 2 the run itself failed.
 */
#include <dirent.h>
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/revoke.h"

#define READERS_MAX 64
#define PER_DIR 500
#define BIG 0 /* its file number */

enum kind { MAP, PREAD, FILES, KINDS };
static const char *const kind_name[] = { "map", "pread", "held files" };

struct seen { /* written by one reader */
	volatile double last_ok[KINDS];	   /* end of the last access that got plaintext */
	volatile double last_begun[KINDS]; /* its beginning: in between it may have been preempted */
	volatile uint64_t n[KINDS];
	volatile int error[KINDS]; /* the last one; SIGBUS as -1 */
	volatile uint64_t wrong;
};

struct shared {
	volatile bool stop;
	struct seen seen[READERS_MAX];
};

static struct {
	const char *mnt, *revoke, *restore;
	int pid, want_errno, readers;
	uint64_t pages, files, seed;
	double limit;
	bool keep;
} opt = { .pages = 262144, .files = 10000, .readers = 8, .limit = 1000 };

static char root[4096];
static int big_fd = -1, *file_fd;
static const uint8_t *map;
static struct shared *sh;
static int failures;

static void check(bool ok, const char *what, const char *detail)
{
	printf("%-44s %s%s%s\n", what, ok ? "ok" : "FAILED", detail ? ": " : "",
	       detail ? detail : "");
	failures += !ok;
}

/* ---- the files -------------------------------------------------------------------- */

static void path_of(uint64_t file, char *ret, size_t n)
{
	snprintf(ret, n, "%s/d%03ju/f%05ju", root, (uintmax_t)(file / PER_DIR), (uintmax_t)file);
}

static void make_big(void)
{
	enum { BATCH = 256 };
	static uint8_t buf[BATCH * PAGE];
	char path[4200];

	snprintf(path, sizeof(path), "%s/big", root);
	big_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (big_fd < 0)
		die("%s: %s", path, strerror(errno));
	for (uint64_t p = 0; p < opt.pages; p += BATCH) {
		uint64_t n = opt.pages - p < BATCH ? opt.pages - p : BATCH;

		for (uint64_t i = 0; i < n; i++)
			page_fill(opt.seed, BIG, p + i, buf + i * PAGE);
		if (write(big_fd, buf, n * PAGE) != (ssize_t)(n * PAGE))
			die("write: %s", strerror(errno));
	}
	if (fsync(big_fd) < 0)
		die("fsync: %s", strerror(errno));
	map = mmap(NULL, opt.pages * PAGE, PROT_READ, MAP_SHARED, big_fd, 0);
	if (map == MAP_FAILED)
		die("mmap: %s", strerror(errno));
}

static void make_files(void)
{
	uint8_t buf[PAGE];
	char path[4200];

	file_fd = calloc(opt.files + 1, sizeof(*file_fd));
	for (uint64_t i = 1; i <= opt.files; i++) {
		path_of(i, path, sizeof(path));
		*strrchr(path, '/') = 0;
		if ((i == 1 || i % PER_DIR == 0) && mkdir(path, 0700) < 0 && errno != EEXIST)
			die("%s: %s", path, strerror(errno));
		path_of(i, path, sizeof(path));
		page_fill(opt.seed, i, 0, buf);
		file_fd[i] = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (file_fd[i] < 0 || write(file_fd[i], buf, PAGE) != PAGE)
			die("%s: %s", path, strerror(errno));
	}
	syncfs(big_fd);
}

static void prepare(void)
{
	struct rlimit lim;

	if (!getrlimit(RLIMIT_NOFILE, &lim)) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	snprintf(root, sizeof(root), "%s/lockout-%jx", opt.mnt, (uintmax_t)opt.seed);
	if (mkdir(root, 0700) < 0)
		die("%s: %s", root, strerror(errno));
	make_big();
	make_files();
}

static void remove_all(void)
{
	char path[4200];

	for (uint64_t i = 1; i <= opt.files; i++) {
		path_of(i, path, sizeof(path));
		unlink(path);
	}
	for (uint64_t i = 0; i <= opt.files / PER_DIR; i++) {
		path_of(i * PER_DIR, path, sizeof(path));
		*strrchr(path, '/') = 0;
		rmdir(path);
	}
	snprintf(path, sizeof(path), "%s/big", root);
	unlink(path);
	rmdir(root);
}

/* ---- readers ------------------------------------------------------------------------ */

static sigjmp_buf bus;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus, 1);
}

static uint64_t next_random(uint64_t *x)
{
	*x = *x * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *x >> 33;
}

/* One page's head is looked at: the time of the touch counts, not of the comparing. */
static bool head_right(const uint8_t *p, uint64_t file, uint64_t page)
{
	return !memcmp(p + CANARY_LEN, &file, 8) && !memcmp(p + CANARY_LEN + 8, &page, 8);
}

static void note(struct seen *s, enum kind k, double begun, bool ok, int error)
{
	if (error) {
		s->error[k] = error;
		return;
	}
	s->last_ok[k] = clock_ms();
	s->last_begun[k] = begun;
	s->n[k]++;
	s->wrong += !ok;
}

static void read_map(struct seen *s, uint64_t *x)
{
	for (int i = 0; i < 16; i++) {
		uint64_t p = next_random(x) % opt.pages;
		double begun = clock_ms();

		if (sigsetjmp(bus, 1)) {
			note(s, MAP, 0, false, -1);
			return;
		}
		note(s, MAP, begun, head_right(map + p * PAGE, BIG, p), 0);
	}
}

static void read_fd(struct seen *s, enum kind k, int fd, uint64_t file, uint64_t page)
{
	double begun = clock_ms();
	uint8_t buf[PAGE];
	ssize_t r = pread(fd, buf, PAGE, (off_t)(page * PAGE));

	note(s, k, begun, r == PAGE && head_right(buf, file, page), r < 0 ? errno : 0);
}

static void reader(int id)
{
	struct seen *s = &sh->seen[id];
	uint64_t x = opt.seed + (uint64_t)id;

	signal(SIGBUS, on_bus);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!sh->stop) {
		uint64_t f = 1 + next_random(&x) % (opt.files ? opt.files : 1);

		read_map(s, &x);
		for (int i = 0; i < 4; i++)
			read_fd(s, PREAD, big_fd, BIG, next_random(&x) % opt.pages);
		if (opt.files)
			read_fd(s, FILES, file_fd[f], f, 0);
	}
	_exit(0);
}

static void start_readers(void)
{
	fflush(stdout);
	for (int i = 0; i < opt.readers; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork: %s", strerror(errno));
		if (!pid)
			reader(i);
	}
	/* All cached, all mapped, everybody at it. */
	for (uint64_t p = 0; p < opt.pages; p++)
		if (!head_right(map + p * PAGE, BIG, p))
			die("page %ju is wrong before anything happened", (uintmax_t)p);
	usleep(1000000);
}

static void stop_readers(void)
{
	sh->stop = true;
	while (wait(NULL) > 0)
		;
}

static double last_of(enum kind k, double *ret_begun, uint64_t *ret_n)
{
	double last = 0;

	*ret_n = 0;
	*ret_begun = 0;
	for (int i = 0; i < opt.readers; i++) {
		if (sh->seen[i].last_ok[k] > last)
			last = sh->seen[i].last_ok[k];
		if (sh->seen[i].last_begun[k] > *ret_begun)
			*ret_begun = sh->seen[i].last_begun[k];
		*ret_n += sh->seen[i].n[k];
	}
	return last;
}

/* ---- what must hold afterwards -------------------------------------------------------- */

static void report_times(double begin, double end)
{
	double worst = 0, begun;
	uint64_t n, wrong = 0;
	char text[80];

	printf("revoke command took %.1f ms\n", end - begin);
	for (int k = 0; k < KINDS; k++) {
		double last = last_of(k, &begun, &n);

		if (!n)
			continue;
		printf("last plaintext by %-10s %8.1f ms after the start of revoke (begun at %.1f), "
		       "%.1f after its return; %ju reads before\n",
		       kind_name[k], last - begin, begun - begin, last - end, (uintmax_t)n);
		worst = last - begin > worst ? last - begin : worst;
	}
	for (int i = 0; i < opt.readers; i++)
		wrong += sh->seen[i].wrong;
	snprintf(text, sizeof(text), "%.1f ms, limit %.0f", worst, opt.limit);
	check(worst <= opt.limit, "no plaintext after the limit", text);
	check(!wrong, "no wrong byte was read", NULL);
}

/* R: what the call returned, errno as it left it. */
static void check_errno(const char *what, long r)
{
	bool failed = r < 0;
	int e = errno;
	bool ok = failed && (!opt.want_errno || e == opt.want_errno);

	check(ok, what, failed ? strerrorname_np(e) : "succeeded");
}

static void check_map(void)
{
	volatile uint64_t page = 0, got = 0;

	signal(SIGBUS, on_bus);
	for (; page < opt.pages; page++) {
		if (sigsetjmp(bus, 1))
			continue;
		got += map[page * PAGE] != 0;
	}
	signal(SIGBUS, SIG_DFL);
	check(!got, "every page of the held map is SIGBUS", NULL);
}

static uint64_t readable_files(void)
{
	uint64_t n = 0;
	uint8_t b;

	for (uint64_t i = 1; i <= opt.files; i++)
		n += pread(file_fd[i], &b, 1, 0) == 1;
	return n;
}

static void check_locked(void)
{
	char path[4200], target[64];
	uint8_t buf[PAGE];
	struct stat st;
	DIR *d;
	int fd;

	path_of(1, path, sizeof(path));
	check_errno("pread of a held descriptor", pread(big_fd, buf, PAGE, 0));
	check_errno("pwrite to a held descriptor", pwrite(big_fd, buf, PAGE, 0));
	check_errno("ftruncate of a held descriptor", ftruncate(big_fd, 0));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	check_errno("open by path", fd);
	check_errno("stat by path", stat(path, &st));
	snprintf(target, sizeof(target), "/proc/self/fd/%d", big_fd);
	fd = open(target, O_RDONLY | O_CLOEXEC);
	check_errno("reopening a held descriptor, or reading it",
		    fd < 0 ? fd : read(fd, buf, PAGE));
	d = opendir(root);
	check_errno("listing by path", d ? 0 : -1);
	if (d)
		closedir(d);
	check_map();
	check(!readable_files(), "no held small file is readable", NULL);
}

static void check_memory(void)
{
	char canary[CANARY_LEN + 1], text[80];
	uint64_t bytes;
	long n;

	if (!opt.pid)
		return;
	canary_make(opt.seed, canary);
	n = search_memory(opt.pid, canary, &bytes);
	snprintf(text, sizeof(text), "%ld in %.1f MiB", n, (double)bytes / 1048576);
	check(n == 0 && bytes, "no canary in the daemon's memory", text);
}

static bool wait_access(void)
{
	double end = clock_ms() + 10000;
	uint8_t b;

	while (clock_ms() < end) {
		if (pread(big_fd, &b, 1, 0) == 1)
			return true;
		usleep(1000);
	}
	return false;
}

static void check_restored(void)
{
	uint64_t wrong = 0;
	uint8_t buf[PAGE];

	check(wait_access(), "access is back without a remount", NULL);
	for (uint64_t p = 0; p < opt.pages; p++)
		wrong += !page_right(opt.seed, BIG, p, map + p * PAGE);
	check(!wrong, "every byte of the held map is back", NULL);
	for (uint64_t i = 1; i <= opt.files; i++)
		wrong += pread(file_fd[i], buf, PAGE, 0) != PAGE ||
			 !page_right(opt.seed, i, 0, buf);
	check(!wrong, "every byte of the held files is back", NULL);
}

/* ---- options ---------------------------------------------------------------------------- */

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "revoke", 1, NULL, 'r' }, { "restore", 1, NULL, 's' }, { "pid", 1, NULL, 'p' },
		{ "errno", 1, NULL, 'e' },  { "mib", 1, NULL, 'm' },	 { "files", 1, NULL, 'f' },
		{ "readers", 1, NULL, 'n' }, { "limit", 1, NULL, 'l' },	 { "keep", 0, NULL, 'k' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'r': opt.revoke = optarg; break;
		case 's': opt.restore = optarg; break;
		case 'p': opt.pid = atoi(optarg); break;
		case 'e': opt.want_errno = errno_of(optarg); break;
		case 'm': opt.pages = strtoull(optarg, NULL, 10) * 256; break;
		case 'f': opt.files = strtoull(optarg, NULL, 10); break;
		case 'n': opt.readers = atoi(optarg); break;
		case 'l': opt.limit = atof(optarg); break;
		case 'k': opt.keep = true; break;
		default: die("see the head of tests/bench/lockout.c");
		}
	}
	if (optind + 1 != argc || !opt.revoke || opt.readers < 1 ||
	    opt.readers > READERS_MAX || !opt.pages)
		die("usage: lockout MNT --revoke CMD …");
	opt.mnt = argv[optind];
	opt.seed = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
}

int main(int argc, char **argv)
{
	double begin, end;

	parse(argc, argv);
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	prepare();
	start_readers();
	if (run_command(opt.revoke, &begin, &end))
		die("the revoke command failed: %s", opt.revoke);
	usleep(2500000);
	stop_readers();
	report_times(begin, end);
	check_locked();
	check_memory();
	if (!opt.restore)
		return failures ? 1 : 0;
	if (run_command(opt.restore, NULL, NULL))
		die("the restore command failed: %s", opt.restore);
	check_restored();
	if (!opt.keep)
		remove_all();
	return failures ? 1 : 0;
}
