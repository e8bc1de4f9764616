/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file around a vault's backup: header and keys.
 */
#include "backup.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/rand.h"

#define MAGIC "CMKFSVB1"
#define COST_AT 8
#define SALT_AT 16
#define LEN_AT 48

int backup_header(uint8_t ret[static BACKUP_HEADER], struct kp_error *e)
{
	const struct passphrase_cost cost = PASSPHRASE_COST;

	memset(ret, 0, BACKUP_HEADER);
	memcpy(ret, MAGIC, 8);
	ret[COST_AT] = cost.log_n;
	ret[COST_AT + 1] = cost.r;
	ret[COST_AT + 2] = cost.p;
	if (rand_bytes(ret + SALT_AT, PASSPHRASE_SALT))
		return kp_fail(e, -EIO, NULL, "no random numbers for a backup");
	return 0;
}

int backup_keys(const uint8_t header[static BACKUP_HEADER], const char *pass, size_t pass_len,
		struct backup_keys *ret, struct kp_error *e)
{
	const struct passphrase_cost cost = { header[COST_AT], header[COST_AT + 1],
					      header[COST_AT + 2] };
	int r = passphrase_scrypt(pass, pass_len, header + SALT_AT, cost, ret->body, sizeof(*ret));

	if (r == -EINVAL)
		return kp_fail(e, -EBADMSG, "take another copy of it",
			       "the backup is damaged: its cost "
			       "of the passphrase is none that is used");
	return r ? kp_fail(e, -EAGAIN, "free some memory", "no memory for the passphrase's key") :
		0;
}

int backup_check(const uint8_t *p, size_t n, struct kp_error *e)
{
	if (n < 8 || memcmp(p, MAGIC, 8) != 0)
		return kp_fail(e, -EBADMSG, "cmkfs vault backup makes one",
			       "the file is no backup of a "
			       "vault");
	if (n < BACKUP_EXTRA || get_le64(p + LEN_AT) != n - BACKUP_EXTRA)
		return kp_fail(e, -EBADMSG, "take another copy of it", "the backup is cut off, or "
			       "longer than it was made");
	return 0;
}

size_t backup_aad(const char *vault, const char *key, const char *version, char *aad, size_t cap)
{
	return (size_t)snprintf(aad, cap, "cmkfs vault backup key 1|%s|%s|%s", vault, key, version);
}
