/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers of the suite: lines, users, nodes.
 */
#include <ftw.h>
#include <grp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "tests/posix/posix.h"

const struct user ROOT = { "root", 0, 0, 0 };
const struct user ALICE = { "owner", A_UID, A_GID, 0 };
const struct user BOB = { "group", B_UID, A_GID, 0 };
const struct user CAROL = { "supp", 60003, 60104, A_GID };
const struct user DAVE = { "other", 60004, 60105, S_GID };

bool is_root;
size_t n_types;

const struct node_type node_types[] = {
	{ "file", S_IFREG },   { "dir", S_IFDIR },  { "symlink", S_IFLNK }, { "fifo", S_IFIFO },
	{ "socket", S_IFSOCK }, { "char", S_IFCHR }, { "block", S_IFBLK },
};

void say(const char *group, const char *fmt, ...)
{
	va_list ap;

	printf("%s/%s: ", current_area(), group);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void die(const char *what, const char *file, int line)
{
	fflush(stdout);
	fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, strerror(errno));
	exit(2);
}

const char *error_name(int e)
{
	const char *s = e ? strerrorname_np(e) : "ok";

	return e == EOPNOTSUPP ? "EOPNOTSUPP" : s ? s : "unknown";
}

const char *gave(long r)
{
	return error_name(r < 0 ? errno : 0);
}

void become(const struct user *u)
{
	int keep = errno;

	if (!is_root)
		return;
	must(setresuid(0, 0, 0));
	must(setgroups(u->supp ? 1 : 0, &u->supp));
	must(setresgid(u->gid, u->gid, 0));
	must(setresuid(u->uid, u->uid, 0));
	errno = keep;
}

void make_file(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	int fd = must(open(path, O_RDWR | O_CREAT | O_EXCL, 0600));

	if (is_root)
		must(fchown(fd, uid, gid));
	must(fchmod(fd, mode));
	close(fd);
}

void make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	must(mkdir(path, 0700));
	if (is_root)
		must(chown(path, uid, gid));
	must(chmod(path, mode));
}

void make_filled(const char *path, size_t len)
{
	int fd = must(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
	char buf[4096];

	memset(buf, 'x', sizeof(buf));
	for (size_t n; len; len -= n) {
		n = len < sizeof(buf) ? len : sizeof(buf);
		must(write(fd, buf, n));
	}
	close(fd);
}

static int make_socket(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), r;

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(a.sun_path, path);
	r = bind(s, (struct sockaddr *)&a, sizeof(a));
	close(s);
	return r;
}

int make_type(const char *path, mode_t type)
{
	int fd;

	switch (type) {
	case S_IFDIR:
		return mkdir(path, 0755);
	case S_IFLNK:
		return symlink("target", path);
	case S_IFSOCK:
		return make_socket(path);
	case S_IFREG:
		fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd >= 0)
			close(fd);
		return fd < 0 ? -1 : 0;
	default:
		return mknod(path, type | 0644, type == S_IFIFO ? 0 : makedev(1, 3));
	}
}

const char *try_open(const char *path, int flags, mode_t mode)
{
	int fd = open(path, flags, mode);

	if (fd >= 0)
		close(fd);
	return gave(fd);
}

const char *look(const char *path)
{
	static char buf[4][128];
	static int next;
	struct stat st;
	char *s = buf[next++ & 3];

	if (lstat(path, &st) < 0) {
		snprintf(s, sizeof(buf[0]), "%s", gave(-1));
		return s;
	}
	snprintf(s, sizeof(buf[0]), "%06o links %ju uid %u gid %u", st.st_mode,
		 S_ISDIR(st.st_mode) ? 0 : (uintmax_t)st.st_nlink,
		 is_root ? st.st_uid : st.st_uid != getuid(),
		 is_root ? st.st_gid : st.st_gid != getgid());
	return s;
}

mode_t mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? 0 : st.st_mode & 07777;
}

bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st;
	(void)f;
	return flag == FTW_DP ? rmdir(path) : unlink(path);
}

static int open_up(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)f;
	if ((flag == FTW_D || flag == FTW_DNR) && (st->st_mode & 0700) != 0700)
		return chmod(path, 0700);
	return 0;
}

void clear(const char *path)
{
	int keep = errno;

	if (unlink(path) < 0 && rmdir(path) < 0 && errno != ENOENT) {
		nftw(path, open_up, 32, FTW_PHYS);
		nftw(path, remove_one, 32, FTW_PHYS | FTW_DEPTH);
	}
	errno = keep;
}

void tick(void)
{
	usleep(11000);
}
