/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zones destroyed under a mount.
 */
#include <errno.h>

#include "fs/lib/cmd.h"
#include "fs/lib/log.h"
#include "fs/mount/audit.h"
#include "fs/mount/control_answer.h"
#include "fs/mount/deploy.h"
#include "fs/mount/grant.h"

static bool has_children(const struct mzone *z)
{
	for (const struct mzone *o = z->m->zones; o; o = o->next)
		if (zone_parent(o->zone) == z->zone && !o->gone)
			return true;
	return false;
}

/* Locked or not, its keyring says so. */
static bool takes_over(const struct mzone *z)
{
	struct store_error err = { "", "" };
	struct keyring *ring = NULL;
	bool r = !zone_keyring(z->zone, &ring, &err) && keyring_takes(ring);

	keyring_free(ring);
	return r;
}

/* The name is forgotten by the kernel, if it can be read: the zone above may be locked. */
static void forget_top(struct mzone *z, char *path)
{
	char *slash = strrchr(path, '/');
	struct object *dir;

	if (slash)
		*slash = 0;
	if (store_resolve(z->m->store, slash ? path : "", &dir))
		return;
	zone_forget_name(z->m, dir, slash ? slash + 1 : path);
	object_put(dir);
}

static json_t *destroy(struct mzone *z, const json_t *req)
{
	struct store_error err = { "", "" };
	_cleanup_free_ char *path = NULL;
	struct lock_report rep = { 0 };
	struct object *top = NULL;
	int r;

	if (!zone_top(z->zone, true, &top) && object_plain_path(top, &path))
		path = NULL;
	object_put(top);
	if (z->grant)
		grant_retire(z->grant);
	deploys_drop_zone(z->m, z->zone);
	lock_end(&z->locker, 1, &rep);
	zone_set_errno(z->zone, EKEYREVOKED);
	r = zone_destroy(z->zone, &err);
	audit_note_by(z->m->audit, "zone.destroy", req, NULL, r ? "failed" : "ok", "zone %s", z->id);
	if (r < 0)
		return answer_store(r, &err);
	z->gone = true;
	log_notice("zone %s: destroyed", z->id);
	if (path)
		forget_top(z, path);
	return json_pack("{s:b, s:s}", "ok", 1, "zone", z->id);
}

json_t *answer_zone_destroy(struct mount *m, const json_t *req)
{
	const char *name = json_string_value(json_object_get(req, "zone"));
	struct mzone *z = name ? zones_find(m, name) : NULL;

	if (m->opt->read_only)
		return answer_refused("the mount is read-only", "mount it read-write", CMD_FAILED);
	if (!z)
		return answer_no_zone(name ? name : "");
	if (z == m->zones)
		return answer_refused("the root zone is the volume itself",
				      "unmount it and remove its directory", CMD_USAGE);
	if (has_children(z))
		return answer_refused("another zone lies in it", "destroy that one first", CMD_BUSY);
	if (takes_over(z))
		return answer_refused("the zone still takes files over from the one that it lies in",
				      "cmkfs key rotate --reencrypt --zone ZONE ends that", CMD_BUSY);
	return destroy(z, req);
}
