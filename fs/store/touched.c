/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping the record of what this session touches.  A note is one write of a
 * unit into space that is there already, so that bringing it to the disk needs
 * no commit of the backing filesystem's journal.
 */
#include "fs/store/touched_record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "crypto/mac.h"
#include "crypto/secret.h"

#define SYNC_AGE_MS 1000

/* ---- the bytes ---------------------------------------------------------------------- */

void touched_name(uint64_t session, char ret[static TOUCHED_NAME_MAX])
{
	snprintf(ret, TOUCHED_NAME_MAX, TOUCHED_PREFIX "%016" PRIx64, session);
}

int unit_seal(const struct unit *u, const uint8_t sm[static KEY_LEN],
	      uint8_t ret[static TOUCHED_UNIT])
{
	memset(ret, 0, TOUCHED_UNIT);
	memcpy(ret, "CMKFSTCH", 8);
	put_le16(ret + 8, 1);
	put_le16(ret + 10, u->n);
	put_le32(ret + 12, u->index);
	put_le64(ret + 16, u->session);
	put_le32(ret + 24, u->flags);
	memcpy(ret + UNIT_NOTES, u->notes, (size_t)u->n * NOTE_LEN);
	return mac(sm, KEY_LEN, ret, UNIT_MAC, ret + UNIT_MAC);
}

int unit_open(const uint8_t block[static TOUCHED_UNIT], const uint8_t sm[static KEY_LEN],
	      uint64_t session, uint32_t index, struct unit *ret)
{
	uint8_t own[MAC_LEN];
	int r = mac(sm, KEY_LEN, block, UNIT_MAC, own);

	if (r)
		return r;
	*ret = (struct unit){
		.n = get_le16(block + 10), .index = get_le32(block + 12),
		.session = get_le64(block + 16), .flags = get_le32(block + 24),
	};
	if (!secret_equal(own, block + UNIT_MAC, MAC_LEN) || memcmp(block, "CMKFSTCH", 8) ||
	    get_le16(block + 8) != 1 || ret->n > TOUCHED_NOTES || ret->index != index ||
	    ret->session != session || ret->flags > UNIT_ANYTHING || get_le32(block + 28))
		return -EBADMSG;
	memcpy(ret->notes, block + UNIT_NOTES, (size_t)ret->n * NOTE_LEN);
	return 0;
}

int note_make(const uint8_t sm[static KEY_LEN], enum touched_kind kind,
	      const uint8_t id[static ID_LEN], const char *stored, uint8_t ret[static NOTE_LEN])
{
	static const char label[] = "cmkfs1 touched";
	const struct iovec iov[] = {
		{ (void *)(uintptr_t)label, sizeof(label) },
		{ (void *)(uintptr_t)id, ID_LEN },
		{ (void *)(uintptr_t)stored, stored ? strlen(stored) : 0 },
	};
	uint8_t m[MAC_LEN];
	int r = mac_v(sm, KEY_LEN, iov, ARRAY_SIZE(iov), m);

	if (r)
		return r;
	memcpy(ret, m, NOTE_LEN - 1);
	ret[NOTE_LEN - 1] = (uint8_t)kind;
	return 0;
}

/* ---- the file --------------------------------------------------------------------------- */

static int write_unit(struct touched *t, const uint8_t *sm)
{
	static const uint8_t zero[TOUCHED_STEP];
	uint64_t off = (uint64_t)t->u.index * TOUCHED_UNIT;
	uint8_t block[TOUCHED_UNIT];
	int r = unit_seal(&t->u, sm, block);

	if (!r && off >= t->size) {
		r = backing_write(t->fd, zero, sizeof(zero), t->size);
		t->size += r ? 0 : sizeof(zero);
	}
	if (!r)
		r = backing_write(t->fd, block, TOUCHED_UNIT, off);
	if (!r)
		atomic_fetch_add(&t->appended, 1);
	return r;
}

int touched_forgo(struct store *st, uint64_t session)
{
	char name[TOUCHED_NAME_MAX];
	int r;

	touched_name(session, name);
	r = backing_unlink(st->root_fd, name, 0);
	return r == -ENOENT ? 0 : r;
}

struct old_records {
	struct store *st;
	const struct session_block *b;
};

static int remove_if_old(void *arg, const struct dirent64 *d)
{
	const struct old_records *o = arg;
	uint64_t session;

	if (strncmp(d->d_name, TOUCHED_PREFIX, strlen(TOUCHED_PREFIX)))
		return 0;
	session = strtoull(d->d_name + strlen(TOUCHED_PREFIX), NULL, 16);
	for (uint32_t k = 0; k < o->b->nunclean; k++)
		if (o->b->unclean[k] == session)
			return 0;
	if (session != o->b->open)
		backing_unlink(o->st->root_fd, d->d_name, 0);
	return 0;
}

/* Records of sessions that are neither unclean nor B's own. */
static void remove_old(struct store *st, const struct session_block *b)
{
	struct old_records o = { st, b };

	backing_each(st->root_fd, remove_if_old, &o);
}

struct touched *touched_new(void)
{
	struct touched *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->fd = -1;
	pthread_mutex_init(&t->lock, NULL);
	pthread_mutex_init(&t->sync_lock, NULL);
	pthread_mutex_init(&t->was_lock, NULL);
	return t;
}

int touched_begin(struct store *st, const struct session_block *b,
		  const uint8_t sm[static KEY_LEN])
{
	struct touched *t = st->touched;
	char name[TOUCHED_NAME_MAX];

	remove_old(st, b);
	touched_name(b->open, name);
	t->u = (struct unit){ .session = b->open };
	t->fd = backing_open(st->root_fd, name, O_RDWR | O_CREAT | O_TRUNC, FIXED_MODE);
	if (t->fd >= 0 && !write_unit(t, sm))
		return 0;
	cleanup_close(&t->fd);
	t->fd = -1;
	return touched_forgo(st, b->open);
}

/* ---- noting ---------------------------------------------------------------------------------- */

/* The record cannot be kept: that is written down, or else it goes.  t->lock is held. */
static int give_up(struct store *st, const uint8_t *sm)
{
	struct touched *t = st->touched;
	int r = 0;

	if (t->anything)
		return 0;
	t->u.flags |= UNIT_ANYTHING;
	if (t->u.index && (uint64_t)t->u.index * TOUCHED_UNIT >= t->size) {
		t->u.index--; /* the unit that there is no room for; the one before is full */
		t->u.n = 0;
	}
	if (!sm || write_unit(t, sm)) {
		t->full = true;
		r = touched_forgo(st, t->u.session);
		if (!r)
			r = backing_sync_dir(st->root_fd);
	}
	t->anything = !r;
	noteset_clear(&t->noted);
	return r;
}

static int append(struct store *st, const uint8_t *sm, const uint8_t note[static NOTE_LEN])
{
	struct touched *t = st->touched;

	if (t->full)
		return 0;
	if (t->u.n == TOUCHED_NOTES && ((uint64_t)t->u.index + 2) * TOUCHED_UNIT > TOUCHED_MAX) {
		t->full = true;
		return give_up(st, sm);
	}
	if (t->u.n == TOUCHED_NOTES) {
		t->u.index++;
		t->u.n = 0;
	}
	memcpy(t->u.notes[t->u.n++], note, NOTE_LEN);
	if (!write_unit(t, sm))
		return 0;
	t->full = true;
	return give_up(st, sm);
}

int touched_note(struct store *st, enum touched_kind kind, const uint8_t id[static ID_LEN],
		 const char *stored)
{
	struct touched *t = st->touched;
	const uint8_t *sm = st->sm;
	uint8_t note[NOTE_LEN];
	int r = 0;

	if (t->fd < 0 || (t->anything && kind != TOUCHED_MADE))
		return 0;
	if (!sm)
		return touched_anything(st);
	r = note_make(sm, kind, id, stored, note);
	pthread_mutex_lock(&t->lock);
	if (!r && !noteset_has(&t->noted, note)) {
		r = append(st, sm, note);
		if (!r && kind != TOUCHED_MADE && !t->anything)
			noteset_add(&t->noted, note); /* if not, it is noted twice */
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

int touched_anything(struct store *st)
{
	struct touched *t = st->touched;
	int r = 0;

	pthread_mutex_lock(&t->lock);
	if (t->fd >= 0)
		r = give_up(st, st->sm);
	pthread_mutex_unlock(&t->lock);
	return r;
}

int touched_sync(struct store *st)
{
	struct touched *t = st->touched;
	uint64_t want = t->appended, now;
	int r = 0;

	if (t->fd < 0 || t->synced >= want)
		return 0;
	pthread_mutex_lock(&t->sync_lock);
	if (t->synced < want) { /* else another's barrier was ours, too */
		now = t->appended;
		r = backing_barrier(t->fd);
		if (!r)
			t->synced = now;
	}
	pthread_mutex_unlock(&t->sync_lock);
	return r;
}

void touched_sync_aged(struct store *st)
{
	uint64_t now = now_ms();

	if (now - st->touched->aged_at < SYNC_AGE_MS)
		return;
	st->touched->aged_at = now;
	touched_sync(st); /* if it fails, who needs it will be told */
}

/* ---- ends ---------------------------------------------------------------------------------------- */

void touched_end(struct store *st, uint64_t own)
{
	if (st->touched->fd >= 0)
		touched_forgo(st, own); /* what stays says nothing: its session is not unclean */
}

void touched_free(struct touched *t)
{
	if (!t)
		return;
	cleanup_close(&t->fd);
	noteset_clear(&t->noted);
	noteset_clear(&t->was);
	pthread_mutex_destroy(&t->lock);
	pthread_mutex_destroy(&t->sync_lock);
	pthread_mutex_destroy(&t->was_lock);
	free(t);
}
