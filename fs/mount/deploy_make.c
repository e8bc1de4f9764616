/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a deployment: the subtree is walked once, level by level, and each
 * object in it kept.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/mount/deploy_priv.h"

#define NODES_MAX (1u << 22)

/* ---- nodes -------------------------------------------------------------------------- */

/* Takes over the reference of O, also on failure. */
static int add_node(struct deployment *d, struct object *o, const char *name, bool way)
{
	struct deploy_node *v = d->v;

	if (d->n == d->cap) {
		uint32_t cap = d->cap ? 2 * d->cap : 64;

		v = d->cap < NODES_MAX ? realloc(d->v, cap * sizeof(*v)) : NULL;
		if (!v) {
			object_put(o);
			return -ENOMEM;
		}
		d->v = v;
		d->cap = cap;
	}
	v[d->n] = (struct deploy_node){ .o = o, .name = strdup(name), .way = way };
	if (!v[d->n++].name)
		return -ENOMEM; /* deployment_free() puts the rest */
	return 0;
}

static uint32_t bucket_of(const struct deployment *d, const struct object *o)
{
	return (uint32_t)(((uintptr_t)o * UINT64_C(0x9e3779b97f4a7c15)) >> 40) & (d->nbuckets - 1);
}

static int make_index(struct deployment *d)
{
	d->nbuckets = 1;
	while (d->nbuckets < d->n)
		d->nbuckets *= 2;
	d->buckets = calloc(d->nbuckets, sizeof(*d->buckets));
	if (!d->buckets)
		return -ENOMEM;
	for (uint32_t i = d->n; i--;) {
		uint32_t *b = &d->buckets[bucket_of(d, d->v[i].o)];

		d->v[i].next = *b;
		*b = i + 1;
	}
	return 0;
}

struct deploy_node *deployment_node(const struct deployment *d, const struct object *o)
{
	uint32_t i = d->buckets[bucket_of(d, o)];

	while (i && d->v[i - 1].o != o)
		i = d->v[i - 1].next;
	return i ? &d->v[i - 1] : NULL;
}

static int by_name(const void *pa, const void *pb)
{
	const struct deploy_node *a = pa, *b = pb;

	return strcmp(a->name, b->name);
}

struct deploy_node *deployment_child(const struct deployment *d, const struct deploy_node *i,
				     const char *name)
{
	const struct deploy_node key = { .name = (char *)(uintptr_t)name };

	return i->n ? bsearch(&key, &d->v[i->first], i->n, sizeof(key), by_name) : NULL;
}

void deployment_free(struct deployment *d)
{
	if (!d)
		return;
	/* Children first: what is loaded goes before what it was reached through. */
	for (uint32_t i = d->n; i--;) {
		struct deploy_node *v = &d->v[i];

		if (v->kept)
			object_undeploy(v->o);
		object_put(v->o);
		if (v->name)
			secret_wipe(v->name, strlen(v->name));
		free(v->name);
	}
	if (d->path)
		secret_wipe(d->path, strlen(d->path));
	free(d->path);
	free(d->v);
	free(d->buckets);
	free(d);
}

/* ---- the way there -------------------------------------------------------------------- */

static int look(struct object *dir, const char *name, struct object **ret, struct stat *st)
{
	int r = object_enter(dir, ZONE_NORMAL);

	if (r)
		return r;
	r = object_lookup(dir, name, ret, st);
	object_leave(dir, ZONE_NORMAL);
	return r;
}

/* From the root: each directory leads to the next one.  *RET_ST: of the last. */
static int find_top(struct deployment *d, struct object *root, char *path, struct stat *ret_st)
{
	char *save = NULL, *name = strtok_r(path, "/", &save);
	struct object *o = NULL;
	int r = add_node(d, object_get(root), "", true);

	if (!r && !name)
		r = object_getattr(root, ret_st);
	for (; !r && name; name = strtok_r(NULL, "/", &save)) {
		if (!strcmp(name, "."))
			continue;
		r = look(d->v[d->n - 1].o, name, &o, ret_st);
		if (!r)
			r = add_node(d, o, name, true);
		if (!r) {
			d->v[d->n - 2].first = d->n - 1;
			d->v[d->n - 2].n = 1;
		}
	}
	return r;
}

/* ---- what is there ---------------------------------------------------------------------- */

struct names {
	char **v;
	size_t n, cap;
	int r;
};

static bool gather(void *arg, const struct dir_entry *e)
{
	struct names *l = arg;

	if (!strcmp(e->name, ".") || !strcmp(e->name, ".."))
		return true;
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		char **t = realloc(l->v, cap * sizeof(*t));

		if (!t) {
			l->r = -ENOMEM;
			return false;
		}
		l->v = t;
		l->cap = cap;
	}
	l->v[l->n] = strdup(e->name);
	if (!l->v[l->n]) {
		l->r = -ENOMEM;
		return false;
	}
	l->n++;
	return true;
}

static void names_free(struct names *l)
{
	while (l->n) {
		char *s = l->v[--l->n];

		secret_wipe(s, strlen(s));
		free(s);
	}
	free(l->v);
}

/* The zone is entered. */
static int keep(struct deployment *d, uint32_t i, const struct stat *st)
{
	struct object *o = d->v[i].o;
	int r = object_zone(o) == d->zone ? object_deploy(o) : -EXDEV;

	if (r)
		return r;
	d->v[i].way = false;
	d->v[i].kept = true;
	if (S_ISDIR(object_type(o)))
		d->dirs++;
	else
		d->files++;
	if (S_ISREG(object_type(o)))
		d->bytes += (uint64_t)st->st_size;
	return 0;
}

/* The zone is entered for each name: a lock must not wait for a long list of them. */
static int keep_name(struct deployment *d, struct object *dir, const char *name)
{
	struct object *o;
	struct stat st;
	int r = zone_enter(d->zone, ZONE_NORMAL);

	if (r)
		return r;
	r = object_lookup(dir, name, &o, &st);
	if (!r)
		r = add_node(d, o, name, false);
	else if (r == -ENOENT) /* it went meanwhile */
		r = 1;
	if (!r)
		r = keep(d, d->n - 1, &st);
	zone_leave(d->zone, ZONE_NORMAL);
	return MIN(r, 0);
}

static int list(struct deployment *d, struct object *dir, struct names *ret)
{
	int r = zone_enter(d->zone, ZONE_NORMAL);

	if (r)
		return r;
	r = object_readdir(dir, 0, gather, ret);
	zone_leave(d->zone, ZONE_NORMAL);
	return r ? r : ret->r;
}

/* The names in the directory I. */
static int keep_directory(struct deployment *d, uint32_t i)
{
	struct object *dir = d->v[i].o;
	struct names l = { .r = 0 };
	int r = list(d, dir, &l);

	d->v[i].first = d->n;
	for (size_t k = 0; k < l.n && !r; k++)
		r = keep_name(d, dir, l.v[k]);
	d->v[i].n = d->n - d->v[i].first;
	if (!r)
		qsort(&d->v[d->v[i].first], d->v[i].n, sizeof(d->v[0]), by_name);
	names_free(&l);
	return r;
}

static int keep_all(struct deployment *d, const struct stat *st)
{
	uint32_t top = d->n - 1;
	int r;

	d->zone = object_zone(d->v[top].o);
	if (!S_ISDIR(st->st_mode) && !S_ISREG(st->st_mode))
		return -EINVAL;
	r = zone_enter(d->zone, ZONE_NORMAL);
	if (r)
		return r;
	r = keep(d, top, st);
	zone_leave(d->zone, ZONE_NORMAL);
	for (uint32_t i = top; i < d->n && !r; i++)
		if (S_ISDIR(object_type(d->v[i].o)))
			r = keep_directory(d, i);
	return r;
}

int deployment_make(struct mount *m, char *path, struct deployment **ret)
{
	struct deployment *d = calloc(1, sizeof(*d));
	struct stat st;
	int r = -ENOMEM;

	if (d)
		d->path = strdup(path);
	if (d && d->path)
		r = find_top(d, store_root(m->store), path, &st);
	if (!r)
		r = keep_all(d, &st);
	if (!r)
		r = make_index(d);
	if (r)
		deployment_free(d);
	else
		*ret = d;
	return r;
}
