/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be asked of an open store, and what it tells of itself.
 */
#include "fs/store/volume.h"

const struct volume_block *store_volume(const struct store *st)
{
	return &st->vol;
}

struct zone *store_root_zone(struct store *st)
{
	return st->zone;
}

bool store_read_only(const struct store *st)
{
	return st->opt.read_only;
}

struct object *store_root(struct store *st)
{
	return st->root;
}

static _Thread_local unsigned int quiet;

void store_event_quiet(bool on)
{
	quiet += on ? 1 : -1;
}

void store_event(struct store *st, enum store_event_kind kind, struct object *o, uint64_t off,
		 uint64_t len, const char *reason)
{
	const struct store_event e = { kind, o, off, len, reason };

	if (quiet && (kind == EVENT_INTEGRITY || kind == EVENT_RECOVERED))
		return;
	if (kind == EVENT_INTEGRITY)
		atomic_fetch_add(&st->integrity_errors, 1);
	if (st->opt.event)
		st->opt.event(st->opt.event_arg, &e);
}

/* In blocks of a chunk, whatever those of the backing filesystem are. */
static fsblkcnt_t in_chunks(fsblkcnt_t n, unsigned long frsize)
{
	return (fsblkcnt_t)((unsigned __int128)n * frsize / CHUNK);
}

int store_statfs(struct store *st, struct statvfs *ret)
{
	struct statvfs v;
	int r = backing_statfs(st->root_fd, &v);

	if (r < 0)
		return r;
	v.f_blocks = in_chunks(v.f_blocks, v.f_frsize);
	v.f_bfree = in_chunks(v.f_bfree, v.f_frsize);
	v.f_bavail = in_chunks(v.f_bavail, v.f_frsize);
	v.f_bsize = v.f_frsize = CHUNK;
	v.f_namemax = NAME_LIMIT;
	*ret = v;
	return 0;
}

void store_stats(struct store *st, struct store_stats *ret)
{
	*ret = (struct store_stats){
		.objects = st->objects,
		.loaded = st->resident,
		.groups = st->groups,
		.open_fds = st->resident,
		.pending_bytes = st->pending,
		.dirty_objects = st->ndirty,
		.bytes_read = st->bytes_read,
		.bytes_written = st->bytes_written,
		.integrity_errors = st->integrity_errors,
	};
}
