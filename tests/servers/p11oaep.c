/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OAEP of tests: see p11oaep.h.
 */
#include "p11oaep.h"

#include <openssl/evp.h>
#include <string.h>

#define HASH_LEN 32u

/* XOR the mask that comes of SEED onto P. */
static bool unmask(unsigned char *p, unsigned long n, const unsigned char *seed,
		   unsigned long seed_n)
{
	unsigned char in[512 + 4], block[HASH_LEN];

	memcpy(in, seed, seed_n);
	for (unsigned long at = 0; at < n; at++) {
		unsigned long k = at / HASH_LEN;

		memcpy(in + seed_n, (unsigned char[]){ 0, 0, (unsigned char)(k >> 8), (unsigned char)k },
		       4);
		if (at % HASH_LEN == 0 &&
		    EVP_Digest(in, seed_n + 4, block, NULL, EVP_sha256(), NULL) != 1)
			return false;
		p[at] ^= block[at % HASH_LEN];
	}
	return true;
}

bool p11oaep_decode(unsigned char *p, unsigned long n, const unsigned char **ret,
		    unsigned long *ret_n)
{
	unsigned char *seed = p + 1, *db = seed + HASH_LEN, empty[HASH_LEN];
	unsigned long db_n = n - 1 - HASH_LEN, at = HASH_LEN;

	if (n > 512 || n < 2 * HASH_LEN + 2 || p[0] || !unmask(seed, HASH_LEN, db, db_n) ||
	    !unmask(db, db_n, seed, HASH_LEN) ||
	    EVP_Digest("", 0, empty, NULL, EVP_sha256(), NULL) != 1 ||
	    memcmp(db, empty, HASH_LEN) != 0)
		return false;
	while (at < db_n && !db[at])
		at++;
	if (at == db_n || db[at] != 1)
		return false;
	*ret = db + at + 1;
	*ret_n = db_n - at - 1;
	return true;
}
