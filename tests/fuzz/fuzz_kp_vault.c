/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a transit engine answers, and names of its keys: whatever comes, there is
 * a documented error or an output within its bounds.  The first byte chooses the
 * status of the answer.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "crypto/secret.h"
#include "keyprov/vault/hashivault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	uint8_t blob[KP_BLOB_MAX], key[KP_SECRET_LEN];
	struct hv_auth *a = secret_alloc(sizeof(*a));
	struct hv_key k;
	unsigned int n;
	size_t len;

	assert(a);
	if (!hv_read_key(j, &k))
		assert(k.type[0] && k.latest && k.oldest);
	if (!hv_read_ciphertext(j, &n, blob, &len))
		assert(n && len && len <= sizeof(blob));
	if (!hv_read_login(j, a))
		assert(a->token[0] && !strpbrk(a->token, " \r\n") && a->ttl >= 0);
	hv_read_plaintext(j, key, sizeof(key));
	hv_read_capabilities(j, "t/keys/k", &n);
	hv_read_lookup(j, a);
	secret_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hv_uri u = { .host = "v", .mount = "t", .name = "k", .version = 1 };
	static const long statuses[] = { 200, 204, 302, 400, 403, 404, 429, 500, 503 };
	struct kp_error e = { 0 };
	json_t *j;
	int r;

	try_uri(data, size);
	if (!size)
		return 0;
	j = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL);
	try_answer(j);
	r = hv_refusal(statuses[data[0] % ARRAY_SIZE(statuses)], j, &u, &e);
	assert(r < 0 && e.code == r && e.message[0] && kp_error_row(r)->code == r);
	json_decref(j);
	return 0;
}
