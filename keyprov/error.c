/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of provider errors, and the filling of struct kp_error.
 */
#include "keyprov.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Exit codes are those of cmkfs(1): 2 bad input, 4 refused, 5 unreachable. */
const struct kp_error_row kp_error_table[] = {
	{ -ENOENT, "ENOENT", EKEYREVOKED, true, 4, "no such vault, key or version" },
	{ -EKEYREJECTED, "EKEYREJECTED", EKEYREVOKED, true, 4, "not a key that is accepted" },
	{ -EACCES, "EACCES", EKEYREVOKED, true, 4, "policy or firewall does not allow it" },
	{ -EKEYREVOKED, "EKEYREVOKED", EKEYREVOKED, true, 4,
	  "key disabled or deleted, vault deleted or identity off" },
	{ -EKEYEXPIRED, "EKEYEXPIRED", EKEYEXPIRED, true, 4, "key expired or not yet valid" },
	{ -EAGAIN, "EAGAIN", 0, false, 5, "vault unreachable or busy" },
	{ -EPROTO, "EPROTO", 0, false, 5, "unintelligible answer of the vault" },
	{ -EBADMSG, "EBADMSG", EKEYREVOKED, true, 4, "wrapped key does not unwrap" },
	{ -EINVAL, "EINVAL", ENOKEY, true, 2, "malformed key URI" },
	{ -ENOTSUP, "ENOTSUP", ENOKEY, true, 2, "no provider for this scheme" },
	{ -EIO, "EIO", 0, false, 5, "store of the vault fails" },
	{ 0, NULL, 0, false, 0, NULL },
};

const struct kp_error_row *kp_error_row(int code)
{
	const struct kp_error_row *r;

	for (r = kp_error_table; r->code; r++)
		if (r->code == code)
			return r;
	return r - 1; /* unknown: the store fails */
}

/* Keep what is shown on one line: a name from outside may hold anything. */
static void flatten(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

/* Where a provider knows no better. */
static const char *common_hint(int code)
{
	switch (code) {
	case -EAGAIN:
		return "try again later";
	case -EIO:
		return "look at the vault's files and at the free space beside them";
	case -EPROTO:
		return "is it the key server that answers there?";
	case -EACCES:
		return "look at the policy of the key";
	case -EKEYREVOKED:
		return "look at the state of the key, and of the identity that asks";
	case -EBADMSG:
		return "cmkfs key show DIR tells which key it was wrapped by";
	case -EKEYREJECTED:
	case -EINVAL:
		return "look at the key's URI: cmkfs vault key list VAULT";
	default:
		return "";
	}
}

int kp_fail(struct kp_error *e, int code, const char *hint, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return code;
	e->code = code;
	e->retryable = code && !kp_error_row(code)->denied;
	va_start(ap, fmt);
	vsnprintf(e->message, sizeof(e->message), fmt, ap);
	va_end(ap);
	snprintf(e->hint, sizeof(e->hint), "%s", hint ? hint : common_hint(code));
	flatten(e->message);
	flatten(e->hint);
	return code;
}

int kp_hint(struct kp_error *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return code;
	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
	flatten(e->hint);
	return code;
}
