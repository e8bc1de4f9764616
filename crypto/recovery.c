/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery slots: a vault key under a passphrase, or under an RSA key that is
 * kept offline.  Each is a way round a revocation, so nothing here is called
 * unless the operator asked for it.
 */
#include <errno.h>

#include "rand.h"
#include "rsa.h"
#include "secret.h"
#include "ways.h"

static int make_passphrase(const struct recovery *by, const uint8_t *vk, struct keyslot *s)
{
	uint8_t key[KEY_LEN];
	int r;

	s->type = SLOT_PASSPHRASE;
	s->params_len = PBKDF2_SALT_LEN + 4;
	s->blob_len = WRAP_LEN;
	s->params = malloc(s->params_len);
	s->blob = malloc(s->blob_len);
	if (!s->params || !s->blob)
		return -ENOMEM;
	r = rand_bytes(s->params, PBKDF2_SALT_LEN);
	put_le32(s->params + PBKDF2_SALT_LEN, PBKDF2_MIN_ITERATIONS);
	if (!r)
		r = passphrase_key(by->pass, by->n, s->params, PBKDF2_MIN_ITERATIONS, key);
	if (!r)
		r = wrap_key(key, vk, s->blob);
	secret_wipe(key, sizeof(key));
	return r;
}

static int make_offline(const struct recovery *by, const uint8_t *vk, struct keyslot *s)
{
	unsigned int bits = rsa_bits(by->key);
	size_t n = 0;
	int r;

	if (bits < 2048 || bits > 4096)
		return -EKEYREJECTED;
	s->type = SLOT_OFFLINE;
	s->blob = malloc(RSA_MAX_BLOB);
	if (!s->blob)
		return -ENOMEM;
	r = rsa_oaep_wrap(by->key, vk, KEY_LEN, s->blob, &n);
	s->blob_len = (uint16_t)n;
	return r;
}

int recovery_make(const struct recovery *by, const uint8_t vk[static KEY_LEN],
		  struct keyslot *ret)
{
	struct keyslot s = { .role = ROLE_RECOVERY };
	int r = by->key ? make_offline(by, vk, &s) : make_passphrase(by, vk, &s);

	if (r) {
		free(s.params);
		free(s.blob);
		return r;
	}
	*ret = s;
	return 0;
}

/* What S holds.  -EBADMSG: nothing for who asks. */
static int unseal(const struct recovery *by, const struct keyslot *s, uint8_t *ret)
{
	uint8_t key[KEY_LEN];
	size_t n = 0;
	int r;

	if (by->key) {
		r = rsa_oaep_unwrap(by->key, s->blob, s->blob_len, ret, KEY_LEN, &n);
		return r ? r : n == KEY_LEN ? 0 : -EBADMSG;
	}
	r = passphrase_key(by->pass, by->n, s->params, get_le32(s->params + PBKDF2_SALT_LEN), key);
	if (!r)
		r = unwrap_key(key, s->blob, ret);
	secret_wipe(key, sizeof(key));
	return r;
}

static bool is_key_of(const struct zone_id *z, const struct generation *gen, const uint8_t *vk)
{
	uint8_t id[KEY_LEN];

	return !kdf_vk(vk, KDF_KEY_ID, z, gen->g, id) && secret_equal(id, gen->key_id, KEY_LEN);
}

int recovery_open(const struct recovery *by, const struct zone_id *z, const struct generation *gen,
		  uint8_t ret_vk[static KEY_LEN], const struct keyslot **ret_slot)
{
	int type = by->key ? SLOT_OFFLINE : SLOT_PASSPHRASE, r = -ENOENT;

	for (unsigned int i = 0; i < gen->nslots; i++) {
		const struct keyslot *s = &gen->slots[i];

		if (keyslot_use(s) != USE_RECOVERY || s->type != type)
			continue;
		r = unseal(by, s, ret_vk);
		if (!r && is_key_of(z, gen, ret_vk)) {
			if (ret_slot)
				*ret_slot = s;
			return 0;
		}
		r = r && r != -EBADMSG && r != -EMSGSIZE ? r : -EKEYREJECTED;
	}
	secret_wipe(ret_vk, KEY_LEN);
	return r;
}
