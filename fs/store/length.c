/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The length of a backing file, which tells the size to who has no key.  It is
 * set while others write beyond it: loaded.extent keeps that apart, so that no
 * byte just written is cut off.  Long writes to one file take turns here.
 */
#include "fs/store/content.h"

#define LONG (64u << 10) /* bytes, that take longer to write than to wait asleep */

/* A long write has the file's lock in the kernel, and who comes with another one spins for it. */
static int write_in_turn(struct loaded *l, struct iovec *iov, int count, uint64_t place, uint64_t n)
{
	int r;

	if (n < LONG)
		return backing_writev(l->o->fd, iov, count, place);
	pthread_mutex_lock(&l->turn);
	r = backing_writev(l->o->fd, iov, count, place);
	pthread_mutex_unlock(&l->turn);
	return r;
}

static int write_reaching(struct loaded *l, struct iovec *iov, int count, uint64_t place, uint64_t end)
{
	bool beyond = end > l->length;
	int r;

	if (beyond)
		pthread_rwlock_rdlock(&l->extent);
	r = write_in_turn(l, iov, count, place, end - place);
	if (!r)
		length_reaches(l, end);
	if (beyond)
		pthread_rwlock_unlock(&l->extent);
	return r;
}

int place_write(struct loaded *l, const void *p, size_t n, uint64_t place)
{
	struct iovec iov = { (void *)(uintptr_t)p, n };

	return write_reaching(l, &iov, 1, place, place + n);
}

int place_write_new(struct loaded *l, uint32_t g, const void *p, size_t n)
{
	static const uint8_t none[2 * SLOT];
	struct iovec iov[] = { { (void *)(uintptr_t)none, sizeof(none) }, { (void *)(uintptr_t)p, n } };

	return write_reaching(l, iov, ARRAY_SIZE(iov), group_base(g), group_base(g) + sizeof(none) + n);
}

/*
 * The last bytes of an XTS file's length stand for the end within its last
 * chunk.  Nobody has written there yet: a place is only written whole.
 */
static bool only_hint_beyond(struct loaded *l, uint64_t size, uint64_t want)
{
	return loaded_is_xts(l) && l->length > want && l->length < xts_place(chunk_count(size)) + CHUNK;
}

int length_fix(struct loaded *l)
{
	uint64_t size, want;
	int r = 0;

	if (l->h.type != OBJECT_FILE)
		return 0;
	size = loaded_size(l);
	want = backing_length(l->h.suite, size);
	if (l->length == want)
		return 0;
	pthread_rwlock_wrlock(&l->extent);
	if (l->length < want || only_hint_beyond(l, size, want)) {
		r = backing_truncate(l->o->fd, want);
		if (!r)
			l->length = want;
	}
	pthread_rwlock_unlock(&l->extent);
	return r;
}
