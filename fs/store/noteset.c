/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of notes: open addressing, half full at most.
 */
#include "fs/store/noteset.h"

#include <errno.h>

#define FIRST 256

static const uint8_t none[NOTE_LEN];

/* Where NOTE is, or would be. */
static size_t find(const struct noteset *s, const uint8_t *note)
{
	size_t i = (size_t)get_le64(note) & (s->cap - 1);

	while (memcmp(s->slots[i], none, NOTE_LEN) && memcmp(s->slots[i], note, NOTE_LEN))
		i = (i + 1) & (s->cap - 1);
	return i;
}

bool noteset_has(const struct noteset *s, const uint8_t note[static NOTE_LEN])
{
	return s->n && !memcmp(s->slots[find(s, note)], note, NOTE_LEN);
}

static int grow(struct noteset *s)
{
	struct noteset t = { .n = s->n, .cap = s->cap ? 2 * s->cap : FIRST };

	t.slots = calloc(t.cap, NOTE_LEN);
	if (!t.slots)
		return -ENOMEM;
	for (size_t i = 0; i < s->cap; i++)
		if (memcmp(s->slots[i], none, NOTE_LEN))
			memcpy(t.slots[find(&t, s->slots[i])], s->slots[i], NOTE_LEN);
	free(s->slots);
	*s = t;
	return 0;
}

int noteset_add(struct noteset *s, const uint8_t note[static NOTE_LEN])
{
	size_t i;

	if (2 * s->n >= s->cap && grow(s))
		return -ENOMEM;
	i = find(s, note);
	if (!memcmp(s->slots[i], note, NOTE_LEN))
		return 0;
	memcpy(s->slots[i], note, NOTE_LEN);
	s->n++;
	return 0;
}

void noteset_clear(struct noteset *s)
{
	free(s->slots);
	*s = (struct noteset){ 0 };
}
