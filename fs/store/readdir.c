/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing a directory.  Cookies are those of the backing filesystem, so they
 * are as stable as its own.  The place where the last listing stopped is kept,
 * with what it had read ahead, until a name in the directory changes.
 */
#include <errno.h>

#include "fs/store/entry.h"

#define STREAM_BUF 32768
#define STREAMS_MAX 64u
#define STALE_MS 1000 /* read ahead for longer is read again: others may write a read-only store */

struct dirstream {
	struct store *st;
	int fd;
	int64_t off;	      /* cookie of the entry at POS */
	unsigned int changes; /* of the directory, when the buffer was read */
	uint64_t read_at;     /* ms */
	size_t pos, end;
	_Alignas(struct dirent64) char buf[STREAM_BUF];
};

void dirstream_free(struct dirstream *s)
{
	if (!s)
		return;
	atomic_fetch_sub(&s->st->streams, 1);
	close(s->fd);
	free(s);
}

static int stream_new(struct object *dir, struct dirstream **ret)
{
	struct dirstream *s = malloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->fd = backing_reopen_dir(dir->fd);
	if (s->fd < 0) {
		int r = s->fd;

		free(s);
		return r;
	}
	s->st = dir->st;
	atomic_fetch_add(&s->st->streams, 1);
	s->off = 0;
	s->pos = s->end = 0;
	*ret = s;
	return 0;
}

/* Another mount may have removed it: then some filesystems know no place in it any more. */
static int seek_stream(struct object *dir, int fd, int64_t off)
{
	struct stat sb;
	int r = backing_seekdir(fd, off);

	return r == -EINVAL && !backing_fstat(dir->fd, &sb) && !sb.st_nlink ? -ENOENT : r;
}

/* The directory's own stream, or a new one, at OFF. */
static int stream_take(struct object *dir, int64_t off, struct dirstream **ret)
{
	struct dirstream *s = atomic_exchange(&dir->stream, NULL);
	bool fresh = s && off && s->off == off && s->pos < s->end && s->changes == dir->changes &&
		     now_ms() - s->read_at < STALE_MS;
	int r = 0;

	if (!s)
		r = stream_new(dir, &s);
	if (r == 0 && !fresh) {
		s->pos = s->end = 0;
		s->off = off;
		r = seek_stream(dir, s->fd, off);
		if (r < 0)
			dirstream_free(s);
	}
	if (r == 0)
		*ret = s;
	return r;
}

static int stream_fill(struct object *dir, struct dirstream *s)
{
	ssize_t n;

	s->changes = dir->changes;
	s->read_at = now_ms();
	n = backing_getdents(s->fd, s->buf, sizeof(s->buf));
	if (n < 0)
		return (int)n;
	s->pos = 0;
	s->end = (size_t)n;
	return 0;
}

struct listing {
	struct object *dir;
	struct loaded *dl;
	dir_emit_fn *emit;
	void *arg;
};

static unsigned char type_of(const struct listing *l, const struct dirent64 *d)
{
	struct stat sb;

	if (d->d_type != DT_UNKNOWN)
		return d->d_type;
	return backing_stat(l->dir->fd, d->d_name, &sb) ? DT_UNKNOWN : IFTODT(sb.st_mode);
}

/* A symlink that a rename made again has the number that it had. */
static ino_t listed_ino(const struct listing *l, const struct dirent64 *d)
{
	struct store *st = l->dir->st;
	ino_t ino = d->d_ino;
	struct object *o;

	if (d->d_type != DT_LNK || !st->kept)
		return ino;
	o = table_find(st, l->dir->dev, ino);
	if (o)
		ino = shown_ino(o, ino);
	object_put(o);
	return ino;
}

/* False: the listener wants no more, D has not been taken. */
static bool list_one(const struct listing *l, const struct dirent64 *d)
{
	struct dir_entry e = { .d_type = DT_DIR, .next_off = d->d_off };
	char name[NAME_LIMIT + 1];
	int r;

	if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..")) {
		e.name = d->d_name;
		e.n = strlen(d->d_name);
		/* The parent of tree/ is nobody's. */
		e.ino = e.n == 1 || l->dir == l->dir->st->root ? l->dir->ino : d->d_ino;
		return l->emit(l->arg, &e);
	}
	switch (entry_kind(l->dir->st, d->d_name)) {
	case STORED_NAME:
	case STORED_LONG:
		break;
	default:
		return true;
	}
	r = entry_plain_name(l->dir, l->dl, d->d_name, name, &e.n);
	if (r < 0) {
		store_event(l->dir->st, EVENT_NAME, l->dir, 0, 0, "stored name");
		return true;
	}
	name[e.n] = 0;
	e.name = name;
	e.stored = d->d_name;
	e.ino = listed_ino(l, d);
	e.d_type = type_of(l, d);
	return l->emit(l->arg, &e);
}

/* *RET_END: all has been listed. */
static int list(const struct listing *l, struct dirstream *s, bool *ret_end)
{
	int r;

	for (;;) {
		const struct dirent64 *d = (const struct dirent64 *)(s->buf + s->pos);

		if (s->pos == s->end) {
			r = stream_fill(l->dir, s);
			*ret_end = r == 0 && s->end == 0;
			if (r < 0 || s->end == 0)
				return r;
			continue;
		}
		if (!list_one(l, d))
			return 0;
		s->off = d->d_off;
		s->pos += d->d_reclen;
	}
}

int object_readdir(struct object *dir, int64_t off, dir_emit_fn *emit, void *arg)
{
	struct listing l = { .dir = dir, .emit = emit, .arg = arg };
	struct dirstream *s;
	bool end = false;
	int r;

	if (!S_ISDIR(dir->type))
		return -ENOTDIR;
	if (dir_is_removed(dir))
		return -ENOENT;
	r = object_pin(dir, &l.dl);
	if (r < 0)
		return r;
	r = stream_take(dir, off, &s);
	if (r == 0) {
		r = list(&l, s, &end);
		if (r < 0 || end || dir->st->streams > STREAMS_MAX)
			dirstream_free(s);
		else
			dirstream_free(atomic_exchange(&dir->stream, s));
	}
	object_unpin(dir);
	return r;
}
