/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena for secrets.  It is cut into pieces of 32 bytes times a power of
 * two; a page belongs to one size for good, and free pieces of a size form a
 * list.  The links lie in the free pieces themselves (as numbers of 32-byte
 * units, 0 = end), so that a forked child, whose arena reads as zeros, finds
 * its lists cut short rather than wild.
 */
#include "secret.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <sys/mman.h>

#define UNIT 32u
#define CLASSES 12u /* 32 bytes … 64 KiB */
#define PAGE 4096u
#define DEFAULT_ARENA (1u << 20)

static struct {
	uint8_t *base; /* set once under the lock */
	size_t size;
	size_t fresh;		/* offset of the first page that has no size yet */
	uint8_t *page_class;	/* size of each page */
	uint32_t free[CLASSES]; /* heads of the lists */
	struct {
		uint32_t next, end; /* units of this size's newest page not yet given out */
	} carve[CLASSES];
	size_t used;
	bool locked;
} arena;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* protects arena */

static int setup_locked(size_t bytes, bool must_lock)
{
	size_t size = (MAX(bytes, (size_t)1) + 65535) / 65536 * 65536, whole = size + 2 * PAGE;
	uint8_t *map, *base, *classes;
	bool locked;
	int r = -ENOMEM;

	if (arena.base)
		return !must_lock || arena.locked ? 0 : -EPERM;
	if (size < bytes || whole < size)
		return -ENOMEM;
	classes = calloc(size / PAGE, 1);
	map = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!classes || map == MAP_FAILED)
		goto out;
	base = map + PAGE; /* a guard page on either side */
	if (mprotect(base, size, PROT_READ | PROT_WRITE))
		goto out;
	locked = mlock2(base, size, MLOCK_ONFAULT) == 0 || /* Linux ≥ 4.4 */
		 (errno == ENOSYS && mlock(base, size) == 0);
	if (must_lock && !locked) {
		r = -EPERM;
		goto out;
	}
	if (madvise(base, size, MADV_DONTDUMP) || madvise(base, size, MADV_WIPEONFORK))
		goto out;
	arena.size = size;
	arena.page_class = classes;
	arena.locked = locked;
	arena.fresh = PAGE; /* unit 0 means "none", so its page is left out */
	arena.base = base;
	return 0;
out:
	if (map != MAP_FAILED)
		munmap(map, whole);
	free(classes);
	return r;
}

int secret_setup(size_t bytes, bool must_lock)
{
	int r;

	pthread_mutex_lock(&lock);
	r = setup_locked(bytes, must_lock);
	pthread_mutex_unlock(&lock);
	return r;
}

bool secret_locked(void)
{
	bool l;

	pthread_mutex_lock(&lock);
	l = arena.locked;
	pthread_mutex_unlock(&lock);
	return l;
}

static size_t class_size(unsigned int c)
{
	return (size_t)UNIT << c;
}

static unsigned int class_of(size_t n)
{
	return n <= UNIT ? 0 : (unsigned int)(64 - __builtin_clzll((n - 1) / UNIT));
}

/* From the list of class C, or 0. */
static uint32_t pop_locked(unsigned int c)
{
	uint32_t u = arena.free[c];

	if (u)
		memcpy(&arena.free[c], arena.base + (size_t)u * UNIT, sizeof(u));
	return u;
}

/* From a page of class C that was never given out whole, or 0. */
static uint32_t carve_locked(unsigned int c)
{
	size_t span = MAX(class_size(c), (size_t)PAGE);
	uint32_t u;

	if (arena.carve[c].next == arena.carve[c].end) {
		if (arena.size - arena.fresh < span)
			return 0;
		memset(arena.page_class + arena.fresh / PAGE, (int)c, span / PAGE);
		arena.carve[c].next = (uint32_t)(arena.fresh / UNIT);
		arena.carve[c].end = (uint32_t)((arena.fresh + span) / UNIT);
		arena.fresh += span;
	}
	u = arena.carve[c].next;
	arena.carve[c].next += (uint32_t)(class_size(c) / UNIT);
	return u;
}

static void *alloc_locked(unsigned int c)
{
	uint32_t u = pop_locked(c);
	uint8_t *p;

	if (!u)
		u = carve_locked(c);
	while (!u && ++c < CLASSES) /* nearly full: a larger piece serves too */
		u = pop_locked(c);
	if (!u)
		return NULL;
	p = arena.base + (size_t)u * UNIT;
	memset(p, 0, sizeof(u)); /* its link; the rest was wiped when it was freed */
	arena.used += class_size(c);
	return p;
}

void *secret_alloc(size_t n)
{
	void *p = NULL;

	if (n && n <= class_size(CLASSES - 1)) {
		pthread_mutex_lock(&lock);
		if (arena.base || setup_locked(DEFAULT_ARENA, false) == 0)
			p = alloc_locked(class_of(n));
		pthread_mutex_unlock(&lock);
	}
	if (!p)
		errno = ENOMEM;
	return p;
}

void secret_free(void *p)
{
	size_t off;
	unsigned int c;
	uint32_t u;

	if (!p)
		return;
	pthread_mutex_lock(&lock);
	off = (size_t)((uint8_t *)p - arena.base);
	assert(arena.base && (uint8_t *)p >= arena.base && off < arena.fresh);
	c = arena.page_class[off / PAGE];
	assert(off % MIN(class_size(c), (size_t)PAGE) == 0);
	OPENSSL_cleanse(p, class_size(c));
	memcpy(p, &arena.free[c], sizeof(u));
	u = (uint32_t)(off / UNIT);
	arena.free[c] = u;
	arena.used -= class_size(c);
	pthread_mutex_unlock(&lock);
}

bool secret_owns(const void *p)
{
	bool r;

	pthread_mutex_lock(&lock);
	r = arena.base && (const uint8_t *)p >= arena.base &&
	    (const uint8_t *)p < arena.base + arena.size;
	pthread_mutex_unlock(&lock);
	return r;
}

void secret_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}

bool secret_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

void secret_usage(size_t *ret_used, size_t *ret_total)
{
	pthread_mutex_lock(&lock);
	*ret_used = arena.used;
	*ret_total = arena.size;
	pthread_mutex_unlock(&lock);
}
