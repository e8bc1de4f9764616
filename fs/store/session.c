/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions (cmkfs-format(5), Sessions): each read-write mount says on disk that
 * it is writing, before it does, and that it ended well.  What a session wrote
 * that did not end well is unclean.
 */
#include <errno.h>
#include <sys/file.h>

#include "crypto/secret.h"
#include "fs/store/touched.h"

struct session {
	pthread_rwlock_t lock; /* protects all */
	struct session_block b; /* as on disk */
	uint64_t current;	/* ours; 0: none */
	bool adopted;		/* a dead mount wrote under our number: it is unclean for us, too */
	struct noteset torn;	/* objects that lost a batch of ours half-way: what we wrote of them is unclean, too */
	bool all_torn;		/* there was no memory for that: all objects */
	_Atomic bool any_torn;
	bool closed;
	uint8_t closing[FIXED_BLOCK]; /* ends our session; sealed while there was a key */
};

struct session *session_new(void)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s)
		pthread_rwlock_init(&s->lock, NULL);
	return s;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	pthread_rwlock_destroy(&s->lock);
	noteset_clear(&s->torn);
	free(s);
}

static int read_block(struct store *st, const uint8_t sm[static KEY_LEN], struct session_block *ret,
		      struct store_error *err)
{
	static const char hint[] = "restore it from a backup of the volume, then run cmkfs fsck";
	uint8_t raw[FIXED_BLOCK];
	const char *why = "";
	int r = fixed_read(st->root_fd, SESSION_FILE, raw, err);

	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;
	r = session_parse(raw, ret, &why);
	if (r < 0)
		return store_fail(err, r, hint, SESSION_FILE " is damaged: %s", why);
	r = session_verify(raw, sm);
	if (r == 0 && memcmp(ret->vol, st->vol.root.vol, ID_LEN))
		r = -EBADMSG;
	return r ? store_fail(err, r, hint, SESSION_FILE " does not authenticate") : 0;
}

int session_load(struct store *st, const uint8_t sm[static KEY_LEN], struct store_error *err)
{
	struct session *s = st->session;
	struct session_block b;
	int r = 0;

	pthread_rwlock_wrlock(&s->lock);
	if (!s->current) { /* what is on disk is not our own */
		r = read_block(st, sm, &b, err);
		if (r == 0)
			s->b = b;
	}
	pthread_rwlock_unlock(&s->lock);
	return r;
}

uint64_t session_seq(struct store *st)
{
	uint64_t seq;

	pthread_rwlock_rdlock(&st->session->lock);
	seq = st->session->b.seq;
	pthread_rwlock_unlock(&st->session->lock);
	return seq;
}

/* ---- writing ------------------------------------------------------------------------- */

/* B as the file, and the block that will end it in memory. */
static int write_block(struct store *st, const struct session_block *b,
		       const uint8_t sm[static KEY_LEN])
{
	struct session_block end = *b;
	uint8_t raw[FIXED_BLOCK], closing[FIXED_BLOCK];
	int r;

	end.seq++;
	end.open = 0;
	r = session_seal(b, sm, raw);
	if (r == 0)
		r = session_seal(&end, sm, closing);
	if (r == 0)
		r = backing_swap(st->root_fd, SESSION_FILE, raw, FIXED_BLOCK, FIXED_MODE);
	if (r == 0) {
		st->session->b = *b;
		memcpy(st->session->closing, closing, FIXED_BLOCK);
	}
	return r;
}

/* The list is full: as the session that was left open, all of which stays unclean until it is settled. */
static int adopt(struct store *st, const uint8_t sm[static KEY_LEN], struct store_error *err)
{
	struct session_block b = st->session->b;
	int r;

	if (!st->opt.adopt)
		return store_fail(err, -EUCLEAN, "run cmkfs fsck --repair",
				  "too many sessions ended without an unmount");
	b.seq++;
	r = touched_forgo(st, b.open); /* what it says is not all from now on */
	if (!r)
		r = write_block(st, &b, sm);
	if (r)
		return store_fail(err, r, NULL, "cannot write " SESSION_FILE ": %s", strerror(-r));
	settling_on(st);
	st->session->adopted = true;
	st->session->current = b.open;
	return 0;
}

int session_start(struct store *st, const uint8_t sm[static KEY_LEN], struct store_error *err)
{
	struct session *s = st->session;
	struct session_block b;
	int r = 0;

	pthread_rwlock_wrlock(&s->lock);
	if (s->current)
		goto out;
	b = s->b;
	if (b.open) { /* its writer is dead: we hold the lock */
		if (b.nunclean == SESSION_UNCLEAN_MAX) {
			r = adopt(st, sm, err);
			goto out;
		}
		b.unclean[b.nunclean++] = b.open;
	}
	b.seq++;
	b.open = b.seq;
	r = touched_begin(st, &b, sm);
	if (r == 0)
		r = write_block(st, &b, sm);
	if (r == 0)
		s->current = b.open;
	if (r == 0 && b.nunclean)
		settling_on(st);
	else
		store_fail(err, r, NULL, "cannot write " SESSION_FILE ": %s", strerror(-r));
out:
	pthread_rwlock_unlock(&s->lock);
	return r;
}

void session_first(struct store *st)
{
	st->session->current = st->session->b.open = st->session->b.seq = 1;
}

int session_clear_unclean(struct store *st)
{
	struct session *s = st->session;
	struct session_block b, settled;
	bool done = false;
	int r = 0;

	pthread_rwlock_wrlock(&s->lock);
	if (s->current && !s->closed && s->b.nunclean) {
		settled = b = s->b;
		b.seq++;
		b.nunclean = 0;
		memset(b.unclean, 0, sizeof(b.unclean));
		r = write_block(st, &b, st->sm);
		if (r == 0) {
			s->adopted = false;
			done = true;
		}
	}
	pthread_rwlock_unlock(&s->lock);
	if (done)
		touched_settled(st, &settled);
	return r;
}

int session_close(struct store *st)
{
	struct session *s = st->session;
	int r = 0;

	pthread_rwlock_wrlock(&s->lock);
	if (s->current && !s->closed && !s->adopted && !s->any_torn) {
		r = backing_swap(st->root_fd, SESSION_FILE, s->closing, FIXED_BLOCK, FIXED_MODE);
		if (r == 0) {
			s->closed = true;
			s->b.seq++;
			s->b.open = 0;
			touched_end(st, s->current);
		}
	}
	pthread_rwlock_unlock(&s->lock);
	return r;
}

void session_tears(struct store *st, const uint8_t object_id[static ID_LEN])
{
	struct session *s = st->session;

	pthread_rwlock_wrlock(&s->lock);
	if (noteset_add(&s->torn, object_id))
		s->all_torn = true;
	s->any_torn = true;
	pthread_rwlock_unlock(&s->lock);
}

/* ---- asking ------------------------------------------------------------------------------ */

uint64_t session_current(struct store *st)
{
	return st->session->current; /* set once, before the zone can be entered */
}

bool session_is_open(struct store *st)
{
	struct session *s = st->session;
	int r = -EBADMSG;
	bool open;

	/* It may just be replaced. */
	for (int i = 0; r && i < 3 && st->sm; i++)
		r = session_load(st, st->sm, NULL);
	pthread_rwlock_rdlock(&s->lock);
	open = s->b.open || !st->sm;
	pthread_rwlock_unlock(&s->lock);
	return open;
}

bool session_writer_gone(struct store *st)
{
	_cleanup_close_ int fd = backing_open(st->root_fd, LOCK_FILE, O_RDONLY, 0);

	/* Who writes made the file, if it was not there. */
	return fd == -ENOENT || (fd >= 0 && !flock(fd, LOCK_SH | LOCK_NB));
}

static bool unclean_locked(const struct session *s, uint64_t session)
{
	if (session == s->b.open && (session != s->current || s->adopted))
		return true;
	for (uint32_t i = 0; i < s->b.nunclean; i++)
		if (s->b.unclean[i] == session)
			return true;
	return false;
}

bool session_unclean(struct store *st, uint64_t session)
{
	struct session *s = st->session;
	bool r, newer;

	pthread_rwlock_rdlock(&s->lock);
	newer = !s->current && session > s->b.seq;
	pthread_rwlock_unlock(&s->lock);
	if (newer) { /* a writer has come since we looked */
		if (!st->sm)
			return true; /* it may be */
		session_load(st, st->sm, NULL);
	}
	pthread_rwlock_rdlock(&s->lock);
	r = unclean_locked(s, session);
	pthread_rwlock_unlock(&s->lock);
	return r;
}

bool slot_unclean(struct store *st, uint64_t session, const uint8_t object_id[static ID_LEN])
{
	struct session *s = st->session;
	bool r = session_unclean(st, session);

	if (r || !s->any_torn || session != s->current)
		return r;
	pthread_rwlock_rdlock(&s->lock);
	r = s->all_torn || noteset_has(&s->torn, object_id);
	pthread_rwlock_unlock(&s->lock);
	return r;
}

unsigned int session_nunclean(struct store *st)
{
	unsigned int n;

	pthread_rwlock_rdlock(&st->session->lock);
	n = st->session->b.nunclean;
	pthread_rwlock_unlock(&st->session->lock);
	return n;
}

unsigned int session_unclean_list(struct store *st, uint64_t *ret)
{
	struct session *s = st->session;
	unsigned int n;

	pthread_rwlock_rdlock(&s->lock);
	n = s->b.nunclean;
	memcpy(ret, s->b.unclean, n * sizeof(*ret));
	if (s->b.open && unclean_locked(s, s->b.open))
		ret[n++] = s->b.open;
	pthread_rwlock_unlock(&s->lock);
	return n;
}
