/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record of what is done to one backing file, block by block, and the states
 * that a power cut can leave of it: a block of bytes and the length that its
 * write moved reach the disk one without the other.
 */
#ifndef CMKFS_TEST_CRASH_RECORD_H
#define CMKFS_TEST_CRASH_RECORD_H

#include "volume_fixture.h"

#define EVENTS_MAX 8192u

enum crash_op { CRASH_DATA, CRASH_LENGTH, CRASH_CUT, CRASH_PUNCH, CRASH_BARRIER };

struct crash_event {
	enum crash_op op;
	uint64_t off, len; /* CRASH_LENGTH, CRASH_CUT: OFF is the new length */
	uint8_t *data;
};

struct crash_record {
	ino_t ino;
	uint64_t length; /* of the file now */
	struct crash_event ev[EVENTS_MAX];
	unsigned int n;
};

static inline void crash_add(struct crash_record *r, enum crash_op op, uint64_t off, uint64_t len,
			     const uint8_t *p)
{
	struct crash_event *e = &r->ev[r->n++];

	assert_true(r->n < EVENTS_MAX);
	*e = (struct crash_event){ op, off, len, NULL };
	if (p) {
		e->data = malloc(len);
		memcpy(e->data, p, len);
	}
}

/* Cut at the borders of blocks: each may reach the disk alone. */
static inline void crash_write(struct crash_record *r, uint64_t off, const uint8_t *p, uint64_t n)
{
	while (n) {
		uint64_t k = MIN(n, CHUNK - off % CHUNK);

		crash_add(r, CRASH_DATA, off, k, p);
		off += k;
		p += k;
		n -= k;
		if (off > r->length) {
			r->length = off;
			crash_add(r, CRASH_LENGTH, off, 0, NULL);
		}
	}
}

/* For a hook: C, if it is of the file. */
static inline bool crash_note(struct crash_record *r, const struct backing_call *c)
{
	uint64_t off = c->off;
	struct stat st;

	if (fstat(c->fd, &st) || st.st_ino != r->ino)
		return false;
	switch (c->op) {
	case BACKING_WRITE:
		for (int i = 0; i < c->n; i++) {
			crash_write(r, off, c->iov[i].iov_base, c->iov[i].iov_len);
			off += c->iov[i].iov_len;
		}
		break;
	case BACKING_TRUNCATE:
		crash_add(r, c->off > r->length ? CRASH_LENGTH : CRASH_CUT, c->off, 0, NULL);
		r->length = c->off;
		break;
	case BACKING_PUNCH:
		crash_add(r, CRASH_PUNCH, c->off, c->len, NULL);
		break;
	case BACKING_BARRIER:
	case BACKING_SYNC:
		crash_add(r, CRASH_BARRIER, 0, 0, NULL);
		break;
	default:
		break;
	}
	return true;
}

/* IMAGE has CAP bytes; those beyond *LEN are on the disk, but not in the file. */
static inline void crash_apply(uint8_t *image, uint64_t cap, uint64_t *len,
			       const struct crash_event *e)
{
	switch (e->op) {
	case CRASH_DATA:
		memcpy(image + e->off, e->data, e->len);
		break;
	case CRASH_LENGTH:
		*len = MAX(*len, e->off);
		break;
	case CRASH_CUT:
		memset(image + e->off, 0, cap - e->off);
		*len = MIN(*len, e->off);
		break;
	case CRASH_PUNCH:
		memset(image + e->off, 0, e->len);
		break;
	case CRASH_BARRIER:
		break;
	}
}

static inline void crash_forget(struct crash_record *r)
{
	for (unsigned int i = 0; i < r->n; i++)
		free(r->ev[i].data);
	r->n = 0;
}

#endif
