/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes, and the pool that nonces are cut from: RAND_bytes() for 4 KiB
 * costs hardly more than for 12 bytes.
 */
#include "rand.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "ctx.h"
#include "secret.h"

/* One page, which reads as zeros in a forked child: then `left` is 0. */
struct iv_pool {
	uint32_t generation; /* of reseeds, when it was filled */
	uint32_t left;	     /* bytes not yet handed out */
	uint8_t bytes[4096 - 8];
};
_Static_assert(sizeof(struct iv_pool) == 4096, "a pool is one page");

static atomic_uint reseeds;

struct iv_pool *iv_pool_new(void)
{
	size_t n = sizeof(struct iv_pool);
	struct iv_pool *p;

	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (madvise(p, n, MADV_WIPEONFORK) || madvise(p, n, MADV_DONTDUMP)) {
		munmap(p, n);
		return NULL;
	}
	return p;
}

void iv_pool_free(struct iv_pool *p)
{
	if (p)
		munmap(p, sizeof(*p));
}

static int fill(int (*gen)(unsigned char *, int), void *p, size_t n)
{
	if (n <= INT_MAX && gen(p, (int)n) == 1)
		return 0;
	ERR_clear_error();
	secret_wipe(p, n);
	return -EIO;
}

int rand_bytes(void *p, size_t n)
{
	return fill(RAND_bytes, p, n);
}

int rand_secret(void *p, size_t n)
{
	return fill(RAND_priv_bytes, p, n);
}

int rand_iv(uint8_t iv[static IV_LEN])
{
	struct crypto_ctx *c = crypto_ctx();
	struct iv_pool *p = c ? c->pool : NULL;
	unsigned int now = atomic_load(&reseeds);
	int r;

	if (!p)
		return rand_bytes(iv, IV_LEN);
	if (p->left < IV_LEN || p->generation != now) {
		p->left = 0;
		r = rand_bytes(p->bytes, sizeof(p->bytes));
		if (r)
			return r;
		p->generation = now;
		p->left = sizeof(p->bytes);
	}
	p->left -= IV_LEN;
	memcpy(iv, p->bytes + p->left, IV_LEN);
	return 0;
}

/* The threads' own DRBGs follow the primary one at their next use. */
int rand_reseed(void)
{
	EVP_RAND_CTX *primary = RAND_get0_primary(NULL);
	int r = 0;

	if (!primary || EVP_RAND_reseed(primary, 1, NULL, 0, NULL, 0) != 1) {
		ERR_clear_error();
		r = -EIO;
	}
	atomic_fetch_add(&reseeds, 1);
	return r;
}
