/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Cryptoki's return values mean for a volume, as a table.  Tokens differ
 * in what they say: 0x60 and 0x82 are a deleted key as well as a stale handle,
 * 0x05, 0x06 and 0x40 bad data as well as a fault.
 */
#include "p11.h"

#include <errno.h>
#include <stdio.h>

#define PIN_HINT "put the right PIN into its file; pkcs11-tool --login --test tells which is right"
#define KEY_HINT "look at its attributes: pkcs11-tool --module MODULE --login --list-objects"
#define TOKEN_HINT "put the token back, or see that its module and server run: p11-kit list-modules"
#define OAEP_HINT "take a token that can decrypt by RSA-PKCS-OAEP with SHA-256: " \
	"pkcs11-tool --module MODULE --list-mechanisms"

#define ROW(rv, ...) { rv, #rv, __VA_ARGS__ }

const struct p11_error_row p11_errors[] = {
	ROW(CKR_CANCEL, -EAGAIN, P11_NONE, "the call was cancelled", ""),
	ROW(CKR_HOST_MEMORY, -EAGAIN, P11_NONE, "out of memory", ""),
	ROW(CKR_SLOT_ID_INVALID, -EAGAIN, P11_REOPEN, "the slot is gone", TOKEN_HINT),
	ROW(CKR_GENERAL_ERROR, -EAGAIN, P11_DOUBT, "the module failed", TOKEN_HINT),
	ROW(CKR_FUNCTION_FAILED, -EAGAIN, P11_DOUBT, "the call failed", TOKEN_HINT),
	ROW(CKR_ARGUMENTS_BAD, -EKEYREJECTED, P11_NONE, "it does not know what is asked for",
	    OAEP_HINT),
	ROW(CKR_CANT_LOCK, -EAGAIN, P11_NONE, "it cannot be used by threads", ""),
	ROW(CKR_DATA_INVALID, -EAGAIN, P11_DOUBT, "the data was not accepted", ""),
	ROW(CKR_DATA_LEN_RANGE, -EAGAIN, P11_DOUBT, "the data is of a wrong length", ""),
	ROW(CKR_DEVICE_ERROR, -EAGAIN, P11_REOPEN, "the token failed", TOKEN_HINT),
	ROW(CKR_DEVICE_MEMORY, -EAGAIN, P11_NONE, "the token is out of memory", ""),
	ROW(CKR_DEVICE_REMOVED, -EAGAIN, P11_REOPEN, "the token was removed", TOKEN_HINT),
	ROW(CKR_ENCRYPTED_DATA_INVALID, -EAGAIN, P11_DOUBT, "the wrapped key was not accepted", ""),
	ROW(CKR_ENCRYPTED_DATA_LEN_RANGE, -EAGAIN, P11_DOUBT,
	    "the wrapped key is of a wrong length", ""),
	ROW(CKR_FUNCTION_CANCELED, -EAGAIN, P11_NONE, "the call was cancelled", ""),
	ROW(CKR_FUNCTION_NOT_SUPPORTED, -EKEYREJECTED, P11_NONE, "it cannot do this", OAEP_HINT),
	ROW(CKR_KEY_HANDLE_INVALID, -EAGAIN, P11_REOPEN, "the key's handle is stale", TOKEN_HINT),
	ROW(CKR_KEY_SIZE_RANGE, -EKEYREJECTED, P11_NONE, "the key's size is not accepted", KEY_HINT),
	ROW(CKR_KEY_TYPE_INCONSISTENT, -EACCES, P11_NONE, "the key may not decrypt (CKA_DECRYPT)",
	    KEY_HINT),
	ROW(CKR_KEY_FUNCTION_NOT_PERMITTED, -EACCES, P11_NONE,
	    "the key may not decrypt (CKA_DECRYPT)", KEY_HINT),
	ROW(CKR_MECHANISM_INVALID, -EKEYREJECTED, P11_NONE, "it has no RSA-PKCS-OAEP", OAEP_HINT),
	ROW(CKR_MECHANISM_PARAM_INVALID, -EKEYREJECTED, P11_NONE,
	    "it has no RSA-PKCS-OAEP with SHA-256", OAEP_HINT),
	ROW(CKR_OBJECT_HANDLE_INVALID, -EAGAIN, P11_REOPEN, "the key's handle is stale", TOKEN_HINT),
	ROW(CKR_OPERATION_ACTIVE, -EAGAIN, P11_REOPEN, "another operation is under way", ""),
	ROW(CKR_OPERATION_NOT_INITIALIZED, -EAGAIN, P11_REOPEN, "the operation was lost", ""),
	ROW(CKR_PIN_INCORRECT, -EKEYREJECTED, P11_NONE, "the PIN is wrong", PIN_HINT),
	ROW(CKR_PIN_INVALID, -EKEYREJECTED, P11_NONE, "the PIN has characters it cannot have",
	    PIN_HINT),
	ROW(CKR_PIN_LEN_RANGE, -EKEYREJECTED, P11_NONE, "the PIN is too short or too long",
	    PIN_HINT),
	ROW(CKR_PIN_EXPIRED, -EKEYREJECTED, P11_NONE, "the PIN has expired",
	    "set a new one: pkcs11-tool --login --change-pin"),
	ROW(CKR_PIN_LOCKED, -EKEYREJECTED, P11_NONE, "the PIN is locked",
	    "unlock it as security officer: pkcs11-tool --login --login-type so --init-pin"),
	ROW(CKR_SESSION_CLOSED, -EAGAIN, P11_REOPEN, "the session was closed", TOKEN_HINT),
	ROW(CKR_SESSION_COUNT, -EAGAIN, P11_NONE, "it has no session left", ""),
	ROW(CKR_SESSION_HANDLE_INVALID, -EAGAIN, P11_REOPEN, "the session is stale", TOKEN_HINT),
	ROW(CKR_TOKEN_NOT_PRESENT, -EAGAIN, P11_REOPEN, "the token is not there", TOKEN_HINT),
	ROW(CKR_TOKEN_NOT_RECOGNIZED, -EAGAIN, P11_REOPEN, "the token is not recognised",
	    TOKEN_HINT),
	ROW(CKR_USER_NOT_LOGGED_IN, -EAGAIN, P11_REOPEN, "the login was lost", PIN_HINT),
	ROW(CKR_USER_PIN_NOT_INITIALIZED, -EKEYREJECTED, P11_NONE, "the token has no user PIN",
	    "set one: pkcs11-tool --login --login-type so --init-pin"),
	ROW(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, -EAGAIN, P11_NONE,
	    "this process is logged in as somebody else", ""),
	ROW(CKR_USER_TOO_MANY_TYPES, -EAGAIN, P11_NONE, "too many are logged in", ""),
	ROW(CKR_CRYPTOKI_NOT_INITIALIZED, -EAGAIN, P11_REOPEN, "the module was ended", ""),
	ROW(CKR_FUNCTION_REJECTED, -EACCES, P11_NONE, "the token refused", KEY_HINT),
};
const size_t p11_nerrors = ARRAY_SIZE(p11_errors);

const struct p11_error_row *p11_error_row(ck_rv_t rv)
{
	static const struct p11_error_row unknown = { 0, "", -EAGAIN, P11_NONE,
						      "a reason of its own", TOKEN_HINT };

	for (size_t i = 0; i < p11_nerrors; i++)
		if (p11_errors[i].rv == rv)
			return &p11_errors[i];
	return &unknown;
}

int p11_fail(struct kp_error *e, ck_rv_t rv, const char *call, const char *token)
{
	const struct p11_error_row *r = p11_error_row(rv);

	return kp_fail(e, r->code, r->hint[0] ? r->hint : NULL, "token %.32s: %s: %s (%s%s0x%lx)",
		       token[0] ? token : "?", call, r->meaning, r->name, r->name[0] ? " " : "", rv);
}
