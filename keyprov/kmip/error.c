/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What KMIP's result reasons and key states mean for a volume, as tables.
 * Servers put several things into one reason: `Permission Denied` is a missing
 * right as well as a key in another state, `General Failure` a wrong tag as
 * well as a fault, `Operation Not Supported` what OpenSSL does not like.
 */
#include "kmip.h"

#include <errno.h>
#include <stdio.h>

#define RIGHTS_HINT "let the certificate's owner Get Attributes, Encrypt and Decrypt with this key"
#define VERSION_HINT "look at version in [kmip] of the configuration, and at what the server speaks"
#define GCM_HINT "an AES key with the usage Encrypt and Decrypt, on a server that does AES-GCM, is needed"

const struct kmip_error_row kmip_errors[] = {
	{ 0x01, "Item Not Found", -ENOENT, KMIP_NONE, "look at the key's unique identifier" },
	{ 0x02, "Response Too Large", -EPROTO, KMIP_NONE, NULL },
	{ 0x03, "Authentication Not Successful", -EKEYREJECTED, KMIP_NONE,
	  "look at client-certificate in [kmip], and at whom the server knows" },
	{ 0x04, "Invalid Message", -EPROTO, KMIP_NONE, VERSION_HINT },
	{ 0x05, "Operation Not Supported", -EKEYREJECTED, KMIP_DOUBT, GCM_HINT },
	{ 0x06, "Missing Data", -EPROTO, KMIP_NONE, VERSION_HINT },
	{ 0x07, "Invalid Field", -EKEYREJECTED, KMIP_DOUBT, GCM_HINT },
	{ 0x08, "Feature Not Supported", -EKEYREJECTED, KMIP_NONE, GCM_HINT },
	{ 0x09, "Operation Canceled By Requester", -EAGAIN, KMIP_NONE, NULL },
	{ 0x0a, "Cryptographic Failure", -EAGAIN, KMIP_DOUBT, NULL },
	{ 0x0b, "Illegal Operation", -EACCES, KMIP_ASK_STATE, RIGHTS_HINT },
	{ 0x0c, "Permission Denied", -EACCES, KMIP_ASK_STATE, RIGHTS_HINT },
	{ 0x0d, "Object Archived", -EKEYREVOKED, KMIP_NONE, "recover it from the archive" },
	{ 0x13, "Key Value Not Present", -EKEYREVOKED, KMIP_NONE, NULL },
	{ 0x14, "Attestation Required", -EACCES, KMIP_NONE, NULL },
	{ 0x15, "Attestation Failed", -EACCES, KMIP_NONE, NULL },
	{ 0x19, "Invalid Ticket", -EKEYREJECTED, KMIP_NONE, NULL },
	{ 0x1a, "Usage Limit Exceeded", -EACCES, KMIP_NONE, "give the key a higher usage limit" },
	{ 0x24, "Bad Cryptographic Parameters", -EKEYREJECTED, KMIP_DOUBT, GCM_HINT },
	{ 0x29, "Incompatible Cryptographic Usage Mask", -EACCES, KMIP_NONE, GCM_HINT },
	{ 0x2a, "Internal Server Error", -EAGAIN, KMIP_DOUBT, NULL },
	{ 0x30, "Invalid Object Type", -EKEYREJECTED, KMIP_NONE, GCM_HINT },
	{ 0x36, "Object Destroyed", -ENOENT, KMIP_NONE, NULL },
	{ 0x37, "Object Not Found", -ENOENT, KMIP_NONE, "look at the key's unique identifier" },
	{ 0x39, "Not Authorised", -EACCES, KMIP_ASK_STATE, RIGHTS_HINT },
	{ 0x3a, "Server Limit Exceeded", -EAGAIN, KMIP_NONE, NULL },
	{ 0x3e, "Unsupported Cryptographic Parameters", -EKEYREJECTED, KMIP_NONE, GCM_HINT },
	{ 0x3f, "Unsupported Protocol Version", -EPROTO, KMIP_NONE, VERSION_HINT },
	{ 0x43, "Wrong Key Lifecycle State", -EKEYREVOKED, KMIP_ASK_STATE, NULL },
	{ 0x44, "Protection Storage Unavailable", -EAGAIN, KMIP_NONE, NULL },
	{ 0x100, "General Failure", -EAGAIN, KMIP_DOUBT, NULL },
};
const size_t kmip_nerrors = ARRAY_SIZE(kmip_errors);

const struct kmip_error_row *kmip_error_row(uint32_t reason)
{
	static const struct kmip_error_row unknown = { 0, "an unknown reason", -EAGAIN, KMIP_DOUBT,
						       NULL };

	for (size_t i = 0; i < kmip_nerrors; i++)
		if (kmip_errors[i].reason == reason)
			return &kmip_errors[i];
	return &unknown;
}

int kmip_fail(struct kp_error *e, const struct kmip_reply *r, const char *server)
{
	const struct kmip_error_row *row = kmip_error_row(r->reason);

	return kp_fail(e, row->code, row->hint, "%.80s: %s (0x%x)%s%s", server, row->name, r->reason,
		       r->message[0] ? ": " : "", r->message);
}

int kmip_fail_state(struct kp_error *e, const struct kmip_attributes *a, const char *uri)
{
	/* A key that nobody revoked has come to its end by its date. */
	bool expired = a->deactivation && !a->revoked;

	switch (a->state) {
	case KMIP_PRE_ACTIVE:
		return kp_fail(e, -EKEYEXPIRED, "activate it", "%.180s is not active yet", uri);
	case KMIP_DEACTIVATED:
		return kp_fail(e, expired ? -EKEYEXPIRED : -EKEYREVOKED,
			       "KMIP has no way back from here: cmkfs key set DIR URI takes another key, "
			       "while the volume can still be opened by another slot",
			       "%.180s is deactivated", uri);
	case KMIP_COMPROMISED:
		return kp_fail(e, -EKEYREVOKED, "KMIP has no way back from here: a backup of the "
			       "server, or another slot of the volume", "%.180s is compromised", uri);
	case KMIP_DESTROYED:
	case KMIP_DESTROYED_COMPROMISED:
		return kp_fail(e, -ENOENT, "what was under it alone is gone", "%.180s is destroyed",
			       uri);
	default:
		return kp_fail(e, -EPROTO, NULL, "%.180s is in the unknown state %u", uri, a->state);
	}
}
