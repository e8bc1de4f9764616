/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object: its header, its name, its attributes; what it holds goes to the
 * pool.
 */
#include <errno.h>
#include <sys/xattr.h>

#include "crypto/secret.h"
#include "fs/store/check_internal.h"

static const struct check_range whole = { 0, 0 };

/* Whether O still lies where its path says: beside a writer names move. */
static bool still_there(struct object *o)
{
	struct object *dir = NULL;
	char stored[256];
	struct stat sb;
	bool there = false;

	if (object_path(o, &dir, stored))
		return false;
	if (!dir)
		return true;
	if (!object_pin_fd(dir)) {
		there = !backing_stat(dir->fd, stored, &sb) && sb.st_ino == o->ino;
		object_unpin(dir);
	}
	object_put(dir);
	return there;
}

static bool is_bound(const struct check_file *f, const uint8_t *tag)
{
	const struct header *h = check_header(f->v);

	if (!tag || f->c->opt->binding == BINDING_OFF || (h->flags & FLAG_BIND_OVERFLOW))
		return true;
	for (unsigned int i = 0; i < h->ntags; i++)
		if (secret_equal(h->tags[i], tag, TAG_LEN) ||
		    secret_equal(h->tags[i], tag + TAG_LEN, TAG_LEN))
			return true;
	return false;
}

static bool spare_is_bad(const struct check_view *v)
{
	unsigned int other = 1 - v->n;

	/* Under a key generation that is gone it only cannot be looked at. */
	return v->why[other] && !v->blank[other] && strcmp(v->why[other], "key generation");
}

/* Read the header until it is in order, where a writer may be at work. */
static int read_header(struct check_file *f, const uint8_t *tag)
{
	int r = check_view_read(f->o, f->v);

	for (unsigned int n = 1; n < CHECK_TRIES; n++) {
		if ((!r && !spare_is_bad(f->v) && is_bound(f, tag)) || !check_live(f->c))
			break;
		usleep(20000u << n);
		r = check_view_read(f->o, f->v);
	}
	return r;
}

static void no_header(struct check_file *f, int error)
{
	const struct check_view *v = f->v;
	struct stat sb;

	if (check_live(f->c) &&
	    (!still_there(f->o) || (!backing_fstat(f->o->fd, &sb) && !sb.st_nlink)))
		return;
	if (error == -ENODATA)
		check_report(f->c, CHECK_NEVER_WRITTEN, &f->path, whole, NULL);
	else if (error == -EBADMSG)
		check_report(f->c, CHECK_HEADER, &f->path, whole, v->why[v->n]);
	else if (S_ISDIR(f->o->type) && (error == -ENOENT || error == -ELOOP))
		check_report(f->c, CHECK_DIR_HEADER, &f->path, whole, NULL);
	else
		check_unreadable(f->c, &f->path, whole, error);
}

/* ---- attributes ---------------------------------------------------------------------- */

#define LIST_CAP 65536

static unsigned int count_prefix(const char *list, ssize_t n, const char *prefix)
{
	unsigned int count = 0;

	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(list + i) + 1)
		count += !strncmp(list + i, prefix, strlen(prefix));
	return count;
}

static bool xattrs_authenticate(struct object *o, const char *list, ssize_t n, uint8_t *value)
{
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(list + i) + 1)
		if (!strncmp(list + i, "user.", 5) &&
		    object_getxattr(o, list + i, value, XATTR_SIZE_MAX) == -EIO)
			return false;
	return true;
}

static void check_xattrs(struct check_file *f)
{
	_cleanup_free_ char *stored = malloc(LIST_CAP), *names = NULL;
	_cleanup_free_ uint8_t *value = NULL;
	ssize_t n, m;

	n = stored ? backing_listxattr(f->o->fd, NULL, stored, LIST_CAP) : 0;
	if (n <= 0 || !count_prefix(stored, n, XATTR_PREFIX))
		return;
	names = malloc(LIST_CAP);
	value = malloc(XATTR_SIZE_MAX);
	if (!names || !value)
		return;
	m = object_listxattr(f->o, names, LIST_CAP);
	if (m < 0)
		check_unreadable(f->c, &f->path, whole, (int)m);
	else if (count_prefix(names, m, "user.") != count_prefix(stored, n, XATTR_PREFIX))
		check_report(f->c, CHECK_XATTR, &f->path, whole, "name of an attribute");
	else if (!xattrs_authenticate(f->o, names, m, value))
		check_report(f->c, CHECK_XATTR, &f->path, whole, "value of an attribute");
	secret_wipe(names, LIST_CAP);
	secret_wipe(value, XATTR_SIZE_MAX);
}

/* ---- all of an object ------------------------------------------------------------------ */

static void check_fields(struct check_file *f, const uint8_t *tag)
{
	const struct header *h = check_header(f->v);
	struct check *c = f->c;

	if (spare_is_bad(f->v))
		check_report(c, CHECK_SPARE_SLOT, &f->path, whole, f->v->why[1 - f->v->n]);
	if (!is_bound(f, tag) && !(check_live(c) && !still_there(f->o))) {
		if (c->opt->rebind)
			repair_binding(c, f->o, &f->path, tag);
		else
			check_report(c, CHECK_BINDING, &f->path, whole, NULL);
	}
	if (c->opt->contents)
		check_xattrs(f);
	if (h->type == OBJECT_FILE && f->v->length != backing_length(h->suite, h->size)) {
		if (c->opt->repair)
			repair_length(c, f->o, &f->path);
		else
			check_report(c, CHECK_LENGTH, &f->path, whole, NULL);
	}
}

static int check_contents(struct check_file *f, uint64_t unit)
{
	int r = 0;

	while (!r && (unit = check_next_unit(f, unit)) != UINT64_MAX) {
		check_pool_add(f->c, f, unit);
		r = check_reached(f->c, &f->path, ++unit);
	}
	return r;
}

/* The file, with O pinned; NULL: not to be checked. */
static struct check_file *file_new(struct check *c, struct object *o, const struct check_path *p,
				   int *ret_error)
{
	struct check_file *f = calloc(1, sizeof(*f));
	int r = -ENOMEM;

	*ret_error = -ENOMEM;
	if (!f)
		return NULL;
	f->refs = 1;
	f->c = c;
	f->v = check_view_new();
	f->path.stored = strdup(p->stored);
	f->path.name = p->name ? strdup(p->name) : NULL;
	if (f->v && f->path.stored && (f->path.name || !p->name))
		r = object_pin_fd(o);
	if (!r) {
		f->o = object_get(o);
		*ret_error = 0;
		return f;
	}
	if (r != -ENOMEM) {
		check_unreadable(c, p, whole, r);
		*ret_error = 0;
	}
	check_path_done(&f->path);
	check_view_free(f->v);
	free(f);
	return NULL;
}

int check_object(struct check *c, struct object *o, const struct check_path *p,
		 const uint8_t *tag, uint64_t unit, bool *ret_sound)
{
	struct check_file *f;
	struct stat sb;
	int r, first = 1;

	*ret_sound = false;
	f = file_new(c, o, p, &r);
	if (!f)
		return r;
	r = read_header(f, tag);
	if (r) {
		no_header(f, r);
		r = 0;
	} else {
		*ret_sound = true;
		if (!unit) /* else it was said already */
			check_fields(f, tag);
		if (S_ISREG(o->type) && !backing_fstat(o->fd, &sb) && sb.st_nlink > 1)
			first = check_first_link(c, &sb);
		r = first < 0 ? first : first ? check_contents(f, unit) : 0;
	}
	check_file_put(f);
	return r;
}
