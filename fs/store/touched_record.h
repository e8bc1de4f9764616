/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a session's record (cmkfs-format(5), Record of a session), for
 * who writes and who reads it.
 */
#ifndef CMKFS_STORE_TOUCHED_RECORD_H
#define CMKFS_STORE_TOUCHED_RECORD_H

#include <pthread.h>

#include "fs/store/touched.h"

#define UNIT_NOTES 32 /* offset of the notes */
#define UNIT_MAC (TOUCHED_UNIT - MAC_LEN)
#define UNIT_ANYTHING 1u /* flag: what was touched is not all noted */
#define TOUCHED_NAME_MAX 40

struct unit {
	uint32_t index, flags;
	uint16_t n;
	uint64_t session;
	uint8_t notes[TOUCHED_NOTES][NOTE_LEN];
};

/* The record's name in the backing directory. */
void touched_name(uint64_t session, char ret[static TOUCHED_NAME_MAX]);
int unit_seal(const struct unit *u, const uint8_t sm[static KEY_LEN],
	      uint8_t ret[static TOUCHED_UNIT]);
/* -EBADMSG: not unit INDEX of the record of SESSION. */
int unit_open(const uint8_t block[static TOUCHED_UNIT], const uint8_t sm[static KEY_LEN],
	      uint64_t session, uint32_t index, struct unit *ret);
int note_make(const uint8_t sm[static KEY_LEN], enum touched_kind kind,
	      const uint8_t id[static ID_LEN], const char *stored, uint8_t ret[static NOTE_LEN]);

struct touched {
	pthread_mutex_t lock; /* protects all but SYNCED */
	int fd;		      /* the record; -1: there is none, and nothing is noted */
	bool anything;	      /* the record says so: only what is made is noted still */
	bool full;	      /* nor is that */
	struct unit u;	      /* the last one */
	uint64_t size;	      /* of the file */
	struct noteset noted; /* but for TOUCHED_MADE */
	_Atomic uint64_t appended, synced;
	_Atomic uint64_t aged_at; /* ms */
	pthread_mutex_t sync_lock;

	pthread_mutex_t was_lock; /* protects all below */
	bool read, whole;	  /* whole: there is a whole record of each unclean session */
	struct noteset was;
};

#endif
