/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URIs of keys on tokens from outside: one that is taken has a normal form that
 * is taken again and stays the same, and names a token and a key, no PIN and no
 * module.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "keyprov/pkcs11/p11.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_taken(P11KitUri *u)
{
	struct p11_key k = { .id = { 1, 0, 0xff }, .id_len = 3 };
	char once[KP_URI_MAX], twice[KP_URI_MAX], kid[KP_URI_MAX];
	const char *pin = p11_uri_pin_file(u);

	assert(!p11_kit_uri_get_pin_value(u));
	assert(!p11_kit_uri_get_module_path(u) && !p11_kit_uri_get_module_name(u));
	assert(!pin || *pin == '/');
	assert(!p11_uri_format(u, once, NULL));
	assert(!kp_pkcs11.check(once, twice, NULL));
	assert(!strcmp(once, twice));
	if (!p11_key_kid(u, &k, kid, NULL))
		assert(!kp_pkcs11.check(kid, twice, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kp_error e = { 0 };
	struct ck_date date;
	P11KitUri *u;
	char *s = malloc(size + 1);

	if (!s)
		return 0;
	memcpy(s, data, size);
	s[size] = '\0';
	if (!p11_uri_parse(s, &u, &e)) {
		assert(p11_uri_same_key(u, u));
		try_taken(u);
		p11_kit_uri_free(u);
	} else {
		assert(e.message[0] && e.hint[0]);
	}
	if (size >= sizeof(date)) {
		memcpy(&date, data, sizeof(date));
		assert(p11_date(&date) >= -62135596800);
	}
	free(s);
	return 0;
}
