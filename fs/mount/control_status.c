/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `status` and `stats` answer.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "fs/lib/state.h"
#include "fs/mount/control.h"
#include "fs/mount/grant.h"
#include "fs/mount/janitor.h"
#include "fs/mount/lock.h"

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

static json_t *zone_json(struct mount *m)
{
	char id[2 * ID_LEN + 1];
	json_t *o = json_object();
	struct lease_status s;
	struct lock_status l;
	enum zone_state state = zone_state(m->zone);
	int e = zone_errno(m->zone);

	grant_status(m->grant, &s);
	lock_status(m->locker, &l);
	state_hex(zone_id(m->zone)->zone, ID_LEN, id);
	set_text(o, "zone", id);
	set_text(o, "state", state_name(state, s.state));
	set_text(o, "errno", state == ZONE_UNLOCKED ? NULL : errno_name(e));
	set_text(o, "reason", s.error.code ? s.error.message :
			      l.operator_locked ? "locked by an operator" : NULL);
	set_text(o, "hint", s.error.code ? s.error.hint :
			    l.operator_locked ? "cmkfs unlock opens it" : NULL);
	set_text(o, "kid", s.kid);
	set_text(o, "provider", provider_of(s.kid));
	set(o, "confirmed_ms_ago", json_integer(s.confirmed_ms_ago));
	set(o, "expires", json_integer(s.expires));
	set(o, "grace_left_ms", json_integer(s.grace_left_ms));
	set(o, "operator_locked", json_boolean(l.operator_locked));
	set_text(o, "opened_by", state == ZONE_UNLOCKED ? s.kid : NULL);
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

static void set_locks(json_t *o, struct mount *m)
{
	struct lock_status l;

	lock_status(m->locker, &l);
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
	set_text(o, "transport", "dev");
	set(o, "memory_locked", json_boolean(secret_locked()));
	json_array_append_new(zones, zone_json(m));
	set(o, "zones", zones);
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
