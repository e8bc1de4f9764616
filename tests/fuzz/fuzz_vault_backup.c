/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backups of vaults from outside.  The input is a body; what is taken of it is
 * written again and is the same bytes.  It is also a whole file, which only its
 * passphrase could open.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "keyprov/local/backup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int vault(void *arg, const struct local_vault *v, struct kp_error *e)
{
	(void)e;
	assert(v->retention_days >= LOCAL_RETENTION_MIN &&
	       v->retention_days <= LOCAL_RETENTION_MAX);
	backup_put_vault(arg, v);
	return 0;
}

static int policy(void *arg, const char *principal, unsigned int permissions, struct kp_error *e)
{
	(void)e;
	backup_put_policy(arg, principal, permissions);
	return 0;
}

static int key(void *arg, const struct key_row *k, struct kp_error *e)
{
	(void)e;
	backup_put_key(arg, k);
	return 0;
}

static int version(void *arg, const struct backup_version *v, struct kp_error *e)
{
	(void)e;
	assert(!v->sealed_len || v->sealed_len > SEALED_EXTRA);
	backup_put_version(arg, v);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct backup_visitor v = { vault, policy, key, version };
	struct backup_body again = { .p = NULL };
	struct kp_error e = { 0 };
	/* A copy of its own size, so that a sanitizer sees a byte too much. */
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	if (!backup_parse(copy, size, &v, &again, &e)) {
		backup_put_end(&again);
		assert(again.n == size && !memcmp(again.p, copy, size));
	} else {
		assert(e.message[0] && e.hint[0]);
	}
	free(again.p);
	if (backup_check(copy, size, &e))
		assert(e.message[0] && e.hint[0]);
	else
		assert(size >= BACKUP_EXTRA);
	free(copy);
	return 0;
}
