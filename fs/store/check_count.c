/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a check counts: each inode once, and how much there is to be read.
 */
#include <errno.h>

#include "fs/store/check_internal.h"
#include "fs/store/volume.h"

/* ---- inodes of several names --------------------------------------------------------- */

struct check_links {
	size_t cap, n;
	ino_t t[]; /* open hash; 0: free */
};

static struct check_links *links_new(size_t cap)
{
	struct check_links *l = calloc(1, sizeof(*l) + cap * sizeof(l->t[0]));

	if (l)
		l->cap = cap;
	return l;
}

/* Whether INO was not there. */
static bool links_add(struct check_links *l, ino_t ino)
{
	size_t i = (size_t)(ino * UINT64_C(0x9E3779B97F4A7C15) >> 20);

	for (;; i++) {
		ino_t *at = &l->t[i & (l->cap - 1)];

		if (*at == ino)
			return false;
		if (!*at) {
			*at = ino;
			l->n++;
			return true;
		}
	}
}

int check_first_link(struct check *c, const struct stat *sb)
{
	struct check_links *l = c->links, *more;

	if (!l || 2 * (l->n + 1) > l->cap) {
		more = links_new(l ? 2 * l->cap : 64);
		if (!more)
			return -ENOMEM;
		for (size_t i = 0; l && i < l->cap; i++)
			if (l->t[i])
				links_add(more, l->t[i]);
		free(l);
		c->links = l = more;
	}
	return links_add(l, sb->st_ino);
}

/* ---- how much there is ---------------------------------------------------------------------- */

struct estimate {
	int dirfd;
	unsigned int depth;
	uint64_t sum;
};

static int estimate_entry(void *arg, const struct dirent64 *d)
{
	struct estimate *e = arg;
	_cleanup_close_ int sub = -1;
	struct stat sb;

	if (backing_stat(e->dirfd, d->d_name, &sb))
		return 0;
	if (S_ISREG(sb.st_mode))
		e->sum += (uint64_t)MIN(sb.st_blocks * 512, sb.st_size);
	if (!S_ISDIR(sb.st_mode) || !e->depth)
		return 0;
	sub = backing_open(e->dirfd, d->d_name, O_RDONLY | O_DIRECTORY, 0);
	if (sub >= 0) {
		struct estimate below = { sub, e->depth - 1, 0 };

		backing_each(sub, estimate_entry, &below);
		e->sum += below.sum;
	}
	return 0;
}

uint64_t check_estimate(struct store *st)
{
	_cleanup_close_ int tree = backing_open(st->root_fd, TREE, O_RDONLY | O_DIRECTORY, 0);

	struct estimate e = { tree, 64, 0 };

	if (tree >= 0)
		backing_each(tree, estimate_entry, &e);
	return e.sum;
}
