/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two directories, made and removed.
 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ARGS_MAX 8
#define FDS 16 /* that a walk may hold */

extern char **environ;

static int fail(struct place *p, int r, const char *what)
{
	if (!p->why[0])
		snprintf(p->why, sizeof(p->why), "%.180s: %s", what, strerror(-r));
	return r;
}

/* ---- this program, run anew -------------------------------------------------------- */

/* WORD "=" P->top "/" NAME in the environment of what we start. */
static int set_path(const struct place *p, const char *word, const char *name)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/%s", p->top, name);
	return setenv(word, path, 1) ? -errno : 0;
}

/* Wait for PID: 0 if it has ended well. */
static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* cmkfs with the words up to NULL; what it has to say goes to standard error. */
static int run_self(struct place *p, ...)
{
	char *argv[ARGS_MAX] = { "cmkfs" };
	posix_spawn_file_actions_t files;
	int n = 1, r;
	va_list ap;
	pid_t pid;

	va_start(ap, p);
	while (n < ARGS_MAX - 1 && (argv[n] = va_arg(ap, char *)))
		n++;
	va_end(ap);
	argv[n] = NULL;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	r = -posix_spawn(&pid, "/proc/self/exe", &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (!r)
		r = reap(pid);
	if (r) {
		snprintf(p->why, sizeof(p->why), "cmkfs %s failed", argv[1]);
		return -EIO;
	}
	return 0;
}

static int mount_volume(struct place *p)
{
	char store[PATH_MAX], mnt[PATH_MAX];
	int r;

	snprintf(store, sizeof(store), "%.4000s/store", p->top);
	place_path(p, true, "", mnt);
	r = run_self(p, "mount", store, mnt, p->mount_options ? "-o" : NULL, p->mount_options,
		     NULL);
	p->mounted = !r;
	return r;
}

static int umount_volume(struct place *p)
{
	char mnt[PATH_MAX];
	int r;

	if (!p->mounted)
		return 0;
	place_path(p, true, "", mnt);
	r = run_self(p, "umount", mnt, NULL);
	p->mounted = r;
	return r;
}

/* ---- the folder ------------------------------------------------------------------- */

void place_path(const struct place *p, bool encrypted, const char *name, char ret[static PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%.4000s/%s%s%s", p->top, encrypted ? "mnt" : "plain",
		 *name ? "/" : "", name);
}

static int make_dirs(struct place *p)
{
	static const char *const names[] = { "plain", "store", "mnt", "state" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%.4000s/%s", p->top, names[i]);
		if (mkdir(path, 0700))
			return fail(p, -errno, path);
	}
	return 0;
}

int place_make(struct place *p, const char *dir, const char *cipher, const char *mount_options)
{
	char *real = realpath(dir, NULL), store[PATH_MAX];
	int r;

	*p = (struct place){ .mount_options = mount_options };
	if (!real)
		return fail(p, -errno, dir);
	snprintf(p->top, sizeof(p->top), "%.3900s/.cmkfs-benchmark.XXXXXX", real);
	free(real);
	if (!mkdtemp(p->top)) {
		r = fail(p, -errno, dir);
		p->top[0] = 0;
		return r;
	}
	r = make_dirs(p);
	if (!r)
		r = set_path(p, "CMKFS_STATE_DIR", "state");
	if (!r)
		r = setenv("CMKFS_CONFIG", "/dev/null", 1) ? -errno : 0;
	snprintf(store, sizeof(store), "%.4000s/store", p->top);
	if (!r)
		r = run_self(p, "init", "--cipher", cipher, store, NULL);
	return r ? r : mount_volume(p);
}

static int remove_path(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

void place_remove(struct place *p)
{
	if (!p->top[0] || umount_volume(p))
		return;
	nftw(p->top, remove_path, FDS, FTW_PHYS | FTW_DEPTH);
	p->top[0] = 0;
}

/* ---- cold -------------------------------------------------------------------------- */

static int drop_path(const char *path, const struct stat *st, int type, struct FTW *at)
{
	_cleanup_close_ int fd = -1;

	(void)st;
	(void)at;
	if (type == FTW_F)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

int place_cold(struct place *p)
{
	int r = umount_volume(p);

	if (r)
		return r;
	sync(); /* only clean pages go */
	if (nftw(p->top, drop_path, FDS, FTW_PHYS))
		return fail(p, -EIO, p->top);
	return mount_volume(p);
}
