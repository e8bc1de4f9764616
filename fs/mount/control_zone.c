/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zones made and listed under a mount.  Providers are asked with no
 * gate entered, so that a lock need not wait for them.
 */
#include <errno.h>
#include <stdio.h>

#include "fs/lib/cmd.h"
#include "fs/lib/log.h"
#include "fs/lib/state.h"
#include "fs/mount/audit.h"
#include "fs/mount/control_answer.h"
#include "fs/mount/grant.h"
#include "fs/mount/rekeyer.h"
#include "keyprov/open.h"

#define FIRST_CHECK_MS 2000

static const char *text(const json_t *req, const char *key)
{
	return json_string_value(json_object_get(req, key));
}

json_t *answer_zones(struct mount *m, const json_t *req)
{
	json_t *zones = json_array();

	(void)req;
	for (struct mzone *z = m->zones; z; z = z->next) {
		struct object *top = NULL;

		if (z->gone)
			continue;
		zone_top(z->zone, true, &top); /* so that its path can be told */
		object_put(top);
		json_array_append_new(zones, zone_json(z));
	}
	return json_pack("{s:b, s:o}", "ok", 1, "zones", zones);
}

void zone_forget_name(struct mount *m, const struct object *dir, const char *name)
{
	const struct inode *i = object_owner(dir);

	if (i)
		fuse_lowlevel_notify_inval_entry(m->se, i->id, name, strlen(name));
}

/* ---- create ------------------------------------------------------------------------ */

struct creating {
	struct mount *m;
	struct object *dir;
	const char *name; /* in it */
	struct zone_draft *draft;
	struct keyslot slot;
	struct kp_protected info;
	struct mzone *z;
	bool takes; /* it is not empty: its files are taken over */
};

/* Directory and last name of PATH. */
static int find_place(struct creating *c, char *path)
{
	char *slash;
	size_t n = strlen(path);

	while (n && path[n - 1] == '/')
		path[--n] = 0;
	slash = strrchr(path, '/');
	c->name = slash ? slash + 1 : path;
	if (!*c->name || !strcmp(c->name, ".") || !strcmp(c->name, ".."))
		return -EINVAL;
	if (slash)
		*slash = 0;
	return store_resolve(c->m->store, slash ? path : "", &c->dir);
}

static int protect(struct creating *c, const char *uri, const char *role, struct kp_error *e)
{
	struct state_context ctx;
	int r = state_context(&ctx, c->m->opt->conf, &c->draft->id);

	if (!r)
		r = kp_protect(&ctx.kp, uri, c->draft->vk, &c->slot, &c->info, e);
	state_context_done(&ctx);
	c->slot.role = !strcmp(role, "service") ? ROLE_SERVICE : ROLE_CUSTOMER;
	return r;
}

static int make_empty(struct creating *c, struct zone **ret, struct store_error *err)
{
	int r = object_enter(c->dir, ZONE_NORMAL);

	if (r < 0)
		return r;
	r = zone_make(c->dir, c->name, c->draft, &c->slot, ret, err);
	object_leave(c->dir, ZONE_NORMAL);
	zone_forget_name(c->m, c->dir, c->name);
	return r;
}

/* A zone_moved_fn. */
static void moved(void *arg, struct object *o)
{
	struct mount *m = arg;

	inode_rezone(m->inodes, o);
}

static bool is_rekeying(struct mount *m)
{
	json_t *a = rekeyer_status(m, NULL);
	const char *state = json_string_value(json_object_get(a, "state"));
	bool r = state && (!strcmp(state, "running") || !strcmp(state, "waiting"));

	json_decref(a);
	return r;
}

/* What is in it stays as it is for who uses it: names, descriptors, maps, cached pages. */
static int make_full(struct creating *c, struct zone **ret, struct store_error *err)
{
	c->takes = true;
	if (is_rekeying(c->m)) {
		*err = (struct store_error){ "a zone of this mount is being re-keyed",
					     "wait for that, or cmkfs key rotate DIR --stop" };
		return -EBUSY;
	}
	return zone_take(c->dir, c->name, c->draft, &c->slot, moved, c->m, ret, err);
}

static int make(struct creating *c, struct store_error *err)
{
	struct zone *z;
	int r = make_empty(c, &z, err);

	if (r == -ENOTEMPTY)
		r = make_full(c, &z, err);
	if (r < 0)
		return r;
	r = zones_adopt(c->m, z, &c->z);
	if (r < 0) { /* nobody watches over it */
		zone_lock_begin(z, ENOKEY);
		zone_wipe(z);
	} else if (c->z->grant) {
		grant_wait(c->z->grant, FIRST_CHECK_MS);
	}
	return r;
}

static json_t *created(struct creating *c, const json_t *req)
{
	audit_note_by(c->m->audit, "zone.create", req, c->slot.kid, "ok", "zone %s%s", c->z->id,
		      c->takes ? ", of a directory with files" : "");
	log_notice("zone %s: made under %s", c->z->id, c->slot.kid);
	return json_pack("{s:b, s:s, s:s, s:b, s:s, s:b}", "ok", 1, "zone", c->z->id, "kid",
			 c->slot.kid, "may_more", c->info.may_more, "vault", c->info.vault, "takes",
			 c->takes);
}

/* The zone at PATH that was made of a directory with files, if those are not all its own yet. */
static json_t *go_on(struct mount *m, const char *path)
{
	_cleanup_free_ char *at = NULL; /* no ID looks like this */
	struct store_error err = { "", "" };
	struct generation *gen = NULL;
	struct keyring *ring = NULL;
	struct mzone *z;
	json_t *a = NULL;

	if (asprintf(&at, "./%s", path) < 0)
		at = NULL;
	z = at ? zones_find(m, at) : NULL;
	if (z && z != m->zones && zone_takes(z->zone) && !zone_keyring(z->zone, &ring, &err))
		gen = keyring_generation(ring, ring->active);
	if (gen && gen->nslots)
		a = json_pack("{s:b, s:s, s:s, s:b}", "ok", 1, "zone", z->id, "kid",
			      gen->slots[0].kid, "takes", 1);
	keyring_free(ring);
	return a;
}

static json_t *create(struct creating *c, char *path, const json_t *req)
{
	const char *id = text(req, "zone"), *role = text(req, "role"), *uri = text(req, "uri");
	struct mount_failure f = { 0, "", "" };
	struct store_error err = { "", "" };
	struct kp_error e = { 0 };
	uint8_t raw[ID_LEN];
	int r = find_place(c, path);

	if (r < 0)
		return answer_refused(strerror(-r), "give an empty directory below the mount point",
				      CMD_USAGE);
	if (id && state_unhex(id, raw, ID_LEN))
		return answer_refused("this is no zone's ID", "", CMD_USAGE);
	r = zone_draft_new(c->m->store, id ? raw : NULL, &c->draft);
	if (r < 0)
		return answer_store(r, &err);
	r = protect(c, uri, role ? role : "customer", &e);
	if (r) {
		mount_fail(&f, kp_error_row(r)->exit_code, r, e.hint, "%s",
			   e.message[0] ? e.message : strerror(-r));
		return answer_failure(&f);
	}
	r = make(c, &err);
	if (r == -EMLINK || r == -ENOTDIR || r == -ENOENT)
		return answer_refused(err.message, err.hint, CMD_USAGE);
	return r < 0 ? answer_store(r, &err) : created(c, req);
}

json_t *answer_zone_create(struct mount *m, const json_t *req)
{
	const char *path = text(req, "path");
	struct creating c = { .m = m };
	_cleanup_free_ char *copy = path ? strdup(path) : NULL;
	json_t *a;

	if (m->opt->read_only)
		return answer_refused("the mount is read-only", "mount it read-write", CMD_FAILED);
	if (!copy || !text(req, "uri"))
		return answer_refused("a path and a key are needed", "", CMD_USAGE);
	a = go_on(m, path);
	if (!a)
		a = create(&c, copy, req);
	kp_slot_done(&c.slot);
	zone_draft_free(c.draft);
	object_put(c.dir);
	return a;
}
