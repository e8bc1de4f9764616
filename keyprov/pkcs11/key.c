/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding a key on a token, and what it says of itself.
 */
#include "p11.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define MAX_KEYS 64
#define DAY INT64_C(86400)

static struct ck_function_list *functions(const struct p11_session *s)
{
	return p11_module_functions(s->m);
}

/* ---- attributes ------------------------------------------------------------------------ */

/* One call for all: what a token does not have, or does not tell, gets no length. */
static int get_attributes(struct p11_session *s, ck_object_handle_t h, struct ck_attribute *a,
			  unsigned long n, struct kp_error *e)
{
	ck_rv_t rv = functions(s)->C_GetAttributeValue(s->h, h, a, n);

	if (rv != CKR_OK && rv != CKR_ATTRIBUTE_TYPE_INVALID && rv != CKR_ATTRIBUTE_SENSITIVE &&
	    rv != CKR_BUFFER_TOO_SMALL)
		return p11_session_fail(s, rv, "C_GetAttributeValue", e);
	for (unsigned long i = 0; i < n; i++)
		if (a[i].value_len == (unsigned long)-1)
			a[i].value_len = 0;
	return 0;
}

struct flag {
	unsigned char v;
	ck_attribute_type_t type;
};

static int64_t date_of(const struct ck_attribute *a)
{
	return a->value_len == sizeof(struct ck_date) ? p11_date(a->value) : 0;
}

static int read_flags(struct p11_session *s, struct p11_key *k, struct kp_error *e)
{
	/* As they stand, for a token that does not tell: what is worse. */
	unsigned char decrypt = 1, sign = 0, sensitive = 0, extractable = 1, each = 0;
	unsigned char always = 0, never = 0;
	struct ck_attribute a[] = {
		{ CKA_DECRYPT, &decrypt, 1 },
		{ CKA_SIGN, &sign, 1 },
		{ CKA_SENSITIVE, &sensitive, 1 },
		{ CKA_EXTRACTABLE, &extractable, 1 },
		{ CKA_ALWAYS_SENSITIVE, &always, 1 },
		{ CKA_NEVER_EXTRACTABLE, &never, 1 },
		{ CKA_ALWAYS_AUTHENTICATE, &each, 1 },
	};
	int r = get_attributes(s, k->h, a, ARRAY_SIZE(a), e);

	k->decrypt = decrypt;
	k->more = sign;
	k->sensitive = sensitive;
	k->extractable = extractable;
	k->imported = !always || !never;
	k->each_time = each;
	return r;
}

static int read_numbers(struct p11_session *s, ck_object_handle_t h, struct p11_key *k,
			struct kp_error *e)
{
	struct ck_attribute a[] = {
		{ CKA_MODULUS, k->modulus, sizeof(k->modulus) },
		{ CKA_PUBLIC_EXPONENT, k->exponent, sizeof(k->exponent) },
	};
	int r = get_attributes(s, h, a, ARRAY_SIZE(a), e);

	k->modulus_len = a[0].value_len <= sizeof(k->modulus) ? a[0].value_len : 0;
	k->exponent_len = a[1].value_len <= sizeof(k->exponent) ? a[1].value_len : 0;
	return r;
}

static int read_key(struct p11_session *s, ck_object_handle_t h, struct p11_key *k,
		    struct kp_error *e)
{
	struct ck_date start, end;
	struct ck_attribute a[] = {
		{ CKA_KEY_TYPE, &k->kind, sizeof(k->kind) },
		{ CKA_ID, k->id, sizeof(k->id) },
		{ CKA_START_DATE, &start, sizeof(start) },
		{ CKA_END_DATE, &end, sizeof(end) },
	};
	int r;

	memset(k, 0, sizeof(*k));
	k->h = h;
	r = get_attributes(s, h, a, ARRAY_SIZE(a), e);
	if (r)
		return r;
	if (a[0].value_len != sizeof(k->kind))
		k->kind = CK_UNAVAILABLE_INFORMATION;
	k->id_len = a[1].value_len <= sizeof(k->id) ? a[1].value_len : 0;
	k->start = date_of(&a[2]);
	k->end = date_of(&a[3]);
	if (k->end)
		k->end += DAY; /* the day itself is in */
	return 0;
}

/* ---- finding --------------------------------------------------------------------------- */

static int find_objects(struct p11_session *s, struct ck_attribute *t, unsigned long nt,
			ck_object_handle_t *ret, unsigned long *ret_n, struct kp_error *e)
{
	unsigned long got = 0;
	ck_rv_t rv = functions(s)->C_FindObjectsInit(s->h, t, nt);

	if (rv != CKR_OK)
		return p11_session_fail(s, rv, "C_FindObjectsInit", e);
	*ret_n = 0;
	do { /* some give them one by one */
		rv = functions(s)->C_FindObjects(s->h, ret + *ret_n, MAX_KEYS - *ret_n, &got);
		*ret_n += got;
	} while (rv == CKR_OK && got && *ret_n < MAX_KEYS);
	functions(s)->C_FindObjectsFinal(s->h);
	return rv == CKR_OK ? 0 : p11_session_fail(s, rv, "C_FindObjects", e);
}

static void also(struct ck_attribute *t, unsigned long *n, P11KitUri *u, ck_attribute_type_t type)
{
	const struct ck_attribute *a = p11_kit_uri_get_attribute(u, type);

	if (a && a->value_len)
		t[(*n)++] = *a;
}

/* The public half may be missing on an HSM, or the private one say nothing of it. */
static int read_public(struct p11_session *s, struct p11_key *k, struct kp_error *e)
{
	static uint8_t f4[] = { 1, 0, 1 };
	ck_object_class_t class = CKO_PUBLIC_KEY;
	struct ck_attribute t[] = { { CKA_CLASS, &class, sizeof(class) },
				    { CKA_ID, k->id, k->id_len } };
	ck_object_handle_t h[MAX_KEYS];
	unsigned long n = 0;
	struct p11_key other;
	int r = read_numbers(s, k->h, k, e);

	if (r || (k->modulus_len && k->exponent_len))
		return r;
	if (k->id_len)
		r = find_objects(s, t, ARRAY_SIZE(t), h, &n, e);
	if (!r && n)
		r = read_numbers(s, h[0], &other, e);
	if (r)
		return r;
	if (n && !k->modulus_len) {
		memcpy(k->modulus, other.modulus, other.modulus_len);
		k->modulus_len = other.modulus_len;
	}
	if (n && other.exponent_len) {
		memcpy(k->exponent, other.exponent, other.exponent_len);
		k->exponent_len = other.exponent_len;
	} else {
		memcpy(k->exponent, f4, sizeof(f4));
		k->exponent_len = sizeof(f4);
	}
	return 0;
}

/* Of several with one name: the newest by its start date, of those that have begun. */
static int choose(struct p11_session *s, P11KitUri *u, const ck_object_handle_t *h, unsigned long n,
		  struct p11_key *ret, struct kp_error *e)
{
	int64_t now = time(NULL);
	unsigned int best = 0;
	struct p11_key k;
	int r;

	for (unsigned long i = 0; i < n; i++) {
		r = read_key(s, h[i], &k, e);
		if (r)
			return r;
		if (n > 1 && k.start > now)
			continue;
		if (best && k.start <= ret->start) {
			best += k.start == ret->start;
			continue;
		}
		*ret = k;
		best = 1;
	}
	if (best == 1)
		return 0;
	if (p11_kit_uri_get_attribute(u, CKA_ID))
		return kp_fail(e, -EKEYREJECTED, "give each an id of its own",
			       "%lu keys on token %s have this name and id", n, s->token.label);
	return kp_fail(e, -EKEYREJECTED, "add id= to the URI (pkcs11-tool --module MODULE --login "
		       "--list-objects --type privkey), or give the newer key a start date",
		       "%lu keys on token %s have this name", n, s->token.label);
}

int p11_key_find(struct p11_session *s, P11KitUri *u, struct p11_key *ret, struct kp_error *e)
{
	ck_object_class_t class = CKO_PRIVATE_KEY;
	struct ck_attribute t[3] = { { CKA_CLASS, &class, sizeof(class) } };
	ck_object_handle_t h[MAX_KEYS];
	unsigned long nt = 1, n = 0;
	int r;

	also(t, &nt, u, CKA_LABEL);
	also(t, &nt, u, CKA_ID);
	r = find_objects(s, t, nt, h, &n, e);
	if (!r && !n)
		r = kp_fail(e, -ENOENT, "pkcs11-tool --module MODULE --login --list-objects --type "
			    "privkey shows what is there", "there is no such private key on token %s",
			    s->token.label);
	if (!r)
		r = choose(s, u, h, n, ret, e);
	if (!r)
		r = read_flags(s, ret, e);
	if (!r && ret->kind == CKK_RSA)
		r = read_public(s, ret, e);
	return r;
}

int p11_key_kid(P11KitUri *u, const struct p11_key *k, char ret[static KP_URI_MAX],
		struct kp_error *e)
{
	struct ck_attribute id = { CKA_ID, (void *)(uintptr_t)k->id, k->id_len };
	char text[KP_URI_MAX];
	P11KitUri *own;
	int r = p11_uri_format(u, text, e);

	if (!r)
		r = p11_uri_parse(text, &own, e);
	if (r)
		return r;
	if (k->id_len && p11_kit_uri_set_attribute(own, &id))
		r = kp_fail(e, -EAGAIN, NULL, "no memory for a key");
	if (!r)
		r = p11_uri_format(own, ret, e);
	p11_kit_uri_free(own);
	return r;
}
