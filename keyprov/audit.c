/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's audit log for who knows no provider: it is the embedded vault's,
 * whatever vault the keys are in.
 */
#include "keyprov/keyprov.h"
#include "keyprov/local/local.h"

int kp_audit_open(const char *state_dir, struct kp_audit **ret, struct kp_error *e)
{
	return local_open(state_dir, NULL, false, (struct local **)ret, e);
}

int kp_audit_note(struct kp_audit *a, const char *principal, const char *operation,
		  const char *object, const char *outcome, const char *detail, struct kp_error *e)
{
	return local_audit_note((struct local *)a, principal, operation, object, outcome, detail, e);
}

void kp_audit_close(struct kp_audit *a)
{
	local_close((struct local *)a);
}
