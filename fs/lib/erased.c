/* SPDX-License-Identifier: Apache-2.0 */
#include "erased.h"

#include <stdio.h>

#include "fs/lib/state.h"
#include "fs/lib/table.h"

json_t *erased_text(const char *s)
{
	json_t *v = json_string(s);
	_cleanup_free_ char *t = NULL;
	size_t n = 0;

	if (v)
		return v;
	t = malloc(4 * strlen(s) + 1);
	for (; t && *s; s++)
		n += (size_t)sprintf(t + n, *s & 0x80 ? "\\x%02x" : "%c", (unsigned char)*s);
	return t ? json_stringn(t, n) : NULL;
}

json_t *erased_json(const struct erased *e, const char *const *names, unsigned int n)
{
	static const uint8_t none[ID_LEN];
	char id[2 * ID_LEN + 1], zone[2 * ID_LEN + 1], digest[2 * KEY_LEN + 1];
	bool known = memcmp(e->object_id, none, ID_LEN);
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, erased_text(names[i]));
	state_hex(e->object_id, ID_LEN, id);
	state_hex(e->zone.zone, ID_LEN, zone);
	state_hex(e->wrapped_digest, KEY_LEN, digest);
	return json_pack("{ss so ss? ss si si sI ss? so}", "type", e->dir ? "directory" : "file",
			 "names", list, "object_id", known ? id : NULL, "zone", zone, "generation",
			 (int)e->vk_gen, "epoch", (int)e->epoch, "size", (json_int_t)e->size,
			 "wrapped_key_sha256", known ? digest : NULL, "time", table_time(e->time));
}
