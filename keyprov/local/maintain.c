/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What time brings: keys that are due to be rotated, and what has been deleted
 * for longer than its retention.
 */
#include "db.h"

#include <errno.h>
#include <stdio.h>

struct due {
	char uri[KP_URI_MAX];
	int64_t expire_after;
};

struct due_list {
	struct due *v;
	size_t n;
};

/* Keys in use whose newest version is as old as their policy says. */
static int do_due(struct local *l, void *arg, struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	struct due_list *d = arg;
	int r = db_prepare(l, &s, e, "SELECT 'local://' || vault.name || '/keys/' || key.name, "
			   "expire_after FROM key JOIN vault ON vault.id = vault_id WHERE "
			   "vault.deleted = 0 AND key.deleted = 0 AND key.enabled AND "
			   "rotate_after > 0 AND (SELECT max(key_version.created) FROM key_version "
			   "WHERE key_id = key.id AND key_version.deleted = 0) + rotate_after <= ? "
			   "ORDER BY 1", "i", now_seconds());

	while (!r && (r = db_step(l, s, e)) == 1) {
		struct due *v = reallocarray(d->v, d->n + 1, sizeof(*v));

		if (!v)
			return kp_fail(e, -EAGAIN, NULL, "no memory for a list of keys");
		d->v = v;
		db_text(s, 0, v[d->n].uri, sizeof(v->uri));
		v[d->n++].expire_after = sqlite3_column_int64(s, 1);
		r = 0;
	}
	return r;
}

static int rotate(struct local *l, const struct due *d, bool dry, local_done_fn *fn, void *arg)
{
	int64_t expires = d->expire_after ? now_seconds() + d->expire_after : 0;
	const struct local_key_options o = { .expires = expires };
	struct local_done done = { .action = "rotate", .object = d->uri };
	struct kp_error why = { 0 };
	char kid[KP_URI_MAX];

	if (!dry) {
		done.code = local_key_rotate(l, d->uri, &o, kid, &why);
		done.kid = done.code ? NULL : kid;
		done.why = why.message;
	}
	return fn(arg, &done);
}

/* ---- retention --------------------------------------------------------------------- */

struct sweep {
	local_done_fn *fn;
	void *arg;
	bool dry;
};

static int tell(struct local *l, void *arg, const char *object, struct kp_error *e)
{
	const struct sweep *w = arg;
	const struct local_done done = { .action = "purge", .object = object };

	(void)l;
	(void)e;
	return w->fn(w->arg, &done);
}

static int do_sweep(struct local *l, void *arg, struct kp_error *e)
{
	const struct sweep *w = arg;
	int r = vault_overdue(l, tell, arg, e);

	return r || w->dry ? r : vault_sweep(l, e);
}

int local_maintain(struct local *l, bool dry, local_done_fn *fn, void *arg, struct kp_error *e)
{
	struct sweep w = { fn, arg, dry };
	struct due_list d = { NULL, 0 };
	int r = local_transaction(l, do_sweep, &w, e);

	if (!r)
		r = local_snapshot(l, do_due, &d, e);
	for (size_t i = 0; i < d.n && !r; i++)
		r = rotate(l, &d.v[i], dry, fn, arg);
	free(d.v);
	return r;
}
