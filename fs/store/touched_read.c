/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the unclean sessions touched, by their records.  They are read when it
 * is first asked for, so that no mount waits for them.
 */
#include <errno.h>

#include "fs/store/touched_record.h"

static bool all_zero(const uint8_t *p, size_t n)
{
	return !n || (!p[0] && !memcmp(p, p + 1, n - 1));
}

/* Add the notes of one record; a note implies that its kind's lesser ones hold. */
static int take_unit(struct touched *t, const struct unit *u)
{
	int r = 0;

	for (unsigned int i = 0; i < u->n && !r; i++)
		r = noteset_add(&t->was, u->notes[i]);
	return r;
}

/* *RET_WHOLE: nothing of it is missing or damaged, for all that can be seen. */
static int read_record(struct store *st, uint64_t session, bool *ret_whole)
{
	_cleanup_free_ uint8_t *p = NULL;
	char name[TOUCHED_NAME_MAX];
	bool anything = false;
	struct unit u;
	size_t n, i;
	int r;

	*ret_whole = false;
	if (!st->sm)
		return 0;
	touched_name(session, name);
	r = backing_read_file(st->root_fd, name, TOUCHED_MAX + TOUCHED_STEP, &p, &n);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (i = 0; (i + 1) * TOUCHED_UNIT <= n; i++) {
		const uint8_t *block = p + i * TOUCHED_UNIT;

		if (all_zero(block, TOUCHED_UNIT))
			break;
		r = unit_open(block, st->sm, session, (uint32_t)i, &u);
		if (r)
			return r == -EBADMSG ? 0 : r;
		anything |= u.flags & UNIT_ANYTHING;
		r = take_unit(st->touched, &u);
		if (r)
			return r;
	}
	*ret_whole = i && !anything && all_zero(p + i * TOUCHED_UNIT, n - i * TOUCHED_UNIT);
	return 0;
}

/* t->was_lock is held. */
static void read_all(struct store *st)
{
	struct touched *t = st->touched;
	uint64_t sessions[SESSION_UNCLEAN_MAX + 1];
	unsigned int n = session_unclean_list(st, sessions);

	t->whole = true;
	for (unsigned int i = 0; i < n; i++) {
		bool whole;

		if (read_record(st, sessions[i], &whole) || !whole)
			t->whole = false;
	}
	t->read = true;
}

static bool has(struct store *st, enum touched_kind kind, const uint8_t *id, const char *stored)
{
	uint8_t note[NOTE_LEN];

	return st->sm && !note_make(st->sm, kind, id, stored, note) &&
	       noteset_has(&st->touched->was, note);
}

bool touched_was(struct store *st, enum touched_kind kind, const uint8_t id[static ID_LEN],
		 const char *stored)
{
	struct touched *t = st->touched;
	bool r;

	pthread_mutex_lock(&t->was_lock);
	if (!t->read)
		read_all(st);
	if (kind == TOUCHED_MADE)
		r = has(st, kind, id, stored);
	else if (!t->whole)
		r = true;
	else if (kind == TOUCHED_DIR)
		r = has(st, kind, id, NULL);
	else
		r = has(st, TOUCHED_ALL, id, NULL) || has(st, TOUCHED_NAME, id, stored) ||
		    has(st, TOUCHED_MADE, id, stored);
	pthread_mutex_unlock(&t->was_lock);
	return r;
}

void touched_distrust(struct store *st)
{
	struct touched *t = st->touched;

	pthread_mutex_lock(&t->was_lock);
	if (!t->read)
		read_all(st);
	t->whole = false;
	pthread_mutex_unlock(&t->was_lock);
}

void touched_settled(struct store *st, const struct session_block *b)
{
	struct touched *t = st->touched;

	for (uint32_t i = 0; i < b->nunclean; i++)
		touched_forgo(st, b->unclean[i]);
	pthread_mutex_lock(&t->was_lock);
	noteset_clear(&t->was);
	t->read = t->whole = true; /* of none */
	pthread_mutex_unlock(&t->was_lock);
}
