/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking the stored tree: settling and re-keying go by it.
 */
#include "fs/store/tree.h"

#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/content.h"
#include "fs/store/entry.h"

void tree_names_free(struct tree_names *l)
{
	while (l->n)
		free(l->v[--l->n]);
	free(l->v);
	*l = (struct tree_names){ 0 };
}

int tree_names_add(struct tree_names *l, const char *stored)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		char **t = realloc(l->v, cap * sizeof(*t));

		if (!t)
			return -ENOMEM;
		l->v = t;
		l->cap = cap;
	}
	l->v[l->n] = strdup(stored);
	return l->v[l->n] ? (l->n++, 0) : -ENOMEM;
}

bool tree_is_name(const struct store *st, const struct dirent64 *d)
{
	enum stored_kind k = entry_kind(st, d->d_name);

	return k == STORED_NAME || k == STORED_LONG;
}

struct wanted {
	struct object *dir;
	bool (*wanted)(void *arg, const char *stored);
	void *arg;
	struct tree_names *names;
};

static int add_wanted(void *arg, const struct dirent64 *d)
{
	struct wanted *w = arg;

	if ((d->d_type != DT_REG && d->d_type != DT_DIR && d->d_type != DT_UNKNOWN) ||
	    !tree_is_name(w->dir->st, d) || (w->wanted && !w->wanted(w->arg, d->d_name)))
		return 0;
	return tree_names_add(w->names, d->d_name);
}

int tree_names(struct object *dir, bool (*wanted)(void *arg, const char *stored), void *arg,
	       struct tree_names *ret)
{
	struct wanted w = { dir, wanted, arg, ret };

	return backing_each(dir->fd, add_wanted, &w);
}

int tree_object(struct object *dir, const char *stored, struct object **ret)
{
	char name[NAME_LIMIT + 1];
	struct loaded *dl;
	struct stat sb;
	size_t n;
	int r = object_pin(dir, &dl);

	if (r)
		return r;
	r = entry_plain_name(dir, dl, stored, name, &n);
	secret_wipe(name, sizeof(name));
	pthread_rwlock_rdlock(&dir->ns);
	if (!r)
		r = backing_stat(dir->fd, stored, &sb);
	if (!r && !S_ISREG(sb.st_mode) && !S_ISDIR(sb.st_mode))
		r = -ENOENT;
	if (!r) {
		*ret = table_get(dir->st, dir, stored, &sb);
		r = *ret ? 0 : -ENOMEM;
	}
	pthread_rwlock_unlock(&dir->ns);
	object_unpin(dir);
	return r;
}
