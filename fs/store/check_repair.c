/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is certain enough to be mended.  Nothing here removes what a name in
 * the volume leads to, or what may hold data.
 */
#include <errno.h>
#include <stdio.h>

#include "fs/store/check_internal.h"
#include "fs/store/volume.h"

static const struct check_range whole = { 0, 0 };

int repair_sessions(struct check *c)
{
	static const _Atomic bool never;
	const struct check_path p = { (char *)(uintptr_t)SESSION_FILE, NULL };
	unsigned int n = session_nunclean(c->st);
	char detail[80];
	int r;

	if (!n)
		return 0;
	r = store_settle(c->st, c->opt->stop ? c->opt->stop : &never);
	if (r == -EINTR || r == -ENOMEM)
		return r;
	if (r) {
		snprintf(detail, sizeof(detail), "%u could not be settled: %s", n, strerror(-r));
		check_report(c, CHECK_UNCLEAN, &p, whole, detail);
		return 0;
	}
	snprintf(detail, sizeof(detail), "%u did not end: settled", n);
	check_mended(c, CHECK_UNCLEAN, &p, detail);
	return 0;
}

void repair_length(struct check *c, struct object *o, const struct check_path *p)
{
	struct loaded *l;
	struct stat sb;
	bool right;
	int r = object_pin(o, &l); /* which corrects it */

	if (r) {
		check_report(c, CHECK_LENGTH, p, whole, strerror(-r));
		return;
	}
	right = !backing_fstat(o->fd, &sb) &&
		(uint64_t)sb.st_size == backing_length(l->h.suite, loaded_size(l));
	object_unpin(o);
	if (right)
		check_mended(c, CHECK_LENGTH, p, NULL);
	else
		check_report(c, CHECK_LENGTH, p, whole, "it could not be corrected");
}

static void drop_tags(struct loaded *l)
{
	for (unsigned int n = l->h.ntags; n--;) {
		uint8_t old[TAG_LEN];

		memcpy(old, l->h.tags[0], TAG_LEN);
		loaded_drop_tag(l, old);
	}
}

void repair_binding(struct check *c, struct object *o, const struct check_path *p,
		    const uint8_t tag[static TAG_LEN])
{
	struct loaded *l;
	struct stat sb;
	int r = object_pin(o, &l);

	if (!r) {
		/* The only name it has: what else it was bound to is no name of it any more. */
		if (S_ISDIR(o->type) || (!backing_fstat(o->fd, &sb) && sb.st_nlink == 1))
			drop_tags(l);
		r = loaded_add_tag(l, tag);
		if (!r)
			r = loaded_commit_tags(l);
		object_unpin(o);
	}
	if (r)
		check_report(c, CHECK_BINDING, p, whole, strerror(-r));
	else
		check_mended(c, CHECK_BINDING, p, "it has the name that it lies under");
}

void repair_sidecar(struct check *c, struct object *dir, const char *stored,
		    const struct check_path *p)
{
	int r = object_pin_fd(dir);

	if (!r) {
		r = backing_unlink(dir->fd, stored, 0);
		object_unpin(dir);
	}
	if (r)
		check_report(c, CHECK_SIDECAR_ORPHAN, p, whole, strerror(-r));
	else
		check_mended(c, CHECK_SIDECAR_ORPHAN, p, "removed");
}

/* ---- temporary objects ------------------------------------------------------------- */

/* A file that holds nothing: no bytes but zeros where a header would be, and none after. */
static bool file_is_blank(int dirfd, const char *name)
{
	_cleanup_close_ int fd = backing_open(dirfd, name, O_RDONLY | O_NONBLOCK, 0);
	uint8_t block[2 * SLOT];
	ssize_t n = fd < 0 ? -1 : backing_read(fd, block, sizeof(block), 0);

	if (n < 0)
		return false;
	for (ssize_t i = 0; i < n; i++)
		if (block[i])
			return false;
	return n < (ssize_t)sizeof(block) || backing_seek(fd, sizeof(block), SEEK_DATA) == -ENXIO;
}

static bool only_header(void *arg, const char *name)
{
	(void)arg;
	return !strcmp(name, ".D");
}

static int remove_dir(int dirfd, const char *name)
{
	_cleanup_close_ int fd = backing_open(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	int r = fd < 0 ? fd : backing_dir_empty(fd, only_header, NULL);

	if (!r)
		r = backing_unlink(fd, ".D", 0);
	if (!r || r == -ENOENT)
		r = backing_unlink(dirfd, name, AT_REMOVEDIR);
	return r;
}

static int remove_temporary(int dirfd, const char *name)
{
	struct stat sb;
	int r = backing_stat(dirfd, name, &sb);

	if (r)
		return r;
	if (S_ISDIR(sb.st_mode))
		return remove_dir(dirfd, name);
	if (S_ISREG(sb.st_mode) && sb.st_nlink == 1 && file_is_blank(dirfd, name))
		return backing_unlink(dirfd, name, 0);
	return -ENOTEMPTY;
}

void repair_temporary(struct check *c, struct object *dir, const char *stored,
		      const struct check_path *p)
{
	int r = object_pin_fd(dir);

	if (!r) {
		r = remove_temporary(dir->fd, stored);
		object_unpin(dir);
	}
	if (!r)
		check_mended(c, CHECK_TEMPORARY, p, "removed");
	else
		check_report(c, CHECK_TEMPORARY, p, whole,
			     r == -ENOTEMPTY ? "it holds something, and is left alone" : strerror(-r));
}
