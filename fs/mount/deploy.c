/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What deployments let in while their zone is locked.
 */
#include <errno.h>
#include <linux/fuse.h>

#include "fs/mount/deploy_priv.h"

int deploys_new(struct deploys **ret)
{
	struct deploys *d = calloc(1, sizeof(*d));
	pthread_rwlockattr_t attr;

	if (!d)
		return -ENOMEM;
	/* Who deletes one must not wait for ever while readers come and go. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&d->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&d->making, NULL);
	*ret = d;
	return 0;
}

void deploys_free(struct deploys *d)
{
	if (!d)
		return;
	pthread_rwlock_destroy(&d->lock);
	pthread_mutex_destroy(&d->making);
	free(d);
}

/* ---- the gate ------------------------------------------------------------------------- */

enum asks { ASKS_ATTRS, ASKS_READ, ASKS_CHANGE };

static enum asks asks(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_GETATTR:
	case FUSE_GETXATTR: /* of the directories on the way only what needs no key (ops_xattr.c) */
	case FUSE_STATFS:
		return ASKS_ATTRS;
	case FUSE_READLINK:
	case FUSE_OPEN:
	case FUSE_READ:
	case FUSE_OPENDIR:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_LISTXATTR:
	case FUSE_LSEEK:
		return ASKS_READ;
	default:
		return ASKS_CHANGE;
	}
}

/* lock is held.  NULL: no part of any. */
static const struct deploy_node *find(const struct deploys *d, const struct object *o)
{
	const struct deploy_node *found = NULL;

	for (const struct deployment *i = d->first; i; i = i->next) {
		const struct deploy_node *n = deployment_node(i, o);

		if (n && !n->way)
			return n;
		found = n ? n : found;
	}
	return found;
}

static int admit(struct deploys *d, const struct object *o, int r)
{
	const struct deploy_node *n = find(d, o);
	enum asks what = asks(this_request.opcode);

	/* Access that cannot be recorded, where it must be, is none. */
	if (!n || atomic_load(&d->held) || (n->way && what != ASKS_ATTRS))
		return r;
	this_request.way = n->way;
	return what == ASKS_CHANGE ? -EROFS : 0;
}

int deploy_gate(struct mount *m, struct inode *i, int r)
{
	struct deploys *d = m->deploys;

	if (!d || !atomic_load(&d->n))
		return r;
	pthread_rwlock_rdlock(&d->lock);
	r = admit(d, i->object, r);
	if (r) {
		pthread_rwlock_unlock(&d->lock);
		return r;
	}
	this_request.deploys = d;
	/* The zone's gate has counted it. */
	atomic_fetch_sub_explicit(&zone_counts(object_zone(i->object))->refused, 1,
				  memory_order_relaxed);
	return 0;
}

void deploy_leave(struct deploys *d)
{
	this_request.deploys = NULL;
	pthread_rwlock_unlock(&d->lock);
}

bool deploy_knows(struct mount *m, const struct object *o)
{
	struct deploys *d = m->deploys;
	bool r;

	if (!d || !atomic_load(&d->n))
		return false;
	pthread_rwlock_rdlock(&d->lock);
	r = find(d, o);
	pthread_rwlock_unlock(&d->lock);
	return r;
}

/* ---- names ------------------------------------------------------------------------------- */

static int lookup_in(struct object *dir, const struct deploy_node *n, const struct deploy_node *child,
		     const char *name, struct stat *st)
{
	int r;

	if (n->way)
		return child ? object_getattr(child->o, st) : -EAGAIN;
	r = deployed_stat(dir, name, child ? child->o : NULL, st);
	return r == -ESTALE ? -EAGAIN : r;
}

int deploy_lookup(struct mount *m, struct object *dir, const char *name, struct object **ret,
		  struct stat *ret_st)
{
	int r = -EAGAIN;

	for (const struct deployment *i = m->deploys->first; i && r == -EAGAIN; i = i->next) {
		const struct deploy_node *n = deployment_node(i, dir);
		const struct deploy_node *child = n ? deployment_child(i, n, name) : NULL;

		r = n ? lookup_in(dir, n, child, name, ret_st) : r;
		if (!r)
			*ret = object_get(child->o);
	}
	/* What is there, but no part of it, is locked. */
	return r == -EAGAIN ? -(zone_errno(object_zone(dir)) ?: ENOKEY) : r;
}

/* The deployment that has DIR as a part, and its node there. */
static const struct deployment *part_of(const struct deploys *d, const struct object *dir,
					const struct deploy_node **ret)
{
	for (const struct deployment *i = d->first; i; i = i->next) {
		*ret = deployment_node(i, dir);
		if (*ret && !(*ret)->way)
			return i;
	}
	return NULL;
}

/* Cookies: 1 and 2 come after the dots, then one more with each name. */
int deploy_readdir(struct mount *m, struct object *dir, int64_t off, dir_emit_fn *emit, void *arg)
{
	const struct deploy_node *n;
	const struct deployment *d = part_of(m->deploys, dir, &n);
	struct dir_entry dot = { .name = ".", .n = 1, .d_type = DT_DIR, .next_off = 1 };
	struct dir_entry up = { .name = "..", .n = 2, .d_type = DT_DIR, .next_off = 2 };
	struct stat st;

	if (!d)
		return -(zone_errno(object_zone(dir)) ?: ENOKEY);
	dot.ino = up.ino = object_ino(dir);
	if ((off < 1 && !emit(arg, &dot)) || (off < 2 && !emit(arg, &up)))
		return 0;
	for (uint32_t i = (uint32_t)MAX(off - 2, 0); i < n->n; i++) {
		const struct deploy_node *c = &d->v[n->first + i];

		if (deployed_stat(dir, c->name, c->o, &st))
			continue; /* it went, or another took its place */
		struct dir_entry e = {
			.name = c->name, .n = strlen(c->name), .ino = object_ino(c->o),
			.d_type = (unsigned char)IFTODT(object_type(c->o)), .next_off = i + 3,
		};

		if (!emit(arg, &e))
			return 0;
	}
	return 0;
}
