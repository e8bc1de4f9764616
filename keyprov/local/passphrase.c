/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passphrases: where they come from, and keys from them.
 */
#include "master.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "crypto/secret.h"

#define MEMORY_MAX (UINT64_C(256) << 20)
#define P_MAX 4

static local_passphrase_fn *source;
static void *source_arg;

void local_passphrase_from(local_passphrase_fn *fn, void *arg)
{
	source = fn;
	source_arg = arg;
}

int passphrase_ask(const char *what, char *ret, size_t *ret_n, struct kp_error *e)
{
	int r;

	if (!source)
		return kp_fail(e, -EACCES, "name it by vault-passphrase-file in the configuration",
			       "the passphrase of %s is needed", what);
	r = source(source_arg, what, ret, ret_n, e);
	if (!r && !*ret_n)
		r = kp_fail(e, -EACCES, NULL, "the passphrase of %s is empty", what);
	return r;
}

int passphrase_scrypt(const char *pass, size_t n, const uint8_t salt[static PASSPHRASE_SALT],
		   struct passphrase_cost c, uint8_t *ret, size_t ret_n)
{
	uint64_t memory = c.log_n < 32 ? (UINT64_C(128) << c.log_n) * c.r : UINT64_MAX;

	if (c.log_n < 10 || !c.r || !c.p || c.p > P_MAX || memory > MEMORY_MAX)
		return -EINVAL;
	if (EVP_PBE_scrypt(pass, n, salt, PASSPHRASE_SALT, UINT64_C(1) << c.log_n, c.r, c.p,
			   memory + (1 << 20) * (uint64_t)c.p, ret, ret_n) == 1)
		return 0;
	ERR_clear_error();
	secret_wipe(ret, ret_n);
	return -EIO;
}
