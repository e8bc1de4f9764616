/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hard links, and names that go: what becomes of their objects.
 */
#include <errno.h>

#include "fs/store/entry.h"
#include "fs/store/touched.h"

/* ---- link ---------------------------------------------------------------------------- */

/* The tag first, and durable: a file with a link that it does not know would not open. */
static int link_file(struct object *o, const struct place *p)
{
	uint8_t tag[TAG_LEN];
	struct loaded *l;
	struct stat sb;
	int r = object_pin(o, &l);

	if (r < 0)
		return r;
	settle_moved(o, l);
	r = place_tag(p, tag);
	if (r == 0)
		r = place_touch(p, l);
	if (r == 0)
		r = place_make_durable(p, l);
	if (r == 0)
		r = loaded_add_tag(l, tag);
	if (r < 0)
		goto out;
	r = loaded_name(l, tag);
	l->links_noted = l->touch && !backing_fstat(o->fd, &sb) && sb.st_nlink == 1;
	if (r == 0)
		r = backing_link(o->fd, NULL, p->dir->fd, p->sn.s);
	if (r < 0)
		loaded_drop_tag(l, tag);
out:
	object_unpin(o);
	return r;
}

/* A FIFO, socket or device has no header: nothing but its name. */
static int link_special(struct object *o, const struct place *p)
{
	int fd = object_attr_fd(o), r;

	if (fd < 0)
		return fd;
	r = backing_link(fd, NULL, p->dir->fd, p->sn.s);
	close(fd);
	return r;
}

static int link_locked(struct object *o, const struct place *p, struct stat *ret_st)
{
	bool sidecar, lost;
	int r = place_stat(p, ret_st);

	if (r != -ENOENT)
		return r ? r : -EEXIST;
	r = place_make_sidecar(p, &sidecar);
	if (r < 0)
		return r;
	r = S_ISREG(o->type) ? link_file(o, p) : link_special(o, p);
	if (r < 0) {
		if (sidecar)
			place_remove_sidecar(p);
		return r;
	}
	pthread_mutex_lock(&o->lock);
	lost = o->unlinked;
	pthread_mutex_unlock(&o->lock);
	if (lost)
		object_set_path(o, p->dir, p->sn.s);
	return object_getattr(o, ret_st);
}

int object_link(struct object *o, struct object *dir, const char *name, struct stat *ret_st)
{
	unsigned int phase;
	struct place p;
	int r;

	if (S_ISLNK(o->type) || S_ISDIR(o->type))
		return -EPERM;
	if (o->zone != dir->zone)
		return -EXDEV;
	r = place_open(dir, name, true, &p);
	if (r < 0)
		return r;
	phase = move_begin(dir->st);
	r = taking_crossed(o, dir) ? -EXDEV : ns_lock(&dir, 1);
	if (r == 0) {
		r = link_locked(o, &p, ret_st);
		ns_unlock(&dir, 1);
	}
	move_end(dir->st, phase);
	place_close(&p);
	return r;
}

/* ---- names that go --------------------------------------------------------------------- */

/* What has no header keeps an O_PATH descriptor, for the attributes. */
static void keep_path(struct object *o, const struct place *p)
{
	int fd;

	pthread_mutex_lock(&o->lock);
	if (o->fd < 0) {
		fd = backing_open(p->dir->fd, p->sn.s, O_PATH | O_NOFOLLOW, 0);
		o->fd = MAX(fd, -1);
	}
	pthread_mutex_unlock(&o->lock);
}

int gone_prepare(const struct place *p, const struct stat *sb, struct gone *ret)
{
	bool links = S_ISREG(sb->st_mode) && sb->st_nlink > 1;

	*ret = (struct gone){ .o = table_find(p->dir->st, sb->st_dev, sb->st_ino) };
	if (!ret->o)
		return links ? place_untouch(p, NULL, sb->st_nlink) : 0;
	if (!S_ISREG(ret->o->type) && !S_ISDIR(ret->o->type)) {
		keep_path(ret->o, p);
		return 0;
	}
	/* The header is needed only to drop a tag; an object without a valid one can go too. */
	if (links)
		ret->pinned = !object_pin(ret->o, &ret->l);
	if (!ret->pinned)
		ret->pinned = !object_pin_fd(ret->o);
	if (ret->l)
		settle_moved(ret->o, ret->l);
	return links ? place_untouch(p, ret->l, sb->st_nlink) : 0;
}

void gone_finish(const struct place *p, const struct stat *sb, struct gone *g, bool done)
{
	bool last = S_ISDIR(sb->st_mode) || sb->st_nlink <= 1;
	uint8_t tag[TAG_LEN];

	if (!g->o)
		return;
	if (done && last)
		p->dir->st->removed_at = now_ms();
	if (done && (last || object_path_is(g->o, p->dir, p->sn.s)))
		object_set_path(g->o, NULL, NULL);
	if (done && !last && g->l && !place_tag(p, tag))
		loaded_drop_tag(g->l, tag);
	if (g->pinned)
		object_unpin(g->o);
	object_put(g->o);
}

static int unlink_locked(const struct place *p, const struct object *only)
{
	struct gone g;
	struct stat sb;
	int r = place_stat(p, &sb);

	if (r < 0)
		return r;
	if (S_ISDIR(sb.st_mode))
		return -EISDIR;
	if (only && (sb.st_ino != only->ino || sb.st_dev != only->dev))
		return -ENOENT;
	r = gone_prepare(p, &sb, &g);
	if (r == 0)
		r = backing_unlink(p->dir->fd, p->sn.s, 0);
	gone_finish(p, &sb, &g, r == 0);
	if (r == 0)
		place_remove_sidecar(p);
	return r;
}

int object_unlink(struct object *dir, const char *name)
{
	return object_unlink_only(dir, name, NULL);
}

int object_unlink_only(struct object *dir, const char *name, const struct object *only)
{
	unsigned int phase;
	struct place p;
	int r = place_open(dir, name, true, &p);

	if (r < 0)
		return r == -EINVAL ? -ENOENT : r;
	phase = move_begin(dir->st);
	r = ns_lock(&dir, 1);
	if (r == 0) {
		r = unlink_locked(&p, only);
		ns_unlock(&dir, 1);
	}
	move_end(dir->st, phase);
	place_close(&p);
	return r;
}
