/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit logs for who knows no provider.  They are under keys derived from
 * the master key of the embedded vault, whatever vault a volume's keys are in.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "keyprov/audit/log.h"
#include "keyprov/keyprov.h"
#include "keyprov/local/master.h"

#define VOLUME_PRINCIPAL_LEN (6 + 32)

struct kp_audit {
	char *state_dir;
	struct audit_keys *keys; /* secret */
};

static bool best_effort;

void kp_audit_set_best_effort(bool on)
{
	best_effort = on;
}

bool kp_audit_best_effort(void)
{
	return best_effort;
}

int kp_audit_open(const char *state_dir, struct kp_audit **ret, struct kp_error *e)
{
	struct kp_audit *a = calloc(1, sizeof(*a));
	int r = 0;

	if (a) {
		a->state_dir = strdup(state_dir);
		a->keys = secret_alloc(sizeof(*a->keys));
	}
	if (!a || !a->state_dir || !a->keys)
		r = kp_fail(e, -EAGAIN, NULL, "no memory for the audit log");
	if (!r)
		r = master_audit_keys(state_dir, true, a->keys, e);
	if (r) {
		kp_audit_close(a);
		return r;
	}
	*ret = a;
	return 0;
}

void kp_audit_close(struct kp_audit *a)
{
	if (!a)
		return;
	secret_free(a->keys);
	free(a->state_dir);
	free(a);
}

void audit_name_of(const char *principal, char ret[static AUDIT_NAME_MAX])
{
	size_t n = strlen(principal);

	if (n == VOLUME_PRINCIPAL_LEN && !strncmp(principal, "cmkfs-", 6) &&
	    strspn(principal + 6, "0123456789abcdef") == n - 6)
		snprintf(ret, AUDIT_NAME_MAX, "volume-%s", principal + 6);
	else
		snprintf(ret, AUDIT_NAME_MAX, "host");
}

int kp_audit_write(struct kp_audit *a, const struct kp_record *r, struct kp_error *e)
{
	char name[AUDIT_NAME_MAX];

	audit_name_of(r->principal ? r->principal : "", name);
	return auditlog_append(a->state_dir, name, a->keys, r, NULL, e);
}

int kp_audit_note(struct kp_audit *a, const char *principal, const char *operation,
		  const char *object, const char *outcome, const char *detail, struct kp_error *e)
{
	const struct kp_record r = { .principal = principal, .operation = operation,
				     .object = object, .outcome = outcome, .detail = detail };

	return kp_audit_write(a, &r, e);
}

int kp_audit_probe(struct kp_audit *a, const char *principal, struct kp_error *e)
{
	char name[AUDIT_NAME_MAX];

	audit_name_of(principal, name);
	return auditlog_probe(a->state_dir, name, a->keys, e);
}

int kp_audit_logs(struct kp_audit *a, kp_audit_name_fn *fn, void *arg, struct kp_error *e)
{
	return auditlog_names(a->state_dir, a->keys->id, fn, arg, e);
}

int kp_audit_read(struct kp_audit *a, const char *name, struct kp_audit_cursor *c,
		  kp_audit_line_fn *fn, void *arg, struct kp_error *e)
{
	return auditlog_read(a->state_dir, name, a->keys->id, c, fn, arg, e);
}

int kp_audit_verify(struct kp_audit *a, const char *name, struct kp_audit_report *ret,
		    struct kp_error *e)
{
	return auditlog_verify(a->state_dir, name, a->keys, ret, e);
}

static bool parse_public(const char *s, uint8_t ret[static SIGN_PUBLIC_LEN])
{
	if (strlen(s) != 2 * SIGN_PUBLIC_LEN || strspn(s, "0123456789abcdefABCDEF") != strlen(s))
		return false;
	for (size_t i = 0; i < SIGN_PUBLIC_LEN; i++)
		sscanf(s + 2 * i, "%2hhx", &ret[i]);
	return true;
}

int kp_audit_verify_copy(const char *dir, const char *public, struct kp_audit_report *ret,
			 struct kp_error *e)
{
	uint8_t key[SIGN_PUBLIC_LEN];

	if (!parse_public(public, key))
		return kp_fail(e, -EINVAL, "cmkfs audit verify prints it with --json",
			       "'%.80s' is not a public key", public);
	return auditlog_verify_copy(dir, key, ret, e);
}

int kp_audit_tidy(struct kp_audit *a, const char *name, bool rotate, unsigned int keep,
		  unsigned int *ret_removed, struct kp_error *e)
{
	int r = auditlog_checkpoint(a->state_dir, name, a->keys, e);

	if (!r)
		r = auditlog_rotate(a->state_dir, name, a->keys, rotate ? 1 : UINT64_MAX, keep,
				    ret_removed, e);
	return r;
}

void kp_audit_public(struct kp_audit *a, char ret[static KP_AUDIT_PUBLIC_MAX])
{
	for (size_t i = 0; i < SIGN_PUBLIC_LEN; i++)
		snprintf(ret + 2 * i, 3, "%02x", a->keys->public[i]);
}

/* ---- statements ------------------------------------------------------------------------- */

static void *statement(const char *kind, const void *p, size_t n, size_t *ret_n)
{
	size_t head = strlen("cmkfs ") + strlen(kind) + 1;
	char *m = malloc(head + n + 1);

	if (!m)
		return NULL;
	snprintf(m, head + 1, "cmkfs %s\n", kind);
	memcpy(m + head, p, n);
	*ret_n = head + n;
	return m;
}

int kp_audit_sign(struct kp_audit *a, const char *kind, const void *p, size_t n,
		  char ret[static KP_SIGNATURE_MAX])
{
	_cleanup_free_ void *m = statement(kind, p, n, &n);
	uint8_t sig[SIGN_LEN];
	int r = m ? sign_message(a->keys->sign, m, n, sig) : -ENOMEM;

	for (size_t i = 0; !r && i < SIGN_LEN; i++)
		snprintf(ret + 2 * i, 3, "%02x", sig[i]);
	return r;
}

/* LEN bytes in hex, and no more. */
static int unhex(const char *s, uint8_t *ret, size_t len)
{
	if (strlen(s) != 2 * len || strspn(s, "0123456789abcdef") != 2 * len)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		const char two[3] = { s[2 * i], s[2 * i + 1], 0 };

		ret[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return 0;
}

int kp_audit_signed(const char *public, const char *kind, const void *p, size_t n,
		    const char *signature)
{
	uint8_t key[SIGN_PUBLIC_LEN], sig[SIGN_LEN];
	_cleanup_free_ void *m = NULL;

	if (unhex(public, key, sizeof(key)) || unhex(signature, sig, sizeof(sig)))
		return -EINVAL;
	m = statement(kind, p, n, &n);
	return m ? sign_verify(key, m, n, sig) : -ENOMEM;
}
