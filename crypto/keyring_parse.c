/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a keyring.  Its bytes are read, and a provider is called with its
 * URIs, before any MAC can be checked: nothing here trusts a length, and text
 * that will be shown is text.
 */
#include <errno.h>

#include "keyring.h"
#include "keyring_layout.h"
#include "slot.h"

/* What is left to read. */
struct cursor {
	const uint8_t *p;
	size_t n;
};

/* Length of the UTF-8 sequence at P (N ≥ 1 bytes) of a character that may be shown, or 0. */
static size_t utf8_len(const uint8_t *p, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t i, len = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
	uint32_t c = len == 1 ? *p : *p & (0xffu >> (len + 1));

	if ((*p >= 0x80 && *p < 0xc0) || *p >= 0xf8 || len > n)
		return 0;
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return c < 0x20 || (c >= 0x7f && c < 0xa0) ? 0 : len; /* control characters */
}

static bool text_ok(const uint8_t *p, size_t n)
{
	size_t len;

	for (; n; p += len, n -= len) {
		len = utf8_len(p, n);
		if (!len)
			return false;
	}
	return true;
}

static void *copy(const uint8_t *p, size_t n)
{
	uint8_t *q = malloc(n + 1);

	if (q) {
		memcpy(q, p, n);
		q[n] = 0; /* a kid is a string */
	}
	return q;
}

/* What each type of slot must hold. */
static const char *check_contents(const struct keyslot *s, const uint8_t *params)
{
	switch (s->type) {
	case SLOT_PASSPHRASE:
		if (s->params_len != PBKDF2_SALT_LEN + 4 ||
		    get_le32(params + PBKDF2_SALT_LEN) < PBKDF2_MIN_ITERATIONS)
			return "slot parameters";
		return s->blob_len == WRAP_LEN ? NULL : "slot blob";
	case SLOT_COMBINER:
		if (s->params_len)
			return "slot parameters";
		if (!s->group)
			return "slot group";
		return s->blob_len == WRAP_LEN ? NULL : "slot blob";
	default:
		if (s->params_len > 1 || (s->params_len && *params & ~SLOT_FOLLOW))
			return "slot parameters";
		return s->blob_len ? NULL : "slot blob";
	}
}

static const char *check_slot(const struct generation *gen, const struct keyslot *s)
{
	unsigned int i;

	if (!s->id)
		return "slot id";
	for (i = 0; i < gen->nslots; i++)
		if (gen->slots[i].id == s->id)
			return "slot id twice";
	if (s->type < SLOT_RSA || s->type > SLOT_COMBINER)
		return "slot type";
	if (s->role < ROLE_SERVICE || s->role > ROLE_SHARE)
		return "slot role";
	return s->role == ROLE_SHARE && !s->group ? "slot group" : NULL;
}

/* One slot at C into the next of GEN.  0, -EBADMSG, -ENOMEM. */
static int read_slot(struct cursor *c, struct generation *gen, const char **why)
{
	struct keyslot s = { 0 };
	const uint8_t *p = c->p;
	size_t kid, used, len;

	*why = "slot length";
	if (c->n < SLOT_FIXED)
		return -EBADMSG;
	len = get_le32(p + SLOT_LENGTH);
	kid = get_le16(p + SLOT_KID_LEN);
	s.params_len = get_le16(p + SLOT_PARAMS_LEN);
	s.blob_len = get_le16(p + SLOT_BLOB_LEN);
	used = SLOT_FIXED + kid + s.params_len + s.blob_len;
	if (len > c->n || len != ((used + 7) & ~(size_t)7))
		return -EBADMSG;
	s.id = p[SLOT_ID];
	s.type = p[SLOT_TYPE];
	s.role = p[SLOT_ROLE];
	s.group = p[SLOT_GROUP];
	*why = "reserved bytes of a slot";
	if (get_le16(p + SLOT_RESERVED) || !all_zero(p + used, len - used))
		return -EBADMSG;
	*why = check_slot(gen, &s);
	if (!*why)
		*why = check_contents(&s, p + SLOT_FIXED + kid);
	if (!*why && !text_ok(p + SLOT_FIXED, kid))
		*why = "slot kid";
	if (*why)
		return -EBADMSG;

	s.kid = copy(p + SLOT_FIXED, kid);
	s.params = copy(p + SLOT_FIXED + kid, s.params_len);
	s.blob = copy(p + SLOT_FIXED + kid + s.params_len, s.blob_len);
	gen->slots[gen->nslots++] = s; /* keyring_free() frees it from here on */
	c->p += len;
	c->n -= len;
	return s.kid && s.params && s.blob ? 0 : -ENOMEM;
}

static const char *check_generation(const struct keyring *k, const struct generation *gen,
				    unsigned int nslots)
{
	bool active = k->active == gen->g;

	if (!gen->g || (gen != k->gens && gen->g >= gen[-1].g))
		return "order of generations";
	if (gen->state < GEN_ACTIVE || gen->state > GEN_DESTROYED ||
	    active != (gen->state == GEN_ACTIVE))
		return "generation state";
	if (nslots > KEYRING_SLOTS)
		return "number of slots";
	if (gen->state == GEN_DESTROYED && (nslots || !all_zero(gen->zik, WRAP_LEN)))
		return "destroyed generation";
	return NULL;
}

static int read_generation(struct cursor *c, struct keyring *k, const char **why)
{
	struct generation *gen = &k->gens[k->ngens];
	const uint8_t *p = c->p;
	struct cursor in;
	size_t len;
	unsigned int i, nslots;
	int r;

	*why = "generation length";
	if (c->n < GEN_FIXED || memcmp(p, GEN_MAGIC, 4))
		return -EBADMSG;
	len = get_le32(p + GEN_LENGTH);
	if (len < GEN_FIXED || len > c->n)
		return -EBADMSG;
	gen->g = get_le32(p + GEN_NUMBER);
	gen->state = p[GEN_STATE];
	nslots = p[GEN_SLOTS];
	gen->created = get_le64(p + GEN_CREATED);
	memcpy(gen->key_id, p + GEN_KEY_ID, KEY_LEN);
	memcpy(gen->zik, p + GEN_ZIK, WRAP_LEN);
	k->ngens++;
	*why = get_le16(p + GEN_RESERVED) ? "reserved bytes of a generation" :
					    check_generation(k, gen, nslots);
	if (*why)
		return -EBADMSG;
	in = (struct cursor){ p + GEN_FIXED, len - GEN_FIXED };
	for (i = 0; i < nslots; i++) {
		r = read_slot(&in, gen, why);
		if (r)
			return r;
	}
	*why = "generation length";
	if (in.n)
		return -EBADMSG;
	c->p += len;
	c->n -= len;
	return 0;
}

/* The fields of the first 128 bytes. */
static const char *read_head(const uint8_t *p, size_t n, struct keyring *k, unsigned int *ret_count)
{
	uint32_t count;

	if (n < KR_FIXED + MAC_LEN || n > KEYRING_MAX)
		return "size";
	if (memcmp(p, KEYRING_MAGIC, 8))
		return "magic";
	if (get_le16(p + KR_VERSION) != FORMAT_VERSION)
		return "version";
	if (get_le32(p + KR_LENGTH) != n)
		return "total length";
	k->flags = get_le16(p + KR_FLAGS);
	memcpy(&k->zone, p + KR_ZONE, sizeof(k->zone));
	k->seq = get_le64(p + KR_SEQ);
	k->active = get_le32(p + KR_ACTIVE);
	count = get_le32(p + KR_COUNT);
	memcpy(k->parent, p + KR_PARENT, ID_LEN);
	memcpy(k->endorsement, p + KR_ENDORSEMENT, MAC_LEN);
	k->written = get_le64(p + KR_WRITTEN);
	if (k->flags & ~KEYRING_TAKES || (k->flags && all_zero(k->parent, ID_LEN)))
		return "flags";
	if (get_le64(p + KR_RESERVED))
		return "reserved bytes";
	if (!count || count > KEYRING_GENERATIONS)
		return "number of generations";
	if (all_zero(k->parent, ID_LEN) && !all_zero(k->endorsement, MAC_LEN))
		return "endorsement";
	*ret_count = count;
	return NULL;
}

static int read_all(const uint8_t *p, size_t n, struct keyring *k, const char **why)
{
	struct cursor c;
	unsigned int count, i;
	int r;

	*why = read_head(p, n, k, &count);
	if (*why)
		return -EBADMSG;
	k->gens = calloc(count, sizeof(*k->gens));
	k->raw = copy(p, n);
	if (!k->gens || !k->raw)
		return -ENOMEM;
	k->raw_len = n;
	c = (struct cursor){ p + KR_FIXED, n - KR_FIXED - MAC_LEN };
	for (i = 0; i < count; i++) {
		r = read_generation(&c, k, why);
		if (r)
			return r;
	}
	*why = "total length";
	if (c.n)
		return -EBADMSG;
	*why = "active generation"; /* 0 when all are destroyed */
	return k->active && !keyring_generation(k, k->active) ? -EBADMSG : 0;
}

int keyring_parse(const void *p, size_t n, struct keyring **ret, const char **ret_why)
{
	struct keyring *k = calloc(1, sizeof(*k));
	const char *why;
	int r;

	if (!k)
		return -ENOMEM;
	r = read_all(p, n, k, &why);
	if (r) {
		keyring_free(k);
		if (ret_why && r == -EBADMSG)
			*ret_why = why;
		return r;
	}
	*ret = k;
	return 0;
}
