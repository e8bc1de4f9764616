/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The zones of a store: the list of them, from the keyrings there are, and
 * which zone a directory belongs to.  A volume without further zones pays
 * nothing for this.
 */
#include <errno.h>
#include <stdio.h>

#include "fs/store/entry.h"
#include "fs/store/volume.h"

#define NAME_LEN (2 * ID_LEN + 5) /* hex, .keys */
#define LOOK_MS 1000

struct zone *store_next_zone(struct store *st, struct zone *z)
{
	return z ? z->next : st->zone;
}

struct zone *store_zone(struct store *st, const uint8_t id[static ID_LEN])
{
	struct zone *z = st->zone;

	while (z && memcmp(z->id.zone, id, ID_LEN))
		z = z->next;
	return z;
}

static void add_locked(struct store *st, struct zone *z)
{
	struct zone *last = st->zone;

	while (last->next)
		last = last->next;
	last->next = z;
	atomic_fetch_add(&st->nzones, 1);
}

void zones_add(struct store *st, struct zone *z)
{
	pthread_mutex_lock(&st->zones_lock);
	add_locked(st, z);
	pthread_mutex_unlock(&st->zones_lock);
}

/* ---- what is on disk ------------------------------------------------------------------- */

static bool id_of_name(const char *name, uint8_t ret[static ID_LEN])
{
	static const char digits[] = "0123456789abcdef";

	if (strlen(name) != NAME_LEN || strcmp(name + 2 * ID_LEN, ".keys"))
		return false;
	for (size_t i = 0; i < ID_LEN; i++) {
		const char *hi = strchr(digits, name[2 * i]), *lo = strchr(digits, name[2 * i + 1]);

		if (!hi || !lo)
			return false;
		ret[i] = (uint8_t)((hi - digits) << 4 | (lo - digits));
	}
	return true;
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct zone_id));
}

static int push(const uint8_t *vol, const uint8_t *id, struct zone_id **v, unsigned int *n)
{
	struct zone_id *p = realloc(*v, (*n + 1) * sizeof(**v));

	if (!p)
		return -ENOMEM;
	*v = p;
	memcpy(p[*n].vol, vol, ID_LEN);
	memcpy(p[*n].zone, id, ID_LEN);
	++*n;
	return 0;
}

struct found_ids {
	const uint8_t *vol;
	struct zone_id **v;
	unsigned int *n;
};

static int push_id(void *arg, const struct dirent64 *d)
{
	struct found_ids *f = arg;
	uint8_t id[ID_LEN];

	return id_of_name(d->d_name, id) ? push(f->vol, id, f->v, f->n) : 0;
}

/* The IDs that the names of the directory of keyrings in FD say. */
static int list_zones(int fd, const uint8_t *vol, struct zone_id **ret, unsigned int *ret_n)
{
	_cleanup_close_ int dir = backing_open(fd, ZONES_DIR, O_RDONLY | O_DIRECTORY, 0);
	struct found_ids f = { vol, ret, ret_n };
	int r;

	*ret = NULL;
	*ret_n = 0;
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	r = backing_each(dir, push_id, &f);
	if (*ret_n)
		qsort(*ret, *ret_n, sizeof(**ret), by_id);
	return r;
}

int volume_zones(const char *dir, struct zone_id **ret, unsigned int *ret_n,
		 struct store_error *err)
{
	_cleanup_close_ int fd = -1;
	struct volume_block v;
	int r = volume_look(dir, &fd, &v, err);

	if (r < 0)
		return r;
	r = list_zones(fd, v.root.vol, ret, ret_n);
	return r ? store_fail(err, r, NULL, "cannot list " ZONES_DIR ": %s", strerror(-r)) : 0;
}

/* A keyring as it is found: whose child its zone says it is. */
struct found {
	struct zone_id id;
	uint8_t parent[ID_LEN];
	bool known; /* to be left alone */
};

static int look(struct store *st, const struct zone_id *id, struct found *ret)
{
	struct ring_place p;
	struct keyring *k;
	int r = ring_place_open(st->root_fd, &st->vol, id, false, &p);

	ret->id = *id;
	ret->known = true;
	if (r < 0)
		return r;
	r = keyring_read(&p, id, &k, NULL);
	ring_place_close(&p);
	if (r == -EBADMSG) {
		store_event(st, EVENT_INTEGRITY, NULL, 0, 0, "the keyring of a zone is damaged");
		return 0;
	}
	if (r < 0)
		return r;
	memcpy(ret->parent, k->parent, ID_LEN);
	ret->known = !k->active; /* one that was destroyed */
	keyring_free(k);
	return 0;
}

/* Those whose parents are known, then their children, until nothing more comes. */
static int link_up_locked(struct store *st, struct found *f, unsigned int n)
{
	bool more = true;

	while (more) {
		more = false;
		for (unsigned int i = 0; i < n; i++) {
			struct zone *up = f[i].known ? NULL : store_zone(st, f[i].parent), *z;

			if (!up)
				continue;
			z = zone_new(st, &f[i].id, up, NULL);
			if (!z)
				return -ENOMEM;
			add_locked(st, z);
			f[i].known = more = true;
		}
	}
	for (unsigned int i = 0; i < n; i++)
		if (!f[i].known)
			store_event(st, EVENT_INTEGRITY, NULL, 0, 0, "a zone lies in none that is known");
	return 0;
}

int zones_load(struct store *st, struct store_error *err)
{
	_cleanup_free_ struct found *f = NULL;
	_cleanup_free_ struct zone_id *ids = NULL;
	unsigned int n;
	int r;

	pthread_mutex_lock(&st->zones_lock);
	r = list_zones(st->root_fd, st->vol.root.vol, &ids, &n);
	if (r == 0 && n) {
		f = calloc(n, sizeof(*f));
		r = f ? 0 : -ENOMEM;
	}
	for (unsigned int i = 0; i < n && r == 0; i++) {
		r = look(st, &ids[i], &f[i]);
		f[i].known |= store_zone(st, ids[i].zone) != NULL;
	}
	if (r == 0 && n)
		r = link_up_locked(st, f, n);
	pthread_mutex_unlock(&st->zones_lock);
	return r ? store_fail(err, r, NULL, "cannot read " ZONES_DIR ": %s", strerror(-r)) : 0;
}

/* ---- which zone ---------------------------------------------------------------------------- */

/* What the header of the directory says, before anybody could authenticate it. */
static bool claims(struct object *parent, const char *stored, uint8_t ret[static ID_LEN])
{
	char path[256 + 4];
	_cleanup_close_ int fd = -1;
	uint8_t block[SLOT];
	uint64_t newest = 0;
	bool zone = false;

	if ((size_t)snprintf(path, sizeof(path), "%s/.D", stored) >= sizeof(path))
		return false;
	fd = backing_open(parent->fd, path, O_RDONLY | O_NONBLOCK, 0);
	for (unsigned int i = 0; fd >= 0 && i < 2; i++) {
		const char *why;
		struct header h;

		if (backing_read(fd, block, SLOT, i * SLOT) != SLOT ||
		    header_parse(block, &h, &why) || h.gen < newest)
			continue;
		newest = h.gen;
		zone = h.flags & FLAG_ZONE_ROOT;
		memcpy(ret, h.zone.zone, ID_LEN);
	}
	return zone;
}

/* Another host's mount may make the first zone under a read-only store. */
static bool any_zones(struct store *st)
{
	uint64_t now, last = st->zones_looked;

	if (st->nzones || !st->opt.read_only)
		return st->nzones;
	now = now_ms();
	if (now - last >= LOOK_MS && atomic_compare_exchange_strong(&st->zones_looked, &last, now))
		zones_load(st, NULL);
	return st->nzones;
}

struct zone *zone_at(struct store *st, struct object *parent, const char *stored,
		     const struct stat *sb)
{
	uint8_t id[ID_LEN];
	struct zone *z;

	if (!parent)
		return st->zone;
	if (!S_ISDIR(sb->st_mode) || !any_zones(st) || !claims(parent, stored, id))
		return parent->zone;
	z = store_zone(st, id);
	if (!z && st->opt.read_only && !zones_load(st, NULL))
		z = store_zone(st, id);
	/* What is no zone of ours does not authenticate as the parent's either. */
	return z && z->parent == parent->zone ? z : parent->zone;
}

bool zone_begins(const struct object *o)
{
	return o->parent && o->parent->zone != o->zone;
}

void zone_found(struct object *o)
{
	struct zone *z = o->zone;
	struct object *old;

	pthread_mutex_lock(&z->lock);
	old = z->top;
	z->top = old == o ? o : object_get(o);
	pthread_mutex_unlock(&z->lock);
	if (old != o)
		object_put(old);
}
