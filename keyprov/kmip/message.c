/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and answers of KMIP (OASIS, KMIP Specification 1.4 and 2.0, sections
 * 4, 6, 7 and 9.1.3): one operation a message.
 */
#include "kmip.h"

#include <errno.h>

enum { /* tags; the second line of each group is of answers alone */
	TAG_REQUEST_MESSAGE = 0x420078,
	TAG_REQUEST_HEADER = 0x420077,
	TAG_PROTOCOL_VERSION = 0x420069,
	TAG_MAJOR = 0x42006a,
	TAG_MINOR = 0x42006b,
	TAG_MAX_RESPONSE_SIZE = 0x420050,
	TAG_BATCH_COUNT = 0x42000d,
	TAG_BATCH_ITEM = 0x42000f,
	TAG_OPERATION = 0x42005c,
	TAG_REQUEST_PAYLOAD = 0x420079,
	TAG_RESPONSE_MESSAGE = 0x42007b,
	TAG_RESPONSE_HEADER = 0x42007a,
	TAG_RESPONSE_PAYLOAD = 0x42007c,
	TAG_RESULT_MESSAGE = 0x42007d,
	TAG_RESULT_REASON = 0x42007e,
	TAG_RESULT_STATUS = 0x42007f,

	TAG_UID = 0x420094,
	TAG_PARAMETERS = 0x42002b,
	TAG_BLOCK_CIPHER_MODE = 0x420011,
	TAG_TAG_LENGTH = 0x4200ce,
	TAG_DATA = 0x4200c2,
	TAG_NONCE = 0x42003d,
	TAG_ADDITIONAL_DATA = 0x4200fe,
	TAG_AUTHENTICATION_TAG = 0x4200ff,

	TAG_ATTRIBUTE = 0x420008,
	TAG_ATTRIBUTE_NAME = 0x42000a,
	TAG_ATTRIBUTE_VALUE = 0x42000b,
	TAG_ATTRIBUTES = 0x420125,
	TAG_OBJECT_TYPE = 0x420057,
	TAG_ALGORITHM = 0x420028,
	TAG_LENGTH = 0x42002a,
	TAG_USAGE_MASK = 0x42002c,
	TAG_STATE = 0x42008d,
	TAG_ACTIVATION_DATE = 0x420001,
	TAG_DEACTIVATION_DATE = 0x42002f,
	TAG_REVOCATION_REASON = 0x420081,
	TAG_EXTRACTABLE = 0x420122,
};

#define MODE_GCM 9u
#define ALGORITHM_AES 3u

/* ---- requests ------------------------------------------------------------------------ */

static void put_crypt(struct ttlv_out *o, const struct kmip_request *q)
{
	size_t at = ttlv_begin(o, TAG_PARAMETERS);

	ttlv_enum(o, TAG_BLOCK_CIPHER_MODE, MODE_GCM);
	ttlv_enum(o, TAG_ALGORITHM, ALGORITHM_AES);
	ttlv_integer(o, TAG_TAG_LENGTH, KMIP_TAG_LEN);
	ttlv_end(o, at);
	ttlv_bytes(o, TAG_DATA, q->data, KP_SECRET_LEN);
	ttlv_bytes(o, TAG_NONCE, q->nonce, KMIP_NONCE_LEN);
	if (q->binding)
		ttlv_bytes(o, TAG_ADDITIONAL_DATA, q->binding, strlen(q->binding));
	if (q->tag)
		ttlv_bytes(o, TAG_AUTHENTICATION_TAG, q->tag, KMIP_TAG_LEN);
}

static void put_header(struct ttlv_out *o, const struct kmip_request *q)
{
	size_t header = ttlv_begin(o, TAG_REQUEST_HEADER);
	size_t version = ttlv_begin(o, TAG_PROTOCOL_VERSION);

	ttlv_integer(o, TAG_MAJOR, (int32_t)q->major);
	ttlv_integer(o, TAG_MINOR, (int32_t)q->minor);
	ttlv_end(o, version);
	ttlv_integer(o, TAG_MAX_RESPONSE_SIZE, (int32_t)KMIP_REPLY_MAX);
	ttlv_integer(o, TAG_BATCH_COUNT, 1);
	ttlv_end(o, header);
}

int kmip_request(const struct kmip_request *q, uint8_t ret[static KMIP_REQUEST_MAX], size_t *ret_n)
{
	struct ttlv_out o = { .p = ret, .cap = KMIP_REQUEST_MAX };
	size_t message = ttlv_begin(&o, TAG_REQUEST_MESSAGE), item, payload;

	put_header(&o, q);
	item = ttlv_begin(&o, TAG_BATCH_ITEM);
	ttlv_enum(&o, TAG_OPERATION, q->operation);
	payload = ttlv_begin(&o, TAG_REQUEST_PAYLOAD);
	ttlv_text(&o, TAG_UID, q->uid);
	if (q->operation != KMIP_GET_ATTRIBUTES) /* which, without a name, gets all there are */
		put_crypt(&o, q);
	ttlv_end(&o, payload);
	ttlv_end(&o, item);
	ttlv_end(&o, message);
	if (o.full)
		return -EINVAL;
	*ret_n = o.n;
	return 0;
}

/* ---- answers --------------------------------------------------------------------------- */

/* A number that may be missing: *RET is then left. */
static int get_u32(const struct ttlv *s, uint32_t tag, enum ttlv_type type, uint32_t *ret)
{
	struct ttlv t;
	int r = ttlv_find(s, tag, type, &t);

	if (!r)
		*ret = ttlv_u32(&t);
	return r == -ENOENT ? 0 : r;
}

static void copy_printable(char *d, size_t cap, const struct ttlv *t)
{
	size_t n = MIN(t->len, cap - 1);

	for (size_t i = 0; i < n; i++)
		d[i] = (char)(t->value[i] >= 0x20 && t->value[i] < 0x7f ? t->value[i] : '?');
	d[n] = '\0';
}

/* Of an operation that was asked for; a server that understood none says so without. */
static int check_operation(const struct ttlv *item, enum kmip_operation operation, uint32_t status)
{
	uint32_t got = status ? operation : 0;

	return get_u32(item, TAG_OPERATION, TTLV_ENUM, &got) || got != operation ? -EPROTO : 0;
}

int kmip_reply(const uint8_t *p, size_t n, enum kmip_operation operation, struct kmip_reply *ret)
{
	struct kmip_reply a = { .status = 1 };
	struct ttlv message, item, t;
	int r = ttlv_parse(p, n, &message);

	if (r || message.tag != TAG_RESPONSE_MESSAGE ||
	    ttlv_find(&message, TAG_RESPONSE_HEADER, TTLV_STRUCTURE, &t) ||
	    ttlv_find(&message, TAG_BATCH_ITEM, TTLV_STRUCTURE, &item) ||
	    ttlv_find(&item, TAG_RESULT_STATUS, TTLV_ENUM, &t))
		return -EPROTO;
	a.status = ttlv_u32(&t);
	if (get_u32(&item, TAG_RESULT_REASON, TTLV_ENUM, &a.reason) ||
	    check_operation(&item, operation, a.status))
		return -EPROTO;
	if (!ttlv_find(&item, TAG_RESULT_MESSAGE, TTLV_TEXT, &t))
		copy_printable(a.message, sizeof(a.message), &t);
	if (!a.status && ttlv_find(&item, TAG_RESPONSE_PAYLOAD, TTLV_STRUCTURE, &a.payload))
		return -EPROTO;
	*ret = a;
	return 0;
}

bool kmip_reply_is_about(const struct kmip_reply *r, const char *uid)
{
	struct ttlv t;
	int x = ttlv_find(&r->payload, TAG_UID, TTLV_TEXT, &t);

	return x ? x == -ENOENT : ttlv_is(&t, uid);
}

/* ---- attributes -------------------------------------------------------------------------- */

static const struct attribute {
	const char *name; /* of 1.x */
	uint32_t tag;	  /* of 2.x */
	enum ttlv_type type;
} attributes[] = {
	{ "Object Type", TAG_OBJECT_TYPE, TTLV_ENUM },
	{ "Cryptographic Algorithm", TAG_ALGORITHM, TTLV_ENUM },
	{ "Cryptographic Length", TAG_LENGTH, TTLV_INTEGER },
	{ "Cryptographic Usage Mask", TAG_USAGE_MASK, TTLV_INTEGER },
	{ "State", TAG_STATE, TTLV_ENUM },
	{ "Activation Date", TAG_ACTIVATION_DATE, TTLV_DATE },
	{ "Deactivation Date", TAG_DEACTIVATION_DATE, TTLV_DATE },
	{ "Revocation Reason", TAG_REVOCATION_REASON, TTLV_STRUCTURE },
	{ "Extractable", TAG_EXTRACTABLE, TTLV_BOOL },
};

struct taken {
	struct kmip_attributes a;
	unsigned int seen; /* bits by index of the table */
};

/* Attribute I of the table, of which there is one, is V. */
static int set_attribute(size_t i, const struct ttlv *v, struct taken *taken)
{
	struct kmip_attributes *a = &taken->a;
	uint32_t *numbers[] = { &a->object, &a->algorithm, &a->bits, &a->usage, &a->state };

	if (v->type != attributes[i].type || taken->seen & 1u << i)
		return -EPROTO;
	taken->seen |= 1u << i;
	if (i < ARRAY_SIZE(numbers))
		*numbers[i] = ttlv_u32(v);
	else if (attributes[i].tag == TAG_ACTIVATION_DATE)
		a->activation = ttlv_i64(v);
	else if (attributes[i].tag == TAG_DEACTIVATION_DATE)
		a->deactivation = ttlv_i64(v);
	else if (attributes[i].tag == TAG_REVOCATION_REASON)
		a->revoked = true;
	else
		a->extractable = ttlv_i64(v) != 0;
	return 0;
}

static int take_by_tag(const struct ttlv *t, struct taken *taken)
{
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
		if (attributes[i].tag == t->tag)
			return set_attribute(i, t, taken);
	return 0;
}

static int take_by_name(const struct ttlv *t, struct taken *taken)
{
	struct ttlv name, value, *none = NULL;

	if (t->tag != TAG_ATTRIBUTE)
		return 0;
	if (ttlv_find(t, TAG_ATTRIBUTE_NAME, TTLV_TEXT, &name))
		return -EPROTO;
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
		if (!ttlv_is(&name, attributes[i].name))
			continue;
		while (ttlv_next(t, none, &value)) {
			if (value.tag == TAG_ATTRIBUTE_VALUE)
				return set_attribute(i, &value, taken);
			none = &value;
		}
		return -EPROTO;
	}
	return 0;
}

int kmip_attributes(const struct kmip_reply *r, unsigned int major, struct kmip_attributes *ret)
{
	struct taken taken = { .a.extractable = true };
	struct ttlv list = r->payload, t, *prev = NULL;
	int x = major < 2 ? 0 : ttlv_find(&r->payload, TAG_ATTRIBUTES, TTLV_STRUCTURE, &list);

	while (!x && ttlv_next(&list, prev, &t)) {
		x = major < 2 ? take_by_name(&t, &taken) : take_by_tag(&t, &taken);
		prev = &t;
	}
	if (x)
		return -EPROTO;
	*ret = taken.a;
	return 0;
}

/* ---- what was encrypted and decrypted ------------------------------------------------------- */

int kmip_encrypted(const struct kmip_reply *r, const uint8_t *nonce,
		   uint8_t ret[static KMIP_BLOB_LEN])
{
	struct ttlv data, tag, iv = { .value = nonce, .len = KMIP_NONCE_LEN };
	int x = ttlv_find(&r->payload, TAG_NONCE, TTLV_BYTES, &iv); /* the server chose another */

	if ((x && x != -ENOENT) || ttlv_find(&r->payload, TAG_DATA, TTLV_BYTES, &data) ||
	    ttlv_find(&r->payload, TAG_AUTHENTICATION_TAG, TTLV_BYTES, &tag) ||
	    data.len != KP_SECRET_LEN || tag.len != KMIP_TAG_LEN || iv.len != KMIP_NONCE_LEN)
		return -EPROTO;
	ret[0] = 1;
	memcpy(ret + 1, iv.value, KMIP_NONCE_LEN);
	memcpy(ret + 1 + KMIP_NONCE_LEN, data.value, KP_SECRET_LEN);
	memcpy(ret + 1 + KMIP_NONCE_LEN + KP_SECRET_LEN, tag.value, KMIP_TAG_LEN);
	return 0;
}

int kmip_decrypted(const struct kmip_reply *r, uint8_t ret[static KP_SECRET_LEN])
{
	struct ttlv data;

	if (ttlv_find(&r->payload, TAG_DATA, TTLV_BYTES, &data) || data.len != KP_SECRET_LEN)
		return -EPROTO;
	memcpy(ret, data.value, KP_SECRET_LEN);
	return 0;
}
