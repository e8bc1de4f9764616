/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a transit engine answers, and names of its keys: whatever comes, there is
 * a documented error or an output within its bounds.  The first byte chooses the
 * status of the answer.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "keyprov/net/json.h"
#include "keyprov/vault/describe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hv_uri uri = { .host = "v", .port = 1, .mount = "t", .name = "k", .version = 1 };

static void try_uri(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1), once[KP_URI_MAX], twice[KP_URI_MAX];
	struct hv_uri u, again;

	assert(s);
	memcpy(s, data, size);
	s[size] = '\0';
	if (!hv_uri_parse(s, &u, NULL)) {
		hv_uri_format(&u, once);
		assert(!hv_uri_parse(once, &again, NULL) && hv_uri_same_key(&u, &again));
		hv_uri_format(&again, twice);
		assert(!strcmp(once, twice));
	}
	free(s);
}

static void try_answer(const json_t *j)
{
	struct hv_lifetime life;
	uint8_t key[KP_SECRET_LEN];
	struct hv_rights rights;
	const char *text, *b64;
	struct kp_error e;
	struct hv_key k;
	unsigned int n;

	if (!hv_read_key(j, &k, &e)) {
		struct kp_info i;

		assert(k.type[0] && k.latest && k.oldest);
		hv_describe(&uri, &k, &(struct hv_rights){ .get = true }, &i);
		assert(i.kid[0] && i.refusal.code && i.refusal.message[0] && i.refusal.hint[0]);
	}
	if (!hv_read_ciphertext(j, &text, &e))
		assert(!hv_ciphertext_split(text, &n, &b64) && n && strlen(text) < KP_BLOB_MAX);
	if (!hv_read_login(j, &text, &life, &e))
		assert(hv_token_ok(text) && life.ttl >= 0);
	hv_read_plaintext(j, key, &e);
	hv_read_rights(j, &uri, &rights, &e);
	hv_read_lookup(j, &life, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const long statuses[] = { 200, 204, 302, 400, 403, 404, 429, 500, 503 };
	struct kp_error e = { 0 };
	json_t *j = NULL;
	int r;

	try_uri(data, size);
	if (!size)
		return 0;
	js_parse((const char *)data + 1, size - 1, &j, &e);
	try_answer(j);
	r = hv_refusal(statuses[data[0] % ARRAY_SIZE(statuses)], j, &uri, &e);
	assert(r < 0 && e.code == r && e.message[0] && kp_error_row(r)->code == r);
	json_decref(j);
	return 0;
}
