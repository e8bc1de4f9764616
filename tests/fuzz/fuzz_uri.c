/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the embedded vault from outside: a URI that is taken has a normal
 * form that is taken again and stays the same; nothing else happens.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "keyprov/local/local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_uri(const char *s)
{
	char once[KP_URI_MAX], twice[KP_URI_MAX];
	struct local_uri u;
	struct kp_error e;

	if (local_uri_parse(s, &u, &e)) {
		assert(e.message[0] && e.hint[0]);
		return;
	}
	assert(u.vault[0] && u.key[0]);
	assert(!kp_local.check(s, once, &e));
	assert(!kp_local.check(once, twice, &e));
	assert(!strcmp(once, twice));
	assert(kp_provider_of(once, &e) == &kp_local);
}

static void try_words(const char *s)
{
	char words[LOCAL_PERMISSIONS_MAX], name[LOCAL_VAULT_MAX];
	unsigned int bits, again;
	struct kp_error e;

	if (!local_permissions_parse(s, &bits, &e)) {
		local_permissions_format(bits, words);
		assert(!local_permissions_parse(words, &again, &e) && bits == again);
	}
	if (!local_vault_name(s, name, &e))
		assert(!local_vault_name(name, words, &e) && !strcmp(name, words));
	local_principal_check(s, &e);
	kp_provider_of(s, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);

	if (!s)
		return 0;
	memcpy(s, data, size);
	s[size] = '\0';
	try_uri(s);
	try_words(s);
	free(s);
	return 0;
}
