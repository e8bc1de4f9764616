/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `status` and `stats` answer.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "fs/lib/state.h"
#include "fs/mount/audit.h"
#include "fs/mount/control.h"
#include "fs/mount/control_answer.h"
#include "fs/mount/deploy.h"
#include "fs/mount/grant.h"
#include "fs/mount/janitor.h"
#include "fs/mount/uring.h"

static const char *errno_name(int e)
{
	switch (e) {
	case EKEYREVOKED:
		return "EKEYREVOKED";
	case EKEYEXPIRED:
		return "EKEYEXPIRED";
	case ENOKEY:
		return "ENOKEY";
	case ENOTCONN:
		return "ENOTCONN";
	default:
		return strerrorname_np(e);
	}
}

static const char *state_name(enum zone_state s, enum lease_state l)
{
	if (s == ZONE_DRAINING)
		return "draining";
	if (s == ZONE_LOCKED)
		return "locked";
	return l == LEASE_GRACE ? "grace" : "unlocked";
}

static void set(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static void set_text(json_t *o, const char *key, const char *s)
{
	/* Paths are bytes; JSON is UTF-8. */
	json_t *v = s && *s ? json_string(s) : NULL;

	set(o, key, v ? v : json_null());
}

static void set_int(json_t *o, const char *key, uint64_t n)
{
	set(o, key, json_integer((json_int_t)n));
}

static const char *provider_of(const char *kid)
{
	const struct kp_ops *p = kid[0] ? kp_provider_of(kid, NULL) : NULL;

	return p ? p->name : NULL;
}

static void set_reason(json_t *o, const struct lease_status *s, const struct mzone *z,
		       const struct lock_status *l)
{
	bool said = s->error.code && s->error.message[0];

	set_text(o, "reason", said ? s->error.message :
			      z->unrecorded ? "the audit log cannot be written" :
			      l->operator_locked ? "locked by an operator" : NULL);
	set_text(o, "hint", said ? s->error.hint :
			    z->unrecorded ? "it opens again when the audit log can be written" :
			    l->operator_locked ? "cmkfs unlock opens it" : NULL);
}

static void set_audit(json_t *o, struct mount *m)
{
	struct audit_state s;

	audit_state(m->audit, &s);
	set(o, "audit", json_pack("{s:s, s:b, s:I, s:s?, s:s?}", "mode",
				  m->opt->audit_required ? "required" : "best-effort", "written",
				  !s.failed.code, "lost", (json_int_t)s.lost, "reason",
				  s.failed.code ? s.failed.message : NULL, "hint",
				  s.failed.code ? s.failed.hint : NULL));
}

/* What keeps the zone open: a way round a revocation is shown as what it is. */
static void set_opened_by(json_t *o, enum zone_state state, struct grant *g, const char *kid)
{
	unsigned int slot = g ? grant_recovered(g) : 0;

	if (state != ZONE_UNLOCKED)
		set(o, "opened_by", json_null());
	else if (slot)
		set(o, "opened_by", json_sprintf("recovery slot %u, a way round a revocation", slot));
	else
		set_text(o, "opened_by", kid);
}

/* Where it begins, as far as that is known and may be. */
static void set_path(json_t *o, struct zone *z)
{
	_cleanup_free_ char *path = NULL;
	struct object *top = NULL;

	if (!zone_top(z, false, &top) && object_plain_path(top, &path))
		path = NULL;
	set_text(o, "path", path && !*path ? "." : path);
	object_put(top);
}

json_t *zone_json(struct mzone *z)
{
	char id[2 * ID_LEN + 1];
	json_t *o = json_object();
	struct lease_status s = { .confirmed_ms_ago = -1 };
	struct lock_status l;
	struct grant *g = z->grant;
	enum zone_state state = zone_state(z->zone);
	int e = zone_errno(z->zone);

	if (g)
		grant_status(g, &s);
	lock_status(z->locker, &l);
	set_text(o, "zone", z->id);
	if (zone_parent(z->zone))
		state_hex(zone_id(zone_parent(z->zone))->zone, ID_LEN, id);
	set_text(o, "parent", zone_parent(z->zone) ? id : NULL);
	set_path(o, z->zone);
	set_text(o, "state", state_name(state, s.state));
	set_text(o, "errno", state == ZONE_UNLOCKED ? NULL : errno_name(e));
	set_reason(o, &s, z, &l);
	set_text(o, "kid", s.kid);
	set_text(o, "provider", provider_of(s.kid));
	set(o, "confirmed_ms_ago", json_integer(s.confirmed_ms_ago));
	set(o, "expires", json_integer(s.expires));
	set(o, "grace_left_ms", json_integer(s.grace_left_ms));
	set(o, "operator_locked", json_boolean(l.operator_locked && !z->unrecorded));
	set_opened_by(o, state, g, s.kid);
	set_int(o, "locks", l.locks);
	set(o, "slots", g ? grant_slots(g) : json_array());
	return o;
}

static void set_counts(json_t *o, struct mount *m)
{
	struct store_stats s;

	store_stats(m->store, &s);
	set_int(o, "nodes", inode_count(m->inodes));
	set_int(o, "objects", s.objects);
	set_int(o, "loaded", s.loaded);
	set_int(o, "open_files", s.open_fds);
	set_int(o, "pending_bytes", s.pending_bytes);
	set_int(o, "requests", atomic_load(&m->requests));
	set_int(o, "refused", atomic_load(&m->refused));
	set_int(o, "lost", atomic_load(&m->lost));
}

/* Of the root's zone, as the mount's. */
static void set_locks(json_t *o, struct mount *m)
{
	struct lock_status l;

	lock_status(m->zones->locker, &l);
	set_int(o, "locks", l.locks);
	set(o, "last_lock",
	    l.locks ? json_pack("{s:f, s:I, s:I, s:b}", "ms", l.last.ms, "refused",
				(json_int_t)l.last.refused, "lost", (json_int_t)l.last.lost,
				"timed_out", l.last.timed_out) :
		      json_null());
}

json_t *control_status(struct mount *m)
{
	const struct volume_block *v = store_volume(m->store);
	json_t *o = json_object(), *zones = json_array();
	char vol[2 * ID_LEN + 1], device[24];

	state_hex(v->root.vol, ID_LEN, vol);
	snprintf(device, sizeof(device), "%u:%u", m->dev_major, m->dev_minor);
	set(o, "ok", json_true());
	set_text(o, "mountpoint", m->mountpoint);
	set_text(o, "dir", m->dir);
	set_text(o, "device", device);
	set_text(o, "vol_id", vol);
	set_text(o, "cipher", v->suite == SUITE_XTS ? "xts" : "gcm");
	set_text(o, "mode", m->opt->read_only ? "ro" : "rw");
	set(o, "writeback", json_boolean(m->writeback));
	set(o, "pid", json_integer(getpid()));
	set(o, "janitor", json_integer(janitor_pid(m->janitor)));
	set_text(o, "transport", uring_active(m->uring) ? "io_uring" : "dev");
	set(o, "memory_locked", json_boolean(secret_locked()));
	for (struct mzone *z = m->zones; z; z = z->next)
		if (!z->gone)
			json_array_append_new(zones, zone_json(z));
	set(o, "zones", zones);
	set(o, "deployments", deploys_json(m));
	set_audit(o, m);
	set_counts(o, m);
	set_locks(o, m);
	return o;
}

json_t *control_stats(struct mount *m)
{
	json_t *o = json_object();
	struct store_stats s;
	size_t used, total;

	store_stats(m->store, &s);
	secret_usage(&used, &total);
	set(o, "ok", json_true());
	set_text(o, "mountpoint", m->mountpoint);
	set_counts(o, m);
	set_int(o, "groups", s.groups);
	set_int(o, "dirty_objects", s.dirty_objects);
	set_int(o, "bytes_read", s.bytes_read);
	set_int(o, "bytes_written", s.bytes_written);
	set_int(o, "integrity_errors", s.integrity_errors);
	set_int(o, "secret_bytes", used);
	set_int(o, "secret_bytes_max", total);
	set_locks(o, m);
	return o;
}
