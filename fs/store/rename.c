/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rename (cmkfs-format(5), Binding): an object learns the tag of its new name,
 * and its header reaches the disk with it, before the name changes; the old tag
 * goes when the new name is durable.  A power cut in between leaves an object
 * that knows both.
 */
#include <errno.h>
#include <stdio.h>

#include "fs/store/entry.h"
#include "fs/store/touched.h"

/* One object on its way from a name to another. */
struct mover {
	const struct place *from, *to;
	const struct stat *sb;
	struct object *o; /* may be NULL: a symlink or special file that is not known */
	struct loaded *l; /* regular files and directories: pinned, with the new tag */
	struct zone *entered; /* the root of another zone is moved */
	uint8_t tag[TAG_LEN];
	bool remade; /* a symlink: made again as TMP beside the new name */
	char tmp[TEMP_LEN + 1];
	struct stat made;
	struct kept *kept; /* of a symlink that is known: its number */
};

static int bind_new_name(struct mover *m)
{
	int r = 0;

	if (m->o->zone != m->to->dir->zone) {
		r = zone_enter_within(m->o->zone, ZONE_NORMAL);
		m->entered = r ? NULL : m->o->zone;
	}
	if (r == 0)
		r = object_pin(m->o, &m->l);
	if (r < 0) {
		m->l = NULL;
		return r;
	}
	settle_moved(m->o, m->l);
	r = place_tag(m->to, m->tag);
	if (r == 0)
		r = place_touch(m->to, m->l);
	if (r == 0)
		r = loaded_drop_late(m->l, m->from->dir->fd);
	if (r == 0)
		r = place_make_durable(m->to, m->l);
	if (r == 0)
		r = loaded_add_tag(m->l, m->tag);
	if (r == 0)
		r = loaded_name(m->l, m->tag);
	m->l->synced_once = false;
	return r;
}

/* What is durable stays so under its new name: a cut must not leave that without a sidecar. */
static int name_durable(const struct mover *m)
{
	return m->l && m->l->g0->pair.dur ? place_sync_sidecar(m->to) : 0;
}

static int mover_prepare(struct mover *m)
{
	struct store *st = m->from->dir->st;
	int r;

	if (S_ISREG(m->sb->st_mode) || S_ISDIR(m->sb->st_mode)) {
		m->o = table_get(st, m->from->dir, m->from->sn.s, m->sb);
		return m->o ? bind_new_name(m) : -ENOMEM;
	}
	m->o = table_find(st, m->sb->st_dev, m->sb->st_ino);
	if (!S_ISLNK(m->sb->st_mode))
		return 0;
	if (m->o)
		m->kept = kept_new(m->from, m->sb);
	r = symlink_remake(m->from, m->sb, m->to, m->tmp, &m->made);
	m->remade = r == 0;
	return r == -EBADMSG ? entry_integrity(st, m->o, "symlink") : r;
}

static void mover_finish(struct mover *m, bool done)
{
	uint8_t old[TAG_LEN];

	if (m->l && !done)
		loaded_drop_tag(m->l, m->tag);
	else if (m->l && !place_tag(m->from, old))
		loaded_drop_tag_late(m->l, old);
	if (m->remade && !done)
		backing_unlink(m->to->dir->fd, m->tmp, 0);
	if (m->o && done) {
		object_set_path(m->o, m->to->dir, m->to->sn.s);
		if (m->remade) {
			table_rekey(m->o, &m->made);
			kept_give(m->o, m->kept);
			m->kept = NULL;
		}
	}
	if (m->l)
		object_unpin(m->o);
	if (m->entered)
		zone_leave(m->entered, ZONE_NORMAL);
	kept_free(m->to->dir->st, m->kept);
	object_put(m->o);
}

/* ---- one name to another ------------------------------------------------------------ */

/*
 * Over an empty directory, which is not empty for the backing filesystem: they
 * change places, so that the new name is never without one.
 */
static int replace_dir(const struct mover *m, struct object *victim)
{
	int fromfd = m->from->dir->fd, tofd = m->to->dir->fd, r;
	const char *from = m->from->sn.s, *to = m->to->sn.s;
	char tmp[TEMP_LEN + 1];

	r = dir_is_empty(victim->st, victim->fd);
	if (r < 0)
		return r;
	r = backing_rename(fromfd, from, tofd, to, RENAME_EXCHANGE);
	if (r == 0) {
		r = dir_remove(fromfd, from);
		if (r < 0)
			backing_rename(fromfd, from, tofd, to, RENAME_EXCHANGE);
		return r;
	}
	if (r != -EINVAL && r != -ENOSYS)
		return r;
	r = temp_name(tmp); /* EXCHANGE is not known there */
	if (r == 0)
		r = backing_rename(tofd, to, tofd, tmp, 0);
	if (r < 0)
		return r;
	r = backing_rename(fromfd, from, tofd, to, 0);
	if (r < 0)
		backing_rename(tofd, tmp, tofd, to, 0);
	else
		dir_remove(tofd, tmp);
	return r;
}

static int move(const struct mover *m, const struct stat *dst, struct object *victim)
{
	int fromfd = m->from->dir->fd, tofd = m->to->dir->fd;
	const char *source = m->from->sn.s, *to = m->to->sn.s;
	int r;

	if (dst && S_ISDIR(dst->st_mode))
		return victim ? replace_dir(m, victim) : -EIO;
	if (m->remade) {
		fromfd = tofd;
		source = m->tmp;
	}
	r = dst ? backing_rename(fromfd, source, tofd, to, 0) :
		  rename_new(fromfd, source, tofd, to);
	if (r < 0 || !m->remade)
		return r;
	r = backing_unlink(m->from->dir->fd, m->from->sn.s, 0);
	if (r < 0 && !dst)
		backing_unlink(tofd, to, 0);
	return r;
}

static int rename_one(const struct place *from, const struct place *to, const struct stat *sb,
		      const struct stat *dst)
{
	struct mover m = { .from = from, .to = to, .sb = sb };
	struct gone g = { 0 };
	bool sidecar = false;
	int r;

	if (dst && S_ISDIR(sb->st_mode) != S_ISDIR(dst->st_mode))
		return S_ISDIR(dst->st_mode) ? -EISDIR : -ENOTDIR;
	r = mover_prepare(&m);
	if (r == 0)
		r = place_make_sidecar(to, &sidecar);
	if (r == 0)
		r = name_durable(&m);
	if (r == 0 && dst)
		r = gone_prepare(to, dst, &g);
	if (r == 0)
		r = move(&m, dst, g.pinned ? g.o : NULL);
	mover_finish(&m, r == 0);
	if (dst)
		gone_finish(to, dst, &g, r == 0);
	if (r == 0)
		place_remove_sidecar(from);
	else if (sidecar)
		place_remove_sidecar(to);
	return r;
}

/* ---- exchange ------------------------------------------------------------------------- */

static int rename_exchange(const struct place *from, const struct place *to, const struct stat *sb,
			   const struct stat *dst)
{
	struct mover a = { .from = from, .to = to, .sb = sb };
	struct mover b = { .from = to, .to = from, .sb = dst };
	bool done;
	int r = mover_prepare(&a);

	if (r == 0)
		r = mover_prepare(&b);
	if (r == 0)
		r = name_durable(&a);
	if (r == 0)
		r = name_durable(&b);
	if (r == 0)
		r = backing_rename(from->dir->fd, from->sn.s, to->dir->fd, to->sn.s,
				   RENAME_EXCHANGE);
	done = r == 0;
	/* Symlinks last: meanwhile they stand there sealed for the other name, and nothing is lost. */
	if (done && a.remade)
		r = backing_rename(to->dir->fd, a.tmp, to->dir->fd, to->sn.s, 0);
	if (done && b.remade && r == 0)
		r = backing_rename(from->dir->fd, b.tmp, from->dir->fd, from->sn.s, 0);
	mover_finish(&a, done);
	mover_finish(&b, done);
	return r;
}

/* ---- the call --------------------------------------------------------------------------- */

static bool same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* The directories are locked, VICTIM too.  -EAGAIN: another directory lies at TO by now. */
static int rename_locked(const struct place *from, const struct place *to, unsigned int flags,
			 const struct object *victim)
{
	struct stat sb, dst;
	bool exists;
	int r = place_stat(from, &sb);

	if (r < 0)
		return r;
	r = place_stat(to, &dst);
	if (r < 0 && r != -ENOENT)
		return r;
	exists = r == 0;
	if (exists && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (!exists && (flags & RENAME_EXCHANGE))
		return -ENOENT;
	if (exists && same_inode(&sb, &dst))
		return 0; /* two links of one file, or one name */
	if (flags & RENAME_EXCHANGE)
		return rename_exchange(from, to, &sb, &dst);
	if (exists && victim && victim->zone != to->dir->zone)
		return -EBUSY; /* a zone is destroyed, not replaced */
	if (exists && S_ISDIR(dst.st_mode) &&
	    (!victim || victim->ino != dst.st_ino || victim->dev != dst.st_dev))
		return -EAGAIN;
	return rename_one(from, to, &sb, exists ? &dst : NULL);
}

/* A directory that is to be replaced, for its lock; NULL: there is none. */
static int find_victim(const struct place *to, struct object **ret)
{
	struct stat sb;
	int r;

	*ret = NULL;
	pthread_rwlock_rdlock(&to->dir->ns);
	r = place_stat(to, &sb);
	if (r == 0 && S_ISDIR(sb.st_mode)) {
		*ret = table_get(to->dir->st, to->dir, to->sn.s, &sb);
		r = *ret ? 0 : -ENOMEM;
	}
	pthread_rwlock_unlock(&to->dir->ns);
	return r == -ENOENT ? 0 : r;
}

static int rename_once(const struct place *from, const struct place *to, unsigned int flags)
{
	struct object *dirs[3] = { from->dir, to->dir };
	int r = find_victim(to, &dirs[2]);

	if (r < 0)
		return r;
	r = ns_lock(dirs, 3);
	if (r == 0) {
		r = rename_locked(from, to, flags, dirs[2]);
		ns_unlock(dirs, 3);
	}
	object_put(dirs[2]);
	return r;
}

int object_rename(struct object *dir, const char *name, struct object *newdir, const char *newname,
		  unsigned int flags)
{
	struct place from, to;
	unsigned int phase;
	int r;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if (dir->zone != newdir->zone)
		return -EXDEV;
	r = place_open(dir, name, true, &from);
	if (r < 0)
		return r == -EINVAL ? -ENOENT : r;
	r = place_open(newdir, newname, true, &to);
	if (r < 0)
		goto out;
	phase = move_begin(dir->st);
	do
		r = taking_crossed(dir, newdir) ? -EXDEV : rename_once(&from, &to, flags);
	while (r == -EAGAIN);
	move_end(dir->st, phase);
	place_close(&to);
out:
	place_close(&from);
	return r;
}
