/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusals of a vault, by what its answer says and then by its status, and
 * what an administrator of Azure does about each.
 */
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "azure.h"
#include "keyprov/net/json.h"
#include "words.h"

#define CLOCK_OFF_S 240

/* What the service says: {"error":{"code","message","innererror":{"code"}}} */
struct said {
	char code[64], inner[64], message[512];
};

static void copy_text(const json_t *o, const char *key, char *ret, size_t cap)
{
	const char *s;

	if (!js_text_opt(o, key, &s, NULL))
		snprintf(ret, cap, "%s", s);
}

/* All empty where it is no such answer. */
static void read_said(const struct http_reply *r, struct said *ret)
{
	_cleanup_json_ json_t *o = NULL;
	json_t *error, *inner;

	memset(ret, 0, sizeof(*ret));
	if (js_parse(r->body, r->body_len, &o, NULL) || js_object(o, "error", &error, NULL))
		return;
	copy_text(error, "code", ret->code, sizeof(ret->code));
	copy_text(error, "message", ret->message, sizeof(ret->message));
	inner = json_object_get(error, "innererror");
	if (!inner)
		inner = json_object_get(error, "innerError");
	if (json_is_object(inner))
		copy_text(inner, "code", ret->inner, sizeof(ret->inner));
}

/*
 * The first row that fits is what it means; empty texts and status 0 fit all.
 * WORDS: of the message, where codes differ between kinds of vaults.
 */
static const struct {
	long status;
	const char *code, *inner, *words;
	enum az_cause cause;
} rules[] = {
	{ 401, "", "", "", AZ_BAD_CREDENTIAL },
	{ 403, "", "KeyDisabled", "", AZ_DISABLED },
	{ 403, "", "", "disabled key", AZ_DISABLED },
	{ 403, "", "KeyExpired", "", AZ_EXPIRED },
	{ 403, "", "", "expired key", AZ_EXPIRED },
	{ 403, "", "KeyNotYetValid", "", AZ_EARLY },
	{ 403, "", "", "not yet valid", AZ_EARLY },
	{ 403, "", "ForbiddenByFirewall", "", AZ_FIREWALL },
	{ 403, "", "", "Client address", AZ_FIREWALL },
	{ 403, "", "ForbiddenByConnection", "", AZ_FIREWALL },
	{ 403, "", "ForbiddenByPolicy", "", AZ_POLICY },
	{ 403, "", "ForbiddenByRbac", "", AZ_POLICY },
	{ 403, "", "AccessDenied", "", AZ_POLICY },
	{ 403, "", "", "does not have", AZ_POLICY },
	{ 403, "", "KeyOperationForbidden", "", AZ_OPERATION },
	{ 403, "Forbidden", "", "", AZ_FORBIDDEN },
	{ 409, "", "ObjectIsDeletedButRecoverable", "", AZ_DELETED },
	{ 409, "", "ObjectIsBeingDeleted", "", AZ_DELETED },
	{ 404, "KeyNotFound", "", "", AZ_GONE },
	{ 404, "VaultNotFound", "", "", AZ_GONE },
	{ 400, "BadParameter", "", "", AZ_BAD_BLOB },
	{ 429, "", "", "", AZ_THROTTLED },
	{ 408, "", "", "", AZ_BUSY },
	{ 500, "", "", "", AZ_BUSY }, /* 5xx */
};

static enum az_cause cause_of(long status, const struct said *s)
{
	long class = status / 100 == 5 ? 500 : status;

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].status == class && (!*rules[i].code || !strcmp(s->code, rules[i].code)) &&
		    (!*rules[i].inner || !strcmp(s->inner, rules[i].inner)) &&
		    (!*rules[i].words || strcasestr(s->message, rules[i].words)))
			return rules[i].cause;
	return AZ_STRANGE;
}

/* The identity that was refused: the value behind "oid=" of the message. */
static void read_object_id(const char *message, char *ret, size_t cap)
{
	const char *p = strstr(message, "oid=");
	size_t n = p ? strspn(p + 4, "0123456789abcdefABCDEF-") : 0;

	snprintf(ret, cap, "%.*s", n ? (int)n : 9, n ? p + 4 : "OBJECT-ID");
}

int az_refusal(const struct http_reply *r, const char *operation, const struct az_uri *u,
	       struct kp_error *e)
{
	struct az_words w = { .uri = u, .operation = operation, .status = r->status };
	struct said s;
	enum az_cause cause;

	read_said(r, &s);
	cause = cause_of(r->status, &s);
	/* A blob is what only unwrapping takes. */
	if (cause == AZ_BAD_BLOB && strcmp(operation, "unwrapKey") != 0)
		cause = AZ_STRANGE;
	read_object_id(s.message, w.object_id, sizeof(w.object_id));
	return az_say(cause, &w, e);
}

/* ---- those who give tokens ------------------------------------------------------------ */

/* Their "error", if it is a word. */
static void read_error_word(const struct http_reply *r, char *ret, size_t cap)
{
	_cleanup_json_ json_t *o = NULL;

	*ret = 0;
	if (!js_parse(r->body, r->body_len, &o, NULL))
		copy_text(o, "error", ret, cap);
}

int az_sign_in_refusal(const struct http_reply *r, const char *who, struct kp_error *e)
{
	char word[64];

	read_error_word(r, word, sizeof(word));
	if (http_status_busy(r->status) || !strcmp(word, "temporarily_unavailable"))
		return kp_fail(e, -EAGAIN, NULL, "%.100s is busy (%ld)", who, r->status);
	if (r->status / 100 != 4 || !*word)
		return kp_fail(e, -EPROTO, "is it the sign-in service that answers there?",
			       "unintelligible answer of %.100s (%ld)", who, r->status);
	if (r->date && llabs((long long)(time(NULL) - r->date)) > CLOCK_OFF_S) /* a statement is dated */
		return kp_fail(e, -EKEYREJECTED, "set the clock right: timedatectl set-ntp true",
			       "%.100s refuses the identity: %.60s; this machine's clock is off by "
			       "%lld s", who, word, (long long)(time(NULL) - r->date));
	return kp_fail(e, -EKEYREJECTED,
		       "look at tenant-id, client-id and the credential in [azure]: does it exist, "
		       "has it expired, is the identity enabled?",
		       "%.100s refuses the identity: %.60s", who, word);
}

/* 404 and 410: the platform is not ready yet (documented: ask again for 70 s). */
int az_metadata_refusal(const struct http_reply *r, struct kp_error *e)
{
	char word[64];

	read_error_word(r, word, sizeof(word));
	if (http_status_busy(r->status) || r->status == 404 || r->status == 410)
		return kp_fail(e, -EAGAIN, NULL, "the metadata endpoint is busy (%ld)", r->status);
	if (r->status / 100 != 4)
		return kp_fail(e, -EPROTO, "is it the metadata endpoint that answers there?",
			       "unintelligible answer of the metadata endpoint (%ld)", r->status);
	return kp_fail(e, -EKEYREJECTED,
		       "assign a managed identity to this machine; with several, name one by "
		       "client-id in [azure]",
		       "no managed identity: %.60s (%ld)", *word ? word : "refused", r->status);
}
