/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes from a KMIP server, and URIs of its keys: an answer that is taken
 * lies within the bytes that came, whatever is asked of it, and a URI has one
 * normal form.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "keyprov/kmip/kmip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every item in turn: it is within its parent. */
static void walk(const struct ttlv *s, unsigned int depth)
{
	struct ttlv t, *prev = NULL;

	assert(depth <= TTLV_DEPTH);
	while (ttlv_next(s, prev, &t)) {
		assert(t.value >= s->value && t.value + t.len <= s->value + s->len);
		walk(&t, depth + 1);
		prev = &t;
	}
}

static void try_reply(const uint8_t *data, size_t size, enum kmip_operation op)
{
	uint8_t blob[KMIP_BLOB_LEN], key[KP_SECRET_LEN];
	struct kmip_attributes a;
	struct kmip_reply r;
	struct kp_error e;

	if (kmip_reply(data, size, op, &r))
		return;
	assert(strlen(r.message) < sizeof(r.message));
	if (r.status) {
		assert(kmip_fail(&e, &r, "server") < 0);
		return;
	}
	walk(&r.payload, 1);
	kmip_reply_is_about(&r, "1");
	if (!kmip_attributes(&r, 1, &a) && a.state != KMIP_ACTIVE)
		assert(kmip_fail_state(&e, &a, "uri") < 0);
	kmip_attributes(&r, 2, &a);
	kmip_encrypted(&r, key, blob);
	kmip_decrypted(&r, key);
}

static void try_uri(const char *s)
{
	char once[KP_URI_MAX], twice[KP_URI_MAX];

	if (kp_kmip.check(s, once, NULL))
		return;
	assert(!kp_kmip.check(once, twice, NULL));
	assert(!strcmp(once, twice));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);
	struct ttlv t;

	if (!s)
		return 0;
	memcpy(s, data, size);
	s[size] = '\0';
	try_uri(s);
	free(s);
	if (!ttlv_parse(data, size, &t)) {
		assert(ttlv_whole(data) == size);
		walk(&t, 0);
	}
	try_reply(data, size, KMIP_GET_ATTRIBUTES);
	try_reply(data, size, KMIP_ENCRYPT);
	try_reply(data, size, KMIP_DECRYPT);
	return 0;
}
