/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a token says of a key, and what is refused for it.
 *
 * PKCS #11 knows no soft delete and no purge protection: who may delete objects
 * deletes them for good.  What can be asked for instead is that the key cannot
 * leave the token, so that the token alone decides who uses it.
 */
#include "p11.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define MIN_BITS 2048u
#define MAX_BITS 4096u
#define NEW_KEY "make one in the token: pkcs11-tool --module MODULE --login --keypairgen " \
	"--key-type rsa:3072 --usage-decrypt --label NAME --id NUMBER"

static const char *kind_name(unsigned long kind)
{
	return kind == CKK_RSA ? "RSA" : kind == CKK_EC ? "EC" : "other";
}

static unsigned int bits_of(const struct p11_key *k)
{
	size_t i = 0;

	while (i < k->modulus_len && !k->modulus[i])
		i++;
	return i < k->modulus_len ?
		       (unsigned int)(8 * (k->modulus_len - i)) -
			       (unsigned int)(__builtin_clz(k->modulus[i]) - 24) : 0;
}

/* Why K is no key for a volume, in R; nothing if it is one. */
static void judge(const struct p11_user *u, const struct p11_key *k, const char *kid,
		  unsigned int bits, struct kp_error *r)
{
	int64_t now = time(NULL);

	if (k->kind != CKK_RSA)
		kp_fail(r, -EKEYREJECTED, NEW_KEY, "%.180s is not an RSA key", kid);
	else if (bits < MIN_BITS || bits > MAX_BITS)
		kp_fail(r, -EKEYREJECTED, NEW_KEY, "%.180s has %u bits; %u to %u are accepted", kid,
			bits, MIN_BITS, MAX_BITS);
	else if (!k->sensitive || k->extractable)
		kp_fail(r, -EKEYREJECTED, NEW_KEY, "%.150s can leave its token (%s)", kid,
			k->extractable ? "CKA_EXTRACTABLE" : "not CKA_SENSITIVE");
	else if (k->imported && !u->imported_ok)
		kp_fail(r, -EKEYREJECTED, NEW_KEY "; or accept it: imported-keys = yes in [pkcs11]",
			"%.120s was not always inside its token (CKA_NEVER_EXTRACTABLE, "
			"CKA_ALWAYS_SENSITIVE): there may be copies", kid);
	else if (!k->decrypt)
		kp_fail(r, -EACCES, "set CKA_DECRYPT of the key again with the token's own tool",
			"%.180s may not decrypt (CKA_DECRYPT)", kid);
	else if (k->end && now >= k->end)
		kp_fail(r, -EKEYEXPIRED, "take a newer key, or set CKA_END_DATE with the token's "
			"own tool", "%.180s has expired (CKA_END_DATE)", kid);
	else if (k->start > now)
		kp_fail(r, -EKEYEXPIRED, "wait, or set CKA_START_DATE with the token's own tool",
			"%.180s is not valid yet (CKA_START_DATE)", kid);
}

/* The newest key of that label, if there are several and it can be told which it is. */
static int find_newest(struct p11_user *u, P11KitUri *uri, struct kp_info *i, struct kp_error *e)
{
	P11KitUri *any = NULL;
	struct p11_key k;
	char text[KP_URI_MAX];
	int r;

	memcpy(i->newest, i->kid, sizeof(i->newest));
	if (!p11_kit_uri_get_attribute(uri, CKA_LABEL) || !p11_kit_uri_get_attribute(uri, CKA_ID))
		return 0; /* it was found as the newest, or has no versions */
	r = p11_uri_format(uri, text, e);
	if (!r)
		r = p11_uri_parse(text, &any, e);
	if (r)
		return r;
	p11_kit_uri_clear_attribute(any, CKA_ID);
	r = p11_key_find(&u->session, any, &k, e);
	if (!r)
		r = p11_key_kid(any, &k, i->newest, e);
	p11_kit_uri_free(any);
	return r == -EKEYREJECTED || r == -ENOENT ? 0 : r;
}

int p11_describe(struct p11_user *u, P11KitUri *uri, const struct p11_key *k,
		 struct kp_info *ret, struct kp_error *e)
{
	struct kp_info i = { .enabled = true,
			     .not_before = k->start,
			     .expires = k->end,
			     .soft_delete = true,
			     .purge_protection = true,
			     .may_get = true,
			     .may_wrap = true,
			     .may_unwrap = k->decrypt,
			     .may_more = k->more };
	int r = p11_key_kid(uri, k, i.kid, e);

	if (!r)
		r = find_newest(u, uri, &i, e);
	if (r)
		return r;
	snprintf(i.type, sizeof(i.type), "%s", kind_name(k->kind));
	snprintf(i.vault, sizeof(i.vault), "%s", u->session.token.label);
	i.bits = bits_of(k);
	judge(u, k, i.kid, i.bits, &i.refusal);
	*ret = i;
	return 0;
}
