/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done with the master key of the embedded vault: keys derived from it
 * (KBKDF in counter mode with HMAC-SHA-256, one block), and what they seal.
 */
#include "master.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/aead.h"
#include "crypto/mac.h"
#include "crypto/secret.h"

struct master {
	uint8_t raw[MASTER_LEN]; /* wiped once the others are derived */
	uint8_t seal[AEAD_KEY_LEN];
	struct audit_keys audit;
};

static int derive(const struct master *m, const char *label, uint8_t ret[static MAC_LEN])
{
	static const uint8_t one[4] = { 0, 0, 0, 1 }, bits[4] = { 0, 0, 1, 0 };
	struct iovec iov[] = {
		{ (void *)(uintptr_t)one, sizeof(one) },
		{ (void *)(uintptr_t)label, strlen(label) + 1 },
		{ (void *)(uintptr_t)bits, sizeof(bits) },
	};

	return mac_v(m->raw, MASTER_LEN, iov, (int)ARRAY_SIZE(iov), ret);
}

static int derive_all(struct master *m)
{
	struct audit_keys *a = &m->audit;
	int r = derive(m, "cmkfs vault seal", m->seal);

	if (!r)
		r = derive(m, "cmkfs vault audit", a->mac);
	if (!r)
		r = derive(m, "cmkfs vault audit sign", a->sign);
	if (!r)
		r = sign_public(a->sign, a->public);
	for (size_t i = 0; !r && i < sizeof(a->id) / 2; i++)
		snprintf(a->id + 2 * i, 3, "%02x", a->public[i]);
	return r;
}

int master_load(const char *state_dir, bool create, struct master **ret, struct kp_error *e)
{
	struct master *m = secret_alloc(sizeof(*m));
	int r;

	if (!m)
		return kp_fail(e, -EAGAIN, NULL, "no locked memory for the vault master key");
	r = master_read(state_dir, create, m->raw, e);
	if (!r && derive_all(m))
		r = kp_fail(e, -EIO, NULL, "deriving from the vault master key failed");
	secret_wipe(m->raw, sizeof(m->raw));
	if (r) {
		secret_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

void master_free(struct master *m)
{
	secret_free(m);
}

int master_check_value(const struct master *m, uint8_t ret[static HASH_LEN])
{
	static const char text[] = "cmkfs vault master check";

	return mac(m->audit.mac, sizeof(m->audit.mac), text, sizeof(text), ret);
}

/* What a sealed key is bound to: it opens nowhere else. */
static size_t seal_aad(const struct local_uri *u, char *buf, size_t cap)
{
	return (size_t)snprintf(buf, cap, "cmkfs vault key 1|%s|%s|%s", u->vault, u->key,
				u->version);
}

int master_seal(const struct master *m, const struct local_uri *u, const uint8_t *p, size_t n,
		uint8_t *ret)
{
	char aad[KP_URI_MAX];

	return aead_seal_message(m->seal, aad, seal_aad(u, aad, sizeof(aad)), p, n, ret);
}

int master_open(const struct master *m, const struct local_uri *u, const uint8_t *sealed,
		size_t n, uint8_t *ret)
{
	char aad[KP_URI_MAX];

	return aead_open_message(m->seal, aad, seal_aad(u, aad, sizeof(aad)), sealed, n, ret);
}

/* ---- audit logs -------------------------------------------------------------------- */

const struct audit_keys *master_audit(const struct master *m)
{
	return &m->audit;
}

int master_audit_keys(const char *state_dir, bool create, struct audit_keys *ret,
		      struct kp_error *e)
{
	struct master *m;
	int r = master_load(state_dir, create && !local_exists(state_dir), &m, e);

	if (r)
		return r;
	memcpy(ret, &m->audit, sizeof(*ret));
	master_free(m);
	return 0;
}
