/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kmip provider: AES keys in a key server that speaks KMIP 1.4 or 2.x over
 * mutual TLS.  What is wrapped is encrypted at the server by AES-GCM, with the
 * volume and zone as additional data.  Everything in this header is private to
 * the folder, but for kp_kmip.
 */
#ifndef CMKFS_KMIP_H
#define CMKFS_KMIP_H

#include "keyprov/keyprov.h"
#include "ttlv.h"

extern const struct kp_ops kp_kmip;

/* ---- URIs (uri.c) ---------------------------------------------------------------- */

#define KMIP_PORT 5696u
#define KMIP_UID_MAX 129
#define KMIP_HOST_MAX 256

struct kmip_uri {
	char host[KMIP_HOST_MAX]; /* in lower case; an IPv6 address without its brackets */
	unsigned int port;
	char uid[KMIP_UID_MAX]; /* decoded */
};

/* "kmip://HOST[:PORT]/UID".  0; -EINVAL. */
int kmip_uri_parse(const char *s, struct kmip_uri *ret, struct kp_error *e);
/* The normal form.  0; -EINVAL: longer than KP_URI_MAX. */
int kmip_uri_format(const struct kmip_uri *u, char ret[static KP_URI_MAX]);

/* ---- messages (message.c): pure functions over memory ------------------------------- */

#define KMIP_NONCE_LEN 12u
#define KMIP_TAG_LEN 16u
/* What a slot holds: version 1 ‖ nonce ‖ ciphertext ‖ tag. */
#define KMIP_BLOB_LEN (1 + KMIP_NONCE_LEN + KP_SECRET_LEN + KMIP_TAG_LEN)
#define KMIP_REQUEST_MAX 2048u
#define KMIP_REPLY_MAX 32768u

enum kmip_operation { KMIP_GET_ATTRIBUTES = 0x0b, KMIP_ENCRYPT = 0x1f, KMIP_DECRYPT = 0x20 };

struct kmip_request {
	unsigned int major, minor;
	enum kmip_operation operation;
	const char *uid;
	/* Of encrypting and decrypting. */
	const char *binding; /* additional data, or NULL: none */
	const uint8_t *data; /* KP_SECRET_LEN bytes */
	const uint8_t *nonce, *tag; /* TAG of decrypting alone */
};

/* RET may be in secret memory.  0; -EINVAL: too long. */
int kmip_request(const struct kmip_request *q, uint8_t ret[static KMIP_REQUEST_MAX], size_t *ret_n);

struct kmip_reply {
	uint32_t status, reason; /* 0, 0: it was done */
	char message[128];	 /* the server's words, printable */
	struct ttlv payload;	 /* within the bytes parsed; type 0: none */
};

/* The answer of N bytes to OPERATION.  0; -EPROTO. */
int kmip_reply(const uint8_t *p, size_t n, enum kmip_operation operation, struct kmip_reply *ret);
/* Whether it tells of key UID, or, as refusals may, of none. */
bool kmip_reply_is_about(const struct kmip_reply *r, const char *uid);

enum kmip_state {
	KMIP_PRE_ACTIVE = 1,
	KMIP_ACTIVE,
	KMIP_DEACTIVATED,
	KMIP_COMPROMISED,
	KMIP_DESTROYED,
	KMIP_DESTROYED_COMPROMISED,
};

#define KMIP_USAGE_ENCRYPT 0x04u
#define KMIP_USAGE_DECRYPT 0x08u

struct kmip_attributes { /* 0: not told */
	uint32_t object, algorithm, bits, usage, state; /* 2: symmetric key; 3: AES */
	int64_t activation, deactivation;		/* unix seconds */
	bool revoked;	  /* a reason is told */
	bool extractable; /* unless it is told that it is not */
};

/* 0; -EPROTO. */
int kmip_attributes(const struct kmip_reply *r, unsigned int major, struct kmip_attributes *ret);
/* What was encrypted, as a blob; NONCE is what was asked for.  0; -EPROTO. */
int kmip_encrypted(const struct kmip_reply *r, const uint8_t *nonce,
		   uint8_t ret[static KMIP_BLOB_LEN]);
/* What was decrypted: KP_SECRET_LEN bytes.  0; -EPROTO. */
int kmip_decrypted(const struct kmip_reply *r, uint8_t ret[static KP_SECRET_LEN]);

/* ---- errors (error.c) ----------------------------------------------------------------- */

enum kmip_remedy {
	KMIP_NONE,
	KMIP_ASK_STATE, /* denied, or a state in which keys are not used: the key's State tells */
	KMIP_DOUBT,	/* bad data, or a fault: a fresh encrypt and decrypt tells them apart */
};

struct kmip_error_row {
	uint32_t reason;
	const char *name; /* "Permission Denied" */
	int code;
	enum kmip_remedy remedy;
	const char *hint; /* NULL: what is common */
};

extern const struct kmip_error_row kmip_errors[];
extern const size_t kmip_nerrors;
const struct kmip_error_row *kmip_error_row(uint32_t reason); /* never NULL */
/* Fill E from what SERVER said.  Returns the code. */
int kmip_fail(struct kp_error *e, const struct kmip_reply *r, const char *server);
/* That a key is in another state than Active.  Returns the code. */
int kmip_fail_state(struct kp_error *e, const struct kmip_attributes *a, const char *uri);

#endif
