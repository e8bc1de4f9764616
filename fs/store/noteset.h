/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of notes of 16 bytes, uniform as MACs and random IDs are.  Not
 * thread-safe.
 */
#ifndef CMKFS_STORE_NOTESET_H
#define CMKFS_STORE_NOTESET_H

#include "crypto/base.h"

#define NOTE_LEN 16

struct noteset {
	uint8_t (*slots)[NOTE_LEN]; /* all zero: free */
	size_t n, cap;		    /* cap: 0 or a power of two */
};

bool noteset_has(const struct noteset *s, const uint8_t note[static NOTE_LEN]);
/* 0, also if it is there already; -ENOMEM.  A note of zeros is none. */
int noteset_add(struct noteset *s, const uint8_t note[static NOTE_LEN]);
void noteset_clear(struct noteset *s);

#endif
